"""The loop of a crawl: lease due entries and visit them, until nothing is due or a bound is reached."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harvester.api.catalogue import DETAIL, STREAMS, left_out
from harvester.api.rows import Visit, normalise
from harvester.api.stream import Kind, Stream
from harvester.config import MOST_AT_ONCE
from harvester.crawl.archive import Part
from harvester.crawl.deviations import DeviationReporter
from harvester.crawl.fetch import Unusable
from harvester.crawl.limits import Limits
from harvester.crawl.session import Session
from harvester.crawl.visitor import Visitor
from harvester.errors import TransientHTTP
from harvester.frontier import fitting, leases, runs
from harvester.frontier.model import Lease
from harvester.frontier.scope import Seed, open_allowed, open_site, propagate, refresh, seed
from harvester.frontier.shares import Shares
from harvester.sampling import samples

if TYPE_CHECKING:
    from datetime import datetime

_POLL_SECONDS = 0.3
_WATCH_SECONDS = 2.0
_HEALTH_ATTEMPTS = 2
_FIT_SECONDS = 2.0
"""Seconds for which the first visit waits for the schedule to be fitted."""
_TROUBLE_SECONDS = (5.0, 300.0)
"""The first and the longest wait in seconds for a site that reports trouble."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CrawlScope:
    """The entries that a crawl visits.

    Attributes:
        target: The only project or studio to visit; None: all due entries.
        due_only: Visit only new and due entries, none by the schedule.
        in_full: Read the lists of the target in full.
        at_once: Number of concurrent visits.
    """

    streams: tuple[Stream, ...]
    target: tuple[Kind, int] | None
    due_only: bool
    in_full: bool
    at_once: int


class CrawlLoop:
    """Loop that leases entries and starts their visits.

    Attributes:
        left: The backlog when it was last counted.
        trouble: The reason for which the crawl waits for the site; None while it does not.
    """

    def __init__(self, session: Session, visitor: Visitor, deviations: DeviationReporter, limits: Limits) -> None:
        self.left = leases.Backlog(0, 0, 0)
        self.trouble: str | None = None
        self._session = session
        self._visitor = visitor
        self._deviations = deviations
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, scope: CrawlScope) -> None:
        """Visit the due entries of a scope."""
        session = self._session
        names, only = await self._begin(scope)
        self._visitor.names = frozenset(names)
        self._limits.begin()
        watch = asyncio.create_task(self._watch(names))
        try:
            fit = asyncio.create_task(self._fit())
            self._tasks.add(fit)
            await asyncio.wait([fit], timeout=_FIT_SECONDS)
            if (await session.call(leases.backlog, names, session.settings.min_gain)).due:
                await self._wait_for_health()
            await self._visit_all(scope, names, only)
            self.left = await session.call(leases.backlog, names, session.settings.min_gain)
        finally:
            for task in (watch, *self._tasks):
                task.cancel()
            await asyncio.gather(watch, *self._tasks, return_exceptions=True)
            await self._deviations.flush()

    async def _fit(self) -> None:
        """Fit the schedule once a day. What takes longer than `_FIT_SECONDS` goes on beside the visits."""
        call = self._session.call
        self._visitor.decay = await call(fitting.read_decay)
        fit = await call(fitting.begin_fit)
        if fit is not None:
            while not self._limits.is_reached():
                if not await call(fit.step):
                    self._visitor.decay = await call(fitting.read_decay)
                    break

    async def _wait_for_health(self) -> None:
        """Request the site's health, store it, and wait while the site reports trouble."""
        pause, longest = _TROUBLE_SECONDS
        while not self._limits.is_reached():
            self.trouble = await self._ask_health()
            if self.trouble is None:
                return
            logger.warning("%s: asking again in %.0f s", self.trouble, pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._session.stopping.wait()
            pause = min(2 * pause, longest)

    async def _ask_health(self) -> str | None:
        """Return the trouble that the site reports, as a clause; None if it reports none."""
        visit = Visit(STREAMS["health"], 0, seen_at=self._session.now())
        try:
            with await self._visitor.fetcher.read(visit, "", _HEALTH_ATTEMPTS, Part(alone=True)) as answer:
                answer.use()
        except TransientHTTP as error:
            return f"the site {'cannot be reached' if error.status is None else 'gives no answer'} ({error})"
        except Unusable as error:
            logger.warning("/health is not understood: %s", error)
            return None
        rows = normalise(visit, answer.records or ())
        await self._session.store(rows)
        found = [row[part.columns.index("trouble")] for part in rows for row in part.values]
        return f"the site reports trouble ({found[0]})" if found and found[0] else None

    async def _watch(self, names: list[str]) -> None:
        """Update the progress display, and save the figures in `crawl.runs` in case this process is killed."""
        while True:
            await self._deviations.flush()
            self.left = await self._session.call(leases.backlog, names, self._session.settings.min_gain)
            await self._session.call(runs.record_run, self._session.run, self._session.totals)
            if self._limits.is_reached():
                # Wake waiting requests, which a pause could keep for minutes.
                self._session.stopping.set()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _visit_all(self, scope: CrawlScope, names: list[str], only: list[int] | None) -> None:
        ready, limits = self._visitor.ready, self._limits
        shares = Shares(self._session.settings.shares, due_only=scope.due_only or only is not None)
        self._session.requests_by_purpose = shares.spent
        leaser = _Leaser(self._session, names, only, 2 * scope.at_once)
        while True:
            while not limits.is_reached() and len(self._tasks) < self._room(scope.at_once):
                if not ready:
                    ready += await leaser.lease(shares)
                    if not ready:
                        break
                task = asyncio.create_task(self._visitor.visit(ready.popleft(), shares, leaser.purpose))
                self._tasks.add(task)
            if self._tasks:
                done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                # All results are read, since several visits may have failed at once.
                if failed := [error for error in [task.exception() for task in done] if error is not None]:
                    raise failed[0]
            elif limits.is_reached() or not await self._more(scope, names):
                break
        if ready:
            await self._session.call(leases.release, list(ready))

    def _room(self, at_once: int) -> int:
        """Return the number of concurrent visits now: those that only wait for answers to others do not count."""
        return min(self._limits.at_once(MOST_AT_ONCE), at_once + self._visitor.under_way.waiting)

    async def _begin(self, scope: CrawlScope) -> tuple[list[str], list[int] | None]:
        """Make the target of a scope due; return the streams to lease from, and the id of a single target."""
        session, streams = self._session, scope.streams
        if scope.target is None:
            await session.call(open_site)
            await session.call(open_allowed, scope.streams)
            if any(stream.is_own for stream in streams):
                await self._visitor.fetcher.account.open()
            return [stream.name for stream in streams], None
        kind, entity = scope.target
        names = [DETAIL[kind], *(stream.name for stream in streams)]
        await session.call(seed, [Seed(kind, entity)])
        await session.call(refresh, names, full=scope.in_full, only=[entity])
        return names, [entity]

    async def _more(self, scope: CrawlScope, names: list[str]) -> bool:
        """Return whether more entries may come after a lease found none: freed, new, or of other workers."""
        session = self._session
        if await session.call(runs.recover, session.run) or await session.call(propagate, left_out(session.settings)):
            return True
        if scope.target is None and await session.call(samples.advance) > 0:
            return True
        left = await session.call(leases.backlog, names, None if scope.due_only else session.settings.min_gain)
        one_share = len(session.settings.shares) == 1  # entries that are due may be of another share
        if scope.target is not None or one_share or not (left.due or left.leased):
            return False
        await asyncio.sleep(_POLL_SECONDS)
        return True


class _Leaser:
    """Leases entries for the purpose that is furthest behind its share; `purpose` is that of the last lease."""

    def __init__(self, session: Session, names: list[str], only: list[int] | None, count: int) -> None:
        self.purpose = leases.Purpose.NEW
        self._session = session
        self._names = names
        self._only = only
        self._count = count
        self._picker = leases.Picker(session.settings.min_gain)
        self._since: dict[leases.Purpose, datetime | None] = {}
        """By purpose, the due time of the last leased entry."""

    async def lease(self, shares: Shares) -> list[Lease]:
        """Lease entries for the first purpose that has any; return none if no purpose has."""
        for purpose in shares.order():
            find = (
                partial(leases.lease_scheduled, picker=self._picker)
                if purpose is leases.Purpose.SCHEDULED
                else partial(leases.lease, only=self._only, since=self._since.get(purpose), purpose=purpose)
            )
            if found := await self._session.call(find, self._session.run, self._names, self._count):
                if purpose in (leases.Purpose.NEW, leases.Purpose.DUE):
                    self._since[purpose] = found[-1].due_at
                self.purpose = purpose
                return found
        return []
