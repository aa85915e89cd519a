"""Faults of the API: ways of answering that were observed, each drawn with a probability of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections import Counter
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Send = Callable[[dict[str, Any]], Awaitable[None]]

STALL_SECONDS = 5.0
SLOW_SECONDS = 2.0
LARGE = 17 * 2**20
"""Bytes of a body that is too large, as it is sent or once it is unpacked."""
_SLOW_PARTS = 20
_JSON = (b"content-type", b"application/json; charset=utf-8")
_HTML = (b"content-type", b"text/html; charset=utf-8")
_TOO_MANY = b'{\n  "response": "Too many requests"\n}'  # recorded to the byte
_TROUBLE = (
    b"<!DOCTYPE html>\n<html><head><title>Scratch - Imagine, Program, Share</title></head>"
    b"<body><h1>Whoops! Looks like we are having issues with our servers!</h1></body></html>\n"
)
_VARNISH = b"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"
 "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html>
  <head>
    <title>503 Service Unavailable</title>
  </head>
  <body>
    <h1>Error 503 Service Unavailable</h1>
    <p>Service Unavailable</p>
    <h3>Guru Mediation:</h3>
    <p>Details: cache-sandbox 0000000000 0000000000</p>
    <hr>
    <p>Varnish cache server</p>
  </body>
</html>
"""

Headers = list[tuple[bytes, bytes]]
# Answers that take the place of the true one: status, headers, body.
_INSTEAD: dict[str, tuple[int, Headers, bytes]] = {
    "429": (429, [_JSON], _TOO_MANY),
    "429-html": (429, [_HTML], b"<html><body><h1>429 Too Many Requests</h1>\ntoo many requests</body></html>\n"),
    "429-retry": (429, [_JSON, (b"retry-after", b"1")], _TOO_MANY),
    "500": (500, [_JSON], b'{"code":"InternalError","message":""}'),
    "502": (502, [_HTML], b"<html><head><title>502 Bad Gateway</title></head><body></body></html>\n"),
    "503-maintenance": (503, [_JSON], b'{"status":"unavailable; maintenance"}'),
    "503-busy": (503, [_JSON], b'{"code":"ServiceUnavailable","message":"upstream is overloaded"}'),
    "503-varnish": (503, [_HTML], _VARNISH),
    "504": (504, [_HTML], b"<html><head><title>504 Gateway Time-out</title></head><body></body></html>\n"),
    "html": (200, [_HTML], _TROUBLE),
    # A ban leads to the site's own pages, on another host.
    "redirect": (302, [_HTML, (b"location", b"http://localhost:9/accounts/banned-response/")], b""),
    "garbage": (200, [_JSON], b'{"unexpected":[{"id":"not a number"},17,null],"limit":{}}'),
    "null": (200, [_JSON], b"null"),
}
_IN_AN_ID = re.compile(rb'("id": ?)(\d+)')


def _each_id(body: bytes, value: bytes) -> bytes:
    """Replace every id in a body; a body without one (a page of HTML, an empty list) is cut instead."""
    changed, count = _IN_AN_ID.subn(rb"\g<1>" + value, body)
    return changed if count else body[: len(body) * 2 // 3]


def _after_start(body: bytes, junk: bytes) -> bytes:
    return body[:1] + junk + body[1:]


def _doubled(body: bytes) -> bytes:
    """Double the first item of a list, and leave out the last one."""
    try:
        items = json.loads(body)
    except ValueError:
        return body
    if not isinstance(items, list) or len(items) < 2:
        return body
    return json.dumps([items[0], *items[:-1]]).encode()


def _with_an_odd_item(body: bytes) -> bytes:
    """Remove the id of one item of a list; only in the first answer at its address, see `app`."""
    try:
        items = json.loads(body)
    except ValueError:
        return body
    if not isinstance(items, list) or not items or "id" not in items[len(items) // 2]:
        return body
    items[len(items) // 2]["id"] = None
    return json.dumps(items).encode()


# What the true answer's body becomes.
_CHANGED: dict[str, Callable[[bytes], bytes]] = {
    "nulls": lambda body: _each_id(body, b"null"),
    "strings": lambda body: _each_id(body, rb'"\g<2>"'),
    "huge-ids": lambda body: _each_id(body, b"18446744073709551617"),
    "nul": lambda body: _after_start(body, b"\0"),
    "surrogate": lambda body: _after_start(body, b'"\xed\xa0\x80"'),
    "double": _doubled,
    "odd-item": _with_an_odd_item,
    "bom": lambda body: b"\xef\xbb\xbf" + body,
    "large": lambda body: body + b" " * LARGE,
}
# Ways of sending the true answer badly.
_SENDING = ("truncate", "reset", "stall", "slow", "bomb", "packing", "type", "429-date")
_ENCODINGS = (b"gzip", b"deflate", b"br", b"zstd")
_UNPACKED = b"\xff" * 16
"""A body that none of the encodings can unpack."""
_ASKED = ("no-offset", "endless", "empty")
"""Faults that answer another question: the first page, always or past the end of the list; an empty page for any but
the first."""
NAMES = (*_INSTEAD, *_CHANGED, *_SENDING, *_ASKED)
_RETRY_SECONDS = 1.0


def parse(spec: str) -> dict[str, float]:
    """Read `500=0.05,429=0.02`: how likely each fault is, of all API responses; `all=0.3`: each alike.

    Raises:
        ValueError: If a name is unknown, a probability is no number in 0..1, or they sum to more than 1.
    """
    chances: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        name, _, number = item.partition("=")
        if name.strip() == "all" and number:
            share = parse(f"500={number}")["500"] / len(NAMES)
            chances |= dict.fromkeys(NAMES, share)
            continue
        name = name.strip()
        try:
            chance = float(number)
        except ValueError:
            chance = -1.0
        if name not in NAMES or not 0.0 <= chance <= 1.0:
            known = ", ".join(NAMES)
            raise ValueError(f"{item!r} is no fault: write NAME=PROBABILITY (0 to 1), with NAME all or one of {known}")
        chances[name] = chance
    if sum(chances.values()) > 1.0 + 1e-9:
        raise ValueError(f"the probabilities of {spec!r} sum to more than 1; known names: {', '.join(NAMES)}")
    return chances


_BOMB = gzip.compress(b" " * LARGE)


def parse_first(spec: str) -> list[str | None]:
    """Read `500,none,double`: the fault of the first, second and third answer at each address; `none` for no fault.

    Raises:
        ValueError: If a name is unknown.
    """
    names = [name.strip() for name in spec.split(",")] if spec.strip() else []
    for name in names:
        if name not in (*NAMES, "none"):
            raise ValueError(f"{name!r} is no fault: one of none, {', '.join(NAMES)}")
    return [None if name == "none" else name for name in names]


class Faults:
    """Draws at most one fault per response; the same draws for the same seed and number of requests.

    Attributes:
        first: Faults of the first answers at each address, which come instead of drawn ones.
    """

    def __init__(self, spec: str = "", seed: int = 1) -> None:
        self.chances = parse(spec)
        self.first: list[str | None] = []
        self._random = Random(f"{seed} faults")
        self._answers: Counter[tuple[str, bytes]] = Counter()

    @property
    def spec(self) -> str:
        """The probabilities as they would be written."""
        return ",".join(f"{name}={chance:g}" for name, chance in self.chances.items())

    def configure(self, spec: str | None, first: str | None = None) -> None:
        """Change the probabilities, or the faults of the first answers at each address from now on; None: leave them.

        The draws go on where they were.

        Raises:
            ValueError: As `parse` and `parse_first` do; then nothing is changed.
        """
        chances, names = parse(spec or ""), parse_first(first or "")
        if spec is not None:
            self.chances = chances
        if first is not None:
            self.first = names
            self._answers.clear()

    def draw(self, address: tuple[str, bytes] = ("", b"")) -> str | None:
        """Return the fault of the next response at an address, or None."""
        if self.first:
            self._answers[address] += 1
            if self._answers[address] <= len(self.first):
                return self.first[self._answers[address] - 1]
        if not self.chances:
            return None
        number = self._random.random()
        for name, chance in self.chances.items():
            if number < chance:
                return name
            number -= chance
        return None


def status_of(fault: str, status: int) -> int:
    """Return the status that a client sees of a response of this status; 0 if it sees none."""
    if fault in _INSTEAD:
        return _INSTEAD[fault][0]
    return {"truncate": 200, "bomb": 200, "packing": 0, "stall": 0, "429-date": 429}.get(fault, status)


def is_later_page(query: bytes) -> bool:
    """Return whether a query asks for another page of a list than the first."""
    return re.search(rb"dateLimit=|offset=[1-9]|page=(?!1\b)", query) is not None


def first_page(query: bytes) -> bytes:
    """Return the same query for the first page of the list."""
    return re.sub(
        rb"(offset|page)=\d+", lambda found: found[1] + b"=" + (b"0" if found[1] == b"offset" else b"1"), query
    )


async def send_fault(
    send: Send, fault: str, status: int, headers: Headers, body: bytes, drop: Callable[[], None] | None
) -> None:
    """Answer with a fault in place of a response.

    `drop` closes the connection at once; without it, as with other ASGI servers, an unfinished answer has to do.
    """
    if fault in _INSTEAD:
        status, headers, body = _INSTEAD[fault]
    elif fault in _CHANGED:
        body = _CHANGED[fault](body)
    elif fault == "429-date":
        at = formatdate(time.time() + _RETRY_SECONDS, usegmt=True)
        status, headers, body = 429, [_HTML, (b"retry-after", at.encode())], b"<h1>429 Too Many Requests</h1>"
    elif fault == "bomb":
        status, headers, body = 200, [*headers, (b"content-encoding", b"gzip")], _BOMB
    elif fault == "packing":
        # One encoding after another, by what would have been sent.
        encoding = _ENCODINGS[len(body) % len(_ENCODINGS)]
        status, headers, body = 200, [*headers, (b"content-encoding", encoding)], _UNPACKED
    elif fault == "type":
        headers = [(b"content-type", b"application/octet-stream")]
    elif fault == "truncate":
        status, body = 200, body[: max(1, len(body) * 2 // 3)]
    elif fault == "stall":
        await asyncio.sleep(STALL_SECONDS)
        if drop:
            drop()
            await asyncio.sleep(0)  # the server has to notice, or it would answer 500
        return
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    if fault == "reset":
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        return
    if fault == "slow":
        size = max(1, -(-len(body) // _SLOW_PARTS))
        for start in range(0, len(body), size):
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
            await asyncio.sleep(SLOW_SECONDS / _SLOW_PARTS)
        body = b""
    await send({"type": "http.response.body", "body": body})
