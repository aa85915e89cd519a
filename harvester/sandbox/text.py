"""Made-up texts: names, titles, profiles and comments, in several scripts.

Every text is a join of pieces that exist both as text and as the JSON bytes of it: rendering a page is then a
join of bytes, with no encoder in the way.

Comments are HTML-escaped by the site with the full table of named entities and carry Scratch emoji as images;
titles, descriptions and profiles are plain. `data/html_entities.json` is the table as recorded from 8,711
comments of March 2026, all of which it reproduces byte for byte.
"""

from __future__ import annotations

import html
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from harvester.sandbox import words
from harvester.sandbox.chance import scramble
from harvester.sandbox.clock import seconds

# Comments from before were stored encoded already, and are encoded once more when served.
DOUBLE_ESCAPED_BEFORE = seconds("2019-01-01")
TYPED_CHARACTERS_MAX = 500


class Piece(NamedTuple):
    """A bit of plain text: as written, and as JSON without the quotes."""

    text: str
    json: bytes


class CommentPiece(NamedTuple):
    """A bit of a comment: as a reader sees it, as JSON; then both as in a comment that is escaped twice."""

    text: str
    json: bytes
    twice_text: str
    twice_json: bytes


@cache
def entity_table() -> dict[int, str]:
    """Return the named entity of each code point, for `str.translate`: what the site escapes in comments."""
    data = resources.files("harvester.sandbox").joinpath("data/html_entities.json").read_bytes()
    named = msgspec.json.decode(data, type=dict[str, str])
    return {ord(character): entity for character, entity in named.items()}


def encode_entities(text: str) -> str:
    """Return the text as the site serves it in a comment: every character that has a named entity as that entity."""
    return text.translate(entity_table())


def emoji_image(name: str) -> str:
    """Return the image that stands for a Scratch emoji in a comment, to the byte."""
    return f'<img src="/images/emoji/{name}.png" class="emoji" alt="{name} emoji">'


def json_inside(text: str) -> bytes:
    """Return the text as JSON without the quotes around it."""
    return msgspec.json.encode(text)[1:-1]


def _plain(texts: list[str]) -> list[Piece]:
    return [Piece(text, json_inside(text)) for text in texts]


def _typed(text: str) -> CommentPiece:
    # Stored escapes of old comments were few and numeric for quotes.
    stored = html.escape(text, quote=False).replace('"', "&quot;").replace("'", "&#39;")
    return CommentPiece(text, json_inside(encode_entities(text)), stored, json_inside(encode_entities(stored)))


def _emoji(name: str) -> CommentPiece:
    seen, served = f":{name}:", json_inside(emoji_image(name))
    return CommentPiece(seen, served, seen, served)


_SPACE = _typed(" ")
_NEWLINE = _typed("\n")
_SHORT = [_typed(text) for text in words.SHORT_COMMENTS]
_OPENERS = [_typed(text) for text in words.OPENERS]
_SENTENCES = [_typed(text) for text in words.SENTENCES]
_ENDINGS = [_typed(text) for text in words.ENDINGS]
_ODD = [_typed(text) for text in words.ODD_COMMENTS]
_EMOJI = [_emoji(name) for name in words.EMOJI]


def _comment_pieces(chance: int) -> list[CommentPiece]:
    """Return the pieces of a comment. Half of all comments have at most 14 characters, 1% more than 400 (recorded)."""
    kind, chance = chance & 127, chance >> 7
    if kind < 62:
        pieces = [_SHORT[chance % len(_SHORT)]]
        chance >>= 10
        if chance & 3 == 0:
            pieces.append(_ENDINGS[(chance >> 2) % len(_ENDINGS)])
    elif kind < 74:
        pieces = [_SHORT[chance % len(_SHORT)], _typed(f" #{(chance >> 10) % 10_000}")]
    elif kind < 112:
        pieces = [_OPENERS[chance % len(_OPENERS)], _SPACE, _SENTENCES[(chance >> 10) % len(_SENTENCES)]]
        chance >>= 20
        if chance & 1:
            pieces.append(_ENDINGS[(chance >> 1) % len(_ENDINGS)])
    elif kind < 124:
        # Lines, and a last one that is empty.
        first, second = _SENTENCES[chance % len(_SENTENCES)], _SENTENCES[(chance >> 10) % len(_SENTENCES)]
        pieces = [first, _SPACE if kind < 116 else _NEWLINE, second]
        if kind >= 120:
            pieces.append(_NEWLINE)
    elif kind < 126:
        pieces, length = [], 0
        while length < TYPED_CHARACTERS_MAX - 120:
            sentence = _SENTENCES[chance % len(_SENTENCES)]
            chance = scramble(chance)
            pieces += [sentence, _NEWLINE if chance & 7 == 0 else _SPACE]
            length += len(sentence.text) + 1
    elif kind == 126:
        pieces = [_ODD[chance % len(_ODD)]]
    else:
        pieces = [_SHORT[chance % len(_SHORT)], _SPACE]
        chance >>= 10
        for _ in range(1 + chance % 3):
            chance >>= 5
            pieces.append(_EMOJI[chance % len(_EMOJI)])
    return pieces


def _is_twice(chance: int, created: int) -> bool:
    return created < DOUBLE_ESCAPED_BEFORE and chance >> 62 == 0


def comment_json(chance: int, created: int) -> bytes:
    """Return the content of a comment as served, as JSON without quotes."""
    if _is_twice(chance, created):
        return b"".join([piece.twice_json for piece in _comment_pieces(chance)])
    return b"".join([piece.json for piece in _comment_pieces(chance)])


def comment_text_and_served(chance: int, created: int) -> tuple[str, str]:
    """Return the content of a comment as a reader sees it (decoded once, an emoji as `:name:`), and as it is served."""
    pieces = _comment_pieces(chance)
    twice = _is_twice(chance, created)
    seen = "".join([piece.twice_text if twice else piece.text for piece in pieces])
    served = b"".join([piece.twice_json if twice else piece.json for piece in pieces])
    return seen, msgspec.json.decode(b'"%b"' % served, type=str)


_UNFIT = dict.fromkeys(
    [*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x0D, 0xFEFF, 0xFFFE, 0xFFFF]
)  # what parsers of HTML change or drop


@cache
def _html_piece(piece: CommentPiece) -> tuple[str, str]:
    """Return a piece of a comment as a reader sees it on a page, and as the page writes it."""
    if piece.json.startswith(b"<img"):
        name = piece.text.strip(":")
        source = f"//cdn.scratch.mit.edu/scratchr2/static/__{'5b' * 16}__/images/easter_eggs/{name}.png"
        return piece.text, f'<img src="{source}" class="easter-egg">'
    text = piece.text.translate(_UNFIT)
    return text, html.escape(text, quote=False).replace('"', "&quot;").replace("'", "&#39;")


def page_text(chance: int) -> tuple[str, str]:
    """Return a comment as a reader of the site sees it, and as HTML (Django's escapes, emoji images)."""
    seen, written = zip(*map(_html_piece, _comment_pieces(chance)), strict=True)
    return "".join(seen).strip(), "".join(written)


class Wording:
    """A kind of plain text, such as titles: patterns of word lists, one picked by chance.

    `patterns` are lists of keys of `lists`; a literal in a pattern is a key that is not there. `empty` is the share of
    texts that are "".
    """

    def __init__(self, lists: dict[str, list[str]], patterns: list[list[str]], empty: float = 0.0) -> None:
        self._patterns = [[_plain(lists.get(key, [key])) for key in pattern] for pattern in patterns]
        self._empty = int(empty * 1024)

    def pieces(self, chance: int) -> list[Piece]:
        """Return the pieces of the text that this chance stands for."""
        if chance & 1023 < self._empty:
            return []
        chance >>= 10
        pattern = self._patterns[chance % len(self._patterns)]
        pieces = []
        for options in pattern:
            chance = scramble(chance)
            pieces.append(options[chance % len(options)])
        return pieces

    def json(self, chance: int) -> bytes:
        """Return the text as JSON without quotes."""
        return b"".join([piece.json for piece in self.pieces(chance)])

    def served(self, chance: int | None) -> bytes:
        """Return the text as JSON; null for None."""
        return b"null" if chance is None else b'"%b"' % self.json(chance)

    def text_or_none(self, chance: int | None) -> str | None:
        """Return the text as a person wrote it; None for null."""
        return None if chance is None else self.text(chance)

    def text(self, chance: int) -> str:
        """Return the text as a person wrote it."""
        return "".join([piece.text for piece in self.pieces(chance)])


PROJECT_TITLE = Wording(words.TITLE_LISTS, words.TITLE_PATTERNS)
STUDIO_TITLE = Wording(words.TITLE_LISTS, words.STUDIO_TITLE_PATTERNS)
DESCRIPTION = Wording(words.LONG_LISTS, words.LONG_PATTERNS, empty=0.35)
INSTRUCTIONS = Wording(words.LONG_LISTS, words.INSTRUCTION_PATTERNS, empty=0.3)
STUDIO_DESCRIPTION = Wording(words.LONG_LISTS, words.LONG_PATTERNS, empty=0.2)
BIO = Wording(words.LONG_LISTS, words.BIO_PATTERNS, empty=0.45)
STATUS = Wording(words.LONG_LISTS, words.STATUS_PATTERNS, empty=0.5)


def username(chance: int) -> str:
    """Return a name of 3 to 20 characters of `A-Za-z0-9_-`; about one in 500 is a legacy one of up to 30."""
    kind, chance = chance % 500, chance // 500
    first = words.NAME_FIRST[chance % len(words.NAME_FIRST)]
    chance //= len(words.NAME_FIRST)
    second = words.NAME_SECOND[chance % len(words.NAME_SECOND)]
    chance //= len(words.NAME_SECOND)
    number = chance % 10_000
    if kind == 0:
        return f"{first}-{second}_{number:04d}-the-scratcher-of-old"[:30]
    joint = ("", "_", "-", "")[kind % 4]
    tail = (f"{number}", f"{number % 100:02d}", "", f"_{number % 1000}", f"{number}")[kind % 5]
    return f"{first}{joint}{second}{tail}"[:20]
