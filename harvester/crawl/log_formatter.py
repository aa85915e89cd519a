"""Log formatter that keeps people's data out of Scrapy's log.

Addresses hold usernames, items hold texts of users, and settings hold the operator's contact.
"""

import logging
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.logformatter import LogFormatter

_TELL_ADDRESSES = ("scrapy.core.downloader.handlers", "scrapy.core.scraper", "scrapy.downloadermiddlewares")
_TELLS_SETTINGS = "scrapy.crawler"


class QuietFormatter(LogFormatter):
    """Formatter that writes no requests, responses and items, and silences loggers that would write such data."""

    @classmethod
    def from_crawler(cls, _: Crawler) -> Self:
        """Scrapy's way to build a component."""
        for name in _TELL_ADDRESSES:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.getLogger(_TELLS_SETTINGS).setLevel(logging.WARNING)
        return cls()

    def crawled(self, *_: Any) -> None:  # type: ignore[override]
        """No line per response."""

    def scraped(self, *_: Any) -> None:  # type: ignore[override]
        """No line per item."""

    def dropped(self, *_: Any) -> None:  # type: ignore[override]
        """No line per dropped item."""
