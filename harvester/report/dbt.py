"""The warehouse as sources of dbt: tests and freshness, from the annotated schema and the catalogue of PostgreSQL.

For dbt 1.10.5 and later, which nests arguments of tests. What a role of analysts may read is described.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import STREAMS
from harvester.report.dictionary import ColumnEntry, Relation, read
from harvester.warehouse.annotations import SCHEMAS, about
from harvester.warehouse.roles import READ_BY_ANALYSTS
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "dbt")
_FRESHNESS = {
    # A crawl runs each hour, a refresh of the figures each night: see `harvester.deploy.jobs`.
    "warn_after": {"count": 2, "period": "day"},
    "error_after": {"count": 7, "period": "day"},
}
_HEAD = """# Sources of dbt, made by `harvester analytics dbt`: make it again after an update of the harvester.
# Put it into `models/` of a project.
"""


def sources(connection: Connection) -> dict[str, Any]:
    """Return the content of a file of sources: each relation with its columns, tests and freshness."""
    relations = read(connection)
    return {
        "sources": [
            {
                "name": schema,
                "schema": schema,
                "description": SCHEMAS[schema],
                "tables": [_table(one) for one in relations if one.schema == schema],
            }
            for schema in READ_BY_ANALYSTS
        ]
    }


def as_yaml(found: dict[str, Any]) -> str:
    """Return the text of the file. Texts are quoted as JSON has them, which YAML reads alike."""
    return _HEAD + "\n".join(_lines(found)) + "\n"


def _table(one: Relation) -> dict[str, Any]:
    table: dict[str, Any] = {"name": one.name, "description": one.said}
    if query := _loaded_at(one):
        table["config"] = {"freshness": _FRESHNESS, "loaded_at_query": query}
    key = [column.name for column in one.columns if column.key]
    if len(key) > 1:
        table["data_tests"] = [{"unique": {"arguments": {"column_name": f"({', '.join(key)})"}}}]
    table["columns"] = [_column(one, column, is_key=key == [column.name]) for column in one.columns]
    return table


def _column(relation: Relation, column: ColumnEntry, *, is_key: bool) -> dict[str, Any]:
    tests: list[Any] = []
    if is_key:
        tests.append("unique")
    if column.required or is_key:
        tests.append("not_null")
    if column.refers and not column.soft:
        schema, _, name = column.refers.partition(".")
        tests.append({"relationships": {"arguments": {"to": f"source('{schema}', '{name}')", "field": "id"}}})
    declared = metadata.tables.get(relation.full_name)
    if declared is not None and (choices := about(declared.c[column.name]).choices):
        tests.append({"accepted_values": {"arguments": {"values": [str(choice) for choice in choices]}}})
    said = {"name": column.name, "description": column.said, "data_type": column.type}
    return said | {"data_tests": tests} if tests else said


def _loaded_at(one: Relation) -> str | None:
    """Return a query for the time as of which a relation is; None for what is worked out at each look."""
    if one.schema == "analytics":
        return _filled(_SQL["last_refresh"], relation=[one.name]) if one.name in materialised() else None
    declared = metadata.tables.get(one.full_name)
    if declared is None:
        return None
    writers = defaultdict(list)
    for stream in STREAMS.values():
        for table in stream.writes:
            writers[table].append(stream.name)
    filled = [table.name for table in declared.info.get("of", (declared,))]
    streams = sorted({stream for table in filled for stream in writers[table]})
    return _filled(_SQL["last_visit"], streams=streams) if streams else None


def _filled(statement: str, **words: list[str]) -> str:
    """Return a statement in one line, with the words that it asks for."""
    quoted = {key: ", ".join(f"'{word}'" for word in values) for key, values in words.items()}
    return " ".join(statement.split()).format(**quoted)


def _lines(value: dict[str, Any] | list[Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a mapping or a list in block style."""
    is_list = isinstance(value, list)
    for key, item in enumerate(value) if is_list else value.items():  # type: ignore[union-attr]
        head = f"{indent}-" if is_list else f"{indent}{key}:"
        if not isinstance(item, dict | list):
            yield f"{head} {json.dumps(item, ensure_ascii=False)}"
        elif is_list:
            first, *rest = _lines(item, f"{indent}  ")
            yield f"{head} {first.lstrip()}"
            yield from rest
        else:
            yield head
            yield from _lines(item, f"{indent}  ")
