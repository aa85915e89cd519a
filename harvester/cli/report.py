"""`harvester report`: a page of charts."""

from __future__ import annotations

from typing import Annotated

import typer

from harvester.cli import output
from harvester.cli.base import Address, AllowHost, AsJson, moment, settings
from harvester.errors import UsageError

_PORT = 8600


def report(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[FILE.html|PORT]", help="The file to write; with --serve the port, 8600 unless given."),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the page to browsers, and refresh it.")] = False,
    address: Address = "127.0.0.1",
    allow_host: AllowHost = None,
    at: Annotated[
        str | None,
        typer.Option(help="The time from which ages are counted, as 2026-06-01T12:00Z; now unless given."),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=0.001, max=3600, help="Seconds that one query may take; a chart whose query takes longer is left out."
        ),
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Write a page of charts on the crawl and the community: one file that needs no network.

    It holds no name, text or id of a user. With --serve it is refreshed while a crawl runs.
    """
    from harvester.report import page

    if serve:
        from harvester.report.serve import serve as run

        if at is not None or as_json:
            raise UsageError("--serve excludes --at and --json: it shows the present, as a page")
        run(settings(), address=address, port=_port(target), patience=patience, names=allow_host or ())
        return
    if target == "" or (target is None and not as_json):
        raise UsageError("name the file to write, or give --serve or --json. See `harvester report --help`.")
    found = page.read(settings(), at=moment("--at", at), patience=patience)
    size = None if target is None else page.write(page.render(found), target)
    if as_json:
        output.print_json({"file": target, "bytes": size} | page.facts(found))
    else:
        typer.echo(f"{target}: {size:,} bytes, as of {found.moment.at:%Y-%m-%d %H:%M:%S} UTC")


def _port(target: str | None) -> int:
    if target is None:
        return _PORT
    if not (target.isascii() and target.isdecimal() and int(target) < 65_536):
        raise UsageError(f"--serve {target}: a port is a number from 0 (any free one) to 65535")
    return int(target)
