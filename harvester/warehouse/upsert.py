"""The statement that writes staged rows of one table: compare, keep superseded versions, insert or update.

Rows of a `weak` response (of an index, which answers from copies) fill only columns that no better response has served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy.dialects import postgresql

from harvester.api.catalogue import DETAIL, STREAMS
from harvester.api.gone_reason import GoneReason
from harvester.api.stream import Kind, Paging
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import KEY_COLUMNS, TRACKED, UNIQUE, WRITTEN, metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Table

_SQL = statements(__package__, "upsert")
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_STAGED_AS = {
    "integer": "bigint",
    "smallint": "bigint",
    "jsonb": "text",
    "timestamp with time zone": "timestamptz",
}
NAME_UNKNOWN = "waits: the present name of the account is not known"
"""`last_error` of a visit by name that waits until the account is met with a name."""
_DETAIL_OF = {"users": DETAIL[Kind.USER], "projects": DETAIL[Kind.PROJECT], "studios": DETAIL[Kind.STUDIO]}
_VISITED = tuple(_DETAIL_OF)
"""Tables of entities that are visited by themselves, of which the changed ones are returned."""


def staged_type(column: Column[Any]) -> str:
    """Return the PostgreSQL type with which a column's values are staged: the same for all whole numbers.

    JSON is staged as text, since psycopg's adapter costs as much as all the rest of a row.
    """
    name: str = column.type.compile(dialect=DIALECT).lower()
    return _STAGED_AS.get(name, name)


@dataclass(frozen=True)
class Upsert:
    """Writing of the staged rows of one table with some columns.

    If the response shows that the rows are at the site (`shows`), rows that were gone are back, and their absences are
    kept in the history; rows with a `gone_reason` are gone. An erased account stays gone. `weak` rows fill only columns
    that no better response has served, see `_fills`. With `has_moments` each row is dated by its own transaction.
    """

    table: str
    columns: tuple[str, ...]
    shows: bool
    weak: bool
    has_moments: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns that identify a row."""
        return tuple(KEY_COLUMNS[self.table])

    @property
    def plain(self) -> list[str]:
        """Return the columns that are compared and written as they are."""
        return [column for column in self.columns if column not in self.key and column not in ("extra", "seen_at")]

    @property
    def marked(self) -> list[str]:
        """Return the columns for which `from_index` records whether their value is of an index."""
        return [column for column in self.plain if column in WEAK_COLUMNS.get(self.table, ())]

    @property
    def returns(self) -> bool:
        """Return whether a row that was gone is back when it is written."""
        return self.shows and "gone_at" in WRITTEN[self.table].c and not self.ends

    @property
    def ends(self) -> bool:
        """Return whether a row may be written as gone."""
        return "gone_reason" in self.columns

    def statement(self, staged: sql.Composed) -> sql.Composed:
        """Return the statement; its result: numbers of inserted, updated and ended rows, changed ids, renamed users.

        Args:
            staged: The query of the rows, with the names of the table's columns.
        """
        target, key = WRITTEN[self.table], self.key
        names = self.table == "users" and "username" in self.columns and not self.weak
        into, values = self._inserted()
        kept = self._kept()
        # Superseded versions are read before the rows change.
        after = sql.SQL(" AND ").join(
            sql.SQL(f"(SELECT count(*) FROM kept_{number}) >= 0") for number in range(len(kept))
        )
        named = [sql.SQL("kept_{} AS ({}), ").format(sql.SQL(str(number)), part) for number, part in enumerate(kept)]
        return sql.SQL(_SQL["upsert"]).format(
            renamed=sql.SQL(", {} AS renamed").format(_RENAMED) if names else sql.SQL(""),
            ends=sql.SQL(", v.gone_reason IS NOT NULL AND t.gone_at IS NULL AS ends" if self.ends else ""),
            gone=sql.SQL("(SELECT count(*) FROM s WHERE ends)" if self.ends else "0"),
            names=sql.SQL("(SELECT array_agg(id) FROM s WHERE renamed)" if names else "NULL::bigint[]"),
            staged=staged,
            target=_identifier(target),
            same=_same(key, "v"),
            first=sql.Identifier(key[0]),
            differs=self._differs("v"),
            kept=sql.SQL("").join([*named, *([_ended(self)] if self.returns else [])]),
            after=sql.SQL("WHERE {}").format(after) if kept else sql.SQL(""),
            thing=sql.SQL("t.id" if self.table in _VISITED else "NULL::bigint"),
            into=sql.SQL(", ").join(into),
            values=sql.SQL(", ").join(values),
            key=sql.SQL(", ").join(map(sql.Identifier, key)),
            unique=sql.SQL(UNIQUE[self.table]),
            conflict=self._conflict(),
        )

    @property
    def now(self) -> sql.SQL:
        """Return the time of a row `s`."""
        return sql.SQL("s.stored_at" if self.has_moments else "crawl.clock()")

    def _kept(self) -> list[sql.Composed]:
        """Return the statements that keep superseded versions; values of an index are kept with the ranking."""
        logs = () if self.weak else TRACKED.get(self.table, ())
        return [part for log in logs if (part := _superseded(self, log.name)) is not None]

    def _inserted(self) -> tuple[list[sql.Composable], list[sql.Composable]]:
        """Return the columns of a new row, and their values."""
        into: list[sql.Composable] = [sql.Identifier(column) for column in self.columns]
        values = list(into)
        if "first_seen_at" in WRITTEN[self.table].c:
            # The default of the column, by the clock that a replay sets.
            into.append(sql.SQL("first_seen_at"))
            values.append(self.now)
        if self.weak:
            into.append(sql.SQL("from_index"))
            values.append(sql.Literal(self.marked))
        if self.ends:
            into.append(sql.SQL("gone_at"))
            values.append(self.now)
        return into, values

    def _conflict(self) -> sql.Composable:
        """Return the action for a row that is stored already."""
        if not (self.plain or "extra" in self.columns or self.returns):
            return sql.SQL("DO NOTHING")
        sets: list[sql.Composable] = [
            sql.SQL("{} = {}").format(sql.Identifier(column), self._becomes(column, "excluded"))
            for column in self.columns
            if column not in self.key and column != "extra"
        ]
        if "extra" in self.columns:
            sets.append(
                sql.SQL("extra = excluded.extra || t.extra" if self.weak else "extra = t.extra || excluded.extra")
            )
        sets += [*self._marks(), *self._life()]
        return sql.SQL("DO UPDATE SET {} WHERE {}").format(sql.SQL(", ").join(sets), self._differs("excluded"))

    def _becomes(self, column: str, new: str) -> sql.Composable:
        """Return the value of a column of a known row `t` once the row `new` is written."""
        value = sql.SQL("{}.{}").format(sql.SQL(new), sql.Identifier(column))
        if column == "gone_reason" and self.table == "users":
            return sql.SQL("CASE WHEN {} THEN t.gone_reason ELSE {} END").format(_IS_ERASED, value)
        if self.weak:
            return sql.SQL("CASE WHEN {} THEN {} ELSE t.{} END").format(
                _fills(self.table, column), value, sql.Identifier(column)
            )
        return value

    def _marks(self) -> list[sql.Composable]:
        """Return the assignment to `from_index`, the columns whose values are of an index."""
        if self.weak:
            filled = [
                sql.SQL(
                    "CASE WHEN t.{0} IS NULL AND excluded.{0} IS NOT NULL AND {1} AND {2} <> ALL (t.from_index)"
                    " THEN {2} END"
                ).format(sql.Identifier(column), _fills(self.table, column), sql.Literal(column))
                for column in self.marked
            ]
            return [
                sql.SQL("from_index = t.from_index || array_remove(ARRAY[{}]::text[], NULL)").format(
                    sql.SQL(", ").join(filled)
                )
            ]
        if self.marked:
            return [
                sql.SQL("from_index = {}").format(
                    sql.SQL(_SQL["without_marks"]).format(marked=sql.Literal(self.marked))
                )
            ]
        return []

    def _life(self) -> list[sql.Composable]:
        """Return the assignments by which an entity is gone, or is back."""
        if self.ends:
            return [
                sql.SQL("gone_at = coalesce(t.gone_at, excluded.gone_at)"),
                sql.SQL("last_seen_at = coalesce(t.last_seen_at, {})").format(_last_seen(self.table)),
            ]
        if not self.returns:
            return []
        if self.table == "users":
            return [
                sql.SQL("{0} = CASE WHEN {1} THEN t.{0} END").format(sql.Identifier(column), _IS_ERASED)
                for column in ("gone_at", "last_seen_at", "gone_reason")
            ]
        return [sql.SQL("gone_at = NULL, last_seen_at = NULL, gone_reason = NULL")]

    def _differs(self, new: str) -> sql.Composable:
        """Return the condition that a known row `t` changes once the row `new` is written."""
        changes: list[sql.Composable] = [
            sql.SQL("t.{} IS DISTINCT FROM {}").format(sql.Identifier(column), self._becomes(column, new))
            for column in self.plain
        ]
        if "extra" in self.columns:
            change = "t.extra IS DISTINCT FROM {}.extra || t.extra" if self.weak else "NOT t.extra @> {}.extra"
            changes.append(sql.SQL(change).format(sql.SQL(new)))
        if self.marked and not self.weak:
            changes.append(sql.SQL("t.from_index && {}").format(sql.Literal(self.marked)))
        if self.returns:
            changes.append(_came_back(self.table))
        either = sql.SQL(" OR ").join(changes) if changes else sql.SQL("false")
        return sql.SQL("NOT {} AND ({})").format(_was_read(self.table), either) if self.weak else either


_IS_ERASED = sql.SQL("t.gone_reason IS NOT DISTINCT FROM {}").format(sql.Literal(GoneReason.ERASED))


def _came_back(table: str) -> sql.Composable:
    """Return the SQL condition that a shown entity `t` was gone, and can return."""
    gone = sql.SQL("t.gone_at IS NOT NULL")
    return sql.SQL("({} AND NOT ({}))").format(gone, _IS_ERASED) if table == "users" else gone


def _last_seen(table: str) -> sql.Composable:
    """Return SQL of when an entity `t` was last known to be present: its last visit, else when it was first met."""
    if table not in _VISITED:
        return sql.SQL("t.first_seen_at")
    return sql.SQL(_SQL["last_seen"]).format(stream=sql.Literal(_DETAIL_OF[table]))


WEAK_COLUMNS: dict[str, tuple[str, ...]] = {
    table: tuple(dict.fromkeys(c for stream in STREAMS.values() if table in stream.weak for c in stream.writes[table]))
    for table in _VISITED
}
"""Columns that weak streams fill, by table, the key and `extra` included, which are never in `from_index`."""


def _was_read(table: str) -> sql.Composable:
    """Return the SQL condition that the own page of an entity `t` was read."""
    return sql.SQL(_SQL["was_read"]).format(stream=sql.Literal(_DETAIL_OF[table]))


def _fills(table: str, column: str) -> sql.Composable:
    """Return the SQL condition under which a weak response may write a column of an entity `t`.

    Its value is of an index, or it was never served.
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
    """Return the SQL condition that the value of a column of an entity `t` is of an index."""
    if column not in WEAK_COLUMNS.get(table, ()):
        return sql.SQL("false")
    return sql.SQL("{} = ANY (t.from_index)").format(sql.Literal(column))


_MOMENT_OF_PART = sql.SQL("s.stored_at + (1 + %(part)s) * interval '1 microsecond'")
"""SQL: the time of a row `s`, later in a later part, as parts are written in order."""
_RENAMED = sql.SQL(_SQL["renamed"]).format(waits=sql.Literal(NAME_UNKNOWN))


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema or "", table.name)


def _same(key: Sequence[str], other: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("t.{0} = {1}.{0}").format(sql.Identifier(column), sql.SQL(other)) for column in key
    )


def _ended(upsert: Upsert) -> sql.Composed:
    """Return the statement that keeps the absences that end, for tables whose key is one id or two."""
    table, key = upsert.table, upsert.key
    if any(staged_type(WRITTEN[table].c[column]) != "bigint" for column in key):
        return sql.Composed([])
    ended = sql.SQL(_SQL["ended"]).format(
        back=_came_back(table),
        kind=sql.Literal(table),
        first=sql.Identifier("t", key[0]),
        second=sql.Identifier("t", key[1]) if len(key) > 1 else sql.SQL("0"),
        table=_identifier(WRITTEN[table]),
        same=_same(key, "s"),
        now=upsert.now,
    )
    return sql.SQL("ended AS ({}), ").format(ended)


def _superseded(upsert: Upsert, log: str) -> sql.Composed | None:
    """Return the statement that keeps the versions of rows that are about to change; None where no version is kept.

    A null is a version only if it was served: by a visit of the entity itself, or after another value. A value of an
    index is no version.
    """
    table, key, columns = upsert.table, upsert.key, upsert.columns
    history = metadata.tables[f"history.{log}"]
    things = history_key(table, log)
    kept = [c.name for c in history.columns if c.name in WRITTEN[table].c and c.name not in (*key, "last_seen_at")]
    watched = [column for column in kept if column in columns]
    if not watched:
        return None
    kind = [sql.SQL("kind")] if "kind" in history.c else []
    kind_value = [sql.Literal(table.removesuffix("_comments"))] if kind else []
    same = _same_thing(table, log)
    key_columns = sql.SQL(", ").join(sql.Identifier("t", one) for one in key)
    return sql.SQL(_SQL["superseded"]).format(
        log=_identifier(history),
        into=sql.SQL(", ").join(
            [*kind, *map(sql.Identifier, [*things, "valid_from", "last_seen_at", "valid_to", *kept])]
        ),
        key_values=sql.SQL(", ").join([*kind_value, key_columns]),
        key=key_columns,
        same=same,
        joined=_same(key, "s"),
        kept=sql.SQL(", ").join(
            sql.SQL("CASE WHEN NOT {} THEN t.{} END").format(_from_index(table, c), sql.Identifier(c))
            if c in WEAK_COLUMNS.get(table, ())
            else sql.Identifier("t", c)
            for c in kept
        ),
        table=sql.Identifier("scratch", table),
        last_seen=_last_seen_values(upsert, log, watched),
        now=_MOMENT_OF_PART if upsert.has_moments else sql.SQL("crawl.statement_clock()"),
        changed=sql.SQL(" OR ").join(
            sql.SQL(_SQL["is_superseded"]).format(
                column=sql.Identifier(column),
                from_index=_from_index(table, column),
                was_served=_was_served(upsert, column),
                log=_identifier(history),
                same=same,
            )
            for column in watched
        ),
    )


def history_key(table: str, log: str) -> list[str]:
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
        for thing, one in zip(history_key(table, log), KEY_COLUMNS[table], strict=True)
    ]
    if "kind" in metadata.tables[f"history.{log}"].c:
        same.append(sql.SQL("h.kind = {}").format(sql.Literal(table.removesuffix("_comments"))))
    return sql.SQL(" AND ").join(same)


def _was_served(upsert: Upsert, column: str) -> sql.Composable:
    """Return the SQL condition that an entity `t` was fetched before, with an answer that held the column."""
    by = [
        name
        for name in OWN_COLUMNS
        if STREAMS[name].table == upsert.table and column in STREAMS[name].writes[upsert.table]
    ]
    if not by:
        return sql.SQL("false")
    served = sql.SQL(_SQL["was_served"]).format(streams=sql.Literal(by))
    if upsert.has_moments:
        served = sql.SQL("({} OR {})").format(served, sql.SQL(_SQL["has_ended"]).format(streams=sql.Literal(by)))
    return served


def _last_seen_values(upsert: Upsert, log: str, watched: Sequence[str]) -> sql.Composed:
    """Return arguments of `least`: when the values of an entity `t` that a row `s` changes were last seen.

    A value was seen when it was first stored, and by each later visit of the entity itself that shows the column.
    """
    shown_by: dict[tuple[str, ...], list[str]] = {}
    for column in watched:
        own = (
            name for name, columns in OWN_COLUMNS.items() if STREAMS[name].table == upsert.table and column in columns
        )
        shown_by.setdefault(tuple(own), []).append(column)
    return sql.SQL(", ").join(_last_seen_together(upsert, log, *group) for group in shown_by.items())


def _last_seen_together(upsert: Upsert, log: str, streams: Sequence[str], columns: Sequence[str]) -> sql.Composed:
    """Return SQL of when changed values of some columns, which the same streams show, were last seen; null for none."""
    table = upsert.table
    changes = {
        column: sql.SQL(_SQL["value_changes"]).format(
            column=sql.Identifier(column), from_index=_from_index(table, column)
        )
        for column in columns
    }
    seen = sql.SQL(", ").join(
        sql.SQL(_SQL["value_first_seen"]).format(
            changes=changes[column],
            column=sql.Identifier(column),
            log=_identifier(metadata.tables[f"history.{log}"]),
            same=_same_thing(table, log),
        )
        for column in columns
    )
    if table == "studio_members":
        return sql.SQL(_SQL["role_last_seen"]).format(seen=seen)
    if not streams:
        return seen
    visit = _SQL["last_complete_visit_by_then"] if upsert.has_moments else _SQL["last_complete_visit"]
    return sql.SQL(_SQL["values_last_seen"]).format(
        change=sql.SQL(" OR ").join(changes.values()),
        seen=seen,
        visited=sql.SQL(visit).format(streams=sql.Literal(list(streams))),
    )


_MAY_BE_LEFT_OUT = frozenset({"scratch_team"})
"""Columns that an answer about an entity need not hold."""
OWN_COLUMNS: dict[str, frozenset[str]] = {
    stream.name: frozenset(
        column for log in TRACKED[stream.table] for column in stream.writes[stream.table] if column in log.c
    )
    - _MAY_BE_LEFT_OUT
    for stream in STREAMS.values()
    if stream.paging is Paging.SINGLE and stream.table in TRACKED
}
"""By stream that reads an entity itself: the columns with earlier values that each complete answer holds."""
