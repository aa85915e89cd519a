"""Numbers that are drawn: evenly, without repetition, and the same everywhere."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.id_dates import PROJECTS, first_id_of, years
from harvester.sampling.drawing import Pilot, Stratum, allocate, cut, draw, inclusion


@given(st.integers(0, 10**6), st.integers(1, 10**9), st.integers(1, 300), st.data())
def test_a_draw_has_no_repeats_and_begins_a_longer_one(seed: int, first: int, size: int, data: st.DataObject) -> None:
    stratum = Stratum("all", first, first + size - 1)
    skip = data.draw(st.sets(st.integers(first, stratum.last), max_size=size // 2))
    most = size - len(skip)
    count = data.draw(st.integers(0, most))
    found = draw(seed, stratum, count, skip)
    assert len(set(found)) == len(found) == count
    assert all(first <= each <= stratum.last and each not in skip for each in found)
    whole = draw(seed, stratum, most, skip)
    assert whole[:count] == found
    assert set(whole) == set(range(first, stratum.last + 1)) - skip
    with pytest.raises(ValueError, match="has no"):
        draw(seed, stratum, most + 1, skip)


def test_each_id_is_as_likely_as_any_other() -> None:
    """Each of 50 ids in 5 of 50 places, over 4,000 seeds: 400 times, with a deviation of 19."""
    counts = dict.fromkeys(range(1, 51), 0)
    for seed in range(4000):
        for each in draw(seed, Stratum("all", 1, 50), 5):
            counts[each] += 1
    squares = sum((count - 400) ** 2 / (400 * 0.9) for count in counts.values())
    # Chi squared with 49 degrees of freedom is above 85.4 once in a thousand times.
    assert squares < 85.4
    # Strata of one design are drawn apart.
    assert draw(1, Stratum("1", 1, 50), 9) != draw(1, Stratum("2", 1, 50), 9)


@given(st.integers(1, 10**6), st.integers(1, 40), st.integers(0, 10**6))
def test_parts_make_the_whole(first: int, parts: int, more: int) -> None:
    strata = cut(first, first + parts - 1 + more, parts)
    assert (strata[0].first, strata[-1].last, len(strata)) == (first, first + parts - 1 + more, parts)
    assert all(one.last + 1 == other.first for one, other in pairwise(strata))
    assert max(one.size for one in strata) - min(one.size for one in strata) <= 1


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8), st.data())
def test_all_draws_are_allocated(sizes: list[int], data: st.DataObject) -> None:
    strata = []
    begin = 1
    for n, size in enumerate(sizes):
        strata.append(Stratum(str(n), begin, begin + size - 1))
        begin += size
    least = sum(min(2, size) for size in sizes)
    count = data.draw(st.integers(least, sum(sizes)))
    pilot = {"0": Pilot(10, 3)}
    for way in ("equal", "proportional", "neyman"):
        shares = allocate(strata, count, way, pilot, 3.0)
        assert sum(shares) == count
        assert all(min(2, size) <= share <= size for share, size in zip(shares, sizes, strict=True))


def test_neyman_draws_where_outcomes_vary_and_draws_are_cheap() -> None:
    strata = cut(1, 4000, 4)
    rates = {"1": Pilot(98, 49), "2": Pilot(98, 1), "3": Pilot(98, 49), "4": Pilot(98, 97)}
    assert allocate(strata, 1000, "proportional", rates, 0) == [250] * 4
    shares = allocate(strata, 1000, "neyman", rates, 0)
    # Roots of p (1 - p) for p of 0.5, 0.02, 0.5 and 0.98.
    assert shares == pytest.approx([391, 109, 391, 109], abs=1)
    dear = allocate(strata, 1000, "neyman", rates, 3.0)
    assert dear[1] > dear[3], "where hits are many, a draw costs more"


@given(st.integers(2, 60), st.data())
def test_the_probability_that_one_of_several_is_drawn(size: int, data: st.DataObject) -> None:
    drawn = data.draw(st.integers(1, size - 1))
    own = data.draw(st.integers(1, size))
    assert inclusion([(drawn, size, own)]) == pytest.approx(1 - comb(size - own, drawn) / comb(size, drawn))


def test_the_first_ids_of_years() -> None:
    starts = [first_id_of(year, PROJECTS) for year in years(PROJECTS)]
    assert starts[0] is None, "the year in which the site began"
    known = [start for start in starts if start is not None]
    assert known == sorted(known)
    assert known[-1] < PROJECTS[-1][0]
    assert first_id_of(2030, PROJECTS) is None
