"""Spend ninety days of visits on a community, by one of several schedules.

A list of rate r has N = r * t expected unseen items after t days, and its visit saves N^2 / 2r item-days:

- the oracle visits each list independently, at its true mean rate;
- today's schedule knows the rates as the product estimates them, with priors fitted once a day, and visits each list
  after the floor in any case; in exact order, where the product takes classes first in, first out;
- with feeds, an announced list is due at once. Others that feeds cover have a residual rate, r * (1 - reliability).
  A read of a feed saves what its announcements save, and costs the visits that follow from it besides its own;
- with evidence, a counter that a feed shows, the items that are expected since the last visit of a list are multiplied
  by (1 + growth) / (1 + expected growth), for the time until the feed was read;
- with the state, rates are multiplied by a factor (1 + found) / (1 + expected) of the entity: of the items that were
  found in its other lists, and of those that their rates let expect; both are forgotten within days.

The reliability of a feed is learnt for each stream that it announces, from visits that nothing announced (the floor,
random re-checks, the residual rate): they find what the feed left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.schedule.community import DAYS, LISTS, PAST_DAYS, Community, Counts, Floats, Items, spread
from benchmarks.schedule.feeds import Feeds, true_rates
from harvester.frontier import rates
from harvester.frontier.gamma_prior import fit_gamma

FLOOR_DAYS = 180.0
"""As the catalogue has it for lists. The first floor of a list comes at any of these days."""
_FIRST_RATE = 0.05
_LEAST_LISTS, _LEAST_ITEMS = 30, 20
_GROWTH_SHAPE = 0.5
"""Shape of the rates at which counters grow."""
_SPAN = 1_000.0
"""Days between the keys of two lists, so that list and time are one number."""


@dataclass(frozen=True)
class Policy:
    """A schedule, by its parts."""

    name: str
    knows: bool = False
    """The oracle."""
    feeds: tuple[str, ...] = ()
    memory_days: float = 0.0
    """Days in which the state forgets all but 1/e; 0: no state."""
    is_daily: bool = False
    """True if the state changes the rate of a list at its own visits and once a day only."""
    recheck: float = 0.0
    """Share of visits that are drawn at random."""


@dataclass(frozen=True)
class Outcome:
    """Mean delay in days, visits (reads of feeds too), the longest time of a list beyond its floor, reliability."""

    delay: float
    visits: int
    overdue: float
    reliability: dict[str, float]


class Visits:
    """The state of the lists and of what is known of them."""

    def __init__(self, community: Community, feeds: Feeds, policy: Policy, budget: float, seed: int) -> None:
        self.policy, self.budget, self.community = policy, budget, community
        self.tick = 0.1 if budget <= 0.1 else 0.05
        self.rng = np.random.default_rng([seed, 3])
        self.total = feeds.entities
        self.true = true_rates(community, feeds)
        self.events = Items.join([community.items, *feeds.events])
        self._keys = self.events.lists * _SPAN + self.events.served
        # Events of lists are items, except the views by which a list of projects is a feed.
        self.is_item = (self.events.named < 0) | self._is_activity(community)
        self._items = np.concatenate([[0], np.cumsum(self.is_item)])
        self._times = np.concatenate([[0.0], np.cumsum(self.events.served * self.is_item)])
        self.covered = np.flatnonzero((feeds.of >= 0) & ~feeds.counted)
        self.counted = np.flatnonzero(feeds.counted)
        self.feed_of = feeds.of
        self.is_feed = np.isin(np.arange(self.total), feeds.of)
        self.stream = np.concatenate([community.stream, np.full(self.total - LISTS, len(community.names))])
        self.entity = _entities(community)
        self.last, self.read = np.zeros(self.total), np.zeros(LISTS)
        self.announced, self.growth = np.zeros(LISTS), np.zeros(LISTS)
        self.growth_seen, self.growth_days = np.zeros(LISTS), np.zeros(LISTS)
        self.due = self.rng.random(LISTS) * FLOOR_DAYS
        self.missed, self.expected = np.zeros(len(community.names)), np.zeros(len(community.names))
        self.found_lately, self.expected_lately = np.zeros(LISTS), np.zeros(LISTS)
        self.current = np.ones(LISTS)
        self.waited, self.overdue, self.visited = 0.0, 0.0, 0
        self.place = np.searchsorted(self._keys, np.arange(self.total) * _SPAN)
        self.shape, self.mean = np.full(len(community.names) + 1, rates.SHAPE), np.full(len(community.names) + 1, 0.05)
        self.counts, self.days = self._past()
        self.fit()

    def _is_activity(self, community: Community) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        if "studio_activity" not in community.names:
            return np.zeros(len(self.events.lists), bool)
        return np.isin(self.events.lists, community.of("studio_activity"))

    def _past(self) -> tuple[Floats, Floats]:
        """Return counts and days as the first visit shows them: dated items, or their number only."""
        community, events = self.community, self.events
        past = (events.served < 0) & self.is_item
        number = np.bincount(events.lists[past], minlength=self.total).astype(float)
        memory = np.maximum(
            rates.FORGET_DAYS, rates.MEMORY_ITEMS * (rates.SHAPE / _FIRST_RATE + PAST_DAYS) / (rates.SHAPE + number)
        )
        weights = np.exp(events.served[past] / memory[events.lists[past]])
        weighed = np.bincount(events.lists[past], weights, minlength=self.total)
        dated = np.zeros(self.total, bool)
        dated[:LISTS] = community.dated
        counts = np.where(dated, weighed, np.minimum(number, rates.UNDATED_ITEMS))
        share = np.minimum(1, rates.UNDATED_ITEMS / np.maximum(number, 1))
        days = np.where(dated, memory * (1 - np.exp(-PAST_DAYS / memory)), PAST_DAYS * share)
        days[LISTS:] = 0
        return counts, days

    def fit(self) -> None:
        """Fit the priors of streams."""
        for stream in range(len(self.shape)):
            chosen = (self.stream == stream) & (self.days > 0)
            counts, days = self.counts[chosen], self.days[chosen]
            if len(counts) < _LEAST_LISTS or counts.sum() < _LEAST_ITEMS:
                continue
            cells = np.round(25 * np.log1p(counts)) * 1e6 + np.round(25 * np.log(days))
            _, which, number = np.unique(cells, return_inverse=True, return_counts=True)
            fitted = fit_gamma(
                np.bincount(which, counts) / number, np.bincount(which, days) / number, number.astype(float)
            )
            self.shape[stream], self.mean[stream] = fitted

    def rates(self) -> Floats:
        """Return the estimated rate of each list and feed."""
        shape = self.shape[self.stream]
        return np.asarray((shape + self.counts) / (shape / self.mean[self.stream] + self.days))

    def reliability(self) -> Floats:
        """Return the share of items that feeds announce, by stream: 0.8 before anything is known."""
        return np.asarray(np.clip(1 - (self.missed + 0.25) / (self.expected + 1.25), 0, 0.99))

    def factor(self) -> Floats:
        """Return the factor of each list by the state of its entity, as the other lists of this show it."""
        found = np.bincount(self.entity, self.found_lately)[self.entity] - self.found_lately
        expected = np.bincount(self.entity, self.expected_lately)[self.entity] - self.expected_lately
        return np.asarray((1 + np.maximum(found, 0)) / (1 + np.maximum(expected, 0)))

    def gains(self, day: float, estimated: Floats) -> Floats:
        """Return what a visit of each list or feed saves, for each request."""
        waiting = day - self.last
        gain = estimated * waiting**2 / 2
        gain[LISTS:] = 0
        if len(self.counted):
            gain[self.counted] = self._by_evidence(day, estimated[self.counted])
        covered = self.covered
        if len(covered):
            reliable = self.reliability()[self.stream[covered]]
            # What came before the last read of the feed was announced, or was left out.
            unread = day - np.maximum(self.read[covered], self.last[covered])
            residual = gain[covered] * (1 - reliable)
            gain[covered] = np.where(self.announced[covered] > 0, np.inf, residual)
            told = reliable * estimated[covered] * unread
            feed = self.feed_of[covered]
            saved = np.bincount(feed, told * unread / 2, minlength=self.total)
            cost = 1 + np.bincount(feed, -np.expm1(-told), minlength=self.total)
            gain = np.where(self.is_feed, (gain + saved) / cost, gain)
        return gain

    def _by_evidence(self, day: float, estimated: Floats) -> Floats:
        """Return what visits of the lists with counters save."""
        lists = self.counted
        known = np.maximum(0, self.read[lists] - self.last[lists])
        seen, days = self.growth_seen[lists], self.growth_days[lists]
        mean = max(float(seen.sum()), 1e-9) / max(float(days.sum()), 1e-9)
        rate = (_GROWTH_SHAPE + seen) / (_GROWTH_SHAPE / mean + days)
        factor = (1 + self.growth[lists]) / (1 + rate * known)
        items = estimated * (known * factor + day - self.last[lists] - known)
        return np.asarray(items**2 / (2 * estimated))

    def choose(self, day: float, count: int) -> Counts:
        """Return the lists and feeds to visit: those at their floor, some at random, those that save most."""
        if self.policy.knows:
            gain = np.zeros(self.total)
            gain[:LISTS] = self.true * (day - self.last[:LISTS]) ** 2
            return np.argpartition(-gain, count)[:count]
        estimated = self.rates()
        if self.policy.memory_days:
            estimated[:LISTS] *= self.current if self.policy.is_daily else self.factor()
        gain = self.gains(day, estimated)
        forced = np.flatnonzero(self.due <= day)
        forced = forced[np.argsort(self.due[forced])][:count]
        drawn = self.rng.choice(LISTS, self.rng.binomial(count - len(forced), self.policy.recheck), replace=False)
        forced = np.union1d(forced, drawn)
        gain[forced] = -1
        left = count - len(forced)
        return np.concatenate([forced, np.argpartition(-gain, left)[:left]])

    def visit(self, chosen: Counts, day: float) -> None:
        """Visit lists and feeds, and learn from what is found."""
        begin = self.place[chosen]
        end = np.searchsorted(self._keys, chosen * _SPAN + day, side="right")
        self.place[chosen] = end
        found = (self._items[end] - self._items[begin]).astype(float)
        self._account(begin, end, day)
        gaps = day - self.last[chosen]
        is_list = chosen < LISTS
        self.visited += len(chosen)
        if not self.policy.knows:
            self.overdue = max(self.overdue, float((day - self.due[chosen[is_list]]).max(initial=0)))
            self._learn(chosen, begin, end, gaps, found)
            self._check(chosen[is_list], gaps[is_list], found[is_list])
            self.due[chosen[is_list]] = day + FLOOR_DAYS
        self.last[chosen] = day
        self.announced[chosen[is_list]] = self.growth[chosen[is_list]] = 0
        self._read(chosen, begin, end, day)

    def _learn(self, chosen: Counts, begin: Counts, end: Counts, gaps: Floats, found: Floats) -> None:
        """Update rates, as the end of a visit does, and the state of entities."""
        estimated = self.rates()[chosen]
        decay = np.exp(-gaps / np.maximum(rates.FORGET_DAYS, rates.MEMORY_ITEMS / estimated))
        news = np.where(chosen < LISTS, found, end - begin)
        self.counts[chosen] = self.counts[chosen] * decay + news
        self.days[chosen] = self.days[chosen] * decay + gaps
        if self.policy.memory_days:
            lists = chosen < LISTS
            # Items and days are spread over the gap, so that their latest part counts most.
            weight = self.policy.memory_days * -np.expm1(-gaps[lists] / self.policy.memory_days)
            self.expected_lately[chosen[lists]] += estimated[lists] * weight
            self.found_lately[chosen[lists]] += found[lists] * weight / np.maximum(gaps[lists], 1e-9)
            if self.policy.is_daily:
                self.current[chosen[lists]] = self.factor()[chosen[lists]]

    def _check(self, lists: Counts, gaps: Floats, found: Floats) -> None:
        """Compare what is found in lists that nothing announced with what came since by their rates."""
        known = np.maximum(0, self.read[lists] - self.last[lists])
        told = (self.feed_of[lists] >= 0) & (self.announced[lists] == 0) & (known > 0)
        lists, known, later = lists[told], known[told], (gaps - known)[told]
        stream = self.stream[lists]
        # An item has come before the read in proportion to what the feed leaves out until then, and to all afterwards.
        left_out = (1 - self.reliability()[stream]) * known
        share = left_out / np.maximum(left_out + later, 1e-9)
        self.missed += np.bincount(stream, found[told] * share, minlength=len(self.missed))
        self.expected += np.bincount(stream, self.rates()[lists] * known, minlength=len(self.missed))

    def _read(self, chosen: Counts, begin: Counts, end: Counts, day: float) -> None:
        """Take announcements from the feeds among the visited."""
        feeds = self.is_feed[chosen]
        rows, place = spread((end - begin)[feeds])
        events = begin[feeds][rows] + place
        named = self.events.named[events]
        is_counted = (named >= 0) & np.isin(named, self.counted)
        fresh = (named >= 0) & ~is_counted & (self.events.dates[events] > self.last[named])
        np.add.at(self.announced, named[fresh], 1)
        for sums in (self.growth, self.growth_seen):
            np.add.at(sums, named[is_counted], 1)
        was_read = np.zeros(self.total, bool)
        was_read[chosen[feeds]] = True
        shown = np.flatnonzero((self.feed_of >= 0) & was_read[self.feed_of])
        self.growth_days[shown] += day - self.read[shown]
        self.read[shown] = day

    def _account(self, begin: Counts, end: Counts, day: float) -> None:
        found = self._items[end] - self._items[begin]
        self.waited += float((found * day - (self._times[end] - self._times[begin])).sum())

    def run(self) -> Outcome:
        """Spend the budget of all days."""
        for tick in range(round(DAYS / self.tick)):
            day = (tick + 1) * self.tick
            if tick and tick % round(1 / self.tick) == 0 and not self.policy.knows:
                self.fit()
                self.current = self.factor()
            self.found_lately *= np.exp(-self.tick / (self.policy.memory_days or 1))
            self.expected_lately *= np.exp(-self.tick / (self.policy.memory_days or 1))
            per_tick = self.budget * LISTS * self.tick
            count = int(per_tick * (tick + 1)) - int(per_tick * tick)
            if count:
                self.visit(self.choose(day, count), day)
        end = np.searchsorted(self._keys, np.arange(self.total) * _SPAN + DAYS, side="right")
        self._account(self.place, end, DAYS)
        items = int(((self.events.served > 0) & self.is_item).sum())
        names = {self.stream[one]: self.community.names[self.stream[one]] for one in self.covered}
        reliability = {name: round(float(self.reliability()[stream]), 3) for stream, name in sorted(names.items())}
        return Outcome(self.waited / items, self.visited, self.overdue, reliability)


def _entities(community: Community) -> Counts:
    """Return the entity of each list: its account, project or studio, as a number."""
    entity = community.owner.copy()
    if "project_comments" in community.names and "project_remixes" in community.names:
        for name in ("project_comments", "project_remixes"):
            lists = community.of(name)
            entity[lists] = LISTS + np.arange(len(lists))
    return np.unique(entity, return_inverse=True)[1]
