"""Connect to the warehouse of the settings: the operator's own server, or the embedded one, which is made if needed.

The first command of a home makes the secret key, the embedded database and its schema. The operator's own server gets
its schema by `harvester db migrate` only, when the operator decides.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from harvester.errors import WarehouseError
from harvester.secret import secret_key
from harvester.warehouse import embedded, schema
from harvester.warehouse.connect import libpq_url, open_connection

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

logger = logging.getLogger(__name__)

_EMBEDDED_DOWN = "the embedded PostgreSQL is not running: `harvester db up` starts it"


def connect(settings: Settings, *, start: bool = True, autocommit: bool = False, **options: Any) -> Connection:
    """Connect to the warehouse. `options` go to `psycopg.connect`.

    Raises:
        WarehouseError: in one line, what does not work and what to do; never a password.
    """
    url = server_url(settings, start=start)
    connection = open_connection(url, autocommit=True, **options)
    try:
        if start and settings.database_url is None:
            _make_schema(connection, url, settings.home)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def database_url(settings: Settings) -> str:
    """Return the libpq URL of the warehouse: HARVESTER_DATABASE_URL, else the embedded server with its schema.

    It may hold a password: it goes to libpq and nowhere else.

    Raises:
        WarehouseError: as `connect`.
    """
    if settings.database_url is None:
        connect(settings).close()
    return server_url(settings)


def server_url(settings: Settings, *, start: bool = True) -> str:
    """Return the libpq URL of the database, whatever schema it has; the embedded server is started if need be.

    Raises:
        WarehouseError: the embedded server cannot be started, or does not run and `start` is false.
    """
    if settings.database_url is not None:
        return libpq_url(settings.database_url.get_secret_value())
    url = _start_server(settings.home) if start else embedded.url(settings.home)
    if url is None:
        raise WarehouseError(_EMBEDDED_DOWN)
    return url


def _start_server(home: Path) -> str:
    """Start the embedded server unless it runs, and return its URL; the first command of a home makes the secret key.

    Later commands make none: where the key is missing, the command that needs it reports that.
    """
    if not embedded.status(home).data.exists():
        secret_key(home)
    return embedded.up(home)


def _make_schema(connection: Connection, url: str, home: Path) -> None:
    """Make the schema of an embedded database that never had one, and log that."""
    if schema.revision(connection) is None:
        schema.migrate(url)
        logger.warning("made the tables of a new warehouse in %s", home)
