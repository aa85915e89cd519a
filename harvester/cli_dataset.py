"""`harvester dataset`: research datasets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harvester.cli_base import Group
from harvester.errors import UsageError

app = typer.Typer(cls=Group, no_args_is_help=True, help="Research datasets: built, described, verified, compared.")

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
Folder = Annotated[Path, typer.Argument(help="The folder of a release.", show_default=False)]


def _need_arrow() -> None:
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise UsageError("datasets need the extra `dataset`: pip install 'scratch-harvester[dataset]'") from None


@app.command(epilog="Example: harvester dataset verify releases/2026.06.0")
def verify(folder: Folder, *, as_json: AsJson = False) -> None:
    """Check a release against what it says of itself: hashes, types, keys, references, descriptions, and nothing else.

    Names everything that is wrong. Exit status 1 if anything is.
    """
    _need_arrow()
    from harvester.dataset.verify import verify as check

    problems = check(folder)
    if as_json:
        typer.echo(json.dumps({"valid": not problems, "problems": [asdict(one) for one in problems]}))
    elif problems:
        for one in problems:
            typer.echo(f"{one.path}: {one.what}")
        typer.echo(f"{len(problems):,} {'thing is' if len(problems) == 1 else 'things are'} wrong")
    else:
        typer.echo("all is as it says")
    if problems:
        raise typer.Exit(1)


@app.command(epilog="Example: harvester dataset diff releases/2026.05.0 releases/2026.06.0")
def diff(
    older: Folder,
    newer: Annotated[Path, typer.Argument(help="The folder of a later release.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two releases: rows added, removed and changed by table, and what changed in tables and columns.

    Releases whose pseudonyms have different keys cannot be compared.
    """
    _need_arrow()
    from rich.console import Console
    from rich.table import Table

    from harvester.dataset.diff import diff as compare

    found = compare(older, newer)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(f"from {found.older} to {found.newer}")
    for line in found.schema:
        typer.echo(line)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("table")
    for name in ("added", "removed", "changed", "unchanged"):
        table.add_column(name, justify="right")
    table.add_column("most changed columns")
    for name, one in found.tables.items():
        most = sorted(one.columns.items(), key=lambda item: (-item[1], item[0]))[:3]
        table.add_row(
            name,
            *(f"{count:,}" for count in (one.added, one.removed, one.changed, one.unchanged)),
            ", ".join(f"{column} {count:,}" for column, count in most),
        )
    Console().print(table, highlight=False)
