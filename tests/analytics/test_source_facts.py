"""Facts and differences of stored sources: worked out once, again when asked, gone with what they are of."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import sources
from sources import Sprite

from harvester.analytics import source_facts
from harvester.analytics.source_facts import Analysed, analyse
from harvester.source.decode import decode
from harvester.source.differences import compare
from harvester.source.facts import RULES, facts
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harvester.warehouse.connection import Connection

FILE = "bcf454acf82e4504149f7ffe07081dbc.svg"
WALK: list[Any] = [("event_whenflagclicked", {}), ("motion_movesteps", {"STEPS": "10"})]
TALK: list[Any] = [("event_whenflagclicked", {}), ("looks_sayforsecs", {"MESSAGE": "hello", "SECS": "2"})]


def body(*scripts: list[Any], costumes: int = 1) -> bytes:
    anna = Sprite("Anna", list(scripts), costumes=[("walk", FILE)] * costumes)
    return sources.write(sources.scratch_3([Sprite("Stage"), anna]))


ROOT, PARENT, CHILD = body(WALK), body(WALK, TALK), body(TALK, costumes=2)
BINARY = b"ScratchV02"


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as connection:
        yield connection


def store(connection: Connection, project: int, source: bytes, *, day: int = 1, **made_of: int) -> None:
    """Store a version of a project's source, as first seen on a day."""
    ids = {"parent_id": None, "root_id": None} | made_of
    connection.execute(
        "INSERT INTO scratch.projects (id, parent_id, root_id) VALUES (%(id)s, %(parent_id)s, %(root_id)s)"
        " ON CONFLICT DO NOTHING",
        {"id": project} | ids,
    )
    connection.execute(
        "INSERT INTO source.projects (project_id, outcome, seen_at) VALUES (%s, 'read', now()) ON CONFLICT DO NOTHING",
        [project],
    )
    digest = hashlib.sha256(source).digest()
    connection.execute(
        "INSERT INTO source.bodies (sha256, size, packed) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [digest, len(source), gzip.compress(source)],
    )
    made = decode(source) if source != b"damaged" else None
    seen = datetime(2026, 1, day, tzinfo=UTC)
    values = [
        project,
        digest,
        digest,
        made.format.value if made else "scratch3",
        made.blocks if made else 0,
        seen,
        seen,
    ]
    connection.execute(
        "INSERT INTO source.versions (project_id, sha256, body_sha256, format, blocks, first_seen_at, last_seen_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        values,
    )


def differences(connection: Connection) -> dict[tuple[int, str], list[Any]]:
    rows = connection.execute(
        "SELECT project_id, relation, other_id, scripts_kept, scripts_added, scripts_removed,"
        " assets_kept, assets_added, assets_removed, untouched FROM source.differences"
    ).fetchall()
    return {(project, relation): list(values) for project, relation, *values in rows}


def test_facts_and_differences_are_kept_as_the_sources_change(connection: Connection) -> None:
    store(connection, 1, ROOT)
    store(connection, 2, PARENT, parent_id=1, root_id=1)
    store(connection, 3, CHILD, parent_id=2, root_id=1)
    store(connection, 4, PARENT, parent_id=2, root_id=1)
    store(connection, 5, BINARY, parent_id=1, root_id=1)
    store(connection, 6, ROOT, parent_id=5, root_id=99)
    store(connection, 7, b"damaged", parent_id=1, root_id=1)
    assert analyse(connection) == Analysed(bodies=3, comparisons=6)
    kept = {
        (2, "parent"): [1, 1, 1, 0, 1, 0, 0, False],
        (2, "root"): [1, 1, 1, 0, 1, 0, 0, False],
        (3, "parent"): [2, 1, 0, 1, 1, 1, 0, False],
        (3, "root"): [1, 0, 1, 1, 1, 1, 0, False],
        (4, "parent"): [2, 2, 0, 0, 1, 0, 0, True],
        (4, "root"): [1, 1, 1, 0, 1, 0, 0, False],
    }
    assert differences(connection) == kept
    found = facts(decode(CHILD))
    assert found is not None
    [row] = connection.execute(
        "SELECT f.blocks, f.costumes, f.opcodes, f.user_interactivity, f.rules, a.kind, a.file, a.count"
        " FROM source.facts f JOIN source.assets a USING (body_sha256) WHERE body_sha256 = %s",
        [hashlib.sha256(CHILD).digest()],
    ).fetchall()
    scored = found.scores["user_interactivity"]  # type: ignore[index]
    assert row == (found.blocks, 2, found.opcodes, scored, RULES, "costume", FILE, 2)
    assert analyse(connection) == Analysed(bodies=0, comparisons=0)

    # A new version of the parent changes what its remixes are compared with; the earlier facts stay.
    store(connection, 2, CHILD, day=2)
    assert analyse(connection) == Analysed(bodies=0, comparisons=4)
    assert differences(connection)[3, "parent"] == [2, 1, 0, 0, 2, 0, 0, True]
    assert differences(connection)[4, "parent"] == [2, 1, 1, 0, 1, 0, 1, False]
    assert connection.execute("SELECT count(*) FROM source.facts").fetchone() == (3,)


def test_rules_that_changed_and_full_work_out_all_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_facts, "_BATCH", 2)  # several transactions
    for project, made in enumerate((ROOT, PARENT, CHILD, body(TALK, TALK), body(WALK, WALK)), start=1):
        store(connection, project, made, parent_id=1)
    all_of_them = Analysed(bodies=5, comparisons=5)
    assert analyse(connection) == all_of_them
    before = connection.execute("SELECT to_jsonb(f) FROM source.facts f ORDER BY body_sha256").fetchall()
    connection.execute("UPDATE source.facts SET blocks = 0")
    assert analyse(connection) == Analysed(bodies=0, comparisons=0)
    assert analyse(connection, full=True) == all_of_them
    assert connection.execute("SELECT to_jsonb(f) FROM source.facts f ORDER BY body_sha256").fetchall() == before
    monkeypatch.setattr(source_facts, "RULES", RULES + 1)
    assert analyse(connection) == all_of_them
    assert analyse(connection) == Analysed(bodies=0, comparisons=0)


STARTER = """
import os, time
from harvester.analytics.source_facts import _processes
def told(_):
    time.sleep(0.3)
    return os.getpid()
if __name__ == "__main__":
    with _processes(2) as run:
        print(*set(run(told, range(40))), flush=True)
        time.sleep(600)
"""


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
def test_processes_end_with_their_starter(tmp_path: Path, wait_for_end: Callable[..., None]) -> None:
    program = tmp_path / "starter.py"
    program.write_text(STARTER)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        workers = [psutil.Process(int(number)) for number in starter.stdout.readline().split()]
        assert len(workers) == 2
        assert all(worker.is_running() for worker in workers)
        starter.kill()
    wait_for_end(*workers)


def test_they_go_with_the_sources_that_they_are_of(connection: Connection) -> None:
    """As an erasure deletes these: what there is of the person's projects, then bodies that nobody else has."""
    store(connection, 1, ROOT)
    store(connection, 2, PARENT, parent_id=1, root_id=1)
    store(connection, 3, CHILD, parent_id=2, root_id=1)
    analyse(connection)
    for table in ("versions", "projects"):
        connection.execute(f"DELETE FROM source.{table} WHERE project_id = 2")
    connection.execute("DELETE FROM source.bodies WHERE sha256 = %s", [hashlib.sha256(PARENT).digest()])
    assert set(differences(connection)) == {(3, "root")}
    assert connection.execute("SELECT count(*) FROM source.facts").fetchone() == (2,)
    assert connection.execute("SELECT count(*) FROM source.assets").fetchone() == (2,)
    assert compare(decode(CHILD), decode(ROOT)) is not None
