"""Some modules stay pure: what the API serves, the paginators and the making of rows need no engine and no database."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("processes")

PURE = (
    "harvester.api.catalogue",
    "harvester.api.decode",
    "harvester.api.names",
    "harvester.api.profile_html",
    "harvester.api.profile_page",
    "harvester.api.records",
    "harvester.api.reference",
    "harvester.api.stream",
    "harvester.api.text",
    "harvester.pagination.cursor",
    "harvester.crawl.names",
    "harvester.pagination.page_number",
    "harvester.frontier.revisit",
    "harvester.pagination.offset",
    "harvester.api.rows",
    "harvester.frontier.rates",
    "harvester.source.decode",
    "harvester.source.differences",
    "harvester.source.facts",
    "harvester.source.structure",
)
TESTS = Path(__file__).parent
LONGEST_NAME = 60
ENGINES = ("scrapy", "twisted", "psycopg", "sqlalchemy", "asyncio", "aiohttp")


def test_pure_modules_load_no_engine() -> None:
    """One process imports them all, and names the first one with which an engine came."""
    code = (
        "import sys, importlib\n"
        f"for module in {PURE!r}:\n"
        "    importlib.import_module(module)\n"
        f"    if loaded := sorted(set(sys.modules) & set({ENGINES!r})):\n"
        "        sys.exit(f'{module} loads {loaded}')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_warehouse_knows_nothing_of_http() -> None:
    code = "import sys, harvester.crawl.commit; print(sorted(set(sys.modules) & {'scrapy', 'twisted', 'aiohttp'}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_sandbox_shares_nothing_with_what_it_tests() -> None:
    code = "import sys, harvester.sandbox.server; print(sorted(n for n in sys.modules if n.startswith('harvester')))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [name for name in eval(result.stdout) if not name.startswith("harvester.sandbox")]
    assert loaded == ["harvester"]


def test_help_waits_for_nothing() -> None:
    """A command loads what it needs when it runs."""
    heavy = {"alembic", "airflow", "jinja2", "numpy", "psycopg", "pyarrow", "pydantic", "scrapy", "sqlalchemy"}
    code = f"import sys, harvester.cli.main; print(sorted(set(sys.modules) & {heavy!r}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_names_of_tests_are_short() -> None:
    """A name longer than a line of a report is a sentence that belongs into the docstring."""
    texts = (path.read_text() for path in TESTS.rglob("test_*.py"))
    names = [name for text in texts for name in re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE)]
    assert len(names) > 500
    assert [name for name in names if len(name) > LONGEST_NAME] == []
