"""Recall of the redaction of texts, measured on made-up comments, by kind and language.

`python -m harvester.dataset.recall` prints the table. A value counts as found only if all of its characters are gone.
The stated figures are in `recall.json` (`--write` renews it); the datasheet and docs/datasets.md repeat them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harvester.dataset.corpus import FRESH, KINDS, LANGUAGES, PARTS, USERNAMES, comments
from harvester.dataset.redact import Names, find

if TYPE_CHECKING:
    from harvester.dataset.corpus import LabelledComment


STATED = "recall.json"


class Score(NamedTuple):
    """Values that should be found and were; finds that should be made, of those made."""

    values: int
    found: int
    finds: int
    right: int

    @property
    def recall(self) -> float:
        """The share of values that were found."""
        return self.found / self.values if self.values else 1.0

    @property
    def precision(self) -> float:
        """The share of finds that touch a value of any kind."""
        return self.right / self.finds if self.finds else 1.0


def measure(part: str = FRESH) -> dict[tuple[str, str], Score]:
    """Return the score of each kind and language, of each language (`all` kinds), and of each kind (`all`)."""
    names = known_names(part)
    counts: Counter[tuple[str, str, str]] = Counter()
    for comment in comments(part):
        for kind, what in _judge(comment, names):
            for one in (kind, "all"):
                for language in (comment.language, "all"):
                    counts[one, language, what] += 1
    return {
        (kind, language): Score(*(counts[kind, language, what] for what in ("value", "found", "find", "right")))
        for kind in (*KINDS, "all")
        for language in (*LANGUAGES, "all")
    }


def known_names(part: str) -> Names:
    """Return the usernames that a warehouse would know."""
    return Names(USERNAMES[part], lambda name: f"p{len(name)}")


def _judge(comment: LabelledComment, names: Names) -> list[tuple[str, str]]:
    spans = find(comment.text, names)
    covered = {place for span in spans for place in range(span.start, span.end)}
    told = []
    for label in comment.labels:
        told.append((label.kind, "value"))
        if covered.issuperset(range(label.start, label.end)):
            told.append((label.kind, "found"))
    for span in spans:
        told.append((span.kind, "find"))
        if any(span.start < label.end and label.start < span.end for label in comment.labels):
            told.append((span.kind, "right"))
    return told


def percentages(scores: dict[tuple[str, str], Score]) -> dict[str, dict[str, int]]:
    """Return recall by kind and language, and precision by kind, in whole percent.

    Rounded down, so that no stated figure is above the measured one.
    """
    return {
        kind: {language: int(scores[kind, language].recall * 100 + 1e-9) for language in (*LANGUAGES, "all")}
        | {"precision": int(scores[kind, "all"].precision * 100 + 1e-9)}
        for kind in (*KINDS, "all")
    }


def stated(part: str = FRESH) -> dict[str, dict[str, int]]:
    """Return the documented figures of a part of the corpus; the datasheet repeats those of `FRESH`."""
    text = resources.files("harvester.dataset").joinpath(STATED).read_text(encoding="utf-8")
    figures: dict[str, dict[str, dict[str, int]]] = json.loads(text)
    return figures[part]


def table(figures: dict[str, dict[str, int]]) -> str:
    """Return the figures in Markdown."""
    columns = (*LANGUAGES, "all", "precision")
    lines = [f"| {' | '.join(['kind', *columns])} |", f"| --- |{' --: |' * len(columns)}"]
    lines += [f"| {' | '.join([kind, *(f'{row[name]}%' for name in columns)])} |" for kind, row in figures.items()]
    return "\n".join(lines)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m harvester.dataset.recall", description=__doc__)
    parser.add_argument("--part", choices=PARTS, default=FRESH, help="which templates (default: those that judge)")
    parser.add_argument(
        "--write", action="store_true", help=f"write what was measured of all that were not tuned with to {STATED}"
    )
    options = parser.parse_args()
    if options.write:
        text = json.dumps({part: percentages(measure(part)) for part in PARTS[1:]}, indent=1) + "\n"
        Path(__file__).with_name(STATED).write_text(text, encoding="utf-8")
    sys.stdout.write(table(percentages(measure(options.part))) + "\n")


if __name__ == "__main__":
    _main()
