"""The login by TCP of the embedded server: who is admitted, to what, and where its password stands."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.config import settings
from harvester.errors import UsageError
from harvester.warehouse import embedded
from harvester.warehouse.reader_login import NAME, make_login, read_login

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.usefixtures("processes")
def test_a_client_without_a_socket_reads_and_nobody_else(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_HOME", str(own_home))
    monkeypatch.setenv("PGPORT", "1")  # of another server of the user's
    settings.cache_clear()
    address = f"127.0.0.1:{free_port()}"

    def up(*options: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, ["db", "up", "--json", *options])
        assert result.exit_code == 0, result.output
        facts: dict[str, Any] = json.loads(result.stdout)
        return facts

    with psycopg.connect(up()["url"], autocommit=True) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
    with pytest.raises(UsageError, match="db down"):
        embedded.listen(own_home, address)
    embedded.down(own_home)

    url = up("--listen", address)["reader_url"]
    file = own_home / NAME
    password = file.read_text().strip().rpartition(":")[2]
    assert file.stat().st_mode & 0o777 == 0o600
    assert password not in url
    assert len(password) >= 32
    with psycopg.connect(url, autocommit=True) as reader:
        assert reader.execute("SELECT count(*) FROM scratch.users").fetchone() == (0,)
        assert reader.pgconn.used_password
        for statement in ("DELETE FROM scratch.users", "SELECT FROM crawl.runs", "CREATE TABLE public.x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
    host, port = address.split(":")
    for user, given, reason in (("harvester", password, "no pg_hba.conf entry"), ("reader", "wrong", "authentication")):
        with pytest.raises(psycopg.OperationalError, match=reason):
            psycopg.connect(host=host, port=port, dbname="harvester", user=user, password=given)

    # It stays so, with the same password, until it is told otherwise.
    assert up()["reader_url"] == url
    embedded.down(own_home)
    assert up()["reader_url"] == url
    psycopg.connect(url).close()
    embedded.down(own_home)
    assert up("--no-listen")["reader_url"] is None
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(host=host, port=port, user="reader", password=password, dbname="harvester")
    log = (own_home / "postgres" / "server.log").read_text()
    assert "SELECT count(*) FROM scratch.users" in log, "statements are logged"
    assert password not in log
    assert "SCRAM-SHA-256$" not in log


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0:5433", "this machine alone"),
        ("192.0.2.1:5433", "this machine alone"),
        ("5433", "must look like"),
        (":5433", "must look like"),
        ("localhost:5433", "must look like"),
        ("127.0.0.1:80", "1024"),
        ("127.0.0.1:65536", "must look like"),
    ],
)
def test_only_addresses_of_this_machine_are_taken(address: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        make_login(tmp_path, address, "harvester")
    assert not list(tmp_path.iterdir())


def test_a_password_that_others_know_is_not_used(tmp_path: Path) -> None:
    first = make_login(tmp_path, "127.0.0.1:5433", "harvester")
    assert make_login(tmp_path, "127.0.0.1:5434", "harvester").password == first.password
    assert re.search(r"127\.0\.0\.1:5434", (tmp_path / NAME).read_text())
    (tmp_path / NAME).chmod(0o640)
    with pytest.raises(UsageError, match="read by others"):
        read_login(tmp_path)
    (tmp_path / NAME).chmod(0o600)
    (tmp_path / NAME).write_text("127.0.0.1:5433:harvester:harvester:x")
    with pytest.raises(UsageError, match="remove it"):
        read_login(tmp_path)
