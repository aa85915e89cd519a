"""The tables of a release about change over time, in `restricted` and `internal`.

Counters and revisions of what the release has, each state with the time in which it held; comings and goings as
intervals; and the places of projects and studios in rankings. Columns are those of schema `history`, treated as the
columns of `scratch` that they are earlier values of. A change is known by two reads: it was made after the first and
by the second, and a row tells both.

Of a text that its author replaced `restricted` tells when it was replaced, and features of it where the release has
texts: the words are in `internal` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.api.gone_reason import GoneReason
from harvester.dataset.columns import COLUMNS, ENTITIES, KINDS, treatment
from harvester.dataset.release import Field, ForeignKey, Text, Tombstones, Type
from harvester.dataset.rows import (
    PSEUDONYM,
    TEXT_TREATMENTS,
    Made,
    ResourceQuery,
    alias_of,
    confirmed,
    moment,
    needed,
    type_of,
)
from harvester.warehouse.annotations import History, kept
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import (
    KEY_COLUMNS,
    absences,
    comment_revisions,
    favorites,
    follows,
    member_revisions,
    metadata,
    project_revisions,
    project_stats,
    rankings,
    studio_members,
    studio_projects,
    studio_revisions,
    studio_stats,
    user_revisions,
)
from harvester.warehouse.treatments import FreeText, Left, Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from harvester.dataset.rows import Selection
    from harvester.dataset.snapshot import Snapshot

_SQL = statements(__package__, "history")
"""Filled in by `str.format` with names and expressions that this module states."""

RANKINGS = str(rankings.name)
STATS = (project_stats, studio_stats)
REVISIONS = (user_revisions, project_revisions, studio_revisions, member_revisions, comment_revisions)
INTERVALS = {
    "follow_intervals": follows,
    "favorite_intervals": favorites,
    "studio_project_intervals": studio_projects,
    "studio_member_intervals": studio_members,
}
"""Tables of intervals, each with the table of `scratch` whose rows come and go."""

_OF_STATE = (
    (
        Field(
            "changed_after",
            Type.TIME,
            "When the values that changed were last seen as they were: they changed after that and by valid_from."
            " Empty for the first state that was seen.",
        ),
        "s.changed_after",
    ),
    (Field("valid_from", Type.TIME, "When this state was first seen.", required=True), "s.valid_from"),
)
_OF_INTERVAL = (
    (
        Field(
            "started_after",
            Type.TIME,
            "It was absent then: it began after that and by first_seen_at. Empty where its absence was never seen.",
        ),
        "s.started_after",
    ),
    (Field("first_seen_at", Type.TIME, "When it was first seen.", required=True), "s.seen_from"),
    (
        Field(
            "last_seen_at",
            Type.TIME,
            "When it was last known to be there: it ended after that and by gone_at. Empty while it lasts.",
        ),
        "s.last_seen_at",
    ),
    (Field("gone_at", Type.TIME, "When it was shown to be absent; empty while it lasts."), "s.gone_at"),
    (Field("gone_reason", Type.STRING, "What the absence means, as far as the site tells."), "s.gone_reason"),
)


def queries(selection: Selection) -> list[ResourceQuery]:
    """Build the queries of all tables of this module, under `restricted` or `internal`."""
    return [
        *(_States(log, selection).stats() for log in STATS),
        *(_States(log, selection).revisions() for log in REVISIONS),
        *(_intervals(name, table, selection) for name, table in INTERVALS.items()),
        _absences(selection),
        _rankings(selection),
    ]


def told_apart(snapshot: Snapshot, selection: Selection) -> dict[str, Any]:
    """Count the projects of a release that their counters tell apart from all others in it: now, and over time."""
    of_projects = _States(project_stats, selection)
    counters = "||' '||".join(f"coalesce(s.{name}::text, '-')" for name in of_projects.columns)
    (counted,) = snapshot.rows(
        _SQL["told_apart"].format(counters=counters, states=of_projects.states(), key=of_projects.key)
    )
    projects = counted["projects"]
    return {
        "projects_with_counters": projects,
        "told_apart_by_present_counters": counted["alone"],
        "told_apart_by_counters_over_time": counted["alone_over_time"],
        "share": round(counted["alone_over_time"] / projects, 4) if projects else 0.0,
    }


# the rows that the release has ---------------------------------------------------------------------------------------


def _until(selection: Selection, column: str) -> str:
    """Return the condition that something ended by the time of the state."""
    return "true" if selection.at is None else f"{column} <= {moment(selection.at)}"


def _source(table: str, selection: Selection) -> str:
    if selection.at is None:
        return f"scratch.{table}"
    same = " AND ".join(f"g.{one} = f.{one}" for one in KEY_COLUMNS[table])
    life = "g.gone_at, g.last_seen_at, g.gone_reason"
    if not selection.hashed:  # as in `rows.source`: what happened later is not known yet
        life = "NULL::timestamptz AS gone_at, NULL::timestamptz AS last_seen_at, NULL::text AS gone_reason"
    return _SQL["table_at"].format(table=table, at=moment(selection.at), same=same, life=life)


def _joins(table: str, selection: Selection) -> dict[str, str]:
    """Return the joins of a table with what the release has, by the aliases of these."""
    if selection.is_plain:
        return {}
    if table in KINDS:
        return {"own": f" JOIN known_{table} own ON own.id = t.id"}
    return {
        alias_of(name): f" JOIN known_{referred} {alias_of(name)} ON {alias_of(name)}.id = t.{name}"
        for name, referred in needed(table)
    }


def _kept(table: str, columns: Sequence[str], selection: Selection, *also: str) -> str:
    """Return the query of the rows of a table that the release has, with some columns."""
    joins = _joins(table, selection)
    conditions = ["true", *also]
    if table not in KINDS and selection.since is not None:
        conditions.append(confirmed(table, selection.since))
    if selection.tombstones is not Tombstones.FLAGS:
        conditions.append(f"NOT {_gone(table, selection)}")
    if table == "users" and selection.hashed:
        conditions.append(f"t.gone_reason IS DISTINCT FROM '{GoneReason.ERASED}'")
    if table == "studios" and selection.erased:
        conditions.append(_SQL["not_of_erased_hosts"].format(studio="t.id"))
    return _SQL["kept"].format(
        columns=", ".join(columns),
        source=_source(table, selection),
        joins="".join(joins.values()),
        conditions=" AND ".join(conditions),
    )


def _gone(table: str, selection: Selection) -> str:
    """Return the condition that a kept row is a tombstone."""
    if selection.is_plain:
        return "false"
    if table in KINDS:
        return "own.gone"
    return f"({' OR '.join(['t.gone_at IS NOT NULL', *(f'{alias_of(name)}.gone' for name, _ in needed(table))])})"


def _pseudonym(table: str, name: str, selection: Selection) -> str:
    """Return SQL of the id by which a release sorts and names a key column."""
    if not selection.hashed:
        return f"t.{name}"
    return "own.p" if table in KINDS else f"{alias_of(name)}.p"


def _shown(value: str, selection: Selection) -> str:
    return f"encode({value}, 'hex')" if selection.hashed else value


def _id_field(name: str, comment: str, selection: Selection) -> Field:
    if selection.hashed:
        return Field(name, Type.STRING, comment, PSEUDONYM, required=True)
    return Field(name, Type.INTEGER, comment, required=True)


# states --------------------------------------------------------------------------------------------------------------


class _States:
    """The query of the states of the rows of a table, or of several, whose earlier ones are in a table of history."""

    def __init__(self, log: Table, selection: Selection) -> None:
        self.log, self.selection = log, selection
        self.tables: list[str] = [str(table.name) for table in log.info["of"]]
        names = [str(column.name) for column in log.primary_key if column.name != "valid_to"]
        self.keys = sorted(names, key=lambda name: name == "kind")
        """Names of the key of a thing: ids, then its kind where the table holds several."""
        where = History.STATS if log in STATS else History.REVISIONS
        first = COLUMNS[self.tables[0]]
        held = map(str, kept(log.info["of"][0], where))
        self.columns = [name for name in held if self._is_exported(name, first)]
        """Names of the columns whose states are told."""
        self.joins = ""
        self.foreign_keys: list[ForeignKey] = []

    @property
    def key(self) -> str:
        """The key of a thing, for a window."""
        return ", ".join(self.keys)

    def _is_exported(self, name: str, columns: Any) -> bool:
        """Return whether the profile has a column; of a text it tells when that changed, whatever the text mode."""
        return name in self.log.c and not isinstance(treatment(columns[name], self.selection.profile), Left)

    def states(self, *, only_changed: bool = False) -> str:
        """Return the common table expressions `kept` and `states`."""
        names = [*self.keys, *(f"p_{name}" for name in self.keys), "gone"]
        log_keys = ", ".join(f"h.{name}" for name in self.keys)
        return _SQL["states"].format(
            kept=" UNION ALL ".join(self._kept(table, only_changed=only_changed) for table in self.tables),
            keys=", ".join(f"k.{name}" for name in names),
            earlier=", ".join(f"h.{name}" for name in self.columns),
            present=", ".join(f"k.{name}" for name in self.columns),
            log=self.log.name,
            same=" AND ".join(f"h.{name} = k.{name}" for name in self.keys),
            ended=self._ended(),
            log_keys=log_keys,
        )

    def _ended(self) -> str:
        ended = _until(self.selection, "h.valid_to")
        if self.selection.erased and "host_id" in self.log.c:
            ended += " AND " + _SQL["not_by_erased_hosts"]
        return ended

    def _kept(self, table: str, *, only_changed: bool) -> str:
        selection = self.selection
        own = {name: self._own_key(table, name) for name in self.keys}
        columns = []
        for name, column in own.items():
            if name == "kind":
                kind = f"'{table.removesuffix('_comments')}'::text"
                columns += [f"{kind} AS kind", f"{kind} AS p_kind"]
            else:
                columns += [f"t.{column} AS {name}", f"{_pseudonym(table, column, selection)} AS p_{name}"]
        columns += [f"{_gone(table, selection)} AS gone", "t.first_seen_at", *(f"t.{name}" for name in self.columns)]
        also = []
        if only_changed:
            same = [f"h.{name} = t.{column}" for name, column in own.items() if name != "kind"]
            same += [f"h.kind = '{table.removesuffix('_comments')}'"] if "kind" in own else []
            also.append(_SQL["has_changed"].format(log=self.log.name, same=" AND ".join(same), ended=self._ended()))
        return _kept(table, columns, selection, *also)

    @staticmethod
    def _own_key(table: str, name: str) -> str:
        return name if name in KEY_COLUMNS[table] else "id"

    def stats(self) -> ResourceQuery:
        """Return the query of all states of all rows."""
        made = self._made()
        sql = _SQL["stats"].format(
            states=self.states(),
            key=self.key,
            columns=", ".join(one.selected() for one in made),
            joins=self.joins,
        )
        what = self.tables[0]
        comment = f"Counters of {what} over time: each state that was seen, the present one included."
        return self._query(sql, made, comment)

    def revisions(self) -> ResourceQuery:
        """Return the query of all states of the rows that were seen to change."""
        changed = Field(
            "changed", Type.STRING, "The columns in which it differs from the state before, separated by blanks."
        )
        made = self._made(Made(changed, "s.changed"))
        sql = _SQL["revisions"].format(
            states=self.states(only_changed=True),
            key=self.key,
            changed=", ".join(_SQL["was_changed"].format(column=name) for name in self.columns),
            columns=", ".join(one.selected() for one in made),
            joins=self.joins,
        )
        what = "comments" if len(self.tables) > 1 else self.tables[0].replace("_", " ")
        comment = f"Revisions of {what} that were seen to change: each state, the present one included."
        return self._query(sql, made, comment)

    def _order(self) -> str:
        keys = (f's.p_{name} COLLATE "C"' if name == "kind" else f"s.p_{name}" for name in self.keys)
        return ", ".join([*keys, "s.valid_from"])

    def _query(self, sql: str, made: Sequence[Made], comment: str) -> ResourceQuery:
        key = (*self.keys, "valid_from")
        references = tuple(self.foreign_keys)
        return ResourceQuery(str(self.log.name), comment, sql, self._order(), tuple(made), key, references)

    def _made(self, *also: Made) -> list[Made]:
        made = [self._key_column(name) for name in self.keys]
        made += [Made(field, sql) for field, sql in _OF_STATE]
        ended = "s.valid_to" if self.log in STATS else "nullif(s.ended_at, 'infinity')"
        valid_to = Field("valid_to", Type.TIME, "When it was first seen superseded; empty for the state in force.")
        made += [Made(valid_to, ended), *also]
        for name in self.columns:
            made += self._value(name)
        return made

    def _key_column(self, name: str) -> Made:
        comment = str(self.log.c[name].comment)
        if name == "kind":
            return Made(Field(name, Type.STRING, comment, required=True), "s.p_kind")
        if len(self.tables) == 1:
            column = self._own_key(self.tables[0], name)
            referred = self.tables[0] if column == "id" else dict(needed(self.tables[0]))[column]
            self.foreign_keys.append(ForeignKey((name,), referred, ("id",)))
        return Made(_id_field(name, comment, self.selection), _shown(f"s.p_{name}", self.selection))

    def _value(self, name: str) -> list[Made]:
        selection = self.selection
        column = metadata.tables[f"scratch.{self.tables[0]}"].c[name]
        treated = treatment(COLUMNS[self.tables[0]][name], selection.profile)
        comment, kind = str(column.comment), type_of(column)
        if isinstance(treated, Reference):
            return [self._reference(name, comment, ENTITIES[treated.kind])]
        if isinstance(treated, FreeText):
            return self._text(name, comment)
        return [Made(Field(name, kind, comment), f"s.{name}", is_name=name.endswith("username"))]

    def _reference(self, name: str, comment: str, referred: str) -> Made:
        selection = self.selection
        if selection.is_plain:
            return Made(Field(name, Type.INTEGER, comment), f"s.{name}")
        alias = alias_of(name)
        self.joins += f" LEFT JOIN known_{referred} {alias} ON {alias}.id = s.{name}"
        self.foreign_keys.append(ForeignKey((name,), referred, ("id",)))
        if selection.hashed:
            return Made(Field(name, Type.STRING, comment, PSEUDONYM), f"encode({alias}.p, 'hex')")
        return Made(Field(name, Type.INTEGER, comment), f"{alias}.id")

    def _text(self, name: str, comment: str) -> list[Made]:
        selection = self.selection
        if selection.text is Text.NONE:
            return []
        mode = Text.FEATURES if selection.hashed else selection.text
        sql = f"CASE WHEN NOT s.gone THEN s.{name} END" if selection.hashed else f"s.{name}"
        return [Made(Field(name, Type.STRING, comment, TEXT_TREATMENTS[mode]), sql, text=mode)]


# comings and goings --------------------------------------------------------------------------------------------------


def _intervals(name: str, table: Table, selection: Selection) -> ResourceQuery:
    """Return the query of the times in which the rows of a table were there."""
    of, keys = str(table.name), tuple(map(str, KEY_COLUMNS[table.name]))
    columns = []
    for key in keys:
        columns += [f"t.{key}", f"{_pseudonym(of, key, selection)} AS p_{key}"]
    columns += ["t.first_seen_at", "t.last_seen_at", "t.gone_at", "t.gone_reason"]
    made = [Made(_id_field(key, str(table.c[key].comment), selection), _shown(f"s.p_{key}", selection)) for key in keys]
    made += [Made(field, sql) for field, sql in _OF_INTERVAL]
    sql = _SQL["intervals"].format(
        kept=_kept(of, columns, selection),
        keys=", ".join(f"k.{key}, k.p_{key}" for key in keys),
        table=of,
        same=" AND ".join(f"a.{place} = k.{key}" for place, key in zip(("thing_id", "other_id"), keys, strict=True)),
        ended=_until(selection, "a.returned_at"),
        columns=", ".join(one.selected() for one in made),
        key=", ".join(keys),
    )
    order = ", ".join([*(f"s.p_{key}" for key in keys), "s.seen_from"])
    references = tuple(ForeignKey((key,), referred, ("id",)) for key, referred in needed(of))
    comment = f"When each row of {of} was there: one row for each interval."
    return ResourceQuery(name, comment, sql, order, tuple(made), (*keys, "first_seen_at"), references)


def _absences(selection: Selection) -> ResourceQuery:
    """Return the query of the absences of entities that ended."""
    each = [
        _SQL["absences_of"].format(
            table=table,
            kept=_kept(table, ["t.id", f"{_pseudonym(table, 'id', selection)} AS key"], selection),
            ended=_until(selection, "a.returned_at"),
        )
        for table in KINDS
        if table != "studio_activity"
    ]
    made = [
        Made(_id_field("id", "The id of what was absent.", selection), _shown("s.key", selection)),
        Made(Field("kind", Type.STRING, "The table that has it.", required=True), "s.kind"),
        Made(Field("gone_at", Type.TIME, str(absences.c.gone_at.comment), required=True), "s.gone_at"),
        Made(Field("last_seen_at", Type.TIME, str(absences.c.last_seen_at.comment)), "s.last_seen_at"),
        Made(Field("returned_at", Type.TIME, str(absences.c.returned_at.comment), required=True), "s.returned_at"),
        Made(Field("gone_reason", Type.STRING, str(absences.c.gone_reason.comment)), "s.gone_reason"),
    ]
    sql = _SQL["absences"].format(columns=", ".join(one.selected() for one in made), each=" UNION ALL ".join(each))
    comment = "Users, projects, studios and comments that were gone and came back: each absence that ended."
    order = 's.key, s.kind COLLATE "C", s.gone_at'
    return ResourceQuery("absences", comment, sql, order, tuple(made), ("id", "kind", "gone_at"), ())


# rankings ------------------------------------------------------------------------------------------------------------


def _rankings(selection: Selection) -> ResourceQuery:
    """Return the query of the entries of rankings about projects and studios that the release has."""
    is_worded = not selection.hashed and not selection.erased
    name = "r.ranking" if is_worded else "named.name"
    treated = None if is_worded else "What was searched for is told by a number."
    made = [
        Made(Field("ranking", Type.STRING, str(rankings.c.ranking.comment), treated, required=True), name),
        Made(Field("seen_at", Type.TIME, str(rankings.c.seen_at.comment), required=True), "r.seen_at"),
        Made(Field("position", Type.INTEGER, str(rankings.c.position.comment), required=True), "r.position"),
    ]
    references, conditions = [], []
    for kind in ("project", "studio"):
        value = f"encode({kind}.p, 'hex')" if selection.hashed else f"{kind}.id"
        field = Field(
            f"{kind}_id",
            Type.STRING if selection.hashed else Type.INTEGER,
            f"The {kind} that stood there; empty for an entry of the other kind.",
            PSEUDONYM if selection.hashed else None,
        )
        made.append(Made(field, value))
        references.append(ForeignKey((f"{kind}_id",), f"{kind}s", ("id",)))
        is_shown = selection.is_plain or selection.tombstones is Tombstones.FLAGS
        conditions.append(f"{kind}.id IS NOT NULL" if is_shown else f"NOT {kind}.gone")
    made += [
        Made(Field(one, Type.INTEGER, str(rankings.c[one].comment)), f"r.{one}")
        for one in ("views", "loves", "favorites")
    ]
    held = "scratch" if selection.is_plain else "known"
    sql = _SQL["rankings"].format(
        columns=", ".join(one.selected() for one in made),
        projects="scratch.projects" if held == "scratch" else "known_projects",
        studios="scratch.studios" if held == "scratch" else "known_studios",
        named="" if is_worded else " " + _SQL["rankings_without_words"],
        conditions=f"({' OR '.join(conditions)}) AND {_until(selection, 'r.seen_at')}",
    )
    order = f'{name} COLLATE "C", r.seen_at, r.position'
    comment = "Entries of rankings (explore, search, front page) that show a project or studio of this release."
    return ResourceQuery(
        RANKINGS, comment, sql, order, tuple(made), ("ranking", "seen_at", "position"), tuple(references)
    )
