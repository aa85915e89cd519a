"""The base of all spiders: lease a frontier entry, await its pages one by one, hand each over, until it is read.

A visit is a coroutine, and several run at once. Its pages leave through Scrapy's downloader, so that the downloader
middlewares apply, and enter the warehouse through the item pipeline, one item a page; the next page is asked for when
the one before is committed.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from scrapy import Request, Spider
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response

from harvester.api.catalogue import DETAIL, ONCE, PAGE_LIMIT, STREAMS, streams_of
from harvester.api.decode import HARMLESS, SchemaDeviation, decode, without_mark
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.rows import Visit, normalise
from harvester.api.stream import Host, Kind, Paging, Stream
from harvester.config import settings as environment
from harvester.crawl import absences, deletions
from harvester.crawl.account import Account
from harvester.crawl.archive import Part
from harvester.crawl.control import CANDIDATES, WAIT_SECONDS, Control
from harvester.crawl.model import Bounds, Figures
from harvester.crawl.names import is_recent, same_name
from harvester.crawl.rate_limit import Interrupted
from harvester.crawl.retry import ATTEMPTS, backoff, retry_after
from harvester.crawl.session import Session
from harvester.crawl.visits import (
    address,
    object_in_doubt,
    page_in_doubt,
    paginator_of,
    take_object,
    take_page,
    would_date,
)
from harvester.errors import DecodeError, SetAside, TransientHTTP, UsageError
from harvester.frontier import fitting, leases, names
from harvester.frontier.model import (
    ANSWERS,
    NOT_BELIEVED,
    CommitResult,
    Committed,
    Lease,
    PageCommit,
    Rejected,
    VisitResult,
)
from harvester.frontier.revisit import PRIOR_DECAY
from harvester.frontier.shares import Shares
from harvester.pagination import offset
from harvester.sampling import samples
from harvester.warehouse.source import SANDBOX_HEADER, sandbox_of

if TYPE_CHECKING:
    from datetime import datetime

logger = logging.getLogger(__name__)

BROKEN = (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    OSError,
)
AS_WRITTEN = {"verbatim_url": True}
"""Addresses are written as they are to be sent: nobody need look for what to quote in them."""
CONFIRM_ATTEMPTS = 2
"""Requests that repeat a deviating response, before the deviation is accepted as the API's new schema.

It is so only if each answer departs in the same way: cut and garbled responses differ from each other.
"""
_REMEMBERED_PAGES = 32
"""Pages of a stream that tell how long the pages are that the source serves. A longer memory would notice a clamp
later; a shorter one would ask more often behind pages that are as long as the longest remembered."""
_NAME_CHECK = "username_check"
_ABOUT = {Kind.PROJECT_THREAD: Kind.PROJECT, Kind.STUDIO_THREAD: Kind.STUDIO}
"""By kind of thing, the kind that it belongs to, where that is not its own."""
_ALL_MISSING = "not there, and neither is what must be there: asked again later"
_POLL_SECONDS = 0.3
_WATCH_SECONDS = 2.0
_HEALTH_ATTEMPTS = 2
_TROUBLE_SECONDS = (5.0, 300.0)
"""The first and the longest wait for a site that reports trouble."""


@dataclass(slots=True)
class Page:
    """The item of this project: one page, and what became of it once the pipeline has it."""

    commit: PageCommit
    result: "asyncio.Future[CommitResult]"


class NotBelieved(Exception):  # noqa: N818
    """An answer that something is not there, by a site that may say so of everything."""


class AboutAnotherError(DecodeError):
    """An answer about another thing than was asked for."""


class Unusable(SetAside):
    """A response that came again and again and cannot be used."""

    def __init__(self, path: str, status: int | None, body: bytes, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.status = status
        self.body = body


class FrontierSpider(Spider):
    """Visits what is due of its streams. A subclass has a name; the catalogue says which streams that name owns."""

    due_only = False
    """True to visit only new and due entries, none by the schedule."""

    def __init__(self, session: Session | None = None, bounds: Bounds | None = None, **arguments: Any) -> None:
        super().__init__(self.name)
        self.alone = session is None
        """True if Scrapy's own tools run this spider, rather than `harvester`."""
        self.session = session or Session(environment(), f"scrapy crawl {self.name}")
        self.bounds = bounds or Bounds()
        self.streams: tuple[Stream, ...] = self.own_streams()
        self.arguments = arguments
        self.target: tuple[Kind, int] | None = None
        self.bounded = False
        self.postponed = 0
        self.retries = 0
        self.left = leases.Backlog(0, 0, 0)
        self.findings: list[str] = []
        """Findings about the run, once it ended."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._out: asyncio.Queue[Page | None] = asyncio.Queue()
        self._began = 0.0
        self._drift: Counter[tuple[str, str, str]] = Counter()
        """Departures that were told in this run: how often each was met since the warehouse was told."""
        self._known_drift: set[tuple[str, str, str]] = set()
        self._lengths: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_REMEMBERED_PAGES))
        """By stream, how many items its last pages had: a shorter one was not cut short by the source."""
        self._decay = PRIOR_DECAY
        self._answers: dict[_Place, tuple[str, int, bytes]] = {}
        """The last response of each visit under way: path, status and body."""
        self._held: dict[_Place, tuple[Response, Visit, str, Part]] = {}
        """The page of each visit under way that is not archived yet."""
        self._ready: deque[Lease] = deque()
        self._proving: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()
        self.trouble: str | None = None
        """Trouble that the site reports of itself, while the crawl waits for its end."""
        self.account = Account(self.session, self.get)
        self.control = Control()
        self._controls: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By stream, held while a known thing is asked for."""

    def own_streams(self) -> tuple[Stream, ...]:
        """Return the streams this spider visits."""
        return streams_of(self.name)

    def prepare(self) -> None:
        """Check what was asked for. Raises `UsageError`: an argument, or hosts that one is not entitled to crawl."""
        self.session.settings.check_crawl_allowed()
        self.target = _target(self.arguments)

    @property
    def min_gain(self) -> float:
        """Item-days of delay that a scheduled visit must save."""
        return self.session.settings.min_gain

    @property
    def most_at_once(self) -> int:
        """Return how many visits to lead at once at the rate of the warehouse, within Scrapy's own limit."""
        return min(self.session.settings.at_once, self.crawler.settings.getint("CONCURRENT_REQUESTS"))

    @property
    def elapsed(self) -> float:
        """Seconds since the first lease."""
        return time.monotonic() - self._began if self._began else 0.0

    @property
    def outcome(self) -> str:
        """Return the outcome of the run, in the words of `crawl.runs`."""
        if self.session.failure is not None:
            return "failed"
        if self.session.interrupted:
            return "interrupted"
        if self.findings:
            return "degraded"
        return "bounded" if self.bounded else "done"

    def figures(self) -> Figures:
        """Return the progress of the crawl. May be called from another thread."""
        return Figures(
            elapsed=self.elapsed,
            requests=self.session.requests,
            tables=self.session.counts.tables.copy(),
            due=self.left.due,
            rate=self.session.settings.rate,
            bounds=self.bounds,
            stopping=self.session.interrupted,
            retries=self.retries,
            postponed=self.postponed,
            trouble=self.trouble,
        )

    # The crawl ------------------------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Any]:
        """Yield one item for each page, for as long as anything is due."""
        driver = asyncio.create_task(self._drive())
        try:
            while (page := await self._out.get()) is not None:
                yield page
        finally:
            for task in (driver, *self._tasks):
                task.cancel()
            await asyncio.gather(driver, *self._tasks, return_exceptions=True)

    async def _drive(self) -> None:
        try:
            self._known_drift = await self.session.call(leases.known_drift)
            self.control = Control(await self.session.call(absences.usual_shares, self.session.run))
            await self._work()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.session.failure = self.session.failure or error
            logger.debug("the crawl failed", exc_info=True)
        finally:
            self._out.put_nowait(None)

    async def _work(self) -> None:
        names, only = await self._scope()
        self._began = time.monotonic()
        watch = asyncio.create_task(self._watch(names))
        try:
            self._decay = await self.session.call(fitting.fit_schedule)
            if (await self.session.call(leases.backlog, names, self.min_gain)).due:
                await self._wait_for_health()
            await self._walk_all(names, only)
            self.left = await self.session.call(leases.backlog, names, self.min_gain)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self._flush_drift()

    async def _wait_for_health(self) -> None:
        """Ask the site how it is, and wait while it reports trouble. What it says is kept."""
        pause, longest = _TROUBLE_SECONDS
        while not self._enough():
            self.trouble = await self._ask_health()
            if self.trouble is None:
                return
            logger.warning("the site reports trouble (%s): asking again in %.0f s", self.trouble, pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.session.stopping.wait()
            pause = min(2 * pause, longest)

    async def _ask_health(self) -> str | None:
        """Ask the site for its trouble; None if it reports none."""
        visit = Visit(STREAMS["health"], 0, seen_at=self.session.now())
        try:
            records = await self.read(visit, "", _HEALTH_ATTEMPTS, Part(alone=True))
        except TransientHTTP as error:
            return str(error)
        except Unusable as error:
            logger.warning("/health is not understood: %s", error)
            return None
        rows = normalise(visit, records or ())
        await self.session.store(rows)
        found = [row[part.columns.index("trouble")] for part in rows for row in part.values]
        return found[0] if found else None

    async def _watch(self, names: list[str]) -> None:
        """Update the progress display, and save the figures in `crawl.runs` in case this process is killed."""
        while True:
            await self._flush_drift()
            self.left = await self.session.call(leases.backlog, names, self.min_gain)
            await self.session.call(leases.record_run, self.session.run, self.session.totals)
            if self._enough():
                # Nobody waits for a place that a pause may keep from it for minutes.
                self.session.stopping.set()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _walk_all(self, names: list[str], only: list[int] | None) -> None:
        at_once = self.most_at_once
        ready = self._ready
        since: dict[leases.Purpose, datetime | None] = {}
        shares = Shares(self.session.settings.shares, due_only=self.due_only or only is not None)
        self.session.requests_by_purpose = shares.spent
        purpose = leases.Purpose.NEW
        picker = leases.Picker(self.min_gain)
        while True:
            while not self._enough() and len(self._tasks) < self._at_once(at_once):
                if not ready:
                    for purpose in shares.order():
                        ready += await self.session.call(
                            partial(leases.lease_scheduled, picker=picker)
                            if purpose is leases.Purpose.SCHEDULED
                            else partial(leases.lease, only=only, since=since.get(purpose), purpose=purpose),
                            self.session.run,
                            names,
                            2 * at_once,
                        )
                        if ready:
                            break
                    else:
                        break
                    if purpose in (leases.Purpose.NEW, leases.Purpose.DUE):
                        since[purpose] = ready[-1].due_at
                task = asyncio.create_task(self._visit(ready.popleft(), shares, purpose))
                self._tasks.add(task)
            if self._tasks:
                done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                # Each is looked at: several may have failed at once.
                if failed := [error for error in [task.exception() for task in done] if error is not None]:
                    raise failed[0]
            elif self._enough() or not await self._more(names):
                break
        if ready:
            await self.session.call(leases.release, list(ready))

    async def _scope(self) -> tuple[list[str], list[int] | None]:
        """Names of the streams to lease from and, for a single target, its id, made due now; for a feed, in full."""
        if self.target is None:
            await self.session.call(leases.open_site)
            if any(stream.is_own for stream in self.streams):
                await self.account.open()
            return [stream.name for stream in self.streams], None
        kind, entity = self.target
        names = [DETAIL[kind], *(stream.name for stream in self.streams)]
        await self.session.call(leases.seed, [leases.Seed(kind, entity)])
        is_fed = bool(self.crawler.settings.getdict("FEEDS"))
        await self.session.call(leases.refresh, names, full=is_fed, only=[entity])
        return names, [entity]

    async def _more(self, names: list[str]) -> bool:
        """Return whether work may come after a failed lease: freed or new entries, or those of other workers."""
        call = self.session.call
        if await call(leases.recover, self.session.run) or await call(leases.propagate):
            return True
        if self.target is None and await call(samples.advance) > 0:
            return True
        left = await call(leases.backlog, names, None if self.due_only else self.min_gain)
        one_share = len(self.session.settings.shares) == 1  # what is due may be of another: not for this run
        if self.target is not None or one_share or not (left.due or left.leased):
            return False
        await asyncio.sleep(_POLL_SECONDS)
        return True

    def _enough(self) -> bool:
        """Return whether the bounds of the run are reached, so that no further visit may begin."""
        if self.session.interrupted:
            return True
        spent, most = self.elapsed, self.bounds.seconds
        if (self.bounds.requests is not None and self.session.requests >= self.bounds.requests) or (
            most is not None and spent >= most
        ):
            self.bounded = True
        return self.bounded

    def _at_once(self, most: int) -> int:
        """Return the number of concurrent visits, no more than the bound on requests allows."""
        return most if self.bounds.requests is None else min(most, self.bounds.requests - self.session.requests)

    # A visit --------------------------------------------------------------------------------------------------------

    async def _visit(self, lease: Lease, shares: Shares, purpose: leases.Purpose) -> None:
        stream = lease.visit.stream
        shares.charge(purpose, 1)
        lease = replace(lease, visit=replace(lease.visit, seen_at=self.session.now()))
        try:
            if stream.is_own:
                lease = replace(lease, visit=self.account.visit(lease.visit))
            if "{username}" in stream.path and lease.visit.username is None:
                await self.session.call(names.wait, stream.name, lease.visit.entity_id)
            elif stream.paging is Paging.SINGLE and stream.name == DETAIL.get(stream.kind):
                # A visit that must know whether the object exists waits for this one, instead of asking itself.
                async with self._lock(stream.name, lease.visit.entity_id):
                    await self._visit_object(lease)
            elif stream.paging is Paging.SINGLE:
                await self._visit_object(lease)
            else:
                shares.charge(purpose, await self._visit_list(lease) - 1)
        except Interrupted:
            await self.session.call(leases.release, [lease])
        except (TransientHTTP, NotBelieved) as error:
            await self._later(lease, str(error))
        except Unusable as error:
            body = self.session.without_erased(error.body)
            await self.session.call(leases.quarantine, lease, error.path, error.status, str(error), body)
            await self._later(lease, str(error))
        finally:
            self._forget_answer(lease.visit)

    async def _visit_object(self, lease: Lease) -> None:
        stream = lease.visit.stream
        part = _first_part(lease)
        records = await self.read(lease.visit, "", part=part, doubt=partial(self._doubt, lease))
        if records is None and not lease.known_gone and await self._has_another_name(lease.visit):
            await self.session.call(leases.release, [lease])
            return
        page = take_object(lease, records)
        is_doubtful = self.control.mistakes() and stream.is_by_name and stream.answers_for is None
        stays = records is not None and not lease.known_gone and not is_doubtful
        if not (is_doubtful or object_in_doubt(lease, records)) or await self._is_its_own(
            lease, absent=records is None, first=stays
        ):
            await self._hand_over(page)

    async def _visit_list(self, lease: Lease) -> int:
        """Go through a list; returns how many pages were read."""
        stream = lease.visit.stream
        down_to = None
        if self._may_look_deeper(lease):
            down_to = await self.session.call(fitting.deepest, lease, self._decay, self.min_gain)
        lengths = self._lengths[stream.name]
        served = max(lengths, default=0)
        paginator = paginator_of(lease, down_to, served)
        if stream.paging is Paging.RANKING:
            lease = replace(lease, visit=replace(lease.visit, seen_at=paginator.state.seen_at))
        part = _first_part(lease, down_to, served)
        odd = set(lease.aside)
        seconds = lease.proven_seconds
        proven = lease.anchors is None and seconds is not None and seconds <= self.elapsed
        while True:
            if paginator.pages and self._enough():
                await self.session.call(leases.release, [lease])
                return paginator.pages
            aside: list[OddItem] = []
            doubt = partial(self._doubt, lease, later_page=bool(paginator.pages))
            records = await self.read(
                lease.visit, paginator.next_request(), part=part, aside=aside, odd=odd, doubt=doubt
            )
            lengths.append(len(records or ()) + len(aside))
            page, result = take_page(lease, paginator, records, aside)
            dates = would_date(lease, page) and await self.session.call(deletions.misses, page)
            is_doubtful = self.control.mistakes() and stream.kind in DETAIL
            if dates or is_doubtful or page_in_doubt(lease, records, begins=part.first):
                first = not lease.anchors and not dates and not is_doubtful
                if not await self._is_its_own(lease, absent=records is None, first=first):
                    return paginator.pages
                proven = True
            if stream.is_by_name and page.visit_result is not None:
                shown = stream.answers_for_it(lease.visit.entity_id, records or ())
                page = replace(page, visit_result=replace(page.visit_result, proven=proven or shown))
            await self._report_walk(stream, result, lease.visit.entity_id)
            if not await self._hand_over(page) or paginator.finished:
                return paginator.pages
            lease = replace(lease, position=lease.position + 1)
            part = Part(position=lease.position)

    async def _doubt(self, lease: Lease, *, later_page: bool = False) -> str | None:
        """Return why not to believe that something is not there, else None: see `control`.

        With `later_page` another page of the same list was found.
        """
        visit, control = lease.visit, self.control
        name, at = visit.stream.name, time.monotonic()
        if visit.stream.is_own or (later_page and control.has_found()):
            return None
        is_known = not later_page and await self.session.call(absences.is_known, lease)
        if not is_known and control.has_found():
            return None
        # What a list missed is asked for alone: most of that is missing as a rule, and the list is evidence of its own.
        is_usual = visit.stream.revisit >= ONCE
        if is_known and not is_usual and control.miss(name):
            return "not there, like far more of what is known than usual: asked again later"
        while not (control.has_found_since(name, at) if is_known else control.has_found()):
            if len(self._tasks) < 2 or time.monotonic() > at + WAIT_SECONDS:
                break  # no other visit is under way, or none tells
            await asyncio.sleep(_POLL_SECONDS)
        if not is_known and control.has_found():
            return None
        async with self._controls[name]:
            if control.has_found_since(name, at):
                return None
            if control.is_doubted(name):
                return _ALL_MISSING
            found, asked = await self._ask_known(visit, at)
            if found:
                return None
            if asked == CANDIDATES or not await self._site_answers():
                control.doubt(name)
                return _ALL_MISSING
        if not is_known or await self._has_lost_its_name(visit):
            return None
        if await self.session.call(absences.was_missed_before, lease, self.session.run):
            return None
        return "not there for the first time, and nothing is known to compare with: asked again in a later run"

    async def _ask_known(self, visit: Visit, at: float) -> tuple[bool, int]:
        """Ask for things of the same stream that were there at their last visit.

        Returns whether one of them is there, and how many are not.
        """
        missing = 0
        for known in await self.session.call(absences.known_present, visit, CANDIDATES):
            with suppress(TransientHTTP, Unusable):
                if await self.read(known, "", _HEALTH_ATTEMPTS) is not None and self.control.has_found_since(
                    visit.stream.name, at
                ):
                    return True, missing
                missing += 1
        return False, missing

    async def _site_answers(self) -> bool:
        """Return whether the site finds anything at all, asking for its news if nothing else told."""
        if not self.control.has_found():
            with suppress(TransientHTTP, Unusable):
                await self.read(Visit(STREAMS["news"], 0), "", _HEALTH_ATTEMPTS)
        return self.control.has_found()

    @staticmethod
    def _may_look_deeper(lease: Lease) -> bool:
        """Return whether a visit may look deeper: an incremental one of a list of comments, at its begin."""
        leads = lease.visit.stream.links
        return (
            lease.certificate is not None
            and not lease.full
            and lease.state is None
            and lease.item_count > PAGE_LIMIT
            and any(lead.changed_if for lead in leads)
        )

    async def _is_its_own(self, lease: Lease, *, absent: bool, first: bool = False) -> bool:
        """Return whether an answer counts, by a request for its user, project or studio; else the visit ends.

        `absent`: the answer says that nothing is there, which counts where the thing itself is not found either.
        `first`: a name that was proven recently will do.
        """
        visit = lease.visit
        found = await self._find_itself(visit, first=first)
        if found is None:
            logger.info("%s %s: the name is not the account's any more", visit.stream.name, visit.entity_id)
            await self.session.call(leases.release, [lease])
            return False
        if not found and not absent:
            await self._later(lease, "what it belongs to is not found")
        return found or absent

    async def _find_itself(self, visit: Visit, *, first: bool = False) -> bool | None:
        """Ask for the user, project or studio itself that an address is about, and return whether it is found.

        None: the name in the address is not the account's any more. `first`: a name that was proven recently will do.
        """
        call, stream = self.session.call, visit.stream
        entity = visit.entity_id if stream.is_by_name or visit.owner_id is None else visit.owner_id
        name = DETAIL[_ABOUT.get(stream.kind, stream.kind)]
        async with self._lock(name, entity):
            found: bool | None = first and stream.is_by_name and is_recent(await call(names.proven_seconds, entity))
            if not found:
                visit_result = await self._visit_now(name, entity, visit.username)
                found = None if visit_result is None or visit_result.lost else not visit_result.gone
        if not (stream.is_by_name or stream.is_by_owner_name):
            return found
        return found if same_name(await call(names.present, name, entity), visit.username) else None

    def _lock(self, name: str, entity: int) -> asyncio.Lock:
        """Return what is held while an object is visited that proves what lists belong to."""
        return self._proving.setdefault((name, entity), asyncio.Lock())

    async def _has_lost_its_name(self, visit: Visit) -> bool:
        """Ask whether something is not there because the name in its address is not the account's any more."""
        if visit.stream.name == DETAIL[Kind.USER]:
            return await self._has_another_name(visit)
        if not (visit.stream.is_by_name or visit.stream.is_by_owner_name):
            return False
        with suppress(NotBelieved):
            return await self._find_itself(visit) is None
        return False

    async def _has_another_name(self, visit: Visit) -> bool:
        """Ask about the name of a user that is not found: where nobody has it, the account has another name."""
        if visit.stream.name != DETAIL[Kind.USER]:
            return False
        visit_result = await self._visit_now(_NAME_CHECK, visit.entity_id, visit.username)
        return visit_result is None or visit_result.lost

    async def _visit_now(self, name: str, entity: int, username: str | None) -> VisitResult | None:
        """Visit an object out of its turn; return how that ended.

        None: the account is not called `username` any more, or has lost that name.
        """
        call = self.session.call
        place = (name, entity)
        lease = next((one for one in self._ready if (one.visit.stream.name, one.visit.entity_id) == place), None)
        if lease is None:
            lease = await call(leases.lease_this, self.session.run, name, entity, owner=None, full=False)
        else:
            self._ready.remove(lease)
        visit = replace(lease.visit, seen_at=self.session.now())
        if visit.stream.is_by_name and not same_name(visit.username, username):
            await call(leases.release, [lease])
            return None
        try:
            doubt = partial(self._doubt, lease)
            records = await self.read(visit, "", part=_first_part(lease), doubt=doubt)
            if records is None and not lease.known_gone and await self._has_another_name(visit):
                await call(leases.release, [lease])
                return None
            page = take_object(replace(lease, visit=visit), records)
            await self._hand_over(page)
        except (Interrupted, TransientHTTP, NotBelieved, Unusable):
            await call(leases.release, [lease])
            raise
        finally:
            self._forget_answer(visit)
        return page.visit_result

    async def _hand_over(self, commit: PageCommit) -> bool:
        """Send a page through the pipeline and wait until it is committed; whether the visit may go on."""
        visit = commit.lease.visit
        archived = self._keep(visit, proven=commit.visit_result is not None and commit.visit_result.proven)
        page = Page(replace(commit, archived=archived), asyncio.get_running_loop().create_future())
        self._out.put_nowait(page)
        result = await page.result
        if isinstance(result, Rejected):
            # The decoder took it, and the database does not.
            path, status, body = self._answers.get(_place(visit), ("", 200, b""))
            raise Unusable(path, status, body, result.reason)
        return isinstance(result, Committed)

    async def _later(self, lease: Lease, reason: str) -> None:
        self.postponed += 1
        await self.session.call(leases.postpone, lease, reason)

    async def _report_walk(self, stream: Stream, result: offset.Step, entity: int) -> None:
        """Tell where a page broke what is declared of its list."""
        if result.contradiction:
            await self._report(
                stream, SchemaDeviation(stream.key_name, f"not {stream.order.value}", f"{stream.kind.value} {entity}")
            )
        if result.crowded:
            change = "more than a page of items in one second: what is beyond cannot be read"
            await self._report(stream, SchemaDeviation(stream.key_name, change, f"{stream.kind.value} {entity}"))

    def _is_doubtful(self, stream: Stream, departures: list[SchemaDeviation], seen: Counter[tuple[str, str]]) -> bool:
        """Return whether a response has a new deviation: it may be garbled, and is requested again before it counts.

        `seen` counts in how many answers to the same request each departure was.
        """
        places = {(departure.field, departure.change) for departure in departures if departure.change not in HARMLESS}
        seen.update(places)
        return any(
            seen[place] <= CONFIRM_ATTEMPTS and (stream.name, *place) not in self._known_drift for place in places
        )

    async def _report(self, stream: Stream, departure: SchemaDeviation) -> None:
        """Record a departure: the first of its kind in this run at once and with a warning, the others in passing."""
        place = (stream.name, departure.field, departure.change)
        if place in self._drift:
            self._drift[place] += 1
            return
        self._drift[place] = 0
        self._known_drift.add(place)
        example = self.session.without_erased(departure.example)
        if await self.session.call(leases.report_drift, self.session.run, *place, example):
            logger.warning("%s: %s: %s (see `harvester status`)", *place)

    async def _flush_drift(self) -> None:
        for place, count in list(self._drift.items()):
            if count:
                self._drift[place] -= count
                await self.session.call(leases.report_drift, self.session.run, *place, count=count)

    # A request ------------------------------------------------------------------------------------------------------

    async def read(
        self,
        visit: Visit,
        query: str,
        attempts: int = ATTEMPTS,
        part: Part | None = None,
        *,
        aside: list[OddItem] | None = None,
        odd: set[int] | None = None,
        doubt: Callable[[], Awaitable[str | None]] | None = None,
    ) -> list[Record] | None:
        """Read the records at an address of the visited entity; None where the source says that there is nothing.

        `part` tells an archive what the response is for; without it, it is kept and replayed by nobody. Items that
        cannot be used are added to `aside`, once they came twice; `odd` tells by their numbers which did before, and is
        added to. Without `aside` they are an error.

        Raises:
            TransientHTTP: no answer after several attempts.
            NotBelieved: the source says that there is nothing, and `doubt` tells why not to believe it.
            Unusable: answers that are not what the endpoint serves, each time.
        """
        stream = visit.stream
        path = address(visit, "")
        problem: Exception = TransientHTTP(None)
        departed: Counter[tuple[str, str]] = Counter()
        is_enough = False
        for attempt in range(attempts):
            self.retries += attempt > 0
            began = time.monotonic()
            try:
                headers = await self.account.headers() if stream.is_own else {}
                response = await self.get(stream.name, self._base(stream) + path + query, headers)
            except TransientHTTP as error:
                problem = error
                await self._slow_down(error, attempt)
                continue
            except IgnoreRequest as error:
                # Scrapy's words hold the address, which may hold a name.
                forbidden = "robots.txt" in str(error)
                reason = "robots.txt forbids to ask" if forbidden else "larger than any page may be"
                problem = Unusable(path + query, None, b"", reason)
                await asyncio.sleep(backoff(attempt))
                continue
            if part is not None and not stream.is_own:
                self._answers[_place(visit)] = (path + query, response.status, response.body)
            if stream.is_own and response.status == 401:
                self.account.forget_token()
            elif is_absent(stream, response.status, response.body):
                if doubt is not None and (why_not := await doubt()) is not None:
                    answers = self.session.responses[stream.name]
                    answers[str(response.status)] -= 1
                    answers[NOT_BELIEVED] += 1
                    self._archive(response, visit, query, None)
                    raise NotBelieved(why_not)
                self._use(response, visit, query, part)
                return None
            try:
                if response.status == 200:
                    departures: list[SchemaDeviation] = []
                    unusable: list[OddItem] = []
                    found = decode(stream, response.body, departures, None if aside is None else unusable)
                    records = _about_it(visit, found)
                    await self._prove_source(response)
                    came = {one.number for one in unusable}
                    is_odd = odd is not None and not came <= odd and attempt < attempts - 1
                    if odd is not None:
                        odd |= came
                    is_doubtful = self._is_doubtful(stream, departures, departed) and attempt < attempts - 1
                    if is_odd or is_doubtful:
                        self._archive(response, visit, query, None)
                        await asyncio.sleep(backoff(0))
                        continue
                    for departure in departures:
                        await self._report(stream, departure)
                    if (
                        stream.name != "health"
                        and not stream.is_own
                        and not stream.answers_for_another(visit.entity_id, records)
                    ):
                        self.control.found(stream.name, began)
                    if not _repeats_itself(stream, records) or attempt == attempts - 1:
                        self._use(response, visit, query, part)
                        if aside is not None:
                            aside += unusable
                        return records
                    # Something else may be missing in its place: asked again, and taken only if it stays so.
                    await self._report(stream, SchemaDeviation("-", "an item twice on one page", ""))
                    self._archive(response, visit, query, None)
                    await asyncio.sleep(backoff(0))
                    continue
                reason = f"HTTP {response.status} without the API's own words"
            except DecodeError as error:
                reason = str(error)
                if isinstance(error, AboutAnotherError):
                    is_enough = self.control.mistakes()
                    self.control.mistake()
            self._archive(response, visit, query, None)
            # Cut or garbled on the way, perhaps: only what comes again and again is set aside.
            problem = Unusable(path + query, response.status, response.body, reason)
            if is_enough:
                break
            if attempt < attempts - 1:
                await asyncio.sleep(backoff(attempt))
        raise problem

    def _archive(self, response: Response, visit: Visit, query: str, part: Part | None) -> str | None:
        if self.session.archive is None or visit.stream.is_own:
            return None
        return self.session.archive.keep(response, visit, query, part)

    def _use(self, response: Response, visit: Visit, query: str, part: Part | None) -> None:
        """Hold back a page for the archive until it is handed over: it may yet prove to be another account's."""
        if part is None or part.alone:
            self._archive(response, visit, query, part)
        elif self.session.archive is not None:
            self._held[_place(visit)] = (response, visit, query, part)

    def _keep(self, visit: Visit, *, proven: bool) -> str | None:
        """Archive the page that was held back, as one that is used; return the id of its record."""
        held = self._held.pop(_place(visit), None)
        if held is None:
            return None
        response, visit, query, part = held
        return self._archive(response, visit, query, replace(part, proven=proven))

    def _forget_answer(self, visit: Visit) -> None:
        """Drop the last answer of a visit that ended; what was held back of it was not used."""
        place = _place(visit)
        self._answers.pop(place, None)
        if held := self._held.pop(place, None):
            response, visit, query, _ = held
            self._archive(response, visit, query, None)

    def _base(self, stream: Stream) -> str:
        settings = self.session.settings
        return settings.api_url if stream.host is Host.API else settings.site_url

    async def get(self, name: str, url: str, headers: dict[str, str]) -> Response:
        """One request of the stream `name`. Raises `TransientHTTP` where the server gave no answer to it."""
        assert self.crawler.engine is not None
        try:
            request = Request(url, headers=headers, dont_filter=True, meta=AS_WRITTEN.copy())
            response = await self.crawler.engine.download_async(request)
        except BROKEN:
            self.session.responses[name]["-"] += 1
            error = TransientHTTP(None)
        else:
            self.session.responses[name][str(response.status)] += 1
            if self.session.source is not None:
                await self._prove_source(response)
            if response.status in ANSWERS:
                await self.session.rate_limiter.answered(None)
                return response
            wait, date = (
                header.decode("latin-1") if (header := response.headers.get(name)) else None
                for name in ("Retry-After", "Date")
            )
            error = TransientHTTP(response.status, retry_after(wait, date, self.session.now()))
        await self.session.rate_limiter.answered(str(error))
        raise error

    async def _prove_source(self, response: Response) -> None:
        await self.session.prove_source(sandbox_of(response.headers.get(SANDBOX_HEADER)))

    async def _slow_down(self, error: TransientHTTP, attempt: int) -> None:
        """Wait before the next attempt: everybody where the site asks for it, else this visit alone."""
        seconds = error.retry_after if error.retry_after is not None else backoff(attempt)
        if error.status in (429, 503) or error.retry_after is not None:
            await self.session.rate_limiter.pause(seconds, str(error))
        else:
            await asyncio.sleep(seconds)


def is_absent(stream: Stream, status: int, body: bytes) -> bool:
    """Return whether a response is the API's own "not found"; a 404 page of a proxy is not.

    Lists that one may not see answer 403 in places; an object that does is no object gone.
    """
    body = without_mark(body)
    if stream.host is Host.SITE:
        # The site's pages have no code to tell one reason from another.
        return status == 404 or (status == 403 and stream.paging is not Paging.SINGLE)
    if status == 404:
        return b'"NotFound' in body
    if status == 403:
        return stream.paging is not Paging.SINGLE and body.startswith(b"{")
    # A deleted comment that is asked for by its id.
    return status == 200 and stream.gone == "deleted" and body.strip() == b"null"


_Place = tuple[asyncio.Task[Any] | None, str, int]


def _place(visit: Visit) -> _Place:
    """Return what tells a visit under way from others, also from one of the same list that has lost its lease."""
    return asyncio.current_task(), visit.stream.name, visit.entity_id


def _first_part(lease: Lease, down_to: int | None = None, served: int = PAGE_LIMIT) -> Part:
    """Return the part of a visit's first page under a lease."""
    return Part(
        first=True,
        full=lease.full,
        down_to=down_to,
        position=lease.position,
        served=served,
        began_at=lease.began_at,
        has_missing_items=lease.has_missing_items,
    )


def _about_it(visit: Visit, records: list[Record]) -> list[Record]:
    """Return the records of what was asked for. Raises `AboutAnotherError` where they are not."""
    stream = visit.stream
    if stream.answers_by_another_name(visit.username, records):
        raise AboutAnotherError("about a user of another name than was asked for")
    if not stream.is_by_name and stream.answers_for_another(visit.entity_id, records):
        raise AboutAnotherError(f"about another {stream.kind.value} than was asked for")
    return records


def _repeats_itself(stream: Stream, records: list[Record]) -> bool:
    if stream.paging is not Paging.OFFSET:
        return False
    return len({stream.identity(record) for record in records}) < len(records)


def _target(arguments: dict[str, Any]) -> tuple[Kind, int] | None:
    """Parse the target of `-a project=142` or `-a studio=5`; scrapyd adds arguments of its own, such as `_job`."""
    arguments = {name: value for name, value in arguments.items() if not name.startswith("_")}
    kinds = {"project": Kind.PROJECT, "studio": Kind.STUDIO}
    unknown = arguments.keys() - kinds.keys()
    if unknown or len(arguments) > 1:
        raise UsageError("a spider takes one argument: -a project=ID or -a studio=ID")
    for name, value in arguments.items():
        if not (str(value).isascii() and str(value).isdigit()):
            raise UsageError(f"{name}: an id is a whole number")
        return kinds[name], int(value)
    return None
