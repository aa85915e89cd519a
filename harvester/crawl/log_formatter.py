"""Log formatter that keeps pages and items out of Scrapy's log: addresses hold usernames, items hold texts of users."""

import logging
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.logformatter import LogFormatter

_TELL_ADDRESSES = ("scrapy.core.downloader.handlers", "scrapy.core.scraper", "scrapy.downloadermiddlewares")


class QuietFormatter(LogFormatter):
    """Formatter that writes no requests, responses and items, and silences loggers that would write addresses."""

    @classmethod
    def from_crawler(cls, _: Crawler) -> Self:
        """Scrapy's way to build a component."""
        for name in _TELL_ADDRESSES:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return cls()

    def crawled(self, *_: Any) -> None:  # type: ignore[override]
        """No line per response."""

    def scraped(self, *_: Any) -> None:  # type: ignore[override]
        """No line per item."""

    def dropped(self, *_: Any) -> None:  # type: ignore[override]
        """No line per dropped item."""
