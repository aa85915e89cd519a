"""Repeat requests: the number of attempts, and the seconds between them."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

ATTEMPTS = 5
"""Number of times that a request is sent before its visit is postponed."""
LONGEST_RETRY_AFTER = 3600.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0


def backoff(attempt: int) -> float:
    """Return the seconds to wait after the failure number `attempt` (from 0): doubling, with jitter, up to a minute."""
    ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
    return random.uniform(ceiling / 2, ceiling)


def retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Parse a `Retry-After` header, in seconds or as a date (RFC 9110, 10.2.3), to seconds; None without a valid one.

    A date counts from the `date` of the same response, by the same clock; from `now` where it has none.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():  # a superscript is a digit too, and no number
        return min(float(text), LONGEST_RETRY_AFTER)
    at = _moment(text)
    if at is None:
        return None
    return min(max(0.0, (at - (_moment(date) or now)).total_seconds()), LONGEST_RETRY_AFTER)


def _moment(text: str | None) -> datetime | None:
    """Parse an HTTP date; None if it is invalid."""
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
