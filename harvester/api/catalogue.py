"""Every endpoint that is harvested, one entry each: the only place to add one.

An entry states how a list pages and in which order, what a response decodes to, which columns it may write
(its authority) and what it makes due next. Columns that a response is known to fill with dummies are absent
from its `writes`, so a list can never overwrite what a better response said.
Facts without a source of their own: the API reference; `docs/endpoints.md` cites the others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from harvester.api import records as r

PAGE_LIMIT = 40
"""Items per page, the most the API grants: above it every list answers 400."""


class Paging(Enum):
    """How an endpoint is read."""

    SINGLE = "one object"
    OFFSET = "limit and offset"


class Order(Enum):
    """Where a list grows, as declared; every page is checked against it."""

    NEWEST_FIRST = "newest first"
    OLDEST_FIRST = "oldest first"
    UNKNOWN = "unknown"


class Kind(Enum):
    """What a walk visits."""

    USER = "user"
    PROJECT = "project"
    STUDIO = "studio"
    PROJECT_THREAD = "project thread"
    STUDIO_THREAD = "studio thread"


@dataclass(frozen=True, slots=True)
class Lead:
    """Something met in a response: the column `met` of the rows of `table` names a thing of `kind`.

    `owner` is the column that holds the visited entity, so that the same fact can be read back from the
    warehouse. `hop` is what the step costs of a seed's depth: 0 for what the entity owns. With `signal`, the
    thing is due when that column of the row is above 0 and differs from what it was when last visited.
    """

    table: str
    owner: str
    met: str
    kind: Kind
    hop: int = 1
    signal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """One endpoint. `path` takes `username` and `id` (of the entity) and `owner` (of a thread's page)."""

    name: str
    spider: str
    kind: Kind
    path: str
    record: type[r.Record]
    writes: dict[str, tuple[str, ...]]
    paging: Paging = Paging.OFFSET
    order: Order = Order.UNKNOWN
    key: Callable[[Any], int] | None = None
    """The sort key of an item, a whole number; None where the list shows none."""
    key_name: str = "-"
    empties: int = 1
    """Pages in a row that must bring nothing before the list has ended; 0 where a short page is its end."""
    moves: bool = False
    """Whether an item can move to the head while the list is read."""
    margin: int = 0
    """How far below the certified high-water key a later walk goes on, in units of the key (late entrants)."""
    leads: tuple[Lead, ...] = ()
    opens: tuple[str, ...] = ()
    """Streams of the same entity that become due once this object was seen."""
    dummies: tuple[str, ...] = field(default=())
    """Paths of served fields that hold dummies here or are never stored, with `[]` for a list's items."""

    @property
    def is_thread(self) -> bool:
        """Whether this stream reads the replies of one comment."""
        return self.kind in (Kind.PROJECT_THREAD, Kind.STUDIO_THREAD)


def _seconds(when: Any) -> int:
    return int(when.timestamp())


def _created(comment: r.Comment) -> int:
    return _seconds(comment.datetime_created)


def _shared(project: r.ListedProject) -> int:
    shared = project.history.shared
    return _seconds(shared if shared is not None else project.history.created)


def _id(item: Any) -> int:
    return int(item.id)


USER = ("id", "username", "joined_at", "scratch_team", "country", "status", "bio", "profile_id", "extra")
NAMED_AUTHOR = ("id", "username", "extra")
ANONYMOUS_AUTHOR = ("id", "extra")
COMMENT_AUTHOR = ("id", "username", "scratch_team", "extra")
LISTED_PROJECT = (
    "id", "author_id", "title", "description", "instructions", "visibility", "public", "comments_allowed",
    "is_published", "created_at", "modified_at", "shared_at", "views", "loves", "favorites", "parent_id",
    "root_id", "extra",
)  # fmt: skip
PROJECT = (*LISTED_PROJECT, "remixes")
LISTED_STUDIO = (
    "id", "host_id", "title", "description", "visibility", "public", "open_to_all", "comments_allowed",
    "created_at", "modified_at", "extra",
)  # fmt: skip
STUDIO = (*LISTED_STUDIO, "comment_count", "follower_count", "manager_count", "project_count")
_COMMENT = (
    "id", "parent_id", "author_id", "commentee_id", "content", "content_served", "created_at", "modified_at",
    "visibility", "reply_count", "extra",
)  # fmt: skip
PROJECT_COMMENT = (*_COMMENT, "project_id")
STUDIO_COMMENT = (*_COMMENT, "studio_id")

_AUTHOR_DUMMIES = ("author.scratchteam", "author.history.joined", "author.profile.id")
_LIST_DUMMIES = tuple(f"[].{path}" for path in (*_AUTHOR_DUMMIES, "stats.remixes"))

_STREAMS = (
    Stream(
        name="user",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}",
        paging=Paging.SINGLE,
        record=r.User,
        writes={"users": USER},
        opens=("user_projects", "user_favorites", "user_followers", "user_following", "user_studios"),
    ),
    Stream(
        name="user_projects",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/projects",
        order=Order.NEWEST_FIRST,
        key=_shared,
        key_name="history.shared",
        empties=2,  # 3, 0 and 3 items were served at 0, 40 and 80: filtered after limit and offset, once at least
        moves=True,
        record=r.ListedProject,
        writes={"users": ANONYMOUS_AUTHOR, "projects": LISTED_PROJECT},
        leads=(Lead("projects", "author_id", "id", Kind.PROJECT, hop=0),),
        dummies=_LIST_DUMMIES,
    ),
    Stream(
        name="user_favorites",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/favorites",
        order=Order.NEWEST_FIRST,
        empties=2,  # unshared projects take places
        record=r.ListedProject,
        writes={
            "users": ANONYMOUS_AUTHOR,
            "projects": LISTED_PROJECT,
            "favorites": ("user_id", "project_id"),
        },
        leads=(Lead("favorites", "user_id", "project_id", Kind.PROJECT),),
        dummies=_LIST_DUMMIES,
    ),
    Stream(
        name="user_followers",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/followers",
        order=Order.NEWEST_FIRST,
        record=r.User,
        writes={"users": USER, "follows": ("follower_id", "followee_id")},
        leads=(Lead("follows", "followee_id", "follower_id", Kind.USER),),
    ),
    Stream(
        name="user_following",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/following",
        order=Order.NEWEST_FIRST,
        record=r.User,
        writes={"users": USER, "follows": ("follower_id", "followee_id")},
        leads=(Lead("follows", "follower_id", "followee_id", Kind.USER),),
    ),
    Stream(
        name="user_studios",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/studios/curate",
        order=Order.OLDEST_FIRST,
        empties=2,  # filtered after limit and offset: 35, 37, 35, 10 items were served at 0, 20, 40, 75
        record=r.ListedStudio,
        writes={"studios": LISTED_STUDIO, "studio_members": ("studio_id", "user_id")},
        leads=(Lead("studio_members", "user_id", "studio_id", Kind.STUDIO),),
    ),
    Stream(
        name="project",
        spider="projects",
        kind=Kind.PROJECT,
        path="/projects/{id}",
        paging=Paging.SINGLE,
        record=r.Project,
        writes={"users": NAMED_AUTHOR, "projects": PROJECT},
        opens=("project_comments", "project_remixes", "project_studios"),
        leads=(Lead("projects", "id", "author_id", Kind.USER),),
        dummies=(*_AUTHOR_DUMMIES, "project_token"),
    ),
    Stream(
        name="project_remixes",
        spider="projects",
        kind=Kind.PROJECT,
        path="/projects/{id}/remixes",
        order=Order.OLDEST_FIRST,
        key=_id,
        key_name="id",
        record=r.Project,
        writes={"users": NAMED_AUTHOR, "projects": LISTED_PROJECT},
        leads=(Lead("projects", "parent_id", "id", Kind.PROJECT),),
        dummies=_LIST_DUMMIES,
    ),
    Stream(
        name="project_studios",
        spider="projects",
        kind=Kind.PROJECT,
        path="/users/{username}/projects/{id}/studios",
        empties=2,  # deleted studios take places
        record=r.ListedStudio,
        writes={"studios": LISTED_STUDIO, "studio_projects": ("studio_id", "project_id")},
        leads=(Lead("studio_projects", "project_id", "studio_id", Kind.STUDIO),),
    ),
    Stream(
        name="studio",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}",
        paging=Paging.SINGLE,
        record=r.Studio,
        writes={"studios": STUDIO},
        opens=("studio_projects", "studio_managers", "studio_curators", "studio_comments"),
    ),
    Stream(
        name="studio_projects",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}/projects",
        order=Order.NEWEST_FIRST,
        record=r.StudioProject,
        writes={
            "users": NAMED_AUTHOR,
            "projects": ("id", "author_id", "title", "extra"),
            "studio_projects": ("studio_id", "project_id", "added_by_id"),
        },
        leads=(Lead("studio_projects", "studio_id", "project_id", Kind.PROJECT),),
    ),
    Stream(
        name="studio_managers",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}/managers",
        order=Order.UNKNOWN,  # the host comes first, whenever he joined
        record=r.User,
        writes={"users": USER, "studio_members": ("studio_id", "user_id", "role")},
        leads=(Lead("studio_members", "studio_id", "user_id", Kind.USER),),
    ),
    Stream(
        name="studio_curators",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}/curators",
        order=Order.NEWEST_FIRST,
        record=r.User,
        writes={"users": USER, "studio_members": ("studio_id", "user_id", "role")},
        leads=(Lead("studio_members", "studio_id", "user_id", Kind.USER),),
    ),
    Stream(
        name="project_comments",
        spider="comments",
        kind=Kind.PROJECT,
        path="/users/{username}/projects/{id}/comments",
        order=Order.NEWEST_FIRST,
        key=_created,
        key_name="datetime_created",
        empties=0,  # filtered before the limit: no page but the last was short in 18 recorded crawls
        margin=60,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "project_comments": PROJECT_COMMENT},
        leads=(
            Lead("project_comments", "project_id", "author_id", Kind.USER),
            Lead("project_comments", "project_id", "id", Kind.PROJECT_THREAD, hop=0, signal="reply_count"),
        ),
    ),
    Stream(
        name="studio_comments",
        spider="comments",
        kind=Kind.STUDIO,
        path="/studios/{id}/comments",
        order=Order.NEWEST_FIRST,
        key=_created,
        key_name="datetime_created",
        empties=0,
        margin=60,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "studio_comments": STUDIO_COMMENT},
        leads=(
            Lead("studio_comments", "studio_id", "author_id", Kind.USER),
            Lead("studio_comments", "studio_id", "id", Kind.STUDIO_THREAD, hop=0, signal="reply_count"),
        ),
    ),
    Stream(
        name="project_replies",
        spider="replies",
        kind=Kind.PROJECT_THREAD,
        path="/users/{username}/projects/{owner}/comments/{id}/replies",
        order=Order.OLDEST_FIRST,
        key=_created,
        key_name="datetime_created",
        empties=0,  # at most 25 replies a thread, so that one page holds all; older threads may hold more
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "project_comments": PROJECT_COMMENT},
        leads=(Lead("project_comments", "parent_id", "author_id", Kind.USER),),
    ),
    Stream(
        name="studio_replies",
        spider="replies",
        kind=Kind.STUDIO_THREAD,
        path="/studios/{owner}/comments/{id}/replies",
        order=Order.OLDEST_FIRST,
        key=_created,
        key_name="datetime_created",
        empties=0,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "studio_comments": STUDIO_COMMENT},
        leads=(Lead("studio_comments", "parent_id", "author_id", Kind.USER),),
    ),
)

STREAMS: dict[str, Stream] = {stream.name: stream for stream in _STREAMS}
"""The catalogue, by stream name."""

DETAIL: dict[Kind, str] = {
    Kind.USER: "user",
    Kind.PROJECT: "project",
    Kind.STUDIO: "studio",
    Kind.PROJECT_THREAD: "project_replies",
    Kind.STUDIO_THREAD: "studio_replies",
}
"""The stream a thing of each kind is first visited by."""

OWNER_COLUMN: dict[Kind, str] = {Kind.PROJECT_THREAD: "project_id", Kind.STUDIO_THREAD: "studio_id"}
"""Where a thread's row names the page it stands on."""


def streams_of(spider: str) -> tuple[Stream, ...]:
    """The streams a spider owns, in the order of the catalogue."""
    return tuple(stream for stream in _STREAMS if stream.spider == spider)
