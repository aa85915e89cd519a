"""Routes of a user's own account, which need the token of the site's session page.

The session cookie of a user is `sandbox-NAME`. Without a token these routes answer 401, with another's 403.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from harvester.sandbox import chance, text
from harvester.sandbox.clock import iso
from harvester.sandbox.render import listed
from harvester.sandbox.routes import Api, Page, Refused, route

if TYPE_CHECKING:
    from harvester.sandbox.community import Community

    Headers = dict[str, str]

_COOKIE = re.compile(r'scratchsessionsid="?sandbox-([A-Za-z0-9_-]+)"?')
_IGNORED_LIMIT = 20  # some lists of this kind take no limit (scratch-rest-api issue 7)


def _token(community: Community, row: int) -> str:
    return f"token-{community.token_series}-{chance.scramble(community.users.id[row])}"


def _owner(api: Api, headers: Headers, name: str) -> int:
    """Return the row of the user of an account.

    Raises:
        Refused: without a token (401), or with that of another user (403).
    """
    row, token = api.user(name), headers.get("x-token", "")
    if not token.startswith(f"token-{api.community.token_series}-"):
        raise Refused(401)
    if row is None or token != _token(api.community, row):
        raise Refused(403)
    return row


@route("/session/", takes="headers")
def session(api: Api, headers: Headers, _: str) -> bytes:
    """Return the session of the logged-in user; an anonymous one without the header that marks a script's request."""
    found = _COOKIE.search(headers.get("cookie", ""))
    row = api.user(found[1]) if found else None
    if row is None or headers.get("x-requested-with") != "XMLHttpRequest":
        return b'{"flags":{"project_comments_enabled":true}}'
    users = api.community.users
    user = {"id": users.id[row], "banned": False, "username": users.name[row], "token": _token(api.community, row)}
    return msgspec.json.encode({"user": user, "permissions": {"admin": False}, "flags": {}})


def _event(community: Community, created: int, actor: int, project: int, number: int, kind: str) -> dict[str, object]:
    """Render a message or an activity. A love serves the title under another name than a favorite."""
    title = "title" if kind == "loveproject" else "project_title"
    return {
        "id": number,
        "datetime_created": iso(created).decode(),
        "actor_username": community.users.name[actor],
        "actor_id": community.users.id[actor],
        "project_id": community.projects.id[project],
        title: text.PROJECT_TITLE.text(community.projects.title(project)),
        "type": kind,
    }


def messages(community: Community, row: int) -> list[dict[str, object]]:
    """Return the messages about a user's projects, newest first; ids of two kinds may be equal."""
    projects = community.shared.get(row, ())
    made = []
    for place, (project, fan) in enumerate((p, f) for p in projects for f in community.favoriters.get(p, ())):
        created = community.projects.shared_at[project] + 60 * (place // 3)
        made.append(_event(community, created, fan, project, 1_000 + place, "favoriteproject"))
        if place % 2:
            made.append(_event(community, created, fan, project, 1_000 + place, "loveproject"))
    return sorted(made, key=lambda each: (str(each["datetime_created"]), each["id"]), reverse=True)


def activity(community: Community, row: int) -> list[dict[str, object]]:
    """Return the activity of the users whom a user follows, newest first."""
    made = [
        _event(community, community.projects.shared_at[project], user, project, 5_000 + project, "shareproject")
        for user in community.following.get(row, ())
        for project in community.shared.get(user, ())
    ]
    return sorted(made, key=lambda each: (str(each["datetime_created"]), each["id"]), reverse=True)


def listed_projects(community: Community, row: int, name: str) -> list[int]:
    """Return the rows of the projects in one of the lists that are made for an account."""
    if name == "recentlyviewed":
        return community.visible_projects(community.favorites.get(row, ()))[-60:][::-1]
    if name == "studios":
        found = [
            p for studio in community.member_studios.get(row, ()) for p in community.studio_projects.get(studio, ())
        ]
    elif name == "loves":
        found = [p for user in community.following.get(row, ()) for p in community.favorites.get(user, ())]
    else:
        found = [p for user in community.following.get(row, ()) for p in community.shared.get(user, ())]
    return community.visible_projects(list(dict.fromkeys(found)))


def _window(query: str, *, ignores_limit: bool) -> Page:
    page = Page.parse(query)
    return Page(min(page.limit, _IGNORED_LIMIT), page.offset) if ignores_limit else page


def _encoded(items: list[dict[str, object]], page: Page) -> bytes:
    return msgspec.json.encode(items[page.offset : page.offset + page.limit])


@route("/users/{user}/messages", takes="headers")
def own_messages(api: Api, headers: Headers, query: str, name: str) -> bytes:
    row = _owner(api, headers, name)
    return _encoded(messages(api.community, row), _window(query, ignores_limit=False))


@route("/users/{user}/messages/admin", takes="headers")
def own_alerts(api: Api, headers: Headers, query: str, name: str) -> bytes:
    row = _owner(api, headers, name)
    alerts = [{"id": api.community.users.id[row] * 10 + place, "message": "Be kind."} for place in range(row % 3)]
    return _encoded(list(alerts), _window(query, ignores_limit=False))


@route("/users/{user}/invites", takes="headers")
def own_invites(api: Api, headers: Headers, _: str, name: str) -> bytes:
    _owner(api, headers, name)
    return b"{}"


@route("/users/{user}/following/users/activity", takes="headers")
def own_activity(api: Api, headers: Headers, query: str, name: str) -> bytes:
    row = _owner(api, headers, name)
    return _encoded(activity(api.community, row), _window(query, ignores_limit=False))


def _projects(api: Api, row: int, name: str, page: Page) -> bytes:
    rows = page.of(listed_projects(api.community, row, name))
    return listed(api.render.project(each, named=True) for each in rows)


@route("/users/{user}/following/users/loves", takes="headers")
def own_loves(api: Api, headers: Headers, query: str, name: str) -> bytes:
    return _projects(api, _owner(api, headers, name), "loves", _window(query, ignores_limit=True))


@route("/users/{user}/following/users/projects", takes="headers")
def own_shared(api: Api, headers: Headers, query: str, name: str) -> bytes:
    return _projects(api, _owner(api, headers, name), "shared", _window(query, ignores_limit=True))


@route("/users/{user}/following/studios/projects", takes="headers")
def own_studios(api: Api, headers: Headers, query: str, name: str) -> bytes:
    return _projects(api, _owner(api, headers, name), "studios", _window(query, ignores_limit=True))


@route("/users/{user}/projects/recentlyviewed", takes="headers")
def own_viewed(api: Api, headers: Headers, query: str, name: str) -> bytes:
    return _projects(api, _owner(api, headers, name), "recentlyviewed", _window(query, ignores_limit=False))


@route("/users/{user}/projects/{project}/visibility", takes="headers")
def own_visibility(api: Api, headers: Headers, _: str, name: str, project_id: str) -> bytes | None:
    row = _owner(api, headers, name)
    projects = api.community.projects
    project = projects.by_id.get(int(project_id)) if project_id.isdigit() else None
    if project is None or projects.author[project] != row:
        return None
    shown = {"projectId": projects.id[project], "creatorId": api.community.users.id[row], "deleted": False}
    flags = ("censored", "censoredByAdmin", "censoredByCommunity")
    return msgspec.json.encode(shown | dict.fromkeys(flags, False) | {"reshareable": True, "message": ""})


@route("/studios/{studio}/users/{user}", takes="headers")
def own_role(api: Api, headers: Headers, _: str, studio_id: str, name: str) -> bytes | None:
    row, studio = _owner(api, headers, name), api.studio(studio_id)
    if studio is None:
        return None
    community = api.community
    manages = row == community.studios.host[studio] or row in community.managers.get(studio, ())
    roles = {"manager": manages, "curator": row in community.curators.get(studio, ())}
    return msgspec.json.encode(roles | {"invited": False, "following": False})


def _opinion(api: Api, headers: Headers, project_id: str, name: str, key: str) -> bytes | None:
    row, project = _owner(api, headers, name), api.project(project_id)
    if project is None:
        return None
    liked = project in api.community.favorites.get(row, ())
    return msgspec.json.encode({"projectId": project_id, key: liked, "statusChanged": False})


@route("/projects/{project}/loves/user/{user}", takes="headers")
def own_love(api: Api, headers: Headers, _: str, project_id: str, name: str) -> bytes | None:
    return _opinion(api, headers, project_id, name, "userLove")


@route("/projects/{project}/favorites/user/{user}", takes="headers")
def own_favorite(api: Api, headers: Headers, _: str, project_id: str, name: str) -> bytes | None:
    return _opinion(api, headers, project_id, name, "userFavorite")
