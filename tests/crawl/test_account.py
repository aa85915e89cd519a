"""The operator's own account: read only with its session, in a schema of its own, and no output shows its secrets."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LISTS = {
    "account_loves": "following/users/loves",
    "account_shared": "following/users/projects",
    "account_studios": "following/studios/projects",
    "account_viewed": "projects/recentlyviewed",
}


def ask(url: str, headers: dict[str, str]) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


class Me:
    """A user who reads its own account as the site's pages do."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox
        names = {row["id"]: row["username"] for row in sandbox.truth("users")}
        author = {row["id"]: row["author_id"] for row in sandbox.truth("projects")}
        favorites = sandbox.truth("favorites")
        fans = {row["user_id"] for row in favorites}
        sharers = set(author.values())
        candidates = fans & {author[row["project_id"]] for row in favorites} & names.keys()
        for followed in (sharers, fans):
            candidates &= {row["follower_id"] for row in sandbox.truth("follows") if row["followee_id"] in followed}
        full = {row["studio_id"] for row in sandbox.truth("studio_projects")}
        candidates &= {row["user_id"] for row in sandbox.truth("studio_members") if row["studio_id"] in full}
        self.id = min(candidates)
        self.name = names[self.id]

    def read(self, path: str) -> list[Any]:
        headers = {"Cookie": f'scratchsessionsid="sandbox-{self.name}"', "X-Requested-With": "XMLHttpRequest"}
        token = ask(f"{self.sandbox.url}/session/", headers)["user"]["token"]
        found: list[Any] = []
        while page := ask(f"{self.sandbox.url}{path}?limit=20&offset={len(found)}", {"X-Token": token}):
            if isinstance(page, dict):
                return [page]
            found += page
        return found


@pytest.fixture(scope="module")
def me(small_sandbox: Any) -> Me:
    return Me(small_sandbox)


def test_account_data_are_kept_apart(me: Me, make_harvester: Callable[..., Any], database: str) -> None:
    harvester = make_harvester(me.sandbox, HARVESTER_SESSION=f"sandbox-{me.name}")
    harvester("seed", "users", me.name)
    said = harvester("crawl").stderr
    me.sandbox.json("/sandbox/tokens/reset", "POST")
    said += harvester("crawl", "--refresh").stderr

    for table, path in (("messages", "messages"), ("activity", "following/users/activity")):
        served = {(item["type"], item["id"], item["actor_username"]) for item in me.read(f"/users/{me.name}/{path}")}
        kept = harvester.query(f"SELECT type, id, actor_username FROM account.{table} WHERE account_id = %s", me.id)
        assert set(kept) == served
        assert served
    for name, path in LISTS.items():
        served = {(item["id"], item["title"]) for item in me.read(f"/users/{me.name}/{path}")}
        assert set(harvester.query("SELECT id, title FROM account.projects WHERE list = %s", name)) == served
        assert served
    projects = harvester.query("SELECT extra FROM account.projects WHERE list = 'account_viewed' ORDER BY id")
    viewed = sorted(me.read(f"/users/{me.name}/projects/recentlyviewed"), key=lambda item: item["id"])
    assert [extra for (extra,) in projects] == [
        {name: value for name, value in item.items() if name not in ("id", "title")} for item in viewed
    ]
    states = harvester.query(
        "SELECT stream, count(*), count(*) FILTER (WHERE extra <> '{}') FROM account.states GROUP BY 1"
    )
    found = {stream: (rows, full) for stream, rows, full in states}
    mine = sum(row["author_id"] == me.id for row in me.sandbox.truth("projects"))
    assert found["account_visibility"] == (mine, mine)
    assert found["account_love"] == found["account_favorite"] == (len(viewed), len(viewed))
    assert found["account_role"][0] > 0
    assert found["account_invites"] == (1, 0)

    # Only reading, and no secret in the warehouse or in what was said.
    assert {method for _, method, _, _ in me.sandbox.lines("/sandbox/requests/log")} == {"GET"}
    everything = said + str(
        harvester.query(
            "SELECT to_jsonb(w), r, q FROM crawl.frontier w, crawl.runs r LEFT JOIN crawl.quarantine q ON true"
        )
    )
    assert "token-" not in everything
    assert f"sandbox-{me.name}" not in everything
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE harvester_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM account.messages")


def test_a_refused_token_is_requested_again(me: Me, make_harvester: Callable[..., Any]) -> None:
    """Each refusal costs a new token, not the visit; the old one is never sent again."""
    harvester = make_harvester(me.sandbox, HARVESTER_SESSION=f"sandbox-{me.name}")
    harvester("seed", "users", me.name)
    me.sandbox.json("/sandbox/settings?latency_ms=150", "POST")
    me.sandbox.json("/sandbox/requests/reset", "POST")
    process = harvester.start("crawl", "--spider", "account")
    while me.sandbox.requests()["total"] < 3:
        time.sleep(0.01)
    for _ in range(4):
        me.sandbox.json("/sandbox/tokens/reset", "POST")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    me.sandbox.json("/sandbox/settings?latency_ms=0", "POST")
    process.communicate()
    assert process.returncode == 0
    assert me.sandbox.requests()["by_status"].get("401", 0) > 0
    assert harvester.query(
        "SELECT count(*) FROM crawl.frontier WHERE stream LIKE 'account%%' AND failures > 0 AND %s", True
    ) == [(0,)]
    assert harvester.query("SELECT count(*) FROM account.messages")[0][0] > 0


def test_without_the_session_there_are_no_such_streams(me: Me, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(me.sandbox)
    harvester("seed", "users", me.name)
    harvester.crawl()
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE stream LIKE 'account%'") == [(0,)]
    refused = harvester("crawl", "--spider", "account", ok=False)
    assert refused.returncode == 2
    assert refused.stderr == (
        "harvester: the spider account works only with HARVESTER_SESSION: set it, or name another spider\n"
    )


def test_an_unknown_session_is_a_clear_error(me: Me, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(me.sandbox, HARVESTER_SESSION="sandbox-nobody-has-this")
    harvester("seed", "users", me.name)
    refused = harvester("crawl", ok=False)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith(
        "harvester: HARVESTER_SESSION: the site does not know this session"
    )
    assert "nobody-has-this" not in refused.stderr
