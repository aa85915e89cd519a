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
"""Each join of a commit is of a few staged rows with the rows of their keys, and a lease reads one index in order. The
planner has no statistics of tables that are being filled, and does not know that: a lease by bitmap took 37 ms instead
of 1. Compiling a plan, which the planner chooses before version 18 since the staging table is read as a whole, takes
longer than running it; so does planning for each value."""


def plan_by_key(connection: Connection) -> None:
    """Make the planner of a session look rows up by their keys, for statements about a few rows of large tables.

    A statement is prepared when it first runs, and planned once until `DISCARD PLANS`.
    """
    connection.prepared_max = 500  # default 100: a crawl has some 130 statements
    connection.prepare_threshold = 0  # default 5: so many more plans of each, 60% of the planning of a short crawl
    for setting, value in _BY_KEY.items():
        connection.execute(f"SET {setting} = {value}")


def plan_freely(connection: Connection) -> None:
    """Use the planner's defaults until the transaction ends, for statements that read whole tables."""
    for setting in _BY_KEY:
        connection.execute(f"SET LOCAL {setting} = DEFAULT")
