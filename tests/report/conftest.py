"""The page in a real browser, and of a warehouse that a test may fill as it likes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from parsel import Selector

from harvester.cli.main import app
from harvester.config import load, settings
from harvester.report import page

if TYPE_CHECKING:
    from datetime import datetime


@dataclass
class Page:
    """A page, and the facts that it was made from."""

    report: page.Report
    html: str

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads(json.dumps(page.facts(self.report)))

    @property
    def tree(self) -> Selector:
        return Selector(self.html)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.facts["answers"][name]["rows"]

    def text(self, css: str) -> str:
        return " ".join(" ".join(self.tree.css(f"{css} ::text").getall()).split())


@pytest.fixture
def look_at():
    """The page of a database."""

    def look(database: str, *, at: datetime | None = None, rate: float = 5.0, patience: float = 30.0) -> Page:
        settings = load(database_url=database, rate=rate)
        report = page.read(settings, at=at, patience=patience)
        return Page(report, page.render(report))

    return look


@pytest.fixture
def run_here(monkeypatch, capsys):
    """A command in this process: its exit status, and what it printed."""

    def run(database: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("HARVESTER_DATABASE_URL", database)
        settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            app(arguments, prog_name="harvester")
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run
