"""Write rows to Parquet, CSV and JSONL in one pass and bounded memory, with the same bytes for the same rows.

Nothing in a file depends on the time, the machine or the user: a gzip header has no time and no name, and row groups
have a fixed number of rows, whatever the batches.
"""

from __future__ import annotations

import gzip
import hashlib
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from harvester.dataset.release import Field, File, FileFormat, Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

GROUP = 1 << 17
"""Rows that are written together: a row group of Parquet."""
AHEAD = 4
"""Batches that wait while one is written."""
_OBJECTS = 1 << 13
"""Number of rows that are Python objects at a time."""
_GZIP_LEVEL = 6

ARROW_TYPES: dict[Type, pa.DataType] = {
    Type.STRING: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.DATE: pa.date32(),
    Type.MONTH: pa.string(),
    Type.TIME: pa.timestamp("us", tz="UTC"),
    Type.JSON: pa.string(),
}
_UNSEEN = r"\s\pZ\pC\x{00AD}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}"
"""Blanks, controls, the byte order mark and other characters without a width, as a class of RE2."""
_SIGNS = r"=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}\x{FE62}-\x{FE64}\x{FE66}\x{FE6B}\x{2212}"
"""Characters that begin a formula: the signs, small, full-width and the mathematical minus."""
_RUNS_IN_SPREADSHEETS = rf"^('*(?:[\t\r\n]|[{_UNSEEN}]*[{_SIGNS}]))"
"""Pattern of a text that a spreadsheet takes for a formula, which gets an apostrophe in CSV files.

Apostrophes before such a text are part of the pattern, so that removing one restores each text.
"""
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"  # Arrow's %S has the microseconds


def schema_of(fields: Sequence[Field]) -> pa.Schema:
    """Return the Arrow schema of a resource."""
    return pa.schema([pa.field(one.name, ARROW_TYPES[one.type], nullable=not one.required) for one in fields])


class _Writer(Protocol):
    def write(self, rows: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...


class _Parquet:
    """Numbers and times as differences, texts that repeat in a dictionary: 0.3 us of CPU a comment and 23 bytes.

    PyArrow's defaults, a dictionary for every column, took 0.8 us and 56 bytes.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer: pq.ParquetWriter | None = None

    def _opened(self, rows: pa.RecordBatch) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                self._schema,
                compression="zstd",
                use_dictionary=[name for name in self._schema.names if _repeats(rows.column(name))],
                column_encoding={one.name: "DELTA_BINARY_PACKED" for one in self._schema if _is_whole(one.type)},
            )
        return self._writer

    def write(self, rows: pa.RecordBatch) -> None:
        self._opened(rows).write_batch(rows, row_group_size=GROUP)

    def close(self) -> None:
        self._opened(pa.RecordBatch.from_pylist([], self._schema)).close()


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def _repeats(column: pa.Array) -> bool:
    """Return whether a text column has few distinct values, judged by the first rows of a file."""
    return bool(pa.types.is_string(column.type) and pc.count_distinct(column).as_py() * 8 <= len(column))


class _Gzip:
    """A gzip file without name and time in its header."""

    def __init__(self, path: Path) -> None:
        self._raw: BinaryIO = path.open("wb")
        self.file = gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=self._raw, mtime=0)

    def close(self) -> None:
        self.file.close()
        self._raw.close()


class _Csv:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._gzip = _Gzip(path)
        as_text = [pa.field(one.name, pa.string()) if pa.types.is_timestamp(one.type) else one for one in schema]
        self._schema = pa.schema([one.with_nullable(True) for one in as_text])
        self._writer = csv.CSVWriter(self._gzip.file, self._schema)

    def write(self, rows: pa.RecordBatch) -> None:
        columns = [_csv_cells(column) for column in rows.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()
        self._gzip.close()


def _csv_cells(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format=_TIME_FORMAT)
    if pa.types.is_string(column.type):
        return pc.replace_substring_regex(column, pattern=_RUNS_IN_SPREADSHEETS, replacement=r"'\1", max_replacements=1)
    return column


def cells_as_text(column: pa.Array) -> pa.Array:
    """Return a column of a CSV file without the apostrophes that keep its texts from being formulas."""
    if pa.types.is_string(column.type):
        guarded = _RUNS_IN_SPREADSHEETS.replace("^(", "^'(", 1)
        return pc.replace_substring_regex(column, pattern=guarded, replacement=r"\1", max_replacements=1)
    return column


class _Jsonl:
    def __init__(self, path: Path, schema: pa.Schema) -> None:  # noqa: ARG002  (as the others)
        self._gzip = _Gzip(path)
        self._encoder = msgspec.json.Encoder()

    def write(self, rows: pa.RecordBatch) -> None:
        columns = [
            pc.strftime(column, format=_TIME_FORMAT) if pa.types.is_timestamp(column.type) else column
            for column in rows.columns
        ]
        as_text = pa.RecordBatch.from_arrays(columns, names=rows.schema.names)
        for start in range(0, rows.num_rows, _OBJECTS):
            self._gzip.file.write(self._encoder.encode_lines(as_text.slice(start, _OBJECTS).to_pylist()))

    def close(self) -> None:
        self._gzip.close()


_WRITERS: dict[FileFormat, type[_Parquet | _Csv | _Jsonl]] = {
    FileFormat.PARQUET: _Parquet,
    FileFormat.CSV: _Csv,
    FileFormat.JSONL: _Jsonl,
}


class Writing:
    """The files of one resource, one for each format. A context manager; `files` describes them afterwards."""

    def __init__(self, folder: Path, stem: str, fields: Sequence[Field], formats: Sequence[FileFormat]) -> None:
        self._folder, self._stem, self._formats = folder, stem, formats
        self.schema = schema_of(fields)
        self.rows = 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        (folder / stem).parent.mkdir(parents=True, exist_ok=True)
        self._writers: list[_Writer] = [_WRITERS[one](self._path(one), self.schema) for one in formats]

    def _path(self, one: FileFormat) -> Path:
        return self._folder / f"{self._stem}.{one.suffix}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._waiting_rows:
            self._flush(self._waiting_rows)
        for writer in self._writers:
            writer.close()

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows, which are written by whole groups."""
        self.rows += rows.num_rows
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        while self._waiting_rows >= GROUP:
            self._flush(GROUP)

    def _flush(self, size: int) -> None:
        table = pa.Table.from_batches(self._waiting, self.schema)
        group, rest = table.slice(0, size).combine_chunks(), table.slice(size)
        for batch in group.to_batches():
            for writer in self._writers:
                writer.write(batch)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows

    def files(self) -> tuple[File, ...]:
        """Return the files, measured."""
        return tuple(measured(self._folder, f"{self._stem}.{one.suffix}", one.suffix) for one in self._formats)


def measured(folder: Path, path: str, kind: str) -> File:
    """Return a file with its size and hash."""
    with (folder / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return File(path, kind, (folder / path).stat().st_size, digest)


def plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column from the database in the declared type."""
    stored = column.storage if isinstance(column, pa.ExtensionArray) else column
    return stored if stored.type == kind else stored.cast(kind)


def ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same batches, read by a thread while earlier ones are written."""
    queue: Queue[Any] = Queue(AHEAD)
    stop, end = Event(), object()

    def hand_over(item: Any) -> bool:
        while not stop.is_set():
            try:
                queue.put(item, timeout=0.2)
            except Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for batch in batches:
                if not hand_over(batch):
                    return
        except BaseException as error:  # noqa: BLE001  (raised again where the rows are used)
            hand_over(error)
        else:
            hand_over(end)

    reader = Thread(target=read, name="rows", daemon=True)
    reader.start()
    try:
        while (item := queue.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        reader.join()
