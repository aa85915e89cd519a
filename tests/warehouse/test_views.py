"""The views and functions of the schema that need no crawl."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

CERTIFIED = '{"proven_by": "key", "complete": true, "key": 1767225600}'  # 2026-01-01
GAPS = [
    ({"visits": 0}, "not_collected: not read yet"),
    ({"certificate": CERTIFIED, "certified_from": "2026-03-01"}, "no_activity"),
    (
        {"certificate": CERTIFIED, "certified_from": "2026-01-15"},
        "no_activity until the last visit, not_collected after it",
    ),
    ({"certificate": CERTIFIED, "certified_from": "2026-01-05"}, "not_collected: not read since"),
    (
        {
            "certificate": CERTIFIED,
            "certified_from": "2026-01-05",
            "state": '{"key": 1768867200, "offset": 39}',  # 2026-01-20
        },
        "not_collected: a visit is under way",
    ),
    ({"certificate": '{"proven_by": "none", "complete": false}'}, "unknown: no visit could be certified"),
    ({"certificate": CERTIFIED, "gone_at": "2026-02-01"}, "no_activity: the page itself is gone"),
    (
        {"certificate": CERTIFIED.replace("}", ', "capped": true}'), "certified_from": "2026-03-01"},
        "unknown: the site serves no more than the newest pages",
    ),
]


@pytest.mark.every_postgres
def test_explain_gap_tells_missing_activity_from_missing_data(database: str) -> None:
    ask = "SELECT analytics.explain_gap('project_comments', %s, '2026-01-10', '2026-02-10')"
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
            connection.execute(f"INSERT INTO crawl.frontier ({names}) VALUES ({marks})", list(row.values()))
            assert connection.execute(ask, [number]).fetchone() == (said,)
        assert connection.execute(ask, [999]).fetchone() == ("not_collected: not in scope",)
        # Analysts may ask, and see nothing else of the operator's tables.
        connection.execute("SET ROLE harvester_reader")
        assert connection.execute("SELECT count(*) FROM analytics.coverage").fetchone() == (len(GAPS),)
        assert connection.execute(ask, [1]).fetchone() == ("no_activity",)
        assert connection.execute("SELECT count(*) FROM history.projects_at(now())").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM crawl.frontier")


LINKED = {
    "history.studio_projects_at(now())": "project_id",
    "history.favorites_at(now())": "project_id",
    "history.studio_members_at(now())": "studio_id",
    "analytics.studio_memberships": "studios",
    "analytics.studio_overlap(1)": "other_id",
}


def test_links_are_present_while_both_ends_are(database: str) -> None:
    """Studio 2 and project 5 are gone, and no list is left that could show that their links are."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id) VALUES (8)")
        for table, ids in (("studios", (1, 2, 3)), ("projects", (4, 5))):
            for number in ids:
                connection.execute(f"INSERT INTO scratch.{table} (id) VALUES (%s)", [number])
        for studio in (1, 2, 3):
            connection.execute("INSERT INTO scratch.studio_projects (studio_id, project_id) VALUES (%s, 5)", [studio])
            connection.execute(
                "INSERT INTO scratch.studio_members (studio_id, user_id, role) VALUES (%s, 8, 'curator')", [studio]
            )
        connection.execute("INSERT INTO scratch.studio_projects (studio_id, project_id) VALUES (1, 4), (2, 4)")
        connection.execute("INSERT INTO scratch.favorites (user_id, project_id) VALUES (8, 4), (8, 5)")

        def told() -> dict[str, list[int]]:
            asked = {what: f"SELECT {column} FROM {what} ORDER BY 1" for what, column in LINKED.items()}
            return {what: [row[0] for row in connection.execute(ask).fetchall()] for what, ask in asked.items()}

        before = connection.execute("SELECT clock_timestamp()").fetchone()
        assert [*told().values()] == [[4, 4, 5, 5, 5], [4, 5], [1, 2, 3], [3], [2, 3]]
        shared = "SELECT shared_projects FROM analytics.studio_overlap(1) WHERE other_id = 3"
        assert connection.execute(shared).fetchone() == (1,)
        for table, number in (("studios", 2), ("projects", 5)):
            connection.execute(
                f"UPDATE scratch.{table} SET gone_at = clock_timestamp(), last_seen_at = now() WHERE id = {number}"
            )
        assert [*told().values()] == [[4], [4], [1, 3], [2], [3]]
        assert connection.execute(shared).fetchone() == (0,)
        then = connection.execute("SELECT count(*) FROM history.studio_projects_at(%s)", before).fetchone()
        assert then == (5,), "they were there before"


def test_the_ids_that_are_not_held_are_counted_by_month(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for number, at in ((10, "2026-01-02"), (13, "2026-01-30"), (20, "2026-02-01")):
            connection.execute("INSERT INTO scratch.projects (id, created_at) VALUES (%s, %s)", [number, at])
        found = connection.execute(
            "SELECT month::date::text, held, lowest_id, highest_id, ids_not_held, share_held::float8"
            " FROM analytics.id_gaps WHERE kind = 'project' ORDER BY 1"
        ).fetchall()
    assert found == [("2026-01-01", 2, 10, 13, 2, 0.5), ("2026-02-01", 1, 20, 20, 0, 1.0)]
