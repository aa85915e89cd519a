"""Hostile input: no crash, no hang, and nothing stored that cannot be read back."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.api.catalogue import STREAMS
from harvester.crawl.commit import Writer
from harvester.warehouse.connect import open_connection

HERE = Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("targets", HERE / "targets.py")
assert _SPEC is not None
targets: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(targets)  # type: ignore[union-attr]

JUNK = [
    b"",
    b"null",
    b"\0",
    b"\xff",
    b'"\\ud800"',
    b"1e999",
    b"-1",
    b"9" * 30,
    b"[",
    b"{}",
    b"true",
    b'"\\u0000"',
    b"<li>",
]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A stream (one byte) and its documented response, with parts cut out, doubled, or replaced by junk."""
    first, *rest = draw(st.sampled_from(targets.corpus()))
    body = bytearray(rest)
    stream = first if draw(st.integers(0, 9)) else draw(st.integers(0, 255))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 1, 2, 8, 64, 400])))
        part = draw(st.one_of(st.sampled_from(JUNK), st.binary(max_size=12), st.just(bytes(body[start:end]) * 2)))
        body[start:end] = part
    return bytes([stream]) + bytes(body)


@settings(max_examples=800)
@given(bodies())
def test_any_body_is_rows_or_refused(data: bytes) -> None:
    targets.decoding(data)


@settings(max_examples=500)
@given(st.binary(min_size=3, max_size=2000))
def test_any_pages_end_a_visit_or_go_on(data: bytes) -> None:
    targets.visiting(data)


@pytest.mark.parametrize("name", STREAMS)
def test_endless_nesting_is_refused(name: str) -> None:
    """Before the parser gives up, and before what is written of it."""
    number = list(STREAMS).index(name)
    body = targets.corpus()[number][1:]
    end = body.rfind(b"}")
    for deep in (b"[" * 100_000, b'{"a":' * 100_000, b"<div>" * 100_000):
        targets.rows_of(STREAMS[name], deep)
        targets.rows_of(STREAMS[name], body[:end] + b',"new":' + deep + body[end:])
    new = b"[" * 5_000 + b"]" * 5_000
    assert targets.rows_of(STREAMS[name], b'[{"new":' + new + b"}]") == []


def test_records_of_hostile_bodies_are_read_back(database: str) -> None:
    """A row that the normaliser makes is refused by the database for its references at most, never for its values."""
    stored = 0
    with open_connection(database, autocommit=True) as connection:
        writer = Writer(connection)

        @settings(max_examples=300, suppress_health_check=list(HealthCheck))
        @given(bodies())
        def store(data: bytes) -> None:
            nonlocal stored
            rows = targets.rows_of(list(STREAMS.values())[data[0] % len(STREAMS)], data[1:])
            try:
                counts = writer.store(rows)
            except (psycopg.errors.ForeignKeyViolation, psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation):
                return
            stored += sum(sum(numbers) for numbers in counts.tables.values())

        store()
        assert stored > 20
        connection.execute("SELECT to_jsonb(u) FROM scratch.users u").fetchall()
        connection.execute("SELECT to_jsonb(c) FROM scratch.comments c").fetchall()


@settings(max_examples=500)
@given(st.binary(min_size=3, max_size=120))
def test_any_answers_end_a_visit_by_date(data: bytes) -> None:
    targets.dating(data)


@settings(max_examples=500)
@given(st.binary(min_size=3, max_size=120))
def test_any_answers_end_a_visit_by_page_number(data: bytes) -> None:
    targets.paging(data)


def test_any_arguments_end_in_a_line_and_a_status() -> None:
    from harvester.config import settings as chosen

    @settings(max_examples=400)
    @given(st.binary(max_size=60))
    def run(data: bytes) -> None:
        targets.commanding(data)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in targets.NOWHERE.items():
            patch.setenv(name, value)
        chosen.cache_clear()
        run()


MILLIONS = [
    ("decoding", 8192),
    ("visiting", 400),
    ("dating", 200),
    ("paging", 60),
    ("commanding", 120),
    ("sourcing", 9000),
]


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(("target", "longest"), MILLIONS)
def test_a_million_inputs(target: str, longest: int, tmp_path: Path) -> None:
    seeds = tmp_path / "corpus"
    seeds.mkdir()
    for number, data in enumerate(targets.SEEDS.get(target, tuple)()):
        (seeds / str(number)).write_bytes(data)
    options = ["-runs=1000000", "-timeout=10", f"-max_len={longest}", str(seeds)]
    command = [sys.executable, HERE / "with_atheris.py", target, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 1000000 runs" in done.stderr
