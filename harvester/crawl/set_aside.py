"""Items that were set aside alone: kept in the quarantine with their place, and dropped once they could be used.

An item is told from the others of its list by its identity; where that cannot be read, by a number below 0 made of its
bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.types.json import Jsonb

from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.text import without_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

    from harvester.api.stream import Stream
    from harvester.frontier.model import PageCommit

    Connection = psycopg.Connection[tuple[Any, ...]]


def record_set_aside(connection: Connection, pages: Iterable[PageCommit]) -> None:
    """Keep what was set aside of pages, and drop what they show to be usable by now, or no longer in its list."""
    kept: dict[tuple[str, int, int], dict[str, Any]] = {}
    known = []
    for page in pages:
        visit = page.lease.visit
        place = {"stream": visit.stream.name, "entity_id": visit.entity_id}
        for one in page.aside:
            kept[visit.stream.name, visit.entity_id, one.number] = place | {
                "path": page.path,
                "reason": one.reason,
                "body": b64encode(one.body).decode(),
                "item_id": one.number,
                "position": one.position,
            }
        if page.lease.aside:
            whole = page.visit_result is not None and (page.visit_result.whole or page.visit_result.absent)
            usable = {visit.stream.identity(record) for record in page.records}
            known.append(place | {"usable": sorted(usable.intersection(page.lease.aside)), "whole": whole})
    if kept:
        connection.execute(_KEEP, [Jsonb(list(kept.values()))])
    if known:
        connection.execute(_DROP, [Jsonb(known)])


def without_refused(page: PageCommit, refused: Mapping[int, str]) -> PageCommit:
    """Return a page with some of its records, given by their index with the reason, set aside instead of stored."""
    stream = page.lease.visit.stream
    taken = {one.position for one in page.aside}
    places = [place for place in range(len(page.records) + len(taken)) if place not in taken]
    aside = [_refused(stream, page.records[index], places[index], reason) for index, reason in sorted(refused.items())]
    return replace(
        page,
        records=[record for index, record in enumerate(page.records) if index not in refused],
        aside=sorted([*page.aside, *aside], key=lambda one: one.position),
    )


def possibly_hidden(
    connection: Connection, page: PageCommit, missing: Mapping[int, datetime], other_lists: Sequence[str]
) -> set[int]:
    """Return which of the items that a read of a list did not show may be one of those that it could not identify.

    `missing` tells of each item when it was last known to be there: what was shown beside an unidentified item is
    another one. A link that `other_lists` show too may be known from these alone: it counts only if they lack it too.
    """
    if not missing:
        return set()
    visit = page.lease.visit
    values = {"stream": visit.stream.name, "entity_id": visit.entity_id, "others": list(other_lists)}
    rows = connection.execute(_POSSIBLY_HIDDEN, values | {"items": list(missing), "after": list(missing.values())})
    return {item for (item,) in rows.fetchall()}


def _refused(stream: Stream, record: Record, place: int, reason: str) -> OddItem:
    text = json.dumps(_as_served(record), ensure_ascii=False, separators=(",", ":"), default=_text)
    key = None if stream.key is None else stream.key(record)
    return OddItem(place, reason, without_tokens(text.encode()), stream.identity(record), key, held=stream.held(record))


def _text(value: Any) -> str:
    """Write a time as the API does; anything else by its own words."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def _as_served(value: Any) -> Any:
    """Return a record as the object that it was read from."""
    if not isinstance(value, Record):
        return value
    fields = msgspec.structs.fields(value)
    declared = {one.encode_name: getattr(value, one.name) for one in fields if one.name == one.encode_name}
    return {name: _as_served(part) for name, part in declared.items() if part is not msgspec.UNSET} | value.extra_fields


_KEEP = """
INSERT INTO crawl.quarantine AS q
    (stream, entity_id, path, status, reason, body, item_id, position, first_seen_at, seen_at)
SELECT v.stream, v.entity_id, v.path, 200, v.reason, decode(v.body, 'base64'), v.item_id, v.position,
    coalesce(w.started_at, now()), now()
FROM jsonb_to_recordset(%s)
    AS v (stream text, entity_id bigint, path text, reason text, body text, item_id bigint, position int)
JOIN crawl.frontier w ON w.stream = v.stream AND w.entity_id = v.entity_id
ORDER BY v.stream, v.entity_id, v.item_id
ON CONFLICT (stream, entity_id, item_id) WHERE item_id IS NOT NULL DO UPDATE SET
    seen_at = now(), path = excluded.path, status = excluded.status, reason = excluded.reason, body = excluded.body,
    position = excluded.position, count = q.count + 1
"""
_DROP = """
DELETE FROM crawl.quarantine q
USING jsonb_to_recordset(%s) AS v (stream text, entity_id bigint, usable bigint[], whole bool), crawl.frontier w
WHERE w.stream = v.stream AND w.entity_id = v.entity_id AND q.stream = v.stream AND q.entity_id = v.entity_id
    AND (q.item_id = ANY(v.usable) OR (q.item_id IS NOT NULL AND v.whole AND q.seen_at < w.started_at))
"""
_POSSIBLY_HIDDEN = """
SELECT v.item FROM unnest(%(items)s::bigint[], %(after)s::timestamptz[]) AS v (item, after)
LEFT JOIN crawl.missing_items s ON s.stream = %(stream)s AND s.entity_id = %(entity_id)s AND s.item_id = v.item
WHERE EXISTS (
    SELECT FROM crawl.quarantine q WHERE q.stream = %(stream)s AND q.entity_id = %(entity_id)s AND q.item_id < 0
        AND (
            q.first_seen_at > coalesce(s.last_seen_at, v.after)
            OR (
                EXISTS (SELECT FROM crawl.frontier o WHERE o.stream = ANY(%(others)s) AND o.entity_id = v.item
                    AND o.visits > 0)
                AND NOT EXISTS (SELECT FROM crawl.missing_items o WHERE o.stream = ANY(%(others)s) AND o.entity_id =
                v.item
                    AND o.item_id = %(entity_id)s)
            )
        )
)
"""
