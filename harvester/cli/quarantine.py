"""`harvester quarantine`: responses and items that could not be used."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harvester.cli.base import CommandGroup, settings
from harvester.output import printable, shown

app = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Responses and items that could not be used, kept whole."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


@app.command("list", epilog="Example: harvester quarantine list --stream project_comments")
def list_cases(
    *,
    stream: Annotated[str | None, typer.Option(help="Only this stream.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1_000_000, help="The newest so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the cases: what was asked for, when, and why the response or one item of it could not be used."""
    from harvester.monitoring.quarantine import cases
    from harvester.warehouse.connect import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        found = cases(connection, stream, most)
    if as_json:
        typer.echo(json.dumps(found, default=str))
        return
    if not found:
        typer.echo("nothing is in quarantine")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("case", "last seen", "stream", "entity", "item", "status", "times", "bytes", "reason"):
        table.add_column(name, justify="right" if name in ("case", "entity", "item", "times", "bytes") else "left")
    for one in shown(found):
        table.add_row(
            str(one["id"]),
            f"{one['seen_at']:%Y-%m-%d %H:%M}",
            one["stream"],
            str(one["entity_id"]),
            "-" if one["item_id"] is None else str(one["item_id"]) if one["item_id"] >= 0 else f"no. {one['position']}",
            str(one["status"] or "-"),
            f"{one['count']:,}",
            f"{one['bytes'] or 0:,}",
            one["reason"],
        )
    Console().print(table, highlight=False)


@app.command(epilog="Example: harvester quarantine show 12 > response.json")
def show(case: Annotated[int, typer.Argument(help="The number of the case.")]) -> None:
    """Write the response or the item of a case byte for byte; what a terminal would obey is escaped on one."""
    from harvester.monitoring.quarantine import body
    from harvester.warehouse.connect import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        response = body(connection, case)
    if sys.stdout.isatty():
        for line in response.decode(errors="replace").splitlines():
            typer.echo(printable(line))
    else:
        sys.stdout.buffer.write(response)


@app.command(epilog="Example: harvester quarantine retry && harvester crawl")
def retry(*, as_json: AsJson = False) -> None:
    """Make what failed due again, and drop cases that can be read by now or were visited since."""
    from harvester.monitoring.quarantine import retry as again
    from harvester.warehouse.connect import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        counts = again(connection)
    if as_json:
        typer.echo(json.dumps(counts))
        return
    typer.echo(
        f"{counts['due_again']:,} visits are due again, `harvester crawl` makes them; of the cases"
        f" {counts['readable_now']:,} can be read now, {counts['visited_since']:,} were visited since,"
        f" {counts['left']:,} are left"
    )
