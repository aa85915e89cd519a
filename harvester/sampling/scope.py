"""Seeds, rankings and samples that the operator put in scope: listed, and taken out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.choices import SeedKind
from harvester.errors import UsageError
from harvester.frontier.shrinking import shrink
from harvester.warehouse.access import connect
from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.config import Settings
    from harvester.frontier.shrinking import Shrinking
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "scope")


def list_scope(settings: Settings) -> list[dict[str, Any]]:
    """List what is in scope, the oldest first: kind, id, name, depth, since when, and by which command."""
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        return fetch_dicts(connection, _SQL["scope"])


def remove_seeds(
    settings: Settings, kind: SeedKind, what: Sequence[str], *, by_id: bool = False, dry_run: bool = False
) -> Shrinking:
    """Take seeds or rankings out of scope, and end the visits that nothing else needs.

    Args:
        settings: Whose warehouse.
        kind: The kind of all of them.
        what: Ids; of users names, unless `by_id`.
        by_id: Of users: ids.
        dry_run: Count what would end, and change nothing.

    Raises:
        UsageError: one of them was not seeded; nothing is changed.
        WarehouseError: a crawl is at work.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        if kind is SeedKind.USERS and not by_id:
            wanted = {name: _users_of(connection, name) for name in what}
        else:
            wanted = {text: [_id(text)] for text in what}
        is_ranking = kind is SeedKind.RANKINGS
        known = _SQL["known_rankings"] if is_ranking else _SQL["known_seeds"]
        values = {"kind": kind.removesuffix("s"), "ids": [each for ids in wanted.values() for each in ids]}
        found = {each for (each,) in connection.execute(known, values).fetchall()}
        for text, ids in wanted.items():
            if not found.intersection(ids):
                raise UsageError(f"{text} is not among the seeded {kind}: see `harvester seed list`")
        delete = _SQL["delete_rankings"] if is_ranking else _SQL["delete_seeds"]
        return shrink(connection, lambda: connection.execute(delete, values | {"ids": list(found)}), dry_run=dry_run)


def cancel_design(settings: Settings, design: int, *, dry_run: bool = False) -> Shrinking:
    """Cancel a design, and end the visits that nothing else needs; what was visited by then stays recorded.

    Raises:
        UsageError: there is no such design, it was cancelled before, or another one draws from it.
        WarehouseError: a crawl is at work.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        row = connection.execute(_SQL["design"], [design]).fetchone()
        if row is None:
            raise UsageError(f"there is no design {design}: see `harvester seed sample list`")
        cancelled_at, child = row
        if cancelled_at is not None:
            raise UsageError(f"design {design} was cancelled already, on {cancelled_at:%Y-%m-%d}")
        if child is not None:
            raise UsageError(f"design {child} still draws from design {design}: cancel that one first")
        cancel = "UPDATE crawl.designs SET cancelled_at = crawl.clock() WHERE id = %s"
        return shrink(connection, lambda: connection.execute(cancel, [design]), dry_run=dry_run)


def _users_of(connection: Connection, name: str) -> list[int]:
    rows = connection.execute("SELECT id FROM scratch.users WHERE lower(username) = lower(%s)", [name]).fetchall()
    return [user for (user,) in rows]


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 2**63:
        raise UsageError(f"{text!r} is no id: a whole number above 0")
    return int(text)
