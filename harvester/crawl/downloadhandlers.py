"""A download handler that uses aiohttp on the asyncio event loop, without Twisted's reactor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import quote

from aiohttp import ClientResponseError, RequestInfo
from scrapy import Request
from scrapy.core.downloader.handlers._aiohttp import AiohttpDownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import ResponseDataLossError
from scrapy.http import Headers
from yarl import URL

from harvester.proxies import proxy_for

IN_QUERY = "in_query"
"""Key in `Request.meta` of a token, which goes into the query of the address that is sent, and nowhere else."""


class BadlyPackedError(ResponseDataLossError):
    """A response whose body cannot be unpacked by the encoding that it states."""


class DownloadHandler(AiohttpDownloadHandler):
    """Scrapy's aiohttp handler with fewer copies: half the CPU for each request of the default handler.

    Headers that all requests share are given to the client session once.
    """

    experimental: ClassVar[bool] = False  # no warning at each start
    lazy = True  # a crawl that is refused opens no session that it would have to close

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._session.headers["User-Agent"] = crawler.settings["USER_AGENT"]
        self._session.headers.update(crawler.settings.getdict("DEFAULT_REQUEST_HEADERS"))
        self._proxies: dict[str, str | None] = {}

    def _make_request(self, request: Request, timeout: float) -> Any:
        token = request.meta.get(IN_QUERY)
        if token is None:
            return super()._make_request(request, timeout)
        return self._make_request_with(token, request, timeout)

    @asynccontextmanager
    async def _make_request_with(self, token: str, request: Request, timeout: float) -> AsyncIterator[Any]:  # noqa: ASYNC109  (Scrapy's)
        try:
            sent = request.replace(url=f"{request.url}?token={quote(token, safe='')}")
            async with super()._make_request(sent, timeout) as response:
                yield response
        except Exception as error:
            _hide(error, token)
            raise

    def _extract_proxy_url_with_creds(self, request: Request) -> str | None:
        origin = "/".join(request.url.split("/", 3)[:3])
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin)
        return self._proxies[origin]

    @staticmethod
    def _request_headers(request: Request) -> Headers:
        return request.headers  # without the copy from which Scrapy removes headers of a proxy, which these never have


def without(text: str, token: str) -> str:
    """Return a text without a token, as it is or as it stands in an address."""
    return text.replace(token, "").replace(quote(token, safe=""), "")


def _hide(error: BaseException, token: str) -> None:
    """Cut a token out of the texts of an error and of its causes, which hold the address."""
    errors: list[BaseException] = [error]
    for one in errors:
        one.args = tuple(without(part, token) if isinstance(part, str) else part for part in one.args)
        if isinstance(one, ClientResponseError):
            # Its text is made of the request, whose other parts are not needed.
            nowhere = RequestInfo(URL(), "GET", one.request_info.headers)
            one.request_info, one.args = nowhere, (nowhere, ())
        errors += [cause for cause in (one.__cause__, one.__context__) if cause is not None and cause not in errors]
