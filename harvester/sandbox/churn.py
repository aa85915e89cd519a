"""Churn of the community: random events, each at least a second after the last.

Frequencies follow the site's monthly totals of June 2024 where they are known (1.35 M users, 2.7 M projects,
11 M comments). Busy pages attract more events: a target is mostly that of an earlier event.

Each row of the truth that an event removes, directly or not, is appended to `Community.removed`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from harvester.sandbox import activity, index, user_activity
from harvester.sandbox.tables import MANAGERS_MAX, NOBODY, REPLIES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.sandbox.community_state import CommunityState
    from harvester.sandbox.tables import Comments

    Event = Callable[[CommunityState], bool]

BURST = 0.05  # comments that come with one or two more by the same person in the same second
LATE = 0.01  # comments whose time is before that of one with a lower id
LIST_TRIES = 64


def step(community: CommunityState, type_: str | None = None) -> str:
    """Make one event, of a type if given, after the clock moved on; return its type."""
    random = community.random
    community.now += 1 + int(random.expovariate(1.0))
    if type_ is not None:
        if type_ not in _EVENTS or not any(_EVENTS[type_][1](community) for _ in range(LIST_TRIES)):
            raise ValueError(f"type={type_}: nothing of that kind can happen")
        return type_
    while True:
        name = random.choices(_NAMES, cum_weights=_CUMULATED)[0]
        # Where an event is not possible in this community, another one happens.
        if _EVENTS[name][1](community):
            return name


# --- picking -------------------------------------------------------------------------------------------------


def _one(community: CommunityState, count: int) -> int:
    return int(community.random.random() * count)


def _user(community: CommunityState) -> int:
    """Draw a user, mostly one who has commented before."""
    comments = community.project_comments
    if len(comments) and community.random.random() < 0.7:
        return comments.author[_one(community, len(comments))]
    return _one(community, len(community.users))


def _project(community: CommunityState) -> int | None:
    """Return a shared project, mostly one with comments."""
    projects, comments = community.projects, community.project_comments
    for _ in range(LIST_TRIES):
        if len(comments) and community.random.random() < 0.6:
            row = comments.owner[_one(community, len(comments))]
        elif len(projects):
            row = _one(community, len(projects))
        else:
            return None
        if projects.is_shared[row]:
            return row
    return None


def _studio(community: CommunityState) -> int | None:
    """Return an open studio, mostly one with comments."""
    studios, comments = community.studios, community.studio_comments
    for _ in range(LIST_TRIES):
        if len(comments) and community.random.random() < 0.5:
            row = comments.owner[_one(community, len(comments))]
        elif len(studios):
            row = _one(community, len(studios))
        else:
            return None
        if studios.is_open[row]:
            return row
    return None


def _comment(community: CommunityState, comments: Comments, *, reply: bool) -> int | None:
    """Return a visible comment of a public place, mostly a recent one."""
    for _ in range(LIST_TRIES):
        if not len(comments):
            return None
        back = int(len(comments) * community.random.random() ** 3)
        row = len(comments) - 1 - back
        visible = not comments.is_deleted[row] and community.owner_is_public(comments.kind, comments.owner[row])
        if visible and (comments.parent[row] >= 0) == reply:
            return row
    return None


def _next_id(community: CommunityState, last: int, gap: int) -> int:
    return last + 1 + _one(community, gap)


# --- events: True if it happened -----------------------------------------------------------------------------


def _new_user(community: CommunityState) -> bool:
    users, random = community.users, community.random
    country = random.choices(range(len(community.countries.names)), weights=community.countries.accounts.tolist())[0]
    users.add(_next_id(community, users.id[-1], 5), community.now, country)
    return True


def _new_name(community: CommunityState) -> int | None:
    """Rename a random user, which frees the old name. Return the row."""
    user = _user(community)
    if user in community.users.gone or user in community.users.team:
        return None
    community.users.rename(user, community.now)
    return user


def _rename(community: CommunityState) -> bool:
    return _new_name(community) is not None


def _rename_and_reuse(community: CommunityState) -> bool:
    """Rename a user; a newcomer takes the old name at once."""
    user = _new_name(community)
    if user is None:
        return False
    _take_name(community, user)
    return True


def _take_name(community: CommunityState, user: int) -> None:
    """Let a newcomer have the name that a user gave up last."""
    users = community.users
    old = users.earlier[user][-1][1]
    users.add(_next_id(community, users.id[-1], 5), community.now, users.country[user], old)


def _swap_names(community: CommunityState) -> bool:
    """Give two accounts each other's name."""
    users = community.users
    user, other = _user(community), _one(community, len(users))
    if user == other or {user, other} & (users.gone | users.team):
        return False
    name = users.name[other]
    users.rename(other, community.now, users.rename(user, community.now, name))
    return True


def _new_project(community: CommunityState, remixes: float = 0.15) -> bool:
    """Share a project; `remixes`: the share of remixes of another one."""
    projects, random = community.projects, community.random
    parent = (_project(community) if random.random() < remixes else None) if len(projects) else None
    author = _user(community)
    row = len(projects)
    project_id = _next_id(community, projects.id[-1] if row else 1_330_000_000, 9)
    projects.id.append(project_id)
    projects.author.append(author)
    projects.created.append(community.now - _one(community, 3_600))
    projects.modified.append(community.now)
    projects.shared_at.append(community.now)
    projects.views.append(0)
    projects.loves.append(0)
    projects.version.append(0)
    projects.is_shared.append(1)
    projects.by_id[project_id] = row
    root = NOBODY
    if parent is not None:
        root = projects.root[parent] if projects.root[parent] >= 0 else parent
        community.remixes.setdefault(parent, []).append(row)
    projects.parent.append(NOBODY if parent is None else parent)
    projects.root.append(root)
    community.shared.setdefault(author, []).append(row)
    if parent is None:
        user_activity.record(community, author, user_activity.SHARED, row)
    else:
        user_activity.record(community, author, user_activity.REMIXED, parent, row)
    return True


def _unshare(community: CommunityState) -> bool:
    project = _project(community)
    if project is None:
        return False
    projects, log = community.projects, community.removed
    projects.is_shared[project] = 0
    community.shared[projects.author[project]].remove(project)
    project_id = projects.id[project]
    log.append(("projects", project_id))
    _log_comments(community, community.project_comments, project)
    log.extend(("favorites", community.users.id[user], project_id) for user in community.favoriters.get(project, ()))
    studios = community.visible_studios(community.project_studios.get(project, ()))
    log.extend(("studio_projects", community.studios.id[studio], project_id) for studio in studios)
    return True


def _share_again(community: CommunityState) -> bool:
    projects = community.projects
    hidden = [row for row in (_one(community, len(projects)) for _ in range(LIST_TRIES)) if not projects.is_shared[row]]
    if not hidden:
        return False
    project = hidden[0]
    projects.is_shared[project] = 1
    projects.shared_at[project] = community.now
    community.shared.setdefault(projects.author[project], []).append(project)
    user_activity.record(community, projects.author[project], user_activity.SHARED, project)
    return True


def _edit_project(community: CommunityState) -> bool:
    project = _project(community)
    if project is None:
        return False
    community.projects.version[project] += 1
    community.projects.nulls -= {(project, "description"), (project, "instructions")}
    community.projects.modified[project] = community.now
    return True


def _edit_quietly(community: CommunityState) -> bool:
    """Change the source of a project, which its page does not show."""
    project = _project(community)
    if project is None:
        return False
    community.quiet_edits[project] += 1
    return True


def _touch_project(community: CommunityState) -> bool:
    """Give a project another time of its last change, without a change."""
    project = _project(community)
    if project is None:
        return False
    community.projects.modified[project] = community.now
    return True


def _edit_profile(community: CommunityState) -> bool:
    user = _user(community)
    if user in community.users.erased:
        return False
    community.users.version[user] += 1
    community.users.nulls -= {(user, "bio"), (user, "status"), (user, "country")}
    return True


def _clear_profile(community: CommunityState) -> bool:
    """Serve a text or the country of a random profile as null from now on."""
    user = _user(community)
    if user in community.users.erased:
        return False
    community.users.nulls.add((user, community.random.choice(("bio", "status", "country"))))
    return True


def _clear_project(community: CommunityState) -> bool:
    project = _project(community)
    if project is None:
        return False
    community.projects.nulls.add((project, community.random.choice(("description", "instructions"))))
    return True


def _clear_studio(community: CommunityState) -> bool:
    studio = _studio(community)
    if studio is None:
        return False
    community.studios.nulls.add((studio, "description"))
    return True


def _hide_host(community: CommunityState) -> bool:
    """Hide the host of a studio, who stays first of its managers."""
    studio = _studio(community)
    if studio is None:
        return False
    community.studios.nulls.add((studio, "host"))
    return True


def _index(community: CommunityState) -> bool:
    """Let the index behind explore and search read an item again, or for the first time."""
    if len(community.studios) and community.random.random() < 0.2:
        index.read_studio(community, _one(community, len(community.studios)))
        return True
    if not len(community.projects):
        return False
    index.read_project(community, _one(community, len(community.projects)))
    return True


def _edit_studio(community: CommunityState) -> bool:
    studio = _studio(community)
    if studio is None:
        return False
    community.studios.version[studio] += 1
    community.studios.nulls.discard((studio, "description"))
    community.studios.modified[studio] = community.now
    activity.record(community, studio, activity.UPDATE, community.studios.host[studio])
    return True


def _views(community: CommunityState) -> bool:
    project = _project(community)
    if project is None:
        return False
    community.projects.views[project] += 1 + _one(community, 3)
    return True


def _love(community: CommunityState) -> bool:
    project = _project(community)
    if project is None:
        return False
    community.projects.views[project] += 1
    community.projects.loves[project] += 1
    user_activity.record(community, user_activity.somebody(community), user_activity.LOVED, project)
    return True


def _favorite(community: CommunityState) -> bool:
    user, project = _user(community), _project(community)
    if project is None or project in community.favorites.get(user, ()):
        return False
    community.favorites.setdefault(user, []).append(project)
    community.favoriters.setdefault(project, []).append(user)
    community.projects.views[project] += 1
    user_activity.record(community, user, user_activity.FAVORITED, project)
    return True


def _unfavorite(community: CommunityState) -> bool:
    user = _user(community)
    favorites = community.visible_projects(community.favorites.get(user, ()))
    if not favorites:
        return False
    project = favorites[_one(community, len(favorites))]
    community.favorites[user].remove(project)
    community.favoriters[project].remove(user)
    community.removed.append(("favorites", community.users.id[user], community.projects.id[project]))
    return True


def _follow(community: CommunityState) -> bool:
    follower, followee = _user(community), _user(community)
    # The friend of a random user is popular.
    friends = community.following.get(followee)
    if friends and community.random.random() < 0.6:
        followee = friends[_one(community, len(friends))]
    if follower == followee or followee in community.following.get(follower, ()):
        return False
    community.following.setdefault(follower, []).append(followee)
    community.followers.setdefault(followee, []).append(follower)
    user_activity.record(community, follower, user_activity.FOLLOWING, followee)
    return True


def _unfollow(community: CommunityState) -> bool:
    follower = _user(community)
    friends = community.following.get(follower)
    if not friends:
        return False
    followee = friends.pop(_one(community, len(friends)))
    community.followers[followee].remove(follower)
    community.removed.append(("follows", community.users.id[follower], community.users.id[followee]))
    return True


def _write(community: CommunityState, comments: Comments, owner: int) -> None:
    """Write a comment on a project or studio, now and then with others in the same second or out of order."""
    random = community.random
    author = _user(community)
    created = community.now - (1 + _one(community, 3) if random.random() < LATE else 0)
    copies = 2 + _one(community, 2) if random.random() < BURST else 1
    for _ in range(copies):
        last = comments.id[-1] if len(comments) else 300_000_000
        row = comments.add(_next_id(community, last, 40), owner, author, created, NOBODY, NOBODY)
        if random.random() < 0.02:
            comments.skew[row] = 1


def _project_comment(community: CommunityState) -> bool:
    project = _project(community)
    if project is None:
        return False
    _write(community, community.project_comments, project)
    return True


def _studio_comment(community: CommunityState) -> bool:
    studio = _studio(community)
    if studio is None:
        return False
    _write(community, community.studio_comments, studio)
    return True


def _reply(community: CommunityState, comments: Comments) -> bool:
    thread = _comment(community, comments, reply=False)
    if thread is None:
        return False
    replies = comments.replies.get(thread, ())
    if len(replies) >= REPLIES_MAX:
        return False
    answered: int = comments.author[replies[-1] if replies and community.random.random() < 0.4 else thread]
    commentee = NOBODY if community.random.random() < 0.03 else answered
    owner = comments.owner[thread]
    comments.add(_next_id(community, comments.id[-1], 40), owner, _user(community), community.now, thread, commentee)
    return True


def _delete(community: CommunityState, comments: Comments, *, reply: bool) -> bool:
    row = _comment(community, comments, reply=reply)
    if row is None:
        return False
    table = f"{comments.kind}_comments"
    community.removed.extend((table, comments.id[gone]) for gone in comments.delete(row))
    return True


def _log_comments(community: CommunityState, comments: Comments, owner: int) -> None:
    table = f"{comments.kind}_comments"
    community.removed.extend((table, comments.id[row]) for row in comments.visible(owner))


def _studio_add_project(community: CommunityState) -> bool:
    studio, project = _studio(community), _project(community)
    if studio is None or project is None or project in community.studio_projects.get(studio, ()):
        return False
    author = community.projects.author[project]
    adder = author if community.random.random() < 0.5 else community.studios.host[studio]
    community.studio_projects.setdefault(studio, []).append(project)
    community.studio_adders.setdefault(studio, []).append(adder)
    community.project_studios.setdefault(project, []).append(studio)
    activity.record(community, studio, activity.ADD, adder, project=project)
    user_activity.record(community, adder, user_activity.ADDED, project, studio)
    return True


def _studio_remove_project(community: CommunityState) -> bool:
    studio = _studio(community)
    projects = community.visible_projects(community.studio_projects.get(studio, ())) if studio is not None else []
    if studio is None or not projects:
        return False
    project = projects[_one(community, len(projects))]
    position = community.studio_projects[studio].index(project)
    del community.studio_projects[studio][position]
    del community.studio_adders[studio][position]
    community.project_studios[project].remove(studio)
    community.removed.append(("studio_projects", community.studios.id[studio], community.projects.id[project]))
    activity.record(community, studio, activity.REMOVE, community.studios.host[studio], project=project)
    return True


def _join_studio(community: CommunityState) -> bool:
    studio, user = _studio(community), _user(community)
    if studio is None or studio in community.member_studios.get(user, ()):
        return False
    community.curators.setdefault(studio, []).append(user)
    community.member_studios.setdefault(user, []).append(studio)
    activity.record(community, studio, activity.CURATOR, user, other=community.studios.host[studio])
    user_activity.record(community, user, user_activity.CURATOR, studio)
    return True


def _leave_studio(community: CommunityState) -> bool:
    studio = _studio(community)
    curators = community.curators.get(studio) if studio is not None else None
    if studio is None or not curators:
        return False
    user = curators.pop(_one(community, len(curators)))
    community.member_studios[user].remove(studio)
    community.removed.append(("studio_members", community.studios.id[studio], community.users.id[user]))
    activity.record(community, studio, activity.EXPELLED, community.studios.host[studio], other=user)
    return True


def _promote(community: CommunityState) -> bool:
    studio = _studio(community)
    curators = community.curators.get(studio) if studio is not None else None
    if studio is None or not curators:
        return False
    managers = community.managers.setdefault(studio, [])
    if 1 + len(managers) >= MANAGERS_MAX:
        return False
    managers.append(curators.pop(_one(community, len(curators))))
    activity.record(community, studio, activity.MANAGER, community.studios.host[studio], other=managers[-1])
    user_activity.record(community, managers[-1], user_activity.MANAGER, studio)
    return True


def _follow_studio(community: CommunityState) -> bool:
    studio = _studio(community)
    if studio is None:
        return False
    community.studios.followers[studio] += 1
    user_activity.record(community, user_activity.somebody(community), user_activity.FOLLOWING_STUDIO, studio)
    return True


def _new_studio(community: CommunityState) -> bool:
    studios, host = community.studios, _user(community)
    row = len(studios)
    studio_id = _next_id(community, studios.id[-1] if row else 51_700_000, 3)
    studios.id.append(studio_id)
    studios.host.append(host)
    studios.created.append(community.now)
    studios.modified.append(community.now)
    studios.followers.append(0)
    studios.version.append(0)
    studios.is_open.append(1)
    studios.by_id[studio_id] = row
    community.member_studios.setdefault(host, []).append(row)
    activity.record(community, row, activity.HOST, host, other=host)
    return True


def _close_studio(community: CommunityState) -> bool:
    studio = _studio(community)
    if studio is None:
        return False
    log, users, studio_id = community.removed, community.users, community.studios.id[studio]
    community.studios.is_open[studio] = 0
    log.append(("studios", studio_id))
    events = community.activity.get(studio, ())
    log.extend(("studio_activity", studio_id, f"{event.type}-{event.number}") for event in events)
    _log_comments(community, community.studio_comments, studio)
    projects = community.visible_projects(community.studio_projects.get(studio, ()))
    log.extend(("studio_projects", studio_id, community.projects.id[project]) for project in projects)
    host = community.studios.host[studio]
    members = [host, *community.managers.get(studio, ()), *community.curators.get(studio, ())]
    log.extend(("studio_members", studio_id, users.id[user]) for user in members)
    return True


def _profile_comment(community: CommunityState) -> bool:
    user = _user(community)
    comments = community.profile_comments
    if len(comments) and community.random.random() < 0.5:
        user = comments.owner[_one(community, len(comments))]
    if user in community.users.gone:
        return False
    _write(community, comments, user)
    return True


def _gone_profile(community: CommunityState, user: int) -> None:
    """Log what the truth loses with a profile, which is closed with its account."""
    community.removed.append(("users", community.users.id[user]))
    _log_comments(community, community.profile_comments, user)


def _delete_user(community: CommunityState) -> bool:
    users = community.users
    user = _user(community)
    if user in users.gone or user in users.team:
        return False
    _gone_profile(community, user)
    users.gone.add(user)
    return True


def _erase_user(community: CommunityState) -> bool:
    """Erase an account, deleted before or not, under the GDPR. Half of the names go to newcomers at once."""
    users = community.users
    user = _user(community)
    if user in users.erased or user in users.team:
        return False
    if user not in users.gone:
        _gone_profile(community, user)
    users.erase(user, community.now)
    if community.random.random() < 0.5:
        _take_name(community, user)
    return True


def _restore_user(community: CommunityState) -> bool:
    gone = sorted(community.users.gone - community.users.erased.keys())
    if not gone:
        return False
    community.users.gone.discard(gone[_one(community, len(gone))])
    return True


def _feature_project(community: CommunityState) -> bool:
    user = _user(community)
    projects = community.shared.get(user)
    if not projects:
        return False
    community.users.featured[user] = (projects[_one(community, len(projects))], _one(community, 6) - 1)
    return True


def _messages(community: CommunityState) -> bool:
    community.users.read_messages[_user(community)] += 1 + _one(community, 3)
    return True


def _post_news(community: CommunityState) -> bool:
    community.news.post(community.now, reuse=community.random.random() < 0.3)
    return True


# Weights: events per 100 or so.
_EVENTS: dict[str, tuple[float, Event]] = {
    "new_user": (5.0, _new_user),
    "new_project": (10.0, _new_project),
    "unshare_project": (0.8, _unshare),
    "share_again": (0.5, _share_again),
    "edit_project": (3.0, _edit_project),
    "edit_profile": (2.0, _edit_profile),
    "clear_profile": (0.6, _clear_profile),
    "clear_project": (0.4, _clear_project),
    "clear_studio": (0.2, _clear_studio),
    "index": (3.0, _index),
    "views": (14.0, _views),
    "love": (8.0, _love),
    "favorite": (8.0, _favorite),
    "unfavorite": (0.6, _unfavorite),
    "follow": (10.0, _follow),
    "unfollow": (0.8, _unfollow),
    "project_comment": (12.0, _project_comment),
    "project_reply": (6.0, lambda community: _reply(community, community.project_comments)),
    "delete_project_comment": (0.4, lambda community: _delete(community, community.project_comments, reply=False)),
    "delete_project_reply": (0.3, lambda community: _delete(community, community.project_comments, reply=True)),
    "studio_comment": (8.0, _studio_comment),
    "studio_reply": (5.0, lambda community: _reply(community, community.studio_comments)),
    "delete_studio_comment": (0.3, lambda community: _delete(community, community.studio_comments, reply=False)),
    "delete_studio_reply": (0.2, lambda community: _delete(community, community.studio_comments, reply=True)),
    "studio_add_project": (7.0, _studio_add_project),
    "studio_remove_project": (0.7, _studio_remove_project),
    "join_studio": (2.0, _join_studio),
    "leave_studio": (0.4, _leave_studio),
    "promote": (0.3, _promote),
    "follow_studio": (2.0, _follow_studio),
    "edit_studio": (0.8, _edit_studio),
    "new_studio": (0.9, _new_studio),
    "close_studio": (0.08, _close_studio),
    "profile_comment": (13.0, _profile_comment),
    "profile_reply": (6.0, lambda community: _reply(community, community.profile_comments)),
    "delete_profile_comment": (0.4, lambda community: _delete(community, community.profile_comments, reply=False)),
    "delete_profile_reply": (0.2, lambda community: _delete(community, community.profile_comments, reply=True)),
    "delete_user": (0.05, _delete_user),
    "erase_user": (0.05, _erase_user),
    "restore_user": (0.02, _restore_user),
    "feature_project": (0.5, _feature_project),
    "messages": (1.0, _messages),
    "post_news": (0.1, _post_news),
    "rename": (0.1, _rename),
    "rename_and_reuse": (0.15, _rename_and_reuse),
    "swap_names": (0.05, _swap_names),
    "hide_host": (0.0, _hide_host),  # so rare that it happens on request alone
    "edit_quietly": (0.0, _edit_quietly),
    "remix_project": (0.0, lambda community: _new_project(community, remixes=1.0)),
    "touch_project": (0.0, _touch_project),
}
_NAMES = list(_EVENTS)
_CUMULATED = list(accumulate(weight for weight, _ in _EVENTS.values()))
