"""The downloader middlewares: let GET requests to the configured hosts pass, within the rate limit; unpack bodies."""

from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.utils.httpobj import urlparse_cached

from harvester.crawl.downloadhandlers import BadlyPackedError
from harvester.crawl.session import Session

if TYPE_CHECKING:
    from harvester.crawl.spider import FrontierSpider


class UnpackingMiddleware(HttpCompressionMiddleware):
    """Downloader middleware that unpacks bodies, and treats a response that is badly packed as broken."""

    def process_response(self, request: Request, response: Response) -> Request | Response:  # type: ignore[override]
        """Return the response unpacked.

        Raises:
            BadlyPackedError: it is badly packed.
            IgnoreRequest: unpacked it is larger than any may be.
        """
        try:
            return super().process_response(request, response)
        except IgnoreRequest:
            raise
        except Exception:  # noqa: BLE001  (gzip, deflate, Brotli and Zstandard have errors of their own)
            raise BadlyPackedError from None


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
