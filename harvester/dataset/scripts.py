"""The script that a text is written in, by the names of its letters. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

SCRATCH_EMOJI = re.compile(r":[a-z0-9]+(?:-[a-z0-9]+)*:")
"""An emoji of Scratch's own, as comments hold it."""
_BY_FIRST_WORD = {
    "LATIN": "Latn",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "ARABIC": "Arab",
    "HEBREW": "Hebr",
    "HIRAGANA": "Jpan",
    "KATAKANA": "Jpan",
    "KATAKANA-HIRAGANA": "Jpan",
    "CJK": "Hani",
    "HANGUL": "Kore",
    "THAI": "Thai",
    "DEVANAGARI": "Deva",
}
"""ISO 15924 codes by the first word of the name that Unicode gives a letter."""
_OTHER, _NONE = "Zzzz", "Zyyy"
SCRIPTS = tuple(sorted({*_BY_FIRST_WORD.values(), _OTHER, _NONE}))
"""All codes that `script_of` returns."""


def script_of(text: str) -> str:
    """Return the ISO 15924 code of the script that most letters of a text are of: Zyyy for none, Zzzz for any other."""
    counts: dict[str, int] = {}
    for character in SCRATCH_EMOJI.sub(" ", text):
        if character.isalpha():
            script = _script_of_letter(character)
            counts[script] = counts.get(script, 0) + 1
    if not counts:
        return _NONE
    if "Jpan" in counts and "Hani" in counts:
        counts["Jpan"] += counts.pop("Hani")
    return max(sorted(counts), key=counts.__getitem__)


@cache
def _script_of_letter(character: str) -> str:
    return _BY_FIRST_WORD.get(unicodedata.name(character, "").split(" ")[0], _OTHER)
