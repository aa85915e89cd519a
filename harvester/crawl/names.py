"""Decide which account a list that was requested by name belongs to; pure.

See "Accounts that change their names" in `docs/concepts.md`.
"""

from collections.abc import Sequence
from itertools import pairwise

EVIDENCE = 3
"""Number of items of the certified page, in the same order, that identify a list as the certified one: another list
may hold the same user or project, but hardly three of them in the same order with nothing else between."""
RECENT_SECONDS = 3600.0
"""Seconds after the proof of an account's name within which a list of it may be read for the first time."""


def same_name(one: str | None, other: str | None) -> bool:
    """Return whether two names are the same; the site ignores case."""
    return one is not None and other is not None and one.lower() == other.lower()


def is_recent(proven_seconds: float | None) -> bool:
    """Return whether a list may be read for the first time this long after its account's name was proven."""
    return proven_seconds is not None and proven_seconds <= RECENT_SECONDS


def connects(anchors: Sequence[int], page: Sequence[int], *, exclusive: bool) -> bool:
    """Return whether the first page of a visit is of the certified list, as far as its items show.

    Args:
        anchors: Items of the page on which the certificate was issued, in order.
        page: Items of the page now, in order.
        exclusive: An item stands in one list only, as a comment does.
    """
    places = {item: place for place, item in enumerate(anchors)}
    met = [places[item] for item in page if item in places]
    if len(met) == len(page):
        return True
    if exclusive:
        return bool(met)
    if len(met) < EVIDENCE or any(one >= other for one, other in pairwise(met)):
        return False
    first = next(number for number, item in enumerate(page) if item in places)
    behind = page[first : first + len(met)]
    # Between the known items there must be no others.
    return all(item in places for item in behind)
