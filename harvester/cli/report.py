"""`harvester report`: a page to look at."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from harvester.cli.base import AllowHost, settings
from harvester.errors import UsageError

_PORT = 8600


def report(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[FILE.html|PORT]", help="The file to write; with --serve the port, 8600 unless given."),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show the page to a browser and keep it fresh.")] = False,
    address: Annotated[
        str, typer.Option(help="The address to serve on; any other than this machine's own lets others in.")
    ] = "127.0.0.1",
    allow_host: AllowHost = None,
    at: Annotated[
        str | None,
        typer.Option(help="The moment from which ages are counted, as 2026-06-01T12:00Z; now unless given."),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0.001, max=3600, help="Seconds that one query may take; what takes longer is left out.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts of the page as JSON.")] = False,
) -> None:
    """A page of charts, the crawl's health and the community's life: one file that needs no network.

    It holds no name, no text and no id of anybody. With --serve it renews itself while a crawl is at work.

    Example: `harvester report page.html`, or `harvester report --serve 8600`
    """
    from harvester.report import page

    if serve:
        from harvester.report.serve import serve as run

        if at is not None or as_json:
            raise UsageError("--serve shows what is now, as a page: neither --at nor --json goes with it")
        run(settings(), address=address, port=_port(target), patience=patience, names=allow_host or ())
        return
    if target is None and not as_json:
        raise UsageError(
            "name the file to write, or --serve, or --json for the facts alone. See `harvester report --help`."
        )
    found = page.read(settings(), at=None if at is None else _moment(at), patience=patience)
    size = None if target is None else page.write(page.render(found), target)
    if as_json:
        typer.echo(json.dumps({"file": target, "bytes": size} | page.facts(found)))
    else:
        typer.echo(f"{target}: {size:,} bytes, as of {found.moment.at:%Y-%m-%d %H:%M:%S} UTC")


def _port(target: str | None) -> int:
    if target is None:
        return _PORT
    if not (target.isascii() and target.isdecimal() and int(target) < 65_536):
        raise UsageError(f"--serve {target}: a port is a number from 0 (any free one) to 65535")
    return int(target)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("--at: a time such as 2026-06-01T12:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
