"""Keep the items of pages that cannot be used in the quarantine, and delete them once they can.

An item is known in its list by its id; where that cannot be read, by a number below 0 that is made of its bytes.
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
from harvester.api.rows import normalise
from harvester.api.text import without_tokens
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harvester.api.stream import Stream
    from harvester.frontier.model import PageCommit
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "set_aside")


def record_set_aside(connection: Connection, pages: Iterable[PageCommit]) -> None:
    """Store the items of pages that were set aside; delete those that pages show to be usable, or not in the list."""
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
        connection.execute(_SQL["keep"], [Jsonb(list(kept.values()))])
    if known:
        connection.execute(_SQL["drop"], [Jsonb(known)])


def without_refused(page: PageCommit, refused: Mapping[int, str]) -> PageCommit:
    """Return a page with some of its records, given by their index with the reason, set aside instead of stored."""
    visit, places = page.lease.visit, _places(page)
    records = [record for index, record in enumerate(page.records) if index not in refused]
    aside = [
        _refused(visit.stream, page.records[index], places[index], reason) for index, reason in sorted(refused.items())
    ]
    return replace(
        page,
        records=records,
        rows=normalise(visit, records),
        aside=sorted([*page.aside, *aside], key=lambda one: one.position),
        refused={**page.refused, **{places[index]: reason for index, reason in refused.items()}},
    )


def without_refused_at(page: PageCommit, refused: Mapping[int, str]) -> PageCommit:
    """Do what `without_refused` does for records that are given by their position on the page as served."""
    return without_refused(
        page, {index: refused[place] for index, place in enumerate(_places(page)) if place in refused}
    )


def _places(page: PageCommit) -> list[int]:
    """Return the position of each record on the page as served."""
    taken = {one.position for one in page.aside}
    return [place for place in range(len(page.records) + len(taken)) if place not in taken]


def possibly_hidden(
    connection: Connection, page: PageCommit, missing: Mapping[int, datetime], other_lists: Sequence[str]
) -> set[int]:
    """Return the missing items of a read that may be one of the items that the read could not identify.

    `missing` has for each item when it was last known to be present: an item that was shown beside an unidentified one
    is not that one. A link that `other_lists` show too may be known from these alone, and counts only if they miss it.
    """
    if not missing:
        return set()
    visit = page.lease.visit
    values = {"stream": visit.stream.name, "entity_id": visit.entity_id, "others": list(other_lists)}
    rows = connection.execute(
        _SQL["possibly_hidden"], values | {"items": list(missing), "after": list(missing.values())}
    )
    return {item for (item,) in rows.fetchall()}


def _refused(stream: Stream, record: Record, place: int, reason: str) -> OddItem:
    text = json.dumps(_as_served(record), ensure_ascii=False, separators=(",", ":"), default=_text)
    key = None if stream.key is None else stream.key(record)
    return OddItem(place, reason, without_tokens(text.encode()), stream.identity(record), key, held=stream.held(record))


def _text(value: Any) -> str:
    """Return a time as the API writes it; any other value as text."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def _as_served(value: Any) -> Any:
    """Return the JSON object from which a record was read."""
    if not isinstance(value, Record):
        return value
    fields = msgspec.structs.fields(value)
    declared = {one.encode_name: getattr(value, one.name) for one in fields if one.name == one.encode_name}
    return {name: _as_served(part) for name, part in declared.items() if part is not msgspec.UNSET} | value.extra_fields
