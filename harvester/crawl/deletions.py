"""Detect the items that vanished from a list, by comparing full reads of it with the stored rows.

A stored row that a full read did not show is a missing item. It is marked as gone when a second full read does not
show it either, or when the item itself is requested and is not there. `gone_at` is then the end of the first of the two
reads, and `last_seen_at` the last full read that showed it. Nothing is marked as gone by one read alone, by a visit
that stopped before the end of the list, or by two reads that showed an item without an id, which may be the missing
one.

Two lists may show the same link, one from each of its ends. A link that one of them shows is present and no longer
missing, even where the other list missed it before.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import PAGE_LIMIT, STREAMS
from harvester.api.gone_reason import GoneReason
from harvester.api.stream import Holding, Paging, Stream
from harvester.crawl.set_aside import possibly_hidden
from harvester.frontier.model import LISTS_OF_LINKS
from harvester.warehouse.clock import set_clock
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from harvester.api.rows import Visit
    from harvester.frontier.model import Counts, PageCommit
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "deletions")

_APART_SECONDS = 6 * 3600
"""Seconds between two reads that both miss most of a list: the site has served short lists for an hour."""
ITSELF = 0
"""`item_id` of a missing item that stands for the visited entity itself; no item has that id."""
ASKED_BY: dict[str, str] = {
    stream.members.verify_with: stream.name
    for stream in STREAMS.values()
    if stream.members is not None and stream.members.verify_with is not None and not stream.members.verify_only
}
"""For each stream that verifies missing items one by one, the list that these are missing from."""

_REPLIES = {
    stream.members.table: stream.name for stream in STREAMS.values() if stream.is_thread and stream.members is not None
}
"""By table of comments, the lists of replies."""


def record_seen_items(connection: Connection, pages: Iterable[PageCommit]) -> None:
    """Store the ids that each page of a full read showed, until the visit ends."""
    noting = [page for page in pages if page.seen is not None]
    for page in noting:
        if page.first:
            delete_seen_items(connection, page)
    if noting:
        connection.execute(_SQL["record_seen_items"], [Jsonb([_entry(page) | {"items": page.seen} for page in noting])])


def delete_seen_items(connection: Connection, page: PageCommit) -> None:
    """Delete the stored ids that a visit showed."""
    connection.execute(
        "DELETE FROM crawl.seen_items WHERE stream = %(stream)s AND entity_id = %(entity_id)s", _entry(page)
    )


def detect_deletions(connection: Connection, pages: Sequence[PageCommit], counts: Counts) -> list[bool]:
    """Compare the rows of lists with what full reads of them showed, before the visits are finished.

    Counts the rows that are gone. Returns for each page whether its list is to be read in full once more, to confirm
    the missing items.
    """
    wholes: dict[str, list[dict[str, Any]]] = {}
    for page in pages:
        if _tells(page):
            assert page.visit_result is not None
            lists = wholes.setdefault(page.lease.visit.stream.name, [])
            lists.append({"entity_id": page.lease.visit.entity_id, "seen": page.visit_result.seen})
    # Few lists miss an item: one query for all lists of a stream finds those.
    with connection.pipeline() if wholes else nullcontext():  # one round trip for all
        found = [
            connection.execute(_missing(stream)[0], {"stream": stream, "lists": Jsonb(lists)})
            for stream, lists in wholes.items()
        ]
    missing = {(stream, entity) for stream, cursor in zip(wholes, found, strict=True) for (entity,) in cursor}
    again = []
    for page in pages:
        misses = (page.lease.visit.stream.name, page.lease.visit.entity_id) in missing
        if misses and page.at is not None:
            set_clock(connection, page.at)
        again.append(tell_absences(connection, page, counts, misses=misses))
    return again


def misses(connection: Connection, page: PageCommit) -> bool:
    """Return whether the full read that a page ends missed any stored row, before the page is committed."""
    values = _entry(page) | {"seen": page.visit_result.seen if page.visit_result is not None else None}
    with connection.transaction():
        missing = {item for item, _ in connection.execute(_missing(page.lease.visit.stream.name)[1], values).fetchall()}
    return not missing <= {*(page.seen or ())}


def _tells(page: PageCommit) -> bool:
    """Return whether a page ends a full read of a list whose rows are kept."""
    stream, visit_result = page.lease.visit.stream, page.visit_result
    return (
        stream.members is not None
        and stream.paging is not Paging.SINGLE
        and visit_result is not None
        and visit_result.whole
    )


def tell_absences(connection: Connection, page: PageCommit, counts: Counts, *, misses: bool) -> bool:
    """Do what `detect_deletions` does for one page; `misses`: its list misses a stored row."""
    visit_result, stream = page.visit_result, page.lease.visit.stream
    if visit_result is None:
        return False
    if not visit_result.gone:
        clear_missing(connection, page.lease.visit)
    holds = stream.members
    if holds is None or not _tells(page):
        return False
    entry = _entry(page) | {"seen": visit_result.seen}
    missing: dict[int, datetime] = {}
    if misses:
        missing = dict(connection.execute(_missing(stream.name)[1], entry).fetchall())
    if visit_result.seen is None or page.lease.full:
        delete_seen_items(connection, page)
    if holds.verify_only:
        if missing:
            _ask_known(connection, page, holds, list(missing))
        return False
    if not missing and not page.lease.has_missing_items:
        return False
    hidden = possibly_hidden(connection, page, missing, _other_lists(stream))
    is_short = _is_served_short(page, missing)
    is_second = page.lease.has_missing_items and _are_of_this_run(connection, page)
    confirmed, waits = _confirmed(
        connection,
        page,
        holds,
        {item: after for item, after in missing.items() if item not in hidden},
        apart=_APART_SECONDS if is_short else 0,
    )
    if confirmed:
        counts.add(holds.table, gone=_date(connection, holds, page, confirmed))
    rest = {item: after for item, after in missing.items() if item not in confirmed}
    connection.execute(_SQL["delete_found"], entry | {"rest": list(rest)})
    if not rest:
        return False
    _record_missing(connection, page, rest)
    if hidden and holds.verify_with is not None:
        _ask(connection, page, holds.verify_with, sorted(hidden))
    open_ = [item for item in rest if item not in hidden]  # another read would tell no more about the others
    if is_second or is_short or not open_:
        return waits  # items that vanished since the first read wait for the next one
    if holds.verify_with is not None and len(open_) < visit_result.pages:
        _ask(connection, page, holds.verify_with, open_)
        return False
    return True


def _other_lists(stream: Stream) -> list[str]:
    """Return the lists that show the links of a list from their other end."""
    holds = stream.members
    assert holds is not None
    return [name for name, owner, _ in LISTS_OF_LINKS.get(holds.table, ()) if owner == holds.item]


def _are_of_this_run(connection: Connection, page: PageCommit) -> bool:
    """Return whether the missing items of a list are from an earlier read of this run, not left by an earlier audit."""
    row = connection.execute(_SQL["missed_in_this_run"], _entry(page)).fetchone()
    return bool(row and row[0])


def clear_missing_links(connection: Connection, pages: Iterable[PageCommit]) -> None:
    """Delete the missing items of other lists that a page shows from the other end of the link."""
    shown = [
        {"stream": stream, "entity_id": row[of], "item_id": row[what]}
        for page in pages
        for rows in page.rows
        if rows.shows
        for stream, owner, item in LISTS_OF_LINKS.get(rows.table, ())
        if stream != page.lease.visit.stream.name and {owner, item} <= set(rows.columns)
        for of, what in [(rows.columns.index(owner), rows.columns.index(item))]
        for row in rows.values
    ]
    if shown:
        connection.execute(_SQL["clear_missing"], [Jsonb(shown)])


def _entry(page: PageCommit) -> dict[str, Any]:
    return {"stream": page.lease.visit.stream.name, "entity_id": page.lease.visit.entity_id}


@cache
def _missing(stream: str) -> tuple[bytes, bytes]:
    """Return two statements: lists with stored rows that their full read did not show; and these rows of one list.

    The second returns for each row its id and when it was last known to be present. Rows that were stored after the
    visit began are left out, as the visit may have passed them by.
    """
    holds = STREAMS[stream].members
    assert holds is not None
    names: dict[str, sql.Composable] = {
        "item": sql.Identifier(holds.item),
        "table": sql.Identifier("scratch", holds.table),
        "owner": sql.Identifier(holds.owner),
        "only": sql.SQL(holds.only),  # SQL that the catalogue states
    }
    names["unseen"] = sql.SQL(_SQL["unseen"]).format(**names)
    several, one = (sql.SQL(one).format(**names) for one in (_SQL["lists_with_missing"], _SQL["missing_of_list"]))
    return several.as_bytes(), one.as_bytes()


def _is_served_short(page: PageCommit, missing: Collection[int]) -> bool:
    """Return whether a list may have been served short: more is missing than a page, and more than was shown."""
    assert page.visit_result is not None
    return len(missing) > max(PAGE_LIMIT, page.visit_result.found or 0)


def _confirmed(
    connection: Connection, page: PageCommit, holds: Holding, missing: dict[int, datetime], *, apart: float
) -> tuple[dict[int, tuple[datetime | None, datetime]], bool]:
    """Return the missing items that an earlier read missed too, and whether all wait for the read of another list.

    The items are a mapping from the id to when the item was missed first and when it was last known to be present.
    `apart`: the seconds that must lie between the two reads.
    """
    assert page.visit_result is not None
    if page.visit_result.twice and not apart:
        return {item: (None, after) for item, after in missing.items()}, False
    if not page.lease.has_missing_items or not missing:
        return {}, False
    entry = _entry(page) | {"missing": list(missing), "sibling": holds.sibling}
    if holds.sibling is not None:
        # An item may have moved to the sibling list, which may not have been read since.
        stale = connection.execute(_SQL["read_sibling"], entry).rowcount
        if stale:
            return {}, True
    rows = connection.execute(_SQL["missed_before"], entry | {"apart": apart})
    return {item: (missed, after) for item, missed, after in rows.fetchall()}, False


def _date(
    connection: Connection,
    holds: Holding,
    page: PageCommit,
    confirmed: dict[int, tuple[datetime | None, datetime]],
) -> int:
    """Mark confirmed items as gone, and return the number of rows."""
    items = list(confirmed)
    of_comments = holds.table.endswith("_comments")
    values = {
        "entity_id": page.lease.visit.entity_id,
        "items": items,
        "missed": [confirmed[item][0] for item in items],
        "after": [confirmed[item][1] for item in items],
        "reason": GoneReason.DELETED if of_comments else GoneReason.NO_LONGER_LISTED,
    }
    of_list = sql.SQL("t.{} = %(entity_id)s AND t.{} = v.item").format(
        sql.Identifier(holds.owner), sql.Identifier(holds.item)
    )
    gone = 0
    # The replies to a comment are gone with it.
    for match in (of_list, sql.SQL("t.parent_id = v.item")) if of_comments else (of_list,):
        statement = sql.SQL(_SQL["date"]).format(
            table=sql.Identifier("scratch", holds.table), match=match, missed_reply=missed_reply(holds.table)
        )
        gone += connection.execute(statement, values).rowcount
    return gone


def missed_reply(table: str) -> sql.Composable:
    """Return SQL for when a reply `t` was last seen that its list misses; it is null for all other rows."""
    if table not in _REPLIES:
        return sql.SQL("NULL::timestamptz")
    return sql.SQL(_SQL["missed_reply"]).format(replies=sql.Literal(_REPLIES[table]))


def _record_missing(connection: Connection, page: PageCommit, rest: dict[int, datetime]) -> None:
    connection.execute(_SQL["record_missing"], _entry(page) | {"items": list(rest), "after": list(rest.values())})


def _ask(connection: Connection, page: PageCommit, stream: str, items: Sequence[int]) -> None:
    """Make the visits of items themselves due."""
    connection.execute(_SQL["ask"], {"ask": stream, "entity_id": page.lease.visit.entity_id, "items": items})


def _ask_known(connection: Connection, page: PageCommit, holds: Holding, items: list[int]) -> None:
    """Make the visits of missing items due that are in scope: only these can prove that the items are gone.

    Items that belong to the list's entity are put in scope, since another list may have shown them and this one never.
    """
    stream = page.lease.visit.stream
    entry = _entry(page) | {"ask": holds.verify_with, "items": items}
    if any(lead.table == holds.table and lead.depth_cost == 0 for lead in stream.links):
        connection.execute(_SQL["put_in_scope"], entry)
    connection.execute(_SQL["make_due"], entry)


def clear_missing_visited(connection: Connection, pages: Iterable[PageCommit]) -> None:
    """Forget that an earlier run missed the visited entities, whose visits have ended with an answer."""
    known = [_entry(page) for page in pages if page.lease.has_missing_items and page.visit_result is not None]
    if known:
        connection.execute(_SQL["delete_itself"], [Jsonb(known), ITSELF])


def clear_missing(connection: Connection, visit: Visit) -> None:
    """Delete a missing item: it was requested directly, which overrides its list."""
    if visit.stream.name in ASKED_BY:
        missed = {"stream": ASKED_BY[visit.stream.name], "entity_id": visit.owner_id, "item_id": visit.entity_id}
        connection.execute(_SQL["clear_missing"], [Jsonb([missed])])
