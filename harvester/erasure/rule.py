"""The rule by which erased people are kept out of what is stored.

An erased person is known by a keyed hash of the id, of each name and of each project: enough to recognise them when
they are met again, and nothing else. Where somebody was erased, the title of a project is stored only together with the
author: a title without an author, in the activity of a studio, may be one of the person's.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import STREAMS
from harvester.api.names import fold, replaced
from harvester.api.stream import Kind
from harvester.secret import keyed_hash
from harvester.warehouse.annotations import NAME, PROJECT, STUDIO, USER
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import (
    COMMENTS,
    MENTIONED,
    OWNED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harvester.api.rows import Rows
    from harvester.api.stream import Stream
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "rule")

OTHER_NAME = "other name"
"""Kind of the name of another person that could be read as a plural or a variant of an erased one."""
REMOVED = "[erased]"
"""Text that stands for a name that was removed, and for an erased person's name in an archive."""
STAND_IN = 2**62
"""The least of the numbers that stand for ids of erased people in archives; no id of the site is that large."""
ONLY: dict[str, tuple[str, tuple[str, ...]]] = {
    "rankings": ("kind", (PROJECT,)),
    "account.states": ("stream", tuple(stream.name for stream in STREAMS.values() if stream.kind is Kind.PROJECT)),
}
"""Tables with ids of several kinds: the column that holds the kind, and its values for ids of projects."""
HOSTED = ("host_id", "title", "description")
"""Columns that are emptied in a studio that the person hosts."""
EVENTS = ("account.messages", "account.activity")
"""Tables whose `extra` names a project and holds its title."""
_FEATURED = "featured_project_data"
"""Key of `extra` that holds a user's featured project."""
_IS_ID = re.compile("[0-9]{1,18}")
SAID = ("author_id", "commentee_id", "content", "content_raw", "created_at", "modified_at", "visibility")
"""Columns that are emptied in a comment of the person that others replied to."""
NAME_COLUMNS = frozenset(column for columns in OWNED.values() for column, kind in columns.items() if kind == NAME)
"""Columns that hold a username and nothing else."""
TERMS = frozenset({
    "stream", "kind", "outcome", "role", "relation", "visibility", "gone_reason", "type", "list", "change", "field",
    "mode", "language", "command", "version", "name", "stratum", "closed_reason", "hash", "id", "country", "api_url",
    "site_url", "projects_url", "sandbox", "changed_by", "database_role", "channel", "verified_by", "profile",
    "fingerprint",
})  # fmt: skip
"""Columns with terms of the harvester or of the site, and keys: `project_comments` is no username there."""
_RANKING = "ranking"
"""Column with the name of a ranking, which contains the words of a search."""
_REMEMBERED = ("anchors", "head", "known", "tail", "earlier_tail")
"""Fields of a paginator's state and certificate with ids of the list's items."""
_KEYS = ("key", "head_key", "pass_key", "down_to", "tail_key")
"""Fields with the key of an item, which is its id in a list that is ordered by ids."""
_ID_FIELD = re.compile("(?:^|_)ids?$|Ids?$")
_NO_USER = re.compile("project|studio|gallery|comment_|parent|profile|message|activity|title|video")
"""Names of fields with ids of other entities than users."""
_PICTURE = re.compile(r"(/(?:user|avatars)/)([0-9]{1,18})(?=[_.])")
"""The id of a user in the address of their picture."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
"""A string of JSON, and whether it is the name of a field."""
_NUMBER = re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,18}(?![0-9A-Za-z]|\.[0-9])")
"""Pattern of a number that may be an id, in text that is no JSON; picture sizes as 90x90 do not match."""


class Rule:
    """Recognises erased people, and removes them from rows, states and texts. Without an erasure it costs nothing.

    With `knows_stand_ins` it recognises the stand-ins of an archive, from which people were erased elsewhere.
    """

    def __init__(self, key: bytes, hashes: Iterable[str], *, knows_stand_ins: bool = False) -> None:
        self._key = key
        self._hashes = frozenset(hashes)
        self._knows_stand_ins = knows_stand_ins
        self._known: dict[tuple[str, Any], bool] = {}

    def __bool__(self) -> bool:
        return self._knows_stand_ins or bool(self._hashes)

    @property
    def fingerprint(self) -> str:
        """Return a text that is equal for equal rules."""
        return hashlib.sha256("\n".join(sorted(self._hashes)).encode()).hexdigest()

    def names(self, kind: str, value: Any) -> bool:
        """Return whether a value of a kind belongs to an erased person."""
        if value is None:
            return False
        if value == REMOVED or (type(value) is int and STAND_IN <= value < 2**63):
            return bool(self)  # of an archive from which the person was erased
        if not self._hashes:
            return False
        place = (kind, value.lower() if kind == NAME else value)
        found = self._known.get(place)
        if found is None:
            found = keyed_hash(self._key, *place) in self._hashes
            if len(self._known) > 1_000_000:
                self._known.clear()
            self._known[place] = found
        return found

    def stand_in(self, kind: str, value: int) -> int:
        """Return the number that stands for an id of an erased person in an archive: equal for equal ids."""
        return value if value >= STAND_IN else STAND_IN + int(keyed_hash(self._key, f"stand-in {kind}", value)[:15], 16)

    def hides(self, kind: str, entity: int, owner: int | None, username: str | None) -> bool:
        """Return whether a visit of an entity, on a page of `owner` if given, concerns an erased person."""
        if not self:
            return False
        of_project = kind.startswith(PROJECT)
        return (
            self.names(NAME, username)
            or (kind == USER and self.names(USER, entity))
            or (of_project and self.names(PROJECT, entity if owner is None else owner))
        )

    def apply(self, pages: Sequence[Rows]) -> list[Rows]:
        """Return the rows of a page without those of erased people; empty columns that name them."""
        if not self:
            return list(pages)
        also = self._met_on(pages)
        kept = []
        for rows in pages:
            values = [row for row in (self._without(rows, one, also) for one in rows.values) if row is not None]
            kept.append(replace(rows, values=values))
        return kept

    def _met_on(self, pages: Sequence[Rows]) -> set[tuple[str, Any]]:
        """Return the ids of erased people and their projects that a page shows by a name or an author."""
        met: set[tuple[str, Any]] = set()
        for rows in pages:
            if rows.table == "users" and "username" in rows.columns:
                by, of = rows.columns.index("username"), rows.columns.index("id")
                met.update((USER, row[of]) for row in rows.values if self.names(NAME, row[by]))
        for rows in pages:
            if rows.table == "projects" and "author_id" in rows.columns:
                by, of = rows.columns.index("author_id"), rows.columns.index("id")
                met.update(
                    (PROJECT, row[of]) for row in rows.values if (USER, row[by]) in met or self.names(USER, row[by])
                )
            met.update((PROJECT, project) for project, name in _credits(rows) if self.names(NAME, name))
        return met

    def _without(self, rows: Rows, row: tuple[Any, ...], also: set[tuple[str, Any]]) -> tuple[Any, ...] | None:
        def names(column: str, kind: str) -> bool:
            if column not in rows.columns:
                return False
            value = row[rows.columns.index(column)]
            return (kind, value) in also or self.names(kind, value)

        served = dict(zip(rows.columns, row, strict=True))
        if _tells_kind(rows.table, served) and any(
            names(column, kind) for column, kind in OWNED.get(rows.table, {}).items()
        ):
            return None
        extra = served.get("extra") or {}
        if rows.table in EVENTS and self.names(PROJECT, extra.get("project_id")):
            return None
        emptied = {column for column, kind in MENTIONED.get(rows.table, {}).items() if names(column, kind)}
        if "featured_project_id" in emptied:
            served["extra"] = {name: value for name, value in extra.items() if name != _FEATURED}
        if rows.table in COMMENTS and names("author_id", USER):
            if not served.get("reply_count"):
                return None
            emptied.update(SAID, ("extra",))
        # Where a row has no host, the studio's host is the one that is known.
        of_theirs = "host_id" not in served and names("id", STUDIO)
        if rows.table == "studios" and (of_theirs or names("host_id", USER)):
            emptied.update(HOSTED)
        if rows.table == "rankings" and served["kind"] == STUDIO and names("thing_id", STUDIO):
            emptied.add("extra")
        return tuple(
            ({} if column == "extra" else None) if column in emptied else self.of_column(column, value)
            for column, value in served.items()
        )

    def of_column(self, column: str, value: Any) -> Any:
        """Return the value of a column without the names of erased people."""
        if value is None or column in TERMS or column in NAME_COLUMNS:
            return value
        if column == _RANKING:
            return replaced(value, REMOVED, self._is_name, words=False)
        return self.said(value)

    def title_less(self, connection: Connection, pages: Sequence[Rows]) -> list[Rows]:
        """Return the rows of a page without the titles of projects whose author is not known yet."""
        asked = {project for rows in pages for row in rows.values for project in _titled(rows, row)} if self else set()
        if not asked:
            return list(pages)
        found = connection.execute(_SQL["without_author"], [list(asked)])
        strange = {project for (project,) in found.fetchall()}
        return [
            replace(
                rows, values=[_untitled(rows, row) if strange & set(_titled(rows, row)) else row for row in rows.values]
            )
            for rows in pages
        ]

    def of_list(self, stream: Stream, items: list[int] | None) -> list[int] | None:
        """Return the items of a page of a list without erased people and their projects."""
        kind = item_kind(stream)
        if not self or items is None or kind is None:
            return items
        return [item for item in items if not self.names(kind, item)]

    def clean_state(self, stream: Stream, kept: str | None) -> str | None:
        """Return the state or the certificate of an entry, as JSON, without the items of erased people.

        Where one of them was the key up to which the list is certified, the next visit reads the list in full.
        """
        kind = item_kind(stream)
        if not self or kept is None or kind is None:
            return kept
        state = json.loads(kept)
        for part in _structs(state):
            for remembered in _REMEMBERED:
                if part.get(remembered):
                    part[remembered] = [item for item in part[remembered] if not self.names(kind, item)]
            keys = [key for key in _KEYS if stream.key_name == "id" and self.names(kind, part.get(key))]
            if keys:
                part.update(dict.fromkeys(keys), **({"digest": ""} if "digest" in part else {}))
        return json.dumps(state)

    def is_in_state(self, stream: Stream, state: Any) -> bool:
        """Return whether the state or the certificate of an entry holds an item of an erased person."""
        kind = item_kind(stream)
        if kind is None or not state:
            return False
        places = (*_REMEMBERED, *(_KEYS if stream.key_name == "id" else ()))
        held = [part[place] for part in _structs(state) for place in places if part.get(place)]
        return any(self.names(kind, item) for items in held for item in (items if isinstance(items, list) else [items]))

    def said(self, value: Any) -> Any:
        """Return a text without the names of erased people, or a value from JSON without their names and ids.

        Names of fields are left as they are.
        """
        if isinstance(value, str):
            return replaced(value, REMOVED, self._is_name, partial(self.names, OTHER_NAME))
        if isinstance(value, dict | list):
            return self._field("", value)
        return value

    def _field(self, field: str, value: Any) -> Any:
        """Return a value of JSON without erased people; `field` is the name of the nearest field that holds it."""
        if isinstance(value, dict):
            return {name: self._field(f"{field}_id" if name == "id" else name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._field(field, inner) for inner in value]
        if self._is_id(field, value):
            return type(value)(0)
        if isinstance(value, str):
            return REMOVED if self._is_name(fold(value)) else _PICTURE.sub(self._picture, self.said(value))
        return value

    def _is_id(self, field: str, value: Any) -> bool:
        if not _ID_FIELD.search(field) or _NO_USER.search(field):
            return False
        if isinstance(value, str):
            return _IS_ID.fullmatch(value) is not None and self.names(USER, int(value))
        return type(value) is int and self.names(USER, value)

    def _picture(self, found: re.Match[str]) -> str:
        return found[1] + "0" if self.names(USER, int(found[2])) else found[0]

    def is_named_in(self, served: str | bytes | None) -> bool:
        """Return whether a served text, of any format, holds a name or an id of an erased person."""
        if not (self and served):
            return False
        text = served if isinstance(served, str) else served.decode(errors="replace")
        try:
            value = json.loads(text)
            if self._field("", value) != value:
                return True
            ids = _ids(value)
        except (ValueError, RecursionError):
            strings = (string for string, is_field in _STRING.findall(text) if not is_field)
            if any(self._is_name(fold(string)) for string in (text.strip(), *strings)) or self.said(text) != text:
                return True
            ids = map(int, _NUMBER.findall(text))
        return any(self.names(kind, number) for number in ids for kind in (USER, PROJECT))

    def _is_name(self, name: str) -> bool:
        return self.names(NAME, name)


def _tells_kind(table: str, row: dict[str, Any]) -> bool:
    """Return whether the ids of a row are of the kind that `OWNED` states, in a table with ids of several kinds."""
    column, values = ONLY.get(table, ("", ()))
    return not column or row.get(column) in values


def _structs(kept: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a paginator's state or certificate, and those that are nested in it."""
    yield kept
    for value in kept.values():
        if isinstance(value, dict):
            yield from _structs(value)


def item_kind(stream: Stream) -> str | None:
    """Return the kind of the items of a list, of the kinds that an erasure knows."""
    return None if stream.members is None else OWNED.get(stream.members.table, {}).get(stream.members.item)


def _credits(rows: Rows) -> Iterator[tuple[int, str]]:
    """Yield projects with the names of their authors, from rows of other entities."""
    if rows.table not in ("users", "rankings"):
        return
    for row in rows.values:
        served = dict(zip(rows.columns, row, strict=True))
        told = served.get("extra") or {}
        if rows.table == "users":
            told = told.get(_FEATURED)
            project = told.get("id") if isinstance(told, dict) else None
        else:
            project = served["thing_id"] if served["kind"] == PROJECT else None
        if isinstance(project, int) and isinstance(told.get("creator"), str):
            yield project, told["creator"]


def _titled(rows: Rows, row: tuple[Any, ...]) -> Iterator[int]:
    """Yield the project whose title a row has without its author."""
    if rows.table not in ("studio_activity", *EVENTS):
        return
    served = dict(zip(rows.columns, row, strict=True))
    told, title = (served.get("extra") or {}, "title") if rows.table in EVENTS else (served, "project_title")
    project = told.get("project_id")
    if told.get(title) and isinstance(project, int) and 0 <= project < 2**63:
        yield project


def _untitled(rows: Rows, row: tuple[Any, ...]) -> tuple[Any, ...]:
    served = dict(zip(rows.columns, row, strict=True))
    if rows.table in EVENTS:
        served["extra"] = {name: value for name, value in served["extra"].items() if name != "title"}
    else:
        served["project_title"] = None
    return tuple(served.values())


def _ids(value: Any, field: str = "") -> Iterator[int]:
    """Yield the ids in a value from JSON, of any kind."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _ids(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner, field)
    elif type(value) is int and (not field or _ID_FIELD.search(field)):
        yield value
    elif isinstance(value, str) and ("/" in value or _ID_FIELD.search(field)):
        yield from map(int, _NUMBER.findall(value))
