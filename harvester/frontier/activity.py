"""Activity of an entity: what its other lists showed lately raises or lowers the rate of a list.

Somebody who was seen in one list (a project, a favorite, a follow) is likelier to have new items in the others. The
rate of a list is multiplied by (1 + found) / (1 + expected), where both are sums over the other lists of the same user,
project or studio: the new items that visits found, and those that the rates of these lists let expect in the same days.
Both fade by a factor of e in `MEMORY_DAYS`, so that the factor is near 1 again when nothing was visited for long. It
counts for the class of a list at each of its visits but the first, and for all lists in the daily fit. The days after
which a list is visited in any case do not depend on it.

In simulated communities with bursts (`python -m benchmarks bursts`) 5, 10 and 20 days were equally good.
"""

from harvester.api.catalogue import STREAMS
from harvester.api.stream import Kind, Paging, Stream

MEMORY_DAYS = 10.0
_MOST_DAYS = 500.0
"""Upper bound of the days for which something fades: PostgreSQL raises an error where an exponential underflows."""
_LISTS = {
    kind: [
        stream.name
        for stream in STREAMS.values()
        if stream.kind is kind and stream.item_weight and stream.paging is not Paging.SINGLE
    ]
    for kind in Kind
}
VALUES = {"memory_days": MEMORY_DAYS, "most_days": _MOST_DAYS}
"""Values of statements that class lists."""


def siblings(stream: Stream) -> list[str] | None:
    """Return the scheduled lists of an entity, among them the given one; None for what is no such list."""
    lists = _LISTS[stream.kind]
    return lists if stream.name in lists else None
