"""Commands of `harvester quarantine`: responses and items that could not be used."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings
from harvester.cli.output import printable, shown

app = group("List, show and retry responses and items that could not be used.")


@app.command("list", epilog=example("harvester quarantine list --stream project_comments"))
def list_cases(
    *,
    stream: Annotated[str | None, typer.Option(help="Only this stream.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1_000_000, help="The number of cases, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the cases: what was requested, when, and why the response or one item of it could not be used."""
    from harvester.monitoring.quarantine import cases
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        output.emit(cases(connection, stream, most), _show_cases, as_json=as_json)


def _show_cases(cases: list[dict[str, Any]]) -> None:
    if not cases:
        typer.echo("nothing is in quarantine")
        return
    names = ("case", "last seen", "stream", "entity", "item", "status", "times", "bytes", "reason")
    table = output.table(*names, numbers=("case", "entity", "item", "times", "bytes"))
    for case in shown(cases):
        table.add_row(
            str(case["id"]),
            f"{case['seen_at']:%Y-%m-%d %H:%M}",
            case["stream"],
            str(case["entity_id"]),
            _item(case),
            str(case["status"] or "-"),
            f"{case['count']:,}",
            f"{case['bytes'] or 0:,}",
            case["reason"],
        )
    output.console().print(table)


def _item(case: dict[str, Any]) -> str:
    if case["item_id"] is None:
        return "-"
    return str(case["item_id"]) if case["item_id"] >= 0 else f"no. {case['position']}"


@app.command(epilog=example("harvester quarantine show 12 > response.json"))
def show(case: Annotated[int, typer.Argument(help="The number of the case.")]) -> None:
    """Write the response or the item of a case byte for byte; on a terminal, control characters are escaped."""
    from harvester.monitoring.quarantine import body
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        response = body(connection, case)
    if sys.stdout.isatty():
        for line in response.decode(errors="replace").splitlines():
            typer.echo(printable(line))
    else:
        sys.stdout.buffer.write(response)


@app.command(epilog=example("harvester quarantine retry"))
def retry(*, as_json: AsJson = False) -> None:
    """Make failed visits due again, and drop cases that can be read now or were visited since."""
    from harvester.monitoring.quarantine import retry as again
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        output.emit(again(connection), _show_retry, as_json=as_json)


def _show_retry(counts: dict[str, int]) -> None:
    typer.echo(
        f"{counts['due_again']:,} visits are due again: run `harvester crawl`. Of the cases"
        f" {counts['readable_now']:,} can be read now, {counts['visited_since']:,} were visited since,"
        f" {counts['left']:,} are left."
    )
