"""A command as the DAGs run it: how it is told its settings, how it is stopped, how it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DAGS = Path(__file__).parent.parent.parent / "dags"

RUN = """
import json, os, signal, sys
from harvester import processes
from harvester_command import run

processes.COMMAND = (sys.argv.pop(1),)

def late(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, late)  # as Airflow does when the time of a task is up
try:
    print(json.dumps(run(sys.argv[1:], dict(os.environ))))
except BaseException as error:
    print(type(error).__name__, error)
"""
SETTINGS = """
import json
from collections import deque
from psycopg.conninfo import conninfo_to_dict
from airflow.sdk import Connection
from harvester_command import database_url, judge, settings, tell

awkward = ["p@ss/w:rd?&=#%20", "ünï cödé", "a'b\\"c\\\\"]
for password in awkward:
    connection = Connection(
        conn_id="x", conn_type="generic", login="me@home", password=password, host="db.example.org", port=5433,
        schema="scratch data", extra=json.dumps({"sslmode": "verify-full", "options": "-c a=b"}),
    )
    assert conninfo_to_dict(database_url(connection)) == {
        "user": "me@home", "password": password, "host": "db.example.org", "port": "5433", "dbname": "scratch data",
        "sslmode": "verify-full", "options": "-c a=b",
    }, password
assert settings({"rate": 2.5, "contact": "a@b.org", "shares": {"discovery": 1, "scheduled": 1}, "workers": 3}) == {
    "HARVESTER_RATE": "2.5", "HARVESTER_CONTACT": "a@b.org", "HARVESTER_SHARES": '{"discovery": 1, "scheduled": 1}',
}
for wrong in ("ratee", "database_url", "session"):
    try:
        settings({wrong: "hunter2"})
    except Exception as error:
        assert type(error).__name__ == "AirflowFailException"
        assert wrong in str(error) and "hunter2" not in str(error)
    else:
        raise AssertionError(wrong)
facts = judge(3, json.dumps({"findings": ["no row of users"]}), deque())  # degraded is done
assert judge(0, "[1, 2]", deque()) == [1, 2]  # some commands print a list
tell([{"findings": []}])
try:
    tell([{"findings": []}, facts, facts])
except Exception as error:
    assert (type(error).__name__, str(error)) == ("AirflowFailException", "degraded, nothing is lost: no row of users")
else:
    raise AssertionError
print("all is well")
"""


def python(program: str, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(forked.program()), *arguments],
        env=environment,
        cwd=DAGS,  # where `harvester_command` is
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("processes")
def test_settings_reach_a_command_and_findings_are_logged(tmp_path: Path) -> None:
    process = python(SETTINGS, dict(os.environ) | {"AIRFLOW_HOME": str(tmp_path)})
    output, errors = process.communicate(timeout=120)
    assert output.splitlines()[-1:] == ["all is well"], errors[-2000:]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGALRM])
def test_a_task_that_is_killed_or_late_loses_nothing(
    ending: signal.Signals,
    small_sandbox: Any,
    make_harvester: Callable[..., Any],
    second_database: str,
    tmp_path: Path,
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_RATE="4", AIRFLOW_HOME=str(tmp_path))
    name = small_sandbox.seeds()["users"][0]
    harvester("seed", "users", name)
    process = python(RUN, harvester.env(), "crawl", "--json")
    try:
        deadline = time.monotonic() + 60
        while not harvester.query("SELECT FROM crawl.frontier WHERE visits > 0 LIMIT 1"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(ending)
        output, errors = process.communicate(timeout=90)
    finally:
        process.kill()
    expected = {signal.SIGTERM: "AirflowException harvester was stopped (130)", signal.SIGALRM: "TimeoutError"}
    assert output.strip().splitlines()[-1].startswith(expected[ending]), (output, errors[-2000:])
    # The command itself was told, and ended in order before the task did.
    assert harvester.query("SELECT outcome FROM crawl.runs ORDER BY id DESC LIMIT 1") == [("interrupted",)]
    harvester.environment["HARVESTER_RATE"] = "0"
    harvester("rate", "0")
    assert harvester.crawl()["outcome"] == "done"
    undisturbed = make_harvester(small_sandbox, HARVESTER_DATABASE_URL=second_database)
    undisturbed("seed", "users", name)
    undisturbed.crawl()
    for table in small_sandbox.tables:
        key = list(small_sandbox.key_columns(table))
        held, due = ({tuple(row.values()) for row in one.rows(table, key)} for one in (harvester, undisturbed))
        assert held == due, table
    assert len(harvester.rows("users", ["id"])) > 5


def test_a_command_ends_with_the_process_of_its_task(
    small_sandbox: Any, make_harvester: Callable[..., Any], wait_for_end: Callable[..., None], tmp_path: Path
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_RATE="4", AIRFLOW_HOME=str(tmp_path))
    harvester("seed", "users", small_sandbox.seeds()["users"][0])
    process = python(RUN, harvester.env(), "crawl", "--json")
    try:
        while not harvester.query("SELECT FROM crawl.frontier WHERE visits > 0 LIMIT 1"):
            assert process.poll() is None
            time.sleep(0.1)
        command = psutil.Process(process.pid).children()
        assert len(command) == 1
    finally:
        process.kill()
        process.communicate()
    wait_for_end(*command)
    assert harvester.query("SELECT outcome FROM crawl.runs ORDER BY id DESC LIMIT 1") == [("interrupted",)]


def test_failures_are_told_apart(make_harvester: Callable[..., Any], small_sandbox: Any, tmp_path: Path) -> None:
    harvester = make_harvester(small_sandbox, AIRFLOW_HOME=str(tmp_path))
    cases = [
        (
            {},
            ("crawl", "--spider", "none", "--json"),
            "AirflowFailException harvester failed (2): harvester: Invalid value for '--spider'",
        ),
        (
            {"HARVESTER_DATABASE_URL": f"postgresql://me:hunter2@/name?host={tmp_path}"},
            ("fit", "--json"),
            "AirflowException harvester failed (1): harvester: the PostgreSQL at",
        ),
    ]
    running = [python(RUN, harvester.env() | more, *arguments) for more, arguments, _ in cases]
    for process, (_, _, expected) in zip(running, cases, strict=True):
        output, errors = process.communicate(timeout=120)
        assert output.splitlines()[-1].startswith(expected), (output, errors[-2000:])
        assert "hunter2" not in output + errors
