"""The clock of a session: the functions `crawl.clock()` and `crawl.statement_clock()` of `views/clock.sql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from harvester.warehouse.connection import Connection

SETTING = "harvester.clock"
"""The setting with the time. Each session begins with it empty, whatever the default of the database."""


def set_clock(connection: Connection, at: datetime | None) -> None:
    """Set the clock of a session to a fixed time; None: to the server's clock."""
    connection.execute("SELECT set_config(%s, %s, false)", [SETTING, at.isoformat() if at is not None else ""])
