"""Lists whose new items another list or object announces: the share that is announced, and its fit.

A list that is announced is visited when something was announced, and by its own schedule for the share of its new items
that was not. What announces it is scheduled for these items too.

The share is learned from visits that nothing announced: scheduled ones, re-checks, full reads. What they find was
missed, but for the items that came after what announces the list was read last: as many as its rate lets expect. A
visit that was announced says nothing, since it finds missed items too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from harvester.api.catalogue import ANNOUNCED_BY
from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "announcements")
PRIOR_SHARE = 0.8
_PRIOR_ITEMS = 1.25
"""The share before anything was observed, and the number of expected items for which it counts."""
_MOST = 0.99
"""Largest share: some visits of each list are left to its own schedule."""
RELIABLE = 0.75
"""The share from which a refresh leaves an announced list to its announcements."""
_MOVED = 2**0.5
"""Factor by which the share that is not announced must change before lists are classed again."""


def use_announcements(connection: Connection, without: Collection[str]) -> None:
    """Record which lists are announced by what is crawled; `without`: streams that are not."""
    lists = [
        {"stream": name, "announced_by": by, "share": None if by in without else PRIOR_SHARE}
        for name, by in ANNOUNCED_BY.items()
    ]
    with connection.transaction():
        connection.execute(_SQL["use"], {"lists": Jsonb(lists)})


def fit_announcements(connection: Connection, sample: str) -> list[str]:
    """Fit the shares, and return the lists, and what announces them, that are to be classed again."""
    values: dict[str, Any] = {
        "streams": list(ANNOUNCED_BY),
        "share": PRIOR_SHARE,
        "items": _PRIOR_ITEMS,
        "most": _MOST,
    }
    connection.execute(_SQL["fit"].format(sample=sample), values)
    rows = connection.execute(_SQL["moved"], {"factor": _MOVED}).fetchall()
    lists = [stream for (stream,) in rows]
    return sorted({*lists, *(ANNOUNCED_BY[stream] for stream in lists if stream in ANNOUNCED_BY)})


def read_announcements(connection: Connection) -> list[dict[str, Any]]:
    """Return the lists that are announced, each with the share of its new items of which that was seen.

    `missed` and `expected` are the items behind the share; `reliable`: a refresh leaves the list to its announcements.
    """
    rows = fetch_dicts(connection, _SQL["read"])
    return [row | {"reliable": row["share"] >= RELIABLE} for row in rows]


def note_classed(connection: Connection, streams: Collection[str]) -> None:
    """Record that the lists are classed by the present shares."""
    connection.execute(_SQL["classed"], {"streams": list(streams)})
