"""Figures that are heavy to work out: tables of schema `analytics`, brought up to date where something has changed.

Each table is a copy of the view `analytics.live_<name>`, which alone says what it holds. What has changed since the
last refresh is told by the rows themselves: `xmin` is the transaction that last wrote a row, and a refresh remembers
from which one on (`mark`) it may not have seen everything. So a crawl pays nothing for it, no index and no trigger; a
refresh pays one look through the tables. Of what changed it takes the keys (a user, a thread, a day), and makes the
rows of these keys anew. Nothing is deleted from `scratch` but by an erasure, after which all is made anew.

A refresh is one transaction with one snapshot: whoever reads sees all tables as of the same moment, and a refresh that
is killed has not been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from harvester.warehouse.locks import REFRESHING
from harvester.warehouse.schema import use_schema
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connection = psycopg.Connection[tuple[Any, ...]]
    Tell = Callable[[str, int, int], None]

_BATCH = 20_000
"""Keys in one statement."""
_TOO_MANY = 500_000
"""Number of keys from which a rebuild of the whole table is quicker."""
_MEMORY = "128MB"
"""For each sort and each hash of a refresh: with 4 MB, the default, all that is large goes by way of disk."""
_OLDEST = 1_000_000_000
"""Transactions after which `xmin`, a number of 32 bits, may not be compared any more."""

_CHANGED: dict[str, tuple[str, ...]] = {
    "users": ("id", "joined_at", "gone_at"),
    "projects": ("id", "author_id", "parent_id", "root_id", "shared_at", "gone_at"),
    "studios": ("id", "created_at", "gone_at"),
    "project_comments": ("id", "parent_id", "author_id", "created_at"),
    "profile_comments": ("id", "parent_id", "author_id", "created_at"),
    "studio_activity": ("created_at",),
    "follows": ("follower_id", "followee_id"),
    "studio_projects": ("studio_id",),
    "studio_members": ("studio_id",),
    "studio_comments": ("id", "parent_id", "author_id", "created_at", "studio_id"),
    "history.project_stats": ("project_id",),
    "history.rankings": ("ranking", "seen_at", "kind", "thing_id"),
}
"""What is asked of the rows that have changed, by table of `scratch` or another schema."""


@dataclass(frozen=True, slots=True)
class Part:
    """Copy whose rows can be rebuilt by key, and the query for the changed keys."""

    key: str
    type: str
    changed: str
    only: str = "true"


_PLACES = {"project": ("projects", "project_id"), "studio": ("studios", "studio_id"), "profile": ("users", "user_id")}
"""By kind of comments: the table of the pages on which they stand, and the column that names the page."""


def _on_flipped(table: str, places: str, column: str) -> str:
    """Rows of a table that stand on pages which are gone or came back: what is there of them may have changed."""
    return (
        f"(SELECT r.* FROM scratch.{table} r JOIN pg_temp.changed_{places} c ON c.id = r.{column} WHERE c.gone_at"
        f" IS NOT NULL OR EXISTS (SELECT FROM history.absences a WHERE a.kind = '{places}' AND a.thing_id = c.id)) r"
    )


def _days(table: str, time: str, *, also: str = "") -> Part:
    day = f"SELECT DISTINCT ({time} AT TIME ZONE 'UTC')::date FROM {{}} WHERE {time} IS NOT NULL"
    changed = day.format(f"pg_temp.changed_{table}") + (f" UNION {day.format(also)}" if also else "")
    return Part("day", "date", changed, f"stream = '{table}'")


_RESHARED = (
    "(SELECT h.shared_at FROM history.project_revisions h JOIN pg_temp.changed_projects c ON c.id = h.project_id) h"
)

_CUT_STAYS = (
    "SELECT thing_id FROM (SELECT DISTINCT ranking, seen_at FROM pg_temp.changed_rankings) c"
    " JOIN analytics.ranking_stays s USING (ranking)"
    " WHERE c.seen_at > coalesce(s.absent_before, '-infinity') AND c.seen_at < coalesce(s.absent_after, 'infinity')"
)
"""Things whose stay a reading bounds that did not show them."""

_BY_USER = ("projects", "project_comments", "studio_comments", "profile_comments")

COPIES: dict[str, tuple[Part, ...]] = {
    "daily_activity": (
        _days("users", "joined_at"),
        # What was shared again left the day on which it was shared before.
        _days("projects", "shared_at", also=_RESHARED),
        _days("studios", "created_at"),
        *(
            _days(f"{kind}_comments", "created_at", also=_on_flipped(f"{kind}_comments", *place))
            for kind, place in _PLACES.items()
        ),
        _days("studio_activity", "created_at", also=_on_flipped("studio_activity", *_PLACES["studio"])),
    ),
    "user_months": (
        Part(
            "user_id",
            "bigint",
            " UNION ".join(
                f"SELECT author_id FROM pg_temp.changed_{table} WHERE author_id IS NOT NULL" for table in _BY_USER
            ),
        ),
    ),
    "cohorts": (),
    "cohort_activity": (),
    "countries": (),
    "remix_nodes": (),  # by trees: see _refresh_trees
    "remix_trees": (Part("root_id", "bigint", "SELECT root_id FROM pg_temp.changed_trees"),),
    "threads": tuple(
        Part(
            "thread_id",
            "bigint",
            f"SELECT coalesce(parent_id, id) FROM pg_temp.changed_{kind}_comments"
            f" UNION SELECT r.parent_id FROM {_on_flipped(f'{kind}_comments', *place)} WHERE r.parent_id IS NOT NULL",
            f"kind = '{kind}'",
        )
        for kind, place in _PLACES.items()
    ),
    "reply_latency": (),
    "follow_degrees": (
        Part(
            "user_id",
            "bigint",
            "SELECT follower_id FROM pg_temp.changed_follows UNION SELECT followee_id FROM pg_temp.changed_follows",
        ),
    ),
    "studio_figures": (
        Part(
            "studio_id",
            "bigint",
            " UNION ".join(
                f"SELECT studio_id FROM pg_temp.changed_{table}"
                for table in ("studio_projects", "studio_members", "studio_comments")
            )
            + " UNION SELECT id FROM pg_temp.changed_studios"
            + f" UNION SELECT studio_id FROM {_on_flipped('studio_projects', *_PLACES['project'])}",
        ),
    ),
    "ranking_stays": tuple(
        Part(
            "thing_id",
            "bigint",
            f"SELECT thing_id FROM pg_temp.changed_rankings WHERE kind = '{kind}'"
            f" UNION {_CUT_STAYS} AND kind = '{kind}'",
            f"kind = '{kind}'",
        )
        for kind in ("project", "studio")
    ),
    "ranking_countries": (),
    "life_curves": (),
}
"""The tables that are copies of views, and in which parts they are brought up to date; in the order in which they rest
on each other."""

SUMS: dict[str, tuple[str, ...]] = {
    "cohorts": (),  # each time: whose projects were read is told by the frontier, which never rests
    "cohort_activity": (),  # each time, like the next one: a visit that finds nothing new is an observation
    "reply_latency": (),
    "countries": ("users", *_BY_USER),
    "ranking_countries": ("rankings", "projects", "studios", "users"),
    "life_curves": (),  # each time: a visit that changes nothing confirms what is known
}
"""Small tables that sum up large ones, and are rebuilt if anything changed in some tables."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Result of one table's refresh: rows written, rows it has, and whether it was rebuilt."""

    relation: str
    whole: bool
    written: int
    row_count: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "relation": self.relation,
            "whole": self.whole,
            "written": self.written,
            "row_count": self.row_count,
        }


def refresh(connection: Connection, *, whole: bool = False, tell: Tell = lambda *_: None) -> list[Refreshed]:
    """Bring all tables up to date; a second refresh at the same time waits for the first. `tell` hears of progress.

    Needs a connection of its own with autocommit, and may run while crawls do.

    Raises:
        WarehouseError: no schema, or one that is being changed.
    """
    use_schema(connection)  # keeps erasures out too: nobody is written back
    connection.execute("SELECT pg_advisory_lock(%s)", [REFRESHING])
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            return list(_refresh(connection, tell, whole=whole))
    finally:
        if not connection.closed:
            connection.isolation_level = None
            connection.execute("SELECT pg_advisory_unlock(%s)", [REFRESHING])


def _refresh(connection: Connection, tell: Tell, *, whole: bool) -> Iterator[Refreshed]:
    connection.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
    newest = _one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    marks = {} if whole else _marks(connection, newest)
    oldest = min(marks.values(), default=None)
    if oldest is not None:
        _find_changed(connection, oldest, tell)
    for name in COPIES:
        done = _bring_up_to_date(connection, name, tell) if name in marks else None
        anew = done is None
        if done is None:
            done = _make_anew(connection, name, tell)
        connection.execute(sql.SQL("ANALYZE {}").format(_table(name)))
        rows = _one(connection, sql.SQL("SELECT count(*) FROM {}").format(_table(name)))
        connection.execute(
            "INSERT INTO analytics.refreshes AS r"
            " (relation, refreshed_at, whole, written, row_count, mark, written_by)"
            " VALUES (%s, now(), %s, %s, %s, %s, pg_current_xact_id()::text::bigint)"
            " ON CONFLICT (relation) DO UPDATE SET refreshed_at = excluded.refreshed_at, whole = excluded.whole,"
            " written = excluded.written, row_count = excluded.row_count, mark = excluded.mark,"
            " written_by = excluded.written_by",
            [name, anew, done, rows, newest],
        )
        yield Refreshed(name, anew, done, rows)


def _bring_up_to_date(connection: Connection, name: str, tell: Tell) -> int | None:
    """Rebuild the rows that a change concerns, and return the rows written; None if all must be rebuilt."""
    if name in SUMS:
        if not SUMS[name]:
            return None
        changed = " UNION ALL ".join(f"(SELECT 1 FROM pg_temp.changed_{table} LIMIT 1)" for table in SUMS[name])
        return None if _one(connection, f"SELECT count(*) FROM ({changed}) any_of_them") else 0
    return _refresh_trees(connection, tell) if name == "remix_nodes" else _refresh_keys(connection, name, tell)


def _marks(connection: Connection, newest: int) -> dict[str, int]:
    """From which transaction on each table may not have seen everything; without those that must be made anew.

    A row that came here from another server, by a dump, was written by another transaction than it says: its mark
    means nothing here.
    """
    rows = connection.execute(
        "SELECT relation, mark FROM analytics.refreshes"
        " WHERE mark IS NOT NULL AND written_by %% 4294967296 = xmin::text::bigint AND mark BETWEEN %s AND %s",
        [newest - _OLDEST, newest],
    )
    found = {name: mark for name, mark in rows.fetchall() if name in COPIES}
    if "remix_nodes" not in found:
        found.pop("remix_trees", None)  # which is told by the nodes what to do
    return found


def _find_changed(connection: Connection, mark: int, tell: Tell) -> None:
    """Gather what is asked of each row that was written since, in temporary tables."""
    for number, (table, columns) in enumerate(_CHANGED.items()):
        tell("what has changed", number, len(_CHANGED))
        in_schema, _, name = table.rpartition(".")
        temporary = sql.Identifier(f"changed_{name}")
        connection.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} t"
                " WHERE age(t.xmin) <= (SELECT age({}::xid))"
            ).format(
                temporary,
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.Identifier(in_schema or "scratch", name),
                sql.Literal(str(mark % 2**32)),
            )
        )
        connection.execute(sql.SQL("ANALYZE {}").format(temporary))


def _refresh_keys(connection: Connection, name: str, tell: Tell) -> int | None:
    """Rebuild the rows of changed keys; None if a rebuild of all rows would be quicker."""
    keys = [[key for (key,) in connection.execute(sql.SQL(part.changed)).fetchall()] for part in COPIES[name]]
    total = sum(map(len, keys))
    if total > _TOO_MANY:
        return None
    written = done = 0
    for part, changed in zip(COPIES[name], keys, strict=True):
        which = sql.SQL("{} AND {} = ANY(%s::{}[])").format(
            sql.SQL(part.only),
            sql.Identifier(part.key),
            sql.SQL(part.type),
        )
        # A pass over all events finds those of any number of days.
        size = len(changed) if part.key == "day" else _BATCH
        for start in range(0, len(changed), max(size, 1)):
            tell(name, done + start, total)
            written += _replace(connection, name, which, changed[start : start + size])
        done += len(changed)
    return written


def _replace(connection: Connection, name: str, which: sql.Composable, keys: list[Any]) -> int:
    connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(_table(name), which), [keys])
    return connection.execute(
        sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {live} WHERE {which}").format(
            table=_table(name), columns=_columns(name), live=_live(name), which=which
        ),
        [keys],
    ).rowcount


def _refresh_trees(connection: Connection, tell: Tell) -> int:
    """Rebuild the trees that a changed project or its parent is in or was in; others cannot have changed."""
    tell("remix_nodes", 0, 1)
    connection.execute(
        "CREATE TEMPORARY TABLE stale ON COMMIT DROP AS"
        " WITH changed AS (SELECT c.id, c.parent_id, c.root_id FROM pg_temp.changed_projects c"
        " WHERE c.parent_id IS NOT NULL OR c.root_id IS NOT NULL"
        " OR EXISTS (SELECT FROM analytics.remix_nodes n WHERE n.project_id = c.id)),"
        " touched AS (SELECT id FROM changed UNION SELECT parent_id FROM changed),"
        " trees AS (SELECT DISTINCT n.root_id FROM touched t JOIN analytics.remix_nodes n ON n.project_id = t.id)"
        " SELECT id AS project_id FROM touched WHERE id IS NOT NULL"
        " UNION SELECT n.project_id FROM trees JOIN analytics.remix_nodes n USING (root_id)"
    )
    connection.execute("ANALYZE stale")
    connection.execute(
        "CREATE TEMPORARY TABLE changed_trees ON COMMIT DROP AS SELECT DISTINCT root_id FROM analytics.remix_nodes n"
        " JOIN pg_temp.stale s USING (project_id)"
    )
    connection.execute("DELETE FROM analytics.remix_nodes n USING pg_temp.stale s WHERE n.project_id = s.project_id")
    roots = [
        root
        for (root,) in connection.execute(
            "SELECT analytics.remix_roots((SELECT array_agg(project_id) FROM pg_temp.stale))"
        ).fetchall()
    ]
    written = 0
    for start in range(0, len(roots), _BATCH):
        tell("remix_nodes", start, len(roots))
        batch = roots[start : start + _BATCH]
        connection.execute(
            "INSERT INTO pg_temp.changed_trees SELECT unnest(%s::bigint[]) EXCEPT SELECT root_id FROM changed_trees",
            [batch],
        )
        connection.execute("DELETE FROM analytics.remix_nodes WHERE root_id = ANY(%s::bigint[])", [batch])
        written += connection.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM analytics.remix_tree(%s::bigint[])").format(
                _table("remix_nodes"), _columns("remix_nodes"), _columns("remix_nodes")
            ),
            [batch],
        ).rowcount
    return written


def _make_anew(connection: Connection, name: str, tell: Tell) -> int:
    """Rebuild all rows of a table. The old ones are deleted, not truncated, so that readers keep their snapshot."""
    tell(name, 0, 1)
    connection.execute(sql.SQL("DELETE FROM {}").format(_table(name)))
    return connection.execute(
        sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {live}").format(
            table=_table(name), columns=_columns(name), live=_live(name)
        )
    ).rowcount


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("analytics", name)


def _live(name: str) -> sql.Identifier:
    return sql.Identifier("analytics", f"live_{name}")


def _columns(name: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in metadata.tables[f"analytics.{name}"].columns)


def _one(connection: Connection, query: str | sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


_RELATIONS = """
SELECT
    f.relation,
    f.kind,
    f.said,
    coalesce(s.subject, 'coverage') AS subject,
    s.in_scope,
    s.read,
    s.share_read::float8,
    s.oldest_read_at,
    s.newest_read_at,
    coalesce(s.is_live, f.relation <> 'refreshes') AS is_live,
    s.refreshed_at,
    r.row_count
FROM (
    SELECT relname::text AS relation, CASE relkind WHEN 'r' THEN 'table' ELSE 'view' END AS kind,
        obj_description(oid, 'pg_class') AS said
    FROM pg_class WHERE relnamespace = 'analytics'::regnamespace AND relkind IN ('r', 'v', 'm')
    UNION ALL
    SELECT DISTINCT ON (proname) proname::text, 'function', obj_description(oid, 'pg_proc')
    FROM pg_proc WHERE pronamespace = 'analytics'::regnamespace
) f
LEFT JOIN analytics.freshness s USING (relation)
LEFT JOIN analytics.refreshes r USING (relation)
ORDER BY subject, relation LIKE 'live\\_%', relation
"""


def relations(connection: Connection) -> list[dict[str, Any]]:
    """List the relations of schema `analytics`, with their comments and the time of their refresh."""
    cursor = connection.execute(_RELATIONS)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
