"""Take random walks on follows, as far as the lists of users have been read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harvester.errors import UsageError
from harvester.sampling.designs import ALONE, MOST_STRATA, add_design, check_parent, open_entities
from harvester.sampling.drawing import SMALLEST, chance
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "random_walks")

_MOST_STEPS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPlan:
    """Random walks on follows: each starts at the author of a hit of the design `parent`, and may jump to another."""

    parent: int
    steps: int
    walks: int = 10
    burn_in: int = 20
    restart: float = 0.0
    seed: int = 0
    depth: int = ALONE


def draw_walks(connection: Connection, plan: WalkPlan) -> int:
    """Begin random walks on follows, whose steps `advance` takes."""
    if not 1 <= plan.steps <= _MOST_STEPS or not 0 <= plan.burn_in <= _MOST_STEPS:
        raise UsageError(f"--steps and --burn-in: between 1 (0) and {_MOST_STEPS:,} steps")
    if not SMALLEST <= plan.walks <= MOST_STRATA:
        raise UsageError(f"--walks {plan.walks}: between {SMALLEST} and {MOST_STRATA}; one has no variance")
    if not 0 <= plan.restart <= 1e6:
        raise UsageError(f"--restart {plan.restart}: 0 or more")
    with connection.transaction():
        check_parent(connection, plan.parent)
        kept = {name: getattr(plan, name) for name in ("seed", "steps", "walks", "burn_in", "restart")}
        return add_design(connection, "walk", "user", kept, depth=plan.depth, parent=plan.parent)


@dataclass(slots=True)
class Graph:
    """The known graph of follows: the neighbours of each user, and the number of their projects.

    A user is in the graph once their lists have been read in full.
    """

    neighbours: dict[int, list[int]] = field(default_factory=dict)
    projects: dict[int, int] = field(default_factory=dict)

    def learn(self, connection: Connection, users: Iterable[int], streams: Sequence[str]) -> None:
        """Read the neighbours of users whose lists have been read."""
        new = [user for user in users if user not in self.neighbours]
        if not new:
            return
        for user, neighbours, projects in connection.execute(
            _SQL["known_neighbours"], [new, list(streams), len(streams)]
        ):
            self.neighbours[user] = neighbours or []
            self.projects[user] = projects


@dataclass(slots=True)
class _Position:
    """Position of a random walk: its next step is to `user`."""

    walk: int
    step: int
    user: int


def advance_walks(
    connection: Connection, design: int, parent: int, depth: int, asked: dict[str, Any], graph: Graph
) -> int:
    """Take all possible steps; return their number plus that of the users who were put in scope."""
    pool = _pool(connection, parent)
    if not pool:
        return 0
    seed, length, alpha = asked["seed"], asked["burn_in"] + asked["steps"], float(asked["restart"])
    streams = ["user_followers", "user_following"] + (["user_projects"] if alpha else [])

    def start(*label: object) -> int:
        return pool[int(chance(seed, design, *label) * len(pool))]

    places = _places(connection, design, length)
    is_begun = {walk for walk in range(asked["walks"]) if walk in places}
    for walk in range(asked["walks"]):
        if walk not in is_begun:
            places[walk] = _Position(walk, 0, start("start", walk))
    moving = [place for place in places.values() if place.step < length]
    steps: list[tuple[Any, ...]] = []
    waiting: list[_Position] = []
    while moving:
        graph.learn(connection, {place.user for place in moving}, streams)
        waiting += [place for place in moving if place.user not in graph.neighbours]
        moving = [place for place in moving if place.user in graph.neighbours]
        for place in moving:
            others = graph.neighbours[place.user]
            jumps = alpha * graph.projects[place.user]
            measure = len(others) + jumps
            outcome = "burn-in" if place.step < asked["burn_in"] else "hit"
            here = chance(seed, design, place.walk, place.step) * measure
            if not measure:
                outcome, target = "isolated", start("again", place.walk, place.step)
            elif here < jumps:
                target = start("jump", place.walk, place.step)
            else:
                target = others[min(len(others) - 1, int(here - jumps))]
            weight = 1 / measure if outcome == "hit" else None
            position = place.walk * length + place.step
            steps.append((design, position, place.user, place.walk, outcome, measure or None, weight))
            place.step, place.user = place.step + 1, target
        moving = [place for place in moving if place.step < length]
    opened = [(design, place.walk * length + place.step, place.user, place.walk, None, None, None) for place in waiting]
    _add_steps(connection, steps, opened)
    new = [place.user for place in waiting]
    fresh = connection.execute(_SQL["not_in_scope"], [new, [*streams, "user"], len(streams) + 1]).fetchone()
    in_scope = 0
    if fresh and fresh[0]:
        in_scope = open_entities(connection, [*streams, "user"], fresh[0], depth)
    if not waiting:
        connection.execute("UPDATE crawl.designs SET completed_at = crawl.clock() WHERE id = %s", [design])
    return len(steps) + in_scope


def _pool(connection: Connection, parent: int) -> list[int]:
    """Return the authors of a design's hits, each as often as it was hit; none before all units were visited."""
    left = connection.execute(
        "SELECT EXISTS (SELECT FROM crawl.draws WHERE design_id = %s AND outcome IS NULL AND replaced_at IS NULL)",
        [parent],
    ).fetchone()
    if left is None or left[0]:
        return []
    rows = connection.execute(_SQL["authors_of_hits"], [parent]).fetchall()
    return [user for (user,) in rows]


def _places(connection: Connection, design: int, length: int) -> dict[int, _Position]:
    """Return the position of each random walk that has started; its last step has no outcome unless it has ended."""
    rows = connection.execute(_SQL["places"], [design]).fetchall()
    return {
        walk: _Position(walk, position - walk * length + (outcome is not None), user)
        for walk, position, user, outcome in rows
    }


def _add_steps(connection: Connection, steps: list[tuple[Any, ...]], waiting: list[tuple[Any, ...]]) -> None:
    connection.cursor().executemany(_SQL["store_steps"], [*steps, *waiting])
