"""Run a crawl from the command line: the chosen spiders in one process, with progress and a clean stop."""

import gc
import logging
import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.settings import Settings as ScrapySettings

from harvester.api.catalogue import STREAMS, allowed_streams, left_out
from harvester.api.stream import Stream
from harvester.config import Settings
from harvester.crawl.model import Bounds, Display, Figures, no_display
from harvester.crawl.session import Session
from harvester.crawl.spider import FrontierSpider, check_spider, missing_setting
from harvester.crawl.worker_pool import WorkerPool
from harvester.errors import UsageError
from harvester.frontier import runs, scope
from harvester.frontier.announcements import use_announcements
from harvester.frontier.request_rate import adopt_rate
from harvester.frontier.shares import PURPOSES
from harvester.logs import event, log_as_json
from harvester.monitoring.forecasts import record_forecast
from harvester.signals import INTERRUPTED, handle_end, say
from harvester.warehouse.access import connect
from harvester.warehouse.contention import retry_contention
from harvester.warehouse.outage import outlast_outage
from harvester.warehouse.schema import check_schema
from harvester.warehouse.source import check_source

logger = logging.getLogger(__name__)

MOST_WORKERS = 64
"""Upper bound of `--workers`: more processes than any rate or database can use."""


class HarvestSpider(FrontierSpider):
    """One spider with the streams of all chosen ones."""

    name = "harvest"
    chosen: tuple[str, ...] = ()

    def own_streams(self) -> tuple[Stream, ...]:
        """Return the streams of all chosen spiders that the settings allow."""
        return allowed_streams(self.session.settings, *self.chosen)


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a run."""

    outcome: str
    requests: int
    retries: int
    postponed: int
    replaced: int
    seconds: float
    counts: dict[str, dict[str, int]]
    backlog: int
    findings: list[str]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {name: getattr(self, name) for name in self.__slots__}


def spider_names(settings: Settings) -> list[str]:
    """Return the names of the spiders that the settings allow."""
    names = {stream.spider for stream in STREAMS.values()}
    return sorted(name for name in names if missing_setting(settings, name) is None)


@dataclass(frozen=True, slots=True)
class CrawlOptions:
    """Options of a crawl."""

    spiders: tuple[str, ...] = ()
    refresh: bool = False
    audit: bool = False
    max_requests: int | None = None
    max_minutes: float | None = None
    workers: int = 1
    share: str | None = None

    @property
    def command(self) -> str:
        """Return the command as `crawl.runs` records it."""
        share = "" if self.share is None else f" --share {self.share}"
        return "crawl" + " --refresh" * self.refresh + " --audit" * self.audit + share

    @property
    def bounds(self) -> Bounds:
        """Return the bounds at which the crawl stops although more is due."""
        return Bounds(self.max_requests, None if self.max_minutes is None else 60 * self.max_minutes)


def crawl(settings: Settings, order: CrawlOptions, display: Display = no_display) -> Summary:
    """Visit what is due until nothing is left or a bound is reached. Runs once in a process.

    With `refresh` everything in scope is due, incrementally; with `audit` too, and each list is read in full.

    Raises:
        UsageError: an unknown spider, a bound of 0 or less, hosts that may not be crawled, or another rate than the
            warehouse's.
        WarehouseError: the database is unusable, at the start or during the crawl.
    """
    chosen = _checked(settings, order)
    settings = _budgeted(settings, order)
    due_only = order.refresh or order.audit
    names = [stream.name for stream in allowed_streams(settings, *chosen)]
    if due_only:
        outlast_outage(partial(_make_due, settings, names, full=order.audit), is_first=True)
    if order.workers > 1:
        summary = _crawl_with_workers(settings, order, names, display)
    else:
        session = Session(settings, order.command)
        summary = _summary(
            run_spider(
                HarvestSpider, session=session, bounds=order.bounds, display=display, chosen=chosen, due_only=due_only
            )
        )
    if summary.outcome != "interrupted":
        outlast_outage(partial(_record_forecast, settings))
    return summary


def _make_due(settings: Settings, names: list[str], *, full: bool) -> None:
    """Make everything in scope due."""
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        check_source(connection, settings)
        adopt_rate(connection, settings)
        retry_contention(lambda: runs.recover(connection, 0), or_busy=True)
        use_announcements(connection, left_out(settings))
        retry_contention(lambda: scope.refresh(connection, names, full=full), or_busy=True)


def _record_forecast(settings: Settings) -> None:
    with connect(settings, start=False, autocommit=True) as connection:
        retry_contention(lambda: record_forecast(connection, settings), or_busy=True)


def work_for(
    settings: Settings, parent_run: int, order: CrawlOptions, display: Display = no_display, *, due_only: bool
) -> Summary:
    """Run one worker of several: do what `crawl` does, without what is done once for all workers."""
    chosen = _checked(settings, order)
    session = Session(_budgeted(settings, order), "crawl", parent_run)
    spider = run_spider(
        HarvestSpider, session=session, bounds=order.bounds, display=display, chosen=chosen, due_only=due_only
    )
    return _summary(spider)


def _checked(settings: Settings, order: CrawlOptions) -> tuple[str, ...]:
    """Check the options, and return the chosen spiders."""
    chosen = tuple(dict.fromkeys(order.spiders)) or tuple(spider_names(settings))
    for name in chosen:
        check_spider(settings, name)
        if name not in spider_names(settings):
            raise UsageError(f"no spider is called {str(name)!r}: there are {', '.join(spider_names(settings))}")
    if order.refresh and order.audit:
        raise UsageError("--refresh and --audit exclude each other: an audit visits everything too")
    if order.share is not None and order.share not in PURPOSES:
        raise UsageError(f"--share {order.share}: one of {', '.join(PURPOSES)}")
    if order.share is not None and (order.refresh or order.audit):
        raise UsageError("--share excludes --refresh and --audit, which use no shares")
    requests, minutes = order.max_requests, order.max_minutes
    if (requests is not None and requests < 1) or (minutes is not None and not minutes > 0):
        raise UsageError("--max-requests and --max-minutes: a number above 0")
    if not 1 <= order.workers <= MOST_WORKERS:
        raise UsageError(f"--workers: 1 to {MOST_WORKERS}")
    settings.check_crawl_allowed()
    return chosen


def _budgeted(settings: Settings, order: CrawlOptions) -> Settings:
    """Return the settings, with one share instead of all where the options name one."""
    return settings if order.share is None else settings.model_copy(update={"shares": {order.share: 1.0}})


def _crawl_with_workers(settings: Settings, order: CrawlOptions, names: list[str], display: Display) -> Summary:
    due_only = order.refresh or order.audit
    pool = WorkerPool(settings, order.spiders, names, order.workers, order.bounds, due_only=due_only, share=order.share)
    began = time.monotonic()
    outcome = pool.work(order.command, display)
    return Summary(
        outcome=outcome,
        requests=pool.totals.requests,
        retries=pool.retries,
        postponed=pool.postponed,
        replaced=pool.replaced,
        seconds=round(time.monotonic() - began, 3),
        counts=pool.totals.counts.as_json(),
        backlog=pool.left,
        findings=pool.findings,
    )


def _summary(spider: HarvestSpider) -> Summary:
    figures = spider.figures()
    return Summary(
        outcome=spider.outcome,
        requests=figures.requests,
        retries=figures.retries,
        postponed=figures.postponed,
        replaced=0,
        seconds=round(figures.elapsed, 3),
        counts=spider.session.counts.as_json(),
        backlog=figures.due,
        findings=spider.findings,
    )


def run_spider(
    spider_class: type[FrontierSpider],
    *,
    session: Session,
    bounds: Bounds | None = None,
    display: Display = no_display,
    **attributes: Any,
) -> Any:
    """Run one spider to its end under Scrapy's engine, and return it; raise the error that ended it, if any."""
    as_json = session.settings.log_json
    if as_json:
        log_as_json()
    # The objects of the imports live until the end: the garbage collector need not examine them again.
    gc.freeze()
    with handle_end(partial(_stop, session)):
        process = AsyncCrawlerProcess(scrapy_settings({"LOG_INSTALL_ROOT_HANDLER": not as_json}))
        crawler = process.create_crawler(type(spider_class.__name__, (spider_class,), attributes))
        running = process.crawl(crawler, session=session, bounds=bounds)
        with display(lambda: _figures(crawler)):
            process.start(install_signal_handlers=False)
    if as_json:
        spider = crawler.spider
        outcome = spider.outcome if isinstance(spider, FrontierSpider) else "failed"
        event(logger, "run ended", run=session.run, outcome=outcome, requests=session.requests)
    if session.failure is not None:
        raise session.failure
    running.result()  # raises any other error
    return crawler.spider


def _figures(crawler: Crawler) -> Figures | None:
    spider = crawler.spider  # None until Scrapy has made it
    return spider.figures() if isinstance(spider, FrontierSpider) else None


def scrapy_settings(changes: dict[str, Any]) -> ScrapySettings:
    """Return Scrapy's settings of this project, with changes."""
    settings = ScrapySettings()
    settings.setmodule("harvester.crawl.settings", priority="project")
    settings.setdict(changes, priority="cmdline")
    return settings


def _stop(session: Session, number: int) -> None:
    """Finish the pages in flight at the first Ctrl-C (or SIGTERM, SIGHUP), and end the process at the second.

    A SIGHUP never counts as the second: a closed terminal and the end of the parent process may both send one.
    Nothing is lost either way: a page is stored together with its checkpoint, or not at all.
    """
    if session.interrupted and number != signal.SIGHUP:
        say("stopped at once")
        os._exit(INTERRUPTED)
    if number == signal.SIGINT and not session.interrupted:
        say("finishing what is in flight; press Ctrl-C again to stop at once")
    session.stop()
