"""Queries of the warehouse for `control`, which judges answers that say "not there"."""

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
_COMMENTS = {Kind.PROJECT_THREAD: _SQL["present_project_comments"], Kind.STUDIO_THREAD: _SQL["present_studio_comments"]}
_EARLIER = 10
"""Runs before this one from which the usual share is taken."""


def usual_shares(connection: Connection, run: int) -> dict[str, float]:
    """Return by stream the share of answers that were "not there", of those that were that or an answer."""
    rows = connection.execute(_SQL["usual_shares"], [run, _EARLIER]).fetchall()
    return {stream: share or 0.0 for stream, share in rows}


def is_known(connection: Connection, lease: Lease) -> bool:
    """Return whether the absence of what is visited would date something, or empty a list that held something."""
    visit = lease.visit
    stream = visit.stream
    if stream.is_thread:
        return False  # its comment is asked for then, which alone dates anything
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
    """Return the table of an object, which is the last that its stream writes."""
    return sql.Identifier("scratch", stream.table)


def known_present(connection: Connection, visit: Visit, count: int) -> list[Visit]:
    """Return visits of up to `count` other things of the same stream that were there when they were last seen."""
    stream = visit.stream
    is_comment = stream.paging is Paging.SINGLE and stream.kind in (Kind.PROJECT_THREAD, Kind.STUDIO_THREAD)
    query = _COMMENTS[stream.kind] if is_comment else _SQL["present_things"]
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
    """Return whether an earlier run missed the same thing; else note that this one did."""
    entry = {"stream": lease.visit.stream.name, "entity": lease.visit.entity_id, "run": run, "itself": ITSELF}
    with connection.transaction():
        connection.execute(_SQL["note_missing"], entry)
        row = connection.execute(_SQL["was_missed_before"], entry).fetchone()
    return bool(row and row[0])
