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
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB

from harvester.api.catalogue import STREAMS
from harvester.api.stream import Kind
from harvester.errors import UsageError, WarehouseError
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.schema import keep_crawls_out
from harvester.warehouse.tables import KEY_COLUMNS, TRACKED, WRITTEN, metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Table

    from harvester.api.stream import Stream
    from harvester.warehouse.normalise import Rows

    Connection = psycopg.Connection[tuple[Any, ...]]

USER, NAME, PROJECT, STUDIO = "user", "name", "project", "studio"
_FILE = "erased.txt"
_THIS_KEY = "key"
"""The kind of the one hash that tells whether a key is the one that the others were made with."""
REMOVED = "[erased]"
COMMENTS = ("project_comments", "studio_comments", "profile_comments")

OWNED: dict[str, dict[str, str]] = {
    "users": {"id": USER, "username": NAME},
    "projects": {"id": PROJECT, "author_id": USER},
    "project_comments": {"project_id": PROJECT},
    "profile_comments": {"user_id": USER},
    "follows": {"follower_id": USER, "followee_id": USER},
    "favorites": {"user_id": USER, "project_id": PROJECT},
    "studio_projects": {"project_id": PROJECT},
    "studio_members": {"user_id": USER},
    "studio_activity": {
        "actor_id": USER, "project_id": PROJECT, "actor_username": NAME, "username": NAME, "recipient_username": NAME,
    },
    "rankings": {"thing_id": PROJECT},
    "message_counts": {"user_id": USER},
    "account.messages": {"actor_id": USER, "actor_username": NAME},
    "account.activity": {"actor_id": USER, "actor_username": NAME},
    "account.projects": {"id": PROJECT},
    "account.states": {"thing_id": PROJECT},
}  # fmt: skip
"""Columns by which a row is the person's, by what they name: such a row is not kept."""
MENTIONED: dict[str, dict[str, str]] = {
    "project_comments": {"commentee_id": USER},
    "studio_comments": {"commentee_id": USER},
    "profile_comments": {"commentee_id": USER},
    "studio_projects": {"added_by_id": USER},
    "projects": {"parent_id": PROJECT, "root_id": PROJECT},
    "users": {"featured_project_id": PROJECT},
}
"""Columns that name the person in somebody else's row: they are emptied."""
DERIVED: dict[str, dict[str, str]] = {
    "user_months": {"user_id": USER},
    "follow_degrees": {"user_id": USER},
    "threads": {"author_id": USER, "place_id": USER},
    "remix_trees": {"root_id": PROJECT},
    "ranking_stays": {"thing_id": PROJECT},
    "remix_nodes": {"project_id": PROJECT, "parent_id": PROJECT, "root_id": PROJECT},
}
"""Columns of `analytics` that name the person: such a row goes, and the next refresh makes all of them anew."""
_HOSTED = ("host_id", "title", "description")
"""What is emptied of a studio that the person hosts."""
_EVENTS = ("account.messages", "account.activity")
"""Tables whose `extra` names a project, and tells what it is called."""
_FEATURED = "featured_project_data"
"""What `extra` of a user holds of the project that they feature."""
_ID = r"^[0-9]{1,18}$"
_HAS_AUTHOR = "SELECT FROM scratch.projects p WHERE p.author_id IS NOT NULL AND p.id ="
_SAID = ("author_id", "commentee_id", "content", "content_served", "created_at", "modified_at", "visibility")
"""What is emptied of a comment of the person that others replied to."""
_TELLING_LENGTH = 10
"""Names from this length on, or with a digit or a dash, are taken for the person wherever they stand as a word."""
_CALLED = ("@", "/users/", "?q=")
"""What stands before a name, of whatever kind, that is meant for the person; the last in the name of a search."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,60}")


class Rule:
    """Who is left out of what is stored. Without an erasure it changes nothing and costs nothing."""

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
        """Whether a value of a kind is of somebody who was erased."""
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
        """Whether a visit of an entity of a kind, or on a page of `owner`, is one of somebody who was erased."""
        if not self:
            return False
        of_project = kind.startswith(PROJECT)
        return (
            self.names(NAME, username)
            or (kind == USER and self.names(USER, entity))
            or (of_project and self.names(PROJECT, entity if owner is None else owner))
        )

    def apply(self, pages: Sequence[Rows]) -> list[Rows]:
        """The rows of a page without the erased: by table, what is theirs dropped and what names them emptied."""
        if not self:
            return list(pages)
        also = self._met_on(pages)
        kept = []
        for rows in pages:
            values = [row for row in (self._without(rows, one, also) for one in rows.values) if row is not None]
            kept.append(replace(rows, values=values))
        return kept

    def _met_on(self, pages: Sequence[Rows]) -> set[tuple[str, Any]]:
        """Ids of the erased as this page tells them: of a user by name, of a project by its author."""
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

        if any(names(column, kind) for column, kind in OWNED.get(rows.table, {}).items()):
            return None
        served = dict(zip(rows.columns, row, strict=True))
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
            ({} if column == "extra" else None) if column in emptied else self.said(value)
            for column, value in served.items()
        )

    def title_less(self, connection: Connection, pages: Sequence[Rows]) -> list[Rows]:
        """The rows of a page without the titles of projects whose author nobody told yet."""
        asked = {project for rows in pages for row in rows.values for project in _titled(rows, row)} if self else set()
        if not asked:
            return list(pages)
        found = connection.execute(
            f"SELECT v.id FROM unnest(%s::bigint[]) AS v (id) WHERE NOT EXISTS ({_HAS_AUTHOR} v.id)", [list(asked)]
        )
        strange = {project for (project,) in found.fetchall()}
        return [
            replace(
                rows, values=[_untitled(rows, row) if strange & set(_titled(rows, row)) else row for row in rows.values]
            )
            for rows in pages
        ]

    def of_list(self, stream: Stream, items: list[int] | None) -> list[int] | None:
        """The items that a page of a list showed, without the erased."""
        kind = None if stream.holds is None else OWNED.get(stream.holds.table, {}).get(stream.holds.item)
        if not self or items is None or kind is None:
            return items
        return [item for item in items if not self.names(kind, item)]

    def of_walk(self, kept: str | None) -> str | None:
        """The state or the certificate of a walk, as JSON, without the erased among the items that it remembers."""
        if not self or kept is None:
            return kept
        walk = json.loads(kept)
        for part in (walk, walk.get("base"), walk.get("until")):
            for remembered in ("anchors", "head", "known"):
                if part and remembered in part:
                    part[remembered] = [
                        item for item in part[remembered] if not (self.names(USER, item) or self.names(PROJECT, item))
                    ]
        return json.dumps(walk)

    def _word(self, found: re.Match[str]) -> str:
        word, text = found[0], found.string
        is_called = text.endswith(_CALLED, 0, found.start())
        if (is_called or _is_telling(word)) and self.names(NAME, word):
            return REMOVED
        return word

    def said(self, value: Any) -> Any:
        """A value without the names of the erased."""
        if isinstance(value, str):
            return _TOKEN.sub(self._word, value)
        if isinstance(value, dict):
            return {
                name: 0
                if type(inner) is int and name.endswith("id") and self.names(USER, inner)
                else self._field(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._field(inner) for inner in value]
        return value

    def _field(self, value: Any) -> Any:
        """A value out of JSON without the names of the erased: a field that holds nothing but a name names them."""
        return REMOVED if isinstance(value, str) and self.names(NAME, value) else self.said(value)


def _credits(rows: Rows) -> Iterator[tuple[int, str]]:
    """Projects with the name of who made them, where a row that is about something else tells."""
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
    """The project that a row names by its title, and without its author."""
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
    """The rule of a warehouse; the key in `home` is looked at only where somebody was erased.

    Raises:
        WarehouseError: somebody was erased with another key than this installation's.
        UsageError: the key cannot be read.
    """
    hashes = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
    remembered = _remembered(home)
    if not (hashes or remembered):
        return Rule(b"", ())
    key = b"" if home is None else secret_key(home)
    if hashes and keyed_hash(key, _THIS_KEY, "") not in hashes:
        raise WarehouseError(
            "this warehouse leaves people out by another secret key than the one here: copy secret.key from the"
            " machine on which `harvester forget` ran into HARVESTER_HOME"
        )
    return Rule(key, hashes | remembered)


def _remembered(home: Path | None) -> set[str]:
    """The hashes that stand beside the key, so that a warehouse that is made anew leaves the same people out."""
    try:
        return set() if home is None else set((home / _FILE).read_text().split())
    except OSError:
        return set()


def _remember(home: Path, hashes: Iterable[str]) -> None:
    descriptor = os.open(home / _FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{each}\n" for each in hashes)


@dataclass(slots=True)
class Erasure:
    """What an erasure removed: rows by table, what was emptied, and texts in which a name was replaced."""

    users: list[int]
    """Ids of the person: of who has the name or, if nobody has, of who had it."""
    deleted: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, dict[str, int]]:
        """For `--json`: counts by table."""
        return {"deleted": dict(self.deleted), "emptied": dict(self.emptied), "redacted": dict(self.redacted)}


def forget(connection: Connection, home: Path, name: str, *, rehearse: bool = False) -> Erasure:
    """Remove a person by name, in one transaction, and keep the rule that leaves them out from now on.

    With `rehearse` everything is counted and nothing kept.

    Raises:
        UsageError: a name that cannot be one.
        WarehouseError: a crawl is at work, which could store the person anew.
    """
    if not _TOKEN.fullmatch(name):
        raise UsageError(f"{name!r} is no username: letters, digits, _ and - only")
    found = connection.execute(
        "WITH now AS (SELECT id FROM scratch.users WHERE lower(username) = %(name)s) SELECT id FROM now"
        " UNION SELECT user_id FROM history.user_revisions"
        " WHERE lower(username) = %(name)s AND NOT EXISTS (SELECT FROM now) ORDER BY 1",
        {"name": name.lower()},
    ).fetchall()
    erasure = Erasure([user for (user,) in found])
    with connection.transaction(force_rollback=rehearse):
        keep_crawls_out(connection)
        hashes = _remove(connection, home, name, erasure)
        if not rehearse:
            _remember(home, hashes)
    return erasure


def _remove(connection: Connection, home: Path, name: str, erasure: Erasure) -> list[str]:
    load_rule(connection, home)
    key = secret_key(home)
    users = erasure.users

    def told(query: str, **more: Any) -> list[Any]:
        return [value for (value,) in connection.execute(query, {"users": users} | more).fetchall()]

    names = told(
        "SELECT lower(username) FROM scratch.users WHERE id = ANY(%(users)s) AND username IS NOT NULL"
        " UNION SELECT lower(username) FROM history.user_revisions"
        " WHERE user_id = ANY(%(users)s) AND username IS NOT NULL"
    )
    names = sorted({name.lower(), *names})
    known: dict[str, list[Any]] = {
        USER: users,
        NAME: names,
        PROJECT: told(
            "SELECT id FROM scratch.projects WHERE author_id = ANY(%(users)s)"
            " UNION SELECT thing_id FROM history.rankings"
            " WHERE kind = 'project' AND lower(extra ->> 'creator') = ANY(%(names)s)"
            f" UNION SELECT (extra -> '{_FEATURED}' ->> 'id')::bigint FROM scratch.users"
            f" WHERE lower(extra -> '{_FEATURED}' ->> 'creator') = ANY(%(names)s)"
            f" AND extra -> '{_FEATURED}' ->> 'id' ~ '{_ID}'",
            names=names,
        ),
        STUDIO: told("SELECT id FROM scratch.studios WHERE host_id = ANY(%(users)s)"),
    }
    work = _Work(connection, erasure, known)
    work.figures()
    work.comments()
    work.history()
    work.rows()
    work.titles()
    work.frontier()
    work.texts()
    hashes = {keyed_hash(key, _THIS_KEY, ""): _THIS_KEY}
    for kind, values in known.items():
        hashes |= {keyed_hash(key, kind, value): kind for value in values}
    connection.cursor().executemany(
        "INSERT INTO crawl.erasures (hash, kind) VALUES (%s, %s) ON CONFLICT DO NOTHING", sorted(hashes.items())
    )
    return sorted(hashes)


@dataclass(slots=True)
class _Work:
    """The statements of one erasure; `known` are ids and names by kind."""

    connection: Connection
    erasure: Erasure
    known: dict[str, list[Any]]

    def figures(self) -> None:
        """What was worked out of the person's own rows, before these go; sums over many people are made anew later."""
        for table, columns in DERIVED.items():
            for column, kind in columns.items():
                self._delete(f"analytics.{table}", f"{column} = ANY(%s)", self.known[kind])
        self._delete("analytics.threads", "place_id = ANY(%s)", self.known[PROJECT])
        for table in COMMENTS:
            # When the person replied is told by the thread.
            replied = f"SELECT parent_id FROM scratch.{table} WHERE author_id = ANY(%s) AND parent_id IS NOT NULL"
            kind = table.removesuffix("_comments")
            self._delete("analytics.threads", f"kind = %s AND thread_id IN ({replied})", kind, self.known[USER])
        self.connection.execute("UPDATE analytics.refreshes SET mark = NULL")

    def comments(self) -> None:
        """What stands on pages of the person goes; comments of theirs elsewhere go, or are emptied if replied to."""
        for table in COMMENTS:
            for column, kind in OWNED.get(table, {}).items():
                self._delete_comments(table, f"{column} = ANY(%(values)s)", self.known[kind])
            authors = self.known[USER]
            self._delete_comments(table, "author_id = ANY(%(values)s) AND parent_id IS NOT NULL", authors)
            childless = f"NOT EXISTS (SELECT FROM scratch.{table} r WHERE r.parent_id = t.id)"
            self._delete_comments(table, f"author_id = ANY(%(values)s) AND {childless}", authors)
            left = self.connection.execute(
                f"UPDATE scratch.{table} SET {', '.join(f'{column} = NULL' for column in _SAID)}, extra = '{{}}'"
                " WHERE author_id = ANY(%s) RETURNING id",
                [authors],
            ).fetchall()
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
            self._delete("crawl.walks", "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(kind), gone)

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
        self._count(
            self.erasure.emptied,
            "scratch.users",
            self.connection.execute(
                f"UPDATE scratch.users SET extra = extra - '{_FEATURED}' WHERE featured_project_id = ANY(%s)"
                f" AND extra ? '{_FEATURED}'",
                [self.known[PROJECT]],
            ).rowcount,
        )
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
                self._delete(WRITTEN[table].fullname, f"{value} = ANY(%s)", self.known[kind])

    def titles(self) -> None:
        """What projects are called of which nobody told who made them: who is erased may have."""
        done = self.connection.execute(
            "UPDATE scratch.studio_activity a SET project_title = NULL"
            f" WHERE project_title IS NOT NULL AND NOT EXISTS ({_HAS_AUTHOR} a.project_id)"
        )
        self._count(self.erasure.emptied, "scratch.studio_activity", done.rowcount)
        for table in _EVENTS:
            done = self.connection.execute(
                f"UPDATE {table} a SET extra = extra - 'title' WHERE extra ? 'title' AND extra ? 'project_id'"
                f" AND NOT EXISTS ({_HAS_AUTHOR} CASE WHEN a.extra ->> 'project_id' ~ '{_ID}'"
                " THEN (a.extra ->> 'project_id')::bigint END)"
            )
            self._count(self.erasure.emptied, table, done.rowcount)

    def frontier(self) -> None:
        """Walks, seeds and what was set aside."""
        users, projects = self.known[USER], self.known[PROJECT]
        self._delete("crawl.walks", "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(Kind.USER), users)
        of_projects = _streams(Kind.PROJECT, Kind.PROJECT_THREAD)
        self._delete(
            "crawl.walks", "stream = ANY(%s) AND coalesce(owner_id, entity_id) = ANY(%s)", of_projects, projects
        )
        self._delete("crawl.seeds", "kind = 'user' AND entity_id = ANY(%s)", users)
        self._delete("crawl.seeds", "kind = 'project' AND entity_id = ANY(%s)", projects)
        for table in ("crawl.suspects", "crawl.sightings"):
            self._delete(table, "item_id = ANY(%s)", users + projects)
            self._delete(table, "stream = ANY(%s) AND entity_id = ANY(%s)", _streams(Kind.USER), users)
            self._delete(table, "stream = ANY(%s) AND entity_id = ANY(%s)", of_projects, projects)
        of = "design_id IN (SELECT id FROM crawl.designs WHERE kind = %s) AND entity_id = ANY(%s)"
        self._delete("crawl.draws", of, USER, users)
        # A number that came up by chance, as of a project that never was: a gap in the draw would tell more.
        done = self.connection.execute(
            f"UPDATE crawl.draws SET outcome = 'not found', visited_at = coalesce(visited_at, now()) WHERE {of}",
            [PROJECT, projects],
        )
        self._count(self.erasure.emptied, "crawl.draws", done.rowcount)
        asked = "SELECT stream, id FROM crawl.queries WHERE lower(query) = ANY(%s)"
        self._delete("crawl.walks", f"(stream, entity_id) IN ({asked})", self.known[NAME])
        self._delete("crawl.queries", "lower(query) = ANY(%s)", self.known[NAME])
        numbers = _numbers(users + projects)
        anywhere = "|".join(filter(None, (_words(self.known[NAME]), _fields(self.known[NAME]), numbers)))
        self._delete("crawl.quarantine", "encode(body, 'escape') ~* %s OR path ~* %s", anywhere, anywhere)
        # An example tells what was served, or whose list it was.
        self._empty_examples(anywhere)
        if numbers:
            # What a list ended with may be the person: such a list is read in full the next time.
            self.connection.execute(
                "UPDATE crawl.walks SET certificate = NULL, state = NULL"
                " WHERE certificate::text ~ %(numbers)s OR state::text ~ %(numbers)s",
                {"numbers": numbers},
            )

    def _empty_examples(self, pattern: str) -> None:
        done = self.connection.execute("UPDATE crawl.drift SET example = '' WHERE example ~* %s", [pattern])
        self._count(self.erasure.emptied, "crawl.drift", done.rowcount)

    def texts(self) -> None:
        """The names in texts of others, and ids in what has no column of its own."""
        names = _words(self.known[NAME])
        fields = _fields(self.known[NAME])
        numbers = _numbers(self.known[USER])
        for table in metadata.sorted_tables:
            if table.name == "erasures":
                continue
            for column in table.columns:
                if isinstance(column.type, JSONB):
                    ours = table.schema == "crawl"  # words and figures of our own
                    self._replace(table, column.name, names if ours else f"{fields}|{names}", REMOVED, "::jsonb")
                    if numbers and not ours:
                        self._replace(table, column.name, numbers, "0", "::jsonb")
                elif isinstance(column.type, Text) and column.name not in (
                    "stream",
                    "kind",
                    "outcome",
                    "role",
                    "relation",
                ):
                    self._replace(table, column.name, names, REMOVED, "")

    def _replace(self, table: Table, column: str, pattern: str, by: str, cast: str) -> None:
        done = self.connection.execute(
            sql.SQL(
                "UPDATE {table} SET {column} = regexp_replace({column}::text, %(pattern)s, %(by)s, 'gi')"
                + cast
                + " WHERE {column}::text ~* %(pattern)s"
            ).format(table=sql.Identifier(table.schema or "", table.name), column=sql.Identifier(column)),
            {"pattern": pattern, "by": by},
        )
        self._count(self.erasure.redacted, table.fullname, done.rowcount)

    def _delete(self, table: str, which: str, *values: Any) -> None:
        done = self.connection.execute(f"DELETE FROM {table} WHERE {which}", list(values))
        self._count(self.erasure.deleted, table, done.rowcount)

    def _empty(self, table: str, column: str, values: list[Any]) -> None:
        done = self.connection.execute(f"UPDATE {table} SET {column} = NULL WHERE {column} = ANY(%s)", [values])
        self._count(self.erasure.emptied, table, done.rowcount)

    @staticmethod
    def _count(counter: Counter[str], table: str, rows: int) -> None:
        if rows:
            counter[table] += rows


def _streams(*kinds: Kind) -> list[str]:
    return [stream.name for stream in STREAMS.values() if stream.kind in kinds]


def _is_telling(name: str) -> bool:
    return len(name) >= _TELLING_LENGTH or re.search(r"[0-9_-]", name) is not None


def _words(names: Sequence[str]) -> str:
    """A pattern for names in texts: as mentions and links, and as words where no word of a language is meant."""
    patterns = []
    for name in names:
        called = "|".join(map(re.escape, _CALLED))
        before = r"(?<![A-Za-z0-9_-])" if _is_telling(name) else f"(?<={called})"
        patterns.append(f"{before}{name}(?![A-Za-z0-9_-])")
    return "|".join(patterns)


def _fields(names: Sequence[str]) -> str:
    """A pattern for names that are all that a field of JSON holds, or all of a text; names of fields are no names."""
    either = "|".join(names)
    return rf'(?<=")({either})(?="\s*([,\]}}]|$))|^({either})$'


def _numbers(ids: Sequence[int]) -> str:
    """A pattern for ids among other digits, and sizes of pictures as 90x90; empty for none."""
    return f"(?<![0-9.x])({'|'.join(map(str, ids))})(?![0-9.x])" if ids else ""
