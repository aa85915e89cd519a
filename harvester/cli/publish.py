"""Commands of `harvester dataset`: releases for researchers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, moment, settings
from harvester.cli.output import ExitStatus, printable, shown
from harvester.dataset.release import FileFormat, KeyScope, Profile, Text, Tombstones
from harvester.wording import counted

PANEL = "Publish"

app = typer.Typer()
dataset = group("Build, describe, verify and compare research datasets.")
app.add_typer(dataset, name="dataset", rich_help_panel=PANEL)

Folder = Annotated[Path, typer.Argument(help="The folder of a release.", show_default=False)]
SharedBy = Annotated[
    int | None,
    typer.Option("--k", help="For open: the number of people who share each row's values; 10.", show_default=False),
]
Epsilon = Annotated[
    float | None,
    typer.Option(
        help="For open: what the figures with noise spend of the budget; 1. See dataset budget.", show_default=False
    ),
]
Design = Annotated[
    int | None,
    typer.Option(metavar="ID", help="The sample whose weights are written; the newest of each kind of item."),
]


@dataset.command(epilog=example("harvester dataset build releases/2026.06.0 --profile restricted --key project"))
def build(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write: new, or empty.")],
    *,
    profile: Annotated[
        Profile,
        typer.Option(
            help="Who may have it. open: anybody; restricted: researchers under an agreement; internal: you alone."
        ),
    ] = Profile.OPEN,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The state at a time, as 2026-06-01 or 2026-06-01T12:00 (UTC).")
    ] = None,
    seen_within: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS",
            help="Leave out what was not seen within this many days; 400, and no bound for internal.",
        ),
    ] = None,
    tombstones: Annotated[
        Tombstones | None,
        typer.Option(help="How much to keep of deleted rows; flags for internal, drop for others.", show_default=False),
    ] = None,
    text: Annotated[
        Text | None,
        typer.Option(
            help="How much to keep of texts; none for open, redacted for restricted, full for internal.",
            show_default=False,
        ),
    ] = None,
    k: SharedBy = None,
    epsilon: Epsilon = None,
    previous: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The release before this one: list the rows that are no longer published."),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name: year, month and number, as 2026.06.0; that of the state."),
    ] = None,
    key: Annotated[
        KeyScope,
        typer.Option(help="release: pseudonyms for this release alone; project: for all releases of the profile."),
    ] = KeyScope.RELEASE,
    formats: Annotated[
        list[FileFormat] | None,
        typer.Option("--format", help="A format to write; all unless given. May be repeated.", show_default=False),
    ] = None,
    design: Design = None,
    about: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Creators, DOI, licence and more, to cite it by; see `harvester dataset template`."
        ),
    ] = None,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Leave out change over time, which open never has.")
    ] = False,
    i_am_allowed: Annotated[
        bool, typer.Option("--i-am-allowed", help="For internal: you may hold people's names and texts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a release: tables in several formats, and the files that describe them.

    Erased people are left out. The same state gives the same bytes.
    """
    from harvester.dataset.about import read_statements
    from harvester.dataset.build import Request
    from harvester.dataset.build import build as run

    request = Request(
        folder,
        profile,
        moment("--as-of", as_of),
        seen_within,
        tombstones,
        text,
        k,
        previous,
        release,
        key,
        tuple(one for one in FileFormat if not formats or one in formats),
        i_am_allowed,
        design,
        history=not no_history,
        epsilon=epsilon,
        **({} if about is None else {"about": read_statements(about)}),
    )
    if previous is not None:
        from harvester.dataset.snapshot import need_libraries

        need_libraries()
        from harvester.dataset.read import limit_memory

        limit_memory()
    made = run(settings(), request, on_progress=lambda what: typer.echo(what, err=True))
    if as_json:
        output.print_json(_facts(folder, made))
    else:
        _show(folder, made)


@dataset.command(epilog=example("harvester dataset template > release.toml"))
def template() -> None:
    """Print a release.toml: what a release says of its makers, DOI, licence, funding and ethics.

    Complete it, and give it to `harvester dataset build DIR --about release.toml`.
    """
    from harvester.dataset.about import template as text

    typer.echo(text(), nl=False)


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
        "privacy": made.privacy,
        "changes": made.changes,
    }


def _show(folder: Path, made: Any) -> None:
    numbers = ("rows", "kB", "suppressed")
    table = output.table("table", *numbers, numbers=numbers)
    for resource in made.resources:
        if resource.name.startswith("teaser_"):
            continue
        suppressed = made.anonymity.get(resource.name, {}).get("suppressed", 0)
        size = sum(file.bytes for file in resource.files) / 1000
        table.add_row(resource.name, f"{resource.rows:,}", f"{size:,.0f}", f"{suppressed:,}" if suppressed else "")
    console = output.console()
    console.print(table)
    console.print(f"release {made.name} ({made.profile}) in {shown(str(folder))}", soft_wrap=True)


@dataset.command(epilog=example("harvester dataset budget"))
def budget(*, as_json: AsJson = False) -> None:
    """Show what the open releases have spent of the budget of differential privacy, and what is left.

    HARVESTER_PRIVACY_BUDGET is the epsilon of all together. A release with the same figures spends nothing again.
    """
    from harvester.dataset import ledger

    made = settings()
    spendings = ledger.read(made)
    spent, limit = ledger.epsilon_of(spendings), made.privacy_budget
    left = max(0.0, round(limit - spent, 9))
    if as_json:
        releases = [
            {"release": one.release, "epsilon": one.epsilon, "delta": one.delta, "built_at": one.built_at}
            for one in spendings
        ]
        output.print_json({"limit": limit, "spent": spent, "left": left, "releases": releases})
        return
    table = output.table("release", "epsilon", "delta", "built", numbers=("epsilon", "delta"))
    for one in spendings:
        table.add_row(shown(one.release), f"{one.epsilon:g}", f"{one.delta:g}", f"{one.built_at:%Y-%m-%d %H:%M}")
    if spendings:
        output.console().print(table)
    typer.echo(f"epsilon {spent:g} of {limit:g} is spent, {left:g} is left")


@dataset.command(epilog=example("harvester dataset verify releases/2026.06.0"))
def verify(folder: Folder, *, as_json: AsJson = False) -> None:
    """Check a release against its manifest: hashes, types, keys, references and descriptions.

    List every problem, and exit with status 1 if there is any.
    """
    from harvester.dataset.snapshot import need_libraries

    need_libraries()
    from harvester.dataset.read import limit_memory
    from harvester.dataset.verify import verify as check

    limit_memory()
    _show_problems(check(folder), "OK: the release matches its manifest", as_json=as_json)


def _show_problems(problems: list[Any], right: str, *, as_json: bool) -> None:
    """Print problems, or that all is right; exit with status 1 if there are any."""
    if as_json:
        output.print_json({"valid": not problems, "problems": [asdict(problem) for problem in problems]})
    elif problems:
        for problem in problems:
            typer.echo(printable(f"{problem.path}: {problem.what}"))
        typer.echo(f"{counted(len(problems), 'problem')} found")
    else:
        typer.echo(right)
    if problems:
        raise typer.Exit(ExitStatus.FAILED)


@dataset.command(epilog=example("harvester dataset diff releases/2026.05.0 releases/2026.06.0"))
def diff(
    older: Folder,
    newer: Annotated[Path, typer.Argument(help="The folder of a later release.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two releases: rows added, removed and changed by table, and what changed in tables and columns.

    Releases with different pseudonym keys cannot be compared.
    """
    from harvester.dataset.snapshot import need_libraries

    need_libraries()
    from harvester.dataset.diff import diff as compare
    from harvester.dataset.read import limit_memory

    limit_memory()
    changes = compare(older, newer)
    if as_json:
        output.print_json(asdict(changes))
    else:
        _show_changes(changes)


def _show_changes(changes: Any) -> None:
    typer.echo(printable(f"from {changes.older} to {changes.newer}"))
    for line in changes.schema:
        typer.echo(printable(line))
    numbers = ("added", "removed", "changed", "unchanged")
    table = output.table("table", *numbers, "most changed columns", numbers=numbers)
    for name, one in changes.tables.items():
        most = sorted(one.columns.items(), key=lambda item: (-item[1], item[0]))[:3]
        table.add_row(
            shown(name),
            *(f"{count:,}" for count in (one.added, one.removed, one.changed, one.unchanged)),
            shown(", ".join(f"{column} {count:,}" for column, count in most)),
        )
    output.console().print(table)


@dataset.command(epilog=example("harvester dataset lake lake --i-am-allowed"))
def lake(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder: a lake, or for the first run new or empty.")
    ],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: compare the lake with the warehouse as it is now.")
    ] = False,
    i_am_allowed: Annotated[
        bool, typer.Option("--i-am-allowed", help="You may hold people's names and texts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write all tables as Parquet files for DuckDB or Spark, or update those files by what has changed.

    Each table is a folder below DIR/current. Readers see the lake before the run or after it. Erased people are in no
    file any more. With --check every difference is listed, and the exit status is 1 if there is any.
    """
    from harvester.dataset import lake as lakes

    if check:
        _show_problems(lakes.check(settings(), folder), "OK: the lake is as the warehouse", as_json=as_json)
        return
    request = lakes.LakeRequest(folder, is_allowed=i_am_allowed)
    done = lakes.update(settings(), request, on_progress=lambda what: typer.echo(what, err=True))
    found = {
        name: {
            "rows": one.rows,
            "bytes": one.bytes,
            "files": len(one.parts),
            "files_written": done.files_written[name],
            "rows_written": done.rows_written[name],
        }
        for name, one in done.manifest.tables.items()
    }
    facts = {"folder": str(folder), "as_of": done.manifest.as_of, "changed": done.is_changed, "tables": found}
    output.emit(facts, _show_lake, as_json=as_json)


def _show_lake(facts: dict[str, Any]) -> None:
    numbers = ("rows", "kB", "files", "files written", "rows written")
    table = output.table("table", *numbers, numbers=numbers)
    for name, one in facts["tables"].items():
        size = one["bytes"] / 1000
        counts = (one["files"], one["files_written"], one["rows_written"])
        table.add_row(name, f"{one['rows']:,}", f"{size:,.0f}", *(f"{count:,}" for count in counts))
    console = output.console()
    console.print(table)
    state = "" if facts["changed"] else "nothing has changed: "
    console.print(f"{state}lake in {shown(facts['folder'])}, as of {facts['as_of']}", soft_wrap=True)
