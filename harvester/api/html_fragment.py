"""Read HTML fragments of the site: those of comments, and of what a user did lately.

A fragment is part of a page: blank where it holds nothing, and never a document. What the site shows in its place when
it is in trouble is one, or text.
"""

from re import compile as pattern
from typing import Any

from parsel import Selector

from harvester.errors import DecodeError

_DOCUMENT = pattern(r"(?i)<(?:!doctype|html|head|body)\b")
_TAG_LENGTH = 10_000
_LONG_TAG = pattern(rf"<[^<>]{{{_TAG_LENGTH}}}")
"""A tag that is longer than any of the site: the parser compares each attribute of one with all others."""
_EMPTY_PARTS = frozenset({"html", "head", "body", "ul", "p"})
"""Elements of a fragment that holds nothing; the parser adds some of them itself."""


def parse(stream: str, body: bytes, *, closed: tuple[str, ...]) -> Any:
    """Parse a fragment, and return the root of its elements; None for a blank one.

    `closed`: the elements that the site closes explicitly.

    Raises:
        DecodeError: it is not UTF-8, has a tag that no parser should read, or is cut off: then it parses, with fewer
            items, but not all elements of `closed` end.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"{stream}: the body is not UTF-8 ({error.reason})") from None
    if not text.strip():
        return None
    if _LONG_TAG.search(text):
        raise DecodeError(f"{stream}: a tag has more than {_TAG_LENGTH:,} characters")
    if any(len(pattern(rf"<{name}\b").findall(text)) > text.count(f"</{name}>") for name in closed):
        raise DecodeError(f"{stream}: the page is cut off")
    # libxml2 ends a text at a NUL, whether it stands there or is written as an entity.
    return Selector(text=text.replace("\x00", "\N{REPLACEMENT CHARACTER}"), type="html").root


def check_empty(stream: str, body: bytes, root: Any, items: str) -> None:
    """Refuse a fragment without items that is not blank: it is another page. `items` names them."""
    others = [node for node in root.iter() if isinstance(node.tag, str) and node.tag not in _EMPTY_PARTS]
    if others or is_document(body) or "".join(root.itertext()).strip():
        raise DecodeError(f"{stream}: the body is no page of {items}")


def is_document(body: bytes) -> bool:
    """Return whether a body is a page of its own rather than a fragment."""
    return _DOCUMENT.search(body.decode("latin-1")) is not None


def classes(node: Any) -> set[str]:
    """Return the classes of an element."""
    return set((node.get("class") or "").split())
