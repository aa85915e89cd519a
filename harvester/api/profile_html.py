"""The HTML comment pages of the site -> records.

`/site-api/comments/user/<name>/?page=N`, and the same markup for `project/<id>` and `gallery/<id>`. Parts are found by
class and attribute, never by position: badges were put beside names in 2025, ids of elements repeat, and the markup is
not well formed.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from re import compile as pattern
from typing import Any

from lxml.etree import iterwalk
from parsel import Selector

from harvester.api.html_fragment import check_empty, classes, parse
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.errors import DecodeError

_STREAM = "profile_comments"
_EMOJI = pattern(r"/(?:easter_eggs|emoji)/([a-z0-9-]+)\.png")
_AVATAR = pattern(r"/(?:user|avatars)/(\d+)(?:_\d+x\d+)?\.png")
_MENTION = pattern(r"/users/[^/]+/?")
_USER = pattern(r"/users/([A-Za-z0-9_-]+)/?")
_PLACES = frozenset({"top-level-reply", "reply"})
_MOST_KEPT = 4
"""Largest ratio of the parts that are set aside of a page to the page: it bounds comments nested in each other."""
_SILENT = frozenset({"script", "style"})
_LARGEST_ID = 2**63 - 1


class PageAuthor(Record, kw_only=True):
    """Author of a comment."""

    id: int
    username: str
    scratchteam: bool
    image: str | None


class PageComment(Record, kw_only=True):
    """A comment or a reply on such a page.

    `content` is as a reader sees it, and None for one that was removed. `commentee` is the name in the link that the
    text of a reply begins with. `reply_count` counts the replies served with it that were not removed.
    """

    id: int
    parent_id: int | None
    commentee: str | None
    content: str | None
    datetime_created: datetime
    visibility: str
    author: PageAuthor
    reply_count: int


class _Broken(Exception):  # noqa: N818
    """A comment without one of its parts."""


def decode_page(body: bytes, aside: list[OddItem] | None = None) -> list[PageComment]:
    """Read the comments of a page in the order served, each thread followed by its replies.

    A comment that lacks a part is added to `aside`, with the replies to it; without `aside` it is an error. Raises
    `DecodeError` for what is no such page; the message names the place and never quotes the content.
    """
    page = parse(_STREAM, body, closed=("div",))
    if page is None:
        return []
    found = _found(page)
    if not found:
        check_empty(_STREAM, body, page, "comments")
    comments: list[PageComment] = []
    thread: PageComment | None = None
    kept = 0
    for number, (node, place) in enumerate(found):
        is_reply = place is not None and "reply" in classes(place)
        try:
            comment = _comment(node, place, thread if is_reply else None)
        except _Broken as error:
            if aside is None:
                raise DecodeError(f"{_STREAM}: comment {number} has no {error}") from None
            aside.append(_set_aside(node, place, number, f"no {error}", dependent=is_reply and thread is None))
            kept += len(aside[-1].body)
            if kept > _MOST_KEPT * len(body):
                raise DecodeError(f"{_STREAM}: comments that cannot be read stand within others") from None
            if not is_reply:
                thread = None
        else:
            if not is_reply:
                thread = comment
            elif thread is not None and comment.content is not None:
                thread.reply_count += 1
            comments.append(comment)
    return comments


def _found(page: Any) -> list[tuple[Any, Any]]:
    """Find the comments of a page, each with its place: the innermost list element around it that holds no other.

    A place without a comment stands for itself, among the others.
    """
    found, around, taken = [], [], set()
    for event, node in iterwalk(page, events=("start", "end"), tag=("div", "li")):
        if node.tag == "li":
            if classes(node) & _PLACES:
                around.append(node) if event == "start" else around.pop()
                if event == "start":
                    found.append((node, node))
        elif event == "start" and node.get("data-comment-id") is not None and "comment" in classes(node):
            place = around[-1] if around and around[-1] not in taken else None
            taken.add(place)
            found.append((node, place))
    return [(node, place) for node, place in found if node is not place or node not in taken]


def identity(comment: int, *, removed: bool) -> int:
    """Tell a comment from the others of its list; one that was removed is another one."""
    return 2 * comment + removed


def _set_aside(node: Any, place: Any, number: int, reason: str, *, dependent: bool) -> OddItem:
    served = Selector(root=node, type="html").get().encode()
    try:
        comment = _number(node.get("data-comment-id"), "id")
    except _Broken:
        return OddItem(number, reason, served, dependent=dependent)
    known = identity(comment, removed=_is_removed(node, place))
    return OddItem(number, reason, served, known, held=comment, dependent=dependent)


def _is_removed(node: Any, place: Any) -> bool:
    return "removed" in classes(node) or (place is not None and "removed" in classes(place))


def _comment(node: Any, place: Any, thread: PageComment | None) -> PageComment:
    """Read one comment at its place. `thread` is the one at the top to which a reply belongs."""
    if place is None:
        raise _Broken("place")
    if place is node:
        raise _Broken("comment")
    is_reply = "reply" in classes(place)
    if is_reply and thread is None:
        raise _Broken("thread")
    content = _first(node, "content")
    if content is None:
        raise _Broken("content")
    removed = _is_removed(node, place)
    commentee, read = _as_read(content)
    return PageComment(
        id=_number(node.get("data-comment-id"), "id"),
        parent_id=thread.id if is_reply and thread is not None else None,
        commentee=commentee if is_reply and not removed else None,
        content=None if removed else read,
        datetime_created=_time(node),
        visibility="removed" if removed else "visible",
        author=_author(node),
        reply_count=0,
    )


def _author(node: Any) -> PageAuthor:
    """Read who wrote a comment, from whichever of its links and pictures are there."""
    shown = _first(node, "name")
    name = next((one.get("data-comment-user") for one in _parts(node) if one.get("data-comment-user")), None)
    if name is None and shown is not None:
        links = (_USER.fullmatch(one.get("href") or "") for one in shown.iter("a"))
        name = next((link[1] for link in links if link), None)
    if name is None:
        raise _Broken("author")
    picture = next((one.get("src") for one in _parts(node) if one.tag == "img" and "avatar" in classes(one)), None)
    avatar = _AVATAR.search(picture or "")  # any other picture stands there until the page has loaded
    answer = next((one.get("data-commentee-id") for one in _parts(node) if one.get("data-commentee-id")), None)
    if answer is None:
        answer = avatar[1] if avatar else None
    return PageAuthor(
        id=_number(answer, "id of its author"),
        username=name.strip().removesuffix("*"),
        scratchteam=shown is not None and "".join(shown.itertext()).strip().endswith("*"),
        image=None if picture is None or avatar is None else f"https:{picture}" if picture[:2] == "//" else picture,
    )


def _time(node: Any) -> datetime:
    titles = (one.get("title") for one in _parts(node) if one.tag == "span" and "time" in classes(one))
    try:
        time = datetime.fromisoformat(next(titles, None) or "")
    except ValueError:
        raise _Broken("time") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _as_read(content: Any) -> tuple[str | None, str]:
    """Return the user whom a text addresses at its beginning, and the text as a reader sees it."""
    text = "".join(_text(content)).strip()
    first = next(iter(content), None)
    if first is None or first.tag != "a" or (content.text or "").strip():
        return None, text
    name = "".join(first.itertext())
    if not name.startswith("@") or not _MENTION.fullmatch(first.get("href") or ""):
        return None, text
    # The site sets a line break and twenty spaces after it.
    return name[1:], f"{name} {text.removeprefix(name).lstrip()}".rstrip()


def _text(node: Any) -> Iterator[str]:
    """Yield the text that a reader sees: emoji as `:name:`, line breaks, no scripts, and no other comment.

    Elements are iterated without recursion: markup may be nested as deep as it likes.
    """
    walk = iterwalk(node, events=("start", "end", "comment", "pi"))
    for event, child in walk:
        if event != "start":
            if child is not node:
                yield child.tail or ""
            continue
        emoji = _EMOJI.search(child.get("src") or "") if child.tag == "img" else None
        if child is node:
            yield node.text or ""
        elif child.tag in _SILENT or child.get("data-comment-id") is not None:
            walk.skip_subtree()
        elif emoji is not None or child.tag == "br":
            yield f":{emoji[1]}:" if emoji is not None else "\n"
            walk.skip_subtree()
        else:
            yield child.text or ""


def _parts(node: Any) -> Iterator[Any]:
    """Yield the elements of a comment, without those of a reply that broken markup has put inside it."""
    walk = iterwalk(node, events=("start",))
    for _, child in walk:
        if child is node:
            continue
        is_reply = child.get("data-comment-user") is None and "replies" in classes(child)
        if is_reply or "comment" in classes(child):
            walk.skip_subtree()
        else:
            yield child


def _first(node: Any, name: str) -> Any:
    return next((one for one in _parts(node) if name in classes(one)), None)


def _number(text: str | None, what: str) -> int:
    if text is None or not (text.isascii() and text.isdigit()) or not 0 < int(text) <= _LARGEST_ID:
        raise _Broken(what)
    return int(text)
