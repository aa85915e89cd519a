"""Temporary databases beside the warehouse, on the same server."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from harvester.errors import WarehouseError
from harvester.warehouse.clients import url_of_database
from harvester.warehouse.connect import open_connection
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "temporary")
_COMMENT, _KEPT = "temporary: made by ", " (kept for "
"""The begin of a comment on a database, and what follows on one that a stopped command leaves."""
_LONGEST_NAME = 40
"""Characters of the warehouse's name that the name begins with; PostgreSQL cuts names at 63 bytes."""


@dataclass(frozen=True, slots=True)
class TemporaryUse:
    """Use of a temporary database.

    Attributes:
        suffix: What its name ends in.
        lock: The advisory lock by which there is one at a time on a server.
        command: The command that makes it, and drops it.
        busy: The message where another one is under way.
        needed: What needs a database, for the message where the role may make none.
        kept_for: What a database is made from, if one that a stopped command left is used again for the same; empty
            for one that is dropped however its command ends.
    """

    suffix: str
    lock: int
    command: str
    busy: str
    needed: str
    kept_for: str = ""

    @property
    def comment(self) -> str:
        """The comment by which a database that a stopped command left is recognised."""
        return f"{_COMMENT}`{self.command}`, which drops it{self.kept_for and f'{_KEPT}{self.kept_for})'}"

    @property
    def is_kept(self) -> bool:
        """Return whether a stopped command leaves its database."""
        return bool(self.kept_for)


@contextmanager
def temporary_database(url: str, purpose: TemporaryUse) -> Iterator[str]:
    """Make an empty database beside that of a URL, yield its URL, and drop it.

    Where it is kept for something (`TemporaryUse.kept_for`), it is dropped only after success, and one that was left is
    yielded again.

    Raises:
        WarehouseError: the role may not create databases, or another one for the purpose is in use.
    """
    name = f"{str(conninfo_to_dict(url).get('dbname', ''))[:_LONGEST_NAME]}_{purpose.suffix}"
    with closing(open_connection(url, autocommit=True)) as connection:
        alone = connection.execute("SELECT pg_try_advisory_lock(%s)", [purpose.lock]).fetchone()
        if not (alone and alone[0]):
            raise WarehouseError(purpose.busy)
        if not _reuse_or_drop(connection, name, purpose):
            _create(connection, name, purpose)
        is_done = False
        try:
            yield url_of_database(url, name)
            is_done = True
        finally:
            if is_done or not purpose.is_kept:
                with suppress(psycopg.OperationalError):  # with the server gone, the next one drops it
                    _drop(connection, name)


def _create(connection: Connection, name: str, purpose: TemporaryUse) -> None:
    try:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
        )
    except psycopg.errors.InsufficientPrivilege:
        raise WarehouseError(
            f"this role may not create databases, and {purpose.needed}: use a role with CREATEDB, or"
            " unset HARVESTER_DATABASE_URL, and the embedded server does it"
        ) from None
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
    connection.execute(comment.format(sql.Identifier(name), sql.Literal(purpose.comment)))


def _reuse_or_drop(connection: Connection, name: str, purpose: TemporaryUse) -> bool:
    """Return whether the database that a stopped command left is used again; drop one that is not."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    if row is None:
        return False
    if purpose.is_kept and row[0] == purpose.comment:
        return True
    if not (row[0] or "").startswith(replace(purpose, kept_for="").comment):
        raise WarehouseError(f"there is a database {name} already, which is not ours: rename it")
    _drop(connection, name)
    return False


def _drop(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_left(connection: Connection) -> None:
    """Drop the temporary databases beside a warehouse that stopped commands leave, of which one may be in use."""
    prefix = connection.info.dbname[:_LONGEST_NAME] + "_"
    found = connection.execute(_SQL["kept_databases"], {"prefix": prefix, "comment": _COMMENT, "kept": _KEPT})
    for (name,) in found.fetchall():
        _drop(connection, name)
