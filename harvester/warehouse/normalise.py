"""Records -> rows: pure. Which columns a stream may write stands in the catalogue; how they are made, here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import UNSET

from harvester.api import records as r
from harvester.api.catalogue import Kind, Stream
from harvester.api.text import as_read


@dataclass(frozen=True, slots=True)
class Visit:
    """What is visited: the context that a page's rows are made in.

    `owner_id` is the page a thread stands on, `host_id` the host of the visited studio where it is known.
    """

    stream: Stream
    entity_id: int
    owner_id: int | None = None
    username: str | None = None
    host_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table with the columns that their stream may write, in that order."""

    table: str
    columns: tuple[str, ...]
    values: list[tuple[Any, ...]]


Getter = Callable[[Any, Visit], Any]


def normalise(visit: Visit, records: Sequence[r.Record]) -> list[Rows]:
    """The rows of one page, tables in the order in which they may be written.

    A field that a record may leave out and does leaves its column alone: such rows come with fewer columns.
    """
    made: list[Rows] = []
    for table, columns, getters in _plan(visit.stream):
        values = [tuple([get(record, visit) for get in getters]) for record in records]
        if visit.stream.record in _WITH_GAPS and any(UNSET in row for row in values):
            made += _without_gaps(table, columns, values)
        else:
            made.append(Rows(table, columns, values))
    return made


_WITH_GAPS = {r.User}


def _without_gaps(table: str, columns: tuple[str, ...], values: list[tuple[Any, ...]]) -> list[Rows]:
    parts: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row in values:
        served = tuple(column for column, value in zip(columns, row, strict=True) if value is not UNSET)
        parts.setdefault(served, []).append(tuple(value for value in row if value is not UNSET))
    return [Rows(table, served, rows) for served, rows in parts.items()]


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
    return {"image": project.image, "images": project.images} | _unknown(
        here=project, history=project.history, stats=project.stats, remix=project.remix
    )


def _studio_extra(studio: Any, _: Visit) -> dict[str, Any]:
    kept = {"image": studio.image} | _unknown(here=studio, history=studio.history)
    if isinstance(studio, r.Studio):
        kept |= _unknown(stats=studio.stats)
    elif studio.stats:
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


def _content_served(comment: r.Comment, _: Visit) -> str | None:
    return None if as_read(comment.content) == comment.content else comment.content


def _member_role(user: r.User, visit: Visit) -> str:
    if user.id == visit.host_id:
        return "host"
    return "manager" if visit.stream.name == "studio_managers" else "curator"


def _visited(_: Any, visit: Visit) -> int:
    return visit.entity_id


def _item(record: Any, _: Visit) -> int:
    return int(record.id)


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
