"""The questions of docs/lake.md: DuckDB and Spark answer them on a lake as PostgreSQL does on the warehouse."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from benchmarks import lake_questions
from harvester.dataset.lake import LakeRequest, update

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def written(built: Any) -> Path:
    """A lake in parts, of a warehouse with tombstones."""
    folder: Path = built.folder / "lake"
    update(built.settings, LakeRequest(folder, is_allowed=True, part_rows=100))
    return folder


@pytest.fixture(scope="module")
def expected(built: Any) -> lake_questions.Answers:
    with psycopg.connect(built.database, autocommit=True) as connection:
        answers = lake_questions.by_postgres(connection)
    assert list(answers) == [1, 5, 6, 7, 9, 12, 13, 15, 17, 18]
    assert all(len(rows) > 1 for rows in answers.values())
    return answers


def test_duckdb_answers_as_postgres(written: Path, expected: lake_questions.Answers) -> None:
    assert lake_questions.by_duckdb(written) == expected


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
def test_spark_answers_as_postgres(written: Path, expected: lake_questions.Answers) -> None:
    if importlib.util.find_spec("pyspark") is None:
        if os.environ.get("HARVESTER_TEST_SPARK") == "required":
            pytest.fail("Spark is required: uv sync --all-extras --group lake, and a Java")
        pytest.skip("Spark is not installed: uv sync --all-extras --group lake")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.lake_questions", written], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert {int(number): rows for number, rows in json.loads(done.stdout).items()} == expected
