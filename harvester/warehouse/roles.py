"""Roles with no more rights than they need: the owner migrates, the crawler reads and writes rows, the reader reads.

Neither role has a login: an operator makes logins of their own and grants them one of the two. Roles are the server's,
not the database's: `harvester db roles` makes them, and each migration gives those that exist their rights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from harvester.errors import WarehouseError
from harvester.warehouse.annotations import SCHEMAS
from harvester.warehouse.reader_login import READER
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "roles")
CRAWLER = "harvester_crawler"
_WRITTEN = ("scratch", "history", "crawl", "account", "source")
READ_BY_ANALYSTS = ("scratch", "history", "analytics")
_PURPOSES = {
    CRAWLER: "May crawl: read and write rows, change no table.",
    READER: "May read the community and its history, and nothing else.",
}


def make_roles(connection: Connection) -> dict[str, str]:
    """Make the roles where they are missing and give them their rights; return what each may do.

    Raises:
        WarehouseError: the tables belong to somebody else, or a role is missing and may not be made.
    """
    if not _owns_the_tables(connection):
        raise WarehouseError("only the owner of the tables can give rights on them")  # GRANT itself would only warn
    with connection.transaction():
        for role, purpose in _PURPOSES.items():
            if not _exists(connection, role):
                _make(connection, role, purpose)
        grant_rights(connection)
    return {
        CRAWLER: f"reads and writes rows of {', '.join(_WRITTEN)}, and refreshes analytics",
        READER: f"reads {', '.join(READ_BY_ANALYSTS)}",
    }


def _make(connection: Connection, role: str, purpose: str) -> None:
    try:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege:
        raise WarehouseError(
            f"this role may not create roles: have an administrator run CREATE ROLE {CRAWLER}; CREATE ROLE {READER};"
            " and repeat the command"
        ) from None
    connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), sql.Literal(purpose)))


def _owns_the_tables(connection: Connection) -> bool:
    row = connection.execute(_SQL["owns_tables"], [list(SCHEMAS)]).fetchone()
    return bool(row and row[0])


def grant_rights(connection: Connection) -> None:
    """Give the roles that exist their rights on all tables and views. Must be run by the owner of these."""
    if _exists(connection, CRAWLER):
        _grant_to_crawler(connection)
    if _exists(connection, READER):
        for schema in READ_BY_ANALYSTS:
            _grant("GRANT USAGE ON SCHEMA {schema} TO {role}", connection, schema, READER)
            _grant("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}", connection, schema, READER)


def _grant_to_crawler(connection: Connection) -> None:
    for schema in SCHEMAS:
        _grant("GRANT USAGE ON SCHEMA {schema} TO {role}", connection, schema, CRAWLER)
    for schema in _WRITTEN:
        for right in (
            "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema}",
            "USAGE ON ALL SEQUENCES IN SCHEMA {schema}",
        ):
            _grant(f"GRANT {right} TO {{role}}", connection, schema, CRAWLER)
    _grant("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}", connection, "analytics", CRAWLER)
    _grant("GRANT EXECUTE ON FUNCTION {schema}.refresh_figures TO {role}", connection, "crawl", CRAWLER)
    # Only the owner states which version the schema has.
    for kept in ("alembic_version", "sql_parts"):
        _grant(f"REVOKE INSERT, UPDATE, DELETE ON {{schema}}.{kept} FROM {{role}}", connection, "crawl", CRAWLER)


def _exists(connection: Connection, role: str) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _grant(statement: str, connection: Connection, schema: str, role: str) -> None:
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
    connection.execute(sql.SQL(statement).format(**names))
