from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise

import pytest

from harvester.sandbox import churn
from harvester.sandbox.community import Community
from harvester.sandbox.odd import SHARE
from harvester.sandbox.truth import TABLES, key, truth

VIEWS = {"rankings", "site_counts", "message_counts", "gone_users", "erased_users"}
LISTED = [table for table in TABLES if table not in VIEWS]
"""Tables of things: what is stated of the others follows from these."""


def keys(community):
    return {key(table, row) for table in LISTED for row in truth(community, table)}


def rows(community):
    return {key(table, row): row for table in TABLES for row in truth(community, table)}


def test_the_log_is_exact_event_by_event():
    community = Community(25, seed=5)
    before = keys(community)
    happened = Counter()
    # Evenly: what is rare is the point.
    for name in list(churn._EVENTS) * 10:
        logged = len(community.removed)
        community.now += 1
        happened[name] += churn._EVENTS[name][1](community)
        after = keys(community)
        gone = community.removed[logged:]
        assert len(gone) == len(set(gone)), name
        assert set(gone) == before - after, name
        before = after
    assert set(+happened) == set(churn._EVENTS)


@pytest.mark.parametrize("seed", [1, 2])
def test_removed_things_are_in_the_log(seed):
    community = Community(300, seed)
    before = keys(community)
    counts = community.churn(8_000)
    assert sum(counts.values()) == 8_000
    after = keys(community)
    gone = before - after
    assert gone
    assert gone <= set(community.removed)
    assert {row[0] for row in community.removed} >= {"projects", "studios", "project_comments", "favorites", "follows"}


def test_the_order_of_events_is_all_that_counts():
    at_once, in_steps = Community(80, seed=4), Community(80, seed=4)
    at_once.churn(700)
    for size in (1, 9, 90, 600):
        in_steps.churn(size)
    assert rows(at_once) == rows(in_steps)
    assert at_once.removed == in_steps.removed
    assert at_once.now == in_steps.now
    assert rows(at_once) != rows(Community(80, seed=4))


@pytest.fixture(scope="module")
def lived_in():
    community = Community(300, seed=2)
    community.churn(6_000)
    return community


def test_lists_keep_their_order(lived_in):
    projects = lived_in.projects
    for mine in lived_in.shared.values():
        assert all(projects.is_shared[row] for row in mine)
        assert [projects.shared_at[row] for row in mine] == sorted(projects.shared_at[row] for row in mine)
    for comments in (lived_in.project_comments, lived_in.studio_comments):
        for lists in (comments.threads, comments.replies):
            for mine in lists.values():
                assert [comments.order(row) for row in mine] == sorted(comments.order(row) for row in mine)
                assert not any(comments.is_deleted[row] for row in mine)
        assert max(map(len, comments.replies.values())) == 25
        assert list(comments.id) == sorted(set(comments.id))
    for remixes in lived_in.remixes.values():
        assert remixes == sorted(remixes)
    assert max(len(managers) for managers in lived_in.managers.values()) < 40


def test_shared_again_goes_to_the_head(lived_in):
    projects = lived_in.projects
    jumps = [mine for mine in lived_in.shared.values() if any(a > b for a, b in pairwise(mine))]
    assert jumps
    assert any(projects.shared_at[mine[-1]] > projects.created[mine[-1]] + 86_400 for mine in jumps)


def test_both_sides_of_every_edge_agree(lived_in):
    def pairs(lists, turned=False):
        found = [(mine, other) for mine, others in lists.items() for other in others]
        assert len(found) == len(set(found))
        return {(other, mine) for mine, other in found} if turned else set(found)

    assert pairs(lived_in.followers) == pairs(lived_in.following, turned=True)
    assert not any(a == b for a, b in pairs(lived_in.followers))
    assert pairs(lived_in.favorites) == pairs(lived_in.favoriters, turned=True)
    assert pairs(lived_in.studio_projects) == pairs(lived_in.project_studios, turned=True)
    for studio, projects in lived_in.studio_projects.items():
        assert len(lived_in.studio_adders[studio]) == len(projects)
    members = pairs(lived_in.managers) | pairs(lived_in.curators) | set(enumerate(lived_in.studios.host))
    assert members == pairs(lived_in.member_studios, turned=True)
    assert not pairs(lived_in.managers) & pairs(lived_in.curators)


def test_counts_are_true(lived_in):
    for comments in (lived_in.project_comments, lived_in.studio_comments):
        visible = Counter(comments.owner[row] for row in range(len(comments)) if not comments.is_deleted[row])
        assert visible == +comments.total
        skewed = 0
        for row in range(len(comments)):
            replies = len(comments.replies.get(row, ()))
            assert (comments.reply_count(row) > 0) == (replies > 0)
            skewed += comments.reply_count(row) != replies
        assert 0 < skewed < 0.05 * len(comments.replies)


def test_hot_places_get_more(lived_in):
    before = Community(300, seed=2)
    busiest = sorted(before.project_comments.total, key=before.project_comments.total.__getitem__)[-20:]
    grown = sum(lived_in.project_comments.total[row] - before.project_comments.total[row] for row in busiest)
    all_grown = lived_in.project_comments.total.total() - before.project_comments.total.total()
    assert grown > 0.1 * all_grown > 20 * all_grown / len(before.projects)


@pytest.mark.parametrize("users", [1, 2, 3, 10])
def test_the_smallest_communities_live_too(users):
    community = Community(users, seed=1)
    community.churn(500)
    assert rows(community)


def test_churn_comes_with_requests(new_client):
    client = new_client(Community(40, seed=1))
    name = client.community.users.name[0]
    client.app.churn_per_request = 0.4
    twin = Community(40, seed=1)
    for _ in range(25):
        client.get(f"/users/{name}")
        client.get("/sandbox/requests")
    twin.churn(10)
    assert rows(client.community) == rows(twin)


def test_an_erasure_leaves_a_made_up_name(new_client):
    """What an account was is told by the truth alone; its old name is free, and half of the time taken at once."""
    client = new_client(Community(60, seed=8))
    users = client.community.users
    before = {name: client.get(f"/users/{name}").json() for name in users.name}
    happened = client.request("/sandbox/churn?events=12&type=erase_user", "POST").json()
    erased = [row for row in client.get("/sandbox/truth/erased_users").lines() if row["former_usernames"][-1] in before]
    assert len(erased) == happened["erase_user"] == 12
    taken = 0
    for row in erased:
        was = before[row["former_usernames"][-1]]
        profile = was["profile"]
        assert (row["id"], row["joined_at"]) == (was["id"], was["history"]["joined"])
        former = [row[f"former_{name}"] for name in ("country", "status", "bio")]
        assert former == [profile[name] for name in ("country", "status", "bio")]
        now = client.get(f"/users/{row['username']}").json()
        assert re.fullmatch(r"gdpr\d{7}", now["username"])
        assert (now["id"], now["history"]["joined"]) == (was["id"], "2000-01-01T00:00:00.000Z")
        assert [now["profile"][name] for name in ("country", "status", "bio")] == [None, "", ""]
        other = client.get(f"/users/{row['former_usernames'][-1]}")
        assert other.status == 404 or other.json()["id"] != was["id"]
        taken += other.status == 200
    assert 0 < taken < 12
    reasons = {row["id"]: row["gone_reason"] for row in client.get("/sandbox/truth/gone_users").lines()}
    assert {reasons[row["id"]] for row in erased} == {"erased under the GDPR"}
    # Nothing of them comes back.
    client.request("/sandbox/churn?events=2000", "POST")
    again = {row["id"]: row for row in client.get("/sandbox/truth/erased_users").lines()}
    assert all(again[row["id"]] == row for row in erased)


KINDS = {
    "names_reused": ("rename_and_reuse", "swap_names"),
    "erased": ("erase_user",),
    "nulls": ("clear_profile", "clear_project", "clear_studio", "hide_host"),
    "index_lags": ("love",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_counted(new_client, kind):
    client = new_client(Community(40, seed=4))
    for type_ in KINDS[kind]:
        before = client.get("/sandbox/kinds").json()[kind]
        client.request(f"/sandbox/churn?events=5&type={type_}", "POST")
        assert client.get("/sandbox/kinds").json()[kind] > before, type_


def test_odd_items_are_counted(new_client):
    assert Community(40, seed=4).studios.nulls == set()
    client = new_client(Community(40, seed=4, odd=SHARE))
    assert client.get("/sandbox/kinds").json()["null_hosts"] > 0
    some = client.get("/sandbox/kinds").json()["odd"]
    client.request("/sandbox/settings?odd=1", "POST")
    assert 0.01 < some / client.get("/sandbox/kinds").json()["odd"] < 0.04


def test_churn_on_demand(new_client):
    client = new_client(Community(40, seed=1))
    before = {json.dumps(row) for row in client.get("/sandbox/truth/projects").lines()}
    counts = client.request("/sandbox/churn?events=300", "POST").json()
    assert sum(counts.values()) == 300
    assert {json.dumps(row) for row in client.get("/sandbox/truth/projects").lines()} != before
    assert [tuple(row) for row in client.get("/sandbox/removed").lines()] == client.community.removed
    of_one = client.request("/sandbox/churn?events=3&type=rename_and_reuse", "POST").json()
    assert of_one == {"rename_and_reuse": 3}
    assert client.request("/sandbox/churn?type=nothing", "POST").status == 400
    for events in ("x", "-1", "9999999999", ""):
        assert client.request(f"/sandbox/churn?events={events}", "POST").status == 400
