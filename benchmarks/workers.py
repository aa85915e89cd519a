"""One, two and four worker processes on two cores, and one on one core.

    python -m benchmarks workers, or python -m benchmarks.workers USERS

`harvester crawl --workers` over all streams of users, projects, comments and replies, without a rate limit. PostgreSQL
and the server share the cores with the workers, so that one worker on two cores already uses more than one core. The
gain of a second core and a second worker together is measured against one worker, PostgreSQL and the server on one
core. The variants take turns."""

import json
import os
import sys
from contextlib import nullcontext

from benchmarks.community import SEEDED, Community, Run, new_community
from benchmarks.report import median, publish

USERS = 1000
ROUNDS = 3
SPIDERS = ("users", "projects", "comments", "replies")
WAYS = {"1 worker, all on one core": (1, 1), "1 worker": (1, 2), "2 workers": (2, 2), "4 workers": (4, 2)}


def crawl(community: Community, workers: int, cores: int) -> Run:
    """Run a crawl with a copy of the database."""
    community.copy(SEEDED, "workers")
    command = ["crawl", "--json", "--workers", str(workers)]
    for spider in SPIDERS:
        command += ["--spider", spider]
    usable = sorted(os.sched_getaffinity(0))
    with community.on_cores(usable[:cores]) if cores < len(usable) else nullcontext():
        return community.run("harvester", *command, database="workers")


def rows_of(run: Run) -> int:
    """Return the number of stored rows."""
    return sum(one["inserted"] for one in json.loads(run.said)["counts"].values())


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdigit()]
    users = int(given[0]) if given else USERS
    found: dict[str, list[Run]] = {way: [] for way in WAYS}
    with new_community(users) as community:
        crawl(community, 1, 2)
        for _ in range(ROUNDS):
            for way, (workers, cores) in WAYS.items():
                found[way].append(crawl(community, workers, cores))
                print(".", end="", flush=True)
    print()
    rates = {way: median([rows_of(one) / one.crawl for one in runs]) for way, runs in found.items()}
    alone, both, *_ = rates.values()
    publish(
        "workers",
        f"Worker processes on two cores: {users} users, {rows_of(found['1 worker'][0]):,} rows",
        ["", "rows/s", "requests/s", "times one on one core", "times one on both", "CPU s", "of the database"],
        [
            [
                way,
                f"{rates[way]:,.0f}",
                f"{median([one.requests / one.crawl for one in runs]):,.0f}",
                f"{rates[way] / alone:.2f}",
                f"{rates[way] / both:.2f}",
                f"{median([one.cpu for one in runs]):.1f}",
                f"{median([one.database for one in runs]):.1f}",
            ]
            for way, runs in found.items()
        ],
        notes=[f"Medians of {ROUNDS} rounds. Promised: two workers on two cores do 1.7 times the work of one."],
        figures={way: [one.figures for one in runs] for way, runs in found.items()},
    )


if __name__ == "__main__":
    main()
