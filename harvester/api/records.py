"""The things the API serves, as typed records.

A field is required unless the API is known to leave it out, so that a response of another shape fails to
decode instead of filling the warehouse with blanks. Fields without a place here are not lost: `decode`
collects them in `unknown`. Shapes: the API reference; what it leaves unsaid is cited where it matters.
"""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


class Record(Struct, kw_only=True):
    """Base of all records; `unknown` holds what was served and is not declared, by field name."""

    # Under this name no field of the API fills it.
    unknown: dict[str, Any] = field(default_factory=dict, name=":unknown:")


class UserHistory(Record, kw_only=True):
    """When the account was registered."""

    joined: datetime


class Profile(Record, kw_only=True):
    """A user's profile. `id` is the profile's own number, not the user's."""

    id: int
    images: dict[str, str]
    status: str
    bio: str
    country: str
    membership_label: int | UnsetType = UNSET
    membership_avatar_badge: int | UnsetType = UNSET


class User(Record, kw_only=True):
    """A user as `/users/<name>` and the lists of users serve it. The documented object has no `scratchteam`."""

    id: int
    username: str
    scratchteam: bool | UnsetType = UNSET
    history: UserHistory
    profile: Profile


class AuthorProfile(Record, kw_only=True):
    """The profile inside a project's author: always without its id."""

    id: int | None
    images: dict[str, str]
    membership_label: int | UnsetType = UNSET
    membership_avatar_badge: int | UnsetType = UNSET


class AnonymousAuthor(Record, kw_only=True):
    """The author inside the lists of one user: no name, and `joined` and `scratchteam` are dummies."""

    id: int
    scratchteam: bool
    history: UserHistory
    profile: AuthorProfile


class Author(AnonymousAuthor, kw_only=True):
    """The author of a project where the name is served; `joined` and `scratchteam` are dummies here too."""

    username: str


class ProjectHistory(Record, kw_only=True):
    """The dates of a project; `shared` is null for one that was never shared."""

    created: datetime
    modified: datetime
    shared: datetime | None


class ProjectStats(Record, kw_only=True):
    """The counters of a project. `remixes` is true in `/projects/<id>` alone and 0 elsewhere."""

    views: int
    loves: int
    favorites: int
    remixes: int


class Remix(Record, kw_only=True):
    """What a project was remixed from: its direct parent and the root of the tree."""

    parent: int | None
    root: int | None


class BaseProject(Record, kw_only=True):
    """What every full project object holds."""

    id: int
    title: str
    description: str
    instructions: str
    visibility: str
    public: bool
    comments_allowed: bool
    is_published: bool
    image: str
    images: dict[str, str]
    history: ProjectHistory
    stats: ProjectStats
    remix: Remix


class Project(BaseProject, kw_only=True):
    """A project in `/projects/<id>` and in the list of remixes. The token is a secret of the moment."""

    author: Author
    project_token: str | UnsetType = UNSET


class ListedProject(BaseProject, kw_only=True):
    """A project in a user's own lists (shared, favorites), where its author has no name."""

    author: AnonymousAuthor


class StudioHistory(Record, kw_only=True):
    """The dates of a studio."""

    created: datetime
    modified: datetime


class BaseStudio(Record, kw_only=True):
    """What every studio object holds; `host` is a user's id."""

    id: int
    title: str
    host: int
    description: str
    visibility: str
    public: bool
    open_to_all: bool
    comments_allowed: bool
    image: str
    history: StudioHistory


class StudioStats(Record, kw_only=True):
    """The counters of a studio: `comments` and `projects` are cut at 100, `followers` is exact."""

    comments: int
    followers: int
    managers: int
    projects: int


class Studio(BaseStudio, kw_only=True):
    """A studio in `/studios/<id>`."""

    stats: StudioStats


class ListedStudio(BaseStudio, kw_only=True):
    """A studio in a list, whose `stats` are empty."""

    stats: dict[str, Any]


class StudioProject(Record, kw_only=True):
    """An entry of a studio's list of projects; `actor_id` is who added it."""

    id: int
    title: str
    image: str
    creator_id: int
    username: str
    avatar: dict[str, str]
    actor_id: int
    creator_membership_label: int | UnsetType = UNSET
    creator_membership_avatar_badge: int | UnsetType = UNSET


class CommentAuthor(Record, kw_only=True):
    """Who wrote a comment."""

    id: int
    username: str
    scratchteam: bool
    image: str
    membership_label: int | UnsetType = UNSET
    membership_avatar_badge: int | UnsetType = UNSET


class Comment(Record, kw_only=True):
    """A comment or a reply on a project or in a studio.

    `content` is entity-encoded; `commentee_id` may be null on a reply; `reply_count` is above 0 whenever there
    are replies, but its exact value is not reliable.
    """

    id: int
    parent_id: int | None
    commentee_id: int | None = None
    content: str
    datetime_created: datetime
    datetime_modified: datetime
    visibility: str
    author: CommentAuthor
    reply_count: int
