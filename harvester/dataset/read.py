"""The files of a release as Arrow batches of the promised types, whatever their format: streamed, never whole."""

from __future__ import annotations

import gzip
import zlib
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from harvester.dataset.files import ARROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from harvester.dataset.release import File, Resource

_BATCH = 65_536
_FORMATS = ("parquet", "jsonl.gz", "csv.gz")  # CSV last: it cannot tell "" from nothing


class Unreadable(Exception):  # noqa: N818  (says what a file is, and is reported, not raised to a user)
    """A file does not hold what its release says."""


def arrow_schema(resource: Resource) -> pa.Schema:
    """The columns of a resource as Arrow has them."""
    return pa.schema([pa.field(field.name, ARROW_TYPES[field.type]) for field in resource.fields])


def best_file(resource: Resource, others: Resource | None = None) -> File | None:
    """The file to read a resource from: the format that says most, of those that the other resource has as well."""
    formats = {file.format: file for file in resource.files}
    allowed = formats if others is None else {file.format for file in others.files}
    return next((formats[name] for name in _FORMATS if name in formats and name in allowed), None)


def batches(
    folder: Path, resource: Resource, file: File, columns: tuple[str, ...] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a file, in its order.

    Raises:
        Unreadable: the file is damaged, or its columns or types are not those of the resource.
    """
    schema = arrow_schema(resource)
    try:
        for batch in _READERS[file.format](folder / file.path, schema, columns):
            yield batch if columns is None else batch.select(columns)
    except KeyError:
        raise Unreadable(f"the format {file.format} is not known") from None
    except (pa.ArrowException, msgspec.MsgspecError, zlib.error, EOFError, OSError, ValueError) as error:
        # Messages of readers may quote a cell: what kind of trouble it is has to do.
        raise Unreadable(f"cannot be read as {file.format} ({type(error).__name__})") from None


def joined(batch: pa.RecordBatch, names: Iterable[str]) -> pa.StringArray:
    """Columns as one text per row, by which rows can be told apart and looked up."""
    texts = [batch.column(name).cast(pa.string()) for name in names]
    return pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="\x00")


def disorder(batch: pa.RecordBatch, names: Sequence[str]) -> tuple[int, int]:
    """How many rows have the key of the row before them, and how many sort before it."""
    columns = [batch.column(name) for name in names]
    ties = pa.array([True] * (batch.num_rows - 1), pa.bool_())
    inverted = pa.array([False] * (batch.num_rows - 1), pa.bool_())
    for column in columns:
        one, other = column.slice(0, batch.num_rows - 1), column.slice(1)
        inverted = pc.or_(inverted, pc.and_(ties, pc.greater(one, other)))
        ties = pc.and_(ties, pc.equal(one, other))
    return pc.sum(ties).as_py() or 0, pc.sum(inverted).as_py() or 0


def _parquet(path: Path, schema: pa.Schema, columns: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:
    with pyarrow.parquet.ParquetFile(path) as file:
        _same_columns(file.schema_arrow, schema)
        wanted = None if columns is None else list(columns)
        yield from file.iter_batches(_BATCH, columns=wanted)


def _csv(path: Path, schema: pa.Schema, columns: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        _same_names(text.readline().rstrip("\r\n").replace('"', "").split(","), schema)
    convert = pyarrow.csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        true_values=["true"],
        false_values=["false"],
        include_columns=columns,
    )
    with (
        pa.input_stream(path, compression="gzip") as stream,
        pyarrow.csv.open_csv(
            stream,
            read_options=pyarrow.csv.ReadOptions(block_size=1 << 22),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        ) as reader,
    ):
        yield from reader


def _jsonl(path: Path, schema: pa.Schema, columns: tuple[str, ...] | None) -> Iterator[pa.RecordBatch]:  # noqa: ARG001
    times = [field.name for field in schema if pa.types.is_temporal(field.type)]
    names = set(schema.names)
    decode = msgspec.json.Decoder(dict).decode
    with gzip.open(path, "rb") as lines:
        while chunk := list(islice(lines, _BATCH)):
            rows = [decode(line) for line in chunk]
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
