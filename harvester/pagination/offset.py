"""The certified visit of a list by offset: a pure state machine, page in, next request or certificate out.

A page is a contiguous slice of a list whose members keep their relative order. Three proofs let a visit claim
that nothing was skipped between two pages:

- identity: the page holds an item of the certified page before it; what follows that item follows here;
- key: its first item sorts strictly before the last certified one, so the slice begins above the boundary
  although the item at the boundary itself may be gone;
- head: a page at offset 0 begins where the list begins.

Without a proof the visit steps back, twice as far each time, and reads again. Where items are hidden after limit
and offset, or where the source contradicts its declared order, no such proof exists: the visit then reads the
list in full until two reads agree, and its certificate says so.

The source may serve pages that are shorter than the limit asked for. A page is full when it is as long as the longest
page that the source has lately served; only a shorter one can be the end of a list.

A source may refuse offsets above some limit although the list goes on there. It then contradicts itself: one page shows
an item at an offset at which another page, asked for again, is empty. Such a list is `capped`.
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
"""Known items, in their known order, that show an incremental visit of a list without key that it has arrived."""
_LOST_STEPS = 12
"""Steps back in a row after which a boundary is given up: twelve doublings span 4,096 items."""
SMALLEST_CLAMP = 4
"""A page shorter than this fraction of the limit (a fourth) is never taken for one that the source cut short."""
DENIALS = 2
"""Times that an empty page must be served again, where another page shows an item, before the list counts as capped."""
_TAIL = 3
"""Last items of a list that a certificate remembers."""
_CONFIRMATION_STEPS = 3
"""Steps back in a row, from half a page to four, after which the end of a list is looked for from its head."""
AGREEING_READS = 6
"""Full reads after which a list that never repeats itself is left without a certificate."""


class ProvenBy(StrEnum):
    """Proof that a certificate rests on."""

    KEY = "key"
    IDENTITY = "identity"
    AGREEMENT = "agreement"
    NONE = "none"


class Listing(Struct, frozen=True):
    """Declaration of a list: see the fields of the same names in `catalogue.Stream`."""

    order: Order = Order.NEWEST_FIRST
    keyed: bool = False
    stop_after_empty_pages: int = 1
    reorders: bool = False
    lookback: int = 0
    limit: int = PAGE_LIMIT
    served: int = PAGE_LIMIT
    """Items on the longest page that the source has lately served of such lists."""


class Entry(Struct, frozen=True, array_like=True):
    """One item of a page: its identity, and its sort key where the list shows one.

    A `hole` is an item whose identity cannot be read: it keeps its position on the page and counts as one item, but
    its presence on two pages proves nothing. Its `id` is a number made of its bytes.
    """

    id: int
    key: int | None = None
    hole: bool = False


class Certificate(Struct, kw_only=True):
    """Proof of a completed read, and the position from which the next one continues.

    `anchors` are the first items of a list that grows at its head, the last ones of a list that grows at its
    tail, and `offset`, `digest` tell the page on which they stood. Without a digest there is nothing to go on from: the
    next visit reads the list in full. `complete` is False where nothing was proved.
    """

    proven_by: ProvenBy
    complete: bool
    offset: int = 0
    digest: str = ""
    anchors: list[int] = []
    key: int | None = None
    whole: tuple[int, int] | None = None
    """Of a list that two full reads agreed on: how many items, and the sum of their mixed ids."""
    capped: bool = False
    """Whether the source stopped before the list ended."""
    end: int = 0
    """The offset behind the last item, when the end of the list was last seen."""
    tail: list[int] | None = None
    """The last items of the list then; None where no visit has seen its end."""
    tail_key: int | None = None
    confirmed: bool = False
    """Whether two visits, one after the other, saw the list end behind the same item."""
    single: bool = False
    """Whether `anchors` are all that the list held."""
    looked: list[tuple[int, int]] = []
    """Of a list of comments: (key, time in seconds) pairs, deeper and deeper, longer and longer ago. All items with at
    least that key were last looked at, for new replies, at that time."""


NOTHING = Certificate(proven_by=ProvenBy.NONE, complete=False)


class Agreement(Struct, kw_only=True, omit_defaults=True):
    """Full reads of a list until two agree on how many items there are, and on the sum of their mixed ids.

    Attributes:
        reads: Reads that ended.
        head: The first page of this read, where it is kept.
        before: Count and total of the read before.
        known_count: How many items the certificate counted that the first read started from.
    """

    reads: int = 0
    head: list[int] = []
    count: int = 0
    total: int = 0
    before: tuple[int, int] | None = None
    known_count: int | None = None

    @property
    def result(self) -> tuple[int, int]:
        """Return what the present read has found so far."""
        return self.count, self.total

    def add(self, ids: Sequence[int]) -> None:
        """Count items of the present read."""
        self.count += len(ids)
        self.total = (self.total + sum(map(mix, ids))) % 2**63

    def begin_next(self) -> None:
        """Keep the result of the present read, and begin another one."""
        self.before = self.result
        self.count = self.total = 0


class OffsetState(Struct, kw_only=True, omit_defaults=True):
    """State of a visit between two pages; kept in the checkpoint as JSON."""

    offset: int = 0
    phase: str = "forward"
    pages: int = 0

    # The certified part so far: its last items, the key of the last, and the place where it ended.
    anchors: list[int] = []
    key: int | None = None
    boundary: int = 0
    at_anchor: bool = False
    """Whether the next page was placed so that it must show an anchor."""
    back: int = 0
    """Places before the boundary at which the next page begins."""
    lost: int = 0
    """Steps back in a row."""
    beyond: bool = False
    """Whether a page that nothing ties to the one before, further on, held items."""
    quiet: int = 0
    """Empty pages in a row, or full ones that only repeat."""

    # What the certificate will say, and the one that an incremental visit started from.
    base: Certificate | None = None
    head_key: int | None = None
    pass_key: int | None = None
    until: Certificate | None = None

    longest: int = 0
    """Items on the longest page so far."""
    cut: int = 0
    """Items on the page before, if it may have been cut short."""
    clamped: int = 0
    """Items to which the source cuts its pages, once the page behind one of them has shown that; else 0."""
    empty_at: int | None = None
    """The first place at which an empty page was served where an item was due."""
    denied: int = 0
    """Times that a place which holds an item was asked for again and was empty."""
    capped: bool = False

    # The end of the list: what this visit saw of it, and what the certificate before said.
    end: int = 0
    tail: list[int] | None = None
    tail_key: int | None = None
    earlier_tail: list[int] | None = None
    proved: Certificate | None = None
    """The certificate of this visit, while it looks once behind the end that an earlier one saw."""

    down_to: int | None = None
    """A key below which an incremental visit of a keyed list goes on reading, for what may have changed there."""
    found: int = 0
    """Items that the certified part brought, each once."""
    fresh: int = 0
    """Those among them that the certificate it started from does not cover."""
    met: bool = False
    """Whether an item of that certificate was met, in a list without keys."""
    whole: bool = False
    """Of a list whose head is read again: whether the pass before that went to the end of the list."""

    contradicted: bool = False
    """Whether the source broke the order that is declared of the list."""

    agreement: Agreement = field(default_factory=Agreement)
    """The reads in full, of a list that is read until two of them agree."""


class Step(Struct, kw_only=True):
    """Result of a page: `done` with a certificate, or the next offset in `state`."""

    done: Certificate | None = None
    certified: bool = False
    contradiction: bool = False
    """Whether the page broke the declared order."""
    crowded: bool = False
    """Whether more may stand in one second than a date cursor can pass."""
    whole: bool = False
    """With `done`: whether the visit showed each item that was in the list throughout, from its head to its end."""
    fresh: int = 0
    """With `done`: items that the last certificate does not cover; 0 for a first visit."""
    found: int = 0
    """With `done` and `whole`: items that the list held."""


def begin(
    listing: Listing, last: Certificate | None = None, down_to: int | None = None, *, full: bool = False
) -> OffsetState:
    """Return the state of a new visit: from the last certificate, or from the head of the list without one.

    With `down_to` a visit that grows at its head reads on to that key, though nothing new can stand there. With `full`
    it reads the whole list, and the last certificate only tells where the list was seen to end.
    """
    state = OffsetState(down_to=down_to)
    if last is None or not last.complete:
        return state
    state.earlier_tail = last.tail
    if full:
        return state
    if not last.digest:
        if last.whole is not None:
            # Where no place proves anything, one more full read that agrees with the last two is enough.
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
    """Take the page at `state.offset`, advance `state`, and say what follows. `page` is as served, in order.

    `absent` says that the source knows no such list, which in places means that it is empty.
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
    """Return how many items a page has that may have been cut short: a shorter one was not."""
    return min(listing.limit, max(listing.limit // SMALLEST_CLAMP, listing.served, state.longest))


def _reach(listing: Listing, state: OffsetState) -> int:
    """Return how many places of the list a page looks at, the hidden ones included."""
    return state.clamped or listing.limit


def _forward(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    if state.until is not None and state.down_to is None and _unchanged(state, state.until, page):
        return _still(listing, state, state.until, page)
    if not page and state.at_anchor and state.offset == state.empty_at and state.denied:
        return _denied(listing, state)
    if not _certified(listing, state, page):
        return _step_back(state, page)
    if page and state.empty_at is not None and state.offset >= state.empty_at:
        state.empty_at, state.denied = None, 0  # served, this time
    new = _unread(listing, state, page)
    short = len(page) < _size(listing, state)
    _learn_clamp(state, page, new)
    if state.beyond and short and not new:
        # The certified part was found again, but not what follows it: hidden items stand between.
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
        # The list goes on behind what was its end: the visit does too.
        state.until = None
    if short and state.quiet >= listing.stop_after_empty_pages:
        # A short page where lists are filtered before the limit, else nothing at all in a whole page or more.
        whole = state.until is None or listing.order is not Order.OLDEST_FIRST
        return _end(listing, state, whole=whole, saw_end=True)
    if repeats and state.quiet > 1:
        # Full pages of what is known, again and again: the source ignores the offset.
        return Step(done=NOTHING)
    _advance(listing, state, page)
    return Step(certified=True)


def _still(listing: Listing, state: OffsetState, until: Certificate, page: Sequence[Entry]) -> Step:
    """End a visit whose first page is as it was, once the end of the list is confirmed."""
    result = Step(done=until, certified=True, whole=until.single, found=len(page))
    if until.confirmed or until.capped or until.tail is None:
        return result
    behind = () if listing.order is Order.OLDEST_FIRST else _behind(until.tail, page)
    # Where the last item of all is not on the page, the page may have been cut before it.
    shows_last = not until.tail or (bool(page) and page[-1].id == until.tail[-1])
    if behind is not None and not behind and shows_last and len(page) < listing.limit:
        until.confirmed = True
        return result
    return _look_behind(listing, state, until)


def _learn_clamp(state: OffsetState, page: Sequence[Entry], new: Sequence[int]) -> None:
    """Conclude that the page before was cut short, where this one continues it without a hidden place between."""
    if state.cut == len(page) and new and state.lost == 0 and len(page) - len(new) == state.back:
        state.clamped = state.cut
    state.cut = 0


def _unread(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> list[int]:
    """Return what of a certified page stands behind the certified part, or in it and was not read there."""
    known = set(state.anchors)
    first = next((place for place, entry in enumerate(page) if entry.id in known and not entry.hole), None)
    if state.offset and first is not None:
        page = page[first:]
    elif state.offset and state.key is not None and listing.keyed:
        page = [entry for entry in page if entry.key is None or not _before(listing, entry.key, state.key)]
    return [entry.id for entry in page if entry.id not in known]


def _contradicts(state: OffsetState, page: Sequence[Entry]) -> bool:
    """Return whether a page shows an item at or behind a place at which an empty page was served."""
    return state.empty_at is not None and state.offset + len(page) > state.empty_at


def _ask_again(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Ask once more at a place that was empty and holds an item, of which there is nothing new before that place."""
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
    """Count one more empty page where an item is; after `DENIALS` of them the source serves no deeper place."""
    state.denied += 1
    if state.denied <= DENIALS:
        return Step()
    state.capped = True
    return _end(listing, state)


def _advance(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> None:
    """Place the next page: over the last item of this one, wherever that still looks further."""
    reach = _reach(listing, state)
    if len(page) >= _size(listing, state):
        state.cut = len(page) if len(page) < listing.limit else 0
        state.boundary = state.offset + len(page)
        state.back = _overlap(listing, page)
        state.offset = state.boundary - state.back
        state.at_anchor = True
        return
    # Behind a short page hidden items may stand, and behind those the rest. An empty page tells that a page's length
    # holds nothing; it is placed where only so many deletions since this page could have drawn an item past it.
    ahead = min(max(len(page), reach // 2), reach - reach // 5) if page else reach
    state.boundary = state.offset + len(page)
    state.back = 0
    state.offset += ahead
    state.at_anchor = ahead < len(page)


def _certified(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> bool:
    if state.offset == 0:
        return True
    if not page:
        # Nothing where the last certified item is due proves that the list shrank, not that it ended.
        return not state.at_anchor
    places = {item: place for place, item in enumerate(state.anchors)}
    common = [places[entry.id] for entry in page if entry.id in places and not entry.hole]
    if common and all(one < other for one, other in pairwise(common)):
        return True
    first = _first_key(page)
    return listing.keyed and first is not None and state.key is not None and _before(listing, first, state.key)


def _first_key(page: Sequence[Entry]) -> int | None:
    """Return the key of the first item that shows one: what stands before it on the page is nearer to the head."""
    return next((entry.key for entry in page if entry.key is not None), None)


def _last_key(page: Sequence[Entry], otherwise: int | None = None) -> int | None:
    """Return the key of the last item that shows one: what stands behind it on the page is further from the head."""
    return next((entry.key for entry in reversed(page) if entry.key is not None), otherwise)


def _before(listing: Listing, one: int, other: int) -> bool:
    """Return whether key `one` stands strictly nearer to the head of the list than key `other`."""
    return one < other if listing.order is Order.OLDEST_FIRST else one > other


def _ordered(listing: Listing, page: Sequence[Entry]) -> bool:
    keys = [entry.key for entry in page if entry.key is not None]
    return not any(_before(listing, later, earlier) for earlier, later in pairwise(keys))


def _overlap(listing: Listing, page: Sequence[Entry]) -> int:
    """Places of a full page to read again: its last known item, with all that tie with it as far as half a page."""
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
    """Return whether an incremental read of a list that grows at its head reached its earlier certificate."""
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
    """Return whether the first page of an incremental read is the page its certificate was issued on.

    At the growing end of a list that is proof enough; a list of unknown order must stand on that one page.
    """
    return state.pages == 1 and state.offset == until.offset and until.digest == digest(_ids(page))


def _note_base(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> None:
    """Remember the page from which the next visit will go on: the head, or the last page of a list that grows there."""
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
    """Return what of a page stands behind the end that a list had; None where the page does not show that end.

    An empty page shows the end of a list that was empty.
    """
    if not tail:
        return () if tail is not None and not page else None
    places = [place for place, entry in enumerate(page) if entry.id in tail]
    # One of several may have moved to the head of its list.
    return page[places[-1] + 1 :] if len(places) >= min(2, len(tail)) else None


def _end(listing: Listing, state: OffsetState, *, whole: bool = False, saw_end: bool = False) -> Step:
    """End the reading; a list in which an item can move to the head has its head read again."""
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
    """Write into a certificate where the list ends; return whether that need not be confirmed by another request."""
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
    """Place one page over the end that an earlier visit saw, so that half of it looks further."""
    state.proved = certificate
    state.phase = "confirm"
    state.lost = 0
    state.boundary = certificate.end
    state.back = max(1, _reach(listing, state) // 2)
    state.offset = max(0, state.boundary - state.back)
    state.at_anchor = True
    return Step(certified=True)


def _confirm(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Take a page that shows the end of the list again, or shows that the list goes on: then read it in full."""
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
    """Read the list in full, from its head: its end is not where it was."""
    again = OffsetState(
        pages=state.pages, longest=state.longest, clamped=state.clamped, earlier_tail=state.earlier_tail
    )
    for name in state.__struct_fields__:
        setattr(state, name, getattr(again, name))
    return Step()


def _recheck(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Read the head again, down to below where the visit began: what moved there in the meantime stands above that.

    One page that reaches so far is one atomic read and ends the visit. A pass over several pages may be overtaken by
    moves in its turn and calls for another.
    """
    if not _certified(listing, state, page):
        return _step_back(state, page)
    state.lost = 0
    if state.offset == 0:
        if state.base is not None and state.base.digest == digest(_ids(page)):
            # The head as it was when the visit, or the pass before, began: nothing moved there in the meantime.
            return _done(listing, state, whole=state.whole)
        began, state.pass_key = state.head_key, _first_key(page)
        _note_base(listing, state, page)
        state.head_key = began
    last = _last_key(page)
    # Strictly below: what entered in the same second as the old head may stand on the next page.
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
    """Give up on proof by place: read the list in full until two reads agree."""
    state.phase = "agree"
    state.offset = state.quiet = state.denied = state.back = state.cut = 0
    state.anchors = []
    state.at_anchor = False
    return Step()


def _agree(listing: Listing, state: OffsetState, page: Sequence[Entry]) -> Step:
    """Take a page of a read in full, and compare the read with the one before when it ends."""
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
    """Place the next page of a read in full; return whether the read has ended."""
    reach, full = _reach(listing, state), len(page) >= _size(listing, state)
    if state.offset == 0:
        state.agreement.head = _ids(page)
    known = set(state.anchors)
    new = [entry.id for entry in page if entry.id not in known]
    state.agreement.add(new)
    state.quiet = 0 if page else state.quiet + 1
    was_full = state.back > 0
    if state.at_anchor and page and not new:
        # The last item of a full page, and nothing behind it: the empty page before this one was one of the end's.
        state.at_anchor, state.denied, state.back, state.quiet = False, 0, 0, 1
        state.offset = state.end + reach
    elif page:
        state.end = state.offset + len(page)
        state.anchors = _ids(page)
        state.at_anchor, state.denied = False, 0
        state.back = int(full and bool(new))
        if state.cut == len(page) and len(page) - len(new) == 1 < len(page):
            state.clamped = state.cut
        # Behind a page that may have been cut short the next one begins with its last item.
        state.cut = len(page) if full and len(page) < listing.limit else 0
        state.offset += max(1, len(page) - 1) if state.cut and new else reach
    elif state.at_anchor:
        # Empty, over the last item of a full page: not the end of the list.
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
    # What enters, enters at the head: while that stands, the rest needs no third reading.
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
    """Spread an id over 63 bits (the finaliser of splitmix64), so that sums of ids tell sets apart."""
    item = (item + 0x9E3779B97F4A7C15) % 2**64
    item = (item ^ (item >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    item = (item ^ (item >> 27)) * 0x94D049BB133111EB % 2**64
    return (item ^ (item >> 31)) % 2**63
