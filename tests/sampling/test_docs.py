"""The commands and queries of docs/sampling.md run as they stand, with a thousandth of the draws; those of the tutorial
give what it shows, and its intervals hold the truth."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.sampling.outcomes import record_outcomes
from harvester.sampling.samples import advance
from harvester.warehouse import embedded

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "sampling.md"
TUTORIAL = PAGE.with_name("sampling-tutorial.md")


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
        "INSERT INTO scratch.projects (id, author_id, loves, views)"
        " SELECT e, mod(e / 5, 10), mod(e / 50, 3), mod(e / 5, 23) FROM unnest(%s::bigint[]) e ON CONFLICT DO NOTHING",
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
    assert (commands, queries) == (8, 10)


def test_the_tutorial_shows_what_its_commands_give(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    text = TUTORIAL.read_text()
    commands = [
        shlex.split(line)
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("harvester ")
    ]
    assert commands[0] == shlex.split("harvester sandbox --port 8604 --users 300 --seed 1 --dense &")
    assert commands[-1] == ["harvester", "db", "down"]
    sandbox = start_sandbox(users=300, seed=1, dense=True)
    harvester = make_harvester(sandbox)
    given = [sandbox.call("GET", "/sandbox/frame").decode()]
    *others, build = commands[1:-1]
    given += [harvester(*words).stdout for _, *words in others][-1:]
    assert build == shlex.split("harvester dataset build loved --profile restricted")
    harvester("dataset", "build", str(tmp_path / "loved"), *build[4:])
    psql = [embedded.binary("psql"), "-X", "-P", "footer=off", harvester.database, "-c"]
    for query in re.findall(r"```sql\n(.*?)```", text, re.DOTALL):
        given.append(subprocess.run([*psql, query], capture_output=True, text=True, check=True).stdout)
    projects = sandbox.truth("projects")
    loved, views = sum(row["loves"] > 0 for row in projects), sum(row["views"] for row in projects)
    truths = (len(projects), loved, loved / len(projects))
    given.insert(3, "{} projects, {} loved, a share of {:.3f}; {} views".format(*truths, views))
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    command = [sys.executable, "-c", program]
    given.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    shown = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert [each.split() for each in shown] == [each.split() for each in given]

    # The table says the same, rounded, and its intervals hold the truth.
    figures = {line.split()[0]: [float(part) for part in line.split()[2::2]] for line in shown[2].splitlines()[2:]}
    rows = re.findall(r"^\| [\w ]+ \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    for (estimate, _, low, high), row, truth in zip(figures.values(), rows, truths, strict=True):
        places = 3 if truth < 1 else 0
        assert [float(part) for part in row] == [round(value, places) for value in (estimate, low, high, truth)]
        assert low < truth < high
