"""Named statements: each is used by the module beside it, and is valid SQL for the schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import harvester
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(harvester.__file__).parent
FILES = sorted(ROOT.glob("*/sql/*.sql"))
NAMES = {
    "{kind}": "'users'",
    "{table}": "scratch.users",
    "{thing}": "studios",
    "{counted}": "project_count",
    "{held}": "studio_projects h ON h.studio_id = t.id",
    "{birth}": "now()",
    "{past}": "0::float8",
    "{entity}": "w.entity_id",
    "{stream}": "'news'",
    "{owner}": "id",
    "{dated}": "joined_at",
    "{only}": "true",
    "{oldest}": "1",
    "{visits}": "= 0",
    "{free}": "true",
    "{chosen}": "SELECT 'user'::text AS stream, 1::bigint AS entity_id",
    "{proven_seconds}": "0::float8",
}
"""What stands for the names that vary."""
AROUND = {
    "free": "SELECT FROM crawl.frontier w WHERE {}",
    "birth": "SELECT {} FROM crawl.frontier w, (SELECT 'user' AS kind) v",
    "past_of_stream": "SELECT CASE 'news' {} END FROM crawl.frontier k, (SELECT 1.0 AS days) m",
}
"""By name of a statement that is only a part of others, a statement in which it can be prepared."""


def _read(file: Path) -> Mapping[str, str]:
    return statements(f"harvester.{file.parent.parent.name}", file.stem)


def _prepared(name: str, statement: str) -> str:
    """Return the statement as PREPARE takes it, its values numbered."""
    numbers: dict[str, int] = {}

    def number(value: re.Match[str]) -> str:
        if value[0] == "%%":
            return "%"
        return f"${numbers.setdefault(value[1] or f'#{len(numbers)}', len(numbers) + 1)}"

    statement = AROUND.get(name, "{}").replace("{}", statement)
    for varying, text in NAMES.items():
        statement = statement.replace(varying, text)
    return "PREPARE tried AS " + re.sub(r"%%|%(?:\((\w+)\))?s", number, statement)


def test_each_statement_is_used() -> None:
    assert FILES
    for file in FILES:
        module = file.parent.parent / f"{file.stem}.py"
        # Either name of a choice, too.
        used = {
            name for found in re.findall(r"_SQL\[(.*?)\]", module.read_text()) for name in re.findall(r'"(\w+)"', found)
        }
        assert used == set(_read(file)), file


@pytest.mark.every_postgres
def test_each_statement_is_valid(database: str) -> None:
    with psycopg.connect(database) as connection:
        for file in FILES:
            for name, statement in _read(file).items():
                # A temporary table is made, for the statements that use it.
                is_made = statement.startswith("CREATE TEMP TABLE")
                try:
                    connection.execute(statement if is_made else _prepared(name, statement))
                except psycopg.Error as error:
                    pytest.fail(f"{file.stem}.{name}: {error}")
                if not is_made:
                    connection.execute("DEALLOCATE tried")
