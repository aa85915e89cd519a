"""The ASGI application: the API over a community, its faults, and the counts of requests."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import TYPE_CHECKING, Any

from harvester.sandbox import faults as failing
from harvester.sandbox import routes_account, routes_discovery, routes_site, routes_sources  # noqa: F401  (they add their routes)
from harvester.sandbox.control import Control
from harvester.sandbox.request_log import Requests
from harvester.sandbox.routes import EMPTY, HTML, JSON, Api, BadRequest, Page, Refused, find
from harvester.sandbox.states import SOMEBODY_ELSE, States

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from harvester.sandbox.community import Community
    from harvester.sandbox.faults import Faults, Headers

    Scope = dict[str, Any]
    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

NOT_FOUND = b'{"code":"NotFound","message":""}'
BAD_REQUEST = b'{"code":"BadRequest","message":""}'
NOT_ALLOWED = b'{"code":"MethodNotAllowed","message":""}'
NO_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Scratch - Imagine, Program, Share</title></head>"
    b"<body><h1>Whoops! Our server is Scratch'ing its head</h1></body></html>\n"
)
_JSON_HEADERS: Headers = [(b"content-type", JSON)]
_HTML_HEADERS: Headers = [(b"content-type", HTML)]
REFUSED = {
    401: b'{"code":"Unauthorized","message":""}',
    403: b'{"code":"Forbidden","message":""}',
    404: NOT_FOUND,
    503: b'{"status":"unavailable; maintenance"}',
}
_UNROUTED = "other"
_ALWAYS = ("/", "/health", "/robots.txt")
"""Paths that answer in every state of the server."""
IDENTITY = b"x-sandbox"
"""Header of each response with the name of the community."""
DROP = "sandbox.drop"  # in the scope: closes the connection at once


def _headers(sent: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in sent}


def _named(send: Send, name: bytes) -> Send:
    """Return a `send` that adds the header with the community to each response."""

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (IDENTITY, name)]
        await send(message)

    return send_named


class Application:
    """Serves a community.

    Args:
        community: What is served.
        faults: What goes wrong, and how often.
        churn_per_request: Events applied before each API request is answered; fractions add up.
        latency_ms: How long each answer is held back.
    """

    def __init__(
        self, community: Community, faults: Faults, churn_per_request: float = 0.0, latency_ms: float = 0.0
    ) -> None:
        self.community = community
        self.faults = faults
        self.churn = 0.0  # events per second of wall clock, applied by `keep_alive`
        self.churn_per_request = churn_per_request
        self.latency_ms = latency_ms
        self.states = States()
        self.requests = Requests()
        self._api = Api(community)
        self._name = community.name.encode()
        self._control = Control(self)
        self._owed = 0.0
        self._garbled: set[tuple[str, bytes]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI's signature)
        if scope["type"] != "http":
            return
        path, query = scope["path"], scope["query_string"]
        send = _named(send, self._name)
        if path.startswith("/sandbox/"):
            await self._control.answer(scope, send)
            return
        self._live(self.churn_per_request)
        fault = self.faults.draw((path, query))
        if fault == "huge-ids" and path == "/news":
            fault = None  # ids of news are beyond 64 bits anyway, so that this fault would not show
        if fault == "odd-item":
            # A garbled response is correct at the next request.
            fault = None if (path, query) in self._garbled else fault
            self._garbled.add((path, query))
        everything = self.states.begin()
        if everything == SOMEBODY_ELSE:
            path = self.states.path(self.community, path)
        status, headers, body, route = self._answer(
            scope["method"], path, query, scope.get("headers", ()), refused=everything if everything in REFUSED else 0
        )
        if fault == "empty" and status == 200 and failing.is_later_page(query):
            body = EMPTY if headers[0][1] == JSON else b"\n\n"
        if fault == "no-offset" or (fault == "endless" and body == b"[]"):
            status, headers, body, _ = self._answer("GET", path, failing.first_page(query), scope.get("headers", ()))
        seen = failing.status_of(fault, status) if fault else status
        requests = self.requests
        requests.by_route[route] += 1
        requests.by_status[seen] += 1
        if fault:
            requests.by_fault[fault] += 1
        whole = f"{scope['path']}?{query.decode('latin-1')}" if query else scope["path"]
        requests.log.append((time.monotonic(), scope["method"], whole, seen))
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1_000)
        if fault:
            await failing.send_fault(send, fault, status, headers, body, scope.get(DROP))
            return
        if self.states.packed:
            headers, body = [*headers, (b"content-encoding", b"gzip")], gzip.compress(body)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    def _answer(
        self, method: str, path: str, query: bytes, sent: Iterable[tuple[bytes, bytes]], *, refused: int = 0
    ) -> tuple[int, Headers, bytes, str]:
        """Return status, headers, body and the name of the route; with `refused` the status for every path."""
        route, parameters = find(path)
        if method != "GET":
            return 405, _JSON_HEADERS, NOT_ALLOWED, route.path if route else _UNROUTED
        if route is None:
            return 404, _JSON_HEADERS, NOT_FOUND, _UNROUTED
        if refused and path not in _ALWAYS:
            if route.is_html:
                return refused, _HTML_HEADERS, NO_PAGE, route.path
            return refused, _JSON_HEADERS, REFUSED[refused], route.path
        try:
            if route.is_list:
                page = self.states.window(Page.parse(query.decode("latin-1")) if query else Page())
                body = EMPTY if page is None else route.answer(self._api, page, *parameters)
            elif route.takes == "query":
                body = route.answer(self._api, self.states.query(query.decode("latin-1")), *parameters)
            elif route.takes == "headers":
                body = route.answer(self._api, _headers(sent), query.decode("latin-1"), *parameters)
            else:
                body = route.answer(self._api, *parameters)
        except BadRequest:
            return 400, _JSON_HEADERS, BAD_REQUEST, route.path
        except Refused as error:
            return error.status, _JSON_HEADERS, error.body or REFUSED[error.status], route.path
        if body is None and route.is_html:
            return 404, _HTML_HEADERS, NO_PAGE, route.path
        if body is None:
            return 404, _JSON_HEADERS, NOT_FOUND, route.path
        return 200, route.headers, body, route.path

    def _live(self, events: float) -> None:
        self._owed += events
        if self._owed >= 1.0:
            whole = int(self._owed)
            self._owed -= whole
            self.community.churn(whole)

    def set_state(self, name: str, value: float) -> None:
        """Put the server into a state: see `States`."""
        setattr(self.states, name, int(value))

    @property
    def trouble(self) -> float:
        """Return the state that `/health` reports: 0 for healthy, 1 for no cache, 2 for no answer but 503."""
        return float(self._api.trouble)

    @trouble.setter
    def trouble(self, value: float) -> None:
        self._api.trouble = int(value)

    @property
    def odd(self) -> float:
        """Return the share of items that cannot be used as they are served."""
        return self.community.odd

    @odd.setter
    def odd(self, value: float) -> None:
        self.community.odd = value

    @property
    def lost_events(self) -> float:
        """The share of events in studios that their activity does not show."""
        return self.community.lost_events

    @lost_events.setter
    def lost_events(self, value: float) -> None:
        self.community.lost_events = value

    @property
    def stale_tokens(self) -> float:
        """Return how many answers about projects still hold a token that has expired."""
        return float(self.community.stale_tokens)

    @stale_tokens.setter
    def stale_tokens(self, value: float) -> None:
        self.community.stale_tokens = int(value)

    @property
    def huge_project(self) -> float:
        """Return the project whose source is too large; 0: none."""
        return float(self.community.huge_project)

    @huge_project.setter
    def huge_project(self, value: float) -> None:
        self.community.huge_project = int(value)

    async def keep_alive(self) -> None:
        """Let the community live at `churn` events per second until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.05)
            now = time.monotonic()
            self._live(self.churn * (now - last))
            last = now
