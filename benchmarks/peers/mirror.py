"""Serve the answers of a sandbox from memory, so that no program waits for it.

    python -m benchmarks.peers.mirror URL

A path that is requested for the first time is requested from URL once. `/mirror/reset` resets the counts,
`/mirror/told` answers the number of requests since then and the time (of `time.monotonic`) of the first one. Prints
`ready URL`."""

from __future__ import annotations

import asyncio
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable


class Memory:
    """Answers by path, and the requests since the last reset."""

    def __init__(self, source: str) -> None:
        self._source = urlsplit(source).netloc
        self._answers: dict[bytes, bytes] = {}
        self.requests = 0
        self.first: float | None = None

    def answer(self, path: bytes) -> bytes:
        """Return the whole response to a GET request."""
        if path.startswith(b"/mirror/"):
            return self._told(path)
        if self.first is None:
            self.first = time.monotonic()
        self.requests += 1
        known = self._answers.get(path)
        if known is None:
            known = self._answers[path] = self._ask(path.decode())
        return known

    def _ask(self, path: str) -> bytes:
        source = HTTPConnection(self._source)
        source.request("GET", path)
        answer = source.getresponse()
        body = answer.read()
        source.close()
        return _response(answer.status, answer.headers["Content-Type"], body)

    def _told(self, path: bytes) -> bytes:
        told = msgspec.json.encode({"requests": self.requests, "first": self.first})
        if path == b"/mirror/reset":
            self.requests, self.first = 0, None
        return _response(200, "application/json", told)


def _response(status: int, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """Answer the requests of one client."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_message_complete(self) -> None:
        self._transport.write(self._answer(self._path))
        self._path = b""
        if not self._parser.should_keep_alive():
            self._transport.close()


async def serve(source: str) -> None:
    """Answer until the process is ended."""
    memory = Memory(source)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(memory.answer), "127.0.0.1", 0)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
