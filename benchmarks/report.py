"""Print the results of a benchmark as a table and, with `--record`, store them as JSON for `docs/benchmarks.md`."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from harvester.warehouse import embedded

RESULTS = Path(__file__).with_name("results")
ROUNDS = 5
_PACKAGES = ("scrapy", "psycopg", "sqlalchemy", "msgspec", "uvloop")


def publish(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    notes: Sequence[str] = (),
    figures: dict[str, Any] | None = None,
    packages: Sequence[str] = (),
) -> None:
    """Print a table with its notes, and store it with `--record`.

    `figures` are the numbers behind it, for the plot and for readers of the JSON; `packages` are other measured
    programs, as `NAME VERSION`.
    """
    show(title, columns, rows, notes)
    if "--record" in sys.argv:
        found = {
            "title": title, "columns": columns, "rows": rows, "notes": notes, "figures": figures or {},
            "measured": f"{datetime.now(UTC):%Y-%m-%d}", "command": f"python -m benchmarks {name} --record",
            "machine": machine(), "versions": [*versions(), *packages],
        }  # fmt: skip
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print a table."""
    table = Table(*columns, box=SIMPLE_HEAD, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(width=160).print(table, *notes, sep="\n")


def machine() -> str:
    """Return the processor, the number of its cores, and the memory."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    memory = psutil.virtual_memory().total / 2**30
    return f"{model or platform.machine()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.system()}"


def versions() -> list[str]:
    """Return the versions of Python, PostgreSQL and the packages that matter for speed."""
    server = subprocess.run([embedded.binary("postgres"), "--version"], capture_output=True, text=True, check=True)
    return [
        f"Python {platform.python_version()}",
        f"PostgreSQL {server.stdout.split()[-1]}",
        *(f"{package} {version(package)}" for package in _PACKAGES),
    ]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Return the median of the rounds, with the least and the most."""
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
