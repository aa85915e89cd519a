"""Store the versions of sources, with the pages of a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.erasure.rule import Rule
    from harvester.frontier.model import Counts, PageCommit
    from harvester.warehouse.bodies import BodyStore
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "source_store")


def store_sources(
    connection: Connection, pages: Sequence[PageCommit], rule: Rule, counts: Counts, bodies: BodyStore
) -> set[int]:
    """Store what came of requests for sources within a transaction; return the projects with a new version.

    Nothing is stored of a project that is not in the warehouse, or whose author was erased. `bodies` holds what is new.

    Raises:
        WarehouseError: a body cannot be written.
    """
    changed = set()
    for page in sorted(pages, key=lambda page: page.lease.visit.entity_id):
        read, visit = page.source, page.lease.visit
        if read is None or rule.hides(visit.stream.kind.value, visit.entity_id, None, None):
            continue
        project = {"project": visit.entity_id, "at": page.at}
        connection.execute(_SQL["store_outcome"], project | {"outcome": read.outcome.value, "reason": read.reason})
        version = read.version
        if version is None:
            continue
        values = {name: getattr(version, name) for name in version.__slots__}
        values["packed"] = bodies.column(version.packed)
        row = connection.execute(_SQL["store_version"], project | values).fetchone()
        new, known, is_new_body = row or (0, 0, False)
        if is_new_body:
            bodies.keep(connection, version.body_sha256, version.packed)
        counts.add("source.versions", new, 0, known)
        if new:
            changed.add(visit.entity_id)
    return changed
