"""The paths under `/sandbox/`: the truth, churn, settings and counts, for tests. Loopback clients only.

A foreign page in a browser on this machine is a loopback client too. A request is therefore refused if its Host is no
name of this machine (another name may have been made to point here), or if its Origin is another page.
"""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from harvester.sandbox.kinds import kinds
from harvester.sandbox.states import EVERYTHING, States
from harvester.sandbox.truth import closure, truth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from harvester.sandbox.community import Community
    from harvester.sandbox.faults import Faults
    from harvester.sandbox.request_log import Requests
    from harvester.sandbox.truth import Seed

    Query = list[tuple[str, str]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

_JSON = b"application/json; charset=utf-8"
_LINES = b"application/x-ndjson; charset=utf-8"
_encode = msgspec.json.Encoder().encode
EVENTS_MAX = 1_000_000


class Controlled(Protocol):
    """The application as control requests see it: what it serves, and what they may set."""

    community: Community
    faults: Faults
    states: States
    requests: Requests

    def set_state(self, name: str, value: float) -> None:
        """Put the server into a state: see `States`."""


class Control:
    """Answers control requests. Everything is computed at once, so an answer is one moment of the community."""

    def __init__(self, app: Controlled) -> None:
        self._app = app
        self._answers: dict[tuple[str, str], Callable[[Query], tuple[bytes, bytes]]] = {
            ("GET", "closure"): self._closure,
            ("GET", "kinds"): self._kinds,
            ("GET", "frame"): self._frame,
            ("GET", "seeds"): lambda _: (_JSON, _encode(self._seeds())),
            **{("GET", f"seeds/{kind}"): partial(self._seeds_of, kind) for kind in ("users", "projects", "studios")},
            ("GET", "removed"): self._removed,
            ("GET", "requests"): self._requests,
            ("GET", "requests/log"): self._log,
            ("POST", "requests/reset"): self._reset,
            ("POST", "churn"): self._churn,
            ("POST", "profile"): self._write_profile,
            ("POST", "tokens/reset"): self._reset_tokens,
            ("POST", "settings"): self._settings,
            ("GET", "settings"): lambda _: self._settings([]),
        }

    async def answer(self, scope: dict[str, Any], send: Send) -> None:
        """Answer a request under `/sandbox/`: 200, 400 with a message, 404, or 405."""
        status, content_type, body = self._respond(scope)
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _respond(self, scope: dict[str, Any]) -> tuple[int, bytes, bytes]:
        client = scope.get("client")
        if client is None or not is_loopback(client[0]) or not _is_from_here(dict(scope["headers"])):
            return 404, _JSON, b'{"code":"NotFound","message":""}'
        name, method = scope["path"].removeprefix("/sandbox/"), scope["method"]
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            if name.startswith("truth/") and method == "GET":
                return 200, _LINES, self._truth(name.removeprefix("truth/"), query)
            answer = self._answers.get((method, name))
            if answer is not None:
                return 200, *answer(query)
        except ValueError as error:
            return 400, _JSON, _encode({"code": "BadRequest", "message": str(error)})
        known = any(known == name for _, known in self._answers) or name.startswith("truth/")
        return (405 if known else 404), _JSON, _encode({"code": "NotAllowed" if known else "NotFound", "message": ""})

    def _truth(self, table: str, query: Query) -> bytes:
        community, seeds = self._app.community, _seeds(query)
        return _lines(truth(community, table, closure(community, seeds) if seeds else None))

    def _closure(self, query: Query) -> tuple[bytes, bytes]:
        found = closure(self._app.community, _seeds(query))
        return _JSON, _encode({kind: sorted(ids) for kind, ids in found.items()})

    def _kinds(self, _: Query) -> tuple[bytes, bytes]:
        return _JSON, _encode(kinds(self._app.community))

    def _seeds(self) -> dict[str, Iterable[str | int]]:
        community = self._app.community
        projects, studios = community.projects, community.studios
        return {
            "users": community.users.name,
            "projects": [each for each, shared in zip(projects.id, projects.is_shared, strict=True) if shared],
            "studios": [each for each, is_open in zip(studios.id, studios.is_open, strict=True) if is_open],
        }

    def _seeds_of(self, kind: str, _: Query) -> tuple[bytes, bytes]:
        """Name everything of a kind, one a line: words for a command line."""
        return b"text/plain; charset=utf-8", "".join(f"{each}\n" for each in self._seeds()[kind]).encode()

    def _frame(self, _: Query) -> tuple[bytes, bytes]:
        """State from which ids projects can be drawn, and how many of them are of shared ones."""
        projects = self._app.community.projects
        last = max(projects.frame_end, *projects.id[-1:])
        return _JSON, _encode({"first_id": 1, "last_id": last, "shared": sum(projects.is_shared)})

    def _removed(self, _: Query) -> tuple[bytes, bytes]:
        return _LINES, _lines(self._app.community.removed)

    def _requests(self, _: Query) -> tuple[bytes, bytes]:
        requests = self._app.requests
        by_status = {str(status): count for status, count in sorted(requests.by_status.items())}
        total = sum(requests.by_status.values())
        by_route, by_fault = dict(requests.by_route), dict(requests.by_fault)
        return _JSON, _encode({"total": total, "by_route": by_route, "by_status": by_status, "by_fault": by_fault})

    def _log(self, _: Query) -> tuple[bytes, bytes]:
        return _LINES, _lines(self._app.requests.log)

    def _reset(self, _: Query) -> tuple[bytes, bytes]:
        self._app.requests.reset()
        return _JSON, b"{}"

    def _reset_tokens(self, _: Query) -> tuple[bytes, bytes]:
        self._app.community.token_series += 1
        return _JSON, b"{}"

    def _churn(self, query: Query) -> tuple[bytes, bytes]:
        asked = dict(query)
        events = int(asked.get("events", "1"))
        if not 0 <= events <= EVENTS_MAX:
            raise ValueError(f"events={events}: 0 to {EVENTS_MAX}")
        return _JSON, _encode(dict(self._app.community.churn(events, asked.get("type"))))

    def _write_profile(self, query: Query) -> tuple[bytes, bytes]:
        """Let a user write their bio or status: `user=NAME&bio=TEXT`."""
        asked = dict(query)
        users = self._app.community.users
        row = users.by_name.get(asked.pop("user", "").lower())
        if row is None or not asked or not asked.keys() <= {"bio", "status"}:
            raise ValueError("name a user, and a bio or a status")
        for name, written in asked.items():
            users.write(row, name, written)
        return _JSON, b"{}"

    def _settings(self, query: Query) -> tuple[bytes, bytes]:
        app = self._app
        values = dict(query)
        spec, first = values.pop("faults", None), values.pop("first_faults", None)
        numbers = {name: _rate(name, value) for name, value in values.items()}
        app.faults.configure(spec, first)
        for name, number in numbers.items():
            if name in vars(app.states):
                app.set_state(name, number)
            else:
                setattr(app, name, number)
        now = {name: getattr(app, name) for name in _SETTINGS} | vars(app.states)
        first = ",".join(name or "none" for name in app.faults.first)
        return _JSON, _encode(now | {"faults": app.faults.spec, "first_faults": first})


_SETTINGS = (
    "churn",
    "churn_per_request",
    "latency_ms",
    "trouble",
    "odd",
    "lost_events",
    "stale_tokens",
    "huge_project",
)
_STATES = tuple(vars(States()))


def _is_from_here(headers: dict[bytes, bytes]) -> bool:
    """Return whether a request names this machine and comes from no page elsewhere."""
    host = headers.get(b"host", b"").decode("latin-1")
    origin = headers.get(b"origin", b"").decode("latin-1")
    try:
        is_here = is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    site = headers.get(b"sec-fetch-site", b"none").decode("latin-1")
    return is_here and origin in ("", f"http://{host}") and site in ("none", "same-origin")


def is_loopback(host: str) -> bool:
    """Return whether an address or a host name is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _rate(name: str, value: str) -> float:
    if name not in _SETTINGS + _STATES:
        raise ValueError(f"no setting {name!r}: one of {', '.join(_SETTINGS + _STATES)}, faults, first_faults")
    number = float(value)
    if not 0.0 <= number < float("inf"):
        raise ValueError(f"{name}={value}: a number from 0")
    if name in _STATES and number != int(number):
        raise ValueError(f"{name}={value}: a whole number")
    if name == "everything" and number not in EVERYTHING:
        raise ValueError(f"everything={value}: one of {', '.join(map(str, EVERYTHING))}")
    return number


def _seeds(query: Query) -> list[Seed]:
    seeds: list[Seed] = []
    for name, value in query:
        if name != "from":
            raise ValueError(f"no parameter {name!r}: from=user:NAME, from=project:ID or from=studio:ID")
        kind, _, key = value.partition(":")
        seeds.append((kind, key))
    return seeds


def _lines(rows: Iterable[object]) -> bytes:
    return b"".join([_encode(row) + b"\n" for row in rows])
