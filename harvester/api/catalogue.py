"""All harvested endpoints, one entry each.

An entry states the paging and the order of a list, the record of a response, the columns that it may write (its
authority) and the entries that it makes due. Columns that a response is known to fill with placeholders are absent from
its `writes`, so that a list cannot overwrite the values of a better response; a `weak` stream fills only columns that
no better one has served. Facts are from the API reference unless `docs/endpoints.md` cites another source.

The `rate` of a stream, which is used until one is fitted: new items of June 2024 over the entities at that time
(site statistics: 1,348,806 users, 2,695,549 projects and 11,046,149 comments in the month; 135 M users, 164 M shared
projects and 35 M studios; comments 40.3% on projects, 33.4% on profiles, 26.2% in studios); favorites and remixes as
those totals times 0.54 and 0.049 per project (Aivaloglou et al. 2017). Others are guesses of the same order.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from harvester.api import profile_html
from harvester.api import records as r
from harvester.api.gone_reason import GoneReason
from harvester.api.stream import (
    DAY,
    Announcement,
    Format,
    Holding,
    Host,
    Kind,
    Lead,
    Order,
    Paging,
    Stream,
    UnreadEndpoint,
    identity,
)

if TYPE_CHECKING:
    from harvester.config import Settings

PAGE_LIMIT = 40
"""Items per page, the limit of the API: above it each list answers 400."""
RANKING_DEPTH = 10_000
"""The first offset at which all rankings answer an empty list."""
PROFILE_PAGES = 67
"""The last page of comments on a profile: the next one is a 404."""
ONCE = 3650 * DAY
"""`revisit` of entries that are visited on demand only."""


def _seconds(when: Any) -> int:
    return int(when.timestamp())


def _created(comment: r.Comment) -> int:
    return _seconds(comment.datetime_created)


def _shared(project: r.ListedProject) -> int:
    shared = project.history.shared
    return _seconds(shared if shared is not None else project.history.created)


def _id(item: Any) -> int:
    return int(item.id)


def _name(text: str) -> int:
    """Return a number for a text, for paginators, which identify items by numbers."""
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest())


def _front_page(served: Any) -> list[dict[str, Any]]:
    """Return the entries of all rows of the front page, each with its row and its position in it."""
    return list(_front_page_items(served)) if isinstance(served, dict) else served


def _front_page_items(served: dict[str, Any]) -> Iterator[Any]:
    for row, items in served.items():
        for position, item in enumerate(items if isinstance(items, list) else [items]):
            yield {"row": row, "position": position} | item if isinstance(item, dict) else item


USER = (
    "id", "username", "joined_at", "scratch_team", "country", "status", "bio", "profile_id", "gone_reason", "extra",
)  # fmt: skip
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
    "id", "parent_id", "author_id", "commentee_id", "content", "content_raw", "created_at", "modified_at",
    "visibility", "reply_count", "extra",
)  # fmt: skip
PROJECT_COMMENT = (*_COMMENT, "project_id")
STUDIO_COMMENT = (*_COMMENT, "studio_id")
PROFILE_COMMENT = (
    "id", "user_id", "parent_id", "author_id", "content", "created_at", "visibility", "reply_count", "gone_reason",
    "extra",
)  # fmt: skip
RANKED_PROJECT = (
    "id", "author_id", "title", "description", "instructions", "created_at", "modified_at", "shared_at", "views",
    "loves", "favorites", "root_id", "extra",
)  # fmt: skip
RANKED_STUDIO = (
    "id", "host_id", "title", "description", "open_to_all", "created_at", "modified_at", "extra",
)  # fmt: skip
RANKING = ("ranking", "seen_at", "position", "kind", "thing_id")
INDEXED_STUDIO = ("created_at", "modified_at", "extra")
INDEXED_PROJECT = ("views", "loves", "favorites", "shared_at", *INDEXED_STUDIO)
_INDEX = (
    "Answers from an index of its own, whose counters can be months behind the page and which may not know a project"
    " for days (community documentation)."
)

_AUTHOR_PLACEHOLDERS = ("author.scratchteam", "author.history.joined", "author.profile.id")
_RANKED_PLACEHOLDERS = tuple(
    f"[].{path}"
    for path in (*_AUTHOR_PLACEHOLDERS, "stats.remixes", "visibility", "public", "comments_allowed", "is_published")
)
_LIST_PLACEHOLDERS = tuple(f"[].{path}" for path in (*_AUTHOR_PLACEHOLDERS, "stats.remixes"))

_ADDED, _REMOVED = "addprojecttostudio", "removeprojectstudio"
_CURATOR, _EXPELLED, _MANAGER, _HOST = "becomecurator", "removecuratorstudio", "becomeownerstudio", "becomehoststudio"
_FOUND = (
    Lead("projects", "", "id", Kind.PROJECT, depth_cost=0),
    Lead("studios", "", "id", Kind.STUDIO, depth_cost=0),
)


def _ranking(name: str, way: str, things: str) -> Stream:
    """Declare one of the four rankings, which differ in their entities only."""
    projects = things == "projects"
    made: dict[str, tuple[str, ...]] = (
        {"users": NAMED_AUTHOR, "projects": RANKED_PROJECT} if projects else {"studios": RANKED_STUDIO}
    )
    lies = ("[].visibility", "[].public", "[].comments_allowed")
    return Stream(
        name=name,
        documented=f"/{way}/{things}?q=<query>&mode=<mode>&language=<language_code>",
        spider="discovery",
        kind=Kind.QUERY,
        path=f"/{way}/{things}",
        paging=Paging.RANKING,
        max_offset=RANKING_DEPTH,
        record=r.RankedProject if projects else r.RankedStudio,
        writes=made | {"rankings": (*RANKING, *(INDEXED_PROJECT if projects else INDEXED_STUDIO))},
        weak=tuple(made),
        revisit=DAY,
        links=_FOUND[:1] if projects else _FOUND[1:],
        placeholder_fields=_RANKED_PLACEHOLDERS if projects else lies,
        notes=(
            (
                "Every offset from 10,000 on answers an empty list: that is not the ranking's end (scratch-rest-api "
                "issue 13)."
            ),
            "`visibility`, `public`, `comments_allowed` and `is_published` are placeholders (reference).",
            _INDEX,
            "An empty answer is no news: explore was broken for long stretches (scratchattach).",
        ),
    )


def _documented(path: str) -> str:
    thing = "<studio_id>" if path.startswith("/studios") else "<project_id>"
    return path.replace("{username}", "<username>").replace("{id}", thing)


def _own_list(name: str, path: str, table: str, record: type[r.Record]) -> Stream:
    """Declare a list of the own account, which is read from its head until a page brings nothing new."""
    listed = ("account_id", "list", "id", "title", "seen_at", "extra")
    messages = ("account_id", "type", "id", "created_at", "actor_id", "actor_username", "extra")
    columns = {r.Message: messages, r.Alert: ("account_id", "id", "extra"), r.AccountProject: listed}
    is_dated = record is r.Message
    return Stream(
        name=name,
        documented=_documented(path) + ("?filter=<filter>" if name == "account_messages" else ""),
        spider="account",
        kind=Kind.ACCOUNT,
        setting="session",
        path=path,
        order=Order.NEWEST_FIRST if is_dated else Order.UNKNOWN,
        identity=(lambda event: _name(f"{event.type} {event.id}")) if is_dated else identity,
        key=_created if is_dated else None,
        key_name="datetime_created" if is_dated else "-",
        lookback=60,
        record=record,
        writes={f"account.{table}": columns[record]},
        revisit=DAY,
        notes=(
            (
                "Only with the operator's own session (HARVESTER_SESSION); `limit` may be ignored (scratch-rest-api "
                "issue 7)."
            ),
        ),
    )


def _own_state(name: str, path: str) -> Stream:
    """Declare an object about the own account."""
    return Stream(
        name=name,
        documented=_documented(path),
        spider="account",
        kind=Kind.ACCOUNT,
        setting="session",
        path=path,
        paging=Paging.SINGLE,
        record=r.AccountState,
        writes={"account.states": ("account_id", "stream", "thing_id", "seen_at", "extra")},
        revisit=DAY,
        notes=("Only with the operator's own session (HARVESTER_SESSION).",),
    )


_STREAMS = (
    Stream(
        name="user",
        documented="/users/<username>",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}",
        paging=Paging.SINGLE,
        record=r.User,
        writes={"users": USER},
        answers_for=_id,
        names=lambda user: user.username,
        enqueues=(
            "user_projects",
            "user_favorites",
            "user_followers",
            "user_following",
            "user_studios",
            "profile_comments",
            "user_featured",
            "user_messages",
            "user_page",
            "user_activity",
        ),
        gone=GoneReason.NOT_FOUND,
        notes=(
            (
                "A deleted or banned user still answers 200 here and stays in lists (scratchattach, ScratchAddons "
                "issue 8931)."
            ),
        ),
        item_weight=0.1,
        rate=0.0005,
    ),
    Stream(
        name="user_projects",
        documented="/users/<username>/projects",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/projects",
        order=Order.NEWEST_FIRST,
        key=_shared,
        key_name="history.shared",
        # 3, 0 and 3 items were served at 0, 40 and 80: filtered after limit and offset, once at least
        stop_after_empty_pages=2,
        reorders=True,
        record=r.ListedProject,
        writes={"users": ANONYMOUS_AUTHOR, "projects": LISTED_PROJECT},
        answers_for=lambda project: project.author.id,
        links=(Lead("projects", "author_id", "id", Kind.PROJECT, depth_cost=0),),
        placeholder_fields=_LIST_PLACEHOLDERS,
        notes=(
            (
                "Oldest first until 2018, newest shared first since; the order is checked on each page "
                "(scratch-rest-api issues 21, 24; recording of 2024)."
            ),
        ),
        item_weight=2.0,
        rate=0.00067,
        members=Holding("projects", "author_id", "id", verify_with="project", verify_only=True, dated="shared_at"),
    ),
    Stream(
        name="user_favorites",
        documented="/users/<username>/favorites",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/favorites",
        order=Order.NEWEST_FIRST,
        stop_after_empty_pages=2,  # unshared projects take places
        record=r.ListedProject,
        writes={
            "users": ANONYMOUS_AUTHOR,
            "projects": LISTED_PROJECT,
            "favorites": ("user_id", "project_id"),
        },
        links=(Lead("favorites", "user_id", "project_id", Kind.PROJECT),),
        placeholder_fields=_LIST_PLACEHOLDERS,
        notes=("The author is known by id alone (reference).",),
        item_weight=0.1,
        rate=0.00036,
        members=Holding("favorites", "user_id", "project_id"),
    ),
    Stream(
        name="user_followers",
        documented="/users/<username>/followers",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/followers",
        order=Order.NEWEST_FIRST,
        record=r.User,
        writes={"users": USER, "follows": ("follower_id", "followee_id")},
        links=(Lead("follows", "followee_id", "follower_id", Kind.USER),),
        item_weight=0.1,
        rate=0.001,
        members=Holding("follows", "followee_id", "follower_id"),
    ),
    Stream(
        name="user_following",
        documented="/users/<username>/following",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/following",
        order=Order.NEWEST_FIRST,
        record=r.User,
        writes={"users": USER, "follows": ("follower_id", "followee_id")},
        links=(Lead("follows", "follower_id", "followee_id", Kind.USER),),
        item_weight=0.1,
        rate=0.001,
        members=Holding("follows", "follower_id", "followee_id"),
    ),
    Stream(
        name="user_studios",
        documented="/users/<username>/studios/curate",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/studios/curate",
        order=Order.OLDEST_FIRST,
        stop_after_empty_pages=2,  # filtered after limit and offset: 35, 37, 35, 10 items were served at 0, 20, 40, 75
        record=r.ListedStudio,
        writes={"studios": LISTED_STUDIO, "studio_members": ("studio_id", "user_id")},
        links=(Lead("studio_members", "user_id", "studio_id", Kind.STUDIO),),
        empty_is_404=True,
        notes=(
            (
                "Filtered after limit and offset (scratch-rest-api issue 17); none at all is a 404 in places "
                "(scratch-www)."
            ),
        ),
        item_weight=0.2,
        rate=0.0002,
        members=Holding("studio_members", "user_id", "studio_id"),
    ),
    Stream(
        name="user_featured",
        documented="/users/all/<username>/",
        spider="users",
        kind=Kind.USER,
        host=Host.SITE,
        path="/site-api/users/all/{username}/",
        paging=Paging.SINGLE,
        record=r.UserAll,
        writes={"users": ("id", "username", "profile_id", "featured_project_id", "featured_label", "extra")},
        answers_for=lambda page: page.user.pk,
        names=lambda page: page.user.username.removesuffix("*"),
        revisit=30 * DAY,
        notes=("The label's name is in the language of the request; `id` is the profile's (reference).",),
    ),
    Stream(
        name="user_messages",
        documented="/users/<username>/messages/count",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/messages/count",
        paging=Paging.SINGLE,
        record=r.Count,
        writes={"message_counts": ("user_id", "seen_at", "count")},
        revisit=30 * DAY,
        notes=("Cached at the source (scratchattach).",),
    ),
    Stream(
        name="user_page",
        spider="users",
        kind=Kind.USER,
        host=Host.SITE,
        format=Format.PROFILE_PAGE,
        path="/users/{username}/",
        paging=Paging.SINGLE,
        record=r.ProfilePage,
        writes={"users": ("id", "extra")},
        revisit=90 * DAY,
        gone=GoneReason.DELETED_OR_BANNED,
        confirms=("users",),
        notes=("The one answer that tells a live account from a deleted or banned one (scratchattach).",),
    ),
    Stream(
        name="user_activity",
        spider="users",
        kind=Kind.USER,
        host=Host.SITE,
        format=Format.USER_ACTIVITY,
        path="/messages/ajax/user-activity/?user={username}&max=50",
        paging=Paging.SINGLE,
        record=r.UserActivity,
        writes={"users": ("id",)},
        names=lambda activity: activity.actor,
        revisit=30 * DAY,
        setting="user_activity",
        announces=(
            Announcement(("user_following",), "", counter="followed"),
            Announcement(("user_favorites",), "", counter="favorited"),
            Announcement(("user_projects",), "", counter="shared"),
            Announcement(("user_studios",), "", counter="curated"),
        ),
        confirms=(),
        notes=(
            "Only with HARVESTER_USER_ACTIVITY=1. Nothing of it is stored but that something of a kind is new.",
            "Events of the last year, newest first, as the profile shows them (scratchattach, itchy, other clients).",
            "Times are relative and rounded; names are in the language of the request (scratchattach, itchy).",
            "A new studio shows for its host nowhere; what was undone is not shown.",
        ),
        item_weight=0.01,
        rate=0.0005,
    ),
    Stream(
        name="username_check",
        documented="/accounts/checkusername/<username>",
        spider="users",
        kind=Kind.USER,
        path="/accounts/checkusername/{username}",
        paging=Paging.SINGLE,
        record=r.NameCheck,
        writes={"users": ("id", "gone_reason", "extra")},
        revisit=ONCE,
        confirms=(),
        says_free=lambda check: check.msg == "valid username",
        placeholder_fields=("username",),
        notes=(
            "Asked only about a user that is not found, before that counts.",
            "The name of a deleted account stays taken: one whose name is free has another name now.",
        ),
    ),
    Stream(
        name="project",
        documented="/projects/<project_id>",
        spider="projects",
        kind=Kind.PROJECT,
        path="/projects/{id}",
        paging=Paging.SINGLE,
        record=r.Project,
        writes={"users": NAMED_AUTHOR, "projects": PROJECT},
        answers_for=_id,
        owner_name=lambda project: project.author.username,
        enqueues=("project_comments", "project_remixes", "project_studios"),
        gone=GoneReason.UNSHARED_OR_DELETED,
        notes=(
            "`stats.remixes` is true here alone (reference).",
            "`project_token` is a secret of the moment: never stored (reference).",
            "Cached for 240 s at the source (TurboWarp trampoline).",
        ),
        links=(Lead("projects", "id", "author_id", Kind.USER),),
        announces=(Announcement(("project_remixes",), "projects", counter="remixes"),),
        placeholder_fields=(*_AUTHOR_PLACEHOLDERS, "project_token"),
        item_weight=0.1,
        rate=0.01,
    ),
    Stream(
        name="project_source",
        spider="sources",
        kind=Kind.PROJECT,
        host=Host.PROJECTS,
        format=Format.SOURCE,
        path="/{id}",
        paging=Paging.SINGLE,
        record=r.Record,
        writes={
            "source.projects": ("project_id", "outcome", "reason", "seen_at"),
            "source.bodies": ("sha256", "size", "packed"),
            "source.versions": (
                "project_id",
                "sha256",
                "body_sha256",
                "format",
                "blocks",
                "editor",
                "first_seen_at",
                "last_seen_at",
            ),
        },
        follows="project",
        setting="sources",
        confirms=(),
        notes=(
            "Only with HARVESTER_SOURCES=1.",
            (
                "Asked for with the `project_token` of the response to `/projects/<id>`, which names its expiry, about"
                " five minutes ahead; a cached response may hold one that has expired (issue threads of 2022 and 2023)."
            ),
            "403 without a token: it is what keeps the sources of projects private that are not shared.",
            "Scratch 3 and 2 as JSON, Scratch 1 as binary; some are damaged (community documentation).",
        ),
        item_weight=0.1,
        rate=0.01,
    ),
    Stream(
        name="project_remixes",
        documented="/projects/<project_id>/remixes",
        spider="projects",
        kind=Kind.PROJECT,
        path="/projects/{id}/remixes",
        order=Order.OLDEST_FIRST,
        key=_id,
        key_name="id",
        record=r.Project,
        writes={"users": NAMED_AUTHOR, "projects": LISTED_PROJECT},
        links=(Lead("projects", "parent_id", "id", Kind.PROJECT),),
        placeholder_fields=_LIST_PLACEHOLDERS,
        empty_is_404=True,
        notes=("None at all is a 404 in places (scratch-www).",),
        item_weight=2.0,
        rate=2.7e-05,
        members=Holding("projects", "parent_id", "id", verify_with="project", verify_only=True, confirms=False),
    ),
    Stream(
        name="project_studios",
        documented="/users/<username>/projects/<project_id>/studios",
        spider="projects",
        kind=Kind.PROJECT,
        path="/users/{username}/projects/{id}/studios",
        stop_after_empty_pages=2,  # deleted studios take places
        record=r.ListedStudio,
        writes={"studios": LISTED_STUDIO, "studio_projects": ("studio_id", "project_id")},
        links=(Lead("studio_projects", "project_id", "studio_id", Kind.STUDIO),),
        empty_is_404=True,
        notes=("None at all is a 404 in places (scratch-www).",),
        item_weight=0.1,
        rate=0.0002,
        members=Holding("studio_projects", "project_id", "studio_id"),
    ),
    Stream(
        name="studio",
        documented="/studios/<studio_id>",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}",
        paging=Paging.SINGLE,
        record=r.Studio,
        writes={"studios": STUDIO},
        answers_for=_id,
        enqueues=("studio_projects", "studio_managers", "studio_curators", "studio_comments", "studio_activity"),
        # Not complete: additions and removals cancel out, and replies do not count.
        announces=(
            Announcement(("studio_projects",), "studios", counter="project_count", below=100, is_complete=False),
            Announcement(("studio_comments",), "studios", counter="comment_count", below=100, is_complete=False),
            Announcement(("studio_managers",), "studios", counter="manager_count", is_complete=False),
        ),
        gone=GoneReason.CLOSED_OR_DELETED,
        notes=(
            "`stats.comments` and `stats.projects` stop at 100; unshared projects may count (scratch-www issue 5699).",
        ),
        item_weight=0.1,
        rate=0.002,
    ),
    Stream(
        name="studio_projects",
        documented="/studios/<studio_id>/projects",
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
        links=(Lead("studio_projects", "studio_id", "project_id", Kind.PROJECT),),
        notes=("`actor_id` is who added the project (reference).",),
        item_weight=0.2,
        rate=0.002,
        members=Holding("studio_projects", "studio_id", "project_id"),
    ),
    Stream(
        name="studio_managers",
        documented="/studios/<studio_id>/managers",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}/managers",
        order=Order.UNKNOWN,  # the host comes first, whenever he joined
        record=r.User,
        writes={"users": USER, "studio_members": ("studio_id", "user_id", "role")},
        links=(Lead("studio_members", "studio_id", "user_id", Kind.USER),),
        notes=("The host comes first; at most 40 (scratch-www).",),
        item_weight=0.2,
        rate=0.0002,
        members=Holding("studio_members", "studio_id", "user_id", only="t.role IN ('host', 'manager')"),
    ),
    Stream(
        name="studio_curators",
        documented="/studios/<studio_id>/curators",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}/curators",
        order=Order.NEWEST_FIRST,
        record=r.User,
        writes={"users": USER, "studio_members": ("studio_id", "user_id", "role")},
        links=(Lead("studio_members", "studio_id", "user_id", Kind.USER),),
        item_weight=0.2,
        rate=0.001,
        members=Holding("studio_members", "studio_id", "user_id", only="t.role = 'curator'", sibling="studio_managers"),
    ),
    Stream(
        name="studio_activity",
        documented="/studios/<studio_id>/activity?dateLimit=<date>",
        spider="studios",
        kind=Kind.STUDIO,
        path="/studios/{id}/activity",
        paging=Paging.DATE,
        order=Order.NEWEST_FIRST,
        identity=lambda event: _name(event.id),
        key=_created,
        key_name="datetime_created",
        lookback=60,
        record=r.Activity,
        writes={
            "studio_activity": (
                "studio_id",
                "id",
                "type",
                "actor_id",
                "actor_username",
                "created_at",
                "project_id",
                "project_title",
                "username",
                "recipient_username",
                "extra",
            ),
        },
        announces=(
            Announcement(("studio_projects",), "studio_activity", types=(_ADDED, _REMOVED)),
            Announcement(("studio_curators",), "studio_activity", types=(_CURATOR, _EXPELLED, _MANAGER)),
            Announcement(("studio_managers",), "studio_activity", types=(_MANAGER, _HOST, _EXPELLED)),
            Announcement(("studio",), "studio_activity", types=("updatestudio", _HOST), is_complete=False),
            Announcement(
                ("project_studios",),
                "studio_activity",
                target_column="project_id",
                types=(_ADDED, _REMOVED),
                is_complete=False,
            ),
            Announcement(
                ("user_studios",), "studio_activity", target_column="actor_id", types=(_CURATOR,), is_complete=False
            ),
        ),
        notes=(
            "`dateLimit` is inclusive: pages overlap on equal times (scratch-www).",
            "More than a page of events in one second cannot be paged past: reported as drift (scratch-www).",
            "`becomecurator`: the actor is the new curator, `username` the inviter (scratch-www).",
        ),
        item_weight=0.1,
        rate=0.005,
    ),
    Stream(
        name="project_comments",
        documented="/users/<username>/projects/<project_id>/comments",
        spider="comments",
        kind=Kind.PROJECT,
        path="/users/{username}/projects/{id}/comments",
        order=Order.NEWEST_FIRST,
        key=_created,
        key_name="datetime_created",
        stop_after_empty_pages=0,  # filtered before the limit: no page but the last was short in 18 recorded crawls
        lookback=60,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "project_comments": PROJECT_COMMENT},
        links=(
            Lead("project_comments", "project_id", "author_id", Kind.USER),
            Lead("project_comments", "project_id", "id", Kind.PROJECT_THREAD, depth_cost=0, changed_if="reply_count"),
        ),
        notes=(
            (
                "Newest first by time, then by id; ids alone are not monotone; content is entity-encoded (8,711 "
                "recorded comments, 2026)."
            ),
        ),
        item_weight=1.0,
        rate=0.0009,
        members=Holding(
            "project_comments",
            "project_id",
            "id",
            only="t.parent_id IS NULL",
            verify_with="project_comment",
            dated="created_at",
        ),
    ),
    Stream(
        name="studio_comments",
        documented="/studios/<studio_id>/comments",
        spider="comments",
        kind=Kind.STUDIO,
        path="/studios/{id}/comments",
        order=Order.NEWEST_FIRST,
        key=_created,
        key_name="datetime_created",
        stop_after_empty_pages=0,
        lookback=60,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "studio_comments": STUDIO_COMMENT},
        links=(
            Lead("studio_comments", "studio_id", "author_id", Kind.USER),
            Lead("studio_comments", "studio_id", "id", Kind.STUDIO_THREAD, depth_cost=0, changed_if="reply_count"),
        ),
        notes=(
            (
                "As for projects; never edited; `datetime_modified` is no sign of a change (8,711 recorded comments, "
                "2026)."
            ),
        ),
        item_weight=1.0,
        rate=0.0028,
        members=Holding(
            "studio_comments",
            "studio_id",
            "id",
            only="t.parent_id IS NULL",
            verify_with="studio_comment",
            dated="created_at",
        ),
    ),
    Stream(
        name="profile_comments",
        documented="/site-api/comments/user/<username>/?page=<page>",
        spider="comments",
        kind=Kind.USER,
        host=Host.SITE,
        format=Format.COMMENT_PAGE,
        path="/site-api/comments/user/{username}/",
        paging=Paging.NUMBER,
        order=Order.NEWEST_FIRST,
        key=_created,
        key_name="datetime_created",
        stop_after_empty_pages=3,  # empty pages were seen before pages with content
        identity=lambda comment: profile_html.identity(comment.id, removed=comment.content is None),
        lookback=60,
        max_offset=PROFILE_PAGES,
        record=profile_html.PageComment,
        writes={"users": COMMENT_AUTHOR, "profile_comments": PROFILE_COMMENT},
        links=(Lead("profile_comments", "user_id", "author_id", Kind.USER),),
        notes=(
            "HTML only; page 68 of anybody is a 404, older comments cannot be reached (scratch-www issue 4525).",
            "Empty pages stand before pages with content (scratchattach issue 582).",
            "Whom a reply addresses is only in its text: `extra.commentee_username` (scratchattach).",
            "Removed comments stay as such; their text is not served (scratch-www issue 1783).",
        ),
        item_weight=1.0,
        rate=0.00091,
        members=Holding("profile_comments", "user_id", "id", number=_id, dated="created_at"),
    ),
    Stream(
        name="project_comment",
        documented="/users/<username>/projects/<project_id>/comments/<comment_id>",
        spider="comments",
        kind=Kind.PROJECT_THREAD,
        path="/users/{username}/projects/{owner}/comments/{id}",
        paging=Paging.SINGLE,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "project_comments": PROJECT_COMMENT},
        answers_for=_id,
        revisit=ONCE,
        gone=GoneReason.DELETED,
        notes=(
            "A deleted comment answers `null` or 404; asked only about one whose thread was not found (ScratchAddons).",
        ),
    ),
    Stream(
        name="studio_comment",
        documented="/studios/<studio_id>/comments/<comment_id>",
        spider="comments",
        kind=Kind.STUDIO_THREAD,
        path="/studios/{owner}/comments/{id}",
        paging=Paging.SINGLE,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "studio_comments": STUDIO_COMMENT},
        answers_for=_id,
        revisit=ONCE,
        gone=GoneReason.DELETED,
        notes=(
            "A deleted comment answers `null` or 404; asked only about one whose thread was not found (ScratchAddons).",
        ),
    ),
    Stream(
        name="project_replies",
        documented="/users/<username>/projects/<project_id>/comments/<comment_id>/replies",
        spider="replies",
        kind=Kind.PROJECT_THREAD,
        path="/users/{username}/projects/{owner}/comments/{id}/replies",
        order=Order.OLDEST_FIRST,
        key=_created,
        key_name="datetime_created",
        # at most 25 replies a thread, so that one page holds all; older threads may hold more
        stop_after_empty_pages=0,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "project_comments": PROJECT_COMMENT},
        links=(Lead("project_comments", "parent_id", "author_id", Kind.USER),),
        notes=("At most 25 in a thread today, older threads may hold more (scratch-www pull request 5495).",),
        enqueues_gone=("project_comment",),
        members=Holding("project_comments", "parent_id", "id"),
    ),
    Stream(
        name="studio_replies",
        documented="/studios/<studio_id>/comments/<comment_id>/replies",
        spider="replies",
        kind=Kind.STUDIO_THREAD,
        path="/studios/{owner}/comments/{id}/replies",
        order=Order.OLDEST_FIRST,
        key=_created,
        key_name="datetime_created",
        stop_after_empty_pages=0,
        record=r.Comment,
        writes={"users": COMMENT_AUTHOR, "studio_comments": STUDIO_COMMENT},
        links=(Lead("studio_comments", "parent_id", "author_id", Kind.USER),),
        enqueues_gone=("studio_comment",),
        members=Holding("studio_comments", "parent_id", "id"),
    ),
    _ranking("explore_projects", "explore", "projects"),
    _ranking("explore_studios", "explore", "studios"),
    _ranking("search_projects", "search", "projects"),
    _ranking("search_studios", "search", "studios"),
    Stream(
        name="front_page",
        documented="/proxy/featured",
        spider="discovery",
        kind=Kind.QUERY,
        path="/proxy/featured",
        paging=Paging.RANKING,
        unpack=_front_page,
        record=r.FrontPageItem,
        writes={
            "rankings": (*RANKING, "loves", "extra"),
            "projects": ("id", "title"),
            "studios": ("id", "title"),
        },
        weak=("projects", "studios"),
        revisit=DAY,
        links=_FOUND,
        notes=(
            "Served with a wrong Content-Type: judged by its body (reference).",
            "Two of its rows have been empty since 2025 (recording of 2025-12).",
        ),
    ),
    Stream(
        name="news",
        documented="/news",
        spider="discovery",
        kind=Kind.SITE,
        path="/news",
        identity=lambda item: _name(f"{item.id} {item.headline}"),
        record=r.NewsItem,
        writes={"news": ("id", "headline", "url", "image", "copy", "stamp", "extra")},
        revisit=DAY,
        notes=(
            (
                "Ids are used again for other items, so the headline is part of the key (readings of 2025-10-31 and "
                "2025-12-06)."
            ),
            "`stamp` is about two years off (reading of 2025-12-06).",
        ),
    ),
    Stream(
        name="project_count",
        documented="/projects/count/all",
        spider="discovery",
        kind=Kind.SITE,
        path="/projects/count/all",
        paging=Paging.SINGLE,
        record=r.Count,
        writes={"site_counts": ("name", "seen_at", "count")},
        revisit=DAY,
        notes=("Slow, and may time out with 503 (reference).",),
    ),
    Stream(
        name="health",
        documented="/health",
        spider="discovery",
        kind=Kind.SITE,
        path="/health",
        paging=Paging.SINGLE,
        record=r.Health,
        writes={"site_health": ("seen_at", "trouble", "version", "uptime", "extra")},
        revisit=DAY,
        notes=(
            "Read once at the start of a run; while it reports trouble the crawl waits.",
            "Served with a wrong Content-Type: judged by its body (reference).",
        ),
    ),
    _own_list("account_messages", "/users/{username}/messages", "messages", r.Message),
    _own_list("account_alerts", "/users/{username}/messages/admin", "alerts", r.Alert),
    _own_list("account_activity", "/users/{username}/following/users/activity", "activity", r.Message),
    _own_list("account_loves", "/users/{username}/following/users/loves", "projects", r.AccountProject),
    _own_list("account_shared", "/users/{username}/following/users/projects", "projects", r.AccountProject),
    _own_list("account_studios", "/users/{username}/following/studios/projects", "projects", r.AccountProject),
    _own_list("account_viewed", "/users/{username}/projects/recentlyviewed", "projects", r.AccountProject),
    _own_state("account_invites", "/users/{username}/invites"),
    _own_state("account_visibility", "/users/{username}/projects/{id}/visibility"),
    _own_state("account_role", "/studios/{id}/users/{username}"),
    _own_state("account_love", "/projects/{id}/loves/user/{username}"),
    _own_state("account_favorite", "/projects/{id}/favorites/user/{username}"),
)

LEFT = (
    UnreadEndpoint("/", "names the site and its help address, no data"),
    UnreadEndpoint(
        "/users/<username>/projects/<project_id>",
        "the object of /projects/<project_id> without the author's name and with 0 remixes",
    ),
    UnreadEndpoint(
        "/site-api/comments/project/<project_id>/?page=<page>",
        "the API serves the same comments as JSON, with a limit, an order and a key; the pages can be decoded",
    ),
    UnreadEndpoint(
        "/site-api/comments/gallery/<studio_id>/?page=<page>",
        "the API serves the same comments as JSON, with a limit, an order and a key; the pages can be decoded",
    ),
)
"""Endpoints that the reference documents and that no stream reads."""

STREAMS: dict[str, Stream] = {stream.name: stream for stream in _STREAMS}
"""The catalogue, by stream name."""

DETAIL: dict[Kind, str] = {
    Kind.USER: "user",
    Kind.PROJECT: "project",
    Kind.STUDIO: "studio",
    Kind.PROJECT_THREAD: "project_replies",
    Kind.STUDIO_THREAD: "studio_replies",
}
"""The stream of the first visit of an entity, by kind."""

FOLLOWING: dict[str, tuple[str, ...]] = {
    name: tuple(stream.name for stream in _STREAMS if stream.follows == name) for name in STREAMS
}
"""By stream, those that need its response."""

ANNOUNCED_BY: dict[str, str] = {
    name: stream.name
    for stream in _STREAMS
    for announcement in stream.announces
    if announcement.is_complete
    for name in announcement.streams
}
"""By list, the stream whose responses show every new item of it."""

OPT_IN = frozenset(stream.name for stream in _STREAMS if stream.setting)
"""Streams that are visited only where a setting of their own allows it."""

OWNER_COLUMN: dict[Kind, str] = {Kind.PROJECT_THREAD: "project_id", Kind.STUDIO_THREAD: "studio_id"}
"""Column with the project or studio of a comment, by kind of thread."""


def streams_of(spider: str) -> tuple[Stream, ...]:
    """Return the streams of a spider, in the order of the catalogue."""
    return tuple(stream for stream in _STREAMS if stream.spider == spider)


def left_out(settings: "Settings") -> frozenset[str]:
    """Return the streams that settings do not allow."""
    return frozenset(name for name in OPT_IN if not getattr(settings, STREAMS[name].setting))


def allowed_streams(settings: "Settings", *spiders: str) -> tuple[Stream, ...]:
    """Return the streams of spiders that settings allow."""
    without = left_out(settings)
    return tuple(stream for spider in spiders for stream in streams_of(spider) if stream.name not in without)
