"""Each answer of the reviewer's checklist names a test or a file that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (TOP / "docs" / "review.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| ---")
]
HEADS = ("question", "principle", "property")
ANSWERS = {row[0]: row for row in ROWS if row[0] not in HEADS}


def missing(named: str) -> str | None:
    """Return what does not exist of a file, or of a test as pytest names it; None if all does."""
    path, _, test = named.partition("::")
    if not (TOP / path).is_file():
        return path
    if not test:
        return None
    nodes = ast.walk(ast.parse((TOP / path).read_text()))
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return None if test in functions else test


@pytest.mark.parametrize("question", ANSWERS)
def test_each_answer_has_something_behind_it(question: str) -> None:
    assert len(ANSWERS[question]) == 3
    _, answer, behind = ANSWERS[question]
    named = re.findall(r"`([^`]+)`", behind)
    assert answer
    assert named
    assert [one for one in named if missing(one)] == []


def test_the_three_lists_are_there() -> None:
    assert [row[0] for row in ROWS if row[0] in HEADS] == list(HEADS)
    assert len(ANSWERS) >= 40


def test_what_does_not_exist_is_found() -> None:
    assert missing("tests/docs/test_review.py::test_nothing") == "test_nothing"
    assert missing("docs/nowhere.md") == "docs/nowhere.md"
