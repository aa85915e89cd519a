"""What a hostile text costs grows as its length does, counted in instructions."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = 12
"""How many times as many instructions ten times the text may take."""


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
def test_ten_times_the_text_takes_ten_times_the_instructions(tmp_path: Path) -> None:
    """Each rule of redaction on texts made of its own parts, and whatever else reads what people write."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: apt-get install valgrind")
    measured = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out", "--dump-before=sched_yield",
         sys.executable, "tests/dataset/hostile.py"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    # Dumps alternate: what was before a measurement, and the measurement.
    lines = [line.split("\t") for line in measured.stdout.splitlines()]
    counts = [_total(tmp_path / f"out.{2 * number}") for number in range(1, len(lines) + 1)]
    taken = {(name, int(size)): count for (name, size), count in zip(lines, counts, strict=True)}
    assert len(taken) > 3 * 140
    grown = {
        (name, size): round(count / taken[name, size // 10], 1)
        for (name, size), count in taken.items()
        if (name, size // 10) in taken
    }
    sys.stdout.write(f"largest growth: {max(grown.values())}\n")
    assert {place: times for place, times in grown.items() if times > MOST} == {}


def _total(dump: Path) -> int:
    found = re.search(r"^totals: (\d+)$", dump.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
