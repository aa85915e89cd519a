"""The SQL of a release: which rows are in it, and the query of each of its tables.

The entities in a release are selected first, in the order of their references: `kept_<table>` has their ids and whether
each is a tombstone; `known_<table>` adds their pseudonyms. Further tables are joined with these. A release of all rows
without pseudonyms reads the tables themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Double, Integer, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB

from harvester.api.catalogue import STREAMS
from harvester.api.gone_reason import GoneReason
from harvester.dataset.columns import COLUMNS, ENTITIES, KINDS, treatment
from harvester.dataset.release import CC_BY_SA_BEFORE, Field, ForeignKey, Profile, Text, Tombstones, Type
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS, KEY_COLUMNS, SCRATCH_TABLES
from harvester.warehouse.treatments import Deletion, FreeText, Keep, Left, OwnId, Reference, Username

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa
    from sqlalchemy import Column, Table
    from sqlalchemy.types import TypeEngine

    from harvester.warehouse.treatments import Treatments

_SQL = statements(__package__, "rows")
"""Filled in by `str.format` with names and expressions that this module states."""

LICENCE = "CC-BY-SA-2.0"


@dataclass(frozen=True, slots=True)
class Selection:
    """Selection of the rows of a release, and of their state.

    `at`: the time of a past state; `since`: the time from which rows must be confirmed; `erased`: a rule of erased
    people applies.
    """

    profile: Profile
    tombstones: Tombstones
    text: Text
    at: datetime | None = None
    since: datetime | None = None
    erased: bool = False
    designs: tuple[tuple[str, int], ...] = ()
    """The sample whose weights are written, by kind of entity: one for each kind, since weights of two do not add
    up."""
    sources: str | None = None
    """The state of the sources and of what was worked out from them; None for a release without sources."""
    history: bool = False
    """Whether the release has tables of change over time."""

    @property
    def hashed(self) -> bool:
        """Return whether ids are pseudonyms."""
        return self.profile is not Profile.INTERNAL

    def as_text(self) -> str:
        """Return the selection as text, which changes whenever the selection does."""
        since = None if self.since is None else self.since.isoformat()
        sources = "" if self.sources is None else f" {self.sources}"
        history = " history" if self.history else ""
        return f"{self.profile} {self.tombstones} {self.text} {self.at} {since} {self.designs}{sources}{history}"

    @property
    def is_plain(self) -> bool:
        """Return whether the tables are exported as they are."""
        return (
            not self.hashed
            and self.tombstones is Tombstones.FLAGS
            and self.at is None
            and self.since is None
            and not self.erased
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A column of a query: its SQL, and the treatment of its values."""

    field: Field
    sql: str
    text: Text | None = None
    """Text mode of a column that a user wrote; None for any other column."""
    is_name: bool = False
    """The column is a username in plain text, to which the rule of erased people applies."""
    is_term: bool = False
    """The column is JSON of terms of Scratch, which name nobody."""

    def selected(self) -> str:
        """Return the entry of a SELECT list."""
        return f'{self.sql} AS "{self.field.name}"'


@dataclass(frozen=True, slots=True)
class ResourceQuery:
    """Query of a resource: `rows` is a SELECT without an order, `order` what sorts it by its key."""

    name: str
    comment: str
    rows: str
    order: str
    columns: tuple[Made, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    expand: Callable[[pa.RecordBatch], Iterator[pa.RecordBatch]] | None = None
    """The rows of the resource that are made of those of the query, where they are not the same."""
    told_by: tuple[str, ...] = ()
    """Columns of the query that change whenever a row of it does; empty: all columns of the resource."""

    @property
    def sql(self) -> str:
        """Return the query in the order of its key."""
        return f"{self.rows} ORDER BY {self.order}"


_BY_NAME = {table.name: table for table in SCRATCH_TABLES}
_TYPES: tuple[tuple[type[TypeEngine[Any]], Type], ...] = (
    (BigInteger, Type.INTEGER),
    (Integer, Type.INTEGER),
    (Boolean, Type.BOOLEAN),
    (DateTime, Type.TIME),
    (Double, Type.NUMBER),
    (JSONB, Type.JSON),
)
PSEUDONYM = "Pseudonym: HMAC-SHA256, 128 bits."
TEXT_TREATMENTS = {
    Text.FULL: None,
    Text.REDACTED: "Names, links, numbers and what tells who or where somebody is are replaced.",
    Text.FEATURES: "Features of the text; the text itself is not here.",
}
"""The treatment of a text, in words, by text mode."""
_IS_ERASED = f"(gone_reason IS NOT DISTINCT FROM '{GoneReason.ERASED}')"
_OF_NOBODY = ("id", "first_seen_at", "gone_at", "last_seen_at", "gone_reason")
"""Columns of a user without personal data."""
_NOT_AT = ("news", "studio_activity")
"""Tables whose rows do not change; the others have a function for the past."""


def type_of(column: Column[Any]) -> Type:
    """Return the type that a column has in a dataset."""
    return next((to for of, to in _TYPES if isinstance(column.type, of)), Type.STRING)


def plain_value(column: Column[Any], alias: str) -> str:
    """Return SQL of the value of a column as a dataset has it: an array as words, bytes in hexadecimal digits."""
    value = f"{alias}.{column.name}"
    if isinstance(column.type, ARRAY):
        return f"nullif(array_to_string({value}, ' '), '')"
    return f"encode({value}, 'hex')" if isinstance(column.type, LargeBinary) else value


@dataclass(frozen=True, slots=True)
class _Shows:
    """A stream whose visits show a row: the SQL of the list's entity and of the item, and which visits count."""

    stream: str
    entity: str
    item: str
    is_list: bool = True

    def when(self) -> str:
        """Return the column with the time of confirmation: the last full read of a list, else the last visit."""
        return "last_full_read_at" if self.is_list else "visited_at"


def _shown_by(table: str) -> Iterator[_Shows]:
    """Yield the streams whose visits show rows of a table: objects by their id, lists by their items."""
    for stream in STREAMS.values():
        members = stream.members
        if members is not None and members.table == table and members.confirms:
            # The replies of a comment are read as one object.
            yield _Shows(stream.name, f"t.{members.owner}", f"t.{members.item}", is_list=not stream.is_thread)
        elif members is None and stream.gone is not None and ENTITIES.get(stream.kind.value) == table:
            yield _Shows(stream.name, "t.id", "t.id", is_list=False)


SHOWN_BY: dict[str, tuple[_Shows, ...]] = {table.name: tuple(_shown_by(table.name)) for table in SCRATCH_TABLES}
"""Streams that confirm that a row is still visible, beside the one that first showed it. An event that cannot be taken
back at the site is confirmed by its page."""


def confirmed(table: str, since: datetime) -> str:
    """Return the condition under which a row was confirmed as visible since a time, and is not a missing item.

    It was met for the first time since then, or shown by a visit since then: its own, or a full read of its list. A row
    that a full read did not show, and that is not marked as gone yet, is not confirmed.
    """
    if not SHOWN_BY[table]:
        return "true"
    at = moment(since)
    seen = [f"t.first_seen_at >= {at}"]
    not_missing = []
    for one in SHOWN_BY[table]:
        seen.append(_SQL["was_read"].format(stream=one.stream, entity=one.entity, when=one.when(), since=at))
        not_missing.append("NOT " + _SQL["is_missing"].format(stream=one.stream, entity=one.entity, item=one.item))
    return f"({' OR '.join(seen)}) AND {' AND '.join(not_missing)}"


def moment(time: datetime) -> str:
    """Return a time as SQL."""
    return f"'{time.isoformat()}'::timestamptz"


def licence(*times: str) -> str:
    """Return SQL of the licence of content that was made at some times: that of the latest."""
    latest = times[0] if len(times) == 1 else f"greatest({', '.join(times)})"
    return f"CASE WHEN {latest} < '{CC_BY_SA_BEFORE}T00:00:00+00:00' THEN '{LICENCE}' END"


CONTENT_TIMES: dict[str, tuple[str, ...]] = {
    "projects": ("t.created_at", "t.modified_at", "t.shared_at"),
    "studios": ("t.created_at", "t.modified_at"),
    **dict.fromkeys(COMMENTS, ("t.created_at",)),
}
"""Times at which the content of a row was made. Profile texts have no date, and edges are no works."""
LICENCE_FIELD = Field(
    "licence",
    Type.STRING,
    f"The licence under which the content may be passed on; null where none is known, as from {CC_BY_SA_BEFORE} on.",
    "Derived from the newest date of the content.",
)
DESIGN_FIELDS = (
    Field("design_id", Type.INTEGER, "The design that drew it; null for what that did not draw."),
    Field("stratum", Type.STRING, "The stratum it was drawn from; numbered in `open`."),
    Field("inclusion_probability", Type.NUMBER, "The first-order inclusion probability; null where it is not known."),
    Field("weight", Type.NUMBER, "How many things of the population it stands for, all its draws together."),
    Field("cluster_id", Type.STRING, "What was drawn independently, with all that belongs to it: the thing itself."),
)
DESIGNED: dict[str, tuple[Field, ...]] = {
    # A user is drawn with each of several projects, or at several steps.
    "users": tuple(one for one in DESIGN_FIELDS if one.name not in ("stratum", "cluster_id")),
    "projects": DESIGN_FIELDS,
    "studios": DESIGN_FIELDS,
}
"""Columns of a release with the draw of a row, by table."""


def drawn(table: str, selection: Selection, *, numbered: bool = False) -> str:
    """Return the draws of the described sample from a table, as SQL in place of a table.

    The name of a stratum may show ids; `numbered` replaces names by numbers.
    """
    design = dict(selection.designs).get(KINDS[table])
    return _SQL["drawn"].format(
        stratum="s.number::text" if numbered else "d.stratum",
        strata=" " + _SQL["numbered_strata"] if numbered else "",
        of_design="false" if design is None else f"d.design_id = {design}",
    )


def key_of(table: str) -> tuple[str, str]:
    """Return the SQL expression of an entity's key, and its type."""
    return ("t.studio_id || '/' || t.id", "text") if table == "studio_activity" else ("t.id", "bigint")


def source(table: str, selection: Selection) -> str:
    """Return SQL of a table in the selected state.

    In `open` and `restricted` a row that is gone now is a tombstone, also in an earlier state, and texts that their
    authors have replaced since then are left out. Of an account that was erased at the site only the id is left.
    """
    columns = [column.name for column in _BY_NAME[table].columns]
    if selection.at is None:
        relation = f"scratch.{table}"
    elif table in _NOT_AT:
        relation = _SQL["grown_until"].format(table=table, at=moment(selection.at))
    else:
        parts = [_then(table, name, selection) for name in columns]
        same = " AND ".join(f"g.{key} = f.{key}" for key in KEY_COLUMNS[table])
        relation = _SQL["state_at"].format(table=table, columns=", ".join(parts), at=moment(selection.at), same=same)
    if table == "users" and selection.hashed:
        parts = [
            name if name in _OF_NOBODY else f"CASE WHEN NOT {_IS_ERASED} THEN {name} END AS {name}" for name in columns
        ]
        relation = f"(SELECT {', '.join(parts)} FROM {relation} s)"
    if table == "studios" and selection.erased:
        parts = [
            f"CASE WHEN e.id IS NULL THEN s.{name} END AS {name}"
            if name in ("host_id", "title", "description")
            else f"s.{name}"
            for name in columns
        ]
        relation = _SQL["without_hosts"].format(columns=", ".join(parts), studios=relation)
    return relation


def _then(table: str, name: str, selection: Selection) -> str:
    if name in ("gone_at", "last_seen_at", "gone_reason"):
        kind = "text" if name == "gone_reason" else "timestamptz"
        return f"g.{name}" if selection.hashed else f"NULL::{kind} AS {name}"
    if selection.hashed and isinstance(COLUMNS[table][name].restricted, FreeText):
        return f"CASE WHEN f.{name} IS NOT DISTINCT FROM g.{name} THEN f.{name} END AS {name}"
    return f"f.{name}"


def alias_of(column: str) -> str:
    """Return the alias of a joined table: `user` alone is a keyword of SQL."""
    return f"the_{column.removesuffix('_id')}"


def needed(table: str) -> list[tuple[str, str]]:
    """Return the references whose target a row needs in order to be in a release, with the table of the target."""
    found = []
    for name, column in COLUMNS[table].items():
        if isinstance(column.restricted, Reference) and column.restricted.needed:
            found.append((name, ENTITIES[column.restricted.kind]))
    return found


def kept(table: str, selection: Selection) -> str:
    """Return the query of `kept_<table>`: the ids of an entity in the release, and which of them are tombstones."""
    joins, where = "", []
    gone = ["t.gone_at IS NOT NULL"]
    for name, referred in needed(table):
        joins += f" LEFT JOIN kept_{referred} {alias_of(name)} ON {alias_of(name)}.id = t.{name}"
        where.append(f"(t.{name} IS NULL OR {alias_of(name)}.id IS NOT NULL)")
        gone.append(f"coalesce({alias_of(name)}.gone, false)")
    if selection.since is not None:
        where.append(confirmed(table, selection.since))
    if selection.erased and table in ("users", "projects"):
        where.append(f"NOT EXISTS (SELECT FROM erased_{table} e WHERE e.id = t.id)")
    is_gone = f"({' OR '.join(gone)})"
    if selection.tombstones is Tombstones.DROP:
        where.append(f"NOT {is_gone}")
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    return _SQL["kept"].format(
        key=key_of(table)[0], is_gone=is_gone, source=source(table, selection), joins=joins, conditions=conditions
    )


class _Builder:
    """The query of one table under `restricted` or `internal`."""

    def __init__(self, table: Table, selection: Selection) -> None:
        self.table, self.selection = table, selection
        self.name = str(table.name)  # SQLAlchemy's names are of a class of their own
        self.is_plain = selection.is_plain
        self.joins: list[str] = []
        self.foreign_keys: list[ForeignKey] = []
        self.order: dict[str, str] = {}
        self.shows_gone = selection.tombstones is not Tombstones.DROP
        self.gone = self._gone()

    def _gone(self) -> str:
        if self.is_plain:
            return "false"
        if self.name in KINDS:
            self.joins.append(f"JOIN known_{self.name} own ON own.id = {key_of(self.name)[0]}")
            return "own.gone"
        own = ["t.gone_at IS NOT NULL", *(f"{alias_of(name)}.gone" for name, _ in needed(self.name))]
        return f"({' OR '.join(own)})"

    def query(self) -> ResourceQuery:
        selection, key = self.selection, tuple(map(str, KEY_COLUMNS[self.name]))
        made = [one for name, column in COLUMNS[self.name].items() for one in self._made(name, column)]
        made += self._added()
        where = []
        if not self.is_plain and self.name not in KINDS:
            if selection.since is not None:
                where.append(confirmed(self.name, selection.since))
            if not self.shows_gone:
                where.append(f"NOT {self.gone}")
        relation = source(self.name, selection)
        found = (
            f"SELECT {', '.join(one.selected() for one in made)} FROM {relation} t "
            + " ".join(self.joins)
            + (f" WHERE {' AND '.join(where)}" if where else "")
        )
        order = ", ".join(self.order[name] for name in key)
        comment = str(self.table.comment)
        return ResourceQuery(self.name, comment, found, order, tuple(made), key, tuple(self.foreign_keys))

    def _made(self, name: str, column: Treatments) -> list[Made]:
        treated = treatment(column, self.selection.profile)
        comment = str(self.table.c[name].comment)
        is_key = name in KEY_COLUMNS[self.name]
        kind = type_of(self.table.c[name])
        self.order[name] = f't.{name} COLLATE "C"' if kind is Type.STRING else f"t.{name}"
        if isinstance(treated, Left):
            return []
        if isinstance(treated, OwnId):
            return [self._id(name, comment, kind, "own")]
        if isinstance(treated, Reference):
            return [self._reference(name, comment, kind, treated)]
        if isinstance(treated, Username):
            return [self._named(name, comment)]
        if isinstance(treated, FreeText):
            return self._said(name, comment)
        if isinstance(treated, Deletion):
            field = Field(name, kind, comment)
            return [Made(field, f"t.{name}")] if self.shows_gone else []
        assert isinstance(treated, Keep)
        value = plain_value(self.table.c[name], "t")
        sql = value if is_key else self._masked(value)
        is_name = not self.selection.hashed and name.endswith("username")
        return [Made(Field(name, kind, comment, required=is_key), sql, is_name=is_name)]

    def _id(self, name: str, comment: str, kind: Type, alias: str) -> Made:
        is_key = name in KEY_COLUMNS[self.name]
        if not self.selection.hashed:
            return Made(Field(name, kind, comment, required=is_key), f"t.{name}")
        self.order[name] = f"{alias}.p"
        field = Field(name, Type.STRING, comment, PSEUDONYM, required=is_key)
        return Made(field, f"encode({alias}.p, 'hex')")

    def _reference(self, name: str, comment: str, kind: Type, treatment: Reference) -> Made:
        is_key = name in KEY_COLUMNS[self.name]
        referred = ENTITIES[treatment.kind]
        if self.is_plain:
            if self.table.c[name].foreign_keys:
                self.foreign_keys.append(ForeignKey((name,), referred, ("id",)))
            return Made(Field(name, kind, comment, required=is_key), f"t.{name}")
        self.foreign_keys.append(ForeignKey((name,), referred, ("id",)))
        alias = alias_of(name)
        self.joins.append(
            f"{'JOIN' if treatment.needed and self.name not in KINDS else 'LEFT JOIN'} known_{referred} {alias}"
            f" ON {alias}.id = t.{name}"
        )
        made = self._id(name, comment, kind, alias)
        if not self.selection.hashed:
            made = Made(made.field, f"{alias}.id")
        return made if is_key else Made(made.field, self._masked(made.sql))

    def _named(self, name: str, comment: str) -> Made:
        alias = f"of_{name}"
        self.joins.append(_SQL["user_of_name"].format(column=name, user=alias))
        shown = f"{name.removesuffix('username')}user_id"
        self.foreign_keys.append(ForeignKey((shown,), "users", ("id",)))
        field = Field(shown, Type.STRING, comment, "The pseudonym of whose name it is.")
        return Made(field, self._masked(f"encode({alias}.p, 'hex')"))

    def _said(self, name: str, comment: str) -> list[Made]:
        mode = self.selection.text
        if mode is Text.NONE:
            return []
        is_kept = not self.shows_gone or not self.selection.hashed
        sql = self._masked(f"t.{name}") if is_kept else f"CASE WHEN NOT {self.gone} THEN t.{name} END"
        return [Made(Field(name, Type.STRING, comment, TEXT_TREATMENTS[mode]), sql, text=mode)]

    def _masked(self, sql: str) -> str:
        """Return a value that is null in tombstones without content."""
        if self.selection.tombstones is not Tombstones.ID_ONLY or self.gone == "false":
            return sql
        return f"CASE WHEN NOT {self.gone} THEN {sql} END"

    def _added(self) -> list[Made]:
        added, selection = [], self.selection
        if self.shows_gone and selection.hashed:
            comment = "Whether it is gone: itself, what it stands on, or its author."
            added.append(Made(Field("gone", Type.BOOLEAN, comment, "Derived."), self.gone))
        if self.name in CONTENT_TIMES:
            added.append(Made(LICENCE_FIELD, self._masked(licence(*CONTENT_TIMES[self.name]))))
        if self.name in DESIGNED:
            self.joins.append(f"LEFT JOIN {drawn(self.name, selection)} draw ON draw.entity_id = t.id")
            cluster = "draw.cluster_id::text"
            if selection.hashed:
                self.joins.append(f"LEFT JOIN known_{self.name} cluster ON cluster.id = draw.cluster_id")
                cluster = "encode(cluster.p, 'hex')"
            added += [
                Made(one, cluster if one.name == "cluster_id" else f"draw.{one.name}") for one in DESIGNED[self.name]
            ]
        return added


def query(table: Table, selection: Selection) -> ResourceQuery:
    """Build the query of a table under `restricted` or `internal`."""
    return _Builder(table, selection).query()


def queries(tables: Sequence[Table], selection: Selection) -> list[ResourceQuery]:
    """Build the queries of all tables of a release."""
    return [query(table, selection) for table in tables]
