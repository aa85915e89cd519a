"""Commit pages of comments from memory, new and unchanged, and compare with raw COPY of the same rows.

    python -m benchmarks ingest

Lists of 190 comments are read in five pages each as a crawl reads them: decoded, normalised, passed to their paginator,
committed with checkpoint, history and the entries that they make due. As in a crawl there are two threads: one prepares
pages, one commits several in a transaction; `alone` is the same in one thread, page by page, as in a replay; each of
two workers is a process with its own lists. Unchanged rows are the same lists read again. COPY writes the same
comments, encoded beforehand, into a table with the same columns and no index, key or default. All ways take turns on
one server."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks import comments
from benchmarks.comments import List
from benchmarks.report import ROUNDS, median, publish, spread
from benchmarks.warehouse import new_warehouse
from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.api.rows import normalise
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.crawl.visits import paginator_of, take_page, with_rows
from harvester.frontier import leases as frontier
from harvester.frontier import runs
from harvester.frontier.leases import Purpose
from harvester.frontier.model import Committed, Lease, PageCommit
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

    from harvester.crawl.commit import BatchResult

STREAM = STREAMS["project_comments"]
LISTS = 192
TOGETHER = (1, 8, 64)
WORKERS = 2
FAR = 1_000_000
"""Distance between the ids of projects of two workers."""
WAIT = 120
"""Seconds to wait for a worker."""
TARGETS = {"new": 50_000, "unchanged": 120_000}


def new_lists(connection: Connection, first: int) -> dict[int, List]:
    """Make lists of projects that are stored, without any of their comments."""
    made = {one.project: one for one in comments.lists(range(first, first + LISTS), first * comments.LENGTH)}
    connection.execute("INSERT INTO scratch.users (id, username) VALUES (1, 'user1') ON CONFLICT DO NOTHING")
    connection.execute(
        "INSERT INTO scratch.projects (id, author_id) SELECT unnest(%s::bigint[]), 1 ON CONFLICT DO NOTHING",
        [list(made)],
    )
    return made


def leases_of(connection: Connection, run: int, projects: dict[int, List]) -> list[Lease]:
    """Lease first visits of lists."""
    connection.execute(
        "DELETE FROM crawl.frontier WHERE stream = %s AND entity_id = ANY(%s)", [STREAM.name, list(projects)]
    )
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at) SELECT %s, unnest(%s::bigint[]), now()",
        [STREAM.name, list(projects)],
    )
    leases = frontier.lease(connection, run, [STREAM.name], len(projects), list(projects), purpose=Purpose.NEW)
    now = datetime.now(UTC)
    return [replace(lease, visit=replace(lease.visit, seen_at=now)) for lease in leases]


def batches(leases: list[Lease], served: dict[int, List], together: int) -> Iterator[list[PageCommit]]:
    """Yield the pages of visits in batches, with `together` visits at the same time."""
    for start in range(0, len(leases), together):
        visits = [(lease, paginator_of(lease)) for lease in leases[start : start + together]]
        while visits:
            pages = []
            for lease, paginator in visits:
                records = decode(STREAM, served[lease.visit.entity_id].page(paginator.next_request()))
                pages.append(with_rows(take_page(lease, paginator, records)[0], records))
            yield pages
            visits = [
                (replace(lease, position=lease.position + 1), paginator)
                for lease, paginator in visits
                if not paginator.finished
            ]


def by_two_threads(writer: Writer, pages: Iterator[list[PageCommit]]) -> int:
    """Commit pages in one thread while another prepares more; return the number of committed comments."""
    rows = 0
    with ThreadPoolExecutor(1) as thread:
        committing: Future[BatchResult] | None = None
        for batch in pages:
            if committing is not None:
                rows += _taken(committing.result())
            committing = thread.submit(writer.commit, batch)
        if committing is not None:
            rows += _taken(committing.result())
    return rows


def by_one_thread(writer: Writer, pages: Iterator[list[PageCommit]]) -> int:
    """Prepare and commit pages in turns; return the number of committed comments."""
    return sum(_taken(writer.commit(batch)) for batch in pages)


def _taken(batch: "BatchResult") -> int:
    assert all(result == Committed() for result in batch.results), batch.results
    return sum(batch.counts.tables["project_comments"])


def work(url: str, number: int, gate: "Barrier", told: "Queue[tuple[int, float, float]]") -> None:
    """Run one of several workers: commit its lists whenever the gate opens; report rows, begin and end."""
    with open_connection(url, autocommit=True) as connection:
        run = runs.begin_run(connection, load(), "bench")
        writer = Writer(connection)
        for turn in range(ROUNDS):
            gate.wait(WAIT)
            served = new_lists(connection, FAR * (number + 1) + turn * LISTS)
            for _ in TARGETS:
                leases = leases_of(connection, run, served)
                gate.wait(WAIT)
                began = time.perf_counter()
                rows = by_two_threads(writer, batches(leases, served, TOGETHER[-1]))
                told.put((rows, began, time.perf_counter()))


@contextmanager
def workers(url: str) -> Iterator[Callable[[], dict[str, float]]]:
    """Start workers; yield a function that lets them work once and returns the rows a second of all of them."""
    gate, told = multiprocessing.Barrier(WORKERS + 1), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=work, args=(url, number, gate, told)) for number in range(WORKERS)]

    def turn() -> dict[str, float]:
        gate.wait(WAIT)
        rates = {}
        for kind in TARGETS:
            gate.wait(WAIT)
            rows, began, ended = zip(*[told.get(timeout=WAIT) for _ in processes], strict=True)
            rates[kind] = sum(rows) / (max(ended) - min(began))
        return rates

    for process in processes:
        process.start()
    try:
        yield turn
    finally:
        gate.abort()
        for process in processes:
            process.join()


def pages_per_cpu_second(served: dict[int, List], leases: list[Lease]) -> float:
    """Return the full pages that are decoded and normalised in a second of CPU."""
    bodies = [(lease.visit, served[lease.visit.entity_id].page("?limit=40&offset=0")) for lease in leases]
    began = time.thread_time()
    for visit, body in bodies:
        normalise(visit, decode(STREAM, body))
    return len(bodies) / (time.thread_time() - began)


def copied(connection: Connection, first: int, form: str) -> float:
    """Return the rows a second of COPY, for the lists from the project `first` on."""
    columns = [name for (name,) in connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'scratch.project_comments'::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum"
    ).fetchall()]  # fmt: skip
    source = f"SELECT {', '.join(columns)} FROM scratch.project_comments WHERE project_id >= {first}"
    with connection.cursor().copy(f"COPY ({source}) TO STDOUT (FORMAT {form})") as copy:
        blocks = [bytes(block) for block in copy]
    connection.execute("CREATE TABLE IF NOT EXISTS public.bare (LIKE scratch.project_comments)")
    connection.execute("TRUNCATE public.bare")
    cursor = connection.cursor()
    began = time.perf_counter()
    with cursor.copy(f"COPY public.bare FROM STDIN (FORMAT {form})") as copy:
        for block in blocks:
            copy.write(block)
    return cursor.rowcount / (time.perf_counter() - began)


def main() -> None:
    ways = {f"{together} together": (together, by_two_threads) for together in TOGETHER} | {"alone": (1, by_one_thread)}
    rates: dict[tuple[str, str], list[float]] = {}
    with (
        new_warehouse() as (home, url),
        workers(url) as by_workers,
        open_connection(url, autocommit=True) as connection,
    ):
        run = runs.begin_run(connection, load(home=home), "bench")
        writer = Writer(connection)
        first = 1
        for _ in range(ROUNDS):
            for way, (together, take) in ways.items():
                served = new_lists(connection, first)
                for kind in TARGETS:
                    leases = leases_of(connection, run, served)
                    began = time.perf_counter()
                    rows = take(writer, batches(leases, served, together))
                    rates.setdefault((way, kind), []).append(rows / (time.perf_counter() - began))
                rates.setdefault(("decode", ""), []).append(pages_per_cpu_second(served, leases))
                for form in ("text", "binary"):
                    rates.setdefault(("COPY", form), []).append(copied(connection, first, form))
                first += LISTS
            for kind, rate in by_workers().items():
                rates.setdefault((f"{WORKERS} workers, {TOGETHER[-1]} together", kind), []).append(rate)
            print(".", end="", flush=True)
    print()
    rows = [[f"COPY, {form}", spread(rates["COPY", form]), "", ""] for form in ("text", "binary")]
    for (way, kind), found in rates.items():
        if kind in TARGETS:
            shares = [median(found) / median(rates["COPY", form]) for form in ("text", "binary")]
            rows.append([f"{kind} rows, {way}", spread(found), *(f"{share:.2f}" for share in shares)])
    rows.append(["decode and normalise, pages of 40 a second of CPU", spread(rates["decode", ""]), "", ""])
    publish(
        "ingest",
        "Pages of comments from memory into PostgreSQL",
        ["", "rows/s: median (least to most)", "of COPY, text", "of COPY, binary"],
        rows,
        notes=[
            f"{ROUNDS} rounds of {LISTS} lists of {comments.LENGTH} comments in five pages each way.",
            "Promised: 50,000 new and 120,000 unchanged rows/s, 1,000 pages a second of CPU.",
        ],
        figures={"/".join(key): found for key, found in rates.items()},
    )


if __name__ == "__main__":
    main()
