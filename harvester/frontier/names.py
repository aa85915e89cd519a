"""Handle accounts that changed their names: postpone their visits by name, and retract what was read under an old one.

See "Accounts that change their names" in `docs/concepts.md`. A name is lost when an answer by name shows the id of
another account, or when the account is not found and the site says that its name is free. The new name is known when
any response shows the account with a name.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg import sql

from harvester.api.catalogue import ONCE, STREAMS
from harvester.api.rows import Rows
from harvester.frontier.model import LISTS_OF_LINKS
from harvester.warehouse import staging
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import KEY_COLUMNS
from harvester.warehouse.upsert import NAME_UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harvester.api.rows import Visit
    from harvester.api.stream import Holding
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "names")

BY_NAME = [stream.name for stream in STREAMS.values() if stream.is_by_name]
BY_OWNER_NAME = [stream.name for stream in STREAMS.values() if stream.is_by_owner_name]
_MAY_BE_EMPTY = [name for name in BY_OWNER_NAME if STREAMS[name].empty_is_404]
_PROVING = [name for name in BY_NAME if STREAMS[name].answers_for is not None]
_OBJECTS = [name for name in BY_NAME if STREAMS[name].members is None]
_LISTS = [name for name in BY_NAME if STREAMS[name].members is not None and name not in _PROVING]
_NOT_FOUND = STREAMS["user"].gone
"""Reason recorded for an account whose name was not found."""
_BY_THEMSELVES = [name for name in BY_NAME if STREAMS[name].revisit < ONCE]
"""Streams that are visited by name and by a schedule, not only on demand."""
_OBSERVED = "user_messages"

PROVEN_SECONDS = sql.SQL(
    "CASE WHEN n.due_at > crawl.clock() THEN extract(epoch FROM crawl.clock() - n.proven_at)::float8 END"
)
"""SQL: seconds since the name of the account of visit `n` was proven. A due visit must prove it again."""


def wait(connection: Connection, visit: Visit) -> bool:
    """Postpone a visit until the present name of its account is known; return False if it is known by now."""
    project = None if visit.stream.is_by_name else visit.owner_id or visit.entity_id
    with connection.transaction():
        # The row is locked, so that a name that is stored meanwhile either is seen here, or finds this visit waiting.
        row = connection.execute(_SQL["lock_name"], {"project": project, "user": visit.entity_id}).fetchone()
        if row is not None and row[0] is not None:
            return False
        values = {"waits": NAME_UNKNOWN, "streams": [visit.stream.name], "user": visit.entity_id}
        connection.execute(_SQL["wait"], values)
    return True


def present(connection: Connection, user: int) -> str | None:
    """Return the present name of a user; None if it is not known."""
    with connection.transaction():
        row = connection.execute("SELECT username FROM scratch.users WHERE id = %s", [user]).fetchone()
    return None if row is None else row[0]


def proven_seconds(connection: Connection, user: int) -> float | None:
    """Return the seconds since the name of a user was proven; None if it never was, or must be proven again."""
    with connection.transaction():
        row = connection.execute(
            sql.SQL("SELECT {} FROM crawl.frontier n WHERE n.stream = 'user' AND n.entity_id = %s").format(
                PROVEN_SECONDS
            ),
            [user],
        ).fetchone()
    return None if row is None else row[0]


def lose(connection: Connection, visit: Visit) -> None:
    """Remove a name that is no longer the account's, unless the account is known under another one already.

    Rows that its lists stored since the name was proven are retracted; its visits by name wait.
    """
    user = visit.entity_id
    known = connection.execute("SELECT username FROM scratch.users WHERE id = %s FOR UPDATE", [user]).fetchone()
    if known is None or known[0] is None or known[0].lower() != (visit.username or "").lower():
        return
    retracted = _retract(connection, user)
    # By the writer of rows, which keeps the name in the history.
    staging.clear(connection)
    list(staging.write(connection, [(Rows("users", ("id", "username"), [(user, None)], shows=False), None)]))
    connection.execute(_SQL["wait"], _of(user))
    _log(connection, user, retracted, found=False)


def follow(connection: Connection, renamed: Sequence[int]) -> None:
    """Continue the visits of renamed accounts under their present names, with full reads of their lists.

    Where an account shows a name again that it had lost, which may come from a cache, they are due an hour later.
    """
    for user in sorted(set(renamed)):
        waits = connection.execute(
            "SELECT last_error = %s FROM crawl.frontier WHERE stream = 'user' AND entity_id = %s", [NAME_UNKNOWN, user]
        ).fetchone()
        if waits != (True,):
            _log(connection, user, _retract(connection, user), found=True)
        connection.execute(
            "UPDATE crawl.name_changes SET found_at = crawl.clock() WHERE user_id = %s AND found_at IS NULL", [user]
        )
        connection.execute(_SQL["resume_account"], {"streams": _BY_THEMSELVES, "user": user})
        connection.execute(_SQL["resume_projects"], {"streams": BY_OWNER_NAME, "user": user, "waits": NAME_UNKNOWN})


def _of(user: int) -> dict[str, Any]:
    return {"streams": BY_NAME, "user": user, "waits": NAME_UNKNOWN}


def _log(connection: Connection, user: int, retracted: int, *, found: bool) -> None:
    connection.execute(_SQL["log_change"], [user, found, retracted])


def _retract(connection: Connection, user: int) -> int:
    """Delete the rows that an account's lists by name stored since the name was proven; return how many.

    Rows that these lists had shown again are marked as gone again. The account's own lists, and the lists that show the
    same links from their other end, are due and read in full, without their certificates. Lists below its projects that
    were not found are due.
    """
    values = _of(user) | {"proving": _PROVING, "objects": _OBJECTS, "reason": _NOT_FOUND, "may_be_empty": _MAY_BE_EMPTY}
    connection.execute(_SQL["revisit_not_found"], values)
    rows = 0
    for name in _LISTS:
        holds = STREAMS[name].members
        assert holds is not None
        if not _proven_since(connection, values, name):
            continue
        connection.execute(_about(holds, _SQL["end_returns"]), values)
        items = [item for (item,) in connection.execute(_about(holds, _SQL["delete_stored"]), values)]
        rows += len(items)
        connection.execute(_SQL["forget_missing_items"], values)
        connection.execute(_SQL["forget_full_read"], values)
        if holds.table.endswith("_comments"):
            connection.execute(
                "DELETE FROM history.comment_revisions WHERE kind = %s AND comment_id = ANY(%s)",
                [holds.table.removesuffix("_comments"), items],
            )
        for other in _other_ends(name, holds):
            # A visit under way may have shown the deleted rows: it begins again.
            connection.execute(_SQL["restart_sibling"], [other, items])
    if _proven_since(connection, values, _OBSERVED):
        rows += connection.execute(_SQL["forget_message_counts"], values).rowcount
    connection.execute(_FORGET_PAGE, values)
    connection.execute(_SQL["restore_account"], values)
    connection.execute(
        "DELETE FROM crawl.missing_items WHERE stream = ANY(%(objects)s) AND entity_id = %(user)s", values
    )
    connection.execute("DELETE FROM crawl.seen_items WHERE stream = ANY(%(streams)s) AND entity_id = %(user)s", values)
    connection.execute(_SQL["restart_lists"], values)
    return rows


_FORGET_PAGE = "UPDATE scratch.users SET extra = extra - 'group' WHERE id = %(user)s AND extra ? 'group'"
"""The page of the site from which `group` is read shows no id of its account."""


def _proven_since(connection: Connection, values: dict[str, Any], stream: str) -> bool:
    """Add to the values a stream and the time until which its name was proven; return False if it was never read."""
    values["stream"] = stream
    row = connection.execute(_SQL["proven_since"], values).fetchone()
    values["since"] = row and row[0]
    return row is not None


@cache
def _about(holds: Holding, statement: str) -> bytes:
    """Return a statement with the table and columns of a list filled in."""
    return sql.SQL(statement).format(**_names(holds)).as_bytes()


def _names(holds: Holding) -> dict[str, sql.Composable]:
    key = KEY_COLUMNS[holds.table]
    return {
        "table": sql.Identifier("scratch", holds.table),
        "kind": sql.Literal(holds.table),
        "owner": sql.Identifier(holds.owner),
        "item": sql.Identifier(holds.item),
        "same": sql.SQL(" AND ").join(
            sql.SQL("a.{} = t.{}").format(sql.Identifier(place), sql.Identifier(column))
            for place, column in zip(("thing_id", "other_id"), key, strict=False)
        ),
    }


def _other_ends(name: str, holds: Holding) -> Iterator[str]:
    """Yield the lists that show the items of a list from the other end."""
    for other, owner, _ in LISTS_OF_LINKS.get(holds.table, ()):
        if other != name and owner == holds.item:
            yield other
