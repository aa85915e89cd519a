"""Commands of `harvester erase request`: requests of people to be erased, from the day they arrive to the receipt."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.choices import RequestChannel, RequestOutcome
from harvester.cli import output
from harvester.cli.base import AsJson, NamesCommand, example, group, moment, settings
from harvester.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.erasure.requests import ErasureRequest
    from harvester.warehouse.connection import Connection

app = group("Handle requests of people to be erased: open, verify, carry out, receipt, close.")

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The number of the request.")]


@contextmanager
def _warehouse() -> Iterator[Connection]:
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema

    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        yield connection


@app.command("open", cls=NamesCommand, epilog=example("harvester erase request open somebody --channel letter"))
def open_request(
    name: Annotated[str | None, typer.Argument(help="The username.")] = None,
    user_id: Annotated[int | None, typer.Option("--id", help="The user's id, instead of a name.")] = None,
    channel: Annotated[RequestChannel, typer.Option(help="How the request arrived.")] = RequestChannel.E_MAIL,
    received: Annotated[str | None, typer.Option(metavar="TIME", help="When it arrived; now unless given.")] = None,
    due: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it must be answered; a month later unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record a request, and print its number and the phrase that shows whose account it is.

    The person writes the phrase into "About me" of their profile. Name and id are forgotten with the erasure. Keep
    the person's address elsewhere, and only as long as you need it to answer.
    """
    from harvester.erasure.requests import open_request as run
    from harvester.erasure.requests import phrase_of

    at, until = moment("--received", received), moment("--due", due)
    with _warehouse() as connection:
        request = run(connection, settings().home, channel, name=name, user=user_id, received_at=at, due_at=until)
    phrase = phrase_of(settings().home, request)

    def show(_: Any) -> None:
        number = request.request_id
        typer.echo(f"request {number} is open, and is to be answered by {request.due_at:%Y-%m-%d}")
        if request.username is None:
            typer.echo(f"no name of the account is known: `harvester erase request verify {number} --by-hand REASON`")
        else:
            typer.echo(f'ask the person to write this into "About me" of their profile: {phrase}')
            typer.echo(f"then run `harvester erase request verify {number}`")

    output.emit(request.as_json() | {"phrase": phrase}, show, as_json=as_json)


@app.command("list", epilog=example("harvester erase request list --all"))
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too, of which nothing tells whose.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the requests by their deadline, with the phrase of those that wait for a proof."""
    from harvester.erasure.requests import phrase_of, read_requests

    home = settings().home
    with _warehouse() as connection:
        found = [
            (request, phrase_of(home, request) if request.state == "open" else None)
            for request in read_requests(connection, open_only=not everything)
        ]
    output.emit([one.as_json() | {"phrase": phrase} for one, phrase in found], _show_requests, as_json=as_json)


def _show_requests(requests: list[dict[str, Any]]) -> None:
    if not requests:
        typer.echo("no request is open")
        return
    table = output.table("request", "state", "arrived", "due", "account", "phrase", numbers=["request"])
    for one in output.shown(requests):
        account = one["username"] or ("" if one["user_id"] is None else str(one["user_id"]))
        due = f"{one['due_at']:%Y-%m-%d}" + (" [red]overdue[/]" if one["is_overdue"] else "")
        state = one["state"] + (f": {one['outcome']}" if one["outcome"] else "")
        arrived = f"{one['received_at']:%Y-%m-%d}"
        table.add_row(str(one["request_id"]), state, arrived, due, account, one["phrase"] or "")
    output.console().print(table)


@app.command(epilog=example("harvester erase request verify 1"))
def verify(
    number: Number,
    by_hand: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Record another proof, in a few words and without a name."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for the phrase of a request in the person's profile, by one request within the budget of the crawls.

    What is read is stored nowhere. An account that was deleted or renamed has no profile under its name: --by-hand.
    """
    if by_hand is None:
        from harvester.crawl.ownership import verify_by_profile

        request = verify_by_profile(settings(), number)
    else:
        from harvester.erasure.requests import record_verified

        with _warehouse() as connection:
            request = record_verified(connection, settings().home, number, reason=by_hand)
    output.emit(request.as_json(), _show_verified, as_json=as_json)


def _show_verified(request: dict[str, Any]) -> None:
    number = request["request_id"]
    typer.echo(
        f"request {number} is verified by {request['verified_by']}: `harvester erase request carry-out {number}`"
    )


@app.command("carry-out", epilog=example("harvester erase request carry-out 1"))
def carry_out(
    number: Number,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase the person of a verified request from tables, archives and lakes, for good.

    As `erase user`, `erase archives` and `dataset lake` do it. If it is stopped, the same command goes on.
    """
    from harvester.crawl.carry_out import carry_out as run

    if not yes:
        output.confirm(f"Erase the person of request {number} for good?")
    done = run(settings(), number, on_progress=lambda step: typer.echo(f"rewriting {step}", err=True))
    for problem in done.problems:
        output.complain(problem)
    if done.not_ours:
        names = ", ".join(done.not_ours)
        output.complain(
            f"{names}: removed rows are still in the files: run `harvester db maintain --rewrite` as the owner"
        )
    output.emit(done.request.as_json(), _show_carried_out, as_json=as_json)


def _show_carried_out(request: dict[str, Any]) -> None:
    number = request["request_id"]
    typer.echo(f"request {number} is carried out: `harvester erase request receipt {number}`, then close it")


@app.command(epilog=example("harvester erase request receipt 1"))
def receipt(number: Number, as_json: AsJson = False) -> None:
    """Print what was erased for a request, by table, and what is left to do: releases, backups.

    It names nobody. Send it to the person if you like, then close the request.
    """
    from harvester.erasure.requests import check_receipt, read_request

    with _warehouse() as connection:
        request = read_request(connection, number)
    check_receipt(request)
    output.emit(request.as_json(), lambda _: _show_receipt(request), as_json=as_json)


def _show_receipt(request: ErasureRequest) -> None:
    console = output.console()
    facts = output.shown(request.as_json())
    how = "the phrase in the profile" if facts["verified_by"] == "profile" else facts["reason"] or "hand"
    for name, at, more in (
        ("arrived", facts["received_at"], f" by {facts['channel']}"),
        ("verified", facts["verified_at"], f" by {how}"),
        ("erased", facts["erased_at"], ""),
        ("to be answered by", facts["due_at"], ""),
    ):
        if at is not None:
            console.print(f"[bold]{name}[/]  {at:%Y-%m-%d}{more}")
    removed = facts["removed"] or {}
    numbers = ("rows deleted", "emptied", "texts redacted")
    table = output.table("table", *numbers, numbers=numbers)
    parts = [removed.get(part, {}) for part in ("deleted", "emptied", "redacted")]
    for name in sorted({name for part in parts for name in part}):
        table.add_row(name, *(f"{part[name]:,}" if name in part else "" for part in parts))
    if table.row_count:
        console.print(table)
    console.print(f"[bold]files of sources[/]  {counted(removed.get('files', {}).get('deleted', 0), 'file')} deleted")
    if (archives := removed.get("archives")) is not None:
        console.print(
            f"[bold]archives[/]  {archives['removed']:,} records removed, {archives['changed']:,} changed in"
            f" {counted(archives['rewritten'], 'file')}"
        )
    for lake in removed.get("lakes_updated", ()):
        console.print(f"[bold]lake[/]  {lake} is updated")
    _show_what_is_left(console, facts)


def _show_what_is_left(console: Any, facts: dict[str, Any]) -> None:
    """Show which copies elsewhere the operator has to see to."""
    releases = facts["releases"] or []
    for one in releases:
        console.print(
            f"[yellow]tell the holders[/]  release {one['name']} ({one['profile']}), built {one['built_at'][:10]}"
        )
    if releases:
        console.print("the next release with `--previous DIR` lists the rows that they are to delete")
    for lake in (facts["removed"] or {}).get("lakes", ()):
        console.print(f"[yellow]lake[/]  {lake}: run `harvester dataset lake {lake} --i-am-allowed`")
    if (facts["removed"] or {}).get("archives") is None:
        console.print("[yellow]archives[/]  HARVESTER_ARCHIVE held none: `harvester erase archives DIR` for others")
    console.print(f"[yellow]destroy[/]  backups that were made before {facts['erased_at']:%Y-%m-%d %H:%M} UTC")


@app.command(epilog=example("harvester erase request close 1"))
def close(
    number: Number,
    outcome: Annotated[RequestOutcome, typer.Option(help="How it ended.")] = RequestOutcome.ERASED,
    as_json: AsJson = False,
) -> None:
    """Close a request: only a keyed hash and the dates stay of it, and its receipt is deleted."""
    from harvester.cli.erase import rewrite_tables
    from harvester.erasure.requests import close_request

    with _warehouse() as connection:
        request = close_request(connection, number, outcome)
        rewrite_tables(connection, ["crawl.erasure_requests"])
    output.emit(
        request.as_json(), lambda _: typer.echo(f"request {number} is closed: {request.outcome}"), as_json=as_json
    )
