"""What is gone is dated with a reason, and what comes back is re-opened with its absence kept."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REASONS = {"users": "deleted or banned", "projects": "unshared or deleted", "studios": "closed or deleted"}


def gone(harvester: Any, table: str) -> dict[int, str]:
    return dict(harvester.query(f"SELECT id, gone_reason FROM scratch.{table} WHERE gone_at IS NOT NULL"))


def known(harvester: Any, table: str) -> set[int]:
    """The things of a kind that the last refresh asked for."""
    stream = {"users": "user_page", "projects": "project", "studios": "studio"}[table]
    return {entity for (entity,) in harvester.query("SELECT entity_id FROM crawl.frontier WHERE stream = %s", stream)}


def test_each_absence_is_dated_and_each_return_kept(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=30, seed=11)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl()
    absent: list[dict[str, dict[int, str]]] = []
    for _ in range(2):
        sandbox.json("/sandbox/churn?events=300", "POST")
        for type_, events in (("delete_user", 2), ("unshare_project", 8), ("rename", 3), ("share_again", 4)):
            sandbox.json(f"/sandbox/churn?events={events}&type={type_}", "POST")
        harvester.crawl("--refresh")
        now = {table: gone(harvester, table) for table in REASONS}
        absent.append(now)
        for table, reason in REASONS.items():
            there = {row["id"] for row in sandbox.truth(table)}
            asked = known(harvester, table)
            # Those who are met without being asked about are no evidence either way.
            assert {thing for thing in now[table] if thing in asked} == asked - there, table
            assert set(now[table].values()) <= {reason, "erased under the GDPR"}
    assert all(absent[-1][table] for table in ("users", "projects"))

    returned = {
        (table, thing)
        for before, after in pairwise(absent)
        for table in REASONS
        for thing in before[table].keys() - after[table].keys()
    }
    assert returned
    kept = harvester.query("SELECT kind, thing_id, gone_at < returned_at, gone_reason FROM history.absences")
    assert {(kind, thing) for kind, thing, _, _ in kept} >= returned
    links = dict.fromkeys(("follows", "favorites", "studio_projects", "studio_members"), "no longer listed")
    assert all(ordered and reason == (REASONS | links).get(kind, "removed") for kind, _, ordered, reason in kept)


def test_a_deleted_comment_is_asked_for_by_its_id(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """An audit finds no thread, asks for the comment itself, and dates it with its replies; the text is kept."""
    sandbox = start_sandbox(users=15, seed=11)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl()
    threads = "SELECT c.id, c.{0}_id FROM scratch.{0}_comments c WHERE c.reply_count > 0"
    place_of = {(kind, *row): None for kind in ("project", "studio") for row in harvester.query(threads.format(kind))}
    sandbox.json("/sandbox/churn?events=150", "POST")
    for _ in range(60):
        sandbox.json("/sandbox/churn?events=5&type=delete_project_comment", "POST")
        there = {kind: {row["id"] for row in sandbox.truth(f"{kind}s")} for kind in ("project", "studio")}
        left = {kind: {row["id"] for row in sandbox.truth(f"{kind}_comments")} for kind in ("project", "studio")}
        # A project that was unshared and shared again has its comments back.
        if any(thread not in left[kind] and place in there[kind] for kind, thread, place in place_of):
            break
    harvester.crawl("--audit")
    there = {kind: {row["id"] for row in sandbox.truth(f"{kind}_comments")} for kind in ("project", "studio")}
    dated = 0
    for kind, place in (("project", "projects"), ("studio", "studios")):
        rows = harvester.query(
            f"SELECT c.id, c.gone_reason, c.content IS NOT NULL FROM scratch.{kind}_comments c"
            f" JOIN scratch.{place} p ON p.id = c.{kind}_id AND p.gone_at IS NULL WHERE c.gone_at IS NOT NULL"
        )
        assert not {comment for comment, _, _ in rows} & there[kind]
        assert {(reason, text) for _, reason, text in rows} <= {("deleted", True)}
        dated += len(rows)
    assert dated > 0


def test_seeding_says_why_a_name_leads_nowhere(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    assert "no user is called nobody-at-all: nothing" in harvester("seed", "users", "nobody-at-all", ok=False).stderr
    assert "which can be no name" in harvester("seed", "users", "x" * 40, ok=False).stderr
