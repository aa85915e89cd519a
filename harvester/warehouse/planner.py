"""Settings of PostgreSQL's planner for the statements of a crawl."""

from harvester.warehouse.connection import Connection

_BY_KEY = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "random_page_cost": "1.1",
    "plan_cache_mode": "force_generic_plan",
}
"""Every join of a commit is a few staged rows against the rows of their keys, and a lease reads one index in order. A
planner without statistics of tables that fill while it looks does not know that: a lease by bitmap took 37 ms, not 1.
Compiling a plan, which before version 18 seems dear because the staging table is read through, takes longer than
running it; so does planning again for each value."""


def plan_by_key(connection: Connection) -> None:
    """Have the session look rows up by their keys, for statements about a few rows of large tables."""
    for setting, value in _BY_KEY.items():
        connection.execute(f"SET {setting} = {value}")


def plan_freely(connection: Connection) -> None:
    """Use the planner's defaults until the transaction ends, for statements that read whole tables."""
    for setting in _BY_KEY:
        connection.execute(f"SET LOCAL {setting} = DEFAULT")
