"""Figures of a large frontier, which status and scrapes estimate from a sample, against those of all its entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harvester.config import load
from harvester.monitoring import reconcile, status
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

ENTRIES = 12_000
LARGE = ("user_projects", "profile_comments", "project")
FILL = """
INSERT INTO crawl.frontier
    (stream, entity_id, due_at, visits, visited_at, new_items_decayed, exposure, stratum, queue, failures, gone_at)
SELECT s.stream, e, now() + make_interval(hours => (e %% 40)::int - 10), (e %% 4)::int, now() - interval '9 days', 3,
    60, 27, 8 + e %% 20, CASE WHEN e %% 100 = 0 THEN 2 ELSE 0 END, CASE WHEN e %% 8 = 0 THEN now() END
FROM unnest(%s::text[]) AS s (stream), generate_series(1, %s) e
ORDER BY e
"""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        opened.execute(FILL, [list(LARGE), ENTRIES])
        opened.execute(FILL, [["studio"], 30])
        opened.execute("ANALYZE crawl.frontier")
        yield opened


COUNTS = ("in_scope", "visited", "due", "pays", "failing", "gone")


def streams(database: str) -> dict[str, dict[str, Any]]:
    return {row["stream"]: row for row in status.read_status(load(database_url=database))["streams"]}


@pytest.mark.usefixtures("connection")
def test_a_large_frontier_is_sampled(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = streams(database)
    assert not any(row["is_estimate"] for row in exact.values())
    monkeypatch.setattr(status, "_SAMPLED_FROM", ENTRIES)
    monkeypatch.setattr(status, "_SMALL", 100)
    # Of a sample that is everything only the planner's share of each stream is an estimate; then one block in six.
    for sample, tolerance in ((len(LARGE) * ENTRIES, 0.03), (len(LARGE) * ENTRIES // 6, 0.3)):
        monkeypatch.setattr(status, "_SAMPLE", sample)
        told = streams(database)
        assert told["studio"] == exact["studio"] | {
            "expected_unseen": pytest.approx(exact["studio"]["expected_unseen"], rel=0.001)
        }
        for name in LARGE:
            assert told[name]["is_estimate"]
            assert told[name]["failing"] == exact[name]["failing"] == ENTRIES // 100
            for figure in (*COUNTS, "expected_unseen"):
                assert told[name][figure] == pytest.approx(exact[name][figure], rel=tolerance), (name, figure)
            assert told[name]["on_time"] == pytest.approx(exact[name]["on_time"], abs=tolerance / 2)


def test_things_of_a_sample_are_compared(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.execute(
        "INSERT INTO scratch.studios (id, manager_count, first_seen_at, last_seen_at)"
        " SELECT e, e % 2, now(), now() FROM generate_series(1, 5000) e"
    )
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, certificate)"
        """ SELECT 'studio_managers', e, now(), 1, '{"complete": true}' FROM generate_series(1, 5000) e"""
    )

    def managers(entries: int) -> dict[str, Any]:
        (found,) = (one for one in reconcile.reconcile(connection, entries, 0) if "managers" in one["what"])
        return found

    whole = managers(20_000)
    assert (whole["compared"], whole["differ"], whole["is_sample"]) == (5000, 2500, False)
    part = managers(40_000)  # of which half is read
    assert part["is_sample"]
    assert 1000 < part["compared"] < 4000
    assert part["differ"] == pytest.approx(part["compared"] / 2, abs=100)
