"""`harvester report --serve`: the page over HTTP, made anew when somebody looks and the last one is old enough."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import uvicorn

from harvester.config import is_loopback
from harvester.errors import HarvesterError, UsageError
from harvester.processes import handle_end
from harvester.report.page import policy, read, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harvester.config import Settings

LEAST_SECONDS = 2.0
"""A page lives so long at least."""
LARGEST_SHARE = 0.25
"""Share of the time that making pages may take: on a large warehouse they live longer."""


@dataclass(slots=True)
class _Page:
    body: bytes
    tag: bytes
    until: float


class Application:
    """ASGI: one page, to whoever asks for it by an address of its own; nothing else, and nothing but GET.

    `make` gives the page as text, and blocks. `hosts` are the names by which the page may be asked for: a page
    elsewhere that makes a name of its own point to this machine gets nothing. None admits every name.
    """

    def __init__(self, make: Callable[[], str], hosts: frozenset[str] | None) -> None:
        self._make = make
        self._hosts = hosts
        self._page: _Page | None = None
        self._making = asyncio.Lock()

    @property
    def made(self) -> bool:
        """Whether there has been a page yet."""
        return self._page is not None

    async def renew(self) -> _Page:
        """The page, made anew if the last one is old. Whoever comes meanwhile waits for the same one."""
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
        headers += [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        asked = dict(scope["headers"])
        text = (b"content-type", b"text/plain; charset=utf-8")
        if self._hosts is not None and _host(asked.get(b"host", b"").decode("latin-1")) not in self._hosts:
            return 421, [text], b"ask for this page by the address of this machine\n"
        if scope["method"] not in ("GET", "HEAD"):
            return 405, [text, (b"allow", b"GET, HEAD")], b"only GET\n"
        if scope["path"] != "/":
            return 404, [text], b"the page is at /\n"
        try:
            page = await self.renew()
        except (HarvesterError, psycopg.Error):
            # What is wrong is for the operator, in the terminal where the warehouse is; not for whoever looks.
            return 503, [text], b"the warehouse does not answer\n"
        if asked.get(b"if-none-match") == page.tag:
            return 304, [(b"etag", page.tag)], b""
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"etag", page.tag),
            (b"content-security-policy", f"{policy(live=True)}; frame-ancestors 'none'".encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        return 200, headers, page.body


def _host(header: str) -> str:
    """The host of a `Host` header, without its port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


class _Server(uvicorn.Server):
    """uvicorn that says when it answers, and ends in order on SIGINT, SIGTERM and SIGHUP."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.ready, flush=True)  # noqa: T201  (for whoever started it)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again after a clean end; it has been heeded by then.
        with handle_end(lambda _: setattr(self, "should_exit", True)):
            yield


def serve(settings: Settings, *, address: str, port: int, patience: float) -> None:
    """Serve the page until SIGINT, SIGTERM or SIGHUP; prints `ready URL` once it answers.

    Raises:
        UsageError: the address or the port cannot be used.
        WarehouseError: the warehouse cannot: found out before anything is served.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise UsageError(f"{address} port {port} cannot be used: {error.strerror or error}") from None
    with listener:
        hosts = frozenset({"localhost", "127.0.0.1", "::1", address}) if is_loopback(address) else None
        # The first page starts an embedded server that is down; one that is stopped later stays so.
        app = Application(lambda: render(read(settings, patience=patience, start=not app.made), live=True), hosts)
        asyncio.run(app.renew())
        served: Any = app  # uvicorn's types want an unspecified ASGI of three versions
        config = uvicorn.Config(
            served,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        shown = f"[{address}]" if ":" in address else address
        server.ready = f"ready http://{shown}:{listener.getsockname()[1]}/"
        server.run(sockets=[listener])
