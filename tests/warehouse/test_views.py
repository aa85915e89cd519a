"""The views and functions of the schema that no crawl is needed to try."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg
import pytest

from harvester.warehouse.as_of import functions


def test_the_functions_of_the_past_are_made_from_the_schema() -> None:
    """`python -m harvester.warehouse.as_of` prints what a new migration has to create when the schema changes."""
    assert (files("harvester") / "warehouse" / "views" / "as_of.sql").read_text() == functions()


CERTIFIED = '{"ground": "key", "complete": true, "key": 1767225600}'  # 2026-01-01
GAPS = [
    ({"visits": 0}, "the data: not read yet"),
    ({"certificate": CERTIFIED, "certified_from": "2026-03-01"}, "the world"),
    ({"certificate": CERTIFIED, "certified_from": "2026-01-15"}, "the world until the last visit, the data after it"),
    ({"certificate": CERTIFIED, "certified_from": "2026-01-05"}, "the data: not read since"),
    (
        {
            "certificate": CERTIFIED,
            "certified_from": "2026-01-05",
            "state": '{"key": 1768867200, "offset": 39}',  # 2026-01-20
        },
        "the data: a walk is under way",
    ),
    ({"certificate": '{"ground": "none", "complete": false}'}, "unknown: no walk could be certified"),
    ({"certificate": CERTIFIED, "gone_at": "2026-02-01"}, "the world: the page itself is gone"),
    (
        {"certificate": CERTIFIED.replace("}", ', "capped": true}'), "certified_from": "2026-03-01"},
        "unknown: the site serves no more than the newest pages",
    ),
]


@pytest.mark.every_postgres
def test_a_gap_in_the_data_is_told_from_a_gap_in_the_world(database: str) -> None:
    ask = "SELECT analytics.gap_is_in('project_comments', %s, '2026-01-10', '2026-02-10')"
    with psycopg.connect(database, autocommit=True) as connection:
        for number, (values, said) in enumerate(GAPS):
            row: dict[str, Any] = {
                "stream": "project_comments",
                "entity_id": number,
                "due_at": "2026-01-01",
                "visits": 1,
            }
            row |= values
            names = ", ".join(row)
            marks = ", ".join(["%s"] * len(row))
            connection.execute(f"INSERT INTO crawl.walks ({names}) VALUES ({marks})", list(row.values()))
            assert connection.execute(ask, [number]).fetchone() == (said,)
        assert connection.execute(ask, [999]).fetchone() == ("the data: not in scope",)
        # Analysts may ask, and see nothing else of the operator's tables.
        connection.execute("SET ROLE harvester_reader")
        assert connection.execute("SELECT count(*) FROM analytics.coverage").fetchone() == (len(GAPS),)
        assert connection.execute(ask, [1]).fetchone() == ("the world",)
        assert connection.execute("SELECT count(*) FROM history.projects_at(now())").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM crawl.walks")


def test_the_ids_that_are_not_held_are_counted_by_month(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for number, at in ((10, "2026-01-02"), (13, "2026-01-30"), (20, "2026-02-01")):
            connection.execute("INSERT INTO scratch.projects (id, created_at) VALUES (%s, %s)", [number, at])
        found = connection.execute(
            "SELECT month::date::text, held, lowest_id, highest_id, ids_not_held, share_held::float8"
            " FROM analytics.id_gaps WHERE kind = 'project' ORDER BY 1"
        ).fetchall()
    assert found == [("2026-01-01", 2, 10, 13, 2, 0.5), ("2026-02-01", 1, 20, 20, 0, 1.0)]
