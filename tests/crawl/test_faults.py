"""A source that fails in many ways: failed visits are retried later, and in the end the warehouse equals the truth."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.sandbox.faults import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("changed", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_three_of_ten_answers_are_faults(
    changed: bool,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    assert_kinds: Callable[..., None],
) -> None:
    """All faults mixed: requests and visits are retried, and nothing wrong is stored.

    So it is when a community is read for the first time, and when what is known of it has changed.
    """
    sandbox = start_sandbox(users=6, seed=3, odd=0.05)
    sandbox.live(150)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester("seed", "explore")
    sandbox.json("/sandbox/requests/reset", "POST")
    sandbox.json("/sandbox/settings?faults=all=0.3", "POST")
    summary = json.loads(harvester("crawl", "--json", ok=False).stdout)
    assert summary["outcome"] == "degraded"
    assert any("had no answer" in finding for finding in summary["findings"])
    assert set(sandbox.requests()["by_fault"]) == set(NAMES)
    sandbox.json("/sandbox/settings?faults=", "POST")
    for _ in range(3):
        harvester("quarantine", "retry")
        harvester("crawl", ok=False)
    assert_truth(harvester, sandbox)
    assert_kinds(harvester, sandbox, changed=False)
    if changed:
        sandbox.live(200)
        harvester.seed_all(sandbox)
        sandbox.json("/sandbox/settings?faults=all=0.3", "POST")
        harvester("crawl", "--refresh", ok=False)
        sandbox.json("/sandbox/settings?faults=", "POST")
        for mode in ((), (), ("--audit",)):
            harvester("quarantine", "retry")
            harvester("crawl", *mode, ok=False)
        assert_kinds(harvester, sandbox)
        # What went from a list into which an odd item came may be that item: it is told once none is odd.
        sandbox.json("/sandbox/settings?odd=0", "POST")
        harvester.crawl("--audit")
        assert_truth(harvester, sandbox, grown=True)
    retried = json.loads(harvester("quarantine", "retry", "--json").stdout)
    odd = harvester.query("SELECT count(*) FROM crawl.quarantine WHERE item_id IS NOT NULL")[0][0]
    assert retried["left"] == odd
    assert (odd > 0) is not changed
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE failures > 0") == [(0,)]


def test_a_badly_packed_answer_is_asked_for_again(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    """No such answer ends the crawl, and nothing of it is stored."""
    sandbox = start_sandbox(users=5, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?faults=packing=0.1", "POST")
    assert json.loads(harvester("crawl", "--json", ok=False).stdout)["retries"] > 0
    sandbox.json("/sandbox/settings?faults=", "POST")
    harvester("crawl", "--json")
    assert_truth(harvester, sandbox)


def test_a_page_in_doubt_at_the_last_attempt_is_set_aside(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    """It shows one item twice and another not at all, and no earlier answer to the request was like it."""
    sandbox = start_sandbox(users=5, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?first_faults=null,null,null,null,double", "POST")
    summary = json.loads(harvester("crawl", "--spider", "users", "--json", ok=False).stdout)
    assert summary["outcome"] == "degraded"
    reasons = dict(harvester.query("SELECT reason, count(*) FROM crawl.quarantine GROUP BY 1"))
    assert any("no earlier answer to the request was like it" in reason for reason in reasons)
    sandbox.json("/sandbox/settings?first_faults=", "POST")
    harvester("quarantine", "retry")
    harvester.crawl()
    assert_truth(harvester, sandbox)


def test_a_response_that_never_makes_sense_is_set_aside_whole(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=5)
    harvester = make_harvester(sandbox)
    project = sandbox.seeds()["projects"][0]
    harvester("seed", "projects", str(project))
    sandbox.json("/sandbox/settings?faults=garbage=1", "POST")
    result = harvester("crawl", "--json", ok=False)
    summary = json.loads(result.stdout)
    assert result.returncode == 3
    assert (summary["outcome"], summary["postponed"]) == ("degraded", 3)  # the project, the news, the count of projects
    kept = harvester.query(
        "SELECT stream, entity_id, path, status, reason, length(body) FROM crawl.quarantine WHERE stream = 'project'"
    )
    ((stream, entity, path, status, reason, length),) = kept
    assert (stream, entity, path, status) == ("project", project, f"/projects/{project}", 200)
    assert reason
    assert length > 0
    status_text = harvester("status").stdout
    assert "quarantine" in status_text
    assert "failing" in status_text
    sandbox.json("/sandbox/settings?faults=", "POST")
    ((case,),) = harvester.query("SELECT id FROM crawl.quarantine WHERE stream = 'project'")
    listed = json.loads(harvester("quarantine", "list", "--stream", "project", "--json").stdout)
    assert [(one["id"], one["count"], one["path"]) for one in listed] == [(case, 1, path)]
    assert "not a number" in harvester("quarantine", "show", str(case)).stdout
    assert harvester("quarantine", "show", "999999", ok=False).returncode == 2
    assert harvester("quarantine", "list", "--stream", "nope", ok=False).returncode == 2
    assert json.loads(harvester("quarantine", "retry", "--json").stdout)["due_again"] >= 3
    harvester.crawl()
    assert harvester.query("SELECT id FROM scratch.projects WHERE id = %s", project)
    counts = json.loads(harvester("quarantine", "retry", "--json").stdout)
    assert (counts["visited_since"], counts["left"]) == (3, 0)


def test_a_page_that_is_no_page_of_comments_is_set_aside(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    """An error page of the site is kept whole; no comment is made of it, and nobody counts as gone because of it."""
    sandbox = start_sandbox(users=20, seed=5)
    harvester = make_harvester(sandbox)
    name = sandbox.seeds()["users"][0]
    harvester("seed", "users", name)
    harvester.query("DELETE FROM crawl.frontier WHERE stream <> 'user' RETURNING 1")
    harvester.crawl("--spider", "users", "--max-requests", "2")
    harvester.query(
        "DELETE FROM crawl.frontier WHERE stream NOT IN ('user', 'profile_comments', 'user_page') RETURNING 1"
    )
    harvester.query("UPDATE crawl.frontier SET due_at = now(), visits = 1 WHERE stream <> 'user' RETURNING 1")
    sandbox.json("/sandbox/settings?faults=html=1", "POST")
    assert harvester("crawl", "--spider", "users", "--spider", "comments", ok=False).returncode == 3
    kept = harvester.query(
        "SELECT stream, path, status, reason, convert_from(body, 'UTF8') FROM crawl.quarantine ORDER BY 1"
    )
    assert [(stream, path, status) for stream, path, status, _, _ in kept] == [
        ("profile_comments", f"/site-api/comments/user/{name}/?page=1", 200),
        ("user_page", f"/users/{name}/", 200),
    ]
    assert all("Whoops" in body for *_, body in kept)
    assert harvester.query("SELECT count(*) FROM scratch.profile_comments") == [(0,)]
    assert harvester.query("SELECT count(*) FROM scratch.users WHERE gone_at IS NOT NULL") == [(0,)]


def test_a_page_that_the_database_refuses_is_set_aside_whole(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=12, seed=5)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    project = sandbox.seeds()["projects"][0]
    refusing = f"ALTER TABLE scratch.projects ADD CONSTRAINT refusing CHECK (id <> {project} OR views IS NULL)"
    with psycopg.connect(harvester.database, autocommit=True) as connection:
        connection.execute(refusing)
        assert harvester("crawl", ok=False).returncode == 3
        kept = harvester.query("SELECT path, reason, convert_from(body, 'UTF8') FROM crawl.quarantine ORDER BY 1")
        assert f"/projects/{project}" in {path for path, _, _ in kept}
        assert all("CheckViolation" in reason and str(project) in body for _, reason, body in kept)
        connection.execute("ALTER TABLE scratch.projects DROP CONSTRAINT refusing")
    harvester("quarantine", "retry")
    harvester("crawl")
    assert_truth(harvester, sandbox)


FEW_FILES = 60
"""File descriptors that a process needs to start and to connect, but not for as many requests at once as it sends."""


def test_too_few_file_descriptors_are_no_fault_of_the_site(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=5)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?latency_ms=100", "POST")
    short = replace(harvester, first=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES)))
    failed = short("crawl", ok=False)
    assert failed.returncode == 1
    told = "harvester: no request can be sent from this machine: Too many open files (see `ulimit -a`)"
    assert [line for line in failed.stderr.splitlines() if line.startswith("harvester: ")] == [told]
    assert "Traceback" not in failed.stderr
    assert harvester.query("SELECT breaker_trips FROM crawl.rate_limit") == [(0,)]
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE failures > 0") == [(0,)]
    sandbox.json("/sandbox/settings?latency_ms=0", "POST")
    harvester.crawl()
    assert_truth(harvester, sandbox)


def test_a_full_disk_ends_a_crawl_with_one_line(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    tmp_path: Path,
    assert_truth: Callable[..., Any],
) -> None:
    sandbox = start_sandbox(users=12, seed=5)
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(tmp_path))
    harvester.seed_all(sandbox)
    full = replace(harvester, first=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (50_000, 50_000)))
    failed = full("crawl", ok=False)
    assert failed.returncode == 1
    told = f"harvester: the archive in {tmp_path} cannot be written: File too large"
    assert [line for line in failed.stderr.splitlines() if line.startswith("harvester: ")] == [told]
    assert "Traceback" not in failed.stderr
    assert harvester.query("SELECT outcome FROM crawl.runs ORDER BY id DESC LIMIT 1") == [("failed",)]
    harvester.crawl()
    assert_truth(harvester, sandbox)
