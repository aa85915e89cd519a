"""Remove erased people from responses as they were served, so that an archive of them can still be replayed.

Items stay in their places, since a list is paged through by their number: an erased person's item keeps its dates,
counts and words of the site, and loses its texts. An id becomes a number that stands for it, a name `[erased]`; the
rule of erasures leaves out both.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from harvester.api.names import fold
from harvester.api.stream import Format
from harvester.erasure.removal import whole
from harvester.erasure.rule import REMOVED
from harvester.warehouse.annotations import NAME, PROJECT, STUDIO, USER

if TYPE_CHECKING:
    from harvester.api.stream import Stream
    from harvester.erasure.rule import Rule

_JSON = msgspec.json.Encoder(decimal_format="number")
_KINDS_OF_RECORDS = (("Project", PROJECT), ("Studio", STUDIO), ("User", USER))
_KINDS_OF_FIELDS = {
    **dict.fromkeys(("author", "user", "creator", "owner"), USER),
    **dict.fromkeys(("featured_project_data", "project"), PROJECT),
    "studio": STUDIO,
}
"""Kinds of the objects in fields of others."""
_KINDS_OF_TYPES = {"project": PROJECT, "gallery": STUDIO}
"""Kinds of the items of the front page."""
_PROJECT_IDS = frozenset({"featured_project", "project_id", "parent", "root"})
_USER_IDS = frozenset({"host", "host_id", "creator_id", "actor_id", "author_id", "commentee_id", "user_id", "owner_id"})
_USER_ID = re.compile(r"user_?id$", re.IGNORECASE)
_NAMES = frozenset({"username", "creator", "actor_username", "recipient_username"})
_TEXTS = frozenset({"title", "description", "instructions", "content", "bio", "status", "headline", "copy"})
"""Fields of free text, where a name may be an ordinary word."""
_TITLES = frozenset({"title", "project_title"})
_TERMS = frozenset({"type", "visibility", "code"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:?\d\d)?")
_NOBODY_JOINED = "2011-01-01T00:00:00.000Z"
_PICTURE = re.compile(r"(/(user|avatars|project)/)([0-9]{1,18})(?=[_.])")
_COMMENT = re.compile(
    r'(<div id="comments-\d+"(?:(?!<div id="comments-).)*?data-comment-user=")([^"]*)'
    r'("(?:(?!<div id="comments-).)*?<div class="content">)((?:(?!</div>).)*)',
    re.DOTALL,
)
"""A comment of a page: the parts around its author's name, and its content."""
_ATTRIBUTE = re.compile(r'(\s([a-z-]+)=")([^"<>]*)(?=")')
_BETWEEN_TAGS = re.compile(r"(?<=>)[^<>]+(?=<)")
_LINK = re.compile(r"(/(users|projects)/)([A-Za-z0-9_-]+)")


class ServedTexts:
    """Responses without the people whom a rule recognises."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def clean(self, stream: Stream, body: bytes) -> bytes | None:
        """Return the body of a response without erased people; None where that cannot be told of it.

        The same object is returned if it holds nothing of them. The source of a project is returned as it is: the rule
        hides the projects of erased people, and those of others name nobody by a field.
        """
        if stream.format is Format.SOURCE:
            return body
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return None if self._rule.is_named_in(body) else body
        if stream.format is not Format.JSON:
            kept = self._page(text)
            return body if kept == text else kept.encode()
        try:
            value = json.loads(text, parse_float=Decimal, parse_int=whole)
            kept = self._value(_kind_of(stream), "", value, theirs=False)
        except (ValueError, RecursionError):
            return None if self._rule.is_named_in(body) else body
        return body if kept == value else _JSON.encode(kept)

    # JSON ------------------------------------------------------------------------------------------------------------

    def _value(self, kind: str, field: str, value: Any, *, theirs: bool) -> Any:
        """Return a value without erased people; `kind` is that of the object, `theirs` whether it is a person's own."""
        if isinstance(value, list):
            return [self._value(kind, field, inner, theirs=theirs) for inner in value]
        if isinstance(value, dict):
            kind = _KINDS_OF_TYPES.get(str(value.get("type")), kind)
            theirs = theirs or self._is_theirs(kind, value)
            kind = USER if theirs and isinstance(value.get("user"), dict) else kind  # its id is a profile's number
            is_titled = self._rule.names(PROJECT, _int(value.get("project_id")))
            return {
                name: ""
                if is_titled and name in _TITLES
                else self._value(_inner_kind(kind, name, inner, theirs=theirs), name, inner, theirs=theirs)
                for name, inner in value.items()
            }
        if isinstance(value, str):
            return self._text(kind, field, value, theirs=theirs)
        return self._number(kind, field, value)

    def _is_theirs(self, kind: str, value: dict[str, Any]) -> bool:
        """Return whether an object is an erased person, or made by one."""
        rule = self._rule
        own = _int(value.get("id", value.get("pk")))
        if kind in (USER, PROJECT) and rule.names(kind, own):
            return True
        if kind == STUDIO and "host" not in value and rule.names(STUDIO, own):
            return True
        by = value.get("author", value.get("user"))
        if isinstance(by, dict) and self._is_theirs(USER, by):
            return True
        if any(rule.names(USER, _int(value.get(name))) for name in ("creator_id", "actor_id", "host", "host_id")):
            return True
        names = ["creator", "actor_username"]
        names += ["username"] if kind == USER or "creator_id" in value else []
        return any(self._is_name(value.get(name)) for name in names)

    def _number(self, kind: str, field: str, value: Any) -> Any:
        if type(value) is not int:
            return value
        if field in ("id", "pk"):
            of = kind if kind in (USER, PROJECT) else ""
        elif field in _PROJECT_IDS:
            of = PROJECT
        else:
            of = USER if field in _USER_IDS or _USER_ID.search(field) else ""
        return self._rule.stand_in(of, value) if of and self._rule.names(of, value) else value

    def _text(self, kind: str, field: str, value: str, *, theirs: bool) -> str:
        """Return a text without erased people; of a studio of theirs only what they wrote is theirs."""
        if field in _NAMES and (self._is_name(value) or (theirs and field != "username")):
            return REMOVED
        if theirs and field == "joined":
            return _NOBODY_JOINED
        if theirs and (kind != STUDIO or field in _TEXTS) and not (field in _TERMS or _DATE.fullmatch(value)):
            return REMOVED if field in _NAMES else _id_text(field, value)
        if field not in _TEXTS and self._is_name(value):
            return REMOVED
        return _PICTURE.sub(self._picture, str(self._rule.said(value)))

    def _is_name(self, value: Any) -> bool:
        return isinstance(value, str) and self._rule.names(NAME, fold(value))

    def _picture(self, found: re.Match[str]) -> str:
        kind = PROJECT if found[2] == "project" else USER
        return found[1] + "0" if self._rule.names(kind, int(found[3])) else found[0]

    # HTML ------------------------------------------------------------------------------------------------------------

    def _page(self, text: str) -> str:
        """Return a page or a fragment without erased people: their comments without content, names and ids replaced."""
        text = _COMMENT.sub(lambda one: one[0] if not self._is_name(one[2]) else one[1] + one[2] + one[3], text)
        text = _ATTRIBUTE.sub(self._attribute, text)
        text = _BETWEEN_TAGS.sub(self._between_tags, text)
        return str(self._rule.said(text))

    def _attribute(self, found: re.Match[str]) -> str:
        begin, name, value = found[1], found[2], found[3]
        if self._is_name(value):
            return begin + REMOVED
        if name == "data-commentee-id" and value.isdigit() and self._rule.names(USER, int(value)):
            return begin + str(self._rule.stand_in(USER, int(value)))
        return begin + _LINK.sub(self._link, _PICTURE.sub(self._stand_in_picture, value))

    def _stand_in_picture(self, found: re.Match[str]) -> str:
        kind, number = PROJECT if found[2] == "project" else USER, int(found[3])
        return found[1] + str(self._rule.stand_in(kind, number)) if self._rule.names(kind, number) else found[0]

    def _link(self, found: re.Match[str]) -> str:
        if found[2] == "users":
            return found[1] + "-" if self._is_name(found[3]) else found[0]
        is_theirs = found[3].isdigit() and self._rule.names(PROJECT, int(found[3]))
        return found[1] + str(self._rule.stand_in(PROJECT, int(found[3]))) if is_theirs else found[0]

    def _between_tags(self, found: re.Match[str]) -> str:
        text = found[0]
        word = text.strip().removesuffix("*").removeprefix("@")
        return text.replace(word, REMOVED) if word and self._is_name(word) else text


def _kind_of(stream: Stream) -> str:
    """Return the kind of the objects that a stream serves; none for comments and others."""
    record = stream.record.__name__
    return next((kind for end, kind in _KINDS_OF_RECORDS if record.endswith(end)), "")


def _inner_kind(kind: str, field: str, value: Any, *, theirs: bool) -> str:
    """Return the kind of an object in a field of one of a kind; the profile of a person has the person's number."""
    if not isinstance(value, dict | list):
        return kind
    if field == "profile":
        return USER if theirs and kind == USER else ""
    return _KINDS_OF_FIELDS.get(field, "" if isinstance(value, dict) else kind)


def _id_text(field: str, value: str) -> str:
    """Return the text of an erased person's object: the id of an event stays, and everything else is empty."""
    return value if field == "id" else ""


def _int(value: Any) -> int | None:
    return value if type(value) is int else None
