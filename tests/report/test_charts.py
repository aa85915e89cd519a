"""Marks stand where the numbers say, on axes that begin at zero."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harvester.report import charts
from harvester.report.page import moment_of

numbers = st.lists(st.one_of(st.integers(0, 10**9), st.floats(0, 1e9, allow_subnormal=False)), min_size=1, max_size=60)


@given(st.floats(1e-3, 1e12))
def test_a_scale_begins_at_zero_and_holds_all(most):
    end, ticks = charts.scale_for(most)
    assert end >= most * 0.999
    assert ticks[0] == charts.Tick(0.0, "0")
    assert ticks[-1].at == 100
    assert 2 <= len(ticks) <= 7
    steps = [later.at - earlier.at for earlier, later in pairwise(ticks)]
    assert all(abs(step - steps[0]) < 1e-6 for step in steps)


@given(st.integers(1, 10**12))
def test_ticks_are_told_apart_and_say_where_they_stand(most):
    end, ticks = charts.scale_for(most)
    assert len({tick.label for tick in ticks}) == len(ticks)
    for tick in ticks:
        number, _, letter = tick.label.replace(",", "").partition("\N{NO-BREAK SPACE}")
        told = float(number) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[letter]
        assert abs(told - tick.at / 100 * end) <= 0.01 * end


@given(numbers)
def test_columns_are_as_high_as_their_numbers(values):
    made = charts.columns(values, [str(index) for index in range(len(values))], [""] * len(values), ("thing", "things"))
    assert len(made.marks) == len(values)
    end, _ = charts.scale_for(max(values))
    for mark, value in zip(made.marks, values, strict=True):
        assert abs(mark.size / 100 * end - value) <= 1e-6 * end
    assert abs(made.width * len(values) - 100) < 1e-6


@given(st.lists(st.text("0123456789:", min_size=1, max_size=10), min_size=1, max_size=60))
def test_labels_below_columns_fit_a_phone(labels):
    made = charts.columns([1] * len(labels), labels, labels, ("thing", "things"))
    assert made.below
    shown = [tick for tick in made.below if not tick.wide]
    assert shown
    assert len(shown) == 1 or sum(len(tick.label) for tick in shown) <= 22 + len(max(labels, key=len))
    # Where there is room three times as many stand between them, evenly.
    assert len(made.below) <= 3 * len(shown)
    steps = [later.at - tick.at for tick, later in pairwise(made.below)]
    assert not steps or max(steps) - min(steps) < 1e-6


@given(numbers)
def test_bars_are_as_long_as_their_numbers(values):
    made = charts.bars([(str(index), value) for index, value in enumerate(values)], ("thing", "things"))
    longest = max(values) or 1
    assert all(abs(mark.size - 100 * value / longest) < 1e-6 for mark, value in zip(made.marks, values, strict=True))


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=5))
def test_parts_of_a_stack_fill_it_one_behind_the_other(parts):
    (line,) = charts.stack([("one", parts, "")], [str(part) for part in parts], ("list", "lists")).lines
    assert abs(sum(mark.size for mark in line.marks) - (100 if sum(parts) else 0)) < 1e-6
    for mark, later in pairwise(line.marks):
        assert abs(mark.start + mark.size - later.start) < 1e-6


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_each_square_has_the_shade_whose_range_holds_its_number(values):
    made = charts.calendar(
        [(index, 0, value, "day") for index, value in enumerate(values)], ("act", "acts"), top=(), side=()
    )
    for cell, value in zip(made.cells, values, strict=True):
        low, _, high = made.legend[cell.shade].replace(",", "").partition("\N{EN DASH}")
        assert int(low) <= value <= int(high or low)


@given(st.floats(0, 100))
def test_a_percentage_is_not_rounded_to_none_or_all(share):
    told = charts.percent(share)
    assert (told == "0%") == (share == 0)
    assert (told == "100%") == (share == 100)
    assert re.fullmatch(r"[<>]?\d+%", told)


def test_short_numbers():
    told = [charts.short(number) for number in (0, 0.25, 7, 9_999, 12_345, 999_999, 164_307_034, 2e9)]
    assert [one.replace("\N{NO-BREAK SPACE}", " ") for one in told] == [
        "0", "0.25", "7", "9,999", "12.3 k", "1 M", "164 M", "2 G",
    ]  # fmt: skip


@given(st.integers(0, 10**8))
def test_the_past_fits_into_steps_of_four_weeks_at_most(seconds):
    at = datetime(2026, 6, 1, 12, 34, 56, tzinfo=UTC)
    moment = moment_of(at, at - timedelta(seconds=seconds), 5.0)
    shown = min(seconds, 28 * 86_400)
    assert moment.since <= at - timedelta(seconds=shown)
    assert (at - moment.since).total_seconds() <= 56 * moment.step
    # No coarser than it must be: with half the step or less it would not have fitted.
    assert moment.step == 10 or shown > 10 * 55
