"""Comments into Parquet against COPY of the same rows, side by side.

    python -m benchmarks dataset, or python -m benchmarks.dataset_export ROWS [--profiles P...] [--home DIR]

Ten million comments are in an embedded PostgreSQL with its default settings. In turns, the rows are exported in the
order of their ids as binary COPY, the least that any export has to do, and as the table of a dataset (zstd), with all
steps of `harvester dataset build`: types, the teaser, the licence; in `restricted` and `open` also joins with
pseudonyms. The rates are printed with their ratio; for `internal` half is promised. The preparation of the other
profiles (selection, pseudonyms, generalized rows) is timed once and printed by itself.

With `--home` the warehouse stays there and is used again.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from harvester.config import Settings, load
from harvester.dataset.build import Build, Request
from harvester.dataset.release import FileFormat, Profile, Text
from harvester.dataset.snapshot import open_snapshot
from harvester.warehouse import embedded, schema
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import project_comments

ROUNDS = 3
PLACES = 100_000

FILL = f"""
INSERT INTO scratch.project_comments
    (id, project_id, author_id, content, created_at, modified_at, visibility, reply_count, first_seen_at)
SELECT g, 1 + g %% {PLACES}, 1 + g * 7 %% {PLACES},
    left(md5(g::text) || ' this is so cool, how did you make that ' || md5((3 * g)::text), 10 + (g * 13 %% 100)::int),
    '2020-01-01'::timestamptz + g * interval '9 seconds', '2020-01-01'::timestamptz + g * interval '9 seconds',
    'visible', 0, '2026-06-01'::timestamptz + g / 40 * interval '0.2 seconds'
FROM generate_series(%s::bigint, %s::bigint) g
"""


def fill(connection: psycopg.Connection, rows: int) -> None:
    """Make comments of a realistic length; keys and indexes are added at the end."""
    connection.execute(
        f"INSERT INTO scratch.users (id, username) SELECT g, 'user' || g FROM generate_series(1, {PLACES}) g"
    )
    connection.execute(f"INSERT INTO scratch.projects (id, author_id) SELECT g, g FROM generate_series(1, {PLACES}) g")
    connection.execute("ALTER TABLE scratch.project_comments DISABLE TRIGGER ALL")
    for name in ("project_id_created_at", "parent_id", "author_id"):
        connection.execute(f"DROP INDEX scratch.project_comments_{name}_idx")
    for start in range(1, rows + 1, 1_000_000):
        connection.execute(FILL, [start, min(start + 999_999, rows)])
    connection.execute("VACUUM ANALYZE scratch.project_comments")


def by_copy(connection: psycopg.Connection, statement: str) -> float:
    """Return the seconds of binary COPY of the rows."""
    began = time.perf_counter()
    with connection.cursor().copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)") as copy:
        for _ in copy:
            pass
    return time.perf_counter() - began


def by_build(settings: Settings, home: Path, profile: Profile, text: Text | None, copied: Callable[[], float]) -> None:
    """Run COPY and the export of a dataset's table in turns, and print their ratio."""
    folder = home / f"release-{datetime.now(UTC):%H%M%S%f}"
    request = Request(folder, profile, text=text, formats=(FileFormat.PARQUET,), is_allowed=True).settled()
    what = f"{profile}, texts {request.text}"
    with open_snapshot(settings) as snapshot:
        began = time.perf_counter()
        build = Build(settings, snapshot, request, folder, lambda _: None)
        build.prepare()
        print(f"{what}: prepared in {time.perf_counter() - began:.1f} s", flush=True)
        query = next(one for one in build.queries() if one.name == project_comments.name)
        ratios = []
        for _ in range(ROUNDS):
            by_copy = copied()
            began = time.perf_counter()
            resource, _ = build.write(query)
            took = time.perf_counter() - began
            ratios.append(by_copy / took)
            print(
                f"  COPY {resource.rows / by_copy:9,.0f} rows/s, Parquet {resource.rows / took:9,.0f} rows/s:"
                f" {100 * ratios[-1]:.0f}%",
                flush=True,
            )
    shutil.rmtree(folder)
    print(f"{what}: Parquet at {100 * statistics.median(ratios):.0f}% of COPY (median)", flush=True)


PROFILES: dict[str, tuple[Profile, Text | None]] = {
    "internal": (Profile.INTERNAL, None),
    "restricted": (Profile.RESTRICTED, Text.NONE),
    "open": (Profile.OPEN, None),
    "redacted": (Profile.RESTRICTED, Text.REDACTED),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_export")
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--profiles", nargs="*", choices=PROFILES, default=["internal", "restricted", "open"])
    parser.add_argument("--home", type=Path, help="where the warehouse stays; else it is removed at the end")
    options = parser.parse_args()
    with ExitStack() as stack:
        if options.home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harvester-bench-")))
            stack.callback(embedded.down, home)
        else:
            home = options.home
            home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o755)
        url = embedded.up(home)
        schema.migrate(url)
        connection = stack.enter_context(open_connection(url, autocommit=True))
        if connection.execute("SELECT NOT EXISTS (SELECT FROM scratch.project_comments)").fetchone() == (True,):
            began = time.perf_counter()
            fill(connection, options.rows)
            print(f"{options.rows:,} comments made in {time.perf_counter() - began:.0f} s", flush=True)
        names = ", ".join(column.name for column in project_comments.columns)
        statement = f"SELECT {names} FROM scratch.project_comments ORDER BY id"
        for name in options.profiles:
            profile, text = PROFILES[name]
            by_build(load(home=home), home, profile, text, lambda: by_copy(connection, statement))


if __name__ == "__main__":
    main()
