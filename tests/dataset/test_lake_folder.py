"""The folder of a lake changes as a whole: whatever the step at which a run ends, a reader sees one version."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from harvester.dataset.lake_folder import FORMAT, LakeManifest, LakePart, LakeTable, locked
from harvester.dataset.release import File
from harvester.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CHANGES = ("open", "os.mkdir", "os.link", "os.rename", "os.symlink", "os.remove", "os.rmdir")
"""Events of Python's audit by which a program may change a folder."""


class Killed(BaseException):
    """The process is dead: from its `left`-th change of a folder on it changes nothing any more."""

    left: int | None = None


def _die(event: str, _: Any) -> None:
    if Killed.left is not None and event in CHANGES:
        Killed.left -= 1
        if Killed.left < 0:
            raise Killed


sys.addaudithook(_die)


def write(folder: Path, texts: dict[str, str]) -> None:
    """A run: files whose text is the same are kept, and the others written."""
    with locked(folder) as lake:
        before = lake.manifest()
        version, tables = lake.next_version(), {}
        for path, text in texts.items():
            name = path.split("/")[0]
            file = File(path, "parquet", len(text), hashlib.sha256(text.encode()).hexdigest())
            held = {} if before is None or name not in before.tables else {p.file: p for p in before.tables[name].parts}
            if file not in held or not version.keep(file):
                (version.path / name).mkdir(exist_ok=True)
                (version.path / path).write_text(text)
            tables[name] = LakeTable("", (), ("id",), None, (LakePart(None, 1, text, file),))
        version.commit(LakeManifest(FORMAT, "now", None, tables))
        lake.clean()


def seen(folder: Path) -> dict[str, str]:
    """What a reader of the files sees."""
    return {
        str(path.relative_to(folder / "current")): path.read_text() for path in (folder / "current").glob("*/*.parquet")
    }


def test_a_run_that_ends_anywhere_changes_all_or_nothing(tmp_path: Path) -> None:
    before = {"users/a.parquet": "old", "news/a.parquet": "same", "follows/a.parquet": "dropped"}
    after = {"users/b.parquet": "new", "news/a.parquet": "same", "projects/a.parquet": "added"}
    outcomes: list[bool] = []
    for steps in range(200):
        folder = tmp_path / str(steps)
        write(folder, before)
        Killed.left = steps
        try:
            write(folder, after)
        except Killed:
            is_dead = True
        else:
            is_dead = False
        finally:
            Killed.left = None
        outcomes.append(seen(folder) == after)
        assert seen(folder) == (after if outcomes[-1] else before), steps
        write(folder, after)  # the next run
        assert seen(folder) == after
        with locked(folder) as lake:
            assert lake.leftovers() == []
        if not is_dead:
            break
    assert not is_dead
    assert outcomes == sorted(outcomes)  # before, up to one step, and after from there
    assert outcomes.count(False) > 10
    assert outcomes.count(True) > 3


def test_files_that_stay_are_the_same_files(tmp_path: Path) -> None:
    write(tmp_path, {"users/a.parquet": "old", "news/a.parquet": "same"})
    inode = (tmp_path / "current/news/a.parquet").stat().st_ino
    write(tmp_path, {"users/b.parquet": "new", "news/a.parquet": "same"})
    assert (tmp_path / "current/news/a.parquet").stat().st_ino == inode
    assert sorted(path.name for path in (tmp_path / "versions").iterdir()) == ["2"]
    assert not any(path.name == "a.parquet" for path in (tmp_path / "current/users").iterdir())


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UsageError, match="another process is at work"), locked(tmp_path):
        pass
