"""Roles with no more rights than they need: the owner migrates, the crawler reads and writes rows, the reader reads.

Neither role has a login: an operator makes logins of their own and grants them one of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from harvester.warehouse.tables import READER, SCHEMAS, metadata

if TYPE_CHECKING:
    from typing import Any

    import psycopg

CRAWLER = "harvester_crawler"
_WRITTEN = ("scratch", "history", "crawl", "account")


def make_roles(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Make the roles where they are missing and give them their rights; returns each with what it may.

    The reader's rights come with the schema. Must be run by the owner of the tables, who may create roles.
    """
    with connection.transaction():
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [CRAWLER]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(CRAWLER)))
        connection.execute(
            sql.SQL("COMMENT ON ROLE {} IS 'May crawl: read and write rows, change no table.'").format(
                sql.Identifier(CRAWLER)
            )
        )
        for schema in SCHEMAS:
            _grant("GRANT USAGE ON SCHEMA {schema} TO {role}", connection, schema)
        for schema in _WRITTEN:
            for right in (
                "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema}",
                "USAGE ON ALL SEQUENCES IN SCHEMA {schema}",
            ):
                _grant(f"GRANT {right} TO {{role}}", connection, schema)
            for right in ("SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE ON SEQUENCES"):
                _grant(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {{schema}} GRANT {right} TO {{role}}", connection, schema)
        _grant("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}", connection, "analytics")
        for table in metadata.tables.values():
            if table.schema == "analytics":  # what a refresh writes; the rest of the schema are views
                _grant(f"GRANT INSERT, UPDATE, DELETE ON {table.fullname} TO {{role}}", connection, "analytics")
        # Which version the schema has is for whoever migrates to say.
        connection.execute(
            sql.SQL("REVOKE INSERT, UPDATE, DELETE ON crawl.alembic_version FROM {}").format(sql.Identifier(CRAWLER))
        )
    return {
        CRAWLER: f"reads and writes rows of {', '.join(_WRITTEN)}, and refreshes analytics",
        READER: "reads scratch, history and analytics",
    }


def _grant(statement: str, connection: psycopg.Connection[Any], schema: str) -> None:
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(CRAWLER)}
    connection.execute(sql.SQL(statement).format(**names))
