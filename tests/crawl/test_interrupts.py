"""A crawl that is told to end at any moment of its life: exit status 130, one reason, no process that goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from harvester.crawl import loop
from harvester.frontier import fitting
from harvester.signals import INTERRUPTED, hold_back

if TYPE_CHECKING:
    from collections.abc import Callable

LATEST = 2.5
"""Seconds after its start until which a command is told: it has begun to crawl by then, and is far from its end."""


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("presses", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_an_interrupt_at_any_moment_ends_all(
    presses: int,
    workers: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    wait_for_end: Callable[..., None],
) -> None:
    sandbox = start_sandbox(users=15, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?latency_ms=400", "POST")
    chance = random.Random(workers)
    for press in range(presses):
        with hold_back():  # Python itself has no handler in the moments before it runs the first line of the command
            command = harvester.start("crawl", "--refresh", "--workers", str(workers), fresh=True)
        time.sleep(LATEST * (press + chance.random()) / presses)
        processes = [psutil.Process(command.pid), *psutil.Process(command.pid).children(recursive=True)]
        number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        for _ in range(chance.choice((1, 2))):
            command.send_signal(number)
            time.sleep(0.3 * chance.random())
        _, errors = command.communicate(timeout=60)
        assert command.returncode == INTERRUPTED, errors
        assert "Traceback" not in errors
        assert "see above" not in errors
        wait_for_end(*processes)
    sandbox.json("/sandbox/settings?latency_ms=0", "POST")
    harvester.crawl()
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE lease_token IS NOT NULL") == [(0,)]
    assert_truth(harvester, sandbox)


@pytest.mark.usefixtures("processes")
def test_an_interrupt_while_a_class_is_made_is_one() -> None:
    """Python 3.11 makes a RuntimeError of it, as where a dataclass is imported."""
    program = """if True:
        from harvester.cli.base import group
        app = group("")
        @app.command()
        def work() -> None:
            class Interrupted:
                def __set_name__(self, *_: object) -> None:
                    raise KeyboardInterrupt
            class Made:
                one = Interrupted()
        app.command("other")(work)
        app(["work"])
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


def fit_slowly() -> None:
    """Let a fit take a transaction for each entry, and the first visit not wait for it, in the process that calls."""
    fitting._BATCH = 1
    loop._FIT_SECONDS = 0.0


def test_a_long_fit_stands_in_nobodys_way(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=12, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    later = (
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, exposure, stratum)"
        " SELECT 'project_comments', -n, now() + interval '99 days', 1, 1, 8 FROM generate_series(1, 20000) n"
        " RETURNING 1"
    )
    harvester.query(later)
    process = replace(harvester, first=fit_slowly).start("crawl")
    while sandbox.requests()["total"] < 20:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, errors
    assert harvester.query("SELECT count(*) FROM crawl.reply_decay") == [(0,)]
    harvester.crawl()
    assert harvester.query("SELECT count(*) > 5 FROM crawl.reply_decay") == [(True,)]
    harvester.query("DELETE FROM crawl.frontier WHERE entity_id < 0 RETURNING 1")
    assert_truth(harvester, sandbox)
