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


@dataclass(frozen=True, slots=True)
class _Chances:
    """Seed, users to start from, and weight of a jump to one of them: all that decides the steps of a design."""

    design: int
    seed: int
    pool: list[int]
    restart: float

    def start(self, *label: object) -> int:
        """Draw a user to start from; the same label draws the same one."""
        return self.pool[int(chance(self.seed, self.design, *label) * len(self.pool))]

    def next_user(self, position: _Position, graph: Graph) -> tuple[int, float]:
        """Draw the user that a step leads to; return with it the measure of the present user, 0 of an isolated one."""
        neighbours = graph.neighbours[position.user]
        jumps = self.restart * graph.projects[position.user]
        measure = len(neighbours) + jumps
        here = chance(self.seed, self.design, position.walk, position.step) * measure
        if not measure:
            return self.start("again", position.walk, position.step), 0
        if here < jumps:
            return self.start("jump", position.walk, position.step), measure
        return neighbours[min(len(neighbours) - 1, int(here - jumps))], measure


def advance_walks(
    connection: Connection, design: int, parent: int, depth: int, asked: dict[str, Any], graph: Graph
) -> int:
    """Take all possible steps; return their number plus that of the users who were put in scope."""
    pool = _pool(connection, parent)
    if not pool:
        return 0
    burn_in, length = asked["burn_in"], asked["burn_in"] + asked["steps"]
    chances = _Chances(design, asked["seed"], pool, float(asked["restart"]))
    streams = ["user_followers", "user_following"] + (["user_projects"] if chances.restart else [])
    begun = _positions(connection, design, length)
    missing = (walk for walk in range(asked["walks"]) if walk not in begun)
    positions = [*begun.values(), *(_Position(walk, 0, chances.start("start", walk)) for walk in missing)]
    steps: list[tuple[Any, ...]] = []
    waiting: list[_Position] = []
    while moving := [position for position in positions if position.step < length]:
        graph.learn(connection, {position.user for position in moving}, streams)
        waiting += [position for position in moving if position.user not in graph.neighbours]
        positions = [position for position in moving if position.user in graph.neighbours]
        for position in positions:
            target, measure = chances.next_user(position, graph)
            outcome = "isolated" if not measure else "burn-in" if position.step < burn_in else "hit"
            weight = 1 / measure if outcome == "hit" else None
            number = position.walk * length + position.step
            steps.append((design, number, position.user, position.walk, outcome, measure or None, weight))
            position.step, position.user = position.step + 1, target
    opened = [(design, one.walk * length + one.step, one.user, one.walk, None, None, None) for one in waiting]
    connection.cursor().executemany(_SQL["store_steps"], [*steps, *opened])
    in_scope = _put_in_scope(connection, [one.user for one in waiting], [*streams, "user"], depth)
    if not waiting:
        connection.execute("UPDATE crawl.designs SET completed_at = crawl.clock() WHERE id = %s", [design])
    return len(steps) + in_scope


def _put_in_scope(connection: Connection, users: list[int], streams: list[str], depth: int) -> int:
    """Put users in scope who are not yet in that of each stream; return how many."""
    fresh = connection.execute(_SQL["not_in_scope"], [users, streams, len(streams)]).fetchone()
    return open_entities(connection, streams, fresh[0], depth) if fresh and fresh[0] else 0


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


def _positions(connection: Connection, design: int, length: int) -> dict[int, _Position]:
    """Return the position of each random walk that has started; its last step has no outcome unless it has ended."""
    rows = connection.execute(_SQL["positions"], [design]).fetchall()
    return {
        walk: _Position(walk, position - walk * length + (outcome is not None), user)
        for walk, position, user, outcome in rows
    }
