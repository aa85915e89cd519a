"""Record the outcomes of draws with the first visit after the draw, in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "outcomes")

_DRAWN = ("project", "studio")
"""Streams of the entities that are drawn by id, which have the names of their kinds."""


def record_outcomes(connection: Connection, visits: Iterable[tuple[str, int, bool]]) -> None:
    """Record the outcomes of visits (stream, entity, whether it is gone) for the draws that wait for them."""
    ended = [{"kind": stream, "entity_id": entity, "gone": gone} for stream, entity, gone in visits if stream in _DRAWN]
    if ended:
        connection.execute(_SQL["record_outcomes"], {"visits": Jsonb(ended)})
