"""Commands of `harvester db`: the embedded server and the schema."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harvester.cli import output
from harvester.cli.base import AsJson, example, group, settings
from harvester.errors import UsageError, WarehouseError
from harvester.wording import counted

if TYPE_CHECKING:
    from harvester.config import Settings

app = group("Start and stop the embedded server, and keep the schema.")


@app.command(epilog=example("harvester db up"))
def up(
    *,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Answer the role reader at 127.0.0.1:PORT too, now and at later starts; reader.pgpass in the home"
            " has its password.",
        ),
    ] = None,
    no_listen: Annotated[bool, typer.Option("--no-listen", help="Answer on the socket alone again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the embedded server, if it does not run, and leave it running."""
    from harvester.warehouse import embedded
    from harvester.warehouse.access import connect
    from harvester.warehouse.reader_login import grant_login, read_login
    from harvester.warehouse.roles import make_roles
    from harvester.warehouse.schema import use_schema

    home = _embedded(settings(), "started").home
    if listen and no_listen:
        raise UsageError("--listen and --no-listen exclude each other")
    if listen or no_listen:
        embedded.listen(home, listen)
    login = read_login(home)
    with connect(settings()) as connection:
        if listen and login:
            use_schema(connection)
            make_roles(connection)
            grant_login(connection, login)
    now, address = embedded.status(home), login.url(home) if login else None
    facts = {"running": now.running, "pid": now.pid, "data": str(now.data), "url": now.url, "reader_url": address}
    output.emit(facts, _show_server, as_json=as_json)


def _show_server(facts: dict[str, Any]) -> None:
    typer.echo(f"running (process {facts['pid']}) in {facts['data']}")
    if facts["reader_url"]:
        typer.echo(f"reading, by TCP: {facts['reader_url']}")


@app.command(epilog=example("harvester db down"))
def down() -> None:
    """Stop the embedded server. The data stay."""
    from harvester.warehouse import embedded

    home = _embedded(settings(), "stopped").home
    typer.echo("stopped" if embedded.down(home) else f"was not running in {home / 'postgres'}")


@app.command(epilog=example('psql "$(harvester db url)"'))
def url() -> None:
    """Print the URL of the database for psql and other clients; the embedded server is started if need be.

    With HARVESTER_DATABASE_URL it is that URL, with its password.
    """
    from harvester.warehouse.access import database_url

    typer.echo(database_url(settings()))


@app.command(epilog=example("harvester db source"))
def source(
    *,
    moved: Annotated[
        bool, typer.Option("--moved", help="Record the addresses of the settings: the same source answers there now.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the source of the warehouse: the addresses that it was harvested from.

    A crawl of another source is refused, since its rows could not be told from those of the first.
    """
    from harvester.warehouse.access import connect
    from harvester.warehouse.schema import check_schema, use_schema
    from harvester.warehouse.source import Source, move_source, read_source

    with connect(settings(), autocommit=True) as connection:
        (use_schema if moved else check_schema)(connection)
        source = read_source(connection)
        if moved and source is None:
            raise UsageError("the warehouse has no source yet: its first crawl records one")
        if moved and source is not None:
            source = Source.of(settings(), source.sandbox)
            move_source(connection, source)
    output.emit(
        None if source is None else source.as_json(),
        lambda _: typer.echo("no source yet: the first crawl records it" if source is None else str(source)),
        as_json=as_json,
    )


@app.command(
    epilog=example('harvester db psql -c "SELECT count(*) FROM scratch.projects"'),
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def psql(context: typer.Context) -> NoReturn:
    """Open psql on the database; all further arguments go to psql."""
    from harvester.warehouse.access import database_url
    from harvester.warehouse.clients import connection_of, find_psql
    from harvester.warehouse.connect import DATE_STYLE, TIME_ZONE

    environment, conninfo = connection_of(database_url(settings()))
    environment |= {b"PGTZ": TIME_ZONE.encode(), b"PGDATESTYLE": DATE_STYLE.encode()}
    program = find_psql()
    arguments: list[str | bytes] = ["psql", *context.args]
    if conninfo:
        arguments[1:1] = ["-d", conninfo.encode()]
    os.execve(program, arguments, environment)  # noqa: S606  (no shell: arguments as they are)


@app.command(epilog=example("harvester db migrate"))
def migrate(
    revision: Annotated[str, typer.Argument(help="Where to: a revision, or head.")] = "head",
    *,
    down: Annotated[bool, typer.Option("--down", help="Go back to REVISION, `base` = remove all tables.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the schema to the version that this harvester knows; of a new warehouse, make the secret key too."""
    from harvester.secret import secret_key
    from harvester.warehouse import schema
    from harvester.warehouse.access import server_url
    from harvester.warehouse.connect import open_connection

    if down and revision == "head":
        raise UsageError("--down needs the revision to go back to")
    target = server_url(settings())
    with open_connection(target) as connection:
        if schema.revision(connection) is None and not down:
            secret_key(settings().home)
    (schema.downgrade if down else schema.migrate)(target, revision)
    with open_connection(target) as connection:
        facts = {"revision": schema.revision(connection) or "base"}
    output.emit(facts, lambda told: typer.echo(f"schema at {told['revision']}"), as_json=as_json)


@app.command(epilog=example("harvester db roles"))
def roles(*, as_json: AsJson = False) -> None:
    """Make roles with no more rights than they need, harvester_crawler and harvester_reader.

    Run by the owner of the tables. Where that role may not create roles, an administrator creates the two first.
    They have no login. To let somebody in: CREATE ROLE me LOGIN PASSWORD '...' IN ROLE harvester_reader.
    """
    from harvester.warehouse import schema
    from harvester.warehouse.access import connect
    from harvester.warehouse.roles import make_roles

    with connect(settings()) as connection:
        schema.check_schema(connection)
        made = make_roles(connection)
    for name, rights in made.items():
        if not as_json:
            typer.echo(f"{name}  {rights}")
    if as_json:
        output.print_json(made)


@app.command(epilog=example("harvester db maintain --keep-days 30 --dry-run"))
def maintain(
    keep_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Days for which runs and quarantined responses are kept.")
    ] = 90,
    *,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite", help="Write all tables' files again, so that nothing deleted is left; not in a crawl."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be done, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete quarantined responses and records of runs that are old, and vacuum what changed.

    Of runs the newest 50 stay, and the first and the last under each version, API, contact and permission, so that
    the permission for each crawl stays on record. Nothing else is deleted but files in HARVESTER_SOURCES_DIR that no
    row names: no row of scratch or history, no visit.
    """
    from harvester.warehouse.access import connect
    from harvester.warehouse.maintenance import maintain as run

    with connect(settings(), autocommit=True) as connection:
        done = run(
            connection,
            keep_days=keep_days,
            dry_run=dry_run,
            whole=rewrite,
            on_progress=lambda table: typer.echo(table, err=True),
        )
    if as_json:
        output.print_json(done.as_json() | {"dry_run": dry_run})
        return
    verb = "would be" if dry_run else "were"
    for table, count in done.deleted.items():
        typer.echo(f"{counted(count, 'row')} of {table} {verb} deleted")
    if done.files.deleted:
        typer.echo(f"{counted(done.files.deleted, 'file')} of sources without a row {verb} deleted")
    for problem in done.files.problems:
        output.complain(problem)
    typer.echo(f"{len(done.vacuumed):,} tables {verb} {'rewritten' if rewrite else 'vacuumed and analysed'}")
    if done.busy:
        typer.echo(f"{len(done.busy):,} are being read: run the command again later")
    if done.not_ours:
        typer.echo(f"{len(done.not_ours):,} are left to their owner and to autovacuum")


@app.command(epilog=example("harvester db check --json"))
def check(*, as_json: AsJson = False) -> None:
    """Test the connection, the server's version, the schema's version and that the tables are as declared."""
    from harvester.warehouse import schema
    from harvester.warehouse.access import database_url
    from harvester.warehouse.connect import open_connection

    target = database_url(settings())
    with open_connection(target) as connection:
        server = connection.info.parameter_status("server_version") or "unknown"
        facts = {"connection": "ok", "server_version": server}
        if not as_json:
            typer.echo(f"ok  connected to PostgreSQL {server}")
        facts["schema_version"] = schema.check_schema(connection)
    if not as_json:
        typer.echo(f"ok  schema at {facts['schema_version']}, the newest")
    if difference := schema.drift(target):
        raise WarehouseError(f"the tables are not as declared: {difference}")
    if as_json:
        output.print_json(facts | {"tables": "as declared"})
    else:
        typer.echo("ok  tables as declared")


def _embedded(current: Settings, action: str) -> Settings:
    if current.database_url is not None:
        raise UsageError(f"HARVESTER_DATABASE_URL names a server that is not ours: it cannot be {action} from here")
    return current
