"""The real things: PostgreSQL servers that the suite starts itself, `harvester` and the sandbox as processes.

A command that a test awaits is a process forked from one that has loaded the product (see `forked`).

`database` is a fresh copy of a migrated template. Such a test runs on the embedded server; with
`@pytest.mark.every_postgres` it runs on PostgreSQL 15 as well, the oldest that is supported.

A test is marked by what it asks for: `browser`, `crawl` (a sandbox), `database` or `process` (processes of its own),
else `unit`. Such a test can start no process and reach no server.

With `--replayed` each crawl test also makes its warehouse again out of an archive of what it read: see `tests/crawl`.
With `--hostile` databases and the environment of commands have defaults that nobody expects, with `--pooled` crawl
tests reach their database through pgbouncer in session mode.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import hypothesis
import psutil
import psycopg
import pytest
from databases import HOSTILE_ENVIRONMENT, OWN_ENVIRONMENT, make_hostile, pooler
from psycopg import sql

from harvester.config import Settings, settings
from harvester.sandbox.odd import SHARE
from harvester.warehouse import embedded, schema
from harvester.warehouse.roles import make_roles
from harvester.warehouse.tables import CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PG15 = Path("/usr/lib/postgresql/15/bin")

# Modules and tests that are collected stay: with the default, 700, the garbage collector takes 1.2 s of each worker.
gc.set_threshold(100_000)
# No test asserts on wall-clock time: the default gives each example 200 ms, the first one's imports included.
hypothesis.settings.register_profile("suite", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("suite")
# A failing example fails its test: the patch that hypothesis would write of it, with the libcst that Airflow brings,
# ends the whole session (AttributeError: __provides__).
sys.modules["hypothesis.extra._patching"] = None  # type: ignore[assignment]


UNSAFE = ("fsync", "full_page_writes")
"""Guards against a power cut, which are off: processes are killed here, and what they wrote stays with the kernel."""
MEMORY = Path("/dev/shm")
ROOM = 8 * 2**30
"""Bytes that must be free there; the servers of four workers take a quarter of them."""


def make_home(prefix: str) -> Path:
    """Make a folder for a server: in memory where there is room. On a disk each database takes 0.2 s of CPU to copy."""
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if is_roomy else None))


@dataclass
class Server:
    """A running PostgreSQL. `url` has a place for the name of a database."""

    url: str
    password: str | None = None
    hostile: bool = False
    _numbers: Iterator[int] = field(default_factory=count)
    _template: str | None = None

    def database_url(self, name: str) -> str:
        return self.url.format(name)

    def create(self, template: str = "template0") -> str:
        """Make a database and return its URL."""
        name = f"test_{next(self._numbers)}"
        # Copied as files: through the log, which is the default, each takes twice the CPU.
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        if self.hostile:
            make_hostile(self.database_url(name))
        return self.database_url(name)

    def drop(self, url: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", psycopg.conninfo.conninfo_to_dict(url)["dbname"])

    def template(self) -> str:
        """The name of a migrated, empty database, made at the first call."""
        if self._template is None:
            url = self.create()
            schema.migrate(url)
            with psycopg.connect(url) as connection:
                make_roles(connection)
            self._template = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        return self._template

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--replayed", action="store_true", help="archive what each crawl test reads, replay it, and compare all tables"
    )
    parser.addoption(
        "--hostile",
        action="store_true",
        help="databases and environment with other defaults than the product relies on",
    )
    parser.addoption(
        "--pooled", action="store_true", help="reach the embedded server through pgbouncer in session mode"
    )


COMMANDS_ENVIRONMENT: dict[str, str] = {}
"""What commands get beside the environment of the tests."""


def pytest_configure(config: pytest.Config) -> None:
    # Under nohup, commands would be born with SIGHUP ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if config.getoption("hostile"):
        os.environ.update(OWN_ENVIRONMENT)
        COMMANDS_ENVIRONMENT.update(HOSTILE_ENVIRONMENT)


MARKS = {
    "browser": "browser",
    "start_sandbox": "crawl",
    "postgres_server": "database",
    "embedded_server": "database",
    "pg15_server": "database",
    "own_home": "database",
    "processes": "process",
}
"""The marker of a test, by the first of these fixtures that it asks for."""
OUTSIDE = ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect")
_under_test: list[pytest.Item] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asked = getattr(item, "fixturenames", ())
        item.add_marker(next((mark for fixture, mark in MARKS.items() if fixture in asked), "unit"))
    # Those that start Airflow take longest: begun last, they would keep one worker busy while the others are done.
    items.sort(key=lambda item: "airflow" not in item.nodeid)


def pytest_runtest_setup(item: pytest.Item) -> None:
    _under_test[:] = [item]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    _under_test.clear()  # the last test of a module ends its servers


def _keep_units_pure(event: str, _: object) -> None:
    if event in OUTSIDE and _under_test and _under_test[0].get_closest_marker("unit"):
        raise RuntimeError(f"{event} in a unit test: ask for the fixture that it needs (`processes`, say)")


sys.addaudithook(_keep_units_pure)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    replayed = [
        how
        for report in terminalreporter.getreports("passed")
        for name, how in report.user_properties
        if name == "replayed"
    ]
    if replayed:
        terminalreporter.write_line(", ".join(f"{n} {how}" for how, n in sorted(Counter(replayed).items())))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_postgres"):
        metafunc.parametrize("postgres_server", ["embedded", "pg15"], indirect=True, scope="session")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the settings of whoever runs it, nor those of the test before."""
    for name in list(os.environ):
        if name.startswith("HARVESTER_") and not name.startswith("HARVESTER_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HARVESTER_HOME", "/dev/null/no-test-may-use-this")
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def embedded_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    # Not tmp_path: pytest closes its folders to other users, and as root the server is another user.
    home = make_home("harvester-test-")
    try:
        url = embedded.up(home).replace(f"/{embedded.DATABASE}?", "/{}?")
        server = Server(url, hostile=request.config.getoption("hostile"))
        with psycopg.connect(server.database_url("postgres"), autocommit=True) as connection:
            for setting in UNSAFE:
                connection.execute(sql.SQL(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        for one in (home, home / "sandbox"):  # the second is the home that the pages set
            embedded.down(one)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def processes() -> None:
    """Allow a test to start processes of its own, and to reach them."""


@pytest.fixture
def own_home() -> Iterator[Path]:
    """The home of an embedded server that a test may stop, kill and fill as it likes."""
    home = Path(tempfile.mkdtemp(prefix="harvester-test-"))
    try:
        yield home
    finally:
        embedded.down(home)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def pg15_server() -> Iterator[Server]:
    """PostgreSQL 15 on a TCP port with passwords, as a server elsewhere would be."""
    if not (PG15 / "initdb").exists():
        if os.environ.get("HARVESTER_TEST_PG15") == "required":
            pytest.fail(f"PostgreSQL 15 is required and not in {PG15}")
        pytest.skip(f"PostgreSQL 15 is not in {PG15}")
    folder = make_home("harvester-test-pg15-")
    password = "correct horse"
    (folder / "password").write_text(password)
    as_postgres: list[str] = []
    if os.geteuid() == 0:
        as_postgres = ["runuser", "-u", "postgres", "--"]
        subprocess.run(["chown", "-R", "postgres:", folder], check=True)

    def run(program: str, *arguments: str) -> None:
        command = [*as_postgres, str(PG15 / program), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} " + " ".join(f"-c {one}=off" for one in UNSAFE)
    try:
        run(
            "initdb",
            "-U",
            "owner",
            "--auth=scram-sha-256",
            f"--pwfile={folder}/password",
            "-E",
            "UTF8",
            "--locale=C",
        )
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield Server(f"postgresql://owner:{password.replace(' ', '%20')}@127.0.0.1:{port}/{{}}", password)
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(f"{getattr(request, 'param', 'embedded')}_server")
    return server


@pytest.fixture
def blank_database(postgres_server: Server) -> Iterator[str]:
    """URL of a new database without any schema."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def database(postgres_server: Server) -> Iterator[str]:
    """URL of a new database with the newest schema and no rows."""
    url = postgres_server.create(postgres_server.template())
    yield url
    postgres_server.drop(url)


# harvester and the sandbox -----------------------------------------------------------------------------------------

TABLES = (
    "users",
    "projects",
    "studios",
    "project_comments",
    "studio_comments",
    "follows",
    "favorites",
    "studio_projects",
    "studio_members",
    "profile_comments",
    "studio_activity",
    "news",
)
KEYS = {
    "studio_activity": ("studio_id", "id"),
    "news": ("id", "headline"),
    "follows": ("follower_id", "followee_id"),
    "favorites": ("user_id", "project_id"),
    "studio_projects": ("studio_id", "project_id"),
    "studio_members": ("studio_id", "user_id"),
}


KINDS = {
    "rename": 1,
    "rename_and_reuse": 1,
    "swap_names": 1,
    "erase_user": 2,
    "clear_profile": 4,
    "clear_project": 4,  # half of the projects have no text that could be cleared
    "clear_studio": 1,
    "edit_project": 1,
    "index": 1,
    "hide_host": 1,
}
"""Events that are rare, and that a comparison with the truth must have met: see `Sandbox.live`."""
ODD = SHARE
"""The share of odd items wherever a warehouse is compared with the truth."""


def key_of(table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS.get(table, ("id",)))


@dataclass
class Sandbox:
    """A running sandbox, with its control paths."""

    url: str
    process: forked.Started

    def call(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            body: bytes = answer.read()
        return body

    def json(self, path: str, method: str = "GET") -> Any:
        return json.loads(self.call(method, path))

    def lines(self, path: str) -> list[Any]:
        return [json.loads(line) for line in self.call("GET", path).splitlines()]

    def truth(self, table: str, *seeds: str) -> list[dict[str, Any]]:
        query = "&".join(f"from={seed}" for seed in seeds)
        return self.lines(f"/sandbox/truth/{table}" + (f"?{query}" if query else ""))

    def seeds(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = self.json("/sandbox/seeds")
        return found

    @property
    def tables(self) -> tuple[str, ...]:
        return TABLES

    def key_columns(self, table: str) -> tuple[str, ...]:
        return KEYS.get(table, ("id",))

    def live(self, events: int) -> None:
        """Churn in which each kind of event happens that has made a harvest false."""
        self.json(f"/sandbox/churn?events={events}", "POST")
        for type_, times in KINDS.items():
            self.json(f"/sandbox/churn?events={times}&type={type_}", "POST")

    def requests(self) -> dict[str, Any]:
        counts: dict[str, Any] = self.json("/sandbox/requests")
        return counts


@dataclass
class Harvester:
    """The command line in one environment."""

    database: str
    environment: dict[str, str] = field(default_factory=dict)
    first: Callable[[], None] | None = None
    """A function that each of its processes calls before the command."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "harvester", *arguments]

    def env(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
        own = {"HARVESTER_DATABASE_URL": self.database, "COLUMNS": "200"}
        return clean | COMMANDS_ENVIRONMENT | own | self.environment

    def __call__(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        environment = self.env()
        if forked.can_run(environment):
            result = forked.run(arguments, environment, 400, self.first)
        else:
            assert self.first is None
            result = subprocess.run(
                self.command(*arguments), env=environment, capture_output=True, text=True, timeout=400, check=False
            )
        if ok:
            assert result.returncode == 0, result.stderr[-3000:] + result.stdout[-3000:]
        return result

    def start(self, *arguments: str, fresh: bool = False) -> subprocess.Popen[str] | forked.Running:
        """Start a command in a session of its own; `fresh`: as a program, which imports the product first."""
        environment = self.env()
        if not fresh and forked.can_run(environment):
            return forked.Running(arguments, environment, self.first)
        assert self.first is None
        return subprocess.Popen(
            self.command(*arguments),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def crawl(self, *arguments: str) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads(self("crawl", "--json", *arguments).stdout)
        return summary

    def seed_all(self, sandbox: Sandbox) -> None:
        seeds = sandbox.seeds()
        for kind, things in seeds.items():
            if things:
                self("seed", kind, *map(str, things))

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database, options=OWN_ENVIRONMENT["PGOPTIONS"]) as connection:
            return connection.execute(statement, values or None).fetchall()  # type: ignore[call-overload,no-any-return]

    def rows(self, table: str, columns: list[str]) -> list[dict[str, Any]]:
        # What stands on a page, or links a project or a studio, is there while these are.
        there = "".join(
            f" AND EXISTS (SELECT FROM scratch.{place} p WHERE p.id = t.{column} AND p.gone_at IS NULL)"
            for place, column in CONTAINERS.get(table, ())
        )
        found = self.query(f"SELECT {', '.join(columns)} FROM scratch.{table} t WHERE gone_at IS NULL{there}")
        return [dict(zip(columns, map(_as_served, row), strict=True)) for row in found]


def environment_of(sandbox: Sandbox) -> dict[str, str]:
    """The settings with which a sandbox is crawled, as fast as it answers."""
    return {"HARVESTER_API_URL": sandbox.url, "HARVESTER_SITE_URL": sandbox.url, "HARVESTER_RATE": "0"}


def _as_served(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


@dataclass
class Difference:
    """How one table differs from the truth."""

    truth: dict[tuple[Any, ...], dict[str, Any]]
    missing: set[tuple[Any, ...]]
    extra: set[tuple[Any, ...]]
    differ: dict[tuple[Any, ...], dict[str, tuple[Any, Any]]]
    """By key and column: what is true, and what is kept."""


def differences(harvester: Harvester, sandbox: Sandbox, *seeds: str, grown: bool = False) -> dict[str, Difference]:
    """Each table compared with the truth, field by field; with `grown`, `extra` may keep what is served no more."""
    found = {}
    for table in TABLES:
        truth = {key_of(table, row): row for row in sandbox.truth(table, *seeds)}
        columns = list(next(iter(truth.values()))) if truth else list(KEYS.get(table, ("id",)))
        kept = {key_of(table, row): row for row in harvester.rows(table, columns)}
        differ = {
            key: different
            for key, row in truth.items()
            if key in kept and row != kept[key] and (different := _differ(row, kept[key], grown=grown))
        }
        found[table] = Difference(truth, truth.keys() - kept.keys(), kept.keys() - truth.keys(), differ)
    return found


def _differ(true: dict[str, Any], kept: dict[str, Any], *, grown: bool) -> dict[str, tuple[Any, Any]]:
    return {
        name: (value, kept[name])
        for name, value in true.items()
        if value != kept[name] and not (grown and name == "extra" and value.items() <= kept[name].items())
    }


def may_be_in_holes(harvester: Harvester) -> set[tuple[Any, ...]]:
    """The keys of what is missing from a list with an item that cannot be read: each may be that item."""
    missing = harvester.query(
        "SELECT entity_id, item_id FROM crawl.missing_items m WHERE EXISTS (SELECT FROM crawl.quarantine q"
        " WHERE (q.stream, q.entity_id) = (m.stream, m.entity_id) AND q.item_id IS NOT NULL)"
    )
    return {key for owner, item in missing for key in ((item,), (owner, item), (item, owner))}


def compare_with_truth(harvester: Harvester, sandbox: Sandbox, *seeds: str, grown: bool = False) -> Counter[str]:
    """Each table equals the truth: nothing missing, nothing extra, field by field. Returns the rows by table."""
    counts: Counter[str] = Counter()
    for table, one in differences(harvester, sandbox, *seeds, grown=grown).items():
        counts[table] = len(one.truth)
        assert not one.missing, f"{table}: {len(one.missing)} of {len(one.truth)} missing, as {sorted(one.missing)[:3]}"
        extra = one.extra and one.extra - may_be_in_holes(harvester)
        assert not extra, f"{table}: {len(extra)} extra, as {sorted(extra)[:3]}"
        assert not one.differ, f"{table}: {len(one.differ)} differ, as {list(one.differ.items())[:2]}"
    kept = dict(harvester.query("SELECT id, gone_reason FROM scratch.users WHERE gone_at IS NOT NULL"))
    gone = {row["id"]: row["gone_reason"] for row in sandbox.truth("gone_users", *seeds)}
    wrong = [(user, gone.get(user), kept.get(user)) for user in gone | kept if gone.get(user) != kept.get(user)]
    assert not wrong, f"users: {len(wrong)} gone for another reason, as {wrong[:3]}"
    return counts


def assert_kinds(harvester: Harvester, sandbox: Sandbox, *, changed: bool = True) -> None:
    """What a comparison with the truth is to cover was there, and the warehouse shows that it was met.

    With `changed` things had been read before they changed: names went to others, accounts were erased, and what the
    history and the account keep of them is what they were.
    """
    there = sandbox.json("/sandbox/kinds")
    assert all(there.values()), there
    met = {
        "odd": "SELECT FROM crawl.quarantine WHERE item_id IS NOT NULL",
        "null": "SELECT FROM scratch.users WHERE (bio IS NULL OR status IS NULL OR country IS NULL)"
        " AND gone_at IS NULL",
        "null host": "SELECT FROM scratch.studios WHERE host_id IS NULL AND gone_at IS NULL",
        "erased": "SELECT FROM scratch.users WHERE gone_reason = 'erased under the GDPR'",
        "index lag": "SELECT FROM analytics.index_lag WHERE index_views < views",
    }
    if changed:
        met |= {
            "name lost or changed": "SELECT FROM crawl.name_changes",
            "text cleared": "SELECT FROM history.project_revisions h JOIN scratch.projects p ON p.id = h.project_id"
            " WHERE (h.description <> '' AND p.description IS NULL)"
            " OR (h.instructions <> '' AND p.instructions IS NULL)",
        }
    answers = {kind: harvester.query(f"SELECT EXISTS ({query})")[0][0] for kind, query in met.items()}
    assert all(answers.values()), answers
    if changed:
        assert_former_profiles(harvester, sandbox)


def assert_former_profiles(harvester: Harvester, sandbox: Sandbox) -> None:
    """Of an account that was erased after it was read, its true date and its former profile are kept, and nothing else.

    A name that it had between the last visit and the erasure alone is known to nobody.
    """
    former = {row["id"]: row for row in sandbox.truth("erased_users")}
    kept = harvester.query(
        "SELECT u.id, u.username, u.country, u.bio, u.status, u.joined_at,"
        " (SELECT jsonb_agg(DISTINCT h.username) FROM history.user_revisions h WHERE h.user_id = u.id)"
        " FROM scratch.users u WHERE u.gone_reason = 'erased under the GDPR'"
    )
    known = 0
    for user, name, country, bio, status, joined_at, names in kept:
        true = former[user]
        assert (name, country, bio, status) == (true["username"], None, "", ""), user
        if names:
            assert set(names) <= set(true["former_usernames"]), (true, names)
            assert _as_served(joined_at) == true["joined_at"], user
            known += true["former_usernames"][-1] in names
    assert known > 0


@pytest.fixture(scope="session")
def wait_for_end() -> Callable[..., None]:
    """Waits until processes that are not our children have ended; a container may have nobody who reaps them."""

    def is_over(process: psutil.Process) -> bool:
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def wait(*processes: psutil.Process) -> None:
        deadline = time.monotonic() + 60
        while left := [process for process in processes if not is_over(process)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def start_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes, and ends them with the session."""
    running: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        given = [[f"--{name}"] if value is True else [f"--{name}", str(value)] for name, value in options.items()]
        arguments = [part for parts in given for part in parts]
        process = forked.Started(["sandbox", *arguments])
        word, _, url = process.first_line(timeout=120).partition(" ")
        assert word == "ready"
        running.append(Sandbox(url, process))
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.process.end(timeout=30)


@pytest.fixture(scope="session")
def small_sandbox(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A community of 25 users that no test may change."""
    return start_sandbox(users=25, seed=1)


@pytest.fixture
def second_database(postgres_server: Any) -> Iterator[str]:
    """Another empty warehouse beside the test's own."""
    url = postgres_server.create(postgres_server.template())
    yield url
    postgres_server.drop(url)


@pytest.fixture(scope="session")
def keys_of() -> Callable[..., set[tuple[Any, ...]]]:
    return lambda table, rows: {key_of(table, row) for row in rows}


@pytest.fixture(scope="session")
def pooled(request: pytest.FixtureRequest, embedded_server: Server) -> Iterator[Callable[[str], str] | None]:
    """The function that makes the pooler's URL of a database's; None without `--pooled`."""
    if not request.config.getoption("pooled"):
        yield None
        return
    with pooler(embedded_server.database_url("postgres"), "session") as through:
        yield through


@pytest.fixture(scope="session")
def harvester_of() -> Callable[[str, Sandbox], Harvester]:
    """A command line bound to a database and a sandbox."""
    return lambda database, sandbox: Harvester(database, environment_of(sandbox))


@pytest.fixture
def make_harvester(
    database: str, postgres_server: Server, embedded_server: Server, pooled: Callable[[str], str] | None
) -> Callable[[Sandbox], Harvester]:
    """A command line bound to the test's own database and a sandbox."""
    is_pooled = pooled is not None and postgres_server is embedded_server

    def make(sandbox: Sandbox, **environment: str) -> Harvester:
        through = {"HARVESTER_DATABASE_URL": pooled(database)} if is_pooled else {}
        url = environment.pop("HARVESTER_DATABASE_URL", None)
        if url is not None:
            return Harvester(url, environment_of(sandbox) | environment)
        return Harvester(database, environment_of(sandbox) | through | environment)

    return make


@pytest.fixture(scope="session")
def compare() -> Callable[..., dict[str, Difference]]:
    return differences


@pytest.fixture(scope="session")
def assert_truth() -> Callable[..., Counter[str]]:
    return compare_with_truth


@pytest.fixture(scope="session")
def holes() -> Callable[[Harvester], set[tuple[Any, ...]]]:
    return may_be_in_holes


@pytest.fixture(scope="session", name="assert_kinds")
def _assert_kinds() -> Callable[..., None]:
    return assert_kinds


@dataclass
class Harvest:
    """A harvested community: a warehouse of the test's own, and its sandbox, which no test changes."""

    harvester: Harvester
    sandbox: Sandbox


_CHANGES = 400


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is the same for tests that run side by side."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def harvest_archive(request: pytest.FixtureRequest, shared_folder: Path) -> Path | None:
    """Where what the harvest read is archived; None without `--replayed`."""
    return shared_folder / "harvested" if request.config.getoption("replayed") else None


@pytest.fixture(scope="session")
def _harvested(
    embedded_server: Server,
    start_sandbox: Callable[..., Sandbox],
    shared_folder: Path,
    harvest_archive: Path | None,
) -> tuple[Sandbox, str]:
    """80 users, harvested, changed, refreshed and audited once: it equals the truth, there is history, and
    there are tombstones.

    Tests that run side by side harvest once: the first leaves a dump for the others. The sandbox is the same for the
    same seed and changes, so each has one of its own.
    """
    sandbox = start_sandbox(users=80, seed=1)
    dump = shared_folder / "harvested.dump"
    with (shared_folder / "harvested.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if dump.exists():
            embedded_server.template()  # which also makes the roles
            database = embedded_server.create()
            subprocess.run([embedded.binary("pg_restore"), "-d", database, dump], check=True)
            for _ in range(2):
                sandbox.json(f"/sandbox/churn?events={_CHANGES}", "POST")
        else:
            database = embedded_server.create(embedded_server.template())
            harvester = Harvester(database, environment_of(sandbox))
            if harvest_archive is not None:
                harvester.environment["HARVESTER_ARCHIVE"] = str(harvest_archive)
            harvester.seed_all(sandbox)
            harvester("seed", "explore", "--pages", "1")
            harvester.crawl()
            for mode in ("--refresh", "--audit"):
                sandbox.json(f"/sandbox/churn?events={_CHANGES}", "POST")
                harvester.seed_all(sandbox)  # whoever is new
                harvester.crawl(mode)
            subprocess.run([embedded.binary("pg_dump"), "-Fc", "-f", dump, database], check=True)
    return sandbox, psycopg.conninfo.conninfo_to_dict(database)["dbname"]


@pytest.fixture
def harvest(embedded_server: Server, _harvested: tuple[Sandbox, str]) -> Iterator[Harvest]:
    """A copy of a harvested warehouse of 80 users with history and tombstones."""
    sandbox, template = _harvested
    database = embedded_server.create(template)
    yield Harvest(Harvester(database, environment_of(sandbox)), sandbox)
    embedded_server.drop(database)


# The browser ---------------------------------------------------------------------------------------------------------

CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


@dataclass
class Browser:
    """Chromium, with the messages of its console and the addresses that it requests."""

    driver: Any

    def open(self, url: str, *, width: int = 1280, dark: bool = False) -> None:
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(url)
        # A browser that has just been started can answer from its first, empty page.
        is_there = "return document.readyState === 'complete' && document.URL === new URL(arguments[0]).href"
        for _ in range(100):
            if self.run(is_there, url):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{url} is not shown: {self.run('return document.URL')}")

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def said(self) -> list[str]:
        """The messages of the console so far."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self) -> list[str]:
        """The addresses that were asked for since the last page was opened, without the browser's own pages."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("chrome:", "chrome-untrusted:"))]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window, as the report and the documentation are looked at."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        if os.environ.get("HARVESTER_TEST_CHROMIUM") == "required":
            pytest.fail(f"Chromium is required: {CHROMIUM} or {CHROMEDRIVER} is missing")
        pytest.skip(f"Chromium is not here: {CHROMIUM}, {CHROMEDRIVER}")
    profile = tempfile.mkdtemp(prefix="harvester-test-chromium-")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
