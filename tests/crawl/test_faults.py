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
