"""After a crawl the warehouse equals what the sandbox says is the truth: nothing missing, nothing extra."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from harvester.api.catalogue import ANNOUNCED_BY, ONCE, OPT_IN, PAGE_LIMIT, STREAMS
from harvester.api.stream import Kind, Order, Paging

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_STREAMS = [
    name
    for name, stream in STREAMS.items()
    if not stream.is_thread and stream.revisit < ONCE and stream.kind not in (Kind.QUERY, Kind.SITE)
]
VISITED_AGAIN = """
SELECT count(*) FROM crawl.frontier f WHERE visits <> 1 AND NOT (
    stream = 'user' AND EXISTS (SELECT FROM scratch.users u WHERE u.id = f.entity_id AND u.gone_at IS NOT NULL)
)
"""
"""Entries that were visited more or less than once, but for gone accounts: their comments are refused, and whether the
name is still theirs is asked once more."""
SITE_ROUTES = ("/health", "/news", "/projects/count/all")


@pytest.mark.parametrize(
    "postgres_server", ["pg15", pytest.param("embedded", marks=pytest.mark.soak)], indirect=True, scope="session"
)
def test_everything_seeded(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Counter[str]]
) -> None:
    sandbox = start_sandbox(users=120, seed=1)
    sandbox.json("/sandbox/churn?events=3&type=erase_user", "POST")  # so few have hardly one
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    summary = harvester.crawl()
    assert summary["outcome"] == "done"
    assert (summary["postponed"], summary["backlog"]) == (0, 0)
    assert "/{project}" not in sandbox.requests()["by_route"]  # sources are read on request alone
    counts = assert_truth(harvester, sandbox)
    assert all(counts[table] > 25 for table in counts if table != "news")
    assert_site_is_known(harvester, sandbox)
    assert_status_reconciles(harvester, sandbox)

    # Each list and object has its certificate, and each row was written once.
    assert harvester.query(VISITED_AGAIN) == [(0,)]
    assert harvester.query("SELECT stream FROM crawl.frontier WHERE certificate ->> 'proven_by' = 'none'") == []
    assert harvester.query("SELECT count(*) FROM history.project_revisions") == [(0,)]

    # A refresh with nothing changed: no row rewritten, and one request per list or object, and one more, once, for each
    # list whose end its first page does not show. (Two lists in which more than a page is hidden, and which do not grow
    # at their head, have no proof by place: they are read once in full.) Lists that others announce are left out, but
    # for one in 16.
    sandbox.json("/sandbox/requests/reset", "POST")
    lists = harvester.query("SELECT count(*) FROM crawl.frontier WHERE stream = ANY(%s)", HEAD_STREAMS)[0][0]
    unproved = (
        "SELECT stream, entity_id FROM crawl.frontier"
        " WHERE certificate ->> 'whole' IS NOT NULL AND certificate ->> 'digest' = ''"
    )
    positions = "SELECT coalesce(sum(position), 0) FROM crawl.frontier WHERE (stream, entity_id) IN ({})"
    exceptions = harvester.query(unproved)
    assert len(exceptions) <= 2
    read_before = harvester.query(positions.format(unproved))[0][0]
    unconfirmed = ends_to_confirm(harvester)
    assert len(unconfirmed) > 10
    rewritten = "SELECT max(xmin::text::bigint) FROM scratch.{}"
    before = {table: harvester.query(rewritten.format(table)) for table in counts}
    again = harvester.crawl("--refresh")
    observed = {"message_counts", "site_counts", "site_health"}
    for table, numbers in again["counts"].items():
        assert (numbers["inserted"], numbers["updated"]) == (0, 0) or table in observed, table
    assert {table: harvester.query(rewritten.format(table)) for table in counts} == before
    read_again = harvester.query(positions.format(unproved))[0][0] - read_before
    asked = sandbox.requests()
    assert again["requests"] == asked["total"]
    of_the_site = sum(asked["by_route"].get(route, 0) for route in SITE_ROUTES)
    # The page and the messages of an account that is gone may be answered still: each answer counts only once the
    # account itself has been requested. So may a list by name that is compared with what is held.
    gone = harvester.query("SELECT count(*) FROM scratch.users WHERE gone_at IS NOT NULL")[0][0]
    asked_for = Counter(address for _, _, address, _ in sandbox.lines("/sandbox/requests/log"))
    proofs = sum(times - 1 for address, times in asked_for.items() if re.fullmatch("/users/[^/]+", address))
    assert proofs <= 2 * gone + 0.002 * lists
    left_out = set(
        harvester.query(
            "SELECT stream, entity_id FROM crawl.frontier WHERE stream = ANY(%s) AND visits = 1", HEAD_STREAMS
        )
    )
    by_crawled = [stream for stream, announcer in ANNOUNCED_BY.items() if announcer not in OPT_IN]
    announced = harvester.query("SELECT count(*) FROM crawl.frontier WHERE stream = ANY(%s)", by_crawled)[0][0]
    assert {stream for stream, _ in left_out} == set(by_crawled)
    assert len(left_out) == pytest.approx(announced * 15 / 16, rel=0.05)
    needed = lists - len(left_out) - len(set(exceptions) - left_out) + len(set(unconfirmed) - left_out)
    # The last absence of a stream may find no later answer as evidence, and then asks for one.
    assert 0 <= again["requests"] - of_the_site - read_again - proofs - needed <= 3
    assert set(ends_to_confirm(harvester)) == set(unconfirmed) & left_out
    once = {row["stream"]: row["ends_seen_once"] for row in json.loads(harvester("status", "--json").stdout)["streams"]}
    resting = "state = 'certified' AND NOT capped AND NOT confirmed"
    by_list = harvester.query(f"SELECT stream, count(*) FROM analytics.coverage WHERE {resting} GROUP BY 1")
    assert dict(by_list) == {stream: count for stream, count in once.items() if count}
    assert {stream for stream, count in once.items() if count} - set(by_crawled) == {
        "profile_comments",  # lists of one page, behind which nothing is asked for
        "project_replies",  # a refresh reads those threads alone that have changed
        "studio_replies",
    }


def ends_to_confirm(harvester: Any) -> list[tuple[str, int]]:
    """The lists that a visit can go on from and whose first page does not show the end that was seen of them."""
    rows = harvester.query(
        "SELECT stream, entity_id, certificate FROM crawl.frontier WHERE certificate ->> 'digest' <> ''"
        " AND certificate ->> 'confirmed' = 'false' AND certificate ->> 'capped' = 'false'"
    )
    return [
        (name, entity)
        for name, entity, certificate in rows
        for stream in [STREAMS[name]]
        if (
            certificate["end"] > 1
            if stream.paging is Paging.NUMBER
            else stream.order is not Order.OLDEST_FIRST
            and (
                len(certificate["anchors"]) == PAGE_LIMIT or not set(certificate["tail"]) <= set(certificate["anchors"])
            )
        )
    ]


def assert_site_is_known(harvester: Any, sandbox: Any) -> None:
    """What the site says of itself, how many messages each user has, and who is gone."""
    (count,) = sandbox.truth("site_counts")
    assert harvester.query("SELECT name, count FROM history.site_counts") == [("projects", count["count"])]
    messages = {(row["user_id"], row["count"]) for row in sandbox.truth("message_counts")}
    assert set(harvester.query("SELECT user_id, count FROM history.message_counts")) == messages
    gone = {(row["id"], row["gone_reason"]) for row in sandbox.truth("gone_users")}
    assert set(harvester.query("SELECT id, gone_reason FROM scratch.users WHERE gone_at IS NOT NULL")) == gone
    assert len(gone) > 3
    # Who was erased under the GDPR is not what the made-up fields say, whether the site's own page answers or not.
    erased = harvester.query(
        "SELECT username ~ '^gdpr[0-9]{7}$', joined_at, country, bio, status, extra ? 'group' FROM scratch.users"
        " WHERE gone_reason = 'erased under the GDPR'"
    )
    assert {row[:5] for row in erased} == {(True, None, None, "", "")}
    assert {has_page for *_, has_page in erased} == {True, False}
    removed = harvester.query(
        "SELECT count(*), count(*) FILTER (WHERE gone_reason = 'removed' AND content IS NULL AND author_id IS NOT NULL)"
        " FROM scratch.profile_comments WHERE gone_at IS NOT NULL"
    )
    assert removed[0][0] == removed[0][1] > 5
    assert harvester.query("SELECT count(*), count(trouble) FROM history.site_health") == [(1, 0)]


def assert_status_reconciles(harvester: Any, sandbox: Any) -> None:
    """Skewed counters and hidden projects differ; remixes and managers, which the site counts exactly, do not."""

    def compared() -> dict[str, Any]:
        facts = json.loads(harvester("status", "--json").stdout)["reconcile"]
        return {one["what"].split(" (")[0]: one for one in facts}

    first = compared()
    assert first["remixes of a project"]["differ"] == first["managers of a studio"]["differ"] == 0
    assert first["comments of a studio"]["compared"] > 5
    skewed: dict[str, set[int]] = {}
    for kind in ("project", "studio"):
        comments = sandbox.truth(f"{kind}_comments")
        held = Counter(row["parent_id"] for row in comments)
        skewed[kind] = {row["id"] for row in comments if not row["parent_id"] and row["reply_count"] != held[row["id"]]}
        replies = first[f"replies of a {kind} comment"]
        assert replies["differ"] == len(skewed[kind])
        assert {row["id"] for row in replies["worst"]} <= skewed[kind]
    assert "reconcile" in harvester("status").stdout
    hide = "UPDATE scratch.projects SET gone_at = %s WHERE id = %s RETURNING 1"
    lost = harvester.query("SELECT min(id) FROM scratch.projects WHERE parent_id IS NOT NULL")[0][0]
    harvester.query(hide, "2026-01-01", lost)
    assert compared()["remixes of a project"]["differ"] == 1
    harvester.query(hide, None, lost)
    hide = "UPDATE scratch.project_comments SET gone_at = %s WHERE id = %s RETURNING parent_id"
    lost = harvester.query("SELECT max(id) FROM scratch.project_comments WHERE parent_id IS NOT NULL")[0][0]
    skewed["project"] ^= {harvester.query(hide, "2026-01-01", lost)[0][0]}
    assert compared()["replies of a project comment"]["differ"] == len(skewed["project"]) == 1
    harvester.query(hide, None, lost)


def test_one_seed_reaches_what_is_connected(
    small_sandbox: Any, make_harvester: Callable[..., Any], assert_truth: Callable[..., Counter[str]]
) -> None:
    name = small_sandbox.seeds()["users"][0]
    harvester = make_harvester(small_sandbox)
    harvester("seed", "users", name, "--depth", "50")
    harvester.crawl()
    counts = assert_truth(harvester, small_sandbox, f"user:{name}")
    assert counts["users"] > 20


def test_depth_0_is_the_seed_and_what_it_owns(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    owners = Counter(row["author_id"] for row in small_sandbox.truth("projects"))
    names = {row["id"]: row["username"] for row in small_sandbox.truth("users")}
    owner = owners.most_common(1)[0][0]
    harvester("seed", "users", names[owner])
    harvester.crawl()
    mine = {row["id"] for row in small_sandbox.truth("projects") if row["author_id"] == owner}
    assert harvester.query("SELECT entity_id FROM crawl.frontier WHERE stream = 'user'") == [(owner,)]
    visited = harvester.query("SELECT entity_id FROM crawl.frontier WHERE stream = 'project'")
    assert {entity for (entity,) in visited} == mine
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE stream LIKE 'studio%'") == [(0,)]
    comments = {row["id"] for row in small_sandbox.truth("project_comments") if row["project_id"] in mine}
    assert {id_ for (id_,) in harvester.query("SELECT id FROM scratch.project_comments")} == comments
    follows = {row["follower_id"] for row in small_sandbox.truth("follows") if row["followee_id"] == owner}
    met = harvester.query("SELECT follower_id FROM scratch.follows WHERE followee_id = %s", owner)
    assert {id_ for (id_,) in met} == follows


def test_seeding_deeper_later_equals_seeding_deep_at_once(
    small_sandbox: Any, make_harvester: Callable[..., Any], assert_truth: Callable[..., Counter[str]]
) -> None:
    """What was met at depth 0 is visited when the depth is raised, and no list is read twice for it."""
    studio = small_sandbox.seeds()["studios"][0]
    harvester = make_harvester(small_sandbox)
    harvester("seed", "studios", str(studio))
    harvester.crawl()
    harvester("seed", "studios", str(studio), "--depth", "50")
    harvester.crawl()
    assert_truth(harvester, small_sandbox, f"studio:{studio}")
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE visits <> 1") == [(0,)]
