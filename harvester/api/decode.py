"""Bytes -> records. Nothing that was served is dropped: undeclared fields are kept by name.

A response that departs from what is declared is used as far as it can be: a field that is missing or of another type
is left out of its record (a wrong value is kept with the undeclared ones), and every departure is told to the caller.
Only where a thing can no longer be told from another, or placed in its list, is the response as a whole refused.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import UNSET

from harvester.api import profile_html, profile_page
from harvester.api.records import Record
from harvester.api.stream import Format, Paging, Stream
from harvester.errors import DecodeError

_NUL = "\x00"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_parse = msgspec.json.Decoder().decode


_EXAMPLE_LENGTH = 120
_NOTED = "nul_replaced_in"


@dataclass(frozen=True, slots=True)
class Departure:
    """One way in which a response departs from its record: the field, how it changed, and an example."""

    field: str
    change: str
    example: str


def decode(stream: Stream, body: bytes, departures: list[Departure] | None = None) -> list[Record]:
    """The records of one response, in the order they were served.

    An object gives one record, a list as many as it has entries. What departs from the declared shape is added to
    `departures`. Raises `DecodeError` when the body is not of the stream's format or holds something without its
    identity or its key; the message names the place and never quotes the content.
    """
    if stream.format is not Format.JSON:
        return _HTML[stream.format](body)
    served = _items(stream, body)
    found: list[Departure] = []
    try:
        records: list[Record] = msgspec.convert(served, list[stream.record])  # type: ignore[name-defined]
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        records = [_lenient(stream.record, item, "", found) for item in served]
        _check_identities(stream, records, error)
    for item, record in zip(served, records, strict=True):
        _keep_unknown(item, record, "", found)
    if departures is not None and not stream.is_own:
        departures += found
    return records


_HTML: dict[Format, Callable[[bytes], list[Any]]] = {
    Format.COMMENT_PAGE: profile_html.decode_page,
    Format.PROFILE_PAGE: profile_page.decode_page,
}


def _items(stream: Stream, body: bytes) -> list[Any]:
    """The body as JSON, as a list of what becomes a record each."""
    try:
        served = _parse(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"{stream.name}: the body is not JSON ({error})") from None
    if b"\\u0000" in body:
        served = _without_nul(served)
    if stream.unpack is not None:
        served = stream.unpack(served)
    if stream.paging is Paging.SINGLE:
        served = [served]
    elif not isinstance(served, list):
        raise DecodeError(f"{stream.name}: a list is due, {type(served).__name__} was served")
    if not all(isinstance(item, dict) for item in served):
        raise DecodeError(f"{stream.name}: objects are due, something else was served")
    return served


def _lenient(record: type[Record], served: dict[str, Any], place: str, found: list[Departure]) -> Record:
    """A record of what can be used of an object."""
    fields: dict[str, Any] = {}
    wrong: dict[str, Any] = {}
    for field in msgspec.structs.fields(record):
        if field.name == "unknown":
            continue
        where, value = f"{place}{field.name}", served.get(field.encode_name, UNSET)
        if value is UNSET:
            if field.required:
                found.append(Departure(where, "missing field", ""))
                fields[field.name] = UNSET
            continue
        try:
            fields[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, ValueError, OverflowError):
            part = _record_in(field.type)
            if part is not None and isinstance(value, dict):
                fields[field.name] = _lenient(part, value, f"{where}.", found)
                continue
            found.append(Departure(where, f"type changed to {_kind(value)}", _example(value)))
            fields[field.name] = UNSET
            wrong[field.name] = value
    made = record(**fields)
    made.unknown = wrong
    return made


def _check_identities(stream: Stream, records: list[Record], error: Exception) -> None:
    """Refuse a page on which something has no identity or no key."""
    for record in records:
        lost = [name for name in record.essential if getattr(record, name) is UNSET]
        try:
            if stream.paging is not Paging.SINGLE and not lost:
                stream.identity(record)
                if stream.key is not None:
                    stream.key(record)
        except (AttributeError, TypeError):
            lost = [stream.key_name]
        if lost:
            raise DecodeError(f"{stream.name}: {error}") from None


def _record_in(hint: Any) -> type[Record] | None:
    """The record that a field may hold, if any."""
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, Record)]
    return kinds[0] if kinds else None


def _kind(value: Any) -> str:
    """What JSON calls a value."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _example(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:_EXAMPLE_LENGTH]  # of any size, unlike msgspec


@cache
def _shape(record: type[Record]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The declared field names of a record, and those that hold records themselves."""
    hints = get_type_hints(record)
    nested = [name for name, hint in hints.items() if _is_record(hint)]
    return frozenset(hints) - {"unknown"}, tuple(nested)


def _is_record(hint: object) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, Record) for kind in (hint, *get_args(hint)))


def _keep_unknown(served: dict[str, Any], record: Record, place: str, found: list[Departure]) -> None:
    declared, nested = _shape(type(record))
    if not served.keys() <= declared:
        new = served.keys() - declared
        record.unknown = record.unknown | {name: served[name] for name in new}
        found += [Departure(place + name, "new field", _example(served[name])) for name in sorted(new - {_NOTED})]
    for name in nested:
        part = served.get(name)
        if isinstance(part, dict):
            _keep_unknown(part, getattr(record, name), f"{place}{name}.", found)


def _without_nul(value: Any) -> Any:
    """`value` with NUL, which Postgres refuses in text, replaced by U+FFFD and noted beside it."""
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    if isinstance(value, list):
        return [_without_nul(part) for part in value]
    if isinstance(value, dict):
        clean = {_without_nul(name): _without_nul(part) for name, part in value.items()}
        replaced = sorted(name for name, part in value.items() if isinstance(part, str) and _NUL in part)
        return clean | {_NOTED: replaced} if replaced else clean
    return value
