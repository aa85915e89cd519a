"""Make a community for the simulation of visits: 40,000 lists of accounts, projects and studios, and their items.

Numbers, and where they are from:

- Rates of streams: in the proportions of the catalogue (site totals of June 2024), 50 times as high, so that the mean
  list gets 0.05 items a day as in `independent`: the scope is of people who are active.
- Accounts: gamma distributed with shape 0.25, as the lists of `independent`. Studios: log-normal with sigma 1.5, as the
  number of their projects is thought to be. Within one of them the rates of lists vary with shape 1.
- Projects belong to authors in proportion to their activity, 0.5 is the shape of their rates.
- Items come in clusters of P(size >= x) = x^-1.6 (projects of an account within 24 hours; MSR 2017 data set, mean 2.3),
  in sessions of the owner (all lists of one have their clusters in the same sessions), and these in spells.
- A spell lasts 15 days, a guess between a month and a half (4.9 projects of a sharer, 3.2 a month of active ones, June
  2022) and a day. The share of time in spells is r / (r + mean r) for an owner of rate r: active people are
  active more often, not without bound at once.
- Of what others do (followers, comments on profiles and projects, remixes), half comes in spells of the owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harvester.api.catalogue import STREAMS

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Counts = np.ndarray[tuple[int], np.dtype[np.int64]]

DAYS, PAST_DAYS = 90.0, 180.0
USERS, PROJECTS, STUDIOS = 3_000, 6_000, 2_000
OWNERS = USERS + STUDIOS
LISTS = 40_000
_SCALE = 50
_CLUSTER_TAIL, _CLUSTER_MEAN, _CLUSTER_MAX = 1.6, 2.29, 900
_CLUSTER_DAYS = 0.08
_SESSIONS = 0.25
"""Sessions a day within a spell, at least."""
_OTHER_EVENTS = 0.0018
"""Rate of events of a studio that name no list (title, host): the rest of the catalogue's rate of its activity."""
_OF_USER = {
    "user_projects": 1.0, "user_favorites": 1.0, "user_following": 1.0, "user_studios": 1.0,
    "user_followers": 0.5, "profile_comments": 0.5,
}  # fmt: skip
_OF_PROJECT = {"project_comments": 0.5, "project_remixes": 0.5}
_OF_STUDIO = {
    "studio_projects": 1.0, "studio_managers": 1.0, "studio_curators": 1.0, "studio_comments": 1.0,
    "studio_activity": 1.0,
}  # fmt: skip
"""Share of the items of each list that come in spells of its owner."""


@dataclass
class Items:
    """Items, or events of feeds: list, time from which it is served, date, and the list that it names."""

    lists: Counts
    served: Floats
    dates: Floats
    named: Counts
    """-1 for none."""

    @staticmethod
    def join(parts: list[Items]) -> Items:
        """Join and sort by list and time; leave out what is served after the end."""
        lists = np.concatenate([part.lists for part in parts])
        served = np.concatenate([part.served for part in parts])
        dates = np.concatenate([part.dates for part in parts])
        named = np.concatenate([part.named for part in parts])
        order = np.lexsort((served, lists))
        order = order[served[order] < DAYS]
        return Items(lists[order], served[order], dates[order], named[order])


@dataclass
class Community:
    """Lists by stream, their owners, true mean rates within the 90 days and for ever, and items since half a year."""

    names: list[str]
    stream: Counts
    owner: Counts
    true: Floats
    rates: Floats
    items: Items

    def of(self, name: str) -> Counts:
        """Return the lists of a stream, in the order of their accounts, projects or studios."""
        return np.flatnonzero(self.stream == self.names.index(name))

    @property
    def dated(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which lists have dated items."""
        dated = [(members := STREAMS[name].members) is not None and members.dated is not None for name in self.names]
        return np.array(dated)[self.stream]


def independent(seed: int) -> Community:
    """Return the lists of `independent`: one rate each, Poisson, of one stream and without owners in common."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.25, 0.2, LISTS)
    numbers = rng.poisson(rates * (PAST_DAYS + DAYS))
    lists = np.repeat(np.arange(LISTS), numbers)
    times = rng.random(len(lists)) * (PAST_DAYS + DAYS) - PAST_DAYS
    items = Items.join([Items(lists, times, times, np.full(len(lists), -1))])
    return Community(["project_comments"], np.zeros(LISTS, int), np.arange(LISTS), rates, rates, items)


def with_owners(seed: int, *, spell: float = 15.0, bursts: bool = True) -> Community:
    """Return accounts, projects and studios. Without `bursts` their items come as Poisson processes."""
    rng = np.random.default_rng([seed, 7])
    activity = np.concatenate([rng.gamma(0.25, 4, USERS), rng.lognormal(-(1.5**2) / 2, 1.5, STUDIOS)])
    activity = np.maximum(activity, 1e-4)
    names, stream, owner, rates, inside = _lists(rng, activity)
    share = np.clip(activity / (activity + 1), 0.02, 0.98) if bursts else np.ones(OWNERS)
    spells = _spells(rng, share, spell if bursts else 1e9)
    outside = rng.poisson(rates * (1 - inside) * (PAST_DAYS + DAYS))
    lists = np.repeat(np.arange(LISTS), outside)
    times = rng.random(len(lists)) * (PAST_DAYS + DAYS) - PAST_DAYS
    clusters = _in_sessions(rng, owner, rates * inside / share[owner], spells, bursts=bursts)
    lists, times = np.concatenate([lists, clusters[0]]), np.concatenate([times, clusters[1]])
    items = Items.join([Items(lists, times, times, np.full(len(lists), -1))])
    owners, begin, end = spells
    active = np.bincount(owners, np.maximum(0, end - np.maximum(begin, 0)) / DAYS, minlength=OWNERS)
    true = rates * (1 - inside) + rates * inside / share[owner] * active[owner]
    return Community(names, stream, owner, true, rates, items)


def _lists(rng: np.random.Generator, activity: Floats) -> tuple[list[str], Counts, Counts, Floats, Floats]:
    """Return the names of streams and, by list: its stream, its owner, its rate, the share of its items in spells."""
    author = rng.choice(USERS, PROJECTS, p=activity[:USERS] / activity[:USERS].sum())
    kinds = [
        (_OF_USER, np.arange(USERS), activity[:USERS], 1.0),
        (_OF_PROJECT, author, activity[author] / activity[author].mean(), 0.5),
        (_OF_STUDIO, USERS + np.arange(STUDIOS), activity[USERS:], 1.0),
    ]
    names = [name for kind, *_ in kinds for name in kind]
    found: list[tuple[Counts, Counts, Floats, Floats]] = []
    for kind, owner, factor, shape in kinds:
        for name, inside in kind.items():
            rate = _OTHER_EVENTS if name == "studio_activity" else STREAMS[name].rate
            rates = factor * rate * _SCALE * rng.gamma(shape, 1 / shape, len(owner))
            found.append((np.full(len(owner), names.index(name)), owner, rates, np.full(len(owner), inside)))
    stream, owners, all_rates, share = (np.concatenate(column) for column in zip(*found, strict=True))
    return names, stream, owners, all_rates, share


def _spells(rng: np.random.Generator, share: Floats, mean: float) -> tuple[Counts, Floats, Floats]:
    """Return the spells of owners that are active for a share of the time: owner, begin and end of each."""
    quiet = mean * (1 - share) / share
    now, active = np.full(len(share), -PAST_DAYS), rng.random(len(share)) < share
    left = np.arange(len(share))
    found = []
    while len(left):
        end = now[left] + rng.exponential(np.where(active[left], mean, quiet[left]))
        on = active[left]
        found.append((left[on], now[left[on]], np.minimum(end[on], DAYS)))
        now[left], active[left] = end, ~on
        left = left[end < DAYS]
    owners, begin, end = (np.concatenate(column) for column in zip(*found, strict=True))
    return owners, begin, end


def _in_sessions(
    rng: np.random.Generator, owner: Counts, rates: Floats, spells: tuple[Counts, Floats, Floats], *, bursts: bool
) -> tuple[Counts, Floats]:
    """Return the list and time of items that come in sessions; `rates` are those of lists within spells."""
    mean = _CLUSTER_MEAN if bursts else 1.0
    sessions = np.full(OWNERS, _SESSIONS)
    np.maximum.at(sessions, owner, rates / mean)
    owners, begin, end = spells
    numbers = rng.poisson(sessions[owners] * (end - begin))
    who = np.repeat(owners, numbers)
    when = np.repeat(begin, numbers) + rng.random(len(who)) * np.repeat(end - begin, numbers)
    # Each list of the owner has a cluster in a session, or none.
    order = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[order], np.arange(OWNERS + 1))
    session, place = spread(first[who + 1] - first[who])
    lists = order[first[who[session]] + place]
    hit = rng.random(len(lists)) < rates[lists] / (sessions[who[session]] * mean)
    lists, session = lists[hit], session[hit]
    sizes = np.ones(len(lists), int)
    if bursts:
        sizes = np.minimum(rng.random(len(lists)) ** (-1 / _CLUSTER_TAIL), _CLUSTER_MAX).astype(int)
    lists, times = np.repeat(lists, sizes), np.repeat(when[session], sizes)
    return lists, times + rng.random(len(lists)) * _CLUSTER_DAYS


def spread(numbers: Counts) -> tuple[Counts, Counts]:
    """Return for each of `numbers[i]` rows, of all i one after the other, its i and its place among those of i."""
    rows = np.repeat(np.arange(len(numbers)), numbers)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
