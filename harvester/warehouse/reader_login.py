"""A login for clients that know no Unix socket: the embedded server answers the role `reader` on a port.

Address, port and password stand in `reader.pgpass` under HARVESTER_HOME, readable by its owner alone: a password file
as libpq reads it. While it is there, each start of the server listens there. The role reads what `harvester_reader`
may read; no other role is admitted by TCP. The server is sent a verifier (SCRAM), never the password.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from psycopg import sql

from harvester.config import is_loopback
from harvester.errors import UsageError
from harvester.untrusted import open_regular, read_bounded

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.warehouse.connection import Connection

NAME = "reader.pgpass"
ROLE = "reader"
READER = "harvester_reader"
"""The role whose rights the login has (see `roles`)."""
_LARGEST = 1_000
_PASSWORD_BYTES = 24
_LINE = re.compile(rf"(?P<host>[\d.]+):(?P<port>\d+):(?P<database>\w+):{ROLE}:(?P<password>[\w-]+)")


@dataclass(frozen=True, slots=True)
class ReaderLogin:
    """Address of the embedded server by TCP, the database, and the password of the role."""

    host: str
    port: int
    database: str
    password: str

    def url(self, home: Path) -> str:
        """Return a URL for clients that use libpq; they find the password in the file that it names."""
        passfile = quote(os.fsencode(home / NAME), safe="/")
        return f"postgresql://{ROLE}@{self.host}:{self.port}/{self.database}?passfile={passfile}"


def read_login(home: Path) -> ReaderLogin | None:
    """Return the login of a home; None where the server is to listen nowhere.

    Raises:
        UsageError: the file cannot be read, others may read it, or it is none of ours.
    """
    path = home / NAME
    try:
        with open_regular(path) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise UsageError(f"{path} can be read by others, who know the password in it: remove it")
            text = read_bounded(file, _LARGEST).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"the login in {path} cannot be used: {error.strerror}") from None
    found = _LINE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{path} holds no address and password of ours: remove it")
    return ReaderLogin(found["host"], int(found["port"]), found["database"], found["password"])


def make_login(home: Path, address: str, database: str) -> ReaderLogin:
    """Write the login of a home: a new password, or the one that it has.

    Raises:
        UsageError: the address is none of this machine, or no file can be written.
    """
    host, port = _parsed(address)
    former = read_login(home)
    password = former.password if former else secrets.token_urlsafe(_PASSWORD_BYTES)
    login = ReaderLogin(host, port, database, password)
    if login != former:
        path = home / NAME
        new = path.with_suffix(".new")
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{host}:{port}:{database}:{ROLE}:{password}\n")
            new.replace(path)
        except OSError as error:
            raise UsageError(f"the login in {path} cannot be written: {error.strerror}") from None
    return login


def remove_login(home: Path) -> None:
    """Let the next start of the server listen nowhere."""
    with suppress(FileNotFoundError):
        (home / NAME).unlink()


def grant_login(connection: Connection, login: ReaderLogin) -> None:
    """Make the role of a login, or give it this password; `harvester_reader` must be there."""
    role, pgconn = sql.Identifier(ROLE), connection.pgconn
    verifier = pgconn.encrypt_password(login.password.encode(), ROLE.encode(), b"scram-sha-256").decode()
    with connection.transaction():
        # A server that logs statements would log the verifier.
        connection.execute("SET LOCAL log_statement = none")
        connection.execute("SET LOCAL log_min_duration_statement = -1")
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).rowcount:
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN INHERIT NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD {}").format(
                role, sql.Literal(verifier)
            )
        )
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(READER), role))


def _parsed(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not re.fullmatch(r"\d{1,5}", port) or not 1024 <= int(port) <= 65535 or not re.fullmatch(r"[\d.]+", host):
        raise UsageError(
            f"{address!r} is no address to listen on: it must look like 127.0.0.1:5433, with a port of 1024 to 65535"
        )
    if not is_loopback(host):
        raise UsageError(
            f"the embedded server listens on this machine alone, as on 127.0.0.1:{port}: for other machines use an SSH"
            " tunnel, or a PostgreSQL of your own (HARVESTER_DATABASE_URL)"
        )
    return host, int(port)
