"""The data dictionary says what the schema says, and tells real references from soft ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg

from harvester.api.catalogue import STREAMS
from harvester.api.stream import Kind
from harvester.report.dictionary import diagram, page, read
from harvester.warehouse.annotations import SCHEMAS, about
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
    drawn = "\n".join(diagram(relations, name) for name in SCHEMAS)
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


SERVED = {"visibility", "type", "country", "language", "featured_label", "version", "username", "title"}
"""Columns with words of the site."""
NAMES = {
    "stream",
    "ranking",
    "relation",
    "command",
    "subject",
    "field",
    "change",
    "example",
    "stratum",
    "list",
    "database_role",
}
"""Columns with names of streams, tables, files and commands, or with words that a crawl meets."""


def test_every_column_of_few_words_lists_them(harvest: Any) -> None:
    """Each word that a crawl stores in such a column stands in its comment, in tables and views."""
    seen = 0
    with psycopg.connect(harvest.harvester.database) as connection:
        columns = connection.execute(
            "SELECT c.oid::regclass::text, a.attname, col_description(c.oid, a.attnum) FROM pg_attribute a"
            " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = ANY(%s::regnamespace[])"
            " AND c.relkind IN ('r', 'v', 'm') AND a.atttypid = 'text'::regtype AND a.attnum > 0",
            [list(SCHEMAS)],
        ).fetchall()
        for relation, column, comment in columns:
            rows = connection.execute(f'SELECT DISTINCT "{column}" FROM {relation} LIMIT 13').fetchall()
            words = [word for (word,) in rows if word]
            if column in SERVED | NAMES or len(rows) > 12 or not all(re.fullmatch("[a-z -]{2,24}", w) for w in words):
                continue
            missing = [word for word in words if word not in (comment or "")]
            assert not missing, (relation, column, missing, comment)
            seen += len(words)
    assert seen > 50


def test_the_database_holds_what_the_comment_lists(database: str) -> None:
    """A column with closed choices, as its table declares it: the migrated database lists and admits the same."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT k.conrelid::regclass::text, a.attname, col_description(a.attrelid, a.attnum),"
            " pg_get_constraintdef(k.oid) FROM pg_constraint k"
            " JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum] WHERE k.contype = 'c'"
        ).fetchall()
    admitted = {
        f"{table}.{column}": (set(re.findall(r"'([^']*)'::text", check)), comment)
        for table, column, comment, check in rows
        if "::text" in check
    }
    declared = {
        f"{table.fullname}.{column.name}": set(about(column).choices)
        for table in metadata.sorted_tables
        for column in table.c
        if about(column).choices
    }
    assert {name: words for name, (words, _) in admitted.items()} == declared
    assert len(declared) > 20
    for name, (words, comment) in admitted.items():
        assert set(comment.rpartition("Values: ")[2].removesuffix(".").split(", ")) == words - {""}, name


def test_each_reason_for_an_absence_is_that_of_a_table() -> None:
    """Each reason that the catalogue states for an absence is one that its table admits."""
    tables = {Kind.USER: "users", Kind.PROJECT: "projects", Kind.STUDIO: "studios"}
    for stream in STREAMS.values():
        if stream.gone and stream.kind in tables:
            assert stream.gone in about(metadata.tables[f"scratch.{tables[stream.kind]}"].c.gone_reason).choices
