"""What hostile input is thrown at: each target takes bytes and raises for a defect, never for bad input."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.crawl import walk
from harvester.crawl.spider import is_absent
from harvester.errors import DecodeError
from harvester.warehouse.normalise import Query, Rows, Visit, normalise

if TYPE_CHECKING:
    from harvester.api.stream import Stream

SEEN = datetime(2026, 1, 1, tzinfo=UTC)
EXAMPLES = Path(__file__).parent.parent / "api_examples"
PROFILE_PAGE = Path(__file__).parent.parent / "api" / "profile_comment.html"
_INT64 = range(-(2**63), 2**63)


@cache
def corpus() -> tuple[bytes, ...]:
    """Inputs for `decoding` to start from: each stream with the response that is documented of it."""
    documented = {}
    for path in sorted(EXAMPLES.glob("*.json")):
        loaded = json.loads(path.read_bytes())
        documented[loaded["endpoint"].removeprefix("GET ")] = json.dumps(loaded["response"]).encode()
    bodies = [documented.get(stream.documented, PROFILE_PAGE.read_bytes()) for stream in STREAMS.values()]
    return tuple(bytes([number]) + body for number, body in enumerate(bodies))


def rows_of(stream: Stream, body: bytes) -> list[Rows]:
    """The rows that a response makes; none where it is refused."""
    visit = Visit(stream, 7, 5, "someone", 9, SEEN, Query("cats", "popular", "en", 1))
    is_absent(stream, 200, body)
    try:
        records = decode(stream, body, [])
    except DecodeError:
        return []
    return normalise(visit, records)


def decoding(data: bytes) -> None:
    """Any body for any stream: rows that Postgres takes, or a `DecodeError`."""
    if not data:
        return
    stream = list(STREAMS.values())[data[0] % len(STREAMS)]
    for rows in rows_of(stream, data[1:]):
        for row in rows.values:
            for value in row:
                check(value)


def check(value: Any) -> None:
    """Whether a value can be stored and read back."""
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()
    elif isinstance(value, bool) or value is None or isinstance(value, (float, datetime)):
        pass
    elif isinstance(value, int):
        assert value in _INT64
    elif isinstance(value, dict):
        for name, inner in value.items():
            check(name)
            check_json(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            check_json(inner)
    else:
        check(str(value))


def check_json(value: Any) -> None:
    """As `check`, of what stands in JSON, where numbers have no bounds."""
    if not isinstance(value, int):
        check(value)


def walking(data: bytes) -> None:
    """Any pages to any walk: it goes on or it ends, and what it keeps between pages can be read again."""
    if len(data) < 3:
        return
    listing = walk.Listing(
        order=list(walk.Order)[data[0] % len(walk.Order)],
        keyed=bool(data[1] & 1),
        empties=data[1] >> 1 & 1,
        moves=bool(data[1] & 4),
        margin=data[2] % 4,
    )
    state = walk.begin(listing, None, None)
    rest = data[3:]
    for place in range(0, len(rest), 40):
        page = rest[place : place + 40]
        entries = [walk.Entry(number, number // 3 if listing.keyed else None) for number in page if number % 7]
        result = walk.step(listing, state, entries, absent=page[:1] == b"\xff")
        assert state.offset >= 0
        if result.done is not None:
            return


TARGETS = {"decoding": decoding, "walking": walking}
