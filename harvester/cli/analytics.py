"""`harvester analytics`: figures for analysts, brought up to date and listed."""

from __future__ import annotations

import json
from textwrap import shorten
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harvester.cli.base import CommandGroup, settings

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Figures for analysts: schema analytics.")

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]

_OTHER_COLUMNS = 75
"""Characters of a line that the list needs for all but what a relation holds."""


@app.command(epilog="Example: harvester analytics refresh && harvester db psql -c 'TABLE analytics.remix_trees'")
def refresh(
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Make all tables anew, not only where something has changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the tables of schema analytics up to date.

    May run beside crawls and as often as you like; those who read meanwhile see the tables as they were.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from harvester.analytics.refresh import refresh as bring_up_to_date
    from harvester.warehouse.connect import connect

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        connect(settings(), autocommit=True) as connection,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            # One statement that does all the work has no part that could be told.
            progress.update(task, description=what, completed=done, total=total if total > 1 else None)

        found = bring_up_to_date(connection, whole=full, tell=tell)
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found]))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "rows", "written", "how"):
        table.add_column(name, justify="right" if name in ("rows", "written") else "left")
    for one in found:
        table.add_row(
            one.relation, f"{one.row_count:,}", f"{one.written:,}", "made anew" if one.whole else "where changed"
        )
    Console().print(table, highlight=False)


@app.command("list", epilog="Example: harvester analytics list --json")
def list_relations(*, as_json: AsJson = False) -> None:
    """The tables, views and functions of schema analytics: what each holds, and how fresh it is."""
    from harvester.analytics.refresh import relations
    from harvester.warehouse.connect import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        found = relations(connection)
    if as_json:
        typer.echo(json.dumps(found, default=str))
        return
    console = Console()
    rest = max(console.width - _OTHER_COLUMNS, 20)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("subject", "relation", "rows", "read", "as of", "what it holds"):
        table.add_column(name, justify="right" if name in ("rows", "read") else "left", no_wrap=True)
    for one in found:
        table.add_row(
            one["subject"],
            one["relation"],
            "" if one["row_count"] is None else f"{one['row_count']:,}",
            "" if one["share_read"] is None else f"{one['share_read']:.1%}",
            _as_of(one),
            escape(shorten(one["said"] or "", rest, placeholder=" ...")),
        )
    console.print(table, highlight=False)


def _as_of(one: dict[str, Any]) -> str:
    if one["is_live"]:
        return "now"
    at = one["refreshed_at"]
    return "" if one["relation"] == "refreshes" else f"{at:%Y-%m-%d %H:%M}" if at else "never refreshed"
