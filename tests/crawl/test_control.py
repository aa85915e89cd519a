"""When an absence is no chance, and for how long an answer tells how the site is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.crawl import control
from harvester.crawl.control import Control, leaps


@given(asked=st.integers(1, 200), share=st.sampled_from([0.05, 0.2, 0.6, 0.9]), seed=st.integers(0, 200))
def test_a_leap_is_improbable(asked: int, share: float, seed: int) -> None:
    """What is called a leap has a probability of less than one in a million, by the binomial distribution itself."""
    missing = seed % (asked + 1)
    if leaps(missing, asked, share):
        tail = sum(math.comb(asked, n) * share**n * (1 - share) ** (asked - n) for n in range(missing, asked + 1))
        assert tail < 1e-6


@pytest.mark.parametrize(
    ("missing", "asked", "leap"),
    [(0, 0, False), (5, 5, False), (9, 9, True), (60, 60, True), (20, 100, False), (50, 100, True), (3, 10, False)],
)
def test_of_few_things_all_may_be_missing(missing: int, asked: int, leap: bool) -> None:
    assert leaps(missing, asked, 0.2) == leap


def test_what_is_usual_is_no_leap() -> None:
    usual, new = Control({"project": 0.3}), Control()
    for _ in range(10):
        usual.found("project", 0.0)
        new.found("project", 0.0)
    assert [usual.miss("project") for _ in range(30)] == [False] * 30
    assert any(new.miss("project") for _ in range(30))
    assert not new.miss("user_page")


def test_an_answer_tells_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(control.time, "monotonic", lambda: now)
    site = Control()
    assert not site.has_found()
    site.doubt("project")
    site.found("user", now)
    assert site.has_found()
    assert site.has_found_since("user", now - 1)
    assert not site.has_found_since("user", now)
    assert not site.has_found_since("project", 0.0)
    assert (site.is_doubted("user"), site.is_doubted("project")) == (False, True)
    now += control.FRESH_SECONDS
    assert not site.has_found()
    assert not site.is_doubted("project")
    site.doubt("project")
    site.found("project", now)
    assert not site.is_doubted("project")
