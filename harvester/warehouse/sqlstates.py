"""Classify errors of the database by SQLSTATE: the only table of what to do about each kind of error.

The Python class of an error is not enough: a broken connection and a text that is too long for an index are both
`psycopg.OperationalError`. The codes are those of appendix A of PostgreSQL's documentation.
"""

from __future__ import annotations

from enum import Enum

import psycopg


class Cause(Enum):
    """A kind of error by its meaning; the value is the remedy."""

    CONTENTION = "run the transaction again: another one was in its way"
    BUSY = "try again later: the server had no time, lock or connection to spare"
    CONNECTION = "connect again: the connection or the server went away"
    STORAGE = "stop: the server has no room left, or its storage fails"
    READ_ONLY = "stop: the database takes no writes"
    RIGHTS = "stop: the role may not do this"
    DATA = "set aside what was to be written: the database cannot hold it"
    DEFECT = "stop: the statement or the state of the session is wrong"


CAUSES: dict[str, Cause] = {
    "08": Cause.CONNECTION,
    "21": Cause.DATA,
    "22": Cause.DATA,
    "23": Cause.DATA,
    "25006": Cause.READ_ONLY,
    "25P03": Cause.CONNECTION,  # idle in a transaction for too long: the server closed the connection
    "25P04": Cause.CONNECTION,  # a transaction that took too long, alike
    "28": Cause.RIGHTS,
    "40": Cause.CONTENTION,
    "40002": Cause.DATA,
    "40003": Cause.CONNECTION,
    "42501": Cause.RIGHTS,
    "53": Cause.STORAGE,
    "53300": Cause.BUSY,
    "54": Cause.DATA,
    "55006": Cause.BUSY,
    "55P03": Cause.BUSY,
    "57": Cause.BUSY,
    "57P01": Cause.CONNECTION,
    "57P02": Cause.CONNECTION,
    "57P03": Cause.CONNECTION,
    "57P04": Cause.CONNECTION,
    "57P05": Cause.CONNECTION,
    "58": Cause.STORAGE,
    "72": Cause.CONTENTION,
    "XX001": Cause.STORAGE,
    "XX002": Cause.STORAGE,
}
"""By SQLSTATE, or by its class (the first two characters) for the others of it. Missing ones are a `DEFECT`."""

_LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
"""Errors without a SQLSTATE by which the connection is lost."""
PASSING = frozenset({Cause.CONTENTION, Cause.BUSY, Cause.CONNECTION})
"""Causes with which the same transaction may succeed later."""


def cause_of(error: psycopg.Error) -> Cause:
    """Classify an error of psycopg.

    libpq and psycopg raise some errors without a SQLSTATE: a lost connection, a value that no type fits, and answers
    that do not belong to the commands (`InternalError`), as when a server and the pooler before it both say that the
    connection ends.
    """
    if error.sqlstate is None and isinstance(error, psycopg.DataError):
        return Cause.DATA
    if error.sqlstate is None and not isinstance(error, _LOST):
        return Cause.DEFECT
    return cause_of_state(error.sqlstate)


def cause_of_state(state: str | None) -> Cause:
    """Classify a SQLSTATE; an error without one did not come from a server."""
    if state is None:
        return Cause.CONNECTION
    return CAUSES.get(state) or CAUSES.get(state[:2], Cause.DEFECT)
