"""One walk through one community by four programs: this project, dlt, Scrapy by the book, and aiohttp with COPY.

    python -m benchmarks pipeline, or python -m benchmarks.pipeline USERS

All ask one server for users, their projects, each project, its comments and replies, and leave them in a database of
their own on one PostgreSQL with its default settings: see `benchmarks/peers`. The server answers from memory what the
sandbox answered before, so that nobody waits for it. The programs take turns, so that all rounds meet the same machine.

A first run of each is not counted: it fills the server's memory, and the ids of all that was stored are compared. The
rate is of the rows that all of them store: users, projects, comments and replies, from the first request to the end of
the process. Start-up is told apart. CPU is of the program, and of the database for it; memory is the largest resident
set.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
from psycopg import sql

from benchmarks.report import ROUNDS, median, publish
from benchmarks.warehouse import new_warehouse
from harvester.warehouse import embedded

USERS = 250
OURS = "this project"
PROGRAMS = {
    OURS: "benchmarks.peers.ours",
    "dlt rest_api, merge": "benchmarks.peers.with_dlt",
    "Scrapy, a session.merge and commit a row": "benchmarks.peers.with_scrapy",
    "aiohttp and COPY, no keys": "benchmarks.peers.by_hand",
}
DLT, SCRAPY, CEILING = list(PROGRAMS)[1:]
STORED = {
    OURS: """
        SELECT 'user', id FROM scratch.users JOIN crawl.walks ON stream = 'user' AND entity_id = id WHERE visits > 0
        UNION ALL SELECT 'project', id FROM scratch.projects WHERE created_at IS NOT NULL
        UNION ALL SELECT 'comment', id FROM scratch.project_comments""",
    DLT: """
        SELECT 'user', id FROM community.users UNION ALL SELECT 'project', id FROM community.projects
        UNION ALL SELECT 'comment', id FROM community.comments UNION ALL SELECT 'comment', id FROM community.replies
        """,
}
BY_OTHERS = """
    SELECT 'user', id FROM users UNION ALL SELECT 'project', id FROM projects
    UNION ALL SELECT 'comment', id FROM comments"""
PROMISED = {DLT: 2.5, SCRAPY: 3.0, CEILING: 0.3}


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a program took; seconds of the clock but for `cpu`, `database` and `server`, which are of CPU."""

    rows: int
    requests: int
    start: float
    walk: float
    cpu: float
    database: float
    server: float
    memory: int


class Bench:
    """The server, the databases, and what they used."""

    def __init__(self, folder: Path, home: Path, database: str, url: str, mirror: psutil.Process) -> None:
        self.url = url
        self._database = database
        self._mirror = mirror
        self._names = folder / "names"
        self._postmaster = psutil.Process(embedded.status(home).pid)

    def _connect(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.at(name), autocommit=True)

    def at(self, name: str) -> str:
        return self._database.replace("/harvester?", f"/{name}?")

    def seed(self) -> None:
        """Put all users of the community in scope, in a database that each run of ours gets a copy of."""
        names = self._told("/sandbox/seeds")["users"]
        self._names.write_text("\n".join(names))
        environment = os.environ | {
            "HARVESTER_DATABASE_URL": self._database, "HARVESTER_API_URL": self.url, "HARVESTER_SITE_URL": self.url,
            "HARVESTER_RATE": "0",
        }  # fmt: skip
        command = [sys.executable, "-m", "harvester", "seed", "users", *names]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    def run(self, program: str) -> tuple[Run, set[tuple[str, int]]]:
        """One run into a new database, and what it stored."""
        template = "harvester" if program == OURS else "template0"
        with self._connect("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS peer WITH (FORCE)")
            connection.execute(sql.SQL("CREATE DATABASE peer TEMPLATE {}").format(sql.Identifier(template)))
            connection.execute("CHECKPOINT")
        self._told("/mirror/reset")
        used, served = cpu_of(self._postmaster), cpu_of(self._mirror)
        command = [sys.executable, "-m", PROGRAMS[program], self.url, self.at("peer"), str(self._names)]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{program} ended with {process.returncode}"
        told = self._told("/mirror/told")
        with self._connect("peer") as connection:
            stored = connection.execute(STORED.get(program, BY_OTHERS)).fetchall()
        one = Run(
            rows=len(stored),
            requests=told["requests"],
            start=told["first"] - began,
            walk=ended - told["first"],
            cpu=usage.ru_utime + usage.ru_stime,
            database=cpu_of(self._postmaster) - used,
            server=cpu_of(self._mirror) - served,
            memory=usage.ru_maxrss * 1024,
        )
        return one, set(stored)

    def _told(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as answer:
            return msgspec.json.decode(answer.read())


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU of a process and of all that it started, those that ended included."""
    living = [process, *process.children(recursive=True)]
    own = process.cpu_times()
    return own.children_user + own.children_system + sum(t.user + t.system for t in (p.cpu_times() for p in living))


@contextmanager
def started(*command: str) -> Iterator[tuple[str, psutil.Process]]:
    """A server that says `ready URL`: the URL, and its process."""
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def table(runs: dict[str, list[Run]]) -> list[list[str]]:
    """A line for each program."""
    ours = median([one.rows / one.walk for one in runs[OURS]])
    lines = []
    for program, found in runs.items():
        rate = median([one.rows / one.walk for one in found])
        per = 100_000 / found[0].rows
        lines.append(
            [
                program,
                f"{rate:,.0f}",
                f"{ours / rate:.2f}",
                f"{per * median([one.cpu for one in found]):.1f}",
                f"{per * median([one.database for one in found]):.1f}",
                f"{median([one.memory for one in found]) / 2**20:,.0f}",
                f"{found[0].requests:,}",
                f"{median([one.start for one in found]):.1f}",
                f"{100 * median([one.server / one.walk for one in found]):.0f}%",
            ]
        )
    return lines


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdigit()]
    users = int(given[0]) if given else USERS
    runs: dict[str, list[Run]] = {program: [] for program in PROGRAMS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harvester-bench-")))
        home, database = stack.enter_context(new_warehouse())
        sandbox, _ = stack.enter_context(started("harvester", "sandbox", "--users", str(users), "--seed", "1"))
        url, mirror = stack.enter_context(started("benchmarks.peers.mirror", sandbox))
        bench = Bench(folder, home, database, url, mirror)
        bench.seed()
        stored = {program: bench.run(program)[1] for program in PROGRAMS}
        for program, keys in stored.items():
            assert keys == stored[OURS], f"{program} stored other rows: {list(keys ^ stored[OURS])[:5]}"
        for _ in range(ROUNDS):
            for program, found in runs.items():
                found.append(bench.run(program)[0])
                print(".", end="", flush=True)
    print()
    rows = runs[OURS][0].rows
    publish(
        "pipeline",
        f"One walk by four programs: {users} users, {rows:,} rows",
        [
            "", "rows/s", "this project's rate to it", "CPU s per 100,000 rows", "of the database", "peak MiB",
            "requests", "start, s", "server busy",
        ],
        table(runs),
        notes=[
            f"Medians of {ROUNDS} rounds.",
            "Promised of this project: 2.5 times dlt at 0.4 of its CPU, 3 times Scrapy, 0.3 of the ceiling.",
        ],
        figures={program: [msgspec.to_builtins(one) for one in found] for program, found in runs.items()},
        packages=[f"{name} {version(name)}" for name in ("dlt", "aiohttp")],
    )  # fmt: skip


if __name__ == "__main__":
    main()
