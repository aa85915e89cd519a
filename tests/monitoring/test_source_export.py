"""Sources are written to a folder: byte for byte, with an index that says of which draw each is."""

from __future__ import annotations

import csv
import gzip
import hashlib
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from harvester.errors import UsageError
from harvester.monitoring.source_export import INDEX, Exported, export
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harvester.warehouse.connection import Connection

SEEN = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW, TWO, ONE = b'{"targets": [1]}', b'{"targets": []}', b'{"objName":"Stage"}', b"ScratchV02\0\xff"


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """Six projects: two formats of JSON, a binary one, one that is gone, and two without a source."""
    sources: list[tuple[int, bytes, str, int]] = [
        (1, OLD, "scratch3", 1),
        (1, NEW, "scratch3", 2),
        (2, TWO, "scratch2", 1),
        (3, ONE, "scratch1", 1),
        (4, NEW, "scratch3", 1),
    ]
    with open_connection(database, autocommit=True) as connection:
        insert = connection.cursor().executemany
        gone = [(project, SEEN if project == 4 else None) for project in range(1, 7)]
        insert("INSERT INTO scratch.projects (id, gone_at) VALUES (%s, %s)", gone)
        outcomes = [(project, "damaged" if project == 5 else "read") for project in range(1, 6)]
        insert("INSERT INTO source.projects (project_id, outcome, seen_at) VALUES (%s, %s, now())", outcomes)
        for project, body, made, day in sources:
            digest, seen = hashlib.sha256(body).digest(), SEEN.replace(day=day)
            bodies = "INSERT INTO source.bodies (sha256, size, packed) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
            connection.execute(bodies, [digest, len(body), gzip.compress(body)])
            connection.execute(
                "INSERT INTO source.versions (project_id, sha256, body_sha256, format, first_seen_at, last_seen_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [project, digest, digest, made, seen, seen],
            )
        connection.execute(
            "INSERT INTO crawl.designs (id, name, kind, parameters, depth, drawn_at) OVERRIDING SYSTEM VALUE VALUES"
            " (1, 'uniform', 'project', '{}', 0, now()), (2, 'walk', 'user', '{}', 0, now())"
        )
        drawn = [(position, project, outcome) for position, (project, outcome) in enumerate(DRAWN)]
        insert(
            "INSERT INTO crawl.draws (design_id, position, entity_id, stratum, inclusion_probability, weight, outcome,"
            " drawn_at) VALUES (1, %s, %s, 'all', 0.25, 4, %s, now())",
            drawn,
        )
        yield connection


DRAWN = [(1, "hit"), (2, "not public"), (4, "hit"), (5, "hit"), (6, "hit"), (99, "not found")]


def index(folder: Path) -> list[dict[str, Any]]:
    with (folder / INDEX).open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_present_sources_are_written(connection: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "sources"
    assert export(connection, folder) == Exported(projects=3, files=3)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != INDEX}
    assert files == {"1.json": NEW, "2.json": TWO, "3.sb": ONE}
    assert [(row["file"], row["format"], row["sha256"], row["weight"]) for row in index(folder)] == [
        (name, made, hashlib.sha256(body).hexdigest(), "")
        for (name, body), made in zip(sorted(files.items()), ("scratch3", "scratch2", "scratch1"), strict=True)
    ]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(UsageError, match="is not empty"):
        export(connection, folder)


def test_a_design_gives_its_hits_with_their_weights(connection: Connection, tmp_path: Path) -> None:
    """A hit without a source stands in the index, so that the share that could not be read is known."""
    assert export(connection, tmp_path, design=1, archives=True) == Exported(projects=3, files=1)
    rows = [(row["project_id"], row["file"], row["outcome"], row["weight"], row["stratum"]) for row in index(tmp_path)]
    assert rows == [
        ("1", "1.sb3", "read", "4.0", "all"),
        ("5", "", "damaged", "4.0", "all"),
        ("6", "", "", "4.0", "all"),
    ]
    with zipfile.ZipFile(tmp_path / "1.sb3") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"project.json": NEW}


@pytest.mark.parametrize(
    ("design", "message"), [(2, "users, not projects, were drawn by design 2"), (7, "no design 7")]
)
def test_another_design_is_refused(connection: Connection, tmp_path: Path, design: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(connection, tmp_path / "none", design=design)
    assert not (tmp_path / "none").exists()
