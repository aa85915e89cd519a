"""Arrival rates of lists: the model and its constants. `visit_ends` and `fitting` apply it in SQL.

New items of a list arrive as a Poisson process whose rate has a gamma prior: after n items in t days its mean is (shape
+ n) / (shape / mean + t). Both n and t decay exponentially, so that old observations count less: by a factor of e in
the time in which the list is expected to get `MEMORY_ITEMS`, at least `FORGET_DAYS`. A quiet list hardly forgets: no
item in two years is stronger evidence than no item in three months. The prior is that of the list's stratum
(`crawl.priors`), else of its stream, else the rate of the catalogue. The first visit shows the past of a list. Where
items are dated, they count like items that later visits find; of other lists the number of items and the age of their
owner are known, which count for at most `UNDATED_ITEMS`, since most lists grow fastest at first.

A visit t days after the last one saves item_weight * rate * t^2 / 2 item-days of delay, and costs a number of requests.
Lists whose item_weight * rate / cost lies within a factor of two are one class, visited first in, first out; that loses
at most 1.5% against the exact order (the interval varies by a factor of the square root of two within a class).
Sources: Cho and Garcia-Molina 2003 for the problem, Sia, Cho and Cho 2007 for delay as its measure.
"""

from enum import IntEnum
from typing import Any

FORGET_DAYS = 90.0
"""Days in which observations of a busy list lose all but 1/e of their weight."""
MEMORY_ITEMS = 20
"""Number of expected items in whose time observations of another list lose all but 1/e. After two simulated years of
40,000 lists with constant gamma distributed rates (shape 0.25), the mean estimate is within 4% of the mean rate in each
class of estimates; with 10 items within 6%; with 90 days for all lists it was 2.9 times the rate in the quietest
one."""
UNDATED_ITEMS = 10
"""Upper bound of the items that the past of a list without dates counts for."""
SHAPE = 0.25
"""Shape of the prior until one is fitted: most lists get hardly any items, a few get most of them."""
CLASSES = 32
FIRST_CLASS = -8
"""Exponent of the first class: it holds all priorities above 2^7 item weights per day and request.

Each further class has half the priority, and the last one holds all of 2^-23 and less.
"""


class SpiderNumber(IntEnum):
    """Number the spiders whose visits are scheduled.

    The numbers are stored in `crawl.frontier.queue`: a number is never changed or given to another spider.
    """

    USERS = 0
    PROJECTS = 1
    STUDIOS = 2
    COMMENTS = 3
    SOURCES = 4


QUEUE_NUMBERS: dict[str, int] = {number.name.lower(): number.value for number in SpiderNumber}
"""The number of each spider by its name: a queue is a spider and a class."""
SECOND_LOOK_DAYS = 1.5
"""Days after which a young entity is visited again, whatever its rate."""
YOUNG_DAYS = 7.0
YOUNGEST_DAYS = 0.05
"""Least age in days, where the source's clock is ahead. A day would make entities that are met younger look quiet."""
AGES = (1, 7, 30, 180, 730)
"""Days of age at which a stratum ends."""
ACTIVITIES = (1, 10, 100, 1000)
"""Views of a project and followers of a studio at which a stratum ends. The size of the list itself is not used: a
stratum that is chosen by the data would count them twice."""


def priority_of(class_: int) -> float:
    """Return the priority (item weight per day and request) of a class: the geometric mean of its bounds."""
    return float(2.0 ** -(class_ + FIRST_CLASS + 0.5))


def queues(spiders: set[str]) -> list[int]:
    """Return the queues of some spiders."""
    return [
        QUEUE_NUMBERS[spider] * CLASSES + class_
        for spider in sorted(spiders & QUEUE_NUMBERS.keys())
        for class_ in range(CLASSES)
    ]


OLDEST_STRATUM = 8 * len(AGES)
"""The first stratum of the oldest age, which no list leaves by growing older."""
SCALE: dict[str, Any] = {
    "shape": SHAPE,
    "classes": CLASSES,
    "first_class": FIRST_CLASS,
    "ages": list(AGES),
    "youngest_days": YOUNGEST_DAYS,
}
"""Values of statements that class lists."""
