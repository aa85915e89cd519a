"""Commands of `harvester network`: the connection to the site."""

from __future__ import annotations

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings

app = group("Check the connection to the site.")


@app.callback()
def _group() -> None:
    """Check the connection to the site."""


@app.command(epilog=example("harvester network check"))
def check(*, as_json: AsJson = False) -> None:
    """Show which hosts are asked and through which proxy, and ask each once; needs no warehouse.

    Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY; they are shown without passwords.
    """
    from harvester.crawl.network import check_hosts, routes

    found = routes(settings())
    if not as_json:
        for url, proxy in found.items():
            typer.echo(f"{url}  {'directly' if proxy is None else f'through {proxy}'}")
    check_hosts(settings())
    if as_json:
        output.print_json({"hosts": found, "health": "answers"})
    else:
        typer.echo("ok  the API answers" if len(found) == 1 else "ok  the API and the site answer")
