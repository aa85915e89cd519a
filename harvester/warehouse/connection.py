"""The type of a connection to the warehouse, whose rows are tuples, and a query for rows as dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]


def fetch_dicts(
    connection: Connection, query: str | sql.Composed, values: Sequence[Any] | Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Run a query and return its rows by the names of their columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()
