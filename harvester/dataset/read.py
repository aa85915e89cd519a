"""Read the files of a release as Arrow batches of the declared types, whatever their format, as streams.

A release is untrusted. Only regular files below its folder are opened; a file is unpacked only if its size and hash are
those of the manifest (`check_intact`), and no further than the declared number of rows, each of a bounded length.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import resource as limits
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from harvester.dataset.files import ARROW_TYPES, cells_as_text
from harvester.untrusted import open_beneath

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import BufferedReader
    from pathlib import Path

    from harvester.dataset.release import Description, File, Resource

LONGEST_ROW = 16 * 2**20
"""Bytes of a line of CSV or JSON above which a file is not read: as much as a whole response may have."""
MEMORY = 4 * 2**30
"""Bytes that a command may use that reads a release: 47 kB of Parquet can stand for 65 GB of text."""
TROUBLE = (
    pa.ArrowException,
    msgspec.MsgspecError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RecursionError,
    MemoryError,
)
"""Exceptions that reading a damaged or malicious file may raise."""
_BATCH = 65_536
_BLOCK = 2**22
_FORMATS = ("parquet", "jsonl.gz", "csv.gz")  # CSV last: it cannot tell "" from nothing


class Unreadable(Exception):  # noqa: N818  (says what a file is, and is reported, not raised to a user)
    """A file does not hold what its release says."""


def arrow_schema(resource: Resource) -> pa.Schema:
    """Return the columns of a resource as Arrow has them."""
    return pa.schema([pa.field(field.name, ARROW_TYPES[field.type]) for field in resource.fields])


def best_file(resource: Resource, others: Resource | None = None) -> File | None:
    """Return the file to read a resource from: the most precise format that the other resource has too."""
    formats = {file.format: file for file in resource.files}
    allowed = formats if others is None else {file.format for file in others.files}
    return next((formats[name] for name in _FORMATS if name in formats and name in allowed), None)


class Stamp(NamedTuple):
    """Identity of a file, which changes when it is written or replaced; `changed_ns`, the `ctime`, cannot be forged."""

    device: int
    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, opened: BufferedReader) -> Self:
        """Return the stamp of an open file."""
        found = os.fstat(opened.fileno())
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)


def batches(
    folder: Path, resource: Resource, file: File, columns: tuple[str, ...] | None = None, stamp: Stamp | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in order; given a stamp, of the very file that was compared with the manifest.

    Raises:
        Unreadable: the file is damaged, its columns or types are not those of the resource, or it has changed.
    """
    schema, rows = arrow_schema(resource), 0
    if file.format not in _READERS:
        raise Unreadable(f"the format {file.format} is not known")
    try:
        with open_beneath(folder, file.path) as opened:
            _check_unchanged(opened, stamp)
            for batch in _READERS[file.format](opened, schema, columns):
                rows += batch.num_rows
                if rows > resource.rows:
                    raise Unreadable(f"has more rows than the {resource.rows:,} that are promised")
                batch.validate(full=True)
                yield batch if columns is None else batch.select(columns)
            _check_unchanged(opened, stamp)
    except TROUBLE as error:
        raise unreadable(file, error) from None


def _check_unchanged(opened: BufferedReader, stamp: Stamp | None) -> None:
    if stamp is not None and Stamp.of(opened) != stamp:
        raise Unreadable("changed while it was read")


def unreadable(file: File, error: Exception) -> Unreadable:
    """Return the problem of an unreadable file; it names the type of the error only, whose message may quote a cell."""
    return Unreadable(f"cannot be read as {file.format} ({type(error).__name__})")


def check_intact(folder: Path, file: File | Description) -> Stamp:
    """Compare a file's size and hash with the manifest's before its content is used; return its stamp.

    Raises:
        Unreadable: they differ, or the file cannot be opened.
    """
    try:
        with open_beneath(folder, file.path) as opened:
            stamp = Stamp.of(opened)
            if found := _mismatch(opened, file.bytes, file.sha256):
                raise Unreadable(found)
            _check_unchanged(opened, stamp)
            return stamp
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}") from None


def _mismatch(opened: BufferedReader, size: int, sha256: str) -> str | None:
    """Describe the difference between a file and its declared size and hash; a file of another size is not read."""
    found = opened.seek(0, 2)
    if found != size:
        return f"has {found:,} bytes, not {size:,}"
    opened.seek(0)
    if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
        return "has another SHA-256 than the manifest says"
    return None


def limit_memory() -> None:
    """Limit the memory of this process to `MEMORY` bytes for the rest of its life, to protect the machine."""
    hard = limits.getrlimit(limits.RLIMIT_DATA)[1]
    bound = MEMORY if hard == limits.RLIM_INFINITY else min(MEMORY, hard)
    limits.setrlimit(limits.RLIMIT_DATA, (bound, bound))


def joined(batch: pa.RecordBatch, names: Iterable[str]) -> pa.StringArray:
    """Return columns as one text for each row, by which rows can be compared and looked up."""
    texts = [batch.column(name).cast(pa.string()) for name in names]
    return pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="\x00")


def disorder(batch: pa.RecordBatch, names: Sequence[str]) -> tuple[int, int]:
    """Count the rows whose key equals that of the row before, and those whose key sorts before it."""
    columns = [batch.column(name) for name in names]
    ties = pa.array([True] * (batch.num_rows - 1), pa.bool_())
    inverted = pa.array([False] * (batch.num_rows - 1), pa.bool_())
    for column in columns:
        one, other = column.slice(0, batch.num_rows - 1), column.slice(1)
        inverted = pc.or_(inverted, pc.and_(ties, pc.greater(one, other)))
        ties = pc.and_(ties, pc.equal(one, other))
    return pc.sum(ties).as_py() or 0, pc.sum(inverted).as_py() or 0


def _parquet(opened: BinaryIO, schema: pa.Schema, columns: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:
    with pyarrow.parquet.ParquetFile(opened) as file:
        _same_columns(file.schema_arrow, schema)
        wanted = None if columns is None else list(columns)
        yield from file.iter_batches(_BATCH, columns=wanted)


def _csv(opened: BinaryIO, schema: pa.Schema, columns: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:
    with gzip.open(opened) as packed:
        head = packed.readline(LONGEST_ROW)
    _same_names(head.decode().rstrip("\r\n").replace('"', "").split(","), schema)
    opened.seek(0)
    own = os.fdopen(os.dup(opened.fileno()), "rb")  # which the stream closes
    convert = pyarrow.csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        true_values=["true"],
        false_values=["false"],
        include_columns=columns,
    )
    with (
        pa.input_stream(own, compression="gzip") as stream,
        pyarrow.csv.open_csv(
            stream,
            # A row that is longer than a block is an error of the reader's.
            read_options=pyarrow.csv.ReadOptions(block_size=LONGEST_ROW),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        ) as reader,
    ):
        for batch in reader:
            yield pa.RecordBatch.from_arrays([cells_as_text(one) for one in batch.columns], schema=batch.schema)


def _jsonl(opened: BinaryIO, schema: pa.Schema, columns: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:  # noqa: ARG001
    times = [field.name for field in schema if pa.types.is_temporal(field.type)]
    names = set(schema.names)
    decode = msgspec.json.Decoder(dict).decode_lines
    with gzip.open(opened, "rb") as packed:
        for lines in _lines(packed):
            rows = decode(lines)
            if any(row.keys() - names for row in rows):
                raise Unreadable("has keys that are no columns")
            arrays = []
            for field in schema:
                values = [row.get(field.name) for row in rows]
                if field.name in times:
                    arrays.append(pa.array(values, pa.string()).cast(field.type))
                else:
                    arrays.append(pa.array(values, field.type))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _lines(packed: gzip.GzipFile) -> Iterator[bytes]:
    """Yield whole lines, some megabytes at a time."""
    rest = b""
    while block := packed.read(_BLOCK):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if len(rest) > LONGEST_ROW:
            raise Unreadable(f"has a line of more than {LONGEST_ROW:,} bytes")
        if newline:
            yield whole
    if rest:
        yield rest


_READERS = {"parquet": _parquet, "csv.gz": _csv, "jsonl.gz": _jsonl}


def _same_columns(found: pa.Schema, promised: pa.Schema) -> None:
    _same_names(found.names, promised)
    for one in promised:
        has = found.field(one.name).type
        if has != one.type:
            raise Unreadable(f"column {one.name} is {has}, not {one.type}")


def _same_names(found: list[str], promised: pa.Schema) -> None:
    if found != promised.names:
        missing = [name for name in promised.names if name not in found]
        extra = [name for name in found if name not in promised.names]
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(extra)} too"] * bool(extra)
        raise Unreadable(f"has other columns than promised: {'; '.join(told) or 'another order'}")
