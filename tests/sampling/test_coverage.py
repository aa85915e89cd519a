"""Whether a 95% interval holds the truth 95 times in a hundred, design by design.

Each draw is made by the project's own code in a warehouse that holds a population whole, its outcomes are recorded as a
crawl records them, and the estimates are compared with the truth. Everything is rolled back after each draw. Of 200
draws the share has an error of 1.5 points itself, so the quick part asks for what 95% allows but for twice in a
thousand times, and the long part makes 1,000 draws, whose error is 0.7 points, and asks for 93 to 97%.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from harvester.crawl.drawing import chance
from harvester.crawl.sampling import IdPlan, WalkPlan, advance, draw_authors, draw_ids, draw_walks, start_wave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sampling.conftest import Population


def loved(population: Population) -> tuple[dict[int, Any], dict[str, float]]:
    """Whether a project has a love: how many projects there are, how many have one, which share."""
    values = {project: project in population.loved for project in population.projects}
    return values, figures(values)


def commented(population: Population) -> tuple[dict[int, Any], dict[str, float]]:
    values = {project: population.comments[project] for project in population.projects}
    return values, figures(values)


def figures(values: dict[int, Any]) -> dict[str, float]:
    return {"size": len(values), "total": sum(values.values()), "mean": sum(values.values()) / len(values)}


def uniform(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    design = draw_ids(population.connection, IdPlan(count=1500, seed=seed, up_to=population.last_id))
    population.visit(design)
    values, true = loved(population)
    yield "loved", population.estimates(design, values), true


def stratified(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    pilot = draw_ids(population.connection, IdPlan(count=400, seed=seed + 10**6, up_to=population.last_id))
    population.visit(pilot)
    plan = IdPlan(
        count=1500, seed=seed, up_to=population.last_id, strata="5", allocation="neyman", pilot=pilot, depth=0
    )
    design = draw_ids(population.connection, plan)
    population.visit(design)
    values, true = loved(population)
    yield "loved", population.estimates(design, values), true


def clusters(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    plan = IdPlan(count=2500, seed=seed, up_to=population.last_id, certain=100, depth=0)
    design = draw_ids(population.connection, plan)
    population.visit(design)
    values, true = commented(population)
    yield "comments", population.estimates(design, values), true


def panel(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    plan = IdPlan(count=1500, seed=seed, up_to=population.last_id, panel=True, groups=4)
    design = draw_ids(population.connection, plan)
    population.visit(design)
    for _ in range(2):
        start_wave(population.connection, design)
    population.visit(design)
    values, true = loved(population)
    yield "loved", population.estimates(design, values), true


def authors(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    connection = population.connection
    parent = draw_ids(connection, IdPlan(count=2500, seed=seed, up_to=population.last_id))
    population.visit(parent)
    design = draw_authors(connection, parent)
    advance(connection)
    # The crawl that the draw asks for.
    connection.execute("UPDATE crawl.walks SET visits = visits + 1, visited_at = now() WHERE due_at <= now()")
    advance(connection)
    values = {user: user in population.american for user in population.authors}
    yield "american", population.estimates(design, values), figures(values)


def walks(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    connection = population.connection
    parent = draw_ids(connection, IdPlan(count=2000, seed=seed, up_to=population.last_id))
    population.visit(parent)
    plan = WalkPlan(parent=parent, steps=60, walks=20, burn_in=20, restart=1.0, seed=seed)
    design = draw_walks(connection, plan)
    advance(connection, population.graph)
    # Who shares is followed more, so that steps come to them more often.
    values = {user: user in population.authors for user in population.within_reach}
    yield "sharing", population.estimates(design, values), {"mean": figures(values)["mean"]}


def half_visited(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """Half of a stratified draw, visited in its order; the strata differ in weight by far."""
    plan = IdPlan(count=3000, seed=seed, up_to=population.last_id, strata="4", allocation="equal")
    design = draw_ids(population.connection, plan)
    population.visit(design, part=0.5)
    values, true = loved(population)
    yield "loved", population.estimates(design, values), true


def failing_by_age(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """One unit in five cannot be visited, the old ones more often."""
    design = draw_ids(population.connection, IdPlan(count=1500, seed=seed, up_to=population.last_id))
    population.visit(design, failing=lambda entity: 0.4 * (1 - entity / population.last_id))
    values, true = loved(population)
    yield "loved", population.estimates(design, values), true


def unequal(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """As many draws from a twentieth of the frame as from each of the rest."""
    last = population.last_id
    plan = IdPlan(count=1500, seed=seed, up_to=last, strata=f"{last // 20},{last // 4}", allocation="equal")
    design = draw_ids(population.connection, plan)
    population.visit(design)
    values, true = loved(population)
    yield "loved", population.estimates(design, values), true


def authors_that_fail(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """Authors of whom one in five cannot be visited."""
    connection = population.connection
    parent = draw_ids(connection, IdPlan(count=2500, seed=seed, up_to=population.last_id))
    population.visit(parent)
    design = draw_authors(connection, parent)
    advance(connection)
    lost = [user for user in population.authors if chance("fails", seed, user) < 0.2]
    connection.execute("UPDATE crawl.walks SET failures = 3 WHERE stream = 'user' AND entity_id = ANY(%s)", [lost])
    connection.execute(
        "UPDATE crawl.walks SET visits = visits + 1, visited_at = now()"
        " WHERE due_at <= now() AND NOT (stream = 'user' AND entity_id = ANY(%s))",
        [lost],
    )
    advance(connection)
    values = {user: user in population.american for user in population.authors}
    yield "american", population.estimates(design, values), figures(values)


def lists_that_fail(population: Population, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """Comments of sampled projects, the list of one in five of which cannot be read."""
    connection = population.connection
    plan = IdPlan(count=2500, seed=seed, up_to=population.last_id, certain=100, depth=0)
    design = draw_ids(connection, plan)
    population.visit(design)
    connection.execute(
        "INSERT INTO crawl.walks (stream, entity_id, due_at, visits, failures, certificate)"
        " SELECT 'project_comments', entity_id, now(), 1, CASE WHEN lost THEN 3 ELSE 0 END,"
        " CASE WHEN NOT lost THEN jsonb_build_object('complete', true) END"
        " FROM (SELECT entity_id, stratum <> 'certain' AND hashint8(entity_id) %% 5 = 0 AS lost FROM crawl.draws"
        " WHERE design_id = %s AND outcome = 'hit') d",
        [design],
    )
    true = figures({project: population.comments[project] for project in population.projects})
    found = connection.execute(
        "SELECT figure, estimate, standard_error, low, high FROM analytics.estimate(%s, 'comments')", [design]
    ).fetchall()
    yield "comments", {figure: numbers for figure, *numbers in found}, true


DESIGNS = {
    each.__name__: each
    for each in (
        *(uniform, stratified, clusters, panel, authors, walks),
        *(half_visited, failing_by_age, unequal, authors_that_fail, lists_that_fail),
    )
}


def coverage(population: Population, design: Callable[..., Any], draws: range) -> Counter[tuple[str, str]]:
    """How often each interval held the truth."""
    held: Counter[tuple[str, str]] = Counter()
    for seed in draws:
        if seed % 20 == 19:
            # What is rolled back leaves dead rows, through which every later draw would have to look.
            population.connection.execute("VACUUM crawl.draws, crawl.strata, crawl.designs, crawl.walks")
        with population.connection.transaction(force_rollback=True):
            for name, found, true in design(population, seed):
                for figure, value in true.items():
                    _, error, low, high = found[figure]
                    assert error > 0
                    held[name, figure] += low <= value <= high
    return held


SLOW = ("unequal", "authors_that_fail", "lists_that_fail")
"""Designs whose draws take seconds: those are left to the soak."""


@pytest.mark.parametrize("name", [name for name in DESIGNS if name not in SLOW])
def test_the_interval_holds_the_truth(population: Population, name: str) -> None:
    held = coverage(population, DESIGNS[name], range(24))
    assert held
    # Of 24 draws 18 or fewer would hold it once in a thousand times, and there are some fifteen figures.
    assert min(held.values()) >= 19, held


@pytest.mark.soak
@pytest.mark.parametrize("name", DESIGNS)
def test_the_interval_holds_the_truth_95_times_in_a_hundred(population: Population, name: str) -> None:
    draws = 1000
    shares = {key: times / draws for key, times in coverage(population, DESIGNS[name], range(draws)).items()}
    print(name, {f"{variable} {figure}": round(share, 4) for (variable, figure), share in shares.items()})
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares
