"""Databases as others set them up: defaults that nobody expects, and a pooler before the server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTILE = {
    "client_encoding": "LATIN1",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "standard_conforming_strings": "off",
    "search_path": "elsewhere, public",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "harvester.clock": "2001-01-01",
}
"""Settings of a database or a role, each other than the product relies on."""
HOSTILE_ENVIRONMENT = {
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "German, DMY",
    "PGTZ": "America/St_Johns",
    "PGOPTIONS": "-c IntervalStyle=sql_standard -c search_path=elsewhere -c standard_conforming_strings=off",
}
OWN_ENVIRONMENT = {
    "PGCLIENTENCODING": "UTF8",
    "PGDATESTYLE": "ISO, MDY",
    "PGTZ": "UTC",
    "PGOPTIONS": "-c timezone=UTC -c datestyle=ISO -c client_encoding=UTF8 -c IntervalStyle=postgres"
    " -c search_path=public -c standard_conforming_strings=on -c quote_all_identifiers=off -c extra_float_digits=1"
    " -c default_transaction_isolation=read\\ committed",
}
"""What connections of the tests themselves need in a hostile database."""
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


def make_hostile(url: str, kind: str = "DATABASE", name: str | None = None) -> None:
    """Give a database, or a role, hostile defaults."""
    with psycopg.connect(url, autocommit=True, options=OWN_ENVIRONMENT["PGOPTIONS"]) as connection:
        for setting, value in HOSTILE.items():
            values = sql.SQL(", ").join(value.split(", "))
            statement = sql.SQL(f"ALTER {kind} {{}} SET {setting} = {{}}")
            connection.execute(statement.format(sql.Identifier(name or connection.info.dbname), values))


@contextmanager
def pooler(server: str, mode: str, size: int = 50) -> Iterator[Callable[[str], str]]:
    """Run pgbouncer before the server of a URL; give the function that makes the pooler's URL of a database's."""
    if PGBOUNCER is None:
        if os.environ.get("HARVESTER_TEST_PGBOUNCER") == "required":
            pytest.fail("pgbouncer is required, and not here")
        pytest.skip("pgbouncer is not here")
    given = psycopg.conninfo.conninfo_to_dict(server)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-pgbouncer-"))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": mode,
        "default_pool_size": size,
        "max_client_conn": 1000,
        "server_idle_timeout": 2,
        "logfile": folder / "log",
    }
    (folder / "ini").write_text(
        f"[databases]\n* = host={given['host']} port={given.get('port', 5432)} user={given['user']}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    # It does not run as root, and the folder of the server's socket is its owner's alone.
    owner = Path(str(given["host"])).stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([PGBOUNCER, "--quiet", folder / "ini"], **as_owner)  # type: ignore[call-overload]

    def pooled(url: str) -> str:
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        return f"postgresql://{given['user']}@127.0.0.1:{port}/{name}"

    try:
        while not _accepts(port):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.02)
        yield pooled
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(folder)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
