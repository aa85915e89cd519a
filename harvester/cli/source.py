"""Commands of `harvester source`: the sources of projects."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings
from harvester.cli.output import printable

app = group("Show the sources of projects, which HARVESTER_SOURCES=1 reads.")


@app.command(epilog=example("harvester source show 123456 > project.json"))
def show(
    project: Annotated[int, typer.Argument(help="The project.")],
    *,
    version: Annotated[
        str | None, typer.Option(metavar="SHA256", help="An earlier version, by the begin of its SHA-256.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the source of a project byte for byte, the present version unless another is named.

    On a terminal, control characters are escaped. With --json the facts of all versions are written, or of the named
    one, without the source.
    """
    from harvester.monitoring import sources
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        if as_json:
            named = version and [sources.version(connection, project, version)]
            output.print_json(named or sources.versions(connection, project))
            return
        found = sources.version(connection, project, version)
        body = sources.body(connection, found["body_sha256"])
    if sys.stdout.isatty():
        for line in body.decode(errors="replace").splitlines():
            typer.echo(printable(line))
    else:
        sys.stdout.buffer.write(body)
