"""What the page asks the warehouse: each question a file in `queries/`, each with a limit of time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import ClientCursor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harvester.warehouse.commit import Connection

FEWEST = 5
"""People below which a group is not shown apart: a country, a cohort."""
BINS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""From where each class of a count goes: each is twice as wide as the one before."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave. `sql` can be run as it stands; `trouble` says why there are no rows."""

    sql: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    trouble: str | None = None


@cache
def source(name: str) -> str:
    """The text of a query, with names for values in it."""
    text = files("harvester.report").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8").strip()
    return text.replace("{fewest}", str(FEWEST)).replace("{bins}", f"ARRAY{list(BINS)}")


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
