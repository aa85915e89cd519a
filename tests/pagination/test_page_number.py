"""The visit over numbered pages loses nothing that was there throughout, or gives no certificate."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.api.stream import Order
from harvester.pagination import page_number
from harvester.pagination.offset import Certificate, Entry, Listing, Step

if TYPE_CHECKING:
    import pytest

LISTING = Listing(order=Order.NEWEST_FIRST, keyed=True, stop_after_empty_pages=3, lookback=60)
SIZE = 4
DEEPEST = 12


class Source:
    """Threads newest first, `SIZE` a page; some pages are blank, and nothing is served beyond `DEEPEST`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now, self.number = 1_000, 0
        self.blank = {page for page in range(2, DEEPEST, 2) if self.random.random() < 0.2}
        self.threads: list[Entry] = []
        for _ in range(self.random.choice((0, 1, 3, 9, 20, 60))):
            self.add()

    def add(self) -> None:
        self.now += self.random.choice((0, 1, 30, 200))
        self.number += 1
        self.threads.insert(0, Entry(self.number, self.now))

    def live(self, chance: float) -> None:
        if self.random.random() < chance:
            if self.threads and self.random.random() < 0.5:
                self.threads.pop(self.random.randrange(len(self.threads)))
            else:
                self.add()

    def page(self, number: int) -> list[Entry] | None:
        if number > DEEPEST:
            return None
        if number in self.blank and number > 1:
            return []
        place = number - 1 - sum(page < number for page in self.blank)
        found = self.threads[place * SIZE : (place + 1) * SIZE]
        return found if found or number == 1 else None

    @property
    def reachable(self) -> set[int]:
        return {thread.id for thread in self.threads[: (DEEPEST - len(self.blank)) * SIZE]}


def visit(
    source: Source, last: Certificate | None, chance: float, *, reads: int | None = None
) -> tuple[set[int], Certificate]:
    """Return what a visit read, and its result; with `reads` it is believed after so many."""
    state = page_number.begin(last)
    read: set[int] = set()
    for _ in range(500):
        page = source.page(state.page)
        read |= {thread.id for thread in page or ()}
        result = page_number.step(LISTING, state, page or [], absent=page is None, max_offset=DEEPEST)
        if result.done is not None:
            return read, result.done
        if state.agreement.reads == reads:
            return read, Certificate(proven_by=page_number.ProvenBy.NONE, complete=True)
        source.live(chance)
    raise AssertionError("the visit does not end")


@settings(max_examples=400)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.05, 0.3]))
def test_a_certificate_covers_only_pages_that_were_read(seed: int, chance: float) -> None:
    source = Source(seed)
    known: set[int] = set()
    last: Certificate | None = None
    for _ in range(3):
        before = source.reachable
        read, last = visit(source, last, chance)
        known |= read
        if last.complete:
            assert before & source.reachable <= known
        else:
            last = None
        for _ in range(3):
            source.add()


def test_one_read_alone_would_lose_live_threads() -> None:
    lost = 0
    for seed in range(300):
        source = Source(seed)
        before = source.reachable
        read, _ = visit(source, None, 0.3, reads=1)
        lost += len(before & source.reachable - read)
    assert lost > 20


def test_the_cap_on_pages_is_reported() -> None:
    source = Source(4)
    while len(source.threads) < DEEPEST * SIZE + 10:
        source.add()
    _, certificate = visit(source, None, 0.0)
    assert certificate.capped
    assert certificate.complete


def test_an_unchanged_first_page_is_enough_after_confirmation() -> None:
    """The page behind the last one of several is asked for once; a list of one page has none such."""
    for seed in range(20):
        source = Source(seed)
        _, first = visit(source, None, 0.0)
        assert first.complete
        assert not first.confirmed
        _, last = visit(source, first, 0.0)
        assert last.confirmed == (not last.capped and last.end > 1)
        state = page_number.begin(last)
        assert page_number.step(LISTING, state, source.page(1) or [], max_offset=DEEPEST).done == last


def found_later(seed: int) -> bool:
    """Whether a list that ended early at first is found as a whole at the next visit."""
    source = Source(seed)
    while len(source.threads) < 30:
        source.add()
    source.blank, whole = set(), source.threads[:30]
    source.threads = whole[:10]
    read, first = visit(source, None, 0.0)
    source.threads = whole
    again, _ = visit(source, first, 0.0)
    return read | again == {thread.id for thread in whole}


def test_a_list_served_short_is_found_out_at_the_next_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(found_later(seed) for seed in range(10))
    monkeypatch.setattr(page_number, "_confirm", lambda _state, proved, _: Step(done=proved))
    assert not any(found_later(seed) for seed in range(10))


def test_a_broken_order_is_told_and_read_to_the_end() -> None:
    state = page_number.begin(None)
    assert page_number.step(LISTING, state, [Entry(1, 10), Entry(2, 20)]).contradiction
