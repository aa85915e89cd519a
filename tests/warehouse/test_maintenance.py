"""Maintenance deletes what its help says and nothing else, and vacuums what it may."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql

from harvester.config import load
from harvester.errors import WarehouseError
from harvester.monitoring.metrics import exposition
from harvester.warehouse.maintenance import KEPT_RUNS, maintain
from harvester.warehouse.roles import CRAWLER, make_roles
from harvester.warehouse.tables import metadata


def contents(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, except those of runs and the quarantine."""
    left_out = ("crawl.runs", "crawl.deleted_runs", "crawl.quarantine")
    names = [table.fullname for table in metadata.sorted_tables if table.fullname not in left_out]
    return {
        name: connection.execute(
            sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(*name.split(".")))
        ).fetchall()
        for name in names
    }


def add_run(
    connection: psycopg.Connection[Any], days: int | None, permission: str = "P", parent_run: int | None = None
) -> int:
    row = connection.execute(
        "INSERT INTO crawl.runs (command, version, api_url, permission, ended_at, outcome, parent_run_id) VALUES"
        " ('crawl', '1', 'http://x', %s, now() - make_interval(days => %s), CASE WHEN %s::int IS NULL THEN NULL"
        " ELSE 'done' END, %s) RETURNING id",
        [permission, days, days, parent_run],
    ).fetchone()
    assert row is not None
    return int(row[0])


def runs(connection: psycopg.Connection[Any]) -> list[int]:
    return [row[0] for row in connection.execute("SELECT id FROM crawl.runs ORDER BY 1").fetchall()]


def counters(database: str) -> dict[tuple[str, ...], float]:
    """What the exporter counts over all runs, which Prometheus expects never to fall."""
    text = exposition(load(database_url=database)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.name in ("harvester_responses", "harvester_rows_written", "harvester_runs")
    }


@pytest.mark.every_postgres
def test_old_runs_go_and_what_entitled_them_stays(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        first = add_run(connection, 400)
        worker_of_first = add_run(connection, 400, parent_run=first)
        old = add_run(connection, 300)
        worker_of_old = add_run(connection, 300, parent_run=old)
        other = add_run(connection, 300, permission="Q")
        unended = add_run(connection, None)
        last_old = add_run(connection, 200)
        recent = [add_run(connection, 1, permission="R") for _ in range(KEPT_RUNS)]
        connection.execute(
            "UPDATE crawl.runs SET responses = jsonb_build_object('user', jsonb_build_object('200', id, '-', 1)),"
            " counts = jsonb_build_object('users', jsonb_build_object('inserted', id))"
        )
        before, counted = runs(connection), counters(database)
        done = maintain(connection, keep_days=90, dry_run=True)
        assert done.deleted["crawl.runs"] == 2
        assert runs(connection) == before
        connection.execute("SELECT pg_advisory_unlock_all()")
        assert maintain(connection, keep_days=90).deleted["crawl.runs"] == 2
        assert runs(connection) == [first, worker_of_first, other, unended, last_old, *recent]
        assert {old, worker_of_old}.isdisjoint(runs(connection))
        assert counters(database) == counted
        # Once more over the same keys: sums grow.
        connection.execute("UPDATE crawl.runs SET permission = 'P' WHERE ended_at < now() - make_interval(days => 90)")
        connection.execute("SELECT pg_advisory_unlock_all()")
        assert maintain(connection, keep_days=90).deleted["crawl.runs"] == 1
        assert counters(database) == counted


def test_the_newest_runs_stay_however_old(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        all_runs = [add_run(connection, 500) for _ in range(KEPT_RUNS + 3)]
        maintain(connection, keep_days=90)
        assert runs(connection) == [all_runs[0], *all_runs[3:]]  # the first, and the newest fifty


def test_maintenance_deletes_only_old_cases_and_runs(harvest: Any) -> None:
    with psycopg.connect(harvest.harvester.database, autocommit=True) as connection:
        for days, path in ((100, "/old"), (10, "/new")):
            connection.execute(
                "INSERT INTO crawl.quarantine (seen_at, stream, entity_id, path, reason, body)"
                " VALUES (now() - make_interval(days => %s), 'users', 1, %s, 'x', 'y')",
                [days, path],
            )
        before = contents(connection)
        rehearsed = json.loads(harvest.harvester("db", "maintain", "--dry-run", "--json").stdout)
        assert rehearsed["deleted"] == {"crawl.quarantine": 1, "crawl.runs": 0}
        assert connection.execute("SELECT count(*) FROM crawl.quarantine").fetchone() == (2,)
        done = json.loads(harvest.harvester("db", "maintain", "--json").stdout)
        assert done["deleted"] == rehearsed["deleted"]
        assert "crawl.quarantine" in done["vacuumed"]
        assert connection.execute("SELECT path FROM crawl.quarantine").fetchall() == [("/new",)]
        assert contents(connection) == before
        vacuumed = connection.execute(
            "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'quarantine' AND last_vacuum IS NOT NULL"
            " AND last_analyze IS NOT NULL"
        ).fetchone()
        assert vacuumed == (1,)
        again = json.loads(harvest.harvester("db", "maintain", "--json").stdout)
        assert again["deleted"] == {"crawl.quarantine": 0, "crawl.runs": 0}


def test_one_at_a_time(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as one, psycopg.connect(database, autocommit=True) as two:
        maintain(one)
        with pytest.raises(WarehouseError, match="under way"):
            maintain(two)


def test_tables_of_another_owner_are_reported(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        make_roles(connection)
        add_run(connection, 1)
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(CRAWLER)))
        done = maintain(connection)
        assert "crawl.runs" in done.not_ours
        assert not done.vacuumed


def test_invalid_numbers_of_days_are_refused(make_harvester: Any, small_sandbox: Any) -> None:
    refused = make_harvester(small_sandbox)("db", "maintain", "--keep-days", "0", ok=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
