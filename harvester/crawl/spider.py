"""The base of all spiders: it visits the due entries of its streams, and yields each page as an item.

Requests are sent by Scrapy's downloader, so that the downloader middlewares apply, and pages enter the warehouse
through the item pipelines; the next page of a list is requested once the one before is committed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from traceback import format_tb
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Response
from scrapy.settings import BaseSettings

from harvester.api.catalogue import allowed_streams, streams_of
from harvester.api.stream import Kind, Stream
from harvester.config import Settings
from harvester.config import settings as environment
from harvester.crawl import absences
from harvester.crawl.control import Control
from harvester.crawl.deviations import DeviationReporter
from harvester.crawl.fetch import Fetcher
from harvester.crawl.limits import Limits
from harvester.crawl.loop import CrawlLoop, CrawlScope
from harvester.crawl.model import Bounds, Figures
from harvester.crawl.session import Session
from harvester.crawl.visitor import Visitor
from harvester.errors import UsageError

logger = logging.getLogger(__name__)


class FrontierSpider(Spider):
    """Spider that visits the due entries of its streams, which the catalogue gives by the name of a subclass.

    Attributes:
        alone: True if Scrapy's own command line runs this spider, rather than `harvester`.
        findings: The findings about the run, once it has ended.
    """

    due_only = False
    """True to visit only new and due entries, none by the schedule."""

    def __init__(self, session: Session | None = None, bounds: Bounds | None = None, **arguments: Any) -> None:
        super().__init__(self.name)
        self.alone = session is None
        self.session = session or Session(environment(), f"scrapy crawl {self.name}")
        self.streams: tuple[Stream, ...] = self.own_streams()
        self.arguments = arguments
        self.target: tuple[Kind, int] | None = None
        self.findings: list[str] = []
        self.limits = Limits(self.session, bounds or Bounds())
        self.control = Control()
        self.deviations = DeviationReporter(self.session)
        self.fetcher = Fetcher(self.session, self.control, self.deviations, self._download)
        self.visitor = Visitor(self.session, self.fetcher, self.control, self.deviations, self.limits)
        self.loop = CrawlLoop(self.session, self.visitor, self.deviations, self.limits)

    def own_streams(self) -> tuple[Stream, ...]:
        """Return the streams that this spider visits: those that the settings allow."""
        return allowed_streams(self.session.settings, self.name)

    def prepare(self) -> None:
        """Check the settings, the arguments and the hosts.

        Raises:
            UsageError: a setting that the spider needs is missing, an argument is wrong, or hosts may not be crawled.
        """
        check_spider(self.session.settings, self.name)
        self.session.settings.check_crawl_allowed()
        self.target = _target(self.arguments)
        if self.alone:
            self.limits.bounds = _bounds(self.crawler.settings)

    @property
    def most_at_once(self) -> int:
        """Return the number of concurrent visits for the rate of the warehouse, within Scrapy's own limit."""
        return min(self.session.settings.at_once, self.crawler.settings.getint("CONCURRENT_REQUESTS"))

    @property
    def outcome(self) -> str:
        """Return the outcome of the run as `crawl.runs` records it."""
        if self.session.failure is not None:
            return "failed"
        if self.session.interrupted:
            return "interrupted"
        if self.findings:
            return "degraded"
        return "bounded" if self.limits.bounded else "done"

    def figures(self) -> Figures:
        """Return the progress of the crawl. May be called from another thread."""
        return Figures(
            elapsed=self.limits.elapsed,
            requests=self.session.requests,
            tables=self.session.counts.tables.copy(),
            due=self.loop.left.due,
            rate=self.session.settings.rate,
            bounds=self.limits.bounds,
            stopping=self.session.interrupted,
            retries=self.fetcher.retries,
            postponed=self.visitor.postponed,
            trouble=self.loop.trouble,
        )

    async def start(self) -> AsyncIterator[Any]:
        """Yield one item for each page, for as long as anything is due."""
        driver = asyncio.create_task(self._drive())
        try:
            while (page := await self.visitor.pages.get()) is not None:
                yield page
        finally:
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)

    async def work(self) -> None:
        """Visit entries until none is due or a bound is reached."""
        is_fed = bool(self.crawler.settings.getdict("FEEDS"))
        await self.loop.run(CrawlScope(self.streams, self.target, self.due_only, is_fed, self.most_at_once))

    async def _drive(self) -> None:
        try:
            await self.deviations.load()
            self.control.usual = await self.session.call(absences.usual_shares, self.session.run)
            await self.work()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (raised by the command)
            self.session.failure = self.session.failure or error
            # Without its text: an error of the database quotes the row.
            logger.debug("the crawl failed: %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))
        finally:
            self.visitor.pages.put_nowait(None)

    async def _download(self, request: Request) -> Response:
        assert self.crawler.engine is not None
        return await self.crawler.engine.download_async(request)


def missing_setting(settings: Settings, spider: str) -> str | None:
    """Return the setting that all streams of a spider need and that is not set; None if none is missing."""
    if allowed_streams(settings, spider) or not (streams := streams_of(spider)):
        return None
    name = streams[0].setting
    return f"HARVESTER_{name.upper()}" + "=1" * (getattr(settings, name) is False)


def check_spider(settings: Settings, spider: str) -> None:
    """Check that the settings allow a spider.

    Raises:
        UsageError: they lack what its streams need.
    """
    if (missing := missing_setting(settings, spider)) is not None:
        raise UsageError(f"the spider {spider} works only with {missing}: set it, or name another spider")


def _bounds(settings: BaseSettings) -> Bounds:
    """Read the bounds of Scrapy's CloseSpider, which itself would wait for visits that go on to send requests."""
    for name in ("CLOSESPIDER_ERRORCOUNT", "CLOSESPIDER_TIMEOUT_NO_ITEM", "CLOSESPIDER_PAGECOUNT_NO_ITEM"):
        if settings.getint(name):
            raise UsageError(f"{name} is not supported; CLOSESPIDER_PAGECOUNT, _ITEMCOUNT and _TIMEOUT are")
    return Bounds(
        requests=settings.getint("CLOSESPIDER_PAGECOUNT") or None,
        seconds=settings.getfloat("CLOSESPIDER_TIMEOUT") or None,
        pages=settings.getint("CLOSESPIDER_ITEMCOUNT") or None,
    )


def _target(arguments: dict[str, Any]) -> tuple[Kind, int] | None:
    """Parse the target of `-a project=142` or `-a studio=5`; scrapyd adds arguments of its own, such as `_job`."""
    arguments = {name: value for name, value in arguments.items() if not name.startswith("_")}
    kinds = {"project": Kind.PROJECT, "studio": Kind.STUDIO}
    unknown = arguments.keys() - kinds.keys()
    if unknown or len(arguments) > 1:
        raise UsageError("a spider takes one argument: -a project=ID or -a studio=ID")
    for name, value in arguments.items():
        if not (str(value).isascii() and str(value).isdigit()):
            raise UsageError(f"{name}: an id is a whole number")
        return kinds[name], int(value)
    return None
