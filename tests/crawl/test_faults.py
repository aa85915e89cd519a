"""A source that fails in many ways: what cannot be read is put off, and in the end the warehouse equals the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS = ("500", "502", "503-varnish", "429", "429-retry", "html", "redirect", "truncate", "garbage", "null", "reset")


def test_every_tenth_answer_is_a_fault(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?faults=" + ",".join(f"{name}=0.01" for name in FAULTS), "POST")
    summary = harvester.crawl()
    assert summary["outcome"] == "done"
    assert summary["retries"] > 20
    sandbox.json("/sandbox/settings?faults=", "POST")
    harvester.query("UPDATE crawl.walks SET due_at = now() WHERE failures > 0 RETURNING 1")
    assert harvester.crawl()["put_off"] == 0
    assert_truth(harvester, sandbox)


def test_a_response_that_never_makes_sense_is_set_aside_whole(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=5)
    harvester = make_harvester(sandbox)
    project = sandbox.seeds()["projects"][0]
    harvester("seed", "projects", str(project))
    sandbox.json("/sandbox/settings?faults=garbage=1", "POST")
    summary = harvester.crawl()
    assert (summary["outcome"], summary["put_off"]) == ("done", 3)  # the project, the news, the count of projects
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
    harvester.query("UPDATE crawl.walks SET due_at = now() RETURNING 1")
    harvester.crawl()
    assert harvester.query("SELECT id FROM scratch.projects WHERE id = %s", project)


def test_a_page_that_is_no_page_of_comments_is_set_aside(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    """The site in trouble answers with a page of its own: kept whole, no comment made of it, nobody taken for gone."""
    sandbox = start_sandbox(users=20, seed=5)
    harvester = make_harvester(sandbox)
    name = sandbox.seeds()["users"][0]
    harvester("seed", "users", name)
    harvester.query("DELETE FROM crawl.walks WHERE stream <> 'user' RETURNING 1")
    harvester.crawl("--spider", "users", "--max-requests", "2")
    harvester.query("DELETE FROM crawl.walks WHERE stream NOT IN ('profile_comments', 'user_page') RETURNING 1")
    harvester.query("UPDATE crawl.walks SET due_at = now(), visits = 1 RETURNING 1")
    sandbox.json("/sandbox/settings?faults=html=1", "POST")
    harvester.crawl("--spider", "users", "--spider", "comments")
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
