"""Records -> rows: pure. Which columns a stream may write stands in the catalogue; how they are made, here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from msgspec import UNSET, structs

from harvester.api import records as r
from harvester.api.profile_html import PageComment
from harvester.api.stream import Kind, Stream
from harvester.api.text import as_read


@dataclass(frozen=True, slots=True)
class Visit:
    """What is visited: the context that a page's rows are made in.

    `owner_id` is the page a thread stands on, or the operator's own account; `host_id` the host of the visited studio
    where it is known; `seen_at` when the visit began; `query` what a ranking is asked for.
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
    """What a ranking is asked for; `pages` of 40 are read."""

    query: str
    mode: str
    language: str
    pages: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table with the columns that their stream may write, in that order.

    `shows`: whether the response proves that the things are there, so that what was gone is back.
    """

    table: str
    columns: tuple[str, ...]
    values: list[tuple[Any, ...]]
    shows: bool = True


Getter = Callable[[Any, Visit], Any]


def normalise(visit: Visit, records: Sequence[r.Record]) -> list[Rows]:
    """The rows of one page, tables in the order in which they may be written.

    What a record leaves out leaves its column alone: such rows come with fewer columns, and are not stored if a column
    of their key is among those.
    """
    made: list[Rows] = []
    for table, columns, getters in _plan(visit.stream):
        try:
            values = [tuple([get(record, visit) for get in getters]) for record in records]
        except (AttributeError, TypeError):
            values = [tuple([_got(get, record, visit) for get in getters]) for record in records]
        shows = visit.stream.proves(table)
        if any(UNSET in row for row in values):
            made += _without_gaps(table, columns, values, shows=shows)
        else:
            made.append(Rows(table, columns, values, shows))
    return made


def _got(get: Getter, record: r.Record, visit: Visit) -> Any:
    """A value, or UNSET where the part of the record that holds it was not served."""
    try:
        return get(record, visit)
    except (AttributeError, TypeError):
        if _lacks(record):
            return UNSET
        raise


def _lacks(record: Any) -> bool:
    """Whether a part of a record was not served."""
    parts = [getattr(record, one.name) for one in structs.fields(record)]
    return any(part is UNSET or (isinstance(part, r.Record) and _lacks(part)) for part in parts)


def _without_gaps(table: str, columns: tuple[str, ...], values: list[tuple[Any, ...]], *, shows: bool) -> list[Rows]:
    parts: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row in values:
        served = tuple(column for column, value in zip(columns, row, strict=True) if value is not UNSET)
        if served:
            parts.setdefault(served, []).append(tuple(value for value in row if value is not UNSET))
    return [Rows(table, served, rows, shows) for served, rows in parts.items()]


@cache
def _plan(stream: Stream) -> tuple[tuple[str, tuple[str, ...], tuple[Getter, ...]], ...]:
    made = _MADE[stream.record] | _EDGES.get(stream.name, {})
    return tuple(
        (table, columns, tuple(made[table][column] for column in columns)) for table, columns in stream.writes.items()
    )


def _extra(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not UNSET}


def _unknown(**places: r.Record) -> dict[str, Any]:
    """Undeclared fields of nested records, each under the name of its place; `here` is the row itself."""
    kept: dict[str, Any] = {}
    for place, record in places.items():
        if record.unknown:
            kept |= record.unknown if place == "here" else {place: record.unknown}
    return kept


def _user_extra(user: r.User, _: Visit) -> dict[str, Any]:
    profile = user.profile
    return _extra(
        images=profile.images,
        membership_label=profile.membership_label,
        membership_avatar_badge=profile.membership_avatar_badge,
    ) | _unknown(here=user, history=user.history, profile=profile)


def _author_extra(project: Any, _: Visit) -> dict[str, Any]:
    author = project.author
    return _extra(
        images=author.profile.images,
        membership_label=author.profile.membership_label,
        membership_avatar_badge=author.profile.membership_avatar_badge,
    ) | _unknown(here=author, history=author.history, profile=author.profile)


def _project_extra(project: r.BaseProject, _: Visit) -> dict[str, Any]:
    return _extra(image=project.image, images=project.images) | _unknown(
        here=project, history=project.history, stats=project.stats, remix=project.remix
    )


def _studio_extra(studio: Any, _: Visit) -> dict[str, Any]:
    kept = _extra(image=studio.image) | _unknown(here=studio, history=studio.history)
    if isinstance(studio, r.Studio):
        kept |= _unknown(stats=studio.stats)
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
    return (
        _extra(
            image=author.image,
            membership_label=author.membership_label,
            membership_avatar_badge=author.membership_avatar_badge,
        )
        | author.unknown
    )


def _rest(record: r.Record, *columns: str) -> dict[str, Any]:
    """All that a record holds but what has columns of its own."""
    served = {name: getattr(record, name) for name in _field_names(type(record)) if name not in columns}
    return {name: value for name, value in served.items() if value is not UNSET} | record.unknown


@cache
def _field_names(record: type[r.Record]) -> tuple[str, ...]:
    return tuple(field.name for field in structs.fields(record) if field.name != "unknown")


def _ranked_project_extra(project: r.RankedProject, _: Visit) -> dict[str, Any]:
    return _extra(image=project.image, images=project.images) | _unknown(
        here=project, history=project.history, stats=project.stats, remix=project.remix
    )


def _featured_extra(page: r.UserAll, _: Visit) -> dict[str, Any]:
    data = page.featured_project_data
    return _extra(
        thumbnail_url=page.thumbnail_url,
        featured_project_label_id=page.featured_project_label_id,
        featured_project_data=_rest(data) if isinstance(data, r.Record) else data,
    ) | _unknown(here=page, user=page.user)


def _page_commenter_extra(comment: PageComment, _: Visit) -> dict[str, Any]:
    return _extra(image=UNSET if comment.author.image is None else comment.author.image)


def _trouble(health: r.Health, _: Visit) -> str | None:
    """What is wrong with the API's own servers: a cache that is not there, or a destroyed pool of connections."""
    found = [f"the cache is not {name}" for name in ("connected", "ready") if health.cache.get(name) is False]
    for database, roles in sorted(health.sql.items()):
        for role, pool in sorted(roles.items()) if isinstance(roles, dict) else ():
            if isinstance(pool, dict) and pool.get("destroyed") is True:
                found.append(f"{database} has no {role}")
    return "; ".join(found) or None


_NAME_MEANS = {"username exists": "deleted or banned", "valid username": "never existed"}


def ranking_name(visit: Visit) -> str:
    """How a ranking is called in `history.rankings`: as it is asked for, without its pages."""
    asked = visit.query
    assert asked is not None
    path = visit.stream.path.removeprefix("/")
    return f"{path}?q={asked.query}&mode={asked.mode}&language={asked.language}"


def _content_served(comment: r.Comment, _: Visit) -> str | None:
    return None if as_read(comment.content) == comment.content else comment.content


def _member_role(user: r.User, visit: Visit) -> str:
    if user.id == visit.host_id:
        return "host"
    return "manager" if visit.stream.name == "studio_managers" else "curator"


def _visited(_: Any, visit: Visit) -> int:
    return visit.entity_id


def _item(record: Any, _: Visit) -> Any:
    return record.id


def _seen(_: Any, visit: Visit) -> datetime | None:
    return visit.seen_at


def _account(_: Any, visit: Visit) -> int | None:
    return visit.owner_id


_USERS: dict[str, Getter] = {
    "id": _item,
    "username": lambda u, _: u.username,
    "joined_at": lambda u, _: u.history.joined,
    "scratch_team": lambda u, _: u.scratchteam,
    "country": lambda u, _: u.profile.country,
    "status": lambda u, _: u.profile.status,
    "bio": lambda u, _: u.profile.bio,
    "profile_id": lambda u, _: u.profile.id,
    "extra": _user_extra,
}
_AUTHORS: dict[str, Getter] = {
    "id": lambda p, _: p.author.id,
    "username": lambda p, _: p.author.username,
    "extra": _author_extra,
}
_PROJECTS: dict[str, Getter] = {
    "id": _item,
    "author_id": lambda p, _: p.author.id,
    "title": lambda p, _: p.title,
    "description": lambda p, _: p.description,
    "instructions": lambda p, _: p.instructions,
    "visibility": lambda p, _: p.visibility,
    "public": lambda p, _: p.public,
    "comments_allowed": lambda p, _: p.comments_allowed,
    "is_published": lambda p, _: p.is_published,
    "created_at": lambda p, _: p.history.created,
    "modified_at": lambda p, _: p.history.modified,
    "shared_at": lambda p, _: p.history.shared,
    "views": lambda p, _: p.stats.views,
    "loves": lambda p, _: p.stats.loves,
    "favorites": lambda p, _: p.stats.favorites,
    "remixes": lambda p, _: p.stats.remixes,
    "parent_id": lambda p, _: p.remix.parent,
    "root_id": lambda p, _: p.remix.root,
    "extra": _project_extra,
}
_STUDIOS: dict[str, Getter] = {
    "id": _item,
    "host_id": lambda s, _: s.host,
    "title": lambda s, _: s.title,
    "description": lambda s, _: s.description,
    "visibility": lambda s, _: s.visibility,
    "public": lambda s, _: s.public,
    "open_to_all": lambda s, _: s.open_to_all,
    "comments_allowed": lambda s, _: s.comments_allowed,
    "created_at": lambda s, _: s.history.created,
    "modified_at": lambda s, _: s.history.modified,
    "comment_count": lambda s, _: s.stats.comments,
    "follower_count": lambda s, _: s.stats.followers,
    "manager_count": lambda s, _: s.stats.managers,
    "project_count": lambda s, _: s.stats.projects,
    "extra": _studio_extra,
}
_COMMENTS: dict[str, Getter] = {
    "id": _item,
    "parent_id": lambda c, _: c.parent_id,
    "author_id": lambda c, _: c.author.id,
    "commentee_id": lambda c, _: c.commentee_id,
    "content": lambda c, _: as_read(c.content),
    "content_served": _content_served,
    "created_at": lambda c, _: c.datetime_created,
    "modified_at": lambda c, _: c.datetime_modified,
    "visibility": lambda c, _: c.visibility,
    "reply_count": lambda c, _: c.reply_count,
    "extra": lambda c, _: c.unknown,
    "project_id": lambda _, v: v.entity_id if v.stream.kind is Kind.PROJECT else v.owner_id,
    "studio_id": lambda _, v: v.entity_id if v.stream.kind is Kind.STUDIO else v.owner_id,
}

_RANKINGS: dict[str, Getter] = {
    "ranking": lambda _, v: ranking_name(v),
    "seen_at": _seen,
    "position": lambda t, _: t.position,
    "thing_id": _item,
}
_SHOWN = {"gallery": "studio"}
_EVENTS: dict[str, Getter] = {
    "account_id": _account,
    "type": lambda m, _: m.type,
    "id": _item,
    "created_at": lambda m, _: m.datetime_created,
    "actor_id": lambda m, _: m.actor_id,
    "actor_username": lambda m, _: m.actor_username,
    "extra": lambda m, _: m.unknown,
}

_MADE: dict[type[r.Record], dict[str, dict[str, Getter]]] = {
    r.User: {"users": _USERS},
    r.Project: {"users": _AUTHORS, "projects": _PROJECTS},
    r.ListedProject: {"users": _AUTHORS, "projects": _PROJECTS},
    r.Studio: {"studios": _STUDIOS},
    r.ListedStudio: {"studios": _STUDIOS},
    r.StudioProject: {
        "users": {
            "id": lambda e, _: e.creator_id,
            "username": lambda e, _: e.username,
            "extra": _creator_extra,
        },
        "projects": {
            "id": _item,
            "author_id": lambda e, _: e.creator_id,
            "title": lambda e, _: e.title,
            "extra": lambda e, _: {"image": e.image} | e.unknown,
        },
    },
    r.Comment: {
        "users": {
            "id": lambda c, _: c.author.id,
            "username": lambda c, _: c.author.username,
            "scratch_team": lambda c, _: c.author.scratchteam,
            "extra": _commenter_extra,
        },
        "project_comments": _COMMENTS,
        "studio_comments": _COMMENTS,
    },
    PageComment: {
        "users": {
            "id": lambda c, _: c.author.id,
            "username": lambda c, _: c.author.username,
            "scratch_team": lambda c, _: c.author.scratchteam,
            "extra": _page_commenter_extra,
        },
        "profile_comments": {
            "id": _item,
            "user_id": _visited,
            "parent_id": lambda c, _: c.parent_id,
            "author_id": lambda c, _: c.author.id,
            # The text of a removed comment is not served: what was known of it stays.
            "content": lambda c, _: UNSET if c.content is None else c.content,
            "created_at": lambda c, _: c.datetime_created,
            "visibility": lambda c, _: c.visibility,
            "reply_count": lambda c, _: c.reply_count,
            "gone_reason": lambda c, _: "removed" if c.content is None else UNSET,
            "extra": lambda c, _: {"commentee_username": c.commentee} if c.commentee else {},
        },
    },
    r.UserAll: {
        "users": {
            "id": lambda p, _: p.user.pk,
            "username": lambda p, _: p.user.username.removesuffix("*"),
            "profile_id": _item,
            "featured_project_id": lambda p, _: p.featured_project,
            "featured_label": lambda p, _: p.featured_project_label_name,
            "extra": _featured_extra,
        },
    },
    r.ProfilePage: {
        "users": {"id": _visited, "extra": lambda p, _: _extra(group=p.group)},
    },
    r.NameCheck: {
        "users": {
            "id": _visited,
            "gone_reason": lambda c, _: _NAME_MEANS.get(c.msg, UNSET),
            "extra": lambda c, _: {"name_check": c.msg} | c.unknown,
        },
    },
    r.Activity: {
        "studio_activity": {
            "studio_id": _visited,
            "id": _item,
            "type": lambda a, _: a.type,
            "actor_id": lambda a, _: a.actor_id,
            "actor_username": lambda a, _: a.actor_username,
            "created_at": lambda a, _: a.datetime_created,
            "project_id": lambda a, _: a.project_id,
            "project_title": lambda a, _: a.project_title,
            "username": lambda a, _: a.username,
            "recipient_username": lambda a, _: a.recipient_username,
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
        "message_counts": {"user_id": _visited, "seen_at": _seen, "count": lambda c, _: c.count},
        "site_counts": {"name": lambda _, __: "projects", "seen_at": _seen, "count": lambda c, _: c.count},
    },
    r.RankedProject: {
        "users": _AUTHORS,
        "projects": _PROJECTS | {"extra": _ranked_project_extra},
        "rankings": _RANKINGS | {"kind": lambda _, __: "project"},
    },
    r.RankedStudio: {"studios": _STUDIOS, "rankings": _RANKINGS | {"kind": lambda _, __: "studio"}},
    r.FrontPageItem: {
        "rankings": _RANKINGS
        | {
            "ranking": lambda i, _: f"front-page/{i.row}",
            "kind": lambda i, _: _SHOWN.get(i.type, i.type),
            "extra": lambda i, _: _rest(i, "row", "position", "id"),
        },
        "projects": {"id": lambda i, _: i.id if i.type == "project" else UNSET, "title": lambda i, _: i.title},
        "studios": {"id": lambda i, _: i.id if i.type == "gallery" else UNSET, "title": lambda i, _: i.title},
    },
    r.NewsItem: {
        "news": {
            "id": lambda n, _: str(n.id),
            "headline": lambda n, _: n.headline,
            "url": lambda n, _: n.url,
            "image": lambda n, _: n.image,
            "copy": lambda n, _: n.copy,
            "stamp": lambda n, _: n.stamp,
            "extra": lambda n, _: n.unknown,
        },
    },
    r.Health: {
        "site_health": {
            "seen_at": _seen,
            "trouble": _trouble,
            "version": lambda h, _: h.version,
            "uptime": lambda h, _: h.uptime,
            "extra": lambda h, _: _rest(h, "version", "uptime"),
        },
    },
    r.Message: {"account.messages": _EVENTS, "account.activity": _EVENTS},
    r.Alert: {"account.alerts": {"account_id": _account, "id": _item, "extra": lambda a, _: a.unknown}},
    r.AccountProject: {
        "account.projects": {
            "account_id": _account,
            "list": lambda _, v: v.stream.name,
            "id": _item,
            "title": lambda p, _: p.title,
            "seen_at": _seen,
            "extra": lambda p, _: p.unknown,
        },
    },
    r.AccountState: {
        "account.states": {
            "account_id": _account,
            "stream": lambda _, v: v.stream.name,
            "thing_id": _visited,
            "seen_at": _seen,
            "extra": lambda s, _: s.unknown,
        },
    },
}

_EDGES: dict[str, dict[str, dict[str, Getter]]] = {
    "user_favorites": {"favorites": {"user_id": _visited, "project_id": _item}},
    "user_followers": {"follows": {"follower_id": _item, "followee_id": _visited}},
    "user_following": {"follows": {"follower_id": _visited, "followee_id": _item}},
    "user_studios": {"studio_members": {"studio_id": _item, "user_id": _visited}},
    "project_studios": {"studio_projects": {"studio_id": _item, "project_id": _visited}},
    "studio_projects": {
        "studio_projects": {
            "studio_id": _visited,
            "project_id": _item,
            "added_by_id": lambda e, _: e.actor_id,
        }
    },
    "studio_managers": {"studio_members": {"studio_id": _visited, "user_id": _item, "role": _member_role}},
    "studio_curators": {"studio_members": {"studio_id": _visited, "user_id": _item, "role": _member_role}},
}
