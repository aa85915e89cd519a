"""Download handler for aiohttp, on the event loop alone."""

from typing import ClassVar

from scrapy import Request
from scrapy.core.downloader.handlers._aiohttp import AiohttpDownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Headers

from harvester.proxies import proxy_for


class DownloadHandler(AiohttpDownloadHandler):
    """Half the work for each request of the default handler with its reactor.

    What every request says of itself is told to the client once.
    """

    experimental: ClassVar[bool] = False  # says no warning at each start
    lazy = True  # a crawl that is refused opens nothing that it would have to close

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._session.headers["User-Agent"] = crawler.settings["USER_AGENT"]
        self._session.headers.update(crawler.settings.getdict("DEFAULT_REQUEST_HEADERS"))
        self._proxies: dict[str, str | None] = {}

    def _extract_proxy_url_with_creds(self, request: Request) -> str | None:
        origin = "/".join(request.url.split("/", 3)[:3])
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin)
        return self._proxies[origin]

    @staticmethod
    def _request_headers(request: Request) -> Headers:
        return request.headers  # as they are: they hold nothing for a proxy, for which a copy would be made
