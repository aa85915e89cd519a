"""The one item pipeline: a page into the warehouse."""

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from harvester.crawl.futures import set_error, set_result
from harvester.crawl.spider import Page
from harvester.errors import HarvesterError, WarehouseError
from harvester.monitoring.checks import findings

if TYPE_CHECKING:
    from harvester.crawl.spider import FrontierSpider


logger = logging.getLogger(__name__)


class WarehousePipeline:
    """Opens the run with the spider, commits each page, and ends the run with the spider."""

    def __init__(self, spider: "FrontierSpider") -> None:
        self.spider = spider
        self.session = spider.session

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way to build a component."""
        return cls(crawler.spider)  # type: ignore[arg-type]

    async def open_spider(self) -> None:
        """Begin the run, or do not start at all."""
        try:
            self.spider.prepare()
            await self.session.open()
        except HarvesterError as error:
            self.session.failure = error
            if self.spider.alone:
                logger.error("%s", error)  # noqa: TRY400  (one line, no traceback)
            raise CloseSpider("refused") from None

    async def process_item(self, item: Page) -> Page:
        """Commit the page and tell the visit that waits for it."""
        try:
            result = await self.session.commit(item.commit)
        except Exception as error:  # noqa: BLE001  (raised where the page is awaited)
            set_error(item.result, error)
        else:
            set_result(item.result, result)
        return item

    async def close_spider(self) -> None:
        """End the run."""
        if self.session.is_open:
            with suppress(WarehouseError):  # known as the session's failure
                outcome = self.spider.outcome
                if outcome in ("done", "bounded") and self.session.parent_run is None:
                    self.spider.findings = await self.session.call(findings, self.session.run, self.session.totals)
                await self.session.close(self.spider.outcome, self.spider.findings)
