"""Serve one text over HTTP, which is made again at a request once it is old enough.

It serves this machine unless another address is given. The length of a request's head, the time to send it and the
number of connections are bounded. A page of another site whose name points to this machine is refused, since it
requests the text by that name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from harvester.config import is_loopback
from harvester.errors import HarvesterError, UsageError
from harvester.signals import handle_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MOST_CONNECTIONS = 64
LONGEST_HEAD = 2**14
"""Bytes of the head of a request."""
HEAD_SECONDS = 10.0
"""Seconds that a client may take to send the head of a request."""
LEAST_SECONDS = 2.0
"""Least age in seconds at which a page is made again."""
LARGEST_SHARE = 0.25
"""Largest share of the time that making pages may take: pages of a large warehouse are made less often."""


@dataclass(slots=True)
class _Page:
    body: bytes
    tag: bytes
    until: float


@dataclass(frozen=True, slots=True)
class PageKind:
    """Description of the served page: its path, content type and further headers."""

    path: str
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


class Application:
    """ASGI application: one text, by GET, for clients that request it by a name of this machine.

    `make` gives the text, and blocks. `names` are those by which it may be asked for, besides any address.
    """

    def __init__(self, make: Callable[[], str], kind: PageKind, names: Iterable[str] = ()) -> None:
        self._make = make
        self._kind = kind
        self._names = frozenset(name.lower().rstrip(".") for name in ("localhost", socket.gethostname(), *names))
        self._page: _Page | None = None
        self._making = asyncio.Lock()

    @property
    def made(self) -> bool:
        """Return whether a page was made yet."""
        return self._page is not None

    async def renew(self) -> _Page:
        """Return the page, made again if it is old. Concurrent requests wait for the same page."""
        async with self._making:
            if self._page is None or time.monotonic() >= self._page.until:
                began = time.monotonic()
                body = (await asyncio.to_thread(self._make)).encode()
                took = time.monotonic() - began
                tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
                lives = max(LEAST_SECONDS, took * (1 / LARGEST_SHARE - 1))
                self._page = _Page(body, tag, time.monotonic() + lives)
            return self._page

    async def __call__(self, scope: dict[str, Any], _receive: Any, send: Callable[[dict[str, Any]], Any]) -> None:
        """Answer one request."""
        status, headers, body = await self._answer(scope)
        headers += [
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        text = (b"content-type", b"text/plain; charset=utf-8")
        if not self._is_ours(asked.get("host", "")):
            return 421, [text], b"ask for this page by the address of this machine\n"
        if not self._is_ours(asked.get("origin", "//localhost").partition("//")[2]):
            return 403, [text], b"not for pages of others\n"
        if scope["method"] not in ("GET", "HEAD"):
            return 405, [text, (b"allow", b"GET, HEAD")], b"only GET\n"
        if scope["path"] != self._kind.path:
            return 404, [text], f"the page is at {self._kind.path}\n".encode()
        try:
            page = await self.renew()
        except (HarvesterError, psycopg.Error):
            # The error is for the operator, on the terminal of this process, not for visitors of the page.
            return 503, [text], b"the warehouse does not answer\n"
        if asked.get("if-none-match", "").encode() == page.tag:
            return 304, [(b"etag", page.tag)], b""
        headers = [
            (b"content-type", self._kind.content_type.encode()),
            (b"etag", page.tag),
            (b"x-content-type-options", b"nosniff"),
            *((name.encode(), value.encode()) for name, value in self._kind.headers),
        ]
        return 200, headers, page.body

    def _is_ours(self, host: str) -> bool:
        """Return whether a host with its port is this machine, by its address: a foreign name may point here."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            return bool(ip_address(name))
        except ValueError:
            return name.rstrip(".") in self._names


class _Protocol(H11Protocol):
    """HTTP protocol that closes a connection whose request head does not arrive within `HEAD_SECONDS`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._end_unless_asked)

    def _end_unless_asked(self) -> None:
        # Its type says that it is always set, but it is not until the head of a request was read.
        if self.cycle is None:
            self.transport.close()  # type: ignore[unreachable]


class _PageServer(uvicorn.Server):
    """Server that prints a line once it answers, and ends in order on SIGINT, SIGTERM and SIGHUP."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.ready, flush=True)  # noqa: T201  (the process that started this one reads it)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own handler raises the signal again after a clean end, which would change the exit status.
        with handle_end(lambda _: setattr(self, "should_exit", True)):
            yield


def listen(address: str, port: int) -> socket.socket:
    """Open the port that something will be served at; say on standard error if others than this machine reach it.

    Raises:
        UsageError: the address or the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise UsageError(f"{address} port {port} cannot be used: {error.strerror or error}") from None
    if not is_loopback(address):
        warning = f"Anybody who reaches {address} can read this: no password is asked for."
        print(warning, file=sys.stderr, flush=True)  # noqa: T201
    return listener


def serve(app: Application, listener: socket.socket, path: str) -> None:
    """Serve an application until SIGINT, SIGTERM or SIGHUP; prints `ready URL` once it answers."""
    served: Any = app  # uvicorn's types want an unspecified ASGI of three versions
    config = uvicorn.Config(
        served,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,  # none by default
        h11_max_incomplete_event_size=LONGEST_HEAD,  # 64 KiB by default
        timeout_graceful_shutdown=1,
    )
    server = _PageServer(config)
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    server.ready = f"ready http://{shown}:{port}{path}"
    server.run(sockets=[listener])
