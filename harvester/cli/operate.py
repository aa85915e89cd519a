"""Commands that operate a warehouse: database, backups, rate, schedule, metrics, replay, network and erasure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.choices import DeploymentKind
from harvester.cli import archive, backup, db, erase, erase_request, network, output
from harvester.cli.base import Address, AllowHost, AsJson, example, moment, settings
from harvester.cli.output import ExitStatus, printable
from harvester.cli.replay_progress import ReplayProgress
from harvester.errors import UsageError
from harvester.wording import counted

if TYPE_CHECKING:
    from harvester.crawl.archive_index import Choice
    from harvester.crawl.partial_replay import PartialReplay

PANEL = "Operate"
_WIDEST = 60
"""Characters of a value that a difference shows."""
_SHOWN = 50
"""Differences that are shown."""

app = typer.Typer()
app.add_typer(db.app, name="db", rich_help_panel=PANEL)
app.add_typer(backup.app, name="backup", rich_help_panel=PANEL)


@app.command(rich_help_panel=PANEL, epilog=example("harvester rate 2"))
def rate(
    requests_per_second: Annotated[
        float | None,
        typer.Argument(
            metavar="[RATE]", help="The new rate, in requests per second; 0: unlimited, for loopback hosts only."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change the request rate, which all workers of the warehouse share on all machines.

    The first crawl of a warehouse records HARVESTER_RATE, 5 requests per second unless it is set. Later crawls need no
    HARVESTER_RATE, and are refused where it is set to another rate. A change is recorded with its time, user, host and
    database role; running workers follow it at once.
    """
    from harvester.frontier.request_rate import change_rate, read_changes

    is_changed = requests_per_second is not None and change_rate(settings(), requests_per_second)
    changes = read_changes(settings())
    if as_json:
        now = changes[0].rate if changes else None
        output.print_json({"rate": now, "changed": is_changed, "changes": [change.as_json() for change in changes]})
    else:
        _show_rate(changes)


def _show_rate(changes: list[Any]) -> None:
    from harvester.frontier.request_rate import describe

    if not changes:
        typer.echo(f"not recorded yet: the first crawl records HARVESTER_RATE, {describe(settings().rate)}")
    for position, change in enumerate(changes):
        since = printable(f"{change.changed_at:%Y-%m-%d %H:%M} UTC by {change.changed_by}, role {change.database_role}")
        typer.echo(f"{describe(change.rate)}{'' if position else ', now'}, since {since}")
    if changes and settings().rate_is_set and settings().rate != changes[0].rate:
        typer.echo(
            f"HARVESTER_RATE is {describe(settings().rate)}: unset it, or crawls from here are refused", err=True
        )


@app.command(rich_help_panel=PANEL, epilog=example("harvester fit"))
def fit(as_json: AsJson = False) -> None:
    """Fit the schedule to what visits found so far: how many new items each list is expected to have.

    The first crawl of a day does it too; run it at night so that no crawl has to.
    """
    from harvester.frontier.fitting import begin_fit
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import use_schema

    with connect(settings(), autocommit=True) as connection:
        use_schema(connection)
        fitting = begin_fit(connection, is_due=True)
        while fitting is not None and fitting.step(connection):
            pass
        row = connection.execute("SELECT count(*), coalesce(sum(lists), 0)::bigint FROM crawl.priors").fetchone()
    priors, lists = row or (0, 0)
    output.emit({"priors": priors, "lists": lists}, _show_fit, as_json=as_json)


def _show_fit(facts: dict[str, int]) -> None:
    typer.echo(f"{facts['priors']:,} priors, fitted to {facts['lists']:,} lists")


@app.command(rich_help_panel=PANEL, epilog=example("harvester metrics"))
def metrics(
    serve: Annotated[
        int | None, typer.Option("--serve", min=1, max=65535, metavar="PORT", help="Answer scrapes on this port.")
    ] = None,
    address: Address = "127.0.0.1",
    allow_host: AllowHost = None,
) -> None:
    """Print metrics of all workers for Prometheus, or serve them."""
    from harvester.monitoring import metrics

    if serve is None:
        typer.echo(metrics.exposition(settings()).decode(), nl=False)
    else:
        metrics.serve(settings(), address=address, port=serve, names=allow_host or ())


@app.command(
    rich_help_panel=PANEL,
    epilog=example("HARVESTER_DATABASE_URL=postgresql:///again harvester replay archive/*.warc.gz"),
)
def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR...", help="WARC files of HARVESTER_ARCHIVE, or folders of them.")
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare the warehouse with its archives, and change nothing."),
    ] = False,
    stream: Annotated[
        list[str] | None,
        typer.Option(metavar="STREAM", help="Rewrite the table of this stream only; may be repeated."),
    ] = None,
    entity: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="Rewrite the rows of this list or object only; may be repeated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only lists and objects read from this time on, UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only those read before this time, UTC.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the responses of the choice by stream, and change nothing.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Number of processes: one stores the pages, the others decode them.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Fill an empty warehouse from archives, without a request: the same rows with the same dates.

    Erased people are left out. A replay that was stopped at any moment goes on when it is given the same files again.

    With --check the archives are replayed into a temporary database beside the warehouse, and each difference is named
    by table, key and column; the exit status is 4 if there is one. No crawl may be at work when the check begins. It
    needs as much room as the warehouse takes, and a role that may create databases.

    With --stream, --since or --until a warehouse in use is rewritten in part: the archives are replayed into such a
    database, and the rows of the chosen lists and objects, with their history, become what the replay made. Rows that a
    crawl without archive read, or may have read, stay as they are, and so does the frontier.
    """
    from harvester.crawl.archive_index import Choice, archives_in

    archives = archives_in(files)
    choice = Choice(
        frozenset(stream or ()), frozenset(entity or ()), moment("--since", since), moment("--until", until)
    )
    if choice == Choice():
        if dry_run:
            raise UsageError("--dry-run is for a replay in part: add --stream, --since or --until")
        _replay_all(archives, check=check, workers=workers, as_json=as_json)
    elif check:
        raise UsageError("--check compares all: leave out --stream, --entity, --since and --until")
    else:
        _replay_in_part(archives, choice, workers=workers, dry_run=dry_run, as_json=as_json)


def _replay_all(archives: list[Path], *, check: bool, workers: int, as_json: bool) -> None:
    from harvester.crawl.replay import replay as run
    from harvester.crawl.replay_check import check as run_check

    on_progress = ReplayProgress()
    if not check:
        output.emit(run(settings(), archives, workers=workers, on_progress=on_progress), _show_replay, as_json=as_json)
        return
    checked = run_check(settings(), archives, workers=workers, on_progress=on_progress)
    output.emit(checked, _show_check, as_json=as_json)
    if not checked.is_equal:
        raise typer.Exit(ExitStatus.DIFFERENT)


def _replay_in_part(archives: list[Path], choice: Choice, *, workers: int, dry_run: bool, as_json: bool) -> None:
    from harvester.crawl import partial_replay

    if dry_run:
        output.emit(partial_replay.preview(settings(), archives, choice), _show_preview, as_json=as_json)
        return
    done = partial_replay.replay_in_part(
        settings(),
        archives,
        choice,
        workers=workers,
        on_progress=ReplayProgress(),
        on_table=lambda name: typer.echo(f"rewriting {name}", err=True),
    )
    output.emit(done, _show_in_part, as_json=as_json)


def _show_preview(found: PartialReplay) -> None:
    table = output.table("stream", "responses", numbers=("responses",))
    for name, count in found.responses.items():
        table.add_row(name, f"{count:,}")
    output.console().print(table)
    tables = ", ".join(found.tables)
    typer.echo(f"All responses would be replayed, and the rows of these lists and objects rewritten in: {tables}.")
    _show_without_archive(found.runs_without_archive)


def _show_in_part(done: PartialReplay) -> None:
    names = ("inserted", "updated", "histories", "unproven", "not replayed")
    table = output.table("table", *names, numbers=names)
    for name, one in done.tables.items():
        numbers = (one.inserted, one.updated, one.histories, one.unproven, one.not_replayed)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    output.console().print(table)
    if done.added:
        typer.echo(f"{counted(done.added, 'row')} of other tables were added, which these refer to")
    _show_without_archive(done.runs_without_archive)


def _show_without_archive(runs: list[int]) -> None:
    if runs:
        typer.echo(f"in no archive that was named: runs {', '.join(map(str, runs))}; what they read stays")


def _show_replay(done: Any) -> None:
    typer.echo(
        f"{counted(done.pages, 'page')} replayed; {done.unused:,} responses were not used or are of people"
        f" who were erased, {done.out_of_step:,} fit no visit"
    )


def _show_check(checked: Any) -> None:
    rows = f"{counted(sum(checked.rows.values()), 'row')} of {counted(len(checked.rows), 'table')}"
    if checked.is_equal:
        typer.echo(f"OK: {rows} equal the replay of the archives ({counted(checked.replayed.pages, 'page')})")
        _show_explained(checked.explained)
        return
    table = output.table("table", "key", "difference", "warehouse", "replay")
    for one in checked.listed[:_SHOWN]:
        key = " ".join(f"{name}={_brief(value)}" for name, value in one.key.items())
        values = [one.kind, "", ""] if one.column is None else [one.column, _brief(one.warehouse), _brief(one.replay)]
        table.add_row(*output.shown([one.table, key, *values]))
    output.console().print(table)
    if len(checked.listed) > _SHOWN:
        typer.echo(f"the first {_SHOWN:,} of these differences; --json has {len(checked.listed):,}")
    total = counted(sum(checked.counts.values()), "difference")
    typer.echo(f"{total}: {_by_table(checked.counts)}; {rows} were compared")
    _show_explained(checked.explained)
    if checked.runs_without_archive:
        runs = ", ".join(map(str, checked.runs_without_archive))
        typer.echo(f"their responses are in no archive that was named: runs {runs}")


def _show_explained(counts: dict[str, int]) -> None:
    if counts:
        typer.echo(
            f"{counted(sum(counts.values()), 'more difference')}: {_by_table(counts)}. Pages of people who were erased"
            " may have shown these values, and no archive has such pages any more; --json lists them"
        )


def _by_table(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} in {name}" for name, number in counts.items())


def _brief(value: Any) -> str:
    text = "null" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


app.add_typer(archive.app, name="archive", rich_help_panel=PANEL)


@app.command(rich_help_panel=PANEL, epilog=example("harvester deploy cron schedule"))
def deploy(
    kind: Annotated[DeploymentKind, typer.Argument(help="What starts the commands, or watches them.")],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the files go, and stay: they name it.", file_okay=False)
    ],
    backups: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Back up into this folder every night, and keep seven: best on another disk."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ; .env is kept.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the files that start crawls, audits, figures, maintenance and backups on time, or that watch them.

    Programs stand in them by absolute paths. Settings go to DIR/.env (mode 0600), which is never replaced; no secret
    is written.
    """
    from harvester.deploy import files

    written = files.deploy(kind, files.Place.here(kind, folder, settings(), backups), settings(), force=force)
    output.emit(written, _show_written, as_json=as_json)
    for warning in written.warnings:
        output.complain(warning)


def _show_written(written: Any) -> None:
    for path, outcome in written.files.items():
        typer.echo(f"{outcome:9} {printable(str(path))}")
    typer.echo("Next:")
    for step in written.steps:
        typer.echo(f"  {printable(step)}")


app.add_typer(network.app, name="network", rich_help_panel=PANEL)
erase.app.add_typer(erase_request.app, name="request")
app.add_typer(erase.app, name="erase", rich_help_panel=PANEL)
