"""Make the visits of leased frontier entries: read each page, prove it where it is in doubt, hand it to the pipelines.

A visit is a coroutine, and several run at once. The next page of a list is requested once the one before is committed.
"""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

from harvester.api.catalogue import DETAIL, FOLLOWING, ONCE, PAGE_LIMIT, STREAMS
from harvester.api.records import Record
from harvester.api.rows import Visit
from harvester.api.stream import Kind, Paging
from harvester.crawl import absences, deletions
from harvester.crawl.answers import take_source
from harvester.crawl.archive import Part
from harvester.crawl.control import CANDIDATES, FRESH_SECONDS, WAIT_SECONDS, Control, UnderWay
from harvester.crawl.deviations import DeviationReporter
from harvester.crawl.fetch import Fetched, Fetcher, NotBelieved, Unusable
from harvester.crawl.items import Page
from harvester.crawl.limits import Limits
from harvester.crawl.names import is_recent, same_name
from harvester.crawl.rate_limit import Interrupted
from harvester.crawl.session import Session
from harvester.crawl.sources import NO_PROJECT, SourceReader, token_of, without_response
from harvester.crawl.visits import (
    object_in_doubt,
    page_in_doubt,
    paginator_of,
    speaks_for_itself,
    take_object,
    take_page,
    would_date,
)
from harvester.errors import TransientHTTP
from harvester.frontier import fitting, leases, names
from harvester.frontier.model import (
    Committed,
    Lease,
    PageCommit,
    Rejected,
    SourceOutcome,
    SourceRead,
    VisitResult,
)
from harvester.frontier.revisit import PRIOR_DECAY, Decay
from harvester.frontier.shares import Shares

_REMEMBERED_PAGES = 32
"""Number of the last pages of a stream from which the page size of the source is taken. With more of them a smaller
page size would be noticed later; with fewer there would be more requests after pages that are full by that size."""
_NAME_CHECK = "username_check"
_ABOUT = {Kind.PROJECT_THREAD: Kind.PROJECT, Kind.STUDIO_THREAD: Kind.STUDIO}
"""By kind of comment, the kind of the entity that it is on."""
_ALL_MISSING = "not there, and neither is what must be there: asked again later"
_CHECK_ATTEMPTS = 2
"""Number of attempts of a request that only checks the state of the site."""

logger = logging.getLogger(__name__)


class Visitor:
    """Makes several visits at once, whose pages are put into `pages`.

    Attributes:
        pages: Items for Scrapy's pipelines; None ends them.
        ready: Leases whose visits have not begun; a visit out of turn takes its lease from there.
        decay: The decay of replies with the age of their comment.
        postponed: Number of visits that failed and are tried again later.
        under_way: The visits under way, and those among them that wait for answers to others.
        names: The streams that this crawl visits.
    """

    def __init__(
        self, session: Session, fetcher: Fetcher, control: Control, deviations: DeviationReporter, limits: Limits
    ) -> None:
        self.fetcher = fetcher
        self.pages: asyncio.Queue[Page | None] = asyncio.Queue()
        self.ready: deque[Lease] = deque()
        self.decay: Decay = PRIOR_DECAY
        self.postponed = 0
        self.under_way = UnderWay(control)
        self.names: frozenset[str] = frozenset()
        self._session = session
        self._sources = SourceReader(fetcher)
        self._control = control
        self._deviations = deviations
        self._limits = limits
        self._taken: set[tuple[str, int]] = set()
        """Objects that were leased out of turn, of which the loop may have made another lease at the same time."""
        self._identifying = asyncio.Lock()
        """Held while the entity of a list is requested, as evidence for all visits that wait."""
        self._lengths: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_REMEMBERED_PAGES))
        """By stream, the numbers of items of its last pages; a page with fewer was not cut short by the source."""
        self._proving: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()
        self._controls: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By stream, held while a known entity is requested."""

    async def visit(self, lease: Lease, shares: Shares, purpose: leases.Purpose) -> None:
        """Make one visit, and charge its pages to the share of its purpose."""
        stream = lease.visit.stream
        shares.charge(purpose, 1)
        self.under_way.begin()
        lease.visit.seen_at = self._session.now()
        try:
            if stream.is_own:
                lease = replace(lease, visit=self.fetcher.account.visit(lease.visit))
            if "{username}" in stream.path and lease.visit.username is None:
                if not await self._session.call(names.wait, lease.visit):
                    await self._session.call(leases.release, [lease])
            elif stream.follows is not None:
                await self._visit_after(stream.follows, lease)
            elif stream.paging is Paging.SINGLE and stream.name == DETAIL.get(stream.kind):
                # Visits that need to know whether this object is there wait for its visit.
                key = (stream.name, lease.visit.entity_id)
                async with self.under_way.hold(self._lock(*key)):
                    if key not in self._taken or await self._session.call(leases.is_held, lease):
                        shares.charge(purpose, await self._visit_object(lease) - 1)
            elif stream.paging is Paging.SINGLE:
                await self._visit_object(lease)
            else:
                shares.charge(purpose, await self._visit_list(lease) - 1)
        except Interrupted:
            await self._session.call(leases.release, [lease])
        except (TransientHTTP, NotBelieved) as error:
            await self._later(lease, str(error))
        except Unusable as error:
            body = self._session.without_erased(error.body)
            await self._session.call(leases.quarantine, lease, error.path, error.status, str(error), body)
            await self._later(lease, str(error))
        finally:
            self.under_way.end()

    async def _visit_object(self, lease: Lease) -> int:
        """Read an object, and what needs its response; return the number of visits."""
        stream = lease.visit.stream
        part = _first_part(lease)
        with await self.fetcher.read(lease.visit, "", part=part, doubt=partial(self._doubt, lease)) as answer:
            records = answer.records
            if records is None and not lease.known_gone and await self._has_another_name(lease.visit):
                await self._session.call(leases.release, [lease])
                return 1
            page = take_object(lease, records)
            is_doubtful = self._control.mistakes() and stream.is_by_name and stream.answers_for is None
            stays = records is not None and not lease.known_gone and not is_doubtful
            if not (is_doubtful or object_in_doubt(lease, records)) or await self._is_its_own(
                lease, absent=records is None, first=stays
            ):
                await self._hand_over(page, answer)
                return 1 + await self._follow(lease.visit, records)
        return 1

    async def _visit_after(self, first: str, lease: Lease) -> None:
        """Visit an entity by another stream, whose response the visit of a lease needs, and then by its own."""
        entity = lease.visit.entity_id
        async with self.under_way.hold(self._lock(first, entity)):
            if await self._session.call(leases.is_held, lease):  # else another visit took it along
                await self._visit_now(first, entity, None, always=True)
                await self._session.call(leases.release, [lease])

    async def _follow(self, visit: Visit, records: Sequence[Record] | None, *, always: bool = False) -> int:
        """Make the visits that need the response of one and are due, or `always`; return their number."""
        made = 0
        for name in FOLLOWING.get(visit.stream.name, ()):
            if name not in self.names or self._limits.is_reached():
                continue
            lease = await self._session.call(
                leases.lease_following, self._session.run, name, visit.entity_id, always=always
            )
            if lease is not None:
                made += 1
                await self._visit_source(lease, visit, token_of(records), absent=records is None)
        return made

    async def _visit_source(self, lease: Lease, of: Visit, token: str | None, *, absent: bool) -> None:
        """Read the source of a project with the token of its response, to the visit `of`; `absent`: it is not there."""
        lease.visit.seen_at = self._session.now()

        async def renew() -> str | None:
            with await self.fetcher.read(of, "", _CHECK_ATTEMPTS) as answer:
                return token_of(answer.records)

        try:
            if absent:
                answer, read = without_response(lease.visit), SourceRead(SourceOutcome.NOT_FOUND, NO_PROJECT)
            else:
                answer, read = await self._sources.read(lease.visit, token, renew, _first_part(lease))
            with answer:
                await self._hand_over(take_source(lease, read, gone=absent), answer)
        except Interrupted:
            await self._session.call(leases.release, [lease])
        except (TransientHTTP, Unusable) as error:
            await self._later(lease, str(error))

    async def _visit_list(self, lease: Lease) -> int:
        """Read a list; return the number of its pages."""
        stream = lease.visit.stream
        down_to = None
        if _may_look_deeper(lease):
            down_to = await self._session.call(fitting.deepest, lease, self.decay, self._session.settings.min_gain)
        lengths = self._lengths[stream.name]
        served = max(lengths, default=0)
        paginator = paginator_of(lease, down_to, served)
        if stream.paging is Paging.RANKING:
            lease.visit.seen_at = paginator.state.seen_at
        part = _first_part(lease, down_to, served)
        odd = set(lease.aside)
        seconds = lease.proven_seconds
        proven = lease.anchors is None and seconds is not None and seconds <= self._limits.elapsed
        while True:
            if paginator.pages and self._limits.is_reached():
                await self._session.call(leases.release, [lease])
                return paginator.pages
            doubt = partial(self._doubt, lease, later_page=bool(paginator.pages))
            at_head = paginator.at_head
            with await self.fetcher.read(
                lease.visit, paginator.next_request(), part=part, odd=odd, doubt=doubt
            ) as answer:
                records = answer.records
                lengths.append(len(records or ()) + len(answer.odd_items))
                page, step = take_page(lease, paginator, records, answer.odd_items)
                dates = would_date(lease, page) and await self._session.call(deletions.misses, page)
                is_doubtful = self._control.mistakes() and stream.kind in DETAIL
                in_doubt = page_in_doubt(lease, records, answer.odd_items, begins=part.first, at_head=at_head)
                in_doubt |= dates or is_doubtful
                if not in_doubt and part.first and records and stream.kind in DETAIL:
                    is_doubtful = not (
                        speaks_for_itself(lease, records, answer.odd_items) or await self._is_identified(lease)
                    )
                if in_doubt or is_doubtful:
                    first = not (lease.anchors or dates or is_doubtful or records is None)
                    if not await self._is_its_own(lease, absent=records is None, first=first):
                        return paginator.pages
                    proven = True
                if stream.is_by_name and page.visit_result is not None:
                    shown = stream.answers_for_it(lease.visit.entity_id, records or ())
                    page.visit_result.proven = proven or shown
                await self._deviations.report_step(stream, step, lease.visit.entity_id)
                if not await self._hand_over(page, answer) or paginator.finished:
                    return paginator.pages
            lease = replace(lease, position=lease.position + 1)
            part = Part(position=lease.position)

    async def _doubt(self, lease: Lease, *, later_page: bool = False) -> str | None:
        """Return the reason not to believe an answer "not there", None if it is believed: see `control`.

        `later_page`: another page of the same list was found before.
        """
        visit, control = lease.visit, self._control
        name, at = visit.stream.name, time.monotonic()
        if visit.stream.is_own:
            return None
        is_known = not later_page and await self._session.call(absences.is_known, lease)
        # Missing items of a list are requested one by one: most are gone as a rule, and the list itself is evidence.
        is_usual = visit.stream.revisit >= ONCE
        if is_known and not is_usual and control.miss(name):
            return "not there, like far more of what is known than usual: asked again later"
        of = name if is_known else None
        await self.under_way.wait_found(at, of, WAIT_SECONDS if is_known else FRESH_SECONDS)
        if not is_known and control.has_found_since(at):
            return None
        async with self.under_way.hold(self._controls[name]):
            if control.has_found_since(at, of):
                return None
            if control.is_doubted(name):
                return _ALL_MISSING
            found, asked = await self._ask_known(visit, at, of)
            if found:
                return None
            if asked == CANDIDATES or not await self._site_answers(at):
                control.doubt(name)
                return _ALL_MISSING
        if not is_known or await self._has_lost_its_name(visit):
            return None
        if await self._session.call(absences.was_missed_before, lease, self._session.run):
            return None
        return "not there for the first time, and nothing is known to compare with: asked again in a later run"

    async def _ask_known(self, visit: Visit, at: float, of: str | None) -> tuple[bool, int]:
        """Request entities of the same stream that were present at their last visit.

        Returns whether one of them is there, and the number of those that are not. Where none is known, the visits
        under way are awaited instead, one of which may find something of the stream `of`, or of any.
        """
        missing = 0
        candidates = await self._session.call(absences.known_present, visit, CANDIDATES)
        if not candidates:
            left = FRESH_SECONDS - (time.monotonic() - at)
            return await self.under_way.wait_found(at, of, left), 0
        for known in candidates:
            with suppress(TransientHTTP, Unusable), await self.fetcher.read(known, "", _CHECK_ATTEMPTS) as answer:
                if answer.records is not None and self._control.has_found_since(at, visit.stream.name):
                    return True, missing
                missing += 1
        return False, missing

    async def _site_answers(self, at: float) -> bool:
        """Return whether any request that began after a time found something, if need be by one for the site's news."""
        if not self._control.has_found_since(at):
            with (
                suppress(TransientHTTP, Unusable),
                await self.fetcher.read(Visit(STREAMS["news"], 0), "", _CHECK_ATTEMPTS),
            ):
                pass
        return self._control.has_found_since(at)

    async def _is_its_own(self, lease: Lease, *, absent: bool, first: bool = False) -> bool:
        """Return whether an answer counts, by a request for its user, project or studio; else the visit ends.

        `absent`: the answer is "not there", which counts if the entity itself is not found either. `first`: a name that
        was proven recently is enough, where the site answers with the right ids.
        """
        visit = lease.visit
        found = await self._find_itself(visit, first=first and await self._is_identified(lease))
        if found is None:
            logger.info("%s %s: the name is not the account's any more", visit.stream.name, visit.entity_id)
            await self._session.call(leases.release, [lease])
            return False
        if not found and not absent:
            await self._later(lease, "what it belongs to is not found")
        return found or absent

    async def _is_identified(self, lease: Lease) -> bool:
        """Return whether the site answers with the right ids, by requests that began after the page of a lease.

        If no other visit is answered with an id within `WAIT_SECONDS`, the entity itself is requested.
        """
        control, at = self._control, time.monotonic()
        with self.under_way.wait():
            if not (self.under_way.all_wait() or control.mistakes()):
                await control.wait_identified(at)
            if control.has_identified_since(at) and not control.mistakes():
                return True
            async with self._identifying:
                if control.mistakes():
                    return False
                return control.has_identified_since(at) or await self._shows_its_id(lease.visit)

    async def _shows_its_id(self, visit: Visit) -> bool:
        """Request the entity of a list, and return whether the answer shows its id; nothing is stored."""
        name, entity = _itself(visit)
        itself = replace(visit, stream=STREAMS[name], entity_id=entity)
        with suppress(TransientHTTP, Unusable), await self.fetcher.read(itself, "", _CHECK_ATTEMPTS) as answer:
            return itself.stream.answers_for_it(itself.entity_id, answer.records or ())
        return False

    async def _find_itself(self, visit: Visit, *, first: bool = False) -> bool | None:
        """Request the user, project or studio of an address, and return whether it is found.

        None: the name in the address is no longer the account's. `first`: a name that was proven recently is enough.
        """
        call, stream = self._session.call, visit.stream
        name, entity = _itself(visit)
        async with self.under_way.hold(self._lock(name, entity)):
            if first and stream.is_by_name and is_recent(await call(names.proven_seconds, entity)):
                return True if same_name(await call(names.present, entity), visit.username) else None
            answered = await self._visit_now(name, entity, visit.username)
        if answered is None or answered[0].lost:
            return None
        result, shown = answered
        # By the answer itself: the stored name may be of an older answer that was stored later.
        if stream.is_by_owner_name and shown is not None and not same_name(shown, visit.username):
            return None
        return not result.gone

    def _lock(self, name: str, entity: int) -> asyncio.Lock:
        """Return the lock that is held while an object is visited whose answer proves lists."""
        return self._proving.setdefault((name, entity), asyncio.Lock())

    async def _has_lost_its_name(self, visit: Visit) -> bool:
        """Return whether an answer is "not there" because the name in its address is no longer the account's."""
        if visit.stream.name == DETAIL[Kind.USER]:
            return await self._has_another_name(visit)
        if not (visit.stream.is_by_name or visit.stream.is_by_owner_name):
            return False
        with suppress(NotBelieved):
            return await self._find_itself(visit) is None
        return False

    async def _has_another_name(self, visit: Visit) -> bool:
        """Return whether the name of a user that is not found is free, so that the account has another one."""
        if visit.stream.name != DETAIL[Kind.USER]:
            return False
        answered = await self._visit_now(_NAME_CHECK, visit.entity_id, visit.username)
        return answered is None or answered[0].lost

    async def _visit_now(
        self, name: str, entity: int, username: str | None, *, always: bool = False
    ) -> tuple[VisitResult, str | None] | None:
        """Visit an object out of turn, and what needs its response if that is due, or `always`.

        Returns the result, and the name of a project's author in the answer. None: the account no longer has the name
        `username`.
        """
        call = self._session.call
        key = (name, entity)
        lease = next((one for one in self.ready if (one.visit.stream.name, one.visit.entity_id) == key), None)
        if lease is None:
            self._taken.add(key)
            lease = await call(leases.lease_this, self._session.run, name, entity)
        else:
            self.ready.remove(lease)
        visit = lease.visit
        visit.seen_at = self._session.now()
        if visit.stream.is_by_name and not same_name(visit.username, username):
            await call(leases.release, [lease])
            return None
        part = _first_part(lease)
        try:
            with await self.fetcher.read(visit, "", part=part, doubt=partial(self._doubt, lease)) as answer:
                records = answer.records
                if records is None and not lease.known_gone and await self._has_another_name(visit):
                    await call(leases.release, [lease])
                    return None
                page = take_object(lease, records)
                await self._hand_over(page, answer)
                await self._follow(visit, records, always=always)
        except (Interrupted, TransientHTTP, NotBelieved, Unusable):
            await call(leases.release, [lease])
            raise
        assert page.visit_result is not None, "a visit of an object ends with its page"
        return page.visit_result, visit.stream.shown_owner_name(records or ())

    async def _hand_over(self, commit: PageCommit, answer: Fetched) -> bool:
        """Send a page through the pipelines and wait for its commit; return whether the visit may continue."""
        commit.archived = answer.use(proven=commit.visit_result is not None and commit.visit_result.proven)
        page = Page(commit, answer, asyncio.get_running_loop().create_future())
        self.pages.put_nowait(page)
        result = await page.result
        if isinstance(result, Rejected):
            raise answer.refused(result.reason)
        return isinstance(result, Committed)

    async def _later(self, lease: Lease, reason: str) -> None:
        self.postponed += 1
        await self._session.call(leases.postpone, lease, reason)


def _itself(visit: Visit) -> tuple[str, int]:
    """Return the stream and the id of the user, project or studio of an address."""
    stream = visit.stream
    entity = visit.entity_id if stream.is_by_name or visit.owner_id is None else visit.owner_id
    return DETAIL[_ABOUT.get(stream.kind, stream.kind)], entity


def _may_look_deeper(lease: Lease) -> bool:
    """Return whether a visit may read below the head: an incremental one of a list of comments, at its begin."""
    leads = lease.visit.stream.links
    return (
        lease.certificate is not None
        and not lease.full
        and lease.state is None
        and lease.item_count > PAGE_LIMIT
        and any(lead.changed_if for lead in leads)
    )


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
        uncertified=lease.certificate is None and lease.position > 0,
    )
