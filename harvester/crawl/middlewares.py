"""The downloader middleware: lets GET requests to the configured hosts pass, within the rate limit."""

from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.utils.httpobj import urlparse_cached

from harvester.crawl.session import Session

if TYPE_CHECKING:
    from harvester.crawl.spider import FrontierSpider


class PoliteMiddleware:
    """Downloader middleware that each request of the process passes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.hosts = {urlsplit(url).netloc for url in session.settings.urls}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way to build a component."""
        spider: FrontierSpider = crawler.spider  # type: ignore[assignment]
        return cls(spider.session)

    async def process_request(self, request: Request) -> None:
        """Refuse a request that may not be sent, and wait for a slot of the rate limit."""
        if request.method != "GET":
            raise IgnoreRequest(f"only GET may leave: {request.method}")
        if urlparse_cached(request).netloc not in self.hosts:
            raise IgnoreRequest("only the configured hosts are asked")
        await self.session.rate_limiter.acquire()
        self.session.requests += 1
