"""Search a release byte by byte, and tell what a released value can be made of."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def plain_text(path: Path) -> str:
    """All that a file holds, as text: decompressed, statistics and names of columns included."""
    if path.name.endswith(".gz"):
        return gzip.decompress(path.read_bytes()).decode()
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        sink = pa.BufferOutputStream()
        pa_csv.write_csv(file.read(), sink)
        raw = path.read_bytes().decode("latin-1")  # whatever stands uncompressed beside the rows
        return f"{sink.getvalue().to_pybytes().decode()}\n{file.metadata.metadata}\n{raw}"
    return path.read_text()


def everything(folder: Path) -> dict[str, str]:
    files = {str(path.relative_to(folder)): plain_text(path) for path in folder.rglob("*") if path.is_file()}
    assert {name.rpartition(".")[2] for name in files} >= {"parquet", "gz", "json"}
    return files


def strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def holds(released: Any, true: Any) -> bool:
    """Return whether a released value can be made of a true one: a time, a count or a label; null only of null."""
    if released is None or true is None:
        return released is true
    if isinstance(true, str) and re.match(r"\d{4}-\d\d-\d\dT", true):
        quarter = re.fullmatch(r"(\d{4})-Q(\d)", released)
        if quarter:
            return true.startswith(quarter[1]) and (int(true[5:7]) + 2) // 3 == int(quarter[2])
        return true.startswith(released)
    if isinstance(true, int) and not isinstance(true, bool) and isinstance(released, str):
        low, _, high = released.rstrip("+").partition("-")
        return int(low) <= true and (released.endswith("+") or true <= int(high or low))
    return bool(released == true)
