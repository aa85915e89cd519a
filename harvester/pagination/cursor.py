"""The certified visit of a list by date: a response has the items that are at least as old as a second, newest first.

Items that enter or leave the list do not move a cursor that is a value and not an offset: the next page begins with the
whole second in which the last one ended, so that no item between them is skipped. The cursor cannot pass a second with
more items than a page: the visit reports that, continues below it, and gives no certificate. The cursor never moves up,
so that a visit ends whatever the responses are.

A cursor is the second of an item that was read, so the page at it shows that item. An empty page there is requested
again; where it stays empty the source refuses to serve older items, and the list is `capped`.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from harvester.pagination.offset import (
    DENIALS,
    NOTHING,
    SMALLEST_CLAMP,
    Certificate,
    Entry,
    Listing,
    ProvenBy,
    Step,
    digest,
)

_MOST_STILL = 8
"""Pages in a row with new items that leave the cursor where it is, after which the visit ends without a certificate. A
few may do so, while items enter in the second of the cursor."""


class CursorState(Struct, kw_only=True, omit_defaults=True):
    """State of a visit between two pages. `before` is the cursor: seconds since 1970, None at the head."""

    pages: int = 0
    before: int | None = None
    known: list[int] = []
    still: int = 0
    """Number of pages in a row that did not move the cursor."""
    flawed: bool = False
    """No certificate can be given: a second had more items than a page, or the order was broken."""
    longest: int = 0
    """Number of items on the longest page so far."""
    doubtful: bool = False
    """The page before may have been cut within one second; the cursor is below that second."""
    denied: int = 0
    """Number of empty pages in a row where an item is expected."""
    capped: bool = False
    base: Certificate | None = None
    until: Certificate | None = None
    found: int = 0
    fresh: int = 0
    """Number of items found, and of those that are newer than the earlier certificate."""
    tail: list[int] = []
    tail_key: int | None = None
    """The items of the oldest second that was read, and that second."""
    earlier_tail: list[int] | None = None
    """The same items of the earlier certificate."""
    proved: Certificate | None = None
    """The certificate of this visit, while it confirms the end of the list that an earlier visit saw."""


def begin(last: Certificate | None, *, full: bool = False) -> CursorState:
    """Return the state of a new visit: to the last certificate, or to the end of the list without one or `full`."""
    if last is None or not last.complete:
        return CursorState()
    return CursorState(until=None if full else replace(last), earlier_tail=last.tail)


def step(listing: Listing, state: CursorState, page: Sequence[Entry], *, absent: bool = False) -> Step:
    """Take the page at the cursor, move the cursor, and return the result. `page` is as served, newest first."""
    state.pages += 1
    state.longest = max(state.longest, len(page))
    if state.proved is not None:
        return _confirm(state, state.proved, page)
    ids = [entry.id for entry in page]
    keys = [entry.key for entry in page if entry.key is not None]
    if state.before is None:
        if (done := _first_page(listing, state, ids, keys, absent=absent)) is not None:
            return done
    elif not page and not state.doubtful and not state.flawed:
        state.denied += 1
        if state.denied <= DENIALS:
            return Step()
        state.capped = True
        return _done(state)
    state.denied = 0
    contradiction = any(later > earlier for earlier, later in pairwise(keys)) or (
        state.before is not None and any(key > state.before for key in keys)
    )
    crowded = state.doubtful and bool(keys)  # the list continues below a second that was served in part only
    state.flawed = state.flawed or contradiction or crowded
    known = set(state.known)
    new = [entry for entry in page if entry.id not in known]
    state.found += len(new)
    if keys:
        state.tail_key = min(keys)
        state.tail = [entry.id for entry in page if entry.key == state.tail_key]
    if state.until is not None:
        state.fresh += sum((entry.key or 0) > (state.until.key or 0) for entry in new)
    arrived = bool(keys) and _arrived(listing, state, min(keys))
    if not keys or not new or arrived:
        result = _done(state, contradiction=contradiction, arrived=arrived)
        result.crowded = crowded
        return result
    state.known = ids
    in_one_second = len(page) >= _size(listing, state) and max(keys) == min(keys)
    crowded = crowded or (in_one_second and len(page) >= listing.limit)
    state.doubtful = in_one_second and len(page) < listing.limit
    state.flawed = state.flawed or crowded
    if not _move(state, min(keys) - in_one_second):
        state.flawed = True
        return _done(state, contradiction=contradiction)
    return Step(certified=not crowded and not contradiction, contradiction=contradiction, crowded=crowded)


def _first_page(listing: Listing, state: CursorState, ids: list[int], keys: list[int], *, absent: bool) -> Step | None:
    """Begin a new certificate by the first page; return the last step if the list is absent or has not changed."""
    key = keys[0] if keys else None
    state.base = Certificate(proven_by=ProvenBy.KEY, complete=True, digest=digest(ids), anchors=ids, key=key)
    if absent:
        return _done(state)
    if state.until is None or state.until.digest != state.base.digest:
        return None
    at_end = len(ids) < listing.limit and set(state.until.tail or ()) <= set(ids)
    state.until.confirmed = state.until.confirmed or at_end
    state.base = state.until
    return _done(state, arrived=True)


def _move(state: CursorState, before: int) -> bool:
    """Move the cursor, if `before` is below it; return False once too many pages in a row have not moved it."""
    if state.before is None or before < state.before:
        state.before, state.still = before, 0
        return True
    state.still += 1
    return state.still < _MOST_STILL


def _size(listing: Listing, state: CursorState) -> int:
    """Return the number of items from which a page counts as full."""
    return min(listing.limit, max(listing.limit // SMALLEST_CLAMP, listing.served, state.longest))


def _arrived(listing: Listing, state: CursorState, oldest: int) -> bool:
    """Return whether a read with unbroken order has passed below the earlier certificate."""
    until = state.until
    if until is None or until.key is None or state.flawed:
        return False
    return oldest < until.key - listing.lookback


def _done(state: CursorState, *, contradiction: bool = False, arrived: bool = False) -> Step:
    certificate, until = state.base or NOTHING, state.until
    if state.flawed:
        certificate = NOTHING
    elif until is not None and (until.key or 0) > (certificate.key or 0):
        certificate = until  # the answer is older than an earlier one
    elif state.capped:
        certificate.capped = True
    elif not arrived or until is None:
        certificate.tail, certificate.tail_key = state.tail, state.tail_key
        earlier = state.earlier_tail
        certificate.confirmed = earlier is not None and (
            not set(earlier).isdisjoint(state.tail) or earlier == state.tail
        )
    else:
        certificate.tail, certificate.tail_key = until.tail, until.tail_key
        certificate.capped, certificate.confirmed = until.capped, until.confirmed
        if until.tail and not until.capped and not until.confirmed:
            state.proved = certificate
            state.before = until.tail_key
            return Step(certified=True, contradiction=contradiction)
    return Step(
        done=certificate,
        certified=certificate.complete,
        contradiction=contradiction,
        whole=not arrived and not state.capped and certificate.complete,
        fresh=state.fresh,
        found=state.found,
    )


def _confirm(state: CursorState, proved: Certificate, page: Sequence[Entry]) -> Step:
    """Take a page over the end of the list; if the list continues there, read it in full."""
    tail = set(proved.tail or ())
    shown = {entry.id for entry in page}
    if not page and state.denied < DENIALS:
        state.denied += 1
        return Step()
    if shown <= tail and shown:
        proved.confirmed = True
        return Step(done=proved, certified=True, fresh=state.fresh, found=state.found)
    again = CursorState(pages=state.pages, longest=state.longest, earlier_tail=state.earlier_tail)
    for name in state.__struct_fields__:
        setattr(state, name, getattr(again, name))
    return Step()
