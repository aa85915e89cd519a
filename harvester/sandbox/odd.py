"""Serve a share of all items so that they cannot be used, or only after a repair, the same ones each time.

Each was reported of the site or of an API of this kind: lone surrogate escapes, NUL, zero dates, ids that are null,
replies to a comment that is not served, comments without a reply link or with a placeholder for a picture. Items are
odd in lists only: requested by its id, each is served correctly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harvester.sandbox import chance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.sandbox.community import Community
    from harvester.sandbox.tables import Comments, Event

SHARE = 0.02
"""The share of items that a sandbox serves so, unless it is told another."""
REPLACED = " \N{REPLACEMENT CHARACTER}"
"""Ending of a comment's text after a lone surrogate or a NUL in it was repaired."""
_COMMENT = ("surrogate", "nul", "zero-date", "no-id")
_REPLY = (*_COMMENT, "no-parent")
_ON_PROFILES = ("no-time", "no-id", "no-reply-link", "no-picture")
_EVENT = ("zero-date", "no-id")
_LOST = frozenset({"zero-date", "no-id", "no-parent", "no-time"})
_ZERO = rb"\g<1>0000-00-00T00:00:00.000Z"
_NOBODY = 2**52  # added to the id of a parent: far beyond what any comment has


def _kind(community: Community, purpose: str, number: int, kinds: Sequence[str]) -> str | None:
    """Return the kind of oddity of an item, if any."""
    if not community.odd:
        return None
    salt = chance.salt(community.seed, f"odd {purpose}")
    if chance.share(number, salt) >= community.odd:
        return None
    return kinds[chance.scramble(number + salt) % len(kinds)]


def of_comment(community: Community, comments: Comments, row: int) -> str | None:
    """Return the kind of oddity of a comment, if any."""
    kinds = _ON_PROFILES if comments.keeps_deleted else _REPLY if comments.parent[row] >= 0 else _COMMENT
    return _kind(community, comments.kind, comments.id[row], kinds)


def is_lost(community: Community, comments: Comments, row: int) -> bool:
    """Return whether a comment cannot be harvested: it cannot be used, or is a reply to one that cannot."""
    parent = comments.parent[row]
    return of_comment(community, comments, row) in _LOST or (
        parent >= 0 and of_comment(community, comments, parent) in _LOST
    )


def is_repaired(community: Community, comments: Comments, row: int) -> bool:
    """Return whether the text of a comment has a character that must be repaired."""
    return of_comment(community, comments, row) in ("surrogate", "nul")


def is_lost_event(community: Community, shown: Event) -> bool:
    """Return whether an event in a studio cannot be used."""
    return _kind(community, shown.type, shown.number, _EVENT) is not None


def is_lost_link(community: Community, kind: str, one: int, other: int) -> bool:
    """Return whether a link between two rows is served without an id, in either list."""
    return _kind(community, kind, one * 1_000_003 + other, ("no-id",)) is not None


def comment(community: Community, comments: Comments, row: int, served: bytes) -> bytes:
    """Return a comment as it is served in a list."""
    kind = of_comment(community, comments, row)
    if kind in ("surrogate", "nul"):
        odd = rb" \ud83d" if kind == "surrogate" else rb" \u0000"
        return served.replace(b'","datetime_created"', odd + b'","datetime_created"', 1)
    if kind == "zero-date":
        return without_date(served)
    if kind == "no-parent":
        parent = comments.id[comments.parent[row]]
        return served.replace(b'"parent_id":%d' % parent, b'"parent_id":%d' % (_NOBODY + parent), 1)
    return without_id(served) if kind == "no-id" else served


def event(community: Community, shown: Event, served: bytes) -> bytes:
    """Return an event as it is served in a list."""
    kind = _kind(community, shown.type, shown.number, _EVENT)
    return without_date(served) if kind == "zero-date" else without_id(served) if kind else served


def without_id(served: bytes) -> bytes:
    """Return an object with null for its id."""
    return re.sub(rb'"id":(?:\d+|"[^"]*")', b'"id":null', served, count=1)


def without_date(served: bytes) -> bytes:
    """Return an object with a date of zeros."""
    return re.sub(rb'("datetime_created":")[^"]*', _ZERO, served, count=1)


_REPLY_LINK = re.compile(r'<a class="reply".*?</a>', re.DOTALL)


def on_profile(community: Community, comments: Comments, row: int, served: str) -> str:
    """Return a comment as it is served on a profile."""
    kind = of_comment(community, comments, row)
    if kind == "no-time":
        return re.sub(r'class="time" title="[^"]*"', 'class="time" title=""', served)
    if kind == "no-id":
        return served.replace(f'data-comment-id="{comments.id[row]}"', 'data-comment-id=""', 1)
    if kind == "no-reply-link":
        return _REPLY_LINK.sub("", served)
    if kind == "no-picture":
        return re.sub(r'(class="avatar" src=")[^"]*', r"\1//cdn.scratch.mit.edu/images/loading.gif", served)
    return served


def shows_picture(community: Community, comments: Comments, row: int) -> bool:
    """Return whether a comment is served with the picture of its author."""
    return of_comment(community, comments, row) != "no-picture"
