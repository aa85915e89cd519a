"""Commands as processes that are forked from one which has imported the product: an import costs 1.1 s of CPU each."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOADED = (
    "harvester.cli.main",
    "harvester.monitoring.quarantine",
    "harvester.analytics.refresh",
    "harvester.crawl.run",
    "harvester.crawl.seeding",
    "harvester.crawl.downloadhandlers",
    "harvester.crawl.extensions",
    "harvester.crawl.log_formatter",
    "harvester.crawl.middlewares",
    "harvester.crawl.pipelines",
    "harvester.crawl.spiders.comments",
    "harvester.crawl.spiders.discovery",
    "harvester.crawl.spiders.projects",
    "harvester.crawl.spiders.replies",
    "harvester.crawl.spiders.studios",
    "harvester.crawl.spiders.users",
    "harvester.monitoring.status",
    "harvester.report.page",
    "harvester.sandbox.server",
    "harvester.erasure.erase",
    "encodings.idna",
    "numpy.ma",
    "numpy.random",
    "rich.progress",
    "scrapy.core.downloader",
    "scrapy.core.downloader.handlers.datauri",
    "scrapy.core.downloader.handlers.file",
    "scrapy.core.scraper",
    "scrapy.downloadermiddlewares.downloadtimeout",
    "scrapy.downloadermiddlewares.httpcompression",
    "scrapy.downloadermiddlewares.robotstxt",
    "scrapy.dupefilters",
    "scrapy.extensions.logstats",
    "scrapy.pqueues",
    "scrapy.spidermiddlewares.httperror",
    "scrapy.squeues",
    "scrapy.statscollectors",
    "typer._click.decorators",
    "uvloop",
)
"""What commands import, but for what reads the settings of its process when it is imported."""
_AT_START = ("PYTHON", "LC_", "LANG")
"""Names of variables that Python reads when it starts begin so: with other values, a command is a fresh process."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(_LOADED))


def can_run(environment: Mapping[str, str]) -> bool:
    """Tell whether a forked process can have this environment."""
    return _at_start(environment) == _at_start(os.environ)


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


def run(arguments: Sequence[str], environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run `harvester` with these arguments to its end.

    Raises:
        subprocess.TimeoutExpired: if it takes longer; it is killed then.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = [Path(folder, name) for name in ("stdout", "stderr")]
        process = _context.Process(target=_become, args=(list(arguments), dict(environment), Path.cwd(), written))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["harvester", *arguments], timeout)
        code = process.exitcode
        process.close()
        output, errors = (path.read_text(encoding="utf-8") for path in written)
    return subprocess.CompletedProcess(["harvester", *arguments], code, output, errors)


class Started:
    """A command that runs until it is told to end, in a session of its own."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._written = [Path(self._folder.name, name) for name in ("stdout", "stderr")]
        values = (list(arguments), dict(os.environ), Path.cwd(), self._written)
        self._process = _context.Process(target=_become, args=values, kwargs={"alone": True})
        self._process.start()

    def first_line(self, timeout: float) -> str:
        """Wait for the first line of its output.

        Raises:
            RuntimeError: if it ended, or said nothing in that time; with what stands on its standard error.
        """
        deadline = time.monotonic() + timeout
        while True:
            line, end, _ = self._text(0).partition("\n")
            if end:
                return line
            if self._process.exitcode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nothing was said: {self._text(1)}")
            time.sleep(0.01)

    def end(self, timeout: float) -> None:
        """Send SIGTERM, and wait."""
        self._process.terminate()
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it did not end"
        self._process.close()
        self._folder.cleanup()

    def _text(self, number: int) -> str:
        path = self._written[number]
        return path.read_text(encoding="utf-8") if path.exists() else ""


def _become(
    arguments: list[str], environment: dict[str, str], folder: Path, written: list[Path], *, alone: bool = False
) -> None:
    """Be the command, in the forked process; `alone`: in a session of its own."""
    if alone:
        os.setsid()
    for number, path in enumerate(written, 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["harvester", *arguments]
    from harvester.__main__ import main

    main()
