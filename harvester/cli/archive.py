"""Commands of `harvester archive`: the responses that HARVESTER_ARCHIVE keeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, moment, settings
from harvester.cli.output import printable
from harvester.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

app = group("List archives and show the responses in them.")

Places = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE|DIR...]", help="WARC files, or folders of them; HARVESTER_ARCHIVE unless named."),
]


@app.command("list", epilog=example("harvester archive list archive"))
def list_archives(places: Places = None, as_json: AsJson = False) -> None:
    """List archives: responses, transactions that stored some of them, first and last time.

    Beside each archive its index is kept, FILE.sqlite, which is made or extended if need be.
    """
    from harvester.crawl.archive_index import archives_in, describe

    output.emit(list(map(describe, archives_in(named_places(places)))), _show_archives, as_json=as_json)


@app.command(epilog=example("harvester archive show project 142 archive"))
def show(
    stream: Annotated[str, typer.Argument(help="The stream, such as project or user_followers: `docs/endpoints.md`.")],
    entity: Annotated[int, typer.Argument(help="The id of the user, project, studio or comment that was visited.")],
    places: Places = None,
    *,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Responses from this time on, UTC.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Responses before this time, UTC.")] = None,
    bodies: Annotated[bool, typer.Option("--bodies", help="Write the bodies, one a line, and nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the responses of one list or object, oldest first within a file: when, what for, what became of them.

    The outcome is stored, alone (stored without a visit), refused, unused, or unknown where a process was killed.
    """
    from harvester.api.catalogue import STREAMS
    from harvester.crawl.archive_index import Choice, archives_in, find_responses

    if stream not in STREAMS:
        raise UsageError(f"no stream is called {stream}: see `docs/endpoints.md`")
    choice = Choice(frozenset({stream}), frozenset({entity}), moment("--since", since), moment("--until", until))
    found = find_responses(archives_in(named_places(places)), choice)
    if bodies:
        for one in found:
            _write_body(one.response.body)
    else:
        output.emit([one.as_json() for one in found], _show_responses, as_json=as_json)


def named_places(places: list[Path] | None) -> list[Path]:
    """Return the archives that are named, or the folder HARVESTER_ARCHIVE.

    Raises:
        UsageError: neither is.
    """
    if places:
        return places
    folder = settings().archive
    if folder is None:
        raise UsageError("name archives or a folder of them, or set HARVESTER_ARCHIVE")
    return [folder]


def _write_body(body: bytes) -> None:
    if sys.stdout.isatty():
        typer.echo(printable(body.decode(errors="replace")))
    else:
        sys.stdout.buffer.write(body + b"\n")


def _show_archives(archives: list[dict[str, Any]]) -> None:
    numbers = ("bytes", "responses", "transactions")
    table = output.table("file", *numbers, "first", "last", numbers=numbers)
    for one in output.shown(archives):
        counts = (f"{one[name]:,}" for name in numbers)
        table.add_row(one["file"], *counts, *(_minute(one[name]) for name in ("first_at", "last_at")))
    output.console().print(table)


def _show_responses(responses: list[dict[str, Any]]) -> None:
    if not responses:
        typer.echo("no response")
        return
    numbers = ("status", "bytes", "byte of the file")
    table = output.table("time (UTC)", "status", "bytes", "outcome", "query", "file", numbers[-1], numbers=numbers)
    for one in output.shown(responses):
        table.add_row(
            f"{one['at']:%Y-%m-%d %H:%M:%S}",
            str(one["status"]),
            f"{one['size']:,}",
            one["outcome"],
            one["query"],
            one["file"],
            str(one["offset"]),
        )
    output.console().print(table)


def _minute(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"
