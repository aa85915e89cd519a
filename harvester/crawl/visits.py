"""Paginators for each kind of list, made from leases and fed with decoded pages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from harvester.api.catalogue import DETAIL, PAGE_LIMIT
from harvester.api.odd_item import OddItem
from harvester.api.rows import Visit, normalise
from harvester.api.stream import Format, Paging, Stream
from harvester.crawl.names import EVIDENCE, connects, is_recent
from harvester.frontier.model import Lease, PageCommit, VisitResult
from harvester.frontier.revisit import look
from harvester.pagination import cursor, offset, page_number

T = TypeVar("T")
_NOTHING_TO_PROVE = offset.Step()


class Paginator(ABC):
    """Paginator of one list: `next_request` is sent next, `advance` takes the response, `finished` ends the visit.

    `state` is all that has to be kept between two pages.
    """

    state: Any
    finished = False

    def __init__(self, lease: Lease) -> None:
        self.stream = lease.visit.stream
        self.listing = listing(self.stream)

    @property
    def pages(self) -> int:
        """Return the number of pages of the visit, those before an interruption included."""
        return int(self.state.pages)

    @abstractmethod
    def next_request(self) -> str:
        """Return the query string of the next page."""

    @property
    def at_head(self) -> bool:
        """Return whether the next page is the first of the list."""
        return not self.state.pages

    @abstractmethod
    def advance(self, records: Sequence[Any] | None, aside: Sequence[OddItem] = ()) -> offset.Step:
        """Take a page of records, and the items of it that cannot be used; None where the source has no such list."""

    @abstractmethod
    def visit_result(self, result: offset.Step, *, absent: bool) -> VisitResult:
        """Return the result of the visit; `absent`: the source answers that the list does not exist."""

    def kept(self) -> str:
        """Return the state as JSON, for the checkpoint."""
        return msgspec.json.encode(self.state).decode()


class CertifiedPaginator(Paginator):
    """Paginator whose visit ends with a certificate, or with the proof that no certificate is possible."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease)
        self._full = lease.full

    def _proved(self, done: offset.Certificate, _: offset.Step) -> offset.Certificate:
        """Return the certificate to keep."""
        return done

    def visit_result(self, result: offset.Step, *, absent: bool) -> VisitResult:
        done = self._proved(result.done or offset.NOTHING, result)
        # A list that is not found proves something about its entity only where the catalogue says so, and nothing
        # about the items that it held.
        whole = result.whole and not absent
        seen = done.anchors if whole and done.single else None
        return VisitResult(
            certificate=msgspec.json.encode(done).decode(),
            gone=absent and bool(self.stream.enqueues_gone),
            whole=whole and (seen is not None or self._full),
            twice=whole and done.proven_by is offset.ProvenBy.AGREEMENT,
            fresh=result.fresh,
            found=result.found if whole else None,
            pages=self.pages,
            seen=seen,
            absent=absent and self.pages == 1,  # after the first page it is the end of a list by page number
        )

    @abstractmethod
    def _step(self, entries: list[offset.Entry], *, absent: bool) -> offset.Step:
        """Take a page as entries of the paginator."""

    def advance(self, records: Sequence[Any] | None, aside: Sequence[OddItem] = ()) -> offset.Step:
        result = self._step(entries(self.stream, records or (), aside), absent=records is None)
        self.finished = result.done is not None
        return result


class OffsetPaginator(CertifiedPaginator):
    """Paginator by limit and offset: see `pagination.offset`."""

    def __init__(self, lease: Lease, down_to: int | None = None, served: int = PAGE_LIMIT) -> None:
        super().__init__(lease)
        self.listing = msgspec.structs.replace(self.listing, served=served)
        last = _last(lease)
        # A thread is always read in full.
        full = lease.full or self.stream.is_thread
        self.state = _kept(lease, offset.OffsetState) or offset.begin(self.listing, last, down_to, full=full)
        self._looked = [] if last is None or full else last.looked
        self._began = int(_seen_at(lease).timestamp())
        self._lowest = 0

    @property
    def at_head(self) -> bool:
        return not self.state.offset

    def next_request(self) -> str:
        return f"?limit={PAGE_LIMIT}&offset={self.state.offset}"

    def _step(self, entries: list[offset.Entry], *, absent: bool) -> offset.Step:
        self._lowest = next((entry.key for entry in reversed(entries) if entry.key is not None), self._lowest)
        return offset.step(self.listing, self.state, entries, absent=absent)

    def _proved(self, done: offset.Certificate, result: offset.Step) -> offset.Certificate:
        if any(lead.changed_if for lead in self.stream.links):
            done.looked = look(self._looked, 0 if result.whole else self._lowest, self._began)
        return done


class CursorPaginator(CertifiedPaginator):
    """Paginator by a date: see `pagination.cursor`."""

    def __init__(self, lease: Lease, served: int = PAGE_LIMIT) -> None:
        super().__init__(lease)
        self.listing = msgspec.structs.replace(self.listing, served=served)
        self.state = _kept(lease, cursor.CursorState) or cursor.begin(_last(lease), full=lease.full)

    def next_request(self) -> str:
        if self.state.before is None:
            return f"?limit={PAGE_LIMIT}"
        at = datetime.fromtimestamp(self.state.before, UTC)
        return f"?limit={PAGE_LIMIT}&dateLimit={quote(f'{at:%Y-%m-%dT%H:%M:%S}.000Z', safe='')}"

    def _step(self, entries: list[offset.Entry], *, absent: bool) -> offset.Step:
        return cursor.step(self.listing, self.state, entries, absent=absent)


class PageNumberPaginator(CertifiedPaginator):
    """Paginator by page number: see `pagination.page_number`."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease)
        self.state = _kept(lease, page_number.PageNumberState) or page_number.begin(_last(lease), full=lease.full)

    def next_request(self) -> str:
        return f"?page={self.state.page}"

    def _step(self, entries: list[offset.Entry], *, absent: bool) -> offset.Step:
        return page_number.step(self.listing, self.state, entries, absent=absent, max_offset=self.stream.max_offset)


class RankingState(msgspec.Struct):
    """State of a visit of a ranking, with the time of its begin."""

    seen_at: datetime
    pages: int = 0


class RankingPaginator(Paginator):
    """Paginator of a ranking: a fixed number of pages, without a certificate; each position is an observation."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease)
        self.asked = lease.visit.query
        self.state = _kept(lease, RankingState) or RankingState(_seen_at(lease))

    def next_request(self) -> str:
        if self.asked is None or self.stream.max_offset is None:
            return ""
        words = "&".join(
            f"{name}={quote(value, safe='')}"
            for name, value in (("q", self.asked.query), ("mode", self.asked.mode), ("language", self.asked.language))
        )
        return f"?{words}&limit={PAGE_LIMIT}&offset={self.state.pages * PAGE_LIMIT}"

    def advance(self, records: Sequence[Any] | None, aside: Sequence[OddItem] = ()) -> offset.Step:
        first = self.state.pages * PAGE_LIMIT
        if self.stream.max_offset is not None:
            for place, one in enumerate(as_served(records or (), aside)):
                if not isinstance(one, OddItem):
                    one.position = first + place
        self.state.pages += 1
        most = self.asked.pages if self.asked is not None else 1
        deepest = self.stream.max_offset or 1
        self.finished = not (records or aside) or self.state.pages >= most or first + PAGE_LIMIT >= deepest
        return _NOTHING_TO_PROVE

    def visit_result(self, result: offset.Step, *, absent: bool) -> VisitResult:
        del result, absent
        return VisitResult(certificate=None, pages=self.pages)


def paginator_of(lease: Lease, down_to: int | None = None, served: int = PAGE_LIMIT) -> Paginator:
    """Return the paginator of a lease, from the state of its visit, else from the last certificate of its list.

    `down_to`: the key to which a list by offset is read although no new items are expected there; `served`: the number
    of items of the longest page that the source has lately served of such lists.
    """
    match lease.visit.stream.paging:
        case Paging.OFFSET:
            return OffsetPaginator(lease, down_to, served)
        case Paging.DATE:
            return CursorPaginator(lease, served)
        case Paging.NUMBER:
            return PageNumberPaginator(lease)
        case _:
            return RankingPaginator(lease)


def take_object(lease: Lease, records: Sequence[Any] | None) -> PageCommit:
    """Return the commit of an object's visit, without its rows; None for `records` means "not found"."""
    stream, entity = lease.visit.stream, lease.visit.entity_id
    found = records or ()
    lost = stream.is_by_name and (stream.answers_for_another(entity, found) or stream.finds_name_free(found))
    visit_result = VisitResult(
        certificate=None,
        gone=records is None,
        whole=records is not None and not lost,
        lost=lost,
        proven=stream.is_by_name and stream.answers_for_it(entity, found),
    )
    kept = found if any(not announcement.table for announcement in stream.announces) else ()
    return PageCommit(lease, [], len(found), visit_result=visit_result, records=kept)


def take_page(
    lease: Lease, paginator: Paginator, records: Sequence[Any] | None, aside: Sequence[OddItem] = ()
) -> tuple[PageCommit, offset.Step]:
    """Return the commit of a page of a list, without its rows, and the step of the paginator.

    `records` is None where the source has no such list; `aside` are the items that cannot be used.
    """
    first = not paginator.pages
    path = address(lease.visit, paginator.next_request())
    result = paginator.advance(records, aside)
    visit_result = paginator.visit_result(result, absent=records is None) if paginator.finished else None
    stream = lease.visit.stream
    noted = lease.full and stream.members is not None and (visit_result is None or visit_result.seen is None)
    page = PageCommit(
        lease,
        [],
        len(records or ()),
        state=None if paginator.finished else paginator.kept(),
        visit_result=visit_result,
        seen=[*map(stream.held, records or ()), *(one.held for one in aside if one.held is not None)]
        if noted
        else None,
        first=first,
        path=path,
        records=records or (),
        aside=aside,
    )
    return page, result


def with_rows(page: PageCommit, records: Sequence[Any] | None) -> PageCommit:
    """Add to a page the rows that are made of its records, and return it."""
    if records:
        page.rows = normalise(page.lease.visit, records)
    return page


def object_in_doubt(lease: Lease, records: Sequence[Any] | None) -> bool:
    """Return whether the answer about an object counts only once the name in its address is proven."""
    stream, found = lease.visit.stream, records or ()
    if stream.name == DETAIL.get(stream.kind):
        return False
    if stream.is_by_name and stream.answers_for is None:
        # The answer shows no id.
        is_proven = is_recent(lease.proven_seconds)
        if stream.gone is not None and (records is None) != lease.known_gone:
            return not (is_proven and lease.position == 0)
        return records is not None and not is_proven
    if stream.is_by_name:
        return stream.answers_for_another(lease.visit.entity_id, found)
    return stream.is_by_owner_name and stream.gone is not None and records is None


def page_in_doubt(
    lease: Lease, records: Sequence[Any] | None, aside: Sequence[OddItem] = (), *, begins: bool, at_head: bool
) -> bool:
    """Return whether a page of a list counts only once its entity has answered.

    It does where the list may be another account's, where it is not found by a name although it held items or would be
    found if it held none, and where the page does not connect with the certified items of the list. `begins`: it is the
    first page of the visit; `at_head`: it is the first of the list.
    """
    stream = lease.visit.stream
    if records is None:
        is_named = stream.is_by_name or stream.is_by_owner_name
        return is_named and not _may_end(lease, begins=begins, at_head=at_head)
    if stream.answers_for is not None:
        return stream.answers_for_another(lease.visit.entity_id, records)
    return begins and _may_be_another(lease, records, aside)


def would_date(lease: Lease, page: PageCommit) -> bool:
    """Return whether a page ends a visit by which missing items are marked as gone.

    Such a page counts only once the entity that the list belongs to has answered. Missing comments and projects are
    requested one by one instead.
    """
    holds, visit_result = lease.visit.stream.members, page.visit_result
    if holds is None or holds.verify_only or lease.visit.stream.is_thread:
        return False
    return visit_result is not None and visit_result.whole and (lease.has_missing_items or visit_result.twice)


def _may_end(lease: Lease, *, begins: bool, at_head: bool) -> bool:
    """Return whether a list may end, or be empty, where a page is not found: see `page_in_doubt`."""
    stream = lease.visit.stream
    if stream.paging is Paging.NUMBER:
        # A visit may go on from the end.
        return not begins or (lease.position > 0 and not lease.anchors and is_recent(lease.proven_seconds))
    is_later = not begins or lease.state is not None
    held_items = (begins and lease.anchors) or (at_head and is_later)
    return stream.empty_is_404 and not held_items


def _may_be_another(lease: Lease, records: Sequence[Any], aside: Sequence[OddItem]) -> bool:
    """Return whether the first page of a visit may be of another account, project or studio."""
    stream = lease.visit.stream
    if not records or stream.kind not in DETAIL:
        return False
    if not lease.anchors:
        return stream.is_by_name and not is_recent(lease.proven_seconds)
    if not stream.is_by_name:
        # A list that is requested by id is seldom another one: a single item of the certificate is enough.
        return len(lease.anchors) >= EVIDENCE and not _connects(lease, records, aside, exclusive=True)
    # It is not known how long ago a resumed visit was interrupted.
    return lease.state is not None or not _connects(lease, records, aside)


def speaks_for_itself(lease: Lease, records: Sequence[Any], aside: Sequence[OddItem] = ()) -> bool:
    """Return whether the first page of a visit shows whose list it is, by an id or by certified items."""
    stream = lease.visit.stream
    shows_it = stream.answers_for_it(lease.visit.entity_id, records)
    return shows_it or (bool(lease.anchors) and _connects(lease, records, aside))


def _connects(lease: Lease, records: Sequence[Any], aside: Sequence[OddItem], *, exclusive: bool = False) -> bool:
    stream = lease.visit.stream
    exclusive |= stream.members is not None and stream.members.table.endswith("_comments")
    return connects(lease.anchors or (), [entry.id for entry in entries(stream, records, aside)], exclusive=exclusive)


def listing(stream: Stream) -> offset.Listing:
    """Return the declared order of a list."""
    return offset.Listing(
        order=stream.order,
        keyed=stream.key is not None,
        stop_after_empty_pages=stream.stop_after_empty_pages,
        reorders=stream.reorders,
        lookback=stream.lookback,
    )


def address(visit: Visit, query: str) -> str:
    """Return the path and query of a page of the visited entity."""
    path = visit.stream.path.format(
        username=quote(visit.username or "", safe=""), id=visit.entity_id, owner=visit.owner_id
    )
    return path + query


def as_served(records: Sequence[T], aside: Sequence[OddItem]) -> list[T | OddItem]:
    """Return the items of a page in the order served, with those that cannot be used."""
    if not aside:
        return list(records)
    at = {one.position: one for one in aside}
    rest = iter(records)
    return [at[place] if place in at else next(rest) for place in range(len(records) + len(at))]


def entries(stream: Stream, records: Sequence[Any], aside: Sequence[OddItem] = ()) -> list[offset.Entry]:
    """Return the ids and keys of a page's items for the paginator; a reply has the key of its thread."""
    key = stream.key
    if aside:
        made = entries(stream, records)
        return [
            offset.Entry(one.number, one.key, one.identity is None) if isinstance(one, OddItem) else one
            for one in as_served(made, aside)
        ]
    if key is None:
        return [offset.Entry(stream.identity(record)) for record in records]
    if stream.format is Format.COMMENT_PAGE:
        return [
            offset.Entry(stream.identity(record), key(record) if record.parent_id is None else None)
            for record in records
        ]
    return [offset.Entry(stream.identity(record), key(record)) for record in records]


def _seen_at(lease: Lease) -> datetime:
    assert lease.visit.seen_at is not None, "a visit has a time"
    return lease.visit.seen_at


def _kept(lease: Lease, kind: Any) -> Any:
    return None if lease.state is None else msgspec.convert(lease.state, kind)


def _last(lease: Lease) -> offset.Certificate | None:
    return None if lease.certificate is None else msgspec.convert(lease.certificate, offset.Certificate)
