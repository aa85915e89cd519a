"""PostgreSQL's own programs (psql, pg_dump, pg_restore): which one to run, and how it is told where to connect.

What it connects to goes through its environment: the arguments of a process, a password among them, are seen by
everybody in `ps`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harvester.errors import WarehouseError
from harvester.warehouse import embedded
from harvester.warehouse.connect import ENCODING

_LIMITED = 17
"""The version since which pg_restore sets `transaction_timeout`, which no older server knows."""


class Program(NamedTuple):
    """A program of PostgreSQL and its major version."""

    path: str
    major: int


def connection_of(url: str) -> tuple[dict[bytes, bytes], str]:
    """Return the environment by which a program connects to a database, and the conninfo for its option `-d`.

    The conninfo holds the parameters that have no variable, none of them secret.

    Raises:
        WarehouseError: a secret of the URL could only go as an argument.
    """
    options = psycopg.pq.Conninfo.get_defaults()
    variables = {each.keyword.decode(): each.envvar.decode() for each in options if each.envvar}
    secret = {each.keyword.decode() for each in options if each.dispchar and not each.envvar}
    given = conninfo_to_dict(url) | {"client_encoding": ENCODING}
    if unseen := secret & given.keys():
        raise WarehouseError(
            f"{min(unseen)} in HARVESTER_DATABASE_URL would be seen in `ps`, and has no environment variable: take it"
            " out of the URL for this command"
        )
    # As libpq has them, in UTF-8: the charset of the locale may lack what a path or a password holds.
    environment = os.environb | {
        variables[name].encode(): str(value).encode() for name, value in given.items() if name in variables
    }
    return environment, make_conninfo("", **{name: value for name, value in given.items() if name not in variables})


def url_of_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    given = conninfo_to_dict(url) | {"dbname": name}
    return "postgresql://?" + urlencode({key: str(value) for key, value in given.items()}, quote_via=quote)


def find_program(name: str, server: int, *, is_embedded: bool, archive: int = 0) -> Program:
    """Return pg_dump or pg_restore for a server: the wheel's for the embedded one, else the oldest that is new enough.

    Args:
        name: The program.
        server: The major version of the server.
        is_embedded: The server is the embedded one.
        archive: The version of pg_dump that made the dump to restore.

    Raises:
        WarehouseError: there is none that can read from this server and write to it.
    """
    found = _programs(name, is_embedded=is_embedded)
    # What a newer pg_dump writes, no older pg_restore reads.
    for each in sorted(found, key=lambda program: program.major):
        if each.major >= max(server, archive) and (server >= _LIMITED or each.major < _LIMITED):
            return each
    if archive >= _LIMITED > server:
        raise WarehouseError(
            f"the dump was made by pg_dump {archive}, and cannot be restored into PostgreSQL {server}: use one of"
            f" version {_LIMITED} or later, such as the embedded one (without HARVESTER_DATABASE_URL)"
        )
    wanted = f"{server} to {_LIMITED - 1}" if server < _LIMITED else f"{max(server, archive)} or later"
    there = ", ".join(str(each.major) for each in found) or "none"
    raise WarehouseError(
        f"a server of version {server} needs a {name} of version {wanted}; found: {there}. Install that version of the"
        " PostgreSQL client, and put it on PATH"
    )


def _programs(name: str, *, is_embedded: bool) -> list[Program]:
    paths = []
    try:
        paths.append(str(embedded.binary(name)))
    except WarehouseError:
        if is_embedded:
            raise
    if not is_embedded and (on_path := shutil.which(name)):
        paths.append(on_path)
    return [Program(path, major) for path in paths if (major := _major(path)) is not None]


def _major(path: str) -> int | None:
    """Return the major version that a program states; None if it does not run."""
    try:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.search(r"\) (\d+)", shown.stdout)
    return int(version[1]) if version else None


def find_psql() -> str:
    """Return the path of psql: the wheel's, else the one on PATH.

    Raises:
        WarehouseError: there is none.
    """
    try:
        return str(embedded.binary("psql"))
    except WarehouseError:
        program = shutil.which("psql")
    if program is None:
        raise WarehouseError("there is no psql on this machine: install a PostgreSQL client")
    return program


def complaint(program: Path | str, output: str) -> str:
    """Return in one line why a program failed."""
    return f"{Path(program).name}: {embedded.complaint(output)}"
