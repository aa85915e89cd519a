"""Make the feeds of a simulated community: reads that name lists which have got something.

- `activity`: the activity of a studio names projects, managers and curators. It is one of the lists.
- `counters`: a counter in the list of a user's projects that makes their comments due: of the comments seven in ten
  raise it, and for each comment it is raised 1.5 times more. No counter of the site is as good.
- `views`: the views that this list shows of up to 40 projects in one request, 30 for a comment (examples of the
  API's wiki of 2017: 349 views for 10 comments, 237 for 3; the whole site in a month of 2024: 796 million page views,
  11 million comments of all kinds). Of the comments seven in ten come with a view that counts. The ratio varies
  between projects (gamma, shape 1). Half of the other views come within days of comments, half at any time: a guess.
  Views are evidence: they make nothing due, but change what is expected of a list.
- `fragment`: the site's page of a user's recent activity names projects, favorites, following and studios. It is no
  list: a read of it shows no item.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.schedule.community import DAYS, LISTS, PAST_DAYS, USERS, Community, Counts, Floats, Items, spread

_LAG_DAYS = 0.02
_COUNTED, _OTHERS = 0.7, 1.5
_VIEWS, _VIEWS_SHAPE, _VIEWS_NEAR = 30.0, 1.0, 0.5
"""Views for a comment, the shape of their distribution, and the share that comes within days of comments."""
_VIEW_DAYS = 3.0
"""Spread of these views around the times of comments."""


@dataclass
class Feeds:
    """Feeds in use: the feed of each list (-1: none), their events, and the items of lists that are feeds."""

    names: tuple[str, ...] = ()
    drop: float = 0.0
    """Share of the announcements that never come."""
    false: float = 0.0
    """Announcements of nothing, relative to the right ones."""
    of: Counts = field(default_factory=lambda: np.full(LISTS, -1))
    entities: int = LISTS
    events: list[Items] = field(default_factory=list)
    counted: np.ndarray[tuple[int], np.dtype[np.bool_]] = field(default_factory=lambda: np.zeros(LISTS, bool))
    """Lists of which a feed shows evidence, and announces nothing."""

    def add(self, lists: Counts, feeds: Counts, announced: tuple[Counts, Floats, Floats]) -> None:
        """Let feeds (one for each of the lists) show announcements: list, the time from which each is served, date."""
        self.of[lists] = feeds
        named, served, dates = announced
        self.events.append(Items(self.of[named], served, dates, named))


def make(community: Community, names: tuple[str, ...], seed: int, *, drop: float = 0.0, false: float = 0.0) -> Feeds:
    """Return some feeds of a community. The activity of studios shows its items in any case."""
    rng = np.random.default_rng([seed, 11])
    feeds = Feeds(names, drop, false)
    if "studio_activity" not in community.names:
        return feeds
    studios = [community.of(f"studio_{name}") for name in ("projects", "managers", "curators")]
    activity = community.of("studio_activity")
    feeds.add(np.concatenate(studios), np.tile(activity, 3), _announce(rng, community, np.concatenate(studios), feeds))
    if "activity" not in names:
        feeds.of[:] = -1
        feeds.events[0].named[:] = -1
    if "counters" in names:
        lists = community.of("project_comments")
        feeds.add(lists, community.of("user_projects")[community.owner[lists]], _count(rng, community, lists, feeds))
    if "views" in names:
        lists = community.of("project_comments")
        feeds.add(lists, community.of("user_projects")[community.owner[lists]], _view(rng, community, lists, feeds))
        feeds.counted[lists] = True
    if "fragment" in names:
        own = ("user_projects", "user_favorites", "user_following", "user_studios")
        lists = np.concatenate([community.of(name) for name in own])
        feeds.add(lists, LISTS + community.owner[lists], _announce(rng, community, lists, feeds))
        feeds.entities += USERS
    return feeds


def true_rates(community: Community, feeds: Feeds) -> Floats:
    """Return the mean rates of lists, with what the activity of studios shows of the other lists."""
    true = community.true.copy()
    if "studio_activity" in community.names:
        for name in ("studio_projects", "studio_managers", "studio_curators"):
            true[community.of("studio_activity")] += true[community.of(name)] * (1 - feeds.drop + feeds.false)
    return true


def _announce(
    rng: np.random.Generator, community: Community, lists: Counts, feeds: Feeds
) -> tuple[Counts, Floats, Floats]:
    """Return announcements of items: of a share none, and some of nothing, at other times in the same lists."""
    named, dates = _items_of(community, lists)
    kept = rng.random(len(named)) >= feeds.drop
    wrong = rng.integers(0, len(named), rng.poisson(feeds.false * len(named)))
    moments = rng.random(len(wrong)) * (PAST_DAYS + DAYS) - PAST_DAYS
    served = dates[kept] + rng.exponential(_LAG_DAYS, int(kept.sum()))
    return (
        np.concatenate([named[kept], named[wrong]]),
        np.concatenate([served, moments]),
        np.concatenate([dates[kept], moments]),
    )


def _count(
    rng: np.random.Generator, community: Community, lists: Counts, feeds: Feeds
) -> tuple[Counts, Floats, Floats]:
    """Return announcements by a counter, of which only some belong to comments."""
    named, dates = _items_of(community, lists)
    kept = rng.random(len(named)) < _COUNTED * (1 - feeds.drop)
    other = rng.integers(0, len(named), rng.poisson((_OTHERS + feeds.false) * len(named)))
    views = dates[other] + rng.normal(0, _VIEW_DAYS, len(other))
    at = np.concatenate([dates[kept], views])
    return np.concatenate([named[kept], named[other]]), at + rng.exponential(_LAG_DAYS, len(at)), at


def _view(rng: np.random.Generator, community: Community, lists: Counts, feeds: Feeds) -> tuple[Counts, Floats, Floats]:
    """Return the views of projects."""
    named, dates = _items_of(community, lists)
    kept = rng.random(len(named)) < _COUNTED * (1 - feeds.drop)
    others = np.zeros(LISTS)
    others[lists] = (_VIEWS - _COUNTED) * rng.gamma(_VIEWS_SHAPE, 1 / _VIEWS_SHAPE, len(lists))
    near, _ = spread(rng.poisson(others[named] * _VIEWS_NEAR))
    days = PAST_DAYS + DAYS
    steady = np.repeat(lists, rng.poisson(others[lists] * (1 - _VIEWS_NEAR) * community.rates[lists] * days))
    close = dates[near] + rng.normal(0, _VIEW_DAYS, len(near))
    at = np.concatenate([dates[kept], close, rng.random(len(steady)) * days - PAST_DAYS])
    return np.concatenate([named[kept], named[near], steady]), at + rng.exponential(_LAG_DAYS, len(at)), at


def _items_of(community: Community, lists: Counts) -> tuple[Counts, Floats]:
    chosen = np.isin(community.items.lists, lists)
    return community.items.lists[chosen], community.items.served[chosen]
