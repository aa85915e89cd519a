"""People who are left out: removed from every table, and kept out of what is stored later.

What is known of an erased person is a keyed hash of the id, of each name, and of each project: enough to recognise
them when they are met again, and nothing else. A comment that others replied to stays as an empty place, since their
replies hang from it; a studio that the person hosts stays without its host and its texts.

Where somebody was erased, what a project is called is kept only together with who made it: a title that comes without
its author, in the activity of a studio, may be one of theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import sql
from psycopg.rows import class_row
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB

from harvester.api.catalogue import STREAMS
from harvester.api.names import fold, is_distinctive, replaced, spellings
from harvester.api.stream import Kind
from harvester.errors import UsageError, WarehouseError
from harvester.secret import NAME as KEY_FILE
from harvester.secret import keyed_hash, secret_key
from harvester.untrusted import open_regular
from harvester.warehouse.annotations import NAME, PROJECT, STUDIO, USER
from harvester.warehouse.maintenance import forget_statistics
from harvester.warehouse.schema import keep_crawls_out
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import (
    COMMENTS,
    FIGURES,
    KEY_COLUMNS,
    MADE,
    MENTIONED,
    OWNED,
    TRACKED,
    WRITTEN,
    metadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Column, Table

    from harvester.api.rows import Rows
    from harvester.api.stream import Stream
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "erase")

_OTHER = "other name"
"""The kind of a name of somebody else that could be read as a plural or an ornament of an erased one."""
_KINDS = (USER, NAME, PROJECT, STUDIO)
_FILE = "erased.txt"
_THIS_KEY = "key"
"""Kind of the hash by which a key is recognised as the one that made the others."""
REMOVED = "[erased]"
ONLY: dict[str, tuple[str, tuple[str, ...]]] = {
    "rankings": ("kind", (PROJECT,)),
    "account.states": ("stream", tuple(stream.name for stream in STREAMS.values() if stream.kind is Kind.PROJECT)),
}
"""Tables with ids of several kinds: the column that holds the kind, and its values for ids of projects."""
_HOSTED = ("host_id", "title", "description")
"""Columns that are emptied in a studio that the person hosts."""
_EVENTS = ("account.messages", "account.activity")
"""Tables whose `extra` names a project and holds its title."""
_FEATURED = "featured_project_data"
"""Key of `extra` that holds a user's featured project."""
_ID = r"^[0-9]{1,18}$"
_USERNAME = re.compile("[A-Za-z0-9_-]{1,60}")
_IS_ID = re.compile("[0-9]{1,18}")
_SAID = ("author_id", "commentee_id", "content", "content_raw", "created_at", "modified_at", "visibility")
"""Columns that are emptied in a comment of the person that others replied to."""
_NAMES = frozenset(column for columns in OWNED.values() for column, kind in columns.items() if kind == NAME)
"""Columns that hold a username and nothing else."""
_TERMS = frozenset({
    "stream", "kind", "outcome", "role", "relation", "visibility", "gone_reason", "type", "list", "change", "field",
    "mode", "language", "command", "version", "name", "stratum", "closed_reason", "hash", "id", "country", "api_url",
    "site_url", "sandbox", "changed_by", "database_role",
})  # fmt: skip
"""Columns with words of ours or of the site, and keys: `project_comments` is no username there."""
_RANKING = "ranking"
"""The column with the name of a ranking, which holds what was searched for among words of ours."""
_FIGURES = ("counts", "requests_by_purpose", "shares", "responses", "findings", "parameters", "state", "certificate")
"""Columns of `crawl` with figures of ours, as JSON."""
_REMEMBERED = ("anchors", "head", "known", "tail", "earlier_tail")
"""Fields of a paginator's state and certificate that hold items of its list."""
_KEYS = ("key", "head_key", "pass_key", "down_to", "tail_key")
"""Fields that hold the key of an item, which is its id in a list that is ordered by ids."""
_ID_FIELD = re.compile("(?:^|_)ids?$|Ids?$")
_NO_USER = re.compile("project|studio|gallery|comment_|parent|profile|message|activity|title|video")
"""Fields of ids that are of something else than a user."""
_PICTURE = re.compile(r"(/(?:user|avatars)/)([0-9]{1,18})(?=[_.])")
"""The id of a user in the address of their picture."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
"""A string of JSON, and whether it is the name of a field."""
_NUMBER = re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,18}(?![0-9A-Za-z]|\.[0-9])")
"""Pattern of a number that may be an id, in text that is no JSON; picture sizes as 90x90 do not match."""
_HIDING = r"[&%\\\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""Characters that can hide a name in a text of ASCII characters (`harvester.api.names`)."""
_json = msgspec.json.Encoder(decimal_format="number")


class Rule:
    """Rule of the erased persons, who are left out of storage. Without an erasure it costs nothing."""

    def __init__(self, key: bytes, hashes: Iterable[str]) -> None:
        self._key = key
        self._hashes = frozenset(hashes)
        self._known: dict[tuple[str, Any], bool] = {}

    def __bool__(self) -> bool:
        return bool(self._hashes)

    @property
    def fingerprint(self) -> str:
        """Equal for equal rules."""
        return hashlib.sha256("\n".join(sorted(self._hashes)).encode()).hexdigest()

    def names(self, kind: str, value: Any) -> bool:
        """Return whether a value of a kind belongs to an erased person."""
        if value is None:
            return False
        place = (kind, value.lower() if kind == NAME else value)
        found = self._known.get(place)
        if found is None:
            found = keyed_hash(self._key, *place) in self._hashes
            if len(self._known) > 1_000_000:
                self._known.clear()
            self._known[place] = found
        return found

    def hides(self, kind: str, entity: int, owner: int | None, username: str | None) -> bool:
        """Return whether a visit of an entity, or on a page of `owner`, concerns an erased person."""
        if not self:
            return False
        of_project = kind.startswith(PROJECT)
        return (
            self.names(NAME, username)
            or (kind == USER and self.names(USER, entity))
            or (of_project and self.names(PROJECT, entity if owner is None else owner))
        )

    def apply(self, pages: Sequence[Rows]) -> list[Rows]:
        """Remove erased people from the rows of a page: drop their rows, and empty what names them."""
        if not self:
            return list(pages)
        also = self._met_on(pages)
        kept = []
        for rows in pages:
            values = [row for row in (self._without(rows, one, also) for one in rows.values) if row is not None]
            kept.append(replace(rows, values=values))
        return kept

    def _met_on(self, pages: Sequence[Rows]) -> set[tuple[str, Any]]:
        """Ids of the erased that this page shows: of a user by name, of a project by its author."""
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
        if rows.table in _EVENTS and self.names(PROJECT, extra.get("project_id")):
            return None
        emptied = {column for column, kind in MENTIONED.get(rows.table, {}).items() if names(column, kind)}
        if "featured_project_id" in emptied:
            served["extra"] = {name: value for name, value in extra.items() if name != _FEATURED}
        if rows.table in COMMENTS and names("author_id", USER):
            if not served.get("reply_count"):
                return None
            emptied.update(_SAID, ("extra",))
        # Where it is not told who hosts a studio, it is as it was.
        of_theirs = "host_id" not in served and names("id", STUDIO)
        if rows.table == "studios" and (of_theirs or names("host_id", USER)):
            emptied.update(_HOSTED)
        if rows.table == "rankings" and served["kind"] == STUDIO and names("thing_id", STUDIO):
            emptied.add("extra")
        return tuple(
            ({} if column == "extra" else None) if column in emptied else self.of_column(column, value)
            for column, value in served.items()
        )

    def of_column(self, column: str, value: Any) -> Any:
        """Take the names of the erased out of the value of a column."""
        if value is None or column in _TERMS or column in _NAMES:
            return value
        if column == _RANKING:
            return replaced(value, REMOVED, self._is_name, words=False)
        return self.said(value)

    def title_less(self, connection: Connection, pages: Sequence[Rows]) -> list[Rows]:
        """Remove the titles of projects whose author is not known yet from the rows of a page."""
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
        """Leave the erased out of the items that a page of a list showed."""
        kind = _item_kind(stream)
        if not self or items is None or kind is None:
            return items
        return [item for item in items if not self.names(kind, item)]

    def clean_state(self, stream: Stream, kept: str | None) -> str | None:
        """Leave the erased out of the items that the state or the certificate of an entry, as JSON, remembers."""
        kind = _item_kind(stream)
        if not self or kept is None or kind is None:
            return kept
        state = json.loads(kept)
        for part in _structs(state):
            for remembered in _REMEMBERED:
                if part.get(remembered):
                    part[remembered] = [item for item in part[remembered] if not self.names(kind, item)]
        return json.dumps(state)

    def is_in_state(self, stream: Stream, state: Any) -> bool:
        """Tell whether the state or the certificate of an entry remembers somebody erased, or something of theirs."""
        kind = _item_kind(stream)
        if kind is None or not state:
            return False
        places = (*_REMEMBERED, *(_KEYS if stream.key_name == "id" else ()))
        held = [part[place] for part in _structs(state) for place in places if part.get(place)]
        return any(self.names(kind, item) for items in held for item in (items if isinstance(items, list) else [items]))

    def said(self, value: Any) -> Any:
        """Take the names of the erased out of a text, and their ids too out of what was read from JSON.

        A field that holds nothing but a name names them; names of fields are no names.
        """
        if isinstance(value, str):
            return replaced(value, REMOVED, self._is_name, self._is_other)
        if isinstance(value, dict | list):
            return self._field("", value)
        return value

    def _field(self, field: str, value: Any) -> Any:
        """Return a value of JSON without the erased; `field` is its name, or that of what holds it."""
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
        """Tell whether something that was served, of whatever form, holds a name or an id of somebody erased."""
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

    def _is_other(self, name: str) -> bool:
        return self.names(_OTHER, name)


def _tells_kind(table: str, row: dict[str, Any]) -> bool:
    """Tell whether the ids of a row are of the kind that `OWNED` says, in a table that holds several kinds."""
    column, values = ONLY.get(table, ("", ()))
    return not column or row.get(column) in values


def _structs(kept: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a paginator's state or certificate, and all that are nested in it."""
    yield kept
    for value in kept.values():
        if isinstance(value, dict):
            yield from _structs(value)


def _item_kind(stream: Stream) -> str | None:
    """Return the kind of the items of a list, of the kinds that an erasure knows."""
    return None if stream.members is None else OWNED.get(stream.members.table, {}).get(stream.members.item)


def _credits(rows: Rows) -> Iterator[tuple[int, str]]:
    """Projects with their author's name, from rows about something else."""
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
    """Yield the project that a row names by its title and without its author."""
    if rows.table not in ("studio_activity", *_EVENTS):
        return
    served = dict(zip(rows.columns, row, strict=True))
    told, title = (served.get("extra") or {}, "title") if rows.table in _EVENTS else (served, "project_title")
    project = told.get("project_id")
    if told.get(title) and isinstance(project, int) and 0 <= project < 2**63:
        yield project


def _untitled(rows: Rows, row: tuple[Any, ...]) -> tuple[Any, ...]:
    served = dict(zip(rows.columns, row, strict=True))
    if rows.table in _EVENTS:
        served["extra"] = {name: value for name, value in served["extra"].items() if name != "title"}
    else:
        served["project_title"] = None
    return tuple(served.values())


def load_rule(connection: Connection, home: Path | None) -> Rule:
    """Return the rule of a warehouse; the key in `home` is looked at only where somebody was erased.

    Raises:
        WarehouseError: somebody was erased with another key than this installation's.
        UsageError: the key cannot be read.
    """
    hashes = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
    remembered = set().union(*_remembered(home))
    if not (hashes or remembered):
        return Rule(b"", ())
    key = b"" if home is None else secret_key(home)
    check_key(connection, key)
    return Rule(key, hashes | remembered)


def check_key(connection: Connection, key: bytes) -> None:
    """Refuse another key than the one by which the warehouse leaves people out.

    Raises:
        WarehouseError: somebody was erased with another key.
    """
    own = keyed_hash(key, _THIS_KEY, "")
    row = connection.execute("SELECT bool_or(hash = %s) FROM crawl.erasures", [own]).fetchone()
    if row and row[0] is False:
        raise WarehouseError(
            "this warehouse leaves people out by another secret key than the one here: copy secret.key from the"
            " machine on which `harvester erase` ran into HARVESTER_HOME"
        )


def _remembered(home: Path | None) -> list[set[str]]:
    """Return the hashes of each erasure that stand beside the key, so that a new warehouse leaves the same people out.

    An empty line stands between two erasures.

    Raises:
        UsageError: they are there and cannot be read: without them the erased would be harvested again.
    """
    if home is None:
        return []
    try:
        return _groups_in(read_remembered(home))
    except UnicodeDecodeError:
        raise UsageError(f"{home / _FILE}, by which people are left out, holds no hashes") from None


def read_remembered(home: Path) -> bytes:
    """Return what stands beside the key about the erased; empty where nobody was erased.

    Raises:
        UsageError: it is there and cannot be read.
    """
    try:
        with open_regular(home / _FILE) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):  # nor could it be written where there is no folder
        return b""
    except OSError as error:
        raise UsageError(f"{home / _FILE}, by which people are left out, cannot be read: {error.strerror}") from None


def add_remembered(home: Path, written: bytes) -> None:
    """Add the erasures of another `erased.txt` of the same key to those beside the key.

    Raises:
        UsageError: either file holds no hashes, or those of another key.
    """
    key = secret_key(home)
    here = _remembered(home)
    try:
        others = _groups_in(written)
    except UnicodeDecodeError:
        raise UsageError(f"the backup's {_FILE}, by which people are left out, holds no hashes") from None
    _check_own(key, here + others)
    new = [erasure for erasure in others if not any(erasure <= known for known in here)]
    if new:
        _replace_remembered(home, here + new)


def _groups_in(written: bytes) -> list[set[str]]:
    return [set(part.split()) for part in written.decode("ascii").split("\n\n") if part.strip()]


def _check_own(key: bytes, erasures: Iterable[set[str]]) -> None:
    """Refuse hashes of another key, which would recognise nobody."""
    own = keyed_hash(key, _THIS_KEY, "")
    if any(own not in erasure for erasure in erasures):
        raise UsageError(f"{_FILE} was written with another {KEY_FILE} than the one beside it: copy both from one home")


def _remember(home: Path, hashes: Iterable[str]) -> None:
    descriptor = os.open(home / _FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_group(hashes))


def _group(hashes: Iterable[str]) -> str:
    return "".join(f"{each}\n" for each in sorted(hashes)) + "\n"


def _replace_remembered(home: Path, erasures: list[set[str]]) -> None:
    """Replace the hashes beside the key."""
    written = home / f"{_FILE}.new"
    written.unlink(missing_ok=True)
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(_group(hashes) for hashes in erasures if hashes)
    written.replace(home / _FILE)


@dataclass(slots=True)
class Erasure:
    """Result of an erasure: rows removed and emptied by table, and texts in which a name was replaced."""

    users: list[int]
    """Ids of the person: of who has the name or, if nobody has, of who had it."""
    known: bool = False
    """True if the person is in the warehouse."""
    deleted: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    refreshed: list[str] = field(default_factory=list)
    """Materialised views that were refreshed."""

    @property
    def touched(self) -> list[str]:
        """List the tables and materialised views of which rows were changed or removed."""
        return sorted({*self.deleted, *self.emptied, *self.redacted, *self.refreshed})

    def as_json(self) -> dict[str, Any]:
        """Return counts by table, and the views that were refreshed, for `--json`."""
        counts = {"deleted": dict(self.deleted), "emptied": dict(self.emptied), "redacted": dict(self.redacted)}
        return counts | {"refreshed": self.refreshed}


def is_known(connection: Connection, name: str | None = None, *, user: int | None = None) -> bool:
    """Return whether the warehouse has an account of a name, now or before, or of an id.

    Raises:
        UsageError: as `erase`.
    """
    return _is_known(connection, _whose(connection, name, user))


def erase(
    connection: Connection, home: Path, name: str | None = None, *, user: int | None = None, dry_run: bool = False
) -> Erasure:
    """Remove a person by name or by id, in one transaction, and keep the rule that leaves them out from now on.

    With `dry_run` everything is counted and nothing kept.

    Raises:
        UsageError: a name that cannot be one, or that several accounts had.
        WarehouseError: a crawl is at work, which could store the person again.
    """
    users = _whose(connection, name, user)
    erasure = Erasure(users, known=_is_known(connection, users))
    with connection.transaction(force_rollback=dry_run):
        keep_crawls_out(connection)
        hashes = _remove(connection, home, name, erasure)
        erasure.refreshed = _figures(connection)
        if not dry_run:
            _forget_figures(connection, erasure)
            _remember(home, hashes)
    return erasure


def repeat(connection: Connection, home: Path) -> Erasure:
    """Repeat the erasures that are remembered beside the key and not in the warehouse, in one transaction.

    Such a warehouse was made anew, or restored from a backup that is older than the erasure. A person is found by the
    hash of the id or, where none has it, of the name; a text is searched for whatever the rules recognise.

    Raises:
        WarehouseError: a crawl is at work, or the warehouse leaves people out by another key.
        UsageError: what is remembered is of another key.
    """
    erasure = Erasure([])
    with connection.transaction():
        keep_crawls_out(connection)
        load_rule(connection, home)
        known = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
        remembered = _remembered(home)
        pending = [group for group in remembered if not group <= known]
        if not pending:
            return erasure
        key = secret_key(home)
        _check_own(key, pending)
        found = _hashed(connection, key, set().union(*pending))
        people = [_recognised(connection, group, found) for group in pending]
        united: dict[str, list[Any]] = {kind: sorted({*chain(*(one[kind] for one in people))}) for kind in _KINDS}
        erasure.users, erasure.known = united[USER], bool(united[USER] or united[PROJECT])
        kinds = [_hashes(connection, key, one) for one in people]
        rule = Rule(key, set().union(*pending, *kinds))
        _Work(connection, erasure, united, rule, is_whole=True).run()
        for number, (group, kind_of) in enumerate(zip(pending, kinds, strict=True)):
            rows = [(each, kind_of.get(each, "unknown"), number) for each in sorted(group | kind_of.keys())]
            connection.cursor().executemany(_SQL["insert_repeated"], rows)
        erasure.refreshed = _figures(connection)
        _forget_figures(connection, erasure)
        larger = [group | kind_of.keys() for group, kind_of in zip(pending, kinds, strict=True)]
        _replace_remembered(home, [group for group in remembered if group <= known] + larger)
    return erasure


def _forget_figures(connection: Connection, erasure: Erasure) -> None:
    """Take the person out of what was computed from the tables."""
    for view in erasure.refreshed:
        connection.execute("SELECT crawl.refresh_figures(%s)", [view.removeprefix("analytics.")])
    forget_statistics(connection, erasure.touched)


def _figures(connection: Connection) -> list[str]:
    """Name the materialised views to refresh: an empty one holds nobody, and filling it could take long."""
    views = [f"analytics.{name}" for name in materialised() if name in FIGURES]
    return [view for view in views if _values(connection, f"SELECT 1 FROM {view} LIMIT 1")]


def _whose(connection: Connection, name: str | None, user: int | None) -> list[int]:
    """Return the ids of the person who is named."""
    if (name is None) == (user is None):
        raise UsageError("say who it is by a name or by --id")
    if name is not None:
        return _of_name(connection, name)
    if user is None or not 0 < user < 2**63:
        raise UsageError(f"{user} is no id of a user")
    return [user]


@dataclass(frozen=True, slots=True)
class StoredRule:
    """Rule of one erasure: how many hashes it has, and when it was made; None: for another warehouse."""

    erased_at: datetime | None
    hashes: int


def read_rules(connection: Connection, home: Path) -> list[StoredRule]:
    """Return what is kept of each erasure, the newest first; nothing of it tells who was erased."""
    with connection.cursor(row_factory=class_row(StoredRule)) as cursor:
        rules = cursor.execute(
            "SELECT erased_at, count(*) AS hashes FROM crawl.erasures WHERE kind <> %s GROUP BY 1 ORDER BY 1 DESC",
            [_THIS_KEY],
        ).fetchall()
    known = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
    return rules + [StoredRule(None, len(hashes)) for hashes in _remembered(home) if not hashes <= known]


def revoke(connection: Connection, home: Path, name: str | None = None, *, user: int | None = None) -> int:
    """Forget the rules that erasures by this name or id made; return how many hashes they had.

    The person may be harvested again. Erased rows come back only that way.

    Raises:
        UsageError: there is no such rule.
        WarehouseError: a crawl is at work, which holds the rule.
    """
    if (name is None) == (user is None):
        raise UsageError("say who it is by a name or by --id")
    own = keyed_hash(secret_key(home), *((USER, user) if name is None else (NAME, name.lower())))
    with connection.transaction():
        keep_crawls_out(connection)
        hashes = {each for (each,) in connection.execute(_SQL["revoke"], [_THIS_KEY, own])}
        remembered = _remembered(home)
        theirs = hashes.union(*(erasure for erasure in remembered if own in erasure))
        if not theirs:
            raise UsageError("no rule was made by that name or id: see `harvester erase list`")
        _replace_remembered(home, [erasure - hashes for erasure in remembered if own not in erasure])
    return len(theirs)


def _of_name(connection: Connection, name: str) -> list[int]:
    """Return the users who have a name now, else those who had it."""
    if not _USERNAME.fullmatch(name):
        raise UsageError(f"{name!r} is no username: letters, digits, _ and - only; another one goes by --id")
    users = _values(connection, _SQL["users_of_name"], name=name.lower())
    if len(users) > 1:
        raise UsageError(f"several accounts had the name: say which by --id, one of {', '.join(map(str, users))}")
    return users


def _is_known(connection: Connection, users: list[int]) -> bool:
    return bool(_values(connection, "SELECT id FROM scratch.users WHERE id = ANY(%(users)s)", users=users))


def _values(connection: Connection, query: str, **values: Any) -> list[Any]:
    """Run a query of one column."""
    return [value for (value,) in connection.execute(query, values).fetchall()]


def _remove(connection: Connection, home: Path, name: str | None, erasure: Erasure) -> list[str]:
    load_rule(connection, home)
    key = secret_key(home)
    # A name belongs to the user who has it now, not to those who had it before.
    names = _values(connection, _SQL["names_of_users"], users=erasure.users)
    known = _theirs(connection, erasure.users, sorted({*names, *([] if name is None else [name.lower()])}))
    hashes = _hashes(connection, key, known)
    _Work(connection, erasure, known, Rule(key, hashes)).run()
    connection.cursor().executemany(
        "INSERT INTO crawl.erasures (hash, kind) VALUES (%s, %s) ON CONFLICT DO NOTHING", sorted(hashes.items())
    )
    return sorted(hashes)


def _theirs(connection: Connection, users: list[int], names: list[str]) -> dict[str, list[Any]]:
    """Return ids and names of a person by kind, with those of what is theirs."""
    told = partial(_values, connection, users=users)
    return {
        USER: users,
        NAME: names,
        PROJECT: told(
            _SQL["projects"],
            names=names,
            id=_ID,
        ),
        STUDIO: told("SELECT id FROM scratch.studios WHERE host_id = ANY(%(users)s)"),
    }


def _hashes(connection: Connection, key: bytes, known: dict[str, list[Any]]) -> dict[str, str]:
    """Return the hashes that recognise a person later, each with its kind."""
    users, names = known[USER], known[NAME]
    read = set(map(fold, names)) - {""}
    read -= set(_values(connection, _SQL["names_of_others_alike"], users=users, read=sorted(read)))
    hashes = {keyed_hash(key, _THIS_KEY, ""): _THIS_KEY}
    kept = known | {NAME: sorted({*names, *read}), _OTHER: _alike(connection, users, read)}
    for kind, values in kept.items():
        hashes |= {keyed_hash(key, kind, value): kind for value in values}
    return hashes


def _hashed(connection: Connection, key: bytes, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Return the ids and names in the warehouse whose hashes are wanted, by kind and hash."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
    for kind, columns in _columns_by_kind().items():
        for table, column in columns:
            value = sql.SQL("lower({})" if kind == NAME else "{}").format(sql.Identifier(column))
            query = sql.SQL("SELECT DISTINCT {value} FROM {table} WHERE {column} IS NOT NULL").format(
                value=value, table=sql.Identifier(*table.split(".")), column=sql.Identifier(column)
            )
            for (each,) in _rows(connection, query):
                hashed = keyed_hash(key, kind, each)
                if hashed in wanted:
                    found[kind][hashed] = each
    return found


def _columns_by_kind() -> dict[str, list[tuple[str, str]]]:
    """Return the columns that hold ids or names of each kind: (table, column)."""
    columns: dict[str, set[tuple[str, str]]] = {kind: set() for kind in _KINDS}
    for tables in (OWNED, MENTIONED, MADE):
        for table, named in tables.items():
            for column, kind in named.items():
                columns[kind].add((WRITTEN[table].fullname, column))
    columns[STUDIO].add(("scratch.studios", "id"))
    columns[NAME] |= {("history.user_revisions", "username"), ("crawl.queries", "query")}
    for column in ("entity_id", "owner_id"):
        for kind in (USER, PROJECT, STUDIO):
            columns[kind].add(("crawl.frontier", column))
    for kind in (USER, PROJECT, STUDIO):
        columns[kind] |= {("crawl.seeds", "entity_id"), ("crawl.draws", "entity_id")}
    return {kind: sorted(places) for kind, places in columns.items()}


def _recognised(connection: Connection, group: set[str], found: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Return ids and names of the person whom the hashes of an erasure recognise, by kind."""
    theirs = {kind: sorted(values[each] for each in values.keys() & group) for kind, values in found.items()}
    # A name may have been another's when the backup was made: who has the id, has the names that are theirs here.
    if theirs[USER]:
        theirs[NAME] = _values(connection, _SQL["names_of_users"], users=theirs[USER])
    else:
        theirs[USER] = _values(
            connection,
            "SELECT id FROM scratch.users WHERE lower(username) = ANY(%(names)s) ORDER BY 1",
            names=theirs[NAME],
        )
    known = _theirs(connection, theirs[USER], theirs[NAME])
    return {kind: sorted({*values, *theirs[kind]}) for kind, values in known.items()}


def _alike(connection: Connection, users: list[int], names: Iterable[str]) -> list[str]:
    """Find the names of other people that could be read as a plural or an ornament of one of the (folded) `names`."""
    distinctive = {name for name in names if is_distinctive(name)}
    others = _values(
        connection,
        _SQL["names_of_others"],
        users=users,
        names=sorted(distinctive),
    )
    return sorted(
        {fold(other) for other in others if any(name in distinctive for name, _, _ in spellings(fold(other)))}
    )


@dataclass(slots=True)
class _Work:
    """The statements of one erasure; `known` are ids and names by kind, and `rule` recognises these alone."""

    connection: Connection
    erasure: Erasure
    known: dict[str, list[Any]]
    rule: Rule
    is_whole: bool = False
    """Search every text, not only those that hold a name or an id of the `known` ones."""

    def run(self) -> None:
        """Remove the person, step by step."""
        self.comments()
        self.history()
        self.rows()
        self.titles()
        self.frontier()
        self.texts()

    def comments(self) -> None:
        """Delete the comments on the person's pages, and theirs elsewhere; empty those that others replied to."""
        for table in COMMENTS:
            for column, kind in OWNED.get(table, {}).items():
                self._delete_comments(table, f"{column} = ANY(%(values)s)", self.known[kind])
            authors = self.known[USER]
            self._delete_comments(table, "author_id = ANY(%(values)s) AND parent_id IS NOT NULL", authors)
            childless = f"NOT EXISTS (SELECT FROM scratch.{table} r WHERE r.parent_id = t.id)"
            self._delete_comments(table, f"author_id = ANY(%(values)s) AND {childless}", authors)
            emptied = sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(column)) for column in _SAID)
            statement = sql.SQL(_SQL["empty_comments"]).format(table=sql.Identifier("scratch", table), emptied=emptied)
            left = self.connection.execute(statement, [authors]).fetchall()
            self._count(self.erasure.emptied, f"scratch.{table}", len(left))
            self._drop_revisions(table, [comment for (comment,) in left])

    def _delete_comments(self, table: str, which: str, values: list[Any]) -> None:
        rows = self.connection.execute(
            f"DELETE FROM scratch.{table} t WHERE {which} RETURNING t.id", {"values": values}
        ).fetchall()
        gone = [comment for (comment,) in rows]
        self._count(self.erasure.deleted, f"scratch.{table}", len(gone))
        self._drop_revisions(table, gone)
        kind = {"project_comments": Kind.PROJECT_THREAD, "studio_comments": Kind.STUDIO_THREAD}.get(table)
        if kind is not None:
            self._delete("crawl.frontier", "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(kind), gone)

    def _drop_revisions(self, table: str, comments: list[int]) -> None:
        kind = table.removesuffix("_comments")
        self._delete("history.comment_revisions", "kind = %s AND comment_id = ANY(%s)", kind, comments)

    def history(self) -> None:
        """Earlier versions of what is the person's, and absences of it."""
        users, projects = self.known[USER], self.known[PROJECT]
        for table, logs in TRACKED.items():
            for log in logs:
                for column, kind in (("user_id", USER), ("project_id", PROJECT)):
                    if column in log.c and table not in COMMENTS:
                        self._delete(log.fullname, f"{column} = ANY(%s)", self.known[kind])
        hosted = "studio_id IN (SELECT id FROM scratch.studios WHERE host_id = ANY(%s))"
        self._delete("history.studio_revisions", f"host_id = ANY(%s) OR {hosted}", users, users)
        self._empty("history.user_revisions", "featured_project_id", projects)
        for table, columns in OWNED.items():
            if "gone_at" in WRITTEN[table].c:
                for place, column in zip(("thing_id", "other_id"), KEY_COLUMNS[table], strict=False):
                    values = self.known.get(columns.get(column, ""), [])
                    if columns.get(column) != NAME:
                        self._delete("history.absences", f"kind = %s AND {place} = ANY(%s)", table, values)

    def rows(self) -> None:
        """Rows that are the person's, and columns of others that name them."""
        done = self.connection.execute(_SQL["empty_featured"], [self.known[PROJECT]])
        self._count(self.erasure.emptied, "scratch.users", done.rowcount)
        for table in _EVENTS:
            self._delete(table, "(extra ->> 'project_id') = ANY(%s::text[])", list(map(str, self.known[PROJECT])))
        done = self.connection.execute(
            "UPDATE history.rankings SET extra = '{}' WHERE kind = %s AND thing_id = ANY(%s) AND extra <> '{}'",
            [STUDIO, self.known[STUDIO]],
        )
        self._count(self.erasure.emptied, "history.rankings", done.rowcount)
        for table, columns in MENTIONED.items():
            for column, kind in columns.items():
                self._empty(WRITTEN[table].fullname, column, self.known[kind])
        done = self.connection.execute(
            f"UPDATE scratch.studios SET {', '.join(f'{column} = NULL' for column in _HOSTED)} WHERE host_id = ANY(%s)",
            [self.known[USER]],
        )
        self._count(self.erasure.emptied, "scratch.studios", done.rowcount)
        for table in reversed(WRITTEN):
            for column, kind in OWNED.get(table, {}).items():
                value = f"lower({column})" if kind == NAME else column
                self._delete(WRITTEN[table].fullname, f"{value} = ANY(%s){_only(table)}", self.known[kind])
        # Earlier names of others: one that was taken over by the person, or from them.
        done = self.connection.execute(
            "UPDATE history.user_revisions SET username = NULL WHERE lower(username) = ANY(%s)", [self.known[NAME]]
        )
        self._count(self.erasure.emptied, "history.user_revisions", done.rowcount)

    def titles(self) -> None:
        """Empty the titles of projects of unknown authors in activity: the author may be the erased person.

        Of a person whom nobody met there are none.
        """
        if not self.erasure.known:
            return
        done = self.connection.execute(_SQL["empty_titles"])
        self._count(self.erasure.emptied, "scratch.studio_activity", done.rowcount)
        for table in _EVENTS:
            statement = sql.SQL(_SQL["empty_event_titles"]).format(table=_named(table))
            done = self.connection.execute(statement, [_ID])
            self._count(self.erasure.emptied, table, done.rowcount)

    def frontier(self) -> None:
        """Erase frontier entries, seeds and quarantined responses."""
        users, projects = self.known[USER], self.known[PROJECT]
        self._delete("crawl.frontier", "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(Kind.USER), users)
        of_projects = _streams(Kind.PROJECT, Kind.PROJECT_THREAD)
        self._delete(
            "crawl.frontier", "stream = ANY(%s) AND coalesce(owner_id, entity_id) = ANY(%s)", of_projects, projects
        )
        self._delete("crawl.seeds", "kind = 'user' AND entity_id = ANY(%s)", users)
        self._delete("crawl.seeds", "kind = 'project' AND entity_id = ANY(%s)", projects)
        self._delete("crawl.name_changes", "user_id = ANY(%s)", users)
        for table in ("crawl.missing_items", "crawl.seen_items", "crawl.quarantine"):
            for kind, values in ((USER, users), (PROJECT, projects)):
                lists = [stream.name for stream in STREAMS.values() if _item_kind(stream) == kind]
                self._delete(table, "stream = ANY(%s) AND item_id = ANY(%s)", lists, values)
            self._delete(table, "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(Kind.USER), users)
            self._delete(table, "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(Kind.PROJECT), projects)
        drawn = "design_id IN (SELECT id FROM crawl.designs WHERE kind = %s) AND entity_id = ANY(%s)"
        self._delete("crawl.draws", drawn, USER, users)
        done = self.connection.execute(_SQL["empty_draws"], [PROJECT, projects])
        self._count(self.erasure.emptied, "crawl.draws", done.rowcount)
        done = self.connection.execute(_SQL["empty_wave_outcomes"], [PROJECT, projects])
        self._count(self.erasure.emptied, "crawl.wave_outcomes", done.rowcount)
        asked = "SELECT stream, id FROM crawl.queries WHERE lower(query) = ANY(%s)"
        self._delete("crawl.frontier", f"(stream, entity_id) IN ({asked})", self.known[NAME])
        self._delete("crawl.queries", "lower(query) = ANY(%s)", self.known[NAME])
        self._states()
        self._set_aside()

    def _states(self) -> None:
        """Reset each list that remembers the person or something of theirs: it is read in full the next time."""
        # Ids stand in JSON as they are written here: only entries with one of the digits in it are looked at.
        numbers = [str(value) for kind in (USER, PROJECT) for value in self.known[kind]]
        entries = self.connection.execute(
            _SQL["states_with_numbers"],
            [[stream.name for stream in STREAMS.values() if _item_kind(stream) is not None], numbers],
        ).fetchall()
        for stream, entity, *kept in entries:
            if any(self.rule.is_in_state(STREAMS[stream], state) for state in kept):
                done = self.connection.execute(
                    "UPDATE crawl.frontier SET certificate = NULL, state = NULL WHERE stream = %s AND entity_id = %s",
                    [stream, entity],
                )
                self._count(self.erasure.emptied, "crawl.frontier", done.rowcount)

    def _set_aside(self) -> None:
        """Drop quarantined responses that are of the person or name them, and empty such examples of drift."""
        self._lock("crawl.quarantine")
        rows = _rows(self.connection, "SELECT id, path, reason, body FROM crawl.quarantine")
        cases = [case for case, *texts in rows if any(map(self.rule.is_named_in, texts))]
        self._delete("crawl.quarantine", "id = ANY(%s)", cases)
        self._lock("crawl.drift")
        rows = _rows(self.connection, "SELECT stream, field, change, example FROM crawl.drift")
        examples = [key for *key, example in rows if self.rule.is_named_in(example)]
        self.connection.cursor().executemany(
            "UPDATE crawl.drift SET example = '' WHERE (stream, field, change) = (%s, %s, %s)", examples
        )
        self._count(self.erasure.emptied, "crawl.drift", len(examples))

    def texts(self) -> None:
        """Take the names out of texts of others, and ids out of what has no column of its own."""
        for table in metadata.sorted_tables:
            columns = [column.name for column in table.columns if _holds_texts(table, column)]
            if columns:
                self._redact(table, columns)

    def _redact(self, table: Table, columns: list[str]) -> None:
        self._lock(table.fullname)
        key = [column.name for column in table.primary_key] or ["id"]  # of news, which has a unique index only
        texts = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns]
        # As much as may hold a name or an id: which does is told by the rule, as for what is stored later.
        asked = [_like(value) for value in (*map(fold, self.known[NAME]), *map(str, self.known[USER]))]
        names = {"table": _named(table.fullname), "key": sql.SQL(", ").join(map(sql.Identifier, key))}
        query = sql.SQL(_SQL["suspicious_rows"]).format(
            **names,
            texts=sql.SQL(", ").join(texts),
            condition=sql.SQL("true")
            if self.is_whole
            else sql.SQL(" OR ").join(sql.SQL(_SQL["is_suspicious"]).format(text=text) for text in texts),
        )
        change = sql.SQL(_SQL["redact"]).format(
            **names,
            texts=sql.SQL(", ").join(
                sql.SQL("{} = %s::jsonb" if isinstance(table.c[column].type, JSONB) else "{} = %s").format(
                    sql.Identifier(column)
                )
                for column in columns
            ),
            values=sql.SQL(", ").join([sql.SQL("%s")] * len(key)),
        )
        changed = 0
        with self.connection.cursor() as cursor:
            for row in _rows(self.connection, query, {"names": asked, "hiding": _HIDING}):
                stored = list(row[len(key) :])
                kept = [
                    self._kept_json(text)
                    if isinstance(table.c[column].type, JSONB)
                    else self.rule.of_column(column, text)
                    for column, text in zip(columns, stored, strict=True)
                ]
                if kept != stored:
                    cursor.execute(change, [*kept, *row[: len(key)]])
                    changed += 1
        self._count(self.erasure.redacted, table.fullname, changed)

    def _kept_json(self, text: str | None) -> str | None:
        """JSON without the person; the same text where it held nothing of them."""
        if text is None:
            return None
        value = json.loads(text, parse_float=Decimal, parse_int=_whole)
        kept = self.rule.said(value)
        return text if kept == value else _json.encode(kept).decode()

    def _lock(self, table: str) -> None:
        """Keep other writers out, who would change rows between the read and the write."""
        self.connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(_named(table)))

    def _delete(self, table: str, which: str, *values: Any) -> None:
        statement = sql.SQL("DELETE FROM {} WHERE {}").format(_named(table), sql.SQL(which))
        done = self.connection.execute(statement, list(values))
        self._count(self.erasure.deleted, table, done.rowcount)

    def _empty(self, table: str, column: str, values: list[Any]) -> None:
        statement = sql.SQL("UPDATE {0} SET {1} = NULL WHERE {1} = ANY(%s)").format(
            _named(table), sql.Identifier(column)
        )
        done = self.connection.execute(statement, [values])
        self._count(self.erasure.emptied, table, done.rowcount)

    @staticmethod
    def _count(counter: Counter[str], table: str, rows: int) -> None:
        if rows:
            counter[table] += rows


def _rows(connection: Connection, query: Any, values: Any = None) -> Iterator[Any]:
    """Yield the rows of a query, read in parts: a table may be larger than the memory."""
    with connection.cursor("erasure") as cursor:
        cursor.itersize = 1000
        yield from cursor.execute(query, values)


def _named(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _streams(*kinds: Kind) -> list[str]:
    return [stream.name for stream in STREAMS.values() if stream.kind in kinds]


def _only(table: str) -> str:
    """Return a condition on the rows whose ids are of the declared kind."""
    column, values = ONLY.get(table, ("", ()))
    return f" AND {column} IN ({', '.join(map(repr, values))})" if column else ""


def _holds_texts(table: Table, column: Column[Any]) -> bool:
    if table.name in ("erasures", "sql_parts") or column.name in _TERMS | _NAMES:
        return False
    if isinstance(column.type, JSONB):
        return not (table.schema == "crawl" and column.name in _FIGURES)
    return isinstance(column.type, Text)


def _ids(value: Any, field: str = "") -> Iterator[int]:
    """List the ids in a value out of JSON, of whatever kind."""
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


def _like(literal: str) -> str:
    """Return a pattern of LIKE for whatever holds a literal."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", literal) + "%"


def _whole(digits: str) -> int | Decimal:
    """Return a whole number of JSON; one that is too large for msgspec keeps its digits as a Decimal."""
    return int(digits) if len(digits) < 19 else Decimal(digits)
