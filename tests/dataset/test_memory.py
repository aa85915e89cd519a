"""A build takes the same memory for ten times the rows: its own, and that of the database's process behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harvester.dataset.release import Profile
from harvester.warehouse.connect import APPLICATION_NAME

FEW, MANY = 300_000, 3_000_000
"""Comments; a tenth as many users, projects and follows."""
CONSTANT = {"build": 192, "database": 320}
"""Megabytes by which the peak for many rows may lie above that for few. With few the batches that wait between the
database and the files do not fill yet what they may, nor do the sorts and hashes of the database reach the size from
which on they go by way of disk."""

BUILD = """
import json, resource, sys
from pathlib import Path
from harvester.config import load
from harvester.dataset.build import Request, build
from harvester.dataset.release import Profile

profile = Profile(sys.argv[2])
release = build(load(), Request(Path(sys.argv[1]), profile, is_allowed=profile is Profile.INTERNAL))
rows = {one.name: one.rows for one in release.resources}
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, rows]))
"""
# Every tenth comment is the top of a thread of three, and every tenth project a remix.
FILL = """
INSERT INTO scratch.users (id, username, joined_at, country)
SELECT g, 'user' || g, '2015-01-01'::timestamptz + g % 3000 * interval '1 day', 'Chile'
FROM generate_series({start} / 10 + 1, {end} / 10) g;

INSERT INTO scratch.projects (id, author_id, title, created_at, views, loves, favorites, remixes, parent_id, root_id)
SELECT g, g, 'a project', '2016-01-01'::timestamptz + g % 3000 * interval '1 day', g % 50, g % 3, g % 2, 0,
    CASE WHEN g % 10 = 9 THEN g - 1 END, CASE WHEN g % 10 = 9 THEN g - 1 END
FROM generate_series({start} / 10 + 1, {end} / 10) g;

INSERT INTO scratch.follows (follower_id, followee_id)
SELECT g, 1 + g * 7 % ({end} / 10) FROM generate_series({start} / 10 + 1, {end} / 10) g;

INSERT INTO scratch.project_comments (id, project_id, author_id, parent_id, content, created_at)
SELECT g, 1 + g * 7 % ({end} / 10), 1 + g * 11 % ({end} / 10), CASE WHEN g % 10 > 7 THEN g - g % 10 + 7 END,
    'nice one ' || g || ' how did you make that', '2017-01-01'::timestamptz + g % 3000 * interval '1 day'
FROM generate_series({start} + 1, {end}) g;
"""


def fill(database: str, start: int, end: int) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # foreign keys that hold need no check
        connection.execute(FILL.format(start=start, end=end))
        connection.execute("VACUUM ANALYZE")


def peaks(database: str, home: Path, folder: Path, profile: Profile) -> tuple[dict[str, int], dict[str, int]]:
    """The most memory that a build had, in MB: its process, and the one of the database that works for it."""
    environment = os.environ | {"HARVESTER_DATABASE_URL": database, "HARVESTER_HOME": str(home)}
    with (
        psycopg.connect(database, autocommit=True) as connection,
        subprocess.Popen(
            [sys.executable, "-c", BUILD, str(folder), profile], env=environment, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        behind = 0
        while process.poll() is None:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s",
                [APPLICATION_NAME],
            ).fetchall()
            behind = max(behind, sum(own_memory(pid) for (pid,) in found))
            time.sleep(0.2)
        assert process.stdout is not None
        told = process.stdout.read()
        assert process.returncode == 0
    own, rows = json.loads(told)
    return {"build": own, "database": behind}, rows


def own_memory(process: int) -> int:
    """What a process has of its own, in MB: the buffers that all of the server share are not counted."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon:")), 0)


@pytest.mark.soak
@pytest.mark.parametrize("profile", Profile)
def test_memory_does_not_grow_with_the_rows(database: str, tmp_path: Path, profile: Profile) -> None:
    found: dict[int, Any] = {}
    for start, end in ((0, FEW), (FEW, MANY)):
        fill(database, start, end)
        found[end], rows = peaks(database, tmp_path / "home", tmp_path / str(end), profile)
        assert rows["project_comments"] > 0.9 * end
        print(f"{profile}: {rows['project_comments']:,} comments, MB at most: {found[end]}", flush=True)
    for what, most in found[MANY].items():
        assert most < found[FEW][what] + CONSTANT[what], found
