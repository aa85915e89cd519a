"""What scrapyd needs of the project: an egg that names its settings, and spiders that take its arguments."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

TOP = Path(__file__).parent.parent.parent


def test_the_egg_names_the_settings_and_holds_no_code(tmp_path: Path) -> None:
    shutil.copytree(TOP / "deploy" / "scrapyd", tmp_path / "egg")
    command = [sys.executable, "setup.py", "-q", "egg_info"]
    made = subprocess.run(command, cwd=tmp_path / "egg", capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (info,) = (tmp_path / "egg").glob("*.egg-info")
    entries, scrapy = ConfigParser(), ConfigParser()
    entries.read(info / "entry_points.txt")
    scrapy.read(TOP / "scrapy.cfg")
    assert entries["scrapy"]["settings"] == scrapy["settings"]["default"]
    assert not (info / "top_level.txt").read_text().strip()


def test_a_spider_runs_with_the_arguments_of_scrapyd(harvest: Any) -> None:
    harvest.harvester.query("UPDATE crawl.walks SET due_at = now() WHERE stream = 'project_comments' RETURNING 1")
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
