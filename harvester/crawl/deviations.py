"""Deviations of the source from the declared schema: confirmed by repeated responses, and reported once a run."""

import logging
from collections import Counter

from harvester.api.decode import HARMLESS, NEW_FIELD, SchemaDeviation
from harvester.api.stream import Stream
from harvester.crawl.session import Session
from harvester.frontier import leases
from harvester.pagination import offset

CONFIRM_ATTEMPTS = 2
"""Number of repeated requests before a deviation is accepted as the API's new schema.

It is accepted only if each response deviates in the same way: cut and garbled responses differ from each other.
"""

logger = logging.getLogger(__name__)


class DeviationReporter:
    """Recorder of deviations in `crawl.drift`, which knows those that were recorded before."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: set[tuple[str, str, str]] = set()
        self._unreported: Counter[tuple[str, str, str]] = Counter()
        """Deviations reported in this run: how often each came since it was last stored."""

    async def load(self) -> None:
        """Read the known deviations from the warehouse."""
        self._known = await self._session.call(leases.known_drift)

    def is_doubtful(
        self, stream: Stream, deviations: list[SchemaDeviation], seen: Counter[tuple[str, str]], confirm: int
    ) -> bool:
        """Return whether a response has a new deviation; it may be garbled, and is requested again before it counts.

        `seen`: by deviation, the number of responses to the same request that had it; `confirm`: the number of them
        after which it counts.
        """
        if not deviations:
            return False
        found = {(deviation.field, deviation.change) for deviation in deviations if deviation.change not in HARMLESS}
        seen.update(found)
        return any(seen[key] <= confirm and (stream.name, *key) not in self._known for key in found)

    async def report(self, stream: Stream, deviation: SchemaDeviation) -> None:
        """Record a deviation: the first of its kind in this run at once, with a warning; the others by `flush`."""
        key = (stream.name, deviation.field, deviation.change)
        if key in self._unreported:
            self._unreported[key] += 1
            return
        self._unreported[key] = 0
        self._known.add(key)
        example = self._session.without_erased(deviation.example)
        if await self._session.call(leases.report_drift, self._session.run, *key, example):
            kept = ", kept in the column extra" if deviation.change == NEW_FIELD else ""
            logger.warning("%s: %s: %s%s (see `harvester status`)", *key, kept)

    async def report_step(self, stream: Stream, step: offset.Step, entity: int) -> None:
        """Report where a page contradicts the declared order of its list."""
        if step.contradiction:
            await self.report(
                stream, SchemaDeviation(stream.key_name, f"not {stream.order.value}", f"{stream.kind.value} {entity}")
            )
        if step.crowded:
            change = "more than a page of items in one second: what is beyond cannot be read"
            await self.report(stream, SchemaDeviation(stream.key_name, change, f"{stream.kind.value} {entity}"))

    async def flush(self) -> None:
        """Add the counts since the last call to the warehouse."""
        for key, count in list(self._unreported.items()):
            if count:
                self._unreported[key] -= count
                await self._session.call(leases.report_drift, self._session.run, *key, count=count)
