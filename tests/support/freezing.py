"""A proxy before a PostgreSQL server that stops forwarding, without closing either connection."""

from __future__ import annotations

import re
import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from types import TracebackType

_BACKEND_KEY = re.compile(rb"K\x00\x00\x00[\x0c-\xff](.{4})", re.DOTALL)
"""The message of the server that tells its process: see "Message Formats" of PostgreSQL's documentation."""


class FreezingProxy:
    """Forwards connections to a database, until a client has sent certain bytes.

    Attributes:
        url: The database by way of the proxy.
        is_frozen: Set once nothing is forwarded any more.
        backend: The process of the server's end of the connection that froze.
    """

    def __init__(self, database: str, last: bytes) -> None:
        self.is_frozen = threading.Event()
        self.backend = 0
        self._last = last
        self._to = conninfo_to_dict(database)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        own = {"host": "127.0.0.1", "port": port, "requirepeer": None}
        self.url = "postgresql://?" + "&".join(
            f"{name}={value}" for name, value in {**self._to, **own}.items() if value is not None
        )
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client, self._connect()), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._to["host"]), int(self._to.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        self._open += (client, server)
        backend = 0
        with suppress(OSError):
            while not self.is_frozen.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.1)
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        client.close()
                        server.close()
                        return
                    if one is server and not backend and (key := _BACKEND_KEY.search(data)):
                        backend = int.from_bytes(key[1], "big")
                    (client if one is server else server).sendall(data)
                    if one is client and self._last in data:
                        self.backend = backend
                        self.is_frozen.set()
