"""Samples with known inclusion probabilities: drawn entities are put in scope, and their outcomes are recorded.

A draw sends no request. Ids are drawn from a frame, the numbers from one id to another, most of which belong to nothing
visible: such a miss costs one request and is an outcome. Samples of authors and random walks continue as the crawl
stores more: `advance` takes the steps that are possible, and the crawl calls it whenever nothing else is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.erasure.remembered import load_rule
from harvester.sampling.authors import advance_authors, draw_authors
from harvester.sampling.designs import ALONE, read_designs
from harvester.sampling.ids import IdPlan, draw_ids
from harvester.sampling.panels import start_wave
from harvester.sampling.random_walks import Graph, WalkPlan, advance_walks, draw_walks
from harvester.warehouse.access import connect
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "samples")


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


def advance(connection: Connection, graph: Graph | None = None) -> int:
    """Advance all designs that are not complete as far as the stored rows allow; return the number of steps."""
    done = 0
    with connection.transaction():
        # Without those that another worker advances at this time.
        for design, name, parent, depth, parameters in connection.execute(_SQL["incomplete_designs"]).fetchall():
            if name == "authors":
                done += advance_authors(connection, design, parent, depth)
            else:
                done += advance_walks(connection, design, parent, depth, parameters, graph or Graph())
    return done
