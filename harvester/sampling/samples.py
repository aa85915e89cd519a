"""Samples with known inclusion probabilities: drawn entities are put in scope, and their outcomes are recorded.

A draw sends no request. Ids are drawn from a frame, the numbers from one id to another, most of which belong to nothing
visible: such a miss costs one request and is an outcome. Samples of authors and random walks continue as the crawl
stores more: `advance` takes the steps that are possible, and the crawl calls it whenever nothing else is due.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api import id_dates
from harvester.choices import Allocation
from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError
from harvester.sampling.drawing import SMALLEST, Pilot, Stratum, allocate, chance, cut, draw, inclusion
from harvester.warehouse.access import connect
from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harvester.config import Settings
    from harvester.erasure.rule import Rule
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "samples")

ALONE = -1
"""Depth of entities that are visited without their lists."""
CERTAIN = "certain"
"""Stratum of the entities that are taken with certainty."""
MOST = 10_000_000
_LARGEST_ID = 2**63 - 1
_MOST_STRATA = 1000
_LISTS = 3.0
"""Least number of requests for the lists of a hit."""
_MOST_STEPS = 1_000_000
_DATES = {"project": id_dates.PROJECTS, "studio": id_dates.STUDIOS}
_TABLE = {"project": "projects", "studio": "studios"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPlan:
    """A draw of ids: their number, the frame and its strata.

    `up_to` None: the newest known id. `strata`: a number of parts, `by-year`, or the first ids of the parts after the
    first one; None for one part. `certain`: how many entities with the most known comments are taken with certainty.
    """

    count: int
    kind: str = "project"
    seed: int = 0
    depth: int = ALONE
    first: int = 1
    up_to: int | None = None
    strata: str | None = None
    allocation: Allocation = Allocation.PROPORTIONAL
    pilot: int | None = None
    certain: int = 0
    panel: bool = False
    groups: int = 0

    @property
    def name(self) -> str:
        """Return the kind of design."""
        if self.panel:
            return "panel"
        return "uniform" if self.strata is None and not self.certain else "stratified"


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


def sample(settings: Settings, plan: IdPlan | WalkPlan | int, depth: int = ALONE) -> dict[str, Any]:
    """Draw by a plan, or the authors of a design's hits; return the state of the design.

    Raises:
        UsageError: the plan cannot be drawn.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        if isinstance(plan, IdPlan):
            design = draw_ids(connection, plan, load_rule(connection, settings.home))
        elif isinstance(plan, WalkPlan):
            design = draw_walks(connection, plan)
        else:
            design = draw_authors(connection, plan, depth)
        advance(connection)
        return next(one for one in read_designs(connection) if one["design_id"] == design)


def next_wave(settings: Settings, design: int) -> dict[str, Any]:
    """Begin the next wave of a panel; return the state of the design. Raises `UsageError` if it is no panel."""
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        start_wave(connection, design, load_rule(connection, settings.home))
        return next(one for one in read_designs(connection) if one["design_id"] == design)


def list_designs(settings: Settings) -> list[dict[str, Any]]:
    """Return all designs with their states."""
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        return read_designs(connection)


def read_designs(connection: Connection) -> list[dict[str, Any]]:
    """Return all designs with their states, from `analytics.samples`."""
    return fetch_dicts(connection, "SELECT * FROM analytics.samples ORDER BY design_id")


# Ids ----------------------------------------------------------------------------------------------------------------


def draw_ids(connection: Connection, plan: IdPlan, rule: Rule | None = None) -> int:
    """Draw ids and put them in scope, in one transaction; return the number of the design."""
    _check_ids(plan)
    with connection.transaction():
        last = _newest(connection, plan)
        strata = _strata(plan, last)
        certain = _certain(connection, plan, last)
        if plan.count < SMALLEST * len(strata):
            raise UsageError(f"{plan.count} draws for {len(strata)} strata: at least {SMALLEST} each")
        sizes = {one.name: one.size - sum(one.first <= each <= one.last for each in certain) for one in strata}
        if plan.count > sum(sizes.values()):
            raise UsageError(f"{plan.count:,} draws from {sum(sizes.values()):,} ids")
        pilot = {} if plan.pilot is None else _pilot(connection, plan, strata)
        cost = 0.0 if plan.depth < 0 else _LISTS
        shares = allocate(strata, plan.count, plan.allocation, pilot, cost)
        shares = [min(share, sizes[one.name]) for share, one in zip(shares, strata, strict=True)]
        kept = {
            name: value
            for name, value in {
                "seed": plan.seed,
                "first": plan.first,
                "up_to": last,
                "frame": "given" if plan.up_to else f"up to the newest known {plan.kind}",
                "strata": plan.strata,
                "allocation": plan.allocation if plan.strata else None,
                "pilot": plan.pilot,
                "certain": plan.certain or None,
                "groups": plan.groups or None,
            }.items()
            if value is not None
        }
        design = _add_design(connection, plan.name, plan.kind, kept, depth=plan.depth, complete=True)
        _add_strata(connection, design, [(one.name, one.first, one.last, sizes[one.name]) for one in strata])
        units: list[_Unit] = []
        for stratum, share in zip(strata, shares, strict=True):
            for each in draw(plan.seed, stratum, share, set(certain)):
                group = len(units) % plan.groups if plan.groups else None
                units.append(_Unit(each, stratum.name, share / sizes[stratum.name], group))
        if certain:
            _add_strata(connection, design, [(CERTAIN, None, None, len(certain))])
            units += [_Unit(each, CERTAIN, 1.0) for each in certain]
        _add_units(connection, design, plan.kind, units, rule)
        _open_in_turn(connection, plan.kind, plan.depth, units, rule)
        if plan.panel:
            connection.execute("INSERT INTO crawl.waves (design_id, wave) VALUES (%s, 0)", [design])
    return design


@dataclass(frozen=True, slots=True)
class _Unit:
    """One id that was drawn."""

    entity: int
    stratum: str
    probability: float
    group: int | None = None


def _check_ids(plan: IdPlan) -> None:
    if not 1 <= plan.count <= MOST:
        raise UsageError(f"{plan.count} draws: between 1 and {MOST:,}")
    if not (0 < plan.first <= _LARGEST_ID and (plan.up_to is None or 0 < plan.up_to <= _LARGEST_ID)):
        raise UsageError("--from and --up-to are ids: whole numbers above 0")
    if plan.allocation is Allocation.NEYMAN and plan.pilot is None:
        raise UsageError("--allocation neyman needs --pilot DESIGN, an earlier draw with the hit rates")
    if plan.allocation is not Allocation.PROPORTIONAL and plan.strata is None:
        raise UsageError(f"--allocation {plan.allocation} needs --strata, the parts to divide the draws among")
    if not 0 <= plan.certain <= MOST:
        raise UsageError(f"--certain {plan.certain}: between 0 and {MOST:,}")
    if plan.panel and (plan.strata is not None or plan.certain):
        raise UsageError("a panel is drawn from the whole frame: without strata, and nothing taken for certain")


def _newest(connection: Connection, plan: IdPlan) -> int:
    last = plan.up_to
    if last is None:
        row = connection.execute(f"SELECT max(id) FROM scratch.{_TABLE[plan.kind]}").fetchone()
        if row is None or row[0] is None:
            raise UsageError(f"no {plan.kind} is known yet: give the last id of the frame with --up-to ID")
        last = int(row[0])
    if last < plan.first:
        raise UsageError(f"the frame ends at {last}, before it begins at {plan.first}")
    return last


def _strata(plan: IdPlan, last: int) -> list[Stratum]:
    text, first = plan.strata, plan.first
    if text is None:
        return [Stratum("all", first, last)]
    if text == "by-year":
        known = _DATES[plan.kind]
        starts = {year: start for year in id_dates.years(known) if (start := id_dates.first_id_of(year, known))}
        inside = {year: start for year, start in starts.items() if first < start <= last}
        earlier = max((year for year, start in starts.items() if start <= first), default=id_dates.years(known)[0])
        begins = [(str(earlier), first), *((str(year), start) for year, start in inside.items())]
        ends = [start - 1 for _, start in begins[1:]] + [last]
        return [Stratum(name, begin, end) for (name, begin), end in zip(begins, ends, strict=True)]
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise UsageError(f"--strata {text!r}: a number of parts, by-year, or the first ids of the parts: ID,ID,...")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        if not 1 <= numbers[0] <= min(_MOST_STRATA, last - first + 1):
            raise UsageError(f"--strata {numbers[0]}: between 1 and {min(_MOST_STRATA, last - first + 1)} parts")
        return cut(first, last, numbers[0])
    edges = [first, *numbers, last + 1]
    if any(one >= other for one, other in pairwise(edges)) or len(edges) > _MOST_STRATA:
        raise UsageError(f"--strata: ascending ids between {first} and {last}, {_MOST_STRATA} at most")
    return [Stratum(f"{one}-{other - 1}", one, other - 1) for one, other in pairwise(edges)]


def _certain(connection: Connection, plan: IdPlan, last: int) -> list[int]:
    """Return the entities with the most comments in the warehouse, within the frame."""
    if not plan.certain:
        return []
    rows = connection.execute(
        sql.SQL(_SQL["most_commented"]).format(
            table=sql.Identifier("scratch", _TABLE[plan.kind]),
            comments=sql.Identifier("scratch", f"{plan.kind}_comments"),
            owner=sql.Identifier("c", f"{plan.kind}_id"),
        ),
        [plan.first, last, plan.certain],
    ).fetchall()
    return [row[0] for row in rows]


def _pilot(connection: Connection, plan: IdPlan, strata: Sequence[Stratum]) -> dict[str, Pilot]:
    _known_design(connection, plan.pilot, plan.kind)
    rows = connection.execute(
        _SQL["hits_by_stratum"],
        [[one.name for one in strata], [one.first for one in strata], [one.last for one in strata], plan.pilot],
    ).fetchall()
    if not sum(drawn for _, drawn, _ in rows):
        raise UsageError(f"design {plan.pilot} has no outcome in this frame yet: crawl first")
    return {name: Pilot(drawn, hits) for name, drawn, hits in rows}


def _add_design(
    connection: Connection,
    name: str,
    kind: str,
    parameters: dict[str, Any],
    *,
    depth: int,
    parent: int | None = None,
    complete: bool = False,
) -> int:
    row = connection.execute(_SQL["add_design"], [name, kind, Jsonb(parameters), depth, parent, complete]).fetchone()
    assert row is not None
    return int(row[0])


def _add_strata(connection: Connection, design: int, strata: Iterable[tuple[str, int | None, int | None, int]]) -> None:
    connection.cursor().executemany(
        "INSERT INTO crawl.strata (design_id, stratum, first_id, last_id, frame_size) VALUES (%s, %s, %s, %s, %s)",
        [(design, *one) for one in strata],
    )


def _add_units(
    connection: Connection, design: int, kind: str, units: Sequence[_Unit], rule: Rule | None, begin: int = 0
) -> None:
    """Record the drawn units. An erased person is recorded as an id that is not found."""
    hidden = _erased(kind, units, rule)
    columns = "design_id, position, entity_id, stratum, inclusion_probability, weight, cluster_id, panel_group, outcome"
    with connection.cursor().copy(f"COPY crawl.draws ({columns}) FROM STDIN") as copy:
        for position, one in enumerate(units, begin):
            outcome = "not found" if one.entity in hidden else None
            copy.write_row(
                (
                    design,
                    position,
                    one.entity,
                    one.stratum,
                    one.probability,
                    1 / one.probability,
                    one.entity,
                    one.group,
                    outcome,
                )
            )


def _erased(kind: str, units: Iterable[_Unit], rule: Rule | None) -> set[int]:
    return {one.entity for one in units if rule and rule.names(kind, one.entity)}


def _open_in_turn(connection: Connection, kind: str, depth: int, units: Sequence[_Unit], rule: Rule | None) -> None:
    """Make units due in the given order, without erased people.

    Strata take turns, so that whenever the crawl stops an equal part of each has been visited.
    """
    hidden = _erased(kind, units, rule)
    sizes = Counter(one.stratum for one in units)
    taken: Counter[str] = Counter()
    turns = []
    for one in units:
        taken[one.stratum] += 1
        turns.append((taken[one.stratum] / sizes[one.stratum], one.stratum, one.entity))
    _open(connection, [kind], [entity for *_, entity in sorted(turns) if entity not in hidden], depth)


def _open(connection: Connection, streams: Sequence[str], entities: Sequence[int], depth: int) -> int:
    """Make visits due now, at least at a depth and in the given order; return how many.

    Each is due a microsecond after the one before, so that entities are visited in the random order of the draw.
    """
    return connection.execute(_SQL["put_in_scope"], [depth, len(entities), list(streams), list(entities)]).rowcount


def _known_design(connection: Connection, design: int | None, kind: str) -> dict[str, Any]:
    found = next((one for one in read_designs(connection) if one["design_id"] == design), None)
    if found is None or found["kind"] != kind:
        raise UsageError(f"there is no design {design} that draws {kind}s: see `harvester seed sample list`")
    return found


def _check_parent(connection: Connection, design: int) -> None:
    if _known_design(connection, design, "project")["name"] == "panel":
        raise UsageError(
            f"design {design} is a panel, whose hits change with each wave: draw authors of another design"
        )


# Panels -------------------------------------------------------------------------------------------------------------


def start_wave(connection: Connection, design: int, rule: Rule | None = None) -> None:
    """Begin the next wave of a panel: store the outcomes of the present one, and make all units due again.

    The next group of a rotating panel is replaced by ids of the same stratum that were never drawn. Ids that are newer
    than the last draw become a stratum of their own, with the sampling fraction of the first one, so that the panel
    represents the present frame. A panel that does not rotate keeps its units and its frame.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT kind, depth, parameters FROM crawl.designs WHERE id = %s AND name = 'panel' FOR UPDATE", [design]
        ).fetchone()
        if row is None:
            raise UsageError(f"design {design} is no panel: see `harvester seed sample list`")
        kind, depth, parameters = row
        ends = connection.execute("SELECT max(wave) FROM crawl.waves WHERE design_id = %s", [design]).fetchone()
        assert ends is not None
        wave = ends[0] + 1
        connection.execute(_SQL["store_wave"], [design, ends[0]])
        new = _rotate(connection, design, kind, parameters, wave) if "groups" in parameters else []
        connection.execute("INSERT INTO crawl.waves (design_id, wave) VALUES (%s, %s)", [design, wave])
        kept, hits = _keep(connection, design, kind, rule)
        begin = connection.execute("SELECT max(position) + 1 FROM crawl.draws WHERE design_id = %s", [design])
        _add_units(connection, design, kind, new, rule, (begin.fetchone() or (0,))[0])
        _open_in_turn(connection, kind, depth, [*kept, *new], rule)
        if depth > ALONE:
            _open(connection, [f"{kind}_comments"], hits, depth)
        connection.execute(
            "UPDATE crawl.designs SET parameters = parameters || %s WHERE id = %s",
            [Jsonb({"up_to": parameters["up_to"]}), design],
        )


def _keep(connection: Connection, design: int, kind: str, rule: Rule | None) -> tuple[list[_Unit], list[int]]:
    """Clear the outcomes of the units that stay; return these units in the order of the draw, and the hits."""
    rows = connection.execute(_SQL["units"], [design]).fetchall()
    kept = [_Unit(*row[:4]) for row in rows]
    hidden = _erased(kind, kept, rule)
    hits = [entity for entity, *_, outcome in rows if outcome == "hit" and entity not in hidden]
    connection.execute(_SQL["record_known"], {"hidden": list(hidden), "design": design})
    # Failures of the last wave do not count in this one.
    connection.execute(
        "UPDATE crawl.frontier SET failures = 0 WHERE stream = ANY(%s) AND entity_id = ANY(%s) AND failures > 0",
        [[kind, f"{kind}_comments"], [one.entity for one in kept]],
    )
    return kept, hits


def _rotate(connection: Connection, design: int, kind: str, parameters: dict[str, Any], wave: int) -> list[_Unit]:
    """Replace the next group of a panel; return the new units, with those of ids that are newer than the frame."""
    group = (wave - 1) % parameters["groups"]
    drawn: dict[str, set[int]] = {}
    outgoing: dict[str, int] = {}
    for stratum, entity, goes in connection.execute(
        "SELECT stratum, entity_id, replaced_at IS NULL AND panel_group = %s FROM crawl.draws WHERE design_id = %s",
        [group, design],
    ):
        drawn.setdefault(stratum, set()).add(entity)
        outgoing[stratum] = outgoing.get(stratum, 0) + goes
    strata = {
        name: Stratum(name, first, last)
        for name, first, last in connection.execute(
            "SELECT stratum, first_id, last_id FROM crawl.strata WHERE design_id = %s ORDER BY first_id", [design]
        )
    }
    probabilities: dict[str, float] = dict(
        connection.execute(
            "SELECT stratum, max(inclusion_probability) FROM crawl.draws WHERE design_id = %s GROUP BY 1", [design]
        ).fetchall()
    )
    units: list[_Unit] = []
    for name, stratum in strata.items():
        left = stratum.size - len(drawn[name])
        if left < outgoing[name]:
            raise UsageError(f"design {design}: no more than {left} of stratum {name} were never drawn")
        chosen = draw(int(parameters["seed"]) + wave, stratum, outgoing[name], drawn[name])
        units += [_Unit(each, name, probabilities[name], group) for each in chosen]
    connection.execute(_SQL["replace_group"], [design, group])
    return units + _newcomers(connection, design, kind, parameters, wave)


def _newcomers(connection: Connection, design: int, kind: str, parameters: dict[str, Any], wave: int) -> list[_Unit]:
    """Draw units from the ids that are newer than the frame; none if the frame was given, or too few ids are newer."""
    if parameters["frame"] == "given":
        return []
    row = connection.execute(f"SELECT max(id) FROM scratch.{_TABLE[kind]}").fetchone()
    newest = (row and row[0]) or 0
    dense = connection.execute(
        "SELECT max(inclusion_probability) FROM crawl.draws WHERE design_id = %s AND stratum = 'all'", [design]
    ).fetchone()
    assert dense is not None
    stratum = Stratum(f"wave {wave}", parameters["up_to"] + 1, newest)
    # Fewer than two draws have no variance: such ids wait for the next rotation.
    count = round(dense[0] * stratum.size)
    if count < SMALLEST:
        return []
    parameters["up_to"] = newest
    _add_strata(connection, design, [(stratum.name, stratum.first, stratum.last, stratum.size)])
    chosen = draw(int(parameters["seed"]), stratum, count)
    return [_Unit(each, stratum.name, count / stratum.size, n % parameters["groups"]) for n, each in enumerate(chosen)]


# Authors ------------------------------------------------------------------------------------------------------------


def draw_authors(connection: Connection, parent: int, depth: int = ALONE) -> int:
    """Begin a sample of the authors of a design's hits, to which `advance` adds them as they become known."""
    with connection.transaction():
        _check_parent(connection, parent)
        return _add_design(connection, "authors", "user", {}, depth=depth, parent=parent)


def _advance_authors(connection: Connection, design: int, parent: int, depth: int) -> int:
    """Add the authors of new hits, and weigh those whose projects are known; return how many of both."""
    taken = connection.execute(_SQL["draw_authors"], [design, parent]).fetchall()
    done = _open(connection, _OF_AUTHORS, [user for (user,) in taken], depth) if taken else 0
    waiting = connection.execute(
        _SQL["known_authors"], {"parent": parent, "design": design, "certain": CERTAIN}
    ).fetchall()
    if waiting:
        frame = {
            name: (drawn, size)
            for name, drawn, size in connection.execute(
                "SELECT stratum, drawn, frame_size FROM analytics.sample_strata WHERE design_id = %s", [parent]
            )
        }
        weighed = []
        for position, is_there, weight, own in waiting:
            count = max(1, sum(own.values())) if own else 1
            parts = [(*frame[name], n) for name, n in (own or {}).items()]
            weighed.append(
                ("hit" if is_there else "not found", count, inclusion(parts), weight / count, design, position)
            )
        connection.cursor().executemany(_SQL["weigh_author"], weighed)
    ended = connection.execute(_SQL["complete_authors"], [design, design, parent]).rowcount
    return done + len(waiting) + ended


_OF_AUTHORS = ("user", "user_projects")


# Walks --------------------------------------------------------------------------------------------------------------


def draw_walks(connection: Connection, plan: WalkPlan) -> int:
    """Begin random walks on follows, whose steps `advance` takes."""
    if not 1 <= plan.steps <= _MOST_STEPS or not 0 <= plan.burn_in <= _MOST_STEPS:
        raise UsageError(f"--steps and --burn-in: between 1 (0) and {_MOST_STEPS:,} steps")
    if not SMALLEST <= plan.walks <= _MOST_STRATA:
        raise UsageError(f"--walks {plan.walks}: between {SMALLEST} and {_MOST_STRATA}; one has no variance")
    if not 0 <= plan.restart <= 1e6:
        raise UsageError(f"--restart {plan.restart}: 0 or more")
    with connection.transaction():
        _check_parent(connection, plan.parent)
        kept = {name: getattr(plan, name) for name in ("seed", "steps", "walks", "burn_in", "restart")}
        return _add_design(connection, "walk", "user", kept, depth=plan.depth, parent=plan.parent)


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
class _Place:
    """Position of a random walk: its next step is to `user`."""

    walk: int
    step: int
    user: int


def _advance_walks(
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
            places[walk] = _Place(walk, 0, start("start", walk))
    moving = [place for place in places.values() if place.step < length]
    steps: list[tuple[Any, ...]] = []
    waiting: list[_Place] = []
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
        in_scope = _open(connection, [*streams, "user"], fresh[0], depth)
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


def _places(connection: Connection, design: int, length: int) -> dict[int, _Place]:
    """Return the position of each random walk that has started; its last step has no outcome unless it has ended."""
    rows = connection.execute(_SQL["places"], [design]).fetchall()
    return {
        walk: _Place(walk, position - walk * length + (outcome is not None), user)
        for walk, position, user, outcome in rows
    }


def _add_steps(connection: Connection, steps: list[tuple[Any, ...]], waiting: list[tuple[Any, ...]]) -> None:
    connection.cursor().executemany(_SQL["store_steps"], [*steps, *waiting])


# Progress -----------------------------------------------------------------------------------------------------------


def advance(connection: Connection, graph: Graph | None = None) -> int:
    """Advance all designs that are not complete as far as the stored rows allow; return the number of steps."""
    done = 0
    with connection.transaction():
        # Without those that another worker advances at this time.
        for design, name, parent, depth, parameters in connection.execute(_SQL["incomplete_designs"]).fetchall():
            if name == "authors":
                done += _advance_authors(connection, design, parent, depth)
            else:
                done += _advance_walks(connection, design, parent, depth, parameters, graph or Graph())
    return done
