"""`harvester status`: state of the warehouse and of its crawls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.cli import output
from harvester.cli.base import AsJson, settings
from harvester.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

_TROUBLES = {
    "due": "due",
    "pays": "pays",
    "failing": "failing",
    "gone": "gone",
    "unproved": "uncertified",
    "end seen once": "ends_seen_once",
}


def status(as_json: AsJson = False) -> None:
    """Show scope, rows, backlog, freshness, budget, failures and quarantine."""
    from harvester.monitoring.status import read_status

    output.emit(read_status(settings()), _show, as_json=as_json)


def _show(served: dict[str, Any]) -> None:
    console = output.console()
    facts = output.shown(served)
    _show_scope(console, facts)
    _show_streams(console, facts)
    _show_budget(console, facts["budget"])
    _show_delays(console, facts["delays"])
    _show_last_run(console, facts["last_run"])
    for one in facts["erasure_requests"]:
        late = "[bold red]overdue since" if one["is_overdue"] else "[yellow]due by"
        console.print(
            f"[bold]erasure request {one['request_id']}[/]  {one['state']}, {late} {one['due_at']:%Y-%m-%d}[/]"
            " (`harvester erase request list`)"
        )
    if (health := facts["health"]) and health["trouble"]:
        console.print(f"[yellow]the site reported trouble[/]  {health['trouble']}")
    _show_reconcile(console, facts["reconcile"])
    _show_troubles(console, facts)


def _show_scope(console: Console, facts: dict[str, Any]) -> None:
    if source := facts["source"]:
        note = f" [yellow]synthetic[/] (the sandbox with {source['sandbox']})" if source["synthetic"] else ""
        console.print(f"[bold]source[/]  {source['api_url']}{note}")
    seeds = (
        ", ".join(counted(count, kind) for kind, count in facts["seeds"].items())
        or "nothing yet: `harvester seed --help`"
    )
    console.print(f"[bold]seeded[/]  {seeds}")
    for row in facts["rankings"]:
        asked = f" q={row['query']} {row['mode']} {row['language']}, {row['pages']} pages" if row["query"] else ""
        console.print(f"[bold]ranking[/]  {row['stream']}{asked}")
    for one in facts["samples"]:
        console.print(
            f"[bold]sample[/]  design {one['design_id']} ({one['name']}): {one['visited']:,} of {one['drawn']:,}"
            f" visited, {counted(one['hits'], 'hit')}"
            + (", cancelled" if one["cancelled_at"] else "" if one["is_complete"] else ", not complete"),
        )
    numbers = ("present", "gone")
    rows = output.table("table", *numbers, numbers=numbers)
    for name, present in facts["rows"].items():
        gone = facts["gone"].get(name)
        if present or gone:
            rows.add_row(name, f"{present:,}", "" if gone is None else f"{gone:,}")
    if rows.row_count:
        console.print(rows)
        console.print()


def _show_streams(console: Console, facts: dict[str, Any]) -> None:
    # A trouble that no stream has gets no column.
    shown = {"in scope": "in_scope", "visited": "visited"} | {
        title: name for title, name in _TROUBLES.items() if any(row[name] for row in facts["streams"])
    }
    numbers = (*shown, "on time", "unseen")
    streams = output.table("stream", *numbers, numbers=numbers)
    for row in facts["streams"]:
        unseen = "" if row["expected_unseen"] is None else f"{row['expected_unseen']:,.1f}"
        counts = (f"{'~' if row['is_estimate'] and name != 'failing' else ''}{row[name]:,}" for name in shown.values())
        streams.add_row(row["stream"], *counts, f"{row['on_time']:.0%}", unseen)
    if streams.row_count:
        console.print(streams)
        if any(row["is_estimate"] for row in facts["streams"]):
            console.print("[dim]~ estimated from a sample of the frontier, as are the shares and numbers beside it[/]")
        console.print()


def _show_budget(console: Console, budget: dict[str, Any]) -> None:
    from harvester.frontier.request_rate import describe

    source = "see `harvester rate`" if budget["rate_from"] == "warehouse" else "HARVESTER_RATE, until the first crawl"
    console.print(
        f"[bold]budget[/]  {describe(budget['rate'])} ({source});"
        f" {budget['requests_of_runs_of_the_last_day']:,} sent by runs of the last day",
    )
    if budget["rate_refused"] is not None:
        console.print(
            f"[yellow]HARVESTER_RATE is {describe(budget['rate_refused'])}: a crawl from here would be refused[/]",
        )
    if budget["closed_until"]:
        console.print(f"[yellow]closed until {budget['closed_until']:%H:%M:%S}: {budget['closed_reason']}[/]")
    if budget["breaker_trips"]:
        console.print(f"[yellow]nothing answered: pause {budget['breaker_trips']} in a row[/]")


def _show_delays(console: Console, delays: dict[str, Any] | None) -> None:
    if delays is not None and delays["items"]:
        console.print(
            f"[bold]delay[/]  new items waited {delays['observed_days']:.2g} days in the week from"
            f" {delays['made_at']:%Y-%m-%d}, {delays['predicted_days']:.2g} were predicted"
            f" ({counted(delays['items'], 'item')}; {delays['requests_a_day']:,.0f} requests a day)"
        )


def _show_last_run(console: Console, run: dict[str, Any] | None) -> None:
    if run is not None:
        outcome = run["outcome"] or "running, or killed"
        console.print(
            f"[bold]last run[/]  {run['command']}, {run['started_at']:%Y-%m-%d %H:%M} UTC: {outcome},"
            f" {counted(run['requests'], 'request')}"
            + "".join(f", {count:,} {purpose}" for purpose, count in sorted(run["requests_by_purpose"].items())),
        )
        for finding in run["findings"] or ():
            console.print(f"[yellow]degraded[/]  {finding}")


def _show_troubles(console: Console, facts: dict[str, Any]) -> None:
    for row in facts["failures"]:
        console.print(
            f"[yellow]failing[/]  {row['stream']} {row['entity_id']}: {row['last_error']}"
            f" ({row['failures']} times; again {row['due_at']:%Y-%m-%d %H:%M} UTC)",
        )
    if (names := facts["names"])["changed"]:
        since = f" since {names['waiting_since']:%Y-%m-%d}" if names["waiting"] else ""
        console.print(
            f"[bold]names[/]  {counted(names['changed'], 'account')} changed theirs,"
            f" {counted(names['retracted'], 'row')} retracted;"
            f" {names['waiting']:,} wait{since} until their present name is met",
        )
    for row in facts["announcements"]:
        if not row["reliable"]:
            console.print(
                f"[yellow]unreliable[/]  {row['stream']}: {row['announced_by']} announces {row['share']:.0%} of its new"
                " items, so that each refresh reads the list, and its own schedule the more often"
            )
    for stream, count in facts["quarantine"].items():
        console.print(f"[yellow]quarantine[/]  {counted(count, 'response')} of {stream}")
    for row in facts["set_aside"]:
        console.print(
            f"[yellow]set aside[/]  {counted(row['items'], 'item')} of {counted(row['lists'], 'list')} of"
            f" {row['stream']}:"
            " the certificates of these lists have as many holes",
        )
    for row in facts["drift"]:
        console.print(
            f"[yellow]drift[/]  {row['stream']}.{row['field']}: {row['change']} ({row['count']:,} times)",
        )


def _show_reconcile(console: Console, comparisons: list[dict[str, Any]]) -> None:
    for one in comparisons:
        if not one["compared"]:
            continue
        line = f"[bold]reconcile[/]  {one['what']}: "
        most = ", ".join(f"{row['id']} (counted {row['counted']:,}, held {row['held']:,})" for row in one["worst"])
        if one["of"] == "site":
            line += "the site counts {counted:,}, the warehouse holds {held:,}".format(**one["worst"][0])
        else:
            sample = " in a sample" if one["is_sample"] else ""
            line += f"{one['differ']:,} of {one['compared']:,}{sample} differ" + (f", most {most}" if most else "")
        console.print(line, soft_wrap=True)
