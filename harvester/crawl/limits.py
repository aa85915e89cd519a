"""The bounds of a run: whether another visit may begin."""

import time

from harvester.crawl.model import Bounds
from harvester.crawl.session import Session


class Limits:
    """Compares what a run has used with its bounds. `bounded` stays true once a bound was reached."""

    def __init__(self, session: Session, bounds: Bounds) -> None:
        self.bounds = bounds
        self.bounded = False
        self._session = session
        self._began = 0.0

    def begin(self) -> None:
        """Start the clock, at the first lease."""
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the first lease."""
        return time.monotonic() - self._began if self._began else 0.0

    def is_reached(self) -> bool:
        """Return whether the run was interrupted or its bounds are reached, so that no further visit may begin."""
        if self._session.interrupted:
            return True
        requests, seconds = self.bounds.requests, self.bounds.seconds
        if (requests is not None and self._session.requests >= requests) or (
            seconds is not None and self.elapsed >= seconds
        ):
            self.bounded = True
        return self.bounded

    def at_once(self, most: int) -> int:
        """Return the number of concurrent visits, no more than the bound on requests allows."""
        return most if self.bounds.requests is None else min(most, self.bounds.requests - self._session.requests)
