"""Charts as numbers: the position of each mark in percent of the width and height that the page has for it. Pure.

The page draws the marks as SVG that stretches, and text that does not, so that letters keep their size on a screen of
any width. A library that lays out the whole picture, such as Vega, fixes its width, or draws in the browser, for which
it needs a script of 900 kB that a strict content security policy does not allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from harvester.wording import counted, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

Noun = tuple[str, str]
"""Names of the things that a chart counts: for one, and for several."""
ENOUGH = 20
"""Least size of a whole of which a part is shown in percent: in a smaller one, each thing is more than five percent."""
_TICKS = 4
"""Approximate number of steps of a scale."""
_LETTERS = 22
"""Number of letters of labels below columns that fit side by side on a phone."""
_SHADES = 4
"""Number of shades of a calendar, without the empty one."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label and its position, in percent."""

    at: float
    label: str
    wide: bool = False
    """True for a column that is shown only on screens wider than a phone's."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A bar: its begin and length in percent, and its text."""

    start: float
    size: float
    says: str
    name: str = ""
    number: str = ""
    tone: int = 0
    """Index of the colour."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns over time, from zero. `rule` is a level to compare them with."""

    marks: tuple[Mark, ...]
    width: float
    scale: tuple[Tick, ...]
    below: tuple[Tick, ...]
    says: str
    caption: str = ""
    rule: Tick | None = None
    kind: str = "columns"


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars side by side, from zero, each with its name before it and its number behind it."""

    marks: tuple[Mark, ...]
    says: str
    caption: str = ""
    kind: str = "bars"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a stack or a matrix."""

    name: str
    marks: tuple[Mark, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """Parts of a whole, line by line; all wholes are equally long."""

    lines: tuple[Line, ...]
    series: tuple[str, ...]
    says: str
    head: str = ""
    caption: str = ""
    kind: str = "stack"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Shares as shades, each with its number. The size of a mark is its share in percent."""

    lines: tuple[Line, ...]
    columns: tuple[str, ...]
    says: str
    head: str = ""
    caption: str = ""
    kind: str = "matrix"


@dataclass(frozen=True, slots=True)
class Cell:
    """A square of a calendar."""

    x: int
    y: int
    shade: int
    says: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Squares in shades; `legend` says what each shade stands for, from none on."""

    cells: tuple[Cell, ...]
    across: int
    down: int
    top: tuple[Tick, ...]
    side: tuple[Tick, ...]
    legend: tuple[str, ...]
    says: str
    caption: str = ""
    kind: str = "calendar"


Chart = Columns | Bars | Stack | Matrix | Calendar


def scale_for(most: float) -> tuple[float, tuple[Tick, ...]]:
    """Return the end of a scale from zero that holds `most`, and its ticks: round numbers, whole if possible."""
    if most <= 0:
        return 1.0, (Tick(0.0, "0"),)
    raw = most / _TICKS
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    if most >= 1 and step < 1:
        step = 1.0
    count = ceil(most / step - 1e-9)
    end = step * count
    return end, tuple(Tick(100 * index / count, short(step * index)) for index in range(count + 1))


def columns(
    values: Sequence[float],
    names: Sequence[str],
    labels: Sequence[str],
    noun: Noun,
    *,
    caption: str = "",
    rule: tuple[float, str] | None = None,
) -> Columns:
    """Draw columns from zero. `names` describe each; `labels` stand below, as many as fit, without the empty ones."""
    level = rule[0] if rule else 0.0
    end, scale = scale_for(max([*values, level], default=0.0))
    room = 100 / max(1, len(values))
    marks = tuple(
        Mark(index * room, 100 * value / end, f"{name}: {counted(value, *noun)}")
        for index, (value, name) in enumerate(zip(values, names, strict=True))
    )
    labelled = [index for index, label in enumerate(labels) if label]
    fitting = max(1, _LETTERS // max([1, *map(len, labels)]))
    finer = max(1, ceil(len(labelled) / (3 * fitting)))
    every = 3 * finer if len(labelled) > fitting else finer
    below = tuple(
        Tick((index + 0.5) * room, labels[index], bool(place * finer % every))
        for place, index in enumerate(labelled[::finer])
    )
    highest = max(range(len(values)), key=lambda index: values[index], default=None)
    says = f"{counted(len(values), 'column')} of {noun[1]}"
    if highest is not None:
        says += f", from {names[0]} to {names[-1]}; the highest is {plain(values[highest])} at {names[highest]}"
    return Columns(marks, room, scale, below, says, caption, Tick(100 * level / end, rule[1]) if rule else None)


def share(part: float, whole: float) -> float:
    """Return a part of a whole in percent; 0 of nothing is 0."""
    return 100 * part / whole if whole else 0.0


def part_of(part: float, whole: float) -> str:
    """Return a part as a share of a whole: `45%`, or its number where the whole is small."""
    return percent(share(part, whole)) if whole >= ENOUGH else plain(part)


def out_of(part: float, whole: float, one: str, many: str = "") -> str:
    """Return a part of a whole: `45% of 120 users`, `3 of 7 users`."""
    return f"{part_of(part, whole)} of {counted(whole, one, many)}"


def bars(pairs: Sequence[tuple[str, float]], noun: Noun, *, caption: str = "") -> Bars:
    """Draw bars from zero, the longest as long as the room."""
    end = max([value for _, value in pairs], default=0.0) or 1.0
    return _bars(
        [Mark(0.0, 100 * value / end, f"{name}: {counted(value, *noun)}", name, plain(value)) for name, value in pairs],
        noun[1],
        caption,
    )


def shares(parts: Sequence[tuple[str, float, float]], noun: Noun, *, caption: str = "") -> Bars:
    """Draw bars for parts, each of its whole, which is as long as the room."""
    return _bars(
        [
            Mark(
                0.0, share(part, whole), f"{name}: {plain(part)} of {counted(whole, *noun)}", name, part_of(part, whole)
            )
            for name, part, whole in parts
        ],
        f"shares of {noun[1]}",
        caption,
    )


def percentages(pairs: Sequence[tuple[str, float]], what: str, *, caption: str = "") -> Bars:
    """Draw bars for percentages that are estimated, not counted."""
    return _bars(
        [Mark(0.0, value, f"{name}: {value:.1f}% {what}", name, percent(value)) for name, value in pairs],
        f"percent {what}",
        caption,
    )


def _bars(marks: Sequence[Mark], what: str, caption: str) -> Bars:
    return Bars(tuple(marks), f"{counted(len(marks), 'bar')} of {what}", caption)


def stack(
    lines: Sequence[tuple[str, Sequence[int], str]], series: Sequence[str], noun: Noun, *, head: str = ""
) -> Stack:
    """Draw a bar of parts for each line; a line has a name, the parts and a note."""
    made = []
    for name, parts, note in lines:
        whole = sum(parts)
        start = 0.0
        marks = []
        for tone, (part, called) in enumerate(zip(parts, series, strict=True)):
            size = share(part, whole)
            if part:
                says = f"{name}, {called}: {plain(part)} of {counted(whole, *noun)}"
                marks.append(Mark(start, size, says, tone=tone))
            start += size
        made.append(Line(name, tuple(marks), note))
    says = f"{counted(len(made), 'line')}, each divided into {', '.join(series)}"
    return Stack(tuple(made), tuple(series), says, head)


def matrix(
    lines: Sequence[tuple[str, Sequence[tuple[int, int] | None], str]],
    names: Sequence[str],
    noun: Noun,
    what: str,
    *,
    head: str = "",
) -> Matrix:
    """Draw parts of wholes as shades, in percent or where the whole is small as `3/7`; None leaves a square out."""
    made = []
    for line, pairs, note in lines:
        marks = []
        for column, pair in enumerate(pairs):
            if pair is None:
                continue
            part, whole = pair
            # A narrow square breaks the line at the space without width.
            number = part_of(part, whole)[:-1] if whole >= ENOUGH else f"{part}/\N{ZERO WIDTH SPACE}{whole}"
            says = f"{line}, {names[column]}: {out_of(part, whole, *noun)} {what}"
            marks.append(Mark(column, share(part, whole), says, number=number))
        made.append(Line(line, tuple(marks), note))
    says = f"{counted(len(made), 'line')} by {counted(len(names), 'column')}: shares of {noun[1]} {what}"
    return Matrix(tuple(made), tuple(names), says, head)


def shades(numbers: Sequence[int]) -> tuple[int, ...]:
    """Return the highest number of each shade: about as many squares have the one as the other, without the empty ones.

    Thus one day that is much busier than all others takes no shade from them.
    """
    ordered = sorted(number for number in numbers if number)
    return tuple(
        dict.fromkeys(ordered[ceil(len(ordered) * part / _SHADES) - 1] for part in range(1, _SHADES + 1) if ordered)
    )


def calendar(
    squares: Sequence[tuple[int, int, int, str]],
    noun: Noun,
    *,
    top: Sequence[tuple[int, str]],
    side: Sequence[tuple[int, str]],
    caption: str = "",
) -> Calendar:
    """Draw squares, each by its column, row, number and name."""
    across = 1 + max((x for x, *_ in squares), default=0)
    down = 1 + max((y for _, y, *_ in squares), default=0)
    bounds = shades([square[2] for square in squares])
    cells = tuple(
        Cell(
            x,
            y,
            sum(number > bound for bound in (0, *bounds[:-1])) if number else 0,
            f"{name}: {counted(number, *noun)}",
        )
        for x, y, number, name in squares
    )
    ranges = [(low + 1, high) for low, high in pairwise((0, *bounds))]
    legend = ("0", *(plain(high) if low == high else f"{plain(low)}\N{EN DASH}{plain(high)}" for low, high in ranges))
    total = sum(square[2] for square in squares)
    return Calendar(
        cells,
        across,
        down,
        tuple(Tick(100 * x / across, label) for x, label in top),
        tuple(Tick(100 * (y + 0.5) / down, label) for y, label in side),
        legend,
        f"{counted(len(cells), 'square')} in {counted(len(legend), 'shade')}, {counted(total, *noun)} together",
        caption,
    )


def short(number: float) -> str:
    """Return a number for an axis or a headline: 950, 12.5 k, 164 M."""
    for size, letter, least in ((1e9, "G", 0.9995e9), (1e6, "M", 0.9995e6), (1e3, "k", 1e4)):
        if number >= least:
            return f"{number / size:,.3g}\N{NO-BREAK SPACE}{letter}"
    return plain(number) if number >= 1 or number == 0 else f"{number:.3g}"


def percent(number: float) -> str:
    """Format a percentage without false precision; only exact values show as 0% or 100%."""
    if 0 < number < 1:
        return "<1%"
    if 99 < number < 100:
        return ">99%"
    return f"{number:.0f}%"
