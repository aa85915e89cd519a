"""Temporary databases beside the warehouse, on the same server."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from harvester.errors import WarehouseError
from harvester.warehouse.clients import url_of_database
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

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
    """

    suffix: str
    lock: int
    command: str
    busy: str
    needed: str

    @property
    def comment(self) -> str:
        """The comment by which a database that a killed command left is recognised."""
        return f"temporary: made by `{self.command}`, which drops it"


@contextmanager
def temporary_database(url: str, purpose: TemporaryUse) -> Iterator[str]:
    """Make an empty database beside that of a URL, yield its URL, and drop it.

    Raises:
        WarehouseError: the role may not create databases, or another one for the purpose is in use.
    """
    name = f"{str(conninfo_to_dict(url).get('dbname', ''))[:_LONGEST_NAME]}_{purpose.suffix}"
    with closing(open_connection(url, autocommit=True)) as connection:
        alone = connection.execute("SELECT pg_try_advisory_lock(%s)", [purpose.lock]).fetchone()
        if not (alone and alone[0]):
            raise WarehouseError(purpose.busy)
        _drop_left(connection, name, purpose)
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
            )
        except psycopg.errors.InsufficientPrivilege:
            raise WarehouseError(
                f"this role may not create databases, and {purpose.needed}: use a role with CREATEDB, or"
                " unset HARVESTER_DATABASE_URL, and the embedded server does it"
            ) from None
        try:
            comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
            connection.execute(comment.format(sql.Identifier(name), sql.Literal(purpose.comment)))
            yield url_of_database(url, name)
        finally:
            with suppress(psycopg.OperationalError):  # with the server gone, the next one drops it
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_left(connection: Connection, name: str, purpose: TemporaryUse) -> None:
    """Drop the database that a killed command left."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    if row is None:
        return
    if row[0] != purpose.comment:
        raise WarehouseError(f"there is a database {name} already, which is not ours: rename it")
    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
