"""Lists that other lists announce: a refresh reads what was announced, and an unreliable announcer loses its say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import ANNOUNCED_BY

if TYPE_CHECKING:
    from collections.abc import Callable

OF_USERS = [name for name, by in ANNOUNCED_BY.items() if by == "user_activity"]
TABLES = {"studio_projects", "studio_members", "studio_activity", "follows", "favorites", "projects"}
FRAGMENT = "/messages/ajax/user-activity/"


def visits(harvester: Any) -> dict[tuple[str, int], int]:
    rows = harvester.query(
        "SELECT stream, entity_id, visits FROM crawl.frontier WHERE stream = ANY(%s)", list(ANNOUNCED_BY)
    )
    return {(stream, entity): count for stream, entity, count in rows}


def churn(sandbox: Any, **events: int) -> None:
    for type_, count in events.items():
        sandbox.json(f"/sandbox/churn?type={type_}&events={count}", "POST")


def missing(harvester: Any, sandbox: Any, compare: Callable[..., Any]) -> int:
    """Rows of studios and users at the site that are not in the warehouse, or not as they are there."""
    return sum(
        len(one.missing) + len(one.differ) * (table != "projects")
        for table, one in compare(harvester, sandbox).items()
        if table in TABLES
    )


def test_a_refresh_reads_what_was_announced(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], compare: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=60, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_USER_ACTIVITY="1")
    harvester.seed_all(sandbox)
    harvester.crawl()
    before = visits(harvester)
    # What announces a list for the first time makes it due again only if it was visited before that was asked for.
    assert set(before.values()) == {1}
    harvester.crawl("--refresh")
    at_random = {key for key, count in visits(harvester).items() if count > before[key]}
    assert 0 < len(at_random) < len(before) / 8

    churn(sandbox, studio_add_project=12, join_studio=6, promote=3)
    churn(sandbox, favorite=8, follow=8, new_project=5, remix_project=2, love=8)
    assert missing(harvester, sandbox, compare) > 30
    before = visits(harvester)
    harvester.crawl("--refresh")
    assert missing(harvester, sandbox, compare) == 0
    after = visits(harvester)
    assert sum(after[key] - count for key, count in before.items()) < len(before) / 3
    (reliable,) = {row["reliable"] for row in json.loads(harvester("status", "--json").stdout)["announcements"]}
    assert reliable is True

    # Nothing is announced: visits that nothing announced find it out. New projects still show in a studio's counter.
    sandbox.json("/sandbox/settings?lost_events=1", "POST")
    churn(sandbox, studio_add_project=10, join_studio=40)
    behind = missing(harvester, sandbox, compare)
    before = visits(harvester)
    harvester.crawl("--refresh")
    after = visits(harvester)
    assert behind / 2 < missing(harvester, sandbox, compare) < behind - 5
    assert sum(after[key] - count for key, count in before.items()) < len(before) / 5
    harvester.crawl("--audit")
    assert missing(harvester, sandbox, compare) == 0
    harvester("fit")
    by_stream = {row["stream"]: row for row in json.loads(harvester("status", "--json").stdout)["announcements"]}
    assert by_stream["studio_curators"]["share"] == 0
    assert {name for name, row in by_stream.items() if not row["reliable"]} == {"studio_curators", "user_studios"}
    assert "studio_curators: studio_activity announces 0%" in " ".join(harvester("status").stdout.split())
    churn(sandbox, join_studio=10)
    harvester.crawl("--refresh")
    assert missing(harvester, sandbox, compare) == 0

    # Without the setting nothing announces the lists of users: they are all read by the next refresh.
    harvester.environment["HARVESTER_USER_ACTIVITY"] = "0"
    sandbox.json("/sandbox/requests/reset", "POST")
    before = visits(harvester)
    harvester.crawl("--refresh")
    after = visits(harvester)
    assert {name for name, entity in before if after[name, entity] == before[name, entity]}.isdisjoint(OF_USERS)
    assert FRAGMENT not in sandbox.requests()["by_route"]
