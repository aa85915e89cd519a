"""The certified walk over one list: a pure state machine, page in, next request or verdict out.

A page is a contiguous slice of a list whose members keep their relative order. Three grounds let a walk claim
that nothing was skipped between two pages:

- identity: the page holds an item of the certified page before it; what follows that item follows here;
- key: its first item sorts strictly before the last certified one, so the slice begins above the boundary
  although the item at the boundary itself may be gone;
- head: a page at offset 0 begins where the list begins.

Without a ground the walk steps back, twice as far each time, and reads again. Where items are hidden after limit
and offset, or where the source contradicts its declared order, no such proof exists: the walk then reads the
list in full until two reads agree, and its certificate says so.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

from harvester.api.catalogue import PAGE_LIMIT
from harvester.api.stream import Order

_ANCHORS = PAGE_LIMIT
_HEAD_EVIDENCE = 3
"""Known items, in their known order, that show an incremental walk of a list without key that it has arrived."""
_LOST_STEPS = 12
"""Steps back in a row after which a boundary is given up: twelve doublings span 4,096 places."""
AGREEING_READS = 6
"""Full reads after which a list that never repeats itself is left without a certificate."""


class Ground(StrEnum):
    """What a certificate rests on."""

    KEY = "key"
    IDENTITY = "identity"
    AGREEMENT = "agreement"
    NONE = "none"


class Listing(Struct, frozen=True):
    """What is declared of a list: see the fields of the same names in `catalogue.Stream`."""

    order: Order = Order.NEWEST_FIRST
    keyed: bool = False
    empties: int = 1
    moves: bool = False
    margin: int = 0
    limit: int = PAGE_LIMIT


class Entry(Struct, frozen=True, array_like=True):
    """One item of a page: its identity, and its sort key where the list shows one.

    A `hole` is an item whose identity cannot be read: it keeps its place on the page and counts as one item, but that
    it stands on two pages proves nothing. Its `id` is a number made of its bytes.
    """

    id: int
    key: int | None = None
    hole: bool = False


class Certificate(Struct, kw_only=True):
    """What a completed walk proved, and from where the next one may go on.

    `anchors` are the first items of a list that grows at its head, the last ones of a list that grows at its
    tail, and `offset`, `digest` tell the page on which they stood. Without a digest there is nothing to go on from: the
    next walk reads the list in full. `complete` is False where nothing was proved.
    """

    ground: Ground
    complete: bool
    offset: int = 0
    digest: str = ""
    anchors: list[int] = []
    key: int | None = None
    whole: tuple[int, int] | None = None
    """Of a list that two full reads agreed on: how many items, and the sum of their mixed ids."""
    capped: bool = False
    """Whether the source stopped before the list ended."""
    single: bool = False
    """Whether `anchors` are all that the list held."""
    looked: list[tuple[int, int]] = []
    """Of a list of comments: (key, time in seconds) pairs, deeper and deeper, longer and longer ago. All items with at
    least that key were last looked at, for new replies, at that time."""


NOTHING = Certificate(ground=Ground.NONE, complete=False)


class State(Struct, kw_only=True, omit_defaults=True):
    """All that a walk must remember between two pages; kept in the checkpoint as JSON."""

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
    """Whether a page without a ground, further on, held items."""
    quiet: int = 0
    """Empty pages in a row, or full ones that only repeat."""

    # What the certificate will say, and the one that an incremental walk started from.
    base: Certificate | None = None
    head_key: int | None = None
    pass_key: int | None = None
    until: Certificate | None = None

    down_to: int | None = None
    """A key below which an incremental walk of a keyed list goes on reading, for what may have changed there."""
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

    # Reading in full until two reads agree: count and sum of the ids of this read, and of the one before.
    head: list[int] = []
    read: int = 0
    count: int = 0
    total: int = 0
    before: tuple[int, int] | None = None
    known_count: int | None = None
    """How many items the certificate counted that it started from."""


class Step(Struct, kw_only=True):
    """What a page led to: `done` with a certificate, or the offset in `state` is asked for next."""

    done: Certificate | None = None
    certified: bool = False
    contradiction: bool = False
    """Whether the page broke the declared order."""
    crowded: bool = False
    """Whether more may stand in one second than a date cursor can pass."""
    whole: bool = False
    """With `done`: whether the walk showed each item that was in the list throughout, from its head to its end."""
    fresh: int = 0
    """With `done`: items that the last certificate does not cover; 0 for a first walk."""
    found: int = 0
    """With `done` and `whole`: items that the list held."""


def begin(listing: Listing, last: Certificate | None = None, down_to: int | None = None) -> State:
    """The state of a new walk: from the last certificate, or from nothing without one (a first walk, an audit).

    With `down_to` a walk that grows at its head reads on to that key, though nothing new can stand there.
    """
    state = State(down_to=down_to)
    if last is None or not last.complete:
        return state
    if not last.digest:
        if last.whole is not None:
            # Where no place proves anything, one more full read that agrees with the last two is enough.
            state.phase, state.before = "agree", last.whole
            state.known_count = last.whole[0]
        return state
    state.until = last
    if listing.order is Order.OLDEST_FIRST:
        state.offset = last.offset
        state.anchors = list(last.anchors)
        state.key = last.key
        state.boundary = last.offset + 1
        state.at_anchor = True
    return state


def step(listing: Listing, state: State, page: Sequence[Entry], *, absent: bool = False) -> Step:
    """Take the page at `state.offset`, advance `state`, and say what follows. `page` is as served, in order.

    `absent` says that the source knows no such list, which in places means that it is empty.
    """
    state.pages += 1
    if absent and state.offset == 0:
        _note_base(listing, state, page)
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
    return _forward(listing, state, page)


def _forward(listing: Listing, state: State, page: Sequence[Entry]) -> Step:
    if state.until is not None and state.down_to is None and _unchanged(state, state.until, page):
        return Step(done=state.until, certified=True, whole=state.until.single, found=len(page))
    if not _certified(listing, state, page):
        return _step_back(state, page)
    known = set(state.anchors)
    new = [entry.id for entry in page if entry.id not in known]
    short = len(page) < listing.limit
    if state.beyond and short and not new:
        # The certified part was found again, but not what follows it: hidden items stand between.
        return _fall_back(state)
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
    _note_base(listing, state, page)
    if page and _arrived(listing, state, page):
        return _end(listing, state)
    if short and state.quiet >= listing.empties:
        # A short page where lists are filtered before the limit, else nothing at all in a whole page or more.
        return _end(listing, state, whole=state.until is None or listing.order is not Order.OLDEST_FIRST)
    if repeats and state.quiet > 1:
        # Full pages of what is known, again and again: the source ignores the offset.
        return Step(done=NOTHING)
    _advance(listing, state, page)
    return Step(certified=True)


def _advance(listing: Listing, state: State, page: Sequence[Entry]) -> None:
    """Place the next page: over the last item of this one, wherever that still looks further."""
    if len(page) == listing.limit:
        state.boundary = state.offset + listing.limit
        state.back = _overlap(listing, page)
        state.offset = state.boundary - state.back
        state.at_anchor = True
        return
    # Behind a short page hidden items may stand, and behind those the rest. An empty page tells that a page's length
    # holds nothing; it is placed where only so many deletions since this page could have drawn an item past it.
    ahead = min(max(len(page), listing.limit // 2), listing.limit - listing.limit // 5) if page else listing.limit
    state.boundary = state.offset + len(page)
    state.back = 0
    state.offset += ahead
    state.at_anchor = ahead < len(page)


def _certified(listing: Listing, state: State, page: Sequence[Entry]) -> bool:
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
    """Whether key `one` stands strictly nearer to the head of the list than key `other`."""
    return one < other if listing.order is Order.OLDEST_FIRST else one > other


def _ordered(listing: Listing, page: Sequence[Entry]) -> bool:
    keys = [entry.key for entry in page if entry.key is not None]
    return not any(_before(listing, later, earlier) for earlier, later in pairwise(keys))


def _overlap(listing: Listing, page: Sequence[Entry]) -> int:
    """Places of a full page to read again: its last known item, with all that tie with it as far as half a page."""
    known = next((n for n, entry in enumerate(reversed(page), 1) if not entry.hole), len(page))
    if not listing.keyed:
        return min(known, listing.limit // 2)
    last = _last_key(page)
    ties = next((n for n, entry in enumerate(reversed(page)) if entry.key not in (None, last)), len(page))
    return min(max(known, ties), listing.limit // 2)


def _step_back(state: State, page: Sequence[Entry]) -> Step:
    state.lost += 1
    if state.lost > _LOST_STEPS:
        return _fall_back(state)
    state.beyond = state.beyond or bool(page)
    state.back = max(1, 2 * state.back)
    state.offset = max(0, state.boundary - state.back)
    state.at_anchor = True
    return Step()


def _arrived(listing: Listing, state: State, page: Sequence[Entry]) -> bool:
    """Whether an incremental walk of a list that grows at its head reached what was certified before."""
    until = state.until
    if until is None or listing.order is not Order.NEWEST_FIRST or not until.anchors:
        return False
    if listing.keyed and until.key is not None:
        last = _last_key(page)
        stop = until.key - listing.margin
        return last is not None and last < (stop if state.down_to is None else min(stop, state.down_to))
    places = {item: place for place, item in enumerate(until.anchors)}
    met = [places[entry.id] for entry in page if entry.id in places and not entry.hole]
    in_order = all(one < other for one, other in pairwise(met))
    return in_order and len(met) >= _HEAD_EVIDENCE


def _fresh(listing: Listing, state: State, page: Sequence[Entry], new: set[int]) -> int:
    """How many items of a page the certificate that this walk started from does not cover."""
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


def _unchanged(state: State, until: Certificate, page: Sequence[Entry]) -> bool:
    """Whether the first page of an incremental walk is the page its certificate was issued on.

    At the growing end of a list that is proof enough; a list of unknown order must stand on that one page.
    """
    return state.pages == 1 and state.offset == until.offset and until.digest == digest(_ids(page))


def _note_base(listing: Listing, state: State, page: Sequence[Entry]) -> None:
    """Remember the page from which the next walk will go on: the head, or the last page of a list that grows there."""
    short = len(page) < listing.limit
    if listing.order is Order.OLDEST_FIRST:
        if short and (page or state.offset == 0):
            state.base = Certificate(
                ground=Ground.IDENTITY,
                complete=True,
                offset=state.offset,
                digest=digest(_ids(page)),
                anchors=state.anchors,
                key=state.key,
            )
    elif state.offset == 0:
        state.head_key = _first_key(page)
        state.base = Certificate(
            ground=Ground.IDENTITY,
            complete=True,
            digest=digest(_ids(page)) if short or listing.order is Order.NEWEST_FIRST else "",
            anchors=_ids(page),
            key=state.head_key,
        )


def _end(listing: Listing, state: State, *, whole: bool = False) -> Step:
    state.whole = whole
    if listing.moves and state.pages > 1 and state.head_key is not None:
        state.phase = "recheck"
        state.offset = 0
        state.anchors = []
        return Step(certified=True)
    return _done(listing, state, whole=whole)


def _done(listing: Listing, state: State, *, whole: bool) -> Step:
    certificate = state.base or NOTHING
    if certificate.complete:
        certificate.ground = Ground.KEY if listing.keyed else Ground.IDENTITY
        on_one_page = len(certificate.anchors) < listing.limit or state.phase != "recheck"
        certificate.single = whole and on_one_page and state.found == len(certificate.anchors)
    return Step(
        done=certificate,
        certified=certificate.complete,
        whole=whole and certificate.complete,
        fresh=state.fresh,
        found=state.found,
    )


def _recheck(listing: Listing, state: State, page: Sequence[Entry]) -> Step:
    """Read the head again, down to below where the walk began: what moved there in the meantime stands above that.

    One page that reaches so far is one atomic read and ends the walk. A pass over several pages may be overtaken by
    moves in its turn and calls for another.
    """
    if not _certified(listing, state, page):
        return _step_back(state, page)
    state.lost = 0
    if state.offset == 0:
        if state.base is not None and state.base.digest == digest(_ids(page)):
            # The head as it was when the walk, or the pass before, began: nothing moved there in the meantime.
            return _done(listing, state, whole=state.whole)
        began, state.pass_key = state.head_key, _first_key(page)
        _note_base(listing, state, page)
        state.head_key = began
    last = _last_key(page)
    # Strictly below: what entered in the same second as the old head may stand on the next page.
    if len(page) < listing.limit or last is None or state.head_key is None or last < state.head_key:
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


def _fall_back(state: State) -> Step:
    """Give up on proof by place: read the list in full until two reads agree."""
    state.phase = "agree"
    state.offset = state.quiet = 0
    state.anchors = []
    return Step()


def _agree(listing: Listing, state: State, page: Sequence[Entry]) -> Step:
    if state.offset == 0:
        state.head = _ids(page)
    state.count += len(page)
    state.total = (state.total + sum(mix(entry.id) for entry in page)) % 2**63
    state.quiet = 0 if page else state.quiet + 1
    state.offset += listing.limit
    if state.quiet < max(1, listing.empties):
        return Step()
    result = (state.count, state.total)
    state.read += 1
    if result == state.before:
        # What enters, enters at the head: while that stands, the rest needs no third reading.
        trusted = listing.order is Order.NEWEST_FIRST and not state.contradicted
        head = digest(state.head) if trusted else ""
        return Step(
            done=Certificate(ground=Ground.AGREEMENT, complete=True, digest=head, anchors=state.head, whole=result),
            certified=True,
            whole=True,
            fresh=max(0, state.count - state.known_count) if state.known_count is not None else 0,
            found=state.count,
        )
    if state.read >= AGREEING_READS:
        return Step(done=NOTHING)
    state.before = result
    state.offset = state.quiet = state.count = state.total = 0
    return Step()


def digest(ids: Sequence[int]) -> str:
    """A fingerprint of the items of a page, in order."""
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
