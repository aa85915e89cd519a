"""The ten questions of docs/lake.md, asked of a lake by DuckDB and by Spark, and of a warehouse by PostgreSQL.

Run as a program with the folder of a lake, it prints Spark's answers: `python lake_questions.py LAKE`.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

PAGE = Path(__file__).parents[2] / "docs" / "lake.md"
BLOCK = re.compile(r"(?:^### (\d+)\. [^\n]*\n+)?^<!-- not run[^\n]*-->\n```sql\n(.*?)```", re.MULTILINE | re.DOTALL)
Answers = dict[int, list[list[Any]]]


def statements() -> tuple[list[str], dict[int, str]]:
    """The statements that make the views, and each question by its number."""
    blocks = re.findall(
        r"(?:^### (\d+)\. [^\n]*\n+)?^<!-- not run[^\n]*-->\n```sql\n(.*?)```",
        PAGE.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    (_, views), *questions = blocks
    return (
        [one.strip() for one in views.split(";") if one.strip()],
        {int(number): text.strip().rstrip(";") for number, text in questions},
    )


def plain(rows: Any) -> list[list[Any]]:
    """Rows with the same value for what is the same in each engine."""
    return [[_plain(value) for value in row] for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | float | int):
        return round(float(value), 6)
    return value.isoformat() if isinstance(value, date) else value


def tables(lake: Path) -> list[str]:
    return sorted(json.loads((lake / "current/lake.json").read_bytes())["tables"])


def by_postgres(connection: psycopg.Connection[Any]) -> Answers:
    connection.execute("SET search_path = scratch")
    connection.execute("SET timezone = 'UTC'")
    return {number: plain(connection.execute(text).fetchall()) for number, text in statements()[1].items()}


def by_duckdb(lake: Path) -> Answers:
    import duckdb

    views, questions = statements()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in tables(lake):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM '{lake}/current/{name}/*.parquet'")
        for view in views:
            connection.execute(view)
        return {number: plain(connection.execute(text).fetchall()) for number, text in questions.items()}


def by_spark(lake: Path) -> Answers:
    spark = spark_session()
    views, questions = statements()
    for name in tables(lake):
        spark.read.parquet(f"{lake}/current/{name}").createOrReplaceTempView(name)
    for view in views:
        spark.sql(view)
    return {number: plain(spark.sql(text).collect()) for number, text in questions.items()}


def spark_session() -> Any:
    """A session of Spark in this process, which listens on the loopback interface only."""
    from pyspark.sql import SparkSession

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


if __name__ == "__main__":
    print(json.dumps(by_spark(Path(sys.argv[1]))))
