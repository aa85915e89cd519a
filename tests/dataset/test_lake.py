"""A lake: what `internal` has, in parts that are written again only where their rows changed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest
from searched import plain_text

from harvester.cli.erase import tell_files_left
from harvester.dataset.lake import LakeRequest, check, roundest, update
from harvester.erasure.erase import erase
from harvester.erasure.lakes import known_lakes
from harvester.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harvester.dataset.lake import LakeUpdate

PART_ROWS = 60
"""Rows of a part, so that the largest tables of 80 users have several parts."""


class Lakes:
    """Lakes of one warehouse."""

    def __init__(self, builder: Any) -> None:
        self.settings, self.folder = builder.settings, builder.folder / "lake"
        self.database = builder.database

    def __call__(self, name: str | None = None, **options: Any) -> LakeUpdate:
        folder = self.folder if name is None else self.folder.parent / name
        return update(self.settings, LakeRequest(folder, is_allowed=True, part_rows=PART_ROWS, **options))

    def check(self) -> list[str]:
        return [f"{one.path}: {one.what}" for one in check(self.settings, self.folder)]

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")  # rows of a test may lack their references
            for statement in statements:
                connection.execute(statement)

    def inodes(self) -> dict[str, int]:
        return {str(path): path.stat().st_ino for path in (self.folder / "current").rglob("*.parquet")}


@pytest.fixture
def lake(builder_with_sources: Any) -> Lakes:
    return Lakes(builder_with_sources)


def in_order(rows: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(str(sorted(row.items())) for row in rows)


def rows_of(folder: Path, table: str) -> list[str]:
    """All rows of a table, read as any library reads a folder of Parquet files."""
    return in_order(pq.read_table(folder / "current" / table).to_pylist())


def test_lake_has_the_rows_of_internal(lake: Lakes, built: Any) -> None:
    done = lake()
    tables = done.manifest.tables
    internal = built.releases["internal"].resources
    assert list(tables) == [one.name for one in internal if not one.name.startswith("teaser_")]
    for name, table in tables.items():
        assert rows_of(lake.folder, name) == in_order(built.rows("internal", name)), name
        assert table.rows == len(built.rows("internal", name))
    assert len(tables["project_comments"].parts) > 3
    assert lake.check() == []
    assert known_lakes(lake.settings.home) == [str(lake.folder)]
    assert lake.folder.stat().st_mode & 0o077 == 0


CHANGES = {
    "inserted": (
        "project_comments",
        """INSERT INTO scratch.project_comments (id, project_id, author_id, content)
        SELECT max(id) + 1, 1, 1, 'new' FROM scratch.project_comments""",
    ),
    "changed": ("users", "UPDATE scratch.users SET bio = NULL WHERE id = (SELECT min(id) FROM scratch.users)"),
    "emptied": ("users", "UPDATE scratch.users SET bio = '' WHERE id = (SELECT min(id) FROM scratch.users)"),
    "deleted": ("follows", "DELETE FROM scratch.follows WHERE ctid = (SELECT min(ctid) FROM scratch.follows)"),
    "swapped": (
        "users",
        """UPDATE scratch.users u SET username = o.username FROM scratch.users o,
            (SELECT id FROM scratch.users WHERE username IS NOT NULL ORDER BY id LIMIT 1) a,
            (SELECT id FROM scratch.users WHERE username IS NOT NULL ORDER BY id OFFSET 1 LIMIT 1) b
        WHERE u.id IN (a.id, b.id) AND o.id IN (a.id, b.id) AND o.id <> u.id""",
    ),
}
"""By what happens: the table, and a statement. A swap changes no sum over a column."""


SHOWN_TOO = {"follows": ("follow_intervals",)}
"""Tables of history that show the rows of a table, too."""


def test_updates_write_only_the_parts_that_changed(lake: Lakes) -> None:
    lake()
    before = lake.inodes()
    assert not lake().is_changed
    assert lake.inodes() == before
    for how, (table, statement) in CHANGES.items():
        lake.execute(statement)
        changed = {table, *SHOWN_TOO.get(table, ())}
        assert {problem.split(":")[0] for problem in lake.check()} == changed, how
        done = lake()
        assert (dict(done.files_written), lake.check()) == (dict.fromkeys(changed, 1), []), how
        assert len(set(lake.inodes().values()) - set(before.values())) == len(changed), how
        before = lake.inodes()
    lake("whole")
    for table in ("users", "follows", "project_comments"):
        assert rows_of(lake.folder, table) == rows_of(lake.folder.parent / "whole", table)


def test_a_part_that_grew_is_cut(lake: Lakes) -> None:
    parts = len(lake().manifest.tables["project_comments"].parts)
    lake.execute(
        "INSERT INTO scratch.project_comments (id, project_id, author_id, content)"
        " SELECT top + 3 * g, 1, 1, 'text ' || g FROM (SELECT max(id) AS top FROM scratch.project_comments) t,"
        f" generate_series(1, {3 * PART_ROWS}) g"
    )
    table = lake().manifest.tables["project_comments"]
    assert len(table.parts) >= parts + 2
    assert max(part.rows for part in table.parts) <= 2 * PART_ROWS
    assert lake.check() == []
    lake("whole")
    assert rows_of(lake.folder, "project_comments") == rows_of(lake.folder.parent / "whole", "project_comments")


def test_erased_people_leave_every_file(lake: Lakes, capsys: pytest.CaptureFixture[str]) -> None:
    lake()
    with psycopg.connect(lake.database, autocommit=True) as connection:
        user, name = connection.execute(
            "SELECT u.id, username FROM scratch.users u JOIN scratch.project_comments c ON c.author_id = u.id"
            " WHERE length(username) > 8 GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()

        def found() -> set[str]:
            return {
                str(path.relative_to(lake.folder))
                for path in lake.folder.rglob("*")
                if path.is_file()
                and (str(user) in (text := plain_text(path)) or name.lower() in text.lower()
                     or user.to_bytes(8, "little") in path.read_bytes())
            }  # fmt: skip

        assert {path.split("/")[2] for path in found()} >= {"users", "project_comments"}
        erasure = erase(connection, lake.settings.home, user=user)
    tell_files_left(erasure)
    assert f"run `harvester dataset lake {lake.folder} --i-am-allowed`" in capsys.readouterr().err
    assert lake().is_changed
    assert found() == set()
    assert lake.check() == []


def test_a_warehouse_with_pending_erasures_is_refused(lake: Lakes, tmp_path: Path) -> None:
    lake.settings.home.mkdir(exist_ok=True)
    (lake.settings.home / "erased.txt").write_text("0123\n\n")
    with pytest.raises(UsageError, match="run `harvester erase repeat` first"):
        lake()


def test_a_lost_file_is_written_again(lake: Lakes) -> None:
    lake()
    lost, damaged = sorted((lake.folder / "current/users").iterdir())[:2]
    lost.unlink()
    (lake.folder / "versions/7").mkdir()
    assert lake.check() == [
        "versions/7: is left of a killed run: the next run deletes it",
        f"current/users/{lost.name}: cannot be opened: No such file or directory",
    ]
    damaged.write_bytes(b"")
    assert dict(lake().files_written) == {"users": 2}
    assert lake.check() == []


def test_wrong_folders_are_refused(lake: Lakes, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    with pytest.raises(UsageError, match="is there and not empty: a lake gets a folder of its own"):
        lake("other")
    (tmp_path / "empty").mkdir()
    for name in ("other", "empty"):
        with pytest.raises(UsageError, match="holds no lake"):
            check(lake.settings, tmp_path / name)
    with pytest.raises(UsageError, match="confirm with --i-am-allowed"):
        update(lake.settings, LakeRequest(tmp_path / "new"))
    lake()
    os.truncate(lake.folder / "current/lake.json", 100)
    with pytest.raises(UsageError, match="is damaged or of another format"):
        lake()


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [(5, 5, None), (5, 6, 6), (5, 9, 8), (-1, 9, 0), (1000, 1100, 1024), (2**62, 2**62 + 3, 2**62 + 2)],
)
def test_roundest(low: int, high: int, number: int | None) -> None:
    assert roundest(low, high) == number


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
def test_a_run_killed_at_any_moment_changes_all_or_nothing(lake: Lakes, tmp_path: Path) -> None:
    environment = os.environ | {"HARVESTER_DATABASE_URL": lake.database, "HARVESTER_HOME": str(lake.settings.home)}
    command = [sys.executable, "-m", "harvester", "dataset", "lake", str(lake.folder), "--i-am-allowed"]
    chance, seen = Random(1), Counter[str]()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    tables = list(lake().manifest.tables)
    began = time.monotonic()
    assert start().wait() == 0
    whole = time.monotonic() - began
    for attempt in range(20):
        before = {name: rows_of(lake.folder, name) for name in tables}
        lake.execute(
            f"UPDATE scratch.users SET bio = 'attempt {attempt}'",
            f"INSERT INTO scratch.project_comments (id, project_id, content) VALUES ({attempt + 1}, 1, 'new')",
        )
        run = start()
        time.sleep(chance.uniform(0, whole))
        run.kill()
        run.wait()
        after = {name: rows_of(lake.folder, name) for name in tables}
        if after == before:
            seen["before"] += 1
            assert start().wait() == 0
            after = {name: rows_of(lake.folder, name) for name in tables}
        else:
            seen["after"] += 1
        lake(f"whole{attempt}")
        assert after == {name: rows_of(lake.folder.parent / f"whole{attempt}", name) for name in tables}
        assert not [one for one in lake.check() if "is left of a killed run" not in one]
    assert min(seen["before"], seen["after"]) > 0
