"""Write profile `internal` as a lake: one folder of Parquet files a table, brought up to date by what changed.

A table is cut into parts by ranges of the first number or time of its key. PostgreSQL sums up the hashes of the rows
of each part, in the snapshot that is exported. A part whose sum is the one in the manifest is kept, any other is
written again: a row that was inserted, changed or deleted, by whatever way, changes the sum of its part. That reads
every row of the warehouse and sends none of those that stayed.

Two limits: sums of 64 bits are the same by chance once in 2^64 changes, and what PostgreSQL holds for equal has the
same hash (1.0 and 1.00 in JSON).

See `harvester.dataset.lake_folder` for the files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harvester.dataset import facts, sources
from harvester.dataset.build import Texts, resource_queries
from harvester.dataset.lake_folder import CURRENT, FORMAT, MANIFEST, LakeManifest, LakePart, LakeTable, locked
from harvester.dataset.release import FileFormat, Profile, Text, Tombstones, Type
from harvester.dataset.rows import Selection
from harvester.dataset.snapshot import need_libraries, open_snapshot
from harvester.erasure.lakes import remember_lake
from harvester.erasure.remembered import pending_erasures
from harvester.erasure.rule import Rule
from harvester.errors import UsageError
from harvester.warehouse.source import read_source
from harvester.warehouse.statements import statements
from harvester.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from harvester.config import Settings
    from harvester.dataset.lake_folder import LakeFolder, NextVersion
    from harvester.dataset.release import Field
    from harvester.dataset.rows import ResourceQuery
    from harvester.dataset.snapshot import Snapshot
    from harvester.dataset.verify import Problem

_SQL = statements(__package__, "lake")
"""Filled in by `str.format` with names and expressions that this module states."""

PART_ROWS = 1 << 19
"""Rows of a part: 10 to 60 MB. A row that changes costs the writing of that many; a file costs each reader some ms."""
_NOTHING = "0:0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LakeRequest:
    """Options of a run.

    Args:
        folder: The folder of the lake; for the first run new, or empty.
        is_allowed: The operator confirms that they may hold people's names and texts.
        part_rows: Rows of a part. A part of more than twice as many is cut when it is written.
    """

    folder: Path
    is_allowed: bool = False
    part_rows: int = PART_ROWS


@dataclass(frozen=True, slots=True)
class LakeUpdate:
    """Result of a run: the manifest, and by table the number of files and of rows that were written."""

    manifest: LakeManifest
    files_written: Counter[str] = field(default_factory=Counter)
    rows_written: Counter[str] = field(default_factory=Counter)
    tables_dropped: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Return whether the lake differs from the one before."""
        return bool(self.files_written or self.tables_dropped)


def update(settings: Settings, request: LakeRequest, on_progress: Callable[[str], None] = lambda _: None) -> LakeUpdate:
    """Write a lake, or bring it up to date; completely or not at all.

    Raises:
        UsageError: it is not allowed, the folder holds something else, or another run is at work on it.
        WarehouseError: the database cannot be used, or holds people who were erased.
    """
    need_libraries()
    if not request.is_allowed:
        raise UsageError(
            "a lake has people's names and texts as they are, for the operators of the warehouse only; confirm with"
            " --i-am-allowed that you are one"
        )
    folder = request.folder.absolute()
    with locked(folder) as lake, open_snapshot(settings) as snapshot:
        _refuse_erased_people(snapshot, settings)
        before = lake.manifest()
        remember_lake(settings.home, folder)
        try:
            run = _Run(snapshot, settings, request, before, lake.next_version())
            done = run.run(on_progress)
            if before is None or done.is_changed:
                run.version.commit(done.manifest)
            else:
                lake.replace_manifest(done.manifest)
        finally:
            lake.clean()
    return done


def check(settings: Settings, folder: Path) -> list[Problem]:
    """Compare a lake with its manifest and with the warehouse; return all differences.

    Every file must have the bytes of the manifest, and every part the rows that the warehouse has now.

    Raises:
        UsageError: there is no lake, or another run is at work on it.
        WarehouseError: the database cannot be used.
    """
    need_libraries()
    from harvester.dataset.verify import Problem  # noqa: PLC0415

    folder = folder.absolute()
    with locked(folder, make=False) as lake, open_snapshot(settings) as snapshot:
        manifest = lake.manifest()
        assert manifest is not None
        problems = [
            Problem(str(one.relative_to(folder)), "is left of a killed run: the next run deletes it")
            for one in lake.leftovers()
        ]
        return [*problems, *_files(lake, manifest), *_differences(snapshot, settings, manifest)]


def _refuse_erased_people(snapshot: Snapshot, settings: Settings) -> None:
    """Refuse a warehouse that was restored or made again, and from which erased people were not removed yet.

    Otherwise it has none of them, and its rows need no rule.
    """
    if pending_erasures(snapshot.facts, settings.home):
        raise UsageError("the warehouse holds people who were erased: run `harvester erase repeat` first")


def _selection(snapshot: Snapshot) -> Selection:
    return Selection(
        Profile.INTERNAL,
        Tombstones.FLAGS,
        Text.FULL,
        designs=tuple(facts.newest_designs(snapshot.facts).items()),
        sources=facts.state_of_sources(snapshot.facts),
        history=True,
    )


def _queries(snapshot: Snapshot, settings: Settings) -> list[ResourceQuery]:
    """Return the query of each table, as profile `internal` has them."""
    selection = _selection(snapshot)
    if selection.sources is not None:
        snapshot.run(f"CREATE TEMP TABLE known_sources ON COMMIT DROP AS {sources.kept(selection)}")
        snapshot.run("ANALYZE known_sources")
    return resource_queries(snapshot, selection, None, settings.sources_dir)


class _Query:
    """The statements of one table and its parts."""

    def __init__(self, snapshot: Snapshot, query: ResourceQuery) -> None:
        self._snapshot, self._query = snapshot, query
        self.fields: tuple[Field, ...] = tuple(one.field for one in query.columns)
        # The rows of a query that is expanded have the first column of the key only.
        self._key = query.primary_key if query.expand is None else query.primary_key[:1]
        types = {one.name: one.type for one in self.fields}
        self._types = types
        self.cut_by = next((name for name in self._key if types[name] in (Type.INTEGER, Type.TIME)), None)

    def fingerprints(self, bounds: Sequence[int], lower: int | None = None, upper: int | None = None) -> list[str]:
        """Return the fingerprint of each part between bounds; of those between `lower` and `upper` only, if given."""
        key = self._number()
        listed = ", ".join(map(str, bounds))
        statement = _SQL["fingerprints"].format(
            part=f"width_bucket({key}, ARRAY[{listed}]::bigint[])" if bounds else "0",
            columns=", ".join(f'q."{name}"' for name in self._query.told_by or [one.name for one in self.fields]),
            rows=self._query.rows,
            where=self._between(lower, upper),
        )
        found = [_NOTHING] * (len(bounds) + 1)
        for row in self._snapshot.rows(statement):
            found[row["part"]] = f"{row['rows']}:{row['sum']}"
        return found

    def batches(self, lower: int | None, upper: int | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in the order of `cut_by`, then of the key."""
        names = [name for name in (self.cut_by, *self._key) if name is not None]
        order = ", ".join(f'q."{name}"' + (' COLLATE "C"' if self._is_text(name) else "") for name in names)
        statement = _SQL["export"].format(rows=self._query.rows, where=self._between(lower, upper), order=order)
        return self._snapshot.batches(statement)

    def numbers(self, rows: pa.RecordBatch) -> Any:
        """Return the values of `cut_by` as numbers: times in microseconds since 1970."""
        import pyarrow as pa  # noqa: PLC0415

        assert self.cut_by is not None
        return rows.column(self.cut_by).cast(pa.int64()).to_numpy(zero_copy_only=False)

    def _is_text(self, name: str) -> bool:
        return self._types[name] not in (Type.INTEGER, Type.TIME, Type.NUMBER, Type.BOOLEAN, Type.DATE)

    def _number(self) -> str:
        if self.cut_by is None or self._types[self.cut_by] is Type.INTEGER:
            return f'q."{self.cut_by}"'
        return f'(extract(epoch FROM q."{self.cut_by}") * 1000000)::bigint'

    def _between(self, lower: int | None, upper: int | None) -> str:
        ends = ((">=", lower), ("<", upper))
        bounds = [f'q."{self.cut_by}" {sign} {self._value(at)}' for sign, at in ends if at is not None]
        return " AND ".join(bounds) or "true"

    def _value(self, number: int) -> str:
        assert self.cut_by is not None
        if self._types[self.cut_by] is Type.INTEGER:
            return str(number)
        return f"'{(_EPOCH + timedelta(microseconds=number)).isoformat()}'::timestamptz"


class _Run:
    """One run: the next version, table by table."""

    def __init__(
        self,
        snapshot: Snapshot,
        settings: Settings,
        request: LakeRequest,
        before: LakeManifest | None,
        version: NextVersion,
    ) -> None:
        self._snapshot, self._settings, self._request, self.version = snapshot, settings, request, version
        self._before = {} if before is None else before.tables
        self._texts = Texts(snapshot.facts, Rule(b"", ()), None)
        self._files, self._rows = Counter[str](), Counter[str]()

    def run(self, on_progress: Callable[[str], None]) -> LakeUpdate:
        """Write all tables; return the manifest, which is not written yet."""
        made = {}
        for query in _queries(self._snapshot, self._settings):
            on_progress(query.name)
            made[query.name] = self._table(query)
        source = read_source(self._snapshot.facts)
        manifest = LakeManifest(
            FORMAT,
            facts.state_at(self._snapshot.facts).astimezone(UTC).isoformat(),
            None if source is None else source.sandbox,
            made,
        )
        dropped = tuple(sorted(self._before.keys() - made.keys()))
        return LakeUpdate(manifest, self._files, self._rows, dropped)

    def _table(self, query: ResourceQuery) -> LakeTable:
        table, before = _Query(self._snapshot, query), self._before.get(query.name)
        (self.version.path / query.name).mkdir(exist_ok=True)
        if before is None or (before.columns, before.cut_by) != (table.fields, table.cut_by):
            parts = self._write(query, table, None, None, may_cut=True)
        else:
            parts = self._update(query, table, before)
        return LakeTable(query.comment, table.fields, query.primary_key, table.cut_by, tuple(self._told(table, parts)))

    def _update(self, query: ResourceQuery, table: _Query, before: LakeTable) -> list[LakePart]:
        """Keep the parts whose rows are as they were, and write the others."""
        parts: list[LakePart] = []
        uppers = [*(part.lower for part in before.parts[1:]), None]
        found = table.fingerprints([one for one in uppers if one is not None])
        for part, upper, fingerprint in zip(before.parts, uppers, found, strict=True):
            if part.fingerprint == fingerprint and self.version.keep(part.file):
                parts.append(part)
                continue
            is_large = _rows_of(fingerprint) > 2 * self._request.part_rows
            written = self._write(query, table, part.lower, upper, may_cut=is_large)
            parts += written if len(written) > 1 else [_with_fingerprint(written[0], fingerprint)]
        return parts

    def _told(self, table: _Query, parts: list[LakePart]) -> list[LakePart]:
        """Return the parts with the fingerprints of those that were cut, which are known once their bounds are."""
        new = [place for place, part in enumerate(parts) if not part.fingerprint]
        if not new:
            return parts
        bounds = [part.lower for part in parts[1:] if part.lower is not None]
        upper = parts[new[-1] + 1].lower if new[-1] + 1 < len(parts) else None
        found = table.fingerprints(bounds, parts[new[0]].lower, upper)
        return [part if part.fingerprint else _with_fingerprint(part, found[at]) for at, part in enumerate(parts)]

    def _write(
        self, query: ResourceQuery, table: _Query, lower: int | None, upper: int | None, *, may_cut: bool
    ) -> list[LakePart]:
        """Write the rows between two bounds into files; cut them where `part_rows` is reached, if `may_cut`."""
        from harvester.dataset.files import ahead, schema_of  # noqa: PLC0415

        schema = schema_of(table.fields)
        files = _Files(self.version, query.name, table, lower)
        size = self._request.part_rows if may_cut and table.cut_by is not None else None
        for batch in ahead(table.batches(lower, upper)):
            for made in [batch] if query.expand is None else query.expand(batch):
                rows = self._texts.finished(made, query.columns, schema)
                if size is None:
                    files.write(rows)
                else:
                    files.write_in_parts(rows, size)
        parts = files.end()
        self._files[query.name] += len(parts)
        self._rows[query.name] += sum(part.rows for part in parts)
        return parts


class _Files:
    """The files of adjacent parts that are written one after the other."""

    def __init__(self, version: NextVersion, name: str, table: _Query, lower: int | None) -> None:
        self._version, self._name, self._table = version, name, table
        self._parts: list[LakePart] = []
        self._last: int | None = None
        self._begin(lower)

    def _begin(self, lower: int | None) -> None:
        from harvester.dataset.files import Writing  # noqa: PLC0415

        self._lower = lower
        self._writing = Writing(self._version.path, f"{self._name}/new", self._table.fields, (FileFormat.PARQUET,))

    def write(self, rows: pa.RecordBatch) -> None:
        self._writing.write(rows)

    def write_in_parts(self, rows: pa.RecordBatch, size: int) -> None:
        """Write rows; begin a new part where one has `size` rows, or up to an eighth less."""
        step = max(1, size // 8)
        for start in range(0, rows.num_rows, step):
            some = rows.slice(start, step)
            numbers = self._table.numbers(some)
            last, self._last = self._last, int(numbers[-1])
            is_full = self._writing.rows + some.num_rows >= size
            bound = roundest(last, self._last) if is_full and last is not None else None
            if bound is None:
                self.write(some)
                continue
            place = int(numbers.searchsorted(bound))
            self.write(some.slice(0, place))
            self.end()
            self._begin(bound)
            self.write(some.slice(place))

    def end(self) -> list[LakePart]:
        """End the last part; return all."""
        with self._writing:
            pass
        (file,) = self._writing.files()
        path = f"{self._name}/{(self._lower or 0) % 2**64:016x}-{file.sha256[:16]}.parquet"
        (self._version.path / file.path).rename(self._version.path / path)
        self._parts.append(LakePart(self._lower, self._writing.rows, "", replace(file, path=path)))
        return self._parts


def roundest(low: int, high: int) -> int | None:
    """Return the number above `low` and up to `high` that the highest power of two divides; None if there is no number.

    Parts begin at such numbers: the id of a person who is erased later would stay in the manifest as a bound.
    """
    for zeros in range(62, -1, -1):
        number = (high >> zeros) << zeros
        if number > low:
            return number
    return None


def _rows_of(fingerprint: str) -> int:
    return int(fingerprint.partition(":")[0])


def _with_fingerprint(part: LakePart, fingerprint: str) -> LakePart:
    return LakePart(part.lower, part.rows, fingerprint, part.file)


def _files(lake: LakeFolder, manifest: LakeManifest) -> Iterator[Problem]:
    """Yield the files that are missing, damaged, or not in the manifest."""
    from harvester.dataset.read import Unreadable, check_intact  # noqa: PLC0415
    from harvester.dataset.verify import Problem  # noqa: PLC0415

    version = lake.version
    assert version is not None
    listed = {part.file.path: part.file for table in manifest.tables.values() for part in table.parts}
    present = {str(one.relative_to(version)) for one in version.rglob("*") if not one.is_dir()}
    for path in sorted(present - listed.keys() - {MANIFEST}):
        yield Problem(f"{CURRENT}/{path}", "is not part of the lake")
    for path, file in sorted(listed.items()):
        try:
            check_intact(version, file)
        except Unreadable as error:
            yield Problem(f"{CURRENT}/{path}", str(error))


def _differences(snapshot: Snapshot, settings: Settings, manifest: LakeManifest) -> Iterator[Problem]:
    """Yield the tables that differ from the warehouse."""
    from harvester.dataset.verify import Problem  # noqa: PLC0415

    queries = {query.name: _Query(snapshot, query) for query in _queries(snapshot, settings)}
    for name in sorted(queries.keys() | manifest.tables.keys()):
        table, held = queries.get(name), manifest.tables.get(name)
        if table is None or held is None:
            yield Problem(name, f"is in the {'lake' if table is None else 'warehouse'} only")
            continue
        if (held.columns, held.cut_by) != (table.fields, table.cut_by):
            yield Problem(name, "has other columns than the warehouse")
            continue
        found = table.fingerprints([part.lower for part in held.parts[1:] if part.lower is not None])
        other = sum(part.fingerprint != now for part, now in zip(held.parts, found, strict=True))
        if other:
            had, has = (sum(map(_rows_of, of)) for of in ([part.fingerprint for part in held.parts], found))
            yield Problem(
                name, f"{other:,} of {counted(len(held.parts), 'part')} differ: {had:,} rows, the warehouse has {has:,}"
            )
