"""Progress of a running crawl: a live table on a terminal, a line every few seconds elsewhere."""

import logging
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from harvester.cli.output import table_of_counts
from harvester.crawl.model import Figures
from harvester.logs import event

logger = logging.getLogger(__name__)

_TOLD = ("elapsed", "requests", "due", "rate", "retries", "postponed", "trouble")
_LINE_SECONDS = 10.0
_REFRESHES_PER_SECOND = 4


class Progress:
    """Display of a crawl's progress on standard error, while it runs."""

    def __init__(self, figures: Callable[[], Figures | None], *, as_json: bool = False) -> None:
        self._figures = figures
        self._as_json = as_json
        self._console = Console(stderr=True)
        self._ended = threading.Event()
        self._live: Live | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._as_json:
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

    def _lines(self) -> None:
        while not self._ended.wait(_LINE_SECONDS):
            figures = self._figures()
            if figures is not None and self._as_json:
                event(
                    logger,
                    "progress",
                    **{name: getattr(figures, name) for name in _TOLD},
                    tables={table: list(numbers) for table, numbers in figures.tables.items()},
                )
            elif figures is not None:
                sys.stderr.write(_line(figures) + "\n")
                sys.stderr.flush()

    def _table(self) -> Group:
        figures = self._figures()
        if figures is None:
            return Group(Text("starting", style="cyan"))
        table = table_of_counts(dict(sorted(figures.tables.items())))
        status = Text(_line(figures), style="cyan")
        if figures.stopping:
            status.append("  stopping: finishing what is in flight", style="yellow")
        return Group(status, table)


def _line(figures: Figures) -> str:
    budget = f" of {figures.rate:g}" if figures.rate else ""
    parts = [
        _clock(figures.elapsed),
        f"{figures.requests:,} requests ({_rate(figures):.1f}/s{budget})",
        f"{sum(sum(numbers[:2]) for numbers in figures.tables.values()):,} rows written",
        f"{figures.due:,} due",
    ]
    if figures.trouble:
        parts.append(f"waiting: {figures.trouble}")
    if figures.retries or figures.postponed:
        parts.append(f"{figures.retries:,} retries, {figures.postponed:,} postponed")
    if left := _time_left(figures):
        parts.append(left)
    return "  ".join(parts)


def _rate(figures: Figures) -> float:
    return figures.requests / max(figures.elapsed, 0.001)


def _time_left(figures: Figures) -> str:
    """Return the time to the nearest bound, or to the end of the backlog as it stands."""
    estimates = []
    if figures.bounds.seconds is not None:
        estimates.append(figures.bounds.seconds - figures.elapsed)
    if figures.requests and figures.elapsed:
        if figures.bounds.requests is not None:
            estimates.append((figures.bounds.requests - figures.requests) / _rate(figures))
        if not estimates and figures.due:
            return f"at least {_clock(figures.due / _rate(figures))} left"
    return f"{_clock(max(0.0, min(estimates)))} left" if estimates else ""


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
