"""Compare the replay of an archive with the crawl that wrote it and with COPY of the same rows.

    python -m benchmarks replay, or python -m benchmarks.replay USERS

A sandbox community is crawled without a rate limit, with an archive of all responses. In turns, the archive is replayed
into a new warehouse, and the rows of all tables of `scratch` are written by binary COPY, encoded beforehand, into
tables without index, key or default.
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

USERS = 250
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
    replays, copies = [], []
    with new_community(users) as community, tempfile.TemporaryDirectory() as folder:
        community.copy(SEEDED, "crawled")
        crawl, _ = harvester(community, "crawled", "crawl", archive=Path(folder))
        files = sorted(map(str, Path(folder).glob("*.warc.gz")))
        community.copy(EMPTY, "fresh")
        schema.migrate(community.at("fresh"))
        for _ in range(ROUNDS):
            community.copy("fresh", "again")
            took, done = harvester(community, "again", "replay", *files)
            rows, rate = copied(community, "again")
            replays.append((done["pages"] / took, rows / took))
            copies.append(rate)
            print(".", end="", flush=True)
        expected, _ = copied(community, "crawled")
        assert rows == expected, f"{rows} rows of {expected}"
    print()
    pages, rates = zip(*replays, strict=True)
    share = median([one / copy for one, copy in zip(rates, copies, strict=True)])
    publish(
        "replay",
        f"The archive of a crawl of {users} users, replayed",
        ["", "responses/s", "rows/s: median (least to most)", "of COPY"],
        [
            ["the crawl, without a limit", f"{done['pages'] / crawl:,.0f}", f"{rows / crawl:,.0f}", ""],
            ["its archive, replayed", f"{median(pages):,.0f}", spread(list(rates)), f"{share:.3f}"],
            ["COPY, binary, no keys", "", spread(copies), ""],
        ],
        notes=[f"{ROUNDS} rounds of {done['pages']:,} responses and {rows:,} rows of `scratch`; start included."],
        figures={"pages": list(pages), "rows": list(rates), "copy": copies, "crawl": [crawl]},
    )


if __name__ == "__main__":
    main()
