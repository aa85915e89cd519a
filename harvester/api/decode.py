"""Bytes -> records. Nothing that was served is dropped: undeclared fields are kept by name.

A response that differs from what is declared is used as far as it can be: a field that is missing or of another type is
left out of its record (a wrong value is kept with the undeclared ones), and each deviation is reported to the caller.
An item that can no longer be told from another, or placed in its list, is set aside alone; its neighbours are used. The
response as a whole is refused where it is of another shape, or where most of its items cannot be used. What can be
repaired without doubt is: a lone surrogate, a NUL or bytes that are not UTF-8 become U+FFFD, noted beside the text; a
byte order mark is cut.

A response that is exactly as declared, as nearly all are, is decoded to records in one step; others are decoded field
by field.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import UNSET

from harvester.api import activity_html, profile_html, profile_page
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.stream import Format, Paging, Stream
from harvester.api.text import HIDDEN_FIELD, without_token_fields, without_tokens
from harvester.errors import DecodeError

_NUL = "\x00"
_NUL_IN_JSON = b"\\u0000"
_SURROGATE_IN_JSON = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape in JSON: a pair of surrogates, a surrogate alone (group 1), or any other."""
_NO_UTF_8 = re.compile("[\udc80-\udcff]+")
"""Bytes that are not UTF-8, as `surrogateescape` decodes them."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_parse = msgspec.json.Decoder().decode


NEW_FIELD = "new field"
MARKED = "a byte order mark before the body"
NOT_UTF_8 = "bytes that are not UTF-8 in a text"
HARMLESS = frozenset({NEW_FIELD, MARKED})
"""Deviations with which the whole response can be used, without another request."""
_EXAMPLE_LENGTH = 120
_NOTED = "replaced_in"
MOST_ALONE = 2
"""Items of one response that may be unusable whatever their share; more than these and than half are a bad response."""


@dataclass(frozen=True, slots=True)
class SchemaDeviation:
    """One way in which a response differs from its record: the field, how it changed, and an example."""

    field: str
    change: str
    example: str


def decode(
    stream: Stream, body: bytes, deviations: list[SchemaDeviation] | None = None, aside: list[OddItem] | None = None
) -> list[Record]:
    """Decode one response into records, in the order in which they were served.

    An object gives one record, a list as many as it has entries. What differs from the declared shape is added to
    `deviations`, an item of a list that cannot be used to `aside`; without `aside` it is an error. Raises `DecodeError`
    when the body is not of the stream's format or most of its items cannot be used; the message names the place and
    never quotes the content.
    """
    try:
        return _decode(stream, body, deviations, aside)
    except RecursionError:
        raise DecodeError(f"{stream.name}: the body is nested too deeply") from None


def is_bad_response(unusable: int, items: int) -> bool:
    """Return whether a response has so many unusable items that the whole response cannot be used."""
    return unusable > max(MOST_ALONE, items // 2)


def without_mark(body: bytes) -> bytes:
    """Cut a byte order mark off the start of a body."""
    return body.removeprefix(_BYTE_ORDER_MARK)


def _decode(
    stream: Stream, body: bytes, deviations: list[SchemaDeviation] | None, aside: list[OddItem] | None
) -> list[Record]:
    if stream.format is Format.SOURCE:
        raise DecodeError(f"{stream.name}: a source has no records")
    found: list[SchemaDeviation] = []
    if body.startswith(_BYTE_ORDER_MARK):
        body = without_mark(body)
        found.append(SchemaDeviation("-", MARKED, ""))
    if stream.format is Format.JSON:
        records, unusable = _from_json(stream, body, found)
    else:
        unusable = []
        records = _HTML[stream.format](body, unusable)
    if unusable:
        alone = aside is not None and stream.paging is not Paging.SINGLE
        faulty = sum(not one.dependent for one in unusable)
        if not alone or is_bad_response(faulty, faulty + len(records)):
            first = unusable[0]
            raise DecodeError(f"{stream.name}: item {first.position}: {first.reason}")
        aside += unusable  # type: ignore[operator]  # it is no None
    if deviations is not None and not stream.is_own:
        deviations += found
    return records


def _from_json(stream: Stream, body: bytes, found: list[SchemaDeviation]) -> tuple[list[Record], list[OddItem]]:
    """Decode JSON into records and items that cannot be used."""
    records = decode_strict(stream, body)
    if records is not None:
        return records, []
    body, replaced = _as_utf_8(body)
    if replaced:
        found.append(SchemaDeviation("-", NOT_UTF_8, f"{replaced:,} replaced"))
    served = _items(stream, body)
    unusable = [
        _set_aside(place, "an object is due", item) for place, item in enumerate(served) if not isinstance(item, dict)
    ]
    places = [place for place, item in enumerate(served) if isinstance(item, dict)]
    declared = [_declared_part(stream.record, served[place]) for place in places]
    used = places
    try:
        records = msgspec.convert(declared, list[stream.record])  # type: ignore[name-defined]
    except (msgspec.ValidationError, ValueError, OverflowError):
        records, used = [], []
        for place, item in zip(places, declared, strict=True):
            deviations: list[SchemaDeviation] = []
            record = decode_lenient(stream.record, item, "", deviations)
            if lost := _lost(stream, record):
                unusable.append(_unusable(stream, place, served[place], record, lost, deviations))
                continue
            records.append(record)
            used.append(place)
            found += deviations
    for place, record in zip(used, records, strict=True):
        _keep_extra_fields(served[place], record, "", found)
    return records, sorted(unusable, key=lambda one: one.position)


_HTML: dict[Format, Callable[[bytes, list[OddItem]], list[Any]]] = {
    Format.COMMENT_PAGE: profile_html.decode_page,
    Format.PROFILE_PAGE: lambda body, _: profile_page.decode_page(body),
    Format.USER_ACTIVITY: lambda body, _: activity_html.decode_page(body),
}


def decode_strict(stream: Stream, body: bytes) -> list[Record] | None:
    """Return the records of a response that is exactly as declared; None for any other."""
    if stream.unpack is not None or _NUL_IN_JSON in body:
        return None  # a lone surrogate is refused by the decoder itself
    try:
        served = _decoder(stream).decode(body)
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None
    return [served] if stream.paging is Paging.SINGLE else served


@cache
def _decoder(stream: Stream) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(stream.record if stream.paging is Paging.SINGLE else list[stream.record])  # type: ignore[name-defined]


def _as_utf_8(body: bytes) -> tuple[bytes, int]:
    """Replace each run of bytes that are not UTF-8 by an escaped NUL, if the body is JSON but for that.

    Returns the body, and how many were replaced. Such bytes outside a text, or behind a backslash, leave no JSON: the
    body is cut or garbled then, and refused as it is.
    """
    text = body.decode("utf-8", "surrogateescape")
    repaired, count = _NO_UTF_8.subn(_REPLACEMENT, text)
    if not count:
        return body, 0
    try:
        _parse(repaired)
    except msgspec.DecodeError:
        return body, 0
    return _NO_UTF_8.sub(lambda _: _NUL_IN_JSON.decode(), text).encode(), count


def _items(stream: Stream, body: bytes) -> list[Any]:
    """Parse the body as JSON into a list of what becomes a record each."""
    if _SURROGATE_IN_JSON.search(body):
        body = _ESCAPES.sub(lambda escape: _NUL_IN_JSON if escape[1] else escape[0], body)
    try:
        served = _parse(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"{stream.name}: the body is not JSON ({error})") from None
    served = _without_tokens(stream, served)
    if _NUL_IN_JSON in body:
        served = _without_nul(served)
    if stream.unpack is not None:
        served = stream.unpack(served)
    if stream.paging is Paging.SINGLE:
        return [served]
    if not isinstance(served, list):
        raise DecodeError(f"{stream.name}: a list is due, {type(served).__name__} was served")
    return served


def _without_tokens(stream: Stream, served: Any) -> Any:
    """Return parsed JSON without tokens, but for one in the place that the record declares for it."""
    kept = without_token_fields(served)
    if isinstance(served, dict) and HIDDEN_FIELD in _shape(stream.record)[0]:
        token = served.get(HIDDEN_FIELD)
        if isinstance(token, str):  # of another type it would be reported as a deviation, with an example
            kept[HIDDEN_FIELD] = token
    return kept


def decode_lenient(record: type[Record], served: dict[str, Any], place: str, found: list[SchemaDeviation]) -> Record:
    """Return a record of the usable fields of an object."""
    fields: dict[str, Any] = {}
    wrong: dict[str, Any] = {}
    for field in msgspec.structs.fields(record):
        if field.name == "extra_fields":
            continue
        where, value = f"{place}{field.name}", served.get(field.encode_name, UNSET)
        if value is UNSET:
            if field.required:
                found.append(SchemaDeviation(where, "missing field", ""))
                fields[field.name] = UNSET
            continue
        try:
            fields[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, ValueError, OverflowError):
            part = _record_in(field.type)
            if part is not None and isinstance(value, dict):
                fields[field.name] = decode_lenient(part, value, f"{where}.", found)
                continue
            found.append(SchemaDeviation(where, f"type changed to {_kind(value)}", _example(value)))
            fields[field.name] = UNSET
            wrong[field.name] = value
    made = record(**fields)
    made.extra_fields = wrong
    return made


def _lost(stream: Stream, record: Record) -> list[str]:
    """Name the fields for lack of which a record has no identity or no key."""
    lost = [name for name in record.required if getattr(record, name) is UNSET]
    if lost or stream.paging is Paging.SINGLE:
        return lost
    read = [stream.identity] if stream.key is None else [stream.identity, stream.key]
    return [] if None not in [_read(part, record) for part in read] else [stream.key_name]


def _read(part: Callable[[Any], int], record: Record) -> int | None:
    """Read an identity or a key; None where its fields were not served."""
    try:
        return part(record)
    except (AttributeError, TypeError):
        return None


def _unusable(
    stream: Stream, place: int, served: Any, record: Record, lost: list[str], deviations: list[SchemaDeviation]
) -> OddItem:
    """Set an item aside, with its identity as far as that can be read."""
    changes = [f"{one.field}: {one.change}" for one in deviations if one.field.partition(".")[0] in lost]
    reason = "; ".join(changes) or f"{lost[0]}: cannot be read"
    return _set_aside(
        place,
        reason,
        served,
        identity=_read(stream.identity, record),
        key=None if stream.key is None else _read(stream.key, record),
        held=_read(stream.held, record),
    )


def _set_aside(place: int, reason: str, served: Any, **known: Any) -> OddItem:
    text = json.dumps(served, ensure_ascii=False, separators=(",", ":"))
    return OddItem(place, reason, without_tokens(text.encode()), **known)


def _record_in(hint: Any) -> type[Record] | None:
    """Return the record that a field may hold, if any."""
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, Record)]
    return kinds[0] if kinds else None


def _kind(value: Any) -> str:
    """Return the name of a value's JSON type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _example(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:_EXAMPLE_LENGTH]  # of any size, unlike msgspec


@cache
def _shape(record: type[Record]) -> tuple[frozenset[str], dict[str, type[Record]]]:
    """Return the declared field names of a record, and the records of those that hold records."""
    fields = [field for field in msgspec.structs.fields(record) if field.name == field.encode_name]
    nested = {field.name: part for field in fields if (part := _record_in(field.type)) is not None}
    return frozenset(field.name for field in fields), nested


def _declared_part(record: type[Record], served: dict[str, Any]) -> dict[str, Any]:
    """Return an object without fields that are not declared, in the objects within it too."""
    declared, nested = _shape(record)
    part = {name: value for name, value in served.items() if name in declared}
    for name, kind in nested.items():
        if isinstance(part.get(name), dict):
            part[name] = _declared_part(kind, part[name])
    return part


def _keep_extra_fields(served: dict[str, Any], record: Record, place: str, found: list[SchemaDeviation]) -> None:
    declared, nested = _shape(type(record))
    if not served.keys() <= declared:
        new = served.keys() - declared
        record.extra_fields = record.extra_fields | {name: served[name] for name in new}
        found += [SchemaDeviation(place + name, NEW_FIELD, _example(served[name])) for name in sorted(new - {_NOTED})]
    for name in nested:
        part = served.get(name)
        if isinstance(part, dict):
            _keep_extra_fields(part, getattr(record, name), f"{place}{name}.", found)


def _without_nul(value: Any) -> Any:
    """Replace NUL, which Postgres refuses in text, by U+FFFD, and note beside it where."""
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    if isinstance(value, list):
        return [_without_nul(part) for part in value]
    if isinstance(value, dict):
        clean = {_without_nul(name): _without_nul(part) for name, part in value.items()}
        replaced = sorted(_without_nul(name) for name, part in value.items() if isinstance(part, str) and _NUL in part)
        return clean | {_NOTED: replaced} if replaced else clean
    return value
