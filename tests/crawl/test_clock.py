"""A machine whose clock is off: rows are dated by the database's clock."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from clocks import set_clock_off

import harvester
from harvester.crawl.archive import Archived, read_archives
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

ROOMS = ("crawl", "frontier", "monitoring", "pagination", "sampling")
OURS = {"first_seen_at", "gone_at", "last_seen_at", "seen_at", "returned_at", "valid_from", "valid_to"}


def test_rows_and_archives_use_the_clock_of_the_database(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    tmp_path: Path,
) -> None:
    sandbox = start_sandbox(users=10, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_ARCHIVE=str(tmp_path))
    began = harvester.query("SELECT clock_timestamp()")[0][0]

    def crawl(days: int, *arguments: str) -> None:
        harvester.first = partial(set_clock_off, days)
        harvester(*arguments)

    harvester.seed_all(sandbox)
    harvester("seed", "front-page")
    crawl(-400, "crawl")
    sandbox.json("/sandbox/churn?events=150", "POST")
    crawl(400, "crawl", "--audit")
    ended = harvester.query("SELECT clock_timestamp()")[0][0]
    compared: Counter[str] = Counter()
    for table in metadata.sorted_tables:
        for column in table.columns if table.schema in ("scratch", "history") else ():
            if column.name in OURS:
                ((first, last, count),) = harvester.query(
                    f"SELECT min({column.name}), max({column.name}), count({column.name}) FROM {table.fullname}"
                )
                assert not count or began <= first <= last <= ended, (table.fullname, column.name, first, last)
                compared[column.name] += count
    assert min(compared[name] for name in ("first_seen_at", "gone_at", "seen_at", "valid_from", "valid_to")) > 0
    read = list(read_archives(sorted(tmp_path.glob("*.warc.gz"))))
    archived = [one for one in read if isinstance(one, Archived)]
    assert all(began <= one.at <= ended for one in archived)
    assert all(one.visit.seen_at is None or began <= one.visit.seen_at <= ended for one in archived)


@pytest.mark.parametrize(
    "path",
    [path for room in ROOMS for path in sorted((Path(harvester.__file__).parent / room).glob("*.py"))],
    ids=lambda path: f"{path.parent.name}.{path.stem}",
)
def test_a_crawl_asks_no_clock_of_its_machine(path: Path) -> None:
    clocks = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
    asked = {
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not asked & clocks


def test_what_a_crawl_writes_is_dated_by_one_function() -> None:
    """A replay sets `crawl.clock()`: what asks another clock would be dated by the replay's own time."""
    product = Path(harvester.__file__).parent
    rooms = [product / room for room in (*ROOMS, "erasure")]
    written = [file for room in rooms for kind in ("*.py", "*.sql") for file in sorted(room.rglob(kind))]
    written.append(product / "warehouse" / "upsert.py")
    other = re.compile(
        r"(?<![\w.])(now|statement_timestamp|transaction_timestamp)\(\)|current_timestamp", re.IGNORECASE
    )
    found = {file.name for file in written if other.search(file.read_text())}
    # The state of the process that runs now, which no replay repeats.
    assert found == {"metrics.sql", "status.sql"}
