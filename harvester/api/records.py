"""The things the API serves, as typed records.

A field is required unless the API is known to leave it out, so that a response of another shape fails to
decode instead of filling the warehouse with blanks. Fields without a place here are not lost: `decode`
collects them in `extra_fields`. Shapes: the API reference; what it leaves unsaid is cited where it matters.

A value may be null, which is stored as such, unless things are identified, placed or asked for by it: ids of the
things themselves, usernames, the key of a list. An optional field is UNSET where it was not served, never None.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Integer within the range of a bigint."""
Number = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""Integer within the range of an integer of 32 bits."""
LargeNumber = Id
"""A number that may pass 2^31, such as that of all projects."""


Moment = Annotated[datetime, Meta(tz=True)]
"""Time with its zone; a time without a zone is rejected."""
Name = str
"""A username: lists are asked for by it."""
Text = str | None
Flag = bool | None
Figure = Number | None
Date = Moment | None
Images = dict[str, Text] | None
"""Addresses of pictures by their size."""
Reference = Id | None
"""The id of another thing."""


class Record(Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records; `extra_fields` holds what was served and is not declared, by field name (see `decode`).

    What is made of JSON holds no cycles: the garbage collector need not look at it.
    """

    required: ClassVar[tuple[str, ...]] = ("id",)
    """Fields without which a record is of no use, whatever else it holds."""

    # Under this name no field of the API fills it.
    extra_fields: dict[str, Any] = field(default_factory=dict, name=":extra_fields:")


PLACEHOLDER_DATES = frozenset({datetime(1900, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)})
"""Placeholder dates of registration: of an author inside a project, and of an account erased under the GDPR."""
_ERASED_NAME = re.compile(r"gdpr\d+", re.ASCII | re.IGNORECASE)


class UserHistory(Record, kw_only=True):
    """When the account was registered."""

    joined: Date


class UserProfile(Record, kw_only=True):
    """A user's profile. `id` is the profile's own number, not the user's."""

    id: Reference
    images: Images
    status: Text
    bio: Text
    country: Text
    membership_label: Figure | UnsetType = UNSET
    membership_avatar_badge: Figure | UnsetType = UNSET


class User(Record, kw_only=True):
    """A user as `/users/<name>` and the lists of users serve it. The documented object has no `scratchteam`."""

    id: Id
    username: Name
    scratchteam: Flag | UnsetType = UNSET
    history: UserHistory
    profile: UserProfile

    @property
    def is_erased(self) -> bool:
        """Return whether the account was erased under the GDPR: it has a made-up name and date of registration then.

        The name alone proves nothing, for anybody may register one like it.
        """
        return self.history.joined in PLACEHOLDER_DATES and _ERASED_NAME.fullmatch(self.username) is not None


class AuthorProfile(Record, kw_only=True):
    """The profile inside a project's author: always without its id."""

    id: Reference
    images: Images
    membership_label: Figure | UnsetType = UNSET
    membership_avatar_badge: Figure | UnsetType = UNSET


class AnonymousAuthor(Record, kw_only=True):
    """The author inside the lists of one user: no name, and `joined` and `scratchteam` are placeholders."""

    id: Id
    scratchteam: Flag
    history: UserHistory
    profile: AuthorProfile


class Author(AnonymousAuthor, kw_only=True):
    """The author of a project where the name is served; `joined` and `scratchteam` are placeholders here too."""

    username: Name


class ProjectHistory(Record, kw_only=True):
    """The dates of a project; `shared` is null for one that was never shared."""

    created: Moment
    modified: Date
    shared: Date


class ProjectStats(Record, kw_only=True):
    """The counters of a project. `remixes` is true in `/projects/<id>` alone and 0 elsewhere."""

    views: Figure
    loves: Figure
    favorites: Figure
    remixes: Figure


class Remix(Record, kw_only=True):
    """Origin of a remix: its direct parent and the root of the tree."""

    parent: Reference
    root: Reference


class BaseProject(Record, kw_only=True):
    """Fields of every full project object."""

    id: Id
    title: Text
    description: Text
    instructions: Text
    visibility: Text
    public: Flag
    comments_allowed: Flag
    is_published: Flag
    image: Text
    images: Images
    history: ProjectHistory
    stats: ProjectStats
    remix: Remix


class Project(BaseProject, kw_only=True):
    """A project in `/projects/<id>` and in the list of remixes. The token is a secret of the moment."""

    author: Author
    project_token: Text | UnsetType = UNSET


class ListedProject(BaseProject, kw_only=True):
    """A project in a user's own lists (shared, favorites), where its author has no name."""

    author: AnonymousAuthor


class StudioHistory(Record, kw_only=True):
    """The dates of a studio."""

    created: Date
    modified: Date


class BaseStudio(Record, kw_only=True):
    """Fields of every studio object; `host` is a user's id."""

    id: Id
    title: Text
    host: Reference
    description: Text
    visibility: Text
    public: Flag
    open_to_all: Flag
    comments_allowed: Flag
    image: Text
    history: StudioHistory


class StudioStats(Record, kw_only=True):
    """The counters of a studio: `comments` and `projects` are cut at 100, `followers` is exact."""

    comments: Figure
    followers: Figure
    managers: Figure
    projects: Figure


class Studio(BaseStudio, kw_only=True):
    """A studio in `/studios/<id>`."""

    stats: StudioStats


class ListedStudio(BaseStudio, kw_only=True):
    """A studio in a list, whose `stats` are empty."""

    stats: dict[str, Any]


class StudioProject(Record, kw_only=True):
    """An entry of a studio's list of projects; `actor_id` is who added it."""

    id: Id
    title: Text
    image: Text
    creator_id: Id
    username: Name
    avatar: Images
    actor_id: Reference
    creator_membership_label: Figure | UnsetType = UNSET
    creator_membership_avatar_badge: Figure | UnsetType = UNSET


class CommentAuthor(Record, kw_only=True):
    """Author of a comment."""

    id: Id
    username: Name
    scratchteam: Flag
    image: Text
    membership_label: Figure | UnsetType = UNSET
    membership_avatar_badge: Figure | UnsetType = UNSET


class Comment(Record, kw_only=True):
    """A comment or a reply on a project or in a studio.

    `content` is entity-encoded; `commentee_id` may be null on a reply; `reply_count` is above 0 whenever there
    are replies, but its exact value is not reliable.
    """

    required: ClassVar[tuple[str, ...]] = ("id", "datetime_created")

    id: Id
    parent_id: Reference
    commentee_id: Reference | UnsetType = UNSET
    content: Text
    datetime_created: Moment
    datetime_modified: Date
    visibility: Text
    author: CommentAuthor
    reply_count: Figure


class NamedUser(Record, kw_only=True):
    """The user inside `/users/all/<name>/`; the Scratch Team's names end in `*` there."""

    username: Name
    pk: Id


class FeaturedProject(Record, kw_only=True):
    """The featured project as a profile shows it; its time has no zone (UTC)."""

    creator: Text
    thumbnail_url: Text
    id: Id
    datetime_modified: Text
    title: Text


class UserAll(Record, kw_only=True):
    """The featured project of a profile; `id` is the profile's number, the label's name in the reader's language."""

    required: ClassVar[tuple[str, ...]] = ("user",)

    id: Id
    user: NamedUser
    thumbnail_url: Text
    featured_project: Reference
    featured_project_data: FeaturedProject | None
    featured_project_label_name: Text
    featured_project_label_id: Reference


class Count(Record, kw_only=True):
    """A single number."""

    required: ClassVar[tuple[str, ...]] = ("count",)

    count: LargeNumber


class NameCheck(Record, kw_only=True):
    """State of a name: `username exists`, `valid username`, `invalid username` or `bad username`."""

    required: ClassVar[tuple[str, ...]] = ("msg",)

    username: Text
    msg: str


class ProfilePage(Record, kw_only=True):
    """Site's own page of a user: it shows that the account is there, and its group (Scratcher, ...)."""

    required: ClassVar[tuple[str, ...]] = ()

    group: str | UnsetType = UNSET


class UserActivity(Record, kw_only=True):
    """Signs of what a user did lately: of each kind a number that changes with the newest events, 0 without any."""

    required: ClassVar[tuple[str, ...]] = ()

    actor: str | None
    followed: int = 0
    favorited: int = 0
    shared: int = 0
    curated: int = 0


class Activity(Record, kw_only=True):
    """One event in a studio. Its id is text, type-number; the other fields depend on the type."""

    required: ClassVar[tuple[str, ...]] = ("id", "datetime_created")

    id: str
    datetime_created: Moment
    type: Text
    actor_id: Reference
    actor_username: Text
    project_id: Reference | UnsetType = UNSET
    project_title: Text | UnsetType = UNSET
    username: Text | UnsetType = UNSET
    recipient_username: Text | UnsetType = UNSET
    former_host_username: Text | UnsetType = UNSET
    admin_actor: Flag | UnsetType = UNSET
    actor_membership_label: Figure | UnsetType = UNSET
    recipient_membership_label: Figure | UnsetType = UNSET


class RankedRemix(Record, kw_only=True):
    """Origin of a ranked project: the root alone, if any."""

    root: Reference | UnsetType = UNSET


class RankedProject(BaseProject, kw_only=True):
    """A project in explore and search: its flags and its visibility are placeholders."""

    author: Author
    remix: RankedRemix  # type: ignore[assignment]  # a narrower object than elsewhere
    position: Number = field(default=0, name=":position:")
    """Place in the ranking, from 0; the reader of the pages fills it in."""


class RankedStudio(ListedStudio, kw_only=True):
    """A studio in explore and search: its visibility is a dummy."""

    position: Number = field(default=0, name=":position:")


class FrontPageItem(Record, kw_only=True):
    """One entry of the front page; `row` and `position` say where it stood."""

    required: ClassVar[tuple[str, ...]] = ("id", "type")

    row: str
    position: Number
    type: str
    id: Id
    title: Text
    thumbnail_url: Text
    creator: Text | UnsetType = UNSET
    love_count: Figure | UnsetType = UNSET
    remixers_count: Figure | UnsetType = UNSET
    curator_name: Text | UnsetType = UNSET
    gallery_id: Reference | UnsetType = UNSET
    gallery_title: Text | UnsetType = UNSET


class NewsItem(Record, kw_only=True):
    """An announcement. Ids are used again for other items, and are beyond what 64-bit floats hold."""

    required: ClassVar[tuple[str, ...]] = ("id", "headline")

    id: Id
    stamp: Date
    headline: str
    url: Text
    image: Text
    copy: Text


class Health(Record, kw_only=True):
    """State of the API's own servers."""

    required: ClassVar[tuple[str, ...]] = ("cache",)

    version: Text
    uptime: float | None
    load: list[float | None]
    sql: dict[str, Any]
    cache: dict[str, Any]
    timestamp: Reference


class Message(Record, kw_only=True):
    """A message to the own account, or what somebody it follows did; the other fields depend on the type."""

    required: ClassVar[tuple[str, ...]] = ("id", "type")

    id: Id
    datetime_created: Moment
    type: str
    actor_id: Reference
    actor_username: Text


class Alert(Record, kw_only=True):
    """A message of the site's moderators to the own account."""

    id: Id


class AccountProject(Record, kw_only=True):
    """A project in a list made for the own account; everything else about it is kept as served."""

    id: Id
    title: Text


class AccountState(Record, kw_only=True):
    """An object about the own account, kept as served."""

    required: ClassVar[tuple[str, ...]] = ()
