"""Served pages answer this machine alone, and bound what a client can take."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from harvester import http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("processes")

CODE = """
from harvester import http_server as server
server.HEAD_SECONDS = {seconds}
app = server.Application(lambda: "text", server.PageKind("/page", "text/plain"), ["proxy.example"])
server.serve(app, server.listen("127.0.0.1", 0), "/page")
"""


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server whose clients have so many seconds for the head of a request."""
    command = [sys.executable, "-c", CODE.format(seconds=getattr(request, "param", 600))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "ready"
        assert url.endswith("/page")
        yield int(url.split(":")[2].partition("/")[0])
    finally:
        process.kill()
        process.communicate()


def ask(port: int, method: str = "GET", path: str = "/page", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    assert answer.getheader("Connection") == "close"
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_answers_local_names_only_and_only_reads(served: int) -> None:
    assert ask(served) == (200, b"text")
    for host in (
        "localhost",
        "localhost.:1",
        "[::1]:1",
        "127.0.0.1:9",
        "192.0.2.1",
        "proxy.example",
        "PROXY.example:1",
    ):
        assert ask(served, Host=host)[0] == 200, host
    for host in ("rebound.example", "localhost.example", "127.0.0.1.example:1", "", "[::1", "proxy.example.org"):
        assert ask(served, Host=host)[0] == 421, host
    for origin, status in (("http://localhost:1", 200), ("http://rebound.example", 403), ("null", 403), ("", 403)):
        assert ask(served, Origin=origin)[0] == status, origin
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"):
        assert ask(served, method)[0] == 405, method
    assert ask(served, path="/")[0] == 404


@pytest.mark.parametrize("served", [0.5], indirect=True)
def test_a_head_that_is_slow_or_long_ends_its_connection(served: int) -> None:
    for sent in (b"", b"GET /page HTTP/1.1\r\nHost: "):
        with socket.create_connection(("127.0.0.1", served), timeout=60) as slow:
            slow.sendall(sent)
            assert slow.recv(100) == b""
    with socket.create_connection(("127.0.0.1", served), timeout=60) as long:
        long.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * http_server.LONGEST_HEAD)
        assert long.recv(100).startswith(b"HTTP/1.1 400")


def test_there_are_so_many_connections_and_no_more(served: int) -> None:
    with ExitStack() as idle:
        for _ in range(http_server.MOST_CONNECTIONS):
            idle.enter_context(socket.create_connection(("127.0.0.1", served), timeout=60))
        connection = http.client.HTTPConnection("127.0.0.1", served, timeout=60)
        connection.request("GET", "/page")
        assert connection.getresponse().status == 503
        connection.close()
    while (found := _try(served)) == 503:  # they end one after the other
        pass
    assert found == 200


def _try(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/page")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_address_that_others_reach_is_told(capsys: Any) -> None:
    http_server.listen("127.0.0.1", 0).close()
    assert capsys.readouterr().err == ""
    http_server.listen("0.0.0.0", 0).close()
    assert capsys.readouterr().err.startswith("Anybody who reaches 0.0.0.0 can read this")
