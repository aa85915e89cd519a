"""Is a release what it says it is? Everything that is wrong is named, not only the first thing.

Files are streamed; what is held is one batch, a byte a row, and of a table that others refer to a few million keys at
a time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.dataset.croissant import croissant
from harvester.dataset.datapackage import data_package
from harvester.dataset.describe import CHECKSUMS, MANIFEST, read_manifest, version_of
from harvester.dataset.read import Unreadable, batches, best_file, disorder, joined
from harvester.dataset.release import Type
from harvester.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harvester.dataset.describe import Description, Manifest
    from harvester.dataset.release import File, ForeignKey, Release, Resource

_BATCHES_AT_A_TIME = 64  # of 65,536 rows: some four million keys, a few hundred megabytes
_MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it is said to be. No value of a row is quoted."""

    path: str
    what: str


def verify(folder: Path) -> list[Problem]:
    """All problems of the release in a folder.

    Raises:
        UsageError: the folder holds no release.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} holds no release: it has no {MANIFEST}")
    try:
        manifest = read_manifest(folder)
        version_of(manifest.release.name)
    except UsageError:
        return [Problem(MANIFEST, "is damaged, or was written by another version")]
    declared = list(_declarations(manifest.release))
    if declared:
        return declared
    problems = [*_folder(folder, manifest), *_checksums(folder, manifest)]
    unreadable: set[str] = set()
    for one in manifest.release.resources:
        problems += _resource(folder, one, unreadable)
    problems += _foreign_keys(folder, manifest.release, unreadable)
    problems += _descriptions(folder, manifest)
    return problems


def _declarations(release: Release) -> Iterator[Problem]:
    """What makes no sense in the manifest itself."""
    tables = {one.name: one for one in release.resources}
    if len(tables) < len(release.resources):
        yield Problem(MANIFEST, "has two tables of one name")
    for one in release.resources:
        names = [field.name for field in one.fields]
        if len(set(names)) < len(names):
            yield Problem(MANIFEST, f"table {one.name} has two columns of one name")
        if not set(one.primary_key) <= set(names):
            yield Problem(MANIFEST, f"the key of table {one.name} has a column that is not there")
        for key in one.foreign_keys:
            referred = tables.get(key.resource)
            there = referred is not None and set(key.referred) <= {field.name for field in referred.fields}
            if not there or not set(key.fields) <= set(names) or len(key.fields) != len(key.referred):
                yield Problem(MANIFEST, f"table {one.name} refers to what is not in the release")
        for file in one.files:
            path = PurePosixPath(file.path)
            if path.is_absolute() or ".." in path.parts:
                yield Problem(MANIFEST, f"a file of table {one.name} lies outside the folder")


def _listed(manifest: Manifest) -> dict[str, File | Description]:
    files: dict[str, File | Description] = {one.path: one for one in manifest.descriptions}
    return files | {file.path: file for one in manifest.release.resources for file in one.files}


def _folder(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Files that are missing, too many, or of another size or hash."""
    listed = _listed(manifest)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for path in sorted(present - listed.keys() - {MANIFEST, CHECKSUMS}):
        yield Problem(path, "is not part of the release")
    for path, file in sorted(listed.items()):
        if path not in present:
            yield Problem(path, "is missing")
            continue
        size = (folder / path).stat().st_size
        if size != file.bytes:
            yield Problem(path, f"has {size:,} bytes, not {file.bytes:,}")
        if _sha256(folder / path) != file.sha256:
            yield Problem(path, "has another SHA-256 than the manifest says")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksums(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    sums = {path: file.sha256 for path, file in _listed(manifest).items()} | {MANIFEST: _sha256(folder / MANIFEST)}
    expected = "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))
    try:
        found = (folder / CHECKSUMS).read_bytes()
    except OSError:
        yield Problem(CHECKSUMS, "is missing")
        return
    if found != expected.encode():
        yield Problem(CHECKSUMS, f"does not agree with {MANIFEST}")


def _resource(folder: Path, resource: Resource, unreadable: set[str]) -> Iterator[Problem]:
    """Every format of a table by itself, and whether the formats say the same. Notes what cannot be read."""
    digests = {}
    for file in resource.files:
        if not (folder / file.path).is_file():
            unreadable.add(file.path)  # told as missing
            continue
        check = _Table(resource)
        try:
            for batch in batches(folder, resource, file):
                check.take(batch)
        except Unreadable as error:
            unreadable.add(file.path)
            yield Problem(file.path, str(error))
            continue
        wrong = list(check.problems())
        yield from (Problem(file.path, what) for what in wrong)
        if not wrong:
            digests[file.path] = check.digest.hexdigest()
    if len(set(digests.values())) > 1:
        yield Problem(resource.name, f"its formats hold different rows: {', '.join(digests)}")


class _Table:
    """What one file holds, batch by batch, against what its table promises."""

    def __init__(self, resource: Resource) -> None:
        self.digest = hashlib.sha256()
        self._resource = resource
        self._rows = 0
        self._wrong: dict[str, int] = {}
        self._last: tuple[Any, ...] | None = None
        # Text apart from keys is left out: CSV tells no "" from nothing, and guards against formulas.
        self._digested = [
            field.name
            for field in resource.fields
            if field.name in resource.primary_key or field.type not in {Type.STRING, Type.JSON}
        ]

    def take(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        for field in self._resource.fields:
            column = batch.column(field.name)
            if field.required or field.name in self._resource.primary_key:
                self._count(f"column {field.name} is empty", column.null_count)
            if field.categories:
                known = pc.is_in(column, value_set=pa.array(field.categories, column.type))
                others = column.filter(pc.invert(known)).drop_null()
                self._count(f"column {field.name} has values that are none of its categories", len(others))
            if field.type is Type.MONTH:
                self._count(f"column {field.name} is no month", _false(pc.match_substring_regex(column, _MONTH)))
            if field.type is Type.JSON:
                self._count(f"column {field.name} is no JSON", sum(map(_is_no_json, column.drop_null().to_pylist())))
        if self._resource.primary_key and batch.num_rows:
            self._check_order(batch)
        if self._digested:
            self.digest.update("\n".join(joined(batch, tuple(self._digested)).to_pylist()).encode() + b"\n")

    def _check_order(self, batch: pa.RecordBatch) -> None:
        key = self._resource.primary_key
        if any(batch.column(name).null_count for name in key):
            return  # told as an empty column
        ties, inverted = disorder(batch, key)
        first, last = (tuple(batch.column(name)[row].as_py() for name in key) for row in (0, batch.num_rows - 1))
        if self._last is not None:
            ties += first == self._last
            inverted += first < self._last
        self._last = last
        self._count("the key is not unique", ties)
        self._count("rows are not sorted by the key", inverted)

    def _count(self, what: str, times: int) -> None:
        if times:
            self._wrong[what] = self._wrong.get(what, 0) + times

    def problems(self) -> Iterator[str]:
        if self._rows != self._resource.rows:
            yield f"has {self._rows:,} rows, not {self._resource.rows:,}"
        for what, times in self._wrong.items():
            yield f"{what} ({times:,} times)"


def _false(flags: pa.BooleanArray) -> int:
    return int(pc.sum(pc.invert(flags)).as_py() or 0)


def _is_no_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return True
    return False


def _foreign_keys(folder: Path, release: Release, unreadable: set[str]) -> Iterator[Problem]:
    tables = {one.name: one for one in release.resources}
    for one in release.resources:
        for key in one.foreign_keys:
            here, there = best_file(one), best_file(tables[key.resource])
            if here is None or there is None or {here.path, there.path} & unreadable:
                continue  # what is wrong with them has been told, and what they hold is not known
            lost = _unreferred(folder, one, here, tables[key.resource], there, key)
            if lost:
                yield Problem(here.path, f"{', '.join(key.fields)} is not in {key.resource} ({lost:,} times)")


def _unreferred(folder: Path, resource: Resource, file: File, referred: Resource, other: File, key: ForeignKey) -> int:
    """How many rows refer to nothing. The referred keys are held a part at a time, and a byte for each row."""
    found = np.zeros(0, dtype=bool)
    filled = False
    for known in _parts(folder, referred, other, key.referred):
        start, seen = 0, []
        for batch in batches(folder, resource, file, tuple(dict.fromkeys(key.fields))):
            hits = pc.is_in(joined(batch, key.fields), value_set=known).to_numpy(zero_copy_only=False)
            for name in key.fields:
                # As in SQL: a key of which a part is null refers to nothing, and need not.
                hits = hits | batch.column(name).is_null().to_numpy(zero_copy_only=False)
            if filled:
                found[start : start + len(hits)] |= hits
                start += len(hits)
            else:
                seen.append(hits)
        if not filled:
            found, filled = np.concatenate([found, *seen]), True
        if found.all():
            return 0
    return int((~found).sum())


def _parts(folder: Path, resource: Resource, file: File, names: tuple[str, ...]) -> Iterator[pa.Array]:
    """The keys of a table, some millions at a time; at least one part, which may be empty."""
    whole = batches(folder, resource, file, names)
    some = list(islice(whole, _BATCHES_AT_A_TIME))
    yield pa.concat_arrays([pa.array([], pa.string()), *(joined(batch, names) for batch in some)])
    while some := list(islice(whole, _BATCHES_AT_A_TIME)):
        yield pa.concat_arrays([joined(batch, names) for batch in some])


def _descriptions(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Whether the descriptions for machines say of the files what the manifest says."""
    release = manifest.release
    version = version_of(release.name)
    for name, expected, told in (
        ("datapackage.json", data_package(release, version), _package_facts),
        ("croissant.json", croissant(release, version), _croissant_facts),
    ):
        try:
            found = told(json.loads((folder / name).read_bytes()))
        except OSError:
            continue  # told as missing
        except (ValueError, TypeError, KeyError, AttributeError):
            yield Problem(name, "is damaged")
            continue
        facts = told(expected)
        for what in sorted(facts.keys() | found.keys()):
            if facts.get(what) != found.get(what):
                yield Problem(name, f"says of {what} something else than {MANIFEST}")


def _package_facts(package: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"version": package["version"]}
    for one in package["resources"]:
        schema = one.get("schema", {})
        facts[one["path"]] = (
            one["bytes"],
            one["hash"],
            one.get("rows"),
            [(field["name"], field["type"], field.get("constraints")) for field in schema.get("fields", [])],
            schema.get("primaryKey"),
            schema.get("foreignKeys"),
        )
    return facts


def _croissant_facts(document: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"version": document["version"]}
    for one in document["distribution"]:
        facts[one["contentUrl"]] = (one["contentSize"], one["sha256"])
    for one in document["recordSet"]:
        fields = [(field["@id"], field["dataType"], field["source"], field.get("references")) for field in one["field"]]
        facts[one["@id"]] = (fields, one.get("key"))
    return facts
