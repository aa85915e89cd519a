"""Remove the rows and texts of a person from all tables.

A comment that others replied to is emptied and stays, since their replies belong to its thread; a studio that the
person hosts stays without its host and texts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import sql
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB

from harvester.api.catalogue import STREAMS
from harvester.api.names import fold
from harvester.api.stream import Kind
from harvester.erasure.rule import EVENTS, HOSTED, NAME_COLUMNS, ONLY, SAID, TERMS, Rule, item_kind
from harvester.warehouse.annotations import NAME, PROJECT, STUDIO, USER
from harvester.warehouse.bodies import UnusedFiles
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import (
    COMMENTS,
    KEY_COLUMNS,
    MENTIONED,
    OWNED,
    TRACKED,
    WRITTEN,
    metadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, Table

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "removal")

ID_PATTERN = r"^[0-9]{1,18}$"
_FIGURES = (
    *("counts", "requests_by_purpose", "shares", "responses", "findings", "parameters", "state", "certificate"),
    *("removed", "releases"),
)
"""Columns of `crawl` with figures of the harvester, as JSON."""
_HIDING = r"[&%\\\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""Characters that can hide a name in a text of ASCII characters (`harvester.api.names`)."""
_json = msgspec.json.Encoder(decimal_format="number")


@dataclass(slots=True)
class Erasure:
    """Counts of an erasure by table: rows deleted and emptied, and rows with texts in which a name was replaced."""

    users: list[int]
    """Ids of the account that has the name or, if none has, of those that had it."""
    known: bool = False
    """The person is in the warehouse."""
    deleted: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    refreshed: list[str] = field(default_factory=list)
    """Materialised views that were refreshed."""
    files: UnusedFiles = field(default_factory=UnusedFiles)
    """Files of sources that were deleted."""
    lakes: list[str] = field(default_factory=list)
    """Folders of lakes, which may hold the person until they are brought up to date."""

    @property
    def touched(self) -> list[str]:
        """Return the tables and materialised views whose rows were changed or deleted."""
        return sorted({*self.deleted, *self.emptied, *self.redacted, *self.refreshed})

    def as_json(self) -> dict[str, Any]:
        """Return counts by table, and the views that were refreshed, for `--json`."""
        counts = {"deleted": dict(self.deleted), "emptied": dict(self.emptied), "redacted": dict(self.redacted)}
        return counts | {"refreshed": self.refreshed, "files": self.files.as_json(), "lakes": self.lakes}


@dataclass(slots=True)
class Removal:
    """Statements of one erasure. `known` has the ids and names by kind; `rule` recognises these only."""

    connection: Connection
    erasure: Erasure
    known: dict[str, list[Any]]
    rule: Rule
    is_whole: bool = False
    """Search all texts, not only those that hold a name or an id of `known`."""

    def run(self) -> None:
        """Remove the person, step by step."""
        self.comments()
        self.history()
        self.sources()
        self.rows()
        self.titles()
        self.frontier()
        self.requests()
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
            emptied = sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(column)) for column in SAID)
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
        """Delete the earlier versions and the absences of the person's rows."""
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
        """Delete the rows of the person, and empty columns of others that name them."""
        done = self.connection.execute(_SQL["empty_featured"], [self.known[PROJECT]])
        self._count(self.erasure.emptied, "scratch.users", done.rowcount)
        for table in EVENTS:
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
            f"UPDATE scratch.studios SET {', '.join(f'{column} = NULL' for column in HOSTED)} WHERE host_id = ANY(%s)",
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

    def sources(self) -> None:
        """Delete the sources of the person's projects, and the bodies that no other project has, with their facts.

        What a foreign key would delete as well is deleted here, so that it is counted and its table rewritten.
        """
        projects = self.known[PROJECT]
        self._delete("source.differences", "project_id = ANY(%s) OR other_id = ANY(%s)", projects, projects)
        deleted = self.connection.execute(_SQL["delete_versions"], [projects]).fetchall()
        self._count(self.erasure.deleted, "source.versions", len(deleted))
        bodies = [body for (body,) in deleted]
        for name, column in (("facts", "body_sha256"), ("assets", "body_sha256"), ("bodies", "sha256")):
            table = f"source.{name}"
            statement = sql.SQL(_SQL["delete_unused"]).format(table=_named(table), column=sql.Identifier(column))
            self._count(self.erasure.deleted, table, self.connection.execute(statement, [bodies]).rowcount)
        self._delete("source.projects", "project_id = ANY(%s)", projects)

    def titles(self) -> None:
        """Empty the titles of projects of unknown authors in activity: the author may be the erased person.

        There are none of a person who is not in the warehouse.
        """
        if not self.erasure.known:
            return
        done = self.connection.execute(_SQL["empty_titles"])
        self._count(self.erasure.emptied, "scratch.studio_activity", done.rowcount)
        for table in EVENTS:
            statement = sql.SQL(_SQL["empty_event_titles"]).format(table=_named(table))
            done = self.connection.execute(statement, [ID_PATTERN])
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
                lists = [stream.name for stream in STREAMS.values() if item_kind(stream) == kind]
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
            [[stream.name for stream in STREAMS.values() if item_kind(stream) is not None], numbers],
        ).fetchall()
        for stream, entity, *kept in entries:
            if any(self.rule.is_in_state(STREAMS[stream], state) for state in kept):
                done = self.connection.execute(
                    "UPDATE crawl.frontier SET certificate = NULL, state = NULL WHERE stream = %s AND entity_id = %s",
                    [stream, entity],
                )
                self._count(self.erasure.emptied, "crawl.frontier", done.rowcount)

    def _set_aside(self) -> None:
        """Delete quarantined responses that are of the person or name them, and empty such examples of drift."""
        self._lock("crawl.quarantine")
        rows = stream_rows(self.connection, "SELECT id, path, reason, body FROM crawl.quarantine")
        cases = [case for case, *texts in rows if any(map(self.rule.is_named_in, texts))]
        self._delete("crawl.quarantine", "id = ANY(%s)", cases)
        self._lock("crawl.drift")
        rows = stream_rows(self.connection, "SELECT stream, field, change, example FROM crawl.drift")
        examples = [key for *key, example in rows if self.rule.is_named_in(example)]
        self.connection.cursor().executemany(
            "UPDATE crawl.drift SET example = '' WHERE (stream, field, change) = (%s, %s, %s)", examples
        )
        self._count(self.erasure.emptied, "crawl.drift", len(examples))

    def requests(self) -> None:
        """Empty the person's requests of who they are: the tables' part of an open one is done by this."""
        done = self.connection.execute(_SQL["empty_requests"], [self.known[USER], self.known[NAME]])
        self._count(self.erasure.emptied, "crawl.erasure_requests", done.rowcount)

    def texts(self) -> None:
        """Replace the names in texts of others, and remove ids from JSON."""
        for table in metadata.sorted_tables:
            columns = [column.name for column in table.columns if _holds_texts(table, column)]
            if columns:
                self._redact(table, columns)

    def _redact(self, table: Table, columns: list[str]) -> None:
        self._lock(table.fullname)
        key = [column.name for column in table.primary_key] or ["id"]  # of news, which has a unique index only
        texts = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns]
        # Texts that may hold a name or an id; the rule decides, as for texts that are stored later.
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
            for row in stream_rows(self.connection, query, {"names": asked, "hiding": _HIDING}):
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
        """Return JSON without the person; the same text if it holds nothing of them."""
        if text is None:
            return None
        value = json.loads(text, parse_float=Decimal, parse_int=whole)
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


def stream_rows(connection: Connection, query: Any, values: Any = None) -> Iterator[Any]:
    """Yield the rows of a query, which are read in parts, since a table may be larger than the memory."""
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
    if table.name in ("erasures", "sql_parts") or column.name in TERMS | NAME_COLUMNS:
        return False
    if isinstance(column.type, JSONB):
        return not (table.schema == "crawl" and column.name in _FIGURES)
    return isinstance(column.type, Text)


def _like(literal: str) -> str:
    """Return the pattern of LIKE for texts that contain a literal."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", literal) + "%"


def whole(digits: str) -> int | Decimal:
    """Return a whole number of JSON; one that is too large for msgspec keeps its digits as a Decimal."""
    return int(digits) if len(digits) < 19 else Decimal(digits)
