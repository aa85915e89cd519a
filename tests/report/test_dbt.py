"""The sources of dbt: each declared key, reference and choice is tested, and the tests hold of a crawled warehouse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import yaml
from psycopg import sql

from harvester.analytics.refresh import refresh
from harvester.report.dbt import as_yaml, sources
from harvester.warehouse.annotations import about
from harvester.warehouse.roles import READ_BY_ANALYSTS
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES = {  # as the macros of dbt-postgres have them
    "unique": "SELECT {column} FROM {table} WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) > 1",
    "not_null": "SELECT {column} FROM {table} WHERE {column} IS NULL",
    "accepted_values": "SELECT {column} FROM {table} WHERE {column}::text NOT IN ({values})",
    "relationships": "SELECT {column} FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN"
    " (SELECT {field} FROM {to})",
}


def stated_tests(found: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield each test: its table, its column or expression, its name and its arguments."""
    for source in found["sources"]:
        for table in source["tables"]:
            name = f"{source['schema']}.{table['name']}"
            for holder in (table, *table["columns"]):
                for test in holder.get("data_tests", []):
                    kind, values = (test, {}) if isinstance(test, str) else next(iter(test.items()))
                    arguments = dict(values.get("arguments", {}))
                    yield name, arguments.pop("column_name", None) or holder["name"], kind, arguments


def failing(connection: psycopg.Connection, found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The tests that find rows."""
    failed = []
    for table, column, kind, arguments in stated_tests(found):
        if to := arguments.get("to"):
            arguments["to"] = ".".join(re.findall(r"'(\w+)'", to))
        elif "values" in arguments:
            arguments["values"] = sql.SQL(", ").join(map(sql.Literal, arguments["values"])).as_string(connection)
        query = QUERIES[kind].format(table=table, column=column, **arguments)
        if connection.execute(query).fetchone():  # type: ignore[call-overload]
            failed.append((table, column, kind))
    return failed


def loaded_at(connection: psycopg.Connection, found: dict[str, Any]) -> dict[str, datetime]:
    """As of when each table is that has a freshness."""
    return {
        f"{source['schema']}.{table['name']}": connection.execute(table["config"]["loaded_at_query"]).fetchone()[0]
        for source in found["sources"]
        for table in source["tables"]
        if "config" in table
    }


def test_the_sources_hold_of_a_harvested_warehouse(harvest: Any) -> None:
    with psycopg.connect(harvest.harvester.database, autocommit=True) as connection:
        never = loaded_at(connection, sources(connection))
        refresh(connection)
        connection.execute("SET ROLE harvester_reader")  # all of it is for analysts
        found = sources(connection)
        assert yaml.safe_load(as_yaml(found)) == found
        assert failing(connection, found) == []
        fresh = loaded_at(connection, found)

        # As old as the last visit that could have changed a table; what nothing in scope fills is not late.
        connection.execute("RESET ROLE")
        connection.execute("UPDATE crawl.frontier SET visited_at = '2020-01-01' WHERE stream = 'user_favorites'")
        connection.execute("DELETE FROM crawl.frontier WHERE stream = 'news'")
        connection.execute("UPDATE crawl.frontier SET visited_at = NULL WHERE stream = 'studio_activity'")
        then = loaded_at(connection, found)

        # A test finds what breaks a promise.
        connection.execute("ALTER TABLE scratch.users DROP CONSTRAINT users_gone_reason_check")
        connection.execute("ALTER TABLE scratch.follows DROP CONSTRAINT follows_follower_id_fkey")
        connection.execute("ALTER TABLE scratch.follows DROP CONSTRAINT follows_pkey")
        connection.execute(
            "UPDATE scratch.users SET gone_reason = 'bored' WHERE id = (SELECT min(id) FROM scratch.users)"
        )
        connection.execute(
            "INSERT INTO scratch.follows (follower_id, followee_id)"
            " SELECT -1, followee_id FROM (SELECT * FROM scratch.follows LIMIT 1) one, generate_series(1, 2)"
        )
        assert failing(connection, found) == [
            ("scratch.users", "gone_reason", "accepted_values"),
            ("scratch.follows", "(follower_id, followee_id)", "unique"),
            ("scratch.follows", "follower_id", "relationships"),
        ]
    now = datetime.now(UTC)
    assert {name for name, at in never.items() if at.year == 1970} == {f"analytics.{name}" for name in materialised()}
    assert {name for name, at in fresh.items() if now - at > timedelta(days=1)} == set()
    assert len(fresh) > 30
    assert then["scratch.favorites"].year == 2020
    assert then["scratch.studio_activity"].year == 1970
    assert then["scratch.news"] > fresh["scratch.news"]


def test_each_key_reference_and_choice_is_tested(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = sources(connection)
        refused = {
            row[0]
            for row in connection.execute(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace::regnamespace::text = ANY(%s)"
                " AND c.relkind IN ('r', 'v', 'm') AND NOT has_table_privilege('harvester_reader', c.oid, 'SELECT')",
                [list(READ_BY_ANALYSTS)],
            )
        }
    tested = {(table, column, kind) for table, column, kind, _ in stated_tests(found)}
    described = {f"{one['schema']}.{table['name']}": table for one in found["sources"] for table in one["tables"]}
    assert not refused & described.keys()
    for table in metadata.sorted_tables:
        if table.fullname not in described:
            assert table.schema not in READ_BY_ANALYSTS
            continue
        name = table.fullname
        assert described[name]["description"] == table.comment
        assert [one["name"] for one in described[name]["columns"]] == [column.name for column in table.c]
        key = [column.name for column in table.primary_key]
        if key:
            whole = key[0] if len(key) == 1 else f"({', '.join(key)})"
            assert (name, whole, "unique") in tested
        for column in table.c:
            assert ((name, column.name, "not_null") in tested) is not column.nullable
            assert ((name, column.name, "relationships") in tested) is bool(column.foreign_keys)
            assert ((name, column.name, "accepted_values") in tested) is bool(about(column).choices)
