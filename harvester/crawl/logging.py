"""What Scrapy may log of pages and items: nothing. Addresses hold usernames, and items hold what people wrote."""

from typing import Any

from scrapy.logformatter import LogFormatter


class QuietFormatter(LogFormatter):
    """Keeps requests, responses and items out of the log."""

    def crawled(self, *_: Any) -> None:  # type: ignore[override]
        """No line per response."""

    def scraped(self, *_: Any) -> None:  # type: ignore[override]
        """No line per item."""

    def dropped(self, *_: Any) -> None:  # type: ignore[override]
        """No line per dropped item."""
