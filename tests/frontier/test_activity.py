"""Rates of lists by what their entity did lately: the statements against plain arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, floor, log2
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harvester.api.catalogue import STREAMS
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import activity, fitting, rates, runs
from harvester.frontier import leases as frontier
from harvester.frontier.visit_ends import finish_visits
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

START = datetime(2026, 1, 1, tzinfo=UTC)
OF_USER = ("user_favorites", "user_followers", "user_following")
KEY = 7
"""Of a user, and of a project that has nothing to do with the user."""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        Writer(opened)
        set_clock(opened, START)
        yield opened


def visit(connection: Connection, run: int, name: str, day: float, new: int) -> None:
    """Visit a list at a day, and find a number of new items."""
    stream = STREAMS[name]
    set_clock(connection, START + timedelta(days=day))
    frontier.lease_this(connection, run, name, KEY)
    ended = {
        "stream": name, "entity_id": KEY, "kind": stream.kind.value, "certificate": None, "whole": True,
        "again": False, "gone": False, "listed": True, "fresh": new, "found": None, "cost": 1.0,
        "revisit": stream.revisit, "item_weight": stream.item_weight, "rate": stream.rate,
        "spider": rates.QUEUE_NUMBERS[stream.spider], "siblings": activity.siblings(stream),
    }  # fmt: skip
    with connection.transaction():
        finish_visits(connection, [ended])


def row(connection: Connection, name: str) -> tuple[float, float, int, float]:
    """Return the recent items of a list, those that were expected, its class, and its rate by its own visits alone."""
    found = connection.execute(
        "SELECT recent_items, recent_expected, queue %% %s, crawl.arrival_rate(new_items_decayed, exposure, %s, %s)"
        " FROM crawl.frontier WHERE stream = %s AND entity_id = %s",
        [rates.CLASSES, rates.SHAPE, STREAMS[name].rate, name, KEY],
    ).fetchone()
    assert found is not None
    return found


def class_of(name: str, rate: float) -> int:
    """Return the class of a list with a rate."""
    priority = STREAMS[name].item_weight * rate
    return min(rates.CLASSES - 1, max(0, floor(-log2(priority)) - rates.FIRST_CLASS))


@pytest.mark.parametrize("seed", range(3))
def test_a_list_is_classed_by_its_siblings_too(seed: int, connection: Connection) -> None:
    """Visits at random times: each sums up what came in the gap and what was to be expected."""
    run = runs.begin_run(connection, load(home="/dev/null"), "test")
    rng = np.random.default_rng(seed)
    last: dict[str, float] = {}
    known: dict[str, tuple[float, float]] = {}
    day = 0.0
    for _ in range(40):
        name = str(rng.choice([*OF_USER, "project_remixes"]))
        day += float(rng.exponential(3.0))
        new = int(rng.poisson(rng.choice([0.1, 4.0]))) if name in last else 0
        before = row(connection, name)[3] if name in last else 0.0
        visit(connection, run, name, day, new)
        if name in last:
            gap = day - last[name]
            kept = exp(-gap / activity.MEMORY_DAYS)
            items, expected = known.get(name, (0.0, 0.0))
            weight = (1 - kept) * activity.MEMORY_DAYS
            known[name] = items * kept + new * weight / gap, expected * kept + before * weight
        last[name] = day
        items, expected, class_, rate = row(connection, name)
        if name in known:
            assert (items, expected) == pytest.approx(known[name], rel=1e-4)
        # At its first visit a list is classed alone.
        others = [other for other in known if other != name and name in known and {name, other} <= set(OF_USER)]
        left = {other: exp(-(day - last[other]) / activity.MEMORY_DAYS) for other in others}
        factor = (1 + sum(known[other][0] * left[other] for other in others)) / (
            1 + sum(known[other][1] * left[other] for other in others)
        )
        near = {class_of(name, rate * factor * off) for off in (1 - 1e-4, 1 + 1e-4)}
        assert class_ in near


def test_the_daily_fit_follows_what_the_entity_did(connection: Connection) -> None:
    """A list that nobody visits rises when another one of its user shows much, and sinks again; its floor stays."""
    run = runs.begin_run(connection, load(home="/dev/null"), "test")
    for day, name, new in ((0.0, "user_followers", 0), (0.0, "user_favorites", 0), (10.0, "user_favorites", 40)):
        visit(connection, run, name, day, new)
    due = "SELECT due_at FROM crawl.frontier WHERE stream = 'user_followers'"
    floor_before = connection.execute(due).fetchone()
    *_, before, rate = row(connection, "user_followers")
    assert before == class_of("user_followers", rate)
    fitting.fit(connection)
    *_, active, _ = row(connection, "user_followers")
    assert active <= before - 4
    set_clock(connection, START + timedelta(days=100))
    fitting.fit(connection)
    *_, quiet, _ = row(connection, "user_followers")
    assert quiet == before
    assert connection.execute(due).fetchone() == floor_before


def test_only_lists_that_are_scheduled_have_siblings() -> None:
    assert activity.siblings(STREAMS["user"]) is None
    assert activity.siblings(STREAMS["user_messages"]) is None
    lists = activity.siblings(STREAMS["project_remixes"])
    assert lists == activity.siblings(STREAMS["project_comments"])
    assert {"project_comments", "project_remixes", "project_studios"} == set(lists or ())
