"""The visit of a list by numbered pages, newest first, which cannot overlap.

An item that leaves the list while it is read moves an unread item onto a page that was read, and the next page does not
show that. One read of more than a page therefore proves nothing: the pages are read until two reads agree. A later
visit is one request while the first page is unchanged, and else reads down to the key of the certificate. Where the
list had more than one page, the next visit requests the page after its last one once.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct, field
from msgspec.structs import replace

from harvester.pagination.offset import (
    AGREEING_READS,
    NOTHING,
    Agreement,
    Certificate,
    Entry,
    Listing,
    ProvenBy,
    Step,
    digest,
)

_ANCHORS = 10
"""Number of threads of the first page that a certificate names; one of them identifies the list later."""


class PageNumberState(Struct, kw_only=True, omit_defaults=True):
    """State of a visit between two pages. `page` is the number of the next page, from 1."""

    page: int = 1
    pages: int = 0
    quiet: int = 0
    """Number of empty pages in a row."""
    last: int = 0
    """The last page of this read that held items."""
    agreement: Agreement = field(default_factory=Agreement)
    until_page: int = 0
    """The last page of the read before."""
    contradicted: bool = False
    capped: bool = False
    base: Certificate | None = None
    until: Certificate | None = None
    fresh: int = 0
    """Number of items of this read that are newer than the earlier certificate."""
    earlier_end: int | None = None
    """The last page by the earlier certificate."""
    proved: Certificate | None = None
    """The certificate of this visit, while it requests the page after the last one."""


def begin(last: Certificate | None, *, full: bool = False) -> PageNumberState:
    """Return the state of a new visit: to the last certificate, or to the last page without one or `full`."""
    if last is None or not last.complete:
        return PageNumberState()
    return PageNumberState(until=None if full else replace(last), earlier_end=None if last.tail is None else last.end)


def step(
    listing: Listing,
    state: PageNumberState,
    page: Sequence[Entry],
    *,
    absent: bool = False,
    max_offset: int | None = None,
) -> Step:
    """Take the page number `state.page`, and return the result. Items without a key belong to the one before."""
    state.pages += 1
    if state.proved is not None:
        return _confirm(state, state.proved, page)
    ids = [entry.id for entry in page]
    keys = [entry.key for entry in page if entry.key is not None]
    if state.page == 1:
        key = keys[0] if keys else None
        heads = [entry.id for entry in page if entry.key is not None][:_ANCHORS]
        state.base = Certificate(proven_by=ProvenBy.IDENTITY, complete=True, digest=digest(ids), anchors=heads, key=key)
        if state.pages == 1 and state.until is not None and state.until.digest == state.base.digest:
            return _arrive(state, state.until)
    contradiction = any(later > earlier for earlier, later in pairwise(keys))
    state.contradicted = state.contradicted or contradiction
    state.agreement.add(ids)
    if state.until is not None:
        state.fresh += sum(key > (state.until.key or 0) for key in keys)
    state.quiet = 0 if ids else state.quiet + 1
    if ids:
        state.last = state.page
    at_cap = state.page == max_offset
    state.capped = state.capped or (at_cap and bool(ids))
    arrived = bool(keys) and _arrived(listing, state, keys[-1])
    ended = absent or at_cap or state.quiet >= listing.stop_after_empty_pages
    agreed = state.agreement.result == state.agreement.before and state.page >= state.until_page
    if arrived or ended or agreed:
        result = _end_of_read(state, atomic=state.page == 1 and (arrived or absent), arrived=arrived)
        result.contradiction = contradiction
        result.whole = result.done is not None and result.certified and not arrived and not state.capped
        return result
    state.page += 1
    return Step(contradiction=contradiction)


def _arrived(listing: Listing, state: PageNumberState, oldest: int) -> bool:
    """Return whether a read with unbroken order has passed below the earlier certificate."""
    until = state.until
    if until is None or until.key is None or state.contradicted:
        return False
    return oldest < until.key - listing.lookback


def _end_of_read(state: PageNumberState, *, atomic: bool, arrived: bool) -> Step:
    """End a read: one page is an atomic read; several pages need a second read that agrees."""
    agreement = state.agreement
    agreement.reads += 1
    certificate = state.base or NOTHING
    certificate.capped = state.capped
    agreed = agreement.result == agreement.before
    if atomic or not agreement.count or agreed:
        if agreed and not atomic and agreement.count:
            certificate.proven_by = ProvenBy.AGREEMENT
        if arrived:
            return _arrive(state, certificate)
        certificate.end, certificate.tail = state.last, []
        certificate.confirmed = state.earlier_end == state.last and not state.capped
        return Step(done=certificate, certified=True, fresh=state.fresh, found=state.agreement.count)
    if agreement.reads >= AGREEING_READS:
        return Step(done=NOTHING)
    agreement.begin_next()
    state.until_page = state.last
    state.page, state.quiet, state.last, state.fresh = 1, 0, 0, 0
    return Step()


def _arrive(state: PageNumberState, certificate: Certificate) -> Step:
    """End a visit at the earlier certificate, once the end of the list is confirmed."""
    until = state.until
    assert until is not None
    certificate.end, certificate.tail = until.end, until.tail
    certificate.capped, certificate.confirmed = until.capped, until.confirmed
    if until.end <= 1 or until.confirmed or until.capped:
        return Step(done=certificate, certified=True, fresh=state.fresh, found=state.agreement.count)
    state.proved = certificate
    state.page = until.end + 1
    return Step(certified=True)


def _confirm(state: PageNumberState, proved: Certificate, page: Sequence[Entry]) -> Step:
    """Take the page after the last one; if it holds items, read the list in full."""
    if not page:
        proved.confirmed = True
        return Step(done=proved, certified=True, fresh=state.fresh, found=state.agreement.count)
    again = PageNumberState(pages=state.pages, earlier_end=state.earlier_end)
    for name in state.__struct_fields__:
        setattr(state, name, getattr(again, name))
    return Step()
