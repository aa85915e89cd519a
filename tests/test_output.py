"""Commands whose standard streams are closed, full, without a reader, or of a charset that lacks letters."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harvester.cli import output
from harvester.warehouse import embedded

if TYPE_CHECKING:
    from collections.abc import Callable

HARVESTER = f"{sys.executable} -m harvester"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
FULL = "harvester: standard output takes no more (No space left on device): the rest of it is lost"


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a shell that tells the status of the first part of a pipe."""
    return subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_json_has_times_as_rfc_3339_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    output.print_json({"at": noon, "there": noon.astimezone(timezone(timedelta(hours=9))), "on": noon.date()})
    at = "2026-03-01T12:00:00+00:00"
    assert json.loads(capsys.readouterr().out) == {"at": at, "there": at, "on": "2026-03-01"}


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table = output.table("number", "text", numbers=["number"])
    table.add_row("1", "word " * 60)
    output.console().print(table)
    output.console().print("word " * 60 + "end")
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["text", "word", "end"]


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, line: str) -> None:
    assert (result.returncode, result.stderr.splitlines()) == (code, [line] if line else [])


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("command", ["--help", "streams --json"])
def test_streams_that_are_closed_full_or_not_read(command: str) -> None:
    assert_one_line(shell(f"{HARVESTER} {command} >&-"), 0, "")
    assert_one_line(shell(f"{HARVESTER} {command} <&- >&- 2>&-"), 0, "")
    assert_one_line(shell(f"{HARVESTER} {command} >/dev/full"), 1, FULL)
    assert_one_line(shell(f"{HARVESTER} {command} >/dev/full 2>/dev/full"), 1, "")
    # A reader that has gone before anything is written.
    assert_one_line(shell(f"{HARVESTER} {command} | true"), 128 + signal.SIGPIPE, "")


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("command", ["nonsense", ""])
def test_an_error_that_nobody_can_be_told_keeps_its_status(command: str) -> None:
    for stream in ("2>&-", "2>/dev/full"):
        assert_one_line(shell(f"{HARVESTER} {command} {stream}"), 2, "")


@pytest.mark.usefixtures("processes")
def test_letters_that_the_charset_lacks_are_written_as_escapes() -> None:
    """In a home whose name it lacks too, for all that is done with an embedded database."""
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-"))
    folder.chmod(0o755)
    home = folder / "zuhause-é"
    try:
        for command in (
            "status",
            "plan",
            f"report '{folder}/é.html'",
            "db psql -XAtc 'SELECT 1'",
            "seed users 'é'",
        ):
            result = shell(f"{HARVESTER} {command}", HARVESTER_HOME=str(home), **ASCII)
            assert result.returncode == (2 if "seed" in command else 0), (command, result.stderr)
            assert "Traceback" not in result.stderr, command
            assert command != "plan" or r"\u2588" in result.stdout  # the bars of its plot
        assert (folder / "é.html").stat().st_size > 1000
    finally:
        embedded.down(home)
        shutil.rmtree(folder)


def test_a_crawl_whose_output_goes_nowhere_stores_what_it_reads(
    small_sandbox: Any, make_harvester: Callable[..., Any]
) -> None:
    harvester = make_harvester(small_sandbox)
    harvester.seed_all(small_sandbox)
    crawl = f"{HARVESTER} crawl --max-requests 3"
    environment = harvester.env()
    for streams, code, line in (
        ("--log-json 2>/dev/full >/dev/null", 0, ""),
        (">/dev/full", 1, FULL),
        ("--workers 2 <&- >&- 2>&-", 0, ""),
    ):
        assert_one_line(shell(f"{crawl} {streams}", **environment), code, line)
    outcomes = harvester.query("SELECT DISTINCT outcome FROM crawl.runs WHERE command LIKE 'crawl%'")
    assert outcomes == [("bounded",)]
    assert_one_line(shell(f"{HARVESTER} status >/dev/full", **environment), 1, FULL)
    assert_one_line(shell(f"{HARVESTER} sandbox --users 20 >/dev/full", **environment), 1, FULL)
    assert_one_line(shell(f"{HARVESTER} report --serve 0 >/dev/full", **environment), 1, FULL)
