"""Shrinking of the scope: seeds are removed, and the visits that nothing else needs end. Stored rows stay.

What the remaining seeds, rankings and samples reach is worked out again, along the links of the stored rows, with the
depths that are left. Entries that are not reached are deleted with their checkpoints: in scope again, they are read in
full. A link counts even if it is gone by now, and whichever list showed it, so that at most more stays in scope than if
the remaining ones had been crawled alone, never less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from harvester.api.catalogue import DETAIL, ONCE, STREAMS
from harvester.api.rows import Query, Visit, ranking_name
from harvester.api.stream import Kind
from harvester.warehouse.schema import keep_crawls_out
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.api.stream import Lead
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "shrinking")

_SAMPLED = {
    "authors": ("user", "user_projects"),
    "walk": ("user", "user_followers", "user_following", "user_projects"),
}
"""Streams that a design of users puts in scope; those of ids put in scope the stream that is named like their kind."""

_ALWAYS = [stream.name for stream in STREAMS.values() if stream.is_own]
"""Streams of the operator's own account, which no seed puts in scope."""
_BASE = {
    Kind.USER: "user",
    Kind.PROJECT: "project",
    Kind.STUDIO: "studio",
    Kind.PROJECT_THREAD: "project",
    Kind.STUDIO_THREAD: "studio",
}
_ON_DEMAND = [
    stream.name
    for stream in STREAMS.values()
    if (stream.revisit >= ONCE or stream.follows is not None) and stream.kind in _BASE
]
"""Streams of single questions about an entity in scope, and those that follow its visit: they end with it."""
_BASES = [_BASE[STREAMS[name].kind] for name in _ON_DEMAND]


@dataclass(frozen=True, slots=True)
class Shrinking:
    """Result of shrinking the scope: entries that ended by stream, and those that are left."""

    ended: dict[str, int]
    unvisited: int
    """Of those that ended, entries that were never visited."""
    left: int

    @property
    def total(self) -> int:
        """Entries that ended."""
        return sum(self.ended.values())

    def as_json(self) -> dict[str, Any]:
        """Return the counts for `--json`."""
        return {"ended": self.ended, "ended_unvisited": self.unvisited, "left": self.left}


def shrink(connection: Connection, remove: Callable[[], object], *, dry_run: bool = False) -> Shrinking:
    """Remove something that was put in scope by calling `remove`, and end the visits that nothing else needs.

    With `dry_run` everything is counted and nothing kept.

    Raises:
        WarehouseError: a crawl is at work, whose pages would put entries in scope again.
    """
    with connection.transaction(force_rollback=dry_run):
        keep_crawls_out(connection)
        remove()
        connection.execute(_SQL["make_reached"])
        _reach(connection)
        connection.execute("ANALYZE pg_temp.reached")
        rows = connection.execute(_SQL["end"], {"always": _ALWAYS, "streams": _ON_DEMAND, "bases": _BASES}).fetchall()
        connection.execute(_SQL["end_missing"])
        connection.execute(_SQL["lower"])
        left = connection.execute("SELECT count(*) FROM crawl.frontier").fetchone()
        connection.execute("DROP TABLE pg_temp.reached")
    assert left is not None
    return Shrinking({stream: ended for stream, ended, _ in rows}, sum(unvisited for *_, unvisited in rows), left[0])


def _reach(connection: Connection) -> None:
    """Fill `pg_temp.reached` with the entries that the remaining scope leads to, and their depths."""
    kinds = [kind for kind in DETAIL if kind in (Kind.USER, Kind.PROJECT, Kind.STUDIO)]
    connection.execute(_SQL["reach_seeds"], [[kind.value for kind in kinds], [DETAIL[kind] for kind in kinds]])
    connection.execute("INSERT INTO pg_temp.reached SELECT stream, id, depth FROM crawl.queries")
    connection.execute(
        _SQL["reach_draws"],
        [[name for name, streams in _SAMPLED.items() for _ in streams], [*_SAMPLED["authors"], *_SAMPLED["walk"]]],
    )
    connection.execute(_SQL["reach_site"], [[stream.name for stream in STREAMS.values() if stream.kind is Kind.SITE]])
    while stale := connection.execute(_SQL["take_stale"]).fetchall():
        for (name,) in stale:
            stream = STREAMS[name]
            for opened in (*stream.enqueues, *stream.enqueues_gone):
                connection.execute(_SQL["reach_lists"], [opened, name])
            if stream.kind is Kind.QUERY:
                _reach_ranked(connection, name)
            for lead in filter(lambda lead: lead.owner, stream.links):
                connection.execute(_linked(lead), [DETAIL[lead.kind], lead.depth_cost, name, lead.depth_cost])
        connection.execute("UPDATE pg_temp.reached SET is_done = true WHERE is_taken AND NOT is_done")


def _reach_ranked(connection: Connection, stream: str) -> None:
    """Reach what rankings ever showed, which no row of `scratch` holds."""
    for entity, *asked in connection.execute(
        "SELECT q.id, query, mode, language, pages FROM crawl.queries q WHERE q.stream = %s", [stream]
    ).fetchall():
        name = "front-page/"
        if stream != "front_page":
            name = ranking_name(Visit(STREAMS[stream], entity, query=Query(*asked)))
        connection.execute(_SQL["reach_ranked"], {"ranking": name, "stream": stream, "entity": entity})


def _linked(lead: Lead) -> sql.Composed:
    """Return the statement that reaches what the stored rows of a stream link to."""
    return sql.SQL(_SQL["reach_linked"]).format(
        target=sql.Identifier("l", lead.target_column),
        table=sql.Identifier("scratch", lead.table),
        own=sql.Identifier("l", lead.owner),
    )
