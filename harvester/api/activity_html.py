"""The fragment of a page that lists what a user did lately -> one record of numbers.

`/messages/ajax/user-activity/?user=<name>&max=N`: a list with an element for each event, newest first, with the user's
name, words, links to what the event is about, and a relative time. Parts are found by element and class.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from re import compile as pattern
from typing import Any
from zlib import crc32

from lxml.etree import iterwalk

from harvester.api.html_fragment import check_empty, classes, is_document, parse
from harvester.api.records import UserActivity
from harvester.errors import DecodeError

_STREAM = "user_activity"
_COMPARED = 5
"""Number of events of a kind of which an answer is compared with the one before: an older one that leaves the answer
because newer ones of other kinds came is no news."""
_MEANS: tuple[tuple[str, str | None], ...] = (
    ("is now following the studio", None),
    ("is now following", "followed"),
    ("favorited", "favorited"),
    ("loved", None),
    ("shared", "shared"),
    ("remixed", "shared"),
    ("became a curator of", "curated"),
    ("was promoted to manager of", "curated"),
    ("added", None),
    ("joined", None),
)
"""Words with which an event begins, and the kind of which it is; None: of none that a list of the user shows."""
_MAY_MEAN = {"users": ("followed",), "projects": ("favorited", "shared"), "studios": ("curated",)}
"""Kinds of an event with other words, by what it links to: the site may change its words, or use another language."""
_TARGET = pattern(r"(?:https?://[^/]+)?(/(users|projects|studios)/[^/?#]+)/?")


def decode_page(body: bytes) -> list[UserActivity]:
    """Decode the activity of a user into one record; a blank body and an empty list are no events.

    Raises:
        DecodeError: it is no such fragment, or shows nobody's name.
    """
    page = parse(_STREAM, body, closed=("ul", "li", "div"))
    if page is None:
        return [UserActivity(actor=None)]
    if is_document(body):
        raise DecodeError(f"{_STREAM}: the body is a page of its own")
    targets: defaultdict[str, list[str]] = defaultdict(list)
    actors: Counter[str] = Counter()
    events = 0
    for event in _events(page):
        events += 1
        actor, words, links = _parts(event)
        if actor:
            actors[actor] += 1
        for kind, target in _meant(words, links):
            targets[kind].append(target)
    if not events:
        check_empty(_STREAM, body, page, "events")
    elif not actors:
        raise DecodeError(f"{_STREAM}: no event shows whose it is")
    record = UserActivity(actor=next((name for name, _ in actors.most_common(1)), None))
    for kind, found in targets.items():
        setattr(record, kind, _fingerprint(found))
    return [record]


def _events(page: Any) -> Iterator[Any]:
    """Yield the outermost elements of the list."""
    walk = iterwalk(page, events=("start",), tag="li")
    for _, node in walk:
        walk.skip_subtree()
        yield node


def _parts(event: Any) -> tuple[str, str, list[str]]:
    """Return the name, the words and the addresses of an event; elements are iterated without recursion."""
    actor, words, links = "", [event.text or ""], []
    walk = iterwalk(event, events=("start", "end", "comment", "pi"))
    for step, node in walk:
        if node is event:
            continue
        if step != "start":
            words.append(node.tail or "")
        elif node.tag == "span" and classes(node) & {"actor", "time"}:
            if "actor" in classes(node):
                actor = actor or "".join(node.itertext()).strip().removesuffix("*")
            walk.skip_subtree()
        elif node.tag == "a":
            links.append(node.get("href") or "")
            walk.skip_subtree()
        else:
            words.append(node.text or "")
    return actor, " ".join("".join(words).split()), links


def _meant(words: str, links: list[str]) -> list[tuple[str, str]]:
    """Return the kinds of an event, each with what it is about: the last link, as a remix follows its original."""
    found = [target for link in links if (target := _TARGET.fullmatch(link))]
    for begin, kind in _MEANS:
        if words.startswith(begin):
            return [] if kind is None else [(kind, found[-1][1] if found else "")]
    return [(kind, target[1]) for target in found for kind in _MAY_MEAN[target[2]]]


def _fingerprint(targets: list[str]) -> int:
    """Return a number above 0 for the newest targets of a kind."""
    return crc32("\n".join(targets[:_COMPARED]).encode("utf-8", "replace")) & 0x7FFF_FFFF or 1
