"""Verify that a release matches its manifest; all problems are reported, not only the first.

Files are streamed: in memory are one batch, a byte for each row, and a few million keys at a time of a table that
others refer to. A release is untrusted: a file that does not match the manifest is reported and not read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.dataset.describe import (
    CHECKSUMS,
    MACHINE_READABLE,
    MANIFEST,
    read_document,
    read_manifest,
    version_of,
)
from harvester.dataset.read import TROUBLE, Unreadable, batches, best_file, check_intact, disorder, joined, unreadable
from harvester.dataset.release import Type
from harvester.errors import UsageError
from harvester.untrusted import is_beneath

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from harvester.dataset.describe import Manifest
    from harvester.dataset.read import Stamp
    from harvester.dataset.release import Description, File, ForeignKey, Release, Resource

_BATCHES_AT_A_TIME = 64  # of 65,536 rows: some four million keys, a few hundred megabytes
_SENSELESS = (ValueError, TypeError, LookupError, AttributeError, AssertionError, OverflowError)
_MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


@dataclass(frozen=True, slots=True)
class Problem:
    """A difference between a release, or a lake, and its manifest. No value of a row is quoted."""

    path: str
    what: str


def verify(folder: Path) -> list[Problem]:
    """Return all problems of the release in a folder.

    Raises:
        UsageError: the folder holds no release.
    """
    try:
        manifest = read_manifest(folder)
        version_of(manifest.release.name)
    except UsageError:
        if not os.path.lexists(folder / MANIFEST):
            raise UsageError(f"{folder} holds no release: it has no {MANIFEST}") from None
        return [Problem(MANIFEST, "is damaged, or was written by another version")]
    declared = list(_declarations(manifest))
    if declared:
        return declared
    found = _Found(folder, manifest)
    problems = [*found.compare(), *_checksums(folder, manifest)]
    for one in manifest.release.resources:
        problems += _resource(folder, one, found.intact)
    problems += _foreign_keys(folder, manifest.release, found.intact)
    problems += _descriptions(folder, manifest, found.intact)
    return problems


def _declarations(manifest: Manifest) -> Iterator[Problem]:
    """Yield the contradictions within the manifest itself."""
    release = manifest.release
    paths = [one.path for one in manifest.descriptions]
    paths += [file.path for one in release.resources for file in one.files]
    if len({*paths, MANIFEST, CHECKSUMS}) < len(paths) + 2:
        yield Problem(MANIFEST, "lists a file twice")
    if not all(is_beneath(one.path) for one in manifest.descriptions):
        yield Problem(MANIFEST, "a description lies outside the folder")
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
            if not is_beneath(file.path):
                yield Problem(MANIFEST, f"a file of table {one.name} lies outside the folder")


def _listed(manifest: Manifest) -> dict[str, File | Description]:
    files: dict[str, File | Description] = {one.path: one for one in manifest.descriptions}
    return files | {file.path: file for one in manifest.release.resources for file in one.files}


class _Found:
    """Content of the folder. `intact` has the files that match the manifest, by path."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.intact: dict[str, Stamp] = {}
        self._folder = folder
        self._listed = _listed(manifest)

    def compare(self) -> Iterator[Problem]:
        """Yield the files that are missing, unknown, no regular files, or of another size or hash."""
        odd: list[Problem] = []
        present = set(self._files(odd))
        yield from odd
        for path in sorted(present - self._listed.keys() - {MANIFEST, CHECKSUMS}):
            yield Problem(path, "is not part of the release")
        told = {one.path for one in odd}
        for path, file in sorted(self._listed.items()):
            if path not in present:
                if path not in told:
                    yield Problem(path, "is missing")
                continue
            try:
                self.intact[path] = check_intact(self._folder, file)
            except Unreadable as error:
                yield Problem(path, str(error))

    def _files(self, odd: list[Problem]) -> Iterator[str]:
        """Yield the regular files; other objects but folders go to `odd`."""

        def cannot(error: OSError) -> None:
            odd.append(Problem(os.path.relpath(error.filename, self._folder), f"cannot be read: {error.strerror}"))

        for place, folders, files in os.walk(self._folder, onerror=cannot):
            for name in sorted([*folders, *files]):
                path = os.path.join(place, name)  # noqa: PTH118  (of any bytes)
                relative = os.path.relpath(path, self._folder)
                try:
                    mode = os.lstat(path).st_mode
                except OSError as error:  # it was deleted, or its path is too long
                    odd.append(Problem(relative, f"cannot be read: {error.strerror}"))
                    continue
                if stat.S_ISREG(mode):
                    yield relative
                elif stat.S_ISLNK(mode):
                    odd.append(Problem(relative, "is a symbolic link, which is not followed"))
                elif not stat.S_ISDIR(mode):
                    odd.append(Problem(relative, "is not a regular file"))


def _checksums(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    try:
        found = read_document(folder, CHECKSUMS)
        told = hashlib.sha256(read_document(folder, MANIFEST)).hexdigest()
    except FileNotFoundError:
        yield Problem(CHECKSUMS, "is missing")
        return
    except OSError as error:
        yield Problem(CHECKSUMS, f"cannot be read: {error.strerror}")
        return
    sums = {path: file.sha256 for path, file in _listed(manifest).items()} | {MANIFEST: told}
    expected = "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))
    if found != expected.encode():
        yield Problem(CHECKSUMS, f"does not agree with {MANIFEST}")


def _resource(folder: Path, resource: Resource, intact: dict[str, Stamp]) -> Iterator[Problem]:
    """Yield the problems of each format of a table, and the differences between the formats."""
    digests = {}
    for file in resource.files:
        if file.path not in intact:
            continue  # reported
        check = _Table(resource)
        try:
            for batch in batches(folder, resource, file, stamp=intact[file.path]):
                check.take(batch)
        except (Unreadable, *TROUBLE) as error:
            del intact[file.path]
            yield Problem(file.path, str(error if isinstance(error, Unreadable) else unreadable(file, error)))
            continue
        wrong = list(check.problems())
        yield from (Problem(file.path, what) for what in wrong)
        if not wrong:
            digests[file.path] = check.digest.hexdigest()
    if len(set(digests.values())) > 1:
        yield Problem(resource.name, f"its formats hold different rows: {', '.join(digests)}")


class _Table:
    """Check of one file against the declaration of its table, batch by batch."""

    def __init__(self, resource: Resource) -> None:
        self.digest = hashlib.sha256()
        self._resource = resource
        self._rows = 0
        self._wrong: dict[str, int] = {}
        self._last: tuple[Any, ...] | None = None

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
        told = pa.RecordBatch.from_arrays([_as_in_csv(one) for one in batch.columns], names=batch.schema.names)
        self.digest.update("\n".join(joined(told, told.schema.names).to_pylist()).encode() + b"\n")

    def _check_order(self, batch: pa.RecordBatch) -> None:
        key = self._resource.primary_key
        if any(batch.column(name).null_count for name in key):
            return  # reported as an empty column
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


def _as_in_csv(column: pa.Array) -> pa.Array:
    """Return a column as all formats can hold it: CSV has no difference between an empty text and null."""
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _is_no_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return True
    return False


def _foreign_keys(folder: Path, release: Release, intact: dict[str, Stamp]) -> Iterator[Problem]:
    tables = {one.name: one for one in release.resources}
    for one in release.resources:
        for key in one.foreign_keys:
            here, there = best_file(one), best_file(tables[key.resource])
            if here is None or there is None or not {here.path, there.path} <= intact.keys():
                continue  # reported before, and their keys are not known
            try:
                lost = _unreferred(folder, one, here, tables[key.resource], there, key, intact)
            except (Unreadable, *TROUBLE):
                yield Problem(here.path, f"{', '.join(key.fields)} cannot be looked up in {key.resource}")
                continue
            if lost:
                yield Problem(here.path, f"{', '.join(key.fields)} is not in {key.resource} ({lost:,} times)")


def _unreferred(
    folder: Path,
    resource: Resource,
    file: File,
    referred: Resource,
    other: File,
    key: ForeignKey,
    intact: dict[str, Stamp],
) -> int:
    """Count the rows whose reference has no target. The referred keys are held in parts, with a byte per row."""
    found = np.zeros(0, dtype=bool)
    filled = False
    for known in _parts(batches(folder, referred, other, key.referred, intact[other.path]), key.referred):
        start, seen = 0, []
        for batch in batches(folder, resource, file, tuple(dict.fromkeys(key.fields)), intact[file.path]):
            hits = pc.is_in(joined(batch, key.fields), value_set=known).to_numpy(zero_copy_only=False)
            for name in key.fields:
                # As in SQL: a key with a null part refers to nothing.
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


def _parts(whole: Iterator[pa.RecordBatch], names: tuple[str, ...]) -> Iterator[pa.Array]:
    """Yield the keys of a table, some millions at a time; at least one part, which may be empty."""
    some = list(islice(whole, _BATCHES_AT_A_TIME))
    yield pa.concat_arrays([pa.array([], pa.string()), *(joined(batch, names) for batch in some)])
    while some := list(islice(whole, _BATCHES_AT_A_TIME)):
        yield pa.concat_arrays([joined(batch, names) for batch in some])


def _descriptions(folder: Path, manifest: Manifest, intact: Collection[str]) -> Iterator[Problem]:
    """Yield the contradictions between the machine-readable descriptions and the manifest."""
    release = manifest.release
    version = version_of(release.name)
    for name, told in _FACTS.items():
        if name not in intact:
            continue  # reported
        try:
            facts = told(MACHINE_READABLE[name](release, version))
        except _SENSELESS:
            yield Problem(MANIFEST, f"says what {name} cannot say")
            continue
        try:
            found = told(json.loads(read_document(folder, name)))
        except (*_SENSELESS, OSError, RecursionError):
            yield Problem(name, "is damaged")
            continue
        for what in sorted(facts.keys() | found.keys(), key=str):
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


def _datacite_facts(document: dict[str, Any]) -> dict[str, Any]:
    named = ("doi", "version", "titles", "creators", "publisher", "publicationYear", "rightsList", "sizes")
    return {name: document.get(name) for name in named}


def _crate_facts(document: dict[str, Any]) -> dict[str, Any]:
    entities = {one["@id"]: one for one in document["@graph"]}
    return {path: (one.get("contentSize"), one.get("sha256"), one.get("hasPart")) for path, one in entities.items()}


_FACTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "datapackage.json": _package_facts,
    "croissant.json": _croissant_facts,
    "datacite.json": _datacite_facts,
    "ro-crate-metadata.json": _crate_facts,
}
"""What a description repeats of the manifest, by its name."""
