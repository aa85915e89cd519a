from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from harvester.sandbox.clock import DAY, NOW
from harvester.sandbox.community import Community
from harvester.sandbox.truth import TABLES, truth


def everything(community):
    return json.dumps([list(truth(community, table)) for table in TABLES])


def test_the_seed_alone_decides():
    assert everything(Community(120, seed=7)) == everything(Community(120, seed=7))
    assert everything(Community(120, seed=7)) != everything(Community(120, seed=8))


def test_reading_changes_nothing(new_client):
    client = new_client(Community(50, seed=7))
    for name in client.community.users.name:
        client.read(f"/users/{name}/favorites")
    assert everything(client.community) == everything(Community(50, seed=7))


@pytest.mark.parametrize(("users", "seed"), [(0, 1), (-5, 1), (10, -1)])
def test_nonsense_is_refused(users, seed):
    with pytest.raises(ValueError, match="at least 1 user"):
        Community(users, seed)


@pytest.fixture(scope="module")
def large():
    return Community(20_000, seed=1)


def test_ratios_are_the_sites(large):
    users = len(large.users)
    projects = sum(large.projects.is_shared)
    studios = sum(large.studios.is_open)

    def comments(kind):
        table = large.comments(kind)
        return sum(count for owner, count in table.total.items() if large.owner_is_public(kind, owner))

    assert projects / users == pytest.approx(1.22, rel=0.05)
    assert studios / users == pytest.approx(0.258, rel=0.05)
    assert comments("project") / projects == pytest.approx(2.43, rel=0.1)
    assert comments("studio") / studios == pytest.approx(7.45, rel=0.1)
    assert len(large.shared) / users == pytest.approx(0.25, rel=0.1)
    assert sum(map(len, large.followers.values())) / users == pytest.approx(4.0, rel=0.1)
    remixes = sum(parent >= 0 for parent in large.projects.parent) / len(large.projects)
    assert 0.05 <= remixes <= 0.25


def test_tails_are_the_sites(large):
    views = np.array(large.projects.views)
    assert (views == 0).mean() == pytest.approx(0.30, abs=0.08)
    assert np.median(views) == pytest.approx(1, abs=1)
    assert (views > 100).mean() == pytest.approx(0.0045, rel=0.5)
    favored = sum(map(len, large.favoriters.values())) / len(large.projects)
    assert 0.4 <= favored <= 1.0
    followers = sorted(map(len, large.followers.values()))
    assert followers[-1] > 100 * followers[len(followers) // 2]
    shares = sorted(map(len, large.shared.values()), reverse=True)
    assert sum(shares[: len(shares) // 10]) > 0.3 * sum(shares)


def test_people_are_the_sites(large):
    names = [large.countries.names[row] for row in large.users.country]
    shares = {name: count / len(names) for name, count in Counter(names).items()}
    assert shares["United States"] == pytest.approx(0.397, abs=0.02)
    assert shares["United Kingdom"] == pytest.approx(0.063, abs=0.01)
    assert len(large.users.badges) / len(names) == pytest.approx(0.004, rel=0.1)
    assert 0 < len(large.users.team) < 0.002 * len(names)


def test_ids_and_dates_run_together(large):
    assert 150e6 < large.users.id[-1] < 175e6
    assert 1.2e9 < large.projects.id[-1] < 1.35e9
    assert 50e6 < large.studios.id[-1] < 52e6
    for table in (large.users, large.projects, large.studios, large.project_comments, large.studio_comments):
        assert list(table.id) == sorted(set(table.id))
    assert max(large.projects.shared_at) < NOW
    assert max(large.project_comments.created) < NOW
    at = np.searchsorted(large.projects.id, 408_410_919)
    assert abs(large.projects.created[at] - 1_593_388_800) < 5 * DAY  # 2020-06-29
    # Shared later than made: the order of sharing is not that of ids.
    assert sum(s > c + 30 * DAY for s, c in zip(large.projects.shared_at, large.projects.created, strict=True)) > 500


def test_comments_are_as_recorded(large):
    for comments in (large.project_comments, large.studio_comments):
        delays = [comments.modified(row) - comments.created[row] for row in range(0, len(comments), 7)]
        assert sum(delay == 0 for delay in delays) / len(delays) == pytest.approx(0.76, abs=0.02)
        assert sum(delay == 1 for delay in delays) / len(delays) == pytest.approx(0.23, abs=0.02)
        ties = inversions = neighbours = 0
        for threads in comments.threads.values():
            for older, newer in pairwise(threads):
                neighbours += 1
                ties += comments.created[older] == comments.created[newer]
                inversions += comments.id[older] > comments.id[newer]
        assert 0.02 < ties / neighbours < 0.07
        assert 0 < inversions / neighbours < 0.003
        full = sum(len(replies) == 25 for replies in comments.replies.values())
        assert full >= 2
        replied = [row for row in range(len(comments)) if comments.parent[row] >= 0]
        unknown = sum(comments.commentee[row] < 0 for row in replied) / len(replied)
        assert unknown == pytest.approx(0.03, abs=0.01)
    studio = large.studio_comments
    threads = [row for rows in studio.threads.values() for row in rows]
    silent = sum(not studio.replies.get(row) for row in threads) / len(threads)
    assert silent == pytest.approx(0.62, abs=0.03)


def test_ids_of_the_two_kinds_collide(community, large):
    for each in (community, large):
        assert set(each.project_comments.id) & set(each.studio_comments.id)


def test_one_touch_gives_many_projects_one_date(community):
    projects = community.projects
    touched = [
        mine
        for mine in community.shared.values()
        if len(mine) > 3 and Counter(projects.modified[row] for row in mine).most_common(1)[0][1] > 2
    ]
    assert touched


@pytest.mark.soak
def test_a_hundred_thousand_users():
    community = Community(100_000, seed=1)
    assert len(community.users) == 100_000
    assert community.churn(100).total() == 100


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("users", [1, 2, 200])
def test_one_id_in_ten_of_a_dense_community_is_shared(users, seed, new_client):
    client = new_client(Community(users, seed, dense=True))
    frame = client.get("/sandbox/frame").json()
    ids = range(frame["first_id"], frame["last_id"] + 1)
    hits = [number for number in ids if client.get(f"/projects/{number}").status == 200]
    assert hits == sorted(row["id"] for row in truth(client.community, "projects"))
    assert len(hits) == frame["shared"]
    if users == 200:
        assert len(ids) == 10 * len(hits) > 2_000
        # Drawn over the whole frame: of each quarter of it about a quarter, as dense as the others.
        quarters = np.histogram(hits, bins=4, range=(1, len(ids)))[0]
        assert (abs(quarters - len(hits) / 4) < 4 * np.sqrt(len(hits) * 3 / 16)).all()
        client.community.churn(300)
        later = client.get("/sandbox/frame").json()
        assert later["last_id"] >= max(row["id"] for row in truth(client.community, "projects"))


def test_a_dense_community_differs_in_its_ids_alone():
    community, dense = Community(60, seed=3), Community(60, seed=3, dense=True)
    assert (dense.name, community.name) == ("seed 3 and 60 users, dense", "seed 3 and 60 users")
    for field in ("author", "created", "shared_at", "views", "parent", "root", "is_shared"):
        assert getattr(dense.projects, field) == getattr(community.projects, field)
    assert dense.shared == community.shared
    assert dense.project_comments.id == community.project_comments.id
    assert list(dense.projects.id) == sorted(set(dense.projects.id))
