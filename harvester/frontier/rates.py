"""Arrival rates of lists: the model and its constants. `visit_ends` and `fitting` apply it in SQL.

New items of a list come as a Poisson process whose rate has a gamma prior: after n items in t days its mean is
(shape + n) / (shape / mean + t). Both n and t fade, so that what was long ago counts less: with an e-fold in the time
in which the list is expected to get `MEMORY_ITEMS`, `FORGET_DAYS` at least. A quiet list forgets nearly nothing: that
it got nothing for two years says far more than that it got nothing for three months. The prior is that of the list's
stratum (`crawl.priors`), else of its stream, else the rate of the catalogue.
The first visit shows a past: where items are dated, those of each day count like what later visits find; of other lists
it is known how many items they hold and how old their owner is, which counts as `UNDATED_ITEMS` at most, since most
grow fastest at first.

A visit that comes t days after the last one saves item_weight * rate * t^2 / 2 item-days of delay, and costs so many
requests. Lists whose item_weight * rate / cost lies within a factor of two are one class, visited first in, first out;
that loses at most 1.5% against exact order (a class is a factor of the square root of two in the interval).
Sources: Cho and Garcia-Molina 2003 for the problem, Sia, Cho and Cho 2007 for delay as its measure.
"""

from enum import IntEnum
from typing import Any

FORGET_DAYS = 90.0
"""Days in which what was observed of a busy list loses all but 1/e of its weight."""
MEMORY_ITEMS = 20
"""Items in whose time what was observed of any other list does so. After two years of 40,000 lists with constant gamma
distributed rates (shape 0.25), the mean belief is within 4% of the mean rate in every class of beliefs; with 10 items
within 6%; with 90 days for all lists it was 2.9 times the mean rate in the quietest class."""
UNDATED_ITEMS = 10
"""Items that the past of a list without dates counts for, at most."""
SHAPE = 0.25
"""Of the prior, until one was fitted: most lists get next to nothing, a few get most."""
CLASSES = 32
FIRST_CLASS = -8
"""Exponent of the first class: it holds all priorities above 2^7 item weights per day and request.

Each further class holds those of half as much, the last all of 2^-23 and less.
"""


class SpiderNumber(IntEnum):
    """Number the spiders whose visits are scheduled.

    The numbers are stored in `crawl.frontier.queue`: one that is taken is never changed or given to another spider.
    """

    USERS = 0
    PROJECTS = 1
    STUDIOS = 2
    COMMENTS = 3


QUEUE_NUMBERS: dict[str, int] = {number.name.lower(): number.value for number in SpiderNumber}
"""The number of each spider by its name: a queue is a spider and a class."""
SECOND_LOOK_DAYS = 1.5
"""A young thing is visited again after so many days, whatever is known of its kind."""
YOUNG_DAYS = 7.0
YOUNGEST_DAYS = 0.05
"""Age that a thing has at least, should its clock be ahead of ours. A day would make what was met sooner look quiet."""
AGES = (1, 7, 30, 180, 730)
"""Days of age at which a stratum ends."""
ACTIVITIES = (1, 10, 100, 1000)
"""Views of a project and followers of a studio at which a stratum ends. Never what the list itself holds: that is data,
and a stratum that is chosen by the data counts them twice."""


def priority_of(class_: int) -> float:
    """Worth a day and request of the lists in a class: the middle of its range, in geometric terms."""
    return float(2.0 ** -(class_ + FIRST_CLASS + 0.5))


def queues(spiders: set[str]) -> list[int]:
    """Return the queues of some spiders."""
    return [
        QUEUE_NUMBERS[spider] * CLASSES + class_
        for spider in sorted(spiders & QUEUE_NUMBERS.keys())
        for class_ in range(CLASSES)
    ]


OLDEST_STRATUM = 8 * len(AGES)
"""The first stratum of the oldest age, which nothing leaves by growing older."""
SCALE: dict[str, Any] = {
    "shape": SHAPE,
    "classes": CLASSES,
    "first_class": FIRST_CLASS,
    "ages": list(AGES),
    "youngest_days": YOUNGEST_DAYS,
}
"""Values of statements that class lists."""
