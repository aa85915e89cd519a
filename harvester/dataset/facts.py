"""Facts about the making of a release: coverage, designs, runs. They hold no id and no name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from harvester import __version__
from harvester.warehouse.tables import MAIN_TABLES

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

# While a run is under way the state is that of now; else that in which the last one left it, however often it is read.
_STATE = """
SELECT CASE WHEN bool_or(ended_at IS NULL) IS NOT FALSE THEN now() ELSE max(ended_at) END FROM crawl.runs
"""
_LISTS = """
SELECT stream, count(*) AS lists,
    count(*) FILTER (WHERE state = 'certified') AS certified,
    count(*) FILTER (WHERE state = 'unproved') AS unproved,
    count(*) FILTER (WHERE state = 'read') AS read,
    count(*) FILTER (WHERE state = 'not read yet') AS not_read_yet,
    count(*) FILTER (WHERE state = 'gone') AS gone,
    count(*) FILTER (WHERE capped) AS capped_by_the_site,
    count(*) FILTER (WHERE hole_before IS NOT NULL) AS with_a_hole
FROM analytics.coverage WHERE stream NOT LIKE 'account%' GROUP BY 1 ORDER BY 1
"""
_FAILED = """
SELECT stream, count(*) AS failing FROM crawl.frontier WHERE failures > 0 GROUP BY 1 ORDER BY 1
"""
_IDS = """
SELECT kind, extract(year FROM month)::int AS year, sum(held)::bigint AS held, sum(ids_not_held)::bigint AS not_held
FROM analytics.id_gaps GROUP BY 1, 2 ORDER BY 1, 2
"""
_CENSORED = """
SELECT '{0}' AS kind, count(*) AS gone, count(last_seen_at) AS between_two_reads,
    extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY gone_at - last_seen_at)) / 86400 AS median_days
FROM scratch.{0} WHERE gone_at IS NOT NULL
"""
_RUNS = """
SELECT count(*) AS runs, min(started_at) AS first, max(coalesce(ended_at, started_at)) AS last,
    coalesce(sum(requests), 0)::bigint AS requests,
    string_agg(DISTINCT api_url, ', ' ORDER BY api_url) AS api,
    string_agg(DISTINCT contact, ', ' ORDER BY contact) AS contact,
    string_agg(DISTINCT permission, ', ' ORDER BY permission) AS permission,
    string_agg(DISTINCT version, ', ' ORDER BY version) AS crawled_by
FROM crawl.runs WHERE parent_run_id IS NULL
"""
# The parameters hold the seed, and ids between which was drawn: with them it is known what was drawn.
_DESIGNS = """
SELECT g.id AS design_id, g.name, g.kind, g.drawn_at::date::text AS drawn_on, g.parent_id AS of_design,
    (SELECT sum(frame_size)::bigint FROM crawl.strata s WHERE s.design_id = g.id) AS frame_size,
    count(d.design_id) AS drawn, count(*) FILTER (WHERE d.outcome = 'hit') AS hits,
    count(*) FILTER (WHERE d.outcome <> 'hit') AS misses{0}
FROM crawl.designs g LEFT JOIN crawl.draws d ON d.design_id = g.id GROUP BY g.id ORDER BY g.id
"""


def state_at(connection: Connection) -> datetime:
    """Return the moment whose state the warehouse holds."""
    row = connection.execute(_STATE).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def coverage(connection: Connection, *, fewest: int | None = None) -> dict[str, Any]:
    """Collect the certified lists, the failures, the ids that are not held, and the precision of deletion dates.

    With `fewest` numbers are `coarse`, and no time is told to less than a day: one thing that is gone, and to the
    second how long nobody had looked, is somebody's.
    """
    told = {
        "lists": _rows(connection, _LISTS),
        "failing": _rows(connection, _FAILED),
        "ids_by_year": _rows(connection, _IDS),
        "absences": [row for table in MAIN_TABLES for row in _rows(connection, _CENSORED.format(table))],
    }
    if fewest is None:
        return told
    rough = {name: [_rough(row, fewest) for row in rows] for name, rows in told.items()}
    return {"numbers": f"from {fewest} on rounded down to a multiple of {fewest}; below it none but 0", **rough}


def coarse(number: int, fewest: int) -> int | None:
    """Round a count so that it tells nothing of a few: 0, None below `fewest`, else the multiple of it below.

    Rounded, for else what is left out is the difference of two numbers that are told.
    """
    return None if 0 < number < fewest else number - number % fewest


def _rough(row: dict[str, Any], fewest: int, exact: tuple[str, ...] = ("year",)) -> dict[str, Any]:
    def told(name: str, value: Any) -> Any:
        if name == "median_days":
            return round(value) if value is not None and row["between_two_reads"] >= fewest else None
        return coarse(value, fewest) if isinstance(value, int) and name not in exact else value

    return {name: told(name, value) for name, value in row.items()}


def newest_designs(connection: Connection) -> dict[str, int]:
    """Return the newest sample of each kind of thing."""
    return dict(connection.execute("SELECT kind, max(id) FROM crawl.designs GROUP BY 1 ORDER BY 1").fetchall())


def kind_of_design(connection: Connection, design: int) -> str | None:
    """Return the kind of a design; None if no design has that number."""
    row = connection.execute("SELECT kind FROM crawl.designs WHERE id = %s", [design]).fetchone()
    return None if row is None else row[0]


_OF_THE_OPERATOR = ("design_id", "of_design", "frame_size", "drawn")


def designs(connection: Connection, *, with_seeds: bool, fewest: int | None = None) -> dict[str, Any]:
    """Describe the designs that drew the entities in scope; empty if all were seeded by hand.

    With `fewest` hits are `coarse`.
    """
    drawn = _rows(connection, _DESIGNS.format(", g.parameters::text AS parameters" if with_seeds else ""))
    if fewest is not None:
        drawn = [_rough(row, fewest, _OF_THE_OPERATOR) for row in drawn]
    return {"designs": drawn} if drawn else {}


def provenance(connection: Connection, *, to_the_day: bool) -> dict[str, Any]:
    """Return the runs behind a release."""
    found = _rows(connection, _RUNS)[0]
    for name in ("first", "last"):
        if found[name] is not None:
            found[name] = (found[name].date() if to_the_day else found[name]).isoformat()
    return found | {"harvester": __version__}


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query).fetchall()
    return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: Any) -> Any:
    """Numbers as JSON has them; `numeric` comes as Decimal."""
    if value is None or isinstance(value, str | int | float) or hasattr(value, "isoformat"):
        return value
    return round(float(value), 3)
