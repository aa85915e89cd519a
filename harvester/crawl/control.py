"""Decide whether answers "not there" are believed: a site in trouble may give them for everything.

That a known entity is missing is believed once a later request of the same stream has found something. If no other
visit does so, an entity that was present at its last visit is requested; where none is known, the visits under way are
awaited for longer; where too few are known, anything that was found later is evidence, once an earlier run missed the
entity too. If far more known entities are missing than usual, none of them is believed to be missing before a later
run. An absence that changes no stored row is believed once any later request has found something.

An answer without an id that no stored fact supports counts once later requests were answered with the right ids of two
entities of one kind: a page that is served for all addresses has the id of one of them at most.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, defaultdict, deque
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from harvester.api.stream import Kind

FRESH_SECONDS = 60.0
"""Seconds for which a wrong answer casts doubt on others, and for which an absence that changes no stored row waits."""
CANDIDATES = 3
"""Upper bound of the known entities of a stream that are requested; if all are missing, the site is in trouble."""
WAIT_SECONDS = 2.0
"""Seconds to wait for a current visit to find something, before a known entity is requested."""
_DIFFERENT = 2
"""Number of different right ids that show that the site does not answer all addresses with one page."""
_PLAUSIBLE = 0.2
"""Share of known entities that may be missing in any run."""
_TIMES_USUAL = 3
_IMPROBABLE = math.log(1e6)
"""Minus the logarithm of the probability below which the number of missing entities is not by chance."""


class Control:
    """Evidence for the state of the site, from the answers of this run.

    Args:
        usual: By stream the share of answers "not there" in earlier runs; may be set later.
    """

    def __init__(self, usual: Mapping[str, float] | None = None) -> None:
        self.usual = usual or {}
        self._found_at: dict[str, float] = {}
        self._doubted_at: dict[str, float] = {}
        self._mistook_at = -math.inf
        self._identified: defaultdict[Kind, dict[int, float]] = defaultdict(dict)
        """By kind, for the last two different ids that answers showed rightly, the begin of their requests."""
        self._waiters: deque[tuple[float, asyncio.Future[None]]] = deque()
        """Those that wait for right ids, each with the time after which the requests must begin; the earliest first."""
        self._absences: set[tuple[float, str | None, asyncio.Future[None]]] = set()
        """Those that wait for something found, each with the time after which a request must begin, and its stream."""
        self._found: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()

    def found(self, stream: str, began: float) -> None:
        """Record that a request of a stream, begun at a time of the monotonic clock, found its entity."""
        self._found_at[stream] = max(began, self._found_at.get(stream, began))
        self._found[stream] += 1
        self._doubted_at.pop(stream, None)
        for at, of, woken in self._absences:
            if began > at and of in (None, stream) and not woken.done():
                woken.set_result(None)

    def doubt(self, stream: str) -> None:
        """Record that entities which must be there were not."""
        self._doubted_at[stream] = time.monotonic()

    def mistake(self) -> None:
        """Record that an answer was about another entity than the requested one."""
        self._mistook_at = time.monotonic()
        self.wake()

    def mistakes(self) -> bool:
        """Return whether an answer was about another entity within the last minute, so that others need evidence."""
        return time.monotonic() - self._mistook_at < FRESH_SECONDS

    def identify(self, kind: Kind, entity: int, began: float) -> None:
        """Record that the answer to a request, begun at a time of the monotonic clock, showed the requested id."""
        of_kind = self._identified[kind]
        of_kind[entity] = max(began, of_kind.get(entity, began))
        if len(of_kind) > _DIFFERENT:
            del of_kind[min(of_kind, key=of_kind.__getitem__)]
        if len(of_kind) == _DIFFERENT:
            self.wake(before=min(of_kind.values()))

    def has_identified_since(self, at: float) -> bool:
        """Return whether requests that began after a time of the monotonic clock were answered with the right ids."""
        return any(sum(began > at for began in of_kind.values()) == _DIFFERENT for of_kind in self._identified.values())

    async def wait_identified(self, at: float) -> None:
        """Wait until `has_identified_since(at)` or an answer was about another entity, at most `WAIT_SECONDS`.

        `wake` ends the wait as well. `at` is the present time of the monotonic clock.
        """
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((at, woken))
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await woken

    def wake(self, before: float = math.inf) -> None:
        """End the waits for requests that begin after a time earlier than `before`."""
        while self._waiters and self._waiters[0][0] < before:
            _, woken = self._waiters.popleft()
            if not woken.done():
                woken.set_result(None)

    def end_waits(self) -> None:
        """End all waits for answers."""
        self.wake()
        for _, _, woken in self._absences:
            if not woken.done():
                woken.set_result(None)

    async def wait_found(self, at: float, stream: str | None, seconds: float) -> None:
        """Wait until `has_found_since(at, stream)` or `end_waits`, at most so many seconds."""
        if self.has_found_since(at, stream):
            return
        one = at, stream, asyncio.get_running_loop().create_future()
        self._absences.add(one)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await one[-1]
        finally:
            self._absences.remove(one)

    def has_found_since(self, at: float, stream: str | None = None) -> bool:
        """Return whether a request, of one stream or of any, that began after a monotonic time found something."""
        if stream is not None:
            return self._found_at.get(stream, -math.inf) > at
        return any(began > at for began in self._found_at.values())

    def is_doubted(self, stream: str) -> bool:
        """Return whether entities which must be there were missing within the last minute."""
        return time.monotonic() - self._doubted_at.get(stream, -math.inf) < FRESH_SECONDS

    def miss(self, stream: str) -> bool:
        """Count one more known entity of a stream as missing; return whether too many are for this to be chance."""
        self._missing[stream] += 1
        share = min(0.9, max(_PLAUSIBLE, _TIMES_USUAL * self.usual.get(stream, 0.0)))
        return leaps(self._missing[stream], self._missing[stream] + self._found[stream], share)


class UnderWay:
    """Numbers of the visits under way, and of those among them that wait for answers to others as evidence.

    Once all of them wait, no answer would come: the waits end.
    """

    def __init__(self, control: Control) -> None:
        self.visits = 0
        self.waiting = 0
        self._control = control

    def begin(self) -> None:
        """Count a visit that begins."""
        self.visits += 1

    def end(self) -> None:
        """Count a visit that ends."""
        self.visits -= 1
        self._wake()

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count a visit as waiting for answers to others."""
        self.waiting += 1
        self._wake()
        try:
            yield
        finally:
            self.waiting -= 1

    @asynccontextmanager
    async def hold(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        """Hold a lock; a visit that waits for it, whose holder may wait for answers, counts as waiting."""
        with self.wait() if lock.locked() else nullcontext():
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    async def wait_found(self, at: float, stream: str | None, seconds: float) -> bool:
        """Wait as `Control.wait_found`, and no longer once all visits wait; return whether something was found."""
        with self.wait():
            if not self.all_wait():
                await self._control.wait_found(at, stream, seconds)
        return self._control.has_found_since(at, stream)

    def all_wait(self) -> bool:
        """Return whether no visit is under way that could bring an answer."""
        return self.waiting >= self.visits

    def _wake(self) -> None:
        if self.all_wait():
            self._control.end_waits()


def leaps(missing: int, asked: int, share: float) -> bool:
    """Return whether it is improbable that `missing` of `asked` entities are missing, each with probability `share`.

    By Chernoff's bound on the binomial distribution, exp(-asked * KL(missing / asked, share)), which is never below the
    probability itself: of a few entities all may be missing by chance.
    """
    if not asked or missing <= share * asked:
        return False
    seen = missing / asked
    divergence = seen * math.log(seen / share)
    if seen < 1:
        divergence += (1 - seen) * math.log((1 - seen) / (1 - share))
    return asked * divergence > _IMPROBABLE
