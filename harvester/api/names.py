r"""Usernames in a text, found as a reader sees them.

A text is read twice: as it stands, and with percent-encoding, HTML entities and `\uXXXX` decoded. Each reading is
folded (`fold`): small letters, wide and ornamental letters as plain ones, nothing invisible. Every character of a
reading knows which part of the text it stands for, so that a name can be replaced in the text as it was served.

A name counts where it is called (`@name`, `/users/name`, `?q=name`). A name that is distinctive counts as a word too,
also between underscores or dashes (`_name_`), in the plural, and beside another script.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CALLED = ("@", "/users/", "?q=")
"""Prefixes of a name that means the account; the last occurs in the name of a search."""
_LONG = 10
"""Letters from which on a word is distinctive. `basketball` is found too: most words of this length are names."""
_SHORT = 4
"""Length below which no word is distinctive: `x2`, `3-d`."""
_MARKED = re.compile(r"[0-9_-]")
_FIGURE = re.compile(r"[0-9]+(?:[.,:-][0-9]+)*[a-z]{0,3}")
"""`1080p`, `10th`, `2011`: a number with its unit."""

_WORD = re.compile(r"[0-9a-z_\-\u00df-\u024f\u0300-\u036f]+")
"""Latin letters with their accents, digits, and the two signs that usernames have; other scripts end a word."""
_CHUNK = re.compile(r"[^\s@\"'<>()\[\]{},;!?/&#=]+")
"""Pattern of a word that may be a username of another form, as few old accounts have: `p.u.f.f`."""
_EDGES = "_-.:*~|"
_KEPT = 2
"""Signs at an end of a name that may be its own, as in `_name_`: what is stripped begins behind them."""

_ENCODED = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});|\\u[0-9A-Fa-f]{4}"
)
_LAYERS = 3
"""Times that a text is decoded: comments before 2019 were stored encoded twice, and a link may be encoded again."""
_PLAIN = re.compile(r"[\t\n\r -~]*")
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that show nothing, though Unicode doesn't call them format characters."""
_DASHES = dict.fromkeys("\u2010\u2011\u2212", "-")


def _never(_: str) -> bool:
    return False


class Mention(NamedTuple):
    """A part of a text, `text[start:end]`, that holds a name."""

    start: int
    end: int


def fold(text: str) -> str:
    """Fold a text or a name for comparison: equal for what a reader takes for the same letters."""
    return text.lower() if _PLAIN.fullmatch(text) else "".join(map(_fold, text))


def is_distinctive(name: str) -> bool:
    """Tell whether a word is taken for the account of that (folded) name wherever it stands."""
    if not any(map(str.isalpha, name)):
        return False
    if len(name) >= _LONG:
        return True
    return len(name) >= _SHORT and _MARKED.search(name) is not None and _FIGURE.fullmatch(name) is None


def mentions(
    text: str, is_name: Callable[[str], bool], is_other: Callable[[str], bool] = _never, *, words: bool = True
) -> list[Mention]:
    """Find names in a text, in order and without overlaps; linear in the length of the text.

    Args:
        text: what was served.
        is_name: tells whether a folded word is one of the names looked for.
        is_other: tells whether a folded word is the name of another account, which is not taken for a plural or an
            ornament of one of the names.
        words: whether a distinctive name counts as a word too, or only where it is called.
    """
    found: list[Mention] = []
    for folded, starts, ends in _readings(text):
        for start, end in _places(folded, is_name, is_other, words=words):
            place = Mention(starts[start], ends[end - 1]) if starts else Mention(start, end)
            found.append(place)
    found.sort()
    merged: list[Mention] = []
    for place in found:
        if merged and place.start < merged[-1].end:
            merged[-1] = Mention(merged[-1].start, max(merged[-1].end, place.end))
        else:
            merged.append(place)
    return merged


def replaced(
    text: str, by: str, is_name: Callable[[str], bool], is_other: Callable[[str], bool] = _never, *, words: bool = True
) -> str:
    """Replace the names in a text; the arguments are those of `mentions`."""
    parts, done = [], 0
    for start, end in mentions(text, is_name, is_other, words=words):
        parts += [text[done:start], by]
        done = end
    return "".join(parts) + text[done:] if parts else text


def spellings(word: str) -> Iterator[tuple[str, int, int]]:
    """List the names that a (folded) word may stand for, each with its place in the word; the word itself first."""
    yield word, 0, len(word)
    inner = word.strip(_EDGES)
    if not inner:
        return
    before = len(word) - len(word.lstrip(_EDGES))
    after = len(word) - len(word.rstrip(_EDGES))
    for kept_before in range(min(before, _KEPT) + 1):
        for kept_after in range(min(after, _KEPT) + 1):
            start, end = before - kept_before, len(word) - after + kept_after
            if (start, end) != (0, len(word)):
                yield word[start:end], start, end
            for plural in ("s", "es"):
                if not kept_after and word.endswith(plural, start, end) and end - start > len(plural):
                    yield word[start : end - len(plural)], start, end - len(plural)


def _places(
    folded: str, is_name: Callable[[str], bool], is_other: Callable[[str], bool], *, words: bool
) -> Iterator[tuple[int, int]]:
    for pattern in (_WORD, _CHUNK):
        for match in pattern.finditer(folded):
            word, begin = match[0], match.start()
            if pattern is _CHUNK and _WORD.fullmatch(word):
                continue
            if folded.endswith(_CALLED, 0, begin):
                if is_name(word):
                    yield match.span()
                elif pattern is _CHUNK and (bare := word.rstrip(_EDGES)) and is_name(bare):
                    yield begin, begin + len(bare)
                continue
            if not words or len(word) < _SHORT:
                continue
            for name, start, end in spellings(word):
                if is_distinctive(name) and is_name(name):
                    if name == word or not is_other(word):
                        yield begin + start, begin + end
                    break


def _readings(text: str) -> Iterator[tuple[str, list[int], list[int]]]:
    """Read a text as it stands and decoded. Without places, a character stands for the one at its own place."""
    if _PLAIN.fullmatch(text):
        yield text.lower(), [], []
    else:
        yield _folded(text, None, None)
    decoded, starts, ends = text, None, None
    for _ in range(_LAYERS):
        if not _ENCODED.search(decoded):
            break
        decoded, starts, ends = _decoded(decoded, starts, ends)
    if starts is not None and decoded != text:
        yield _folded(decoded, starts, ends)


def _folded(text: str, starts: list[int] | None, ends: list[int] | None) -> tuple[str, list[int], list[int]]:
    letters: list[str] = []
    begins: list[int] = []
    stops: list[int] = []
    for place, character in enumerate(text):
        for letter in _fold(character):
            letters.append(letter)
            begins.append(place if starts is None else starts[place])
            stops.append(place + 1 if ends is None else ends[place])
    return "".join(letters), begins, stops


@lru_cache(maxsize=65_536)
def _fold(character: str) -> str:
    if character in _DASHES:
        return "-"
    category = unicodedata.category(character)
    if category == "Cc":
        return " " if character in "\t\n\r" else ""
    if category == "Cf" or character in _BLANK_LETTERS or "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return ""
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())


def _decoded(text: str, starts: list[int] | None, ends: list[int] | None) -> tuple[str, list[int], list[int]]:
    """Decode one layer; `starts` and `ends` are the places of each character in the text that was served."""
    letters: list[str] = []
    begins: list[int] = []
    stops: list[int] = []

    def add(part: str, start: int, end: int) -> None:
        letters.append(part)
        begins.extend([start if starts is None else starts[start]] * len(part))
        stops.extend([end if ends is None else ends[end - 1]] * len(part))

    done = 0
    for match in _ENCODED.finditer(text):
        for place in range(done, match.start()):
            add(text[place], place, place + 1)
        start, done = match.span()
        code = match[0]
        if code[0] == "%":
            for character in _percent_decoded(code):
                size = 3 * len(character.encode("utf-8", "surrogateescape"))
                add(character, start, start + size)
                start += size
        elif code[0] == "&":
            add(html.unescape(code), start, done)
        else:
            add(chr(int(code.removeprefix("\\u"), base=16)), start, done)
    for place in range(done, len(text)):
        add(text[place], place, place + 1)
    return "".join(letters), begins, stops


def _percent_decoded(code: str) -> str:
    return bytes.fromhex(code.replace("%", "")).decode("utf-8", "surrogateescape")
