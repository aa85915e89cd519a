"""Wait for a database that went away, and begin again over a new connection; the only place that does so."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from harvester.errors import WarehouseError
from harvester.warehouse.connect import refusal
from harvester.warehouse.sqlstates import PASSING, Cause, cause_of

T = TypeVar("T")

RECOVERY_SECONDS = 120
"""Seconds that a crawl waits for a lost database to come back."""
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0

logger = logging.getLogger(__name__)


def outlast_outage(work: Callable[[], T], is_over: Callable[[], bool] = lambda: False, *, is_first: bool = False) -> T:
    """Run a function that connects and can be repeated; if the database is lost meanwhile, repeat it once it is back.

    Args:
        work: it closes its connection when it fails.
        is_over: whether to give up.
        is_first: the command has used no database before. One that cannot be used is reported at once then.

    Raises:
        WarehouseError: the database refused for another reason, or is not back within `RECOVERY_SECONDS`.
    """
    try:
        return work()
    except WarehouseError:
        if is_first:
            raise
    except psycopg.Error as error:
        if cause_of(error) is not Cause.CONNECTION:
            raise WarehouseError(refusal(error)) from None
    return wait_for_database(work, is_over)


def wait_for_database(work: Callable[[], T], is_over: Callable[[], bool] = lambda: False) -> T:
    """Repeat a function that connects until the lost database is back.

    Raises:
        WarehouseError: as `outlast_outage`.
    """
    logger.warning("the database went away: waiting for it for %d s at most", RECOVERY_SECONDS)
    deadline = time.monotonic() + RECOVERY_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            done = work()
        except (WarehouseError, psycopg.Error) as error:
            if isinstance(error, psycopg.Error) and cause_of(error) not in PASSING:
                raise WarehouseError(refusal(error)) from None
            if is_over() or time.monotonic() > deadline:
                words = str(error) if isinstance(error, WarehouseError) else type(error).__name__
                raise WarehouseError(f"the database went away during the crawl ({words})") from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            logger.warning("the database is back")
            return done
