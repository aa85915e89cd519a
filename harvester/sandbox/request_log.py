"""Counts and a log of the requests that the sandbox answers."""

from __future__ import annotations

from collections import Counter, deque

LOG_MAX = 1_000_000  # requests remembered; a full crawl of 10^5 users stays below


class Requests:
    """Counts and log of the requests to the API, without control requests."""

    def __init__(self) -> None:
        self.by_route: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.log: deque[tuple[float, str, str, int]] = deque(maxlen=LOG_MAX)

    def reset(self) -> None:
        """Forget all."""
        self.by_route.clear()
        self.by_status.clear()
        self.by_fault.clear()
        self.log.clear()
