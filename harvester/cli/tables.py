"""Tables for a terminal of any width: no number is cut, and no letter is left out."""

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table

_GAP = 2
"""Blanks between two columns."""
_NARROWEST_TEXT = 8
"""Letters of a folded text in a line, at least."""


class _Words:
    """A text whose long words are folded behind their underscores, where they have some."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Measure the text as it is."""
        return Measurement.get(console, options, self._text)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Render the text, folded to the given width."""
        yield _folded(self._text, options.max_width)


class FoldingTable(Table):
    """A table without lines that fits the width it is printed in: see `harvester.cli.output.table`."""

    def add_row(self, *cells: RenderableType | None, **more: Any) -> None:
        """Add a row; texts may be folded."""
        super().add_row(*(_Words(cell) if isinstance(cell, str) else cell for cell in cells), **more)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as a table, or as lists of values where its columns do not fit."""
        most = [max(measures, default=0) for measures in self._measures(console, options)]
        least = self._least(console, options)
        room = options.max_width - _GAP * (len(most) - 1)
        if sum(least) > room:
            yield from self._as_lists(console, options)
            return
        for column, width in zip(self.columns, _spread(least, most, room), strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _measures(self, console: Console, options: ConsoleOptions) -> Iterable[list[int]]:
        wide = options.update_width(10_000)
        for column in self.columns:
            yield [Measurement.get(console, wide, cell).maximum for cell in (column.header, *column.cells)]

    def _least(self, console: Console, options: ConsoleOptions) -> list[int]:
        """Return the width below which each column would lose a number, or the words of its title."""
        least = []
        for column, (header, *cells) in zip(self.columns, self._measures(console, options), strict=True):
            word = Measurement.get(console, options.update_width(10_000), column.header).minimum
            longest = max(cells, default=0)
            if column.justify != "right":
                word, longest = min(word, _NARROWEST_TEXT), min(longest, _NARROWEST_TEXT)
            least.append(min(max(word, longest), max(header, longest)))
        return least

    def _as_lists(self, console: Console, options: ConsoleOptions) -> RenderResult:
        measures = list(self._measures(console, options))
        longest_title = max(header for header, *_ in measures)
        of_numbers = [
            cells for column, (_, *cells) in zip(self.columns, measures, strict=True) if column.justify == "right"
        ]
        longest_number = max((width for cells in of_numbers for width in cells), default=0)
        # Titles are folded where a number would not fit beside them.
        title_width = max(1, min(longest_title, options.max_width - _GAP - longest_number))
        for cells in zip_longest(*(list(column.cells) for column in self.columns), fillvalue=""):
            row = Table(box=None, show_header=False, pad_edge=False)
            row.add_column(style="bold", overflow="fold", width=title_width)
            row.add_column(overflow="fold")
            for column, cell in zip(self.columns, cells, strict=True):
                row.add_row(column.header, cell)
            yield from row.__rich_console__(console, options)
            yield ""


def _folded(text: str, width: int) -> str:
    """Fold the words of a text that are longer than a width behind their underscores."""
    lines = [""]
    for part in re.findall("[^_]*_+|[^_]+", text):
        if lines[-1].rpartition(" ")[2] and len((lines[-1] + part.rstrip()).rpartition(" ")[2]) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _spread(least: list[int], most: list[int], room: int) -> list[int]:
    """Return widths of at least `least` that share `room`, a column at a time, and take no more than `most`."""
    widths, left = list(least), room - sum(least)
    while left > 0 and (open_ := [number for number, width in enumerate(widths) if width < most[number]]):
        most_cut = min(open_, key=lambda number: widths[number] - most[number])
        widths[most_cut] += 1
        left -= 1
    return widths
