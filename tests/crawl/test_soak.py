"""Everything at once, for ten minutes: workers killed, a database restarted, a source that changes and fails."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from harvester.warehouse import embedded, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 600
RATE = 120
KILL_EVERY = 4.0
RESTARTS = {200: signal.SIGINT, 400: signal.SIGKILL}
"""Seconds after which the server is restarted, and the signal that ends it: a fast shutdown, and none at all."""


def own_workers() -> list[psutil.Process]:
    """The workers of the crawls that this test started, and of nobody else's."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "--parent-run" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


class Trouble(threading.Thread):
    """Kills a worker every few seconds, restarts the server, and notes how much memory the workers take."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home
        self.over = threading.Event()
        self.kills = 0
        self.restarts = 0
        self.memory: list[tuple[float, int]] = []

    def run(self) -> None:
        rng = random.Random(11)
        began = time.monotonic()
        due = dict(RESTARTS)
        while not self.over.wait(KILL_EVERY):
            elapsed = time.monotonic() - began
            workers = own_workers()
            for worker in workers:
                try:
                    self.memory.append((elapsed, worker.memory_info().rss))
                except psutil.Error:
                    continue
            if workers:
                try:
                    rng.choice(workers).kill()
                    self.kills += 1
                except psutil.Error:
                    pass
            for at in [at for at in due if elapsed > at]:
                os.kill(int((self.home / "postgres" / "postmaster.pid").read_text().split()[0]), due.pop(at))
                time.sleep(2)
                embedded.up(self.home)
                self.restarts += 1


@pytest.mark.soak
def test_ten_minutes_of_trouble_end_in_the_truth(
    own_home: Path,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    url = embedded.up(own_home)
    schema.migrate(url)
    sandbox = start_sandbox(users=150, seed=4)
    harvester = make_harvester(sandbox, HARVESTER_DATABASE_URL=url, HARVESTER_RATE=str(RATE))
    harvester.database = url
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?churn=2&faults=all=0.1", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    trouble = Trouble(own_home)
    trouble.start()
    errors = ""
    began = time.monotonic()
    try:
        while (left := SECONDS - (time.monotonic() - began)) > 0:
            minutes = str(max(0.1, min(left, 90) / 60))
            command = harvester.start("crawl", "--workers", "4", "--refresh", "--max-minutes", minutes, "--json")
            errors += command.communicate(timeout=400)[1]
            assert command.returncode in (0, 1, 3), errors[-3000:]
    finally:
        trouble.over.set()
        trouble.join()
    assert trouble.kills > 60
    assert trouble.restarts == 2
    assert "eadlock" not in errors
    assert "Traceback" not in errors

    times = sorted(at for at, *_ in sandbox.lines("/sandbox/requests/log"))
    most = max(sum(start <= at < start + 10 for at in times[place : place + 2 * 10 * RATE])
               for place, start in list(enumerate(times))[::20])  # fmt: skip
    assert most <= 1.02 * RATE * 10 + 1, most
    early = max(size for at, size in trouble.memory if at < SECONDS / 3)
    late = max(size for at, size in trouble.memory if at > 2 * SECONDS / 3)
    assert late <= 1.2 * early
    print(f"{trouble.kills} kills, {len(times)} requests, at most {most} in 10 s, {late / 2**20:.0f} MiB a worker")

    sandbox.json("/sandbox/settings?churn=0&faults=", "POST")
    quiet = make_harvester(sandbox, HARVESTER_DATABASE_URL=url)
    quiet.database = url
    harvester("rate", "0")
    quiet.seed_all(sandbox)
    quiet("quarantine", "retry")
    quiet("crawl", ok=False)
    quiet("crawl", "--audit", ok=False)
    assert_truth(quiet, sandbox, grown=True)
    assert quiet.query("SELECT count(*) FROM crawl.frontier WHERE failures > 0") == [(0,)]
