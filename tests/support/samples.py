"""Thousands of samples of a population that is known whole, loaded as the code records them, and their estimates.

Each sample is drawn in numpy by the definition of its design, and is a design of its own in the warehouse: ids are
moved by a distance that differs from sample to sample, so that none knows of another. All of them are loaded by a few
statements and estimated by one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harvester.sandbox.truth import truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg
    from numpy.typing import NDArray

    from harvester.sandbox.community import Community

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Generator = np.random.Generator

IDS_PER_PROJECT = 6.4
"""As many numbers as the site has for each project that one can see, so that a draw of some thousand ids has hits."""
WAITS, HIT, MISS, FAILED, ABSENT = range(5)
"""What became of a unit; absent is what does not stand in the wave."""
_APART = 10_000_000


@dataclass
class Population:
    """Everything that is true, by id (from 0, which is no id) or by author."""

    there: NDArray[np.bool_]
    loves: Floats
    comments: Floats
    views: Floats
    author: Ints
    own: Floats
    """Projects by author."""
    american: Floats
    later: NDArray[np.bool_]
    """What is there in the second wave: some of the first is gone, more of it that is old, and some is new."""
    later_views: Floats
    neighbours: list[Ints]
    """By author or other user: whom they follow or are followed by."""
    reach: Ints
    """Users to whom a random walk on follows can come."""

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(self.there) - 1


def populate(community: Community) -> Population:
    """Take the truth of a community, its ids moved together; order and everything else stay as they are."""
    random = np.random.default_rng(1)
    shared = {row["id"]: row for row in truth(community, "projects")}
    size = int(IDS_PER_PROJECT * len(shared))
    places = np.sort(random.choice(np.arange(1, size + 1), len(shared), replace=False))
    place_of = dict(zip(sorted(shared), places.tolist(), strict=True))
    users = {user: n for n, user in enumerate(community.users.id)}
    there = np.zeros(size + 1, bool)
    loves, comments, views = (np.zeros(size + 1) for _ in range(3))
    author = np.zeros(size + 1, np.int64)
    for project, row in shared.items():
        place = place_of[project]
        there[place], loves[place], views[place] = True, row["loves"], row["views"]
        author[place] = users[row["author_id"]]
    for row in truth(community, "project_comments"):
        comments[place_of[row["project_id"]]] += 1
    american = np.zeros(len(users))
    for row in truth(community, "users"):
        american[users[row["id"]]] = row["country"] == "United States"
    linked: dict[int, set[int]] = defaultdict(set)
    for row in truth(community, "follows"):
        one, other = users[row["follower_id"]], users[row["followee_id"]]
        linked[one].add(other)
        linked[other].add(one)
    own = np.bincount(author[there], minlength=len(users)).astype(float)
    found, due = set(np.flatnonzero(own).tolist()), np.flatnonzero(own).tolist()
    while due:
        new = linked[due.pop()] - found
        found |= new
        due += new
    age = 1 - np.arange(size + 1) / size
    later = there & (random.random(size + 1) > 0.25 * age) | (random.random(size + 1) < 0.01)
    later[0] = False
    grown = np.where(there, views * (1 + random.exponential(0.3, size + 1)), random.poisson(3, size + 1))
    return Population(
        there, loves, comments, views, author, own, american, later, np.floor(grown),
        [np.array(sorted(linked[user]), np.int64) for user in range(len(users))], np.array(sorted(found), np.int64),
    )  # fmt: skip


@dataclass
class Sample:
    """One sample: its units in the order of the draw, and what became of them."""

    name: str
    strata: dict[str, int]
    entity: Ints
    stratum: Ints
    """The place of the stratum in `strata`."""
    state: Ints
    earlier: Ints | None = None
    """Of a panel: what became of the units in its first wave."""
    lists: Ints | None = None
    """What became of the lists of comments."""
    author: Ints | None = None
    measure: Floats | None = None
    of_author: Ints | None = None
    """What became of the authors."""
    ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    y: Floats = field(default_factory=lambda: np.zeros(0))
    ids_earlier: Ints | None = None
    y_earlier: Floats | None = None


def draw(
    population: Population,
    random: Generator,
    parts: dict[str, tuple[Ints, int]],
    name: str = "uniform",
    visited: float = 1.0,
    failing: float = 0.0,
) -> Sample:
    """Draw so many of the ids of each part, and visit them.

    Args:
        population: What there is.
        random: The generator.
        parts: By stratum its ids, and how many of them are drawn.
        name: The name of the design.
        visited: The share of the draws that are visited, in their order, strata side by side.
        failing: How likely visits are to fail on average: twice as likely of the oldest id, never of the newest.
    """
    drawn = {stratum: random.choice(ids, count, replace=False) for stratum, (ids, count) in parts.items()}
    entity = np.concatenate(list(drawn.values()))
    turn = np.concatenate([(np.arange(len(ids)) + 1) / len(ids) for ids in drawn.values()])
    state = np.where(population.there[entity], HIT, MISS)
    state[random.random(len(entity)) < 2 * failing * (1 - entity / population.size)] = FAILED
    state[turn > visited] = WAITS
    stratum = np.repeat(np.arange(len(drawn)), [len(ids) for ids in drawn.values()])
    return Sample(name, {stratum: len(ids) for stratum, (ids, _) in parts.items()}, entity, stratum, state)


def valued(sample: Sample, values: Floats) -> Sample:
    """Give each hit its value."""
    sample.ids = np.unique(sample.entity[sample.state == HIT])
    sample.y = values[sample.ids]
    return sample


def walk(
    population: Population, random: Generator, pool: Ints, walks: int = 20, steps: int = 60, burn_in: int = 20
) -> tuple[Ints, Ints, Floats]:
    """Take random walks on follows, which restart at the author of a project that was drawn.

    Returns:
        By step after the burn-in: the walk, the user, and the inverse of what makes the user likely.
    """
    degree = np.array([len(others) for others in population.neighbours])
    flat, first = np.concatenate(population.neighbours), np.concatenate([[0], np.cumsum(degree)])
    here = random.choice(pool, walks)
    found = []
    for step in range(burn_in + steps):
        measure = degree[here] + population.own[here]
        if step >= burn_in:
            found.append((np.arange(walks), here, 1 / measure))
        at = random.random(walks) * measure
        jumps = at < population.own[here]
        place = np.minimum(degree[here] - 1, (at - population.own[here]).astype(int))
        here = np.where(jumps, random.choice(pool, walks), flat[np.where(jumps, 0, first[here] + place)])
    return tuple(np.concatenate(each) for each in zip(*found, strict=True))  # type: ignore[return-value]


# Into the warehouse -------------------------------------------------------------------------------------------------


def _array(values: Iterable[Any] | None, move: int = 0) -> str | None:
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        values = (values + move).tolist() if move else values.tolist()
    return "{" + ",".join(map(str, values)) + "}"


_COLUMNS = (
    "design bigint, name text, strata text[], sizes bigint[], entity bigint[], stratum text[], state int[],"
    " earlier int[], lists int[], author bigint[], measure float8[], of_author int[], ids bigint[], y float8[],"
    " ids_earlier bigint[], y_earlier float8[]"
)
_LOAD = """
-- Samples have every second number, so that the authors of one can have the next.
INSERT INTO crawl.designs (id, name, kind, parameters, completed_at) OVERRIDING SYSTEM VALUE
SELECT design, name, 'project', '{}', now() FROM simulated;
INSERT INTO crawl.designs (id, name, kind, parent_id, parameters, completed_at) OVERRIDING SYSTEM VALUE
SELECT design + 1, 'authors', 'user', design, '{}', now() FROM simulated WHERE author IS NOT NULL;
INSERT INTO crawl.strata (design_id, stratum, frame_size)
SELECT design, s.stratum, s.size FROM simulated, unnest(strata, sizes) AS s (stratum, size);
INSERT INTO crawl.draws (design_id, position, entity_id, stratum, outcome, replaced_at)
SELECT design, u.n - 1, u.entity, u.stratum, CASE u.state WHEN 1 THEN 'hit' WHEN 2 THEN 'not found' END,
    CASE u.state WHEN 4 THEN now() END
FROM simulated, unnest(entity, stratum, state) WITH ORDINALITY AS u (entity, stratum, state, n);
INSERT INTO crawl.draws (design_id, position, entity_id, stratum, outcome, measure, weight)
SELECT design + 1, u.n - 1, u.author, u.stratum, CASE u.state WHEN 1 THEN 'hit' END, u.measure, 1 / u.measure
FROM simulated, unnest(author, stratum, measure, of_author) WITH ORDINALITY AS u (author, stratum, measure, state, n)
WHERE u.state <> 4;
INSERT INTO crawl.waves (design_id, wave)
SELECT design, w FROM simulated, generate_series(0, 1) w WHERE earlier IS NOT NULL;
INSERT INTO crawl.wave_outcomes (design_id, wave, position, visit, outcome)
SELECT design, 0, u.n - 1, CASE u.state WHEN 0 THEN 'waiting' WHEN 3 THEN 'failed' ELSE 'visited' END,
    CASE u.state WHEN 1 THEN 'hit' WHEN 2 THEN 'not found' END
FROM simulated, unnest(earlier) WITH ORDINALITY AS u (state, n) WHERE u.state <> 4;
INSERT INTO crawl.frontier (stream, entity_id, due_at, failures)
SELECT 'project', u.entity, now(), 3 FROM simulated, unnest(entity, state) AS u (entity, state) WHERE u.state = 3
UNION SELECT 'user', u.author, now(), 3 FROM simulated, unnest(author, of_author) AS u (author, state)
WHERE u.state = 3;
INSERT INTO crawl.frontier (stream, entity_id, due_at, failures, certificate, visited_at)
SELECT 'project_comments', u.entity, now(), CASE u.state WHEN 3 THEN 3 ELSE 0 END,
    CASE u.state WHEN 1 THEN '{"complete": true}'::jsonb END, CASE u.state WHEN 1 THEN now() END
FROM simulated, unnest(entity, lists) AS u (entity, state) WHERE u.state IN (1, 3);
ANALYZE crawl.designs, crawl.draws, crawl.strata, crawl.frontier, crawl.waves, crawl.wave_outcomes
"""


def load(connection: psycopg.Connection[Any], samples: Sequence[Sample]) -> None:
    """Load samples as the code records them; within the caller's transaction, which is to be rolled back."""
    connection.execute("SET LOCAL session_replication_role = replica")  # no foreign key is looked up
    connection.execute(f"CREATE TEMP TABLE simulated ({_COLUMNS}) ON COMMIT DROP")
    with connection.cursor().copy("COPY simulated FROM STDIN") as copy:
        for n, one in enumerate(samples):
            move, strata = n * _APART, np.array(list(one.strata))
            copy.write_row((
                2 * n + 1, one.name, _array(one.strata), _array(one.strata.values()), _array(one.entity, move),
                _array(strata[one.stratum]), _array(one.state), _array(one.earlier), _array(one.lists),
                _array(one.author, move), _array(one.measure), _array(one.of_author), _array(one.ids, move),
                _array(one.y), _array(one.ids_earlier, move), _array(one.y_earlier),
            ))  # fmt: skip
    connection.execute(_LOAD)


ESTIMATE = "analytics.estimate(s.design + (s.author IS NOT NULL)::int, s.ids, s.y)"
OF_LISTS = "analytics.estimate(s.design, s.ids, s.y, 'comments')"
OF_THE_FIRST_WAVE = "analytics.estimate(s.design, s.ids_earlier, s.y_earlier, NULL, NULL, 0)"
CHANGE = (
    "(SELECT c.figure, c.change AS estimate, c.standard_error, c.low, c.high"
    " FROM analytics.change(s.design, 0, 1, s.ids_earlier, s.y_earlier, s.ids, s.y) c)"
)


def estimates(
    connection: psycopg.Connection[Any], by: str = ESTIMATE, chosen: Iterable[int] | None = None
) -> dict[str, Floats]:
    """Estimate the samples that are loaded, or those of the numbers chosen.

    Returns:
        By figure a row for each: estimate, error, low, high, NaN where null.
    """
    found = defaultdict(list)
    designs = None if chosen is None else [2 * n + 1 for n in chosen]
    for figure, *numbers in connection.execute(
        "SELECT e.figure, e.estimate, e.standard_error, e.low, e.high"
        f" FROM simulated s, LATERAL {by} AS e WHERE %(designs)s::bigint[] IS NULL OR s.design = ANY(%(designs)s)"
        " ORDER BY s.design",
        {"designs": designs},
    ):
        found[figure].append(numbers)
    return {figure: np.array(numbers, float) for figure, numbers in found.items()}


def load_walks(connection: psycopg.Connection[Any], walks: Sequence[tuple[Ints, Ints, Floats]], values: Floats) -> None:
    """Load random walks as the code records them, with the values of the users whom they met."""
    connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(f"CREATE TEMP TABLE simulated ({_COLUMNS}) ON COMMIT DROP")
    with connection.cursor().copy("COPY simulated (design, name, entity, measure, ids, y) FROM STDIN") as copy:
        for n, (_, user, weight) in enumerate(walks):
            met = np.unique(user)
            copy.write_row((2 * n + 1, "walk", _array(user), _array(weight), _array(met), _array(values[met])))
    connection.execute(
        "INSERT INTO crawl.designs (id, name, kind, parameters, completed_at) OVERRIDING SYSTEM VALUE"
        " SELECT design, 'walk', 'user', '{}', now() FROM simulated"
    )
    # Step after step, in each all walks.
    connection.execute(
        "INSERT INTO crawl.draws (design_id, position, entity_id, cluster_id, outcome, weight)"
        " SELECT design, u.n, u.entity, u.n %% %s, 'hit', u.weight"
        " FROM simulated, unnest(entity, measure) WITH ORDINALITY AS u (entity, weight, n)",
        [len(np.unique(walks[0][0]))],
    )
    connection.execute("ANALYZE crawl.designs, crawl.draws")
