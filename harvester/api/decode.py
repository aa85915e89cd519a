"""Bytes -> records. Nothing that was served is dropped: undeclared fields are kept by name.

A response that departs from what is declared is used as far as it can be: a field that is missing or of another type
is left out of its record (a wrong value is kept with the undeclared ones), and every departure is told to the caller.
Only where a thing can no longer be told from another, or placed in its list, is the response as a whole refused.

A response that is just as declared, as nearly all are, goes from bytes to records in one step; any other is taken
apart.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import UNSET

from harvester.api import profile_html, profile_page
from harvester.api.records import Record
from harvester.api.stream import Format, Paging, Stream
from harvester.api.text import without_token_fields
from harvester.errors import DecodeError

_NUL = "\x00"
_NUL_IN_JSON = b"\\u0000"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_parse = msgspec.json.Decoder().decode


NEW_FIELD = "new field"
"""The change that harms nothing: what is not declared is kept beside the rest."""
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
    try:
        return _decode(stream, body, departures)
    except RecursionError:
        raise DecodeError(f"{stream.name}: the body is nested too deeply") from None


def _decode(stream: Stream, body: bytes, departures: list[Departure] | None) -> list[Record]:
    if stream.format is not Format.JSON:
        return _HTML[stream.format](body)
    records = _as_declared(stream, body)
    if records is not None:
        return records
    served = _items(stream, body)
    found: list[Departure] = []
    declared = [_declared_part(stream.record, item) for item in served]
    try:
        records = msgspec.convert(declared, list[stream.record])  # type: ignore[name-defined]
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        records = [_lenient(stream.record, item, "", found) for item in declared]
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


def _as_declared(stream: Stream, body: bytes) -> list[Record] | None:
    """The records of a response that departs in nothing from what is declared; None for any other."""
    if stream.unpack is not None or _NUL_IN_JSON in body:
        return None
    try:
        served = _decoder(stream).decode(body)
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None
    return [served] if stream.paging is Paging.SINGLE else served


@cache
def _decoder(stream: Stream) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(stream.record if stream.paging is Paging.SINGLE else list[stream.record])  # type: ignore[name-defined]


def _items(stream: Stream, body: bytes) -> list[Any]:
    """The body as JSON, as a list of what becomes a record each."""
    try:
        served = _parse(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"{stream.name}: the body is not JSON ({error})") from None
    served = without_token_fields(served)
    if _NUL_IN_JSON in body:
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
def _shape(record: type[Record]) -> tuple[frozenset[str], dict[str, type[Record]]]:
    """The declared field names of a record, and those that hold records themselves, with these."""
    fields = [field for field in msgspec.structs.fields(record) if field.name == field.encode_name]
    nested = {field.name: part for field in fields if (part := _record_in(field.type)) is not None}
    return frozenset(field.name for field in fields), nested


def _declared_part(record: type[Record], served: dict[str, Any]) -> dict[str, Any]:
    """An object without what is not declared of it, nor of the objects in it."""
    declared, nested = _shape(record)
    part = {name: value for name, value in served.items() if name in declared}
    for name, kind in nested.items():
        if isinstance(part.get(name), dict):
            part[name] = _declared_part(kind, part[name])
    return part


def _keep_unknown(served: dict[str, Any], record: Record, place: str, found: list[Departure]) -> None:
    declared, nested = _shape(type(record))
    if not served.keys() <= declared:
        new = served.keys() - declared
        record.unknown = record.unknown | {name: served[name] for name in new}
        found += [Departure(place + name, NEW_FIELD, _example(served[name])) for name in sorted(new - {_NOTED})]
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
