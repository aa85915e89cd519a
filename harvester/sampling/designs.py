"""Record designs, strata and draws, and put drawn entities in scope."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from harvester.errors import UsageError
from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harvester.erasure.rule import Rule
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "designs")

ALONE = -1
"""Depth of entities that are visited without their lists."""
CERTAIN = "certain"
"""Stratum of the entities that are taken with certainty."""
MOST_STRATA = 1000
TABLES = {"project": "projects", "studio": "studios"}


def read_designs(connection: Connection) -> list[dict[str, Any]]:
    """Return all designs with their states, from `analytics.samples`, and the time at which one was cancelled."""
    return fetch_dicts(connection, _SQL["designs"])


@dataclass(frozen=True, slots=True)
class Unit:
    """One id that was drawn."""

    entity: int
    stratum: str
    probability: float
    group: int | None = None


def add_design(
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


def add_strata(connection: Connection, design: int, strata: Iterable[tuple[str, int | None, int | None, int]]) -> None:
    connection.cursor().executemany(
        "INSERT INTO crawl.strata (design_id, stratum, first_id, last_id, frame_size) VALUES (%s, %s, %s, %s, %s)",
        [(design, *one) for one in strata],
    )


def add_units(
    connection: Connection, design: int, kind: str, units: Sequence[Unit], rule: Rule | None, begin: int = 0
) -> None:
    """Record the drawn units. An erased person is recorded as an id that is not found."""
    hidden = erased(kind, units, rule)
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


def erased(kind: str, units: Iterable[Unit], rule: Rule | None) -> set[int]:
    return {one.entity for one in units if rule and rule.names(kind, one.entity)}


def open_in_turn(connection: Connection, kind: str, depth: int, units: Sequence[Unit], rule: Rule | None) -> None:
    """Make units due in the given order, without erased people.

    Strata take turns, so that whenever the crawl stops an equal part of each has been visited.
    """
    hidden = erased(kind, units, rule)
    sizes = Counter(one.stratum for one in units)
    taken: Counter[str] = Counter()
    turns = []
    for one in units:
        taken[one.stratum] += 1
        turns.append((taken[one.stratum] / sizes[one.stratum], one.stratum, one.entity))
    open_entities(connection, [kind], [entity for *_, entity in sorted(turns) if entity not in hidden], depth)


def open_entities(connection: Connection, streams: Sequence[str], entities: Sequence[int], depth: int) -> int:
    """Make visits due now, at least at a depth and in the given order; return how many.

    Each is due a microsecond after the one before, so that entities are visited in the random order of the draw.
    """
    return connection.execute(_SQL["put_in_scope"], [depth, len(entities), list(streams), list(entities)]).rowcount


def known_design(connection: Connection, design: int | None, kind: str) -> dict[str, Any]:
    found = next((one for one in read_designs(connection) if one["design_id"] == design), None)
    if found is None or found["kind"] != kind:
        raise UsageError(f"there is no design {design} that draws {kind}s: see `harvester seed sample list`")
    return found


def check_parent(connection: Connection, design: int) -> None:
    parent = known_design(connection, design, "project")
    if parent["cancelled_at"] is not None:
        raise UsageError(f"design {design} was cancelled: its units are not visited any more")
    if parent["name"] == "panel":
        raise UsageError(
            f"design {design} is a panel, whose hits change with each wave: draw authors of another design"
        )
