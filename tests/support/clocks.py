"""A clock that is off, for processes of the product."""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
import time

import harvester.crawl
import harvester.frontier
import harvester.monitoring
import harvester.sampling
import harvester.warehouse

_PACKAGES = (harvester.crawl, harvester.frontier, harvester.monitoring, harvester.sampling, harvester.warehouse)


def set_clock_off(days: int) -> None:
    """Let this process read a clock that is so many days ahead."""
    real, off = dt.datetime, dt.timedelta(days=days)

    class Shifted(real):  # type: ignore[misc,valid-type]
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return real.now(tz) + off

    for package in _PACKAGES:
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(found.name)
            if getattr(module, "datetime", None) is real:
                module.datetime = Shifted  # type: ignore[attr-defined]
    now = time.time
    time.time = lambda: now() + off.total_seconds()
