"""Comments into Parquet against COPY of the same rows, side by side.

    python -m benchmarks dataset, or python -m benchmarks.dataset_export ROWS

Ten million comments stand in an embedded PostgreSQL with its default settings. In turns, the same rows in the same
order leave it as binary COPY, the least that any export has to do, and as the table of a dataset (profile `internal`,
zstd), with every step that `harvester dataset build` takes for it: types, the teaser, the licence. The rates are
printed with their ratio; half is what is promised.
"""

import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from harvester.config import Settings, load
from harvester.dataset.build import Build, Request
from harvester.dataset.release import Profile
from harvester.dataset.rows import query
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
    """Seconds that the rows take as binary COPY."""
    began = time.perf_counter()
    with connection.cursor().copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)") as copy:
        for _ in copy:
            pass
    return time.perf_counter() - began


def by_build(settings: Settings, folder: Path) -> float:
    """Seconds that the table of a dataset takes."""
    request = Request(folder, Profile.INTERNAL, formats=("parquet",), is_allowed=True).settled()
    began = time.perf_counter()
    with open_snapshot(settings) as snapshot:
        build = Build(settings, snapshot, request, folder, lambda _: None)
        build.write(query(project_comments, build.selection))
    took = time.perf_counter() - began
    shutil.rmtree(folder)
    return took


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="harvester-bench-") as place:
        home = Path(place)
        home.chmod(0o755)
        try:
            url = embedded.up(home)
            schema.migrate(url)
            settings = load(home=home)
            with open_connection(url, autocommit=True) as connection:
                began = time.perf_counter()
                fill(connection, rows)
                print(f"{rows:,} comments made in {time.perf_counter() - began:.0f} s", flush=True)
                names = ", ".join(column.name for column in project_comments.columns)
                statement = f"SELECT {names} FROM scratch.project_comments ORDER BY id"
                ratios = []
                for _ in range(ROUNDS):
                    copied = by_copy(connection, statement)
                    built = by_build(settings, home / f"release-{datetime.now(UTC):%H%M%S%f}")
                    ratios.append(copied / built)
                    print(
                        f"COPY {rows / copied:9,.0f} rows/s, Parquet {rows / built:9,.0f} rows/s:"
                        f" {100 * ratios[-1]:.0f}%",
                        flush=True,
                    )
                print(f"Parquet at {100 * statistics.median(ratios):.0f}% of COPY (median); 50% is promised")
        finally:
            embedded.down(home)


if __name__ == "__main__":
    main()
