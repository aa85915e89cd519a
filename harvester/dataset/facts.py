"""Facts about the making of a release: coverage, designs, runs. They hold no id and no name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from harvester import __version__
from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.source import read_source
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import MAIN_TABLES

if TYPE_CHECKING:
    from datetime import datetime

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "facts")


def state_at(connection: Connection) -> datetime:
    """Return the moment whose state the warehouse holds."""
    row = connection.execute(_SQL["state_at"]).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def state_of_sources(connection: Connection) -> str | None:
    """Return a text that changes with the sources and with what was worked out from them; None without a source."""
    row = connection.execute(_SQL["state_of_sources"]).fetchone()
    return None if row is None else row[0]


def coverage(connection: Connection, *, fewest: int | None = None) -> dict[str, Any]:
    """Collect the certified lists, the failures, the ids that are not held, and the precision of deletion dates.

    Where sources were read: how many were, and how many were not.

    With `fewest` numbers are `coarse`, and times are rounded to days: an exact time of one deletion could identify a
    person.
    """
    told = {
        "lists": _rows(connection, _SQL["lists"]),
        "failing": _rows(connection, _SQL["failing"]),
        "ids_by_year": _rows(connection, _SQL["ids_by_year"]),
        "absences": [row for table in MAIN_TABLES for row in _deletions(connection, table)],
    }
    sources = _rows(connection, _SQL["sources"])
    if sources:
        told["sources"] = sources
    if fewest is None:
        return told
    rough = {name: [_rough(row, fewest) for row in rows] for name, rows in told.items()}
    return {"numbers": f"from {fewest} on rounded down to a multiple of {fewest}; below it none but 0", **rough}


def coarse(number: int, fewest: int) -> int | None:
    """Round a count so that it reveals no small group: 0, None below `fewest`, else down to a multiple of `fewest`.

    Without rounding the size of a small group would be the difference of two published numbers.
    """
    return None if 0 < number < fewest else number - number % fewest


def _deletions(connection: Connection, table: str) -> list[dict[str, Any]]:
    query = sql.SQL(_SQL["deletions"]).format(kind=sql.Literal(table), table=sql.Identifier("scratch", table))
    return _rows(connection, query)


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

    With `fewest` hits are `coarse`, and strata, whose names may show ids, are left out.
    """
    drawn = _rows(connection, _SQL["designs"])
    if not with_seeds:
        for row in drawn:
            del row["parameters"]
    if not drawn:
        return {}
    if fewest is not None:
        return {"designs": [_rough(row, fewest, _OF_THE_OPERATOR) for row in drawn]}
    strata = _rows(connection, _SQL["strata"])
    return {"designs": drawn} | ({"strata": strata} if strata else {})


def provenance(connection: Connection, *, to_the_day: bool) -> dict[str, Any]:
    """Return the runs behind a release."""
    found = _rows(connection, _SQL["runs"])[0]
    source = read_source(connection)
    found["synthetic"] = None if source is None else source.sandbox
    for name in ("first", "last"):
        if found[name] is not None:
            found[name] = (found[name].date() if to_the_day else found[name]).isoformat()
    return found | {"harvester": __version__}


def _rows(connection: Connection, query: str | sql.Composed) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in fetch_dicts(connection, query)]


def _plain(value: Any) -> Any:
    """Return numbers as JSON has them; `numeric` comes as Decimal."""
    if value is None or isinstance(value, str | int | float) or hasattr(value, "isoformat"):
        return value
    return round(float(value), 3)
