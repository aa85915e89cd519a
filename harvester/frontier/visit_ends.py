"""Finish visits: estimate the arrival rates of their entries, and set the times of their next visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import ANNOUNCED_BY, STREAMS
from harvester.frontier import activity, rates
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "visit_ends")

ANNOUNCED = [
    {
        "stream": name,
        "announced_by": announcer,
        "item_weight": STREAMS[name].item_weight,
        "shape": rates.SHAPE,
        "rate": STREAMS[name].rate,
    }
    for name, announcer in sorted(ANNOUNCED_BY.items())
]
"""Lists whose new items another list or object announces, with what the schedule needs of them."""
_OLDEST_DAYS = 36_500
"""Upper bound of the age of an item in days, whatever its date."""


def finish_visits(connection: Connection, ended: Sequence[dict[str, Any]]) -> None:
    """Update the arrival rates of visited entries, and the times of their next visits."""
    connection.execute(FINISH_VISITS, VALUES | {"pages": Jsonb(list(ended))})


def birth(entry: str) -> sql.Composed:
    """Return SQL of the time at which the entity of a frontier entry (of kind `v.kind`) was made."""
    return sql.SQL(_SQL["birth"]).format(entity=sql.Identifier(entry, "entity_id"))


def _past() -> sql.Composed:
    """Return SQL of the weight of the dated items that a first visit of list `k` shows, with a decay over `m.days`.

    Ages are bounded, from 0 to `_OLDEST_DAYS`: PostgreSQL raises an error where an exponential overflows or underflows.
    """
    branches = [
        sql.SQL(_SQL["past_of_stream"]).format(
            stream=sql.Literal(stream.name),
            table=sql.Identifier("scratch", stream.members.table),
            owner=sql.Identifier(stream.members.owner),
            dated=sql.Identifier(stream.members.dated),
            only=sql.SQL(stream.members.only),
            oldest=sql.Literal(_OLDEST_DAYS),
        )
        for stream in STREAMS.values()
        if stream.members is not None and stream.members.dated is not None and stream.item_weight
    ]
    return sql.SQL("CASE k.stream {} END").format(sql.SQL("\n").join(branches))


FINISH_VISITS = sql.SQL(_SQL["finish_visits"]).format(birth=birth("o"), past=_past()).as_string()
"""Rendered once, since it runs in each transaction that ends a visit."""
VALUES: dict[str, Any] = rates.SCALE | {
    "activities": list(rates.ACTIVITIES),
    "forget_days": rates.FORGET_DAYS,
    "memory_items": rates.MEMORY_ITEMS,
    "undated_items": rates.UNDATED_ITEMS,
    "young_days": rates.YOUNG_DAYS,
    "second_look_days": rates.SECOND_LOOK_DAYS,
    "lists": Jsonb(ANNOUNCED),
    **activity.VALUES,
}
