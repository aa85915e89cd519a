"""The item of this project: one page of records, with the response that it was read from."""

import asyncio
from dataclasses import dataclass

from harvester.crawl.fetch import Fetched
from harvester.frontier.model import CommitResult, PageCommit


@dataclass(slots=True, repr=False)
class Page:
    """One page on its way into the warehouse.

    Attributes:
        commit: All that the page changes; `NormalizePipeline` adds the rows.
        answer: The response and its records.
        result: The result of the commit, set by `WarehousePipeline`; the visit goes on once it is set.
    """

    commit: PageCommit
    answer: Fetched
    result: asyncio.Future[CommitResult]

    def __repr__(self) -> str:
        """Name the frontier entry, without served content: Scrapy logs items that fail."""
        visit = self.commit.lease.visit
        return f"<Page {visit.stream.name} {visit.entity_id}>"
