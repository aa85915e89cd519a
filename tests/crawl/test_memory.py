"""A long crawl or replay stays small: its memory depends on what is in flight, not on what went by."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from scrapy.http import Response

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.crawl.archive import Archive, Part

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 1_000_000
RESPONSES = 1_000_000
MIB = 2**20
EXAMPLE = Path(__file__).parent.parent / "api_examples" / "users.username.json"


@pytest.mark.soak
def test_a_million_rows(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]) -> None:
    sandbox = start_sandbox(users=20_000, seed=1)
    harvester = make_harvester(sandbox)
    harvester("seed", "users", sandbox.seeds()["users"][0], "--depth", "50")
    process = harvester.start("crawl", "--json", fresh=True)
    watched = psutil.Process(process.pid)
    resident: list[float] = []
    rows = 0
    while rows < ROWS and process.poll() is None:
        time.sleep(5)
        resident.append(watched.memory_info().rss / MIB)
        counts = harvester.query("SELECT counts FROM crawl.runs ORDER BY id DESC LIMIT 1")[0][0]
        rows = sum(sum(numbers.values()) for numbers in counts.values())
        print(f"{rows:,} rows, {resident[-1]:.0f} MiB", flush=True)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130), errors
    assert rows >= ROWS
    assert max(resident) < 400
    half = len(resident) // 2
    assert max(resident[half:]) < 1.1 * max(resident[:half])


def make_archive(folder: Path, responses: int) -> None:
    """Write an archive of the pages of users, 20 a transaction, a transaction a second."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    archive = Archive(folder, 1, lambda: at)
    user = json.loads(EXAMPLE.read_text())["response"]
    stored: list[tuple[str, dict[int, str]]] = []
    for number in range(1, responses + 1):
        body = json.dumps(user | {"id": number, "username": f"user{number}"}).encode()
        visit = Visit(STREAMS["user"], number, username=f"user{number}", seen_at=at)
        stored.append((archive.keep(Response("http://x/", body=body), visit, "", Part(first=True, began_at=at)), {}))
        if len(stored) == 20 or number == responses:
            archive.note(stored, at, at)
            stored = []
            at += timedelta(seconds=1)
    archive.close()


@pytest.mark.soak
def test_a_long_replay(small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path) -> None:
    make_archive(tmp_path, RESPONSES)
    harvester = make_harvester(small_sandbox)
    process = harvester.start("replay", "--workers", "2", str(tmp_path), fresh=True)
    watched = psutil.Process(process.pid)
    resident: list[float] = []
    while process.poll() is None:
        time.sleep(2)
        try:
            running = [watched, *watched.children(recursive=True)]
            size = sum(each.memory_info().rss for each in running) / MIB
        except psutil.NoSuchProcess:
            continue
        transactions = harvester.query("SELECT sum(transactions) FROM crawl.replays")[0][0]
        if transactions:
            resident.append(size)
            print(f"{20 * transactions:,} responses, {size:.0f} MiB", flush=True)
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert f"{RESPONSES:,} pages replayed" in told
    assert harvester.query("SELECT count(*) FROM scratch.users") == [(RESPONSES,)]
    third = len(resident) // 3
    assert max(resident[third:]) < 1.1 * max(resident[:third]), resident
