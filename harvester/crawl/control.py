"""Control of answers that say "not there": a site in trouble may give them for everything.

That a known thing is missing is believed once the same stream has found something by a request that was begun later.
Where no visit does that by itself, a thing that was present at its last visit is asked for. And where far more of the
known things are missing than usual, none of them is believed missing until a later run. An absence that changes nothing
that is known needs no more than that the site found anything within the last minute.

An answer that does not show whom it is about counts, where no known fact supports it, once later requests were answered
with the right ids of two things of one kind: a page that is served for every address is about one of them at most.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harvester.api.stream import Kind

FRESH_SECONDS = 60.0
"""Seconds for which an answer is evidence of the site's state."""
CANDIDATES = 3
"""Known things of a stream that are asked for at most; where all are missing, the fault is the site's."""
WAIT_SECONDS = 2.0
"""Seconds to wait for a current visit to find something, before a known entity is requested."""
_DIFFERENT = 2
"""Things whose right ids show that the site does not answer all addresses with one page."""
_PLAUSIBLE = 0.2
"""Share of known things that may be missing in any run."""
_TIMES_USUAL = 3
_IMPROBABLE = math.log(1e6)
"""Minus the logarithm of the probability below which so many missing things are no chance."""


class Control:
    """Evidence of this run's answers on the state of the site.

    Args:
        usual: By stream the share of answers, in the runs before, that said that something is not there; may be set
            later.
    """

    def __init__(self, usual: Mapping[str, float] | None = None) -> None:
        self.usual = usual or {}
        self._found_at: dict[str, float] = {}
        self._doubted_at: dict[str, float] = {}
        self._mistook_at = -math.inf
        self._identified: defaultdict[Kind, dict[int, float]] = defaultdict(dict)
        """By kind, when the requests began whose answers last showed the right id, for two different ids."""
        self._found: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()

    def found(self, stream: str, began: float) -> None:
        """Note that something of a stream was there, by a request begun at a time of the monotonic clock."""
        self._found_at[stream] = max(began, self._found_at.get(stream, began))
        self._found[stream] += 1
        self._doubted_at.pop(stream, None)

    def doubt(self, stream: str) -> None:
        """Note that what must be there was not."""
        self._doubted_at[stream] = time.monotonic()

    def mistake(self) -> None:
        """Note that an answer was about another thing than was asked for."""
        self._mistook_at = time.monotonic()

    def mistakes(self) -> bool:
        """Return whether an answer was about another thing within the last minute: then none speaks for itself."""
        return time.monotonic() - self._mistook_at < FRESH_SECONDS

    def identify(self, kind: Kind, entity: int, began: float) -> None:
        """Note that an answer showed the id that was asked for, to a request begun at a time of the monotonic clock."""
        of_kind = self._identified[kind]
        of_kind[entity] = max(began, of_kind.get(entity, began))
        if len(of_kind) > _DIFFERENT:
            del of_kind[min(of_kind, key=of_kind.__getitem__)]

    def has_identified_since(self, at: float) -> bool:
        """Return whether requests begun after a time of the monotonic clock were answered with the right ids."""
        return any(sum(began > at for began in of_kind.values()) == _DIFFERENT for of_kind in self._identified.values())

    def has_found(self) -> bool:
        """Return whether anything was found within the last minute."""
        return any(time.monotonic() - at < FRESH_SECONDS for at in self._found_at.values())

    def has_found_since(self, stream: str, at: float) -> bool:
        """Return whether something of a stream was found by a request begun after a time of the monotonic clock."""
        return self._found_at.get(stream, -math.inf) > at

    def is_doubted(self, stream: str) -> bool:
        """Return whether what must be there was missing within the last minute."""
        return time.monotonic() - self._doubted_at.get(stream, -math.inf) < FRESH_SECONDS

    def miss(self, stream: str) -> bool:
        """Count one more known thing of a stream as missing; return whether too many are for that to be chance."""
        self._missing[stream] += 1
        share = min(0.9, max(_PLAUSIBLE, _TIMES_USUAL * self.usual.get(stream, 0.0)))
        return leaps(self._missing[stream], self._missing[stream] + self._found[stream], share)


def leaps(missing: int, asked: int, share: float) -> bool:
    """Return whether `missing` of `asked` things is improbable where each is missing with probability `share`.

    By Chernoff's bound on the binomial distribution, exp(-asked * KL(missing / asked, share)), which is never below the
    probability itself: of few things even all may be missing.
    """
    if not asked or missing <= share * asked:
        return False
    seen = missing / asked
    divergence = seen * math.log(seen / share)
    if seen < 1:
        divergence += (1 - seen) * math.log((1 - seen) / (1 - share))
    return asked * divergence > _IMPROBABLE
