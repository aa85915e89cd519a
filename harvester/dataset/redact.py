"""Redaction of texts: features of a text, or the text without the words that identify or locate a person.

The rules work offline, in English, Spanish, Portuguese, German, French, Japanese and Turkish at once, since the
language of a comment is not known. They look for what children give away, as children write it ("im 1 0", "dis cord"),
and rather remove too much. They do not find everything: `harvester.dataset.recall` measures how much.

Text is matched in a folded form: small letters without accents, one sign for all symbols, no invisible characters. Each
character of it is mapped to its position in the text.
"""

# ruff: noqa: RUF001  (letters that look like others are what is looked for)

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harvester.api.names import fold, mentions
from harvester.dataset.redact_lists import ORDINARY, first_names, kana_names, places, places_in_han
from harvester.dataset.redact_rules import LEARN_NAME, NEEDED, PLAIN_NAME, RULES, SYMBOL
from harvester.dataset.scripts import SCRATCH_EMOJI, script_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_WORD = re.compile(r"\w+")
_LATIN_WORD = re.compile(r"[A-Za-z]+")
_PLACE_SUFFIX = re.compile(r"(?:li|lu|lilar|lular|liyim|luyum|da|de|ta|te|dan|den|tan|ten|ya|ye|er)$")
_QUIET = " .:'\"(-¡¿!?,~"
_ENDS = (".", "!", "?")
_SHORT, _WORDS_OF_A_PLACE = 3, 3
_CANDIDATE = re.compile(r"[A-Za-z0-9_-]{2,30}")
_DISTINCT_LENGTH = 8


class Span(NamedTuple):
    """A part of a text, and the kind of information in it."""

    start: int
    end: int
    kind: str


class Names:
    """Known usernames, eight bytes each, and what stands for one.

    Names are held as hashes, sorted: ten million take 80 MB. Capitals make no difference, as on the site.
    """

    def __init__(self, usernames: Iterable[str], pseudonym: Callable[[str], str]) -> None:
        hashes = array("Q", (_hash(name) for name in usernames))
        self._hashes = np.unique(np.frombuffer(hashes, dtype=np.uint64)) if hashes else np.zeros(0, np.uint64)
        self._pseudonym = pseudonym

    def __contains__(self, name: str) -> bool:
        value = np.uint64(_hash(name))
        place = int(np.searchsorted(self._hashes, value))
        return place < len(self._hashes) and self._hashes[place] == value

    def stand_in(self, name: str) -> str:
        """Return the replacement of a name: its pseudonym if the name is known, so that threads can be followed."""
        return f"@{self._pseudonym(name.lower())}" if name in self else "@[user]"


def redact(text: str, names: Names) -> str:
    """Replace parts that identify a person or a place by their kind in brackets."""
    parts, done = [], 0
    for span in find(text, names):
        if span.kind in {"mention", "user"}:
            written = names.stand_in(fold(text[span.start : span.end]).lstrip("@ "))
        else:
            written = f"[{span.kind}]"
        parts += [text[done : span.start], written]
        done = span.end
    return "".join(parts) + text[done:]


def find(text: str, names: Names) -> list[Span]:
    """Find the spans that must not be published, in order; of two that overlap the longer one counts."""
    spans: list[Span] = []
    folded = _Folded(text)
    found = [*_by_rules(folded), *_by_lists(folded), *_usernames(text, folded, names)]
    for span in sorted(found, key=lambda one: (one.start, one.start - one.end)):
        if spans and span.start < spans[-1].end:
            last = spans[-1]
            longer = last if last.end - last.start >= span.end - span.start else span
            spans[-1] = Span(last.start, max(last.end, span.end), longer.kind)
        else:
            spans.append(span)
    return spans


def features(text: str) -> dict[str, Any]:
    """Compute the features of a text that are published in its place.

    `language_script` is the ISO 15924 code of the script that most of its letters are of: Zyyy where it has none.
    """
    plain = SCRATCH_EMOJI.sub(" ", text)
    folded = _Folded(plain)
    kinds = [kind for kind, pattern, _ in RULES if kind in {"link", "mention"} for _ in pattern.finditer(folded.small)]
    return {
        "length": len(text),
        "words": len(_WORD.findall(plain)),
        "emoji_count": len(SCRATCH_EMOJI.findall(text)) + sum(map(_is_emoji, plain)),
        "language_script": script_of(text),
        "question": any(mark in text for mark in "?？؟;"),
        "link_count": kinds.count("link"),
        "mention_count": kinds.count("mention"),
    }


def _by_rules(folded: _Folded) -> Iterator[Span]:
    missing = [needs for needs in NEEDED if not needs.search(folded.small)]
    for kind, pattern, needs in RULES:
        if needs in missing:
            continue
        for match in pattern.finditer(folded.small):
            group = match.lastgroup or 0
            if match.start(group) < match.end(group):
                start, end = match.span(group)
                if group in {"proper", "proper_name"}:
                    end = folded.end_of_proper_noun(end)
                yield folded.span(start, end, kind)
    for match in LEARN_NAME.finditer(folded.cased):
        yield folded.span(*match.span("name"), "name")


def _by_lists(folded: _Folded) -> Iterator[Span]:
    """Find first names and large places; one that is also an ordinary word needs a capital inside a sentence."""
    words = list(_LATIN_WORD.finditer(folded.cased))
    shouted = folded.cased.isupper()
    for number, word in enumerate(words):
        small = word[0].lower()
        is_capital = word[0][0].isupper() and not shouted
        opens = _opens(folded.cased, word.start())
        certain = (small not in ORDINARY and len(small) > _SHORT) or (is_capital and not opens)
        if small in first_names() and certain:
            yield folded.span(*word.span(), "name")
        for last in words[number : number + _WORDS_OF_A_PLACE]:
            if last is word and not certain:
                continue
            for end in _ends(folded.small, word.start(), last.end()):
                if folded.small[word.start() : end] in places():
                    yield folded.span(word.start(), last.end(), "place")
    if not folded.cased.isascii():
        for pattern, kind in ((kana_names(), "name"), (places_in_han(), "place")):
            yield from (folded.span(*match.span(), kind) for match in pattern.finditer(folded.cased))


def _opens(text: str, place: int) -> bool:
    """Return whether a sentence begins here, where a capital is no sign of a name."""
    before = text[max(0, place - 8) : place]
    return not before.strip(_QUIET) or before.rstrip()[-1:] in _ENDS


def _ends(small: str, start: int, end: int) -> Iterator[int]:
    """Yield the positions where a word may end: before the suffixes that Turkish and German add to a place, too."""
    yield end
    suffix = _PLACE_SUFFIX.search(small, start, end)
    if suffix and suffix.start() - start > _SHORT:
        yield suffix.start()


def _usernames(text: str, folded: _Folded, names: Names) -> Iterator[Span]:
    """Find known usernames, hidden ones too; one that may be a word needs words around it that make it a name."""
    credited = {folded.places[match.start(match.lastgroup or 0)] for match in PLAIN_NAME.finditer(folded.small)}
    for match in _CANDIDATE.finditer(text):
        name = match[0]
        distinct = (
            len(name) >= _DISTINCT_LENGTH
            or not name.isalpha()
            or not (name.islower() or name.istitle() or name.isupper())
        )
        if (distinct or match.start() in credited) and name in names:
            yield Span(*match.span(), "user")
    for start, end in mentions(text, names.__contains__):
        yield Span(start, end, "user")


class _Folded:
    """A text as rules see it. `small` and `cased` are alike but for capitals; `places` leads back to the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.places: list[int] = []
        cased = []
        for place, character in enumerate(text):
            fold = _fold(character)
            if fold:
                cased.append(fold)
                self.places.append(place)
        self.cased = "".join(cased)
        self.small = "".join(map(_small, cased))

    def span(self, start: int, end: int, kind: str) -> Span:
        """Return the span in the text of a part of the folded text, with the invisible characters behind it."""
        last = self.places[end] if end < len(self.places) else len(self._text)
        while last > self.places[end - 1] + 1 and self._text[last - 1].isspace():
            last -= 1
        return Span(self.places[start], last, kind)

    def end_of_proper_noun(self, end: int) -> int:
        """Return the end of a name that continues in words with capitals, joined by small words such as `de la`."""
        going_on = _PROPER_TAIL.match(self.cased, end)
        return going_on.end() if going_on else end


_PROPER_TAIL = re.compile(
    r"(?:[ .'-]{1,8}(?:(?:de|la|las|los|el|do|da|dos|das|des|du|am|im|of|and|y|e) ){0,8}[A-Z][\w'.-]{0,64}){1,4}"
)


@cache
def _small(character: str) -> str:
    small = character.lower()
    return small if len(small) == 1 else character


@cache
def _fold(character: str) -> str:
    """Return a character without accent or width, one form for similar symbols; "" for an invisible one."""
    category = unicodedata.category(character)
    if category in {"Mn", "Me", "Cf", "Cc"}:
        return " " if character in "\n\t\r" else ""
    if character in _LOOK_ALIKE:
        return _LOOK_ALIKE[character]
    if category in {"So", "Sk", "Co", "Cn", "Cs"} and not character.isascii():
        return SYMBOL
    if category == "Zs":
        return " "
    if ord(character) < 0x250 or 0x1E00 <= ord(character) < 0x1F00 or 0xFF00 <= ord(character) < 0xFF60:  # Latin, wide
        return unicodedata.normalize("NFKD", character)[:1]
    return character


# Letters of other alphabets that pass for Latin ones, those that small letters would tear apart, and signs of ordinals.
_LOOK_ALIKE = dict(zip("аеорсухіѕԁАЕОРСХІ’‘´`ıİ“”ßº°", "aeopcyxisdAEOPCXI''''iI\"\"soo", strict=True))


@cache
def _is_emoji(character: str) -> bool:
    return unicodedata.category(character) == "So" and not character.isascii()


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.lower().encode(), digest_size=8).digest(), "big")
