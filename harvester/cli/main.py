"""The command line: each command a few lines that call a function elsewhere."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harvester.cli.analytics import app as analytics_app
from harvester.cli.base import DEGRADED, AllowHost, CommandGroup, settings
from harvester.cli.dataset import app as dataset_app
from harvester.cli.db import app as db_app
from harvester.cli.network import app as network_app
from harvester.cli.quarantine import app as quarantine_app
from harvester.cli.report import report
from harvester.cli.sampling import register as register_samples
from harvester.errors import UsageError, WarehouseError
from harvester.output import printable, shown
from harvester.signals import INTERRUPTED

app = typer.Typer(
    cls=CommandGroup,
    name="harvester",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Keeps a PostgreSQL warehouse of the public Scratch community: complete, dated, fresh within a budget.\n\n"
    "Start with `harvester demo`, which needs nothing but this machine.",
)
seed_app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Put users, projects or studios in scope.")
app.add_typer(db_app, name="db")
app.add_typer(network_app, name="network")
erase_app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Erase a person, for good.")
app.add_typer(seed_app, name="seed")
register_samples(seed_app)
app.add_typer(erase_app, name="erase")
app.add_typer(quarantine_app, name="quarantine")
app.command()(report)
app.add_typer(analytics_app, name="analytics")
app.add_typer(dataset_app, name="dataset")

_EXITS = {"interrupted": INTERRUPTED, "degraded": DEGRADED}

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
Depth = Annotated[
    int,
    typer.Option(
        help="Hops from a seed that are walked too; 0: the seed and what it owns. Whoever is met beyond gets a row."
    ),
]


@app.command()
def demo(
    users: Annotated[int, typer.Option(min=20, max=100_000, help="Users of the made-up community.")] = 200,
    seed: Annotated[int, typer.Option(help="The community is the same for the same seed.")] = 1,
) -> None:
    """Run the whole pipeline on this machine alone: database, sandbox, crawl, change, crawl again, dataset, report.

    Example: `harvester demo --users 500`
    """
    from harvester.cli.demo import run

    run(settings(), users=users, seed=seed)


@seed_app.command("users")
def seed_users(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    by_id: Annotated[
        bool,
        typer.Option("--by-id", help="Ids are given instead, of users whose names the warehouse knows. Asks nothing."),
    ] = False,
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put users in scope by name: their lists, their projects and the comments on these.

    Example: `harvester seed users griffpatch mres --depth 1`
    """
    from harvester.api.stream import Kind
    from harvester.crawl.seeding import seed_ids
    from harvester.crawl.seeding import seed_users as seed

    counts = seed_ids(settings(), Kind.USER, names, depth) if by_id else seed(settings(), names, depth)
    _seeded("user", counts, depth, as_json=as_json)


@seed_app.command("projects")
def seed_projects(
    ids: Annotated[list[str], typer.Argument(metavar="ID...")], depth: Depth = 0, as_json: AsJson = False
) -> None:
    """Put projects in scope by id: their comments, remixes and studios.

    Example: `harvester seed projects 142 864`
    """
    from harvester.api.stream import Kind
    from harvester.crawl.seeding import seed_ids

    _seeded("project", seed_ids(settings(), Kind.PROJECT, ids, depth), depth, as_json=as_json)


@seed_app.command("studios")
def seed_studios(
    ids: Annotated[list[str], typer.Argument(metavar="ID...")], depth: Depth = 0, as_json: AsJson = False
) -> None:
    """Put studios in scope by id: their projects, members and comments.

    Example: `harvester seed studios 5342 --depth 1`
    """
    from harvester.api.stream import Kind
    from harvester.crawl.seeding import seed_ids

    _seeded("studio", seed_ids(settings(), Kind.STUDIO, ids, depth), depth, as_json=as_json)


Things = Annotated[
    list[str] | None,
    typer.Option("--things", help="projects or studios; both unless given. May be repeated."),
]
Mode = Annotated[str, typer.Option(help="The order: popular or trending.")]
Language = Annotated[str, typer.Option(help="The language that the ranking is asked for in.")]
Pages = Annotated[int, typer.Option(help="Pages of 40 to read at each visit; no ranking can be read below 250.")]


@seed_app.command("explore")
def seed_explore(
    query: Annotated[str, typer.Option(help="A tag, such as games; * for all.")] = "*",
    mode: Mode = "trending",
    language: Language = "en",
    pages: Pages = 5,
    things: Things = None,
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put the site's explore pages in scope: whatever stands there, each sighting kept with its place.

    Example: `harvester seed explore --query games --mode popular --pages 10`
    """
    _seed_rankings("explore", query, mode, language, pages, things, depth, as_json=as_json)


@seed_app.command("search")
def seed_search(
    query: Annotated[str, typer.Option(help="What to look for.")],
    mode: Mode = "popular",
    language: Language = "en",
    pages: Pages = 5,
    things: Things = None,
    depth: Depth = 0,
    as_json: AsJson = False,
) -> None:
    """Put a search in scope: its projects or studios, and the place of each in the ranking.

    Example: `harvester seed search --query "pixel art" --things projects`
    """
    _seed_rankings("search", query, mode, language, pages, things, depth, as_json=as_json)


@seed_app.command("front-page")
def seed_front_page(depth: Depth = 0, as_json: AsJson = False) -> None:
    """Put the site's front page in scope: every row of it, each entry kept with its place.

    Example: `harvester seed front-page`
    """
    _seed_rankings("front-page", "", "popular", "en", 1, None, depth, as_json=as_json)


def _seed_rankings(
    way: str,
    query: str,
    mode: str,
    language: str,
    pages: int,
    things: list[str] | None,
    depth: int,
    *,
    as_json: bool,
) -> None:
    from harvester.api.rows import Query
    from harvester.crawl.seeding import seed_rankings

    chosen = list(dict.fromkeys(things or ("projects", "studios")))
    if wrong := [thing for thing in chosen if thing not in ("projects", "studios")]:
        raise UsageError(f"--things {wrong[0]}: projects or studios")
    streams, new, known = seed_rankings(settings(), way, chosen, Query(query, mode, language, pages), depth)
    if as_json:
        typer.echo(json.dumps({"streams": streams, "new": new, "known": known, "depth": depth}))
    else:
        typer.echo(
            f"{', '.join(streams)}: {new} new, {known} known before, at depth {depth}; `harvester crawl` reads them"
        )


@app.command()
def streams(
    name: Annotated[str | None, typer.Argument(help="One stream, in full.")] = None, as_json: AsJson = False
) -> None:
    """The endpoints that are harvested: how each is read, where its rows go, and notes on how the source answers.

    Example: `harvester streams profile_comments`
    """
    from harvester.api.reference import entry, facts

    found = facts()
    if name is not None:
        found = [one for one in found if one["stream"] == name]
        if not found:
            raise UsageError(f"no stream is called {name!r}: see `harvester streams`")
    if as_json:
        typer.echo(json.dumps(found))
        return
    if name is not None:
        typer.echo(entry(name))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("stream", "spider", "endpoint", "tables"):
        table.add_column(column, no_wrap=column != "tables")
    for one in found:
        table.add_row(one["stream"], one["spider"], one["endpoint"], ", ".join(one["writes"]))
    Console().print(table, highlight=False)


@app.command()
def crawl(
    spider: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this spider: users, projects, studios, comments, replies or discovery. May be repeated."
        ),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Visit everything in scope once now, incrementally.")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Read every list in scope again in full.")] = False,
    share: Annotated[
        str | None,
        typer.Option(help="Spend all on one share of HARVESTER_SHARES: discovery, scheduled, recheck or audit."),
    ] = None,
    max_requests: Annotated[int | None, typer.Option(help="Begin nothing more after so many requests.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Begin nothing more after so many minutes.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that share the work and the budget.")] = 1,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log one JSON line an event, instead of progress.")
    ] = False,
    parent_run: Annotated[int | None, typer.Option(hidden=True, help="The run that this worker works for.")] = None,
    due_only: Annotated[bool, typer.Option("--due-only", hidden=True, help="Visit nothing because it pays.")] = False,
    as_json: AsJson = False,
) -> None:
    """Work until nothing is due, or a bound is met. Ctrl-C finishes what is in flight; twice stops at once.

    All workers of a warehouse, on whatever machines, share one rate of requests: see `harvester rate`.

    Ends with 3 when the crawl is done but something about it is wrong, compared with those before: it says what.

    Example: `harvester crawl --max-minutes 30 --workers 2`
    """
    from harvester.crawl.run import CrawlOptions, work_for
    from harvester.crawl.run import crawl as run

    if log_json:
        os.environ["HARVESTER_LOG_JSON"] = "1"  # for workers of our own too
    order = CrawlOptions(tuple(spider or ()), refresh, audit, max_requests, max_minutes, workers, share)
    summary = (
        run(settings(), order) if parent_run is None else work_for(settings(), parent_run, order, due_only=due_only)
    )
    if as_json:
        typer.echo(json.dumps(summary.as_json()))
    else:
        _show_summary(summary)
    if summary.outcome in _EXITS:
        raise typer.Exit(_EXITS[summary.outcome])


@app.command()
def status(as_json: AsJson = False) -> None:
    """Scope, rows, backlog, freshness, budget used, failures and quarantine.

    Example: `harvester status --json`
    """
    from harvester.monitoring.status import read_status, show

    facts = read_status(settings())
    if as_json:
        typer.echo(json.dumps(facts, default=str))
    else:
        show(Console(), facts)


@app.command()
def fit(as_json: AsJson = False) -> None:
    """Fit what lists are expected to bring to what visits have found. The first crawl of a day does it unasked.

    Example: `harvester fit`, by night, so that no crawl has to
    """
    from harvester.frontier.fitting import fit_schedule
    from harvester.warehouse.connect import connect
    from harvester.warehouse.schema import use_schema

    with connect(settings(), autocommit=True) as connection:
        use_schema(connection)
        fit_schedule(connection, full=True)
        row = connection.execute("SELECT count(*), coalesce(sum(lists), 0)::bigint FROM crawl.priors").fetchone()
    priors, lists = row or (0, 0)
    if as_json:
        typer.echo(json.dumps({"priors": priors, "lists": lists}))
    else:
        typer.echo(f"{priors:,} priors, fitted to {lists:,} lists")


@app.command()
def metrics(
    serve: Annotated[
        int | None, typer.Option("--serve", min=1, max=65535, metavar="PORT", help="Answer scrapes on this port.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="The address to answer on; any other than this machine's own lets others in.")
    ] = "127.0.0.1",
    allow_host: AllowHost = None,
) -> None:
    """Figures for Prometheus, of all workers together: printed once, or served.

    Example: `harvester metrics --serve 9187`
    """
    from harvester.monitoring import metrics

    if serve is None:
        typer.echo(metrics.exposition(settings()).decode(), nl=False)
    else:
        metrics.serve(settings(), address=address, port=serve, names=allow_host or ())


@app.command()
def rate(
    requests_per_second: Annotated[
        float | None,
        typer.Argument(metavar="[REQUESTS_PER_SECOND]", help="The new rate; 0: unlimited, for loopback hosts only."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change the rate of requests, which the warehouse holds for all its workers, on whatever machines.

    The first crawl of a warehouse records HARVESTER_RATE, 5 requests per second unless it is set. Later crawls need no
    HARVESTER_RATE, and are refused where it is set to another rate. A change is recorded with its time, user, host and
    database role; workers that run follow it at once.

    Example: `harvester rate 2`
    """
    from harvester.frontier.request_rate import change_rate, describe, read_changes

    is_changed = requests_per_second is not None and change_rate(settings(), requests_per_second)
    changes = read_changes(settings())
    if as_json:
        now = changes[0].rate if changes else None
        typer.echo(json.dumps({"rate": now, "changed": is_changed, "changes": [one.as_json() for one in changes]}))
        return
    if not changes:
        typer.echo(f"not recorded yet: the first crawl records HARVESTER_RATE, {describe(settings().rate)}")
    for place, one in enumerate(changes):
        words = printable(f"{one.changed_at:%Y-%m-%d %H:%M} UTC by {one.changed_by}, role {one.database_role}")
        typer.echo(f"{describe(one.rate)}{'' if place else ', now'}, since {words}")
    if changes and settings().rate_is_set and settings().rate != changes[0].rate:
        typer.echo(
            f"HARVESTER_RATE is {describe(settings().rate)}: unset it, or crawls from here are refused", err=True
        )


@app.command()
def plan(
    rate: Annotated[
        float | None,
        typer.Option(help="Requests per second; unless given, the warehouse's (`harvester rate`).", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forecast delay and freshness by stream for a request rate, from the arrival rates observed so far.

    Delay is the mean time from the appearance of an item to the visit that finds it, over the new items of all lists;
    fresh is the share of lists that hold nothing unseen. Requests are those of scheduled visits as these were measured,
    pages below the head included, of pages that new items fill, and of whole lists every 180 days.

    Before the first crawl the site's published totals stand in for them, and without a scope the whole site for it.

    Example: `harvester plan --rate 2`
    """
    from harvester.monitoring.plan import read_plan, show

    facts = read_plan(settings(), rate)
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        show(Console(), facts)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="WARC files of HARVESTER_ARCHIVE.")],
    as_json: AsJson = False,
) -> None:
    """Fill an empty warehouse from archives, without a request: the same rows, dated as they were.

    Whoever was erased is left out.

    Example: `HARVESTER_DATABASE_URL=postgresql:///again harvester replay archive/*.warc.gz`
    """
    from harvester.crawl.replay import replay as run

    def tell(done: Any) -> None:
        typer.echo(f"{done.pages:,} pages", err=True)

    done = run(settings(), files, tell=tell)
    if as_json:
        typer.echo(json.dumps(done.as_json()))
        return
    typer.echo(
        f"{done.pages:,} pages replayed; {done.unused:,} responses were not used or are of people who were erased,"
        f" {done.out_of_step:,} fit no walk"
    )


@erase_app.command("user")
def erase_user(
    name: Annotated[str | None, typer.Argument(help="The username.")] = None,
    user: Annotated[int | None, typer.Option("--id", help="The user's id, instead of a name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    rewrite: Annotated[
        bool, typer.Option(help="Write the files of the tables again, so that nothing deleted is left in them.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Remove a person from every table, and leave them out of all later crawls, replays and datasets.

    Only a keyed hash stays, made with `secret.key` in HARVESTER_HOME. There is no way back.

    By id it is certain who is meant: a name may have been several people's.

    Example: `harvester erase user somebody --dry-run`
    """
    from harvester.erasure.erase import erase
    from harvester.warehouse.connect import connect
    from harvester.warehouse.schema import check_schema

    home = settings().home
    with connect(settings(), autocommit=True) as connection:
        check_schema(connection)
        if not (dry_run or yes):
            _show_erasure(erase(connection, home, name, user=user, dry_run=True), "would go")
            typer.confirm("Remove all this for good?", abort=True)
        erasure = erase(connection, home, name, user=user, dry_run=dry_run)
        if not as_json:
            _show_erasure(erasure, "would go" if dry_run else "is gone")
        rewritten = _rewrite(connection, erasure.touched) if rewrite and not dry_run else []
    if as_json:
        facts = {"known": erasure.known, "rewritten": rewritten, "dry_run": dry_run}
        typer.echo(json.dumps(erasure.as_json() | facts))


def _rewrite(connection: Any, tables: list[str]) -> list[str]:
    """Rewrite the tables of an erasure, and say which are left and what to do about them."""
    from harvester.warehouse.maintenance import rewrite

    later = "rows that were removed are still in the files: run `harvester db maintain --rewrite`"
    try:
        done = rewrite(connection, tables, tell=lambda table: typer.echo(f"rewriting {table}", err=True))
    except WarehouseError as error:
        typer.echo(f"{error}; {later} afterwards", err=True)
        return []
    if done.not_ours:
        typer.echo(f"{', '.join(done.not_ours)}: {later} as the owner of the tables", err=True)
    if done.busy:
        typer.echo(f"{', '.join(done.busy)}: being read, {later} afterwards", err=True)
    return done.rewritten


def _show_erasure(erasure: Any, what: str) -> None:
    console = Console()
    if not erasure.known:
        console.print("the person is not in the warehouse, and is left out from now on")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (what, "rows deleted", "emptied", "texts redacted"):
        table.add_column(column, justify="left" if column == what else "right")
    for name in sorted({*erasure.deleted, *erasure.emptied, *erasure.redacted}):
        counts = (part[name] for part in (erasure.deleted, erasure.emptied, erasure.redacted))
        table.add_row(name, *(f"{count:,}" if count else "" for count in counts))
    if table.row_count:
        console.print(table, highlight=False)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    users: Annotated[int, typer.Option(min=1, max=1_000_000, help="Users of the community.")] = 500,
    seed: Annotated[int, typer.Option(help="The community is the same for the same seed.")] = 1,
    churn: Annotated[float, typer.Option(min=0, help="Changes per second while it runs.")] = 0.0,
    faults: Annotated[str, typer.Option(help="How it fails: name=probability,... as in 500=0.05,429=0.02")] = "",
    odd: Annotated[float, typer.Option(min=0, max=1, help="Share of items that cannot be used as served.")] = 0.0,
) -> None:
    """Serve a made-up community as the API would; prints `ready URL` once it answers.

    Example: `harvester sandbox --users 500 --churn 2`, then `HARVESTER_API_URL=URL harvester crawl`
    """
    from harvester.sandbox.server import serve

    try:
        serve(port=port, users=users, seed=seed, churn=churn, faults=faults, odd=odd)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None


def _seeded(thing: str, counts: tuple[int, int], depth: int, *, as_json: bool) -> None:
    new, known = counts
    if as_json:
        typer.echo(json.dumps({"kind": thing, "new": new, "known": known, "depth": depth}))
        return
    also = f", {known:,} known before" if known else ""
    typer.echo(
        f"{new:,} {thing}{'' if new == 1 else 's'} put in scope at depth {depth}{also}; `harvester crawl` visits them"
    )


def _show_summary(summary: Any) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("table")
    for name in ("inserted", "updated", "unchanged"):
        table.add_column(name, justify="right")
    for name, counts in summary.counts.items():
        table.add_row(name, *(f"{number:,}" for number in counts.values()))
    console.print(table)
    words = {
        "done": "nothing more is due",
        "bounded": "bound met",
        "interrupted": "interrupted, nothing lost",
        "degraded": "done, but something is wrong",
    }
    line = f"{words[summary.outcome]}: {summary.requests:,} requests in {summary.seconds:.1f} s"
    if summary.retries:
        line += f", {summary.retries:,} of them again"
    if summary.postponed:
        line += f"; {summary.postponed:,} visits put off for later, see `harvester status`"
    console.print(line, highlight=False)
    for finding in shown(summary.findings):
        console.print(f"[yellow]degraded[/]  {finding}", highlight=False)
