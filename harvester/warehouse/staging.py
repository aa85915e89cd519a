"""Write rows: all rows of a transaction are staged by one COPY, then written by one statement for each table.

The statement compares staged with stored rows once: a row that is unchanged is neither locked nor written. Of the
others it keeps the superseded version and the absence that ends, and inserts or updates them.

One staging table serves all tables: emptying nine of them cost 3 ms of each commit, one costs 0.6 ms. Its columns are
numbered by type; a part, which is a table with the columns that a stream may write, gives them its own names. Only the
columns that a transaction needs are sent, in binary: text costs the client three times as much, mostly for times.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql

from harvester.warehouse.statements import statements
from harvester.warehouse.tables import KEY_COLUMNS, WRITTEN
from harvester.warehouse.upsert import DIALECT, Upsert, staged_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harvester.api.rows import Rows
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "staging")

_Staged = dict[Any, tuple[Any, ...]]
"""Rows by key; those of a part with moments after the `nth` and the `at` of their moment."""
_STAGE_NAME = sql.Identifier("pg_temp", "stage")
_ORDER = {table: number for number, table in enumerate(WRITTEN)}
"""Number of each table in the order of writing: tables that others refer to come first."""


@dataclass(frozen=True, slots=True)
class TransactionMoment:
    """A transaction among those that are made again in one: its number in the order of time, and its time."""

    nth: int
    at: datetime


_NOW = TransactionMoment(0, datetime.min.replace(tzinfo=UTC))
"""TransactionMoment of the rows of a transaction that is its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """Result of a write to one table: row counts, and the ids of the known entities that changed."""

    table: str
    inserted: int
    updated: int
    unchanged: int
    gone: int
    changed: list[int]
    renamed: list[int]
    """Users with another name than before, or with a name after their name was lost."""


def prepare(connection: Connection) -> None:
    """Make the staging table of a connection."""
    connection.execute(_STAGE)


def note_ended(connection: Connection, visits: Iterable[tuple[str, int, TransactionMoment, bool]]) -> None:
    """Tell the rows of several moments, within a transaction, which visits ended at which moment.

    A visit is its stream, entity and moment, and whether it was complete (see `crawl.frontier.last_full_read_at`).
    The table is made here: each transaction of a connection that has it clears it and its index at its end.
    """
    connection.execute(_SQL["create_ended"])
    copied = "COPY pg_temp.ended (stream, entity_id, nth, is_complete) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(copied) as copy:
        for stream, entity, moment, is_complete in visits:
            copy.write_row((stream, entity, moment.nth, is_complete))


def clear(connection: Connection) -> None:
    """Empty the staging table within a transaction; its end does the same."""
    connection.execute(sql.SQL("DELETE FROM {}").format(_STAGE_NAME))


def write(connection: Connection, rows: Iterable[tuple[Rows, TransactionMoment | None]]) -> Iterator[Written]:
    """Write rows within a transaction, referred-to tables first, sorted by key. Once in each: see `clear`.

    Rows of one entity from several pages are written one after the other, in the order of the pages, so that the
    history is the same whether they share a transaction or not. Rows with a moment are dated by it. Raises
    psycopg.DataError for a value that its column cannot hold.
    """
    tables: defaultdict[str, list[tuple[_Part, TransactionMoment, list[tuple[Any, ...]]]]] = defaultdict(list)
    for page, moment in rows:
        if page.values and set(KEY_COLUMNS[page.table]) <= set(page.columns):  # else nothing, or without its identity
            part = _part(page.table, page.columns, page.shows, page.weak, moment is not None)
            tables[page.table].append((part, moment or _NOW, page.values))
    ordered = [one for table in sorted(tables, key=_ORDER.__getitem__) for one in _in_rounds(tables[table])]
    if not ordered:
        return
    places = tuple(sorted({place for part, _ in ordered for place in part.places}))
    try:
        _send(connection, places, ordered)
    except (TypeError, ValueError, OverflowError):
        # A value that does not fit the type of its column is found by the client already.
        raise psycopg.DataError("a value that its column cannot hold") from None
    with connection.pipeline():  # one round trip for all
        done = [connection.execute(part.statement, {"part": number}) for number, (part, _) in enumerate(ordered)]
    for (part, staged), cursor in zip(ordered, done, strict=True):
        inserted, updated, gone, ids, renamed = cursor.fetchone() or (0, 0, 0, None, None)
        unchanged = len(staged) - inserted - updated
        yield Written(part.table, inserted, updated, unchanged, gone, ids or [], renamed or [])


def _send(connection: Connection, places: tuple[str, ...], ordered: Sequence[tuple[_Part, _Staged]]) -> None:
    """Fill the staging table, each part under its number."""
    with connection.cursor() as cursor, cursor.copy(_copy(places)) as copy:
        copy.set_types(_types(places))
        for number, (part, staged) in enumerate(ordered):
            layout, extra = _layout(part, places), part.extra
            for key in sorted(staged):
                values = staged[key]
                if extra is not None:
                    values = (*values[:extra], _as_json(values[extra]), *values[extra + 1 :])
                copy.write_row(layout((number, None, *values)))


def _in_rounds(given: Sequence[tuple[_Part, TransactionMoment, list[tuple[Any, ...]]]]) -> list[tuple[_Part, _Staged]]:
    """Divide the rows of one table into parts that are written in turn, with each entity at most once in a part.

    Of one moment, rows of the index come first, so that better responses are written over them. Then the rows of an
    entity are in the given order; one that repeats what the rows before it show is left out. Parts form rounds, within
    a round in their own order; most entities need one round.
    """
    staged: defaultdict[tuple[int, _Part], _Staged] = defaultdict(dict)
    last: dict[Any, tuple[int, _Part]] = {}
    shown: dict[Any, dict[str, Any]] = {}
    for part, moment, rows in sorted(given, key=lambda one: (one[1].nth, not one[0].weak)):
        key, place, dated = part.key, (0, part), part.dated(moment)
        first = staged[place]
        for values in rows:
            thing = key(values)
            if thing not in last:
                first[thing] = dated + values
                last[thing] = place
                continue
            number, before = last[thing]
            known = shown.get(thing)
            if known is None:
                known = shown[thing] = _shown(before, staged[number, before][thing][len(dated) :], {})
            if not part.weak and _repeats(part, values, known):
                continue
            shown[thing] = _shown(part, values, known)
            if before.order >= part.order:
                number += 1
            staged[number, part][thing] = dated + values
            last[thing] = number, part
    places = sorted((place for place, rows in staged.items() if rows), key=lambda place: (place[0], place[1].order))
    return [(place[1], staged[place]) for place in places]


def _shown(part: _Part, values: tuple[Any, ...], before: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of an entity after a row, those of `extra` joined."""
    now = before | dict(zip(part.columns, values, strict=True)) | {_SHOWS: before.get(_SHOWS) or part.shows}
    if part.weak:
        return {}
    if "extra" in before and "extra" in part.columns:
        now["extra"] = (before["extra"] or {}) | (now["extra"] or {})
    return now


def _repeats(part: _Part, values: tuple[Any, ...], known: dict[str, Any]) -> bool:
    """Return whether the rows before one have shown all that it shows."""
    if part.shows and not known.get(_SHOWS):
        return False
    for column, value in zip(part.columns, values, strict=True):
        if column == "extra":
            before = known.get("extra") or {}
            # True and 1 are equal, and not the same in JSON.
            if any(name not in before or repr(before[name]) != repr(one) for name, one in (value or {}).items()):
                return False
        elif column not in known or known[column] != value:
            return False
    return True


_SHOWS = ""
"""Name, among those of columns, of whether an entity was shown to be at the site."""


def _places() -> dict[str, str]:
    """Return the columns of the staging table and their types: of each type as many as the widest table needs."""
    widest: Counter[str] = Counter()
    for table in WRITTEN.values():
        widest |= Counter(staged_type(column) for column in table.columns)
    return {f"{kind}_{number}": kind for kind, most in sorted(widest.items()) for number in range(most)}


_MOMENT = {"nth": "bigint", "stored_at": "timestamptz"}
"""Columns of the staging table with the moment of a row."""
_PLACES = _places()
_STAGE = sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (part smallint, {}, {}) ON COMMIT DELETE ROWS").format(
    _STAGE_NAME,
    sql.SQL(", ").join(sql.SQL(f"{name} {kind}") for name, kind in _MOMENT.items()),
    sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in _PLACES.items()),
)


@cache
def _copy(places: tuple[str, ...]) -> bytes:
    """Return the COPY statement for rows of some columns."""
    columns = sql.SQL(", ").join(map(sql.Identifier, ("part", *places)))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(_STAGE_NAME, columns).as_bytes()


@cache
def _types(places: tuple[str, ...]) -> list[str]:
    return ["smallint", *((_MOMENT | _PLACES)[place] for place in places)]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Staging and writing of rows of one table with one set of columns, identified by `key`."""

    table: str
    order: tuple[bool, bool, tuple[str, ...]]
    """Sort key among the parts of a round."""
    weak: bool
    key: Callable[[tuple[Any, ...]], Any]
    statement: bytes
    places: tuple[str, ...]
    """Columns of the staging table with the values."""
    extra: int | None
    """Index of `extra` among the values."""
    columns: tuple[str, ...]
    shows: bool
    has_moments: bool

    def dated(self, moment: TransactionMoment) -> tuple[Any, ...]:
        """Return what stands before the values of a row."""
        return (moment.nth, moment.at) if self.has_moments else ()


@cache
def _layout(part: _Part, places: tuple[str, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function that makes the row of some columns from (number, None, *values)."""
    values_at = {place: 2 + number for number, place in enumerate(part.places)}
    return itemgetter(0, *(values_at.get(place, 1) for place in places))


def _as_json(value: Any) -> str:
    if not value:
        return "{}"
    try:
        return msgspec.json.encode(value).decode()
    except OverflowError:
        return json.dumps(value)  # whole numbers of any size


@cache
def _part(table: str, columns: tuple[str, ...], shows: bool, weak: bool, has_moments: bool = False) -> _Part:
    declared = WRITTEN[table].c
    taken: Counter[str] = Counter()
    names = []
    for column in columns:
        kind = staged_type(declared[column])
        names.append(f"{kind}_{taken[kind]}")
        taken[kind] += 1
    moment = tuple(_MOMENT) if has_moments else ()
    staged = sql.SQL("(SELECT {}{} FROM {} WHERE part = %(part)s)").format(
        sql.SQL("").join(sql.SQL("{}, ").format(sql.Identifier(one)) for one in moment),
        sql.SQL(", ").join(
            sql.SQL("{}::{} AS {}").format(
                sql.Identifier(name),
                sql.SQL(declared[column].type.compile(dialect=DIALECT)),
                sql.Identifier(column),
            )
            for name, column in zip(names, columns, strict=True)
        ),
        _STAGE_NAME,
    )
    return _Part(
        table=table,
        order=(not weak, shows, columns),
        weak=weak,
        key=itemgetter(*(columns.index(column) for column in KEY_COLUMNS[table])),
        statement=Upsert(table, columns, shows, weak, has_moments).statement(staged).as_bytes(),
        places=(*moment, *names),
        extra=len(moment) + columns.index("extra") if "extra" in columns else None,
        columns=columns,
        shows=shows,
        has_moments=has_moments,
    )
