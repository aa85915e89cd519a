"""States of the source that were observed: pages cut short, lists served short, positions refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harvester.sandbox.odd import SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

LINKS = ("follows", "favorites", "studio_projects", "studio_members", "project_comments", "studio_comments")


def rows(harvester: Any, table: str, condition: str = "true") -> int:
    return int(harvester.query(f"SELECT count(*) FROM scratch.{table} WHERE {condition}")[0][0])


def count(harvester: Any, condition: str) -> int:
    return int(harvester.query(f"SELECT count(*) FROM crawl.frontier WHERE certificate @> '{condition}'")[0][0])


def test_lists_cut_short_are_read_completely_later(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    compare: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    """A clamp is learned at once, lists that were served short are found out by the next visit, a ceiling by an audit
    dates nothing."""
    sandbox = start_sandbox(users=12, seed=5, odd=SHARE)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?page_max=10&list_max=8", "POST")
    harvester.crawl()
    unfound = {table: len(sandbox.truth(table)) - rows(harvester, table) for table in LINKS}
    assert sum(unfound.values()) > 20, unfound
    assert json.loads(harvester("status", "--json").stdout)["last_run"]["outcome"] == "done"

    sandbox.json("/sandbox/settings?list_max=0", "POST")
    harvester.crawl("--refresh")
    for table, found in compare(harvester, sandbox).items():
        # A refresh reads no thread whose count of replies is as it was.
        assert all(found.truth[key].get("parent_id") for key in found.missing), table
        assert not found.extra, table

    sandbox.json("/sandbox/settings?page_max=0&offset_max=20", "POST")
    harvester.crawl("--audit")
    assert count(harvester, '{"complete": true, "capped": true}') > 3
    assert [rows(harvester, table, "gone_at IS NOT NULL") for table in LINKS] == [0] * len(LINKS)
    sandbox.json("/sandbox/settings?offset_max=0", "POST")
    harvester.crawl("--audit")
    assert_truth(harvester, sandbox)
