"""Costs of sources: by the means of those that were read, and as the documentation states them."""

from __future__ import annotations

from pathlib import Path

from harvester.monitoring.source_cost import LEAST, SourceSizes, cost_of, read_sizes
from harvester.warehouse.connect import open_connection

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_documentation_states_what_the_plan_does() -> None:
    cost = cost_of(100_000, 5, SourceSizes())
    told = (DOCS / "sources.md").read_text()
    for part in (
        f"{cost.requests:,} beside the visits of the projects: {cost.seconds / 3600:.1f} hours of the shared rate",
        f"{cost.stored / 1e9:g} GB packed, {cost.unpacked / 1e9:g} GB unpacked",
        f"{cost.cpu_seconds / 60:.0f} minutes of CPU",
    ):
        assert part in told
    operations = " ".join((DOCS / "operations.md").read_text().split())
    assert f"sources of 100,000 projects take {cost.seconds / 3600:.1f} hours" in operations


def test_sizes_are_those_of_the_sources_that_were_read(database: str) -> None:
    """Of bodies in files the size is known, and the share of those in rows that gzip leaves."""
    store = "INSERT INTO source.bodies (sha256, size, packed) VALUES (sha256(%s::text::bytea), %s, %s)"
    with open_connection(database, autocommit=True) as connection:
        rows = [(number, 1_000, bytes(300)) for number in range(LEAST - 1)]
        connection.cursor().executemany(store, rows)
        assert read_sizes(connection) == SourceSizes()
        connection.execute(store, [LEAST, 3_000, bytes(100)])
        connection.execute("INSERT INTO scratch.projects (id) SELECT generate_series(1, 200)")
        connection.execute(
            "INSERT INTO source.versions (project_id, sha256, body_sha256, format, first_seen_at, last_seen_at)"
            " SELECT p.id, b.sha256, b.sha256, 'scratch3', now(), now()"
            " FROM scratch.projects p CROSS JOIN LATERAL (SELECT sha256 FROM source.bodies LIMIT 1) b"
        )
        assert read_sizes(connection) == SourceSizes(1_020, 298, 0.5, 100)
        connection.execute("UPDATE source.bodies SET packed = NULL")
        assert read_sizes(connection) == SourceSizes(1_020, 255, 0.5, 100)
