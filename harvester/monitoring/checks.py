"""Compare a run at its end with the runs before it.

A finding is a sentence without a name. A finished run with findings is `degraded`.
"""

from collections.abc import Mapping
from statistics import median
from typing import Any

from harvester.api.catalogue import STREAMS
from harvester.frontier.model import ANSWERS, NOT_BELIEVED, SERVED
from harvester.frontier.runs import Totals
from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "checks")
_EARLIER = 10
"""Number of earlier runs for the comparison."""
_ENOUGH = 50
"""Number of requests below which shares prove nothing."""
_ANSWERED = {str(status) for status in ANSWERS} | {NOT_BELIEVED}
"""Statuses of answers; a redirect to a login page, for example, is not an answer."""
_TOLERATED = 0.05
"""Share of requests that may go without an answer."""


def findings(connection: Connection, run: int, total: Totals) -> list[str]:
    """Return the findings about a run, in words; empty if it looks like the runs before it."""
    earlier = connection.execute(_SQL["earlier_runs"], [run, _ENOUGH, _EARLIER]).fetchall()
    return [
        *_disbelieved(total),
        *_unanswered(total, [answers for answers, _, _ in earlier]),
        *_set_aside(connection, run),
        *_empty(total, [counts for _, counts, _ in earlier]),
        *_unproved(connection, run),
    ]


def _disbelieved(total: Totals) -> list[str]:
    """Find the streams with answers "not there" about known entities that were not believed."""
    doubted = {stream: statuses.get(NOT_BELIEVED, 0) for stream, statuses in total.responses.items()}
    return [
        f"{stream}: {count:,} answers that something is not there were not believed, and are asked for again"
        for stream, count in sorted(doubted.items())
        if count
    ]


def _unanswered(total: Totals, earlier: list[dict[str, dict[str, int]]]) -> list[str]:
    asked, failed = _asked(total.responses)
    if asked < _ENOUGH:
        return []
    usual = median([bad / max(1, all_) for all_, bad in map(_asked, earlier)]) if earlier else 0.0
    if failed / asked <= max(_TOLERATED, 3 * usual):
        return []
    return [f"{failed / asked:.0%} of the requests had no answer, {usual:.0%} usually"]


def _asked(answers: Mapping[str, Mapping[str, int]]) -> tuple[int, int]:
    """Return the numbers of requests, and of those without an answer."""
    every = sum(sum(statuses.values()) for statuses in answers.values())
    failed = sum(
        count for statuses in answers.values() for status, count in statuses.items() if status not in _ANSWERED
    )
    return every, failed


def _set_aside(connection: Connection, run: int) -> list[str]:
    row = connection.execute(_SQL["set_aside"], [run]).fetchone()
    count, stream = row or (0, None)
    return [f"{count:,} responses were set aside, of {stream} and perhaps others"] if count else []


def _empty(total: Totals, earlier: list[dict[str, Any]]) -> list[str]:
    """Find the tables that got rows in earlier runs and none in this one, although their streams were answered."""
    found = []
    for table in {name for counts in earlier for name in counts}:
        usual = median([sum(counts.get(table, {}).get(name, 0) for name in SERVED) for counts in earlier])
        answered = sum(
            total.responses.get(stream.name, {}).get("200", 0) for stream in STREAMS.values() if table in stream.writes
        )
        if usual >= 1 and answered >= _ENOUGH and not total.counts.served(table):
            found.append(f"no row of {table}, {usual:,.0f} usually, although {answered:,} requests were answered")
    return sorted(found)


def _unproved(connection: Connection, run: int) -> list[str]:
    row = connection.execute(_SQL["unproved"], [run]).fetchone()
    lists, unproved = row or (0, 0)
    if lists < _ENOUGH or unproved <= _TOLERATED * lists:
        return []
    return [f"{unproved:,} of {lists:,} lists were read without proof that nothing was skipped"]
