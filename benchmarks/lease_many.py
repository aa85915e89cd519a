"""Leases of 100 from a frontier of ten million entries, and a status and a scrape of it.

    python -m benchmarks lease, or python -m benchmarks.lease_many ENTRIES

The frontier is in an embedded PostgreSQL with its default settings: lists in all classes of rate, some of each due for
a scheduled visit. After a warm-up, leases of each purpose are timed one by one, each finished as a visit would be; the
median and the slowest are printed. Then come the seconds of a status and of a scrape of the metrics."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harvester.api.catalogue import STREAMS
from harvester.config import Settings, load
from harvester.crawl.commit import Writer
from harvester.frontier import leases as frontier
from harvester.frontier import rates, runs
from harvester.frontier.fitting import begin_fit
from harvester.frontier.leases import Picker, Purpose
from harvester.frontier.visit_ends import finish_visits
from harvester.monitoring.metrics import exposition
from harvester.monitoring.status import read_status
from harvester.warehouse import embedded, schema
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection

LEASES = 200
READINGS = 5
NAMES = [stream.name for stream in STREAMS.values()]
SCHEDULED = [stream for stream in STREAMS.values() if stream.item_weight]

FILL = """
INSERT INTO crawl.frontier
    (stream, entity_id, due_at, visits, visited_at, last_full_read_at, new_items_decayed, exposure, stratum, queue,
    item_count)
SELECT s.stream, e, now() + make_interval(days => (1 + e %% 170)::int), 3,
    now() - make_interval(secs => random() * 180 * 86400), now() - interval '90 days', 0, 100, 27,
    s.spider * {classes} + 8 + floor(random() * 20), 5
FROM unnest(%s::text[], %s::int[]) AS s (stream, spider), generate_series(%s::bigint, %s::bigint) e
"""


def fill(connection: Connection, entries: int) -> None:
    """Make a frontier of entries that were all visited before, and some that are new or due."""
    for index in ("frontier_queue_idx", "frontier_due_idx", "frontier_new_idx"):
        connection.execute(f"DROP INDEX crawl.{index}")
    entities = entries // len(SCHEDULED)
    connection.execute(
        FILL.format(classes=rates.CLASSES),
        [[one.name for one in SCHEDULED], [rates.QUEUE_NUMBERS[one.spider] for one in SCHEDULED], 1, entities],
    )
    connection.execute("UPDATE crawl.frontier SET visits = 0, due_at = now(), queue = NULL WHERE entity_id % 20 = 0")
    connection.execute("UPDATE crawl.frontier SET due_at = now() - interval '1 hour' WHERE entity_id % 20 = 1")
    connection.execute("CREATE INDEX frontier_new_idx ON crawl.frontier (due_at) WHERE visits = 0")
    connection.execute("CREATE INDEX frontier_due_idx ON crawl.frontier (due_at) WHERE visits > 0")
    connection.execute("CREATE INDEX frontier_queue_idx ON crawl.frontier (queue, visited_at) WHERE queue IS NOT NULL")
    connection.execute("VACUUM ANALYZE crawl.frontier")


def measure(connection: Connection, run: int, purpose: Purpose, times: int = LEASES) -> list[float]:
    """Return the milliseconds of each lease; leased visits are finished in between."""
    took = []
    picker = Picker(min_gain=0.5)
    since = None
    for _ in range(times):
        began = time.perf_counter()
        if purpose is Purpose.SCHEDULED:
            leases = frontier.lease_scheduled(connection, run, NAMES, 100, picker)
        else:
            leases = frontier.lease(connection, run, NAMES, 100, since=since, purpose=purpose)
        took.append(1000 * (time.perf_counter() - began))
        if purpose in (Purpose.NEW, Purpose.DUE):
            since = leases[-1].due_at
        assert len(leases) >= (100 if purpose is not Purpose.RECHECK else 1), (purpose, len(leases))
        ended = [
            {
                "stream": one.visit.stream.name, "entity_id": one.visit.entity_id, "kind": one.visit.stream.kind.value,
                "certificate": None, "whole": True, "again": False, "gone": False, "listed": True,
                "fresh": 0, "found": 5, "cost": 1.0,
                "revisit": one.visit.stream.revisit, "item_weight": one.visit.stream.item_weight,
                "rate": one.visit.stream.rate,
                "spider": rates.QUEUE_NUMBERS.get(one.visit.stream.spider, 0),
            }
            for one in leases
        ]  # fmt: skip
        with connection.transaction():
            finish_visits(connection, ended)
    return took


def measure_readers(settings: Settings) -> dict[str, float]:
    """Return the seconds of a status and of a scrape of the metrics, each the median of several."""
    return {
        "status": statistics.median(seconds(partial(read_status, settings)) for _ in range(READINGS)),
        "scrape": statistics.median(seconds(partial(exposition, settings)) for _ in range(READINGS)),
    }


def measure_fit(connection: Connection) -> list[float]:
    """Return the seconds of each transaction of a fit of the schedule."""
    fit = begin_fit(connection, is_due=True)
    assert fit is not None
    took, is_left = [], True
    while is_left:
        began = time.perf_counter()
        is_left = fit.step(connection)
        took.append(time.perf_counter() - began)
    return took


def seconds(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="harvester-bench-") as folder:
        home = Path(folder)
        url = embedded.up(home)
        try:
            schema.migrate(url)
            with open_connection(url, autocommit=True) as connection:
                began = time.perf_counter()
                fill(connection, entries)
                print(f"{entries:,} entries made in {time.perf_counter() - began:.0f} s", flush=True)
                settings = load(home=home)
                run = runs.begin_run(connection, settings, "bench")
                Writer(connection)
                for purpose in Purpose:
                    took = measure(connection, run, purpose)
                    print(
                        f"lease of 100, {purpose:10} median {statistics.median(took):6.2f} ms,"
                        f" 95% {sorted(took)[int(0.95 * LEASES)]:6.2f} ms, slowest {max(took):6.2f} ms",
                        flush=True,
                    )
                readers = measure_readers(settings)
                print(f"status {readers['status']:.2f} s, scrape {readers['scrape']:.2f} s", flush=True)
        finally:
            embedded.down(home)


if __name__ == "__main__":
    main()
