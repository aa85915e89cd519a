"""A synthetic community that is filled at once and lives on by churn."""

from __future__ import annotations

from collections import Counter

from harvester.sandbox import churn, generate, index
from harvester.sandbox.community_state import CommunityState
from harvester.sandbox.sources import Sources

HOSTLESS = 10
"""In a community with odd items one in so many studios shows no host: null, for good."""


class Community(CommunityState):
    """A synthetic Scratch community, the same for the same `users` and `seed`.

    Args:
        users: How many users it starts with, at least 1.
        seed: Which community; any integer from 0.
        odd: The share of items that are odd (see `odd`); with any, some studios show no host.
        dense: Whether one id in ten is of a shared project (see `frame`); the site's ids lie far apart in a small one.

    Raises:
        ValueError: If there would be nobody, or the seed is negative.
    """

    def __init__(self, users: int = 500, seed: int = 1, odd: float = 0.0, *, dense: bool = False) -> None:
        if users < 1 or seed < 0:
            raise ValueError(f"a community needs at least 1 user and a seed from 0, not {users} and {seed}")
        super().__init__(seed, odd)
        self.sources = Sources(self)
        self.name = f"seed {seed} and {users:,} users" + (", dense" if dense else "")
        generate.fill(self, users)
        if dense:
            generate.make_dense(self)
        if odd:
            self.studios.nulls.update((row, "host") for row in range(0, len(self.studios), HOSTLESS))
        index.fill(self)

    def churn(self, events: int = 1, type_: str | None = None) -> Counter[str]:
        """Let the community live for a number of events, all of one type if given. Returns how many of which happened.

        Raises:
            ValueError: If there is no such type, or nothing of it can happen.
        """
        self.changes += events
        return Counter(churn.step(self, type_) for _ in range(events))
