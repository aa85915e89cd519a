"""Make rows of records; pure. The catalogue states the columns of a stream, this module how they are computed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from msgspec import UNSET, UnsetType, structs

from harvester.api import records as r
from harvester.api.gone_reason import GoneReason
from harvester.api.profile_html import PageComment
from harvester.api.stream import Kind, Stream
from harvester.api.text import decode_text

T = TypeVar("T")


@dataclass(slots=True)
class Visit:
    """Context of a visit, in which the rows of a page are made.

    `owner_id`: the project or studio of a thread, or the operator's own account; `host_id`: the host of the visited
    studio, if known; `seen_at`: the begin of the visit, set there; `query`: the query of a ranking.
    """

    stream: Stream
    entity_id: int
    owner_id: int | None = None
    username: str | None = None
    host_id: int | None = None
    seen_at: datetime | None = None
    query: "Query | None" = None


@dataclass(frozen=True, slots=True)
class Query:
    """Query of a ranking, of which `pages` of 40 are read."""

    query: str
    mode: str
    language: str
    pages: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table with the columns that their stream may write, in that order.

    `shows`: the response proves that the rows are at the site, so that rows that were gone are back. `weak`: the rows
    fill only columns that no better response has served.
    """

    table: str
    columns: tuple[str, ...]
    values: list[tuple[Any, ...]]
    shows: bool = True
    weak: bool = False


_Made = Callable[[Any, Visit], Any]
Getter = str | _Made
"""Source of a value: a path of fields in the record, or a function of the record and its context."""


def normalise(visit: Visit, records: Sequence[r.Record]) -> list[Rows]:
    """Return the rows of one page, tables in the order in which they may be written.

    A field that is missing in a record leaves its column as it is: such rows have fewer columns, and are not stored if
    a column of their key is missing.
    """
    made: list[Rows] = []
    for table, columns, served, further, getters in _plan(visit.stream):
        try:
            values = [(*served(record), *[get(record, visit) for get in further]) for record in records]
        except (AttributeError, TypeError):
            values = [tuple([_got(get, record, visit) for get in getters]) for record in records]
        rows = Rows(table, columns, values, visit.stream.proves(table), table in visit.stream.weak)
        made += _without_gaps(rows) if any(UNSET in row for row in values) else [rows]
    return made


def _got(get: _Made, record: r.Record, visit: Visit) -> Any:
    """Return a value, or UNSET where the part of the record that holds it was not served."""
    try:
        return get(record, visit)
    except (AttributeError, TypeError):
        if _lacks(record):
            return UNSET
        raise


def _lacks(record: Any) -> bool:
    """Return whether a part of a record was not served."""
    parts = [getattr(record, one.name) for one in structs.fields(record)]
    return any(part is UNSET or (isinstance(part, r.Record) and _lacks(part)) for part in parts)


def _without_gaps(rows: Rows) -> list[Rows]:
    parts: dict[tuple[int, ...], list[tuple[Any, ...]]] = {}
    for row in rows.values:
        parts.setdefault(tuple([place for place, value in enumerate(row) if value is not UNSET]), []).append(row)
    return [
        replace(rows, columns=_picked(rows.columns, places), values=[_picked(row, places) for row in values])
        for places, values in parts.items()
        if places
    ]


def _picked(values: tuple[T, ...], places: tuple[int, ...]) -> tuple[T, ...]:
    return tuple([values[place] for place in places])


class _Plan(NamedTuple):
    """Plan for the rows of one table: the columns that records hold as served, then the computed ones."""

    table: str
    columns: tuple[str, ...]
    served: Callable[[Any], tuple[Any, ...]]
    further: tuple[_Made, ...]
    getters: tuple[_Made, ...]
    """The source of each column by itself, for records that lack a part."""


@cache
def _plan(stream: Stream) -> tuple[_Plan, ...]:
    made = _MADE.get(stream.record, {}) | _EDGES.get(stream.name, {})
    return tuple(
        _plan_of(table, columns, {column: column for column in columns} | _usual(stream, table) | made.get(table, {}))
        for table, columns in stream.writes.items()
    )


def _usual(stream: Stream, table: str) -> dict[str, Getter]:
    """Return the computed sources of columns; the others are the fields of the record with their names."""
    usual: dict[str, Getter] = {"extra": "extra_fields"}
    if stream.members is not None and stream.members.table == table:
        usual[stream.members.owner] = _visited
    return usual


def _plan_of(table: str, columns: Iterable[str], getters: dict[str, Getter]) -> _Plan:
    paths = {column: get for column in columns if isinstance(get := getters[column], str)}
    further = {column: get for column in columns if not isinstance(get := getters[column], str)}
    return _Plan(
        table,
        (*paths, *further),
        _fields(tuple(paths.values())),
        tuple(further.values()),
        (*map(_field, paths.values()), *further.values()),
    )


def _fields(paths: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Read several paths at once: several times as fast as one by one."""
    if not paths:
        return lambda _: ()
    get = attrgetter(*paths)
    return get if len(paths) > 1 else lambda record: (get(record),)


def _field(path: str) -> _Made:
    get = attrgetter(path)
    return lambda record, _: get(record)


def _extra(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not UNSET}


def _extra_fields(**places: r.Record) -> dict[str, Any]:
    """Return the undeclared fields of nested records, by the path of the record; `here` is the row itself."""
    kept: dict[str, Any] = {}
    for place, record in places.items():
        if record.extra_fields:
            kept |= record.extra_fields if place == "here" else {place: record.extra_fields}
    return kept


def _user_extra(user: r.User, _: Visit) -> dict[str, Any]:
    profile = user.profile
    return _extra(
        images=profile.images,
        membership_label=profile.membership_label,
        membership_avatar_badge=profile.membership_avatar_badge,
    ) | _extra_fields(here=user, history=user.history, profile=profile)


def _joined(user: r.User, _: Visit) -> datetime | UnsetType | None:
    joined = user.history.joined
    return UNSET if joined in r.PLACEHOLDER_DATES else joined


def _end_of_account(user: r.User, _: Visit) -> str | UnsetType:
    return GoneReason.ERASED if user.is_erased else UNSET


def _author_extra(project: Any, _: Visit) -> dict[str, Any]:
    author = project.author
    return _extra(
        images=author.profile.images,
        membership_label=author.profile.membership_label,
        membership_avatar_badge=author.profile.membership_avatar_badge,
    ) | _extra_fields(here=author, history=author.history, profile=author.profile)


def _project_extra(project: r.BaseProject, _: Visit) -> dict[str, Any]:
    return _extra(image=project.image, images=project.images) | _extra_fields(
        here=project, history=project.history, stats=project.stats, remix=project.remix
    )


def _studio_extra(studio: Any, _: Visit) -> dict[str, Any]:
    kept = _extra(image=studio.image) | _extra_fields(here=studio, history=studio.history)
    if isinstance(studio, r.Studio):
        kept |= _extra_fields(stats=studio.stats)
    elif studio.stats and studio.stats is not UNSET:
        kept["stats"] = studio.stats
    return kept


def _creator_extra(entry: r.StudioProject, _: Visit) -> dict[str, Any]:
    return _extra(
        images=entry.avatar,
        membership_label=entry.creator_membership_label,
        membership_avatar_badge=entry.creator_membership_avatar_badge,
    )


def _commenter_extra(comment: r.Comment, _: Visit) -> dict[str, Any]:
    author = comment.author
    served = {name: value for name in _OF_COMMENTERS if (value := getattr(author, name)) is not UNSET}
    return served | author.extra_fields if author.extra_fields else served


_OF_COMMENTERS = ("image", "membership_label", "membership_avatar_badge")


def _rest(record: r.Record, *columns: str) -> dict[str, Any]:
    """Return the fields of a record that have no columns."""
    served = {name: getattr(record, name) for name in _field_names(type(record)) if name not in columns}
    return {name: value for name, value in served.items() if value is not UNSET} | record.extra_fields


@cache
def _field_names(record: type[r.Record]) -> tuple[str, ...]:
    return tuple(field.name for field in structs.fields(record) if field.name != "extra_fields")


def _ranked_project_extra(project: r.RankedProject, _: Visit) -> dict[str, Any]:
    return _extra(image=project.image, images=project.images) | _extra_fields(
        here=project, history=project.history, stats=project.stats, remix=project.remix
    )


def _featured_extra(page: r.UserAll, _: Visit) -> dict[str, Any]:
    data = page.featured_project_data
    return _extra(
        thumbnail_url=page.thumbnail_url,
        featured_project_label_id=page.featured_project_label_id,
        featured_project_data=_rest(data) if isinstance(data, r.Record) else data,
    ) | _extra_fields(here=page, user=page.user)


def _page_commenter_extra(comment: PageComment, _: Visit) -> dict[str, Any]:
    return _extra(image=UNSET if comment.author.image is None else comment.author.image)


def _trouble(health: r.Health, _: Visit) -> str | None:
    """Describe trouble of the API's own servers: a missing cache, or a destroyed pool of connections."""
    found = [f"the cache is not {name}" for name in ("connected", "ready") if health.cache.get(name) is False]
    for database, roles in sorted(health.sql.items()):
        for role, pool in sorted(roles.items()) if isinstance(roles, dict) else ():
            if isinstance(pool, dict) and pool.get("destroyed") is True:
                found.append(f"{database} has no {role}")
    return "; ".join(found) or None


_NAME_MEANS = {"username exists": GoneReason.DELETED_OR_BANNED}
"""Reason why an account is not found, by the site's answer about its name."""


def ranking_name(visit: Visit) -> str:
    """Return the name of a ranking in `history.rankings`: its request without the page."""
    asked = visit.query
    assert asked is not None
    path = visit.stream.path.removeprefix("/")
    return f"{path}?q={asked.query}&mode={asked.mode}&language={asked.language}"


def _content(comment: r.Comment, _: Visit) -> str | None:
    return None if comment.content is None else decode_text(comment.content)


def _content_served(comment: r.Comment, visit: Visit) -> str | None:
    return None if _content(comment, visit) == comment.content else comment.content


def member_role(user: int, visit: Visit) -> str:
    """Return the role of a user whom a list of managers or curators shows."""
    if user == visit.host_id:
        return "host"
    return "manager" if visit.stream.name == "studio_managers" else "curator"


def _member_role(user: r.User, visit: Visit) -> str:
    return member_role(user.id, visit)


def _visited(_: Any, visit: Visit) -> int:
    return visit.entity_id


def _seen(_: Any, visit: Visit) -> datetime | None:
    return visit.seen_at


def _account(_: Any, visit: Visit) -> int | None:
    return visit.owner_id


_USERS: dict[str, Getter] = {
    "id": "id",
    "username": "username",
    "joined_at": _joined,
    "scratch_team": "scratchteam",
    "country": "profile.country",
    "status": "profile.status",
    "bio": "profile.bio",
    "profile_id": "profile.id",
    "gone_reason": _end_of_account,
    "extra": _user_extra,
}
_AUTHORS: dict[str, Getter] = {
    "id": "author.id",
    "username": "author.username",
    "extra": _author_extra,
}
_PROJECTS: dict[str, Getter] = {
    "id": "id",
    "author_id": "author.id",
    "title": "title",
    "description": "description",
    "instructions": "instructions",
    "visibility": "visibility",
    "public": "public",
    "comments_allowed": "comments_allowed",
    "is_published": "is_published",
    "created_at": "history.created",
    "modified_at": "history.modified",
    "shared_at": "history.shared",
    "views": "stats.views",
    "loves": "stats.loves",
    "favorites": "stats.favorites",
    "remixes": "stats.remixes",
    "parent_id": "remix.parent",
    "root_id": "remix.root",
    "extra": _project_extra,
}
_STUDIOS: dict[str, Getter] = {
    "id": "id",
    "host_id": "host",
    "title": "title",
    "description": "description",
    "visibility": "visibility",
    "public": "public",
    "open_to_all": "open_to_all",
    "comments_allowed": "comments_allowed",
    "created_at": "history.created",
    "modified_at": "history.modified",
    "comment_count": "stats.comments",
    "follower_count": "stats.followers",
    "manager_count": "stats.managers",
    "project_count": "stats.projects",
    "extra": _studio_extra,
}
_COMMENTS: dict[str, Getter] = {
    "id": "id",
    "parent_id": "parent_id",
    "author_id": "author.id",
    "commentee_id": "commentee_id",
    "content": _content,
    "content_raw": _content_served,
    "created_at": "datetime_created",
    "modified_at": "datetime_modified",
    "visibility": "visibility",
    "reply_count": "reply_count",
    "extra": "extra_fields",
    "project_id": lambda _, v: v.entity_id if v.stream.kind is Kind.PROJECT else v.owner_id,
    "studio_id": lambda _, v: v.entity_id if v.stream.kind is Kind.STUDIO else v.owner_id,
}

_RANKINGS: dict[str, Getter] = {
    "ranking": lambda _, v: ranking_name(v),
    "seen_at": _seen,
    "position": "position",
    "thing_id": "id",
    "created_at": "history.created",
    "modified_at": "history.modified",
}
_SHOWN = {"gallery": "studio"}
_EVENTS: dict[str, Getter] = {
    "account_id": _account,
    "type": "type",
    "id": "id",
    "created_at": "datetime_created",
    "actor_id": "actor_id",
    "actor_username": "actor_username",
    "extra": "extra_fields",
}

_MADE: dict[type[r.Record], dict[str, dict[str, Getter]]] = {
    r.User: {"users": _USERS},
    r.Project: {"users": _AUTHORS, "projects": _PROJECTS},
    r.ListedProject: {"users": _AUTHORS, "projects": _PROJECTS},
    r.Studio: {"studios": _STUDIOS},
    r.ListedStudio: {"studios": _STUDIOS},
    r.StudioProject: {
        "users": {
            "id": "creator_id",
            "username": "username",
            "extra": _creator_extra,
        },
        "projects": {
            "id": "id",
            "author_id": "creator_id",
            "title": "title",
            "extra": lambda e, _: _extra(image=e.image) | e.extra_fields,
        },
    },
    r.Comment: {
        "users": {
            "id": "author.id",
            "username": "author.username",
            "scratch_team": "author.scratchteam",
            "extra": _commenter_extra,
        },
        "project_comments": _COMMENTS,
        "studio_comments": _COMMENTS,
    },
    PageComment: {
        "users": {
            "id": "author.id",
            "username": "author.username",
            "scratch_team": "author.scratchteam",
            "extra": _page_commenter_extra,
        },
        "profile_comments": {
            "id": "id",
            "user_id": _visited,
            "parent_id": "parent_id",
            "author_id": "author.id",
            # The text of a removed comment is not served: the stored one stays.
            "content": lambda c, _: UNSET if c.content is None else c.content,
            "created_at": "datetime_created",
            "visibility": "visibility",
            "reply_count": "reply_count",
            "gone_reason": lambda c, _: GoneReason.REMOVED if c.content is None else UNSET,
            "extra": lambda c, _: {"commentee_username": c.commentee} if c.commentee else {},
        },
    },
    r.UserAll: {
        "users": {
            "id": "user.pk",
            "username": lambda p, _: p.user.username.removesuffix("*"),
            "profile_id": "id",
            "featured_project_id": "featured_project",
            "featured_label": "featured_project_label_name",
            "extra": _featured_extra,
        },
    },
    r.ProfilePage: {
        "users": {"id": _visited, "extra": lambda p, _: _extra(group=p.group)},
    },
    r.UserActivity: {"users": {"id": _visited}},
    r.NameCheck: {
        "users": {
            "id": _visited,
            "gone_reason": lambda c, _: _NAME_MEANS.get(c.msg, UNSET),
            "extra": lambda c, _: {"name_check": c.msg} | c.extra_fields,
        },
    },
    r.Activity: {
        "studio_activity": {
            "studio_id": _visited,
            "id": "id",
            "type": "type",
            "actor_id": "actor_id",
            "actor_username": "actor_username",
            "created_at": "datetime_created",
            "project_id": "project_id",
            "project_title": "project_title",
            "username": "username",
            "recipient_username": "recipient_username",
            "extra": lambda a, _: _rest(
                a,
                "id",
                "datetime_created",
                "type",
                "actor_id",
                "actor_username",
                "project_id",
                "project_title",
                "username",
                "recipient_username",
            ),
        },
    },
    r.Count: {
        "message_counts": {"user_id": _visited, "seen_at": _seen, "count": "count"},
        "site_counts": {"name": lambda _, __: "projects", "seen_at": _seen, "count": "count"},
    },
    r.RankedProject: {
        "users": _AUTHORS,
        "projects": _PROJECTS | {"extra": _ranked_project_extra},
        "rankings": _RANKINGS
        | {
            "kind": lambda _, __: "project",
            "views": "stats.views",
            "loves": "stats.loves",
            "favorites": "stats.favorites",
            "shared_at": "history.shared",
            "extra": lambda p, _: _extra(title=p.title, description=p.description, instructions=p.instructions),
        },
    },
    r.RankedStudio: {
        "studios": _STUDIOS,
        "rankings": _RANKINGS
        | {"kind": lambda _, __: "studio", "extra": lambda s, _: _extra(title=s.title, description=s.description)},
    },
    r.FrontPageItem: {
        "rankings": _RANKINGS
        | {
            "ranking": lambda i, _: f"front-page/{i.row}",
            "kind": lambda i, _: _SHOWN.get(i.type, i.type),
            "loves": "love_count",
            "extra": lambda i, _: _rest(i, "row", "position", "id", "love_count"),
        },
        "projects": {"id": lambda i, _: i.id if i.type == "project" else UNSET, "title": "title"},
        "studios": {"id": lambda i, _: i.id if i.type == "gallery" else UNSET, "title": "title"},
    },
    r.NewsItem: {
        "news": {
            "id": lambda n, _: str(n.id),
            "headline": "headline",
            "url": "url",
            "image": "image",
            "copy": "copy",
            "stamp": "stamp",
            "extra": "extra_fields",
        },
    },
    r.Health: {
        "site_health": {
            "seen_at": _seen,
            "trouble": _trouble,
            "version": "version",
            "uptime": "uptime",
            "extra": lambda h, _: _rest(h, "version", "uptime"),
        },
    },
    r.Message: {"account.messages": _EVENTS, "account.activity": _EVENTS},
    r.Alert: {"account.alerts": {"account_id": _account, "id": "id", "extra": "extra_fields"}},
    r.AccountProject: {
        "account.projects": {
            "account_id": _account,
            "list": lambda _, v: v.stream.name,
            "id": "id",
            "title": "title",
            "seen_at": _seen,
            "extra": "extra_fields",
        },
    },
    r.AccountState: {
        "account.states": {
            "account_id": _account,
            "stream": lambda _, v: v.stream.name,
            "thing_id": _visited,
            "seen_at": _seen,
            "extra": "extra_fields",
        },
    },
}

_EDGES: dict[str, dict[str, dict[str, Getter]]] = {
    "user_favorites": {"favorites": {"user_id": _visited, "project_id": "id"}},
    "user_followers": {"follows": {"follower_id": "id", "followee_id": _visited}},
    "user_following": {"follows": {"follower_id": _visited, "followee_id": "id"}},
    "user_studios": {"studio_members": {"studio_id": "id", "user_id": _visited}},
    "project_studios": {"studio_projects": {"studio_id": "id", "project_id": _visited}},
    "studio_projects": {
        "studio_projects": {
            "studio_id": _visited,
            "project_id": "id",
            "added_by_id": "actor_id",
        }
    },
    "studio_managers": {"studio_members": {"studio_id": _visited, "user_id": "id", "role": _member_role}},
    "studio_curators": {"studio_members": {"studio_id": _visited, "user_id": "id", "role": _member_role}},
}
