"""Commands of `harvester source`: the sources of projects."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  (Typer resolves annotations)
from typing import Annotated

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings
from harvester.cli.output import printable
from harvester.errors import UsageError
from harvester.wording import counted

app = group("Show the sources of projects, which HARVESTER_SOURCES=1 reads.")


@app.command(epilog=example("harvester source show 123456 > project.json"))
def show(
    project: Annotated[int, typer.Argument(help="The project.")],
    *,
    version: Annotated[
        str | None, typer.Option(metavar="SHA256", help="An earlier version, by the begin of its SHA-256.")
    ] = None,
    without_words: Annotated[
        bool, typer.Option("--structure", help="Write the structure: blocks by opcode, no literal, name or comment.")
    ] = False,
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
            found = sources.versions(connection, project)
            output.print_json(found if version is None else [sources.version(connection, project, version)])
            return
        named = sources.version(connection, project, version)
        body = sources.body(connection, named, settings().sources_dir)
    if without_words:
        body = sources.structure_of(body)
    if sys.stdout.isatty():
        for line in body.decode(errors="replace").splitlines():
            typer.echo(printable(line))
    else:
        sys.stdout.buffer.write(body)


@app.command(epilog=example("harvester source analyse --workers 2"))
def analyse(
    *,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processes.")] = 1,
    full: Annotated[bool, typer.Option("--full", help="Work out all again, not only what is new.")] = False,
    as_json: AsJson = False,
) -> None:
    """Work out the facts of the sources that are stored, and what remixes changed.

    They are written to the tables facts, assets and differences of schema source.
    """
    from harvester.analytics.source_facts import analyse as work_out
    from harvester.warehouse.access import connect

    with connect(settings(), autocommit=True) as connection, output.progress() as advance:
        done = work_out(connection, settings().sources_dir, workers=workers, full=full, on_progress=advance)
    output.emit(done.as_json(), _show_analysed, as_json=as_json)


@app.command(epilog=example("harvester source export sources --sb3"))
def export(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    design: Annotated[int | None, typer.Option(help="The projects that a design hit, with their weights.")] = None,
    archives: Annotated[
        bool, typer.Option("--sb3", help="Write .sb3 and .sb2, without costumes and sounds, instead of .json.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the present source of each project to ID.json, and an index to projects.csv.

    Names, texts and comments of children stand in the files: they are no release. Projects that are gone are left out.
    """
    from harvester.monitoring.source_export import export as write
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        try:
            held = settings().sources_dir
            done = write(connection, folder, held_in=held, design=design, archives=archives)
        except OSError as error:
            raise UsageError(f"{error.filename or folder}: {error.strerror}") from None
    output.emit(done.as_json(), lambda facts: _show_exported(folder, facts), as_json=as_json)


def _show_exported(folder: Path, done: dict[str, int]) -> None:
    typer.echo(f"{folder}: {counted(done['files'], 'source')} of {counted(done['projects'], 'project')}")


def _show_analysed(done: dict[str, int]) -> None:
    typer.echo(f"facts of {counted(done['bodies'], 'source')}, {counted(done['comparisons'], 'comparison')} of remixes")
