"""The folder of a lake, which changes as a whole.

    current -> versions/7           the link that readers follow
    versions/7/lake.json            the manifest: tables, columns, parts with their fingerprints
    versions/7/users/<from>-<hash>.parquet
    lock                            held while a run changes the folder

A new version is a folder of its own, with new files and hard links to those that stay. Replacing the link is the
commit: a reader sees the version before or the one after, whenever a run is killed. The version before is deleted
after that, and what a killed run left is deleted by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from harvester.dataset.release import Field, File
from harvester.durable import sync_folder
from harvester.errors import UsageError
from harvester.untrusted import open_beneath, read_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CURRENT, VERSIONS, LOCK, MANIFEST = "current", "versions", "lock", "lake.json"
_NEXT_LINK = ".current"
_OWN = {CURRENT, VERSIONS, LOCK, _NEXT_LINK}
_LARGEST_MANIFEST = 2**30
FORMAT = 1
"""Number of the layout, and of how rows are written: a lake of another one is not changed."""


class LakePart(msgspec.Struct, frozen=True):
    """The rows of a table from `lower` to below the next part's, in one file.

    `lower` is null for the first part. `fingerprint` has the number of rows of the query and the sum of their hashes.
    """

    lower: int | None
    rows: int
    fingerprint: str
    file: File


class LakeTable(msgspec.Struct, frozen=True):
    """A table of a lake; `cut_by` is the column by whose values it is cut into parts, null for a table of one part."""

    comment: str
    columns: tuple[Field, ...]
    primary_key: tuple[str, ...]
    cut_by: str | None
    parts: tuple[LakePart, ...]

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Return the size of all files."""
        return sum(part.file.bytes for part in self.parts)


class LakeManifest(msgspec.Struct, frozen=True):
    """Content of `lake.json`; `synthetic` names the community of a sandbox."""

    format: int
    as_of: str
    synthetic: str | None
    tables: dict[str, LakeTable]


class LakeFolder:
    """A folder that this process alone changes; see `locked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def version(self) -> Path | None:
        """Return the folder of the present version; None before the first one."""
        try:
            return self.folder / (self.folder / CURRENT).readlink()
        except FileNotFoundError:
            return None

    def manifest(self) -> LakeManifest | None:
        """Read the manifest of the present version; None before the first one.

        Raises:
            UsageError: it is damaged, or of another format.
        """
        version = self.version
        if version is None:
            return None
        wrong = (
            f"{self.folder / CURRENT / MANIFEST} is damaged or of another format: delete the lake, and write it again"
        )
        try:
            found = msgspec.json.decode(
                read_bounded(open_beneath(version, MANIFEST), _LARGEST_MANIFEST), type=LakeManifest
            )
        except (OSError, msgspec.MsgspecError, RecursionError, ValueError):
            raise UsageError(wrong) from None
        if found.format != FORMAT:
            raise UsageError(wrong)
        return found

    def leftovers(self) -> list[Path]:
        """Return the versions that no link shows: those of killed runs."""
        versions, present = self.folder / VERSIONS, self.version
        found = sorted(versions.iterdir()) if versions.is_dir() else []
        return [one for one in found if one != present]

    def clean(self) -> None:
        """Delete the versions that no link shows."""
        for one in self.leftovers():
            shutil.rmtree(one)

    def next_version(self) -> NextVersion:
        """Begin a version beside the present one, after deleting those of killed runs."""
        self.clean()
        present = self.version
        path = self.folder / VERSIONS / str(1 if present is None else int(present.name) + 1)
        path.mkdir(parents=True, mode=0o700)
        return NextVersion(self.folder, path, present)

    def replace_manifest(self, manifest: LakeManifest) -> None:
        """Replace the manifest of the present version, whose files stay."""
        version = self.version
        assert version is not None
        _write(version / f".{MANIFEST}", manifest)
        (version / f".{MANIFEST}").replace(version / MANIFEST)
        sync_folder(version)


class NextVersion:
    """A version that is being made; `path` is its folder."""

    def __init__(self, folder: Path, path: Path, before: Path | None) -> None:
        self._folder, self.path, self._before = folder, path, before

    def keep(self, file: File) -> bool:
        """Take a file over from the version before; return False if it is not there as it was written."""
        if self._before is None:
            return False
        source, target = self._before / file.path, self.path / file.path
        try:
            if source.lstat().st_size != file.bytes:
                return False
        except FileNotFoundError:
            return False
        target.parent.mkdir(exist_ok=True)
        target.hardlink_to(source)
        return True

    def commit(self, manifest: LakeManifest) -> None:
        """Make this the present version."""
        _write(self.path / MANIFEST, manifest)
        for place, _, files in os.walk(self.path):
            for name in files:
                _sync(os.path.join(place, name))  # noqa: PTH118  (as os.walk has them)
            _sync(place)
        link = self._folder / _NEXT_LINK
        link.unlink(missing_ok=True)
        link.symlink_to(self.path.relative_to(self._folder))
        sync_folder(self._folder / VERSIONS)
        link.replace(self._folder / CURRENT)
        sync_folder(self._folder)


@contextmanager
def locked(folder: Path, *, make: bool = True) -> Iterator[LakeFolder]:
    """Yield the folder of a lake that no other process changes meanwhile; `make` makes a missing one.

    Raises:
        UsageError: it holds something else, no lake and none may be made, or another process changes it; or it cannot
            be written.
    """
    try:
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        odd = sorted({one.name for one in folder.iterdir()} - _OWN)
        if odd or not (make or (folder / CURRENT).is_symlink()):
            what = "is there and not empty: a lake gets a folder of its own" if make else "holds no lake"
            raise UsageError(f"{folder} {what}")
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"another process is at work on the lake in {folder}") from None
            yield LakeFolder(folder)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(f"the lake in {folder} cannot be read or written: {error.strerror}") from None


def _write(path: Path, manifest: LakeManifest) -> None:
    with path.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(path: str | os.PathLike[str]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
