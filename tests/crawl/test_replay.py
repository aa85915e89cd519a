"""An archive makes the same warehouse again, without a request."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import signal
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from scrapy.http import Response

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.api.stream import Kind
from harvester.config import Settings, load
from harvester.crawl.archive import Archive, Archived, Part, Transaction, read_archives
from harvester.crawl.archive_index import uncertain_pages
from harvester.crawl.comparison import Comparison
from harvester.crawl.replay_steps import survey
from harvester.crawl.session import Session
from harvester.frontier import leases, scope
from harvester.frontier.model import CommitResult, Committed, PageCommit, Stale, VisitResult
from harvester.frontier.runs import Totals, begin_run, end_run
from harvester.sandbox.odd import SHARE as ODD
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Planted:
    """A difference: a value that is set, or a row that is deleted or inserted as a changed copy of another one.

    Attributes:
        values: By column: an expression.
        newest: The column by which the newest row is taken, which a run that was not killed wrote.
        among: A condition.
    """

    kind: str
    table: str
    values: dict[str, str] = field(default_factory=dict)
    newest: str = "first_seen_at"
    among: str = "true"

    @property
    def key(self) -> list[str]:
        table = metadata.tables[self.table]
        return list(table.info.get("key") or (column.name for column in table.primary_key.columns))


LATER = " + interval '1 second'"
PLANTED = (
    Planted("changed", "scratch.users", {"bio": "bio || '.'"}, among="bio <> ''"),
    Planted("changed", "scratch.projects", {"views": "views + 1"}),
    Planted("changed", "scratch.projects", {"from_index": "'{views}'"}, newest="id", among="from_index = '{}'"),
    Planted("changed", "scratch.studios", {"extra": "'{\"a\": 1}'"}),
    Planted("changed", "scratch.favorites", {"first_seen_at": "first_seen_at - interval '1 ms'"}),
    Planted("changed", "scratch.follows", {"last_seen_at": "now()"}, among="last_seen_at IS NULL"),
    Planted("changed", "scratch.project_comments", {"author_id": "NULL"}),
    Planted("changed", "scratch.studio_projects", {"gone_at": "gone_at" + LATER}, "gone_at", "gone_at IS NOT NULL"),
    Planted("changed", "scratch.studio_members", {"role": "NULL"}, among="role = 'curator'"),
    Planted("missing", "scratch.studio_comments", among="parent_id IS NOT NULL"),
    Planted("missing", "scratch.studio_activity"),
    Planted("extra", "scratch.profile_comments", {"id": "id + 1000000"}),
    Planted("changed", "scratch.news", {"url": "NULL"}),
    Planted("changed", "history.project_stats", {"loves": "coalesce(loves, 0) + 1"}, newest="valid_to"),
    Planted("missing", "history.project_revisions", newest="valid_to"),
    Planted("changed", "history.user_revisions", {"valid_from": "valid_from - interval '1 day'"}, newest="valid_to"),
    Planted("extra", "history.studio_stats", {"valid_to": "valid_to - interval '1 day'"}, newest="valid_to"),
    Planted("missing", "history.rankings", newest="seen_at"),
    Planted("changed", "history.site_health", {"uptime": "uptime + 1"}, newest="seen_at"),
    Planted("extra", "history.message_counts", {"seen_at": "seen_at" + LATER}, newest="seen_at"),
    Planted("changed", "crawl.frontier", {"position": "position + 1"}, "visited_at", "stream = 'project'"),
    Planted("changed", "crawl.frontier", {"certificate": "'{}'"}, "visited_at", "stream = 'user_followers'"),
    Planted("missing", "crawl.frontier", {}, "visited_at", "stream = 'studio'"),
    Planted("changed", "source.versions", {"blocks": "blocks + 1"}, among="blocks > 0"),
    Planted("changed", "source.bodies", {"packed": "packed || '.'"}, newest="sha256"),
    Planted("changed", "source.projects", {"seen_at": "seen_at" + LATER}, "seen_at", "outcome = 'read'"),
)


def plant(harvester: Any, one: Planted) -> tuple[str, ...]:
    """Change a warehouse; return what the comparison is to name."""
    table = metadata.tables[one.table]
    place = f"(SELECT ctid FROM {one.table} WHERE {one.among} ORDER BY {one.newest} DESC LIMIT 1)"
    key = ", ".join(one.key)
    if one.kind == "changed":
        values = ", ".join(f"{column} = {value}" for column, value in one.values.items())
        statement = f"UPDATE {one.table} SET {values} WHERE ctid = {place}"
    elif one.kind == "missing":
        statement = f"DELETE FROM {one.table} WHERE ctid = {place}"
    else:
        columns = [column.name for column in table.c]
        copied = ", ".join(one.values.get(column, f'"{column}"') for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        statement = f"INSERT INTO {one.table} ({names}) SELECT {copied} FROM {one.table} WHERE ctid = {place}"
    ((*values,),) = harvester.query(f"{statement} RETURNING {key}")
    changed = one.values if one.kind == "changed" else ()
    told = (value.hex() if isinstance(value, bytes) else value for value in values)
    return one.kind, one.table, exact(dict(zip(one.key, told, strict=True))), *changed


def differences(warehouse: str, replayed: str, archives: list[str]) -> list[tuple[str, ...]]:
    """Return what the comparison names."""
    with open_connection(warehouse) as one, open_connection(replayed) as other:
        found = list(Comparison(one, other, uncertain_pages(map(Path, archives))).differences())
    return [(each.kind, each.table, exact(each.key), *([each.column] if each.column else [])) for each in found]


def exact(key: dict[str, Any]) -> str:
    """The part of a key that is the same in a replay: not the time of the statement that replaced a version."""
    return str({column: value for column, value in key.items() if column != "valid_to"})


def replay_and_kill(harvester: Any, files: list[str], *, times: int) -> None:
    """Start a replay, and kill it when it has stored more; so many times."""

    def stored() -> int:
        number: int = harvester.query("SELECT coalesce(max(transactions), 0) FROM crawl.replays")[0][0]
        return number

    rng = random.Random(2)
    for number in range(times):
        goal = stored() + rng.randrange(1, 20)
        process = harvester.start("replay", "--workers", str(1 + number % 2), *files)
        while process.poll() is None and stored() < goal:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        _, told = process.communicate()
        assert "Error" not in told, told


@pytest.mark.soak
def test_a_replay_that_is_killed_again_and_again(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    second_database: str,
    tmp_path: Path,
    assert_same_warehouse: Callable[[str, str, list[str]], int],
) -> None:
    sandbox = start_sandbox(users=250, seed=4)
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(tmp_path), HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester.crawl()
    sandbox.live(500)
    harvester.crawl("--refresh")
    files = sorted(map(str, tmp_path.glob("*.warc.gz")))
    again = make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database, HARVESTER_HOME=str(tmp_path))
    replay_and_kill(again, files, times=20)
    assert json.loads(again("replay", "--json", *files).stdout)["passed"] > 100
    assert assert_same_warehouse(harvester.database, second_database, files) > 5_000


def test_a_replayed_archive_gives_the_same_tables(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    second_database: str,
    tmp_path: Path,
    assert_truth: Callable[..., Any],
    assert_kinds: Callable[..., None],
    assert_same_warehouse: Callable[[str, str, list[str]], int],
) -> None:
    """Seeds, rankings, a killed run, faults, changes, a refresh and an audit: all of it again, and dated as it was.

    The replay is killed twice and goes on, once with a process that decodes. Each difference that is planted is found,
    and nothing else.
    """
    sandbox = start_sandbox(users=14, seed=3, odd=ODD)
    harvester = make_harvester(
        sandbox,
        HARVESTER_ARCHIVE=str(tmp_path / "archive"),
        HARVESTER_HOME=str(tmp_path),
        HARVESTER_SOURCES="1",
        HARVESTER_PROJECTS_URL=sandbox.url,
    )
    assert "nothing was seeded" in harvester("seed", "users", sandbox.seeds()["users"][0], "nobody", ok=False).stderr
    harvester.seed_all(sandbox)
    harvester("seed", "explore")
    sandbox.json("/sandbox/settings?faults=500=0.03,garbage=0.03,truncate=0.03,double=0.03", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    process = harvester.start("crawl", "--json")
    while sandbox.requests()["total"] < 200 and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    harvester("crawl", ok=False)
    sandbox.json("/sandbox/settings?faults=", "POST")
    harvester("quarantine", "retry")
    for mode in ("--refresh", "--audit", "--audit"):
        sandbox.live(150)
        harvester.seed_all(sandbox)
        harvester.crawl(mode)
    assert_truth(harvester, sandbox, grown=True)
    assert_kinds(harvester, sandbox)

    files = sorted(map(str, (tmp_path / "archive").glob("*.warc.gz")))
    assert len(files) > 4
    assert all(Path(file).stat().st_mode & 0o777 == 0o600 for file in files)
    bodies = [one.body for one in read_archives(list(map(Path, files))) if isinstance(one, Archived)]
    assert sum(b'"project_token":"' in body for body in bodies) > 10
    assert not any(re.search(rb'"project_token":"\d', body) for body in bodies)
    listed = json.loads(harvester("archive", "list", "--json").stdout)
    assert [one["file"] for one in listed] == files
    assert sum(one["responses"] for one in listed) == len(bodies)
    ((user,),) = harvester.query(
        "SELECT entity_id FROM crawl.frontier WHERE stream = 'user' ORDER BY visits DESC LIMIT 1"
    )
    shown = json.loads(
        harvester("archive", "show", "user", str(user), files[0], str(tmp_path / "archive"), "--json").stdout
    )
    served = harvester("archive", "show", "user", str(user), "--bodies").stdout.splitlines()
    assert len(served) >= len({one["file"] for one in shown}) > 2
    assert {one["outcome"] for one in shown} >= {"stored"}
    assert sum(f'"id":{user},' in body for body in served) > 2
    assert "no response" in harvester("archive", "show", "user", str(user), "--until", "2020-01-01").stdout
    again = make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database, HARVESTER_HOME=str(tmp_path))
    sandbox.json("/sandbox/requests/reset", "POST")
    random.Random(1).shuffle(files)
    replay_and_kill(again, files, times=2)
    crawl = "INSERT INTO crawl.runs (command, version, api_url, permission) VALUES ('crawl', '', '', '')"
    again.query(f"{crawl} RETURNING id")
    assert "not empty" in again("replay", *files, ok=False).stderr
    again.query("DELETE FROM crawl.runs WHERE command = 'crawl' RETURNING id")
    assert "not empty" in again("replay", *files[1:], ok=False).stderr
    last = again("replay", "--json", *files)
    replayed = json.loads(last.stdout)
    assert f"going on after {replayed['passed']:,} transactions" in last.stderr
    assert sandbox.requests()["total"] == 0
    assert replayed["unused"] > 10
    ((stored, has_ended),) = again.query("SELECT transactions, ended_at IS NOT NULL FROM crawl.replays")
    assert 0 < replayed["passed"] < stored
    assert has_ended
    assert_truth(again, sandbox, grown=True)
    assert assert_same_warehouse(harvester.database, second_database, files) > 1_000
    planted = [plant(harvester, one) for one in PLANTED]
    found = differences(harvester.database, second_database, files)
    assert sorted(map(str, found)) == sorted(map(str, planted))
    assert harvester.query("SELECT count(*) FROM crawl.runs")[0][0] > 5
    refused = again("replay", *files, ok=False)
    assert refused.returncode == 2
    assert "not empty" in refused.stderr


def test_a_warehouse_is_checked_against_its_archives(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], second_database: str, tmp_path: Path
) -> None:
    """In a database that is dropped again, while no crawl is at work; who was erased is in neither, nor comes back."""
    sandbox = start_sandbox(users=7, seed=3)
    archive = tmp_path / "archive"
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(archive), HARVESTER_HOME=str(tmp_path))
    names = [user["username"] for user in sandbox.truth("users")[:3]]
    harvester("seed", "users", *names)
    harvester.crawl()

    def check(*words: str, status: int) -> Any:
        done = harvester("replay", "--check", *words, ok=False)
        assert done.returncode == status, done.stderr + done.stdout
        assert not harvester.query("SELECT FROM pg_database WHERE datname = current_database() || '_check'")
        return json.loads(done.stdout) if "--json" in words else done.stdout + done.stderr

    ((user, bio),) = harvester.query("SELECT id, bio FROM scratch.users WHERE bio <> '' LIMIT 1")
    harvester.query("UPDATE scratch.users SET bio = '[red]x' WHERE id = %s RETURNING 1", user)
    told = check("--json", str(archive), status=4)
    assert told["differences"] == [
        {"kind": "changed", "table": "scratch.users", "key": {"id": user}}
        | {"column": "bio", "warehouse": "[red]x", "replay": bio}
    ]
    assert (told["equal"], told["counts"], told["runs_without_archive"]) == (False, {"scratch.users": 1}, [])
    harvester.query("UPDATE scratch.users SET bio = %s WHERE id = %s RETURNING 1", bio, user)
    seeding = min(archive.glob("*.warc.gz"))
    partial = check(str(seeding), status=4)
    assert f"id={user}" in partial
    assert "in no archive that was named: runs 2" in partial
    (archive / "damaged").write_bytes(seeding.read_bytes() + b"something else")
    assert "cannot be read as an archive" in check(str(archive / "damaged"), status=2)
    with open_connection(harvester.database, autocommit=True) as connection:
        run = begin_run(connection, Settings(), "crawl")
        assert f"a crawl is at work (run {run})" in check(str(archive), status=2)
        end_run(connection, run, "done", Totals())

    ((person, name),) = harvester.query(
        "SELECT author_id, username FROM scratch.project_comments c JOIN scratch.users u ON u.id = author_id"
        " WHERE username = ANY(%s) GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1",
        names,
    )
    harvester("erase", "user", name, "--yes")
    harvester.crawl("--audit")  # lists with the person have no certificate any more
    later = Archive(archive, run + 2, lambda: datetime.now(UTC))
    body = b'{"id":7,"username":"later","history":{"joined":"2020-01-01T00:00:00.000Z"},"profile":{}}'
    page = later.keep(Response("http://x/", body=body), Visit(STREAMS["user"], 7), "", Part(alone=True))
    later.note([(page, {})], datetime.now(UTC))
    later.close()
    (tmp_path / "erased.txt").rename(tmp_path / "hidden")  # the warehouse knows whom it leaves out
    # Others were met on the person's own pages alone, which is counted apart; the loss of a row is a difference.
    told = check("--json", str(archive), status=0)
    assert (told["equal"], told["counts"], told["differences"]) == (True, {}, [])
    explained = told["explained_differences"]
    assert sum(told["explained"].values()) == len(explained) > 0
    assert {one["kind"] for one in explained if one["table"].startswith("scratch")} <= {"extra", "changed"}
    assert {one["table"].rpartition(".")[2][:4] for one in explained} <= {"user", "proj", "stud"}
    with open_connection(harvester.database) as connection:
        connection.execute("SET session_replication_role = replica")  # whatever refers to the row
        other = next(one for one in names if one != name)
        connection.execute("DELETE FROM scratch.users WHERE username = %s", [other])
    partial = check(str(archive), status=4)
    assert "1 difference: 1 in scratch.users;" in partial
    assert "Pages of people who were erased may have shown these values" in partial
    (tmp_path / "hidden").rename(tmp_path / "erased.txt")
    again = make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database, HARVESTER_HOME=str(tmp_path))
    again.database = second_database
    assert again.query("SELECT count(*) FROM scratch.users") == [(0,)]
    again("replay", str(archive))
    assert again.query("SELECT username FROM scratch.users WHERE id = 7") == [("later",)]
    assert again.query("SELECT count(*) FROM scratch.users WHERE id = %s", person) == [(0,)]
    assert again.query("SELECT count(*) FROM scratch.project_comments WHERE author_id = %s", person) == [(0,)]
    assert again.query("SELECT count(*) FROM scratch.users")[0][0] > 5


def test_a_file_that_is_no_archive(small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path) -> None:
    harvester = make_harvester(small_sandbox)
    (tmp_path / "text.warc.gz").write_text("not an archive at all\n" * 50)
    now = datetime.now(UTC)
    archive = Archive(tmp_path, 1, lambda: now)
    read = archive.keep(Response("http://x/", body=b"[]"), Visit(STREAMS["user_followers"], 5), "", Part(alone=True))
    archive.note([("of nobody", {7: "?"}), (read, {}), (read, {2**31 - 1: "?"})], now)
    archive.close()
    (good,) = tmp_path.glob("harvest-*")
    nothing = b"WARC/1.1\r\nWARC-Type: metadata\r\nContent-Length: 2\r\n\r\n{}\r\n\r\n"
    (tmp_path / "damaged.warc.gz").write_bytes(good.read_bytes() + gzip.compress(nothing))
    for name in ("text.warc.gz", "missing.warc.gz", "damaged.warc.gz"):
        refused = harvester("replay", str(tmp_path / name), ok=False)
        assert refused.returncode == 2
        assert name in refused.stderr
        assert "Traceback" not in refused.stderr
        assert harvester.query("SELECT count(*) FROM crawl.frontier") == [(0,)]
    archive = Archive(tmp_path, 2, lambda: now)
    page = Part(first=True, position=0)
    read = archive.keep(Response("http://x/", body=b"[]"), Visit(STREAMS["user_followers"], 5), "", page)
    archive.note([(read, {})], now, now)
    archive.close()
    (timeless,) = tmp_path.glob("harvest-00000002-*.gz")
    refused = harvester("replay", str(timeless), ok=False)
    assert (refused.returncode, "the visit of user_followers 5 has no time" in refused.stderr) == (2, True)
    # Pages and places that are nowhere are passed over.
    assert json.loads(harvester("replay", str(good), "--json").stdout)["pages"] == 1


def test_each_test_that_is_unlike_its_replay_is_there(unlike: dict[str, str]) -> None:
    for name in unlike:
        file, _, function = name.partition("::")
        assert f"\ndef {function}(" in (Path(__file__).parent / file).read_text(), name


def test_which_pages_without_transaction_are_replayed(tmp_path: Path) -> None:
    """Unless it was refused: not if another page was read later at its position, or had been stored there before."""
    clock = partial(datetime.now, UTC)
    archive = Archive(tmp_path, 1, clock)
    one, other = Visit(STREAMS["user_followers"], 5), Visit(STREAMS["user_followers"], 6)
    read: list[tuple[Visit, int | None, bool | None, bool | None]] = [  # what is noted, and what is found
        (one, 0, True, None),
        (one, 1, None, False),
        (other, 0, None, True),
        (other, None, None, None),
        (one, 1, True, None),
        (one, 2, None, False),
        (one, 2, None, True),
        (one, 3, True, None),
        (one, 3, None, False),
        (other, 1, False, None),
    ]
    expected = {}
    for visit, position, is_stored, alone in read:
        part = None if position is None else Part(position=position)
        record = archive.keep(Response("http://x/", body=b"[]"), visit, "", part)
        if alone is not None:
            expected[record] = alone
        if is_stored is not None:
            archive.note([(record, {})], clock() if is_stored else None, clock())
    archive.close()
    paths = list(tmp_path.glob("*.warc.gz"))
    ids = {number: one.id for number, one in enumerate(read_archives(paths), 1) if isinstance(one, Archived)}
    found = survey(paths).uncertain
    assert {ids[number]: alone for number, alone in found.items()} == expected


def test_a_stale_page_is_noted_unless_it_was_tried_again(database: str, tmp_path: Path) -> None:
    """A page of a lost lease was not stored; one that meets its own copy, after a try that failed, may have been."""
    nowhere = "http://127.0.0.1:1"

    def fail_one(function: str, locked: Event) -> None:
        """Make a transaction fail that waits for the frontier."""
        waits = (
            f"SELECT {function}(pid) FROM pg_locks WHERE relation = 'crawl.frontier'::regclass AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with open_connection(database) as other:
            other.execute("LOCK TABLE crawl.frontier")
            locked.set()
            while not other.execute(waits).fetchall():
                time.sleep(0.01)

    async def commit_pages() -> list[CommitResult]:
        chosen = load(database_url=database, api_url=nowhere, site_url=nowhere, rate=0, archive=tmp_path)
        session = Session(chosen, "test")
        await session.open()
        await session.call(scope.seed, [scope.Seed(Kind.PROJECT, 142)])
        (lease,) = await session.call(leases.lease, session.run, ["project"], 1, purpose=leases.Purpose.NEW)
        page = PageCommit(lease, [], 0, visit_result=VisitResult(None, gone=True))
        results = [
            await session.commit(replace(page, lease=replace(lease, token=uuid4()), archived="lost")),
            await session.commit(replace(page, archived="stored")),
        ]
        for function in ("pg_cancel_backend", "pg_terminate_backend"):
            locked = Event()
            failing = asyncio.create_task(asyncio.to_thread(fail_one, function, locked))
            await asyncio.to_thread(locked.wait)
            results.append(await session.commit(replace(page, archived=function)))
            await failing
        await session.close("done")
        return results

    assert asyncio.run(commit_pages()) == [Stale(), Committed(), Stale(), Stale()]
    noted = [one for one in read_archives(list(tmp_path.glob("*.warc.gz"))) if isinstance(one, Transaction)]
    assert [(id_, one.began_at is not None) for one in noted for id_, _ in one.pages] == [
        ("lost", False),
        ("stored", True),
    ]
