"""Refresh of the materialised views of schema `analytics`, whose figures take long to compute.

A refresh is one transaction with one snapshot: readers see all views as of the same moment, they are not blocked
meanwhile, and a refresh that is killed leaves everything as it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.locks import REFRESHING
from harvester.warehouse.schema import use_schema
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.warehouse.connection import Connection

    Progress = Callable[[str, int, int], None]

_SQL = statements(__package__, "refresh")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A materialised view that was refreshed, and the rows that it has."""

    relation: str
    row_count: int

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return asdict(self)


def refresh(connection: Connection, *, on_progress: Progress = lambda *_: None) -> list[Refreshed]:
    """Refresh all materialised views, in the order in which they rest on each other.

    A second refresh at the same time waits for the first. May run while crawls do.

    Args:
        connection: one that nothing else uses, in autocommit mode.
        on_progress: is given the view that is refreshed next, how many are done, and how many there are.

    Raises:
        WarehouseError: no schema, or one that is being changed.
    """
    use_schema(connection)  # keeps erasures out too, whose person an older snapshot would bring back
    connection.execute("SELECT pg_advisory_lock(%s)", [REFRESHING])
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            names = materialised()
            refreshed = []
            for number, name in enumerate(names):
                on_progress(name, number, len(names))
                row = connection.execute("SELECT crawl.refresh_figures(%s)", [name]).fetchone()
                assert row is not None
                refreshed.append(Refreshed(name, row[0]))
            return refreshed
    finally:
        if not connection.closed:
            connection.isolation_level = None
            connection.execute("SELECT pg_advisory_unlock(%s)", [REFRESHING])


def relations(connection: Connection) -> list[dict[str, Any]]:
    """List the relations of schema `analytics`, with their comments and the time of their refresh."""
    return fetch_dicts(connection, _SQL["relations"])
