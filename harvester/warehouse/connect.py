"""Connect to a database by its URL, and explain in plain words why a connection fails.

Each connection begins with `PREPARE`, since environment, role and database may have other defaults than the statements
and the driver need. Properties that a client cannot set are checked: the server's version, the encoding of the
database, and that the session has its own server process, which it has not behind a pooler in transaction mode.
"""

from __future__ import annotations

import logging
import selectors
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from harvester.errors import WarehouseError
from harvester.warehouse import clock
from harvester.warehouse.sqlstates import Cause, cause_of

if TYPE_CHECKING:
    from harvester.warehouse.connection import Connection

OLDEST_SERVER = 15
_ATTEMPTS = 3
"""Number of attempts if the server closes a connection before it is prepared."""
APPLICATION_NAME = "scratch-harvester"
CONNECT_TIMEOUT = 10  # seconds; libpq waits for ever by default

ENCODING = "UTF8"
DATE_STYLE = "ISO, MDY"
TIME_ZONE = "UTC"
NO_SCHEMAS = ""
"""The search path: all names are qualified, so that no object of another schema is used by mistake."""
_SESSION = {
    "client_encoding": ENCODING,
    "DateStyle": DATE_STYLE,
    "IntervalStyle": "postgres",
    "TimeZone": TIME_ZONE,
    "standard_conforming_strings": "on",
    "search_path": NO_SCHEMAS,
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed",
    clock.SETTING: "",
}
"""Settings of each session. The driver reads one style of times and intervals only, a commit that waited for a row
continues with its new version (read committed), and literals, names and numbers have one form."""
PREPARE = "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items())
"""Sent after connecting, not in the startup packet, since poolers refuse `options`; it overrides all defaults."""
_ASKED = (0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0)
"""Order in which two connections are asked for their server process. It has no period (Thue-Morse), so that no other
client of a pooler can alternate with it."""

# Its warnings tell of errors that follow from one that is raised, and quote values of rows.
logging.getLogger("psycopg").setLevel(logging.ERROR)


def libpq_url(url: str) -> str:
    """Return a URL as libpq reads it, whether written for libpq or for SQLAlchemy."""
    _, _, rest = url.partition("://")
    return f"postgresql://{rest}"


def open_connection(url: str, *, autocommit: bool = False, **options: Any) -> Connection:
    """Connect to a database by its URL. `options` go to `psycopg.connect`.

    Raises:
        WarehouseError: in one line, what does not work and what to do; never a password.
    """
    url = libpq_url(url)
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # The message of libpq quotes the URL with its password.
        raise WarehouseError(
            "the database URL cannot be read; special characters in it must be percent-encoded"
        ) from None
    settled: dict[str, Any] = {"application_name": APPLICATION_NAME, "connect_timeout": CONNECT_TIMEOUT}
    settled = {name: value for name, value in settled.items() if name not in given} | options
    settled["client_encoding"] = ENCODING
    for left in reversed(range(_ATTEMPTS)):
        try:
            connection = _prepared(url, given, settled)
        except psycopg.Error as error:
            # The next connection may not be closed.
            if cause_of(error) is not Cause.CONNECTION or not left:
                raise WarehouseError(refusal(error)) from None
        else:
            break
    connection.autocommit = autocommit
    return connection


def _prepared(url: str, given: dict[str, Any], settled: dict[str, Any]) -> Connection:
    connection = _connected(url, given, settled)
    try:
        check_server_version(connection.info.server_version, _server(given))
        pid = _prepare(connection, _server(given))
        if pid != connection.info.backend_pid:
            _refuse_shared_sessions(connection, url, given, settled)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(url: str, given: dict[str, Any], settled: dict[str, Any]) -> Connection:
    try:
        return psycopg.connect(url, autocommit=True, **settled)
    except psycopg.OperationalError as error:
        # `from None`: a chained traceback would print the message of libpq.
        raise WarehouseError(_in_plain_words(error, given)) from None


def _prepare(connection: Connection, server: str) -> int:
    """Set the settings of a new session, and return the number of its server process.

    Raises:
        WarehouseError: the database is not encoded in UTF-8.
    """
    row = connection.execute(
        f"{PREPARE}, current_setting('server_encoding'), current_database(), pg_backend_pid()"
    ).fetchone()
    assert row is not None
    *_, encoding, name, pid = row
    if encoding != ENCODING:
        raise WarehouseError(
            f"{server}: the database {name} is encoded in {encoding}, which cannot hold all texts: "
            "create one with ENCODING 'UTF8' TEMPLATE template0"
        )
    return int(pid)


def _refuse_shared_sessions(connection: Connection, url: str, given: dict[str, Any], settled: dict[str, Any]) -> None:
    """Refuse a pooler that assigns a server process for one transaction, without its locks and temporary tables.

    Also refuse one that has no second process: a release reads over two connections at once, several workers over more,
    and each would wait for the other for ever.

    A pooler invents the process number at the begin of a connection, by which it is noticed. If it assigns a process to
    each session, two open connections have different processes, and always the same ones.

    Raises:
        WarehouseError: the pooler cannot be used.
    """
    server = _server(given)
    alone = WarehouseError(
        f"{server} is a pooler with no second connection to lend, and a command may need two at once: raise its"
        " default_pool_size and max_client_conn above the number of workers, or end others that use it"
    )
    try:
        second = _connected(url, given, settled)
    except WarehouseError:
        raise alone from None
    with closing(second):
        seen: tuple[set[int], set[int]] = (set(), set())
        for which in _ASKED:
            # The first connection has had a process already, and waits for one where the pool is busy.
            pid = _pid_within(second, CONNECT_TIMEOUT) if which else _pid_within(connection, None)
            if pid is None:
                raise alone
            seen[which].add(pid)
            if len(seen[which]) > 1 or seen[0] & seen[1]:
                raise WarehouseError(
                    f"{server} is a pooler in transaction mode: locks and temporary tables need a session of their own."
                    " Set pool_mode = session, or connect to PostgreSQL directly"
                )


def _pid_within(connection: Connection, seconds: float | None) -> int | None:
    """Return the server process of a connection; None if the pooler has none within some seconds.

    Raises:
        psycopg.OperationalError: the connection was cut.
    """
    pgconn = connection.pgconn
    pgconn.send_query(b"SELECT pg_backend_pid()")
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        if not selector.select(seconds):
            return None
    result = pgconn.get_result()
    while pgconn.get_result() is not None:
        pass
    value = None if result is None else result.get_value(0, 0)
    if value is None:
        raise psycopg.OperationalError("the connection was cut")
    return int(value)


def refusal(error: psycopg.Error) -> str:
    """Return in one line why the database refused a statement; its own message may quote what users wrote."""
    return refused(cause_of(error), type(error).__name__)


def refused(cause: Cause, name: str) -> str:
    """Return the meaning of an error of a cause, with its name or code, and the remedy."""
    return _REFUSALS[cause].format(name)


_REFUSALS = {
    Cause.CONTENTION: "other transactions were in the way again and again ({}): try again",
    Cause.BUSY: "the database had no time, lock or connection to spare ({}): try again later",
    Cause.CONNECTION: "the connection to the database broke ({}): try again",
    Cause.STORAGE: "the database has no room left, or its storage fails ({})",
    Cause.READ_ONLY: "the database takes no writes: it is read-only, or a standby",
    Cause.RIGHTS: "the database's role may not do this: see `harvester db roles`",
    Cause.DATA: "the database cannot hold a value that was to be stored ({})",
    Cause.DEFECT: "the database did not do what was asked ({})",
}


def check_server_version(version: int, server: str) -> None:
    """Refuse a server that is too old.

    Args:
        version: the version as libpq states it: 150004 is 15.4.
        server: the name of the server in the message.

    Raises:
        WarehouseError: it is older than 15.
    """
    if version < OLDEST_SERVER * 10_000:
        number = f"{version // 10_000}.{version % 10_000}"
        raise WarehouseError(f"{server} is PostgreSQL {number}: {OLDEST_SERVER} or later is needed")


def _in_plain_words(error: psycopg.OperationalError, given: dict[str, Any]) -> str:
    """Describe a failed connection without the message of libpq, which may contain parts of a password.

    libpq has no SQLSTATE for a failed connection, and the server's part of the message is in the server's language. The
    state of the failed connection is used where the message is not understood.
    """
    text = str(error)
    server = _server(given)
    user, database = (
        given.get("user", "the default user"),
        given.get("dbname", given.get("user", "the default")),
    )
    pgconn = error.pgconn
    if "requirepeer" in text:
        return f"{server} belongs to another user than the one who has to answer there: nothing was asked of it"
    if "password authentication failed" in text:
        return f"{server} refused the password of {user}: check HARVESTER_DATABASE_URL"
    if pgconn is not None and pgconn.needs_password:
        return f"{server} asks for a password of {user}: check HARVESTER_DATABASE_URL"
    if "database" in text and "does not exist" in text:
        return f"{server} has no database {database}: create it, or check HARVESTER_DATABASE_URL"
    if "role" in text and "does not exist" in text:
        return f"{server} has no role {user}: create it, or check HARVESTER_DATABASE_URL"
    if "no pg_hba.conf entry" in text:
        return f"{server} does not admit {user} to {database} from here: see its pg_hba.conf"
    if "too many clients" in text or "remaining connection slots" in text:
        return f"{server} has no connection left: close some, or raise max_connections"
    if "starting up" in text or "shutting down" in text or "in recovery mode" in text:
        return f"{server} is starting or stopping: try again in a moment"
    if "could not translate host name" in text or "failed to resolve host" in text:
        return f"{server} cannot be reached: the host name is unknown"
    if "Connection refused" in text or "No such file or directory" in text:
        return f"{server} cannot be reached: no server listens there"
    if "timeout" in text or "timed out" in text:
        return f"{server} cannot be reached: no answer within {CONNECT_TIMEOUT} s"
    if "startup parameter" in text or "for parameter" in text:
        return (
            f"{server} refuses a setting that the connection begins with: look for it in HARVESTER_DATABASE_URL,"
            " PGOPTIONS, PGGEQO, PGTZ and PGDATESTYLE"
        )
    if "SSL" in text or "certificate" in text:
        return f"{server} cannot be reached: the encrypted connection failed, see sslmode"
    if pgconn is not None and pgconn.used_password:
        return f"{server} refuses {user}, by password or otherwise: check HARVESTER_DATABASE_URL"
    return f"{server} cannot be reached"


def _server(given: dict[str, Any]) -> str:
    """Return the name of the server without secrets."""
    host = str(given.get("host") or given.get("hostaddr") or "the default host")
    if host.startswith("/"):
        return f"the PostgreSQL at {host}"
    return f"the PostgreSQL at {host}:{given.get('port', 5432)}"
