"""What is served looks like the documented examples: the same keys in the same order, the same JSON types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harvester.sandbox.routes import ROUTES

EXAMPLES = Path(__file__).parents[1] / "api_examples"
OPTIONAL = {
    "membership_label",
    "membership_avatar_badge",
    "creator_membership_label",
    "creator_membership_avatar_badge",
    "actor_membership_label",
    "recipient_membership_label",
}
UNDOCUMENTED = {"/session/", "/{project}"}
JSON_ROUTES = [route for route in ROUTES if not route.is_html and route.path not in UNDOCUMENTED]
# What is served of an entry depends on its type.
BY_TYPE = {"/studios/*/activity", "/users/*/messages", "/users/*/following/users/activity"}
COMMON = ["datetime_created", "id", "actor_id", "type", "actor_username"]


def anonymous(path: str) -> str:
    """A path template without the names of its parameters."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "*", path)


def documented() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in EXAMPLES.glob("*.json"):
        example = json.loads(file.read_text(encoding="utf-8"))
        path = example["endpoint"].removeprefix("GET ").partition("?")[0]
        prefix = "/site-api" if path.startswith("/users/all/") else ""
        found[anonymous(prefix + path)] = example["response"]
    # The documented user is older than the field, which recordings and all documented lists of users have.
    user = dict(found["/users/*"])
    found["/users/*"] = {"id": user.pop("id"), "username": user.pop("username"), "scratchteam": False, **user}
    return found


def shape(value: object) -> object:
    """Nested keys in order and kinds of values; what may be null is kind `?`."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items() if key not in OPTIONAL]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def fits(served: object, example: object) -> bool:
    if "NoneType" in (served, example):
        return True
    if isinstance(served, list) and isinstance(example, list):
        return len(served) == len(example) and all(map(fits, served, example))
    if isinstance(served, tuple) and isinstance(example, tuple):
        return served[0] == example[0] and fits(served[1], example[1])
    return served == example


def pathfinder(community):
    """Paths with something behind them, by template without parameter names."""
    names, ids = community.users.name, community.projects.id

    def longest(lists, allowed):
        return max((row for row in lists if allowed(row)), key=lambda row: len(lists[row]))

    def anyone(_):
        return True

    is_shared, is_open = community.projects.is_shared.__getitem__, community.studios.is_open.__getitem__

    def owned(project):
        return f"/users/{names[community.projects.author[project]]}/projects/{ids[project]}"

    def thread(kind):
        comments = community.comments(kind)
        row = longest(comments.replies, lambda row: community.owner_is_public(kind, comments.owner[row]))
        place = (
            owned(comments.owner[row]) if kind == "project" else f"/studios/{community.studios.id[comments.owner[row]]}"
        )
        return f"{place}/comments/{comments.id[row]}"

    paths = {"/": "/", "/health": "/health", "/users/*": f"/users/{names[0]}"}
    for stream, lists in {
        "projects": community.shared,
        "favorites": community.favorites,
        "followers": community.followers,
        "following": community.following,
        "studios/curate": community.member_studios,
    }.items():
        paths[f"/users/*/{stream}"] = f"/users/{names[longest(lists, anyone)]}/{stream}"
    remixed = longest(community.remixes, is_shared)
    paths["/projects/*"] = f"/projects/{ids[remixed]}"
    paths["/projects/*/remixes"] = f"/projects/{ids[remixed]}/remixes"
    paths["/users/*/projects/*"] = owned(remixed)
    paths["/users/*/projects/*/studios"] = owned(longest(community.project_studios, is_shared)) + "/studios"
    paths["/users/*/projects/*/comments"] = owned(longest(community.project_comments.threads, is_shared)) + "/comments"
    paths["/users/*/projects/*/comments/*"] = thread("project")
    paths["/users/*/projects/*/comments/*/replies"] = thread("project") + "/replies"
    for stream, lists in {
        "": community.studio_projects,
        "/projects": community.studio_projects,
        "/managers": community.managers,
        "/curators": community.curators,
        "/comments": community.studio_comments.threads,
    }.items():
        paths[f"/studios/*{stream}"] = f"/studios/{community.studios.id[longest(lists, is_open)]}{stream}"
    busy = max(community.activity, key=lambda row: (is_open(row), len(community.activity[row])))
    paths["/studios/*/activity"] = f"/studios/{community.studios.id[busy]}/activity"
    name = names[0]
    paths["/users/*/messages/count"] = f"/users/{name}/messages/count"
    paths["/accounts/checkusername/*"] = f"/accounts/checkusername/{name}"
    featuring = next(row for row in sorted(community.users.featured) if row not in community.users.gone)
    paths["/site-api/users/all/*/"] = f"/site-api/users/all/{names[featuring]}/"
    paths["/proxy/featured"] = "/proxy/featured"
    paths["/news"] = "/news"
    paths["/projects/count/all"] = "/projects/count/all"
    for thing in ("projects", "studios"):
        paths[f"/explore/{thing}"] = f"/explore/{thing}?q=*&mode=trending&language=en"
        paths[f"/search/{thing}"] = f"/search/{thing}?q=cat&mode=popular&language=en"
    paths["/studios/*/comments/*"] = thread("studio")
    paths["/studios/*/comments/*/replies"] = thread("studio") + "/replies"
    for template in {anonymous(route.path) for route in ROUTES} - paths.keys():
        # A list of its own: of the user, project or studio that stands for its kind above.
        kind, _, rest = template.partition("/*/")
        if f"{kind}/*" in paths and "*" not in rest:
            paths[template] = f"{paths[f'{kind}/*']}/{rest}"
    return paths


@pytest.fixture(scope="module")
def paths(community):
    return pathfinder(community)


def own_paths(community, name):
    """Paths of a user's own account, by template."""
    row = community.users.by_name[name.lower()]
    project, studio = community.shared[row][0], community.member_studios[row][0]
    shown, place = community.projects.id[project], community.studios.id[studio]
    plain = (
        "messages", "messages/admin", "invites", "following/users/activity", "following/users/loves",
        "following/users/projects", "following/studios/projects", "projects/recentlyviewed",
    )  # fmt: skip
    return {f"/users/*/{path}": f"/users/{name}/{path}" for path in plain} | {
        "/users/*/projects/*/visibility": f"/users/{name}/projects/{shown}/visibility",
        "/studios/*/users/*": f"/studios/{place}/users/{name}",
        "/projects/*/loves/user/*": f"/projects/{shown}/loves/user/{name}",
        "/projects/*/favorites/user/*": f"/projects/{shown}/favorites/user/{name}",
    }


@pytest.fixture(scope="module")
def me(community):
    """Somebody with everything an account can have."""
    full = (community.favorites, community.following, community.member_studios, community.shared)
    rows = set.intersection(*(set(lists) for lists in full))
    open_first = [row for row in rows if community.studios.is_open[community.member_studios[row][0]]]
    return community.users.name[max(open_first, key=lambda row: len(community.following[row]))]


@pytest.mark.parametrize("template", [route.path for route in JSON_ROUTES])
def test_served_as_documented(client, paths, community, me, template):
    example = documented()[anonymous(template)]
    own = own_paths(community, me)
    if anonymous(template) in own:
        path = own[anonymous(template)]
        assert client.get(path).status == 401
        assert client.get(path, X_Token=client.token(community.users.name[1])).status == 403
        answer = client.get(path, X_Token=client.token(me))
    else:
        answer = client.get(paths[anonymous(template)])
    assert answer.status == 200
    served = answer.json()
    if anonymous(template) in BY_TYPE:
        by_type = {entry["type"]: entry for entry in example}
        assert served
        for entry in served:
            assert set(COMMON) <= set(entry)
            if entry["type"] in by_type:
                assert fits(shape(entry), shape(by_type[entry["type"]]))
    elif anonymous(template) == "/proxy/featured":
        assert list(served) == list(example)
        for row, entries in served.items():
            for entry in entries:
                assert set(entry) == set(example[row][0])
    elif isinstance(example, list):
        assert isinstance(served, list)
        assert served or not example
        for item in served:
            assert not example or fits(shape(item), shape(example[0]))
    else:
        assert fits(shape(served), shape(example))


def test_every_list_has_several_pages_at_500_users(client, paths):
    lengths = {route.path: len(client.read(paths[anonymous(route.path)])) for route in ROUTES if route.is_list}
    short = {"/studios/{studio}/managers"} | {path for path in lengths if path.endswith("/replies")}
    assert min(length for path, length in lengths.items() if path not in short) > 40
    assert max(lengths.values()) > 200
    assert all(length == 25 for path, length in lengths.items() if path.endswith("/replies"))


def test_names_in_any_case_and_unknown_things(client, community):
    name = community.users.name[7]
    assert client.get(f"/users/{name.swapcase()}").json()["username"] == name
    for path in (
        "/users/nobody-has-this-name-1",
        "/users//projects",
        "/users/{}",
        "/projects/1",
        "/projects/x",
        "/nowhere",
    ):
        answer = client.get(path)
        assert (answer.status, answer.json()) == (404, {"code": "NotFound", "message": ""})
    hidden = community.projects.is_shared.index(0)
    author = community.users.name[community.projects.author[hidden]]
    assert client.get(f"/projects/{community.projects.id[hidden]}").status == 404
    assert client.get(f"/users/{author}/projects/{community.projects.id[hidden]}/comments").status == 404
    shown = community.projects.is_shared.index(1)
    author = community.projects.author[shown]
    stranger = community.users.name[author - 1]
    assert client.get(f"/users/{stranger}/projects/{community.projects.id[shown]}").status == 404
    closed = community.studios.is_open.index(0)
    for stream in ("", "/projects", "/managers", "/curators", "/comments"):
        assert client.get(f"/studios/{community.studios.id[closed]}{stream}").status == 404
    for method in ("POST", "PUT", "HEAD", "DELETE"):
        assert client.request("/health", method).status == 405


def test_none_is_404_for_some_and_empty_for_others(client, community):
    projects = [row for row in range(len(community.projects)) if community.projects.is_shared[row]]
    none = [row for row in projects if not community.remix_count(row)]
    statuses = [client.get(f"/projects/{community.projects.id[row]}/remixes").status for row in none]
    assert 0.2 < statuses.count(404) / len(statuses) < 0.5
    assert set(statuses) == {200, 404}


def test_a_deleted_comment_is_null_or_404(client, community):
    seen = set()
    comments = community.studio_comments
    for row in range(len(comments)):
        if comments.is_deleted[row] and community.studios.is_open[comments.owner[row]]:
            place = f"/studios/{community.studios.id[comments.owner[row]]}/comments/{comments.id[row]}"
            answer = client.get(place)
            seen.add((answer.status, answer.body == b"null"))
            assert client.get(f"{place}/replies").status == 404
    assert seen == {(200, True), (404, False)}


def test_quirks_of_projects(client, community):
    row = max(
        range(len(community.projects)), key=lambda row: (community.projects.is_shared[row], community.remix_count(row))
    )
    project_id, author = community.projects.id[row], community.users.name[community.projects.author[row]]
    whole = client.get(f"/projects/{project_id}").json()
    part = client.get(f"/users/{author}/projects/{project_id}").json()
    assert whole["stats"]["remixes"] == community.remix_count(row) > 40
    assert part["stats"]["remixes"] == 0
    assert whole["author"]["username"] == author
    assert "username" not in part["author"]
    assert "project_token" not in part
    assert re.fullmatch(r"\d+_[0-9a-f]{128}", whole["project_token"])
    team = next(row for row in sorted(community.users.team) if community.shared.get(row))
    assert client.get(f"/users/{community.users.name[team]}").json()["scratchteam"]
    for listed in client.read(f"/users/{community.users.name[team]}/projects"):
        assert listed["author"]["scratchteam"] is False
        assert listed["author"]["history"]["joined"] == "1900-01-01T00:00:00.000Z"
        assert listed["author"]["profile"]["id"] is None


def test_some_parents_are_gone_but_named(community):
    projects = community.projects
    assert any(
        projects.is_shared[row] and parent >= 0 and not projects.is_shared[parent]
        for row, parent in enumerate(projects.parent)
    )
    assert any(0 <= projects.root[row] != projects.parent[row] for row in range(len(projects)))


def test_members_carry_their_badges_everywhere(client, community):
    users = community.users
    for row, badges in users.badges.items():
        profile = client.get(f"/users/{users.name[row]}").json()["profile"]
        assert (profile["membership_label"], profile["membership_avatar_badge"]) == badges
    plain = next(row for row in range(len(users)) if row not in users.badges)
    assert not OPTIONAL & set(client.get(f"/users/{users.name[plain]}").json()["profile"])
