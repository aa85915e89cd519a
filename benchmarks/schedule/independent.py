"""Ninety virtual days of visits to 40,000 lists, scheduled by the project's own statements, against four others.

    python -m benchmarks schedule, or python -m benchmarks.schedule.independent SEEDS

Each list gets new items at a rate of its own, drawn from a gamma distribution (shape 0.25, mean 0.05 a day), so that
most get next to nothing. All were visited on day 0; from then on a budget of visits is spent, a twentieth of a day at a
time. `frontier.lease` picks and `finish_visits` estimates, over a real PostgreSQL and with the time of the simulation;
`fitting.fit` fits the priors once a virtual day. The lists are half a year old, and the first visit shows their past:
dated items (as of comments), only the number of items (as of followers), or nothing. The other schedules, which start
with nothing, are in numpy:

- round robin;
- the largest expected count of new items, with a fitted prior;
- the same value as ours with a fitted prior, in exact order and without the database;
- the oracle: the same value with the true rates.

The project also visits each list at least every 80 days, which takes most of the visits of the smaller budget.

Printed are the mean delay of an item (days from its appearance to the visit that sees it, or to the end), the share
of lists without unseen items, the longest gap between two visits of a list, and how predicted counts compare with
those that were found (the sum of both, and the p-value of a chi-square test of ten equally likely intervals).
"""

import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harvester.api.catalogue import STREAMS
from harvester.api.stream import Stream
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import fitting, rates, runs
from harvester.frontier import leases as frontier
from harvester.frontier.gamma_prior import fit_gamma
from harvester.frontier.leases import Purpose
from harvester.frontier.model import Lease
from harvester.frontier.visit_ends import finish_visits
from harvester.warehouse import embedded, schema
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection

LISTS = 40_000
DAYS = 90.0
TICK = 0.05
FLOOR_DAYS = 80.0
PAST_DAYS = 180.0
OURS = ("project, blank", "project, undated", "project, dated")
BUDGETS = (0.02, 0.1)
DATED, UNDATED = STREAMS["project_comments"], STREAMS["project_studios"]
NAMES = [DATED.name, UNDATED.name]
START = datetime(2026, 1, 1, tzinfo=UTC)
Counts = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass
class World:
    """The lists, the times of their last visits, and the delays that visits saved."""

    rates: Floats
    rng: np.random.Generator
    last: Floats = field(init=False)
    waited: float = 0.0
    longest: float = 0.0
    stale: float = 0.0
    """Sum over lists of the expected time during which they had unseen items."""

    def __post_init__(self) -> None:
        self.last = np.zeros(len(self.rates))

    def visit(self, lists: "np.ndarray[tuple[int], np.dtype[np.int64]]", day: float) -> tuple[Floats, Floats]:
        """Visit lists; return the gaps in days and the number of new items of each."""
        gaps = day - self.last[lists]
        self._account(self.rates[lists], gaps)
        self.last[lists] = day
        return gaps, self.rng.poisson(self.rates[lists] * gaps).astype(float)

    def end(self) -> tuple[float, float, float]:
        """Return the mean delay, the share of time without unseen items, and the longest gap."""
        self._account(self.rates, DAYS - self.last)
        return (
            self.waited / (self.rates.sum() * DAYS),
            1 - self.stale / (len(self.rates) * DAYS),
            self.longest,
        )

    def _account(self, rate: Floats, gaps: Floats) -> None:
        self.waited += float((rate * gaps**2).sum() / 2)
        self.stale += float((gaps - np.where(rate > 0, -np.expm1(-rate * gaps) / np.maximum(rate, 1e-12), gaps)).sum())
        self.longest = max(self.longest, float(gaps.max(initial=0.0)))


def spend(budget: float, tick: int) -> int:
    """Return the number of visits in a tick, so that fractions add up."""
    per_tick = budget * LISTS * TICK
    return int(per_tick * (tick + 1)) - int(per_tick * tick)


class Beliefs:
    """Counts and exposures with a fitted gamma prior, for the policies in numpy."""

    def __init__(self) -> None:
        self.n = np.zeros(LISTS)
        self.t = np.zeros(LISTS)
        self.shape, self.mean = rates.SHAPE, DATED.rate

    def learn(self, lists: "np.ndarray[tuple[int], np.dtype[np.int64]]", gaps: Floats, found: Floats) -> None:
        decay = np.exp(-gaps / np.maximum(rates.FORGET_DAYS, rates.MEMORY_ITEMS / self.rate()[lists]))
        self.n[lists] = self.n[lists] * decay + found
        self.t[lists] = self.t[lists] * decay + gaps

    def fit(self) -> None:
        seen = self.t > 0
        n, t = self.n[seen], self.t[seen]
        if n.sum() >= 20:
            self.shape, self.mean = fit_gamma(n, t, np.ones(len(n)))

    def rate(self) -> Floats:
        return np.asarray((self.shape + self.n) / (self.shape / self.mean + self.t))


def in_numpy(world: World, budget: float, policy: str) -> None:
    """One of the policies to compare with."""
    beliefs = Beliefs()
    for tick in range(int(DAYS / TICK)):
        day = (tick + 1) * TICK
        count = spend(budget, tick)
        if tick % int(1 / TICK) == 0:
            beliefs.fit()
        waiting = day - world.last
        gain = {
            "round robin": lambda waiting=waiting: waiting + 1e-9 * world.rng.random(LISTS),
            "largest expected": lambda waiting=waiting: beliefs.rate() * waiting,
            "exact order": lambda waiting=waiting: beliefs.rate() * waiting**2,
            "oracle": lambda waiting=waiting: world.rates * waiting**2,
        }[policy]()
        if count:
            best = np.argpartition(-gain, count)[:count]
            gaps, found = world.visit(best, day)
            beliefs.learn(best, gaps, found)


@dataclass
class Calibration:
    """Comparison of predicted with found counts."""

    predicted: float = 0.0
    found: float = 0.0
    bins: "np.ndarray[tuple[int], np.dtype[np.float64]]" = field(default_factory=lambda: np.zeros(10))

    def add(self, shape: Floats, rate: Floats, gaps: Floats, found: Floats, rng: np.random.Generator) -> None:
        """A gamma-Poisson mixture predicts a negative binomial count; its randomised rank is uniform if it is right."""
        self.predicted += float((shape / rate * gaps).sum())
        self.found += float(found.sum())
        p = rate / (rate + gaps)
        term = p**shape
        below = np.zeros_like(term)
        for count in range(int(found.max(initial=0)) + 1):
            at = found == count
            ranks = below[at] + term[at] * rng.random(int(at.sum()))
            self.bins += np.histogram(np.clip(ranks, 0, 1), bins=10, range=(0, 1))[0]
            below = below + term
            term = term * (shape + count) / (count + 1) * (1 - p)


def give_past(world: World, connection: Connection, *, dated: bool) -> Counts:
    """Insert the comments before the first visit; return their number by list."""
    connection.execute(
        "INSERT INTO scratch.projects (id, shared_at) SELECT n, %s FROM generate_series(0, %s) n",
        [START - timedelta(days=PAST_DAYS), LISTS - 1],
    )
    counts = world.rng.poisson(world.rates * PAST_DAYS)
    if not dated:
        return counts
    number = 0
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY scratch.project_comments (id, project_id, created_at) FROM STDIN") as copy,
    ):
        for project, count in enumerate(counts.tolist()):
            for ago in (world.rng.random(count) * PAST_DAYS).tolist():
                number += 1
                copy.write_row((number, project, START - timedelta(days=ago)))
    connection.execute("VACUUM ANALYZE scratch.project_comments, scratch.projects")
    return counts


def in_project(world: World, budget: float, connection: Connection, run: int, kind: str) -> Calibration:
    """The project's own scheduling."""
    calibration = Calibration()
    connection.execute("TRUNCATE crawl.frontier, crawl.priors, scratch.projects CASCADE")
    set_clock(connection, START)
    held = None if kind == "blank" else give_past(world, connection, dated=kind == "dated")
    stream = UNDATED if kind == "undated" else DATED
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at) SELECT %s, n, %s FROM generate_series(0, %s) n",
        [stream.name, START, LISTS - 1],
    )
    for _ in range(LISTS // 1000):
        new = frontier.lease(connection, run, NAMES, 1000, purpose=Purpose.NEW)
        finish(connection, new, {}, held)
    # As if the first visits had been made over months: the longest gaps of all lists do not end on one day.
    connection.execute("UPDATE crawl.frontier SET due_at = %s + random() * %s", [START, timedelta(days=FLOOR_DAYS)])
    connection.execute("VACUUM ANALYZE crawl.frontier")
    owed = 0
    picker = frontier.Picker(min_gain=1e-9)
    for tick in range(int(DAYS / TICK)):
        day = (tick + 1) * TICK
        set_clock(connection, START + timedelta(days=day))
        if tick % int(1 / TICK) == 0:
            with connection.transaction():
                fitting.fit(connection)
        if tick % int(5 / TICK) == 0:
            connection.execute("VACUUM crawl.frontier")  # in place of autovacuum, which has no time in a simulation
        owed += spend(budget, tick)
        while owed >= 100 or (owed and tick == int(DAYS / TICK) - 1):
            leases = frontier.lease(connection, run, NAMES, min(100, owed), purpose=Purpose.DUE)
            if len(leases) < min(100, owed):
                rest = min(100, owed) - len(leases)
                leases += frontier.lease_scheduled(connection, run, NAMES, rest, picker)
            lists = np.array([one.visit.entity_id for one in leases])
            believed = beliefs_of(connection, stream, lists)
            gaps, found = world.visit(lists, day)
            calibration.add(believed[:, 0], believed[:, 1], gaps, found, world.rng)
            finish(connection, leases, dict(zip(lists.tolist(), found.tolist(), strict=True)))
            owed -= len(leases)
    return calibration


def beliefs_of(
    connection: Connection, stream: Stream, lists: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return shape and rate of the posterior of lists, from the warehouse."""
    rows = connection.execute(
        "SELECT w.entity_id, s.shape + w.new_items_decayed, s.shape / s.rate + w.exposure FROM crawl.frontier w"
        " LEFT JOIN crawl.priors p ON p.stream = w.stream AND p.stratum = w.stratum"
        " LEFT JOIN crawl.priors q ON q.stream = w.stream AND q.stratum = -1"
        " CROSS JOIN LATERAL (SELECT coalesce(p.shape, q.shape, %s) AS shape, coalesce(p.rate, q.rate, %s) AS rate) s"
        " WHERE w.stream = %s AND w.entity_id = ANY(%s)",
        [rates.SHAPE, stream.rate, stream.name, lists.tolist()],
    ).fetchall()
    known = {row[0]: row[1:] for row in rows}
    return np.array([known[one] for one in lists.tolist()])


def finish(
    connection: Connection,
    leases: list[Lease],
    found: dict[int, float],
    held: Counts | None = None,
) -> None:
    """Finish visits as the writer does; `held`: the numbers of items that first visits show."""
    ended = [
        {
            "stream": one.visit.stream.name, "entity_id": one.visit.entity_id, "kind": "project",
            "certificate": None, "whole": True, "again": False, "gone": False, "listed": True,
            "fresh": int(found.get(one.visit.entity_id, 0)),
            "found": None if held is None else int(held[one.visit.entity_id]), "cost": 1.0,
            "revisit": FLOOR_DAYS * 86_400, "item_weight": one.visit.stream.item_weight, "rate": one.visit.stream.rate,
            "spider": rates.QUEUE_NUMBERS[one.visit.stream.spider],
        }
        for one in leases
    ]  # fmt: skip
    with connection.transaction():
        finish_visits(connection, ended)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    policies = ("round robin", "largest expected", "exact order", "oracle")
    with tempfile.TemporaryDirectory(prefix="harvester-bench-") as folder:
        home = Path(folder)
        url = embedded.up(home)
        try:
            schema.migrate(url)
            with open_connection(url, autocommit=True) as connection:
                connection.execute("SET synchronous_commit = off")
                run = runs.begin_run(connection, load(home=home), "bench")
                Writer(connection)
                for budget in BUDGETS:
                    for seed in range(1, seeds + 1):
                        compare(connection, run, budget, seed, policies)
        finally:
            embedded.down(home)


def compare(connection: Connection, run: int, budget: float, seed: int, policies: tuple[str, ...]) -> None:
    """Run all policies on the same lists, with one budget and seed."""
    true = np.random.default_rng(seed).gamma(0.25, 0.2, LISTS)
    delays = {}
    for policy in (*policies, *OURS):
        world = World(true, np.random.default_rng([seed, 1]))
        began = time.perf_counter()
        calibration = None
        if policy.startswith("project"):
            calibration = in_project(world, budget, connection, run, policy.split()[-1])
        else:
            in_numpy(world, budget, policy)
        delay, fresh, longest = world.end()
        delays[policy] = delay
        line = f"b={budget:<5} seed {seed}  {policy:17} delay {delay:6.2f} d  fresh {fresh:.3f}"
        line += f"  longest gap {longest:5.1f} d"
        if calibration is not None:
            expected = calibration.bins.sum() / 10
            chi = float(((calibration.bins - expected) ** 2 / expected).sum())
            line += (
                f"  predicted/found {calibration.predicted / calibration.found:.3f}, ranks off by"
                f" {abs(calibration.bins / expected - 1).max():.1%} at most (chi-square {chi:.0f})"
            )
        print(line + f"  [{time.perf_counter() - began:.0f} s]", flush=True)
    for policy in OURS:
        print(
            f"b={budget:<5} seed {seed}  {policy}: {delays[policy] / delays['oracle']:.2f} times the oracle,"
            f" {delays['round robin'] / delays[policy]:.2f} times better than round robin",
            flush=True,
        )


if __name__ == "__main__":
    main()
