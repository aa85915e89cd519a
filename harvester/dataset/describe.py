"""Write the descriptions of a release: the same release gives the same bytes on every machine.

`manifest.json` is read again: it has the whole `Release`, and the hashes of the other descriptions.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from harvester.dataset.crate import CRATE, ro_crate
from harvester.dataset.croissant import croissant
from harvester.dataset.datacite import datacite
from harvester.dataset.datapackage import data_package
from harvester.dataset.documents import documents
from harvester.dataset.release import Description, Release
from harvester.dataset.yaml_documents import citation_file, front_matter
from harvester.errors import UsageError
from harvester.untrusted import open_beneath, read_bounded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANIFEST = "manifest.json"
CHECKSUMS = "SHA256SUMS"
SCHEMA_VERSION = "1.0.0"
"""Version of the tables of a release: a new column is a minor step, a removed or changed one a major step."""

MACHINE_READABLE: dict[str, Callable[[Release, str], dict[str, Any]]] = {
    "datacite.json": datacite,
    "datapackage.json": data_package,
    "croissant.json": croissant,
    CRATE: ro_crate,
}
"""Descriptions in JSON, each made of the release and its version."""
LARGEST_DOCUMENT = 16 * 2**20
"""Bytes of a description above which it is not read."""

_NAME = re.compile(r"([0-9]{4})\.(0[1-9]|1[0-2])\.([0-9]{1,9})")


class Manifest(msgspec.Struct, frozen=True):
    """Content of `manifest.json`."""

    schema_version: str
    rows: int
    bytes: int
    release: Release
    descriptions: tuple[Description, ...]


def describe(folder: Path, release: Release) -> None:
    """Write all descriptive files of a release into the folder of its data.

    Raises:
        UsageError: the name of the release is no date and number.
    """
    for name, content in render(release).items():
        (folder / name).write_bytes(content)


def render(release: Release) -> dict[str, bytes]:
    """Return each descriptive file by its name. Pure.

    Raises:
        UsageError: the name of the release is no date and number.
    """
    version = version_of(release.name)
    files = {name: text.encode() for name, text in documents(release).items()}
    files["README.md"] = front_matter(release).encode() + files["README.md"]
    files["CITATION.cff"] = citation_file(release, version).encode()
    files |= {name: _json(described(release, version)) for name, described in MACHINE_READABLE.items()}
    told = tuple(Description(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in sorted(files.items()))
    data_files = [file for one in release.resources for file in one.files]
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        rows=sum(one.rows for one in release.resources),
        bytes=sum(file.bytes for file in data_files),
        release=release,
        descriptions=told,
    )
    files[MANIFEST] = _json(msgspec.to_builtins(manifest))
    sums = {file.path: file.sha256 for file in data_files} | {one.path: one.sha256 for one in told}
    sums[MANIFEST] = hashlib.sha256(files[MANIFEST]).hexdigest()
    files[CHECKSUMS] = "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode()
    return files


def version_of(name: str) -> str:
    """Return the name of a release as a semantic version: 2026.06.0 is 2026.6.0.

    Raises:
        UsageError: the name is no date and number.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError("a release is named by year, month and a number, as 2026.06.0")
    return ".".join(str(int(part)) for part in match.groups())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the release in a folder.

    Raises:
        UsageError: the folder holds no release, or its manifest is damaged.
    """
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(read_document(folder, MANIFEST), type=Manifest)
    except OSError as error:
        raise UsageError(f"{folder} holds no release: {MANIFEST} cannot be read ({error.strerror})") from None
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UsageError(f"{path} is damaged, or was written by another version") from None


def read_document(folder: Path, name: str) -> bytes:
    """Return the bytes of a description of the release in a folder.

    Raises:
        OSError: it cannot be read, is no regular file below the folder, or is larger than `LARGEST_DOCUMENT`.
    """
    return read_bounded(open_beneath(folder, name), LARGEST_DOCUMENT)


def read_release(folder: Path) -> Release:
    """Return the release in a folder.

    Raises:
        UsageError: the folder holds no release, or its manifest is damaged.
    """
    return read_manifest(folder).release


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
