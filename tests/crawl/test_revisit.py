"""When a visit pays, and how deep it reads: compared with simulated lists."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.frontier.leases import Purpose
from harvester.frontier.revisit import (
    LOOKS,
    PRIOR_DECAY,
    Decay,
    Group,
    deepest_look,
    interval,
    look,
    min_gain_for,
    outlook,
)
from harvester.frontier.shares import Shares

DAY = 86_400
PAGE = 40


@dataclass
class Comment:
    at: float
    replies: list[float]
    seen: int = 0


@dataclass
class Thread:
    """A list of comments with replies that thin out with age: 1 / (1 + age in days), 0.64 a comment in a year."""

    comments: list[Comment]
    looked: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    @classmethod
    def make(cls, rng: random.Random, days: float, rate: float) -> Thread:
        comments = []
        at = 0.0
        while (at := at + rng.expovariate(rate)) < days:
            replies = []
            age = 0.0
            # Thinning: at most 0.108 a day at any age.
            while (age := age + rng.expovariate(0.108)) < days - at:
                if rng.random() < 1 / (1 + age):
                    replies.append(at + age)
            comments.append(Comment(at, replies))
        return cls(comments)

    def newest_first(self, now: float) -> list[Comment]:
        return sorted((one for one in self.comments if one.at <= now), key=lambda one: -one.at)

    def read(self, now: float, pages: int) -> int:
        """Late replies (a day and more after their comment) found on the first pages; all others are seen too."""
        late = 0
        for one in self.newest_first(now)[: pages * PAGE]:
            new = [at for at in one.replies[one.seen :] if at <= now]
            late += sum(at - one.at >= 1 for at in new)
            one.seen += len(new)
        return late


def test_the_scheduled_depth_finds_more_late_replies() -> None:
    """At equal requests: each visit reads as deep as pays, or the head is visited more often."""
    start, end, min_gain = 200.0, 260.0, 2.0
    scheduled = heads = 0
    for seed in range(6):
        deep = Thread.make(random.Random(seed), end, rate=12)
        requests = 0
        deep.read(start, 10**6)
        deep.looked = [(0, int(start * DAY))]
        for visit in range(1, int(end - start)):
            now = start + visit
            stand = deep.newest_first(now)
            pages = [[int(one.at * DAY) for one in stand[first : first + PAGE]] for first in range(0, len(stand), PAGE)]
            down_to = deepest_look(pages[1:], deep.looked, now * DAY, PRIOR_DECAY, min_gain)
            depth = 1 if down_to is None else 1 + next(n for n, page in enumerate(pages[1:], 1) if page[-1] == down_to)
            scheduled += deep.read(now, depth)
            deep.looked = look(deep.looked, pages[depth - 1][-1], int(now * DAY))
            requests += depth
        shallow = Thread.make(random.Random(seed), end, rate=12)
        shallow.read(start, 10**6)
        for visit in range(1, requests + 1):
            heads += shallow.read(start + (end - start) * visit / requests, 1)
    print(f"late replies: {scheduled} found by depth, {heads} by heads, {scheduled / heads:.2f} times")
    assert scheduled >= 1.5 * heads > 0


def test_nothing_is_read_below_the_head_right_after_it_was() -> None:
    now = 10_000_000
    pages = [[now - DAY * page] * PAGE for page in range(1, 20)]
    assert deepest_look(pages, [(0, now - 60)], now, PRIOR_DECAY, 0.5) is None
    assert deepest_look(pages, [(0, now - 30 * DAY)], now, PRIOR_DECAY, 0.5) is not None
    assert deepest_look(pages, [(0, now - 30 * DAY)], now, PRIOR_DECAY, 1e9) is None
    assert deepest_look([], [], now, PRIOR_DECAY, 0.5) is None


@given(
    visits=st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 50)), max_size=80),
)
def test_ages_of_looks_are_never_understated(visits: list[tuple[int, int]]) -> None:
    """After any visits of any depth, the time stated for the last look at a key is not after the true one."""
    looked: list[tuple[int, int]] = []
    true: dict[int, int] = {}
    at = 0
    for lowest, later in visits:
        at += later
        looked = look(looked, lowest, at)
        true |= dict.fromkeys(range(lowest, 1001), at)
        assert len(looked) <= LOOKS
    for key in range(0, 1001, 7):
        told = next((when for low, when in looked if key >= low), 0)
        assert told <= true.get(key, 0)


def test_a_hazard_holds_from_its_age_on() -> None:
    decay = Decay((0.0, 1.0, 10.0), (3.0, 2.0, 1.0))
    assert [decay.at(age) for age in (-1, 0, 0.5, 1, 9, 10, 999)] == [3, 3, 3, 2, 2, 1, 1]


@given(
    counts=st.lists(st.tuples(st.integers(1, 1000), st.floats(1e-4, 50)), min_size=1, max_size=8),
    budget=st.floats(10, 1e5),
)
def test_the_least_gain_spends_the_budget(counts: list[tuple[int, float]], budget: float) -> None:
    groups = [Group("s", count, rate, rate, 180.0) for count, rate in counts]
    min_gain = min_gain_for(groups, budget)
    least = outlook(groups, float("inf")).requests
    if min_gain == float("inf"):
        assert least > budget
    else:
        assert outlook(groups, min_gain).requests <= budget * 1.0001
        dearer, cheaper = outlook(groups, min_gain * 1.1), outlook(groups, min_gain / 1.1)
        assert cheaper.delay <= dearer.delay
        assert cheaper.fresh >= dearer.fresh


def test_a_comment_a_day_makes_a_list_due_daily() -> None:
    assert interval(1.0, 0.5) == 1.0
    assert interval(0.01, 0.5) == pytest.approx(10)


def test_shares_hold_and_unused_ones_go_to_the_others() -> None:
    weights = {"discovery": 25, "scheduled": 60, "recheck": 5, "audit": 10}
    shares = Shares(weights, due_only=False)
    for _ in range(1000):
        shares.charge(next(shares.order()), 1)
    assert shares.spent[Purpose.NEW] == pytest.approx(250, abs=3)
    assert shares.spent[Purpose.DUE] + shares.spent[Purpose.SCHEDULED] == pytest.approx(600, abs=3)
    assert shares.spent[Purpose.RECHECK] == pytest.approx(50, abs=3)
    assert shares.spent[Purpose.AUDIT] == pytest.approx(100, abs=3)

    alone = Shares(weights, due_only=False)
    for _ in range(1000):  # nothing is new or due: what has no end takes no more than its share of the rest
        alone.charge(next(one for one in alone.order() if one in (Purpose.SCHEDULED, Purpose.AUDIT)), 1)
    assert alone.spent[Purpose.AUDIT] == pytest.approx(100, abs=3)
    idle = Shares(weights, due_only=False)
    assert {Purpose.RECHECK, Purpose.AUDIT}.isdisjoint(idle.order())
    assert list(Shares(weights, due_only=True).order()) == [Purpose.NEW, Purpose.DUE]
    only = Shares({"audit": 1}, due_only=False)
    for _ in range(5):  # a share that is the only one has no other to keep to
        assert list(only.order()) == [Purpose.AUDIT]
        only.charge(Purpose.AUDIT, 1)
