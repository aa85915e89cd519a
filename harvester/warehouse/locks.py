"""The advisory locks in a warehouse, all numbers in one place, and the end of sessions whose crawl has vanished."""

from psycopg import sql

from harvester.warehouse.annotations import SCHEMAS
from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "locks")

MIGRATING = 0x5C7A7C8
"""One migration at a time."""
ALIVE = 0x5C7A7C9
"""With the number of a run: held while the run is alive."""
IN_USE = 0x5C7A7CA
"""Lock that crawls share, and that a schema change or an erasure holds exclusively."""
FITTING = 0x5C7A7CB
"""One worker fits the priors, without the others waiting."""
MAINTAINING = 0x5C7A7CE
"""One maintenance at a time."""
REFRESHING = 0x5C7A7CC
"""One refresh of `analytics` at a time."""
VERIFYING = 0x5C7A7CF
"""One verification of a backup at a time."""
CHECKING = 0x5C7A7D0
"""One check of a replay at a time."""
REPLAYING = 0x5C7A7D2
"""One partial replay at a time."""
STORING = 0x5C7A7D1
"""Lock that transactions share which store bodies in files, and that the removal of files without a row holds alone."""

LONGEST_SILENCE = 120
"""Seconds for which the session of a crawl may wait for its client. After that its machine or the way to it is gone:
the server ends the session itself where it can, and other crawls, erasures and migrations end it where it cannot, in
the middle of a command."""
_TERMINATION_MS = 5000


def end_vanished(connection: Connection) -> int:
    """End the sessions of crawls whose client has been silent for too long; return the number of them.

    Those of roles that this one may not act for stay.
    """
    values = {"alive": ALIVE, "seconds": LONGEST_SILENCE, "patience": _TERMINATION_MS}
    row = connection.execute(_SQL["end_vanished"], values).fetchone()
    assert row is not None
    return int(row[0])


def take_alone(connection: Connection, function: str) -> bool:
    """Take the lock that crawls share, alone, by a function of the server that does not wait; return whether it did."""
    query = sql.SQL("SELECT {}(%s)").format(sql.Identifier(function))
    is_taken = connection.execute(query, [IN_USE]).fetchone() == (True,)
    return is_taken or (end_vanished(connection) > 0 and connection.execute(query, [IN_USE]).fetchone() == (True,))


def users_of_tables(connection: Connection) -> str:
    """Name up to three sessions of others that use tables or views of the warehouse: role, program, process, since."""
    rows = connection.execute(_SQL["users_of_tables"], {"schemas": list(SCHEMAS)}).fetchall()
    told = (
        f"{role} by {program} (process {pid}{'' if since is None else f', since {since:%H:%M} UTC'})"
        for role, program, pid, since in rows
    )
    return ", ".join(told) or "somebody"
