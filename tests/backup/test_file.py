"""The file of a backup: whole or not there, of its owner alone, and believed only as far as it can be checked."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.backup.file import DUMP, RULES, BackupManifest, path_of, read, write
from harvester.errors import UsageError, WarehouseError
from harvester.secret import NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = bytes(range(32))
CONTENTS = {DUMP: b"PGDMP" + bytes(700), NAME: KEY.hex().encode() + b"\n", RULES: b"ab\n\n"}


def make(path: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    with write(path) as backup:
        for name, data in contents.items():
            backup.copy(name, io.BytesIO(data))
        backup.end(
            BackupManifest(
                made_at=datetime(2026, 1, 1, tzinfo=UTC),
                harvester="0.1.0",
                schema="r001",
                server=18,
                pg_dump=18,
                source=None,
                tables={"scratch.users": 1},
                files=backup.files.copy(),
            )
        )
    return path


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
