"""Filling a new community: counts and tails like the site's, in arrays, 10^5 users in seconds.

Sizes are drawn by rank, not at random: the largest project, studio and circle of followers of a small community
are then always large enough for lists of several pages.

Sources of the figures: the site's totals of July 2024 (164.3 M shared projects, 135.1 M users, 34.9 M studios,
399.3 M project and 259.8 M studio comments) and a table of 250,000 recently shared projects (2016) for the tails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harvester.sandbox import activity
from harvester.sandbox.clock import DAY, NOW, id_range, ids_of_times, times_of_ids
from harvester.sandbox.details import statistics
from harvester.sandbox.draws import (
    LARGEST_LIST,
    column,
    draw_edges,
    draw_popularity,
    draw_rows,
    draw_sizes,
    grouped,
    numbers,
    ranked,
    rows_by_id,
)
from harvester.sandbox.tables import MANAGERS_MAX, NOBODY, REPLIES_MAX

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from harvester.sandbox.community_state import CommunityState
    from harvester.sandbox.draws import Floats, Ints
    from harvester.sandbox.tables import Comments

PROJECTS_PER_USER = 1.22
SHARERS = 0.25  # three of four users never share a project
UNSHARED = 0.08
IDS_PER_PROJECT = 10  # in a dense community
STUDIOS_PER_USER = 0.258
CLOSED_STUDIOS = 0.05
PROJECT_COMMENTS_PER_PROJECT = 2.43
STUDIO_COMMENTS_PER_STUDIO = 7.45
PROFILE_COMMENTS_PER_USER = 2.45
GONE = 0.015  # users that were deleted or banned
FEATURING = 0.4  # users with shared projects who show one of them first
FOLLOWS_PER_USER = 4.0
FAVORITES_PER_PROJECT = 0.8
REMIX_SHARE = 0.15
DELETED_COMMENTS = 0.03
SKEWED_REPLY_COUNTS = 0.02
COMMENT_TIES = 0.04
MEMBERS = 0.004
TEAM = 0.0005
ALONE = 0.04  # users that nothing and nobody is connected to
HOLES_FROM_USERS = 100
_TOP = 20  # owners of the longest lists of comments
HOLE = 79  # hidden entries in a row: one page of 40 is empty wherever they begin, never two


def fill(community: CommunityState, users: int) -> None:
    """Make everything in a community that is still empty."""
    rng = np.random.default_rng([community.seed, users])
    active = _users(community, rng, users)
    _projects(community, rng, active)
    _studios(community, rng, active)
    _comments(community.project_comments, rng, community, active)
    _comments(community.studio_comments, rng, community, active)
    _comments(community.profile_comments, rng, community, active)
    _share_comment_ids(community, rng)
    _follows(community, rng, active)
    _favorites(community, rng, active)
    _studio_lists(community, rng, active)
    if users >= HOLES_FROM_USERS:
        _holes(community, int(np.argmax(active)))
    _profiles(community, rng, active)
    activity.fill(community, rng)


# --- users ---------------------------------------------------------------------------------------------------


def _users(community: CommunityState, rng: Generator, count: int) -> Floats:
    """Make the users. Returns their activity: weights with sum 1, 0 for those who are alone."""
    first, last = id_range("user")
    ids = np.unique(rng.integers(first, last, size=count * 2 + 100))
    ids = np.sort(rng.permutation(ids)[:count])
    joined = times_of_ids("user", ids)
    countries = draw_rows(rng, community.countries.accounts, count)
    for user_id, second, country in zip(ids.tolist(), joined.tolist(), countries.tolist(), strict=True):
        community.users.add(user_id, second, country)
    weights = rng.permutation(ranked(count, 0.85))
    busy = np.argsort(weights)[::-1]
    alone = rng.permutation(count)[: int(count * ALONE) or (1 if count > 4 else 0)]
    alone = alone[~np.isin(alone, busy[: max(count // 10, 1)])]
    weights[alone] = 0.0
    users = community.users
    # Some of both kinds are among those that one meets everywhere.
    team = {int(busy[i]) for i in range(2, count, 7)}
    users.team.update(sorted(team)[: round(count * TEAM)])
    if count > 20:
        users.team.update(int(busy[i]) for i in (3, 11))
    for row in rng.permutation(count)[: round(count * MEMBERS)].tolist():
        users.badges[row] = ((1, 1), (1, 1), (1, 1), (1, 0), (0, 1))[row % 5]
    if count > 20:
        users.badges[int(busy[1])] = (1, 1)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


# --- projects ------------------------------------------------------------------------------------------------


def _projects(community: CommunityState, rng: Generator, active: Floats) -> None:
    users, projects = community.users, community.projects
    count = len(users)
    total = round(count * PROJECTS_PER_USER / (1 - UNSHARED))
    sharers = min(max(1, round(count * SHARERS)), int((active > 0).sum()))
    # Who is active shares, though not in the same order.
    order = np.argsort(-(active * rng.lognormal(0.0, 1.0, count)))[:sharers]
    author = np.repeat(order, 1 + draw_sizes(rng, sharers, total - sharers, 0.8, 1_500))
    joined = numbers(users.joined)[author]
    age = (NOW - DAY - joined).clip(60)
    created = joined + 30 + (age * rng.random(len(author)) ** 1.5).astype(np.int64)
    by_time = np.argsort(created, kind="stable")
    author, created = author[by_time], created[by_time].clip(max=NOW - 7_200)
    number = len(author)
    # Most are shared within two days, some after years: the order of sharing is not that of ids.
    lag = np.where(rng.random(number) < 0.75, rng.exponential(0.4 * DAY, number), 0.0)
    lag = np.where(rng.random(number) < 0.12, rng.random(number) * (NOW - created), lag).astype(np.int64)
    shared_at = np.minimum(created + lag, NOW - 3_600)
    modified = shared_at + np.where(rng.random(number) < 0.3, rng.exponential(20 * DAY, number), 2).astype(np.int64)
    modified = modified.clip(max=NOW - 60)
    # One touch of all projects of an author leaves them one value: `modified` is no sign of change.
    touched = rng.random(count) < 0.05
    touched[order[2:3]] = True  # one of those with the most projects
    touch = rng.integers(NOW - 900 * DAY, NOW - DAY, size=count)
    modified = np.where(touched[author], np.maximum(touch[author], created), modified)

    shared = rng.random(number) >= UNSHARED
    projects.id = column(ids_of_times("project", created.astype(np.float64)))
    projects.author = column(author)
    projects.created = column(created)
    projects.modified = column(modified)
    projects.shared_at = column(shared_at)
    projects.version = column(np.zeros(number, dtype=np.int64))
    projects.is_shared = bytearray(shared.astype(np.uint8).tobytes())
    projects.by_id = rows_by_id(projects.id)
    views = _views(rng, number)
    loves = rng.binomial(views, np.interp(np.log10(views + 1.0), [1.5, 5.0], [0.10, 0.03]))
    projects.views, projects.loves = column(views), column(loves)
    _remixes(community, rng)
    by_share = np.lexsort((numbers(projects.id), shared_at))
    by_share = by_share[shared[by_share]]
    community.shared = grouped(author[by_share], by_share)


def make_dense(community: CommunityState) -> None:
    """Give the projects other ids, in the same order: drawn from the lowest ones, of which one in ten is shared."""
    projects = community.projects
    rng = np.random.default_rng([community.seed, len(projects)])
    projects.frame_end = max(IDS_PER_PROJECT * sum(projects.is_shared), len(projects))
    ids = np.sort(rng.permutation(projects.frame_end)[: len(projects)])
    projects.id = column(ids + 1)
    projects.by_id = rows_by_id(projects.id)


def _views(rng: Generator, count: int) -> Ints:
    """Draw views: 30% none, 23% one, median 1, upper quartile 4, then a tail of exponent 1.25."""
    chance = rng.random(count)
    body = np.interp(chance, [0.0, 0.30, 0.53, 0.66, 0.75], [0.0, 1.0, 2.0, 3.0, 4.0])
    tail = 4.0 * (np.maximum(1.0 - chance, 1e-9) / 0.25) ** (-1 / 1.25)
    return np.asarray(np.where(chance < 0.75, np.floor(body), np.floor(tail)).clip(max=5e6), dtype=np.int64)


def _remixes(community: CommunityState, rng: Generator) -> None:
    """Make remix trees: a few parents have most of the remixes, the first one enough for two pages."""
    projects = community.projects
    number = len(projects)
    total = round(number * REMIX_SHARE)
    parents = rng.permutation(max(1, int(number * 0.7)))[: max(1, int(number * 0.04))]
    old_and_shared = np.flatnonzero(np.frombuffer(projects.is_shared, dtype=np.uint8)[: number // 20 + 1])
    if len(old_and_shared):
        parents[0] = rng.choice(old_and_shared)
    sizes = draw_sizes(rng, len(parents), total, 1.0, 2_000)
    sizes[0] = max(sizes[0], min(60, total))
    parent = np.full(number, NOBODY, dtype=np.int64)
    for row, size in zip(parents.tolist(), sizes.tolist(), strict=True):
        if size and row + 1 < number:  # a remix is younger than its parent
            drawn = np.unique(rng.integers(row + 1, number, size=size * 3))
            parent[rng.permutation(drawn[parent[drawn] < 0])[:size]] = row
    root = np.full(number, NOBODY, dtype=np.int64)
    for row in np.flatnonzero(parent >= 0).tolist():  # a parent's row is lower, so its root is known
        up = int(parent[row])
        root[row] = root[up] if root[up] >= 0 else up
    projects.parent, projects.root = column(parent), column(root)
    children = np.flatnonzero(parent >= 0)
    community.remixes = grouped(parent[children], children)


# --- studios -------------------------------------------------------------------------------------------------


def _studios(community: CommunityState, rng: Generator, active: Floats) -> None:
    studios = community.studios
    open_count = round(len(active) * STUDIOS_PER_USER)
    number = round(open_count / (1 - CLOSED_STUDIOS))
    host = draw_rows(rng, active, number)
    joined = numbers(community.users.joined)[host]
    # Studios are as old as the site allows: 2008 at the earliest.
    earliest = np.maximum(joined + 3_600, int(times_of_ids("studio", np.array([id_range("studio")[0]]))[0]))
    created = earliest + ((NOW - DAY - earliest).clip(60) * rng.random(number)).astype(np.int64)
    is_open = rng.random(number) >= CLOSED_STUDIOS
    if len(active) >= HOLES_FROM_USERS:
        # Somebody made many studios in one go, and they were all taken down: a hole in every list they were in.
        spammer = int(np.argmax(active))
        began = (max(int(community.users.joined[spammer]), int(created.min())) + NOW) // 2
        host = np.concatenate([host, np.full(HOLE, spammer, dtype=np.int64)])
        created = np.concatenate([created, began + 20 * np.arange(HOLE)])
        is_open = np.concatenate([is_open, np.zeros(HOLE, dtype=np.bool_)])
        number += HOLE
    by_time = np.argsort(created, kind="stable")
    host, created, is_open = host[by_time], created[by_time].clip(max=NOW - 7_200), is_open[by_time]
    studios.id = column(ids_of_times("studio", created.astype(np.float64)))
    studios.host = column(host)
    studios.created = column(created)
    studios.modified = column(created + ((NOW - 60 - created) * rng.random(number) ** 2).astype(np.int64))
    studios.followers = column(np.floor((np.maximum(rng.random(number), 1e-6)) ** (-1 / 1.2)).astype(np.int64) - 1)
    studios.version = column(np.zeros(number, dtype=np.int64))
    studios.is_open = bytearray(is_open.astype(np.uint8).tobytes())
    studios.by_id = rows_by_id(studios.id)


def _kept_studios(community: CommunityState, active: Floats) -> Ints:
    """Return the rows of all studios but those that were made in one go and taken down: nothing happened in them."""
    host, is_open = numbers(community.studios.host), np.frombuffer(community.studios.is_open, dtype=np.uint8)
    return np.asarray(np.flatnonzero((is_open > 0) | (host != np.argmax(active))), dtype=np.int64)


def _by_rank(rng: Generator, count: int, mean_log: float, spread: float, largest: int) -> Ints:
    """Return log-normal sizes, every quantile once: the largest of a hundred is as large as it is expected to be."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    levels = (rng.permutation(count) + 0.5) / count
    known = np.linspace(-4.0, 4.0, 2_001)
    density = np.exp(-known * known / 2)
    normal = np.interp(levels, np.cumsum(density) / density.sum(), known)
    return np.asarray(np.exp(mean_log + spread * normal).clip(max=largest), dtype=np.int64)


def _studio_lists(community: CommunityState, rng: Generator, active: Floats) -> None:
    """Fill the studios with managers, curators and projects."""
    rows = _kept_studios(community, active)
    number = len(rows)
    host = numbers(community.studios.host)
    managers = _by_rank(rng, number, 0.0, 1.1, MANAGERS_MAX - 1)
    curators = _by_rank(rng, number, 0.9, 1.4, 1_000)
    studio, user = draw_edges(rng, rows, managers + curators, active)
    other = user != host[studio]
    studio, user = studio[other], user[other]
    order = np.argsort(studio, kind="stable")
    studio, user = studio[order], user[order]
    rank = np.arange(len(studio)) - np.searchsorted(studio, studio)
    seats = np.zeros(len(host), dtype=np.int64)
    seats[rows] = managers
    manages = rank < seats[studio]
    community.managers = grouped(studio[manages], user[manages])
    community.curators = grouped(studio[~manages], user[~manages])
    everyone, everywhere = np.concatenate([host, user]), np.concatenate([np.arange(len(host)), studio])
    by_studio = np.argsort(everywhere, kind="stable")
    community.member_studios = grouped(everyone[by_studio], everywhere[by_studio])

    count = len(community.projects)
    if not count:
        return
    sizes = _by_rank(rng, number, 1.9, 1.5, min(LARGEST_LIST, int(count * 0.6)))
    popularity = draw_popularity(rng, count, 0.85)
    studio, project = draw_edges(rng, rows, sizes, popularity)
    # Added by the project's author where anyone may, else by one who runs the studio; here: the one or the other.
    adder = np.where(rng.random(len(studio)) < 0.5, numbers(community.projects.author)[project], host[studio])
    community.studio_projects = grouped(studio, project)
    community.studio_adders = grouped(studio, adder)
    community.project_studios = grouped(project, studio)


# --- comments ------------------------------------------------------------------------------------------------


def _commented_places(
    kind: str, community: CommunityState, active: Floats
) -> tuple[Ints, NDArray[np.uint8], Ints, tuple[float, float, float]]:
    """Return where comments of a kind may stand, which of these places are public, and when each began.

    With the comments for each place, the share of places that have any, and the share of replies that is kept.
    """
    if kind == "project":
        return (
            np.arange(len(community.projects)),
            np.frombuffer(community.projects.is_shared, dtype=np.uint8),
            numbers(community.projects.shared_at),
            (PROJECT_COMMENTS_PER_PROJECT, 0.3, 0.6),
        )
    if kind == "profile":
        return (
            np.flatnonzero(active > 0),
            np.ones(len(active), dtype=np.uint8),
            numbers(community.users.joined),
            (PROFILE_COMMENTS_PER_USER, 0.3, 0.6),
        )
    return (
        _kept_studios(community, active),
        np.frombuffer(community.studios.is_open, dtype=np.uint8),
        numbers(community.studios.created),
        (STUDIO_COMMENTS_PER_STUDIO, 0.45, 1.0),
    )


def _comments(comments: Comments, rng: Generator, community: CommunityState, active: Floats) -> None:
    """Make threads and replies of one kind, with ties and a few inversions of id and time."""
    places, is_public, born, (per_owner, commented, reply_keep) = _commented_places(comments.kind, community, active)
    histogram = statistics().reply_counts
    values = np.array(list(histogram))
    frequencies = np.array(list(histogram.values()), dtype=np.float64)
    mean_replies = reply_keep * float((values * frequencies).sum() / frequencies.sum())
    # The deleted are on top, so that what is visible has the site's ratios.
    threads = len(places) * per_owner / (1 + mean_replies) / (1 - DELETED_COMMENTS)
    owners = rng.permutation(places)[: max(1, int(len(places) * commented))]
    hidden = is_public[owners[:_TOP]] == 0  # the longest lists can be seen
    owners[:_TOP] = np.concatenate([owners[:_TOP][~hidden], owners[:_TOP][hidden]])
    owner = np.repeat(owners, draw_sizes(rng, len(owners), threads, 1.15))
    number = len(owner)
    author = draw_rows(rng, active, number)
    # The older a project, the fewer the comments: the hazard falls as 1 / (1 + age).
    earliest = np.maximum(born[owner], numbers(community.users.joined)[author]) + 30
    room = (NOW - 600 - earliest).clip(60)
    created = earliest + (60 * ((room / 60 + 1) ** rng.random(number) - 1)).astype(np.int64)
    created = created.clip(max=NOW - 300)
    moment = created.astype(np.float64)
    _ties(rng, owner, author, created, moment)

    replies = draw_rows(rng, frequencies, number)
    replies = np.where(rng.random(number) < reply_keep, values[replies], 0)
    full = rng.permutation(number)[:2]
    replies[full] = REPLIES_MAX
    thread = np.repeat(np.arange(number), replies)
    joined = numbers(community.users.joined)
    reply_author, reply_created = _draw_replies(rng, created[thread], author[thread], joined, active)

    moment = np.concatenate([moment, reply_created + rng.random(len(thread)) * 0.9])
    order = np.argsort(moment, kind="stable")
    row_of = np.empty(len(order), dtype=np.int64)
    row_of[order] = np.arange(len(order))
    parent = np.concatenate([np.full(number, NOBODY, dtype=np.int64), row_of[thread]])
    commentee = np.where(rng.random(len(thread)) < 0.03, NOBODY, author[thread])
    commentee = np.concatenate([np.full(number, NOBODY, dtype=np.int64), commentee])
    whole_owner = np.concatenate([owner, owner[thread]])[order]
    whole_created = np.concatenate([created, reply_created])[order]
    parent = parent[order]
    ids = ids_of_times(f"{comments.kind}_comment", moment[order])
    deleted = rng.random(len(ids)) < DELETED_COMMENTS
    keep_full = np.concatenate([full, np.flatnonzero(np.isin(thread, full)) + number]).astype(np.int64)
    deleted[row_of[keep_full]] = False
    deleted |= (parent >= 0) & deleted[parent]

    comments.id = column(ids)
    comments.owner = column(whole_owner)
    comments.author = column(np.concatenate([author, reply_author])[order])
    comments.created = column(whole_created)
    comments.parent = column(parent)
    comments.commentee = column(commentee[order])
    comments.is_deleted = bytearray(deleted.astype(np.uint8).tobytes())
    comments.by_id = rows_by_id(comments.id)
    _list_comments(comments, rng, ids, parent, deleted)


def _draw_replies(rng: Generator, created: Ints, author: Ints, joined: Ints, active: Floats) -> tuple[Ints, Ints]:
    """Return authors and times of replies to comments of these times and authors, one to each."""
    gap = rng.exponential(1.5 * DAY, len(created)) * rng.random(len(created)) ** 3
    reply_created = np.minimum(created + 5 + gap.astype(np.int64), NOW - 120)
    reply_author = draw_rows(rng, active, len(created))
    # Nobody answers before joining.
    reply_author = np.where(joined[reply_author] < reply_created, reply_author, author)
    return reply_author, np.maximum(reply_created, created + 1)


def _list_comments(comments: Comments, rng: Generator, ids: Ints, parent: Ints, deleted: NDArray[np.bool_]) -> None:
    """Make the lists of comments that are served, their counts, and the wrong reply counts of a few."""
    owner, created = numbers(comments.owner), numbers(comments.created)
    by_time = np.lexsort((ids, created))
    seen = by_time[~deleted[by_time]]
    listed = by_time if comments.keeps_deleted else seen
    top = listed[parent[listed] < 0]
    below = listed[parent[listed] >= 0]
    comments.threads = grouped(owner[top], top)
    comments.replies = grouped(parent[below], below)
    found, counts = np.unique(owner[seen], return_counts=True)
    comments.total.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
    answered = np.array(list(comments.replies), dtype=np.int64)
    skewed = answered[rng.random(len(answered)) < SKEWED_REPLY_COUNTS]
    offs = rng.choice(np.array([-2, -1, 1, 1, 2]), size=len(skewed))
    comments.skew = dict(zip(skewed.tolist(), offs.tolist(), strict=True))


def _ties(rng: Generator, owner: Ints, author: Ints, created: Ints, moment: Floats) -> None:
    """Give some comments the second of the one before in their list, and a few one second less but a higher id."""
    order = np.lexsort((created, owner))
    later, earlier = order[1:], order[:-1]
    same = owner[later] == owner[earlier]
    later, earlier = later[same], earlier[same]
    # Every other neighbour at most, so that no comment is both copied and moved.
    picked = np.flatnonzero((rng.random(len(later)) < 2 * COMMENT_TIES) & (np.arange(len(later)) % 2 == 0))
    inverted = picked[: max(2, len(picked) // 100)]
    author[later[picked]] = author[earlier[picked]]  # bursts come from one person
    created[later[picked]] = created[earlier[picked]]
    moment[later[picked]] = created[earlier[picked]] + 0.5
    created[later[inverted]] = created[earlier[inverted]] - 1


def _share_comment_ids(community: CommunityState, rng: Generator) -> None:
    """Give 1% of the studio comments the id of a project comment: the kinds are numbered independently."""
    other, mine = numbers(community.project_comments.id), numbers(community.studio_comments.id)
    if len(other) < 3 or len(mine) < 3:
        return
    for row in np.sort(rng.permutation(np.arange(1, len(mine) - 1))[: max(8, len(mine) // 100)]).tolist():
        near = int(np.searchsorted(other, mine[row - 1], side="right"))
        if near < len(other) and other[near] < mine[row + 1]:
            mine[row] = other[near]
    community.studio_comments.id = column(mine)
    community.studio_comments.by_id = rows_by_id(community.studio_comments.id)


# --- profiles --------------------------------------------------------------------------------------------------


def _profiles(community: CommunityState, rng: Generator, active: Floats) -> None:
    """Draw the accounts that are gone, and the projects that the others feature."""
    users = community.users
    count = len(active)
    quiet = np.argsort(active)[: int(count * 0.9)]
    gone = rng.permutation(quiet)[: max(3, round(count * GONE)) if count >= HOLES_FROM_USERS else 0]
    users.gone.update(row for row in gone.tolist() if row not in users.team)
    for row in sorted(users.gone)[::3]:
        users.erase(row, NOW)
    for row, projects in community.shared.items():
        if projects and rng.random() < FEATURING:
            users.featured[row] = (projects[int(rng.integers(len(projects)))], int(rng.integers(-1, 5)))


# --- follows and favorites -----------------------------------------------------------------------------------


def _follows(community: CommunityState, rng: Generator, active: Floats) -> None:
    count = len(active)
    connected = np.flatnonzero(active > 0)
    followers = rng.permutation(connected)[: int(len(connected) * 0.7)]
    sizes = 1 + draw_sizes(rng, len(followers), count * FOLLOWS_PER_USER - len(followers), 0.6, 4_000)
    fame = np.zeros(count)
    fame[connected] = draw_popularity(rng, len(connected), 0.9)
    follower, followee = draw_edges(rng, followers, sizes, fame)
    other = follower != followee
    follower, followee = follower[other], followee[other]
    community.following = grouped(follower, followee)
    community.followers = grouped(followee, follower)


def _favorites(community: CommunityState, rng: Generator, active: Floats) -> None:
    projects = community.projects
    number = len(projects)
    if not number:
        return
    total = number * FAVORITES_PER_PROJECT
    connected = np.flatnonzero(active > 0)
    fans = rng.permutation(connected)[: max(1, int(len(connected) * 0.3))]
    # Few projects are favorites at all: weights fall fast, in the order of views.
    weights = np.zeros(number)
    weights[np.argsort(-numbers(projects.views), kind="stable")] = ranked(number, 0.8)
    user, project = draw_edges(rng, fans, draw_sizes(rng, len(fans), total, 0.9, 3_000), weights)
    community.favorites = grouped(user, project)
    community.favoriters = grouped(project, user)
    favored = np.zeros(number, dtype=np.int64)
    found, counts = np.unique(project, return_counts=True)
    favored[found] = counts
    loves = np.maximum(numbers(projects.loves), favored)
    projects.loves = column(loves)
    projects.views = column(np.maximum(numbers(projects.views), loves + loves // 3))


def _holes(community: CommunityState, spammer: int) -> None:
    """Put as many hidden entries in a row into one list of favorites and one of a project's studios.

    Both are filtered after limit and offset, so that a page in the middle of them is empty.
    """
    shared = community.projects.is_shared
    user, favorites = max(community.favorites.items(), key=lambda item: (len(item[1]), item[0]))
    hidden = [row for row in range(len(shared)) if not shared[row] and row not in favorites][:HOLE]
    # Served from the end: offsets 40 to 79 are empty even if there are but 40 to hide.
    at = max(0, len(favorites) - 40)
    favorites[at:at] = hidden
    for project in hidden:
        community.favoriters.setdefault(project, []).append(user)

    popular = ((len(studios), row) for row, studios in community.project_studios.items() if shared[row])
    _, project = max(popular)
    studios = community.project_studios[project]
    hosted = [row for row, host in enumerate(community.studios.host) if host == spammer]
    closed = [row for row in hosted if not community.studios.is_open[row] and row not in studios][:HOLE]
    at = len(studios) // 2
    studios[at:at] = closed
    for studio in closed:
        community.studio_projects.setdefault(studio, []).append(project)
        community.studio_adders.setdefault(studio, []).append(spammer)
