"""Bytes -> records. Nothing that was served is dropped: undeclared fields are kept by name."""

from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec

from harvester.api.catalogue import Paging, Stream
from harvester.api.records import Record
from harvester.errors import DecodeError

_NUL = "\x00"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_parse = msgspec.json.Decoder().decode


def decode(stream: Stream, body: bytes) -> list[Record]:
    """The records of one response, in the order they were served.

    An object gives one record, a list as many as it has entries. Raises `DecodeError` when the body is not
    JSON or not of the stream's shape; the message names the place and never quotes the content.
    """
    try:
        served = _parse(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"{stream.name}: the body is not JSON ({error})") from None
    if b"\\u0000" in body:
        served = _without_nul(served)
    if stream.paging is Paging.SINGLE:
        served = [served]
    elif not isinstance(served, list):
        raise DecodeError(f"{stream.name}: a list is due, {type(served).__name__} was served")
    try:
        records: list[Record] = msgspec.convert(served, list[stream.record])  # type: ignore[name-defined]
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise DecodeError(f"{stream.name}: {error}") from None
    for item, record in zip(served, records, strict=True):
        _keep_unknown(item, record)
    return records


@cache
def _shape(record: type[Record]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The declared field names of a record, and those that hold records themselves."""
    hints = get_type_hints(record)
    nested = [name for name, hint in hints.items() if _is_record(hint)]
    return frozenset(hints) - {"unknown"}, tuple(nested)


def _is_record(hint: object) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, Record) for kind in (hint, *get_args(hint)))


def _keep_unknown(served: dict[str, Any], record: Record) -> None:
    declared, nested = _shape(type(record))
    if not served.keys() <= declared:
        record.unknown = {name: served[name] for name in served.keys() - declared}
    else:
        record.unknown = {}
    for name in nested:
        part = served.get(name)
        if part is not None:
            _keep_unknown(part, getattr(record, name))


def _without_nul(value: Any) -> Any:
    """`value` with NUL, which Postgres refuses in text, replaced by U+FFFD and noted beside it."""
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    if isinstance(value, list):
        return [_without_nul(part) for part in value]
    if isinstance(value, dict):
        clean = {_without_nul(name): _without_nul(part) for name, part in value.items()}
        replaced = sorted(name for name, part in value.items() if isinstance(part, str) and _NUL in part)
        return clean | {"nul_replaced_in": replaced} if replaced else clean
    return value
