from __future__ import annotations

import pytest

from harvester.sandbox.community import Community


@pytest.fixture(scope="module")
def server(new_client):
    return new_client(Community(200, seed=1))


@pytest.fixture
def state(server):
    """Puts the server into states, until the test has ended."""
    yield lambda query: server.request(f"/sandbox/settings?{query}", "POST")
    server.request("/sandbox/settings?page_max=0&offset_max=0&list_max=0&everything=0&faults=", "POST")


@pytest.fixture(scope="module")
def followers(server):
    """The path of the longest list of followers, and the list."""
    community = server.community
    row = max(community.followers, key=lambda each: len(community.followers[each]))
    path = f"/users/{community.users.name[row]}/followers"
    return path, [user["id"] for user in server.read(path)]


def page(server, path, query):
    return [item["id"] for item in server.get(f"{path}?{query}").json()]


def test_pages_are_cut_short(server, followers, state):
    path, whole = followers
    state("page_max=20")
    assert page(server, path, "limit=40&offset=5") == whole[5:25]
    assert page(server, path, "limit=10&offset=5") == whole[5:15]
    studio = max(server.community.activity, key=lambda each: len(server.community.activity[each]))
    events = server.get(f"/studios/{server.community.studios.id[studio]}/activity?limit=40").json()
    assert len(events) == 20


def test_places_are_refused(server, followers, state):
    path, whole = followers
    state("offset_max=30")
    assert page(server, path, "limit=40&offset=29") == whole[29:69]
    assert page(server, path, "limit=40&offset=30") == []


def test_lists_are_served_short(server, followers, state):
    path, whole = followers
    state("list_max=45")
    assert page(server, path, "limit=40&offset=39") == whole[39:45]
    assert page(server, path, "limit=40&offset=45") == []


@pytest.mark.parametrize(("status", "code"), [(404, "NotFound"), (403, "Forbidden")])
def test_everything_is_refused_in_the_words_of_the_api(server, followers, state, status, code):
    path, _ = followers
    state(f"everything={status}")
    profile = path.removesuffix("followers")
    for each in (path, profile.rstrip("/"), f"/projects/{server.get('/sandbox/seeds').json()['projects'][0]}"):
        answer = server.get(each)
        assert (answer.status, answer.json()["code"]) == (status, code)
    assert server.get(profile).status == status
    assert b"<html>" in server.get(profile).body
    assert server.get("/health").status == 200


def test_a_state_begins_after_so_many_requests(server, followers, state):
    path, _ = followers
    state("everything=404&everything_after=2")
    assert [server.get(path).status for _ in range(4)] == [200, 200, 404, 404]


def test_everything_is_the_page_of_somebody_else(server, state):
    seeds = server.get("/sandbox/seeds").json()
    paths = {
        "user": [f"/users/{name}" for name in seeds["users"][:5]],
        "project": [f"/projects/{project}" for project in seeds["projects"][:5]],
        "studio": [f"/studios/{studio}" for studio in seeds["studios"][:5]],
    }
    state("everything=1")
    for each in paths.values():
        assert len({server.get(path).json()["id"] for path in each}) == 1


def test_an_empty_page_stands_in_the_middle_of_a_list_alone(server, followers, state):
    path, whole = followers
    state("faults=empty=1")
    assert page(server, path, "limit=40&offset=0") == whole[:40]
    assert page(server, path, "limit=40&offset=40") == []
