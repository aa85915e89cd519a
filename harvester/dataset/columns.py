"""Treatment of each column of schema `scratch` in each profile, in the only place that states it.

`build` exports what stands here and nothing else; a test fails, by name, for a table or column that does not stand
here. A table is closed to a profile by the treatment of all its columns.

In `open` nothing leads from a thing (a project, a studio, a comment) to a person. With the public site at hand, one can
recognise an exact graph by its degrees alone, and a person by the days on which their things were made, so every
resource stands alone there, and its rows are made alike in groups of k (see `anonymity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harvester.dataset.release import Profile
from harvester.warehouse.tables import COMMENTS, SCRATCH_TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table


@dataclass(frozen=True, slots=True)
class Left:
    """Not exported, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Keep:
    """As it is."""


@dataclass(frozen=True, slots=True)
class OwnId:
    """The id of the thing itself: a pseudonym, or the id in `internal`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The id of another thing, likewise. What is outside the release leaves null, or no row at all if `needed`."""

    kind: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Username:
    """A username: the pseudonym of whose it is, null where that is not known."""


@dataclass(frozen=True, slots=True)
class FreeText:
    """Text that a user wrote; the text mode decides how much of it is exported."""


@dataclass(frozen=True, slots=True)
class Generalized:
    """Made coarse together with the rest of the row, until k rows are alike; what comes of it has names of its own."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """When and why it went: there where tombstones are."""


Treatment = Left | Keep | OwnId | Reference | Username | FreeText | Generalized | Deletion


@dataclass(frozen=True, slots=True)
class Column:
    """The treatments of one column, by profile."""

    open: Treatment
    restricted: Treatment
    internal: Treatment

    def under(self, profile: Profile) -> Treatment:
        """Return the treatment under a profile."""
        by_profile = {Profile.OPEN: self.open, Profile.RESTRICTED: self.restricted, Profile.INTERNAL: self.internal}
        return by_profile[profile]


ENTITIES: dict[str, str] = {
    "user": "users",
    "project": "projects",
    "studio": "studios",
    "project_comment": "project_comments",
    "studio_comment": "studio_comments",
    "profile_comment": "profile_comments",
    "event": "studio_activity",
}
"""The tables whose ids get pseudonyms, by the kind that the pseudonym is made with, what is referred to first."""
KINDS = {table: kind for kind, table in ENTITIES.items()}
_DEGREES = "exact edges tell who a person is, by their number"
_TEXT = "free text"
_MACHINE = "when the harvester met it says nothing of the community"
_SERVED = "whatever else was served: addresses of images, names"
_SAME = "the same for all that is visible, or nearly"
_PLACE = "the number of comments by place tells which place it is"
_INDEX = "how little of a thing was read says nothing of the community"
_AUTHOR = "the days on which somebody did things tell who it is"


def _keep(why: str) -> Column:
    return Column(Left(why), Keep(), Keep())


def _said() -> Column:
    return Column(Left(_TEXT), FreeText(), FreeText())


def _own(kind: str) -> Column:
    return Column(OwnId(kind), OwnId(kind), OwnId(kind))


def _ref(kind: str, why: str, *, needed: bool = False) -> Column:
    reference = Reference(kind, needed)
    return Column(Left(why), reference, reference)


def _coarse() -> Column:
    return Column(Generalized(), Keep(), Keep())


def _inner(why: str) -> Column:
    return Column(Left(why), Left(why), Keep())


def _life() -> dict[str, Column]:
    gone = Column(Generalized(), Deletion(), Deletion())
    return {
        "first_seen_at": _keep(_MACHINE),
        "gone_at": gone,
        "last_seen_at": _gone(),
        "gone_reason": _gone(),
        "extra": _inner(_SERVED),
    }


def _gone() -> Column:
    return Column(Left("an exact time, or a reason that few share"), Deletion(), Deletion())


def _edges() -> dict[str, Column]:
    return {**_life(), "first_seen_at": _keep(_DEGREES), "gone_at": Column(Left(_DEGREES), Deletion(), Deletion())}


def _comments(kind: str, place: str, of: str) -> dict[str, Column]:
    return {
        "id": _own(kind),
        place: _ref(of, _PLACE, needed=True),
        "parent_id": Column(Reference(kind), Reference(kind), Reference(kind)),
        "author_id": _ref("user", _AUTHOR, needed=True),
        "commentee_id": _ref("user", _AUTHOR),
        "content": _said(),
        "content_raw": Column(Left(_TEXT), Left("the same text twice"), FreeText()),
        "created_at": _coarse(),
        "modified_at": _keep("an exact time, mostly that of the creation"),
        "visibility": _keep(_SAME),
        "reply_count": _keep("replies can be counted"),
        **_life(),
    }


COLUMNS: dict[str, dict[str, Column]] = {
    "users": {
        "id": _own("user"),
        "username": _inner("names a person"),
        "joined_at": _coarse(),
        "scratch_team": _keep("so few that each is known"),
        "country": _coarse(),
        "status": _said(),
        "bio": _said(),
        "profile_id": _inner("a second id of the person at the site"),
        "featured_project_id": _ref("project", _AUTHOR),
        "featured_label": _said(),
        "from_index": _keep(_INDEX),
        **_life(),
    },
    "projects": {
        "id": _own("project"),
        "author_id": _ref("user", _AUTHOR, needed=True),
        "title": _said(),
        "description": _said(),
        "instructions": _said(),
        "visibility": _keep(_SAME),
        "public": _keep(_SAME),
        "comments_allowed": _keep("rarely false"),
        "is_published": _keep(_SAME),
        "created_at": _coarse(),
        "modified_at": _keep("a second exact time"),
        "shared_at": _keep("a second exact time"),
        "views": _coarse(),
        "loves": _coarse(),
        "favorites": _coarse(),
        "remixes": _coarse(),
        "parent_id": Column(Reference("project"), Reference("project"), Reference("project")),
        "root_id": Column(Reference("project"), Reference("project"), Reference("project")),
        "from_index": _keep(_INDEX),
        **_life(),
    },
    "studios": {
        "id": _own("studio"),
        "host_id": _ref("user", _AUTHOR),
        "title": _said(),
        "description": _said(),
        "visibility": _keep(_SAME),
        "public": _keep(_SAME),
        "open_to_all": _coarse(),
        "comments_allowed": _keep("rarely false"),
        "created_at": _coarse(),
        "modified_at": _keep("a second exact time"),
        "comment_count": _coarse(),
        "follower_count": _coarse(),
        "manager_count": _keep("members are people"),
        "project_count": _coarse(),
        "from_index": _keep(_INDEX),
        **_life(),
    },
    "project_comments": _comments("project_comment", "project_id", "project"),
    "studio_comments": _comments("studio_comment", "studio_id", "studio"),
    "profile_comments": _comments("profile_comment", "user_id", "user"),
    "follows": {
        "follower_id": _ref("user", _DEGREES, needed=True),
        "followee_id": _ref("user", _DEGREES, needed=True),
        **_edges(),
    },
    "favorites": {
        "user_id": _ref("user", _DEGREES, needed=True),
        "project_id": _ref("project", _DEGREES, needed=True),
        **_edges(),
    },
    "studio_projects": {
        "studio_id": _ref("studio", _DEGREES, needed=True),
        "project_id": _ref("project", _DEGREES, needed=True),
        "added_by_id": _ref("user", _DEGREES),
        **_edges(),
    },
    "studio_members": {
        "studio_id": _ref("studio", _DEGREES, needed=True),
        "user_id": _ref("user", _DEGREES, needed=True),
        "role": _keep(_DEGREES),
        **_edges(),
    },
    "studio_activity": {
        "studio_id": _ref("studio", _AUTHOR, needed=True),
        "id": _own("event"),
        "type": _keep(_AUTHOR),
        "actor_id": _ref("user", _AUTHOR, needed=True),
        "actor_username": _inner("names a person"),
        "created_at": _keep(_AUTHOR),
        "project_id": _ref("project", _AUTHOR),
        "project_title": _said(),
        "username": Column(Left("names a person"), Username(), Keep()),
        "recipient_username": Column(Left("names a person"), Username(), Keep()),
        **_edges(),
    },
    "news": {
        name: _inner("the site's own announcements, with links: nothing of the community")
        for name in ("id", "headline", "url", "image", "copy", "stamp")
    }
    | {name: _inner("of the site's own announcements") for name in _edges()},
}

OPEN_TABLES = ("users", "projects", "studios", *COMMENTS)
"""Tables of `open`: entities with pseudonyms, and no edges between them and people."""


def tables(profile: Profile) -> Sequence[Table]:
    """Return the tables that a profile holds, what is referred to first."""
    if profile is Profile.OPEN:
        names: Sequence[str] = OPEN_TABLES
    elif profile is Profile.RESTRICTED:
        names = [name for name in COLUMNS if name != "news"]
    else:
        names = list(COLUMNS)
    by_name = {table.name: table for table in SCRATCH_TABLES}
    return [by_name[name] for name in names]
