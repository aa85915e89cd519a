"""Texts made to be slow to read, of each rule's own parts, and what is measured of them.

    PYTHONPATH=. valgrind --tool=callgrind --dump-before=sched_yield python tests/dataset/hostile.py

Callgrind writes the instructions between two calls of `sched_yield` to a file: one for each line that is printed.
"""

from __future__ import annotations

import os
import random
import re
import sys
from contextlib import suppress
from functools import partial
from re import _constants as sre
from re import _parser
from typing import TYPE_CHECKING, Any

from harvester.api.names import mentions
from harvester.api.profile_html import decode_page
from harvester.api.text import decode_text, without_tokens
from harvester.dataset.redact import _PROPER_TAIL, Names, find
from harvester.dataset.redact_rules import LEARN_NAME, PLAIN_NAME, RULES
from harvester.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1_000, 10_000, 100_000)
ANY = ("-", "a-", "-.", "a ", "1 ", "a--", "_", "@a", "1-", "%41", "&#65;", "\u200b", "次", "A la ")
MARKUP = (
    "<b>",
    "<b></b>",
    "</b>",
    "<div>",
    "<div></div>",
    '<li class="reply">',
    "<a x=1>",
    "<a ",
    "&amp;",
    "<!--",
    "<br>",
)
PAGE = '<li class="reply"><div class="comment" data-comment-id="1"><div class="content">{}</div></div></li>'


def _match(tree: Any, chance: random.Random) -> str:
    """A text that a parsed pattern matches, or nearly."""
    made = ""
    for operation, argument in tree:
        if operation is sre.LITERAL:
            made += chr(argument)
        elif operation is sre.IN:
            kinds = [each for each in argument if each[0] in (sre.LITERAL, sre.RANGE)]
            if argument[0][0] is sre.NEGATE or not kinds:
                made += chance.choice("x -0")
            else:
                kind, value = chance.choice(kinds)
                made += chr(value if kind is sre.LITERAL else chance.randint(*value))
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, inner = argument
            made += "".join(_match(inner, chance) for _ in range(chance.randint(least, min(most, least + 4))))
        elif operation is sre.BRANCH:
            made += _match(chance.choice(argument[1]), chance)
        elif operation in (sre.SUBPATTERN, sre.ATOMIC_GROUP):
            made += _match(argument[-1] if operation is sre.SUBPATTERN else argument, chance)
    return made


def _classes(tree: Any) -> set[str]:
    """A character of each class that is repeated."""
    found: set[str] = set()
    for operation, argument in tree:
        if operation is sre.IN:
            found |= {chr(value if kind is sre.LITERAL else value[0]) for kind, value in argument
                      if kind in (sre.LITERAL, sre.RANGE)}  # fmt: skip
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            found |= _classes(argument[2])
        elif operation is sre.BRANCH:
            found = found.union(*map(_classes, argument[1]))
        elif operation in (sre.SUBPATTERN, sre.ATOMIC_GROUP):
            found |= _classes(argument[-1] if operation is sre.SUBPATTERN else argument)
    return found


def texts(pattern: re.Pattern[str]) -> list[str]:
    """Parts that make a pattern work when they are repeated: its characters, its matches, and near misses."""
    tree = _parser.parse(pattern.pattern)
    chance = random.Random(pattern.pattern)
    matches = [_match(tree, chance) for _ in range(3)]
    near = [part for match in matches for part in (match[:-1], f"{match[: len(match) // 2 + 1]} ")]
    classes = sorted(_classes(tree))
    return [part for part in {*matches, *near, *chance.sample(classes, min(3, len(classes))), "-", "a-"} if part]


def _page(content: str) -> None:
    with suppress(DecodeError):
        decode_page(PAGE.format(content).encode())


def subjects() -> dict[str, tuple[Callable[[str], Any], list[str]]]:
    """What is measured: each with the parts of its texts."""
    patterns = {f"{number} {rule.kind}": rule.pattern for number, rule in enumerate(RULES)}
    patterns |= {"learnt name": LEARN_NAME, "plain name": PLAIN_NAME, "proper noun": _PROPER_TAIL}
    found: dict[str, tuple[Callable[[str], Any], list[str]]] = {
        name: (partial(_all, pattern), texts(pattern)) for name, pattern in patterns.items()
    }
    return found | {
        "find": (partial(find, names=Names(["cool_cat"], str)), list(ANY)),
        "mentions": (lambda text: mentions(text, {"cool_cat"}.__contains__), list(ANY)),
        "decode_text": (decode_text.__wrapped__, [*ANY, "&#9", "&", "&amp", '<img src="/images/emoji/a', "&#0"]),
        "without_tokens": (lambda text: without_tokens(text.encode()), [*ANY, '"project_token":', "1", "1_", "\\"]),
        "decode_page": (_page, list(MARKUP)),
    }


def _all(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))


def main() -> None:
    chosen = subjects()
    for measure, parts in chosen.values():  # caches and tables that are made at the first call
        measure(parts[0] * 3)
    for name, (measure, parts) in chosen.items():
        for size in SIZES:
            made = [(part * (size // len(part) + 1))[:size] for part in parts]
            os.sched_yield()
            for text in made:
                measure(text)
            os.sched_yield()
            sys.stdout.write(f"{name}\t{size}\n")


if __name__ == "__main__":
    main()
