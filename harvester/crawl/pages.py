"""The walk over numbered pages, newest first, which can be neither overlapped nor moved to a place between two.

What leaves the list while it is read draws an unread item onto a page that was read, and nothing on the next page
shows it. So one read proves nothing where it took more than a page: the pages are read until two reads agree. A later
walk is one request while the first page stands as it was, and else reads down to the certified high-water key.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from harvester.crawl.walk import AGREEING_READS, NOTHING, Certificate, Entry, Ground, Listing, Step, digest, mix


class State(Struct, kw_only=True, omit_defaults=True):
    """All that a walk must remember between two pages. `page` is asked for next, from 1."""

    page: int = 1
    pages: int = 0
    quiet: int = 0
    """Empty pages in a row."""
    last: int = 0
    """The last page of this read that held anything."""
    count: int = 0
    total: int = 0
    """Of this read: how many items, and the sum of their mixed ids."""
    before: tuple[int, int] | None = None
    """The same of the read before, which went to page `until_page`."""
    until_page: int = 0
    read: int = 0
    contradicted: bool = False
    capped: bool = False
    base: Certificate | None = None
    until: Certificate | None = None
    fresh: int = 0
    """Items of this read that are newer than the certificate it started from."""


def begin(last: Certificate | None) -> State:
    """The state of a new walk: down to the last certificate, or to the last page without one."""
    return State(until=last if last is not None and last.complete else None)


def step(
    listing: Listing, state: State, page: Sequence[Entry], *, absent: bool = False, deepest: int | None = None
) -> Step:
    """Take the page number `state.page`, and say what follows. Items without a key are parts of the one before."""
    state.pages += 1
    ids = [entry.id for entry in page]
    keys = [entry.key for entry in page if entry.key is not None]
    if state.page == 1:
        key = keys[0] if keys else None
        state.base = Certificate(ground=Ground.IDENTITY, complete=True, digest=digest(ids), key=key)
        if state.pages == 1 and state.until is not None and state.until.digest == state.base.digest:
            return Step(done=state.until, certified=True)
    contradiction = any(later > earlier for earlier, later in pairwise(keys))
    state.contradicted = state.contradicted or contradiction
    state.count += len(ids)
    state.total = (state.total + sum(map(mix, ids))) % 2**63
    if state.until is not None:
        state.fresh += sum(key > (state.until.key or 0) for key in keys)
    state.quiet = 0 if ids else state.quiet + 1
    if ids:
        state.last = state.page
    at_cap = state.page == deepest
    state.capped = state.capped or (at_cap and bool(ids))
    arrived = bool(keys) and _arrived(listing, state, keys[-1])
    ended = absent or at_cap or state.quiet >= listing.empties
    agreeing = state.before is not None and state.page >= state.until_page
    if arrived or ended or (agreeing and (state.count, state.total) == state.before):
        result = _end_of_read(state, atomic=state.page == 1 and (arrived or absent))
        result.contradiction = contradiction
        result.whole = result.certified and not arrived and not state.capped
        return result
    state.page += 1
    return Step(contradiction=contradiction)


def _arrived(listing: Listing, state: State, oldest: int) -> bool:
    """Whether a walk in which no order was broken is below what was certified before."""
    until = state.until
    if until is None or until.key is None or state.contradicted:
        return False
    return oldest < until.key - listing.margin


def _end_of_read(state: State, *, atomic: bool) -> Step:
    """One page is one moment; of more, a second read has to tell the same."""
    result = (state.count, state.total)
    state.read += 1
    certificate = state.base or NOTHING
    certificate.capped = state.capped
    if atomic or not state.count:
        return Step(done=certificate, certified=True, fresh=state.fresh, found=state.count)
    if result == state.before:
        certificate.ground = Ground.AGREEMENT
        return Step(done=certificate, certified=True, fresh=state.fresh, found=state.count)
    if state.read >= AGREEING_READS:
        return Step(done=NOTHING)
    state.before, state.until_page = result, state.last
    state.page, state.quiet, state.count, state.total, state.last, state.fresh = 1, 0, 0, 0, 0, 0
    return Step()
