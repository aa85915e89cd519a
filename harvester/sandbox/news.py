"""The site's announcements: ids beyond 64-bit floats that are used again, and times that are years off."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from harvester.sandbox.clock import DAY, NOW

_SUBJECTS = ["Scratch Camp", "Wiki Wednesday", "New Design Studio", "Scratch Week", "Community Blog Post", "Update"]
_TEXTS = [
    "See what is new & share what you make!",
    "Join us for a week of <b>projects</b>.",
    "It's \u201cdress up\u201d time \u2014 come and look.",
]
_OFF = 2 * 365 * DAY
_ID = 724_656_224_564_543_500


class Item(NamedTuple):
    """An announcement; `stamp` in seconds since 1970."""

    id: int
    stamp: int
    headline: str
    url: str
    image: str
    copy: str


class News:
    """The announcements, newest last."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed} news")
        self.items: list[Item] = []
        for age in range(45, 0, -1):
            self.post(NOW - 9 * age * DAY, reuse=age in (4, 20))

    def post(self, now: int, *, reuse: bool) -> None:
        """Announce something; `reuse`: under the id of the item before."""
        number = len(self.items)
        item_id = self.items[-1].id if reuse and self.items else _ID + number * 10_000_000_000_000_000 // 100 * 100
        choice = self._random.choice
        self.items.append(
            Item(
                item_id,
                now - _OFF,
                f"{choice(_SUBJECTS)} #{number}",
                f"https://scratch.mit.edu/discuss/topic/{100_000 + number}/",
                f"https://cdn.example.org/news/{number}.png",
                choice(_TEXTS),
            )
        )
