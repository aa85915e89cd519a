"""The ten questions of docs/lake.md, asked of a lake by DuckDB and by Spark, and of a warehouse by PostgreSQL.

    python -m benchmarks.lake_questions LAKE [--times]

prints Spark's answers as JSON, or what each question costs.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import psycopg

PAGE = Path(__file__).parents[1] / "docs" / "lake.md"
BLOCK = re.compile(r"(?:^### (\d+)\. [^\n]*\n+)?^<!-- not run[^\n]*-->\n```sql\n(.*?)```", re.MULTILINE | re.DOTALL)
Answers = dict[int, list[list[Any]]]
Run = Callable[[str], Any]
Ask = Callable[[int, Run, str], Any]
"""Takes the number of a question, a function that runs a statement, and the statement."""


def at_once(_: int, run: Run, statement: str) -> Any:
    return run(statement)


def statements() -> tuple[list[str], dict[int, str]]:
    """Return the statements that make the views, and each question by its number."""
    (_, views), *questions = BLOCK.findall(PAGE.read_text())
    return (
        [one.strip() for one in views.split(";") if one.strip()],
        {int(number): text.strip().rstrip(";") for number, text in questions},
    )


def plain(rows: Any) -> list[list[Any]]:
    """Return rows with the same value for what is the same in each engine."""
    return [[_plain(value) for value in row] for row in rows or ()]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | float | int):
        return round(float(value), 6)
    return value.isoformat() if isinstance(value, date) else value


def tables(lake: Path) -> list[str]:
    return sorted(json.loads((lake / "current/lake.json").read_bytes())["tables"])


def by_postgres(connection: psycopg.Connection[Any], ask: Ask = at_once) -> Answers:
    def run(statement: str) -> Any:
        return connection.execute(statement).fetchall()

    connection.execute("SET search_path = scratch")
    connection.execute("SET timezone = 'UTC'")
    return _asked(ask, run)


def _asked(ask: Ask, run: Run) -> Answers:
    return {number: plain(ask(number, run, text)) for number, text in statements()[1].items()}


def by_duckdb(lake: Path, ask: Ask = at_once) -> Answers:
    import duckdb  # noqa: PLC0415  (Spark's process needs it not)

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in tables(lake):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM '{lake}/current/{name}/*.parquet'")
        for view in statements()[0]:
            connection.execute(view)
        return _asked(ask, lambda statement: connection.execute(statement).fetchall())


def by_spark(lake: Path, ask: Ask = at_once) -> Answers:
    spark = spark_session()
    for name in tables(lake):
        spark.read.parquet(f"{lake}/current/{name}").createOrReplaceTempView(name)
    for view in statements()[0]:
        spark.sql(view)
    return _asked(ask, lambda statement: spark.sql(statement).collect())


def spark_session() -> Any:
    """Return a session of Spark in this process, which listens on the loopback interface only."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  (the only function that needs it)

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
    }
    builder = SparkSession.builder.master("local[2]").appName("lake")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def costs_of_spark(lake: Path) -> dict[int, str]:
    """Ask each question once to warm up, then again; return seconds of a clock and of CPU."""
    found: dict[int, str] = {}

    def cpu() -> float:
        return sum(sum(one.cpu_times()[:2]) for one in psutil.Process().children(recursive=True))

    def ask(number: int, run: Run, statement: str) -> Any:
        run(statement)
        began, worked = time.perf_counter(), cpu()
        rows = run(statement)
        found[number] = f"{time.perf_counter() - began:.1f} ({cpu() - worked:.2f})"
        return rows

    by_spark(lake, ask)
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(json.dumps(costs_of_spark(folder) if "--times" in sys.argv else by_spark(folder)))
