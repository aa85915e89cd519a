"""An archive makes the same warehouse again, without a request."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from bisect import bisect
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from harvester.crawl.archive import read_archives
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = {"first_seen_at", "gone_at", "gone_after", "valid_from", "valid_to", "seen_at", "returned_at"}


def rows(database: str, table: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of a table in order: what was served, and when we say that it was seen."""
    with psycopg.connect(database, options="-c timezone=UTC") as connection:
        cursor = connection.execute(f"SELECT * FROM {table.fullname}")
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    split = [
        ({n: v for n, v in row.items() if n not in TIMES}, {n: row[n] for n in row if n in TIMES}) for row in found
    ]
    return sorted(split, key=lambda pair: (json.dumps(pair[0], default=str, sort_keys=True), str(pair[1])))


OBSERVED = {"rankings", "site_counts", "site_health", "message_counts"}
"""What is kept once for each time that it was read."""


def assert_same(first: str, second: str) -> None:
    """Equal in all that was served. A row is dated when its page is committed, and a replayed one when its page came:
    how far that is apart depends on the machine, but it is one and the same run. What a killed run had kept and was
    about to store, the replay stores too: dated in that run, and of what is observed anew each time a row more."""
    with psycopg.connect(first) as connection:
        runs = connection.execute("SELECT started_at, outcome = 'killed' FROM crawl.runs ORDER BY 1").fetchall()
    begun = [at for at, _ in runs]
    compared = 0
    for table in metadata.sorted_tables:
        if table.schema not in ("scratch", "history"):
            continue
        mine, theirs = rows(first, table), rows(second, table)
        if table.name in OBSERVED:
            theirs = without_unstored(mine, theirs, runs)
        assert [served for served, _ in mine] == [served for served, _ in theirs], table.fullname
        compared += len(mine)
        for (served, seen), (_, again) in zip(mine, theirs, strict=True):
            for name, at in seen.items():
                assert (at is None) == (again[name] is None), (table.fullname, served, name)
                if at is not None:
                    run, replayed = bisect(begun, at), bisect(begun, again[name])
                    unstored = replayed < run and runs[replayed - 1][1]
                    assert run == replayed or unstored, (table.fullname, served, name, at, again[name])
    assert compared > 1_000
    assert len(begun) > 5


def without_unstored(mine: list[Any], theirs: list[Any], runs: list[tuple[Any, bool]]) -> list[Any]:
    """The replayed rows but for those that a killed run had read and not stored: at most one for each of its walks."""
    from harvester.crawl.settings import CONCURRENT_REQUESTS

    begun = [at for at, _ in runs]

    def run_of(pair: Any) -> int:
        return bisect(begun, pair[1]["seen_at"])

    stored = Counter((json.dumps(served, default=str), run_of((served, seen))) for served, seen in mine)
    kept, more = [], 0
    for served, seen in theirs:
        place = (json.dumps(served, default=str), run_of((served, seen)))
        if stored[place]:
            stored[place] -= 1
            kept.append((served, seen))
        else:
            assert runs[place[1] - 1][1], (served, seen, "of a run that was not killed")
            more += 1
    assert more <= CONCURRENT_REQUESTS
    return kept


def test_a_replayed_archive_gives_the_same_tables(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], second_database: str, tmp_path: Path
) -> None:
    """Seeds, rankings, a killed run, faults, changes, a refresh and an audit: all of it again, and dated as it was."""
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(tmp_path / "archive"), HARVESTER_HOME=str(tmp_path))
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
        sandbox.json("/sandbox/churn?events=150", "POST")
        harvester.crawl(mode)

    files = sorted(map(str, (tmp_path / "archive").glob("*.warc.gz")))
    assert len(files) > 4
    assert all(Path(file).stat().st_mode & 0o777 == 0o600 for file in files)
    bodies = [one.body for one in read_archives(list(map(Path, files)))]
    assert sum(b'"project_token":"' in body for body in bodies) > 10
    assert not any(re.search(rb'"project_token":"\d', body) for body in bodies)
    again = make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database, HARVESTER_HOME=str(tmp_path))
    sandbox.json("/sandbox/requests/reset", "POST")
    random.Random(1).shuffle(files)
    replayed = json.loads(again("replay", "--json", *files).stdout)
    assert sandbox.requests()["total"] == 0
    assert replayed["unused"] > 10
    assert_same(harvester.database, second_database)
    refused = again("replay", *files, ok=False)
    assert refused.returncode == 2
    assert "not empty" in refused.stderr


def test_who_was_erased_is_not_replayed(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], second_database: str, tmp_path: Path
) -> None:
    sandbox = start_sandbox(users=15, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(tmp_path / "archive"), HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester.crawl()
    ((person, name),) = harvester.query(
        "SELECT author_id, username FROM scratch.project_comments c JOIN scratch.users u ON u.id = author_id"
        " GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1"
    )
    harvester("forget", "user", name, "--yes")
    again = make_harvester(sandbox, HARVESTER_DATABASE_URL=second_database, HARVESTER_HOME=str(tmp_path))
    again.database = second_database
    again("replay", *map(str, (tmp_path / "archive").glob("*.warc.gz")))
    assert again.query("SELECT count(*) FROM scratch.users WHERE id = %s", person) == [(0,)]
    assert again.query("SELECT count(*) FROM scratch.project_comments WHERE author_id = %s", person) == [(0,)]
    assert again.query("SELECT count(*) FROM scratch.users")[0][0] > 5


def test_a_file_that_is_no_archive(small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path) -> None:
    harvester = make_harvester(small_sandbox)
    (tmp_path / "text.warc.gz").write_text("not an archive at all\n" * 50)
    for name in ("text.warc.gz", "missing.warc.gz"):
        refused = harvester("replay", str(tmp_path / name), ok=False)
        assert refused.returncode == 2
        assert name in refused.stderr
        assert "Traceback" not in refused.stderr
