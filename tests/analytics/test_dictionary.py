"""The data dictionary says what the schema says, and tells real references from soft ones."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from harvester.report.dictionary import diagram, page, read
from harvester.warehouse.tables import FIGURE_REFERENCES, SOFT_REFERENCES, metadata

DOCS = Path(__file__).parents[2] / "docs"


def test_the_document_is_the_schema(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        text = page(connection)
        assert (DOCS / "dictionary.md").read_text() == text, "run `make docs`"
        relations = read(connection)
        for one in relations:
            assert f"\n### {one.full_name}\n" in text
            assert one.said in text
        # A changed comment is another document.
        connection.execute("COMMENT ON COLUMN analytics.remix_trees.depth IS 'Something else.'")
        assert page(connection) != text
    anchors = {
        match.lower().replace(".", "").replace(" ", "-") for match in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_the_diagrams_tell_foreign_keys_from_soft_references(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        relations = read(connection)
    scratch = diagram(relations, "scratch")
    assert "    users |o--o{ projects : author_id" in scratch
    assert "    projects |o..o{ projects : parent_id" in scratch
    assert "    users ||--o{ follows : follower_id" in scratch
    analytics = diagram(relations, "analytics")
    assert '    scratch_users["scratch.users"]' in analytics
    assert "    scratch_users |o..o{ user_months : user_id" in analytics
    # Every foreign key of the schema is drawn solid, and every soft reference dotted.
    solid = {
        f"{table.name} : {column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if column.foreign_keys
    }
    drawn = "\n".join(diagram(relations, name) for name in ("scratch", "history", "analytics", "crawl", "account"))
    assert {match[1] for match in re.finditer(r"--o\{ (\w+ : \w+)", drawn)} == solid
    dotted = {f"{name.split('.')[1]} : {name.split('.')[2]}" for name in SOFT_REFERENCES}
    assert {match[1] for match in re.finditer(r"\.\.o\{ (\w+ : \w+)", drawn)} == dotted


def test_soft_references_are_what_the_comments_call_so() -> None:
    several = {"history.rankings.thing_id"}
    called = {
        f"{table.fullname}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if "soft reference" in (column.comment or "").lower()
    }
    assert called - several <= SOFT_REFERENCES.keys()
    for name, target in SOFT_REFERENCES.items():
        table, _, column = name.rpartition(".")
        if name not in FIGURE_REFERENCES:
            assert not metadata.tables[table].c[column].foreign_keys
        assert target in metadata.tables
