"""Progress of a replay: a line on standard error every few seconds."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from harvester.crawl.replay import Replayed

_LINE_SECONDS = 10.0


class ReplayProgress:
    """Lines of a replay, with the time that is left at the rate so far."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None
        """When the first responses were stored, and the number of responses up to them."""
        self._shown = time.monotonic()

    def __call__(self, done: Replayed) -> None:
        """Print a line if the last one is some seconds old."""
        now = time.monotonic()
        if self._began is None:
            if done.read:
                self._began = now, done.read
            elif done.passed:
                typer.echo(f"going on after {done.passed:,} transactions that are stored already", err=True)
            return
        if now < self._shown + _LINE_SECONDS:
            return
        self._shown = now
        typer.echo(_line(done, now - self._began[0], done.read - self._began[1]), err=True)


def _line(done: Replayed, elapsed: float, read: int) -> str:
    """Return a line for the `read` responses of the last `elapsed` seconds."""
    rate = read / max(elapsed, 0.001)
    share = f"{done.read:,} of {done.responses:,} responses ({done.read / max(done.responses, 1):.0%}, {rate:,.0f}/s)"
    left = f"  {timedelta(seconds=int((done.responses - done.read) / rate))} left" if rate else ""
    return f"{timedelta(seconds=int(elapsed))}  {share}{left}"
