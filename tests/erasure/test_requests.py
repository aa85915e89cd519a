"""A request to be erased goes through its states in order, is proven by its own phrase, and leaves a keyed hash."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.choices import RequestChannel, RequestOutcome
from harvester.erasure.requests import (
    ErasureRequest,
    check_receipt,
    check_unverified,
    close_request,
    erase_requested,
    holds_phrase,
    open_request,
    phrase_of,
    read_request,
    read_requests,
    record_carried_out,
    record_verified,
)
from harvester.errors import UsageError
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.annotations import NAME, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PERSON = 5555555


@pytest.fixture
def warehouse(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    """A warehouse with one account."""
    monkeypatch.setenv("HARVESTER_HOME", str(tmp_path))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (%s, 'somebody')", [PERSON])
        yield connection


def test_each_step_needs_the_one_before(warehouse: psycopg.Connection[Any], tmp_path: Path) -> None:
    number = open_request(warehouse, tmp_path, RequestChannel.LETTER, name="SOMEBODY").request_id

    def now() -> ErasureRequest:
        return read_request(warehouse, number)

    steps: dict[str, Callable[[], Any]] = {
        "verify": lambda: check_unverified(now()),
        "erase": lambda: erase_requested(warehouse, tmp_path, number),
        "receipt": lambda: check_receipt(now()),
        "close": lambda: close_request(warehouse, number, RequestOutcome.ERASED),
        "withdraw": lambda: close_request(warehouse, number, RequestOutcome.WITHDRAWN),
    }

    def refused(state: str, *names: str) -> None:
        assert now().state == state
        for name in names:
            with pytest.raises(UsageError, match=f"request {number} is (not verified|{state})"):
                steps[name]()
        assert now().state == state

    refused("open", "erase", "receipt", "close")
    record_verified(warehouse, tmp_path, number, reason="a letter")
    refused("verified", "receipt", "close")
    assert steps["erase"]() == steps["erase"]()
    refused("erased", "verify", "receipt", "close", "withdraw")
    record_carried_out(warehouse, number, {"deleted": {"scratch.users": 1}})
    refused("carried out", "verify", "erase", "withdraw")
    steps["receipt"]()
    closed = steps["close"]()
    refused("closed", *steps)
    assert closed.hash == keyed_hash(secret_key(tmp_path), USER, PERSON), "the key finds the request by its hash"
    assert closed.hash != keyed_hash(b"another key", USER, PERSON)
    (row,) = warehouse.execute("SELECT r::text FROM crawl.erasure_requests r").fetchone() or ("",)
    assert not [trace for trace in ("somebody", str(PERSON), "letter") if trace in row.lower()]
    with pytest.raises(UsageError, match="erased before"):
        open_request(warehouse, tmp_path, RequestChannel.OTHER, user=PERSON)


def test_a_release_that_is_made_meanwhile_is_named(
    database: str, warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """It is recorded and not committed when the person is removed: the erasure waits, and its receipt names it."""
    number = open_request(warehouse, tmp_path, RequestChannel.LETTER, user=PERSON).request_id
    record_verified(warehouse, tmp_path, number, reason="a letter")

    def erase() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            erase_requested(connection, tmp_path, number)

    with psycopg.connect(database) as build:
        build.execute("INSERT INTO crawl.releases (name, profile, as_of) VALUES ('2026.06.0', 'restricted', now())")
        thread = Thread(target=erase)
        thread.start()
        waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'crawl.releases'::regclass"
        while thread.is_alive() and build.execute(waits).fetchone() is None:
            time.sleep(0.01)
    thread.join()
    assert [one["name"] for one in read_request(warehouse, number).releases or ()] == ["2026.06.0"]


def test_a_withdrawn_request_can_be_opened_again(warehouse: psycopg.Connection[Any], tmp_path: Path) -> None:
    first = open_request(warehouse, tmp_path, RequestChannel.OTHER, name="nobody-known")
    assert first.hash == keyed_hash(secret_key(tmp_path), NAME, "nobody-known")
    with pytest.raises(UsageError, match="request 1 of this person is open already"):
        open_request(warehouse, tmp_path, RequestChannel.OTHER, name="Nobody-Known")
    closed = close_request(warehouse, first.request_id, RequestOutcome.WITHDRAWN)
    assert (closed.username, closed.channel) == (None, None)
    second = open_request(warehouse, tmp_path, RequestChannel.OTHER, name="nobody-known")
    assert [one.request_id for one in read_requests(warehouse, open_only=True)] == [second.request_id]
    assert first.hash == second.hash


def request(number: int, opened_at: datetime) -> ErasureRequest:
    rest = dict.fromkeys(ErasureRequest.__slots__)
    return ErasureRequest(**rest | {"request_id": number, "opened_at": opened_at})  # type: ignore[arg-type]


def test_a_phrase_proves_one_request_only(tmp_path: Path) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    requests = [request(1, at), request(2, at), request(1, at.replace(day=2))]
    phrases = [phrase_of(tmp_path, one) for one in requests]
    (tmp_path / "other").mkdir()
    phrases.append(phrase_of(tmp_path / "other", requests[0]))
    assert len({*phrases}) == 4
    phrase = phrases[0]
    assert phrase == phrase_of(tmp_path, requests[0])
    assert holds_phrase(f"hello\n {phrase.upper().replace('-', '.')}!", phrase)
    letters = phrase.replace("-", "")
    wrong = [letters[:at] + ("2" if letters[at] != "2" else "3") + letters[at + 1 :] for at in range(len(letters))]
    for text in (*wrong, letters[1:], letters[:-1], letters[::-1], "", *phrases[1:]):
        assert not holds_phrase(text, phrase), text
