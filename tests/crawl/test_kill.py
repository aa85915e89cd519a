"""SIGKILL at random moments: the next run goes on, and the end is the same as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from harvester.config import MOST_AT_ONCE
from harvester.sandbox.odd import SHARE as ODD
from tests.crawl.test_truth import VISITED_AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = [pytest.param(20, 4, id="4"), pytest.param(250, 20, id="20", marks=pytest.mark.soak)]


def settled(sandbox: Any) -> int:
    """The number of requests, once what a killed process had sent is answered."""
    before = -1
    while before != (total := int(sandbox.requests()["total"])):
        before = total
        time.sleep(0.05)
    return before


def requested(sandbox: Any) -> list[tuple[str, bool]]:
    """The path of each request so far, and whether it is that of a list."""
    log = [urlsplit(address) for _, _, address, _ in sandbox.lines("/sandbox/requests/log")]
    return [(parts.path, bool(parts.query)) for parts in log]


def asked_again(sandbox: Any, killed_at: list[int]) -> list[tuple[int, int]]:
    """By killed run, how many lists and how many objects it asked for that a later run asked for once more.

    `killed_at`: the number of requests answered by each kill.
    """
    log = requested(sandbox)
    runs = [
        set(log[begin:end]) - {("/health", False)}  # each run begins with it
        for begin, end in pairwise([0, *killed_at, len(log)])
    ]
    again = [run & set.union(*runs[number:]) for number, run in enumerate(runs[:-1], start=1)]
    return [(sum(is_list for _, is_list in both), sum(not is_list for _, is_list in both)) for both in again]


@pytest.mark.parametrize(("users", "kills"), KILLS)
def test_killed_again_and_again(
    users: int,
    kills: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    assert_kinds: Callable[..., None],
    second_database: str,
) -> None:
    sandbox = start_sandbox(users=users, seed=1, odd=ODD)
    sandbox.live(2 * users)
    undisturbed = make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database)
    undisturbed.seed_all(sandbox)
    undisturbed("seed", "explore", "--pages", "1")
    sandbox.json("/sandbox/requests/reset", "POST")
    undisturbed.crawl()
    least = sandbox.requests()["total"]
    evidence = sum(count > 1 and not is_list for (_, is_list), count in Counter(requested(sandbox)).items())

    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester("seed", "explore", "--pages", "1")
    sandbox.json("/sandbox/requests/reset", "POST")
    moments = sorted(random.Random(4).sample(range(least // 50, least), kills))
    killed_at = []
    for moment in moments:
        process = harvester.start("crawl", "--json")
        began = sandbox.requests()["total"]
        while sandbox.requests()["total"] < max(moment, began + 1) and process.poll() is None:
            time.sleep(0.005)
        assert process.poll() is None, process.communicate()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        killed_at.append(settled(sandbox))
    harvester.crawl()

    assert_truth(harvester, sandbox)
    assert_kinds(harvester, sandbox, changed=False)
    assert harvester.query(VISITED_AGAIN) == [(0,)]
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE lease_token IS NOT NULL") == [(0,)]
    assert harvester.query("SELECT count(*) FROM crawl.runs WHERE outcome = 'killed'") == [(kills,)]
    for table in ("scratch.project_comments", "scratch.users", "scratch.follows", "history.project_stats"):
        assert harvester.query(f"SELECT count(*) FROM {table}") == undisturbed.query(f"SELECT count(*) FROM {table}")
    # What was under way is asked for again, and nothing else: a list for each visit, and what a list belongs to.
    # Objects that were stored are asked for again as evidence for others, as without any kill.
    for lists, objects in asked_again(sandbox, killed_at):
        assert lists <= MOST_AT_ONCE
        assert objects <= MOST_AT_ONCE + evidence


def test_one_interrupt_finishes_what_is_in_flight(
    small_sandbox: Any, make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    harvester = make_harvester(small_sandbox)
    name = small_sandbox.seeds()["users"][0]
    harvester("seed", "users", name, "--depth", "50")
    for signals in (1, 2):
        small_sandbox.json("/sandbox/requests/reset", "POST")
        process = harvester.start("crawl")
        while small_sandbox.requests()["total"] < 150:
            time.sleep(0.005)
        for _ in range(signals):
            os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        if signals == 1:
            assert "interrupted, nothing lost" in output
            assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE lease_token IS NOT NULL") == [(0,)]
            sent = small_sandbox.requests()["total"]
            recorded = harvester.query("SELECT outcome, requests FROM crawl.runs ORDER BY id DESC LIMIT 1")
            assert recorded == [("interrupted", sent)]
    harvester.crawl()
    assert_truth(harvester, small_sandbox, f"user:{name}")
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE visits <> 1") == [(0,)]
