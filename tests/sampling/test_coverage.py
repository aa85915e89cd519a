"""Whether a 95% interval holds the truth 95 times in a hundred, design by design and whatever befalls it.

The samples are drawn in numpy by the definition of each design and loaded as the code records them; that the code draws
and records them so is shown by the other tests of this folder. Of 60 samples the share that holds the truth has an
error of 2.8 points itself, so the quick part asks for what 95% allows but for once in ten thousand times; the long part
takes 1,000 samples, whose error is 0.7 points, and asks for 93 to 97%.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from samples import (
    ABSENT,
    CHANGE,
    ESTIMATE,
    FAILED,
    HIT,
    MISS,
    OF_LISTS,
    OF_THE_FIRST_WAVE,
    draw,
    estimates,
    load,
    load_walks,
    populate,
    valued,
    walk,
)

from harvester.sandbox.community import Community

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from samples import Floats, Generator, Ints, Population, Sample

    Scenario = Callable[[Population, Generator], tuple[Sample, dict[str, float]]]


@pytest.fixture(scope="session")
def population() -> Population:
    """A community of 2,000 users."""
    return populate(Community(2000, 1))


@pytest.fixture(scope="session")
def connection(embedded_server: Any) -> Iterator[psycopg.Connection[Any]]:
    url = embedded_server.create(embedded_server.template())
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
    embedded_server.drop(url)


def figures(there: NDArray[np.bool_], values: Floats) -> dict[str, float]:
    """The truth."""
    size, total = float(there.sum()), float(values[there].sum())
    return {"size": size, "total": total, "mean": total / size}


def whole(population: Population, count: int) -> dict[str, tuple[Ints, int]]:
    return {"all": (np.arange(1, population.size + 1), count)}


def cut(population: Population, edges: list[float], counts: list[int]) -> dict[str, tuple[Ints, int]]:
    places = [0, *(int(edge * population.size) for edge in edges), population.size]
    return {
        str(n): (np.arange(first + 1, last + 1), count)
        for n, (first, last, count) in enumerate(zip(places[:-1], places[1:], counts, strict=True))
    }


def of_ids(
    values: Callable[[Population], Floats], parts: Callable[[Population], dict[str, tuple[Ints, int]]], **visits: float
) -> Scenario:
    """Make a scenario of a draw of ids."""

    def sample(population: Population, random: Generator) -> tuple[Sample, dict[str, float]]:
        y = values(population)
        return valued(draw(population, random, parts(population), **visits), y), figures(population.there, y)

    return sample


def loved(population: Population) -> Floats:
    return (population.loves > 0).astype(float)


def rarely(population: Population) -> Floats:
    """What one project in fifty is."""
    return (np.arange(population.size + 1) % 50 == 7).astype(float)


def sure(population: Population, count: int) -> dict[str, tuple[Ints, int]]:
    """The 100 projects with the most comments for sure, and so many of the other ids."""
    most = np.argsort(-population.comments, kind="stable")[:100]
    others = np.setdiff1d(np.arange(1, population.size + 1), most)
    return {"all": (others, count), "certain": (most, 100)}


def sure_of_each(population: Population, edges: list[float], counts: list[int]) -> dict[str, tuple[Ints, int]]:
    """The 100 projects with the most comments for sure, and so many of the other ids of each stratum."""
    certain = sure(population, 0)["certain"]
    parts = cut(population, edges, counts)
    return {name: (np.setdiff1d(ids, certain[0]), count) for name, (ids, count) in parts.items()} | {"certain": certain}


def lists(
    values: Callable[[Population], Floats],
    parts: Callable[[Population], dict[str, tuple[Ints, int]]],
    failing: float = 0.0,
) -> Scenario:
    """Make a scenario of lists of sampled projects, some of which cannot be read, of old projects more often."""

    def sample(population: Population, random: Generator) -> tuple[Sample, dict[str, float]]:
        y = values(population)
        found = valued(draw(population, random, parts(population)), y)
        fails = random.random(len(found.entity)) < 2 * failing * (1 - found.entity / population.size)
        fails &= np.array(found.stratum) != "certain"
        found.lists = np.where(found.state == HIT, np.where(fails, FAILED, HIT), ABSENT)
        return found, figures(population.there, y)

    return sample


def commented(population: Population) -> Floats:
    """Whether a project has comments."""
    return (population.comments > 0).astype(float)


def panel(
    population: Population,
    random: Generator,
    values: tuple[Floats, Floats],
    failing: float = 0.0,
    visited: float = 1.0,
    unread: float | None = None,
) -> Sample:
    """A panel of 800 ids of which a quarter is replaced, in its second wave; `unread`: the share of lists that fail."""
    sample = draw(population, random, whole(population, 1000), "panel", failing=failing)
    new = np.arange(1000) >= 800
    replaced = (np.arange(1000) % 4 == 0) & ~new
    sample.earlier = np.where(new, ABSENT, sample.state)
    again = np.where(population.later[sample.entity], HIT, MISS)
    again[random.random(1000) < 2 * failing * (1 - sample.entity / population.size)] = FAILED
    again[np.cumsum(~replaced) > visited * 800] = 0
    sample.state = np.where(replaced, ABSENT, again)
    sample.ids_earlier = sample.entity[sample.earlier == HIT]
    sample.y_earlier = values[0][sample.ids_earlier]
    if unread is not None:
        fails = random.random(1000) < 2 * unread * (1 - sample.entity / population.size)
        sample.lists = np.where(sample.state == HIT, np.where(fails, FAILED, HIT), ABSENT)
    return valued(sample, values[1])


def waves(of: str, values: Callable[[Population], tuple[Floats, Floats]], **visits: float) -> Scenario:
    def sample(population: Population, random: Generator) -> tuple[Sample, dict[str, float]]:
        y = values(population)
        first, second = figures(population.there, y[0]), figures(population.later, y[1])
        true = {"change": {name: second[name] - first[name] for name in first}, "first": first, "second": second}
        return panel(population, random, y, **visits), true[of]

    return sample


def viewed(population: Population) -> tuple[Floats, Floats]:
    """Whether a project has more than three views."""
    return (population.views > 3).astype(float), (population.later_views > 3).astype(float)


def rarely_twice(population: Population) -> tuple[Floats, Floats]:
    """What one project in fifty is, and later another one in fifty too."""
    ids = np.arange(population.size + 1)
    return rarely(population), ((ids % 50 == 7) | (ids % 50 == 9)).astype(float)


def commented_twice(population: Population) -> tuple[Floats, Floats]:
    return commented(population), commented(population)


def views(population: Population) -> tuple[Floats, Floats]:
    return population.views, population.later_views


def authors(
    values: Callable[[Population], Floats],
    parts: Callable[[Population], dict[str, tuple[Ints, int]]] = lambda p: whole(p, 2500),
    unread: float = 0.0,
    **visits: float,
) -> Scenario:
    """Make a scenario of the authors of drawn ids, some of whom cannot be visited; `visits` are those of the ids."""

    def sample(population: Population, random: Generator) -> tuple[Sample, dict[str, float]]:
        y = values(population)
        found = draw(population, random, parts(population), **visits)
        hits = found.state == HIT
        found.author = population.author[found.entity]
        found.measure = np.maximum(1, population.own[found.author])
        fails = random.random(len(population.own)) < unread
        found.of_author = np.where(hits, np.where(fails[found.author], FAILED, HIT), ABSENT)
        found.ids = np.unique(found.author[hits & (found.of_author == HIT)])
        found.y = y[found.ids]
        return found, figures(population.own > 0, y)

    return sample


def rarely_so(population: Population) -> Floats:
    """What one author in fifty is."""
    return (np.arange(len(population.own)) % 50 == 7).astype(float)


SCENARIOS: dict[str, tuple[str, Scenario]] = {
    "uniform": (ESTIMATE, of_ids(loved, lambda p: whole(p, 1500))),
    "uniform, half visited": (ESTIMATE, of_ids(loved, lambda p: whole(p, 2400), visited=0.5)),
    "uniform, failing by age": (ESTIMATE, of_ids(loved, lambda p: whole(p, 1500), failing=0.2)),
    "uniform, heavy tail": (ESTIMATE, of_ids(lambda p: p.views, lambda p: whole(p, 1500))),
    "uniform, rare": (ESTIMATE, of_ids(rarely, lambda p: whole(p, 1500))),
    "stratified": (ESTIMATE, of_ids(loved, lambda p: cut(p, [0.2, 0.4, 0.6, 0.8], [220, 260, 300, 340, 380]))),
    "stratified, half visited": (
        ESTIMATE,
        of_ids(loved, lambda p: cut(p, [0.25, 0.5, 0.75], [600] * 4), visited=0.5),
    ),
    "stratified, failing by age": (
        ESTIMATE,
        of_ids(loved, lambda p: cut(p, [0.25, 0.5, 0.75], [375] * 4), failing=0.2),
    ),
    "stratified, unequal": (ESTIMATE, of_ids(loved, lambda p: cut(p, [0.05, 0.25], [500] * 3))),
    "stratified, heavy tail": (ESTIMATE, of_ids(lambda p: p.views, lambda p: cut(p, [0.25, 0.5, 0.75], [375] * 4))),
    "stratified, rare": (ESTIMATE, of_ids(rarely, lambda p: cut(p, [0.05, 0.25], [500] * 3))),
    "stratified, lists": (OF_LISTS, lists(commented, lambda p: cut(p, [0.25, 0.5, 0.75], [375] * 4))),
    "stratified, lists that fail": (OF_LISTS, lists(commented, lambda p: cut(p, [0.25, 0.5, 0.75], [375] * 4), 0.2)),
    "clusters": (ESTIMATE, of_ids(lambda p: p.comments, lambda p: sure(p, 2500))),
    "clusters, half visited": (ESTIMATE, of_ids(commented, lambda p: sure(p, 3000), visited=0.5)),
    "clusters, failing by age": (ESTIMATE, of_ids(commented, lambda p: sure(p, 2500), failing=0.2)),
    "clusters, lists": (OF_LISTS, lists(lambda p: p.comments, lambda p: sure(p, 2500))),
    "clusters, lists that fail": (OF_LISTS, lists(lambda p: p.comments, lambda p: sure(p, 2500), 0.2)),
    "clusters, half visited, heavy tail": (
        ESTIMATE,
        of_ids(lambda p: p.comments, lambda p: sure(p, 3000), visited=0.5),
    ),
    "clusters, none for sure": (ESTIMATE, of_ids(lambda p: p.comments, lambda p: whole(p, 2500))),
    "clusters, rare": (ESTIMATE, of_ids(rarely, lambda p: sure(p, 2500))),
    "clusters, unequal": (ESTIMATE, of_ids(lambda p: p.comments, lambda p: sure_of_each(p, [0.05, 0.25], [700] * 3))),
    "panel, second wave": (ESTIMATE, waves("second", viewed)),
    "panel, second wave half visited": (ESTIMATE, waves("second", viewed, visited=0.5)),
    "panel, second wave failing by age": (ESTIMATE, waves("second", viewed, failing=0.2)),
    "panel, second wave, lists": (OF_LISTS, waves("second", commented_twice, unread=0.0)),
    "panel, second wave, lists that fail": (OF_LISTS, waves("second", commented_twice, unread=0.2)),
    "panel, second wave of a heavy tail": (ESTIMATE, waves("second", views)),
    "panel, second wave of what is rare": (ESTIMATE, waves("second", rarely_twice)),
    "panel, first wave": (OF_THE_FIRST_WAVE, waves("first", viewed)),
    "panel, change": (CHANGE, waves("change", viewed)),
    "panel, change failing by age": (CHANGE, waves("change", viewed, failing=0.2)),
    "panel, change half visited": (CHANGE, waves("change", viewed, visited=0.5)),
    "panel, change of a heavy tail": (CHANGE, waves("change", views)),
    "panel, change of what is rare": (CHANGE, waves("change", rarely_twice)),
    "authors": (ESTIMATE, authors(lambda p: p.american)),
    "authors, half visited": (ESTIMATE, authors(lambda p: p.american, parts=lambda p: whole(p, 4000), visited=0.5)),
    "authors, failing": (ESTIMATE, authors(lambda p: p.american, unread=0.2)),
    "authors, failing by age": (ESTIMATE, authors(lambda p: p.american, failing=0.2)),
    "authors, unequal": (ESTIMATE, authors(lambda p: p.american, parts=lambda p: cut(p, [0.05, 0.25], [700] * 3))),
    "authors, heavy tail": (ESTIMATE, authors(lambda p: p.own)),
    "authors, rare": (ESTIMATE, authors(rarely_so)),
}


WALKS: dict[str, Callable[[Population], Floats]] = {
    # Who shares is followed more, so that steps come to them more often.
    "random walks": lambda p: (p.own > 0).astype(float),
    "random walks, heavy tail": lambda p: p.own,
    "random walks, rare": rarely_so,
}
"""Of random walks a mean alone is estimated, of their whole: what is unfinished or cannot be visited is refused."""


QUICK = (
    *("uniform", "uniform, half visited", "uniform, failing by age", "uniform, heavy tail", "stratified, unequal"),
    *("stratified, rare", "clusters, lists that fail", "panel, second wave", "panel, change failing by age"),
    *("authors", "authors, failing", "random walks"),
)
BOUNDED = {
    *("uniform, heavy tail", "stratified, heavy tail", "clusters, half visited, heavy tail", "clusters, none for sure"),
    *("panel, second wave of a heavy tail", "panel, change of a heavy tail"),
    *("uniform, rare", "stratified, rare", "clusters, rare", "panel, second wave of what is rare"),
    *("panel, change of what is rare", "authors, rare"),
}
"""Where an interval may be a bound on one side, or counts are so small that it holds the truth more often."""


def simulate(
    connection: psycopg.Connection[Any], population: Population, name: str, count: int, part: int = 0
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Estimate `count` samples, others in each part.

    Returns:
        By figure the estimates (estimate, error, low, high; NaN where null), and the truth.
    """
    random = np.random.default_rng([*name.encode(), *[part] * (part > 0)])
    with connection.transaction(force_rollback=True):
        if name in WALKS:
            y = WALKS[name](population)
            pools = [draw(population, random, whole(population, 2000)) for _ in range(count)]
            load_walks(
                connection,
                [walk(population, random, population.author[one.entity[one.state == HIT]]) for one in pools],
                y,
            )
            return estimates(connection), {"mean": float(y[population.reach].mean())}
        by, scenario = SCENARIOS[name]
        samples = [scenario(population, random) for _ in range(count)]
        load(connection, [sample for sample, _ in samples])
        return estimates(connection, by), samples[0][1]


def held(found: Floats, true: float) -> int:
    """Count the intervals that hold the truth; a bound that is null excludes nothing."""
    _, _, low, high = found.T
    return int(np.sum(~(low > true) & ~(high < true)))


def assert_unbiased(found: Floats, true: float) -> None:
    estimate = found[:, 0]
    assert abs(estimate.mean() - true) < 4 * estimate.std() / np.sqrt(len(estimate)), (estimate.mean(), true)


@pytest.mark.parametrize("name", QUICK)
def test_the_interval_holds_the_truth(connection: psycopg.Connection[Any], population: Population, name: str) -> None:
    found, true = simulate(connection, population, name, 60)
    for figure, value in true.items():
        # Of 60 samples 48 or fewer would hold it less than once in ten thousand times.
        assert held(found[figure], value) >= 49, figure
        assert_unbiased(found[figure], value)


@pytest.mark.soak
@pytest.mark.parametrize("name", [*SCENARIOS, *WALKS])
def test_the_interval_holds_the_truth_95_times_in_a_hundred(
    connection: psycopg.Connection[Any], population: Population, name: str
) -> None:
    highest = 1 if name in BOUNDED else 0.97

    def shares(found: dict[str, Floats]) -> dict[str, float]:
        return {figure: held(found[figure], value) / len(found[figure]) for figure, value in true.items()}

    found, true = simulate(connection, population, name, 1000)
    if not all(0.93 <= share <= highest for share in shares(found).values()):
        # Of some ninety figures one in four hundred is so far out by chance: 4,000 samples more decide.
        for part in range(1, 5):
            more, _ = simulate(connection, population, name, 1000, part)
            found = {figure: np.concatenate([found[figure], more[figure]]) for figure in found}
    print(f"| {name} |", " | ".join(f"{100 * share:.1f}%" for share in shares(found).values()), "|", flush=True)
    for figure, value in true.items():
        assert_unbiased(found[figure], value)
    assert all(0.93 <= share <= highest for share in shares(found).values()), shares(found)
