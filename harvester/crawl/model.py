"""Types that the parts of a crawl share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass


@dataclass(slots=True)
class Bounds:
    """Bounds at which a crawl stops although more is due; None: no bound. `pages` counts the stored ones."""

    requests: int | None = None
    seconds: float | None = None
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Progress of a crawl; `rate` in requests per second, `tables` with the counts of rows by table."""

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
"""Returns a context that shows the progress of a crawl while it is open, by calling for the figures at times."""


def no_display(_: Callable[[], Figures | None]) -> AbstractContextManager[object]:
    """Show nothing."""
    return nullcontext()
