"""Tables of a warehouse in use are rewritten from its archives, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.api.catalogue import STREAMS
from harvester.crawl.archive_index import Choice
from harvester.crawl.comparison import Comparison
from harvester.crawl.partial_replay import REWRITABLE, PartialReplay, TableChanges, TableRewriter, check_choice
from harvester.errors import UsageError, WarehouseError
from harvester.sandbox.odd import SHARE as ODD
from harvester.warehouse.clients import url_of_database
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import KEY_COLUMNS, TRACKED, WRITTEN, metadata
from harvester.warehouse.temporary import TemporaryUse, temporary_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLES = sorted(table.fullname for table in metadata.tables.values() if table.schema in ("scratch", "history", "crawl"))


def digests(harvester: Any) -> dict[str, Any]:
    """A digest of each table, with the place of each of its rows: an update that changes nothing shows."""
    return {
        name: harvester.query(f"SELECT md5(string_agg(t::text || ctid, ',' ORDER BY t::text)) FROM {name} t")[0][0]
        for name in TABLES
    }


def contents(harvester: Any, *tables: str) -> dict[str, list[Any]]:
    """The rows of tables, but for the instants within a transaction at which versions were replaced."""
    row = "(to_jsonb(t) - 'valid_from' - 'last_seen_at' - 'valid_to')::text"
    return {name: sorted(harvester.query(f"SELECT {row} FROM {name} t")) for name in tables}


def empty(harvester: Any, name: str) -> None:
    """Empty the columns of a table that may be null, as those of a new release are."""
    table = WRITTEN[name]
    free = [one.name for one in table.c if one.nullable and one.name not in KEY_COLUMNS[name]]
    if free:
        harvester.query(f"UPDATE {table.fullname} SET {', '.join(f'{one} = NULL' for one in free)} RETURNING 1")


def kill_replay(harvester: Any, *words: str) -> None:
    """Start a partial replay, and kill it once it has stored some transactions in its own database."""
    ((name,),) = harvester.query("SELECT current_database() || '_replay'")
    temporary = url_of_database(harvester.database, name)
    process = harvester.start("replay", *words)
    stored = 0
    while process.poll() is None and not stored:
        time.sleep(0.005)
        with suppress(WarehouseError, psycopg.Error), open_connection(temporary) as connection:
            row = connection.execute("SELECT max(transactions) FROM crawl.replays").fetchone()
            stored = row[0] if row is not None and row[0] else 0
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert stored


def test_a_table_is_rewritten_and_the_others_stay(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    """A lost column, row and history come back, after a kill too; what a crawl without archive read stays."""
    sandbox = start_sandbox(users=7, seed=3)
    archive = str(tmp_path / "archive")
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=archive, HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester.crawl()
    sandbox.live(60)
    harvester("crawl", "--refresh", ok=False)  # may find that a run in which users were renamed is odd
    words = ("--stream", "project_comments", archive)
    mine = ["scratch.project_comments", "history.comment_revisions"]

    good = contents(harvester, *mine)
    before = digests(harvester)
    empty(harvester, "project_comments")
    harvester.query(
        "DELETE FROM scratch.project_comments WHERE id = (SELECT max(id) FROM scratch.project_comments) RETURNING id"
    )
    harvester.query("DELETE FROM history.comment_revisions WHERE kind = 'project' RETURNING 1")
    harvester.query(
        "INSERT INTO history.comment_revisions SELECT 'project', id, now(), now(), now(), 'no' FROM"
        " scratch.project_comments LIMIT 1 RETURNING 1"
    )
    preview = json.loads(harvester("replay", "--dry-run", "--json", *words).stdout)
    assert preview["responses"].keys() == {"project_comments"}
    assert preview["replayed"] is None
    kill_replay(harvester, *words)
    done = harvester("replay", "--json", *words)
    assert "going on after" in done.stderr
    told = json.loads(done.stdout)["tables"]["project_comments"]
    assert (told["inserted"], told["unproven"], told["not_replayed"]) == (1, 0, 0)
    assert contents(harvester, *mine) == good
    after = digests(harvester)
    assert {name for name in TABLES if after[name] != before[name]} <= set(mine)
    assert not harvester.query("SELECT FROM pg_database WHERE datname = current_database() || '_replay'")

    ((person, name),) = harvester.query(
        "SELECT author_id, username FROM scratch.project_comments c JOIN scratch.users u ON u.id = author_id"
        " GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1"
    )
    stopped = TemporaryUse("stopped", 1, "harvester replay --stream", "", "", kept_for="the person too")
    with suppress(KeyboardInterrupt), temporary_database(harvester.database, stopped):
        raise KeyboardInterrupt
    kept = "SELECT FROM pg_database WHERE datname = current_database() || '_stopped'"
    assert harvester.query(kept)
    harvester("erase", "user", name, "--yes")
    assert not harvester.query(kept)
    left = contents(harvester, *mine, "scratch.users")
    harvester.query("UPDATE scratch.project_comments SET visibility = NULL RETURNING 1")
    told = json.loads(harvester("replay", "--json", *words).stdout)["tables"]["project_comments"]
    assert told["updated"] > told["inserted"] == 0
    assert contents(harvester, *mine, "scratch.users") == left
    assert not harvester.query("SELECT FROM scratch.project_comments WHERE author_id = %s", person)
    # A value that only a page of the person had shown, and the history of it.
    harvester.query("UPDATE scratch.users SET featured_label = coalesce(featured_label, 'shown') RETURNING 1")
    harvester.query("UPDATE scratch.users SET extra = extra || '{\"shown\": 1}' RETURNING 1")
    left = contents(harvester, "scratch.users", "history.user_revisions")
    harvester.query("UPDATE scratch.users SET joined_at = NULL, first_seen_at = now() RETURNING 1")
    told = json.loads(harvester("replay", "--json", "--stream", "user", archive).stdout)["tables"]["users"]
    assert (told["updated"] > 3, told["histories"]) == (True, 0)
    now = contents(harvester, "scratch.users", "history.user_revisions")
    assert now.pop("history.user_revisions") == left.pop("history.user_revisions")
    differing = [one for (one,) in set(now["scratch.users"]) - set(left["scratch.users"])]
    assert all('"joined_at": null' in one for one in differing)  # what no archive has, or an unproven list shows
    assert len(differing) < len(left["scratch.users"]) - 3

    sandbox.live(60)
    visits = "SELECT entity_id, visits FROM crawl.frontier WHERE stream = 'project_comments'"
    earlier = set(harvester.query(visits))
    harvester.environment["HARVESTER_ARCHIVE"] = ""
    harvester("crawl", "--refresh", "--spider", "comments", "--max-requests", "12", ok=False)
    newer = {project for project, _ in set(harvester.query(visits)) - earlier}
    place = dict(harvester.query("SELECT id, project_id FROM scratch.project_comments"))
    texts = dict(harvester.query("SELECT id, content FROM scratch.project_comments"))
    harvester.query("UPDATE scratch.project_comments SET content = NULL RETURNING 1")
    told = json.loads(harvester("replay", "--json", *words).stdout)
    filled = dict(harvester.query("SELECT id, content FROM scratch.project_comments"))
    assert filled == {one: None if place[one] in newer else text for one, text in texts.items()}
    assert told["runs_without_archive"] == [4]
    assert told["tables"]["project_comments"]["unproven"] == sum(
        place[one] in newer and text is not None for one, text in texts.items()
    )
    assert newer


def test_rows_that_an_unproven_list_shows_stay(database: str, second_database: str) -> None:
    """For each table: a follower of a list that was read again stays, one of another list is rewritten."""
    users = "INSERT INTO scratch.users (id) VALUES (1), (2), (3)"
    entry = "INSERT INTO crawl.frontier (stream, entity_id, due_at, position) VALUES (%s, 1, now(), 1)"
    follows = "INSERT INTO scratch.follows (followee_id, follower_id, gone_reason) VALUES (1, 2, %s), (3, 2, %s)"
    names = [name for name, table in WRITTEN.items() if table.schema == "scratch"]
    done = PartialReplay({}, {name: TableChanges() for name in names}, [])
    with open_connection(database) as warehouse, open_connection(second_database) as replayed:
        for connection, reason in ((warehouse, None), (replayed, "no longer listed")):
            connection.execute(users)
            connection.execute(follows, [reason, reason])
        warehouse.cursor().executemany(entry, [(name,) for name in REWRITABLE if name != "user_following"])
        rewriting = TableRewriter(warehouse, replayed, Comparison(warehouse, replayed, ()), done)
        rewriting.prepare(dict.fromkeys(REWRITABLE))
        for name in names:
            rewriting.rewrite(name)
        found = warehouse.execute("SELECT followee_id, gone_reason FROM scratch.follows ORDER BY 1").fetchall()
    assert found == [(1, None), (3, "no longer listed")]
    assert done.tables["follows"] == TableChanges(updated=1, unproven=1)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(frozenset({"comments"})), "no stream is called comments"),
        (Choice(frozenset({"project_source"})), "cannot be replayed by itself"),
        (Choice(frozenset({"account_alerts"})), "cannot be replayed by itself"),
        (Choice(frozenset({"news"}), frozenset({1})), "belong to no list or object"),
        (Choice(frozenset(), frozenset({1})), "--entity needs --stream"),
    ],
)
def test_a_choice_that_cannot_be_replayed_is_refused(choice: Choice, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_choice(choice)


@pytest.mark.soak
def test_the_table_of_each_stream_is_rewritten(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    """After a refresh and audits, with odd items and renamed users, columns are emptied and filled again."""
    sandbox = start_sandbox(users=14, seed=3, odd=ODD)
    archive = tmp_path / "archive"
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(archive), HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester("seed", "explore")
    harvester.crawl()
    for mode in ("--refresh", "--audit", "--audit"):
        sandbox.live(150)
        harvester.crawl(mode)
    good = contents(harvester, *TABLES)
    tables = {STREAMS[name].table for name in REWRITABLE}
    for table in tables:
        empty(harvester, table)
        for log in TRACKED.get(table, ()):
            harvester.query(f"DELETE FROM {log.fullname} RETURNING 1")
    harvester.query("DELETE FROM history.absences RETURNING 1")
    words = [word for name in REWRITABLE for word in ("--stream", name)]
    harvester("replay", *words, str(archive))
    assert contents(harvester, *TABLES) == good
