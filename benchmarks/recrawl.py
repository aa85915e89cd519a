"""Measure a crawl, and crawls without changes since, with and without the statements of the history.

    python -m benchmarks recrawl, or python -m benchmarks.recrawl USERS

The crawl of `pipeline` by this project, then `crawl --refresh` and `crawl --audit`, each over a copy of the same
warehouse, while the community stays as it is. `Without` leaves out the statements that store earlier versions, for
which there is no option. Both take turns."""

import json
import sys

from benchmarks.community import SEEDED, Community, Run, new_community
from benchmarks.report import ROUNDS, median, publish

USERS = 100
OURS = "benchmarks.peers.ours"
CRAWLS = {"the first crawl": (), "unchanged, --refresh": ("refresh",), "unchanged, --audit": ("audit",)}
HISTORIES = {"with": (), "without": ("without-history",)}


def crawl(community: Community, words: tuple[str, ...]) -> Run:
    """Run a crawl over a copy of the warehouse."""
    community.copy("crawled" if "refresh" in words or "audit" in words else SEEDED, "again")
    database = community.at("again")
    return community.run(OURS, community.url, database, str(community.names), *words, database="again")


def rows_of(run: Run) -> dict[str, int]:
    """Return the numbers of inserted, updated and unchanged rows."""
    counts = json.loads(run.said).values()
    return {what: sum(one[what] for one in counts) for what in ("inserted", "updated", "unchanged")}


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdigit()]
    users = int(given[0]) if given else USERS
    found: dict[tuple[str, str], list[Run]] = {}
    with new_community(users) as community:
        crawl(community, ())
        community.copy("again", "crawled")
        for _ in range(ROUNDS):
            for what, words in CRAWLS.items():
                for history, more in HISTORIES.items():
                    found.setdefault((what, history), []).append(crawl(community, words + more))
                    print(".", end="", flush=True)
    print()
    lines = []
    for (what, history), runs in found.items():
        rows = rows_of(runs[0])
        rate = median([sum(rows.values()) / one.crawl for one in runs])
        per = 1000 / runs[0].requests
        lines.append(
            [
                f"{what}, {history} history", f"{runs[0].requests:,}",
                f"{rows['inserted']:,}", f"{rows['updated']:,}", f"{rows['unchanged']:,}",
                f"{median([one.requests / one.crawl for one in runs]):,.0f}", f"{rate:,.0f}",
                f"{per * median([one.cpu for one in runs]):.2f}", f"{per * median([one.database for one in runs]):.2f}",
            ]
        )  # fmt: skip
    publish(
        "recrawl",
        f"Crawls of {users} users that do not change",
        [
            "", "requests", "rows inserted", "updated", "unchanged", "requests/s", "rows/s", "CPU ms a request",
            "of the database",
        ],
        lines,
        notes=[f"Medians of {ROUNDS} rounds. Rows are those of all tables that the crawl writes."],
        figures={"/".join(key): [one.figures for one in runs] for key, runs in found.items()},
    )  # fmt: skip


if __name__ == "__main__":
    main()
