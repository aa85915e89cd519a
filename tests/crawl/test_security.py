"""Roles have no rights that they do not need, and no other host is taken for the site."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PASSWORD = "a long enough password"


@pytest.fixture
def logins(pg15_server: Any) -> Iterator[Callable[[str], str]]:
    """Makes logins of a role on the PostgreSQL 15, in a migrated database of their own: their URLs."""
    url = pg15_server.create(pg15_server.template())
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]

    def login(role: str) -> str:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {name}_{role} LOGIN PASSWORD '{PASSWORD}'")
            owner.execute(f"GRANT {role} TO {name}_{role}")
        given = psycopg.conninfo.conninfo_to_dict(url) | {"user": f"{name}_{role}", "password": PASSWORD}
        return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(
            **given | {"password": PASSWORD.replace(" ", "%20")}
        )

    login.owner = url  # type: ignore[attr-defined]
    yield login
    with psycopg.connect(url, autocommit=True) as owner:
        for role in ("harvester_crawler", "harvester_reader"):
            owner.execute(f"DROP ROLE IF EXISTS {name}_{role}")
    pg15_server.drop(url)


def test_a_crawl_needs_no_more_than_the_crawlers_rights(
    logins: Any, start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=10, seed=3)
    owner = make_harvester(sandbox, HARVESTER_DATABASE_URL=logins.owner)
    owner("db", "roles")
    owner("db", "roles")  # again: nothing changes
    crawler = make_harvester(sandbox, HARVESTER_DATABASE_URL=logins("harvester_crawler"))
    crawler.seed_all(sandbox)
    crawler.crawl()
    sandbox.json("/sandbox/churn?events=100", "POST")
    crawler.seed_all(sandbox)
    crawler.crawl("--refresh")
    crawler.crawl("--audit")
    crawler("status")
    crawler("quarantine", "retry")
    crawler("analytics", "refresh")
    assert_truth(crawler, sandbox, grown=True)
    for statement in ("DROP TABLE scratch.users", "TRUNCATE crawl.frontier", "CREATE TABLE scratch.x (a int)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            crawler.query(statement)
    refused = crawler("db", "roles", ok=False)
    assert refused.returncode == 1
    assert "only the owner" in refused.stderr
    downgrade = crawler("db", "migrate", "--down", "base", ok=False)
    assert downgrade.returncode == 1
    assert "Traceback" not in downgrade.stderr
    reader = make_harvester(sandbox, HARVESTER_DATABASE_URL=logins("harvester_reader"))
    assert reader.query("SELECT count(*) FROM scratch.users")[0][0] >= 10
    assert reader.query("SELECT count(*) FROM analytics.threads")[0][0] >= 1
    for table in ("crawl.frontier", "crawl.quarantine", "account.messages", "crawl.erasures"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.query(f"SELECT * FROM {table}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.query("DELETE FROM scratch.users RETURNING 1")


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """An HTTPS server with a certificate that nobody vouches for; the list fills with what it is asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_a_host_with_a_wrong_certificate_is_refused(
    impostor: tuple[str, list[str]], small_sandbox: Any, make_harvester: Callable[..., Any]
) -> None:
    url, asked = impostor
    harvester = make_harvester(small_sandbox, HARVESTER_API_URL=url, HARVESTER_SITE_URL=url)
    refused = harvester("seed", "users", "someone", ok=False)
    assert refused.returncode == 1
    assert "does not answer" in refused.stderr
    assert asked == []


def test_a_host_that_cannot_be_found(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    url = "https://no-such-host.invalid"
    harvester = make_harvester(
        small_sandbox,
        HARVESTER_API_URL=url,
        HARVESTER_SITE_URL=url,
        HARVESTER_RATE="100",
        HARVESTER_CONTACT="https://example.org",
        HARVESTER_PERMISSION="a test",
    )
    refused = harvester("seed", "users", "someone", ok=False)
    assert refused.returncode == 1
    assert "does not answer" in refused.stderr


def test_secrets_are_in_no_argument_and_no_log(
    logins: Any, start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """Workers get the database's password by the environment, since `ps` shows arguments; no process opens a port."""
    import psutil

    sandbox = start_sandbox(users=10, seed=3)
    make_harvester(sandbox, HARVESTER_DATABASE_URL=logins.owner)("db", "roles")
    harvester = make_harvester(
        sandbox, HARVESTER_DATABASE_URL=logins("harvester_crawler"), HARVESTER_CONTACT="me@example.org"
    )
    harvester.seed_all(sandbox)
    sandbox.json("/sandbox/settings?latency_ms=50", "POST")
    command = harvester.start("crawl", "--workers", "2", "--log-json", "--json", fresh=True)
    seen: list[str] = []
    listening = 0
    while command.poll() is None:
        for process in [psutil.Process(command.pid), *psutil.Process(command.pid).children(recursive=True)]:
            try:
                seen.append(" ".join(process.cmdline()))
                listening += sum(one.status == psutil.CONN_LISTEN for one in process.net_connections("inet"))
            except psutil.Error:
                continue
        if any("--parent-run" in line for line in seen) and sandbox.requests()["total"] > 20:
            command.terminate()
            break
    output, errors = command.communicate(timeout=60)
    assert any("--parent-run" in line for line in seen)
    assert not listening, "a crawl opens no port: Scrapy's console and its remote control are off"
    for text in (*seen, output, errors):
        assert "long enough" not in text
        assert "long%20enough" not in text
        assert "me@example.org" not in text
