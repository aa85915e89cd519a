"""The things the API serves, as typed records.

A field is required unless the API is known to leave it out, so that a response of another shape fails to
decode instead of filling the warehouse with blanks. Fields without a place here are not lost: `decode`
collects them in `unknown`. Shapes: the API reference; what it leaves unsaid is cited where it matters.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What a bigint holds."""
Number = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""What an integer holds."""


Moment = Annotated[datetime, Meta(tz=True)]
"""A time with its zone: without one it is none."""


class Record(Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records; `unknown` holds what was served and is not declared, by field name (see `decode`).

    What is made of JSON holds no cycles: the garbage collector need not look at it.
    """

    essential: ClassVar[tuple[str, ...]] = ("id",)
    """Fields without which a record is of no use, whatever else it holds."""

    # Under this name no field of the API fills it.
    unknown: dict[str, Any] = field(default_factory=dict, name=":unknown:")


class UserHistory(Record, kw_only=True):
    """When the account was registered."""

    joined: Moment


class Profile(Record, kw_only=True):
    """A user's profile. `id` is the profile's own number, not the user's."""

    id: Id
    images: dict[str, str]
    status: str
    bio: str
    country: str
    membership_label: Number | UnsetType = UNSET
    membership_avatar_badge: Number | UnsetType = UNSET


class User(Record, kw_only=True):
    """A user as `/users/<name>` and the lists of users serve it. The documented object has no `scratchteam`."""

    id: Id
    username: str
    scratchteam: bool | UnsetType = UNSET
    history: UserHistory
    profile: Profile


class AuthorProfile(Record, kw_only=True):
    """The profile inside a project's author: always without its id."""

    id: Id | None
    images: dict[str, str]
    membership_label: Number | UnsetType = UNSET
    membership_avatar_badge: Number | UnsetType = UNSET


class AnonymousAuthor(Record, kw_only=True):
    """The author inside the lists of one user: no name, and `joined` and `scratchteam` are dummies."""

    id: Id
    scratchteam: bool
    history: UserHistory
    profile: AuthorProfile


class Author(AnonymousAuthor, kw_only=True):
    """The author of a project where the name is served; `joined` and `scratchteam` are dummies here too."""

    username: str


class ProjectHistory(Record, kw_only=True):
    """The dates of a project; `shared` is null for one that was never shared."""

    created: Moment
    modified: Moment
    shared: Moment | None


class ProjectStats(Record, kw_only=True):
    """The counters of a project. `remixes` is true in `/projects/<id>` alone and 0 elsewhere."""

    views: Number
    loves: Number
    favorites: Number
    remixes: Number


class Remix(Record, kw_only=True):
    """What a project was remixed from: its direct parent and the root of the tree."""

    parent: Id | None
    root: Id | None


class BaseProject(Record, kw_only=True):
    """What every full project object holds."""

    id: Id
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

    created: Moment
    modified: Moment


class BaseStudio(Record, kw_only=True):
    """What every studio object holds; `host` is a user's id."""

    id: Id
    title: str
    host: Id
    description: str
    visibility: str
    public: bool
    open_to_all: bool
    comments_allowed: bool
    image: str
    history: StudioHistory


class StudioStats(Record, kw_only=True):
    """The counters of a studio: `comments` and `projects` are cut at 100, `followers` is exact."""

    comments: Number
    followers: Number
    managers: Number
    projects: Number


class Studio(BaseStudio, kw_only=True):
    """A studio in `/studios/<id>`."""

    stats: StudioStats


class ListedStudio(BaseStudio, kw_only=True):
    """A studio in a list, whose `stats` are empty."""

    stats: dict[str, Any]


class StudioProject(Record, kw_only=True):
    """An entry of a studio's list of projects; `actor_id` is who added it."""

    id: Id
    title: str
    image: str
    creator_id: Id
    username: str
    avatar: dict[str, str]
    actor_id: Id
    creator_membership_label: Number | UnsetType = UNSET
    creator_membership_avatar_badge: Number | UnsetType = UNSET


class CommentAuthor(Record, kw_only=True):
    """Who wrote a comment."""

    id: Id
    username: str
    scratchteam: bool
    image: str
    membership_label: Number | UnsetType = UNSET
    membership_avatar_badge: Number | UnsetType = UNSET


class Comment(Record, kw_only=True):
    """A comment or a reply on a project or in a studio.

    `content` is entity-encoded; `commentee_id` may be null on a reply; `reply_count` is above 0 whenever there
    are replies, but its exact value is not reliable.
    """

    essential: ClassVar[tuple[str, ...]] = ("id", "datetime_created")

    id: Id
    parent_id: Id | None
    commentee_id: Id | None = None
    content: str
    datetime_created: Moment
    datetime_modified: Moment
    visibility: str
    author: CommentAuthor
    reply_count: Number


class NamedUser(Record, kw_only=True):
    """The user inside `/users/all/<name>/`; the Scratch Team's names end in `*` there."""

    username: str
    pk: Id


class FeaturedProject(Record, kw_only=True):
    """The featured project as a profile shows it; its time has no zone (UTC)."""

    creator: str
    thumbnail_url: str
    id: Id
    datetime_modified: str
    title: str


class UserAll(Record, kw_only=True):
    """The featured project of a profile; `id` is the profile's number, the label's name in the reader's language."""

    essential: ClassVar[tuple[str, ...]] = ("user",)

    id: Id
    user: NamedUser
    thumbnail_url: str
    featured_project: Id | None
    featured_project_data: FeaturedProject | None
    featured_project_label_name: str
    featured_project_label_id: Id | None


class Count(Record, kw_only=True):
    """A single number."""

    essential: ClassVar[tuple[str, ...]] = ("count",)

    count: Number


class NameCheck(Record, kw_only=True):
    """Whether a name is taken: `username exists`, `valid username`, `invalid username` or `bad username`."""

    essential: ClassVar[tuple[str, ...]] = ("msg",)

    username: str
    msg: str


class ProfilePage(Record, kw_only=True):
    """What the site's own page of a user shows: that the account lives, and its group (Scratcher, ...)."""

    essential: ClassVar[tuple[str, ...]] = ()

    group: str | UnsetType = UNSET


class Activity(Record, kw_only=True):
    """One event in a studio. Its id is text, type-number; the other fields depend on the type."""

    essential: ClassVar[tuple[str, ...]] = ("id", "datetime_created")

    id: str
    datetime_created: Moment
    type: str
    actor_id: Id
    actor_username: str
    project_id: Id | None = None
    project_title: str | None = None
    username: str | None = None
    recipient_username: str | None = None
    former_host_username: str | UnsetType | None = UNSET
    admin_actor: bool | UnsetType = UNSET
    actor_membership_label: Number | UnsetType = UNSET
    recipient_membership_label: Number | UnsetType = UNSET


class RankedRemix(Record, kw_only=True):
    """Where a ranked project comes from: the root alone, if anything."""

    root: Id | UnsetType | None = UNSET


class RankedProject(BaseProject, kw_only=True):
    """A project in explore and search: its flags and its visibility are dummies."""

    author: Author
    remix: RankedRemix  # type: ignore[assignment]  # a narrower object than elsewhere
    position: Number = field(default=0, name=":position:")
    """The place in the ranking, from 0: whoever reads the pages fills it in."""


class RankedStudio(ListedStudio, kw_only=True):
    """A studio in explore and search: its visibility is a dummy."""

    position: Number = field(default=0, name=":position:")


class FrontPageItem(Record, kw_only=True):
    """One entry of the front page; `row` and `position` say where it stood."""

    essential: ClassVar[tuple[str, ...]] = ("id", "type")

    row: str
    position: Number
    type: str
    id: Id
    title: str
    thumbnail_url: str
    creator: str | UnsetType = UNSET
    love_count: Number | UnsetType = UNSET
    remixers_count: Number | UnsetType = UNSET
    curator_name: str | UnsetType = UNSET
    gallery_id: Id | UnsetType = UNSET
    gallery_title: str | UnsetType = UNSET


class NewsItem(Record, kw_only=True):
    """An announcement. Ids are used again for other items, and are beyond what 64-bit floats hold."""

    essential: ClassVar[tuple[str, ...]] = ("id", "headline")

    id: Id
    stamp: Moment
    headline: str
    url: str
    image: str
    copy: str


class Health(Record, kw_only=True):
    """What the API says of its own servers."""

    essential: ClassVar[tuple[str, ...]] = ("cache",)

    version: str
    uptime: float
    load: list[float]
    sql: dict[str, Any]
    cache: dict[str, Any]
    timestamp: Id


class Message(Record, kw_only=True):
    """A message to the own account, or what somebody it follows did; the other fields depend on the type."""

    essential: ClassVar[tuple[str, ...]] = ("id", "type")

    id: Id
    datetime_created: Moment
    type: str
    actor_id: Id
    actor_username: str


class Alert(Record, kw_only=True):
    """A message of the site's moderators to the own account."""

    id: Id


class AccountProject(Record, kw_only=True):
    """A project in a list made for the own account; everything else about it is kept as served."""

    id: Id
    title: str


class AccountState(Record, kw_only=True):
    """An object about the own account, kept as served."""

    essential: ClassVar[tuple[str, ...]] = ()
