"""Clean the body of a response for an archive: without erased people, and read by a replay as the crawl read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.api.decode import decode
from harvester.crawl.answers import is_absent
from harvester.errors import DecodeError

if TYPE_CHECKING:
    from harvester.api.odd_item import OddItem
    from harvester.api.stream import Stream
    from harvester.erasure.served import ServedTexts


def clean_body(texts: ServedTexts, stream: Stream, status: int, body: bytes) -> bytes | None:
    """Return a body without erased people: the same object if it holds nothing of them.

    None where that cannot be told, or where a decoder would not find as many items in it as before.
    """
    kept = texts.clean(stream, body)
    if kept is None or kept is body:
        return kept
    return kept if _shape(stream, status, kept) == _shape(stream, status, body) else None


def _shape(stream: Stream, status: int, body: bytes) -> object:
    """Return what a decoder tells of a body: the numbers of its items and of those that cannot be used."""
    if is_absent(stream, status, body):
        return "absent"
    aside: list[OddItem] = []
    try:
        records = decode(stream, body, None, aside)
    except DecodeError:
        return "unusable"
    return len(records), [item.number for item in aside]
