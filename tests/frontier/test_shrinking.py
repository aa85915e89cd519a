"""Seeds, rankings and samples are taken out of scope: what the others want stays, as if these had been alone."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import IN_USE

if TYPE_CHECKING:
    from collections.abc import Callable


def entries(harvester: Any) -> dict[tuple[str, int], int]:
    found = harvester.query("SELECT stream, entity_id, depth FROM crawl.frontier")
    return {(stream, entity): depth for stream, entity, depth in found}


def rows(harvester: Any) -> list[tuple[Any, ...]]:
    tables = ("users", "projects", "studios", "follows", "favorites", "project_comments", "profile_comments")
    counts = ", ".join(f"(SELECT count(*) FROM scratch.{table})" for table in tables)
    found: list[tuple[Any, ...]] = harvester.query(f"SELECT {counts}")
    return found


def test_what_remains_is_what_the_others_reach_alone(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], second_database: str
) -> None:
    """Also where the crawl of all was stopped half-way, with lists that were read in part."""
    sandbox = start_sandbox(users=12, seed=6)
    both, alone = make_harvester(sandbox), make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database)
    seeds = sandbox.seeds()
    shared, other = seeds["users"][1:3]
    for harvester in (both, alone):
        harvester("seed", "users", shared, "--depth", "1")
        harvester("seed", "explore", "--pages", "1", "--kind", "projects")
    alone.crawl()
    reached = entries(alone)
    projects = sandbox.truth("projects")
    drawn = next(one["id"] for one in projects if ("user", one["author_id"]) not in reached)
    wanted = next(one["id"] for one in projects if ("project", one["id"]) in reached)
    both("seed", "users", other, "--depth", "2")
    both("seed", "projects", str(seeds["projects"][0]))
    both("seed", "sample", "projects", "2", "--from", str(drawn), "--up-to", str(drawn + 1))
    both("seed", "sample", "random-walk", "1", "--steps", "20", "--walks", "2")
    both.crawl("--max-requests", "300")
    assert both.query("SELECT outcome FROM crawl.draws WHERE entity_id = %s", drawn) == [("hit",)]
    # Drawn when it was visited already: it becomes due again.
    both("seed", "sample", "projects", "2", "--from", str(wanted), "--up-to", str(wanted + 1))
    listed = json.loads(both("seed", "list", "--json").stdout)
    assert [(one["name"], one["depth"], one["by"]) for one in listed[:2]] == [
        (shared, 1, "seed users"),
        ("explore_projects q=* trending en 1 page", 0, "seed explore"),
    ]
    assert listed[4]["name"] == "uniform of 2 projects"
    assert [one["by"] for one in listed[4:]] == [
        f"seed sample {word}" for word in ("projects", "random-walk", "projects")
    ]

    before, stored = entries(both), rows(both)
    # Nothing ends before somebody said so, nor what was never seeded, nor while a crawl could bring it back.
    asked = both("seed", "remove", "users", other, ok=False)
    assert (asked.returncode, "nobody can answer: add --yes" in asked.stderr) == (2, True)
    would = json.loads(both("seed", "remove", "users", other, "--dry-run", "--json").stdout)
    # A list that was read in part so far has led on as far as that.
    both.query("UPDATE crawl.frontier SET visits = -1 WHERE visits = 1 RETURNING 1")
    part = json.loads(both("seed", "remove", "users", other, "--dry-run", "--json").stdout)
    assert part["ended"] == would["ended"]
    both.query("UPDATE crawl.frontier SET visits = 1 WHERE visits = -1 RETURNING 1")
    refused = both("seed", "remove", "users", other, seeds["users"][5], "--yes", ok=False)
    assert (refused.returncode, f"{seeds['users'][5]} is not among the seeded users" in refused.stderr) == (2, True)
    parent = both("seed", "sample", "cancel", "1", "--yes", ok=False)
    assert (parent.returncode, "design 2 still draws from design 1" in parent.stderr) == (2, True)
    with open_connection(both.database, autocommit=True) as crawl:
        crawl.execute("SELECT pg_advisory_lock_shared(%s)", [IN_USE])
        assert "is at work" in both("seed", "remove", "users", other, "--yes", ok=False).stderr
    assert entries(both) == before

    done = json.loads(both("seed", "remove", "users", other, "--yes", "--json").stdout)
    assert done == would | {"dry_run": False}
    assert sum(done["ended"].values()) == len(before) - done["left"] > 20
    both("seed", "remove", "projects", str(seeds["projects"][0]), "--yes")
    for design in ("2", "1", "3"):
        both("seed", "sample", "cancel", design, "--yes")
    assert rows(both) == stored
    assert len(json.loads(both("seed", "list", "--json").stdout)) == 2
    outcomes = both.query("SELECT * FROM crawl.draws ORDER BY design_id, position")
    both.crawl()
    assert entries(both) == reached
    assert both.query("SELECT * FROM crawl.draws ORDER BY design_id, position") == outcomes
    assert [one["cancelled_at"] is None for one in json.loads(both("seed", "sample", "list", "--json").stdout)] == [
        False,
        False,
        False,
    ]
    # Without any seed nothing is visited any more.
    both("seed", "remove", "users", shared, "--yes")
    both("seed", "remove", "rankings", "1", "--yes")
    assert entries(both) == {}
    assert both.crawl()["requests"] <= 1  # /health


@pytest.mark.soak
@pytest.mark.parametrize("number", range(6))
def test_any_seeds_leave_what_the_others_reach_alone(
    number: int, start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], second_database: str
) -> None:
    chance = random.Random(number)
    sandbox = start_sandbox(users=60, seed=number)
    both, alone = make_harvester(sandbox), make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database)
    seeds = sandbox.seeds()

    def some(kind: str) -> list[str]:
        return list(map(str, chance.sample(seeds[kind], min(3, len(seeds[kind])))))

    wanted = {kind: (some(kind), str(chance.randrange(3))) for kind in ("users", "projects", "studios")}
    for kind, (things, depth) in wanted.items():
        for harvester in (both, alone):
            harvester("seed", kind, *things, "--depth", depth)
    mistaken = {kind: [thing for thing in some(kind) if thing not in wanted[kind][0]] for kind in wanted}
    for kind, things in mistaken.items():
        if things:
            both("seed", kind, *things, "--depth", str(chance.randrange(3)))
    if number % 2:
        both.crawl("--max-requests", str(chance.randrange(100, 1500)))
    else:
        both.crawl()
    for kind, things in mistaken.items():
        if things:
            both("seed", "remove", kind, *things, "--yes")
    for harvester in (both, alone):
        harvester.crawl()
    assert entries(both) == entries(alone)
