"""The rate limiter: sends requests no faster than the rate of the warehouse.

The rate is one row in Postgres that all workers of a warehouse share (generic cell rate algorithm): a worker reserves
the next free slots of an even sequence, at the rate in that row. When the site asks for a pause, the row is closed for
all workers; when the site stops answering, it is closed until one request is answered again (a circuit breaker).
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from harvester.config import Settings
from harvester.crawl.futures import set_error
from harvester.errors import WarehouseError
from harvester.frontier.request_rate import check_unlimited
from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements

P = ParamSpec("P")
T = TypeVar("T")


class Caller(Protocol):
    """Run a function with the connection of a session."""

    async def __call__(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...


_SQL = statements(__package__, "rate_limit")


class Interrupted(Exception):  # noqa: N818
    """The run is being stopped: waiting requests are not sent."""


_BLOCK_SECONDS = 0.1
"""Length in seconds of the slots that a worker reserves at once, at a limited rate."""
_AHEAD_SECONDS = 0.25
"""Seconds before its last slot at which a worker reserves more: the warehouse may be busy with a page."""
_LATE_SECONDS = 0.1
"""Seconds of delay after which a request must acquire a new slot."""
_SLACK_SECONDS = 0.05
"""Seconds of unused slots that stay valid, so that a worker that was late to reserve can catch up."""
_LARGEST_BLOCK = 1_000
_LOOK_SECONDS = 0.2
"""Seconds between a worker's checks for a pause, where the rate is unlimited."""
_LONGEST_LOOK_AWAY = 2.0
FAILURE_STREAK = 16
"""Requests of one worker in a row without an answer that open the circuit breaker."""
FIRST_TRIP_SECONDS = 5.0
LONGEST_TRIP_SECONDS = 600.0
PROBE_SECONDS = 60.0
"""Timeout in seconds of the request that probes whether the site answers again."""

logger = logging.getLogger(__name__)


class RateLimiter:
    """Source of slots of the shared rate for waiting requests, which respects the pauses of all workers.

    A worker reserves slots for the requests that wait now, a few at a time and not far ahead, so that a worker that
    dies wastes few. Without a limit there are no slots, but pauses still hold.
    """

    def __init__(self, settings: Settings, call: Caller, stopping: asyncio.Event) -> None:
        self._settings = settings
        self._call = call
        self._stopping = stopping
        self._interval = 0.0
        """Seconds between the slots that were reserved last; 0 before the first, and at an unlimited rate."""
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._taker: asyncio.Task[None] | None = None
        self._closed_until = 0.0
        self._unlimited_until = 0.0
        self._failures = 0
        self._probing = False

    async def acquire(self) -> None:
        """Return when the next request may be sent.

        A request whose slot falls into a pause acquires a new one after it, so that waiting requests are not sent
        together. So does a request that is late for its slot.

        Raises:
            Interrupted: the run is being stopped.
        """
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            slot = await self._slot()
            try:
                await self._until(slot)
                if loop.time() < self._closed_until:
                    await self._until(self._closed_until)
                elif not self._interval or loop.time() - slot <= _LATE_SECONDS:
                    return
            except Interrupted:
                await self._release(1)
                raise
        raise Interrupted

    async def _slot(self) -> float:
        """Return a time of the loop at which a request may be sent."""
        loop = asyncio.get_running_loop()
        if not self._interval and loop.time() < min(self._unlimited_until, self._closed_until or math.inf):
            return loop.time()
        slot: asyncio.Future[float] = loop.create_future()
        self._waiting.append(slot)
        if self._taker is None or self._taker.done():
            self._taker = asyncio.create_task(self._take())
        return await slot

    async def _take(self) -> None:
        """Reserve slots for as long as a request waits for one."""
        try:
            while waiting := sum(not slot.done() for slot in self._waiting):
                now = await self._hand_out(min(waiting, _LARGEST_BLOCK))
                await self._until(now)
        except Exception as error:  # noqa: BLE001  (raised in all that wait)
            while self._waiting:
                set_error(self._waiting.popleft(), error)

    async def _hand_out(self, count: int) -> float:
        """Give slots to up to `count` waiting requests; return the time at which to reserve more."""
        loop = asyncio.get_running_loop()
        grant = await self._call(reserve_slots, count)
        now = loop.time()
        check_unlimited(self._settings, grant.rate)
        interval = self._interval = 1 / grant.rate if grant.rate else 0.0
        if not grant.slots:
            return now + min(grant.seconds, _LONGEST_LOOK_AWAY)
        self._probing = grant.is_probe
        if not interval and not grant.is_probe:
            self._unlimited_until = now + _LOOK_SECONDS
        given = 0
        while self._waiting and given < grant.slots:
            slot = self._waiting.popleft()
            if not slot.done():
                slot.set_result(now + grant.seconds + given * interval)
                given += 1
        if given < grant.slots:
            await self._release(grant.slots - given)
        return now + grant.seconds + (given - 1) * interval - _AHEAD_SECONDS

    async def _release(self, count: int) -> None:
        if self._interval:
            await self._call(release_slots, count * self._interval)

    async def _until(self, at: float) -> None:
        """Sleep until a time of the loop, or until the run is being stopped, which raises `Interrupted`."""
        delay = at - asyncio.get_running_loop().time()
        if delay > 0:
            try:
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            except TimeoutError:
                return
            raise Interrupted

    async def pause(self, seconds: float, reason: str) -> None:
        """Make all workers send nothing for some seconds."""
        loop = asyncio.get_running_loop()
        self._closed_until = max(self._closed_until, loop.time() + seconds)
        await self._call(close_budget, seconds, reason)

    async def answered(self, trouble: str | None) -> None:
        """Record the result of a request: an answer, or the reason for its failure.

        After a streak of failures no worker sends for a while; then one request probes whether the site answers again.
        """
        was_probe, self._probing = self._probing, False
        if trouble is None:
            self._failures = 0
            if was_probe:
                logger.warning("the site answers again")
                await self._call(end_pauses)
            return
        self._failures += 1
        if was_probe or self._failures >= FAILURE_STREAK:
            self._failures = 0
            seconds = await self._call(open_breaker, trouble)
            logger.warning("all requests fail (%s): no request is sent for %.0f s", trouble, seconds)
            self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)


@dataclass(frozen=True, slots=True)
class Grant:
    """Slots granted and the time of the first, or the seconds after which to ask again.

    `rate` is that of the warehouse, in requests per second; 0: unlimited.
    """

    slots: int
    seconds: float
    is_probe: bool
    rate: float


def reserve_slots(connection: Connection, count: int) -> Grant:
    """Reserve up to `count` of the next slots, a block at most; none during a pause.

    After a pause of the circuit breaker one slot is given, and no other before the result of its request is known.

    Raises:
        WarehouseError: the row of the rate limit is missing.
    """
    values = {"count": count, "block": _BLOCK_SECONDS, "slack": _SLACK_SECONDS, "probe": PROBE_SECONDS}
    row = connection.execute(_SQL["reserve_slots"], values).fetchone()
    if row is None:
        raise WarehouseError("crawl.rate_limit was emptied during the crawl: start it again")
    return Grant(row[0], max(0.0, row[1]), row[2], row[3])


def release_slots(connection: Connection, seconds: float) -> None:
    """Give back unused slots, as seconds of the sequence of slots."""
    connection.execute(
        "UPDATE crawl.rate_limit SET next_at = next_at - make_interval(secs => %s) WHERE next_at > clock_timestamp()",
        [seconds],
    )


def open_breaker(connection: Connection, reason: str) -> float:
    """Open the circuit breaker, for longer each time; return for how many seconds no request is sent."""
    row = connection.execute(
        # Workers that open it at the same time count once.
        _SQL["trip_breaker"],
        {"first": FIRST_TRIP_SECONDS, "longest": LONGEST_TRIP_SECONDS, "reason": reason},
    ).fetchone()
    assert row is not None
    return float(row[0])


def end_pauses(connection: Connection) -> None:
    """End the pauses of all workers, since the site answers again."""
    connection.execute("UPDATE crawl.rate_limit SET breaker_trips = 0, probing_until = NULL, closed_until = NULL")


def close_budget(connection: Connection, seconds: float, reason: str) -> None:
    """Begin a pause of all workers."""
    connection.execute(_SQL["pause"], {"seconds": seconds, "reason": reason})
