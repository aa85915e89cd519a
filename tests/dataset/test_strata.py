"""Strata of suppressed rows: nobody or k people are behind each number, and the weights make up for all rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.dataset.strata import RowStratum, merge

COUNTS = st.tuples(st.integers(0, 30), st.integers(0, 15), st.integers(0, 15))


@given(counts=st.lists(COUNTS, min_size=1, max_size=12), k=st.integers(2, 12))
def test_merged_strata_hide_few_people_and_keep_all_rows(counts: list[tuple[int, int, int]], k: int) -> None:
    # At least as many rows are suppressed as people; a person may be counted in another stratum.
    strata = [
        RowStratum((str(number),), shown + max(rows, people), shown, people)
        for number, (shown, rows, people) in enumerate(counts)
    ]
    merged = merge(strata, k)
    assert [name for one in merged for name in one.names] == [name for one in strata for name in one.names]
    assert sum(one.rows for one in merged) == sum(one.rows for one in strata)
    if len(merged) > 1:
        assert all(one.shown and (one.rows == one.shown or one.people >= k) for one in merged)
    assert all(one.shown * one.weight == pytest.approx(one.rows) for one in merged if one.shown)


def test_strata_that_may_be_stated_stay_apart() -> None:
    strata = [
        RowStratum((name,), 20, 20 - hidden, hidden) for name, hidden in (("a", 0), ("b", 12), ("c", 0), ("d", 10))
    ]
    assert merge(strata, 10) == strata


def test_people_of_merged_strata_add_up() -> None:
    strata = [RowStratum((name,), 20, 20 - hidden, hidden) for name, hidden in (("a", 4), ("b", 7), ("c", 0))]
    assert [one.names for one in merge(strata, 10)] == [("a", "b"), ("c",)]


def test_few_suppressed_people_join_the_next_stratum() -> None:
    strata = [RowStratum((name,), 20, 20 - hidden, hidden) for name, hidden in (("a", 4), ("b", 7), ("c", 0), ("d", 2))]
    merged = merge(strata, 10)
    assert [one.names for one in merged] == [("a", "b", "c", "d")]
    assert merged[0].as_json() == {"stratum": "a to d", "rows": 80, "shown": 67, "suppressed": 13}


def test_weights_of_a_sample_keep_their_sum() -> None:
    stratum = RowStratum(("a",), 20, 16, 12, drawn_weight=100.0, shown_weight=64.0)
    assert stratum.factor * 64 == 100
    assert stratum.weight == 1.25
