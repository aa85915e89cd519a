"""`harvester network`: the way to the site."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harvester.cli.base import CommandGroup, settings

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="The way to the site.")


@app.callback()
def _group() -> None:
    """The way to the site."""


@app.command()
def check(*, as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False) -> None:
    """Say which hosts are asked, through which proxy, and whether they answer. A request each, within the budget.

    A proxy is taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY; it is shown without its password.

    Example: `HTTPS_PROXY=http://proxy.example.org:3128 harvester network check`
    """
    from harvester.crawl.network import check_hosts, routes

    found = routes(settings())
    if not as_json:
        for url, proxy in found.items():
            typer.echo(f"{url}  {'directly' if proxy is None else f'through {proxy}'}")
    check_hosts(settings())
    if as_json:
        typer.echo(json.dumps({"hosts": found, "health": "answers"}))
    else:
        one = len(found) == 1
        typer.echo("ok  the API answers" if one else "ok  the API and the site answer")
