"""The bodies of sources: in the database, or in files of a folder that are named by their SHA-256.

A row of `source.bodies` whose `packed` is null is of a body in a file. Each body is read where it is held, whatever the
settings say today. A file is durable before the row of its body is committed, so that a kill leaves a file without a
row at most; such files are removed while nobody can be about to commit their row.

A folder belongs to one database, whose mark it holds: a copy of the warehouse, such as a restored backup, would find
files in it that have no row there, and remove them.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harvester.durable import sync_folder
from harvester.errors import LostBody, UsageError, WarehouseError
from harvester.untrusted import open_regular, read_bounded
from harvester.warehouse.locks import STORING
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import LONGEST_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "bodies")
MARK = "warehouse"
"""Name of the file by which a folder belongs to a database."""
_FILE = re.compile(r"([0-9a-f]{64})\.gz")
_PART = re.compile("[0-9a-f]{2}")
_TEMPORARY = ".new-"
_LARGEST = 32 * 2**20
"""Bytes that a body may have: twice what is read as a source."""


class BodyStore(Protocol):
    """Holder of the bodies that are new."""

    def column(self, packed: bytes) -> bytes | None:
        """Return what the column `packed` of a new body holds."""
        ...

    def keep(self, connection: Connection, digest: bytes, packed: bytes) -> None:
        """Make a body durable whose row was inserted and is not committed yet."""
        ...


class InDatabase:
    """Store that holds bodies in their rows."""

    def column(self, packed: bytes) -> bytes | None:
        """Return the packed body."""
        return packed

    def keep(self, connection: Connection, digest: bytes, packed: bytes) -> None:
        """Do nothing: the row holds it."""


@dataclass(frozen=True, slots=True)
class InFolder:
    """Store that holds bodies in files of a folder, which `open_store` has checked."""

    folder: Path

    def column(self, packed: bytes) -> bytes | None:  # noqa: ARG002  (the protocol's signature)
        """Return null: the body is in a file."""
        return None

    def keep(self, connection: Connection, digest: bytes, packed: bytes) -> None:
        """Write a body to its file, and keep the file from being removed until the transaction ends.

        Raises:
            WarehouseError: the folder cannot be written.
        """
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [STORING])
        path = path_of(self.folder, digest)
        try:
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self.folder)
            _write(path, packed)
        except OSError as error:
            raise WarehouseError(f"a source cannot be written to {self.folder}: {error.strerror}") from None


def open_store(connection: Connection, folder: Path | None) -> BodyStore:
    """Return the store of new bodies: a folder, which is made and marked, or the database without one.

    Raises:
        UsageError: the folder cannot be written, belongs to another warehouse, or is not the one that was used before.
    """
    if folder is None:
        return InDatabase()
    if len(str(folder)) > LONGEST_PATH or not str(folder).isprintable():
        raise UsageError(f"HARVESTER_SOURCES_DIR: must be a path of at most {LONGEST_PATH} printable characters")
    own = _identity(connection)
    try:
        mark = _mark_of(folder)
        if mark is None:
            known, held = connection.execute(_SQL["known_folder"], [str(folder)]).fetchone() or (False, False)
            if known and held:
                raise UsageError(
                    f"HARVESTER_SOURCES_DIR: {folder} held sources and has no file {MARK} now: is its disk mounted? If"
                    f" it is the right folder, run: echo {own} > {folder / MARK}"
                )
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(folder / MARK, own.encode() + b"\n")
        elif mark != own:
            raise UsageError(
                f"HARVESTER_SOURCES_DIR: {folder} holds the sources of another warehouse: name another folder. If that"
                f" warehouse is gone, as after a restore, run: echo {own} > {folder / MARK}"
            )
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"HARVESTER_SOURCES_DIR: {folder} cannot be written: {error.strerror}") from None
    connection.execute("INSERT INTO source.folders (path) VALUES (%s) ON CONFLICT DO NOTHING", [str(folder)])
    return InFolder(folder)


class BodyReader:
    """Reader of bodies, each where it is held."""

    def __init__(self, connection: Connection, folder: Path | None = None) -> None:
        """Make a reader; `folder`: where files are looked for first, as they may have been moved."""
        self._folders = list(dict.fromkeys([*filter(None, [folder]), *folders(connection)]))

    def packed(self, digest: bytes, packed: bytes | None, project: int | None = None) -> bytes:
        """Return a body packed by gzip: that of its row, or that of its file.

        Raises:
            LostBody: its file is missing, altered or cannot be read; it names the project, if one is given.
        """
        return packed if packed is not None else self._from_file(digest, project)

    def body(self, digest: bytes, packed: bytes | None, project: int | None = None) -> bytes:
        """Return a body as it was served. Raises `LostBody` as `packed` does."""
        return gzip.decompress(self.packed(digest, packed, project))

    def _from_file(self, digest: bytes, project: int | None) -> bytes:
        whose = "a source" if project is None else f"the source of project {project}"
        if not self._folders:
            raise LostBody(f"{whose} is in a file, and no folder is known: set HARVESTER_SOURCES_DIR")
        problem = ""
        for folder in self._folders:
            path = path_of(folder, digest)
            try:
                packed = read_bounded(open_regular(path), _LARGEST)
            except FileNotFoundError:
                problem = problem or f"{path} is missing"
                continue
            except OSError as error:
                problem = f"{path} cannot be read: {error.strerror}"
                continue
            if _digest_of(packed) == digest:
                return packed
            problem = f"{path} was altered: its SHA-256 is another one"
        raise LostBody(f"{whose} is lost: {problem}. Set HARVESTER_SOURCES_DIR if the folder was moved")


@dataclass(slots=True)
class UnusedFiles:
    """Number of the files without a row that were deleted, and why others could not be looked for."""

    deleted: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return asdict(self)


def delete_unused(connection: Connection, *, dry_run: bool = False) -> UnusedFiles:
    """Delete the files of bodies that have no row, in all folders that belong to this database.

    They are of people who were erased, or of a crawl that was killed. Safe during a crawl, whose commits wait while
    one of 256 parts of a folder is looked through.

    Args:
        connection: one in autocommit mode, outside of a transaction.
        dry_run: count, and delete nothing.
    """
    done = UnusedFiles()
    own = _identity(connection)
    for folder in folders(connection):
        try:
            mark = _mark_of(folder)
            if mark is None:
                done.problems.append(f"{folder} is not there, or has no file {MARK}: its files were left")
            elif mark != own:
                done.problems.append(f"{folder} belongs to another warehouse: its files were left")
            else:
                for part in sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name)):
                    done.deleted += _delete_unused(connection, part, dry_run=dry_run)
        except OSError as error:
            done.problems.append(f"{error.filename or folder} cannot be deleted: {error.strerror}")
    return done


def _delete_unused(connection: Connection, part: Path, *, dry_run: bool) -> int:
    with _without_storing(connection):
        first = bytes.fromhex(part.name)
        rows = connection.execute(_SQL["held"], [first, first + 31 * b"\xff"]).fetchall()
        held = {digest.hex() for (digest,) in rows}
        unused = [
            path
            for path in part.iterdir()
            if ((named := _FILE.fullmatch(path.name)) and named[1] not in held) or path.name.startswith(_TEMPORARY)
        ]
        for path in [] if dry_run else unused:
            path.unlink(missing_ok=True)
    return len(unused)


@contextmanager
def _without_storing(connection: Connection) -> Iterator[None]:
    """Let no transaction store a body. The lock is of the session: a transaction's snapshot may be older than it."""
    connection.execute("SELECT pg_advisory_lock(%s)", [STORING])
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [STORING])


def folders(connection: Connection) -> list[Path]:
    """Return the folders that hold bodies, or held some, in the order in which they were first used."""
    rows = connection.execute("SELECT path FROM source.folders ORDER BY first_used_at, path").fetchall()
    return [Path(path) for (path,) in rows]


def path_of(folder: Path, digest: bytes) -> Path:
    """Return the file of a body in a folder."""
    name = digest.hex()
    return folder / name[:2] / f"{name}.gz"


def _identity(connection: Connection) -> str:
    """Return what tells this database from any other, a copy of it included."""
    row = connection.execute(_SQL["identity"]).fetchone()
    assert row is not None
    return str(row[0])


def _mark_of(folder: Path) -> str | None:
    try:
        return read_bounded(open_regular(folder / MARK), 1_000).decode(errors="replace").strip()
    except FileNotFoundError:
        return None


def _digest_of(packed: bytes) -> bytes | None:
    """Return the SHA-256 of what a whole file of gzip holds; None for anything else."""
    reader = zlib.decompressobj(wbits=31)
    try:
        digest = hashlib.sha256(reader.decompress(packed, _LARGEST)).digest()
    except zlib.error:
        return None
    return digest if reader.eof and not reader.unused_data else None


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole and durable once it has its name."""
    descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)  # of mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
