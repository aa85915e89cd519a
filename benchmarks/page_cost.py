"""Measure the cost of a page of 40 comments, in figures that are the same on every machine.

    python -m benchmarks cost, or with --record, which stores them in `page_cost.json`

A test compares each with the stored one and fails at half as much again (`tests/crawl/test_cost.py`).
Bytecode instructions and calls (those of C functions included) are counted for decoding, for normalising together with
the paginator's step, and for the commit of a new page and of one whose rows are all known. Messages between client and
server are from libpq's own trace, and the blocks of tables and indexes that the server reads from its statistics. Pages
before the counted ones warm caches and prepared statements.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import comments
from benchmarks.report import show
from benchmarks.warehouse import new_warehouse
from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.crawl.visits import paginator_of, take_page, with_rows
from harvester.frontier import leases as frontier
from harvester.frontier import runs
from harvester.frontier.leases import Purpose
from harvester.frontier.model import Committed
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from harvester.frontier.model import Lease
    from harvester.warehouse.connection import Connection

RECORDED = Path(__file__).with_name("page_cost.json")
MOST = 1.5
"""Multiple of the stored figure at which the test fails."""
PAGES = 4
WARMING = 8
STREAM = STREAMS["project_comments"]
_MESSAGE = re.compile(r"^([FB])\t(\d+)\t(\w+)", re.MULTILINE)
_REQUESTS = {"Query", "Execute"}
_BLOCKS = """
SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::bigint
FROM pg_statio_all_tables WHERE schemaname IN ('scratch', 'history', 'crawl')
"""


@contextmanager
def counted(into: Counter[str], name: str) -> Iterator[None]:
    """Count bytecode instructions and calls within the context."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            into[f"{name}, instructions"] += 1
        return trace

    def profile(_: FrameType, event: str, __: Any) -> None:
        if event in ("call", "c_call"):
            into[f"{name}, calls"] += 1

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])


def passed(trace: str) -> Counter[str]:
    """Return statements, round trips and bytes from a trace of libpq."""
    found: Counter[str] = Counter()
    before = "B"
    for direction, length, kind in _MESSAGE.findall(trace):
        found["statements"] += direction == "F" and kind in _REQUESTS
        found["round trips"] += (before, direction) == ("F", "B")
        found["bytes sent" if direction == "F" else "bytes received"] += int(length)
        before = direction
    return found


def blocks(connection: Connection) -> int:
    """Return the number of blocks of tables and indexes that were read so far."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_BLOCKS).fetchone()
    assert row is not None
    return int(row[0])


def measure(connection: Connection) -> dict[str, float]:
    """Return the costs of a page by name; needs a connection without a Writer, and an empty warehouse."""
    run = runs.begin_run(connection, load(), "bench")
    writer = Writer(connection)
    served = {one.project: one for one in comments.lists(range(1, 1 + WARMING + PAGES), length=40)}
    connection.execute("INSERT INTO scratch.users (id, username) VALUES (1, 'user1')")
    connection.execute("INSERT INTO scratch.projects (id, author_id) SELECT unnest(%s::bigint[]), 1", [list(served)])
    totals: Counter[str] = Counter()
    for kind in ("new", "known"):
        leases = _leases(connection, run, list(served))
        for lease in leases[:WARMING]:
            _take(writer, lease, served[lease.visit.entity_id], Counter(), kind)
        looked = blocks(connection)
        for lease in leases[WARMING:]:
            _take(writer, lease, served[lease.visit.entity_id], totals, kind)
        totals[f"commit of {kind} rows, blocks"] = blocks(connection) - looked
    # The steps before the commit are the same for new and for known rows, and were counted for both.
    return {name: number / PAGES / (1 if "commit" in name else 2) for name, number in sorted(totals.items())}


def _leases(connection: Connection, run: int, projects: list[int]) -> list[Lease]:
    connection.execute("DELETE FROM crawl.frontier WHERE stream = %s", [STREAM.name])
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at) SELECT %s, unnest(%s::bigint[]), now()",
        [STREAM.name, projects],
    )
    leases = frontier.lease(connection, run, [STREAM.name], len(projects), purpose=Purpose.NEW)
    now = datetime.now(UTC)
    leases = [replace(lease, visit=replace(lease.visit, seen_at=now)) for lease in leases]
    return sorted(leases, key=lambda lease: lease.visit.entity_id)


def _take(writer: Writer, lease: Lease, served: comments.List, into: Counter[str], kind: str) -> None:
    body = served.page("?limit=40&offset=0")
    paginator = paginator_of(lease)
    with counted(into, "decode"):
        records = decode(STREAM, body)
    with counted(into, "normalise"):
        page = with_rows(take_page(lease, paginator, records)[0], records)
    with tempfile.TemporaryFile() as trace:
        pgconn = writer.connection.pgconn
        pgconn.trace(trace.fileno())
        pgconn.set_trace_flags(1)  # without times
        with counted(into, f"commit of {kind} rows"):
            outcome = writer.commit([page])
        pgconn.untrace()
        trace.seek(0)
        for name, number in passed(trace.read().decode()).items():
            into[f"commit of {kind} rows, {name}"] += number
    assert outcome.results == [Committed()]


def main() -> None:
    with new_warehouse() as (_, url), open_connection(url, autocommit=True) as connection:
        found = measure(connection)
    known = json.loads(RECORDED.read_text())["figures"] if RECORDED.exists() else {}
    rows = [
        [name, f"{number:,.0f}", f"{number / known[name]:.2f}" if known.get(name) else ""]
        for name, number in found.items()
    ]
    show("What a page of 40 comments costs", ["", "now", "of what is written down"], rows)
    if "--record" in sys.argv:
        written = {"python": platform.python_version(), "figures": found}
        RECORDED.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
