"""One odd item costs itself alone: its neighbours are stored, nothing is taken for gone, and its list goes on."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from harvester.crawl.control import CANDIDATES
from harvester.warehouse.tables import KEY_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS = "SELECT count(*) FROM crawl.quarantine WHERE item_id IS NOT NULL"


def gone(harvester: Any) -> set[tuple[Any, ...]]:
    """The rows that are held to be gone, by table and key."""
    tables = ("project_comments", "studio_comments", "profile_comments", "follows", "favorites", "users", "projects")
    return {
        (table, *key)
        for table in tables
        for key in harvester.query(
            f"SELECT {', '.join(KEY_COLUMNS[table])} FROM scratch.{table} WHERE gone_at IS NOT NULL"
        )
    }


def test_unusable_items_are_set_aside_alone(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    compare: Callable[..., Any],
) -> None:
    """Garbled items of the first answers come right when asked again; those that stay odd are kept with their place."""
    sandbox = start_sandbox(users=40, seed=3, odd=0.05)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?faults=odd-item=0.7,bom=0.3", "POST")
    summary = json.loads(harvester("crawl", "--json", ok=False).stdout)
    sandbox.json("/sandbox/settings?faults=", "POST")
    assert (summary["outcome"], summary["postponed"]) == ("done", 0)
    assert_truth(harvester, sandbox)
    assert not harvester.query("SELECT FROM crawl.quarantine WHERE item_id IS NULL")
    kept = harvester.query("SELECT id, stream, reason, convert_from(body, 'UTF8'), path FROM crawl.quarantine")
    assert {reason.split(":")[0] for _, _, reason, _, _ in kept} == {
        "id", "datetime_created", "no id", "no time", "ForeignKeyViolation"
    }  # fmt: skip
    drift = {row["change"] for row in json.loads(harvester("status", "--json").stdout)["drift"]}
    assert "a byte order mark before the body" in drift

    # Each list says how many holes it has, and the same is listed and shown.
    holes = harvester.query("SELECT sum(holes), count(*) FILTER (WHERE holes > 0) FROM analytics.coverage")[0]
    facts = json.loads(harvester("status", "--json").stdout)["set_aside"]
    assert holes == (len(kept), sum(row["lists"] for row in facts))
    assert sum(row["items"] for row in facts) == len(kept)
    assert f"{facts[0]['items']} items" in harvester("status").stdout
    listed = json.loads(harvester("quarantine", "list", "--json").stdout)
    assert {(one["id"], one["stream"]) for one in listed} == {(case, stream) for case, stream, *_ in kept}
    case, _, _, body, path = next(one for one in kept if one[1] == "project_comments" and one[2].startswith("id"))
    assert harvester("quarantine", "show", str(case)).stdout == body
    (row,) = [one for one in listed if one["id"] == case]
    asked = sandbox.json(path)
    assert asked[row["position"]] == json.loads(body)

    # A refresh asks for nothing twice: a list with holes connects with its certificate as well as any other.
    sandbox.json("/sandbox/requests/reset", "POST")
    again = harvester.crawl("--refresh")
    addresses = [address for _, _, address, _ in sandbox.lines("/sandbox/requests/log")]
    assert len(addresses) == again["requests"]
    twice = [address for address, times in Counter(addresses).items() if times > 1]
    # But while nothing was found yet, an account that is not there is compared with some that must be.
    assert len(twice) <= CANDIDATES
    assert all(re.fullmatch("/users/[^/]+", address) for address in twice), twice
    assert harvester.query(ITEMS) == [(len(kept),)]

    # Served as they should be, they are had after the next full read, and no hole is left.
    sandbox.json("/sandbox/settings?odd=0", "POST")
    assert json.loads(harvester("quarantine", "retry", "--json").stdout)["left"] == len(kept)
    harvester.crawl()
    found = compare(harvester, sandbox, grown=True)
    assert not [(table, one.missing, one.extra) for table, one in found.items() if one.missing or one.extra]
    assert harvester.query(ITEMS) == [(0,)]


def test_items_an_odd_item_may_hide_are_not_gone(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=9, seed=4)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl()
    before = gone(harvester)
    sandbox.json("/sandbox/settings?odd=0.1", "POST")
    for _ in range(2):
        harvester.crawl("--audit")
    assert harvester.query(ITEMS)[0][0] > 10
    assert gone(harvester) == before
    assert harvester.query("SELECT count(*) FROM crawl.missing_items")[0][0] > 0

    # What went while they were odd is told once they are not, and at the latest then.
    sandbox.json("/sandbox/churn?events=100", "POST")
    harvester.seed_all(sandbox)
    harvester.crawl("--audit")
    removed = {(table, *key) for table, *key in sandbox.lines("/sandbox/removed")}
    assert {key for key in gone(harvester) - before if key[0] in ("follows", "favorites")} <= removed
    sandbox.json("/sandbox/settings?odd=0", "POST")
    harvester.crawl("--audit")
    assert_truth(harvester, sandbox, grown=True)
    # What is kept of a page that is gone by now stays as it is.
    of_live = (
        " q WHERE NOT EXISTS (SELECT FROM crawl.frontier w WHERE (w.stream, w.entity_id) = (q.stream, q.entity_id)"
    )
    for table, which in (("quarantine", " AND q.item_id IS NOT NULL"), ("missing_items", "")):
        left = f"SELECT q.* FROM crawl.{table}{of_live} AND w.gone_at IS NOT NULL){which}"
        assert harvester.query(left) == []
