"""Pages of 40 new comments by authors already known, into an embedded PostgreSQL: alone, and eight a transaction, and
eight a transaction without the statements that keep the history.

    python -m benchmarks commit

The ways alternate on the same server, five rounds each; medians and their ratios are printed.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.config import load
from harvester.crawl import frontier
from harvester.crawl.frontier import Purpose
from harvester.warehouse import embedded, schema, staging, tables
from harvester.warehouse.commit import PageCommit, Verdict, Writer
from harvester.warehouse.connect import open_connection
from harvester.warehouse.normalise import normalise

PAGES = 400
ROUNDS = 5
STREAM = STREAMS["project_comments"]


def body(project: int) -> bytes:
    return json.dumps(
        [
            {
                "id": project * 1000 + number,
                "parent_id": None,
                "commentee_id": None,
                "content": f"hello &amp; welcome {number}",
                "datetime_created": "2022-06-02T00:38:43.000Z",
                "datetime_modified": "2022-06-02T00:38:43.000Z",
                "visibility": "visible",
                "author": {
                    "id": (author := 1 + (project * 7 + number * 13) % 5000),
                    "username": f"user{author}",
                    "scratchteam": False,
                    "image": f"https://cdn2.scratch.mit.edu/get_image/user/{author}_60x60.png",
                },
                "reply_count": 0,
            }
            for number in range(40)
        ]
    ).encode()


def main() -> None:
    rates: dict[tuple[int, bool], list[float]] = {(1, True): [], (8, True): [], (8, False): []}
    decoding: list[float] = []
    with tempfile.TemporaryDirectory(prefix="harvester-bench-") as folder:
        home = Path(folder)
        url = embedded.up(home)
        try:
            schema.migrate(url)
            with open_connection(url, autocommit=True) as connection:
                run = frontier.begin_run(connection, load(home=home), "bench")
                writer = Writer(connection)
                connection.execute("INSERT INTO scratch.users (id, username) VALUES (1, 'user1')")
                first = 1
                for _ in range(ROUNDS):
                    for (together, history), measured in rates.items():
                        staging.TRACKED = tables.TRACKED if history else {}
                        staging._part.cache_clear()  # noqa: SLF001
                        numbers = range(first, first + PAGES)
                        first += PAGES
                        connection.execute(
                            "INSERT INTO scratch.projects (id, author_id) SELECT unnest(%s::bigint[]), 1",
                            [list(numbers)],
                        )
                        connection.execute(
                            "INSERT INTO crawl.walks (stream, entity_id, due_at)"
                            " SELECT 'project_comments', unnest(%s::bigint[]), now()",
                            [list(numbers)],
                        )
                        leases = frontier.lease(connection, run, [STREAM.name], PAGES, purpose=Purpose.NEW)
                        bodies = [body(lease.visit.entity_id) for lease in leases]
                        began = time.perf_counter()
                        pages = [
                            PageCommit(lease, normalise(lease.visit, decode(STREAM, served)), 40, verdict=Verdict("{}"))
                            for lease, served in zip(leases, bodies, strict=True)
                        ]
                        decoded = time.perf_counter()
                        for start in range(0, PAGES, together):
                            writer.commit(pages[start : start + together])
                        decoding.append(PAGES / (decoded - began))
                        measured.append(PAGES / (time.perf_counter() - decoded))
        finally:
            embedded.down(home)
    alone, eight, bare = (statistics.median(measured) for measured in rates.values())
    print(f"decode and normalise  {statistics.median(decoding):8,.0f} pages/s")
    print(f"commit alone          {alone:8,.0f} pages/s")
    print(
        f"commit by eight       {eight:8,.0f} pages/s   {eight / alone:.2f} times alone, {40 * eight:,.0f} comments/s"
    )
    print(
        f"  without history     {bare:8,.0f} pages/s   history costs {1 - eight / bare:.1%} of the ingest of new rows"
    )


if __name__ == "__main__":
    main()
