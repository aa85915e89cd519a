"""The request rate of a warehouse: one number in `crawl.rate_limit` for all workers on all machines.

The first run of a warehouse records the rate of its settings. Later settings may repeat it or leave it out; another one
is refused, and `change_rate` is the only way to another rate.
"""

from __future__ import annotations

import getpass
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from harvester.config import is_rate
from harvester.errors import UsageError
from harvester.warehouse.access import connect
from harvester.warehouse.schema import check_schema, use_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from datetime import datetime

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "request_rate")


@dataclass(frozen=True, slots=True)
class RateChange:
    """A change of the rate: requests per second (0: unlimited), the rate before (None: none), and by whom and when."""

    changed_at: datetime
    rate: float
    previous_rate: float | None
    changed_by: str
    database_role: str

    def as_json(self) -> dict[str, Any]:
        """Return the fields, with the time as text."""
        return asdict(self) | {"changed_at": self.changed_at.isoformat()}


def describe(rate: float) -> str:
    """Return a rate in words."""
    return f"{rate:g} requests/s" if rate else "unlimited"


def adopt_rate(connection: Connection, settings: Settings, *, is_compared: bool = True) -> Settings:
    """Return the settings with the warehouse's rate, and record theirs where the warehouse has none yet.

    `is_compared` is False for a worker whose starter has compared the two: the rate may have been changed since.

    Raises:
        UsageError: HARVESTER_RATE is set to another rate, or the rate is unlimited and a configured host is public.
    """
    rate = settings.rate
    with connection.transaction():
        if not _record_first(connection, rate):
            rate = read_rate(connection) or 0.0
    if is_compared and settings.rate_is_set and settings.rate != rate:
        raise UsageError(
            f"HARVESTER_RATE is {describe(settings.rate)}, but the rate of this warehouse is {describe(rate)}: unset"
            f" HARVESTER_RATE, or change the rate of all workers with `harvester rate {settings.rate:g}`"
        )
    check_unlimited(settings, rate)
    return settings.model_copy(update={"rate": rate})


def check_unlimited(settings: Settings, rate: float) -> None:
    """Refuse an unlimited rate where a configured host is not this machine.

    Raises:
        UsageError: the rate is 0 and a host is public.
    """
    if rate == 0 and settings.public_hosts:
        raise UsageError(
            f"an unlimited rate is for loopback hosts only, and {settings.public_hosts[0]} is none: set the rate of"
            " this warehouse with `harvester rate 5`"
        )


def change_rate(settings: Settings, rate: float) -> bool:
    """Change the rate of the warehouse, and record by whom; return False where it was the rate already.

    Raises:
        UsageError: a rate that is no number of 0 or more, or an unlimited one although a configured host is public.
        WarehouseError: the database is unusable.
    """
    if not is_rate(rate):
        raise UsageError("a rate is a number of requests per second, 0 or more")
    check_unlimited(settings, rate)
    with connect(settings, autocommit=True) as connection:
        use_schema(connection)
        with connection.transaction():
            if _record_first(connection, rate):
                return True
            row = connection.execute("SELECT rate FROM crawl.rate_limit WHERE id = 1 FOR UPDATE").fetchone()
            assert row is not None
            if row[0] == rate:
                return False
            connection.execute("UPDATE crawl.rate_limit SET rate = %s WHERE id = 1", [rate])
            _log(connection, rate, row[0])
    return True


def read_rate(connection: Connection) -> float | None:
    """Return the rate of the warehouse in requests per second (0: unlimited); None before its first run."""
    row = connection.execute("SELECT rate FROM crawl.rate_limit WHERE id = 1").fetchone()
    return None if row is None else float(row[0])


def read_changes(settings: Settings) -> list[RateChange]:
    """Return all changes of the rate, the newest first.

    Raises:
        WarehouseError: the database is unusable.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        with connection.cursor(row_factory=class_row(RateChange)) as cursor:
            return cursor.execute(_SQL["changes"]).fetchall()


def _record_first(connection: Connection, rate: float) -> bool:
    """Record a rate if none is set; return whether it was recorded. Of concurrent calls one records it."""
    is_first = connection.execute(
        "INSERT INTO crawl.rate_limit (id, rate) VALUES (1, %s) ON CONFLICT (id) DO NOTHING RETURNING id", [rate]
    ).fetchone()
    if is_first:
        _log(connection, rate, None)
    return is_first is not None


def _log(connection: Connection, rate: float, previous: float | None) -> None:
    connection.execute(
        "INSERT INTO crawl.rate_changes (rate, previous_rate, changed_by) VALUES (%s, %s, %s)",
        [rate, previous, _operator()],
    )


def _operator() -> str:
    """Return the user and the host of this process: `user@host`."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container may run under a user id that has no name
        name = "unknown"
    return f"{name}@{socket.gethostname()}"
