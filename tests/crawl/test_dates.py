"""The walk by date loses nothing that was there throughout, whatever enters, leaves or ties while it reads."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.api.stream import Order
from harvester.crawl import dates
from harvester.crawl.walk import Certificate, Entry, Listing

LISTING = Listing(order=Order.NEWEST_FIRST, keyed=True, margin=60, limit=5)


class Source:
    """Events by (second, id), newest first; some share a second, at most `crowd`."""

    def __init__(self, seed: int, crowd: int) -> None:
        self.random = random.Random(seed)
        self.crowd = crowd
        self.now = 1_000
        self.number = 0
        self.events: list[Entry] = []
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
        return [event for event in self.events if before is None or event.key <= before][: LISTING.limit]


def walk(source: Source, last: Certificate | None, changes: int, *, below: int = 0) -> tuple[set[int], Certificate]:
    """Everything that a walk read, and its verdict. `below` breaks the cursor: it then skips the rest of a second."""
    state = dates.begin(last)
    read: set[int] = set()
    for _ in range(500):
        page = source.page(state.before)
        read |= {event.id for event in page}
        result = dates.step(LISTING, state, page)
        if result.done is not None:
            return read, result.done
        assert state.before is not None
        state.before -= below
        source.live(changes)
    raise AssertionError("the walk does not end")


@settings(max_examples=400)
@given(st.integers(0, 10**6), st.integers(0, 4))
def test_nothing_is_skipped(seed: int, changes: int) -> None:
    source = Source(seed, crowd=LISTING.limit - 1)
    known: set[int] = set()
    last: Certificate | None = None
    for _ in range(4):
        before = {event.id for event in source.events}
        read, last = walk(source, last, changes)
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
        read, _ = walk(source, None, 0, below=1)
        lost += len(before - read)
    assert lost > 20


def test_a_second_that_holds_more_than_a_page_is_told_and_not_certified() -> None:
    source = Source(1, crowd=4)
    source.events = [Entry(100 + n, 2_000) for n in range(9)] + source.events
    state = dates.begin(None)
    crowded = 0
    for _ in range(100):
        result = dates.step(LISTING, state, source.page(state.before))
        crowded += result.crowded
        if result.done is not None:
            break
    assert crowded
    assert result.done is not None
    assert not result.done.complete
    assert state.before is not None
    assert state.before < 2_000


def test_a_broken_order_is_told_and_not_certified() -> None:
    state = dates.begin(None)
    result = dates.step(LISTING, state, [Entry(1, 10), Entry(2, 20)])
    assert result.contradiction
    done = dates.step(LISTING, state, []).done
    assert done is not None
    assert not done.complete


def test_an_unchanged_list_costs_one_page() -> None:
    source = Source(3, crowd=4)
    _, last = walk(source, None, 0)
    state = dates.begin(last)
    assert dates.step(LISTING, state, source.page(None)).done == last
    source.add()
    read, newer = walk(source, last, 0)
    assert (newer.key or 0) >= (last.key or 0)
    assert source.events[0].id in read
