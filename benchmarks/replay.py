"""Compare the replay of an archive with the crawl that wrote it and with COPY of the same rows.

    python -m benchmarks replay, or python -m benchmarks.replay USERS

In each round a sandbox community is crawled without a rate limit, with an archive of all responses, which is replayed
into new warehouses by one process and by two. The rows of all tables of `scratch` are also written by binary COPY,
encoded beforehand, into tables without index, key or default.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from psycopg import sql

from benchmarks.community import EMPTY, SEEDED, Community, new_community
from benchmarks.report import ROUNDS, median, publish, spread
from harvester.warehouse import schema
from harvester.warehouse.tables import metadata
from harvester.wording import counted

USERS = 500
WORKERS = (1, 2)
TABLES = sorted(table.name for table in metadata.tables.values() if table.schema == "scratch")


def harvester(community: Community, database: str, *words: str, archive: Path | None = None) -> tuple[float, Any]:
    """Run a command over a database; return its seconds, start included, and its JSON."""
    more = {} if archive is None else {"HARVESTER_ARCHIVE": str(archive)}
    began = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-m", "harvester", *words, "--json"],
        env=community.environment(database) | more, check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    return time.perf_counter() - began, json.loads(told)


def copied(community: Community, database: str) -> tuple[int, float]:
    """Return the number of rows, and the rows a second of COPY."""
    rows, took = 0, 0.0
    with community.connect(database) as connection:
        cursor = connection.cursor()
        for name in TABLES:
            table, bare = sql.Identifier("scratch", name), sql.Identifier("pg_temp", name)
            with cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(table)) as copy:
                blocks = [bytes(block) for block in copy]
            connection.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(bare, table))
            began = time.perf_counter()
            with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(bare)) as copy:
                for block in blocks:
                    copy.write(block)
            took += time.perf_counter() - began
            rows += cursor.rowcount
    return rows, rows / took


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdigit()]
    users = int(given[0]) if given else USERS
    crawls, copies = [], []
    replays: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with new_community(users) as community, tempfile.TemporaryDirectory() as folder:
        community.copy(EMPTY, "fresh")
        schema.migrate(community.at("fresh"))
        for number in range(ROUNDS):
            community.copy(SEEDED, "crawled")
            archive = Path(folder) / str(number)
            crawl, _ = harvester(community, "crawled", "crawl", archive=archive)
            expected, _ = copied(community, "crawled")
            for workers, rates in replays.items():
                community.copy("fresh", "again")
                took, done = harvester(community, "again", "replay", "--workers", str(workers), str(archive))
                rows, rate = copied(community, "again")
                assert rows == expected, f"{rows} rows of {expected}"
                rates.append(done["pages"] / took)
                copies.append(rate)
            pages = done["pages"]
            crawls.append(pages / crawl)
            print(".", end="", flush=True)
    print()
    times = {
        workers: [one / crawl for one, crawl in zip(rates, crawls, strict=True)] for workers, rates in replays.items()
    }
    publish(
        "replay",
        f"The archive of a crawl of {users} users, replayed",
        ["", "responses/s: median (least to most)", "times the crawl", "rows/s"],
        [
            ["the crawl, without a limit", spread(crawls), "1", f"{median(crawls) * rows / pages:,.0f}"],
            *(
                [
                    f"its archive, replayed by {counted(workers, 'process', 'processes')}",
                    spread(rates),
                    f"{median(times[workers]):.2f} ({min(times[workers]):.2f} to {max(times[workers]):.2f})",
                    f"{median(rates) * rows / pages:,.0f}",
                ]
                for workers, rates in replays.items()
            ),
            ["COPY, binary, no keys", "", "", spread(copies)],
        ],
        notes=[
            f"{ROUNDS} rounds, each a crawl and replays of its archive, start included.",
            f"In the last there were {pages:,} responses and {rows:,} rows of `scratch`.",
        ],
        figures={"crawl": crawls, "copy": copies} | {f"replay_{workers}": rates for workers, rates in replays.items()},
    )


if __name__ == "__main__":
    main()
