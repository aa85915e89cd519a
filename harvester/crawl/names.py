"""Identity of the account behind an answer by name; pure.

See "Accounts that change their names" in `docs/concepts.md`.
"""

from collections.abc import Sequence
from itertools import pairwise

EVIDENCE = 3
"""Items of a certified page, in their order, that show a list to be the one that was certified: others may hold the
same user or project, but hardly three of them in the same order with nothing else between."""
RECENT_SECONDS = 3600.0
"""Seconds after the proof of a name within which a list of its account may be read for the first time."""


def same_name(one: str | None, other: str | None) -> bool:
    """Return whether two names are the same at the site, which ignores case."""
    return one is not None and other is not None and one.lower() == other.lower()


def is_recent(proven_seconds: float | None) -> bool:
    """Return whether a list may be read for the first time this long after its account's name was proven."""
    return proven_seconds is not None and proven_seconds <= RECENT_SECONDS


def connects(anchors: Sequence[int], page: Sequence[int], *, exclusive: bool) -> bool:
    """Return whether the first page of a visit connects with the certified list, or shows only items of it.

    Args:
        anchors: Items of the page on which the certificate was issued, in order.
        page: Items of the page now, in order.
        exclusive: Whether an item stands in one list alone, as a comment does.
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
    # Below the first item that is known nothing else stands, until those that are known end.
    return all(item in places for item in behind)
