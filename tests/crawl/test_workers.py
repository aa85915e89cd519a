"""Several workers on one warehouse share its entries and its budget, and any of them may fail."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest

from harvester.api.stream import Kind
from harvester.config import load
from harvester.crawl.model import Bounds
from harvester.crawl.worker_pool import WorkerPool
from harvester.frontier import scope

if TYPE_CHECKING:
    from collections.abc import Callable


def children(process: Any) -> list[int]:
    """The workers that a command started, but those that have ended and wait for it to notice."""
    found = []
    with suppress(psutil.NoSuchProcess):  # one that ended while the list was made
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.Error):
                if "--parent-run" in child.cmdline():
                    found.append(child.pid)
    return found


def test_workers_together_do_what_one_does(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=25, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/requests/reset", "POST")
    summary = harvester.crawl("--workers", "2")
    assert summary["outcome"] == "done"
    assert summary["requests"] == sandbox.requests()["total"]
    assert_truth(harvester, sandbox)
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE visits <> 1") == [(0,)]
    runs = harvester.query(
        "SELECT command, outcome, parent_run_id IS NULL FROM crawl.runs WHERE command LIKE 'crawl%' ORDER BY id"
    )
    assert runs == [("crawl --workers 2", "done", True), *[("crawl", "done", False)] * 2]


def test_a_worker_that_is_killed_is_replaced(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=30, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?latency_ms=5", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    command = harvester.start("crawl", "--workers", "2", "--json")
    for moment in (100, 250):
        while sandbox.requests()["total"] < moment:
            time.sleep(0.01)
        os.kill(random.Random(moment).choice(children(command)), signal.SIGKILL)
    output, errors = command.communicate(timeout=120)
    assert command.returncode == 0, errors
    assert json.loads(output)["replaced"] == 2
    assert "another takes its place" in errors
    assert_truth(harvester, sandbox)


AT_WORK = "SELECT count(*) FROM crawl.runs WHERE parent_run_id IS NOT NULL AND outcome IS NULL"


def test_workers_end_with_their_command(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], wait_for_end: Callable[..., None]
) -> None:
    """Its terminal is closed, or it is killed: what is in flight is finished, and nothing stays leased."""
    sandbox = start_sandbox(users=25, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?latency_ms=20", "POST")
    for number, code in ((signal.SIGHUP, 130), (signal.SIGKILL, -signal.SIGKILL)):
        sandbox.json("/sandbox/requests/reset", "POST")
        command = harvester.start("crawl", "--workers", "2", "--json")
        while sandbox.requests()["total"] < 50 or harvester.query(AT_WORK) != [(2,)]:
            time.sleep(0.01)
        workers = [psutil.Process(each) for each in children(command)]
        assert len(workers) == 2
        command.send_signal(number)
        command.communicate(timeout=60)  # until the workers, which have the same standard error, have ended too
        assert command.returncode == code
        wait_for_end(*workers)
        assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE lease_token IS NOT NULL") == [(0,)]
        outcomes = harvester.query(
            "SELECT outcome FROM crawl.runs WHERE parent_run_id IS NOT NULL ORDER BY id DESC LIMIT 2"
        )
        assert outcomes == [("interrupted",)] * 2


def test_a_bound_on_requests_holds_for_all_together(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=25, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    summary = harvester.crawl("--workers", "2", "--max-requests", "100")
    assert summary["outcome"] == "bounded"
    assert 100 <= summary["requests"] <= 100 + 2 * 8


def test_progress_returns_after_the_database_was_away(database: str) -> None:
    pool = WorkerPool(load(database_url=database), (), ["project"], 2, Bounds(), due_only=False)
    with psycopg.connect(database, autocommit=True) as other:
        for due in (1, 2):
            scope.seed(other, [scope.Seed(Kind.PROJECT, due)])
            pool._looked = 0.0
            pool._look()
            assert pool._figures is not None
            assert pool._figures.due == due
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    pool.settings = load(database_url="postgresql://127.0.0.1:9/x")
    pool._looked = 0.0
    pool._look()
    assert pool._figures.due == 2, "while it is away, the old ones stay"


@pytest.mark.parametrize("number", ["0", "-1", "65", "many"])
def test_an_invalid_number_of_workers_is_refused(
    make_harvester: Callable[..., Any], small_sandbox: Any, number: str
) -> None:
    result = make_harvester(small_sandbox)("crawl", "--workers", number, ok=False)
    assert result.returncode == 2
    assert "--workers" in result.stderr


BUDGETS = [
    pytest.param(4, 60, 12.0, 0.0, id="4"),  # how much of it is used depends on what else this machine does
    pytest.param(1, 60, 12.0, 0.95, id="1, used", marks=pytest.mark.soak),
    pytest.param(4, 60, 12.0, 0.95, id="4, used", marks=pytest.mark.soak),
    pytest.param(16, 60, 25.0, 0.95, id="16, used", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("workers", "rate", "seconds", "used"), BUDGETS)
def test_the_budget_is_kept_and_used(
    workers: int,
    rate: int,
    seconds: float,
    used: float,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
) -> None:
    """Over any 10 s at most 2% more than the rate leave, and at least 95% while there is work: by the site's log."""
    sandbox = start_sandbox(users=120, seed=2)
    harvester = make_harvester(sandbox, HARVESTER_RATE=str(rate))
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/requests/reset", "POST")
    command = harvester.start("crawl", "--workers", str(workers), "--max-minutes", str(seconds / 60), "--json")
    _, errors = command.communicate(timeout=200)
    assert command.returncode == 0, errors
    assert_budget(sandbox, rate, used)


def assert_budget(sandbox: Any, rate: float, used: float = 0.95) -> None:
    times = sorted(at for at, *_ in sandbox.lines("/sandbox/requests/log"))
    window = 10.0
    at_work = times[-1] - times[0]
    assert at_work >= 8, "too short to say anything"
    length = min(window, at_work)
    counts = [sum(start <= at < start + length for at in times) for start in times if start + length <= times[-1]]
    assert max(counts, default=len(times)) <= 1.02 * rate * length + 1
    for short in (0.5, 1.0, 2.0):
        # A request may arrive late and meet the next ones: a block of the budget for each of four workers, no more.
        most = max(sum(start <= at < start + short for at in times) for start in times)
        assert most <= rate * (short + 0.1) + 24, f"{most} requests in {short} s"
    assert len(times) >= used * rate * at_work


def test_all_machines_keep_the_rate_of_the_warehouse(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """Of two that start at once with rates of their own one is refused. Workers follow the rate where it is changed."""
    sandbox = start_sandbox(users=200, seed=2)
    machines = {rate: make_harvester(sandbox, HARVESTER_RATE=str(rate)) for rate in (20, 60)}
    machine = make_harvester(sandbox, HARVESTER_RATE="")
    machine("seed", "projects", *[str(row["id"]) for row in sandbox.truth("projects")])
    assert "not recorded yet" in machine("rate").stdout
    begun = {rate: one.start("crawl", "--max-requests", "30", "--json") for rate, one in machines.items()}
    ended = {rate: (*one.communicate(timeout=100), one.returncode) for rate, one in begun.items()}
    (held,) = [rate for rate, (_, _, code) in ended.items() if code == 0]
    _, said, code = ended[80 - held]
    assert (code, said.count("\n")) == (2, 1)
    assert f"HARVESTER_RATE is {80 - held} requests/s, but the rate of this warehouse is {held} requests/s" in said
    assert f"`harvester rate {80 - held}`" in said
    assert machine.query("SELECT rate, previous_rate FROM crawl.rate_changes") == [(held, None)]
    assert "a crawl from here would be refused" in machines[80 - held]("status").stdout
    assert_rate(sandbox, held, 0)

    sandbox.json("/sandbox/requests/reset", "POST")
    command = machine.start("crawl", "--workers", "2", "--max-minutes", "0.25", "--json")
    while sandbox.requests()["total"] < 40:
        assert command.poll() is None
        time.sleep(0.01)
    assert json.loads(machine("rate", "10", "--json").stdout)["changed"]
    changed = sandbox.requests()["total"]
    _, errors = command.communicate(timeout=100)
    assert command.returncode == 0, errors
    assert_rate(sandbox, held, 0, changed)
    # What was taken at the rate before: a tenth of a second's worth a worker, and what is taken ahead of that.
    assert_rate(sandbox, 10, changed + int(held * 0.7))
    told = json.loads(machine("rate", "--json").stdout)
    assert told["rate"] == 10
    assert [(one["previous_rate"], one["rate"]) for one in told["changes"]] == [(held, 10), (None, held)]
    assert all("@" in one["changed_by"] and one["database_role"] for one in told["changes"])
    assert "harvester_budget_rate 10.0" in machine("metrics").stdout
    for wrong in ("nan", "inf"):
        refused = machine("rate", wrong, ok=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def assert_rate(sandbox: Any, rate: float, first: int, last: int | None = None) -> None:
    """Between any two requests of the log no more left than the rate allows, and some that came late together."""
    times = sorted(at for at, *_ in sandbox.lines("/sandbox/requests/log"))[first:last]
    assert len(times) > 10
    for begin, start in enumerate(times):
        for end in range(begin + 1, len(times)):
            assert end - begin <= 1.02 * rate * (times[end] - start) + rate * 0.3 + 2


@pytest.mark.soak
def test_the_budget_is_kept_while_workers_start_and_die(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    rate = 60
    sandbox = start_sandbox(users=600, seed=2)
    harvester = make_harvester(sandbox, HARVESTER_RATE=str(rate))
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/requests/reset", "POST")
    command = harvester.start("crawl", "--workers", "4", "--max-minutes", "1", "--json")
    rng = random.Random(5)
    while command.poll() is None:
        time.sleep(5)
        if alive := children(command):
            os.kill(rng.choice(alive), signal.SIGKILL)
    _, errors = command.communicate(timeout=200)
    assert command.returncode == 0, errors
    assert_budget(sandbox, rate)
