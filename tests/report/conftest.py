"""The page in a real browser, and of a warehouse that a test may fill as it likes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from parsel import Selector
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from harvester.cli import app
from harvester.config import load, settings
from harvester.report import page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


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


@dataclass
class Browser:
    """Chromium, with what it says and asks for."""

    driver: webdriver.Chrome

    def open(self, url: str, *, width: int = 1280, dark: bool = False) -> None:
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(url)

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def said(self) -> list[str]:
        """What stands in the console by now."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self) -> list[str]:
        """The addresses that were asked for since the last page was opened."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        if os.environ.get("HARVESTER_TEST_CHROMIUM") == "required":
            pytest.fail(f"Chromium is required: {CHROMIUM} or {CHROMEDRIVER} is missing")
        pytest.skip(f"Chromium is not here: {CHROMIUM}, {CHROMEDRIVER}")
    profile = tempfile.mkdtemp(prefix="harvester-test-chromium-")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


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
