"""Routes of the API. A route is one decorated function, and is added here only.

A path parameter is written `{user}`; a function gets the API, then the page asked for if it serves a list, then
the parameters as text. It returns the JSON body, or None for 404 NotFound.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from harvester.sandbox import odd
from harvester.sandbox.clock import NOW
from harvester.sandbox.render import Renderer, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harvester.sandbox.community import Community
    from harvester.sandbox.tables import Comments

Kept = TypeVar("Kept")
Answer = TypeVar("Answer", bound="Callable[..., bytes | None]")
LIMIT_MAX = 40
LIMIT_DEFAULT = 20
OFFSET_MAX = 2**53 - 1  # "0 to 9007199254740991" (the reference's wiki, 2018)
JSON = b"application/json; charset=utf-8"
HTML = b"text/html; charset=utf-8"
EMPTY = b"[]"
_PARAMETER = "/"  # no part of a path is this
_DIGITS_MAX = 16


class BadRequest(Exception):  # noqa: N818  (the API's own name for it)
    """A `limit` or `offset` that the API refuses with 400."""


class Refused(Exception):  # noqa: N818
    """An answer without data: a status of its own, and a body where that is not the status's usual one."""

    def __init__(self, status: int, body: bytes | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Page(NamedTuple):
    """A window on a list."""

    limit: int = LIMIT_DEFAULT
    offset: int = 0

    @classmethod
    def parse(cls, query: str) -> Page:
        """Return the window that a query string asks for; other words in it are ignored.

        Raises:
            BadRequest: If `limit` is not 1..40, or `offset` not 0..2^53-1.
        """
        limit, offset = LIMIT_DEFAULT, 0
        for word in query.split("&"):
            name, _, value = word.partition("=")
            if name == "limit":
                limit = _natural(unquote(value))
            elif name == "offset":
                offset = _natural(unquote(value))
        if not 1 <= limit <= LIMIT_MAX or offset > OFFSET_MAX:
            raise BadRequest
        return cls(limit, offset)

    def of(self, rows: Sequence[int]) -> Sequence[int]:
        """Return the window on a list that is kept in the order in which it is served."""
        return rows[self.offset : self.offset + self.limit]

    def of_reversed(self, rows: Sequence[int]) -> Sequence[int]:
        """Return the window on a list that is kept the other way round: newest last, served first."""
        end = len(rows) - self.offset
        return rows[max(0, end - self.limit) : end][::-1] if end > 0 else ()


def _natural(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > _DIGITS_MAX:
        raise BadRequest
    return int(value)


@dataclass(frozen=True, slots=True)
class Route:
    """A path of the API and the function that answers it."""

    path: str
    answer: Callable[..., bytes | None]
    is_list: bool
    takes: str
    """Further argument of the function: none, the `query` as text, or the `headers` by name."""
    headers: list[tuple[bytes, bytes]]

    @property
    def is_html(self) -> bool:
        """Return whether its errors are HTML pages too."""
        return self.headers[0][1] == HTML


class Api:
    """A community, seen through the API."""

    def __init__(self, community: Community) -> None:
        self.community = community
        self.render = Renderer(community)
        self.trouble = 0
        self._made: dict[tuple[object, ...], object] = {}
        self._made_at = -1

    def kept(self, make: Callable[..., Kept], *key: object) -> Kept:
        """Return `make(self, *key)`, cached until the community changes."""
        if self._made_at != self.community.changes:
            self._made.clear()
            self._made_at = self.community.changes
        whole = (make, *key)
        if whole not in self._made:
            self._made[whole] = make(self, *key)
        return self._made[whole]  # type: ignore[return-value]

    def user(self, name: str) -> int | None:
        """Return the row of a user, looked up without regard to case."""
        return self.community.users.by_name.get(name.lower())

    def project(self, project_id: str) -> int | None:
        """Return the row of a shared project; unshared ones are not found without their owner's token."""
        row = self.community.projects.by_id.get(_id(project_id))
        return row if row is not None and self.community.projects.is_shared[row] else None

    def project_of(self, name: str, project_id: str) -> int | None:
        """Return the row of a shared project if this is its owner's name."""
        row = self.project(project_id)
        return row if row is not None and self.community.projects.author[row] == self.user(name) else None

    def studio(self, studio_id: str) -> int | None:
        """Return the row of an open studio."""
        row = self.community.studios.by_id.get(_id(studio_id))
        return row if row is not None and self.community.studios.is_open[row] else None

    def users(self, rows: Iterable[int]) -> bytes:
        """Return a list of users."""
        return listed(map(self.render.user, rows))

    def none(self, entity_id: int) -> bytes | None:
        """Return the answer of those lists that serve "none" as 404 in places."""
        return None if self.community.none_is_missing(entity_id) else EMPTY


def _link(api: Api, kind: str, one: int, other: int, served: bytes) -> bytes:
    return odd.without_id(served) if odd.is_lost_link(api.community, kind, one, other) else served


def _id(value: str) -> int:
    """Return a number in a path, or -1, which nothing has."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX else -1


ROUTES: list[Route] = []


class _Node:
    __slots__ = ("children", "route")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.route: Route | None = None


_TREE = _Node()


def route(
    path: str,
    *,
    is_list: bool = False,
    takes: str = "",
    content_type: bytes = JSON,
    max_age: int | None = None,
) -> Callable[[Answer], Answer]:
    """Serve a path with the decorated function."""
    headers = [(b"content-type", content_type)]
    if max_age is not None:
        headers.append((b"cache-control", b"max-age=%d" % max_age))

    def register(answer: Answer) -> Answer:
        node = _TREE
        for part in path.split("/"):
            key = _PARAMETER if part.startswith("{") else part
            node = node.children.setdefault(key, _Node())
        node.route = Route(path, answer, is_list, takes, headers)
        ROUTES.append(node.route)
        return answer

    return register


def find(path: str) -> tuple[Route | None, list[str]]:
    """Return the route of a path and its parameters. A slash at the end makes no difference to the API."""
    found = _find(path)
    return found if found[0] is not None or not path.endswith("/") else _find(path[:-1])


def _find(path: str) -> tuple[Route | None, list[str]]:
    node, parameters = _TREE, []
    for part in path.split("/"):
        child = node.children.get(part)
        if child is None:
            child = node.children.get(_PARAMETER)
            if child is None or not part:
                return None, []
            parameters.append(part)
        node = child
    return node.route, parameters


# --- the site ------------------------------------------------------------------------------------------------


@route("/")
def root(_: Api) -> bytes:
    return b'{"website":"scratch.mit.edu","api":"api.scratch.mit.edu","help":"help@scratch.mit.edu"}'


TROUBLE_UNAVAILABLE = 2
_HEALTH = msgspec.json.decode(resources.files("harvester.sandbox").joinpath("data/health.json").read_bytes())


# The wrong content type is the site's: judge by the body.
@route("/health", content_type=b"text/plain; charset=utf-8")
def health(api: Api) -> bytes:
    now = api.community.now
    if api.trouble == TROUBLE_UNAVAILABLE:
        raise Refused(503)
    if api.trouble:
        return msgspec.json.encode(_HEALTH | {"cache": {"connected": False, "ready": False}})
    return msgspec.json.encode(_HEALTH | {"uptime": 1_263_012.5 + now - NOW, "timestamp": now * 1_000})


# --- users ---------------------------------------------------------------------------------------------------


@route("/users/{user}")
def user(api: Api, name: str) -> bytes | None:
    row = api.user(name)
    return None if row is None else api.render.user(row)


@route("/users/{user}/messages/count")
def user_messages(api: Api, name: str) -> bytes | None:
    row = api.user(name)
    return None if row is None else b'{"count":%d}' % api.community.users.messages(row)


_VALID_NAME = re.compile(r"[A-Za-z0-9_-]{3,20}")


@route("/accounts/checkusername/{user}")
def check_username(api: Api, name: str) -> bytes:
    taken = api.user(name) is not None
    message = "username exists" if taken else "valid username" if _VALID_NAME.fullmatch(name) else "invalid username"
    return msgspec.json.encode({"username": name, "msg": message})


@route("/users/{user}/projects", is_list=True)
def user_projects(api: Api, page: Page, name: str) -> bytes | None:
    """Shared projects, the last shared first (recorded 2024; oldest first until 2018)."""
    row = api.user(name)
    if row is None:
        return None
    return listed(map(api.render.project, page.of_reversed(api.community.shared.get(row, ()))))


@route("/users/{user}/favorites", is_list=True)
def user_favorites(api: Api, page: Page, name: str) -> bytes | None:
    """Serve favorites, filtered after limit and offset: unshared projects leave holes in the pages."""
    row = api.user(name)
    if row is None:
        return None
    window = api.community.visible_projects(page.of_reversed(api.community.favorites.get(row, ())))
    return listed([_link(api, "favorite", row, project, api.render.project(project)) for project in window])


@route("/users/{user}/followers", is_list=True)
def user_followers(api: Api, page: Page, name: str) -> bytes | None:
    row = api.user(name)
    if row is None:
        return None
    window = page.of_reversed(api.community.followers.get(row, ()))
    return listed([_link(api, "follow", user, row, api.render.user(user)) for user in window])


@route("/users/{user}/following", is_list=True)
def user_following(api: Api, page: Page, name: str) -> bytes | None:
    row = api.user(name)
    if row is None:
        return None
    window = page.of_reversed(api.community.following.get(row, ()))
    return listed([_link(api, "follow", row, user, api.render.user(user)) for user in window])


@route("/users/{user}/studios/curate", is_list=True)
def user_studios(api: Api, page: Page, name: str) -> bytes | None:
    """Oldest first, filtered after limit and offset: 35, 37, 35, 10 of 78 were recorded (scratch-rest-api issue 17)."""
    row = api.user(name)
    if row is None:
        return None
    studios = api.community.member_studios.get(row)
    if not studios:
        return api.none(api.community.users.id[row])
    return listed(map(api.render.studio, api.community.visible_studios(page.of(studios))))


# --- projects ------------------------------------------------------------------------------------------------


@route("/projects/{project}", max_age=240)
def project(api: Api, project_id: str) -> bytes | None:
    row = api.project(project_id)
    return None if row is None else api.render.project(row, named=True, whole=True)


@route("/projects/{project}/remixes", is_list=True)
def project_remixes(api: Api, page: Page, project_id: str) -> bytes | None:
    """Direct remixes by id, the unshared ones left out before paging."""
    row = api.project(project_id)
    if row is None:
        return None
    remixes = api.community.visible_projects(api.community.remixes.get(row, ()))
    if not remixes:
        return api.none(api.community.projects.id[row])
    return listed(api.render.project(remix, named=True) for remix in page.of(remixes))


@route("/users/{user}/projects/{project}")
def project_of_user(api: Api, name: str, project_id: str) -> bytes | None:
    row = api.project_of(name, project_id)
    return None if row is None else api.render.project(row)


@route("/users/{user}/projects/{project}/studios", is_list=True)
def project_studios(api: Api, page: Page, name: str, project_id: str) -> bytes | None:
    """Last added first, filtered after limit and offset."""
    row = api.project_of(name, project_id)
    if row is None:
        return None
    studios = api.community.project_studios.get(row)
    if not studios:
        return api.none(api.community.projects.id[row])
    return listed(map(api.render.studio, api.community.visible_studios(page.of_reversed(studios))))


# --- studios -------------------------------------------------------------------------------------------------


@route("/studios/{studio}")
def studio(api: Api, studio_id: str) -> bytes | None:
    row = api.studio(studio_id)
    return None if row is None else api.render.studio(row, whole=True)


@route("/studios/{studio}/projects", is_list=True)
def studio_projects(api: Api, page: Page, studio_id: str) -> bytes | None:
    """Last added first, the unshared ones left out before paging."""
    row = api.studio(studio_id)
    if row is None:
        return None
    projects = api.community.studio_projects.get(row, ())
    is_shared = api.community.projects.is_shared
    positions = [position for position, each in enumerate(projects) if is_shared[each]]
    adders = api.community.studio_adders.get(row, ())
    return listed(
        api.render.studio_project(projects[position], adders[position]) for position in page.of_reversed(positions)
    )


@route("/studios/{studio}/managers", is_list=True)
def studio_managers(api: Api, page: Page, studio_id: str) -> bytes | None:
    """Serve the host, then the other managers."""
    row = api.studio(studio_id)
    if row is None:
        return None
    return api.users(page.of([api.community.studios.host[row], *api.community.managers.get(row, ())]))


@route("/studios/{studio}/curators", is_list=True)
def studio_curators(api: Api, page: Page, studio_id: str) -> bytes | None:
    row = api.studio(studio_id)
    return None if row is None else api.users(page.of_reversed(api.community.curators.get(row, ())))


DATE_LIMIT = "dateLimit"


@route("/studios/{studio}/activity", takes="query")
def studio_activity(api: Api, query: str, studio_id: str) -> bytes | None:
    """Newest first; `dateLimit` is inclusive and there is no offset (scratchfoundation/scratch-www)."""
    page = Page.parse(query)
    before = _instant(dict(parse_qsl(query)).get(DATE_LIMIT))
    row = api.studio(studio_id)
    if row is None:
        return None
    events = api.community.activity.get(row, [])
    end = len(events) if before is None else bisect_right(events, before, key=lambda event: event.created)
    window = events[max(0, end - page.limit) : end][::-1]
    return listed([odd.event(api.community, event, api.render.event(event)) for event in window])


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise BadRequest from None


# --- comments ------------------------------------------------------------------------------------------------


def _threads(api: Api, page: Page, comments: Comments, owner: int | None) -> bytes | None:
    if owner is None:
        return None
    window = page.of_reversed(comments.threads.get(owner, ()))
    return listed([odd.comment(api.community, comments, row, api.render.comment(comments, row)) for row in window])


def _comment(api: Api, comments: Comments, owner: int | None, comment_id: str) -> bytes | None:
    row = comments.by_id.get(_id(comment_id))
    if owner is None or row is None or comments.owner[row] != owner:
        return None
    if comments.is_deleted[row]:
        return b"null" if api.community.deleted_is_null(comments.id[row]) else None
    return api.render.comment(comments, row)


def _replies(api: Api, page: Page, comments: Comments, owner: int | None, comment_id: str) -> bytes | None:
    row = comments.by_id.get(_id(comment_id))
    if owner is None or row is None or comments.owner[row] != owner or comments.is_deleted[row]:
        return None
    window = page.of(comments.replies.get(row, ()))
    return listed(
        [odd.comment(api.community, comments, reply, api.render.comment(comments, reply)) for reply in window]
    )


@route("/users/{user}/projects/{project}/comments", is_list=True)
def project_comments(api: Api, page: Page, name: str, project_id: str) -> bytes | None:
    """Newest first: by time, then by id, both falling."""
    return _threads(api, page, api.community.project_comments, api.project_of(name, project_id))


@route("/users/{user}/projects/{project}/comments/{comment}")
def project_comment(api: Api, name: str, project_id: str, comment_id: str) -> bytes | None:
    return _comment(api, api.community.project_comments, api.project_of(name, project_id), comment_id)


@route("/users/{user}/projects/{project}/comments/{comment}/replies", is_list=True)
def project_replies(api: Api, page: Page, name: str, project_id: str, comment_id: str) -> bytes | None:
    """Oldest first, at most 25 in all."""
    return _replies(api, page, api.community.project_comments, api.project_of(name, project_id), comment_id)


@route("/studios/{studio}/comments", is_list=True)
def studio_comments(api: Api, page: Page, studio_id: str) -> bytes | None:
    return _threads(api, page, api.community.studio_comments, api.studio(studio_id))


@route("/studios/{studio}/comments/{comment}")
def studio_comment(api: Api, studio_id: str, comment_id: str) -> bytes | None:
    return _comment(api, api.community.studio_comments, api.studio(studio_id), comment_id)


@route("/studios/{studio}/comments/{comment}/replies", is_list=True)
def studio_replies(api: Api, page: Page, studio_id: str, comment_id: str) -> bytes | None:
    return _replies(api, page, api.community.studio_comments, api.studio(studio_id), comment_id)
