"""The certified walk over a list that is read by a date: all that is at least as old as a given second, newest first.

A cursor that is a value, not a place, is not moved by what enters or leaves the list: the next page begins with the
whole second in which the last one ended, so nothing between them can be skipped. What it cannot pass is a second with
more items than a page holds: the walk says so, goes on below it, and gives no certificate. The cursor never moves up:
a source that answers whatever it likes cannot keep a walk for ever.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from harvester.crawl.walk import NOTHING, Certificate, Entry, Ground, Listing, Step, digest

_MOST_STILL = 3
"""Pages in a row with something new that leave the cursor where it is, after which the list is given up. One may: what
stands in the last second."""


class State(Struct, kw_only=True, omit_defaults=True):
    """All that a walk must remember between two pages. `before` is the cursor: seconds since 1970, None at the head."""

    pages: int = 0
    before: int | None = None
    known: list[int] = []
    still: int = 0
    """Pages in a row that did not move the cursor."""
    flawed: bool = False
    """Whether a certificate is out of reach: a crowded second, or a broken order."""
    base: Certificate | None = None
    until: Certificate | None = None
    found: int = 0
    fresh: int = 0
    """Items found, and those among them that are newer than the certificate it started from."""


def begin(last: Certificate | None) -> State:
    """The state of a new walk: down to the last certificate, or to the end of the list without one."""
    return State(until=last if last is not None and last.complete else None)


def step(listing: Listing, state: State, page: Sequence[Entry], *, absent: bool = False) -> Step:
    """Take the page at the cursor, move the cursor, and say what follows. `page` is as served, newest first."""
    state.pages += 1
    ids = [entry.id for entry in page]
    keys = [entry.key for entry in page if entry.key is not None]
    if state.before is None:
        key = keys[0] if keys else None
        state.base = Certificate(ground=Ground.KEY, complete=True, digest=digest(ids), anchors=ids, key=key)
        if absent or (state.until is not None and state.until.digest == state.base.digest):
            return _done(state)
    contradiction = any(later > earlier for earlier, later in pairwise(keys)) or (
        state.before is not None and any(key > state.before for key in keys)
    )
    state.flawed = state.flawed or contradiction
    known = set(state.known)
    new = [entry for entry in page if entry.id not in known]
    state.found += len(new)
    if state.until is not None:
        state.fresh += sum((entry.key or 0) > (state.until.key or 0) for entry in new)
    arrived = bool(keys) and _arrived(listing, state, min(keys))
    if not keys or not new or arrived:
        return _done(state, contradiction=contradiction, whole=not arrived)
    state.known = ids
    crowded = len(page) >= listing.limit and max(keys) == min(keys)
    state.flawed = state.flawed or crowded
    before = min(keys) - crowded
    if state.before is not None and before >= state.before:
        state.still += 1
        if state.still >= _MOST_STILL:
            state.flawed = True
            return _done(state, contradiction=contradiction)
    else:
        state.before, state.still = before, 0
    return Step(certified=not crowded and not contradiction, contradiction=contradiction, crowded=crowded)


def _arrived(listing: Listing, state: State, oldest: int) -> bool:
    """Whether a walk in which no order was broken is below what was certified before."""
    until = state.until
    if until is None or until.key is None or state.flawed:
        return False
    return oldest < until.key - listing.margin


def _done(state: State, *, contradiction: bool = False, whole: bool = False) -> Step:
    certificate = state.base or NOTHING
    if state.flawed:
        certificate = NOTHING
    elif state.until is not None and (state.until.key or 0) > (certificate.key or 0):
        certificate = state.until  # an answer older than one before it
    return Step(
        done=certificate,
        certified=certificate.complete,
        contradiction=contradiction,
        whole=whole and certificate.complete,
        fresh=state.fresh,
        found=state.found,
    )
