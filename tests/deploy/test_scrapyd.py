"""What scrapyd needs of the project: an egg that names its settings, and spiders that take its arguments."""

from __future__ import annotations

import runpy
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from harvester.choices import DeploymentKind
from harvester.config import load
from harvester.deploy.files import Place, deploy

if TYPE_CHECKING:
    import pytest

TOP = Path(__file__).parent.parent.parent


def test_the_egg_names_the_settings_and_holds_no_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deploy(DeploymentKind.SCRAPYD, Place.here(DeploymentKind.SCRAPYD, tmp_path, load()), load())
    given: dict[str, Any] = {}
    monkeypatch.setitem(sys.modules, "setuptools", SimpleNamespace(setup=given.update))
    runpy.run_path(str(tmp_path / "setup.py"))
    assert given["packages"] == []
    for folder in (TOP, tmp_path):
        scrapy = ConfigParser()
        scrapy.read(folder / "scrapy.cfg")
        assert given["entry_points"] == {"scrapy": [f"settings = {scrapy['settings']['default']}"]}


def test_a_spider_runs_with_the_arguments_of_scrapyd(harvest: Any) -> None:
    harvest.harvester.query("UPDATE crawl.frontier SET due_at = now() WHERE stream = 'project_comments' RETURNING 1")
    command = [sys.executable, "-m", "scrapy", "crawl", "comments", "-a", "_job=d330ad74e90211f1"]
    result = subprocess.run(
        command, env=harvest.harvester.env(), cwd=TOP, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "ERROR" not in result.stderr
    ((outcome, requests),) = harvest.harvester.query(
        "SELECT outcome, requests FROM crawl.runs ORDER BY id DESC LIMIT 1"
    )
    assert outcome == "done"
    assert requests > 5
