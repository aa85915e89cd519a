"""Queries of the report page: each a file in `queries/`, run with a limit of time."""

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
"""People below which a group is not shown apart: a country, a cohort."""
PEOPLE = 20_000
"""People that are asked about where all would take too long."""
BINS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""From where each class of a count goes: each is twice as wide as the one before."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of a query. `sql` can be run as it stands; `trouble` gives the reason for missing rows."""

    sql: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    trouble: str | None = None
    as_of: datetime | None = None
    """When the tables of schema analytics that it was taken from were brought up to date; None: it is live."""


@dataclass(frozen=True, slots=True)
class FigureSources:
    """Sources of heavy figures: their views, or in a large warehouse the tables that are copies of them."""

    relations: Mapping[str, str]
    refreshed_at: datetime | None = None
    one_in: int = 1
    """Ratio of all users to the users whose actions are looked at."""

    @classmethod
    def find(cls, connection: Connection) -> FigureSources:
        """Choose views where they are quick, else copies as of their last refresh."""
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
    """Run a query, but no longer than `patience` seconds. It is rolled back alone: the next one goes on."""
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
