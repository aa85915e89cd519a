"""The sandbox inside the test: requests without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from harvester.sandbox.app import Application
from harvester.sandbox.community import Community
from harvester.sandbox.faults import Faults

EMPTY_PAGES_AT_THE_END = 3


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.split(b"\n") if line]


class Client:
    """Asks the application directly. It never waits for anything, so one step finishes an answer."""

    def __init__(self, community: Community, faults: str = "") -> None:
        self.community = community
        self.app = Application(community, Faults(faults))

    def request(
        self, path: str, method: str = "GET", client: str = "127.0.0.1", headers: dict[str, str] | None = None
    ) -> Answer:
        path, _, query = path.partition("?")
        sent = {"Host": "127.0.0.1:1"} | (headers or {})
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": (client, 1),
        }
        messages: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        with pytest.raises(StopIteration):
            self.app(scope, receive, send).send(None)
        headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        return Answer(messages[0]["status"], headers, b"".join(each["body"] for each in messages[1:]))

    def get(self, path: str, **headers: str) -> Answer:
        return self.request(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def token(self, name: str) -> str:
        """What the site's session page gives to a script of this user."""
        session = self.get("/session/", Cookie=f'scratchsessionsid="sandbox-{name}"', X_Requested_With="XMLHttpRequest")
        token: str = session.json()["user"]["token"]
        return token

    def read(self, path: str, limit: int = 40) -> list[Any]:
        """A whole list; a list answered with 404 is empty."""
        found: list[Any] = []
        empty = offset = 0
        while empty < EMPTY_PAGES_AT_THE_END:
            answer = self.get(f"{path}?limit={limit}&offset={offset}")
            if answer.status == 404:
                return []
            page = answer.json()
            empty = 0 if page else empty + 1
            found += page
            offset += limit
        return found


@pytest.fixture(scope="session")
def community() -> Community:
    """500 users; never changed."""
    return Community(500, seed=1)


@pytest.fixture(scope="session")
def client(community) -> Client:
    return Client(community)


@pytest.fixture(scope="session")
def new_client() -> type[Client]:
    """Makes a client of a community of one's own."""
    return Client
