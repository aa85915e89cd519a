"""The sandbox as a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest

pytestmark = pytest.mark.usefixtures("processes")


@contextmanager
def started(*options):
    command = [sys.executable, "-m", "harvester.sandbox", "--users", "60", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        ready = re.fullmatch(r"ready http://127\.0\.0\.1:(\d+)\n", process.stdout.readline())
        assert ready
        yield process, int(ready[1])
    finally:
        process.kill()
        process.communicate()


@contextmanager
def connected(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        yield connection


def get(connection, path, method="GET"):
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_it_serves_until_it_is_told_to_end():
    with started() as (process, port), connected(port) as connection:
        assert get(connection, "/")[0] == 200
        kept = connection.sock
        name = json.loads(get(connection, "/sandbox/seeds")[1])["users"][0]
        assert json.loads(get(connection, f"/users/{name}")[1])["username"] == name
        assert get(connection, "/", "HEAD") == (405, b"")
        assert connection.sock is kept  # the connection is kept alive
        # An open connection does not hold up the end.
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0


def test_interrupted_it_ends_quietly_even_while_it_stalls():
    with started("--faults", "stall=1") as (process, port), connected(port) as connection:
        connection.request("GET", "/")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0


def test_connections_drop_and_others_live_on():
    with started("--faults", "reset=1") as (_, port):
        with connected(port) as connection:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            with closing(answer), pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        with connected(port) as connection:
            assert get(connection, "/sandbox/settings?faults=stall%3D1", "POST")[0] == 200
            connection.request("GET", "/")
            with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
                connection.getresponse()
        with connected(port) as connection:
            assert json.loads(get(connection, "/sandbox/requests")[1])["total"] == 2


def test_churn_follows_the_clock():
    with started("--churn", "2000") as (_, port), connected(port) as connection:
        seen = set()
        while len(seen) < 3:  # however slow the machine: it goes on
            seen.add(get(connection, "/sandbox/removed")[1])


def test_a_taken_port_is_an_error_before_anything_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "harvester.sandbox", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout == ""
    assert f"cannot listen on 127.0.0.1 port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("option", [("--faults", "nope=1"), ("--users", "0"), ("--churn", "-1")])
def test_wrong_usage(option):
    command = [sys.executable, "-m", "harvester.sandbox", *option]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr


def test_it_ends_quietly_while_it_still_starts():
    code = "import os, signal, sys, harvester.sandbox.server as server\n"
    code += "server.Application = lambda *_: os.kill(os.getpid(), getattr(signal, sys.argv[1]))\n"
    code += "server.serve(users=5)"
    for name in ("SIGINT", "SIGTERM"):
        command = [sys.executable, "-c", code, name]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("seconds", "sent"),
    [(0.5, [b"", b"GET / HTTP/1.1\r\nHost: "]), (600, [b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60_000])],
)
def test_a_head_that_is_slow_or_endless_ends_its_connection(seconds, sent):
    code = f"import harvester.sandbox.server as server; server.HEAD_SECONDS = {seconds}; server.serve(users=20)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        address = ("127.0.0.1", int(process.stdout.readline().rpartition(":")[2]))
        for head in sent:
            # It may be closed while it is sent to.
            with socket.create_connection(address, timeout=20) as slow, contextlib.suppress(ConnectionError):
                slow.sendall(head)
                assert slow.recv(100) == b""
        with connected(address[1]) as connection:
            assert get(connection, "/")[0] == 200
    finally:
        process.kill()
        process.communicate()


def test_it_says_that_others_can_reach_it():
    command = [sys.executable, "-m", "harvester.sandbox", "--users", "20", "--host", "0.0.0.0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("ready http://0.0.0.0:")
    process.kill()
    assert process.communicate()[1].startswith("Anybody who reaches 0.0.0.0 can use this sandbox")
