"""Tables in terminals of any width: nothing that they hold is left out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harvester.cli import output

_WORDS = st.text("abcdefgh_ ", max_size=24)
_NUMBERS = st.integers(0, 10**9).map("{:,}".format)
_ROWS = st.lists(st.tuples(_WORDS, _NUMBERS, _NUMBERS, _WORDS, _NUMBERS), min_size=1, max_size=6)
_COLUMNS = ("stream", "in scope", "end seen once", "what it is", "visited")
_OF_NUMBERS = ("in scope", "end seen once", "visited")


def printed(rows: list[tuple[str, ...]], width: int) -> list[str]:
    console = Console(width=width, color_system=None, highlight=False)
    table = output.table(*_COLUMNS, numbers=_OF_NUMBERS)
    for row in rows:
        table.add_row(*row)
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines()


def letters(texts: list[str]) -> Counter[str]:
    return Counter("".join("".join(texts).split()))


@given(_ROWS, st.integers(26, 120))
def test_no_number_and_no_letter_is_lost(rows: list[tuple[str, ...]], width: int) -> None:
    lines = printed(rows, width)
    assert all(len(line) <= width for line in lines)
    shown = [word for line in lines for word in line.split()]
    for row in rows:
        for number in (row[1], row[2], row[4]):
            assert number in shown
    assert not letters([cell for row in rows for cell in row]) + letters(list(_COLUMNS)) - letters(lines)


def test_a_title_is_folded_beside_a_long_number() -> None:
    lines = printed([("", "0", "0", "", "1,000,000,000"), ("", "0", "1,000,000,000", "", "0")], 26)
    assert sum("1,000,000,000" in line.split() for line in lines) == 2
    assert all(len(line) <= 26 for line in lines)


def test_a_wide_terminal_gets_a_line_for_each_row() -> None:
    lines = printed([("projects", "1", "2", "a list", "3"), ("users", "10", "20", "another", "30")], 120)
    assert [line.split() for line in lines] == [
        ["stream", "in", "scope", "end", "seen", "once", "what", "it", "is", "visited"],
        ["projects", "1", "2", "a", "list", "3"],
        ["users", "10", "20", "another", "30"],
    ]
    # No line is longer than its longest words need.
    assert max(map(len, lines)) == len("projects  in scope  end seen once  what it is  visited")


def test_a_name_is_folded_behind_its_underscores() -> None:
    lines = printed([("studio_managers", "1", "2", "by whom", "3")], 42)
    assert {"studio_", "managers"} <= {word for line in lines for word in line.split()}
