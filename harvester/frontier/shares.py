"""Shares of a run's requests: new entries, due or scheduled ones, random re-checks, early audits.

Each share of `HARVESTER_SHARES` is kept by weighted fair queueing: the next lease is for the purpose that is furthest
behind its share and has entries. A share without entries is left to the others; re-checks and audits, which never run
out of entries, take no more than their shares, unless no other share is left.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from harvester.frontier.leases import Purpose

PURPOSES: dict[str, tuple[Purpose, ...]] = {
    "discovery": (Purpose.NEW,),
    "scheduled": (Purpose.DUE, Purpose.SCHEDULED),
    "recheck": (Purpose.RECHECK,),
    "audit": (Purpose.AUDIT,),
}
"""Purposes of each share, in the order of leasing."""
_ENDLESS = ("recheck", "audit")
_SHARE_OF = {purpose: share for share, purposes in PURPOSES.items() for purpose in purposes}


class Shares:
    """The requests of a run so far, by share."""

    def __init__(self, weights: Mapping[str, float], *, due_only: bool) -> None:
        """Take the `weights` by name of the share; `due_only` leaves out all purposes but new and due."""
        self._weights = {name: weight for name, weight in weights.items() if weight > 0}
        self._due_only = due_only
        self.spent: Counter[Purpose] = Counter()

    def charge(self, purpose: Purpose, requests: int) -> None:
        """Count requests."""
        self.spent[purpose] += requests

    def order(self) -> Iterator[Purpose]:
        """Yield the purposes to lease for, beginning with those of the share that is furthest behind."""
        if self._due_only:
            yield from (Purpose.NEW, Purpose.DUE)
            return
        spent: Counter[str] = Counter()
        for purpose, requests in self.spent.items():
            spent[_SHARE_OF[purpose]] += requests
        total, whole = spent.total(), sum(self._weights.values())
        for name in sorted(self._weights, key=lambda name: spent[name] / self._weights[name]):
            alone = self._weights[name] == whole
            if name not in _ENDLESS or alone or spent[name] < total * self._weights[name] / whole:
                yield from PURPOSES[name]
