"""Decide when a visit pays, and how deep it reads; pure. `rates` and `visit_ends` estimate the rates.

A visit pays when it saves at least `min_gain` item-days of delay for each request. A list that gets r items a day and
was visited t days ago has r * t new items, which have waited t / 2 days on average, so that a visit saves r * t^2 / 2.
The same holds for a page of comments below the head, which has no new comments but may have new replies.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import expm1, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = 86_400.0
PAGE = 40
"""Items of a page."""
DEEPEST_PAGES = 100
"""Upper bound of the pages below the head that are read for replies."""
LOOKS = 24
"""Number of depths for which the time of the last read is kept."""


def interval(value: float, min_gain: float) -> float:
    """Return the days after which a visit of a list with a priority (item weight per day and request) pays."""
    return sqrt(2 * min_gain / value)


@dataclass(frozen=True, slots=True)
class Decay:
    """Replies to a comment per day, by its age: `hazards[i]` applies from `ages[i]` days on."""

    ages: tuple[float, ...]
    hazards: tuple[float, ...]

    def at(self, age: float) -> float:
        """Return the replies per comment and day at an age in days."""
        return self.hazards[max(0, bisect_right(self.ages, age) - 1)]


PRIOR_DECAY = Decay(
    ages=(0.0, 0.05, 0.25, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0),
    hazards=tuple(
        0.108 / (1 + (a + b) / 2)
        for a, b in pairwise((0.0, 0.05, 0.25, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0))
    ),
)
"""Decay until one is fitted: 0.64 replies a comment within a year, falling as 1 / (1 + age / 1 day)."""


def deepest_look(
    page_keys: Sequence[Sequence[int]],
    looked: Sequence[tuple[int, int]],
    now: float,
    decay: Decay,
    min_gain: float,
    item_weight: float = 1.0,
) -> int | None:
    """Return the key down to which a visit pays beyond the head; None where the head is enough.

    Args:
        page_keys: of each page below the head, from the top, the times of its comments (seconds since 1970).
        looked: (key, time) pairs of `Certificate.looked`.
        now: the time of the visit (seconds since 1970).
        decay: the replies to expect.
        min_gain: item-days that a request must save.
        item_weight: of one reply.

    Pages are read from the head down without a gap. The chosen depth has the greatest difference between the item-days
    that its pages save and the `min_gain` of each.
    """
    best, best_key, gain = 0.0, None, 0.0
    for keys in page_keys[:DEEPEST_PAGES]:
        if not keys:
            break
        since = (now - _looked_at(keys[-1], looked)) / DAY
        hazards = sum(decay.at((now - key) / DAY) for key in keys)
        gain += item_weight * hazards * since**2 / 2 - min_gain
        if gain > best:
            best, best_key = gain, keys[-1]
    return best_key


def _looked_at(key: int, looked: Sequence[tuple[int, int]]) -> float:
    """Return the time at which items with a key were last read; minus infinity if they never were."""
    return next((float(at) for lowest, at in looked if key >= lowest), 0.0)


def look(looked: Sequence[tuple[int, int]], lowest: int, at: int) -> list[tuple[int, int]]:
    """Return the record of read depths after a visit that read down to key `lowest` at a time."""
    deeper = [(key, when) for key, when in looked if key < lowest and when < at]
    merged = [(lowest, at), *deeper]
    while len(merged) > LOOKS:
        # Two depths are merged: the shallower gets the older time of the deeper.
        closest = min(range(1, len(merged) - 1), key=lambda n: merged[n][1] - merged[n + 1][1])
        del merged[closest]
    return merged


@dataclass(frozen=True, slots=True)
class Group:
    """Lists of one class: their number, the item weight and rate of each (items a day), and the requests of a visit.

    `cost` leaves out the pages that new items fill, which are read in any case; `full` is the number of pages of a
    whole list, which is read every `revisit` days. `announced` is the share of new items that another list or object
    announces, so that they do not wait for a visit by this schedule. `told` are the items a day that each visit here
    announces, by stream; a visit that announces some is followed by one of that list.
    """

    stream: str
    lists: int
    priority: float
    rate: float
    revisit: float
    """Days after which the lists are visited whatever their priority."""
    cost: float = 1.0
    full: float = 1.0
    announced: float = 0.0
    told: tuple[tuple[str, float], ...] = ()

    def interval(self, min_gain: float) -> float:
        """Return the days between two visits."""
        return min(interval(self.priority, min_gain), self.revisit)

    def requests(self, min_gain: float) -> float:
        """Return the requests a day of one list: visits, pages of new items and full reads, and announced visits."""
        days = self.interval(min_gain)
        announced = sum(-expm1(-items * days) / days for _, items in self.told)
        return self.cost / days + self.rate / PAGE + max(0, self.full - 1) / self.revisit + announced


@dataclass(frozen=True, slots=True)
class Outlook:
    """Forecast for a `min_gain`: visits and requests a day, delay in days, the share of lists without unseen items."""

    visits: float
    requests: float
    delay: float
    fresh: float


def outlook(groups: Sequence[Group], min_gain: float) -> Outlook:
    """Forecast visits at a `min_gain`.

    New items arrive as a Poisson process and wait half an interval on average, those that are announced an interval of
    what announces them. A list is fresh until the first item arrives that is not announced.
    """
    visits = requests = items = waiting = fresh = lists = 0.0
    for group in groups:
        days = group.interval(min_gain)
        visits += group.lists / days
        requests += group.lists * group.requests(min_gain)
        found = group.rate * (1 - group.announced) + sum(told for _, told in group.told)
        items += group.lists * found
        waiting += group.lists * found * days / 2
        expected = group.rate * (1 - group.announced) * days
        fresh += group.lists * (-expm1(-expected) / expected if expected > 1e-9 else 1.0)
        lists += group.lists
    return Outlook(visits, requests, waiting / items if items else 0.0, fresh / lists if lists else 1.0)


def delay_of(stream: str, groups: Sequence[Group], min_gain: float) -> float:
    """Forecast the mean delay of the new items of a stream in days, whichever visits find or announce them."""
    items = waiting = 0.0
    for group in groups:
        own = group.rate * (1 - group.announced) if group.stream == stream else 0.0
        found = group.lists * (own + sum(told for name, told in group.told if name == stream))
        items += found
        waiting += found * group.interval(min_gain) / 2
    return waiting / items if items else 0.0


def min_gain_for(groups: Sequence[Group], requests: float) -> float:
    """Return the `min_gain` at which visits take some requests a day; infinite where the obligatory ones take more."""
    low, high = 1e-12, 1e12
    if outlook(groups, high).requests > requests:
        return float("inf")
    if outlook(groups, low).requests <= requests:
        return low
    for _ in range(100):
        middle = sqrt(low * high)
        if outlook(groups, middle).requests > requests:
            low = middle
        else:
            high = middle
    return high
