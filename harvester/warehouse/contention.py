"""Repeat transactions that lost to others by a deadlock or a serialization failure; the only place that does so."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from harvester.warehouse.sqlstates import Cause, cause_of

T = TypeVar("T")

_ATTEMPTS = 14
_AT_ONCE = 8
"""Number of attempts without a pause, since the other transaction has ended as a rule."""
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


def retry_contention(work: Callable[[], T], *, or_busy: bool = False) -> T:
    """Run a transaction, and repeat it if it lost to another one.

    `or_busy`: also if the server had no time or no lock for it. (The session of a crawl repeats these itself.)

    Raises:
        psycopg.Error: any other error, or it lost for some ten seconds.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return work()
        except psycopg.Error as error:
            cause = cause_of(error)
            if cause is not Cause.CONTENTION and not (or_busy and cause is Cause.BUSY):
                raise
        if attempt >= _AT_ONCE:
            time.sleep(random.uniform(0.5, 1) * min(_FIRST_PAUSE * 2 ** (attempt - _AT_ONCE), _LONGEST_PAUSE))
    return work()
