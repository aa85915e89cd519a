"""Bodies of sources in files: durable before their row, read where they are held, and gone with it."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from harvester.analytics.source_facts import Analysed, analyse
from harvester.errors import LostBody, UsageError, WarehouseError
from harvester.monitoring.source_export import export
from harvester.monitoring.sources import body, version
from harvester.warehouse import bodies
from harvester.warehouse.bodies import InDatabase, InFolder, delete_unused, open_store, path_of
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harvester.warehouse.bodies import BodyStore
    from harvester.warehouse.connection import Connection

ONE, TWO = (b'{"objName": "Stage", "children": [], "tempoBPM": %d}' % tempo for tempo in (60, 70))


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as connection:
        yield connection


def digest_of(served: bytes) -> bytes:
    return hashlib.sha256(served).digest()


def keep(connection: Connection, store: BodyStore, served: bytes, project: int = 1) -> None:
    """Store a body as a crawl does, with a version of a project."""
    digest, packed = digest_of(served), gzip.compress(served, mtime=0)
    row = "INSERT INTO source.bodies (sha256, size, packed) VALUES (%s, %s, %s)"
    with connection.transaction():
        connection.execute("INSERT INTO scratch.projects (id) VALUES (%s) ON CONFLICT DO NOTHING", [project])
        connection.execute(row, [digest, len(served), store.column(packed)])
        store.keep(connection, digest, packed)
        connection.execute(
            "INSERT INTO source.versions (project_id, sha256, body_sha256, format, blocks, first_seen_at, last_seen_at)"
            " VALUES (%s, %s, %s, 'scratch2', 0, now(), now())",
            [project, digest, digest],
        )


def shown(connection: Connection, project: int, folder: Path | None = None) -> bytes:
    return body(connection, version(connection, project, None), folder)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_each_body_is_read_where_it_is_held(connection: Connection, tmp_path: Path) -> None:
    """Whatever the setting was then and is now: the database, a folder, another folder, a folder that was moved."""
    first, second = tmp_path / "a" / "sources", tmp_path / "b"
    three = ONE.replace(b"60", b"80")
    keep(connection, open_store(connection, None), ONE, 1)
    keep(connection, open_store(connection, first), TWO, 2)
    keep(connection, open_store(connection, second), three, 3)
    held = dict(connection.execute("SELECT sha256, packed IS NULL FROM source.bodies").fetchall())
    assert held == {digest_of(ONE): False, digest_of(TWO): True, digest_of(three): True}
    moved = first.rename(tmp_path / "moved")
    for folder in (moved, None):
        if folder is None:
            moved.rename(first)
        assert [shown(connection, project, folder) for project in (1, 2, 3)] == [ONE, TWO, three]
    path = path_of(first, digest_of(TWO))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert first.stat().st_mode & 0o777 == 0o700
    assert gzip.decompress(path.read_bytes()) == TWO
    assert analyse(connection) == Analysed(bodies=3, comparisons=0)
    assert export(connection, tmp_path / "out").files == 3
    assert delete_unused(connection).as_json() == {"deleted": 0, "problems": []}


def test_a_file_that_is_lost_or_altered_is_named(connection: Connection, tmp_path: Path) -> None:
    store = open_store(connection, tmp_path)
    keep(connection, InDatabase(), ONE, 1)
    keep(connection, store, TWO, 2)
    path = path_of(tmp_path, digest_of(TWO))
    for content in (None, b"", gzip.compress(ONE), path.read_bytes()[:-9], b"no gzip"):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        why = "is missing" if content is None else "was altered"
        with pytest.raises(LostBody, match=f"the source of project 2 is lost: {path} {why}"):
            shown(connection, 2)
    with pytest.raises(LostBody, match="project 2"):
        export(connection, tmp_path / "out")
    # What is there is worked out all the same.
    with pytest.raises(LostBody, match=r"project 2: .* was altered.*all others are worked out"):
        analyse(connection)
    assert connection.execute("SELECT body_sha256 FROM source.facts").fetchall() == [(digest_of(ONE),)]
    connection.execute("DELETE FROM source.folders")
    with pytest.raises(LostBody, match="set HARVESTER_SOURCES_DIR"):
        shown(connection, 2)


def test_files_without_a_row_are_deleted(connection: Connection, tmp_path: Path) -> None:
    """A killed crawl or erasure leaves whole files, and some that have no name yet. Others are left alone."""
    store = open_store(connection, tmp_path)
    keep(connection, store, ONE)
    with connection.transaction(force_rollback=True):
        store.keep(connection, digest_of(TWO), gzip.compress(TWO))
    held = path_of(tmp_path, digest_of(ONE))
    (held.parent / ".new-1").write_bytes(b"half of it")
    (tmp_path / "notes.txt").write_text("not ours")
    (held.parent / "notes.txt").write_text("not ours")
    before = files(tmp_path)
    assert delete_unused(connection, dry_run=True).deleted == 2
    assert files(tmp_path) == before
    assert delete_unused(connection).as_json() == {"deleted": 2, "problems": []}
    assert files(tmp_path) == {held.name, "notes.txt", bodies.MARK}
    assert shown(connection, 1) == ONE


def test_a_file_whose_row_is_not_committed_yet_is_left(connection: Connection, database: str, tmp_path: Path) -> None:
    """A removal at the same time waits for the transaction, and sees its row."""
    keep(connection, store := open_store(connection, tmp_path), ONE)
    found: list[Any] = []
    with open_connection(database, autocommit=True) as other:
        remover = threading.Thread(target=lambda: found.append(delete_unused(other)))
        with connection.transaction():
            values = [digest_of(TWO), len(TWO)]
            connection.execute("INSERT INTO source.bodies (sha256, size) VALUES (%s, %s)", values)
            store.keep(connection, digest_of(TWO), gzip.compress(TWO))
            remover.start()
            waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while remover.is_alive() and not connection.execute(waits).fetchone():
                time.sleep(0.01)
            assert remover.is_alive()
        remover.join()
    assert [one.deleted for one in found] == [0]
    assert path_of(tmp_path, digest_of(TWO)).exists()


def test_a_folder_belongs_to_one_database(
    connection: Connection, second_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored copy would delete files that it has no row of; a folder whose disk is away would be filled anew."""
    folder = tmp_path / "sources"
    store = open_store(connection, folder)
    keep(connection, store, ONE)
    with open_connection(second_database, autocommit=True) as copy:
        with pytest.raises(UsageError, match="another warehouse") as refused:
            open_store(copy, folder)
        copy.execute("INSERT INTO source.folders (path) VALUES (%s)", [str(folder)])
        assert delete_unused(copy).problems == [f"{folder} belongs to another warehouse: its files were left"]
        assert shown(connection, 1) == ONE
        # The message says how to hand the folder over.
        (folder / bodies.MARK).write_text(str(refused.value).partition("echo ")[2].partition(" >")[0])
        assert isinstance(open_store(copy, folder), InFolder)
    away = folder.rename(tmp_path / "away")
    with pytest.raises(UsageError, match="is its disk mounted"):
        open_store(connection, folder)
    assert not folder.exists()  # else its disk could not be mounted there, or it could not be moved back
    assert "is not there" in delete_unused(connection).problems[0]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"HARVESTER_SOURCES_DIR: .*/file cannot be written"):
        open_store(connection, tmp_path / "file")
    away.rename(folder)
    for odd in ("\udcff", "a" * 601):
        with pytest.raises(UsageError, match="at most 600 printable characters"):
            open_store(connection, tmp_path / odd)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bodies.os, "fsync", full)
    with pytest.raises(WarehouseError, match=r"cannot be written to .*: No space left on device"):
        keep(connection, store, TWO, 2)
    assert files(folder) == {bodies.MARK, path_of(folder, digest_of(ONE)).name}
