"""Run several workers for one command: processes that share the rate limit, with one report.

A worker does what `harvester crawl` does and needs no other worker; more can be started on other machines. A worker
that is killed is replaced: its committed pages stay, and its leases are free for the others. When this process ends,
its workers finish the pages in flight and end.
"""

import json
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from subprocess import PIPE, Popen
from typing import Any, TypeVar
from urllib.request import urlopen

import psycopg

from harvester.config import Settings
from harvester.crawl.model import Bounds, Display, Figures
from harvester.errors import HarvesterError, WarehouseError
from harvester.frontier import leases, runs
from harvester.frontier.request_rate import adopt_rate
from harvester.logs import log_as_json
from harvester.monitoring.checks import findings
from harvester.processes import start_command
from harvester.signals import INTERRUPTED, handle_end
from harvester.warehouse.access import connect
from harvester.warehouse.connection import Connection
from harvester.warehouse.outage import outlast_outage
from harvester.warehouse.schema import check_schema
from harvester.warehouse.source import SANDBOX_HEADER, Source, check_source, prove_source, sandbox_of

T = TypeVar("T")
logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_FIGURES_SECONDS = 2.0
_SOON_SECONDS = 5.0
_MOST_SIGNALS = 2
_MOST_SOON = 5
"""Number of workers in a row that may be killed soon after their start before the command gives up."""


def _check_sandbox(connection: Connection, settings: Settings) -> None:
    """Check the name of a sandbox before workers start, each of which would refuse another sandbox by itself.

    The request is to a control of the sandbox, outside the rate limit and the counts.

    Raises:
        UsageError: the warehouse has another source.
    """
    source = check_source(connection, settings)
    if source is None or not source.is_synthetic or settings.public_hosts:
        return
    with suppress(OSError, HTTPException), urlopen(settings.api_url + "/sandbox/requests", timeout=5) as response:  # noqa: S310
        name = response.headers.get(SANDBOX_HEADER, "")
        prove_source(connection, Source.of(settings, sandbox_of(name.encode("latin-1"))))


@dataclass(slots=True)
class _Worker:
    process: Popen[str]
    started: float
    most_requests: int | None
    signals: int = 0
    """Number of the signals of this process that were passed on to it."""


@dataclass(slots=True)
class WorkerPool:
    """Workers that run together for one command, until each has ended."""

    settings: Settings
    spiders: tuple[str, ...]
    streams: list[str]
    size: int
    bounds: Bounds
    due_only: bool
    share: str | None = None
    run: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    postponed: int = 0
    replaced: int = 0
    totals: runs.Totals = field(default_factory=runs.Totals)
    findings: list[str] = field(default_factory=list)
    left: int = 0
    signals: list[int] = field(default_factory=list)
    """The numbers of the signals that asked for an end, in the order in which they came."""
    _workers: list[_Worker] = field(default_factory=list)
    _began: float = 0.0
    _figures: Figures | None = None
    _looked: float = 0.0
    _lost: int = 0

    def work(self, command: str, display: Display) -> str:
        """Run all workers to their end and return the outcome.

        Raises:
            HarvesterError: a worker failed, or several were killed soon after their start.
        """
        with connect(self.settings, autocommit=True) as connection:
            check_schema(connection)
            self.settings = adopt_rate(connection, self.settings)
        if self.settings.log_json:
            log_as_json()
        with handle_end(self._stop):
            return self._work(command, display)

    def _work(self, command: str, display: Display) -> str:
        with connect(self.settings, autocommit=True) as connection:
            _check_sandbox(connection, self.settings)
            self.run = runs.begin_run(connection, self.settings, f"{command} --workers {self.size}")
        self._began = time.monotonic()
        try:
            for share in _shares(self.bounds.requests, self.size):
                self._start(share)
            with display(lambda: self._figures):
                self._watch()
        finally:
            for worker in self._workers:  # only if something went wrong here
                worker.process.terminate()
        outcome = next((one for one in ("failed", "interrupted", "bounded") if self.outcomes[one]), "done")
        outcome = outlast_outage(partial(self._end_run, outcome))
        if outcome == "failed":
            raise HarvesterError("a worker failed: see above; the others went on to their end")
        return outcome

    def _end_run(self, outcome: str) -> str:
        """Sum up what the workers did, record the end of the run and return its outcome."""
        with connect(self.settings, start=False, autocommit=True) as connection:
            self.totals = runs.sum_workers(connection, self.run)
            self.left = leases.backlog(connection, self.streams, self.settings.min_gain).due
            if outcome in ("done", "bounded"):
                self.findings = findings(connection, self.run, self.totals)
            outcome = "degraded" if self.findings else outcome
            runs.end_run(connection, self.run, outcome, self.totals, self.findings)
        return outcome

    def _start(self, most_requests: int | None) -> None:
        left = None
        if self.bounds.seconds is not None:
            left = max(0.01, (self.bounds.seconds - (time.monotonic() - self._began)) / 60)
        options = ["--json", "--parent-run", str(self.run), *(["--due-only"] if self.due_only else [])]
        options += [part for name in self.spiders for part in ("--spider", name)]
        options += [] if self.share is None else ["--share", self.share]
        options += [] if most_requests is None else ["--max-requests", str(most_requests)]
        options += [] if left is None else ["--max-minutes", str(left)]
        process = start_command(
            ["crawl", *options],
            stdout=PIPE,
            start_new_session=True,  # else the terminal would send Ctrl-C to it too
        )
        self._workers.append(_Worker(process, time.monotonic(), most_requests))

    def _stop(self, number: int) -> None:
        """Record the signal, which `_watch` passes on; at the third one kill the workers and end this process."""
        if number == signal.SIGHUP and self.signals:
            return  # never the second one, as in a worker
        if len(self.signals) == _MOST_SIGNALS:
            for worker in self._workers:
                worker.process.kill()
            os._exit(INTERRUPTED)
        self.signals.append(number)

    def _pass_signals_on(self) -> None:
        """Send each worker the next signal that it was not sent yet, one at a time, since equal signals do not queue.

        At the first one a worker finishes the pages in flight, at the second one it stops at once.
        """
        for worker in self._workers:
            if worker.signals < len(self.signals):
                worker.process.send_signal(self.signals[worker.signals])
                worker.signals += 1

    def _watch(self) -> None:
        soon = 0
        while self._workers:
            time.sleep(_LOOK_SECONDS)
            self._pass_signals_on()
            self._look()
            for worker in [one for one in self._workers if one.process.poll() is not None]:
                self._workers.remove(worker)
                code = worker.process.returncode
                if code >= 0:
                    self._ended(worker, code)
                    continue
                if self.signals:
                    self.outcomes["interrupted"] += 1
                    continue
                soon = soon + 1 if time.monotonic() - worker.started < _SOON_SECONDS else 0
                if soon > _MOST_SOON:
                    raise HarvesterError("workers are killed soon after their start: is there enough memory?")
                self._replace(worker)

    def _ended(self, worker: _Worker, code: int) -> None:
        summary: dict[str, Any] = {"outcome": "interrupted" if code == INTERRUPTED else "failed"}
        with suppress(ValueError):
            summary |= json.loads(worker.process.communicate()[0])
        self.retries += summary.get("retries", 0)
        self.postponed += summary.get("postponed", 0)
        self.outcomes[summary["outcome"] if code in (0, INTERRUPTED) else "failed"] += 1

    def _replace(self, worker: _Worker) -> None:
        self.replaced += 1
        logger.warning("a worker was killed: another takes its place")
        left = worker.most_requests
        if left is not None:
            killed = self._told(self._killed)
            if killed is not None:
                left, self._lost = max(1, left - (killed - self._lost)), killed
        self._start(left)

    def _told(self, question: Callable[[Connection], T]) -> T | None:
        """Return the result of a query; None while the warehouse is unavailable, which the workers wait for too."""
        with (
            suppress(psycopg.Error, WarehouseError),
            connect(self.settings, start=False, autocommit=True) as connection,
        ):
            return question(connection)
        return None

    def _killed(self, connection: Connection) -> int:
        runs.recover(connection, self.run)
        return runs.requests_of_the_killed(connection, self.run)

    def _look(self) -> None:
        """Read the figures of all workers from the warehouse; keep the old ones while it is unavailable."""
        now = time.monotonic()
        if now - self._looked >= _FIGURES_SECONDS:
            self._looked = now
            self._figures = self._told(self._figures_now) or self._figures

    def _figures_now(self, connection: Connection) -> Figures:
        total = runs.sum_workers(connection, self.run)
        return Figures(
            elapsed=time.monotonic() - self._began,
            requests=total.requests,
            tables=total.counts.tables,
            due=leases.backlog(connection, self.streams, self.settings.min_gain).due,
            rate=self.settings.rate,
            bounds=self.bounds,
            stopping=bool(self.signals),
        )


def _shares(requests: int | None, size: int) -> list[int | None]:
    """Divide a bound on requests among the workers, no more workers than requests."""
    if requests is None:
        return [None] * size
    return [requests // size + (number < requests % size) for number in range(min(size, requests))]
