"""The certified visit of a list by offset: a pure state machine, page in, next request or certificate out.

A page is a contiguous slice of a list whose members keep their relative order. Three proofs let a visit claim
that nothing was skipped between two pages:

- identity: the page holds an item of the certified page before it, and the items after that one follow it;
- key: its first item sorts strictly before the last certified one, so that the page begins before the boundary even
  if the item at the boundary is gone;
- head: the page is at offset 0, where the list begins.

Without a proof the visit steps back, twice as far each time, and reads again. Where items are filtered after limit and
offset, or where the source contradicts its declared order, no such proof is possible: the visit then reads the list in
full until two reads agree, which its certificate states.

The source may serve pages that are shorter than the requested limit. A page is full when it is as long as the longest
page that the source has lately served; only a shorter one can be the end of a list.

A source may refuse offsets above some bound although the list continues there. It then contradicts itself: one page
shows an item at an offset at which another page is empty, also when it is requested again. Such a list is `capped`.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct, field
from msgspec.structs import replace

from harvester.api.catalogue import PAGE_LIMIT
from harvester.api.stream import Order

_ANCHORS = PAGE_LIMIT
_HEAD_EVIDENCE = 3
"""Number of known items, in their known order, at which an incremental visit of a list without keys ends."""
_LOST_STEPS = 12
"""Steps back in a row after which the boundary counts as lost: twelve doublings span 4,096 items."""
SMALLEST_CLAMP = 4
"""A page shorter than the limit divided by this never counts as one that the source cut short."""
DENIALS = 2
"""Number of repeated requests with an empty page, where another page shows an item, after which a list is capped."""
_TAIL = 3
"""Number of the last items of a list that a certificate keeps."""
_CONFIRMATION_STEPS = 3
"""Steps back in a row, from half a page to four pages, after which the end of a list is searched from its head."""
AGREEING_READS = 6
"""Number of full reads after which a list of which no two reads agree gets no certificate."""


class ProvenBy(StrEnum):
    """Kind of proof of a certificate."""

    KEY = "key"
    IDENTITY = "identity"
    AGREEMENT = "agreement"
    NONE = "none"


class Listing(Struct, frozen=True):
    """Declaration of a list: see the fields of the same names in `api.stream.Stream`."""

    order: Order = Order.NEWEST_FIRST
    keyed: bool = False
    stop_after_empty_pages: int = 1
    reorders: bool = False
    lookback: int = 0
    limit: int = PAGE_LIMIT
    served: int = PAGE_LIMIT
    """Number of items on the longest page that the source has lately served of such lists."""


class Entry(Struct, frozen=True, array_like=True):
    """One item of a page: its id, and its sort key where the list shows one.

    A `hole` is an item whose id cannot be read: it keeps its position on the page and counts as an item, but proves
    nothing where it is on two pages. Its `id` is a number that is made of its bytes.
    """

    id: int
    key: int | None = None
    hole: bool = False


class Certificate(Struct, kw_only=True):
    """Proof of a completed read, and the position from which the next one continues.

    `anchors` are the first items of a list that grows at its head, or the last ones of a list that grows at its tail;
    `offset` and `digest` identify the page that they were on. Without a digest the next visit reads the list in full.
    `complete` is False where nothing was proved.
    """

    proven_by: ProvenBy
    complete: bool
    offset: int = 0
    digest: str = ""
    anchors: list[int] = []
    key: int | None = None
    whole: tuple[int, int] | None = None
    """For a list of which two full reads agreed: the number of its items, and the sum of their mixed ids."""
    capped: bool = False
    """The source stopped serving the list before its end."""
    end: int = 0
    """The offset after the last item, when the end of the list was last seen."""
    tail: list[int] | None = None
    """The last items of the list at that time; None where no visit has seen its end."""
    tail_key: int | None = None
    confirmed: bool = False
    """Two visits in succession saw the list end after the same item."""
    single: bool = False
    """`anchors` are all items of the list."""
    looked: list[tuple[int, int]] = []
    """For a list of comments: pairs of a key and a time (seconds since 1970), from the head down, the newest time
    first. All items with at least that key were last read for new replies at that time."""


NOTHING = Certificate(proven_by=ProvenBy.NONE, complete=False)


class Agreement(Struct, kw_only=True, omit_defaults=True):
    """Full reads of a list, until two in succession agree on the number of items and the sum of their mixed ids.

    Attributes:
        reads: Number of finished reads.
        head: The first page of the present read, where it is kept.
        count: Number of items of the present read.
        total: Sum of their mixed ids.
        before: Count and total of the read before.
        known_count: Number of items by the certificate from which the first read started.
    """

    reads: int = 0
    head: list[int] = []
    count: int = 0
    total: int = 0
    before: tuple[int, int] | None = None
    known_count: int | None = None

    @property
    def result(self) -> tuple[int, int]:
        """Return count and total of the present read so far."""
        return self.count, self.total

    def add(self, ids: Sequence[int]) -> None:
        """Add items to the present read."""
        self.count += len(ids)
        self.total = (self.total + sum(map(mix, ids))) % 2**63

    def begin_next(self) -> None:
        """Keep the result of the present read, and begin the next one."""
        self.before = self.result
        self.count = self.total = 0


class OffsetState(Struct, kw_only=True, omit_defaults=True):
    """State of a visit between two pages; kept in the checkpoint as JSON."""

    offset: int = 0
    phase: str = "forward"
    pages: int = 0

    # The certified part so far: its last items, the key of the last one, and the offset after it.
    anchors: list[int] = []
    key: int | None = None
    boundary: int = 0
    at_anchor: bool = False
    """The next page begins where it must show an anchor."""
    back: int = 0
    """Number of positions before the boundary at which the next page begins."""
    lost: int = 0
    """Number of steps back in a row."""
    beyond: bool = False
    """A page beyond the boundary, not connected with the certified part, held items."""
    quiet: int = 0
    """Number of pages in a row that are empty, or full without a new item."""

    # The certificate of this visit, and the one from which an incremental visit started.
    base: Certificate | None = None
    head_key: int | None = None
    pass_key: int | None = None
    until: Certificate | None = None

    longest: int = 0
    """Number of items on the longest page so far."""
    cut: int = 0
    """Number of items on the page before, if it may have been cut short; else 0."""
    clamped: int = 0
    """Number of items to which the source cuts its pages, once the page after one has shown that; else 0."""
    empty_at: int | None = None
    """The first offset at which an empty page was served where an item was expected."""
    denied: int = 0
    """Number of repeated requests at an offset that holds an item which were answered with an empty page."""
    capped: bool = False

    # The end of the list, as this visit saw it, and as the earlier certificate states it.
    end: int = 0
    tail: list[int] | None = None
    tail_key: int | None = None
    earlier_tail: list[int] | None = None
    proved: Certificate | None = None
    """The certificate of this visit, while it confirms the end of the list that an earlier visit saw."""

    down_to: int | None = None
    """A key down to which an incremental visit reads on, for changes of items that are known."""
    found: int = 0
    """Number of different items of the certified part."""
    fresh: int = 0
    """Number of those that the earlier certificate does not cover."""
    met: bool = False
    """An item of the earlier certificate was met, in a list without keys."""
    whole: bool = False
    """For a list whose head is read again: the pass before that went to the end of the list."""

    contradicted: bool = False
    """The source broke the declared order of the list."""

    agreement: Agreement = field(default_factory=Agreement)
    """The full reads of a list that is read until two of them agree."""


class Step(Struct, kw_only=True):
    """Result of a page: `done` with a certificate, or the next offset in `state`."""

    done: Certificate | None = None
    certified: bool = False
    contradiction: bool = False
    """The page broke the declared order."""
    crowded: bool = False
    """One second may have more items than a page, which a date cursor cannot pass."""
    whole: bool = False
    """With `done`: the visit showed all items that were in the list throughout, from its head to its end."""
    fresh: int = 0
    """With `done`: number of items that the last certificate does not cover; 0 for a first visit."""
    found: int = 0
    """With `done` and `whole`: number of items of the list."""


def begin(
    listing: Listing, last: Certificate | None = None, down_to: int | None = None, *, full: bool = False
) -> OffsetState:
    """Return the state of a new visit: from the last certificate, or from the head of the list without one.

    With `down_to` the visit of a list that grows at its head reads on to that key, where no new items are expected.
    With `full` it reads the whole list, and uses the last certificate only to confirm the end of the list.
    """
    state = OffsetState(down_to=down_to)
    if last is None or not last.complete:
        return state
    state.earlier_tail = last.tail
    if full:
        return state
    if not last.digest:
        if last.whole is not None:
            # Where pages prove nothing, one more full read that agrees with the last two is enough.
            state.phase = "agree"
            state.agreement = Agreement(before=last.whole, known_count=last.whole[0])
        return state
    state.until = replace(last)
    if listing.order is Order.OLDEST_FIRST:
        state.offset = last.offset
        state.anchors = list(last.anchors)
        state.key = last.key
        state.boundary = last.offset + 1
        state.at_anchor = True
    return state


def step(listing: Listing, state: OffsetState, page: Sequence[Entry], *, absent: bool = False) -> Step:
    """Take the page at `state.offset`, advance `state`, and return the result. `page` is as served, in order.

    `absent`: the source answers that there is no such list, which may mean that it is empty.
    """
    state.pages += 1
    state.longest = max(state.longest, len(page))
    if len(page) > state.clamped:
        state.clamped = 0
    if absent and state.offset == 0:
        _note_base(listing, state, page)
        state.tail = []
        return _done(listing, state, whole=True)
    if state.phase == "agree":
        return _agree(listing, state, page)
    if listing.keyed and not _ordered(listing, page):
        state.contradicted = True
        fall = _fall_back(state)
        fall.contradiction = True
        return fall
    if state.phase == "recheck":
        return _recheck(listing, state, page)
    if state.phase == "confirm":
        return _confirm(listing, state, page)
    return _forward(listing, state, page)


def _size(listing: Listing, state: OffsetState) -> int:
    """Return the number of items from which a page counts as full; a shorter one was not cut short."""
    return min(listing.limit, max(listing.limit // SMALLEST_CLAMP, listing.served, state.longest))


def _reach(listing: Listing, state: OffsetState) -> int:
    """Return the number of positions of the list that a page covers, those of hidden items included."""
    return state.clamped or listing.limit


def _forward(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    if state.until is not None and state.down_to is None and _unchanged(state, state.until, page):
        return _still(listing, state, state.until, page)
    if not page and state.at_anchor and state.offset == state.empty_at and state.denied:
        return _denied(listing, state)
    if not _certified(listing, state, page):
        return _step_back(state, page)
    if page and state.empty_at is not None and state.offset >= state.empty_at:
        state.empty_at, state.denied = None, 0  # the repeated request was answered with items
    new = _unread(listing, state, page)
    short = len(page) < _size(listing, state)
    _learn_clamp(state, page, new)
    if state.beyond and short and not new:
        # The certified part was found again without the items beyond it: there are hidden items between.
        return _fall_back(state)
    if page and state.empty_at is not None and not new and _contradicts(state, page):
        return _ask_again(listing, state, page)
    repeats = not new and not short and not state.lost
    state.quiet = 0 if page and not repeats else state.quiet + 1
    state.lost = 0
    if new:
        state.beyond = False
        state.found += len(new)
        state.fresh += _fresh(listing, state, page, set(new))
    if page:
        state.anchors = [*state.anchors, *new][-_ANCHORS:]
        state.key = _last_key(page, state.key)
        state.end = state.offset + len(page)
    _note_base(listing, state, page)
    if page and _arrived(listing, state, page):
        behind = _behind(state.earlier_tail, page)
        if not behind:
            return _end(listing, state, saw_end=short and behind is not None)
        # The list continues after its earlier end: so does the visit.
        state.until = None
    if short and state.quiet >= listing.stop_after_empty_pages:
        # A short page where lists are filtered before the limit, else enough empty pages.
        whole = state.until is None or listing.order is not Order.OLDEST_FIRST
        return _end(listing, state, whole=whole, saw_end=True)
    if repeats and state.quiet > 1:
        # Full pages of known items in a row: the source ignores the offset.
        return Step(done=NOTHING)
    _advance(listing, state, page)
    return Step(certified=True)


def _still(listing: Listing, state: OffsetState, until: Certificate, page: Sequence[Entry]) -> Step:
    """End a visit whose first page is unchanged, once the end of the list is confirmed."""
    result = Step(done=until, certified=True, whole=until.single, found=len(page))
    if until.confirmed or until.capped or until.tail is None:
        return result
    behind = () if listing.order is Order.OLDEST_FIRST else _behind(until.tail, page)
    # Where the last item of the list is not on the page, the page may have been cut before it.
    shows_last = not until.tail or (bool(page) and page[-1].id == until.tail[-1])
    if behind is not None and not behind and shows_last and len(page) < listing.limit:
        until.confirmed = True
        return result
    return _look_behind(listing, state, until)


def _learn_clamp(state: OffsetState, page: Sequence[Entry], new: Sequence[int]) -> None:
    """Conclude that the page before was cut short, where this one continues it without hidden items between."""
    if state.cut == len(page) and new and state.lost == 0 and len(page) - len(new) == state.back:
        state.clamped = state.cut
    state.cut = 0


def _unread(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> list[int]:
    """Return the items of a certified page that are not known, after the first known one."""
    known = set(state.anchors)
    first = next((place for place, entry in enumerate(page) if entry.id in known and not entry.hole), None)
    if state.offset and first is not None:
        page = page[first:]
    elif state.offset and state.key is not None and listing.keyed:
        page = [entry for entry in page if entry.key is None or not _before(listing, entry.key, state.key)]
    return [entry.id for entry in page if entry.id not in known]


def _contradicts(state: OffsetState, page: Sequence[Entry]) -> bool:
    """Return whether a page shows an item at or after an offset at which an empty page was served."""
    return state.empty_at is not None and state.offset + len(page) > state.empty_at


def _ask_again(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Request again the offset at which an empty page was served although it holds an item."""
    assert state.empty_at is not None
    if listing.order is Order.OLDEST_FIRST:
        state.base = Certificate(
            proven_by=ProvenBy.IDENTITY,
            complete=True,
            offset=state.offset,
            digest=digest(_ids(page)),
            anchors=_ids(page),
            key=_last_key(page),
        )
    state.boundary = state.offset + len(page)
    state.back = state.boundary - state.empty_at
    state.offset = state.empty_at
    state.at_anchor = True
    state.denied += 1
    state.lost = 0
    return Step(certified=True)


def _denied(listing: Listing, state: OffsetState) -> Step:
    """Count one more empty page at an offset that holds an item; after `DENIALS` of them the list is capped."""
    state.denied += 1
    if state.denied <= DENIALS:
        return Step()
    state.capped = True
    return _end(listing, state)


def _advance(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> None:
    """Place the next page: over the last item of this one, if that page still reaches further."""
    reach = _reach(listing, state)
    if len(page) >= _size(listing, state):
        state.cut = len(page) if len(page) < listing.limit else 0
        state.boundary = state.offset + len(page)
        state.back = _overlap(listing, page)
        state.offset = state.boundary - state.back
        state.at_anchor = True
        return
    # After a short page there may be hidden items, and the rest after those. An empty page shows that its positions
    # hold no item. It overlaps this page, so that only as many deletions could have moved an item past it.
    ahead = min(max(len(page), reach // 2), reach - reach // 5) if page else reach
    state.boundary = state.offset + len(page)
    state.back = 0
    state.offset += ahead
    state.at_anchor = ahead < len(page)


def _certified(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> bool:
    if state.offset == 0:
        return True
    if not page:
        # An empty page where the last certified item is expected proves that the list shrank, not that it ended.
        return not state.at_anchor
    places = {item: place for place, item in enumerate(state.anchors)}
    common = [places[entry.id] for entry in page if entry.id in places and not entry.hole]
    if common and all(one < other for one, other in pairwise(common)):
        return True
    first = _first_key(page)
    return listing.keyed and first is not None and state.key is not None and _before(listing, first, state.key)


def _first_key(page: Sequence[Entry]) -> int | None:
    """Return the key of the first item with a key; the items before it are nearer to the head."""
    return next((entry.key for entry in page if entry.key is not None), None)


def _last_key(page: Sequence[Entry], otherwise: int | None = None) -> int | None:
    """Return the key of the last item with a key, else `otherwise`; the items after it are further from the head."""
    return next((entry.key for entry in reversed(page) if entry.key is not None), otherwise)


def _before(listing: Listing, one: int, other: int) -> bool:
    """Return whether key `one` is strictly nearer to the head of the list than key `other`."""
    return one < other if listing.order is Order.OLDEST_FIRST else one > other


def _ordered(listing: Listing, page: Sequence[Entry]) -> bool:
    keys = [entry.key for entry in page if entry.key is not None]
    return not any(_before(listing, later, earlier) for earlier, later in pairwise(keys))


def _overlap(listing: Listing, page: Sequence[Entry]) -> int:
    """Return how many positions of a full page to read again: its last item with an id, and ties up to half a page."""
    known = next((n for n, entry in enumerate(reversed(page), 1) if not entry.hole), len(page))
    if not listing.keyed:
        return min(known, max(1, len(page) // 2))
    last = _last_key(page)
    ties = next((n for n, entry in enumerate(reversed(page)) if entry.key not in (None, last)), len(page))
    return min(max(known, ties), max(1, len(page) // 2))


def _step_back(state: OffsetState, page: Sequence[Entry]) -> Step:
    state.lost += 1
    if state.lost > _LOST_STEPS:
        return _fall_back(state)
    if not page:
        state.empty_at = state.offset if state.empty_at is None else min(state.empty_at, state.offset)
    state.beyond = state.beyond or bool(page)
    state.back = max(1, 2 * state.back)
    state.offset = max(0, state.boundary - state.back)
    state.at_anchor = True
    return Step()


def _arrived(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> bool:
    """Return whether an incremental read of a list that grows at its head has reached the earlier certificate."""
    until = state.until
    if until is None or listing.order is not Order.NEWEST_FIRST or not until.anchors:
        return False
    if listing.keyed and until.key is not None:
        last = _last_key(page)
        stop = until.key - listing.lookback
        return last is not None and last < (stop if state.down_to is None else min(stop, state.down_to))
    places = {item: place for place, item in enumerate(until.anchors)}
    met = [places[entry.id] for entry in page if entry.id in places and not entry.hole]
    in_order = all(one < other for one, other in pairwise(met))
    return in_order and len(met) >= _HEAD_EVIDENCE


def _fresh(listing: Listing, state: OffsetState, page: Sequence[Entry], new: set[int]) -> int:
    """Count the items of a page that the earlier certificate does not cover."""
    until = state.until
    if until is None:
        return 0
    if listing.keyed and until.key is not None:
        covered = set(until.anchors)
        return sum(
            entry.id in new
            and entry.key is not None
            and (entry.key > until.key or (entry.key == until.key and entry.id not in covered))
            for entry in page
        )
    known = set(until.anchors)
    places = [place for place, entry in enumerate(page) if entry.id in known and not entry.hole]
    if listing.order is Order.OLDEST_FIRST:
        behind = page[places[-1] + 1 :] if places else page
        return sum(entry.id in new for entry in behind)
    if listing.order is Order.NEWEST_FIRST:
        before = () if state.met else page[: places[0]] if places else page
        state.met = state.met or bool(places)
        return sum(entry.id in new for entry in before)
    return sum(entry.id not in known for entry in page)


def _unchanged(state: OffsetState, until: Certificate, page: Sequence[Entry]) -> bool:
    """Return whether the first page of an incremental read is the one on which its certificate was issued.

    That is proof enough at the growing end of a list; a list of unknown order must be on that one page.
    """
    return state.pages == 1 and state.offset == until.offset and until.digest == digest(_ids(page))


def _note_base(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> None:
    """Keep the page from which the next visit continues: the head, or the last page of a list that grows there."""
    short = len(page) < _size(listing, state)
    if listing.order is Order.OLDEST_FIRST:
        if short and (page or state.offset == 0):
            state.base = Certificate(
                proven_by=ProvenBy.IDENTITY,
                complete=True,
                offset=state.offset,
                digest=digest(_ids(page)),
                anchors=state.anchors,
                key=state.key,
            )
    elif state.offset == 0:
        state.head_key = _first_key(page)
        state.base = Certificate(
            proven_by=ProvenBy.IDENTITY,
            complete=True,
            digest=digest(_ids(page)) if short or listing.order is Order.NEWEST_FIRST else "",
            anchors=_ids(page),
            key=state.head_key,
        )


def _behind(tail: list[int] | None, page: Sequence[Entry]) -> Sequence[Entry] | None:
    """Return the items of a page after the earlier end of a list; None where the page does not show that end.

    An empty page shows the end of a list that was empty.
    """
    if not tail:
        return () if tail is not None and not page else None
    places = [place for place, entry in enumerate(page) if entry.id in tail]
    # One of several last items may have moved to the head of the list.
    return page[places[-1] + 1 :] if len(places) >= min(2, len(tail)) else None


def _end(listing: Listing, state: OffsetState, *, whole: bool = False, saw_end: bool = False) -> Step:
    """End the read; of a list in which an item can move to the head, read the head again."""
    if saw_end:
        state.tail, state.tail_key = state.anchors[-_TAIL:], state.key
    state.whole = whole
    if listing.reorders and state.pages > 1 and state.head_key is not None:
        state.phase = "recheck"
        state.offset = 0
        state.anchors = []
        return Step(certified=True)
    return _done(listing, state, whole=whole)


def _done(listing: Listing, state: OffsetState, *, whole: bool) -> Step:
    certificate = state.base or NOTHING
    if certificate.complete:
        certificate.proven_by = ProvenBy.KEY if listing.keyed else ProvenBy.IDENTITY
        size = _size(listing, state)
        on_one_page = len(certificate.anchors) < size or state.phase != "recheck"
        certificate.single = whole and on_one_page and state.found == len(certificate.anchors)
        if certificate.single and listing.order is Order.UNKNOWN and len(certificate.anchors) < listing.limit:
            certificate.digest = digest(certificate.anchors)
        if not _tell_end(state, certificate):
            return _look_behind(listing, state, certificate)
    return Step(
        done=certificate,
        certified=certificate.complete,
        whole=whole and certificate.complete,
        fresh=state.fresh,
        found=state.found,
    )


def _tell_end(state: OffsetState, certificate: Certificate) -> bool:
    """Write the end of the list into a certificate; return whether it needs no confirmation by another request."""
    until = state.until
    if state.capped:
        certificate.capped = True
    elif state.tail is not None:
        certificate.end, certificate.tail, certificate.tail_key = state.end, state.tail, state.tail_key
        earlier = state.earlier_tail
        certificate.confirmed = earlier is not None and (state.tail[-1] in earlier if state.tail else not earlier)
    elif until is not None:
        certificate.end, certificate.tail, certificate.tail_key = until.end + state.fresh, until.tail, until.tail_key
        certificate.capped, certificate.confirmed = until.capped, until.confirmed
        return until.capped or until.confirmed or not until.tail
    return True


def _look_behind(listing: Listing, state: OffsetState, certificate: Certificate) -> Step:
    """Place the next page over the end that an earlier visit saw, so that half of it reaches further."""
    state.proved = certificate
    state.phase = "confirm"
    state.lost = 0
    state.boundary = certificate.end
    state.back = max(1, _reach(listing, state) // 2)
    state.offset = max(0, state.boundary - state.back)
    state.at_anchor = True
    return Step(certified=True)


def _confirm(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Take a page over the end of the list; if the list continues there, read it in full."""
    proved = state.proved
    assert proved is not None
    full = len(page) >= _size(listing, state)
    behind = _behind(proved.tail, page)
    first, last = _first_key(page), proved.tail_key
    if behind is None and listing.keyed and first is not None and last is not None and _before(listing, first, last):
        behind = [entry for entry in page if entry.key is None or not _before(listing, entry.key, last)]
    if behind is None:
        state.lost += 1
        if state.lost > _CONFIRMATION_STEPS or (state.offset == 0 and not full):
            return _begin_again(state)
        if full:
            state.offset += len(page)
        else:
            state.back *= 2
            state.offset = max(0, state.boundary - state.back)
        return Step()
    if behind:
        return _begin_again(state)
    if full:
        state.boundary = state.offset + len(page)
        state.back = 1
        state.offset = state.boundary - 1
        return Step(certified=True)
    proved.confirmed = True
    return Step(done=proved, certified=True, fresh=state.fresh, found=state.found)


def _begin_again(state: OffsetState) -> Step:
    """Begin a full read, from the head of the list."""
    again = OffsetState(
        pages=state.pages, longest=state.longest, clamped=state.clamped, earlier_tail=state.earlier_tail
    )
    for name in state.__struct_fields__:
        setattr(state, name, getattr(again, name))
    return Step()


def _recheck(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Read the head again, down to below its first item at the begin of the visit; moved items are above that.

    One page that reaches so far is an atomic read and ends the visit. During a pass over several pages more items may
    move, so that another pass follows.
    """
    if not _certified(listing, state, page):
        return _step_back(state, page)
    state.lost = 0
    if state.offset == 0:
        if state.base is not None and state.base.digest == digest(_ids(page)):
            # The head is unchanged since the visit, or the pass before, began: no item moved.
            return _done(listing, state, whole=state.whole)
        began, state.pass_key = state.head_key, _first_key(page)
        _note_base(listing, state, page)
        state.head_key = began
    last = _last_key(page)
    # Strictly below: an item that entered in the same second as the old head may be on the next page.
    short = len(page) < _size(listing, state)
    if short or last is None or state.head_key is None or last < state.head_key:
        if state.offset == 0:
            return _done(listing, state, whole=state.whole)
        state.head_key = state.pass_key
        state.offset = 0
        state.anchors = []
        return Step(certified=True)
    known = set(state.anchors)
    state.anchors = [*state.anchors, *(entry.id for entry in page if entry.id not in known)][-_ANCHORS:]
    state.key = last
    _advance(listing, state, page)
    return Step(certified=True)


def _fall_back(state: OffsetState) -> Step:
    """Begin full reads of the list until two of them agree, since pages prove nothing."""
    state.phase = "agree"
    state.offset = state.quiet = state.denied = state.back = state.cut = 0
    state.anchors = []
    state.at_anchor = False
    return Step()


def _agree(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Take a page of a full read; at the end of the read compare it with the one before."""
    if not _ends_read(listing, state, page):
        return Step()
    agreement = state.agreement
    agreement.reads += 1
    if agreement.result == agreement.before:
        return _agreed(listing, state)
    if agreement.reads >= AGREEING_READS:
        return Step(done=NOTHING)
    agreement.begin_next()
    state.offset = state.quiet = state.denied = state.back = state.cut = 0
    state.anchors = []
    state.at_anchor = state.capped = False
    return Step()


def _ends_read(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> bool:
    """Place the next page of a full read; return whether the read has ended."""
    reach, full = _reach(listing, state), len(page) >= _size(listing, state)
    if state.offset == 0:
        state.agreement.head = _ids(page)
    known = set(state.anchors)
    new = [entry.id for entry in page if entry.id not in known]
    state.agreement.add(new)
    state.quiet = 0 if page else state.quiet + 1
    was_full = state.back > 0
    if state.at_anchor and page and not new:
        # The last item of a full page without any after it: the empty page before this one was after the end.
        state.at_anchor, state.denied, state.back, state.quiet = False, 0, 0, 1
        state.offset = state.end + reach
    elif page:
        state.end = state.offset + len(page)
        state.anchors = _ids(page)
        state.at_anchor, state.denied = False, 0
        state.back = int(full and bool(new))
        if state.cut == len(page) and len(page) - len(new) == 1 < len(page):
            state.clamped = state.cut
        # After a page that may have been cut short the next one begins with its last item.
        state.cut = len(page) if full and len(page) < listing.limit else 0
        state.offset += max(1, len(page) - 1) if state.cut and new else reach
    elif state.at_anchor:
        # An empty page over the last item of a full page is not the end of the list.
        state.denied += 1
        if state.denied <= DENIALS:
            return False
        state.capped = True
    elif was_full:
        state.at_anchor = True
        state.offset = state.end - 1
        return False
    else:
        state.offset += reach
    return state.capped or state.quiet >= max(1, listing.stop_after_empty_pages)


def _agreed(listing: Listing, state: OffsetState) -> Step:
    """End a visit whose last two reads agree."""
    agreement = state.agreement
    # New items enter at the head: while it is unchanged, the list needs no third read.
    trusted = listing.order is Order.NEWEST_FIRST and not state.contradicted
    certificate = Certificate(
        proven_by=ProvenBy.AGREEMENT,
        complete=True,
        digest=digest(agreement.head) if trusted else "",
        anchors=agreement.head,
        whole=agreement.result,
    )
    if not state.capped:
        state.tail = state.anchors[-_TAIL:]
    _tell_end(state, certificate)
    return Step(
        done=certificate,
        certified=True,
        whole=not state.capped,
        fresh=0 if agreement.known_count is None else max(0, agreement.count - agreement.known_count),
        found=agreement.count,
    )


def digest(ids: Sequence[int]) -> str:
    """Return a fingerprint of the items of a page, in order."""
    text = ",".join(map(str, ids))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _ids(page: Sequence[Entry]) -> list[int]:
    return [entry.id for entry in page]


def mix(item: int) -> int:
    """Return a hash of an id (the finaliser of splitmix64, 63 bits), so that different sets have different sums."""
    item = (item + 0x9E3779B97F4A7C15) % 2**64
    item = (item ^ (item >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    item = (item ^ (item >> 27)) * 0x94D049BB133111EB % 2**64
    return (item ^ (item >> 31)) % 2**63
