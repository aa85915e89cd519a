from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.sandbox.routes import BadRequest, Page


def lists_of(community):
    """(path, raw ids in the order served, which of them are served) of the longest list of every kind."""
    users, projects, studios = community.users, community.projects, community.studios
    shared, is_open = projects.is_shared, studios.is_open

    def longest(lists, allowed=None):
        return max((row for row in lists if allowed is None or allowed[row]), key=lambda row: len(lists[row]))

    def owned(row):
        return f"/users/{users.name[projects.author[row]]}/projects/{projects.id[row]}"

    u = longest(community.shared)
    yield f"/users/{users.name[u]}/projects", [projects.id[row] for row in community.shared[u]][::-1], None
    u = longest(community.favorites)
    raw = [projects.id[row] if shared[row] else None for row in community.favorites[u]][::-1]
    yield f"/users/{users.name[u]}/favorites", raw, None
    for stream, lists in (("followers", community.followers), ("following", community.following)):
        u = longest(lists)
        yield f"/users/{users.name[u]}/{stream}", [users.id[row] for row in lists[u]][::-1], None
    u = longest(community.member_studios)
    raw = [studios.id[row] if is_open[row] else None for row in community.member_studios[u]]
    yield f"/users/{users.name[u]}/studios/curate", raw, None
    p = longest(community.project_studios, shared)
    raw = [studios.id[row] if is_open[row] else None for row in community.project_studios[p]][::-1]
    yield f"{owned(p)}/studios", raw, None
    p = longest(community.remixes, shared)
    yield (
        f"/projects/{projects.id[p]}/remixes",
        sorted(projects.id[row] for row in community.remixes[p] if shared[row]),
        None,
    )
    s = longest(community.studio_projects, is_open)
    raw = [projects.id[row] for row in community.studio_projects[s] if shared[row]][::-1]
    yield f"/studios/{studios.id[s]}/projects", raw, None
    s = longest(community.curators, is_open)
    yield f"/studios/{studios.id[s]}/curators", [users.id[row] for row in community.curators[s]][::-1], None
    s = longest(community.managers, is_open)
    raw = [users.id[row] for row in (studios.host[s], *community.managers[s])]
    yield f"/studios/{studios.id[s]}/managers", raw, None
    p = longest(community.project_comments.threads, shared)
    comments = community.project_comments
    yield f"{owned(p)}/comments", [comments.id[row] for row in comments.threads[p]][::-1], None
    s = longest(community.studio_comments.threads, is_open)
    comments = community.studio_comments
    yield f"/studios/{studios.id[s]}/comments", [comments.id[row] for row in comments.threads[s]][::-1], None


@pytest.fixture(scope="module")
def lists(community):
    return [(path, raw) for path, raw, _ in lists_of(community)]


@settings(max_examples=40)
@given(which=st.integers(0, 11), limit=st.integers(1, 40))
def test_pages_join_to_the_list(client, lists, which, limit):
    path, raw = lists[which]
    for offset in range(0, len(raw) + limit, limit):
        page = client.get(f"{path}?limit={limit}&offset={offset}").json()
        assert [item["id"] for item in page] == [each for each in raw[offset : offset + limit] if each is not None]
    assert client.get(f"{path}?limit={limit}&offset={len(raw)}").json() == []
    assert client.get(f"{path}?offset=9007199254740991").json() == []


def test_defaults_are_20_from_the_start(client, lists):
    for path, _ in lists:
        assert client.get(path).json() == client.get(f"{path}?limit=20&offset=0").json()


def test_pages_are_empty_in_the_middle_of_filtered_lists(lists):
    for path, raw in lists:
        pages = [[each for each in raw[start : start + 40] if each] for start in range(0, len(raw), 40)]
        holes = [number for number, page in enumerate(pages[:-1]) if not page]
        if path.endswith(("/favorites", "/curate", "/studios")):
            assert len(holes) == 1
            assert any(pages[holes[0] + 1 :])
            assert any(0 < len(page) < 40 for page in pages[:-1])
        else:
            assert all(len(page) == 40 for page in pages[:-1])


@pytest.mark.parametrize(
    "query",
    [
        "limit=41",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=%31x",
        "limit=٣",
        "offset=-1",
        "offset=x",
        "offset=",
        "offset=9007199254740992",
        "offset=99999999999999999999",
        "limit=+5",
        "limit=1e1",
    ],
)
def test_bad_windows_are_refused(client, community, query):
    answer = client.get(f"/users/{community.users.name[0]}/followers?{query}")
    assert (answer.status, answer.json()) == (400, {"code": "BadRequest", "message": ""})


@given(query=st.text())
def test_any_query_is_a_page_or_refused(query):
    try:
        page = Page.parse(query)
    except BadRequest:
        return
    assert 1 <= page.limit <= 40
    assert 0 <= page.offset < 2**53


def test_other_words_of_a_query_do_no_harm(client, community):
    path = f"/users/{community.users.name[0]}/followers"
    assert client.get(f"{path}?x=1&limit=5&y&=z").body == client.get(f"{path}?limit=5").body
    assert client.get(f"/users/{community.users.name[0]}?limit=41").status == 200
