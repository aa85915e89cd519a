"""Read the facts that `harvester status` prints, without a request to the site."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Table

from harvester.api.catalogue import STREAMS
from harvester.config import Settings
from harvester.erasure.requests import read_requests
from harvester.frontier import rates
from harvester.frontier.announcements import read_announcements
from harvester.frontier.fitting import PARAMETERS
from harvester.frontier.request_rate import read_rate
from harvester.monitoring.forecasts import read_delays
from harvester.monitoring.reconcile import reconcile
from harvester.sampling.designs import read_designs
from harvester.warehouse.access import connect
from harvester.warehouse.connection import Connection, fetch_dicts
from harvester.warehouse.schema import check_schema
from harvester.warehouse.source import read_source
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import WRITTEN

_SQL = statements(__package__, "status")
EXACT_BELOW = 1_000_000
"""Number of rows above which the planner's estimate replaces a count."""


def read_status(settings: Settings, *, compares: bool = True) -> dict[str, Any]:
    """Return scope, rows, streams, budget, runs, failures, quarantine and drift, as `--json` prints them.

    Without `compares` the site's own counts are not compared with what is held.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        source = read_source(connection)
        rows = _rows(connection)
        entries = _planned_rows(connection, "crawl.frontier")
        projects = sum(number or 0 for number in rows["projects"])
        return {
            "source": None if source is None else source.as_json(),
            "seeds": _pairs(connection, "SELECT kind, count(*) FROM crawl.seeds GROUP BY 1 ORDER BY 1"),
            "rows": {name: present for name, (present, _) in rows.items()},
            "gone": {name: gone for name, (_, gone) in rows.items() if gone is not None},
            "streams": _streams(connection, settings.min_gain),
            "announcements": read_announcements(connection),
            "delays": read_delays(connection),
            "budget": _budget(connection, settings),
            "last_run": _one(connection, _SQL["last_run"]),
            "failures": fetch_dicts(connection, _SQL["failures"]),
            "quarantine": _pairs(
                connection, "SELECT stream, count(*) FROM crawl.quarantine WHERE item_id IS NULL GROUP BY 1 ORDER BY 1"
            ),
            "set_aside": fetch_dicts(connection, _SQL["set_aside"]),
            "names": _one(connection, _SQL["names"]),
            "drift": fetch_dicts(connection, _SQL["drift"]),
            "rankings": fetch_dicts(
                connection,
                "SELECT stream, query, mode, language, pages, depth FROM crawl.queries ORDER BY 1, 2, 3, 4",
            ),
            "samples": read_designs(connection),
            "health": _one(
                connection, "SELECT seen_at, trouble FROM history.site_health ORDER BY seen_at DESC LIMIT 1"
            ),
            "erasure_requests": [one.deadline() for one in read_requests(connection, open_only=True)],
            "reconcile": reconcile(connection, entries, projects) if compares else [],
        }


_SAMPLED_FROM = 300_000
"""Number of entries of the frontier above which those of large streams are sampled: of 4 million in 0.13 s."""
_SAMPLE = 40_000
"""Number of entries of a sample."""
_SMALL = 2_000
"""Largest number of entries of a stream that are all read beside a sample of the others."""
STREAMS_QUERY = _SQL["streams"].format(entries="crawl.frontier")


def stream_values(min_gain: float, at: datetime | None = None) -> dict[str, Any]:
    """Return the values of `STREAMS_QUERY` for a `min_gain`, at a time, which is now unless given."""
    classes = {"shape": rates.SHAPE, "classes": rates.CLASSES, "first_class": rates.FIRST_CLASS}
    return {"rates": Jsonb(PARAMETERS), "min_gain": min_gain, "at": at, **classes}


def in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with a `stream` in the order of the catalogue."""
    order = list(STREAMS)
    return sorted(rows, key=lambda row: order.index(row["stream"]) if row["stream"] in order else len(order))


def _streams(connection: Connection, min_gain: float) -> list[dict[str, Any]]:
    """Return the entries in scope and their freshness by stream.

    `on_time` is the share of entries whose next visit is not due and would not pay yet, `expected_unseen` the number of
    new items that are expected in their lists by now. Those of a large stream are estimated from a sample of blocks
    where the frontier is large; `is_estimate` says so.
    """
    values = stream_values(min_gain)
    entries = _planned_rows(connection, "crawl.frontier")
    if entries <= _SAMPLED_FROM:
        return in_order(_told(row) for row in fetch_dicts(connection, STREAMS_QUERY, values))
    small = {
        stream for (stream,) in connection.execute(_SQL["small_streams"], {"streams": list(STREAMS), "small": _SMALL})
    }
    share = _SAMPLE / entries
    planned: dict[str, float] = dict(connection.execute(_SQL["shares_of_streams"]).fetchall())

    def read(source: str, streams: set[str]) -> list[dict[str, Any]]:
        return fetch_dicts(connection, _SQL["streams"].format(entries=source), values | {"streams": list(streams)})

    blocks = f"crawl.frontier TABLESAMPLE SYSTEM ({100 * share})"
    rows = []
    for row in read(f"(SELECT * FROM {blocks} WHERE NOT stream = ANY(%(streams)s))", small):
        # The planner knows better how many a stream has: neighbours in a block are of one stream as a rule.
        count = planned.get(row["stream"], row["in_scope"] / share / entries) * entries
        rows.append(_told(row, count / row["in_scope"]))
    unread = STREAMS.keys() - {row["stream"] for row in rows}
    rows += map(_told, read("(SELECT * FROM crawl.frontier WHERE stream = ANY(%(streams)s))", unread))
    failing = _pairs(connection, _SQL["failing"])
    return in_order(row | {"failing": failing.get(row["stream"], 0)} for row in rows)


def _told(row: dict[str, Any], weight: float | None = None) -> dict[str, Any]:
    """Return the figures of a stream, estimated where each entry that was read stands for a `weight`."""
    if weight is None:
        return row | {"is_estimate": False}
    counts = {name: round(weight * value) for name, value in row.items() if isinstance(value, int)}
    unseen = row["expected_unseen"]
    return row | counts | {"expected_unseen": None if unseen is None else weight * unseen, "is_estimate": True}


def _planned_rows(connection: Connection, table: str) -> int:
    """Return the number of rows by the planner's estimate."""
    row = connection.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table]).fetchone()
    return row[0] if row is not None else 0


def _budget(connection: Connection, settings: Settings) -> dict[str, Any]:
    row = _one(connection, _SQL["budget"])
    assert row is not None
    rate = read_rate(connection)
    return {
        "rate": settings.rate if rate is None else rate,
        "rate_from": "HARVESTER_RATE" if rate is None else "warehouse",
        "rate_refused": settings.rate if rate is not None and settings.rate_is_set and settings.rate != rate else None,
    } | row


_PRESENT = {"users", "projects", "studios", "follows", "favorites", "studio_projects", "studio_members"}
"""Tables with a view `scratch.present_<table>`; comments have one together."""


def count_query(connection: Connection, table: Table) -> str:
    """Return the query for the numbers of present and of gone rows of a table; null where no row can be gone.

    Where there are many rows, the planner's estimates are read instead.
    """
    name = table.fullname
    can_go = "gone_at" in table.c
    if _planned_rows(connection, name) > EXACT_BELOW:
        return _SQL["estimated" if can_go else "estimated_in_all"].format(table=name)
    kind, _, last = table.name.rpartition("_")
    if table.schema == "scratch" and last == "comments":
        present = f"SELECT count(*) FROM scratch.present_comments WHERE kind = '{kind}'"
    elif table.schema == "scratch" and table.name in _PRESENT:
        present = f"SELECT count(*) FROM scratch.present_{table.name}"
    else:
        present = f"SELECT count(*) FROM {name}" + (" WHERE gone_at IS NULL" if can_go else "")
    gone = f"(SELECT count(*) FROM {name}) - p.present" if can_go else "NULL"
    return f"SELECT p.present, {gone} AS gone FROM ({present}) AS p (present)"


def _rows(connection: Connection) -> dict[str, tuple[int, int | None]]:
    """Return by table the numbers of present and of gone rows; None where no row can be gone."""
    counted = {}
    for name, table in WRITTEN.items():
        if table.schema != "account":
            row = connection.execute(count_query(connection, table)).fetchone()
            assert row is not None
            counted[name] = (int(row[0]), None if row[1] is None else int(row[1]))
    return counted


def _one(connection: Connection, query: str) -> dict[str, Any] | None:
    rows = fetch_dicts(connection, query)
    return rows[0] if rows else None


def _pairs(connection: Connection, query: str) -> dict[str, int]:
    return dict(connection.execute(query).fetchall())
