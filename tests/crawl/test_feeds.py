"""Feeds of Scrapy's own command line: one line a record, as the warehouse has it."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).parent.parent.parent


def scrapy(harvester: Any, *arguments: str, fresh: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `scrapy` with these arguments; `fresh`: as a program, which imports the product first."""
    environment = harvester.env() | more
    if not fresh and forked.can_run(environment):
        with chdir(TOP):
            return forked.run(arguments, environment, 120, forked.scrapy)
    return subprocess.run(
        [sys.executable, "-m", "scrapy", *arguments],
        env=environment,
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_feed_has_a_line_for_each_record(
    small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    harvester = make_harvester(small_sandbox)
    comments = Counter(comment["project_id"] for comment in small_sandbox.truth("project_comments"))
    project, total = comments.most_common(1)[0]
    assert total > 20
    assert {"comments", "account", "sources"} <= set(scrapy(harvester, "list", fresh=True).stdout.split())

    files = [tmp_path / name for name in ("out.jsonl", "out.csv", "out.jsonl.gz")]
    for file in files:
        fresh = file == files[0]
        done = scrapy(harvester, "crawl", "comments", "-a", f"project={project}", "-O", str(file), fresh=fresh)
        assert (done.returncode, done.stderr) == (0, "")
    plain, table, compressed = files
    lines = [json.loads(line) for line in plain.read_text().splitlines()]
    assert gzip.decompress(compressed.read_bytes()) == plain.read_bytes()
    with table.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    columns = ["id", "content", "author_id", "users.username"]
    fed = [tuple(line[name] for name in columns) for line in lines]
    assert [tuple(row[name] for name in columns) for row in rows] == [tuple(map(str, line)) for line in fed]

    # All that was asked for stands in the warehouse, and nothing else stands in the feed.
    stored = harvester.query(
        "SELECT c.id, c.content, c.author_id, u.username FROM scratch.project_comments c"
        " JOIN scratch.users u ON u.id = c.author_id WHERE c.project_id = %s AND c.parent_id IS NULL",
        project,
    )
    assert len(stored) > 10
    assert sorted(fed) == sorted(stored)
    assert {line["stream"] for line in lines} == {"project_comments"}

    refused = scrapy(harvester, "crawl", "comments", "-O", str(tmp_path / "out.nonsense"))
    assert refused.returncode == 2
    assert "Unrecognized output format 'nonsense'" in refused.stderr + refused.stdout


def test_a_feed_holds_nothing_of_who_was_erased(
    small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_HOME=str(tmp_path))
    truth = small_sandbox.truth("project_comments")
    users = {user["id"]: user["username"] for user in small_sandbox.truth("users")}
    project = Counter(comment["project_id"] for comment in truth).most_common(1)[0][0]
    owner = next(row["author_id"] for row in small_sandbox.truth("projects") if row["id"] == project)
    authors = Counter(each["author_id"] for each in truth if each["project_id"] == project)
    del authors[owner]  # whose project goes with them
    author = authors.most_common(1)[0][0]
    file = tmp_path / "out.jsonl"
    assert scrapy(harvester, "crawl", "comments", "-a", f"project={project}", "-O", str(file)).returncode == 0
    assert users[author] in file.read_text()
    harvester("erase", "user", users[author], "--yes")
    assert scrapy(harvester, "crawl", "comments", "-a", f"project={project}", "-O", str(file)).returncode == 0
    fed = file.read_text()
    assert len(fed) > 1000
    assert users[author] not in fed
    assert str(author) not in fed


PIPELINES = """
from scrapy.exceptions import DropItem

class Drop:
    def process_item(self, item):
        if item.commit.lease.visit.stream.name == "project_comments":
            raise DropItem("too chatty")
        return item

class Fail:
    def process_item(self, item):
        raise ValueError(f"of a {'child'}")
"""


def test_settings_of_scrapy_do_what_they_say(
    small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    """A pipeline of the user's runs beside ours; no page that it drops or fails on leaves its visit waiting."""
    harvester = make_harvester(small_sandbox)
    (tmp_path / "chatty.py").write_text(PIPELINES)
    comments = Counter(one["project_id"] for one in small_sandbox.truth("project_comments"))
    (project, _), (second, _) = comments.most_common(2)
    target = ("crawl", "comments", "-a", f"project={project}")

    def last_run() -> tuple[Any, ...]:
        return harvester.query("SELECT outcome, requests FROM crawl.runs ORDER BY id DESC LIMIT 1")[0]

    said = {"HARVESTER_CONTACT": "operator@example.org"}
    done = scrapy(harvester, *target, "-s", "CLOSESPIDER_PAGECOUNT=2", "-s", "LOG_LEVEL=DEBUG", **said)
    assert done.returncode == 0, done.stderr
    assert last_run() == ("bounded", 2)
    assert "Spider opened" in done.stderr
    assert "operator@" not in done.stderr
    refused = scrapy(harvester, *target, "-s", "CLOSESPIDER_ERRORCOUNT=1")
    (line,) = refused.stderr.splitlines()
    assert line.endswith("CLOSESPIDER_ERRORCOUNT is not supported; CLOSESPIDER_PAGECOUNT, _ITEMCOUNT and _TIMEOUT are")

    pipelines = {name: f'ITEM_PIPELINES={{"chatty.{name}": 200}}' for name in ("Drop", "Fail")}
    done = scrapy(harvester, *target, "-s", pipelines["Drop"], PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert harvester.query("SELECT count(*) FROM scratch.project_comments") == [(0,)]
    errors = harvester.query("SELECT last_error FROM crawl.frontier WHERE failures > 0")
    assert errors == [("dropped by an item pipeline: too chatty",)]

    failed = scrapy(harvester, *target, "-s", pipelines["Fail"], "-s", "LOG_LEVEL=DEBUG", PYTHONPATH=str(tmp_path))
    assert "DEBUG: the crawl failed: ValueError" in failed.stderr
    assert "of a child" not in failed.stderr
    assert last_run()[0] == "failed"
    assert small_sandbox.truth("users")[0]["username"] not in failed.stderr

    another = (*target[:-1], f"project={second}")
    ((stored,),) = harvester.query("SELECT sum(position) FROM crawl.frontier")
    done = scrapy(harvester, *another, "-s", "CLOSESPIDER_ITEMCOUNT=1")
    assert done.returncode == 0, done.stderr
    assert last_run()[0] == "bounded"
    # A list's page, and that of its project, which the first page of a list waits for.
    assert harvester.query("SELECT sum(position) - %s FROM crawl.frontier", stored)[0][0] in (1, 2)
