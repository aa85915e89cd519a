"""The commands and queries of docs/sampling.md run as they stand, with a thousandth of the draws."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.sampling.outcomes import record_outcomes
from harvester.sampling.samples import advance

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "sampling.md"


def crawl(connection: psycopg.Connection[Any]) -> None:
    """What a crawl would leave: every fifth id is of a project, of one of ten authors who follow each other."""
    connection.execute(
        "INSERT INTO scratch.users (id, username, scratch_team) SELECT i, 'u' || i, i = 3 FROM generate_series(0, 9) i"
        " ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO scratch.follows (follower_id, followee_id) SELECT i, mod(i + 1, 10) FROM generate_series(0, 9) i"
        " ON CONFLICT DO NOTHING"
    )
    drawn = [
        entity
        for (entity,) in connection.execute(
            "SELECT entity_id FROM crawl.draws d JOIN crawl.designs g ON g.id = d.design_id"
            " WHERE g.kind = 'project' AND d.outcome IS NULL"
        )
    ]
    shared = [entity for entity in drawn if entity % 5 == 0]
    connection.execute(
        "INSERT INTO scratch.projects (id, author_id, loves) SELECT e, mod(e / 5, 10), mod(e / 50, 3)"
        " FROM unnest(%s::bigint[]) e ON CONFLICT DO NOTHING",
        [shared],
    )
    connection.execute(
        "INSERT INTO scratch.project_comments (id, project_id) SELECT id, id FROM scratch.projects WHERE mod(id, 3) = 0"
        " ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, certificate)"
        " SELECT 'project_comments', id, now(), '{\"complete\": true}' FROM scratch.projects ON CONFLICT DO NOTHING"
    )
    record_outcomes(connection, [("project", entity, entity % 5 > 0) for entity in drawn])
    goes_on = 1
    while goes_on:
        connection.execute("UPDATE crawl.frontier SET visits = visits + 1, visited_at = now()")
        goes_on = advance(connection)


def test_the_page_runs(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_DATABASE_URL", database)
    commands = queries = 0
    with psycopg.connect(database, autocommit=True) as connection:
        for language, block in re.findall(r"```(sh|sql)\n(.*?)```", PAGE.read_text(), re.DOTALL):
            if language == "sql":
                for query in block.split(";\n\n") if "\n\n" in block else block.splitlines():
                    connection.execute("SET ROLE harvester_reader")
                    found = connection.execute(query).fetchall()
                    assert found, query
                    assert all(row[1] is not None for row in found), query
                    connection.execute("RESET ROLE")
                    queries += 1
                continue
            for line in block.splitlines():
                if line == "harvester crawl":
                    crawl(connection)
                    continue
                fewer = re.sub(r"(sample projects|sample panel) (\d+)000\b", r"\1 \2", line.removeprefix("harvester "))
                result = CliRunner().invoke(app, fewer.split())
                assert result.exit_code == 0, (line, result.stderr)
                commands += 1
    assert (commands, queries) == (8, 7)
