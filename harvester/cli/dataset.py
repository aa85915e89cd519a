"""`harvester dataset`: research datasets."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harvester.cli.base import CommandGroup, settings
from harvester.errors import UsageError
from harvester.output import printable, shown

if TYPE_CHECKING:
    from enum import StrEnum

app = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Research datasets: built, described, verified, compared."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
Folder = Annotated[Path, typer.Argument(help="The folder of a release.", show_default=False)]


@app.command(epilog="Example: harvester dataset build release --profile open --k 20")
def build(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The release's own folder: new, or empty.")],
    *,
    profile: Annotated[
        str,
        typer.Option(
            help="Who it is for. open: anybody; restricted: whoever signed an agreement; internal: you alone."
        ),
    ] = "open",
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The state at a time, as 2026-06-01 or 2026-06-01T12:00 (UTC).")
    ] = None,
    seen_within: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS",
            help="Only what was confirmed visible within so many days; 400, in internal no bound.",
        ),
    ] = None,
    tombstones: Annotated[
        str | None,
        typer.Option(help="What is left of what is gone: drop, id-only or flags. drop, in internal flags."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="What is left of texts: none (open), features, redacted (restricted) or full (internal)."),
    ] = None,
    k: Annotated[int | None, typer.Option("--k", help="open: how many people share each row's values; 10.")] = None,
    previous: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The release before: what it held and this one does not is listed."),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Year, month and number, as 2026.06.0: of the state unless given."),
    ] = None,
    key: Annotated[
        str,
        typer.Option(help="release: pseudonyms of no other release; project: those of all releases of the profile."),
    ] = "release",
    formats: Annotated[
        str, typer.Option("--format", help="Any of parquet, csv, jsonl, with commas.")
    ] = "parquet,csv,jsonl",
    design: Annotated[
        int | None,
        typer.Option(metavar="ID", help="The sample whose weights are told; the newest of each kind of thing."),
    ] = None,
    i_am_allowed: Annotated[
        bool, typer.Option("--i-am-allowed", help="internal: that you may hold people's names and words.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a release: tables in several formats, and the files that describe them.

    Whoever was erased is in none. The same state gives the same bytes.
    """
    from harvester.dataset.build import Request
    from harvester.dataset.build import build as run
    from harvester.dataset.pseudonyms import KeyScope
    from harvester.dataset.release import Profile
    from harvester.dataset.rows import Text, Tombstones

    request = Request(
        folder,
        _one_of("--profile", Profile, profile),
        _time(as_of),
        seen_within,
        None if tombstones is None else _one_of("--tombstones", Tombstones, tombstones),
        None if text is None else _one_of("--text", Text, text),
        k,
        previous,
        release,
        _one_of("--key", KeyScope, key),
        _formats(formats),
        i_am_allowed,
        design,
    )
    if previous is not None:
        from harvester.dataset.snapshot import need_libraries

        need_libraries()
        from harvester.dataset.read import limit_memory

        limit_memory()
    made = run(settings(), request, tell=lambda what: typer.echo(what, err=True))
    if as_json:
        typer.echo(json.dumps(_facts(folder, made)))
    else:
        _show(folder, made)


def _one_of(option: str, choices: type[StrEnum], value: str) -> Any:
    try:
        return choices(value)
    except ValueError:
        raise UsageError(f"{option} {value}: one of {', '.join(choices)}") from None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text}: no time, such as 2026-06-01 or 2026-06-01T12:00") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _formats(text: str) -> tuple[str, ...]:
    known = ("parquet", "csv", "jsonl")
    chosen = {part.strip() for part in text.split(",")}
    if not chosen <= set(known):
        raise UsageError(f"--format {text}: any of {', '.join(known)}")
    return tuple(one for one in known if one in chosen)


def _facts(folder: Path, made: Any) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "release": made.name,
        "profile": str(made.profile),
        "as_of": made.as_of.isoformat(),
        "rows": {resource.name: resource.rows for resource in made.resources},
        "bytes": sum(file.bytes for resource in made.resources for file in resource.files),
        "parameters": made.parameters,
        "anonymity": made.anonymity,
        "changes": made.changes,
    }


def _show(folder: Path, made: Any) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "rows", "kB", "left out"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for resource in made.resources:
        if resource.name.startswith("teaser_"):
            continue
        left_out = made.anonymity.get(resource.name, {}).get("left_out", 0)
        size = sum(file.bytes for file in resource.files) / 1000
        table.add_row(resource.name, f"{resource.rows:,}", f"{size:,.0f}", f"{left_out:,}" if left_out else "")
    console = Console()
    console.print(table, highlight=False)
    console.print(f"release {made.name} ({made.profile}) in {shown(str(folder))}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: harvester dataset verify releases/2026.06.0")
def verify(folder: Folder, *, as_json: AsJson = False) -> None:
    """Check a release against what it says of itself: hashes, types, keys, references, descriptions, and nothing else.

    Names everything that is wrong. Exit status 1 if anything is.
    """
    from harvester.dataset.snapshot import need_libraries

    need_libraries()
    from harvester.dataset.read import limit_memory
    from harvester.dataset.verify import verify as check

    limit_memory()
    problems = check(folder)
    if as_json:
        typer.echo(json.dumps({"valid": not problems, "problems": [asdict(one) for one in problems]}))
    elif problems:
        for one in problems:
            typer.echo(printable(f"{one.path}: {one.what}"))
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
    from harvester.dataset.snapshot import need_libraries

    need_libraries()
    from harvester.dataset.diff import diff as compare
    from harvester.dataset.read import limit_memory

    limit_memory()
    found = compare(older, newer)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(printable(f"from {found.older} to {found.newer}"))
    for line in found.schema:
        typer.echo(printable(line))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("table")
    for name in ("added", "removed", "changed", "unchanged"):
        table.add_column(name, justify="right")
    table.add_column("most changed columns")
    for name, one in found.tables.items():
        most = sorted(one.columns.items(), key=lambda item: (-item[1], item[0]))[:3]
        table.add_row(
            shown(name),
            *(f"{count:,}" for count in (one.added, one.removed, one.changed, one.unchanged)),
            shown(", ".join(f"{column} {count:,}" for column, count in most)),
        )
    Console().print(table, highlight=False)
