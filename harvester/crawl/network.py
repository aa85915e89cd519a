"""Check the connection to the site with the downloader, proxies and certificates of a crawl, without a warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.exceptions import IgnoreRequest

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.crawl.fetch import AS_WRITTEN, BROKEN, no_response
from harvester.crawl.run import scrapy_settings
from harvester.errors import DecodeError, HarvesterError, TransientHTTP
from harvester.frontier.model import ANSWERS
from harvester.proxies import proxy_for, without_credentials
from harvester.signals import end_at_once, raise_interrupt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy.http import Response

    from harvester.config import Settings

_WITHOUT_WAREHOUSE: dict[str, Any] = {
    "DOWNLOADER_MIDDLEWARES": {
        "harvester.crawl.middlewares.PoliteMiddleware": None,
        "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    },
    "ITEM_PIPELINES": {"harvester.crawl.pipelines.WarehousePipeline": None},
    "EXTENSIONS": {"harvester.crawl.extensions.RecordFeedExporter": None},
}


def routes(settings: Settings) -> dict[str, str | None]:
    """Return the hosts, each with the proxy for its requests, without credentials.

    Raises:
        UsageError: the environment names a proxy that cannot be used.
    """
    found = {url: proxy_for(url) for url in settings.urls}
    return {url: None if proxy is None else without_credentials(proxy) for url, proxy in found.items()}


def check_hosts(settings: Settings) -> None:
    """Send one request to each host, outside the rate limit of the workers: the API's health, else robots.txt.

    Raises:
        UsageError: the hosts may not be crawled.
        HarvesterError: a host does not answer, or the answer is not the API's.
    """
    settings.check_crawl_allowed()
    process = AsyncCrawlerProcess(scrapy_settings(_WITHOUT_WAREHOUSE))
    crawler = process.create_crawler(_HostsSpider)
    running = process.crawl(crawler, hosts=settings)
    end_at_once()  # there is nothing to close
    process.start(install_signal_handlers=False)
    raise_interrupt()
    running.result()
    assert isinstance(crawler.spider, _HostsSpider)
    if crawler.spider.failure is not None:
        raise crawler.spider.failure


class _HostsSpider(Spider):
    name = "network"

    def __init__(self, hosts: Settings) -> None:
        super().__init__()
        self._hosts = hosts
        self.failure: Exception | None = None

    async def start(self) -> AsyncIterator[Any]:
        """Ask the hosts, and yield nothing."""
        try:
            await self._check()
        except Exception as error:  # noqa: BLE001  (raised by `check_hosts`)
            self.failure = error
        nothing: tuple[Any, ...] = ()
        for one in nothing:
            yield one

    async def _check(self) -> None:
        stream = STREAMS["health"]
        url = self._hosts.api_url + stream.path
        try:
            decode(stream, (await self._get(url, (200,))).body)
        except (TransientHTTP, DecodeError, IgnoreRequest) as error:
            raise HarvesterError(f"{url} does not answer as the API does ({error})") from None
        for host in dict.fromkeys(self._hosts.urls[1:]):
            if host == self._hosts.api_url:
                continue
            url = host + "/robots.txt"
            try:
                await self._get(url)
            except (TransientHTTP, IgnoreRequest) as error:
                raise HarvesterError(f"{url} does not answer ({error})") from None

    async def _get(self, url: str, answers: tuple[int, ...] = ANSWERS) -> Response:
        assert self.crawler.engine is not None
        try:
            response = await self.crawler.engine.download_async(Request(url, dont_filter=True, meta=AS_WRITTEN.copy()))
        except BROKEN as error:
            raise no_response(error) from None
        if response.status not in answers:
            raise TransientHTTP(response.status)
        return response
