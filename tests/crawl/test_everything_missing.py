"""A site that answers 404 to everything, or shows another entity, makes nothing count as gone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unguarded import without

from harvester.crawl import visitor
from harvester.crawl.control import CANDIDATES
from harvester.crawl.deletions import ITSELF
from tests.crawl.test_names import false_facts

if TYPE_CHECKING:
    from collections.abc import Callable

GONE = {"users": "user_page", "projects": "project", "studios": "studio"}


def gone(harvester: Any) -> set[tuple[str, int]]:
    return {
        (table, thing)
        for table in GONE
        for (thing,) in harvester.query(f"SELECT id FROM scratch.{table} WHERE gone_at IS NOT NULL")
    }


def really_gone(harvester: Any, sandbox: Any) -> set[tuple[str, int]]:
    """The things in scope that the site does not have."""
    return {
        (table, entity)
        for table, stream in GONE.items()
        for there in [{row["id"] for row in sandbox.truth(table)}]
        for (entity,) in harvester.query("SELECT entity_id FROM crawl.frontier WHERE stream = %s", stream)
        if entity not in there
    }


SOMEBODY_ELSE = 1


@pytest.mark.parametrize("users", [6, pytest.param(9, marks=pytest.mark.soak)])
@pytest.mark.parametrize("status", [404, pytest.param(403, marks=pytest.mark.soak)])
def test_a_site_that_finds_nothing_dates_nothing(
    status: int,
    users: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    """Refused everything, or shown somebody else, from the start or from the middle of a run on, it says degraded.

    What it has is kept and nothing is made up. After that, those who really went are dated.
    """
    sandbox = start_sandbox(users=users, seed=11)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl()
    before, held = gone(harvester), rows(harvester)
    lists = harvester.query(CERTIFIED)
    sandbox.json(f"/sandbox/churn?events={66 * users}", "POST")
    sandbox.json(f"/sandbox/settings?everything={status}", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    result = harvester("crawl", "--refresh", "--json", ok=False)
    summary = json.loads(result.stdout)
    assert (result.returncode, summary["outcome"]) == (3, "degraded")
    if status == 404:
        assert any("were not believed" in finding for finding in summary["findings"])
    assert gone(harvester) == before
    assert rows(harvester) == held
    assert harvester.query(CERTIFIED) == lists
    failed = "SELECT count(*), count(DISTINCT stream) FROM crawl.frontier WHERE failures > 0"
    ((visits, streams),) = harvester.query(failed)
    asked = sandbox.requests()["total"]
    if status == 404:
        assert asked <= visits + (CANDIDATES + 1) * streams, "a control for each stream, not for each visit"

    for everything, after in [(SOMEBODY_ELSE, 0 if status == 403 else 60), (status, 60)]:
        sandbox.json("/sandbox/settings?everything=0", "POST")
        sandbox.json("/sandbox/churn?events=100", "POST")
        sandbox.json(f"/sandbox/settings?everything={everything}&everything_after={after}", "POST")
        result = harvester("crawl", "--refresh", "--json", ok=False)
        assert (result.returncode, json.loads(result.stdout)["outcome"]) == (3, "degraded")
        assert false_facts(harvester, sandbox) == {}
        assert gone(harvester) <= really_gone(harvester, sandbox)
        assert json.loads(harvester("status", "--json").stdout)["names"]["waiting"] == 0

    sandbox.json("/sandbox/settings?everything=0", "POST")
    harvester.seed_all(sandbox)
    harvester.crawl("--audit")
    assert gone(harvester) == really_gone(harvester, sandbox) > before
    assert_truth(harvester, sandbox, grown=True)
    assert (
        harvester.query("SELECT stream, count(*) FROM crawl.missing_items WHERE item_id = %s GROUP BY 1", ITSELF) == []
    )


def test_an_outage_does_not_date_the_only_studio(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """Twice an outage begins before the studio is asked for, and after other things were found.

    No other studio is known that could be asked for, and what was found before the outage is no evidence.
    """
    sandbox = start_sandbox(users=6, seed=11)
    harvester = make_harvester(sandbox)
    harvester("seed", "studios", str(sandbox.seeds()["studios"][0]), "--depth", "0")
    harvester.crawl()
    for _ in range(2):
        sandbox.json("/sandbox/settings?everything=404&everything_after=3", "POST")
        assert harvester("crawl", "--refresh", ok=False).returncode == 3
        assert gone(harvester) == set()
    sandbox.json("/sandbox/settings?everything=0", "POST")
    while not really_gone(harvester, sandbox):
        sandbox.json("/sandbox/churn?events=1&type=close_studio", "POST")
    assert harvester("crawl", "--refresh", ok=False).returncode == 3  # missing for the first time
    assert gone(harvester) == set()
    harvester("crawl", "--refresh", ok=False)
    assert gone(harvester) == really_gone(harvester, sandbox)


def _ask_at_once() -> None:
    """Do not wait for other visits, as if no answer came for `WAIT_SECONDS`, before known entities are requested."""
    visitor.WAIT_SECONDS = 0.0


def test_an_absence_waits_where_nothing_else_is_known(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """A closed studio had the only comments, its list is asked for first, and those of other studios are found."""
    sandbox = start_sandbox(users=12, seed=11)
    harvester = make_harvester(sandbox, HARVESTER_RATE="40")
    studios = sandbox.seeds()["studios"]
    harvester("seed", "studios", *map(str, studios), "--depth", "0")
    harvester.crawl()
    sandbox.json("/sandbox/churn?events=1&type=close_studio", "POST")
    (studio,) = set(studios) - {row["id"] for row in sandbox.truth("studios")}
    # As if it alone had comments, and the last visits of the others had failed. They are visited last.
    harvester.query(
        "UPDATE crawl.frontier SET item_count = 1, due_at = now() - interval '2 days'"
        " WHERE stream = 'studio_comments' AND entity_id = %s RETURNING 1",
        studio,
    )
    harvester.query(
        "UPDATE crawl.frontier SET item_count = 0, failures = 1, due_at = now()"
        " WHERE stream = 'studio_comments' AND entity_id <> %s RETURNING 1",
        studio,
    )
    due = "UPDATE crawl.frontier SET due_at = now() - interval '1 day' WHERE stream <> 'studio_comments' RETURNING 1"
    assert len(harvester.query(due)) > 15, "more than are visited at once"
    replace(harvester, first=_ask_at_once)("crawl", "--spider", "studios", "--spider", "comments", ok=False)
    visits = "SELECT visits FROM crawl.frontier WHERE stream = 'studio_comments' AND entity_id = %s"
    assert harvester.query(visits, studio) == [(2,)]


@pytest.mark.parametrize("status", [404, pytest.param(403, marks=pytest.mark.soak)])
@pytest.mark.parametrize("after", [90, *(pytest.param(n, marks=pytest.mark.soak) for n in (30, 60, 120, 150, 180))])
def test_an_outage_in_a_first_crawl_empties_no_list(
    status: int,
    after: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    """A list that was never visited and is not found counts as empty only once a later request has found something."""
    sandbox = start_sandbox(users=8, seed=11)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json(f"/sandbox/settings?everything={status}&everything_after={after}", "POST")
    assert harvester("crawl", ok=False).returncode == 3
    sandbox.json("/sandbox/settings?everything=0", "POST")
    for _ in range(3):  # what an outage hid leads to more that it has to lead to
        harvester("quarantine", "retry")
        harvester("crawl", ok=False)
    assert_truth(harvester, sandbox)


@pytest.mark.parametrize(
    "after", [200, *(pytest.param(n, marks=pytest.mark.soak) for n in (30, 60, 90, 120, 150, 250, 300))]
)
def test_lists_belong_to_the_account_asked_for(
    after: int, start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """Lists that are read first and show no id count only while the site answers about the requested entity."""
    sandbox = start_sandbox(users=15, seed=11)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json(f"/sandbox/settings?everything={SOMEBODY_ELSE}&everything_after={after}", "POST")
    result = harvester("crawl", "--json", ok=False)
    assert (result.returncode, json.loads(result.stdout)["outcome"]) == (3, "degraded")
    assert false_facts(harvester, sandbox) == {}


@pytest.mark.soak
def test_first_reads_are_wrong_without_their_guard(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=15, seed=11)
    unguarded = without("first reads", make_harvester(sandbox))
    unguarded.seed_all(sandbox)
    sandbox.json(f"/sandbox/settings?everything={SOMEBODY_ELSE}&everything_after=200", "POST")
    unguarded("crawl", ok=False)
    assert {fact.partition(" ")[2] for fact in false_facts(unguarded, sandbox)} == {"that never were"}


CERTIFIED = (
    "SELECT stream, entity_id, certificate ->> 'digest', item_count FROM crawl.frontier"
    " WHERE certificate IS NOT NULL AND item_count > 0 ORDER BY 1, 2"
)


def rows(harvester: Any) -> list[tuple[int, ...]]:
    return [
        harvester.query(f"SELECT count(*), count(gone_at) FROM scratch.{table}")[0]
        for table in (*GONE, "follows", "favorites", "studio_projects", "project_comments", "studio_comments")
    ]
