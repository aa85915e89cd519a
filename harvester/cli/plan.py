"""`harvester plan`: forecast of delay and freshness for a request rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, settings

if TYPE_CHECKING:
    from rich.console import Console


_BLOCKS = 40
"""Blocks of the longest bar."""


def plan(
    rate: Annotated[
        float | None,
        typer.Option(help="Requests per second; unless given, the warehouse's (`harvester rate`).", show_default=False),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Say what the sources of N projects cost, as of a sample."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forecast delay and freshness by stream for a request rate, from the arrival rates observed so far.

    Delay is the mean time from the appearance of an item to the visit that finds it, over the new items of all lists;
    fresh is the share of lists that hold nothing unseen. Requests include those for pages below the first one, and for
    reading each list in full every 180 days.

    Without a crawl, the site's published totals stand in for arrival rates; without a scope, the whole site is planned.
    """
    from harvester.monitoring.plan import read_plan

    output.emit(read_plan(settings(), rate, sample), _show, as_json=as_json)


def _show(facts: dict[str, Any]) -> None:
    console = output.console()
    share = facts["share_scheduled"]
    console.print(
        f"[bold]{facts['rate']:g} requests/s[/] are {facts['rate'] * 86_400:,.0f} a day,"
        f" {share:.0%} of them for scheduled visits once all was visited ({facts['source']})",
    )
    numbers = ("lists", "new a day", "visits", "requests", "delay", "fresh")
    table = output.table("stream", *numbers, numbers=numbers)
    for one in (*facts["streams"], facts["total"]):
        known = "delay_days" in one
        table.add_row(
            one["stream"],
            _count(one["lists"]) if not one["stream"].endswith("_replies") else "",
            _count(one["items"]) if known else "",
            _count(one["visits"]),
            _count(one["requests"]),
            _days(one["delay_days"]) if known else "",
            f"{one['fresh']:.1%}" if known else "",
            style="bold" if one is facts["total"] else None,
        )
    console.print(table)
    if facts["min_gain"] is None:
        console.print(
            "[yellow]not enough even for the visits that must take place: raise the rate, narrow the scope[/]"
        )
    elif facts["enough"]:
        console.print(
            f"enough: visits are made as soon as they save {facts['min_gain']:g} item-days (HARVESTER_MIN_GAIN)",
        )
    else:
        console.print(f"the budget sets the gain: a visit must save {facts['min_gain']:.3g} item-days")
    if facts["is_rough"] and facts["min_gain"] is not None:
        console.print(
            f"[yellow]a rough forecast: {facts['required']:,.3g} requests a day must be sent whatever they gain, more"
            " than half of what there is for them. Delays may be a third shorter or half as long again; from"
            f" {facts['rate_not_rough']:,.3g} requests/s on they are within a fifth[/]"
        )
    if facts["new"]["entries"]:
        new = facts["new"]
        console.print(f"first visits to {_count(new['entries'])} lists and objects: {_days(new['days'])}")
    fresh = facts["fresh_within_a_day"]
    console.print(
        f"everything visited every day: {fresh['rate']:,.3g} requests/s"
        f" ({fresh['rate_with_shares']:,.3g} with the other shares)",
    )
    _show_sources(console, facts["sources"], facts["rate"])
    _show_rates(console, facts)
    _show_gains(console, facts)


def _show_sources(console: Console, facts: dict[str, Any], rate: float) -> None:
    """Say what reading sources costs, of those in scope and of a sample."""
    by = f"the {facts['measured']:,} read so far" if facts["measured"] else "40 kB each, as documented"
    for title, costs in (("sources not read yet", facts["first"]), ("sources of a sample", facts["sample"])):
        if costs is not None and costs["projects"]:
            console.print(
                f"\n[bold]{title}[/]: {costs['projects']:,} projects ({by})\n"
                f"requests besides the projects' own: {costs['requests']:,},"
                f" {_days(costs['seconds'] / 86_400)} at {rate:g} requests/s\n"
                f"transferred {_size(costs['transferred'])}, stored {_size(costs['stored'])},"
                f" unpacked {_size(costs['unpacked'])}; CPU to analyse {_days(costs['cpu_seconds'] / 86_400)}"
            )


def _show_rates(console: Console, facts: dict[str, Any]) -> None:
    """Draw the mean delay of the table's last line for other rates, on a linear scale."""
    rows = [(one["rate"], one["delay_days"]) for one in facts["by_rate"]]
    longest = max((delay for _, delay in rows if delay < float("inf")), default=0.0)
    if not longest:
        return
    console.print(
        f"\n[bold]mean delay of a new item at other rates[/], one block for each {_days(longest / _BLOCKS)};"
        f" visits are made when they save {facts['least_min_gain']:g} item-days",
    )
    for rate, delay in rows:
        bar = "█" * round(_BLOCKS * delay / longest) if delay < float("inf") else ""
        mark = "[bold]" if rate == facts["rate"] else "[dim]"
        console.print(f"{mark}{rate:>10,.3g}/s {_days(delay):>9} {bar}[/]", soft_wrap=True)


def _show_gains(console: Console, facts: dict[str, Any]) -> None:
    rows = facts["by_min_gain"]
    if not facts["enough"] or not any(one["delay_days"] for one in rows):
        return  # the rate sets what a visit must save
    console.print(f"\n[bold]what HARVESTER_MIN_GAIN costs[/] at {facts['rate']:g} requests/s")
    table = output.table("item-days", "requests a day", "delay", numbers=("item-days", "requests a day", "delay"))
    for one in rows:
        is_chosen = one["min_gain"] == facts["least_min_gain"]
        table.add_row(
            f"{one['min_gain']:g}",
            _count(one["requests_a_day"]),
            _days(one["delay_days"]),
            style="bold" if is_chosen else None,
        )
    console.print(table)


def _count(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / min(size, 1e3 if letter == 'k' else size):,.1f} {letter}"
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"


def _size(number: float) -> str:
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:,.3g} {unit}"
    return f"{number:,.0f} bytes"


def _days(days: float) -> str:
    if days == float("inf"):
        return "never"
    if days < 1 / 24:
        return f"{days * 1440:.1f} min"
    if days < 2:
        return f"{days * 24:.1f} h"
    return f"{days:,.1f} d" if days < 1000 else f"{days / 365.25:,.1f} years"
