"""Write a lake, update it after changes, and ask the heavy questions of PostgreSQL, DuckDB and Spark.

    python -m benchmarks lake, or python -m benchmarks.lake ROWS... [--home DIR] [--without-refresh] [--without-spark]

ROWS are comments; the other tables are in proportion, as `analytics_queries` makes them. Times are those of a clock,
beside the CPU of all processes that work on it: those of PostgreSQL, of Python, of the Java machine. On a machine that
others use too the CPU is the figure that can be compared. PostgreSQL asks the same text of its tables, with the
parallel workers of its default settings, and once for all the refresh that its own questions rest on.

Spark is asked if it is installed (`uv sync --all-extras --group lake`).
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks import lake_questions
from benchmarks.analytics_queries import FILL, churn, fill, sizes
from benchmarks.report import show
from harvester.analytics.refresh import refresh
from harvester.config import load
from harvester.dataset.lake import LakeRequest, LakeUpdate, update
from harvester.warehouse import embedded, schema
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection

CHANGES = ["comments", "run", "seconds (of CPU)", "written"]
SIZES = (100_000, 1_000_000)
TEXT = (
    "left(md5(g::text) || ' this is so cool, how did you make that ' || md5((3 * g)::text), 10 + (g * 13 % 100)::int)"
)
"""A text of a realistic length, of which each has its own."""
WITH_TEXTS = {name: statement.replace("repeat('hello ', 8)", TEXT) for name, statement in FILL.items()}
NEW = """
    INSERT INTO scratch.project_comments (id, project_id, author_id, content, created_at, visibility)
    SELECT top + g, 1 + g % {projects}, 1 + g % {users}, repeat('hello ', 8), now(), 'visible'
    FROM (SELECT max(id) AS top FROM scratch.project_comments) t, generate_series(1, {number}) g"""


class Cost:
    """Seconds of a clock, and of CPU, of one step."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:.1f} ({self.cpu:.2f})"


class Measured:
    """The processes of a server, and this one."""

    def __init__(self, home: Path) -> None:
        pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        self._server = psutil.Process(pid)

    def _cpu(self) -> float:
        times, own = self._server.cpu_times(), psutil.Process().cpu_times()
        ended = times.children_user + times.children_system
        running = 0.0
        for process in self._server.children():
            try:
                running += sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:  # it ended meanwhile
                continue
        return ended + running + own.user + own.system

    @contextmanager
    def step(self) -> Iterator[Cost]:
        """Yield a cost, which is known when the block is over."""
        cost, began, cpu = Cost(), time.perf_counter(), self._cpu()
        yield cost
        cost.seconds, cost.cpu = time.perf_counter() - began, self._cpu() - cpu


def run(measured: Measured, home: Path) -> tuple[LakeUpdate, Cost]:
    """Run an update once."""
    with measured.step() as cost:
        done = update(load(home=home), LakeRequest(home / "lake", is_allowed=True))
    return done, cost


def written(done: LakeUpdate) -> str:
    files = sum(len(table.parts) for table in done.manifest.tables.values())
    rows = sum(table.rows for table in done.manifest.tables.values())
    return f"{sum(done.files_written.values())} of {files} files, {sum(done.rows_written.values()) / rows:.0%} of rows"


def updates(connection: Connection, measured: Measured, home: Path, comments: int) -> list[list[str]]:
    """Write a lake, and update it after changes of several kinds."""
    size, rows = sizes(comments), []
    done, cost = run(measured, home)
    count = sum(table.rows for table in done.manifest.tables.values())
    stored = sum(table.bytes for table in done.manifest.tables.values())
    speed = f"{count / cost.seconds:,.0f} rows/s, {cost.cpu / count * 1e6:.1f} us of CPU a row, {stored / 1e6:,.0f} MB"
    rows.append([f"{comments:,}", "the first run", str(cost), f"{written(done)}; {speed}"])
    for name, table in done.manifest.tables.items():
        if table.rows:
            print(f"  {name:20} {table.rows:12,} rows {table.bytes / table.rows:6.1f} bytes a row", flush=True)
    done, cost = run(measured, home)
    rows.append([f"{comments:,}", "nothing changed", str(cost), written(done)])
    number = comments // 100
    connection.execute(NEW.format(number=number, **size))
    done, cost = run(measured, home)
    rows.append([f"{comments:,}", f"{number:,} new comments", str(cost), written(done)])
    churn(connection, size)
    done, cost = run(measured, home)
    rows.append([f"{comments:,}", "1% of rows, anywhere", str(cost), written(done)])
    return rows


def answers(connection: Connection, measured: Measured, home: Path, *, with_spark: bool) -> dict[str, dict[int, str]]:
    """Ask the questions of each engine; return the costs by engine and question."""
    found: dict[str, dict[int, str]] = {"PostgreSQL": {}, "DuckDB": {}}

    def timed(engine: str) -> lake_questions.Ask:
        def ask(number: int, run: lake_questions.Run, statement: str) -> object:
            run(statement)
            with measured.step() as cost:
                rows = run(statement)
            found[engine][number] = str(cost)
            return rows

        return ask

    lake_questions.by_postgres(connection, timed("PostgreSQL"))
    lake_questions.by_duckdb(home / "lake", timed("DuckDB"))
    if with_spark:
        command = [sys.executable, "-m", "benchmarks.lake_questions", str(home / "lake"), "--times"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found["Spark"] = {int(number): cost for number, cost in json.loads(done.stdout).items()}
    return found


def measure(comments: int, home: Path, *, with_refresh: bool, with_spark: bool) -> None:
    """Print both tables for a warehouse of one size, which is made if it is not there."""
    url = embedded.up(home)
    schema.migrate(url)
    with open_connection(url, autocommit=True) as connection:
        if connection.execute("SELECT NOT EXISTS (SELECT FROM scratch.users)").fetchone() == (True,):
            fill(connection, sizes(comments), list(FILL), WITH_TEXTS)
            connection.execute("VACUUM ANALYZE")
        measured = Measured(home)
        changes = updates(connection, measured, home, comments)
        if with_refresh:
            with measured.step() as cost:
                refresh(connection)
            changes.append([f"{comments:,}", "for comparison: `harvester analytics refresh`", str(cost), ""])
        show("runs", CHANGES, changes)
        found = answers(connection, measured, home, with_spark=with_spark)
    asked = [[f"{comments:,}", str(number), *(costs[number] for costs in found.values())] for number in found["DuckDB"]]
    show("questions", ["comments", "question", *found], asked)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lake")
    parser.add_argument("rows", type=int, nargs="*", default=SIZES)
    parser.add_argument("--home", type=Path, help="where warehouses stay; else they are removed at the end")
    parser.add_argument("--without-refresh", action="store_true")
    parser.add_argument("--without-spark", action="store_true")
    options = parser.parse_args()
    with_spark = not options.without_spark and importlib.util.find_spec("pyspark") is not None
    for comments in options.rows:
        with ExitStack() as stack:
            place = options.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harvester-bench-")))
            place.chmod(0o755)
            home = place / str(comments)
            home.mkdir(parents=True, exist_ok=True)
            stack.callback(embedded.down, home)
            measure(comments, home, with_refresh=not options.without_refresh, with_spark=with_spark)


if __name__ == "__main__":
    main()
