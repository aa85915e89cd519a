"""Forecasts of a week, against what was observed in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import runs
from harvester.monitoring.forecasts import read_delays, record_forecast
from harvester.monitoring.plan import forecast, read_scope
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = load(home="/dev/null")
REQUESTS = 700


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        Writer(opened)
        yield opened


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def crawl_on(connection: Connection, day: float) -> bool:
    """A run that ends on a day, with the forecast that is then due."""
    set_clock(connection, at(day))
    run = runs.begin_run(connection, SETTINGS, "crawl")
    connection.execute("UPDATE crawl.runs SET started_at = %s, requests = %s WHERE id = %s", [at(day), REQUESTS, run])
    return record_forecast(connection, SETTINGS)


def put_lists(connection: Connection) -> None:
    for number in (1, 2):
        connection.execute(
            "INSERT INTO scratch.projects (id, shared_at, first_seen_at) VALUES (%s, %s, %s)", [number, at(-50), at(0)]
        )
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, visited_at, queue, new_items_decayed,"
            " exposure) VALUES ('project_comments', %s, %s, %s, %s, 110, 3, 40)",
            [number, at(90), 3, at(13.5)],
        )


def put_comment(connection: Connection, number: int, project: int, created: float, seen: float) -> None:
    connection.execute(
        "INSERT INTO scratch.project_comments (id, project_id, created_at, first_seen_at) VALUES (%s, %s, %s, %s)",
        [number, project, at(created), at(seen)],
    )


def test_a_week_is_compared_with_its_forecast(connection: Connection) -> None:
    set_clock(connection, at(0))
    put_lists(connection)
    assert not crawl_on(connection, 0.5), "a forecast before there is a week of requests"
    assert not crawl_on(connection, 3)
    assert crawl_on(connection, 8)
    set_clock(connection, at(8))
    predicted = forecast(read_scope(connection), SETTINGS.shares, 2 * REQUESTS / 7 / 86_400, SETTINGS.min_gain)
    assert read_delays(connection) is None
    put_comment(connection, 1, 1, created=-3, seen=9)  # before the list was met: it waited for the first visit
    put_comment(connection, 2, 1, created=5, seen=7.5)  # found in the week before
    put_comment(connection, 3, 1, created=6, seen=9)
    put_comment(connection, 4, 2, created=11, seen=12)
    put_comment(connection, 5, 2, created=13, seen=12.9)  # by a clock that is ahead
    assert not crawl_on(connection, 14.9), "a second forecast in one week"
    assert crawl_on(connection, 15.1)
    delays = read_delays(connection)
    assert delays is not None
    (of_comments,) = delays["streams"]
    assert (of_comments["stream"], of_comments["items"]) == ("project_comments", 3)
    assert of_comments["observed_days"] == delays["observed_days"] == pytest.approx((3 + 1 + 0) / 3)
    (expected,) = [one["delay_days"] for one in predicted["streams"] if one["stream"] == "project_comments"]
    assert of_comments["predicted_days"] == delays["predicted_days"] == pytest.approx(expected)
    assert delays["requests_a_day"] == pytest.approx(2 * REQUESTS / 7)
