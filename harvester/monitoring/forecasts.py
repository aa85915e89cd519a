"""Weekly forecasts of the delay of new items, and what was observed in the week after each.

A crawl that ends makes a forecast if the last one is a week old: the delay that `harvester plan` predicts for as many
requests as were made in the week before. The delay that is observed is from the date of an item to the time at which it
was stored, of items that appeared after their list was first met; the lists are those that show such dates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import DETAIL, STREAMS, left_out
from harvester.api.stream import DAY
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from datetime import datetime

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "forecasts")
DATED = [
    stream.name
    for stream in STREAMS.values()
    if stream.item_weight and stream.members is not None and stream.members.dated is not None
]
"""Streams whose items show when they appeared."""


def record_forecast(connection: Connection, settings: Settings) -> bool:
    """Record a forecast if the last one is a week old, and what was observed since that; return whether it was due.

    There is none before the warehouse has been crawled for a week, nor without requests in the last one.
    """
    with connection.transaction():
        last = connection.execute(_SQL["last"]).fetchone()
        if last is not None and not last[1]:
            return False
        row = connection.execute(_SQL["requests"]).fetchone()
        requests = row[0] if row is not None else None
        if not requests:
            return False
        if last is not None:
            found = {name: _observed(connection, name, last[0]) for name in DATED}
            connection.execute(_SQL["end_week"], {"observed": Jsonb(found), "made_at": last[0]})
        from harvester.monitoring.plan import forecast, read_scope  # noqa: PLC0415  (not loaded by each crawl)

        scope = read_scope(connection, left_out(settings))
        facts = forecast(scope, settings.shares, requests / DAY, settings.min_gain)
        predicted = {one["stream"]: one["delay_days"] for one in facts["streams"] if one["stream"] in DATED}
        connection.execute(_SQL["insert"], [requests, Jsonb(predicted)])
    return True


def _observed(connection: Connection, name: str, since: datetime) -> dict[str, float]:
    """Return the items of a stream that were found since a time, and the days that they waited, all together."""
    stream = STREAMS[name]
    holds = stream.members
    assert holds is not None
    assert holds.dated is not None
    statement = sql.SQL(_SQL["observed"]).format(
        stream=sql.Literal(name),
        entities=sql.Identifier("scratch", STREAMS[DETAIL[stream.kind]].table),
        table=sql.Identifier("scratch", holds.table),
        owner=sql.Identifier(holds.owner),
        dated=sql.Identifier(holds.dated),
        only=sql.SQL(holds.only),
    )
    row = connection.execute(statement, {"since": since}).fetchone()
    items, days = row or (0, 0.0)
    return {"items": items, "days": days}


def read_delays(connection: Connection) -> dict[str, Any] | None:
    """Return the last forecast whose week is over, with what was observed in it; None before there is one.

    `streams` has the delays in days of each stream of which new items were found; `predicted_days` and `observed_days`
    are means over all these items.
    """
    row = connection.execute(_SQL["read"]).fetchone()
    if row is None:
        return None
    made_at, requests, predicted, observed = row
    streams = [
        {
            "stream": name,
            "items": found["items"],
            "predicted_days": predicted[name],
            "observed_days": found["days"] / found["items"],
        }
        for name in DATED
        if (found := observed.get(name)) and found["items"] and name in predicted
    ]
    items = sum(one["items"] for one in streams)
    means = {
        name: sum(one["items"] * one[name] for one in streams) / items if items else None
        for name in ("predicted_days", "observed_days")
    }
    return {"made_at": made_at, "requests_a_day": requests, "items": items, **means, "streams": streams}
