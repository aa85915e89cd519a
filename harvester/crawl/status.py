"""What `harvester status` says: facts out of the warehouse, without a request."""

from typing import Any

from rich.console import Console
from rich.table import Table

from harvester.api.catalogue import STREAMS
from harvester.config import Settings
from harvester.warehouse.commit import Connection
from harvester.warehouse.connect import connect
from harvester.warehouse.schema import check_schema
from harvester.warehouse.tables import SCRATCH_TABLES

_EXACT_BELOW = 1_000_000
"""Rows above which a table is counted by the planner's estimate."""


def read_status(settings: Settings) -> dict[str, Any]:
    """Scope, rows, streams, budget, runs, failures, quarantine and drift, as `--json` prints them."""
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        return {
            "seeds": _pairs(connection, "SELECT kind, count(*) FROM crawl.seeds GROUP BY 1 ORDER BY 1"),
            "rows": {table.name: _rows(connection, f"scratch.{table.name}") for table in SCRATCH_TABLES},
            "streams": _streams(connection),
            "budget": _budget(connection, settings),
            "last_run": _one(
                connection,
                "SELECT id, command, started_at, ended_at, outcome, requests FROM crawl.runs ORDER BY id DESC LIMIT 1",
            ),
            "failures": _all(
                connection,
                "SELECT stream, entity_id, failures, last_error, due_at FROM crawl.walks"
                " WHERE failures > 0 ORDER BY failures DESC, stream, entity_id LIMIT 10",
            ),
            "quarantine": _pairs(connection, "SELECT stream, count(*) FROM crawl.quarantine GROUP BY 1 ORDER BY 1"),
            "drift": _all(
                connection,
                "SELECT stream, field, change, count, last_seen_at FROM crawl.drift ORDER BY 1, 2, 3",
            ),
        }


def _streams(connection: Connection) -> list[dict[str, Any]]:
    rows = _all(
        connection,
        "SELECT stream, count(*) AS in_scope, count(*) FILTER (WHERE visits > 0) AS visited,"
        " count(*) FILTER (WHERE due_at <= now() AND lease_token IS NULL) AS due,"
        " count(*) FILTER (WHERE failures > 0) AS failing, count(gone_at) AS gone,"
        " count(*) FILTER (WHERE certificate ->> 'ground' = 'none') AS uncertified,"
        " min(certified_at) AS oldest_certificate, min(due_at) AS next_due"
        " FROM crawl.walks GROUP BY stream",
    )
    order = list(STREAMS)
    return sorted(rows, key=lambda row: order.index(row["stream"]) if row["stream"] in order else len(order))


def _budget(connection: Connection, settings: Settings) -> dict[str, Any]:
    row = _one(
        connection,
        "SELECT (SELECT coalesce(sum(requests), 0)::bigint FROM crawl.runs WHERE started_at > now() - interval '1 day')"
        " AS requests_of_runs_of_the_last_day,"
        " (SELECT closed_until FROM crawl.budget WHERE closed_until > now()) AS closed_until,"
        " (SELECT closed_reason FROM crawl.budget WHERE closed_until > now()) AS closed_reason",
    )
    assert row is not None
    return {"rate": settings.rate} | row


def _rows(connection: Connection, table: str) -> int:
    estimate = connection.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
    row = estimate.fetchone()
    if row is not None and row[0] > _EXACT_BELOW:
        return int(row[0])
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE gone_at IS NULL").fetchone()
    assert row is not None
    return int(row[0])


def _all(connection: Connection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _one(connection: Connection, query: str) -> dict[str, Any] | None:
    rows = _all(connection, query)
    return rows[0] if rows else None


def _pairs(connection: Connection, query: str) -> dict[str, int]:
    return dict(connection.execute(query).fetchall())


def show(console: Console, facts: dict[str, Any]) -> None:
    """Print the facts for a person."""
    seeds = (
        ", ".join(f"{count:,} {kind}s" for kind, count in facts["seeds"].items())
        or "nothing yet: `harvester seed --help`"
    )
    console.print(f"[bold]seeded[/]  {seeds}", highlight=False)
    rows = _table("table", "rows")
    for name, count in facts["rows"].items():
        if count:
            rows.add_row(name, f"{count:,}")
    if rows.row_count:
        console.print(rows)
    streams = _table("stream", "in scope", "visited", "due", "failing", "gone", "unproved", "next due (UTC)")
    for row in facts["streams"]:
        numbers = (row[name] for name in ("in_scope", "visited", "due", "failing", "gone", "uncertified"))
        streams.add_row(row["stream"], *(f"{number:,}" for number in numbers), f"{row['next_due']:%m-%d %H:%M}")
    if streams.row_count:
        console.print(streams)
    budget = facts["budget"]
    rate = f"{budget['rate']:g} requests/s" if budget["rate"] else "unlimited (loopback)"
    console.print(
        f"[bold]budget[/]  {rate}; {budget['requests_of_runs_of_the_last_day']:,} sent by runs of the last day",
        highlight=False,
    )
    if budget["closed_until"]:
        console.print(f"[yellow]closed until {budget['closed_until']:%H:%M:%S}: {budget['closed_reason']}[/]")
    if run := facts["last_run"]:
        outcome = run["outcome"] or "running, or killed"
        console.print(
            f"[bold]last run[/]  {run['command']}, {run['started_at']:%Y-%m-%d %H:%M} UTC: {outcome},"
            f" {run['requests']:,} requests",
            highlight=False,
        )
    for row in facts["failures"]:
        console.print(
            f"[yellow]failing[/]  {row['stream']} {row['entity_id']}: {row['last_error']}"
            f" ({row['failures']} times; again {row['due_at']:%Y-%m-%d %H:%M} UTC)",
            highlight=False,
        )
    for stream, count in facts["quarantine"].items():
        console.print(f"[yellow]quarantine[/]  {count:,} responses of {stream}", highlight=False)
    for row in facts["drift"]:
        console.print(
            f"[yellow]drift[/]  {row['stream']}.{row['field']}: {row['change']} ({row['count']:,} times)",
            highlight=False,
        )


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
