"""Queries of the warehouse for `control`, which decides whether answers that say "not there" are believed."""

from __future__ import annotations

from random import random
from typing import TYPE_CHECKING

from psycopg import sql

from harvester.api.rows import Visit
from harvester.api.stream import Kind, Paging, Stream
from harvester.crawl.deletions import ITSELF
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.frontier.model import Lease
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "absences")


def _present_comments(kind: str, owner: str) -> sql.Composed:
    return sql.SQL(_SQL["present_comments"]).format(
        comments=sql.Identifier("scratch", f"{kind}_comments"),
        page=sql.Identifier("c", f"{kind}_id"),
        pages=sql.Identifier("scratch", f"{kind}s"),
        owner=sql.Identifier("p", owner),
    )


_COMMENTS = {
    Kind.PROJECT_THREAD: _present_comments("project", "author_id"),
    Kind.STUDIO_THREAD: _present_comments("studio", "host_id"),
}
_EARLIER = 10
"""Earlier runs over which the usual share is computed."""


def usual_shares(connection: Connection, run: int) -> dict[str, float]:
    """Return by stream the share of 403, 404 and 410 among these and 200, over the last runs."""
    rows = connection.execute(_SQL["usual_shares"], [run, _EARLIER]).fetchall()
    return {stream: share or 0.0 for stream, share in rows}


def is_known(connection: Connection, lease: Lease) -> bool:
    """Return whether an answer "not there" would mark a stored row as gone, or empty a list that held items."""
    visit = lease.visit
    stream = visit.stream
    if stream.is_thread:
        return False  # only a request for the comment itself marks it as gone
    if stream.paging is not Paging.SINGLE:
        return lease.item_count > 0
    if stream.gone is None:
        return False
    row = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE id = %s AND gone_at IS NULL)").format(_table(stream)),
        [visit.entity_id],
    ).fetchone()
    return bool(row and row[0])


def _table(stream: Stream) -> sql.Identifier:
    """Return the table of the object that a stream reads: the last one that the stream writes."""
    return sql.Identifier("scratch", stream.table)


def known_present(connection: Connection, visit: Visit, count: int) -> list[Visit]:
    """Return visits of up to `count` other entities of the same stream that were present when last visited."""
    stream = visit.stream
    is_comment = stream.paging is Paging.SINGLE and stream.kind in (Kind.PROJECT_THREAD, Kind.STUDIO_THREAD)
    query = _COMMENTS[stream.kind] if is_comment else sql.SQL(_SQL["present_entities"])
    values = {"stream": stream.name, "entity": visit.entity_id, "count": count, "share": random()}
    values |= {"listed": stream.paging is not Paging.SINGLE, "of_users": stream.kind is Kind.USER}
    values |= {"of_projects": stream.kind in (Kind.PROJECT, Kind.PROJECT_THREAD)}
    rows = connection.execute(query, values).fetchall()
    return [
        Visit(stream, entity, owner, username)
        for entity, owner, username in rows
        if username is not None or "{username}" not in stream.path
    ]


def was_missed_before(connection: Connection, lease: Lease, run: int) -> bool:
    """Return whether an earlier run missed the same entity; else record that this run missed it."""
    entry = {"stream": lease.visit.stream.name, "entity": lease.visit.entity_id, "run": run, "itself": ITSELF}
    with connection.transaction():
        connection.execute(_SQL["note_missing"], entry)
        row = connection.execute(_SQL["was_missed_before"], entry).fetchone()
    return bool(row and row[0])
