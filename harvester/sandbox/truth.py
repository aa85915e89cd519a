"""Rows of a perfect harvest, computed from the community's own state and never from served pages.

Rows are in the terms of the warehouse: the columns of its tables, times as ISO text, what has no column in
`extra`. Only shared projects and open studios are public, and only what stands on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harvester.sandbox import odd, text
from harvester.sandbox.clock import iso
from harvester.sandbox.render import event_fields
from harvester.sandbox.routes import Api
from harvester.sandbox.routes_discovery import DEPTH, front_page, project_count, ranked_projects, ranked_studios
from harvester.sandbox.routes_site import PAGES, THREADS, featured_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harvester.sandbox.community import Community
    from harvester.sandbox.tables import Comments

Row = dict[str, Any]
Closure = Mapping[str, set[int]]
Seed = tuple[str, str | int]
CDN = "https://cdn2.scratch.mit.edu/get_image"
KEYS = {
    "users": ("id",),
    "projects": ("id",),
    "studios": ("id",),
    "project_comments": ("id",),
    "studio_comments": ("id",),
    "follows": ("follower_id", "followee_id"),
    "favorites": ("user_id", "project_id"),
    "studio_projects": ("studio_id", "project_id"),
    "studio_members": ("studio_id", "user_id"),
    "profile_comments": ("id",),
    "studio_activity": ("studio_id", "id"),
    "news": ("id", "headline"),
    "rankings": ("ranking", "position"),
    "site_counts": ("name",),
    "message_counts": ("user_id",),
    "gone_users": ("id",),
    "erased_users": ("id",),
}
TABLES = tuple(KEYS)
COUNT_CAP = 100


def truth(community: Community, table: str, within: Closure | None = None) -> Iterator[Row]:
    """Return the rows of a table after a perfect harvest.

    Args:
        community: The community as it is now.
        table: One of `TABLES` or of `OF_SOURCES`.
        within: Ids by kind, from `closure`: only these entities are harvested, with their lists. None: all.

    Raises:
        ValueError: If there is no such table.
    """
    made = (_TABLES | OF_SOURCES).get(table)
    if made is None:
        raise ValueError(f"no table {table!r}: one of {', '.join((*TABLES, *OF_SOURCES))}")
    return made(_View(community, within))


def key(table: str, row: Row) -> tuple[str | int, ...]:
    """Return (table, primary key...) of a row, as in `Community.removed`."""
    return (table, *(row[column] for column in KEYS[table]))


class _View:
    """The rows of the entities that are public, and inside the closure if there is one."""

    def __init__(self, community: Community, within: Closure | None) -> None:
        self.community = community
        users, projects, studios = community.users, community.projects, community.studios
        self.users: Sequence[int] = range(len(users))
        self.projects: Sequence[int] = [row for row in range(len(projects)) if projects.is_shared[row]]
        self.studios: Sequence[int] = [row for row in range(len(studios)) if studios.is_open[row]]
        if within is not None:
            self.users = [row for row in self.users if users.id[row] in within["user"]]
            self.projects = [row for row in self.projects if projects.id[row] in within["project"]]
            self.studios = [row for row in self.studios if studios.id[row] in within["studio"]]
        self.live_users: Sequence[int] = [row for row in self.users if row not in users.gone]

    def comments(self, kind: str) -> Iterator[tuple[Comments, int]]:
        """Yield visible comments of the public places of a kind; of a profile as many as its pages show."""
        comments = self.community.comments(kind)
        if kind == "profile":
            for owner in self.live_users:
                shown = set(comments.threads.get(owner, [])[-PAGES * THREADS :])
                for row in comments.visible(owner):
                    is_shown = (comments.parent[row] if comments.parent[row] >= 0 else row) in shown
                    if is_shown and not odd.is_lost(self.community, comments, row):
                        yield comments, row
            return
        for owner in self.projects if kind == "project" else self.studios:
            for row in comments.visible(owner):
                if not odd.is_lost(self.community, comments, row):
                    yield comments, row


def _time(second: int) -> str:
    return iso(second).decode()


def _user_images(user_id: int) -> dict[str, str]:
    return {f"{size}x{size}": f"{CDN}/user/{user_id}_{size}x{size}.png?v=" for size in (90, 60, 55, 50, 32)}


def _users(view: _View) -> Iterator[Row]:
    users, countries = view.community.users, view.community.countries.names
    kinds = ("project", "studio", "profile")
    commenters = {
        comments.author[row]
        for kind in kinds
        for comments, row in view.comments(kind)
        if odd.shows_picture(view.community, comments, row)
    }
    commenters |= set(_removed_authors(view))
    for row in view.live_users:
        user_id = users.id[row]
        extra: Row = {"images": _user_images(user_id)}
        if row in users.badges:
            extra["membership_label"], extra["membership_avatar_badge"] = users.badges[row]
        if row in commenters:
            extra["image"] = f"{CDN}/user/{user_id}_60x60.png"
        featured = featured_fields(view.community, row)
        extra |= {name: featured[name] for name in _FEATURED_EXTRA}
        extra["group"] = "Scratch Team" if row in users.team else "Scratcher"
        yield {
            "id": user_id,
            "username": users.name[row],
            "joined_at": _time(users.joined[row]),
            "scratch_team": row in users.team,
            "country": None if (country := users.country_index(row)) is None else countries[country],
            "status": users.written.get((row, "status")) or text.STATUS.text_or_none(users.status(row)),
            "bio": users.written.get((row, "bio")) or text.BIO.text_or_none(users.bio(row)),
            "profile_id": users.profile_id(row),
            "featured_project_id": featured["featured_project"],
            "featured_label": featured["featured_project_label_name"],
            "extra": extra,
        }


_FEATURED_EXTRA = ("thumbnail_url", "featured_project_label_id", "featured_project_data")


def _removed_authors(view: _View) -> Iterator[int]:
    """Yield the authors of deleted comments on profiles, which the page still names."""
    comments = view.community.profile_comments
    for owner in view.live_users:
        for thread in comments.threads.get(owner, [])[-PAGES * THREADS :]:
            for row in (thread, *comments.replies.get(thread, ())):
                shown = odd.shows_picture(view.community, comments, row)
                if comments.is_deleted[row] and shown and not odd.is_lost(view.community, comments, row):
                    yield comments.author[row]


def _profile_comments(view: _View) -> Iterator[Row]:
    users = view.community.users
    for comments, row in view.comments("profile"):
        parent, commentee = comments.parent[row], comments.commentee[row]
        content = text.page_text(comments.content(row))[0]
        addressed = users.name_at(commentee, comments.created[row]) if commentee >= 0 else None
        yield {
            "id": comments.id[row],
            "user_id": users.id[comments.owner[row]],
            "parent_id": comments.id[parent] if parent >= 0 else None,
            "author_id": users.id[comments.author[row]],
            "commentee_id": None,
            "content": f"@{addressed} {content}".rstrip() if addressed else content,
            "content_raw": None,
            "created_at": _time(comments.created[row]),
            "modified_at": None,
            "visibility": "visible",
            "reply_count": sum(
                not comments.is_deleted[reply] and not odd.is_lost(view.community, comments, reply)
                for reply in comments.replies.get(row, ())
            ),
            "extra": {"commentee_username": addressed} if addressed else {},
        }


_EVENT_COLUMNS = ("type", "actor_id", "actor_username", "project_id", "project_title", "username", "recipient_username")


def _studio_activity(view: _View) -> Iterator[Row]:
    community = view.community
    for studio in view.studios:
        for event in community.activity.get(studio, ()):
            if odd.is_lost_event(community, event):
                continue
            fields = event_fields(community, event)
            row = {"studio_id": community.studios.id[studio], "id": fields.pop("id")}
            row["created_at"] = fields.pop("datetime_created")
            row |= {name: fields.pop(name, None) for name in _EVENT_COLUMNS}
            yield row | {"extra": fields}


def _news(view: _View) -> Iterator[Row]:
    for item in view.community.news.items:
        yield item._asdict() | {"id": str(item.id), "stamp": _time(item.stamp)}


_STOCK = [
    (way, kind, query, mode)
    for way, query in (("explore", "*"), ("search", "cat"))
    for kind in ("project", "studio")
    for mode in ("popular", "trending")
]


def _rankings(view: _View) -> Iterator[Row]:
    """Yield the front page, everything in explore, and one search."""
    api = Api(view.community)
    for name, entries in front_page(api).items():
        for position, entry in enumerate(entries):
            kind = "studio" if entry["type"] == "gallery" else "project"
            yield {
                "ranking": f"front-page/{name}",
                "position": position,
                "kind": kind,
                "thing_id": entry["id"],
                **_UNINDEXED,
                "loves": entry.get("love_count"),
            }
    for way, kind, query, mode in _STOCK:
        ranked = (ranked_projects if kind == "project" else ranked_studios)(api, query, mode)
        ids = (view.community.projects if kind == "project" else view.community.studios).id
        for position, row in enumerate(ranked[:DEPTH]):
            yield {
                "ranking": f"{way}/{kind}s?q={query}&mode={mode}&language=en",
                "position": position,
                "kind": kind,
                "thing_id": ids[row],
                **(_indexed_project if kind == "project" else _indexed_studio)(view.community, row),
            }


_UNINDEXED: Row = dict.fromkeys(("views", "loves", "favorites", "created_at", "modified_at", "shared_at"))


def _indexed_project(community: Community, row: int) -> Row:
    entry = community.index.projects[row]
    return {
        "views": entry.views,
        "loves": entry.loves,
        "favorites": entry.favorites,
        "created_at": _time(community.projects.created[row]),
        "modified_at": _time(entry.modified),
        "shared_at": _time(entry.shared_at),
    }


def _indexed_studio(community: Community, row: int) -> Row:
    modified = _time(community.index.studios[row].modified)
    return _UNINDEXED | {"created_at": _time(community.studios.created[row]), "modified_at": modified}


def _site_counts(view: _View) -> Iterator[Row]:
    yield {"name": "projects", "count": project_count(view.community)}


def _message_counts(view: _View) -> Iterator[Row]:
    users = view.community.users
    for row in view.users:
        yield {"user_id": users.id[row], "count": users.messages(row)}


def _gone_users(view: _View) -> Iterator[Row]:
    users = view.community.users
    for row in view.users:
        if row in users.gone:
            reason = "erased under the GDPR" if row in users.erased else "deleted or banned"
            yield {"id": users.id[row], "gone_reason": reason}


def _erased_users(view: _View) -> Iterator[Row]:
    """Yield accounts erased under the GDPR as they were before: as a harvester holds them that read them by then."""
    users, countries = view.community.users, view.community.countries.names
    for row in view.users:
        if row in users.erased:
            country = users.country_index(row, former=True)
            yield {
                "id": users.id[row],
                "erased_at": _time(users.erased[row]),
                "username": users.name[row],
                "former_usernames": [name for _, name in users.earlier[row]],
                "joined_at": _time(users.joined[row]),
                "former_country": None if country is None else countries[country],
                "former_status": text.STATUS.text_or_none(users.status(row, former=True)),
                "former_bio": text.BIO.text_or_none(users.bio(row, former=True)),
            }


def _projects(view: _View) -> Iterator[Row]:
    community = view.community
    projects = community.projects
    sizes = ("282x218", "216x163", "200x200", "144x108", "135x102", "100x80")
    for row in view.projects:
        project_id, modified = projects.id[row], projects.modified[row]
        parent, root = projects.parent[row], projects.root[row]
        yield {
            "id": project_id,
            "author_id": community.users.id[projects.author[row]],
            "title": text.PROJECT_TITLE.text(projects.title(row)),
            "description": text.DESCRIPTION.text_or_none(projects.description(row)),
            "instructions": text.INSTRUCTIONS.text_or_none(projects.instructions(row)),
            "visibility": "visible",
            "public": True,
            "comments_allowed": projects.comments_allowed(row),
            "is_published": True,
            "created_at": _time(projects.created[row]),
            "modified_at": _time(modified),
            "shared_at": _time(projects.shared_at[row]),
            "views": projects.views[row],
            "loves": projects.loves[row],
            "favorites": len(community.favoriters.get(row, ())),
            "remixes": len(community.visible_projects(community.remixes.get(row, ()))),
            "parent_id": projects.id[parent] if parent >= 0 else None,
            "root_id": projects.id[root] if root >= 0 else None,
            "extra": {
                "image": f"{CDN}/project/{project_id}_480x360.png",
                "images": {size: f"{CDN}/project/{project_id}_{size}.png?v={modified}" for size in sizes},
            },
        }


def _studios(view: _View) -> Iterator[Row]:
    community = view.community
    studios = community.studios
    for row in view.studios:
        host = studios.shown_host(row)
        yield {
            "id": studios.id[row],
            "host_id": None if host is None else community.users.id[host],
            "title": text.STUDIO_TITLE.text(studios.title(row)),
            "description": text.STUDIO_DESCRIPTION.text_or_none(studios.description(row)),
            "visibility": "visible",
            "public": True,
            "open_to_all": studios.open_to_all(row),
            "comments_allowed": studios.comments_allowed(row),
            "created_at": _time(studios.created[row]),
            "modified_at": _time(studios.modified[row]),
            "comment_count": min(community.studio_comments.total[row], COUNT_CAP),
            "follower_count": studios.followers[row],
            "manager_count": 1 + len(community.managers.get(row, ())),
            "project_count": min(len(community.studio_projects.get(row, ())), COUNT_CAP),
            "extra": {"image": f"{CDN}/gallery/{studios.id[row]}_170x100.png"},
        }


def _comment_rows(kind: str) -> Callable[[_View], Iterator[Row]]:
    def rows(view: _View) -> Iterator[Row]:
        community = view.community
        user_id = community.users.id
        owners = community.projects.id if kind == "project" else community.studios.id
        for comments, row in view.comments(kind):
            parent, commentee = comments.parent[row], comments.commentee[row]
            seen, served = text.comment_text_and_served(comments.content(row), comments.created[row])
            is_repaired = odd.is_repaired(community, comments, row)
            repaired = odd.REPLACED if is_repaired else ""
            yield {
                "id": comments.id[row],
                f"{kind}_id": owners[comments.owner[row]],
                "parent_id": comments.id[parent] if parent >= 0 else None,
                "author_id": user_id[comments.author[row]],
                "commentee_id": user_id[commentee] if commentee >= 0 else None,
                "content": seen + repaired,
                "content_raw": served + repaired if served != seen else None,
                "created_at": _time(comments.created[row]),
                "modified_at": _time(comments.modified(row)),
                "visibility": "visible",
                "reply_count": comments.reply_count(row),
                "extra": {"replaced_in": ["content"]} if is_repaired else {},
            }

    return rows


def _follows(view: _View) -> Iterator[Row]:
    ids, within = view.community.users.id, set(view.users)
    for followee, followers in sorted(view.community.followers.items()):
        for follower in followers:
            is_lost = odd.is_lost_link(view.community, "follow", follower, followee)
            if (followee in within or follower in within) and not is_lost:
                yield {"follower_id": ids[follower], "followee_id": ids[followee]}


def _favorites(view: _View) -> Iterator[Row]:
    community = view.community
    for user in view.users:
        for project in community.visible_projects(community.favorites.get(user, ())):
            if not odd.is_lost_link(community, "favorite", user, project):
                yield {"user_id": community.users.id[user], "project_id": community.projects.id[project]}


def _studio_projects(view: _View) -> Iterator[Row]:
    """Yield every placement: a studio lists its projects with who added them, a project its studios without."""
    community = view.community
    is_shared = community.projects.is_shared
    for studio in view.studios:
        pairs = zip(community.studio_projects.get(studio, ()), community.studio_adders.get(studio, ()), strict=True)
        for project, adder in pairs:
            if is_shared[project]:
                yield {
                    "studio_id": community.studios.id[studio],
                    "project_id": community.projects.id[project],
                    "added_by_id": community.users.id[adder],
                }


def _studio_members(view: _View) -> Iterator[Row]:
    community = view.community
    for studio in view.studios:
        # Where a studio shows no host, nobody is told from the other managers.
        leads = "manager" if community.studios.shown_host(studio) is None else "host"
        roles = (
            (leads, [community.studios.host[studio]]),
            ("manager", community.managers.get(studio, ())),
            ("curator", community.curators.get(studio, ())),
        )
        for role, users in roles:
            for user in users:
                yield {
                    "studio_id": community.studios.id[studio],
                    "user_id": community.users.id[user],
                    "role": role,
                }


def _sources(view: _View) -> Iterator[Row]:
    for row in view.projects:
        yield {"project_id": view.community.projects.id[row], **view.community.sources.facts(row)}


def _source_differences(view: _View) -> Iterator[Row]:
    """Yield what each remix keeps of its parent's scripts, if the parent is there."""
    projects, sources, there = view.community.projects, view.community.sources, set(view.projects)
    for row in view.projects:
        parent = projects.parent[row]
        if parent in there:
            ids = {"project_id": projects.id[row], "parent_id": projects.id[parent]}
            yield ids | sources.difference(row, parent)


_TABLES: dict[str, Callable[[_View], Iterator[Row]]] = {
    "users": _users,
    "projects": _projects,
    "studios": _studios,
    "project_comments": _comment_rows("project"),
    "studio_comments": _comment_rows("studio"),
    "follows": _follows,
    "favorites": _favorites,
    "studio_projects": _studio_projects,
    "studio_members": _studio_members,
    "profile_comments": _profile_comments,
    "studio_activity": _studio_activity,
    "news": _news,
    "rankings": _rankings,
    "site_counts": _site_counts,
    "message_counts": _message_counts,
    "gone_users": _gone_users,
    "erased_users": _erased_users,
}
OF_SOURCES: dict[str, Callable[[_View], Iterator[Row]]] = {
    "sources": _sources,
    "source_differences": _source_differences,
}
"""The tables of facts of sources, which no other page shows."""


# --- what is reached from seeds ------------------------------------------------------------------------------


def closure(community: Community, seeds: Iterable[Seed]) -> dict[str, set[int]]:
    """Return the entities that are reached from the seeds with no limit of depth.

    A user leads to own and favorite projects, followers, following and the studios of which it is a member; a
    project to its author, commenters, visible direct remixes and studios; a studio to its projects, members and
    commenters. A seed that is not public leads nowhere.

    Args:
        community: The community as it is now.
        seeds: Pairs of kind and name or id: `("user", "griffpatch")`, `("project", 142)`, `("studio", 5342)`.

    Returns:
        Ids by kind: `user`, `project`, `studio`.

    Raises:
        ValueError: If a kind is unknown or an id no number.
    """
    rows: dict[str, set[int]] = {"user": set(), "project": set(), "studio": set()}
    due = [found for seed in seeds if (found := _seed_row(community, *seed)) is not None]
    while due:
        kind, row = due.pop()
        if row not in rows[kind]:
            rows[kind].add(row)
            due.extend(each for each in _LEADS_TO[kind](community, row) if each[1] not in rows[each[0]])
    ids = {"user": community.users.id, "project": community.projects.id, "studio": community.studios.id}
    return {kind: {ids[kind][row] for row in found} for kind, found in rows.items()}


def _seed_row(community: Community, kind: str, name: str | int) -> tuple[str, int] | None:
    if kind == "user":
        row = community.users.by_name.get(str(name).lower())
        return None if row is None else (kind, row)
    if kind == "project":
        row = community.projects.by_id.get(int(name))
        return None if row is None or not community.projects.is_shared[row] else (kind, row)
    if kind == "studio":
        row = community.studios.by_id.get(int(name))
        return None if row is None or not community.studios.is_open[row] else (kind, row)
    raise ValueError(f"no kind {kind!r}: user:NAME, project:ID or studio:ID")


def _commenters(community: Community, comments: Comments, owner: int) -> Iterator[tuple[str, int]]:
    for row in comments.visible(owner):
        if not odd.is_lost(community, comments, row):
            yield "user", comments.author[row]


def _from_user(community: Community, row: int) -> Iterator[tuple[str, int]]:
    for project in community.shared.get(row, ()):
        yield "project", project
    for project in community.visible_projects(community.favorites.get(row, ())):
        if not odd.is_lost_link(community, "favorite", row, project):
            yield "project", project
    links = [(user, row) for user in community.followers.get(row, ())]
    links += [(row, user) for user in community.following.get(row, ())]
    for follower, followee in links:
        if not odd.is_lost_link(community, "follow", follower, followee):
            yield "user", followee if follower == row else follower
    for studio in community.visible_studios(community.member_studios.get(row, ())):
        yield "studio", studio
    if row not in community.users.gone:
        comments = community.profile_comments
        for thread in comments.threads.get(row, [])[-PAGES * THREADS :]:
            for each in (thread, *comments.replies.get(thread, ())):
                if not odd.is_lost(community, comments, each):
                    yield "user", comments.author[each]


def _from_project(community: Community, row: int) -> Iterator[tuple[str, int]]:
    yield "user", community.projects.author[row]
    yield from _commenters(community, community.project_comments, row)
    for remix in community.visible_projects(community.remixes.get(row, ())):
        yield "project", remix
    for studio in community.visible_studios(community.project_studios.get(row, ())):
        yield "studio", studio


def _from_studio(community: Community, row: int) -> Iterator[tuple[str, int]]:
    for project in community.visible_projects(community.studio_projects.get(row, ())):
        yield "project", project
    members = (*community.managers.get(row, ()), *community.curators.get(row, ()))
    for user in (community.studios.host[row], *members):
        yield "user", user
    yield from _commenters(community, community.studio_comments, row)


_LEADS_TO: dict[str, Callable[[Community, int], Iterator[tuple[str, int]]]] = {
    "user": _from_user,
    "project": _from_project,
    "studio": _from_studio,
}
