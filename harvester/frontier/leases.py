"""Lease and release entries of the frontier, one row of `crawl.frontier` for each list or object in scope.

A lease is a token on the row. It ends with the visit, after its time, or with the run that took it: each run holds an
advisory lock for as long as its connection lives, so that the leases of a killed worker are free as soon as another
worker looks, without waiting for their time. No index contains the lease, so that leasing rewrites no index.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import sqrt
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import FOLLOWING, ONCE, STREAMS
from harvester.api.rows import Query, Visit
from harvester.api.stream import DAY, Kind
from harvester.api.text import without_tokens
from harvester.frontier import rates
from harvester.frontier.model import LEASE_SECONDS, Lease
from harvester.frontier.names import BY_NAME, PROVEN_SECONDS
from harvester.frontier.revisit import interval
from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import LONGEST_KEY

_SQL = statements(__package__, "leases")

_LONGEST_PAUSE = 6 * 3600
"""Longest time in seconds before a visit that keeps failing is tried again."""
REST_SECONDS = 6 * 3600
"""Seconds after a visit within which its entry is neither re-checked nor audited."""
AHEAD_SECONDS = 90 * DAY
"""Seconds before the due time of a list from which it may be audited."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Numbers of entries that are due now, leased by live runs, and postponed after a failure."""

    due: int
    leased: int
    postponed: int


class Purpose(StrEnum):
    """Purpose of a visit."""

    NEW = "new"
    """The first visit."""
    DUE = "due"
    """A visit that must take place: a second look, a changed thread, a refresh, a list that is read in full again."""
    SCHEDULED = "scheduled"
    """A visit that pays: enough new items are expected."""
    RECHECK = "recheck"
    """A visit that is drawn at random, each entry with the same chance whatever its rate."""
    AUDIT = "audit"
    """A full read before it is due, the list that has waited longest first."""


_LEAST_REACH = 4
"""Least number of entries of a queue that are examined."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A frontier entry whose visit pays, and the time of its last visit."""

    stream: str
    entity_id: int
    visited_at: datetime


class Picker:
    """Search for the visits that save most, which remembers how far it had to look in each queue.

    A visit must save at least `min_gain` item-days; with 0 every visit pays.
    """

    def __init__(self, min_gain: float = 0.0) -> None:
        self._min_gain = min_gain
        self._reach: dict[int, int] = {}

    def pick(self, connection: Connection, streams: Sequence[str], count: int) -> list[Pick]:
        """Return the `count` entries whose visits save most, of those that save enough.

        In each queue the entry that was visited longest ago saves most. Twice as many entries of a queue are examined
        as were taken from it the last time, and twice as many again while all of them are taken.
        """
        queues = rates.queues({STREAMS[name].spider for name in streams if STREAMS[name].item_weight})
        reach = {queue: min(count, self._reach.get(queue, _LEAST_REACH)) for queue in queues}
        while True:
            values = self._head_values(queues, list(reach.values()))
            with connection.transaction():
                best = connection.execute(_HEADS, values).fetchall()[:count]
            taken = Counter(queue for *_, queue in best)
            # A queue of which all examined entries are taken may have more.
            short = [queue for queue, looked in reach.items() if taken[queue] == looked < count]
            for queue in short:
                reach[queue] = min(count, 2 * reach[queue])
            if not short:
                self._reach = {queue: max(_LEAST_REACH, 2 * number) for queue, number in taken.items()}
                return [Pick(*entry) for *entry, _ in best]

    def _head_values(self, queues: list[int], reach: list[int]) -> dict[str, Any]:
        return {
            "queues": queues,
            "roots": [sqrt(rates.priority_of(queue % rates.CLASSES)) for queue in queues],
            "ripe": [interval(rates.priority_of(queue % rates.CLASSES), self._min_gain) for queue in queues],
            "reach": reach,
            "seconds": LEASE_SECONDS,
        }


def lease(
    connection: Connection,
    run: int,
    streams: Sequence[str],
    count: int,
    only: Sequence[int] | None = None,
    since: datetime | None = None,
    *,
    purpose: Purpose = Purpose.DUE,
) -> list[Lease]:
    """Lease up to `count` entries for a purpose; with `only`, new or due ones of these entities or on their pages.

    `since`: the due time of the last entry that was leased. The search begins there, so that it need not pass the index
    entries of the visits before; it is repeated from the beginning if nothing is found. Scheduled visits are leased by
    `lease_scheduled`.
    """
    values = {
        "streams": list(streams),
        "count": count,
        "only": None if only is None else list(only),
        "since": since or datetime.min.replace(tzinfo=UTC),
    }
    leases = _lease(connection, run, _LEASE[purpose], values, full=purpose is Purpose.AUDIT)
    if not leases and since is not None:
        return lease(connection, run, streams, count, only, purpose=purpose)
    return leases


def lease_scheduled(
    connection: Connection, run: int, streams: Sequence[str], count: int, picker: Picker
) -> list[Lease]:
    """Lease up to `count` entries whose visits save most, as a picker finds them."""
    for _ in range(2):
        picks = picker.pick(connection, streams, count)
        values = {
            "names": [pick.stream for pick in picks],
            "entities": [pick.entity_id for pick in picks],
            "visited": [pick.visited_at for pick in picks],
        }
        leases = _lease(connection, run, _LEASE_PICKED, values)
        if leases or not picks:
            break  # else all picked entries were visited or leased meanwhile
    return leases


def lease_this(connection: Connection, run: int, stream: str, entity: int) -> Lease:
    """Lease one entry, even if another run holds it.

    An entry that is not in scope yet is put there, without becoming due if its stream is visited on demand only.
    """
    with connection.transaction():
        connection.execute(_SQL["put_in_scope"], [stream, entity, ONCE if STREAMS[stream].revisit >= ONCE else 0])
        (leased,) = _lease(connection, run, _LEASE_THIS, {"name": stream, "entity": entity})
    return leased


def hold(connection: Connection, run: int, entries: Sequence[tuple[str, int]]) -> None:
    """Keep those entries (stream, entity) that are due for a run, which leases each by `lease_following`."""
    streams, entities = [stream for stream, _ in entries], [entity for _, entity in entries]
    values = {"run": run, "seconds": LEASE_SECONDS, "streams": streams, "entities": entities}
    connection.execute(_HOLD, values)


def lease_following(connection: Connection, run: int, stream: str, entity: int, *, always: bool) -> Lease | None:
    """Lease an entry that is due, also one that this run holds, to visit it with the response of another visit.

    Returns None if it is not due or another run holds it; `always`: lease it in any case.
    """
    values = {"name": stream, "entity": entity, "always": always}
    return next(iter(_lease(connection, run, _LEASE_FOLLOWING, values)), None)


def _lease(
    connection: Connection,
    run: int,
    statement: sql.Composed,
    values: dict[str, Any],
    *,
    full: bool = False,
) -> list[Lease]:
    """Lease entries by one of the statements `_LEASE...`; `full`: their lists are to be read in full."""
    values = values | _STREAMS_OF | {"run": run, "seconds": LEASE_SECONDS, "full": full}
    with connection.transaction():
        rows = connection.execute(statement, values).fetchall()
    leases = []
    for stream, entity, owner, username, host, asked, *rest in rows:
        query = None if asked is None else Query(*asked)
        visit = Visit(STREAMS[stream], entity, owner, username, host, query=query)
        leases.append(Lease(visit, *rest))
    return leases


def _named(*kinds: Kind) -> list[str]:
    return [stream.name for stream in STREAMS.values() if stream.kind in kinds]


_SAMPLED_BLOCKS = 100
"""Number of blocks of the table from which re-checks are drawn. A block holds about 60 entries: with so many blocks the
chance of an entry differs by less than 2% with the number of entries in its own block."""
_STREAMS_OF: dict[str, Any] = {
    "of_users": _named(Kind.USER),
    "of_projects": _named(Kind.PROJECT, Kind.PROJECT_THREAD),
    "of_studios": _named(Kind.STUDIO),
    "of_queries": _named(Kind.QUERY),
    "by_name": BY_NAME,
    "in_full": [stream.name for stream in STREAMS.values() if stream.item_weight and stream.members],
    "revisits": Jsonb({stream.name: stream.revisit for stream in STREAMS.values()}),
    "rested": REST_SECONDS,
    "ahead": AHEAD_SECONDS,
    "blocks": _SAMPLED_BLOCKS,
    "following": [name for names in FOLLOWING.values() for name in names],
    "followed": [name for name, following in FOLLOWING.items() if following],
}


def with_free(statement: str, **varying: sql.SQL) -> sql.Composed:
    """Return a statement with the condition that an entry is free, and with the other varying parts."""
    return sql.SQL(statement).format(free=sql.SQL(_SQL["free"]), **varying)


def _leasing(chosen: sql.Composable) -> sql.Composed:
    """Return the statement that leases the entries which a query chooses."""
    return sql.SQL(_SQL["lease"]).format(proven_seconds=PROVEN_SECONDS, chosen=chosen)


_LEASE = {
    Purpose.NEW: _leasing(with_free(_SQL["choose_due"], visits=sql.SQL("= 0"))),
    Purpose.DUE: _leasing(with_free(_SQL["choose_due"], visits=sql.SQL("> 0"))),
    Purpose.RECHECK: _leasing(with_free(_SQL["choose_recheck"])),
    Purpose.AUDIT: _leasing(with_free(_SQL["choose_audit"])),
}
_LEASE_PICKED = _leasing(with_free(_SQL["choose_picked"]))
_LEASE_FOLLOWING = _leasing(with_free(_SQL["choose_following"]))
_HOLD = with_free(_SQL["hold"])
_LEASE_THIS = _leasing(sql.SQL(_SQL["choose_this"]))
_HEADS = with_free(_SQL["heads"])


def _held(leases: Sequence[Lease]) -> dict[str, Any]:
    return {
        "streams": [one.visit.stream.name for one in leases],
        "entities": [one.visit.entity_id for one in leases],
        "tokens": [one.token for one in leases],
    }


def release(connection: Connection, leases: Sequence[Lease]) -> None:
    """Give leases back; the pages that were committed stay."""
    with connection.transaction():
        connection.execute(_SQL["release"], _held(leases))


def is_held(connection: Connection, lease_: Lease) -> bool:
    """Return whether a lease still holds."""
    with connection.transaction():
        row = connection.execute(_SQL["is_held"], _held([lease_])).fetchone()
    return bool(row and row[0])


def postpone(connection: Connection, lease_: Lease, reason: str) -> None:
    """Postpone a visit, for longer after each failure; it will continue after its last committed page."""
    with connection.transaction():
        connection.execute(_SQL["postpone"], {"reason": reason, "longest": _LONGEST_PAUSE} | _held([lease_]))


def quarantine(connection: Connection, lease_: Lease, path: str, status: int | None, reason: str, body: bytes) -> None:
    """Store a response that cannot be used, without the tokens of projects."""
    with connection.transaction():
        connection.execute(
            _SQL["quarantine"],
            [lease_.visit.stream.name, lease_.visit.entity_id, path, status, reason, without_tokens(body)],
        )


def known_drift(connection: Connection) -> set[tuple[str, str, str]]:
    """Read the known deviations of the source from the declared schema: stream, field and change."""
    return set(connection.execute("SELECT stream, field, change FROM crawl.drift").fetchall())


def report_drift(
    connection: Connection, run: int, stream: str, field_: str, change: str, example: str = "", count: int = 1
) -> bool:
    """Record a deviation of the source; return whether no worker of the run had recorded it before."""
    with connection.transaction():
        before = connection.execute(_SQL["seen_drift"], [stream, field_, change, run]).fetchone()
        row = connection.execute(
            _SQL["report_drift"], [stream, field_[:LONGEST_KEY], change[:LONGEST_KEY], example, count]
        ).fetchone()
    is_new = bool(row and row[0])
    return is_new if before is None else not before[0]


def backlog(connection: Connection, streams: Sequence[str], min_gain: float | None = None) -> Backlog:
    """Count the entries of some streams, up to `MOST_COUNTED` of each kind; with `min_gain`, those that pay are due."""
    queues = rates.queues({STREAMS[name].spider for name in streams}) if min_gain else []
    values = {
        "streams": list(streams),
        "most": MOST_COUNTED,
        "queues": queues,
        "ripe": [interval(rates.priority_of(queue % rates.CLASSES), min_gain or 1) for queue in queues],
    }
    with connection.transaction():
        row = connection.execute(_SQL["backlog"], values).fetchone()
    assert row is not None
    return Backlog(*row)


MOST_COUNTED = 100_000
"""Upper bound of the counts of a backlog: a larger one is reported as more than this."""
