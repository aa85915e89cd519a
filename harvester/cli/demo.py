"""`harvester demo`: the whole pipeline on this machine alone, by the same commands that an operator types."""

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from harvester.cli import output
from harvester.config import Settings, load
from harvester.dataset.snapshot import need_libraries
from harvester.errors import HarvesterError, UsageError
from harvester.processes import start_command
from harvester.signals import INTERRUPTED, handle_end
from harvester.warehouse import embedded
from harvester.warehouse.access import connect
from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements
from harvester.wording import counted

_SQL = statements(__package__, "demo")

_CHANGES_PER_USER = 2
_SEEDED = 3
_DEPTH = 20


def run(settings: Settings, *, users: int, seed: int) -> None:
    """Start a database and a sandbox, harvest it, let it change, harvest again, show what changed, publish it.

    Everything is kept in `demo` under HARVESTER_HOME, replaced each time; the database is stopped at the end.
    """
    with handle_end(_interrupt):  # a SIGTERM or SIGHUP too leaves no database running
        _run(settings, users=users, seed=seed)


def _interrupt(_: int) -> None:
    raise KeyboardInterrupt


def _run(settings: Settings, *, users: int, seed: int) -> None:
    console = output.console()
    home = settings.home / "demo"
    has_dataset = _has_dataset(console)
    _say(console, "A database", f"an embedded PostgreSQL in {home}")
    _start_afresh(home)
    try:
        with _sandbox(users, seed) as url:
            _say(console, "A community", f"the sandbox, {users:,} made-up users, at {url}")
            environment = {
                "HARVESTER_HOME": str(home),
                "HARVESTER_API_URL": url,
                "HARVESTER_SITE_URL": url,
                "HARVESTER_RATE": "0",
            }
            demo_settings = load(home=home, api_url=url, site_url=url, rate=0, database_url=None)
            _harvester(environment, "db", "migrate")
            names = _call(url, "GET", "/sandbox/seeds")["users"][:_SEEDED]

            _say(console, "Scope", f"harvester seed users {' '.join(names)} --depth {_DEPTH}")
            _harvester(environment, "seed", "users", *names, "--depth", str(_DEPTH))
            _say(console, "First crawl", "harvester crawl  (it warns of a field that no documentation names)")
            _harvester(environment, "crawl")

            changes = _call(url, "POST", f"/sandbox/churn?events={_CHANGES_PER_USER * users}")
            _say(console, "Meanwhile", "the community goes on: " + _listed(changes))
            _say(console, "Second crawl", "harvester crawl --refresh")
            before = _now(demo_settings)
            _harvester(environment, "crawl", "--refresh")
            _say(console, "What changed", "out of the warehouse")
            with connect(demo_settings) as connection:
                _show_changes(console, connection, before)
            _say(console, "Status", "harvester status")
            _harvester(environment, "status")
            if has_dataset:
                dataset = home / "dataset"
                _say(console, "An open dataset", f"harvester dataset build {dataset}")
                _harvester(environment, "dataset", "build", str(dataset))
                _harvester(environment, "dataset", "verify", str(dataset))
            _say(console, "A report", f"harvester report {home / 'report.html'}")
            _harvester(environment, "report", str(home / "report.html"))
    finally:
        embedded.down(home)
    console.print(
        f"\nThe warehouse stays in {home}. To look around: [bold]HARVESTER_HOME={home} harvester db psql[/]"
        " (and [bold]harvester db down[/] after that).",
        soft_wrap=True,
    )


def _has_dataset(console: Console) -> bool:
    """Return whether datasets can be built with what is installed, and say what is left out if not."""
    try:
        need_libraries()
    except UsageError as error:
        _say(console, "Left out", f"the dataset: {error}")
        return False
    return True


def _say(console: Console, title: str, text: str) -> None:
    console.print(f"\n[bold cyan]{title}[/]  {escape(text)}", soft_wrap=True)


def _start_afresh(home: Path) -> None:
    if home.exists():
        embedded.down(home)
        shutil.rmtree(home)
    embedded.up(home)


@contextmanager
def _sandbox(users: int, seed: int) -> Iterator[str]:
    """Run the sandbox as a process of its own, and yield its URL."""
    command = ["sandbox", "--users", str(users), "--seed", str(seed)]
    with start_command(command, stdout=PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline().split()
            if line[:1] != ["ready"]:
                raise HarvesterError("the sandbox did not start")
            yield line[1]
        finally:
            process.terminate()


def _call(url: str, method: str, path: str) -> Any:
    request = urllib.request.Request(url + path, method=method)  # noqa: S310  (our own sandbox, on loopback)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def _harvester(environment: dict[str, str], *arguments: str) -> None:
    """Run a command as an operator would; its output is ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
    with start_command(arguments, kept | environment) as process:
        code = process.wait()
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise HarvesterError(f"`harvester {' '.join(arguments)}` ended with {code}")


def _listed(changes: dict[str, int]) -> str:
    most = sorted(changes.items(), key=lambda pair: -pair[1])[:6]
    return ", ".join(counted(count, *_words(name)) for name, count in most if count) + ", ..."


def _words(event: str) -> tuple[str, str]:
    """Return the name of an event of the sandbox for one and for several: `project_reply`, `views`."""
    name = event.replace("_", " ").removesuffix("s")
    return name, f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _now(settings: Settings) -> Any:
    with connect(settings) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


def _show_changes(console: Console, connection: Connection, since: Any) -> None:
    new = output.table("table", "rows", numbers=["rows"])
    for name in (
        "users",
        "projects",
        "project_comments",
        "studio_comments",
        "follows",
        "favorites",
        "studio_projects",
    ):
        row = connection.execute(
            f"SELECT count(*) FROM scratch.{name} WHERE first_seen_at >= %s",
            [since],
        ).fetchone()
        if row and row[0]:
            new.add_row(name.replace("_", " "), f"{row[0]:,}")
    console.print("[bold]new since the first crawl[/]")
    console.print(new)
    console.print()
    names = ("title edited of project", "it was", "it is")
    changed = output.table(*names)
    for row in connection.execute(_SQL["edited_titles"]).fetchall():
        changed.add_row(*(_printable(str(value)) for value in row))
    if changed.row_count:
        console.print(changed)
    row = connection.execute("SELECT count(*), count(DISTINCT project_id) FROM history.project_stats").fetchone()
    if row:
        console.print(
            f"{row[0]:,} earlier counters of {row[1]:,} projects kept in history.project_stats",
        )


def _printable(text: str) -> Text:
    """Return a user's text as plain text, without markup or control codes for the terminal."""
    return Text("".join(character if character.isprintable() else "\N{MIDDLE DOT}" for character in text))
