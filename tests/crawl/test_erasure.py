"""Whoever asks to be forgotten is in no table afterwards, and does not come back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def everything(database: str) -> dict[str, str]:
    """Each table as text, every value of every row."""
    with psycopg.connect(database) as connection:
        return {
            table.fullname: "\n".join(
                row for (row,) in connection.execute(f"SELECT t::text FROM {table.fullname} t").fetchall()
            )
            for table in metadata.sorted_tables
        }


def traces(database: str, person: dict[str, Any], texts: list[str]) -> list[tuple[str, str]]:
    """Where a name, an id or a text of a person is found, byte by byte."""
    number = re.compile(rf"(?<![0-9.]){person['id']}(?![0-9.])")
    found = []
    for table, text in everything(database).items():
        if person["username"].lower() in text.lower():
            found.append((table, "name"))
        if number.search(text):
            found.append((table, "id"))
        found += [(table, said) for said in texts if said in text]
    return found


@pytest.fixture
def crawled(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path) -> tuple[Any, Any]:
    sandbox = start_sandbox(users=25, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester("seed", "explore")
    harvester.crawl()
    sandbox.json("/sandbox/churn?events=200", "POST")
    harvester.crawl("--refresh")
    harvester("analytics", "refresh")
    return sandbox, harvester


def somebody(harvester: Any) -> tuple[dict[str, Any], list[str]]:
    """Who has most to lose, and what they wrote that nobody else did."""
    rows = harvester.query(
        "SELECT u.id, u.username, u.bio, u.status FROM scratch.users u WHERE u.gone_at IS NULL"
        " ORDER BY (SELECT count(*) FROM scratch.project_comments c WHERE c.author_id = u.id)"
        " * (1 + (SELECT count(*) FROM scratch.projects p WHERE p.author_id = u.id))"
        " * (1 + (SELECT count(*) FROM scratch.studios s WHERE s.host_id = u.id)) DESC LIMIT 1"
    )
    ((user, name, bio, status),) = rows
    texts = [bio, status]
    for table, column in (("projects", "title"), ("projects", "description"), ("project_comments", "content")):
        texts += [
            said
            for (said,) in harvester.query(
                f"SELECT {column} FROM scratch.{table} GROUP BY 1 HAVING count(*) = 1 AND min(author_id) = %s", user
            )
        ]
    whole = "\n".join(everything(harvester.database).values())
    # Made-up people say the same things now and then, or what is a part of another's words.
    return {"id": user, "username": name}, [
        said for said in texts if said and len(said) > 15 and whole.count(said) == 1
    ]


def test_nothing_of_a_person_is_left_and_nothing_comes_back(crawled: tuple[Any, Any], tmp_path: Path) -> None:
    _, harvester = crawled
    person, texts = somebody(harvester)
    assert len(texts) > 3
    assert {what for _, what in traces(harvester.database, person, texts)} >= {"name", "id", *texts[:2]}
    before = everything(harvester.database)
    others = {user for (user,) in harvester.query("SELECT id FROM scratch.users")} - {person["id"]}

    counted = json.loads(harvester("forget", "user", person["username"], "--dry-run", "--json").stdout)
    assert everything(harvester.database) == before
    done = json.loads(harvester("forget", "user", person["username"].upper(), "--yes", "--json").stdout)
    assert done == counted | {"dry_run": False}
    assert done["deleted"]["scratch.users"] == 1
    assert done["deleted"]["scratch.projects"] >= 1
    assert done["deleted"]["analytics.user_months"] >= 1
    assert done["deleted"]["analytics.threads"] >= 1
    assert traces(harvester.database, person, texts) == []
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600

    for mode in ("--refresh", "--audit"):
        harvester.crawl(mode)
        assert traces(harvester.database, person, texts) == [], mode
    harvester("analytics", "refresh")
    assert traces(harvester.database, person, texts) == []
    refused = harvester("seed", "users", person["username"], ok=False)
    assert refused.returncode == 2
    assert person["username"] not in refused.stderr.replace(f"harvester seed users {person['username']}", "")
    # The others are all there.
    now = {user for (user,) in harvester.query("SELECT id FROM scratch.users")}
    assert now >= others


def test_another_key_would_let_the_erased_back_in(
    small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_HOME=str(tmp_path))
    harvester("forget", "user", "somebody", "--yes")
    key = tmp_path / "secret.key"
    kept = key.read_text()
    key.unlink()
    refused = harvester("crawl", ok=False)
    assert refused.returncode == 1
    assert "secret.key" in refused.stderr
    key.write_text(kept)
    key.chmod(0o644)
    assert "chmod 600" in harvester("crawl", ok=False).stderr
    key.chmod(0o600)
    harvester.crawl()


def test_who_was_never_met_is_left_out_too(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    sandbox = start_sandbox(users=15, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(tmp_path))
    rows = sandbox.truth("users")
    person = rows[0]
    assert json.loads(harvester("forget", "user", person["username"], "--yes", "--json").stdout)["known"] is False
    harvester("seed", "users", *[row["username"] for row in rows[1:]])
    harvester.crawl()
    assert [what for what in traces(harvester.database, person, []) if what[1] == "name"] == []
    assert harvester("forget", "user", "no name at all", ok=False).returncode == 2
