"""What a running crawl shows: a live table on a terminal, a line every few seconds elsewhere."""

import sys
import threading
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from harvester.crawl.spider import WalkSpider

_LINE_SECONDS = 10.0
_REFRESHES_PER_SECOND = 4


class Progress:
    """Shows the figures of a crawl while it runs, on standard error."""

    def __init__(self, crawler: "Crawler", *, shown: bool) -> None:
        self._crawler = crawler
        self._shown = shown
        self._console = Console(stderr=True)
        self._ended = threading.Event()
        self._live: Live | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if not self._shown:
            return self
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=_REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._lines, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()
        if self._thread is not None:
            self._thread.join()

    @property
    def _spider(self) -> "WalkSpider | None":
        """The spider, once Scrapy has made it."""
        return self._crawler.spider  # type: ignore[return-value]

    def _lines(self) -> None:
        while not self._ended.wait(_LINE_SECONDS):
            if self._spider is not None:
                sys.stderr.write(_line(self._spider) + "\n")
                sys.stderr.flush()

    def _table(self) -> Group:
        spider = self._spider
        if spider is None:
            return Group(Text("starting", style="cyan"))
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("table")
        for name in ("inserted", "updated", "unchanged"):
            table.add_column(name, justify="right")
        for name, numbers in sorted(spider.session.counts.tables.copy().items()):
            table.add_row(name, *(f"{number:,}" for number in numbers))
        status = Text(_line(spider), style="cyan")
        if spider.stopping:
            status.append("  stopping: finishing what is in flight", style="yellow")
        return Group(status, table)


def _line(spider: "WalkSpider") -> str:
    counts = list(spider.session.counts.tables.values())
    budget = f" of {spider.session.settings.rate:g}" if spider.session.settings.rate else ""
    parts = [
        _clock(spider.elapsed),
        f"{spider.session.requests:,} requests ({_rate(spider):.1f}/s{budget})",
        f"{sum(sum(numbers[:2]) for numbers in counts):,} rows written",
        f"{spider.left.due:,} due",
    ]
    if spider.trouble:
        parts.append(f"waiting: the site reports trouble ({spider.trouble})")
    if spider.retries or spider.put_off:
        parts.append(f"{spider.retries:,} retries, {spider.put_off:,} put off")
    if left := _time_left(spider):
        parts.append(left)
    return "  ".join(parts)


def _rate(spider: "WalkSpider") -> float:
    return spider.session.requests / max(spider.elapsed, 0.001)


def _time_left(spider: "WalkSpider") -> str:
    """The time to the nearest bound, or to the end of the backlog as it stands."""
    estimates = []
    if spider.bounds.seconds is not None:
        estimates.append(spider.bounds.seconds - spider.elapsed)
    if spider.session.requests and spider.elapsed:
        if spider.bounds.requests is not None:
            estimates.append((spider.bounds.requests - spider.session.requests) / _rate(spider))
        if not estimates and spider.left.due:
            return f"at least {_clock(spider.left.due / _rate(spider))} left"
    return f"{_clock(max(0.0, min(estimates)))} left" if estimates else ""


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
