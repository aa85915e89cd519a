"""What becomes of cases when they are tried again."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.config import load
from harvester.errors import UsageError
from harvester.frontier import leases, runs
from harvester.frontier.model import Lease
from harvester.monitoring import quarantine
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

READABLE, GARBAGE = b'{"count": 3}', b"<html>"
CASES = {
    # entity: the body, seconds between the case and the last visit (None: never visited), failures of the visit
    1: (READABLE, None, 1),
    2: (READABLE, 5, 0),
    3: (GARBAGE, 5, 0),
    4: (GARBAGE, -5, 0),
    5: (GARBAGE, None, 0),
    6: (None, -5, 1),
}


@pytest.fixture
def connection(database: str) -> Iterator[Any]:
    with open_connection(database, autocommit=True) as opened:
        for entity, (body, since, failures) in CASES.items():
            opened.execute(
                "INSERT INTO crawl.quarantine (stream, entity_id, path, status, reason, body, seen_at)"
                " VALUES ('user_messages', %s, '/x', 200, 'why', %s, now() - make_interval(mins => %s))",
                [entity, body, entity],
            )
            opened.execute(
                "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, failures, visited_at)"
                " VALUES ('user_messages', %s, now() + interval '1 day', 1, %s,"
                " now() - make_interval(mins => %s) + make_interval(secs => %s))",
                [entity, failures, entity, since],
            )
        for entity, failures in ((7, 1), (8, 0)):  # without a case: one that failed, one that did not
            opened.execute(
                "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, failures)"
                " VALUES ('user_messages', %s, now() + interval '1 day', 1, %s)",
                [entity, failures],
            )
        yield opened


def test_a_response_is_kept_without_the_token_of_its_project(connection: Any) -> None:
    lease = Lease(Visit(STREAMS["project"], 9), uuid4(), 0)
    leases.quarantine(connection, lease, "/projects/9", 200, "why", b'{"id": null, "project_token": "1_secret"}')
    (number,) = connection.execute("SELECT id FROM crawl.quarantine WHERE entity_id = 9").fetchone()
    assert quarantine.body(connection, number) == b'{"id": null, "project_token": ""}'


def test_cases_that_are_settled_are_closed(connection: Any) -> None:
    counts = quarantine.retry(connection)
    assert counts == {"due_again": 5, "readable_now": 2, "visited_since": 1, "left": 3}
    left = connection.execute("SELECT array_agg(entity_id ORDER BY 1) FROM crawl.quarantine").fetchone()
    assert left == ([4, 5, 6],)
    due = connection.execute(
        "SELECT array_agg(entity_id ORDER BY 1) FROM crawl.frontier WHERE due_at <= now()"
    ).fetchone()
    assert due == ([1, 4, 5, 6, 7],)


def test_cases_of_a_former_stream_are_left_to_a_person(connection: Any) -> None:
    connection.execute("UPDATE crawl.quarantine SET stream = 'earlier_stream'")
    assert quarantine.retry(connection)["left"] == len(CASES)


def test_the_newest_cases_come_first(connection: Any) -> None:
    assert [one["entity_id"] for one in quarantine.cases(connection)] == list(CASES)
    assert [one["entity_id"] for one in quarantine.cases(connection, most=2)] == [1, 2]
    assert quarantine.cases(connection, "user_messages", 1)[0]["bytes"] == len(READABLE)
    assert quarantine.cases(connection, "project") == []
    with pytest.raises(UsageError, match="no stream is called"):
        quarantine.cases(connection, "projectz")


def test_a_case_is_shown_byte_for_byte(connection: Any) -> None:
    numbers = dict(connection.execute("SELECT entity_id, id FROM crawl.quarantine").fetchall())
    assert quarantine.body(connection, numbers[3]) == GARBAGE
    assert quarantine.body(connection, numbers[6]) == b""
    with pytest.raises(UsageError, match="no case has the number"):
        quarantine.body(connection, max(numbers.values()) + 1)


def test_a_repeated_failure_is_one_case_with_the_newest_body(connection: Any) -> None:
    run = runs.begin_run(connection, load(home="/dev/null"), "test")
    lease = leases.lease_this(connection, run, "project", 142)
    for path, status, body in (("/a", 200, b"first"), ("/a", 403, b"second"), ("/b", None, b"")):
        leases.quarantine(connection, lease, path, status, f"why {status}", body)
    kept = connection.execute(
        "SELECT path, status, reason, body, count FROM crawl.quarantine WHERE stream = 'project' ORDER BY path"
    ).fetchall()
    assert kept == [("/a", 403, "why 403", b"second", 2), ("/b", None, "why None", b"", 1)]


def test_responses_are_not_held_all_at_once(connection: Any) -> None:
    """A site that serves garbage fills the quarantine with responses of up to 16 MiB each."""
    size = 2**20
    connection.execute(
        "INSERT INTO crawl.quarantine (stream, entity_id, path, reason, body)"
        " SELECT 'user_messages', 100 + g, '/x', 'why', convert_to(repeat('x', %s), 'UTF8')"
        " FROM generate_series(1, 40) g",
        [size],
    )
    tracemalloc.start()
    try:
        assert quarantine.retry(connection)["left"] == 43
        assert tracemalloc.get_traced_memory()[1] < 20 * size
    finally:
        tracemalloc.stop()
