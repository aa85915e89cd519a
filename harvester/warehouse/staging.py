"""Writing of rows: all of a transaction are staged by one COPY, then written by one statement for each table.

The statement compares what was staged with what is there, once: a row that is already as staged is neither locked nor
written. Of the others it keeps the version that is superseded and the absence that ends, and inserts or updates.

One staging table serves all tables: emptying nine of them cost 3 ms of every commit, one costs 0.6 ms. Its columns are
places by type; a part, which is a table with the columns that a stream may write, gives its own names to them. Only
the places that a transaction needs are sent, in binary: text costs the client three times as much, mostly for times.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql
from sqlalchemy.dialects import postgresql

from harvester.api.catalogue import DETAIL, STREAMS
from harvester.api.records import ERASED
from harvester.api.stream import Kind, Paging
from harvester.warehouse.tables import KEY_COLUMNS, TRACKED, UNIQUE, WRITTEN, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Column, Table

    from harvester.api.rows import Rows

    Connection = psycopg.Connection[tuple[Any, ...]]

_Staged = dict[Any, tuple[Any, ...]]
"""Rows by key."""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_STAGE_NAME = sql.Identifier("pg_temp", "stage")
_STAGED_AS = {
    "integer": "bigint",
    "smallint": "bigint",
    "jsonb": "text",
    "timestamp with time zone": "timestamptz",
}
NAME_UNKNOWN = "waits: the present name of the account is not known"
"""`last_error` of a visit by name that waits until the account is met with a name."""
_DETAIL_OF = {"users": DETAIL[Kind.USER], "projects": DETAIL[Kind.PROJECT], "studios": DETAIL[Kind.STUDIO]}
_ORDER = {table: number for number, table in enumerate(WRITTEN)}
"""Tables by the place at which they are written: those that others refer to come first."""
_VISITED = tuple(_DETAIL_OF)
"""Tables of the things that are visited on their own: only of these is it asked which have changed."""


@dataclass(frozen=True, slots=True)
class Written:
    """Result of a write to one table: row counts, and the ids of the known entities that changed."""

    table: str
    inserted: int
    updated: int
    unchanged: int
    changed: list[int]
    renamed: list[int]
    """Users with another name than before, and those whose name was lost and is met."""


def prepare(connection: Connection) -> None:
    """Make the staging table of a connection."""
    connection.execute(_STAGE)


def clear(connection: Connection) -> None:
    """Empty the staging table, which the end of a transaction does otherwise."""
    connection.execute(sql.SQL("DELETE FROM {}").format(_STAGE_NAME))


def write(connection: Connection, rows: Iterable[Rows]) -> Iterator[Written]:
    """Write rows within a transaction, referred-to tables first, sorted by key. Once in each: see `clear`.

    What several pages say of one thing is written one after the other, in the order in which the pages are given, so
    that a history is the same whether they share a transaction or not.
    Raises psycopg.DataError for a value that its column cannot hold.
    """
    tables: defaultdict[str, list[tuple[_Part, list[tuple[Any, ...]]]]] = defaultdict(list)
    for page in rows:
        if page.values and set(KEY_COLUMNS[page.table]) <= set(page.columns):  # else nothing, or without its identity
            tables[page.table].append((_part(page.table, page.columns, page.shows, page.weak), page.values))
    ordered = [one for table in sorted(tables, key=_ORDER.__getitem__) for one in _in_rounds(tables[table])]
    if not ordered:
        return
    places = tuple(sorted({place for part, _ in ordered for place in part.places}))
    try:
        _send(connection, places, ordered)
    except (TypeError, ValueError, OverflowError):
        # What does not fit the type of its column is found here already, not by the server.
        raise psycopg.DataError("a value that its column cannot hold") from None
    with connection.pipeline():  # one wait for all
        done = [connection.execute(part.statement, {"part": number}) for number, (part, _) in enumerate(ordered)]
    for (part, staged), cursor in zip(ordered, done, strict=True):
        inserted, updated, ids, renamed = cursor.fetchone() or (0, 0, None, None)
        unchanged = len(staged) - inserted - updated
        yield Written(part.table, inserted, updated, unchanged, ids or [], renamed or [])


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


def _in_rounds(given: Sequence[tuple[_Part, list[tuple[Any, ...]]]]) -> list[tuple[_Part, _Staged]]:
    """Put the rows of one table into parts that are written one after the other, each thing at most once in each.

    What the index says comes first: a better response has the last word, and writes what else it does not know. Then a
    thing's rows stand in the order given; one that only repeats the row before it is left out. Parts come round after
    round, in a round by their own order: most things need but one.
    """
    staged: defaultdict[tuple[int, _Part], _Staged] = defaultdict(dict)
    last: dict[Any, tuple[int, _Part]] = {}
    for part, rows in sorted(given, key=lambda one: not one[0].weak):
        key, place = part.key, (0, part)
        first = staged[place]
        for values in rows:
            thing = key(values)
            if thing not in last:
                first[thing] = values
                last[thing] = place
                continue
            number, before = last[thing]
            if before is part and staged[number, part][thing] == values:
                continue
            if before.order >= part.order:
                number += 1
            staged[number, part][thing] = values
            last[thing] = number, part
    places = sorted((place for place, rows in staged.items() if rows), key=lambda place: (place[0], place[1].order))
    return [(place[1], staged[place]) for place in places]


def _type(column: Column[Any]) -> str:
    """Return the type that a column's values are staged with, as Postgres names it: one for all whole numbers.

    JSON is staged as text, written here: the library's own way costs as much as all the rest of a row.
    """
    name = column.type.compile(dialect=_DIALECT).lower()
    return _STAGED_AS.get(name, name)


def _places() -> dict[str, str]:
    """Return the columns of the staging table and their types: of each type as many as the widest table needs."""
    widest: Counter[str] = Counter()
    for table in WRITTEN.values():
        widest |= Counter(_type(column) for column in table.columns)
    return {f"{kind}_{number}": kind for kind, most in sorted(widest.items()) for number in range(most)}


_PLACES = _places()
_STAGE = sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (part smallint, {}) ON COMMIT DELETE ROWS").format(
    _STAGE_NAME,
    sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in _PLACES.items()),
)


@cache
def _copy(places: tuple[str, ...]) -> bytes:
    """Return the statement that takes rows of some columns."""
    columns = sql.SQL(", ").join(map(sql.Identifier, ("part", *places)))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(_STAGE_NAME, columns).as_bytes()


@cache
def _types(places: tuple[str, ...]) -> list[str]:
    return ["smallint", *(_PLACES[place] for place in places)]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Staging and writing of rows of one table with one set of columns, identified by `key`."""

    table: str
    order: tuple[bool, bool, tuple[str, ...]]
    """Its place among the parts of a round."""
    weak: bool
    key: Callable[[tuple[Any, ...]], Any]
    statement: bytes
    places: tuple[str, ...]
    """Columns of the staging table that hold the values."""
    extra: int | None
    """Index of `extra` among the values."""


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
def _part(table: str, columns: tuple[str, ...], shows: bool, weak: bool) -> _Part:
    declared = WRITTEN[table].c
    taken: Counter[str] = Counter()
    names = []
    for column in columns:
        kind = _type(declared[column])
        names.append(f"{kind}_{taken[kind]}")
        taken[kind] += 1
    staged = sql.SQL("(SELECT {} FROM {} WHERE part = %(part)s)").format(
        sql.SQL(", ").join(
            sql.SQL("{}::{} AS {}").format(
                sql.Identifier(name),
                sql.SQL(declared[column].type.compile(dialect=_DIALECT)),
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
        statement=_statement(table, columns, staged, shows=shows, weak=weak).as_bytes(),
        places=tuple(names),
        extra=columns.index("extra") if "extra" in columns else None,
    )


def _statement(table: str, columns: tuple[str, ...], staged: sql.Composed, *, shows: bool, weak: bool) -> sql.Composed:
    """Compare, keep what is superseded, insert or update; returns the numbers of both, and what was updated.

    Where the rows are shown to be at the site, what was gone is back, and the absence goes to the history; where they
    come with a `gone_reason`, they are gone. An account that was erased stays so. Of `weak` rows only that is written
    which no better response has told, see `_fills`.
    """
    target = WRITTEN[table]
    key = KEY_COLUMNS[table]
    plain = [column for column in columns if column not in key and column not in ("extra", "seen_at")]

    def becomes(column: str, new: str) -> sql.Composable:
        """Return the value of a column of a known row `t` once the row `new` is written."""
        value = sql.SQL("{}.{}").format(sql.SQL(new), sql.Identifier(column))
        if column == "gone_reason" and table == "users":
            return sql.SQL("CASE WHEN {} THEN t.gone_reason ELSE {} END").format(_IS_ERASED, value)
        if weak:
            return sql.SQL("CASE WHEN {} THEN {} ELSE t.{} END").format(
                _fills(table, column), value, sql.Identifier(column)
            )
        return value

    marked = [column for column in plain if column in WEAK_COLUMNS.get(table, ())]
    sets: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(column), becomes(column, "excluded"))
        for column in columns
        if column not in key and column != "extra"
    ]
    into: list[sql.Composable] = [sql.Identifier(column) for column in columns]
    values = list(into)
    if "first_seen_at" in target.c:
        # As the column's default is, but by a name that a replay gives another meaning.
        into.append(sql.SQL("first_seen_at"))
        values.append(sql.SQL("now()"))
    if "extra" in columns:
        sets.append(sql.SQL("extra = excluded.extra || t.extra" if weak else "extra = t.extra || excluded.extra"))
    if weak:
        into.append(sql.SQL("from_index"))
        values.append(sql.Literal(marked))
        filled = [
            sql.SQL(
                "CASE WHEN t.{0} IS NULL AND excluded.{0} IS NOT NULL AND {1} AND {2} <> ALL (t.from_index)"
                " THEN {2} END"
            ).format(sql.Identifier(column), _fills(table, column), sql.Literal(column))
            for column in marked
        ]
        sets.append(
            sql.SQL("from_index = t.from_index || array_remove(ARRAY[{}]::text[], NULL)").format(
                sql.SQL(", ").join(filled)
            )
        )
    elif marked:
        sets.append(
            sql.SQL(
                "from_index = CASE WHEN t.from_index = '{{}}' THEN t.from_index"
                " ELSE ARRAY(SELECT c FROM unnest(t.from_index) c WHERE c <> ALL ({})) END"
            ).format(sql.Literal(marked))
        )
    logs = () if weak else TRACKED.get(table, ())  # what the index said is kept with the ranking
    kept = [part for log in logs if (part := _superseded(table, log.name, columns)) is not None]
    names = table == "users" and "username" in columns and not weak
    returns = shows and "gone_at" in target.c
    if "gone_reason" in columns:
        into.append(sql.SQL("gone_at"))
        values.append(sql.SQL("now()"))
        sets.append(sql.SQL("gone_at = coalesce(t.gone_at, excluded.gone_at)"))
        sets.append(sql.SQL("last_seen_at = coalesce(t.last_seen_at, {})").format(_last_seen(table)))
        returns = False
    elif returns and table == "users":
        kept_by_the_erased = "{0} = CASE WHEN {1} THEN t.{0} END"
        sets += [
            sql.SQL(kept_by_the_erased).format(sql.Identifier(column), _IS_ERASED)
            for column in ("gone_at", "last_seen_at", "gone_reason")
        ]
    elif returns:
        sets.append(sql.SQL("gone_at = NULL, last_seen_at = NULL, gone_reason = NULL"))

    def differs(new: str) -> sql.Composable:
        changes: list[sql.Composable] = [
            sql.SQL("t.{} IS DISTINCT FROM {}").format(sql.Identifier(column), becomes(column, new)) for column in plain
        ]
        if "extra" in columns:
            change = "t.extra IS DISTINCT FROM {}.extra || t.extra" if weak else "NOT t.extra @> {}.extra"
            changes.append(sql.SQL(change).format(sql.SQL(new)))
        if marked and not weak:
            changes.append(sql.SQL("t.from_index && {}").format(sql.Literal(marked)))
        if returns:
            changes.append(_came_back(table))
        either = sql.SQL(" OR ").join(changes) if changes else sql.SQL("false")
        return sql.SQL("NOT {} AND ({})").format(_was_read(table), either) if weak else either

    return sql.SQL(
        "WITH s AS MATERIALIZED (SELECT v.*{renamed} FROM {staged} v LEFT JOIN {target} t ON {same}"
        " WHERE t.{first} IS NULL OR {differs}), {kept}"
        "done AS (INSERT INTO {target} AS t ({into}) SELECT {values} FROM s {after} ORDER BY {key}"
        " ON CONFLICT ({unique}) {conflict} RETURNING xmax = 0 AS new, {thing} AS thing)"
        " SELECT count(*) FILTER (WHERE new), count(*) FILTER (WHERE NOT new),"
        " array_agg(thing) FILTER (WHERE NOT new), {whoever} FROM done"
    ).format(
        renamed=_RENAMED if names else sql.SQL(""),
        whoever=sql.SQL("(SELECT array_agg(id) FROM s WHERE renamed)" if names else "NULL::bigint[]"),
        staged=staged,
        target=_identifier(target),
        same=_same(key, "v"),
        first=sql.Identifier(key[0]),
        differs=differs("v"),
        kept=sql.SQL("").join(
            [
                *(sql.SQL("kept_{} AS ({}), ").format(sql.SQL(str(number)), part) for number, part in enumerate(kept)),
                *([_ended(table)] if returns else []),
            ]
        ),
        # What is superseded is read before it changes.
        after=sql.SQL("WHERE {}").format(
            sql.SQL(" AND ").join(sql.SQL(f"(SELECT count(*) FROM kept_{number}) >= 0") for number in range(len(kept)))
        )
        if kept
        else sql.SQL(""),
        thing=sql.SQL("t.id" if table in _VISITED else "NULL::bigint"),
        into=sql.SQL(", ").join(into),
        values=sql.SQL(", ").join(values),
        key=sql.SQL(", ").join(map(sql.Identifier, key)),
        unique=sql.SQL(UNIQUE[table]),
        conflict=sql.SQL("DO UPDATE SET {} WHERE {}").format(sql.SQL(", ").join(sets), differs("excluded"))
        if plain or "extra" in columns or returns
        else sql.SQL("DO NOTHING"),
    )


_IS_ERASED = sql.SQL("t.gone_reason IS NOT DISTINCT FROM {}").format(sql.Literal(ERASED))


def _came_back(table: str) -> sql.Composable:
    """Return the SQL condition that a shown entity `t` was gone, and can return."""
    gone = sql.SQL("t.gone_at IS NOT NULL")
    return sql.SQL("({} AND NOT ({}))").format(gone, _IS_ERASED) if table == "users" else gone


def _last_seen(table: str) -> sql.Composable:
    """When a thing `t` was last known to be present: when it was last visited, else when it was first met."""
    if table not in _VISITED:
        return sql.SQL("t.first_seen_at")
    return sql.SQL(
        "greatest(t.first_seen_at, (SELECT w.visited_at FROM crawl.frontier w WHERE w.stream = {} AND w.entity_id ="
        " t.id))"
    ).format(sql.Literal(_DETAIL_OF[table]))


WEAK_COLUMNS: dict[str, tuple[str, ...]] = {
    table: tuple(dict.fromkeys(c for stream in STREAMS.values() if table in stream.weak for c in stream.writes[table]))
    for table in _VISITED
}
"""Columns that weak streams fill, by table; with the key and `extra`, which are never marked."""


def _was_read(table: str) -> sql.Composable:
    """Return the SQL condition that the own page of an entity `t` was read."""
    return sql.SQL(
        "EXISTS (SELECT FROM crawl.frontier w WHERE w.stream = {} AND w.entity_id = t.id AND w.visited_at IS NOT NULL)"
    ).format(sql.Literal(_DETAIL_OF[table]))


def _fills(table: str, column: str) -> sql.Composable:
    """Return the SQL condition under which a weak response may write a column of an entity `t`.

    Its value is the index's, or none was ever served.
    """
    logs = [log for log in TRACKED[table] if column in log.c]
    known = [
        sql.SQL(" AND NOT EXISTS (SELECT FROM {} h WHERE {} AND h.{} IS NOT NULL)").format(
            _identifier(log), _same_thing(table, log.name), sql.Identifier(column)
        )
        for log in logs
    ]
    return sql.SQL("({} = ANY (t.from_index) OR (t.{} IS NULL{}))").format(
        sql.Literal(column), sql.Identifier(column), sql.SQL("").join(known)
    )


def _from_index(table: str, column: str) -> sql.Composable:
    """Return the SQL condition that the value of a column of an entity `t` is the index's."""
    if column not in WEAK_COLUMNS.get(table, ()):
        return sql.SQL("false")
    return sql.SQL("{} = ANY (t.from_index)").format(sql.Literal(column))


_RENAMED = sql.SQL(
    ", v.username IS NOT NULL AND CASE WHEN t.username IS NOT NULL THEN lower(t.username) <> lower(v.username)"
    " ELSE EXISTS (SELECT FROM crawl.frontier w WHERE w.stream = 'user' AND w.entity_id = t.id"
    f" AND w.last_error = '{NAME_UNKNOWN}') END AS renamed"
)
"""SQL: whether a user `t` is met with another name than before, or with one and visits wait for that."""


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema or "", table.name)


def _same(key: Sequence[str], other: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("t.{0} = {1}.{0}").format(sql.Identifier(column), sql.SQL(other)) for column in key
    )


def _ended(table: str) -> sql.Composed:
    """Keep the absences that end, of tables whose key is one id or two."""
    key = KEY_COLUMNS[table]
    if any(_type(WRITTEN[table].c[column]) != "bigint" for column in key):
        return sql.Composed([])
    return sql.SQL(
        "ended AS (INSERT INTO history.absences"
        " (kind, thing_id, other_id, gone_at, last_seen_at, returned_at, gone_reason)"
        " SELECT {kind}, t.{one}, {other}, t.gone_at, t.last_seen_at, now(), t.gone_reason FROM s JOIN {table} t"
        " ON {same} WHERE {back} AND t.gone_at < now()), "
    ).format(
        back=_came_back(table),
        kind=sql.Literal(table),
        one=sql.Identifier(key[0]),
        other=sql.SQL("t.{}").format(sql.Identifier(key[1])) if len(key) > 1 else sql.SQL("0"),
        table=_identifier(WRITTEN[table]),
        same=_same(key, "s"),
    )


def _superseded(table: str, log: str, columns: Sequence[str]) -> sql.Composed | None:
    """Keep the version of the rows that is about to change.

    A value that was unknown before is no version of its own. One that was served as null is: what was asked for itself
    holds the column as served, and so does what had another value before. What the index said is no version.
    """
    history = metadata.tables[f"history.{log}"]
    key = KEY_COLUMNS[table]
    things = _things(table, log)
    kept = [c.name for c in history.columns if c.name in WRITTEN[table].c and c.name not in key]
    watched = [column for column in kept if column in columns]
    if not watched:
        return None
    kind = [sql.SQL("kind")] if "kind" in history.c else []
    kind_value = [sql.Literal(table.removesuffix("_comments"))] if kind else []
    same = _same_thing(table, log)
    return sql.SQL(
        "INSERT INTO {log} ({into}) SELECT {kind}{key},"
        " coalesce((SELECT max(h.valid_to) FROM {log} h WHERE {same}), t.first_seen_at),"
        " statement_timestamp(), {kept}"
        " FROM s JOIN {table} t ON {joined} WHERE {changed}"
        " ORDER BY {key} FOR UPDATE OF t RETURNING 1"
    ).format(
        log=sql.Identifier("history", log),
        into=sql.SQL(", ").join([*kind, *map(sql.Identifier, [*things, "valid_from", "valid_to", *kept])]),
        kind=sql.SQL("").join([*kind_value, *([sql.SQL(", ")] if kind else [])]),
        key=sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(one)) for one in key),
        same=same,
        joined=_same(key, "s"),
        kept=sql.SQL(", ").join(
            sql.SQL("CASE WHEN NOT {} THEN t.{} END").format(_from_index(table, c), sql.Identifier(c))
            if c in WEAK_COLUMNS.get(table, ())
            else sql.SQL("t.{}").format(sql.Identifier(c))
            for c in kept
        ),
        table=sql.Identifier("scratch", table),
        changed=sql.SQL(" OR ").join(
            sql.SQL(
                "(t.{0} IS DISTINCT FROM s.{0} AND NOT {4} AND (t.{0} IS NOT NULL OR {1}"
                " OR EXISTS (SELECT FROM {2} h WHERE {3} AND h.{0} IS NOT NULL)))"
            ).format(
                sql.Identifier(column),
                _was_served(table, column),
                sql.Identifier("history", log),
                same,
                _from_index(table, column),
            )
            for column in watched
        ),
    )


def _things(table: str, log: str) -> list[str]:
    """Return the key of an entity by its names in a history, where an id has the name of the entity."""
    columns = metadata.tables[f"history.{log}"].columns
    return [
        next((c.name for c in columns if c.name == one or (one == "id" and c.name.endswith("_id"))), one)
        for one in KEY_COLUMNS[table]
    ]


def _same_thing(table: str, log: str) -> sql.Composed:
    """Return the condition under which a row `h` of a history is of an entity `t`."""
    same = [
        sql.SQL("h.{} = t.{}").format(sql.Identifier(thing), sql.Identifier(one))
        for thing, one in zip(_things(table, log), KEY_COLUMNS[table], strict=True)
    ]
    if "kind" in metadata.tables[f"history.{log}"].c:
        same.append(sql.SQL("h.kind = {}").format(sql.Literal(table.removesuffix("_comments"))))
    return sql.SQL(" AND ").join(same)


def _was_served(table: str, column: str) -> sql.Composable:
    """Return the SQL condition that an entity `t` was fetched before, with an answer that held the column."""
    by = [
        stream.name
        for stream in STREAMS.values()
        if stream.paging is Paging.SINGLE and column in stream.writes.get(table, ())
    ]
    if not by:
        return sql.SQL("false")
    return sql.SQL(  # the offset keeps a planner from looking up all that was visited, once for all rows
        "EXISTS (SELECT FROM crawl.frontier w"
        " WHERE w.stream = ANY({}) AND w.entity_id = t.id AND w.visited_at IS NOT NULL OFFSET 0)"
    ).format(sql.Literal(by))
