"""A warehouse that fails during a crawl: the crawl waits if it can come back, and else ends in order."""

from __future__ import annotations

import asyncio
import json
import os
import pkgutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from freezing import FreezingProxy

from harvester.config import load
from harvester.crawl import session as crawl_session
from harvester.crawl.session import Session
from harvester.errors import WarehouseError
from harvester.frontier import runs
from harvester.warehouse import embedded, locks, schema
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import IN_USE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
CUT = f"{HEAD} AND application_name = 'scratch-harvester' AND pid <> pg_backend_pid()"


@contextmanager
def meanwhile(act: Callable[[int], None], every: float) -> Iterator[list[int]]:
    """Do something again and again while the block runs; the list holds the number of times."""
    times: list[int] = []
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every):
            act(len(times))
            times.append(len(times))

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def test_a_crawl_survives_connections_that_are_cut(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    with (
        psycopg.connect(harvester.database, autocommit=True) as other,
        meanwhile(lambda _: bool(other.execute(CUT)), 0.2) as times,
    ):
        summary = harvester.crawl()
    assert len(times) >= 3
    assert summary["outcome"] == "done"
    assert_truth(harvester, sandbox)


def cut_once(path: str) -> None:
    """Let a function lose its connection at the first call, after its work and before anybody has the answer."""
    owner, name = pkgutil.resolve_name(path.rpartition(".")[0]), path.rpartition(".")[2]
    real = getattr(owner, name)

    def act(connection: Any, *arguments: Any, **options: Any) -> Any:
        setattr(owner, name, real)
        real(connection, *arguments, **options)
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    setattr(owner, name, act)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("harvester.crawl.session.load_rule", []),
        ("harvester.crawl.run.scope.refresh", ["--refresh"]),
        ("harvester.crawl.run.record_forecast", []),
        ("harvester.crawl.worker_pool.runs.end_run", ["--workers", "2"]),
    ],
    ids=["at the start", "when all is made due", "at the forecast", "after the workers"],
)
def test_a_connection_is_cut_where_no_page_is_stored(
    path: str,
    options: list[str],
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    sandbox = start_sandbox(users=3, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    cut = replace(harvester, first=partial(cut_once, path))
    result = cut("crawl", "--json", *options)
    assert json.loads(result.stdout)["outcome"] == "done"
    assert result.stderr.count("the database went away") == result.stderr.count("the database is back") == 1
    assert harvester.query("SELECT DISTINCT outcome FROM crawl.runs WHERE command LIKE 'crawl%'") == [("done",)]
    assert_truth(harvester, sandbox)


def test_a_run_whose_first_connection_is_cut_is_alive(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock, by which others know that, went with the connection."""

    async def scenario() -> None:
        chosen = load(database_url=database, api_url="http://127.0.0.1:1", site_url="http://127.0.0.1:1", rate=0)
        session = Session(chosen, "test")
        await session.open()
        with psycopg.connect(database, autocommit=True) as other:
            runs.recover(other, 0)
            assert other.execute("SELECT id, ended_at FROM crawl.runs").fetchall() == [(session.run, None)]
        await session.close("done")

    monkeypatch.setattr(crawl_session, "load_rule", crawl_session.load_rule)  # put back whatever happens
    cut_once("harvester.crawl.session.load_rule")
    asyncio.run(scenario())


def test_a_server_that_is_killed_and_comes_back(
    own_home: Path,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    url = embedded.up(own_home)
    schema.migrate(url)
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_DATABASE_URL=url)
    harvester.database = url
    harvester.seed_all(sandbox)
    worker = harvester.start("crawl", "--json")
    for kill in (signal.SIGKILL, signal.SIGINT):
        until(sandbox, 80)
        os.kill(int((own_home / "postgres" / "postmaster.pid").read_text().split()[0]), kill)
        time.sleep(1)
        embedded.up(own_home)
        sandbox.json("/sandbox/requests/reset", "POST")
    _, errors = worker.communicate(timeout=120)
    assert worker.returncode == 0, errors
    assert "the database is back" in errors
    assert_truth(harvester, sandbox)


def until(sandbox: Any, requests: int) -> None:
    while sandbox.requests()["total"] < requests:
        time.sleep(0.02)


def test_statements_that_time_out_are_tried_again(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    with psycopg.connect(harvester.database, autocommit=True) as other:
        name = psycopg.conninfo.conninfo_to_dict(harvester.database)["dbname"]
        other.execute(f"ALTER DATABASE \"{name}\" SET statement_timeout = '300ms'")
        other.execute(f"{HEAD} AND pid <> pg_backend_pid()")  # a pooler keeps connections, which have the old default
        sandbox.json("/sandbox/requests/reset", "POST")
        worker = harvester.start("crawl", "--json")
        until(sandbox, 20)
        with other.transaction():
            other.execute("LOCK TABLE scratch.users IN SHARE MODE")
            time.sleep(1.5)
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        assert "QueryCanceled" in errors
        # So does what comes before the first request.
        waiting = "SELECT query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        began: set[Any] = set()
        with psycopg.connect(harvester.database) as locker:
            locker.execute("LOCK TABLE crawl.frontier IN SHARE MODE")
            worker = harvester.start("crawl", "--refresh", "--json")
            while len(began) < 3:
                assert worker.poll() is None
                began.update(at for (at,) in other.execute(waiting).fetchall())
        _, errors = worker.communicate(timeout=120)
    assert worker.returncode == 0, errors
    assert_truth(harvester, sandbox)


SILENCE = 1
"""Seconds instead of `LONGEST_SILENCE`."""
_MOMENTS = {
    "in a command": b'COPY "pg_temp"',
    "in a transaction": b"BEGIN",
    "between two": b"COMMIT",
}


def be_impatient() -> None:
    """Take a client for gone after `SILENCE`, in the process that calls this."""
    locks.LONGEST_SILENCE = SILENCE
    for setting in crawl_session._OF_A_SESSION:  # those alone that a crawl sets
        if setting.endswith("session_timeout"):
            crawl_session._OF_A_SESSION[setting] = f"{SILENCE}s"


@pytest.mark.parametrize("moment", _MOMENTS)
def test_a_machine_that_vanishes_holds_nothing(
    moment: str, start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    """Its connection stays open and silent, so that the server does not notice its end."""
    sandbox = start_sandbox(users=12, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    impatient = replace(harvester, first=be_impatient)
    with FreezingProxy(harvester.database, _MOMENTS[moment]) as proxy:
        vanishing = replace(impatient, environment=impatient.environment | {"HARVESTER_DATABASE_URL": proxy.url})
        process = vanishing.start("crawl", "--json")
        proxy.is_frozen.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        left = f"SELECT state FROM pg_stat_activity WHERE pid = {proxy.backend}"
        assert len(harvester.query(left)) == 1, "the server does not know"
        time.sleep(1.5 * SILENCE)
        deadline = time.monotonic() + 30
        while moment != "in a command" and harvester.query(left) and time.monotonic() < deadline:
            time.sleep(0.1)
        # The server notices by itself, but for the middle of a command, where PostgreSQL knows no bound.
        assert bool(harvester.query(left)) == (moment == "in a command")
        # What is refused while a crawl is at work is refused no longer.
        impatient("db", "maintain", "--rewrite")
        assert harvester.query(left) == []
    harvester.crawl()
    assert_truth(harvester, sandbox)


def test_the_server_probes_a_silent_machine_over_tcp(pg15_server: Any) -> None:
    """Probes begin after 30 s, and a connection without answers to nine of them ends: 120 s in all."""
    with psycopg.connect(pg15_server.database_url("postgres"), autocommit=True) as connection:
        crawl_session._bound(connection)
        names = "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"
        set_to = [connection.execute(f"SHOW {name}").fetchone() for name in names]
    assert set_to == [("30",), ("10",), ("9",), ("120000",)]


def test_a_worker_that_hangs_in_a_transaction_blocks_none(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are free after the time of a lease; when it wakes it begins that transaction again."""
    monkeypatch.setitem(crawl_session._OF_A_SESSION, "idle_in_transaction_session_timeout", "1s")
    held, taken = threading.Event(), threading.Event()
    began: list[int] = []

    def hang(connection: Any) -> int:
        began.append(1)
        with connection.transaction():
            connection.execute("UPDATE crawl.rate_limit SET taken = taken + 1")
            if len(began) == 1:
                held.set()
                assert taken.wait(60)
            return connection.execute("SELECT taken FROM crawl.rate_limit").fetchone()[0]

    def other() -> None:
        held.wait()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '50s'")
            connection.execute("UPDATE crawl.rate_limit SET taken = taken + 10")
        taken.set()

    async def scenario() -> int:
        chosen = load(database_url=database, api_url="http://127.0.0.1:1", site_url="http://127.0.0.1:1", rate=0)
        session = Session(chosen, "test")
        await session.open()
        counted = await session.call(hang)
        await session.close("done")
        return counted

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO crawl.rate_limit (id, rate) VALUES (1, 0)")
    thread = threading.Thread(target=other)
    thread.start()
    assert asyncio.run(scenario()) == 11
    thread.join()
    assert len(began) == 2


def test_the_schema_is_not_changed_under_a_crawl(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], database: str
) -> None:
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?latency_ms=50", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    worker = harvester.start("crawl", "--json")
    until(sandbox, 5)
    with pytest.raises(WarehouseError, match=r"a crawl.* is at work"):
        schema.downgrade(database, "base")
    schema.migrate(database)  # there is nothing to change
    worker.send_signal(signal.SIGINT)
    worker.communicate(timeout=60)
    schema.downgrade(database, "base")
    assert "the database has no schema yet" in harvester("crawl", ok=False).stderr


def test_no_crawl_begins_while_the_schema_is_changed(database: str) -> None:
    with open_connection(database, autocommit=True) as migrating, open_connection(database, autocommit=True) as crawl:
        migrating.execute("SELECT pg_advisory_lock(%s)", [IN_USE])
        with pytest.raises(WarehouseError, match="being migrated"):
            schema.use_schema(crawl)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder with room for little more than an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small disk can only be made by root")
    try:
        yield folder
    finally:
        embedded.down(folder / "home")
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_a_full_disk_ends_the_crawl_and_loses_nothing(
    small_disk: Path,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    home = small_disk / "home"
    home.mkdir(mode=0o777)
    url = embedded.up(home)
    schema.migrate(url)
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_DATABASE_URL=url)
    harvester.database = url
    harvester.seed_all(sandbox)
    filler = small_disk / "filler"
    sandbox.json("/sandbox/requests/reset", "POST")
    worker = harvester.start("crawl", "--json")
    until(sandbox, 30)
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True, check=False)
    _, errors = worker.communicate(timeout=120)
    assert worker.returncode == 1, errors
    assert "the database" in errors
    assert "Traceback" not in errors
    filler.unlink()
    embedded.up(home)
    harvester.crawl()
    assert_truth(harvester, sandbox)
