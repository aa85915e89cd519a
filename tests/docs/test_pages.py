"""The documentation does what it says: its commands and queries are run as they stand, page by page.

`sh` blocks of a page run top to bottom in one bash session, `sql` blocks between them by psql. A block that is not run
has the reason in front of it, in the page's source: `<!-- not run: why -->`.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import pytest

from harvester.cli import main
from harvester.config import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP = Path(__file__).parent.parent.parent
README = TOP / "README.md"
PAGES = sorted((TOP / "docs").glob("*.md"))
TUTORIALS = (TOP / "docs" / "tutorial.md", TOP / "docs" / "sampling-tutorial.md")
ALONE = (README, *TUTORIALS)
"""Pages that bring a sandbox and a warehouse of their own."""
ELSEWHERE = {
    "connect.md": "tests/docs/test_connect.py",
    "questions.md": "tests/analytics/test_questions.py",
    "sampling.md": "tests/sampling/test_docs.py",
}
"""Pages that a test of their own runs: clients, answers that are compared, and a draw that is thinned."""
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?```(?P<language>sh|sql)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks of a page that are run."""
    return [(one["language"], one["text"]) for one in BLOCK.finditer(page.read_text()) if one["reason"] is None]


def script(page: Path) -> str:
    """A page as a program for bash."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lines = ["set -e"]
    for language, text in blocks(page):
        if language == "sql":
            lines.append(f"harvester db psql -X -q -v ON_ERROR_STOP=1 -At <<'SQL'\n{text}SQL")
        else:
            lines.append(re.sub(r"\b86\d\d\b", str(port), text))
    # Whoever types has waited for the sandbox by the time of the next line.
    stop = "trap 'kill $sandbox 2>/dev/null || true; harvester db down >/dev/null 2>&1 || true' EXIT"
    ready = f"\nsandbox=$!\n{stop}\nuntil curl -sf http://127.0.0.1:{port}/ >/dev/null; do sleep 0.1; done"
    return re.sub(r"^(harvester sandbox.*?&)( .*)?$", rf"\1{ready}", "\n".join(lines), flags=re.MULTILINE)


def run(page: Path, folder: Path, more: Mapping[str, str]) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
    result = subprocess.run(
        ["bash", "-c", script(page)],
        env=clean
        | {
            "PATH": f"{folder}:{forked.program().parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PGOPTIONS": "-c client_min_messages=warning",
        }
        | more,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=TOP if page == README else folder,  # where scrapy.cfg is
    )
    assert result.returncode == 0, f"{page.name}\n{result.stdout[-1000:]}\n{result.stderr[-3000:]}"
    return result.stdout


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "page",
    [README, *(pytest.param(page, marks=pytest.mark.soak) for page in TUTORIALS)],
    ids=lambda page: page.name,
)
def test_a_page_that_brings_its_own_warehouse(page: Path, own_home: Path) -> None:
    said = run(page, own_home, {"HARVESTER_HOME": str(own_home), "HOME": str(own_home)})
    crawls, reached = {"README.md": (4, "in scope"), "tutorial.md": (3, "in scope")}.get(
        page.name, (1, "of 3,560 drawn")
    )
    assert said.count("nothing more is due") == crawls
    assert reached in said
    assert re.search("inserted +updated +unchanged +gone", said)
    assert len(said.splitlines()) > 15


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in ALONE and page.name not in ELSEWHERE and blocks(page)],
    ids=lambda page: page.name,
)
def test_a_page_on_a_harvested_warehouse(page: Path, harvest: Any, tmp_path: Path) -> None:
    environment = harvest.harvester.environment | {
        "HARVESTER_DATABASE_URL": harvest.harvester.database,
        "HARVESTER_HOME": str(tmp_path),
    }
    run(page, tmp_path, environment)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    """A fence that the pattern does not see, indented or with a title, would be run by nobody."""
    text = page.read_text()
    seen = len(list(BLOCK.finditer(text)))
    assert seen == len(re.findall(r"^\s*(?:```|~~~)\s*(?:sh|bash|shell|console|sql)\b", text, re.MULTILINE))


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_what_is_not_run_has_a_reason_and_commands_that_exist(page: Path) -> None:
    """The options of each command are read as the command line reads them; a test that a reason names is there."""
    for one in BLOCK.finditer(page.read_text()):
        if one["reason"] is None:
            continue
        assert len(one["reason"].split()) > 2
        for test in re.findall(r"tests/[\w/]+(?:\.py)?", one["reason"]):
            assert (TOP / test).exists(), one["reason"]
        for line in re.sub(r"\\\n *", "", one["text"]).splitlines():
            for command in re.findall(r"(?:^|&& |; |\$\()(?:\w+=\S+ |sudo )*harvester ([^;|&>)]*)", line):
                assert_command(shlex.split(command, comments=True))


def assert_command(words: list[str]) -> None:
    """Assert that there is such a command with such options."""
    command: Any = main.command
    rest = list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(" ".join(words), rest)


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_what_is_run_elsewhere_is_run_there(page: str, test: str) -> None:
    assert f'"{page}"' in (TOP / test).read_text()


def test_every_variable_is_documented() -> None:
    text = README.read_text()
    missing = [name for name in Settings.model_fields if f"HARVESTER_{name.upper()}" not in text]
    assert not missing


@pytest.mark.parametrize("page", [README, TOP / "dags" / "README.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_setting_that_a_dag_reads_is_documented() -> None:
    source = (TOP / "dags" / "harvester_command.py").read_text()
    options = re.search(r"^OPTIONS.*?= \{(.*?)\}", source, re.MULTILINE | re.DOTALL)
    assert options is not None
    text = (TOP / "docs" / "scheduling.md").read_text()
    for name in re.findall(r'"(\w+)":', options[1]):
        assert f"| `{name}` |" in text
