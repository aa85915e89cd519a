"""The item pipelines: make rows of a page's records, then commit the page to the warehouse."""

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from harvester.crawl.futures import set_error, set_result
from harvester.crawl.items import Page
from harvester.crawl.visits import with_rows
from harvester.errors import HarvesterError, WarehouseError
from harvester.frontier.model import Committed, Rejected
from harvester.monitoring.checks import findings

if TYPE_CHECKING:
    from harvester.crawl.spider import FrontierSpider


logger = logging.getLogger(__name__)


class NormalizePipeline:
    """Pipeline that makes the rows of a page from its records."""

    def process_item(self, item: Page) -> Page:
        """Add the rows to the commit of a page."""
        with_rows(item.commit, item.answer.records)
        return item


class WarehousePipeline:
    """Pipeline that begins the run with the spider, commits each page, and ends the run with the spider."""

    def __init__(self, spider: "FrontierSpider") -> None:
        self.spider = spider
        self.session = spider.session

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way to build a component."""
        pipeline = cls(crawler.spider)  # type: ignore[arg-type]
        crawler.signals.connect(pipeline.item_dropped, signal=signals.item_dropped)
        crawler.signals.connect(pipeline.item_error, signal=signals.item_error)
        return pipeline

    async def open_spider(self) -> None:
        """Begin the run; close the spider at once where that fails."""
        try:
            self.spider.prepare()
            await self.session.open()
        except HarvesterError as error:
            self.session.failure = error
            if self.spider.alone:
                logger.error("%s", error)  # noqa: TRY400  (one line, no traceback)
            raise CloseSpider("refused") from None

    async def process_item(self, item: Page) -> Page:
        """Commit the page and resume the visit that waits for the result."""
        try:
            result = await self.session.commit(item.commit)
        except Exception as error:  # noqa: BLE001  (handed to the visit)
            set_error(item.result, error)
        else:
            self.spider.limits.pages += result == Committed()
            set_result(item.result, result)
        return item

    def item_dropped(self, item: Page, exception: BaseException) -> None:
        """Postpone the visit of a page that another pipeline dropped: nothing of it is stored."""
        self._note_unstored(item)
        set_result(item.result, Rejected(f"dropped by an item pipeline: {exception}"))

    def item_error(self, item: Page, failure: Any) -> None:
        """End the crawl with the error of a pipeline."""
        self._note_unstored(item)
        set_error(item.result, failure.value)

    def _note_unstored(self, item: Page) -> None:
        """Record in the archive that a page is not stored, unless it is stored already."""
        if item.result.done():
            return
        try:
            self.session.note_unstored(item.commit)
        except HarvesterError as error:  # else the visit would wait for ever
            set_error(item.result, error)

    async def close_spider(self) -> None:
        """End the run."""
        if self.session.is_open:
            with suppress(WarehouseError):  # known as the session's failure
                outcome = self.spider.outcome
                if outcome in ("done", "bounded") and self.session.parent_run is None:
                    self.spider.findings = await self.session.call(findings, self.session.run, self.session.totals)
                await self.session.close(self.spider.outcome, self.spider.findings)
