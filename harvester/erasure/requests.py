"""Requests of people to be erased: opened, verified, carried out, closed.

The account that a request names stands in `crawl.erasure_requests` until the erasure, and an address or a letter of
the person never does. A closed request is a keyed hash with dates.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from harvester.choices import RequestOutcome
from harvester.erasure.erase import erase, whose
from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.annotations import NAME, USER
from harvester.warehouse.connection import fetch_dicts
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.choices import RequestChannel
    from harvester.erasure.removal import Erasure
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "requests")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Characters of a phrase: none is mistaken for another."""
_GROUPS, _GROUP = 3, 4
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A request as it is stored; see the columns of `crawl.erasure_requests`."""

    request_id: int
    channel: str | None
    received_at: datetime
    due_at: datetime
    opened_at: datetime
    user_id: int | None
    username: str | None
    hash: str
    verified_at: datetime | None
    verified_by: str | None
    reason: str | None
    erased_at: datetime | None
    removed: dict[str, Any] | None
    releases: list[dict[str, Any]] | None
    carried_out_at: datetime | None
    closed_at: datetime | None
    outcome: str | None
    is_overdue: bool

    @property
    def state(self) -> str:
        """Return the state: open, verified, erased (files and archives are left), carried out or closed."""
        reached = {
            "closed": self.closed_at,
            "carried out": self.carried_out_at,
            "erased": self.erased_at,
            "verified": self.verified_at,
        }
        return next((name for name, at in reached.items() if at is not None), "open")

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return {"request_id": self.request_id, "state": self.state} | asdict(self)

    def deadline(self) -> dict[str, Any]:
        """Return what `harvester status` tells: no name, id or hash."""
        names = ("request_id", "state", "channel", "received_at", "due_at", "is_overdue")
        return {name: getattr(self, name) for name in names}


def read_requests(connection: Connection, *, open_only: bool = False) -> list[ErasureRequest]:
    """Return the requests, open ones first, by their deadline."""
    return _read(connection, None, open_only=open_only)


def read_request(connection: Connection, number: int) -> ErasureRequest:
    """Return a request.

    Raises:
        UsageError: there is none of this number.
    """
    found = _read(connection, number) if 0 < number < 2**63 else []
    if not found:
        raise UsageError(f"there is no request {number}: see `harvester erase request list`")
    return found[0]


def _read(connection: Connection, number: int | None, *, open_only: bool = False) -> list[ErasureRequest]:
    with connection.cursor(row_factory=class_row(ErasureRequest)) as cursor:
        return cursor.execute(_SQL["read"], {"number": number, "open_only": open_only}).fetchall()


def open_request(
    connection: Connection,
    home: Path,
    channel: RequestChannel,
    *,
    name: str | None = None,
    user: int | None = None,
    received_at: datetime | None = None,
    due_at: datetime | None = None,
) -> ErasureRequest:
    """Record a request of a person, by name or by id, and return it.

    Args:
        connection: To the warehouse.
        home: The folder with the secret key.
        channel: How the request arrived.
        name: The username; the id is that of the account in the warehouse, if it has one.
        user: The id, instead of the name.
        received_at: When it arrived; now unless given.
        due_at: When it must be answered; a month later unless given.

    Raises:
        UsageError: as `erase`; the times are impossible, a request of the person is open, or they were erased before.
    """
    received_at = received_at or datetime.now(UTC)
    if received_at > datetime.now(UTC):
        raise UsageError(f"--received {received_at:%Y-%m-%d %H:%M}: a request arrives before it is recorded")
    if due_at is not None and due_at < received_at:
        raise UsageError(f"--due {due_at:%Y-%m-%d %H:%M}: before the request arrived")
    users = whose(connection, name, user)
    user_id = users[0] if users else None
    if name is None:
        row = connection.execute("SELECT username FROM scratch.users WHERE id = %s", [user_id]).fetchone()
        name = None if row is None else row[0]
    rule = load_rule(connection, home)
    if rule.names(USER, user_id) or rule.names(NAME, name):
        raise UsageError("the person was erased before, and is left out of all crawls: see `harvester erase list`")
    own = _hash(home, user_id, name)
    values = {"channel": channel, "received_at": received_at, "due_at": due_at}
    row = connection.execute(_SQL["open"], values | {"user_id": user_id, "username": name, "hash": own}).fetchone()
    if row is None:
        raise UsageError(f"request {_number_of(connection, own)} of this person is open already")
    return read_request(connection, row[0])


def _hash(home: Path, user_id: int | None, name: str | None) -> str:
    key = secret_key(home)
    return keyed_hash(key, NAME, (name or "").lower()) if user_id is None else keyed_hash(key, USER, user_id)


def _number_of(connection: Connection, own: str) -> int | None:
    row = connection.execute(_SQL["same_person"], [own]).fetchone()
    return None if row is None else int(row[0])


def phrase_of(home: Path, request: ErasureRequest) -> str:
    """Return the phrase that shows, in the person's profile, that the account is theirs.

    It is made of the secret key and is stored nowhere: 59 bits that nobody else can name.
    """
    made_of = f"{request.request_id} {request.opened_at.astimezone(UTC).isoformat()}"
    number = int(keyed_hash(secret_key(home), "phrase", made_of), 16)
    letters = []
    for _ in range(_GROUPS * _GROUP):
        number, letter = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "-".join("".join(letters[at : at + _GROUP]) for at in range(0, len(letters), _GROUP))


def holds_phrase(text: str, phrase: str) -> bool:
    """Return whether a text holds a phrase, in any case and with any signs or spaces between its letters."""
    return _letters(phrase) in _letters(text)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def check_unverified(request: ErasureRequest) -> None:
    """Refuse a request that cannot be verified any more.

    Raises:
        UsageError: it is closed, or the person was erased.
    """
    if request.state not in ("open", "verified"):
        raise UsageError(f"request {request.request_id} is {request.state}: there is nothing left to verify")


def record_verified(
    connection: Connection, home: Path, number: int, *, user: int | None = None, reason: str | None = None
) -> ErasureRequest:
    """Record that an account is the person's: `user`, whose profile holds the phrase; or by hand, for a `reason`.

    Raises:
        UsageError: the request is in another state, the reason is empty or too long, or another request of the same
            account is open.
    """
    request = read_request(connection, number)
    check_unverified(request)
    if reason is not None and not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise UsageError(f"--by-hand: say what showed it, in at most {LONGEST_REASON} characters and without a name")
    user_id = request.user_id if user is None else user
    values = {
        "number": number,
        "user_id": user_id,
        "hash": _hash(home, user_id, request.username),
        "verified_by": "profile" if reason is None else "hand",
        "reason": reason,
    }
    try:
        connection.execute(_SQL["verify"], values)
    except psycopg.errors.UniqueViolation:
        other = _number_of(connection, str(values["hash"]))
        raise UsageError(f"request {other} of the same account is open: close one of the two") from None
    return read_request(connection, number)


def erase_requested(connection: Connection, home: Path, number: int) -> ErasureRequest:
    """Erase the person of a verified request from the tables, and record in the same transaction what went.

    A request whose person was erased already is returned as it is.

    Raises:
        UsageError: it is not verified, or was carried out or closed.
        WarehouseError: a crawl is at work.
    """
    request = read_request(connection, number)
    if request.state == "open":
        raise UsageError(f"request {number} is not verified: see `harvester erase request verify`")
    if request.state in ("carried out", "closed"):
        raise UsageError(f"request {number} is {request.state} already")
    if request.state == "erased":
        return request
    known = connection.execute("SELECT first_seen_at FROM scratch.users WHERE id = %s", [request.user_id]).fetchone()

    def record(erasure: Erasure) -> None:
        # A build that ends meanwhile is named, or is recorded after the erasure and then finds the person's rule.
        connection.execute("LOCK TABLE crawl.releases IN SHARE MODE")
        releases = fetch_dicts(connection, _SQL["releases_since"], known or [None])
        named = [one | {"as_of": one["as_of"].isoformat(), "built_at": one["built_at"].isoformat()} for one in releases]
        values = {"number": number, "removed": Jsonb(erasure.as_json()), "releases": Jsonb(named)}
        connection.execute(_SQL["record_erased"], values)

    name = request.username if request.user_id is None else None
    erase(connection, home, name, user=request.user_id, on_removed=record)
    return read_request(connection, number)


def record_carried_out(connection: Connection, number: int, removed: dict[str, Any]) -> ErasureRequest:
    """Record that nothing of the person is left in tables, files and archives, and what was removed."""
    connection.execute(_SQL["record_carried_out"], [Jsonb(removed), number])
    return read_request(connection, number)


def check_receipt(request: ErasureRequest) -> None:
    """Refuse a request of which there is no receipt.

    Raises:
        UsageError: it was not carried out yet, or is closed.
    """
    if request.state == "closed":
        raise UsageError(f"request {request.request_id} is closed, and its receipt was deleted with that")
    if request.state != "carried out":
        raise UsageError(f"request {request.request_id} is {request.state}: `harvester erase request carry-out` first")


def close_request(connection: Connection, number: int, outcome: RequestOutcome) -> ErasureRequest:
    """Close a request: of what it holds, the keyed hash and the dates stay.

    Raises:
        UsageError: it is closed, or in a state that the outcome does not fit.
    """
    request = read_request(connection, number)
    if request.state == "closed":
        raise UsageError(f"request {number} is closed already")
    if outcome is RequestOutcome.ERASED and request.state != "carried out":
        raise UsageError(
            f"request {number} is {request.state}: `harvester erase request carry-out` first, or say how it ended with"
            " --outcome"
        )
    if outcome is not RequestOutcome.ERASED and request.erased_at is not None:
        raise UsageError(
            f"request {number} is {request.state}: the person was erased, and --outcome {outcome} is wrong"
        )
    connection.execute(_SQL["close"], [outcome, number])
    return read_request(connection, number)
