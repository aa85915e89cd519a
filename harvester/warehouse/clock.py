"""The clock of a session: the functions `crawl.clock()` and `crawl.statement_clock()` of `views/clock.sql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from harvester.warehouse.connection import Connection

SETTING = "harvester.clock"
"""The server's setting that holds the time. Every session begins with it empty, whatever a database's default is."""


def set_clock(connection: Connection, at: datetime | None) -> None:
    """Set the clock of a session to a time at which it stays; None: to the server's own."""
    connection.execute("SELECT set_config(%s, %s, false)", [SETTING, at.isoformat() if at is not None else ""])
