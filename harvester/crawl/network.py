"""Check of the connection to the site, through the same components as a crawl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.crawl.run import run_spider
from harvester.crawl.session import Session
from harvester.crawl.spider import FrontierSpider, Unusable
from harvester.errors import HarvesterError, TransientHTTP
from harvester.proxies import proxy_for, without_credentials

if TYPE_CHECKING:
    from harvester.config import Settings

_ATTEMPTS = 2


def routes(settings: Settings) -> dict[str, str | None]:
    """Return the two hosts, each with the proxy through which it is asked, without credentials.

    Raises:
        UsageError: the environment names a proxy that cannot be used.
    """
    found = {url: proxy_for(url) for url in (settings.api_url, settings.site_url)}
    return {url: None if proxy is None else without_credentials(proxy) for url, proxy in found.items()}


def check_hosts(settings: Settings) -> None:
    """Ask the API how it is, and the site for what robots may ask, within the budget of all workers.

    Raises:
        UsageError: the hosts may not be crawled.
        HarvesterError: there is no answer, or it is not the API's.
    """
    settings.check_crawl_allowed()
    run_spider(_HostsSpider, session=Session(settings, "network check"), progress=False)


class _HostsSpider(FrontierSpider):
    name = "health"

    async def _work(self) -> None:
        settings = self.session.settings
        url = settings.api_url + STREAMS["health"].path
        try:
            await self.read(Visit(STREAMS["health"], 0, seen_at=self.session.now()), "", _ATTEMPTS)
        except (TransientHTTP, Unusable) as error:
            raise HarvesterError(f"{url} does not answer as the API does ({error})") from None
        if settings.site_url == settings.api_url:
            return
        url = settings.site_url + "/robots.txt"
        try:
            await self.get("health", url, {})
        except TransientHTTP as error:
            raise HarvesterError(f"{url} does not answer ({error})") from None
