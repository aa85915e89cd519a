"""Apply views, functions and their comments: SQL files that are re-applied if their text changed, not migrated.

Alembic changes tables. Each file below `views/` is a part; `crawl.sql_parts` has the digest of the text that was
applied and the views and functions that it made. A part with another digest is dropped and made again, together with
the parts whose views use its views. A view of an analyst that uses one of them is never dropped: it stops the change
with a message that names it.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from psycopg import sql

from harvester.errors import WarehouseError
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "sql_parts")
PARTS = (
    "clock",
    "rates",
    "activity",
    "announcements",
    "comments",
    "present",
    "as_of",
    "coverage",
    "analytics/activity",
    "analytics/cohorts",
    "analytics/countries",
    "analytics/remixes",
    "analytics/threads",
    "analytics/network",
    "analytics/studios",
    "analytics/life",
    "analytics/over_time",
    "analytics/rankings",
    "sources",
    "analytics/sources",
    "analytics/freshness",
    "analytics/refresh",
    "sampling",
    "analytics/live_comments",
)
"""The files, without their ending, in the order in which they can be applied."""
_GENERATED = "as_of"
"""The part without a file, whose text is made from the schema."""
_MADE = re.compile(r"^CREATE (VIEW|MATERIALIZED VIEW|FUNCTION) (\w+)\.(\w+)", re.MULTILINE)


def _texts() -> dict[str, str]:
    return {name: _text(name) for name in PARTS}


@cache
def _text(name: str) -> str:
    if name == _GENERATED:
        # The tables take as long to load as all else that `harvester db url` needs.
        from harvester.warehouse import as_of  # noqa: PLC0415

        return as_of.functions()
    return (files("harvester") / "warehouse" / "views" / f"{name}.sql").read_text()


def materialised() -> list[str]:
    """Return the materialised views of schema `analytics` in the order in which they depend on each other."""
    found = (each for name in PARTS for each in _MADE.findall(_text(name)))
    return [name for kind, schema, name in found if (kind, schema) == ("MATERIALIZED VIEW", "analytics")]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stale(connection: Connection) -> list[str]:
    """Return the parts whose text differs between a database and this code, or which this code no longer has."""
    applied = _applied(connection)
    wanted = {name: _digest(text) for name, text in _texts().items()}
    changed = [name for name, digest in wanted.items() if applied.get(name) != digest]
    return changed + sorted(applied.keys() - wanted.keys())


def apply(connection: Connection) -> list[str]:
    """Make the views and functions as this code states them, within the caller's transaction; return the parts applied.

    Raises:
        WarehouseError: a view that is not ours uses one that has to be made again.
    """
    changed = stale(connection)
    if not changed:
        return []
    dropped = drop(connection, changed)
    # A part without objects has comments on objects of others.
    made = {name: set(_MADE.findall(_texts()[name])) for name in PARTS}
    again = [name for name in PARTS if name in dropped or not made[name]]
    for name in again:
        connection.execute(_texts()[name])
        connection.execute(_SQL["record_part"], [name, _digest(_texts()[name]), *_identities(connection, made[name])])
    # A materialised view is filled when it is made.
    filled = [view for name in again for kind, _, view in made[name] if kind == "MATERIALIZED VIEW"]
    for view in filled:
        statement = sql.SQL(_SQL["record_filled"]).format(view=sql.Identifier("analytics", view))
        connection.execute(statement, [view])
    return again


def drop(connection: Connection, names: Iterable[str] | None = None) -> set[str]:
    """Drop the views and functions of some parts, or of all, and of those that use them; return the parts dropped.

    Raises:
        WarehouseError: a view that is not ours uses one of them.
    """
    if not _has_table(connection):
        return set(names or ())
    rows = connection.execute("SELECT name, views, functions FROM crawl.sql_parts").fetchall()
    views: dict[str, list[str]] = {name: made for name, made, _ in rows}
    functions: dict[str, list[str]] = {name: made for name, _, made in rows}
    part_of = {view: name for name, made in views.items() for view in made}
    wanted = set(views if names is None else names)
    while True:
        users = _users_of(connection, [view for name in wanted for view in views.get(name, ())])
        for user, used in users:
            if user not in part_of:
                raise WarehouseError(
                    f"your view {user} uses {used}, which has to be made again: keep its definition,"
                    f" DROP VIEW {user}, run `harvester db migrate`, and create it again"
                )
        more = {part_of[user] for user, _ in users} - wanted
        if not more:
            break
        wanted |= more
    _drop_views(connection, {each for name in wanted for each in views.get(name, ())})
    if objects := [each for name in wanted for each in functions.get(name, ())]:
        connection.execute(sql.SQL("DROP FUNCTION IF EXISTS " + ", ".join(objects)))
    connection.execute("DELETE FROM crawl.sql_parts WHERE name = ANY(%s)", [list(wanted)])
    return wanted


def _drop_views(connection: Connection, views: set[str]) -> None:
    """Drop views, plain and materialised, each before those that it uses."""
    kinds: dict[str, str] = dict(connection.execute(_SQL["kinds"], [list(views)]).fetchall())
    while kinds:
        used = {used for _, used in _users_of(connection, list(kinds))}
        for view in kinds.keys() - used:
            connection.execute(sql.SQL(f"DROP {kinds.pop(view)} {view}"))


def _has_table(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('crawl.sql_parts') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _applied(connection: Connection) -> dict[str, str]:
    if not _has_table(connection):
        return {}
    return dict(connection.execute("SELECT name, digest FROM crawl.sql_parts").fetchall())


def _identities(connection: Connection, made: set[tuple[str, str, str]]) -> tuple[list[str], list[str]]:
    """Return the views and the functions, these with the types of their arguments, as DROP takes them."""
    named = [(schema, name) for kind, schema, name in made if kind != "FUNCTION"]
    views = connection.execute(_SQL["views"], [[schema for schema, _ in named], [name for _, name in named]]).fetchall()
    functions = connection.execute(
        _SQL["functions"], [[f"{schema}.{name}" for kind, schema, name in made if kind == "FUNCTION"]]
    ).fetchall()
    return [name for (name,) in views], [name for (name,) in functions]


def _users_of(connection: Connection, views: list[str]) -> list[tuple[str, str]]:
    """Return the views, plain or materialised, whose definition uses one of some views: (user, used)."""
    return connection.execute(_SQL["users_of"], [views]).fetchall()
