"""Commands that harvest: `crawl` and `seed`."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, Any

import typer

from harvester.choices import Share, SpiderName
from harvester.cli import output, seed
from harvester.cli.base import AsJson, example, settings
from harvester.cli.output import ExitStatus, shown
from harvester.wording import counted

PANEL = "Harvest"
_STATUS = {"interrupted": ExitStatus.INTERRUPTED, "degraded": ExitStatus.DEGRADED}

app = typer.Typer()


@app.command(rich_help_panel=PANEL, epilog=example("harvester crawl --max-minutes 30 --workers 2"))
def crawl(
    spider: Annotated[
        list[SpiderName] | None, typer.Option(help="Run this spider only, not all. May be repeated.")
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="Visit everything in scope once now, incrementally; what others announce, if they do.",
        ),
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Read every list in scope again in full.")] = False,
    share: Annotated[
        Share | None, typer.Option(help="Spend all requests on this share, in place of all shares.", show_default=False)
    ] = None,
    max_requests: Annotated[int | None, typer.Option(help="Stop after this many requests.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Stop after this many minutes.")] = None,
    workers: Annotated[int, typer.Option(help="Number of processes that share the work and the budget.")] = 1,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log one JSON line an event, instead of progress.")
    ] = False,
    parent_run: Annotated[int | None, typer.Option(hidden=True, help="The run that this worker works for.")] = None,
    due_only: Annotated[bool, typer.Option("--due-only", hidden=True, help="Make no visit because it pays.")] = False,
    as_json: AsJson = False,
) -> None:
    """Visit what is new, due or pays, until nothing is left or a bound is met.

    Ctrl-C finishes the requests in flight; a second Ctrl-C stops at once. Neither loses data.

    All workers of a warehouse, on all machines, share one request rate: see `harvester rate`.

    Exit with status 3 if the crawl finished but looks anomalous compared with earlier runs.
    """
    from harvester.cli.progress import Progress
    from harvester.crawl.model import no_display
    from harvester.crawl.run import CrawlOptions, work_for
    from harvester.crawl.run import crawl as run

    if log_json:
        os.environ["HARVESTER_LOG_JSON"] = "1"  # for workers of our own too
    log_json = settings().log_json
    display = partial(Progress, as_json=log_json)
    order = CrawlOptions(tuple(spider or ()), refresh, audit, max_requests, max_minutes, workers, share)
    if parent_run is None:
        summary = run(settings(), order, display)
    else:
        shows = display if log_json else no_display
        summary = work_for(settings(), parent_run, order, shows, due_only=due_only)
    if as_json:
        output.print_json(summary.as_json())
    else:
        _show_summary(summary)
    if summary.outcome in _STATUS:
        raise typer.Exit(_STATUS[summary.outcome])


app.add_typer(seed.app, name="seed", rich_help_panel=PANEL)


def _is_scope_empty() -> bool:
    from harvester.frontier.scope import is_scope_empty
    from harvester.warehouse.access import connect

    with connect(settings(), autocommit=True) as connection:
        return is_scope_empty(connection)


def _show_summary(summary: Any) -> None:
    console = output.console()
    if summary.counts:
        console.print(output.table_of_counts({name: tuple(counts.values()) for name, counts in summary.counts.items()}))
    words = {
        "done": "nothing more is due",
        "bounded": "bound met",
        "interrupted": "interrupted, nothing lost",
        "degraded": "done, but something is wrong",
    }
    if not summary.requests and _is_scope_empty():
        console.print("nothing is in scope: put users, projects or studios there first, see `harvester seed --help`")
        return
    line = f"{words[summary.outcome]}: {counted(summary.requests, 'request')} in {summary.seconds:.1f} s"
    if summary.retries:
        line += f", {summary.retries:,} of them again"
    if summary.postponed:
        line += f"; {counted(summary.postponed, 'visit')} postponed, see `harvester status`"
    console.print(line)
    for finding in shown(summary.findings):
        console.print(f"[yellow]degraded[/]  {finding}")
