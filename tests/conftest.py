"""PostgreSQL servers that the suite starts itself, and a database of one's own for each test that asks.

`database` is a fresh copy of a migrated template. Such a test runs on the embedded server; with
`@pytest.mark.every_postgres` it runs on PostgreSQL 15 as well, the oldest that is supported.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from harvester.config import Settings, settings
from harvester.warehouse import embedded, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

PG15 = Path("/usr/lib/postgresql/15/bin")


@dataclass
class Server:
    """A running PostgreSQL. `url` has a place for the name of a database."""

    url: str
    password: str | None = None
    _numbers: Iterator[int] = field(default_factory=count)
    _template: str | None = None

    def database_url(self, name: str) -> str:
        return self.url.format(name)

    def create(self, template: str = "template0") -> str:
        """Make a database and return its URL."""
        name = f"test_{next(self._numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.database_url(name)

    def drop(self, url: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", psycopg.conninfo.conninfo_to_dict(url)["dbname"])

    def template(self) -> str:
        """The name of a migrated, empty database, made at the first call."""
        if self._template is None:
            url = self.create()
            schema.migrate(url)
            self._template = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        return self._template

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


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
def embedded_server() -> Iterator[Server]:
    # Not tmp_path: pytest closes its folders to other users, and as root the server is another user.
    home = Path(tempfile.mkdtemp(prefix="harvester-test-"))
    try:
        server = Server(embedded.up(home).replace(f"/{embedded.DATABASE}?", "/{}?"))
        with psycopg.connect(server.database_url("postgres"), autocommit=True) as connection:
            # No test cuts the power: processes are killed, and what they wrote stays with the kernel.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        embedded.down(home)
        shutil.rmtree(home)


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
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-pg15-"))
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
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
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
