"""The file of a backup: whole or not there, of its owner alone, and believed only as far as it can be checked."""

from __future__ import annotations

import os
import tarfile
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from backups import CONTENTS, KEY, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.backup.file import DUMP, RULES, delete_older, newest, path_of, read, write
from harvester.errors import UsageError, WarehouseError
from harvester.secret import NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def contents(path: Path) -> dict[str, bytes]:
    with read(path) as backup:
        assert backup.key == KEY
        return {DUMP: b"".join(backup.parts(DUMP)), NAME: CONTENTS[NAME], RULES: backup.rules()}


def test_a_backup_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tar")
    assert contents(path) == CONTENTS
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        assert archive.getnames() == [*CONTENTS, "backup.json"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_backup_is_refused_or_the_same(tmp_path: Path, place: float, value: int, *, cut: bool) -> None:
    path = tmp_path / "a.tar"
    path.unlink(missing_ok=True)
    data = bytearray(make(path).read_bytes())
    at = int(place * len(data))
    data[at] ^= value
    path.write_bytes(data[:at] if cut else data)
    with suppress(WarehouseError):
        assert contents(path) == CONTENTS


def member(name: str, data: bytes = b"x", **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def before(path: Path, more: bytes) -> None:
    path.write_bytes(more + path.read_bytes())


def without(name: str) -> Callable[[Path], object]:
    def leave_out(path: Path) -> None:
        path.unlink()
        make(path, {key: data for key, data in CONTENTS.items() if key != name})

    return leave_out


TRICKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (lambda p: (p.rename(p.with_name("b")), p.symlink_to(p.with_name("b"))), "a symbolic link"),
    "a FIFO": (lambda p: (p.unlink(), os.mkfifo(p)), "not a regular file"),
    "nothing": (lambda p: p.write_bytes(b""), "no backup"),
    "something else": (lambda p: p.write_text("a text\n" * 200), "no backup"),
    "a path out of the folder": (lambda p: before(p, member("../secret.key")), "no backup"),
    "a link in it": (lambda p: before(p, member(NAME, b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "no backup"),
    "a device in it": (lambda p: before(p, member(NAME, b"", type=tarfile.CHRTYPE)), "no backup"),
    "a long name that takes the memory": (
        lambda p: before(p, member("x", b"", type=tarfile.GNUTYPE_LONGNAME, size=1 << 40)),
        "no backup",
    ),
    "a key twice": (lambda p: before(p, member(NAME)), "no backup"),
    "a large key": (lambda p: before(p, member(NAME, bytes(2_000))), "secret.key is larger than 1,000 bytes"),
    "a size beyond the end": (lambda p: before(p, member(DUMP, b"", size=1 << 40)), "it ends too early"),
    "no key": (without(NAME), "holds no secret.key, without which the erased could come back"),
    "no dump": (without(DUMP), "does not hold what its backup.json lists"),
}


@pytest.mark.parametrize("what", TRICKS)
def test_what_is_no_backup_is_refused(tmp_path: Path, what: str) -> None:
    path = make(tmp_path / "a.tar")
    trick, words = TRICKS[what]
    trick(path)
    with pytest.raises(WarehouseError, match=words):
        contents(path)


def test_a_backup_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"

    def interrupted() -> None:
        with write(path) as backup:
            backup.add(NAME, b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    # What a killed command left is written over; what is being written is not.
    left = tmp_path / ".a.tar.new"
    left.write_bytes(bytes(10**6))
    left.chmod(0o644)
    with write(path), pytest.raises(WarehouseError, match="another process is writing"), write(path):
        pass
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (0, 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_filled_by_time_and_nothing_replaced(tmp_path: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    path = path_of(tmp_path, at)
    assert path == tmp_path / "scratch-harvester-2026-01-02T030405Z.tar"
    path.touch()
    for target, words in ((tmp_path, "exists"), (path, "exists"), (tmp_path / "no" / "a.tar", "make it first")):
        with pytest.raises(UsageError, match=words):
            path_of(target, at)


def at(folder: Path, hour: int) -> Path:
    return path_of(folder, datetime(2026, 1, 2, hour, tzinfo=UTC))


@given(
    st.lists(st.sampled_from(["ours", "first", "other source", "other key", "damaged", "none"]), max_size=8),
    st.integers(1, 5),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_only_older_backups_of_the_warehouse_are_deleted(tmp_path: Path, kinds: list[str], keep: int) -> None:
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    other = CONTENTS | {NAME: bytes(32).hex().encode() + b"\n"}
    paths = [at(folder, hour) for hour in range(len(kinds))]
    for path, kind in zip(paths, kinds, strict=True):
        make(path, other if kind == "other key" else CONTENTS, {"ours": "a", "other source": "b"}.get(kind))
        if kind == "damaged":
            os.truncate(path, 1_500)
        elif kind == "none":
            path.write_text("a file of somebody else")
    mine = [path for path, kind in zip(paths, kinds, strict=True) if kind in ("ours", "first")]
    new, newer = make(at(folder, 20), source="a"), make(at(folder, 21), source="a")
    named = make(folder / "monday.tar", source="a")
    deleted = delete_older(new, keep)
    assert deleted == mine[: max(len(mine) + 1 - keep, 0)]
    assert set(folder.iterdir()) == {*paths, new, newer, named} - set(deleted)


def test_what_killed_commands_left_is_deleted_too(tmp_path: Path) -> None:
    left, writing, foreign = (
        tmp_path / f".{name}.new" for name in (at(tmp_path, 1).name, at(tmp_path, 2).name, "a.tar")
    )
    left.touch()
    foreign.touch()
    new = make(at(tmp_path, 3))
    with write(at(tmp_path, 2)) as backup:
        backup.add(NAME, b"x")
        assert delete_older(new, 1) == []
        assert set(tmp_path.iterdir()) == {new, writing, foreign}


def test_the_newest_of_a_folder_is_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no backup"):
        newest(tmp_path)
    paths = [make(at(tmp_path, hour)) for hour in (5, 7, 6)]
    make(tmp_path / "z.tar")
    assert newest(tmp_path) == paths[1]
    assert newest(paths[0]) == paths[0]
    assert newest(tmp_path / "none.tar") == tmp_path / "none.tar"
