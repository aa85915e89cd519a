"""Commands that show what is there: `status`, `report`, `plan`, `streams`, `quarantine` and `source`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from harvester.cli import output, plan, quarantine, report, source, status
from harvester.cli.base import AsJson, example
from harvester.errors import UsageError

PANEL = "Look"

app = typer.Typer()
app.command(rich_help_panel=PANEL, epilog=example("harvester status --json"))(status.status)
app.command(rich_help_panel=PANEL, epilog=example("harvester report report.html"))(report.report)
app.command(rich_help_panel=PANEL, epilog=example("harvester plan --rate 2"))(plan.plan)


@app.command(rich_help_panel=PANEL, epilog=example("harvester streams profile_comments"))
def streams(
    name: Annotated[str | None, typer.Argument(help="Show this stream in full.")] = None, as_json: AsJson = False
) -> None:
    """List the endpoints that are harvested: how each is read, and which tables it fills."""
    from harvester.api.reference import entry, facts

    found = facts()
    if name is not None:
        found = [stream for stream in found if stream["stream"] == name]
        if not found:
            raise UsageError(f"no stream is called {name!r}: see `harvester streams`")
    if name is None or as_json:
        output.emit(found, _show_streams, as_json=as_json)
    else:
        typer.echo(entry(name))


def _show_streams(found: list[dict[str, Any]]) -> None:
    names = ("stream", "spider", "endpoint")
    table = output.table(*names, "tables")
    for stream in found:
        table.add_row(stream["stream"], stream["spider"], stream["endpoint"], ", ".join(stream["writes"]))
    output.console().print(table)


app.add_typer(quarantine.app, name="quarantine", rich_help_panel=PANEL)
app.add_typer(source.app, name="source", rich_help_panel=PANEL)
