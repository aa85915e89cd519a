"""Commands of `harvester erase`: erasure of a person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from harvester.cli import output
from harvester.cli.archive import Places, named_places
from harvester.cli.base import AsJson, NamesCommand, example, group, settings
from harvester.errors import UsageError, WarehouseError
from harvester.wording import counted

app = group("Erase a person for good.")


@app.callback()
def _group() -> None:
    """Erase a person for good."""


@app.command(cls=NamesCommand, epilog=example("harvester erase user somebody --dry-run"))
def user(
    name: Annotated[str | None, typer.Argument(help="The username.")] = None,
    user_id: Annotated[int | None, typer.Option("--id", help="The user's id, instead of a name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    even_if_unknown: Annotated[
        bool, typer.Option("--even-if-unknown", help="Leave out a person of whom the warehouse has no account.")
    ] = False,
    no_rewrite: Annotated[
        bool, typer.Option("--no-rewrite", help="Leave deleted rows in the files of the tables for now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a person from every table, and leave them out of all later crawls, replays and datasets.

    Only a keyed hash stays, made with `secret.key` in HARVESTER_HOME. This cannot be undone.

    An id names one person; a name may have belonged to several.
    """
    from harvester.erasure.erase import erase, is_known
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    home = settings().home
    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        if not (even_if_unknown or is_known(connection, name, user=user_id)):
            raise UsageError(
                "the warehouse has no account of that name or id, and nothing was changed: check it, or leave the"
                " person out of all later crawls with --even-if-unknown"
            )
        if not (dry_run or yes):
            _show(erase(connection, home, name, user=user_id, dry_run=True), "would go")
            output.confirm("Remove all this for good?")
        erasure = erase(connection, home, name, user=user_id, dry_run=dry_run)
        if not as_json:
            _show(erasure, "would go" if dry_run else "is gone")
        rewritten = [] if no_rewrite or dry_run else rewrite_tables(connection, erasure.touched)
    if settings().archive is not None and not dry_run:
        typer.echo("archives still hold the person: run `harvester erase archives`", err=True)
    if as_json:
        output.print_json(erasure.as_json() | {"known": erasure.known, "rewritten": rewritten, "dry_run": dry_run})


@app.command("list", epilog=example("harvester erase list"))
def show_rules(as_json: AsJson = False) -> None:
    """List the erasures by date: when each was made, and how many hashes it left. No name is known of any.

    Those that stand in erased.txt alone were made in another warehouse, and count here too.
    """
    from harvester.erasure.remembered import read_rules
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        rules = read_rules(connection, settings().home)

    def show(_: Any) -> None:
        if not rules:
            typer.echo("nobody was erased")
            return
        table = output.table("erased at (UTC)", "hashes", numbers=["hashes"])
        for rule in rules:
            made = f"{rule.erased_at:%Y-%m-%d %H:%M:%S}" if rule.erased_at else "in another warehouse"
            table.add_row(made, f"{rule.hashes:,}")
        output.console().print(table)

    facts = [{"erased_at": rule.erased_at and rule.erased_at.isoformat(), "hashes": rule.hashes} for rule in rules]
    output.emit(facts, show, as_json=as_json)


@app.command(epilog=example("harvester erase archives archive"))
def archives(places: Places = None, as_json: AsJson = False) -> None:
    """Rewrite archives without the people who were erased, so that a replay gives the same.

    Their own pages go; in lists of others their items stay without names, ids and texts. Needs room for one file.
    """
    from harvester.crawl.archive_erasure import erase_from_archives
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        done = erase_from_archives(
            connection,
            settings().home,
            named_places(places),
            on_progress=lambda path: typer.echo(f"reading {path}", err=True),
        )
    output.emit(done.as_json(), _show_archives, as_json=as_json)


def _show_archives(done: dict[str, int]) -> None:
    typer.echo(
        f"{done['rewritten']:,} of {counted(done['files'], 'archive')} rewritten: {done['removed']:,} records removed,"
        f" {done['changed']:,} changed"
    )


@app.command(cls=NamesCommand, epilog=example("harvester erase revoke somebody"))
def revoke(
    name: Annotated[str | None, typer.Argument(help="The username by which the erasure was made.")] = None,
    user_id: Annotated[int | None, typer.Option("--id", help="The user's id, instead of a name.")] = None,
) -> None:
    """Forget the rule of an erasure that was made by mistake: the person may be harvested again.

    What was erased does not come back before that.
    """
    from harvester.erasure.erase import revoke as forget_rule
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        hashes = forget_rule(connection, settings().home, name, user=user_id)
    typer.echo(f"the rule is gone, with {hashes:,} hashes; `harvester seed users` puts the person in scope again")


@app.command(epilog=example("harvester erase repeat"))
def repeat(as_json: AsJson = False) -> None:
    """Repeat the erasures that stand in erased.txt and not in the warehouse: after it was restored by other means.

    `harvester backup restore` does it by itself.
    """
    from harvester.erasure.erase import repeat as run
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        erasure = run(connection, settings().home)
        if not (as_json or erasure.touched):
            typer.echo("nothing to erase again: the warehouse holds nothing of the people in erased.txt")
        elif not as_json:
            _show(erasure, "is gone")
        rewritten = rewrite_tables(connection, erasure.touched)
    if as_json:
        output.print_json(erasure.as_json() | {"rewritten": rewritten})


def rewrite_tables(connection: Any, tables: list[str]) -> list[str]:
    """Rewrite the tables of an erasure, and say which are left and what to do about them."""
    from harvester.warehouse.maintenance import rewrite

    later = "rows that were removed are still in the files: run `harvester db maintain --rewrite`"
    try:
        done = rewrite(connection, tables, on_progress=lambda table: typer.echo(f"rewriting {table}", err=True))
    except WarehouseError as error:
        typer.echo(f"{error}; {later} afterwards", err=True)
        return []
    if done.not_ours:
        typer.echo(f"{', '.join(done.not_ours)}: {later} as the owner of the tables", err=True)
    if done.busy:
        typer.echo(f"{', '.join(done.busy)}: being read, {later} afterwards", err=True)
    return done.rewritten


def _show(erasure: Any, title: str) -> None:
    console = output.console()
    if not erasure.known:
        console.print("the warehouse has no account of the person, who is left out of later crawls")
    numbers = ("rows deleted", "emptied", "texts redacted")
    table = output.table(title, *numbers, numbers=numbers)
    for name in sorted({*erasure.deleted, *erasure.emptied, *erasure.redacted}):
        counts = (part[name] for part in (erasure.deleted, erasure.emptied, erasure.redacted))
        table.add_row(name, *(f"{count:,}" if count else "" for count in counts))
    if table.row_count:
        console.print(table)
    if erasure.files.deleted:
        console.print(f"{counted(erasure.files.deleted, 'file')} of sources deleted")
    tell_files_left(erasure)


def tell_files_left(erasure: Any) -> None:
    """Say which folders may hold the person still: files of sources that could not be deleted, and lakes."""
    for problem in erasure.files.problems:
        output.complain(problem)
    for lake in erasure.lakes:
        update = f"harvester dataset lake {lake} --i-am-allowed"
        output.complain(f"the lake in {lake} holds the person until it is updated: run `{update}`")
