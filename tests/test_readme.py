"""The README's commands do what it says: they are run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harvester.warehouse import embedded

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_commands_and_queries_run() -> None:
    """The shell blocks in order in one shell (make is tested by being how this test is run), then the queries."""
    home = Path(tempfile.mkdtemp(prefix="harvester-readme-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
    environment |= {
        "HARVESTER_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PGOPTIONS": "-c client_min_messages=warning",
    }
    shell = [block for block in blocks("sh") if not block.startswith("make")]
    queries = blocks("sql")
    assert len(shell) == 3
    assert len(queries) == 1
    first, *rest = shell[0].split("\n", 1)
    script = "set -e\n" + first + "\nsandbox=$!\ntrap 'kill $sandbox' EXIT\n"
    script += "until curl -sf http://127.0.0.1:8601/ >/dev/null; do sleep 0.1; done\n"
    script += "".join(rest) + "".join(shell[1:])
    script += f'"{embedded.binary("psql")}" "$(harvester db url)" -v ON_ERROR_STOP=1 -At <<\'SQL\'\n{queries[0]}\nSQL\n'
    try:
        result = subprocess.run(
            ["bash", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=README.parent,
        )
        assert result.returncode == 0, result.stderr[-2000:]
        assert "put in scope at depth 1" in result.stdout
        assert result.stdout.count("nothing more is due") == 4
        assert len(result.stdout.splitlines()) > 40
    finally:
        embedded.down(home)
        shutil.rmtree(home)


def test_every_variable_is_documented() -> None:
    from harvester.config import Settings

    text = README.read_text()
    missing = [name for name in Settings.model_fields if f"HARVESTER_{name.upper()}" not in text]
    assert not missing


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README.read_text()))))
def test_links_lead_somewhere(link: str) -> None:
    assert (README.parent / link).exists()
