"""A long crawl stays small: its memory depends on what is in flight, not on what went by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 1_000_000
MIB = 2**20


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
