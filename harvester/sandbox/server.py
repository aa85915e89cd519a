"""Run the sandbox as a process: uvicorn on one port, with a ready line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from harvester.sandbox.app import DROP, Application
from harvester.sandbox.community import Community
from harvester.sandbox.control import is_loopback
from harvester.sandbox.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


LONGEST_HEAD = 2**18
"""Bytes of an incomplete request after which a connection is closed; uvicorn reads as many at a time."""
HEAD_SECONDS = 10.0
"""Seconds that a client may take to send its first request."""
MOST_CONNECTIONS = 4_096


class _Protocol(HttpToolsProtocol):
    """HTTP protocol that lets the application close the connection without an answer, which ASGI has no message for.

    A connection is closed if its first request is late, or has a longer head than any client sends.
    """

    _head: int | None = 0
    """Bytes of the request whose head is not complete yet; None while one is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._end_unless_asked)

    def _end_unless_asked(self) -> None:
        # Contrary to its type it is not set before the head of a request was read.
        if self.cycle is None:
            self.transport.close()  # type: ignore[unreachable]

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.transport.abort()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self._head = 0
        super().on_response_complete()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # a key of our own
        scope[DROP] = self.transport.abort


class _Server(uvicorn.Server):
    """uvicorn that reports when it answers, and ends with status 0 on SIGINT, SIGTERM and SIGHUP."""

    def __init__(self, config: uvicorn.Config, app: Application, ready: str) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._alive = asyncio.create_task(self._app.keep_alive())
        print(self._ready, flush=True)  # noqa: T201  (the process that started this one reads it)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._alive.cancel()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn itself raises the signal again after a clean end, so that the status would not be 0.
        with _signals_do(lambda: setattr(self, "should_exit", True)):
            yield


@contextlib.contextmanager
def _signals_do(end: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP call `end`, if this is the main thread, the only one that may set handlers.

    An ignored SIGHUP stays ignored (nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        caught.append(signal.SIGHUP)
    before = {each: signal.signal(each, lambda *_: end()) for each in caught}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {reason}") from error


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    users: int = 500,
    seed: int = 1,
    churn: float = 0.0,
    faults: str = "",
    odd: float = 0.0,
    dense: bool = False,
) -> None:
    """Serve a synthetic community until SIGINT, SIGTERM or SIGHUP.

    Prints `ready http://HOST:PORT` on standard output once it answers, and nothing else.

    Args:
        host: The address to listen on; control paths answer loopback clients only.
        port: The port, or 0 for any free one.
        users: How many users the community starts with.
        seed: Which community.
        churn: Events per second.
        faults: Faults of responses, as `NAME=PROBABILITY,...` (see `harvester.sandbox.faults`).
        odd: The share of items that cannot be used as they are served (see `harvester.sandbox.odd`).
        dense: Whether one id in ten is of a shared project.

    Raises:
        OSError: If the port is taken or the address is not this machine's.
        ValueError: If `faults`, `users`, `seed` or `churn` is wrong.
    """
    if not 0.0 <= churn < float("inf"):
        raise ValueError(f"churn={churn}: events per second, from 0")
    failing = Faults(faults, seed)
    listener = _listen(host, port)
    if not is_loopback(host):
        print(f"Anybody who reaches {host} can use this sandbox, but for its controls.", file=sys.stderr, flush=True)  # noqa: T201
    # A signal while the community is being made ends the process at once.
    with listener, _signals_do(sys.exit):
        app = Application(Community(users, seed, odd, dense=dense), failing)
        app.churn = churn
        shown = f"[{host}]" if ":" in host else host
        served: Any = app  # uvicorn's types are a union of three versions of ASGI
        config = uvicorn.Config(
            served,
            loop="uvloop",
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config, app, f"ready http://{shown}:{listener.getsockname()[1]}")
        server.run(sockets=[listener])
