"""The certified visit of a list by date: a request gives all that is at least as old as a second, newest first.

A cursor that is a value, not an offset, is not moved by what enters or leaves the list: the next page begins with the
whole second in which the last one ended, so nothing between them can be skipped. What it cannot pass is a second with
more items than a page holds: the visit says so, goes on below it, and gives no certificate. The cursor never moves up:
arbitrary responses cannot keep a visit from ending.

A cursor is the second of an item that was read, so a page behind it shows that item. An empty page there is asked for
again, and where it stays empty the source refuses to serve what is older: the list is `capped`.
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
"""Pages in a row with something new that leave the cursor where it is, after which the list is given up. A few may:
what enters in the last second while it is read."""


class CursorState(Struct, kw_only=True, omit_defaults=True):
    """State of a visit between two pages. `before` is the cursor: seconds since 1970, None at the head."""

    pages: int = 0
    before: int | None = None
    known: list[int] = []
    still: int = 0
    """Pages in a row that did not move the cursor."""
    flawed: bool = False
    """True if no certificate can be given: a second was too crowded, or the order was broken."""
    longest: int = 0
    """Items on the longest page so far."""
    doubtful: bool = False
    """True if the page before may have been cut within one second, so that the cursor stands below that second."""
    denied: int = 0
    """Empty pages in a row where an item is due."""
    capped: bool = False
    base: Certificate | None = None
    until: Certificate | None = None
    found: int = 0
    fresh: int = 0
    """Items found, and those among them that are newer than the certificate it started from."""
    tail: list[int] = []
    tail_key: int | None = None
    """The items of the oldest second that was read, and that second."""
    earlier_tail: list[int] | None = None
    """Those of the certificate before."""
    proved: Certificate | None = None
    """The certificate of this visit, while it looks once behind the end that an earlier one saw."""


def begin(last: Certificate | None, *, full: bool = False) -> CursorState:
    """Return the state of a new visit: to the last certificate, or to the end of the list without one or `full`."""
    if last is None or not last.complete:
        return CursorState()
    return CursorState(until=None if full else replace(last), earlier_tail=last.tail)


def step(listing: Listing, state: CursorState, page: Sequence[Entry], *, absent: bool = False) -> Step:
    """Take the page at the cursor, move the cursor, and say what follows. `page` is as served, newest first."""
    state.pages += 1
    state.longest = max(state.longest, len(page))
    if state.proved is not None:
        return _confirm(state, state.proved, page)
    ids = [entry.id for entry in page]
    keys = [entry.key for entry in page if entry.key is not None]
    if state.before is None:
        key = keys[0] if keys else None
        state.base = Certificate(proven_by=ProvenBy.KEY, complete=True, digest=digest(ids), anchors=ids, key=key)
        if absent:
            return _done(state)
        if state.until is not None and state.until.digest == state.base.digest:
            at_end = len(page) < listing.limit and set(state.until.tail or ()) <= set(ids)
            state.until.confirmed = state.until.confirmed or at_end
            state.base = state.until
            return _done(state, arrived=True)
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
    crowded = state.doubtful and bool(keys)  # the list goes on below a second of which only a part was served
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
    before = min(keys) - in_one_second
    if state.before is not None and before >= state.before:
        state.still += 1
        if state.still >= _MOST_STILL:
            state.flawed = True
            return _done(state, contradiction=contradiction)
    else:
        state.before, state.still = before, 0
    return Step(certified=not crowded and not contradiction, contradiction=contradiction, crowded=crowded)


def _size(listing: Listing, state: CursorState) -> int:
    """Return how many items a full page has."""
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
        certificate = until  # an answer older than one before it
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
    """Take a page that shows the end of the list again, or that the list goes on: then read it in full."""
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
