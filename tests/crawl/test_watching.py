"""What an operator sees: metrics, logs as JSON, and the findings of degraded runs."""

from __future__ import annotations

import json
import re
import shutil
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from harvester.cli import progress
from harvester.config import load
from harvester.crawl.model import Bounds
from harvester.errors import WarehouseError
from harvester.frontier.model import Counts
from harvester.frontier.runs import Totals, begin_run, end_run
from harvester.monitoring.checks import findings
from harvester.monitoring.metrics import exposition, registry
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_agree_with_what_the_site_was_asked(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    harvester.seed_all(small_sandbox)
    small_sandbox.json("/sandbox/requests/reset", "POST")
    before = samples(harvester("metrics").stdout)
    harvester.crawl("--workers", "2")
    after = samples(harvester("metrics").stdout)
    asked = sum(value for name, value in after.items() if name[0] == "harvester_responses_total") - sum(
        value for name, value in before.items() if name[0] == "harvester_responses_total"
    )
    assert asked == small_sandbox.requests()["total"]
    assert (
        after["harvester_rows", "users"]
        == harvester.query("SELECT count(*) FROM scratch.users WHERE gone_at IS NULL")[0][0]
    )
    assert after["harvester_frontier_due", "user"] == 0
    assert after["harvester_breaker_trips",] == 0
    assert after["harvester_up",] == 1
    assert after["harvester_runs_total", "done"] >= 1
    ended = "SELECT extract(epoch FROM max(ended_at))::float8 FROM crawl.runs"
    assert after["harvester_last_crawl_timestamp_seconds",] == harvester.query(ended)[0][0]
    assert after["harvester_last_crawl_outcome", "done"] == 1
    assert ("harvester_crawl_interval_seconds",) not in after, "of one crawl"
    assert after["harvester_quarantine", "user"] == 0
    server = harvester.start("metrics", "--serve", str(free_port()))
    try:
        url = re.search(r"http\S+", server.stdout.readline())
        assert url is not None
        with urllib.request.urlopen(url[0], timeout=20) as answer:
            assert samples(answer.read().decode()).keys() == after.keys()
    finally:
        server.kill()
        server.communicate()


def test_a_warehouse_that_is_away_is_a_figure_and_no_error() -> None:
    away = load(database_url="postgresql://me:hunter2@127.0.0.1:9/x")
    assert samples(generate_latest(registry(away)).decode()) == {("harvester_up",): 0.0}
    with pytest.raises(WarehouseError):
        exposition(away)


def test_how_crawls_are_spaced_and_which_one_lives(database: str, tmp_path: Path) -> None:
    """Hourly crawls, two by hand in between, one outage of a day; then one was killed, and one is at work for a day."""
    settings = load(database_url=database, home=tmp_path, archive=tmp_path / "none")

    def figures() -> dict[tuple[str, ...], float]:
        return samples(exposition(settings).decode())

    assert not [name for name in figures() if "crawl" in name[0]]
    hours = [0, 1, 1.1, 2, 3, 27, 28, 29, 30, 31, 31.2, 32, 33]
    with open_connection(database, autocommit=True) as connection:
        for hour in hours:
            connection.execute(
                "INSERT INTO crawl.runs (command, version, api_url, outcome, started_at, ended_at)"
                " SELECT 'crawl', '0', 'x', 'degraded', to_timestamp(h * 3600), to_timestamp(h * 3600 + 600)"
                " FROM (SELECT %s::float8 AS h) x",
                [hour],
            )
        found = figures()
        assert found["harvester_crawl_interval_seconds",] == 3600
        assert found["harvester_last_crawl_timestamp_seconds",] == 33 * 3600 + 600
        assert found["harvester_last_crawl_outcome", "degraded"] == 1
        connection.execute("INSERT INTO crawl.runs (command, version, api_url) VALUES ('seed users', '0', 'x')")
        assert figures()["harvester_last_crawl_timestamp_seconds",] == 33 * 3600 + 600, "a seed is no crawl"
        connection.execute(
            "INSERT INTO crawl.runs (command, version, api_url, started_at)"
            " VALUES ('crawl', '0', 'x', to_timestamp(34 * 3600))"
        )
        found = figures()
        assert found["harvester_last_crawl_outcome", "killed"] == 1
        assert found["harvester_last_crawl_timestamp_seconds",] == 34 * 3600
        connection.execute(
            "INSERT INTO crawl.runs (command, version, api_url, outcome, started_at, ended_at)"
            " VALUES ('crawl', '0', 'x', 'done', to_timestamp(35 * 3600), to_timestamp(36 * 3600))"
        )
        run = begin_run(connection, settings, "crawl --share audit")
        connection.execute("UPDATE crawl.runs SET started_at = now() - interval '1 day' WHERE id = %s", [run])
        found = figures()
        ((now,),) = connection.execute("SELECT extract(epoch FROM now())::float8").fetchall()
        assert now - 60 < found["harvester_last_crawl_timestamp_seconds",] <= now
        assert found["harvester_last_crawl_outcome", "done"] == 1, "of the last that is over"
        end_run(connection, run, "bounded", Totals())
        assert figures()["harvester_last_crawl_outcome", "bounded"] == 1
    disk = shutil.disk_usage(tmp_path)
    assert found["harvester_disk_size_bytes", "home"] == disk.total
    assert 0 < found["harvester_disk_free_bytes", "home"] < disk.total
    assert ("harvester_disk_free_bytes", "archive") not in found, "of a folder that is not there"
    assert found["harvester_database_bytes",] > 1_000_000


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_logs_as_json_are_json_and_hold_no_name(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?faults=500=0.1,garbage=0.1", "POST")
    result = harvester("crawl", "--log-json", "--workers", "2", "--json", ok=False)
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert [event["outcome"] for event in events if event["event"] == "run ended"] == ["done", "done"]
    assert all({"at", "level", "logger", "event"} <= event.keys() for event in events)
    assert not [name for name in sandbox.seeds()["users"] if name in result.stderr]


def test_progress_is_an_event_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.02)
    counts = Counts()
    counts.add("users", 3, 2, 1, 4)
    figures = progress.Figures(1.0, 7, counts.tables, 4, 5.0, Bounds(), stopping=False)
    told = threading.Event()

    def look() -> progress.Figures:
        if caplog.records:
            told.set()
        return figures

    with caplog.at_level("INFO", logger="harvester"), progress.Progress(look, as_json=True):
        assert told.wait(20)
    assert (caplog.records[0].getMessage(), caplog.records[0].__dict__["tables"]) == (
        "progress",
        {"users": [3, 2, 1, 4]},
    )


def test_a_run_that_is_unlike_those_before_says_so(database: str) -> None:
    with open_connection(database, autocommit=True) as connection:
        for number in range(4):
            connection.execute(
                "INSERT INTO crawl.runs (command, version, api_url, outcome, ended_at, requests, responses, counts)"
                " VALUES ('crawl', '0', 'x', 'done', now(), 100, %s, %s)",
                [
                    json.dumps({"project_comments": {"200": 97 + number % 2, "500": 2}}),
                    json.dumps({"project_comments": {"inserted": 500, "updated": 1, "unchanged": 10}}),
                ],
            )
        ((run,),) = connection.execute(
            "INSERT INTO crawl.runs (command, version, api_url) VALUES ('crawl', '0', 'x') RETURNING id"
        ).fetchall()
        usual = Totals(100, responses={"project_comments": {"200": 98, "500": 2}})
        usual.counts.add("project_comments", 3, 0, 400)
        assert findings(connection, run, usual) == []
        empty = Totals(100, responses={"project_comments": {"200": 98, "500": 2}})
        empty.counts.add("project_comments", gone=400)
        assert [one for one in findings(connection, run, empty) if one.startswith("no row of project_comments")]
        failing = Totals(100, responses={"project_comments": {"200": 60, "429": 30, "-": 10}})
        failing.counts.add("project_comments", 3, 0, 400)
        assert findings(connection, run, failing) == ["40% of the requests had no answer, 2% usually"]
        banned = Totals(100, responses={"project_comments": {"200": 60, "302": 40}})
        banned.counts.add("project_comments", 3, 0, 400)
        assert findings(connection, run, banned) == ["40% of the requests had no answer, 2% usually"]
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visited_at, certificate) SELECT"
            " 'user_followers', n,"
            " now(), now(), jsonb_build_object('proven_by', CASE WHEN n > 5 THEN 'identity' ELSE 'none' END)"
            " FROM generate_series(1, 60) n"
        )
        unproved = "5 of 60 lists were read without proof that nothing was skipped"
        assert findings(connection, run, usual) == [unproved]
        connection.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, reason) VALUES ('user', 1, '/users/x', 'no JSON')"
        )
        assert findings(connection, run, usual) == [
            "1 responses were set aside, of user and perhaps others",
            unproved,
        ]
