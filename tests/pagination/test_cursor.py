"""The visit by date loses nothing that was there throughout, whatever enters, leaves or ties while it reads."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.api.stream import Order
from harvester.pagination import cursor
from harvester.pagination.offset import Certificate, Entry, Listing, Step

LISTING = Listing(order=Order.NEWEST_FIRST, keyed=True, lookback=60, limit=5)


class Source:
    """Events by (second, id), newest first; some share a second, at most `crowd`."""

    def __init__(self, seed: int, crowd: int) -> None:
        self.random = random.Random(seed)
        self.crowd = crowd
        self.now = 1_000
        self.number = 0
        self.events: list[Entry] = []
        self.clamp: int | None = None
        self.served: int | None = None
        self.emptied = 0.0
        for _ in range(self.random.randrange(60)):
            self.add()

    def add(self) -> None:
        if self.random.random() < 0.5 or sum(event.key == self.now for event in self.events) >= self.crowd:
            self.now += self.random.choice((1, 2, 30, 100))
        self.number += 1
        self.events.insert(0, Entry(self.number, self.now))

    def live(self, changes: int) -> None:
        for _ in range(changes):
            if self.events and self.random.random() < 0.4:
                self.events.pop(self.random.randrange(len(self.events)))
            else:
                self.add()

    def page(self, before: int | None) -> list[Entry]:
        if before is not None and self.emptied and self.random.random() < self.emptied:
            return []
        events = self.events[: self.served]
        size = min(LISTING.limit, self.clamp or LISTING.limit)
        return [event for event in events if before is None or event.key <= before][:size]


def visit(
    source: Source, last: Certificate | None, changes: int, *, below: int = 0, listing: Listing = LISTING
) -> tuple[set[int], Certificate]:
    """Everything that a visit read, and its result. `below` breaks the cursor: it then skips the rest of a second."""
    state = cursor.begin(last)
    read: set[int] = set()
    for _ in range(500):
        page = source.page(state.before)
        read |= {event.id for event in page}
        result = cursor.step(listing, state, page)
        if result.done is not None:
            return read, result.done
        if state.before is not None:
            state.before -= below
        source.live(changes)
    raise AssertionError("the visit does not end")


@settings(max_examples=400)
@given(st.integers(0, 10**6), st.integers(0, 4))
def test_nothing_is_skipped(seed: int, changes: int) -> None:
    source = Source(seed, crowd=LISTING.limit - 1)
    known: set[int] = set()
    last: Certificate | None = None
    for _ in range(4):
        before = {event.id for event in source.events}
        read, last = visit(source, last, changes)
        known |= read
        stayed = before & {event.id for event in source.events}
        assert last.complete
        assert stayed <= known
        source.live(10)


def test_without_the_whole_second_live_items_are_lost() -> None:
    """The cursor is inclusive for a reason: one second below it, ties across a page's end are skipped."""
    lost = 0
    for seed in range(100):
        source = Source(seed, crowd=LISTING.limit - 1)
        before = {event.id for event in source.events}
        read, _ = visit(source, None, 0, below=1)
        lost += len(before - read)
    assert lost > 20


def test_a_second_of_more_than_a_page_is_not_certified() -> None:
    source = Source(1, crowd=4)
    source.events = [Entry(100 + n, 2_000) for n in range(9)] + source.events
    state = cursor.begin(None)
    crowded = 0
    for _ in range(100):
        result = cursor.step(LISTING, state, source.page(state.before))
        crowded += result.crowded
        if result.done is not None:
            break
    assert crowded
    assert result.done is not None
    assert not result.done.complete
    assert state.before is not None
    assert state.before < 2_000


def test_a_broken_order_is_told_and_not_certified() -> None:
    state = cursor.begin(None)
    result = cursor.step(LISTING, state, [Entry(1, 10), Entry(2, 20)])
    assert result.contradiction
    done = cursor.step(LISTING, state, []).done
    assert done is not None
    assert not done.complete


def test_an_unchanged_list_costs_one_page_after_confirmation() -> None:
    source = Source(3, crowd=4)
    _, first = visit(source, None, 0)
    assert not first.confirmed
    _, last = visit(source, first, 0)
    assert last == msgspec.structs.replace(first, confirmed=True)
    state = cursor.begin(last)
    assert cursor.step(LISTING, state, source.page(None)).done == last
    state = cursor.begin(first)
    assert cursor.step(LISTING, state, source.page(None)).done is None
    assert cursor.step(LISTING, state, source.page(state.before)).done == last
    source.add()
    read, newer = visit(source, last, 0)
    assert (newer.key or 0) >= (last.key or 0)
    assert source.events[0].id in read


@pytest.mark.parametrize("served", [0, 3])
def test_a_clamped_page_size_loses_nothing(served: int) -> None:
    """A second of which a page may show a part only is told, and gives no certificate."""
    listing = msgspec.structs.replace(LISTING, served=served)
    told = 0
    for seed in range(60):
        source = Source(seed, crowd=4)
        source.clamp = 3
        read, last = visit(source, None, 0, listing=listing)
        told += not last.complete
        assert not last.complete or read == {event.id for event in source.events}, seed
    assert 10 < told < 60


def test_without_the_learned_size_a_clamp_hides_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursor, "_size", lambda listing, _: listing.limit)
    lost = 0
    for seed in range(60):
        source = Source(seed, crowd=4)
        source.clamp = 3
        read, last = visit(source, None, 0)
        lost += last.complete and read != {event.id for event in source.events}
    assert lost > 20


def test_an_empty_page_in_the_middle_is_asked_for_again() -> None:
    for seed in range(60):
        source = Source(seed, crowd=4)
        source.emptied = 0.2
        read, last = visit(source, None, 0)
        assert last.capped or read == {event.id for event in source.events}


def test_an_empty_page_that_stays_caps_the_list() -> None:
    source = Source(3, crowd=4)
    source.emptied = 1.0
    _, last = visit(source, None, 0)
    assert (last.complete, last.capped, last.confirmed) == (True, True, False)


def found_later(source: Source, served: int) -> bool:
    """Whether a list that was served short at first is found as a whole at the next visit."""
    source.served = served
    read, first = visit(source, None, 0)
    source.served = None
    again, second = visit(source, first, 0)
    assert not second.confirmed
    return read | again == {event.id for event in source.events}


def test_a_list_served_short_is_found_out_at_the_next_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [source for source in (Source(seed, crowd=4) for seed in range(80)) if len(source.events) > 25]
    assert len(sources) > 20
    assert all(found_later(source, served) for source in sources for served in (2, 5, 12))
    monkeypatch.setattr(cursor, "_confirm", lambda _state, proved, _: Step(done=proved))
    assert not any(found_later(source, 12) for source in sources)
