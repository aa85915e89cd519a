"""Ninety virtual days of visits to a community with bursts, and with feeds that tell where something happened.

    python -m benchmarks bursts, or python -m benchmarks.schedule.bursts [SEEDS] [--record]

`community` says what the lists are like and from where its numbers are, `feeds` what tells of them, `visits` how each
schedule spends the same number of requests. Printed is the mean delay of an item, relative to that of an oracle that
visits each list independently at its true rate and has no floor, as the mean over the seeds with the least and largest.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report import publish
from benchmarks.schedule import feeds
from benchmarks.schedule.community import Community, independent, with_owners
from benchmarks.schedule.visits import Policy, Visits

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = ["scenario", "requests per list and day", "schedule", "delay / oracle", "days beyond a floor"]
MEMORY_DAYS = 10.0
ORACLE = Policy("oracle", knows=True)
TODAY = Policy("today")
FEEDS = Policy("feeds", feeds=("activity", "counters"))
FRAGMENT = Policy("feeds, fragment", feeds=("activity", "counters", "fragment"))
ALL = Policy("feeds, fragment, state", feeds=FRAGMENT.feeds, memory_days=MEMORY_DAYS)
STATE = Policy("state", memory_days=MEMORY_DAYS)
BOTH = Policy("feeds, state", feeds=FEEDS.feeds, memory_days=MEMORY_DAYS)
ACTIVITY = Policy("activity", feeds=("activity",))
OURS = Policy("activity, state once a day", feeds=("activity",), memory_days=MEMORY_DAYS, is_daily=True)
OPTED = Policy(
    "activity, fragment, state once a day", feeds=("activity", "fragment"), memory_days=MEMORY_DAYS, is_daily=True
)
VIEWS = Policy("and views", feeds=(*OPTED.feeds, "views"), memory_days=MEMORY_DAYS, is_daily=True)


@dataclass(frozen=True)
class Scenario:
    """A community, its feeds, and what is compared there."""

    name: str
    make: Callable[[int], Community]
    budget: float
    """Requests per list and day."""
    policies: tuple[Policy, ...]
    drop: float = 0.0
    false: float = 0.0


SCENARIOS = (
    Scenario("bursts", with_owners, 0.1, (TODAY, ACTIVITY, FEEDS, FRAGMENT, STATE, OURS, OPTED, VIEWS, BOTH, ALL)),
    Scenario("bursts", with_owners, 0.05, (TODAY, ALL)),
    Scenario("bursts", with_owners, 0.4, (TODAY, ALL)),
    Scenario("bursts, a third is not announced", with_owners, 0.1, (BOTH, ALL), drop=1 / 3),
    Scenario("bursts, all announcements are false", with_owners, 0.1, (TODAY, ALL), drop=1.0, false=0.5),
    Scenario("no bursts", lambda seed: with_owners(seed, bursts=False), 0.1, (TODAY, STATE, ALL)),
    Scenario("independent lists", independent, 0.1, (TODAY, ALL)),
)


def compare(scenario: Scenario, seed: int) -> dict[str, dict[str, Any]]:
    """Return by policy what `Outcome` has, and the delay relative to the oracle's."""
    community = scenario.make(seed)
    found: dict[str, dict[str, Any]] = {}
    oracle = 0.0
    for policy in (ORACLE, *scenario.policies):
        began = time.perf_counter()
        told = feeds.make(community, policy.feeds, seed, drop=scenario.drop, false=scenario.false)
        outcome = Visits(community, told, policy, scenario.budget, seed).run()
        oracle = oracle or outcome.delay
        found[policy.name] = asdict(outcome) | {"relative": outcome.delay / oracle}
        print(
            f"{scenario.name}, b={scenario.budget}, seed {seed}: {policy.name:24} {outcome.delay:5.2f} d,"
            f" {outcome.delay / oracle:.3f} times the oracle, {outcome.visits:,} requests, overdue"
            f" {outcome.overdue:.1f} d [{time.perf_counter() - began:.0f} s] {outcome.reliability or ''}",
            file=sys.stderr,
            flush=True,
        )
    return found


def rows(scenario: Scenario, runs: list[dict[str, dict[str, Any]]]) -> list[list[str]]:
    """Return the rows of a scenario: scenario, budget, schedule, delay relative to the oracle, days beyond a floor."""
    found = []
    for name in runs[0]:
        ratios = np.array([run[name]["relative"] for run in runs], dtype=float)
        overdue = max(run[name]["overdue"] for run in runs)
        delay = f"{ratios.mean():.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
        found.append(
            [scenario.name, str(scenario.budget), name, delay, "" if name == ORACLE.name else f"{overdue:.1f}"]
        )
    return found


def main() -> None:
    seeds = range(1, int(next(filter(str.isdigit, sys.argv[1:]), "3")) + 1)
    runs = [(scenario, [compare(scenario, seed) for seed in seeds]) for scenario in SCENARIOS]
    publish(
        "bursts",
        "Delay of an item in a community with bursts, relative to an oracle",
        COLUMNS,
        [row for scenario, found in runs for row in rows(scenario, found)],
        notes=[f"Means of {len(seeds)} communities, with the least and largest."],
        figures={f"{scenario.name}, {scenario.budget}": found for scenario, found in runs},
    )


if __name__ == "__main__":
    main()
