"""Decide by the bounds of a run whether another visit may begin."""

import time

from harvester.crawl.model import Bounds
from harvester.crawl.session import Session


class Limits:
    """Comparison of the requests, pages and minutes of a run with its bounds.

    Attributes:
        bounded: True once a bound was reached.
        pages: Number of pages that were stored so far.
    """

    def __init__(self, session: Session, bounds: Bounds) -> None:
        self.bounds = bounds
        self.bounded = False
        self.pages = 0
        self._session = session
        self._began = 0.0

    def begin(self) -> None:
        """Start the clock, at the first lease."""
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the first lease."""
        return time.monotonic() - self._began if self._began else 0.0

    def is_reached(self) -> bool:
        """Return whether the run was interrupted or its bounds are reached, so that no further visit may begin."""
        if self._session.interrupted:
            return True
        bounds = self.bounds
        if (
            (bounds.requests is not None and self._session.requests >= bounds.requests)
            or (bounds.seconds is not None and self.elapsed >= bounds.seconds)
            or (bounds.pages is not None and self.pages >= bounds.pages)
        ):
            self.bounded = True
        return self.bounded

    def at_once(self, most: int) -> int:
        """Return the number of concurrent visits, no more than the bounds on requests and pages allow."""
        used = ((self._session.requests, self.bounds.requests), (self.pages, self.bounds.pages))
        return min(most, *(most if bound is None else bound - number for number, bound in used))
