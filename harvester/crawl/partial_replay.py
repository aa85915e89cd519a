"""Rewrite some tables of a warehouse from its archives: the rows of chosen streams, and nothing else.

After a change of what is read from responses (a new column, another authority) the rows of a table are to be what a
replay from the beginning makes, in a warehouse that is in use. The archives are replayed into a temporary database, and
the rows of the chosen lists and objects that differ there replace those of the warehouse, with their history, in one
transaction. The frontier is not changed, so that crawls go on as before.

An archive may lack what a crawl read, for example where a run had no archive. Therefore the checkpoints of the frontier
are compared: a list or object is proven if all its visits were replayed. A row that an unproven one shows, or may have
shown, stays as it is. Where somebody was erased, the archives lack what that person's pages showed of other users, of
projects and of studios: of these a value that the replay lacks stays, and so does their history. No row is removed from
a table of `scratch`; versions in `history` are replaced by entity.

A command that was stopped leaves its database, and goes on with it when it is run again for the same archives.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import BigInteger

from harvester import __version__
from harvester.api.catalogue import DETAIL, STREAMS, left_out
from harvester.api.stream import Format, Kind, Paging
from harvester.crawl.archive_index import open_index, uncertain_pages
from harvester.crawl.comparison import Compared, Comparison
from harvester.crawl.replay import digest_of, replay
from harvester.crawl.replay_check import archives_of, copy_erasures, lift_limits, refuse_at_work
from harvester.errors import UsageError
from harvester.warehouse import schema
from harvester.warehouse.access import connect, server_url
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import REPLAYING
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS, KEY_COLUMNS, OBJECTS, TRACKED, UNIQUE, WRITTEN, metadata
from harvester.warehouse.temporary import TemporaryUse, temporary_database
from harvester.warehouse.upsert import history_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Table

    from harvester.api.stream import Stream
    from harvester.config import Settings
    from harvester.crawl.archive_index import Choice
    from harvester.crawl.replay import Replayed
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "partial_replay")
_COPY_OUT = "COPY (SELECT {columns} FROM {table} WHERE ({place}) IN ({places})) TO STDOUT (FORMAT binary)"
_COPY_IN = "COPY {staged} ({columns}) FROM STDIN (FORMAT binary)"
_BATCH = 500
"""Places whose rows are copied at once."""
_ABSENCES = "absences"
_PRESENCE = frozenset({"gone_at", "gone_reason", "last_seen_at"})
_MERGED = {"first_seen_at": "least(excluded.{name}, w.{name})", "extra": "w.{name} || excluded.{name}"}
"""Values of a row of which the archives have not all that showed it, by column."""
_PLACES = {Kind.USER: "user_id", Kind.PROJECT: "project_id", Kind.STUDIO: "studio_id"}
"""Columns of tables that are no list's items, by the kind of the visited entity."""
_KINDS = {"projects": "project", "studios": "studio"}
REWRITABLE = [
    name
    for name, stream in STREAMS.items()
    if not stream.is_own and stream.format is not Format.SOURCE and Compared.of(WRITTEN[stream.table]).place
]
"""Streams with a table whose rows can be told apart without a time."""


@dataclass(slots=True)
class TableChanges:
    """Changes of a table.

    Attributes:
        inserted: Rows that the warehouse lacked.
        updated: Rows with other values.
        histories: Entities whose versions in `history` were replaced.
        unproven: Entities left as they are, since the archives lack a visit that shows them.
        not_replayed: Rows that no archive makes, which stay.
    """

    inserted: int = 0
    updated: int = 0
    histories: int = 0
    unproven: int = 0
    not_replayed: int = 0


@dataclass(slots=True)
class PartialReplay:
    """Result of a partial replay, or what one would do.

    Attributes:
        responses: The responses of the choice, by stream.
        tables: The tables that are rewritten, by name.
        added: Rows of other tables that a rewritten row refers to and the warehouse lacked.
        runs_without_archive: Runs that sent requests and of which no archive was named.
        replayed: None where nothing was replayed.
    """

    responses: dict[str, int]
    tables: dict[str, TableChanges]
    runs_without_archive: list[int]
    added: int = 0
    replayed: Replayed | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return {
            "responses": self.responses,
            "tables": {name: asdict(changes) for name, changes in self.tables.items()},
            "added": self.added,
            "runs_without_archive": self.runs_without_archive,
            "replayed": None if self.replayed is None else self.replayed.as_json(),
        }


def check_choice(choice: Choice) -> None:
    """Refuse a choice that no partial replay can have.

    Raises:
        UsageError: it names a stream that is not there or cannot be rewritten, or ids without streams.
    """
    for name in sorted(choice.streams):
        if name not in STREAMS:
            raise UsageError(f"no stream is called {name}: see `docs/endpoints.md`")
        if name not in REWRITABLE:
            raise UsageError(f"{name} cannot be replayed by itself: replay all into a new database")
        if choice.entities and _owner(STREAMS[name]) is None:
            raise UsageError(f"the rows of {name} belong to no list or object: leave out --entity")
    if choice.entities and not choice.streams:
        raise UsageError("--entity needs --stream: users, projects and studios have ids of their own")


def preview(settings: Settings, paths: Sequence[Path], choice: Choice) -> PartialReplay:
    """Count what a partial replay would read, by the indexes of the archives, and change nothing.

    Raises:
        UsageError: see `check_choice`; or a file is no archive, or none has a response of the choice.
    """
    check_choice(choice)
    with connect(settings, autocommit=True) as connection:
        schema.use_schema(connection)
        archives, missing = archives_of(connection, paths)
    responses = Counter(stream for stream, _ in _entries(archives, choice))
    if not responses:
        raise UsageError("no archive has a response of this choice")
    tables = {STREAMS[name].table: TableChanges() for name in sorted(responses)}
    return PartialReplay(dict(sorted(responses.items())), tables, missing)


def replay_in_part(
    settings: Settings,
    paths: Sequence[Path],
    choice: Choice,
    *,
    workers: int = 1,
    on_progress: Callable[[Replayed], None] = lambda _: None,
    on_table: Callable[[str], None] = lambda _: None,
) -> PartialReplay:
    """Rewrite the rows of chosen lists and objects, as the module describes.

    Args:
        settings: The settings.
        paths: The archives.
        choice: Streams, entities and a time: the lists and objects with such a response.
        workers: See `replay`.
        on_progress: See `replay`.
        on_table: Is given the name of each table before it is rewritten.

    Raises:
        UsageError: see `preview`; or somebody was erased meanwhile.
        WarehouseError: a database cannot be used, the role may make none, or a crawl is at work.
    """
    done = preview(settings, paths, choice)
    with connect(settings, autocommit=True) as connection:
        schema.use_schema(connection)
        refuse_at_work(connection)
        archives, _ = archives_of(connection, paths)
        erased = _erasures(connection)
        made_of = _digest(settings, archives, erased)
        with temporary_database(server_url(settings), _purpose(made_of)) as url:
            done.replayed = _replay(settings, connection, url, archives, workers, on_progress)
            with closing(open_connection(url)) as other, connection.transaction():
                lift_limits(connection)
                schema.keep_crawls_out(connection)
                if _erasures(connection) != erased:
                    raise UsageError("somebody was erased, or readmitted, meanwhile: run the same command again")
                comparison = Comparison(connection, other, uncertain_pages(archives))
                rewriting = TableRewriter(connection, other, comparison, done)
                rewriting.prepare(_chosen(archives, choice))
                for table in sorted(done.tables, key=list(WRITTEN).index):
                    on_table(WRITTEN[table].fullname)
                    rewriting.rewrite(table)
    return done


def _purpose(made_of: str) -> TemporaryUse:
    return TemporaryUse(
        suffix="replay",
        lock=REPLAYING,
        command="harvester replay --stream",
        busy="another partial replay is under way on this server: try again when that is done",
        needed="archives are replayed into one",
        kept_for=made_of,
    )


def _erasures(connection: Connection) -> list[str]:
    return [each for (each,) in connection.execute("SELECT hash FROM crawl.erasures ORDER BY 1").fetchall()]


def _digest(settings: Settings, archives: Sequence[Path], erased: Sequence[str]) -> str:
    """Return a text that is equal where a replay makes the same rows."""
    parts = [__version__, schema.head(), digest_of(archives), *sorted(left_out(settings)), *erased]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _replay(
    settings: Settings,
    connection: Connection,
    url: str,
    archives: Sequence[Path],
    workers: int,
    on_progress: Callable[[Replayed], None],
) -> Replayed | None:
    """Replay archives into a temporary database, or go on there; None where that is done."""
    schema.migrate(url)
    with closing(open_connection(url, autocommit=True)) as other:
        begun = other.execute("SELECT ended_at IS NOT NULL FROM crawl.replays").fetchone()
        if begun == (True,):
            return None
        if begun is None:
            copy_erasures(connection, other)
    again = settings.model_copy(update={"database_url": SecretStr(url), "sources_dir": None})
    return replay(again, archives, workers=workers, on_progress=on_progress)


def _entries(archives: Iterable[Path], choice: Choice) -> Iterator[tuple[str, int]]:
    """Yield stream and entity of the responses of a choice that can be rewritten."""
    for path in archives:
        with open_index(path) as index:
            for entry in index.find(choice):
                if entry.use in ("page", "alone") and entry.stream in REWRITABLE:
                    yield str(entry.stream), int(entry.entity_id or 0)


def _chosen(archives: Iterable[Path], choice: Choice) -> dict[str, set[int] | None]:
    """Return the chosen lists and objects by stream; None stands for all."""
    if not choice.entities and choice.since is None and choice.until is None:
        return dict.fromkeys(choice.streams)
    chosen: dict[str, set[int] | None] = {}
    for stream, entity in _entries(archives, choice):
        entities = chosen.setdefault(stream, None if _owner(STREAMS[stream]) is None else set())
        if entities is not None:
            entities.add(entity)
    return chosen


def _owner(stream: Stream) -> str | None:
    """Return the column of a stream's table that holds the visited entity; None where none does."""
    table = WRITTEN[stream.table]
    if stream.members is not None and stream.members.table == stream.table:
        return stream.members.owner
    if stream.paging is Paging.SINGLE and KEY_COLUMNS[stream.table] == ("id",) and stream.kind is not Kind.SITE:
        return "id"
    place = _PLACES.get(stream.kind)
    return place if place is not None and place in table.c else None


# Rewriting -----------------------------------------------------------------------------------------------------------


class TableRewriter:
    """Rewriter of tables of a warehouse from its replay, over connections that have a transaction open."""

    def __init__(
        self, warehouse: Connection, replayed: Connection, comparison: Comparison, done: PartialReplay
    ) -> None:
        self._warehouse = warehouse
        self._replayed = replayed
        self._comparison = comparison
        self._done = done
        self._chosen: Mapping[str, set[int] | None] = {}
        self._is_any_unproven = False

    def prepare(self, chosen: Mapping[str, set[int] | None]) -> None:
        """Take the choice, and find the lists and objects that are not proven."""
        self._chosen = chosen
        entries = [(stream, entity) for stream, entities in chosen.items() for entity in entities or ()]
        for connection in (self._warehouse, self._replayed):
            connection.execute(_SQL["create_chosen"])
            _fill(connection, "chosen", entries)
        self._warehouse.execute(_SQL["create_unproven"])
        places = self._comparison.places(Compared.checkpoints())
        while part := [place for place, _ in islice(places, _BATCH)]:
            self._is_any_unproven = True
            _fill(self._warehouse, "unproven", part)

    def rewrite(self, name: str) -> None:
        """Rewrite the chosen rows of a table, and their history."""
        table, changes = WRITTEN[name], self._done.tables[name]
        key = _entity_key(table)
        self._warehouse.execute(_format(_SQL["create_differing"], key=_names(key), table=_identifier(table)))
        parts = _parts(table, self._condition(name))
        for number, part in enumerate(parts):
            self._stage(number, part, table)
        staged, same = _staged(0), _same(key)
        if self._is_any_unproven and table.schema == "scratch":
            query = _format(
                _SQL["leave"],
                table=_identifier(table),
                staged=staged,
                same=same,
                conditions=self._conditions(name),
                key=_names(key, "d"),
            )
            changes.unproven = self._number(query)
        changes.not_replayed = self._number(_format(_SQL["count_extra"], staged=staged, same=same))
        self._add_parents(table, staged)
        changes.inserted, changes.updated = self._write(table)
        for number, part in enumerate(parts[1:] if self._is_all_archived(table) else (), 1):
            changes.histories += self._replace_versions(number, part, table)
        for number in range(len(parts)):
            self._warehouse.execute(_format("DROP TABLE {staged}", staged=_staged(number)))
        self._warehouse.execute("DROP TABLE pg_temp.differing")

    def _is_all_archived(self, table: Table) -> bool:
        """Return whether archives can have all that showed a table: they lack the pages of erased people."""
        return not (self._comparison.is_anybody_erased and table.name in OBJECTS)

    def _condition(self, name: str) -> sql.Composed | None:
        """Return the condition on the rows of a table that are chosen; None for all."""
        streams = [stream for stream in self._chosen if STREAMS[stream].table == name]
        if any(self._chosen[stream] is None for stream in streams):
            return None
        return sql.SQL(" OR ").join(
            _format(_SQL["is_chosen"], owner=sql.Identifier(str(_owner(STREAMS[one]))), stream=sql.Literal(one))
            for one in streams
        )

    def _stage(self, number: int, part: Compared, table: Table) -> None:
        """Copy the rows of the places that differ, and note their entities."""
        staged, columns = _staged(number), _names([column.name for column in part.table.c])
        self._warehouse.execute(_format(_SQL["create_staged"], staged=staged, table=_identifier(part.table)))
        key = _entity_key(table)
        things = [part.place.index(one) for one in _things(part.table, table)]
        places = self._comparison.places(part)
        while found := [place for place, _ in islice(places, _BATCH)]:
            query = _format(
                _COPY_OUT,
                columns=columns,
                table=_identifier(part.table),
                place=_names(part.place),
                places=sql.SQL(", ").join(
                    sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, place))) for place in found
                ),
            )
            into = _format(_COPY_IN, staged=staged, columns=columns)
            with self._replayed.cursor().copy(query) as theirs, self._warehouse.cursor().copy(into) as ours:
                for block in theirs:
                    ours.write(block)
            entities = {tuple(place[thing] for thing in things) for place in found}
            _fill(self._warehouse, "differing", [(number, *entity) for entity in entities], ("part", *key))

    def _conditions(self, name: str) -> sql.Composed:
        """Return the condition that a row `r` is shown, or may be, by a list or object that is not proven."""
        shown = [
            _format(_SQL["shown_by"], stream=sql.Literal(stream.name), shown=_shown(stream, name))
            for stream in STREAMS.values()
            if name in stream.writes and not stream.is_own
        ]
        if name == "users" and self._has_seeds_without_archive():
            shown.append(sql.SQL("true").format())
        return sql.SQL(" OR ").join(shown)

    def _has_seeds_without_archive(self) -> bool:
        """Return whether a run without archive read accounts that it visited under no lease."""
        row = self._warehouse.execute(_SQL["seeds_without_archive"], [self._done.runs_without_archive]).fetchone()
        return row == (True,)

    def _add_parents(self, table: Table, staged: sql.Identifier) -> None:
        """Insert the rows that staged rows refer to and the warehouse lacks."""
        for column in table.c:
            for reference in column.foreign_keys:
                parent = reference.column.table
                query = _format(
                    _SQL["missing_parents"],
                    column=sql.Identifier(column.name),
                    staged=staged,
                    parent=_identifier(parent),
                )
                missing = [number for (number,) in self._warehouse.execute(query).fetchall()]
                if missing and parent is not table:
                    self._insert_parents(parent, missing)

    def _insert_parents(self, parent: Table, missing: Sequence[int]) -> None:
        columns = _names([column.name for column in parent.c])
        into = sql.Identifier("pg_temp", f"parents_{parent.name}")
        self._warehouse.execute(_format(_SQL["create_staged"], staged=into, table=_identifier(parent)))
        query = _format(
            _COPY_OUT,
            columns=columns,
            table=_identifier(parent),
            place=sql.Identifier("id"),
            places=sql.SQL(", ").join(map(sql.Literal, missing)),
        )
        with (
            self._replayed.cursor().copy(query) as theirs,
            self._warehouse.cursor().copy(_format(_COPY_IN, staged=into, columns=columns)) as ours,
        ):
            for block in theirs:
                ours.write(block)
        self._add_parents(parent, into)
        query = _format(_SQL["insert_parents"], table=_identifier(parent), columns=columns, staged=into)
        self._done.added += self._warehouse.execute(query).rowcount
        self._warehouse.execute(_format("DROP TABLE {staged}", staged=into))

    def _write(self, table: Table) -> tuple[int, int]:
        """Write the staged rows of a table; return the numbers of inserted and updated rows."""
        columns = [column.name for column in table.c]
        key = KEY_COLUMNS[_name(table)]
        query = _format(
            _SQL["write"],
            table=_identifier(table),
            columns=_names(columns),
            staged=_staged(0),
            same=_same(_entity_key(table)),
            key=_names(key),
            unique=sql.SQL(UNIQUE[_name(table)]),
            sets=sql.SQL(", ").join(self._set(table, one) for one in columns),
        )
        inserted, updated = self._warehouse.execute(query).fetchone() or (0, 0)
        return inserted, updated

    def _set(self, table: Table, column: str) -> sql.Composed:
        """Return how a column of a row is updated."""
        value = "excluded.{name}"
        if not self._is_all_archived(table) and column not in _PRESENCE:
            value = _MERGED.get(column, "coalesce(excluded.{name}, w.{name})")
        return _format("{name} = " + value, name=sql.Identifier(column))

    def _replace_versions(self, number: int, part: Compared, table: Table) -> int:
        """Replace the versions of entities in a history; return the number of entities."""
        same = _same(_entity_key(table), _things(part.table, table))
        values = {"table": _identifier(part.table), "part": sql.Literal(number), "same": same}
        kind = _kind(part.table, table)
        which = sql.SQL("") if kind is None else sql.SQL(" AND t.kind = {}").format(sql.Literal(kind))
        self._warehouse.execute(_format(_SQL["delete_versions"], kind=which, **values))
        columns = _names([column.name for column in part.table.c])
        self._warehouse.execute(_format(_SQL["insert_versions"], columns=columns, staged=_staged(number), **values))
        return self._number(_format(_SQL["count_part"], part=sql.Literal(number), key=_names(_entity_key(table))))

    def _number(self, query: sql.Composed) -> int:
        row = self._warehouse.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def _parts(table: Table, chosen: sql.Composed | None) -> list[Compared]:
    """Return a table and its histories, without the rows that are not chosen."""
    parts = [Compared.of(table, chosen)]
    logs = list(TRACKED.get(table.name, ()))
    key = _entity_key(table)
    if table.schema == "scratch" and all(isinstance(table.c[one].type, BigInteger) for one in key):
        logs.append(metadata.tables[f"history.{_ABSENCES}"])
    for log in logs:
        conditions = []
        kind = _kind(log, table)
        if kind is not None:
            conditions.append(sql.SQL("kind = {}").format(sql.Literal(kind)))
        if chosen is not None:
            things = _names(_things(log, table))
            of_chosen = _format(
                _SQL["of_chosen"], things=things, key=_names(key), table=_identifier(table), chosen=chosen
            )
            conditions.append(of_chosen)
        parts.append(Compared.of(log, sql.SQL(" AND ").join(conditions) if conditions else None))
    return parts


def _kind(log: Table, table: Table) -> str | None:
    """Return the value of the column `kind` of a history for the entities of a table; None where it has none."""
    if log.name == _ABSENCES:
        return table.name
    return table.name.removesuffix("_comments") if "kind" in log.c and log is not table else None


def _things(part: Table, table: Table) -> list[str]:
    """Return the columns of a table or one of its histories that identify an entity, in the order of its key."""
    key = _entity_key(table)
    if part is table:
        return key
    if part.name == _ABSENCES:
        return ["thing_id", "other_id"][: len(key)]
    return history_key(table.name, part.name)


def _entity_key(table: Table) -> list[str]:
    """Return the key of a table without times."""
    return list(Compared.of(table).place)


def _shown(stream: Stream, name: str) -> sql.Composable:
    """Return the condition that an entry `u` of a stream shows a row `r` of a table; true where nothing tells."""
    members, table = stream.members, WRITTEN[name]
    if members is not None and members.table == name:
        return sql.SQL("u.entity_id = {}").format(sql.Identifier("r", members.owner))
    if stream.paging is Paging.SINGLE and stream.table == name and "id" in table.c:
        thread = sql.SQL(" OR u.entity_id = r.parent_id" if "parent_id" in table.c and name != "projects" else "")
        return sql.SQL("(u.entity_id = r.id{})").format(thread)
    for link in stream.links:
        if not link.owner:
            continue
        values = {
            "owner": sql.Identifier(link.owner),
            "links": sql.Identifier("scratch", link.table),
            "target": sql.Identifier(link.target_column),
        }
        if link.kind in _PLACES and STREAMS[DETAIL[link.kind]].table == name:
            return _format(_SQL["shown_over_link"], **values)
        if link.kind is Kind.PROJECT and name == "users":
            return _format(_SQL["shown_as_author"], **values)
    if stream.table in COMMENTS and name == "users":
        links = sql.Identifier("scratch", stream.table)
        return _format(
            _SQL["shown_over_link"], owner=sql.Identifier("id"), links=links, target=sql.Identifier("author_id")
        )
    if name in _KINDS and stream.kind is Kind.QUERY:
        return _format(_SQL["shown_in_ranking"], kind=sql.Literal(_KINDS[name]))
    place = _PLACES.get(stream.kind)
    if place is None or place not in table.c:
        return sql.SQL("true")
    return sql.SQL("u.entity_id = {}").format(sql.Identifier("r", place))


def _format(statement: str, **values: sql.Composable) -> sql.Composed:
    return sql.SQL(statement).format(**values)


def _names(columns: Iterable[str], alias: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*filter(None, (alias, one))) for one in columns)


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(str(table.schema), table.name)


def _name(table: Table) -> str:
    return table.name if table.name in WRITTEN else table.fullname


def _staged(number: int) -> sql.Identifier:
    return sql.Identifier("pg_temp", f"staged_{number}")


def _same(key: Sequence[str], things: Sequence[str] | None = None) -> sql.Composed:
    """Return the condition that a row `t` is of the entity of a row `d` of `differing`."""
    return sql.SQL(" AND ").join(
        sql.SQL("t.{} = d.{}").format(sql.Identifier(thing), sql.Identifier(one))
        for one, thing in zip(key, things or key, strict=True)
    )


def _fill(
    connection: Connection,
    table: str,
    rows: Iterable[tuple[Any, ...]],
    columns: Sequence[str] = ("stream", "entity_id"),
) -> None:
    """Write rows into a temporary table."""
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("pg_temp", table), _names(columns))
    with connection.cursor().copy(query) as copy:
        for row in rows:
            copy.write_row(row)
