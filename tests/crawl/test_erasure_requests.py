"""A request to be erased, from the letter to the receipt, against the site as a process; then nobody is found."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pytest

from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def dump(database: str) -> str:
    """Every value of every row, as text."""
    with psycopg.connect(database) as connection:
        return "\n".join(
            row
            for table in metadata.sorted_tables
            for (row,) in connection.execute(f"SELECT t::text FROM {table.fullname} t").fetchall()
        )


def found(text: str, person: dict[str, Any]) -> list[str]:
    """The traces of a person in a text."""
    names = [person["username"]] if person["username"].lower() in text.lower() else []
    return names + re.findall(rf"(?<![0-9.]){person['id']}(?![0-9.])", text)


def asked(harvester: Any, *words: str, ok: bool = True) -> Any:
    done = harvester("erase", "request", *words, *(["--json"] if ok else []), ok=ok)
    return json.loads(done.stdout) if ok else done


def refused(harvester: Any, *words: str, status: int = 2) -> str:
    """What a command says that is refused in one line."""
    done = harvester("erase", "request", *words, ok=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done.stderr
    return str(done.stderr)


def write(sandbox: Any, person: dict[str, Any], **texts: str) -> None:
    """Let a person write into their profile."""
    sandbox.json(f"/sandbox/profile?{urlencode({'user': person['username']} | texts)}", "POST")


@pytest.fixture
def seeded(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path) -> tuple[Any, Any]:
    sandbox = start_sandbox(users=15, seed=3)
    home = tmp_path / "home"
    home.mkdir()
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(home))
    harvester("seed", "users", *(user["username"] for user in sandbox.truth("users")[:3]))
    return sandbox, harvester


def test_a_request_from_the_letter_to_the_receipt(seeded: tuple[Any, Any]) -> None:
    sandbox, harvester = seeded
    harvester.crawl()
    person = sandbox.truth("users")[0]
    name = person["username"]
    harvester.query(
        "INSERT INTO crawl.releases (name, profile, as_of) VALUES ('2020.01.0', 'open', '2020-01-01'),"
        " ('2026.06.0', 'restricted', now()) RETURNING 1"
    )
    opened = asked(harvester, "open", name.upper(), "--channel", "letter", "--received", "2026-01-31")
    assert (opened["request_id"], opened["state"], opened["user_id"]) == (1, "open", person["id"])
    assert (opened["due_at"][:10], opened["is_overdue"]) == ("2026-02-28", True)
    phrase = opened["phrase"]
    assert re.fullmatch(r"(\w{4}-){2}\w{4}", phrase)
    assert phrase not in dump(harvester.database)
    assert "overdue since 2026-02-28" in harvester("status").stdout
    (told,) = json.loads(harvester("status", "--json").stdout)["erasure_requests"]
    assert name not in str(told)
    assert "harvester_erasure_due_timestamp_seconds" in harvester("metrics").stdout
    assert "request 1 of this person is open" in refused(harvester, "open", "--id", str(person["id"]))
    assert "not verified" in refused(harvester, "carry-out", "1", "--yes")
    assert "is open" in refused(harvester, "receipt", "1")
    assert "is open" in refused(harvester, "close", "1")

    harvester("rate", "0")
    assert phrase in refused(harvester, "verify", "1", status=1)
    write(sandbox, person, bio=f"i code games\n{phrase.upper().replace('-', ' ')} !!", status="hello")
    before = sandbox.json("/sandbox/requests")["by_route"].get("/users/{name}", 0)
    verified = asked(harvester, "verify", "1")
    assert (verified["state"], verified["verified_by"]) == ("verified", "profile")
    assert sandbox.json("/sandbox/requests")["by_route"].get("/users/{name}", 0) <= before + 1
    assert "i code games" not in dump(harvester.database)

    rows = harvester.query("SELECT count(*) FROM scratch.projects WHERE author_id = %s", person["id"])[0][0]
    carried = asked(harvester, "carry-out", "1", "--yes")
    assert (carried["state"], carried["user_id"], carried["username"]) == ("carried out", None, None)
    assert carried["removed"]["deleted"]["scratch.users"] == 1
    assert carried["removed"]["deleted"].get("scratch.projects", 0) == rows
    assert [one["name"] for one in carried["releases"]] == ["2026.06.0"]
    assert found(dump(harvester.database), person) == []
    assert "carried out already" in refused(harvester, "carry-out", "1", "--yes")
    assert "erased before" in refused(harvester, "open", name)
    assert json.loads(harvester("status", "--json").stdout)["erasure_requests"][0]["is_overdue"] is False

    receipt = harvester("erase", "request", "receipt", "1").stdout
    assert all(part in receipt for part in ("scratch.users", "2026.06.0", "the phrase in the profile", "backups"))
    assert found(receipt, person) == []
    assert "is wrong" in refused(harvester, "close", "1", "--outcome", "withdrawn")
    closed = asked(harvester, "close", "1")
    kept = {"request_id", "state", "received_at", "due_at", "opened_at", "hash", "verified_at", "erased_at",
            "carried_out_at", "closed_at", "outcome", "is_overdue"}  # fmt: skip
    assert {field for field, value in closed.items() if value is not None} == kept
    assert "was deleted" in refused(harvester, "receipt", "1")
    assert "closed already" in refused(harvester, "close", "1")
    assert "is closed" in refused(harvester, "verify", "1", "--by-hand", "a letter")
    assert asked(harvester, "list") == []
    assert [one["outcome"] for one in asked(harvester, "list", "--all")] == ["erased"]


def test_a_request_that_no_profile_proves(seeded: tuple[Any, Any]) -> None:
    """The account is another's by now, has no name, or is gone; then another proof counts, or the request ends."""
    sandbox, harvester = seeded
    first, second, third = sandbox.truth("users")[:3]
    for words, why in (
        (["open"], "by a name or by --id"),
        (["open", "no name at all"], "no username"),
        (["open", "x", "--received", "2999-01-01"], "arrives before"),
        (["open", "x", "--due", "2020-01-01"], "before the request arrived"),
        (["verify", "9"], "no request 9"),
        (["carry-out", "0", "--yes"], "no request 0"),
    ):
        assert why in refused(harvester, *words)
    # The name is another account's since the warehouse last saw it.
    harvester.query("UPDATE scratch.users SET id = -1 WHERE id = %s RETURNING 1", first["id"])
    asked(harvester, "open", first["username"])
    assert "another account" in refused(harvester, "verify", "1", status=1)
    asked(harvester, "open", "nobody-has-this-name")
    assert "no account nobody-has-this-name" in refused(harvester, "verify", "2", status=1)
    asked(harvester, "open", "--id", "987654321")
    assert "no name is known" in refused(harvester, "verify", "3")
    assert "without a name" in refused(harvester, "verify", "3", "--by-hand", " ")
    assert asked(harvester, "verify", "3", "--by-hand", "signed letter")["verified_by"] == "hand"
    carried = asked(harvester, "carry-out", "3", "--yes")
    assert (carried["state"], carried["reason"]) == ("carried out", "signed letter")
    assert asked(harvester, "close", "2", "--outcome", "unproven")["username"] is None
    # Who is erased by the other command is forgotten here too, and the request goes on from there.
    asked(harvester, "open", second["username"])
    harvester("erase", "user", second["username"], "--yes")
    (row,) = [one for one in asked(harvester, "list") if one["request_id"] == 4]
    assert (row["state"], row["username"], row["user_id"]) == ("erased", None, None)
    assert asked(harvester, "carry-out", "4", "--yes")["state"] == "carried out"
    # One of a person, whose id was not known when the second one was opened.
    harvester.query("DELETE FROM scratch.users WHERE id = %s RETURNING 1", third["id"])
    other = asked(harvester, "open", third["username"])
    asked(harvester, "open", "--id", str(third["id"]))
    write(sandbox, third, status=other["phrase"])
    assert "request 6 of the same account is open" in refused(harvester, "verify", "5")
