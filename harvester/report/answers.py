"""Run the queries of the report page, the files in `queries/`, with a time limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import ClientCursor

from harvester.monitoring.status import EXACT_BELOW
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "answers")
FEWEST = 5
"""Least number of people in a group that is shown, such as a country or a cohort."""
PEOPLE = 20_000
"""Number of users whose actions are read where all would take too long."""
BINS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Lower bounds of the classes of a count."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of a query. `sql` can be run as it stands; `trouble` gives the reason for missing rows."""

    sql: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    trouble: str | None = None
    as_of: datetime | None = None
    """Time of the last refresh of the materialised views behind it; None: it is from the tables themselves."""


@dataclass(frozen=True, slots=True)
class FigureSources:
    """Sources of expensive figures: live views, or in a large warehouse materialised views."""

    relations: Mapping[str, str]
    refreshed_at: datetime | None = None
    one_in: int = 1
    """One in so many users is read."""

    @classmethod
    def find(cls, connection: Connection) -> FigureSources:
        """Choose live views in a small warehouse, else the materialised ones."""
        row = connection.execute(_SQL["is_large"], [EXACT_BELOW]).fetchone()
        large, refreshed_at, users = row or (False, None, 0)
        one_in = max(1, round(users / PEOPLE)) if large else 1
        if not (large and refreshed_at):
            return cls({name: f"analytics.live_{name}" for name in materialised()}, one_in=one_in)
        return cls({name: f"analytics.{name}" for name in materialised()}, refreshed_at, one_in)


@cache
def _text(name: str) -> str:
    text = files("harvester.report").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8").strip()
    return text.replace("{fewest}", str(FEWEST)).replace("{bins}", f"ARRAY{list(BINS)}")


def source(name: str, figures: FigureSources) -> tuple[str, bool]:
    """Return the text of a query, with names for values in it, and whether it asks for heavy figures."""
    text = _text(name)
    used = [relation for relation in figures.relations if f"{{{relation}}}" in text]
    for relation in used:
        text = text.replace(f"{{{relation}}}", figures.relations[relation])
    return text.replace("{one_in}", str(figures.one_in)), bool(used)


def ask(connection: Connection, query: str, values: Mapping[str, Any] | Sequence[Any], patience: float) -> Answer:
    """Run a query for at most `patience` seconds, in a subtransaction, so that a failure does not end the others."""
    cursor = ClientCursor(connection)
    sql = cursor.mogrify(query, values)
    try:
        with connection.transaction():
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true)", [f"{max(1, round(patience * 1000))}ms"]
            )
            cursor.execute(query, values)
            columns = tuple(column.name for column in cursor.description or ())
            rows = tuple(dict(zip(columns, row, strict=True)) for row in cursor.fetchall())
    except psycopg.errors.QueryCanceled:
        return Answer(sql, trouble=f"took longer than {patience:g} s, and was left out")
    except psycopg.errors.InsufficientPrivilege:
        return Answer(sql, trouble="may not be read by the role of this connection")
    return Answer(sql, columns, rows)
