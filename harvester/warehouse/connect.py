"""The way into the warehouse: which database, a connection to it, and plain words when it does not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from harvester.errors import WarehouseError
from harvester.warehouse import embedded

if TYPE_CHECKING:
    from harvester.config import Settings

OLDEST_SERVER = 15
APPLICATION_NAME = "scratch-harvester"
CONNECT_TIMEOUT = 10  # seconds; libpq waits for ever by default

_EMBEDDED_DOWN = "the embedded PostgreSQL is not running: `harvester db up` starts it"


def database_url(settings: Settings, *, start: bool = True) -> str:
    """The libpq URL of the warehouse: HARVESTER_DATABASE_URL, else the embedded server, started if need be.

    It may hold a password: it goes to libpq and nowhere else.

    Raises:
        WarehouseError: the embedded server cannot be started, or does not run and `start` is false.
    """
    if settings.database_url is not None:
        return libpq_url(settings.database_url.get_secret_value())
    url = embedded.up(settings.home) if start else embedded.url(settings.home)
    if url is None:
        raise WarehouseError(_EMBEDDED_DOWN)
    return url


def libpq_url(url: str) -> str:
    """A URL as libpq reads it, whether written for libpq or for SQLAlchemy."""
    _, _, rest = url.partition("://")
    return f"postgresql://{rest}"


def engine_url(url: str) -> str:
    """The same database as a URL for SQLAlchemy, over psycopg 3."""
    _, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}"


def connect(settings: Settings, *, start: bool = True, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to the warehouse, in UTC. `options` go to `psycopg.connect`.

    Raises:
        WarehouseError: in one line, what does not work and what to do; never a password.
    """
    return open_connection(database_url(settings, start=start), **options)


def open_connection(url: str, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection by URL, otherwise as `connect`."""
    url = libpq_url(url)
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # libpq quotes what it could not read, password and all.
        raise WarehouseError(
            "the database URL cannot be read; special characters in it must be percent-encoded"
        ) from None
    settled: dict[str, Any] = {"application_name": APPLICATION_NAME, "connect_timeout": CONNECT_TIMEOUT}
    settled = {name: value for name, value in settled.items() if name not in given} | options
    settled["options"] = f"{settled.get('options', given.get('options', ''))} -c timezone=UTC".strip()
    try:
        connection = psycopg.connect(url, **settled)
    except psycopg.OperationalError as error:
        # `from None`: a chained traceback would print libpq's own words.
        raise WarehouseError(_in_plain_words(error, given)) from None
    try:
        check_server_version(connection.info.server_version, _place(given))
    except WarehouseError:
        connection.close()
        raise
    return connection


def refusal(error: psycopg.Error) -> str:
    """What the database did not do, by the class of its refusal: its own words may quote what somebody wrote."""
    name = type(error).__name__
    if name == "InsufficientPrivilege":
        return "the database's role may not do this: see `harvester db roles`"
    if name == "ReadOnlySqlTransaction":
        return "the database takes no writes: it is read-only, or a standby"
    return f"the database did not do what was asked ({name})"


def check_server_version(version: int, place: str) -> None:
    """Refuse a server that is too old.

    Args:
        version: as libpq states it: 150004 is 15.4.
        place: what to call the server.

    Raises:
        WarehouseError: it is older than 15.
    """
    if version < OLDEST_SERVER * 10_000:
        number = f"{version // 10_000}.{version % 10_000}"
        raise WarehouseError(f"{place} is PostgreSQL {number}: {OLDEST_SERVER} or later is needed")


def _in_plain_words(error: psycopg.OperationalError, given: dict[str, Any]) -> str:
    """What went wrong, judged by libpq's words but told in ours: parts of a password can stand in theirs.

    A failed connection has no SQLSTATE in libpq, and the server's part of the text is in the server's
    language. So what the text does not tell, the state of the failed connection does.
    """
    text = str(error)
    place = _place(given)
    user, database = (
        given.get("user", "the default user"),
        given.get("dbname", given.get("user", "the default")),
    )
    pgconn = error.pgconn
    if "password authentication failed" in text:
        return f"{place} refused the password of {user}: check HARVESTER_DATABASE_URL"
    if pgconn is not None and pgconn.needs_password:
        return f"{place} asks for a password of {user}: check HARVESTER_DATABASE_URL"
    if "database" in text and "does not exist" in text:
        return f"{place} has no database {database}: create it, or check HARVESTER_DATABASE_URL"
    if "role" in text and "does not exist" in text:
        return f"{place} has no role {user}: create it, or check HARVESTER_DATABASE_URL"
    if "no pg_hba.conf entry" in text:
        return f"{place} does not admit {user} to {database} from here: see its pg_hba.conf"
    if "too many clients" in text or "remaining connection slots" in text:
        return f"{place} has no connection left: close some, or raise max_connections"
    if "starting up" in text or "shutting down" in text or "in recovery mode" in text:
        return f"{place} is starting or stopping: try again in a moment"
    if "could not translate host name" in text or "failed to resolve host" in text:
        return f"{place} cannot be reached: the host name is unknown"
    if "Connection refused" in text or "No such file or directory" in text:
        return f"{place} cannot be reached: no server listens there"
    if "timeout" in text or "timed out" in text:
        return f"{place} cannot be reached: no answer within {CONNECT_TIMEOUT} s"
    if "SSL" in text or "certificate" in text:
        return f"{place} cannot be reached: the encrypted connection failed, see sslmode"
    if pgconn is not None and pgconn.used_password:
        return f"{place} refuses {user}, by password or otherwise: check HARVESTER_DATABASE_URL"
    return f"{place} cannot be reached"


def _place(given: dict[str, Any]) -> str:
    """The server, in words that hold no secret."""
    host = str(given.get("host") or given.get("hostaddr") or "the default host")
    if host.startswith("/"):
        return f"the PostgreSQL at {host}"
    return f"the PostgreSQL at {host}:{given.get('port', 5432)}"
