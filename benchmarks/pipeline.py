"""One crawl of one community by four programs: this project, dlt, Scrapy by the book, and aiohttp with COPY.

    python -m benchmarks pipeline, or python -m benchmarks.pipeline USERS

All request users, their projects, each project, its comments and replies from one server, and store them in their own
database of one PostgreSQL with its default settings: see `benchmarks/peers`. The server answers from memory what the
sandbox answered before, so that no program waits for it. The programs take turns, so that they run under the same load.

The first run of each is not counted: it fills the server's memory, and the ids of all stored rows are compared. The
rate is of the rows that all of them store: users, projects, comments and replies, from the first request to the end of
the process. Start-up is reported by itself. CPU is of the program, and of the database for it; memory is the largest
resident set."""

import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from benchmarks.community import EMPTY, SEEDED, Community, Run, new_community
from benchmarks.report import median, publish

USERS = 1000
ROUNDS = 3  # a round takes most of a minute
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
        SELECT 'user', id FROM scratch.users JOIN crawl.frontier ON stream = 'user' AND entity_id = id WHERE visits > 0
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
class Crawl:
    """A run, and the number of its rows that all programs store."""

    run: Run
    rows: int

    @property
    def rate(self) -> float:
        """Return the rows a second from the first request on."""
        return self.rows / self.run.crawl


def crawl(community: Community, program: str) -> tuple[Crawl, set[tuple[Any, ...]]]:
    """Run a program with a new database; return the run and the stored ids."""
    community.copy(SEEDED if program == OURS else EMPTY, "peer")
    run = community.run(PROGRAMS[program], community.url, community.at("peer"), str(community.names), database="peer")
    with community.connect("peer") as connection:
        stored = connection.execute(STORED.get(program, BY_OTHERS)).fetchall()
    return Crawl(run, len(stored)), set(stored)


def table(crawls: dict[str, list[Crawl]]) -> list[list[str]]:
    """Return a line for each program."""
    ours = median([one.rate for one in crawls[OURS]])
    lines = []
    for program, found in crawls.items():
        rate = median([one.rate for one in found])
        runs = [one.run for one in found]
        per = 100_000 / found[0].rows
        lines.append(
            [
                program,
                f"{rate:,.0f}",
                f"{ours / rate:.2f}",
                f"{per * median([one.cpu for one in runs]):.1f}",
                f"{per * median([one.database for one in runs]):.1f}",
                f"{median([one.memory for one in runs]) / 2**20:,.0f}",
                f"{runs[0].requests:,}",
                f"{median([one.start for one in runs]):.1f}",
                f"{100 * median([one.server / one.crawl for one in runs]):.0f}%",
            ]
        )
    return lines


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdigit()]
    users = int(given[0]) if given else USERS
    crawls: dict[str, list[Crawl]] = {program: [] for program in PROGRAMS}
    with new_community(users) as community:
        stored = {program: crawl(community, program)[1] for program in PROGRAMS}
        for program, keys in stored.items():
            assert keys == stored[OURS], f"{program} stored other rows: {list(keys ^ stored[OURS])[:5]}"
        for _ in range(ROUNDS):
            for program, found in crawls.items():
                found.append(crawl(community, program)[0])
                print(".", end="", flush=True)
    print()
    publish(
        "pipeline",
        f"One crawl by four programs: {users} users, {crawls[OURS][0].rows:,} rows",
        [
            "", "rows/s", "this project's rate to it", "CPU s per 100,000 rows", "of the database", "peak MiB",
            "requests", "start, s", "server busy",
        ],
        table(crawls),
        notes=[
            f"Medians of {ROUNDS} rounds.",
            "Promised of this project: 2.5 times dlt at 0.4 of its CPU, 3 times Scrapy, 0.3 of the ceiling.",
        ],
        figures={program: [one.run.figures | {"rows": one.rows} for one in found] for program, found in crawls.items()},
        packages=[f"{name} {version(name)}" for name in ("dlt", "aiohttp")],
    )  # fmt: skip


if __name__ == "__main__":
    main()
