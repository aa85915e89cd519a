"""Compare a warehouse with the replay of its archives, row by row and column by column.

Compared is what responses make: `scratch`, `history`, the versions of sources and the checkpoints of `crawl.frontier`.
Both are read sorted by key, a part at a time. This module states what an archive does not know, and nothing else may
differ:

- which pages were stored that a process had read when it was killed or failed. What such a run dated may have any time
  within the run; of what is kept once for each reading, the replay may have as many rows more as visits were under way;
  the checkpoints of lists with such a page are not compared (`uncertain`).
- at which statement of its transaction a version was replaced: its times may be apart by the duration of a transaction.
- requests for sources that had no answer to keep (too large, the project is not found), and what was read with the
  operator's own session.
- when a person was erased, and whether that was revoked: it follows the rules of now from the beginning. Therefore, in
  a warehouse from which somebody was erased, comments without author and text are not compared (places that may stay
  of an erased person's), nor the checkpoints of lists of replies, nor certificates that the erasure emptied.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy import LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB

from harvester.api.catalogue import STREAMS
from harvester.api.stream import Format, Kind
from harvester.config import MOST_AT_ONCE
from harvester.frontier.model import SourceOutcome
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS, OBJECTS, TRACKED, metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy import Column, Table

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "comparison")
_PART = 500
"""Rows that are fetched at once: few have more than some kilobytes."""
_OF_VERSIONS = ("valid_from", "last_seen_at", "valid_to")
_DATED = frozenset({*_OF_VERSIONS, "first_seen_at", "gone_at", "last_seen_at", "seen_at", "returned_at"})
"""Columns with a time at which the crawl saw something; all other times were served."""
_LONGEST_TRANSACTION = timedelta(minutes=5)
_OBSERVED = frozenset({"rankings", "site_counts", "site_health", "message_counts"})
"""Tables of what is kept once for each time that it was read."""
_FRONTIER = "crawl.frontier"
_MENTIONED = frozenset({*OBJECTS, *(log.name for name in OBJECTS for log in TRACKED[name])})
_ABSENCES = "absences"
_HELD = "packed"
"""Column that is null where a file holds a body; the hash of each body is compared."""
_OF_SOURCES = ("source.bodies", "source.versions", "source.projects")
_CHECKPOINT = ("stream", "entity_id", "position", "items", "visits", "certificate", "certified_from", "certified_at")
_CHECKPOINT_DATES = ("certified_from", "certified_at", "visited_at", "last_full_read_at")
_OF_REPLIES = frozenset(n for n, stream in STREAMS.items() if stream.kind in (Kind.PROJECT_THREAD, Kind.STUDIO_THREAD))
_UNARCHIVED = [name for name, stream in STREAMS.items() if stream.is_own or stream.format is Format.SOURCE]


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """Difference between the warehouse and the replay of its archives.

    Attributes:
        kind: `missing` from the warehouse, `extra` in it, or `changed`.
        key: The row's key, by column; digests in hexadecimal.
        column: The column of a changed value.
        is_explained: A page that an erasure took from the archive may have shown it.
    """

    kind: str
    table: str
    key: dict[str, Any]
    column: str | None = None
    warehouse: Any = None
    replay: Any = None
    is_explained: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        told = {"kind": self.kind, "table": self.table, "key": self.key}
        values = {"column": self.column, "warehouse": self.warehouse, "replay": self.replay}
        return told | values if self.column is not None else told


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class Compared:
    """A table that is compared, without the rows that archives do not make (`where`).

    Attributes:
        place: The key without times of the crawl: several rows may have the same.
        columns: All that are compared, those of the place first.
        key: The whole key.
    """

    table: Table
    place: tuple[str, ...]
    columns: tuple[str, ...]
    key: tuple[str, ...]
    dated: frozenset[str] = _DATED
    where: sql.SQL | sql.Composed = field(default_factory=lambda: sql.SQL("true"))

    @classmethod
    def of(cls, table: Table, where: sql.Composed | None = None) -> Compared:
        """Compare the rows of a table, or those of a condition."""
        key = tuple(table.info.get("key") or (column.name for column in table.primary_key.columns))
        place = tuple(name for name in key if name not in _DATED)
        columns = (*place, *(column.name for column in table.c if column.name not in place))
        return cls(table, place, columns, key, where=sql.SQL("true") if where is None else where)

    @classmethod
    def checkpoints(cls, streams: Collection[str] | None = None) -> Compared:
        """Compare the checkpoints of the frontier, or those of some streams."""
        columns = (*_CHECKPOINT, *(name for name in _CHECKPOINT_DATES if name not in _CHECKPOINT))
        where = sql.SQL("position > 0 AND stream <> ALL({})").format(sql.Literal(_UNARCHIVED))
        if streams is not None:
            where += sql.SQL(" AND stream = ANY({})").format(sql.Literal(sorted(streams)))
        table = metadata.tables[_FRONTIER]
        return cls(table, columns[:2], columns, columns[:2], frozenset(_CHECKPOINT_DATES), where)

    def query(self) -> sql.Composed:
        """Return the query for the rows in the order of their key, as Python sorts it."""
        chosen = [_value(self.table.c[name], is_key=name in self.place) for name in self.columns]
        order = [_sorted(self.table.c[name]) for name in (*self.place, *(k for k in self.key if k not in self.place))]
        return sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(
            sql.SQL(", ").join(chosen),
            sql.Identifier(str(self.table.schema), self.table.name),
            self.where,
            sql.SQL(", ").join(order),
        )


def _value(column: Column[Any], *, is_key: bool) -> sql.Composed:
    """Return the expression by which a column is compared: JSON as text (1 is not true), large bytes by a digest."""
    name = sql.Identifier(column.name)
    if isinstance(column.type, JSONB):
        return sql.SQL("{0}::text AS {0}").format(name)
    is_large = isinstance(column.type, LargeBinary) and not is_key
    return sql.SQL("sha256({0}) AS {0}" if is_large else "{0}").format(name)


def _sorted(column: Column[Any]) -> sql.Composed:
    # By code point, as Python compares texts.
    return sql.SQL('{} COLLATE "C"' if isinstance(column.type, Text) else "{}").format(sql.Identifier(column.name))


def _tables() -> list[Compared]:
    """Return the tables that responses make, each after those that it refers to."""
    return [
        Compared.checkpoints() if table.fullname == _FRONTIER else Compared.of(table)
        for table in metadata.sorted_tables
        if table.schema in ("scratch", "history") or table.fullname in (*_OF_SOURCES, _FRONTIER)
    ]


@dataclass(frozen=True, slots=True)
class _Runs:
    """When each run began that was not a worker of another, and how many of its processes left work undone."""

    begun: list[datetime]
    killed: list[int]

    @classmethod
    def read(cls, connection: Connection) -> _Runs:
        found = connection.execute(_SQL["runs"]).fetchall()
        return cls([at for at, _ in found], [count for _, count in found])

    def number(self, at: datetime) -> int:
        return bisect(self.begun, at)

    def is_exact(self, number: int) -> bool:
        """Return whether the archive has the time of each transaction of a run."""
        return number > 0 and not self.killed[number - 1]


class Comparison:
    """Comparison of a warehouse with its replay, over connections that have a transaction open.

    Attributes:
        is_anybody_erased: Somebody was erased from the warehouse.
        rows: The rows of the warehouse that were compared, by table.
    """

    def __init__(self, warehouse: Connection, replayed: Connection, uncertain: Collection[tuple[str, int]]) -> None:
        """Prepare a comparison; `uncertain`: lists and objects with a page of which nobody knows if it was stored."""
        self._connections = warehouse, replayed
        unkept = [SourceOutcome.TOO_LARGE, SourceOutcome.NOT_FOUND]
        without_body = warehouse.execute(_SQL["sources_without_body"], [unkept]).fetchall()
        self._passed_over = {_FRONTIER: uncertain, "source.projects": set(without_body)}
        """Places that are not compared, by table."""
        self.is_anybody_erased = warehouse.execute("SELECT EXISTS (SELECT FROM crawl.erasures)").fetchone() == (True,)
        self._runs = _Runs.read(warehouse)
        self._unstored = MOST_AT_ONCE * sum(self._runs.killed)
        """Rows of the replay that a killed run may have read without storing them."""
        self.rows: Counter[str] = Counter()

    def differences(self) -> Iterator[ReplayDifference]:
        """Yield the differences, table by table, each in the order of its key."""
        for one in _tables():
            for _, found in self.places(one):
                yield from found

    def places(self, one: Compared) -> Iterator[tuple[tuple[Any, ...], list[ReplayDifference]]]:
        """Yield the places of a table that differ, in order, each with its differences."""
        mine, theirs = (_groups(connection, one) for connection in self._connections)
        name = one.table.fullname
        passed_over = self._passed_over.get(name, ())
        for place, rows, others in _merged(mine, theirs):
            self.rows[name] += len(rows)
            if rows != others and place not in passed_over:
                found = list(self._compare(one, rows, others))
                if found:
                    yield place, found

    def _compare(
        self, one: Compared, rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]
    ) -> Iterator[ReplayDifference]:
        """Yield the differences of the rows in one place, of which those that agree are taken out first."""
        left = [other for other in others if not self._is_of_the_erased(one, other)]
        apart = []
        for row in rows:
            if self._is_of_the_erased(one, row):
                continue
            same = next((n for n, other in enumerate(left) if not self._differing(one, row, other)), None)
            if same is None:
                apart.append(row)
            else:
                del left[same]
        name = one.table.fullname
        for row, other in zip_longest(apart, left):
            if other is None:
                yield ReplayDifference("extra", name, _key(one, row), is_explained=self._is_explained(one, row))
            elif row is None:
                if not self._may_be_unstored(one, other):
                    # The warehouse has each object that a page of the archive shows; a version there may be another.
                    is_explained = one.table.name not in OBJECTS and self._is_explained(one, other)
                    yield ReplayDifference("missing", name, _key(one, other), is_explained=is_explained)
            else:
                is_explained = self._is_explained(one, row)
                for number in self._differing(one, row, other):
                    values = _plain(row[number]), _plain(other[number])
                    yield ReplayDifference("changed", name, _key(one, row), one.columns[number], *values, is_explained)

    def _differing(self, one: Compared, row: tuple[Any, ...], other: tuple[Any, ...]) -> list[int]:
        """Return the numbers of the columns in which two rows differ."""
        return [
            number
            for number, (name, value, again) in enumerate(zip(one.columns, row, other, strict=True))
            if value != again
            and not (name in one.dated and self._is_same_time(one, name, value, again))
            and not (name == _HELD and value is None)
            and not (name == "certificate" and self.is_anybody_erased and _is_same_but_erased(value, again))
        ]

    def _is_of_the_erased(self, one: Compared, row: tuple[Any, ...]) -> bool:
        """Return whether a row may be what stays of an erased person, or the checkpoint of what went."""
        if not self.is_anybody_erased:
            return False
        if one.table.name in COMMENTS:
            return all(row[one.columns.index(name)] is None for name in ("author_id", "content"))
        return one.table.fullname == _FRONTIER and row[0] in _OF_REPLIES

    def _is_explained(self, one: Compared, row: tuple[Any, ...]) -> bool:
        """Return whether a page of an erased person, which no archive has, may be the reason of a difference."""
        if not self.is_anybody_erased:
            return False
        name = one.table.name
        return name in _MENTIONED or (name == _ABSENCES and row[one.columns.index("kind")] in OBJECTS)

    def _is_same_time(self, one: Compared, column: str, at: datetime | None, again: datetime | None) -> bool:
        """Return whether two times of a crawl that differ may be the same."""
        if at is None or again is None:
            return False
        number, other = self._runs.number(at), self._runs.number(again)
        if column in _OF_VERSIONS and "of" in one.table.info:
            if abs(at - again) < _LONGEST_TRANSACTION and number == other:
                return True
            if column == "last_seen_at":  # the visit that saw it last may be one of which nobody knows if it was stored
                return not (self._runs.is_exact(number) and self._runs.is_exact(other))
        return not self._runs.is_exact(number) and number == other

    def _may_be_unstored(self, one: Compared, row: tuple[Any, ...]) -> bool:
        """Return whether a row of the replay may have been read by a run that was killed before it stored it."""
        if one.table.name not in _OBSERVED or self._unstored == 0:
            return False
        number = self._runs.number(row[one.columns.index("seen_at")])
        if number == 0 or self._runs.is_exact(number):
            return False
        self._unstored -= 1
        return True


def _is_same_but_erased(certificate: str | None, again: str | None) -> bool:
    """Return whether two certificates are equal as far as erased people can let them be.

    An erasure removes those that hold the person, and an archive has other ids, and so other digests, in their place.
    """
    return certificate is None or (again is not None and _undigested(certificate) == _undigested(again))


def _undigested(certificate: str) -> Any:
    return json.loads(certificate, object_hook=lambda part: {name: part[name] for name in part if name != "digest"})


def _key(one: Compared, row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: _plain(row[one.columns.index(name)]) for name in one.key}


def _groups(connection: Connection, one: Compared) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]:
    """Yield the rows of a table that are in one place, with that place, in its order."""
    width = len(one.place)
    with connection.cursor(name="compared") as cursor:
        cursor.itersize = _PART
        cursor.execute(one.query())
        for place, rows in groupby(cursor, key=lambda row: row[:width]):
            yield place, list(rows)


_Group = tuple[tuple[Any, ...], list[tuple[Any, ...]]]


def _merged(
    mine: Iterable[_Group], theirs: Iterable[_Group]
) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
    """Yield the places of two sorted sequences, each with the rows of both."""
    left, right = iter(mine), iter(theirs)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one[0], one[1], []
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield other[0], [], other[1]
            other = next(right, None)
        else:
            yield one[0], one[1], other[1]
            one, other = next(left, None), next(right, None)
