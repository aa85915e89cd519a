"""Commands of `harvester backup`: database, secret key and rules of erasures together, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings
from harvester.cli.output import printable
from harvester.wording import counted

app = group("Back up the warehouse with its key, verify a backup and restore it.")

File = Annotated[
    Path, typer.Argument(metavar="FILE|DIR", help="A file that `backup create` made; or a folder: its newest one.")
]


@app.command(epilog=example("harvester backup create backups"))
def create(
    target: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="The file to write; or a folder, in which the time names it.")
    ],
    keep: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Delete older backups of this warehouse in DIR, but for the newest N."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write database, secret key and rules of erasures into one file, as of one moment.

    Crawls go on meanwhile; erasures and migrations are refused until it is done. Keep the file as safe as the key:
    it holds the key and everything that was harvested.
    """
    from harvester.backup.create import create as run

    output.emit(run(settings(), target, keep), _show_made, as_json=as_json)


@app.command(epilog=example("harvester backup verify monday.tar"))
def verify(file: File, as_json: AsJson = False) -> None:
    """Read a backup back into a temporary database, and compare the rows of each table with those that were counted.

    It needs as much room as the warehouse takes, and a role that may create databases. The database is dropped again.
    """
    from harvester.backup.file import newest
    from harvester.backup.restore import verify as run

    output.emit(run(settings(), newest(file), _tell), _show_checked, as_json=as_json)


@app.command(epilog=example("HARVESTER_HOME=/srv/scratch harvester backup restore monday.tar"))
def restore(file: File, as_json: AsJson = False) -> None:
    """Restore a backup into a new home, or one without rows and without another key.

    Erasures that were made after the backup are repeated if they stand in erased.txt of the home: copy the newest one
    there first. A backup is code to the database that restores it: restore only what you trust.
    """
    from harvester.backup.file import newest
    from harvester.backup.restore import restore as run
    from harvester.cli.erase import rewrite_tables, tell_files_left
    from harvester.warehouse.access import connect

    done = run(settings(), newest(file), _tell)
    if done.erasure.touched:
        with connect(settings(), autocommit=True) as connection:
            rewrite_tables(connection, done.erasure.touched)
        tell_files_left(done.erasure)
    output.emit(done, _show_restored, as_json=as_json)


def _tell(message: str) -> None:
    typer.echo(message, err=True)


def _show_made(made: Any) -> None:
    typer.echo(
        f"{made.path}: {made.manifest.rows:,} rows of {len(made.manifest.tables):,} tables with {_beside(made)},"
        f" {made.size:,} bytes. Run `harvester backup verify` on it, and keep a copy on another machine."
    )
    if outside := made.manifest.sources_outside:
        typer.echo(
            f"{counted(outside, 'source')} in files of HARVESTER_SOURCES_DIR are not in it: copy that folder too, after"
            " each backup"
        )
    for path in made.deleted:
        typer.echo(f"{path}: deleted")


def _show_checked(checked: Any) -> None:
    typer.echo(f"OK: {_described(checked.manifest)} can be restored, each table with the rows that were counted")


def _show_restored(done: Any) -> None:
    typer.echo(f"restored: {_described(done.manifest)}")
    if done.erasure.touched:
        typer.echo(f"erased again, by erased.txt: rows of {', '.join(done.erasure.touched)}")
    if outside := done.manifest.sources_outside:
        typer.echo(
            f"{counted(outside, 'source')} in files were not in the backup: set HARVESTER_SOURCES_DIR to a copy of the"
            " folder"
        )
    typer.echo("`harvester crawl` goes on from there; `harvester status` shows what is due")


def _beside(made: Any) -> str:
    return "the secret key and the rules of erasures" if "erased.txt" in made.manifest.files else "the secret key"


def _described(manifest: Any) -> str:
    source = "a warehouse without a source" if manifest.source is None else printable(manifest.source)
    return (
        f"the backup of {manifest.made_at:%Y-%m-%d %H:%M} UTC of {source}, {manifest.rows:,} rows of"
        f" {len(manifest.tables):,} tables"
    )
