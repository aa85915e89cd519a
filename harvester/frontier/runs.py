"""Runs: begin, record and end them, and recover what killed ones left.

A run holds an advisory lock for as long as its connection lives: one without an end whose lock is free was killed.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg.types.json import Jsonb

from harvester import __version__
from harvester.api.catalogue import left_out
from harvester.config import Settings
from harvester.frontier.announcements import use_announcements
from harvester.frontier.model import Counts
from harvester.warehouse.connection import Connection
from harvester.warehouse.locks import ALIVE, end_vanished
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "runs")


def begin_run(connection: Connection, settings: Settings, command: str, parent_run: int | None = None) -> int:
    """Record a run and take the lock that shows that it is alive; `parent_run`: the run of whose workers it is one."""
    use_announcements(connection, left_out(settings))
    with connection.transaction():
        row = connection.execute(
            _SQL["begin_run"],
            [
                *(command, __version__, settings.api_url, settings.contact, settings.permission),
                *(settings.user_agent, settings.rate, Jsonb(settings.shares), parent_run),
            ],
        ).fetchone()
        assert row is not None
        # Before the commit: a run without the lock is taken for one that was killed.
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [ALIVE, row[0]])
    return int(row[0])


def resume_run(connection: Connection, run: int) -> None:
    """Continue a run over a new connection, even if another worker has recorded its end meanwhile."""
    with connection.transaction():
        # Not pg_advisory_lock: the server may not have noticed the end of the old session, which still holds the lock.
        connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [ALIVE, run])
        connection.execute("UPDATE crawl.runs SET ended_at = NULL, outcome = NULL WHERE id = %s", [run])


@dataclass(slots=True)
class Totals:
    """The figures of a run, or of several together, as in `crawl.runs`."""

    requests: int = 0
    counts: Counts = field(default_factory=Counts)
    requests_by_purpose: Mapping[str, int] = field(default_factory=dict)
    responses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def end_run(connection: Connection, run: int, outcome: str, totals: Totals, findings: Sequence[str] = ()) -> None:
    """Record the end of a run, which frees its leases."""
    with connection.transaction():
        record_run(connection, run, totals)
        connection.execute(
            "UPDATE crawl.runs SET ended_at = crawl.clock(), outcome = %s, findings = %s WHERE id = %s",
            [outcome, Jsonb(list(findings)), run],
        )
    connection.execute("SELECT pg_advisory_unlock(%s, %s)", [ALIVE, run])
    connection.commit()


def record_run(connection: Connection, run: int, totals: Totals) -> None:
    """Record the figures of a run so far, so that a killed one leaves them."""
    with connection.transaction():
        connection.execute(
            "UPDATE crawl.runs SET requests = %s, counts = %s, requests_by_purpose = %s, responses = %s WHERE id = %s",
            [
                totals.requests,
                Jsonb(totals.counts.as_json()),
                Jsonb(dict(totals.requests_by_purpose)),
                Jsonb({stream: dict(statuses) for stream, statuses in totals.responses.items()}),
                run,
            ],
        )


def sum_workers(connection: Connection, run: int) -> Totals:
    """Return the figures of all workers of a run together, those that were killed included."""
    rows = connection.execute(
        "SELECT requests, counts, requests_by_purpose, responses FROM crawl.runs WHERE parent_run_id = %s", [run]
    ).fetchall()
    totals, spent = Totals(), Counter[str]()
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for requests, counts, purposes, answered in rows:
        totals.requests += requests
        for table, numbers in counts.items():
            totals.counts.add(table, **numbers)
        spent.update(purposes)
        for stream, statuses in answered.items():
            answers[stream].update(statuses)
    totals.requests_by_purpose, totals.responses = spent, answers
    return totals


def requests_of_the_killed(connection: Connection, run: int) -> int:
    """Return the number of requests that the killed workers of a run had sent."""
    row = connection.execute(
        "SELECT coalesce(sum(requests), 0)::int FROM crawl.runs WHERE parent_run_id = %s AND outcome = 'killed'", [run]
    ).fetchone()
    return int(row[0]) if row else 0


def recover(connection: Connection, own: int) -> int:
    """Record the end of killed runs, which frees their entries; return the number of these runs.

    `own` is the run of this session (0: none), whose lock looks free to the session that holds it.
    """
    dead = 0
    with connection.transaction():
        runs = connection.execute("SELECT id FROM crawl.runs WHERE ended_at IS NULL AND id <> %s", [own]).fetchall()
        if runs:
            end_vanished(connection)
        for (run,) in runs:
            lock = connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [ALIVE, run]).fetchone()
            if lock is not None and lock[0]:
                dead += connection.execute(_SQL["end_dead_run"], [run]).rowcount
    return dead
