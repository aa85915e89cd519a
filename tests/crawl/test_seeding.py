"""Users put in scope by id, by a server that is not the API, and by a response that deviates."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOGIN = b"<html><title>Log in to the network</title></html>"
SOMEBODY = {
    "id": 7,
    "username": "somebody",
    "scratchteam": False,
    "history": {"joined": "2014-01-01T00:00:00.000Z"},
    "profile": {"id": 1, "images": {}, "status": "", "bio": "", "country": "Chile"},
}
TOKEN = f"1700000000_{'0123456789abcdef' * 8}"
ODD = SOMEBODY | {
    "profile": {"id": 1, "images": {}, "status": "", "country": "Chile"},  # without `bio`
    "sparkle": {"level": [{"project_token": "hunter2", "deep": 1}], "of_today": TOKEN},
}
ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "login": (200, "text/html", LOGIN),
    "ban": (403, "text/html", b"<h1>Forbidden</h1>"),
    "nonsense": (200, "application/json", b'{"ok": true}'),
    "somebody": (200, "application/json", json.dumps(SOMEBODY).encode()),
    "odd": (200, "application/json", json.dumps(ODD).encode()),
    "nothing": (404, "application/json", b'{"code":"NotFound","message":""}'),
}


class Service:
    """A server that gives one answer to everything below each name of `ANSWERS`, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                status, kind, body = ANSWERS[self.path.split("/")[1]]
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever)
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


def test_a_site_that_is_not_the_api_seeds_nothing(service: Service, make_harvester: Callable[..., Any]) -> None:
    commands = {}
    for way in ("login", "ban", "nonsense", "somebody"):
        harvester = make_harvester(SimpleNamespace(url=f"{service.url}/{way}"))
        commands[way] = harvester.start("seed", "users", "Somebody-else")
    session = make_harvester(SimpleNamespace(url=f"{service.url}/login"), HARVESTER_SESSION="abc")
    commands["session"] = session.start("crawl")
    for way, command in commands.items():
        output, errors = command.communicate(timeout=120)
        assert (command.returncode, output, errors.count("\n")) == (1, "", 1), (way, errors)
        place = f"{service.url}/{'login/session/' if way == 'session' else way}"
        assert errors.startswith(f"harvester: {place} does not answer as the"), (way, errors)
        assert "nothing was" in errors
    assert session.query("SELECT count(*) FROM crawl.seeds") == [(0,)]
    assert session.query("SELECT count(*) FROM scratch.users") == [(0,)]


def test_a_user_with_an_odd_name_is_seeded_by_id(
    service: Service, make_harvester: Callable[..., Any], database: str
) -> None:
    harvester = make_harvester(SimpleNamespace(url=f"{service.url}/nothing"))
    name = "Zoë /%2f?#&+.."
    refused = harvester("seed", "users", "--by-id", "12", "13", ok=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("harvester: the warehouse knows no name of user 12, and")
    assert harvester.query("SELECT count(*) FROM crawl.seeds") == [(0,)]
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (12, %s)", [name])
    assert "1 user added to the scope" in harvester("seed", "users", "--by-id", "12").stdout
    assert service.asked == []
    harvester("crawl", "--max-requests", "5", ok=False)  # a site that knows nobody is not believed
    assert f"/nothing/users/{quote(name, safe='')}" in service.asked


def test_a_known_deviation_is_read_once_and_keeps_no_token(
    service: Service, make_harvester: Callable[..., Any]
) -> None:
    harvester = make_harvester(SimpleNamespace(url=f"{service.url}/odd"))
    asked = []
    for _ in range(2):
        before = len(service.asked)
        said = harvester("seed", "users", "somebody").stderr
        assert said.count("user: profile.bio: missing field") == 1
        assert said.count("user: sparkle: new field") == 1
        asked.append(len(service.asked) - before)
    assert asked == [3, 1]
    kept = {"level": [{"deep": 1}], "of_today": ""}
    assert harvester.query("SELECT extra->'sparkle' FROM scratch.users") == [(kept,)]
    drift = harvester.query("SELECT field, change, example FROM crawl.drift ORDER BY field")
    assert drift == [
        ("profile.bio", "missing field", ""),
        ("sparkle", "new field", '{"level":[{"deep":1}],"of_today":""}'),
    ]
