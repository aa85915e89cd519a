"""Types that the parts of a crawl share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
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


Display = Callable[[Callable[[], Figures | None]], AbstractContextManager[object]]
"""Shows the progress of a crawl while its context is open, asking for the figures now and then."""


def no_display(_: Callable[[], Figures | None]) -> AbstractContextManager[object]:
    """Show nothing."""
    return nullcontext()
