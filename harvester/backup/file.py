"""The file of a backup: an uncompressed tar of the dump, the key, the rules of erasures and, last, the manifest.

It is written under a temporary name, readable for its owner only, and renamed once it is complete and on disk. A file
that is read is untrusted: only regular members with known names are used, each up to a bound, and each must have the
size and the hash of the manifest.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tarfile
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal, NamedTuple

import msgspec

from harvester import secret
from harvester.durable import sync_folder
from harvester.errors import UsageError, WarehouseError
from harvester.untrusted import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DUMP, RULES, MANIFEST = "warehouse.dump", "erased.txt", "backup.json"
_BLOCK = 512
_CHUNK = 1 << 20
_BOUNDS = {DUMP: 1 << 50, secret.NAME: secret.LARGEST, RULES: 1 << 30, MANIFEST: 1 << 24}
"""Upper bounds of the bytes of each member."""
_TEMPORARY = ".new"
_NAMED_BY_TIME = re.compile(r"scratch-harvester-\d{4}-\d\d-\d\dT\d{6}Z\.tar")
_OTHER = "no backup of this program"

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Words = Annotated[str, msgspec.Meta(max_length=1_000)]


class Member(msgspec.Struct, frozen=True):
    """Size and hash of a member, as the manifest states them."""

    size: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a backup; `tables` has the number of rows of each table in the dumped snapshot."""

    format: Literal["scratch-harvester backup 1"] = "scratch-harvester backup 1"
    made_at: datetime
    harvester: Words
    schema: Words
    """Revision of the schema."""
    server: Count
    """Major version of the server."""
    pg_dump: Count
    """Major version of the program that made the dump."""
    source: Words | None
    tables: Annotated[dict[Words, Count], msgspec.Meta(max_length=100_000)]
    files: dict[Words, Member]
    sources_outside: Count = 0
    """Sources whose bodies are in files of HARVESTER_SOURCES_DIR, which are in no backup."""

    @property
    def rows(self) -> int:
        """Return the number of rows of all tables."""
        return sum(self.tables.values())


# Writing


class BackupWriter:
    """A backup that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.files: dict[str, Member] = {}

    def copy(self, name: str, source: BinaryIO) -> None:
        """Add a member from a stream of unknown length."""
        start = self._file.tell()
        self._file.seek(_BLOCK, os.SEEK_CUR)  # its header, once its size is known
        digest, size = hashlib.sha256(), 0
        while part := source.read(_CHUNK):
            self._file.write(part)
            digest.update(part)
            size += len(part)
        self._file.write(bytes(-size % _BLOCK))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(_header(name, size))
        self._file.seek(end)
        self.files[name] = Member(size, digest.hexdigest())

    def add(self, name: str, data: bytes) -> None:
        """Add a small member."""
        self._file.write(_header(name, len(data)) + data + bytes(-len(data) % _BLOCK))
        self.files[name] = Member(len(data), hashlib.sha256(data).hexdigest())

    def end(self, manifest: BackupManifest) -> None:
        """Add the manifest, the last member."""
        self.add(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        self._file.write(bytes(2 * _BLOCK))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def path_of(target: Path, now: datetime | None = None) -> Path:
    """Return the file to write; in a folder it is named by the time.

    Raises:
        UsageError: it exists, or its folder does not.
    """
    if target.is_dir():
        target /= f"scratch-harvester-{now or datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.tar"
    if os.path.lexists(target):
        raise UsageError(f"{target} exists: name another file, or a folder, in which the file is named by the time")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no folder: make it first")
    return target


def newest(target: Path) -> Path:
    """Return the file itself, or of a folder the newest backup that is named by its time.

    Raises:
        UsageError: the folder holds none.
    """
    if not target.is_dir():
        return target
    if not (found := _named_by_time(target)):
        raise UsageError(f"{target} holds no backup: name the file")
    return found[-1]


def delete_older(path: Path, keep: int) -> list[Path]:
    """Delete what is older than a new backup in its folder, but for the newest ones; return what was deleted.

    Only files that are named by their time, hold the same key and are of the same source are counted and deleted, so
    that several warehouses may share a folder; and what killed commands left there.

    Args:
        path: The new backup.
        keep: The number of backups that stay, the new one included; 1 at least.

    Raises:
        WarehouseError: one cannot be deleted.
    """
    with read(path, is_checked=False) as new:
        older = [one for one in _named_by_time(path.parent) if one.name < path.name and _is_like(one, new)]
    deleted = older[: max(len(older) + 1 - keep, 0)]
    try:
        for one in deleted:
            one.unlink(missing_ok=True)
        for left in path.parent.glob(f".*{_TEMPORARY}"):
            if _NAMED_BY_TIME.fullmatch(left.name[1 : -len(_TEMPORARY)]):
                with left.open("rb") as file:
                    if _is_alone(file, left):
                        left.unlink()
    except OSError as error:
        raise WarehouseError(f"{path} is made, but {error.filename} cannot be deleted: {error.strerror}") from None
    return deleted


def _named_by_time(folder: Path) -> list[Path]:
    """Return the backups of a folder that are named by their time, the oldest first."""
    return sorted(one for one in folder.iterdir() if _NAMED_BY_TIME.fullmatch(one.name))


def _is_like(path: Path, new: BackupReader) -> bool:
    """Return whether a file is a backup of the same warehouse; one that cannot be read is of none."""
    try:
        with read(path, is_checked=False) as old:
            return old.key == new.key and old.manifest.source in (None, new.manifest.source)
    except WarehouseError:
        return False


@contextmanager
def write(path: Path) -> Iterator[BackupWriter]:
    """Write a backup, which gets its name once the block has ended without an error.

    Raises:
        WarehouseError: the file cannot be written, or another process is writing it.
    """
    temporary = path.with_name(f".{path.name}{_TEMPORARY}")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if not _is_alone(file, temporary):
                raise WarehouseError(f"another process is writing {path}")
            try:
                os.fchmod(descriptor, 0o600)  # a file that a killed process left may have another mode
                file.truncate(0)
                yield BackupWriter(file)
                file.flush()
                os.fsync(descriptor)
                temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise WarehouseError(f"the backup cannot be written to {path}: {error.strerror}") from None


def _is_alone(file: BinaryIO, path: Path) -> bool:
    """Lock an open file; return False if another process holds it, or has renamed it meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False


# Reading


class _Extent(NamedTuple):
    start: int
    size: int


class BackupReader:
    """A backup with its manifest and key; its members are checked by `check`."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._places = self._members()
        self.manifest = self._manifest()
        self.key = self._key()

    def rules(self) -> bytes:
        """Return the rules of erasures; empty if nobody was erased."""
        return self._read(RULES) if RULES in self._places else b""

    def parts(self, name: str) -> Iterator[bytes]:
        """Yield a member in parts."""
        start, left = self._places[name]
        self._file.seek(start)
        while left:
            part = self._take(min(left, _CHUNK))
            if not part:
                raise self._broken("it ends too early")
            left -= len(part)
            yield part

    def _read(self, name: str) -> bytes:
        return b"".join(self.parts(name))

    def _take(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise self._broken(error.strerror or "the disk fails") from None

    def _broken(self, reason: str) -> WarehouseError:
        return WarehouseError(f"{self._path} cannot be used: {reason}")

    def _members(self) -> dict[str, _Extent]:
        length = os.fstat(self._file.fileno()).st_size
        places: dict[str, _Extent] = {}
        while (header := self._take(_BLOCK)) != bytes(_BLOCK):
            try:
                info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
            except (tarfile.HeaderError, ValueError):
                raise self._broken("it ends too early" if places else _OTHER) from None
            bound = _BOUNDS.get(info.name)
            if info.type != tarfile.REGTYPE or bound is None or info.name in places:
                raise self._broken(_OTHER)
            place = _Extent(self._file.tell(), info.size)
            if not 0 <= info.size <= bound:
                raise self._broken(f"{info.name} is larger than {bound:,} bytes")
            if place.start + place.size > length:
                raise self._broken("it ends too early")
            places[info.name] = place
            self._file.seek(-info.size % _BLOCK + info.size, os.SEEK_CUR)
        return places

    def _manifest(self) -> BackupManifest:
        if MANIFEST not in self._places:
            raise self._broken("it is not whole" if self._places else _OTHER)
        try:
            return msgspec.json.decode(self._read(MANIFEST), type=BackupManifest)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise self._broken(f"its {MANIFEST} is none of this version") from None

    def _key(self) -> bytes:
        key = secret.key_in(self._read(secret.NAME)) if secret.NAME in self._places else None
        if key is None:
            raise self._broken(f"it holds no {secret.NAME}, without which the erased could come back")
        return key

    def check(self) -> None:
        """Read all members, and refuse sizes and hashes that are not those of the manifest."""
        held = self._places.keys() - {MANIFEST}
        if DUMP not in held or held != self.manifest.files.keys():
            raise self._broken(f"it does not hold what its {MANIFEST} lists")
        for name in held:
            digest = hashlib.sha256()
            for part in self.parts(name):
                digest.update(part)
            if Member(self._places[name].size, digest.hexdigest()) != self.manifest.files[name]:
                raise self._broken(f"{name} has changed since it was made")


@contextmanager
def read(path: Path, *, is_checked: bool = True) -> Iterator[BackupReader]:
    """Open a backup, and check the size and the hash of each member, unless `is_checked` is false.

    Raises:
        WarehouseError: it cannot be read, or is no backup.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise WarehouseError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        backup = BackupReader(file, path)
        if is_checked:
            backup.check()
        yield backup
