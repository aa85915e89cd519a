"""Types that the parts of a crawl share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Bounds:
    """When a crawl stops although more is due; None is no bound. `pages`: those that are stored."""

    requests: int | None = None
    seconds: float | None = None
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Progress of a crawl; `rate` is its budget, `tables` rows inserted, updated and unchanged."""

    elapsed: float
    requests: int
    tables: Mapping[str, Sequence[int]]
    due: int
    rate: float
    bounds: Bounds
    stopping: bool
    retries: int = 0
    postponed: int = 0
    trouble: str | None = None
