"""Measure a warehouse as it grows: ingest, lease, refresh and queries at 10^5 to 5·10^7 rows.

    python -m benchmarks growth, or python -m benchmarks.growth ROWS...

Rows are those of all tables together, filled by `generate_series` in the proportions of `analytics_queries`; one in
five is in the frontier. Each size is a database of one server. New comments by known authors on random projects are
committed to the databases in turns, 32 a transaction; then, at each size, leases of 100 due and of 100 scheduled
visits, a status, a scrape of the metrics, the longest transaction of the daily fit, a refresh of the figures after a
small change, and the ten slowest queries of `analytics` are timed. Nothing else runs at that time but autovacuum."""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

from benchmarks import comments
from benchmarks.analytics_queries import FILL, QUERIES, SKEWED, change, sizes
from benchmarks.ingest_pages import batches, by_two_threads, leases_of
from benchmarks.lease_many import fill as fill_frontier
from benchmarks.lease_many import measure as lease
from benchmarks.lease_many import measure_fit, measure_readers
from benchmarks.report import ROUNDS, median, publish
from benchmarks.warehouse import new_warehouse
from harvester.analytics.refresh import refresh
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import runs
from harvester.frontier.leases import Purpose
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection
from harvester.warehouse.embedded import DATABASE

SIZES = (100_000, 1_000_000, 10_000_000, 50_000_000)
COMMENTS = 0.288
"""Comments for each row outside the frontier."""
LISTS = 192
LEASES = 100
SLOWEST = 10


@dataclass
class Found:
    """Results at one size."""

    rows: int = 0
    ingest: list[float] = field(default_factory=list)
    leases: dict[str, list[float]] = field(default_factory=dict)
    readers: dict[str, float] = field(default_factory=dict)
    fit: list[float] = field(default_factory=list)
    refresh: float | None = None
    questions: dict[str, float] = field(default_factory=dict)


def ingest(connection: Connection, run: int, size: dict[str, int], number: int) -> float:
    """Return the rows a second of new comments on random projects."""
    chance = random.Random(number)
    projects = chance.sample(range(1, size["projects"] + 1), LISTS)
    first = 100 * size["project_comments"] + number * LISTS * comments.LENGTH
    served = {one.project: one for one in comments.lists(projects, first, authors=size["users"])}
    leases = leases_of(connection, run, served)
    writer = Writer(connection)
    pages = list(batches(leases, served, 32))
    # The authors are in the warehouse already, since the benchmark is of comments.
    for batch in pages:
        writer.store([rows for page in batch for rows in page.rows if rows.table == "users"])
    began = time.perf_counter()
    rows = by_two_threads(writer, batches(leases, served, 32))
    return rows / (time.perf_counter() - began)


def questions(connection: Connection, size: dict[str, int]) -> dict[str, float]:
    """Return the seconds of each query."""
    took = {}
    for what, query in QUERIES.items():
        began = time.perf_counter()
        connection.execute(query.format(some=size["studios"] // 2)).fetchall()
        took[what] = time.perf_counter() - began
    return took


def fill(connection: Connection, size: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Fill the tables; yield the name of each with its number of rows."""
    values = size | {name: SKEWED.format(size[f"{name}s"]) for name in ("user", "project", "studio")}
    connection.execute("SET session_replication_role = replica")
    for name, statement in FILL.items():
        if name != "frontier":  # with leases, below
            yield name, connection.execute(statement.format(**values)).rowcount
    connection.execute("SET session_replication_role = origin")
    fill_frontier(connection, size["frontier"])
    yield "frontier", size["frontier"]
    connection.execute("VACUUM ANALYZE")


def proportions(rows: int) -> dict[str, int]:
    """Return the numbers of each kind that make a number of rows."""
    entries = rows // 5
    return sizes(int((rows - entries) * COMMENTS)) | {"frontier": entries}


def measure_leases(connection: Connection, run: int, size: dict[str, int]) -> dict[str, list[float]]:
    """Milliseconds of leases of 100, by purpose."""
    times = min(LEASES, size["frontier"] // 40 // 100)  # one in twenty is due
    return {purpose.value: lease(connection, run, purpose, times) for purpose in (Purpose.DUE, Purpose.SCHEDULED)}


def measure_questions(connection: Connection, size: dict[str, int], found: Found) -> None:
    """Time the queries of an analyst after a refresh, and the refresh after a small change."""
    change(connection, size)
    began = time.perf_counter()
    refresh(connection)
    found.refresh = time.perf_counter() - began
    found.questions = questions(connection, size)


def shares(one: Found, least: Found) -> list[float]:
    """Return the rates of ingest relative to those at the smallest size."""
    return [rate / first for rate, first in zip(one.ingest, least.ingest, strict=True)]


def tell(found: dict[int, Found]) -> None:
    """The table, a column for each size."""
    most = max(found.values(), key=lambda one: (bool(one.questions), one.rows))
    least = found[min(found)]
    slowest = sorted(most.questions, key=lambda what: -most.questions[what])[:SLOWEST]
    lines = [
        ["new comments, rows/s", *(f"{median(one.ingest):,.0f}" for one in found.values())],
        ["of the smallest, same round", *(f"{median(shares(one, least)):.2f}" for one in found.values())],
        *(
            [f"lease of 100, {purpose}, ms", *(f"{median(one.leases[purpose]):.1f}" for one in found.values())]
            for purpose in most.leases
        ),
        *([f"{what}, s", *(f"{one.readers[what]:.2f}" for one in found.values())] for what in most.readers),
        ["longest transaction of a fit, s", *(f"{max(one.fit):.2f}" for one in found.values())],
        *(
            [
                "refresh after a small change, s",
                *("" if one.refresh is None else f"{one.refresh:.2f}" for one in found.values()),
            ]
            for _ in slowest[:1]
        ),
        *(
            [f"{what}, s", *(f"{one.questions[what]:.3f}" if one.questions else "" for one in found.values())]
            for what in slowest
        ),
    ]
    publish(
        "growth",
        "What grows with the warehouse",
        ["rows", *(f"{one.rows:,}" for one in found.values())],
        lines,
        notes=[
            f"Ingest and leases: medians of {ROUNDS} rounds and of up to {LEASES} leases.",
            *(
                f"The last {SLOWEST} lines are the slowest questions of analytics at the largest size."
                for _ in slowest[:1]
            ),
        ],
        figures={str(size): asdict(one) for size, one in found.items()},
    )


def of(url: str, rows: int) -> str:
    """The URL of the database of one size."""
    return url.replace(f"/{DATABASE}?", f"/of_{rows}?")


def main() -> None:
    sizes_ = [int(word) for word in sys.argv[1:] if word.isdigit()] or SIZES
    found: dict[int, Found] = {}
    places: dict[int, tuple[Connection, int, dict[str, int]]] = {}
    with new_warehouse() as (home, url), ExitStack() as stack:
        for rows in sizes_:
            with open_connection(url.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as server:
                server.execute(f"CREATE DATABASE of_{rows} TEMPLATE {DATABASE}")
            connection = stack.enter_context(open_connection(of(url, rows), autocommit=True))
            size = proportions(rows)
            found[rows] = Found(sum(made for _, made in fill(connection, size)))
            places[rows] = connection, runs.begin_run(connection, load(home=home), "bench"), size
        for number in range(ROUNDS + 1):
            for rows, (connection, run, size) in places.items():
                rate = ingest(connection, run, size, number)
                if number:  # the first run warms the caches for the others
                    found[rows].ingest.append(rate)
        for rows, (connection, run, size) in places.items():
            found[rows].leases = measure_leases(connection, run, size)
            found[rows].readers = measure_readers(load(home=home, database_url=of(url, rows)))
            found[rows].fit = measure_fit(connection)
            # Over a connection of its own: that of a writer has settings against plans that read whole tables.
            with open_connection(of(url, rows), autocommit=True) as analyst:
                refresh(analyst)
                measure_questions(analyst, size, found[rows])
    tell(found)


if __name__ == "__main__":
    main()
