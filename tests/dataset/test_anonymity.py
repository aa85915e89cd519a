"""The recoding of a table where fewer than k people would be suppressed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.dataset.build import Build, Request
from harvester.dataset.snapshot import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A hundred people each wrote a comment on one day; three of them, and one more, did so on another.
FEW_ON_A_DAY = """
INSERT INTO scratch.users (id, username) SELECT g, 'person' || g FROM generate_series(1, 101) g;
INSERT INTO scratch.projects (id, author_id) VALUES (1, 1);
INSERT INTO scratch.project_comments (id, project_id, author_id, created_at)
SELECT g, 1, g, '2015-05-05'::timestamptz FROM generate_series(1, 100) g
UNION ALL SELECT 200 + g, 1, g, '2016-06-06' FROM generate_series(98, 101) g;
"""


def test_more_people_are_suppressed_where_few_would_be(
    database: str, builder_of: Callable[[str], Any], tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(FEW_ON_A_DAY)
    with open_snapshot(builder_of(database).settings) as snapshot:
        work = Build(builder_of(database).settings, snapshot, Request(tmp_path).settled(), tmp_path, lambda _: None)
        work.prepare()
        cells = snapshot.rows("SELECT * FROM cells_project_comments")
        hidden = snapshot.rows("SELECT person FROM coded_project_comments JOIN suppressed_project_comments USING (id)")
        recoded = work.recoded
        assert recoded is not None
    told = recoded.as_json()["project_comments"]
    assert told["steps"] == {"created": "day", "is_reply": "as it is"}
    # Of the four the comment of the other day, and of six more people that of the first.
    people = Counter(row["person"] for row in hidden)
    assert len(people) == sum(people.values()) == 10
    assert people.keys() > {98, 99, 100, 101}
    assert told["strata"] == [
        {"stratum": "no replies, 2015 to no replies, 2016", "rows": 104, "shown": 94, "suppressed": 10}
    ]
    assert {(row["created"], row["is_reply"]) for row in cells} == {("2015-05-05", False)}
    assert sum(row["weight"] for row in cells) == pytest.approx(104)
    assert recoded.as_json()["projects"]["rows"] is None, "the rows of one person"
