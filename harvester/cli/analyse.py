"""Commands of `harvester analytics`: figures for analysts, brought up to date, listed and described for dbt."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings
from harvester.cli.output import shown

PANEL = "Analyse"
_OTHER_COLUMNS = 75
"""Characters of a line that the list needs for all columns but the description of a relation."""

app = typer.Typer()
analytics = group("Bring the schema analytics up to date, list what it holds, and describe it for dbt.")
app.add_typer(analytics, name="analytics", rich_help_panel=PANEL)


@analytics.command(epilog=example("harvester analytics refresh && harvester db psql -c 'TABLE analytics.remix_trees'"))
def refresh(
    *,
    as_json: AsJson = False,
) -> None:
    """Refresh the materialised views of schema analytics.

    May run beside crawls; queries that run meanwhile see the figures of the last refresh.
    """
    from harvester.analytics.refresh import refresh as refresh_all
    from harvester.warehouse.access import connect

    with connect(settings(), autocommit=True) as connection, output.progress() as advance:
        refreshed = refresh_all(connection, on_progress=advance)
    if as_json:
        output.print_json([view.as_json() for view in refreshed])
    else:
        _show_refreshed(refreshed)


@analytics.command("list", epilog=example("harvester analytics list --json"))
def list_relations(*, as_json: AsJson = False) -> None:
    """List the views and functions of schema analytics: what each holds, and how fresh it is."""
    from harvester.analytics.refresh import relations
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        output.emit(relations(connection), _show_relations, as_json=as_json)


@analytics.command(epilog=example("harvester analytics dbt > sources.yml"))
def dbt() -> None:
    """Print the warehouse as sources of dbt, with tests, freshness and descriptions.

    Keys are tested to be unique, references to lead to a row, closed choices to be kept; a table is as fresh as the
    last visit that could change it. For dbt 1.10.5 and later.
    """
    from harvester.report.dbt import as_yaml, sources
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        typer.echo(as_yaml(sources(connection)), nl=False)


def _show_refreshed(refreshed: list[Any]) -> None:
    table = output.table("materialised view", "rows", numbers=("rows",))
    for view in refreshed:
        table.add_row(view.relation, f"{view.row_count:,}")
    output.console().print(table)


def _show_relations(relations: list[dict[str, Any]]) -> None:
    console = output.console()
    rest = max(console.width - _OTHER_COLUMNS, 20)
    names = ("subject", "relation", "rows", "read", "as of", "what it holds")
    table = output.table(*names, numbers=("rows", "read"))
    for one in relations:
        table.add_row(
            one["subject"],
            one["relation"],
            "" if one["row_count"] is None else f"{one['row_count']:,}",
            "" if one["share_read"] is None else f"{one['share_read']:.1%}",
            _as_of(one),
            shown(shorten(one["said"] or "", rest, placeholder=" ...")),
        )
    console.print(table)


def _as_of(one: dict[str, Any]) -> str:
    if one["is_live"]:
        return "now"
    at = one["refreshed_at"]
    return "" if one["relation"] == "refreshes" else f"{at:%Y-%m-%d %H:%M}" if at else "never refreshed"
