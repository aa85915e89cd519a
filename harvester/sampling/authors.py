"""Sample the authors of a design's hits, as the crawl makes them known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.sampling.designs import ALONE, CERTAIN, add_design, check_parent, open_entities
from harvester.sampling.drawing import inclusion
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "authors")


def draw_authors(connection: Connection, parent: int, depth: int = ALONE) -> int:
    """Begin a sample of the authors of a design's hits, to which `advance` adds them as they become known."""
    with connection.transaction():
        check_parent(connection, parent)
        return add_design(connection, "authors", "user", {}, depth=depth, parent=parent)


def advance_authors(connection: Connection, design: int, parent: int, depth: int) -> int:
    """Add the authors of new hits, and weigh those whose projects are known; return how many of both."""
    taken = connection.execute(_SQL["draw_authors"], [design, parent]).fetchall()
    done = open_entities(connection, _OF_AUTHORS, [user for (user,) in taken], depth) if taken else 0
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
