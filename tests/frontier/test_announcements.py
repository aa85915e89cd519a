"""Lists that another list announces: what is scheduled, and what is learned, against plain arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import floor, log2
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harvester.api.catalogue import ANNOUNCED_BY, STREAMS
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import fitting, rates, runs
from harvester.frontier.revisit import PAGE, Group, delay_of, outlook
from harvester.frontier.visit_ends import finish_visits
from harvester.monitoring.plan import read_scope
from harvester.monitoring.status import STREAMS_QUERY, stream_values
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import fetch_dicts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

START = datetime(2026, 1, 1, tzinfo=UTC)
LIST, ACTIVITY = STREAMS["studio_projects"], STREAMS["studio_activity"]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        Writer(opened)
        set_clock(opened, START)
        runs.begin_run(opened, load(home="/dev/null"), "test")
        yield opened


def end_of(name: str, entity: int, **found: Any) -> dict[str, Any]:
    """The end of a visit."""
    stream = STREAMS[name]
    return {
        "stream": name, "entity_id": entity, "kind": "simulated", "certificate": None,
        "whole": True, "again": False, "gone": False, "listed": True, "fresh": 0, "found": None, "cost": 1.0,
        "revisit": stream.revisit, "item_weight": stream.item_weight, "rate": stream.rate,
        "spider": rates.QUEUE_NUMBERS[stream.spider], "announced_by": ANNOUNCED_BY.get(name),
        "announces": name in ANNOUNCED_BY.values(),
    } | found  # fmt: skip


def put(connection: Connection, name: str, entity: int, visited_days: float, **columns: Any) -> None:
    values = {"visits": 1, "exposure": 100.0, "new_items_decayed": 4.0} | columns
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visited_at, started_at, visits, exposure,"
        " new_items_decayed, queue, failures, announced_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s)",
        [
            *(name, entity, START + timedelta(days=99), START - timedelta(days=visited_days), START),
            *(values["visits"], values["exposure"], values["new_items_decayed"]),
            *(values.get("failures", 0), values.get("announced_at")),
        ],
    )


def class_of(connection: Connection, name: str, entity: int = 1) -> int:
    row = connection.execute(
        "SELECT queue FROM crawl.frontier WHERE (stream, entity_id) = (%s, %s)", [name, entity]
    ).fetchone()
    assert row is not None
    return int(row[0]) % rates.CLASSES


def rate_of(name: str, items: float, days: float) -> float:
    return (rates.SHAPE + items) / (rates.SHAPE / STREAMS[name].rate + days)


def class_for(priority: float) -> int:
    return max(0, min(rates.CLASSES - 1, floor(-log2(priority)) - rates.FIRST_CLASS))


def share(connection: Connection, name: str = LIST.name) -> float:
    row = connection.execute("SELECT share FROM crawl.announcements WHERE stream = %s", [name]).fetchone()
    assert row is not None
    return float(row[0])


def test_what_announces_a_list_is_scheduled_for_its_items(connection: Connection) -> None:
    put(connection, LIST.name, 1, 10)
    put(connection, ACTIVITY.name, 1, 5)
    put(connection, LIST.name, 2, 10)  # nothing announces it
    finish_visits(connection, [end_of(LIST.name, 1), end_of(LIST.name, 2), end_of(ACTIVITY.name, 1)])
    announced = share(connection)
    of_list = LIST.item_weight * rate_of(LIST.name, 4 * np.exp(-10 / 90), 100 * np.exp(-10 / 90) + 10)
    assert class_of(connection, LIST.name, 2) == class_for(of_list)
    assert class_of(connection, LIST.name) == class_for(of_list * (1 - announced)) > class_for(of_list)
    own = ACTIVITY.item_weight * rate_of(ACTIVITY.name, 4 * np.exp(-5 / 90), 100 * np.exp(-5 / 90) + 5)
    # In one statement the activity sees the list as it was before: 4 items in 100 days.
    told = LIST.item_weight * announced * rate_of(LIST.name, 4, 100)
    assert class_of(connection, ACTIVITY.name) == class_for(own + told) < class_for(own)


@pytest.mark.parametrize("trouble", ["failing", "gone", "not crawled"])
def test_a_list_that_nothing_announces_keeps_its_schedule(trouble: str, connection: Connection) -> None:
    put(connection, LIST.name, 1, 10)
    put(connection, ACTIVITY.name, 1, 5, failures=int(trouble == "failing"))
    if trouble == "gone":
        connection.execute("UPDATE crawl.frontier SET gone_at = %s WHERE stream = %s", [START, ACTIVITY.name])
    elif trouble == "not crawled":
        connection.execute("UPDATE crawl.announcements SET share = NULL")
    finish_visits(connection, [end_of(LIST.name, 1)])
    of_list = LIST.item_weight * rate_of(LIST.name, 4 * np.exp(-10 / 90), 100 * np.exp(-10 / 90) + 10)
    assert class_of(connection, LIST.name) == class_for(of_list)


@pytest.mark.parametrize("true_share", [0.6, *(pytest.param(share, marks=pytest.mark.soak) for share in (0.95, 0.0))])
def test_the_share_is_learned_from_what_nothing_announced(true_share: float, connection: Connection) -> None:
    """Of the items of 3,000 lists a share is announced: the estimate is the truth, whatever was found by the others.

    The activity is read 5 days ago, the lists 20 days ago; announced visits find what was missed too.
    """
    rng = np.random.default_rng(1)
    ends = []
    rate = rate_of(LIST.name, 4, 100)
    for entity in range(3_000):
        events = rng.poisson(rate * 15 * true_share)
        missed, later = rng.poisson(rate * 15 * (1 - true_share)), rng.poisson(rate * 5)
        put(connection, LIST.name, entity, 20, announced_at=START - timedelta(days=1) if events else None)
        put(connection, ACTIVITY.name, entity, 5)
        ends.append(end_of(LIST.name, entity, fresh=int(events + missed + later)))
    finish_visits(connection, ends)
    before = class_of(connection, LIST.name)
    fitting.fit(connection)
    row = connection.execute("SELECT missed, expected FROM crawl.announcements WHERE stream = %s", [LIST.name])
    missed_items, expected = row.fetchone() or (0.0, 0.0)
    silent = np.exp(-rate * 15 * true_share)  # the share of visits without an event
    by_chance = 3.5 * (silent * rate * 3_000 * 20) ** 0.5 / expected
    assert abs((missed_items / expected) - (1 - true_share)) < by_chance < 0.17
    assert share(connection) == pytest.approx(
        max(0.0, min(0.99, 1 - (max(0.0, missed_items) + 0.25) / (expected + 1.25)))
    )
    if true_share == 0:
        assert class_of(connection, LIST.name) < before
    row = connection.execute("SELECT count(*) FROM crawl.announcements WHERE share <> classed_share")
    assert row.fetchone() == (0,)


def test_a_plan_knows_what_is_announced(connection: Connection) -> None:
    """Items and requests of lists that are announced, against those that nothing announces."""
    for entity in range(40):
        put(connection, LIST.name, entity, 10)
        if entity < 30:
            put(connection, ACTIVITY.name, entity, 5)
    finish_visits(connection, [end_of(LIST.name, entity) for entity in range(40)])
    finish_visits(connection, [end_of(ACTIVITY.name, entity) for entity in range(30)])
    groups = read_scope(connection).groups
    items = sum(one.lists * one.rate for one in groups if one.stream == LIST.name)
    by_schedule = sum(one.lists * one.rate * (1 - one.announced) for one in groups if one.stream == LIST.name)
    told = sum(one.lists * number for one in groups for name, number in one.told if name == LIST.name)
    assert by_schedule + told == pytest.approx(items)
    assert told == pytest.approx(items * 30 / 40 * share(connection))


def test_what_was_announced_is_not_unseen(connection: Connection) -> None:
    """Of a list visited 10 days ago, whose activity was read 4 days ago; another one has no activity."""
    put(connection, LIST.name, 1, 10)
    put(connection, LIST.name, 2, 10)
    put(connection, ACTIVITY.name, 1, 4)
    (row,) = [
        one for one in fetch_dicts(connection, STREAMS_QUERY, stream_values(0.5, START)) if one["stream"] == LIST.name
    ]
    rate = rate_of(LIST.name, 4, 100)
    assert row["expected_unseen"] == pytest.approx(rate * 10 + rate * (10 - 6 * share(connection)))


@pytest.mark.parametrize("min_gain", [0.05, 1.0, 20.0])
def test_an_outlook_with_announcements_is_as_simulated(min_gain: float) -> None:
    """A list and its activity are visited at their intervals, and the list when the activity announced an item."""
    rate, share_ = 0.3, 0.7
    activity = Group("activity", 1, 0.1 * 0.4 + 0.2 * rate * share_, 0.4, 1e9, told=(("list", rate * share_),))
    own = Group("list", 1, 0.2 * rate * (1 - share_), rate, 1e9, announced=share_)
    every, its_own = activity.interval(min_gain), own.interval(min_gain)
    rng = np.random.default_rng(2)
    days = 400_000 * every
    events = np.sort(rng.uniform(0, days, rng.poisson(rate * share_ * days)))
    turns = np.ceil(events / every)
    waited = float((turns * every - events).sum()) + rate * (1 - share_) * days * its_own / 2
    assert delay_of("list", [activity, own], min_gain) == pytest.approx(waited / (rate * days), rel=0.01)
    visits = days / every + days / its_own + len(np.unique(turns))
    filled = (0.4 + rate) / PAGE
    assert outlook([activity, own], min_gain).requests == pytest.approx(visits / days + filled, rel=0.01)
