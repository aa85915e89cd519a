"""The proxy of the environment: used for the site, never for this machine, and its password told to nobody."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any

import pytest

from harvester.errors import UsageError
from harvester.proxies import proxy_for, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "api.scratch.test"
SECRET = "hunter2"


class Api(BaseHTTPRequestHandler):
    """Answers /health, and nothing else."""

    protocol_version = "HTTP/1.1"
    health = b""

    def do_GET(self) -> None:
        is_health = self.path == "/health"
        body = self.health if is_health else b'{"code":"NotFound","message":""}'
        self.send_response(200 if is_health else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Tunnel(StreamRequestHandler):
    """CONNECT for who gives the password: the name leads to the server of this test, whatever a resolver says."""

    server: Proxy

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        headers = dict(iter(lambda: self.rfile.readline().decode().strip().partition(": ")[::2], ("", "")))
        self.server.asked.append(line.split(" HTTP")[0])
        due = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        if headers.get("Proxy-Authorization") != due:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(self.server.target) as other:
            back = threading.Thread(target=_pump, args=(other, self.connection))
            back.start()
            _pump(self.connection, other)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Proxy(ThreadingTCPServer):
    """A proxy on this machine, and what it was asked for."""

    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.target = target
        self.asked: list[str] = []


@pytest.fixture
def proxy(small_sandbox: Any, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy behind which the API is, as far as /health, with a certificate that `tmp_path/cert.pem` proves."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    Api.health = small_sandbox.call("GET", "/health")
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    api.socket = context.wrap_socket(api.socket, server_side=True)
    found = Proxy(("127.0.0.1", api.server_port))
    threads = [threading.Thread(target=server.serve_forever) for server in (api, found)]
    for thread in threads:
        thread.start()
    yield found
    for server in (api, found):
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


def test_the_site_is_proxied_and_this_machine_is_not(
    proxy: Proxy, small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    named = f"http://me:{SECRET}@127.0.0.1:{proxy.server_address[1]}"
    site = {
        "HARVESTER_API_URL": f"https://{HOST}",
        "HARVESTER_SITE_URL": f"https://{HOST}",
        "HARVESTER_RATE": "50",
        "HARVESTER_CONTACT": "me@example.org",
        "HARVESTER_PERMISSION": "a test",
        "SSL_CERT_FILE": str(tmp_path / "cert.pem"),
    }
    no_warehouse = {"HARVESTER_DATABASE_URL": "postgresql://127.0.0.1:9/nowhere"}
    harvester = make_harvester(small_sandbox, **site, **no_warehouse, HTTPS_PROXY=named)
    checked = harvester("network", "check")
    shown = without_credentials(named)
    assert checked.stdout.splitlines() == [f"https://{HOST}  through {shown}", "ok  the API answers"]
    assert set(proxy.asked) == {f"CONNECT {HOST}:443"}
    # A password that is wrong, and hosts that are to be asked without it.
    refused = make_harvester(small_sandbox, **site, https_proxy=named.replace(SECRET, "hunter3"))
    bypassed = make_harvester(small_sandbox, **site, HTTPS_PROXY=named, NO_PROXY="scratch.test")
    for other, way, why in (
        (refused, f"through {shown}", "the proxy answers HTTP 407"),
        (bypassed, "directly", "the name of the host is not found"),
    ):
        asked = len(proxy.asked)
        failed = other("network", "check", ok=False)
        assert (failed.returncode, failed.stdout) == (1, f"https://{HOST}  {way}\n")
        assert failed.stderr == f"harvester: https://{HOST}/health does not answer as the API does ({why})\n"
        assert (len(proxy.asked) > asked) == (other is refused)
        assert "hunter" not in failed.stderr + failed.stdout + checked.stdout + checked.stderr
    asked = len(proxy.asked)
    own = make_harvester(small_sandbox, HARVESTER_RATE="50", HTTP_PROXY=named, http_proxy=named)
    facts = json.loads(own("network", "check", "--json").stdout)
    assert facts == {"hosts": {small_sandbox.url: None}, "health": "answers"}
    assert len(proxy.asked) == asked


def test_each_host_is_asked(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    by_name = small_sandbox.url.replace("127.0.0.1", "localhost")
    harvester = make_harvester(small_sandbox, HARVESTER_SITE_URL=by_name)
    assert harvester("network", "check").stdout.splitlines()[-1] == "ok  the API and the site answer"
    for fault, why in (("html", "the body is not JSON"), ("packing", "the response is badly packed")):
        small_sandbox.json(f"/sandbox/settings?faults={fault}=1", "POST")
        try:
            failed = harvester("network", "check", ok=False)
        finally:
            small_sandbox.json("/sandbox/settings?faults=", "POST")
        assert failed.returncode == 1
        said = f"harvester: {small_sandbox.url}/health does not answer as the API does ("
        assert failed.stderr.startswith(said)
        assert why in failed.stderr
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        failed = make_harvester(small_sandbox, HARVESTER_SITE_URL=nobody)("network", "check", ok=False)
    assert failed.returncode == 1
    assert failed.stderr == f"harvester: {nobody}/robots.txt does not answer (the connection was refused)\n"


def test_which_proxy_a_host_is_asked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert proxy_for("https://a.example.org") is None
    monkeypatch.setenv("HTTPS_PROXY", f"me:{SECRET}@proxy:3128")
    monkeypatch.setenv("NO_PROXY", "example.net,b.example.org:8443")
    assert proxy_for("https://a.example.org") == f"http://me:{SECRET}@proxy:3128"
    assert without_credentials(f"http://me:{SECRET}@proxy:3128") == "http://proxy:3128"
    for direct in (
        "https://example.net",
        "https://x.example.net",
        "https://b.example.org:8443",
        "http://a.example.org",
    ):
        assert proxy_for(direct) is None
    for own in ("https://localhost:1", "https://127.0.0.9", "https://[::1]:2"):
        assert proxy_for(own) is None
    for wrong in (f"socks5://me:{SECRET}@proxy:1", f"http://me:{SECRET}@", f"http://me:{SECRET}@proxy:x"):
        monkeypatch.setenv("HTTPS_PROXY", wrong)
        with pytest.raises(UsageError, match="HTTPS_PROXY: only http:// and https:// proxies") as caught:
            proxy_for("https://a.example.org")
        assert SECRET not in str(caught.value)
