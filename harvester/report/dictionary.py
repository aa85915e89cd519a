"""Write the data dictionary, `docs/dictionary.md`, from the comments of a migrated database, with diagrams.

    python -m harvester.report.dictionary > docs/dictionary.md

It starts an embedded server, migrates an empty database, and reads the catalogue of PostgreSQL: comments, types, keys
and foreign keys. References without a foreign key are those of `tables.SOFT_REFERENCES`.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.warehouse import embedded, schema
from harvester.warehouse.annotations import SCHEMAS
from harvester.warehouse.connect import open_connection
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import SOFT_REFERENCES, metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "dictionary")

_HEAD = """# Data dictionary

Made from the comments of the schema by `make docs`; a test compares the two. `\\d+ scratch.projects` in `harvester db
psql` says the same of one table.

All times are `timestamptz` in UTC, all ids `bigint` as the site gives them. In the diagrams a solid line is a foreign
key, which always leads to a row; a dotted line is a *soft reference*: what it names may be gone, or may never have been
read. A diagram shows the tables that refer to others or are referred to, with their keys and references alone.

"""
_KINDS = {"r": "table", "v": "view", "m": "materialised view"}
_LIVE = "live_"


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """A column of a relation. `refers`: the relation that it refers to; `soft`: without a foreign key."""

    name: str
    type: str
    required: bool
    key: bool
    said: str
    refers: str | None
    soft: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view with its columns."""

    schema: str
    name: str
    kind: str
    said: str
    columns: tuple[ColumnEntry, ...]

    @property
    def full_name(self) -> str:
        """Return the name with its schema."""
        return f"{self.schema}.{self.name}"


def read(connection: Connection) -> list[Relation]:
    """Return all relations of the warehouse: tables in the order of their declaration, then views by name."""
    found: dict[str, Relation] = {}
    for row in connection.execute(_SQL["columns"], [list(SCHEMAS)]).fetchall():
        in_schema, name, kind, said, column, type_, required, key, meaning, refers = row
        full_name = f"{in_schema}.{name}"
        soft = SOFT_REFERENCES.get(f"{full_name}.{column}") if refers is None else None
        one = ColumnEntry(column, type_, required, key, meaning, refers or soft, refers is None)
        before = found.get(full_name)
        columns = (*before.columns, one) if before else (one,)
        found[full_name] = Relation(in_schema, name, _KINDS[kind], said, columns)
    declared = [table.fullname for table in metadata.tables.values()]
    order = {name: place for place, name in enumerate(declared)}
    return sorted(found.values(), key=lambda one: order.get(one.full_name, len(order)))


def diagram(relations: Iterable[Relation], in_schema: str) -> str:
    """Return a Mermaid diagram of the tables of a schema that refer to others or are referred to; empty without one.

    It shows their keys and references, and the targets of these. It grows from left to right, which keeps it narrow.
    """
    tables = [one for one in relations if one.schema == in_schema and one.kind != "view"]
    targets = {column.refers for one in tables for column in one.columns if column.refers}
    tables = [one for one in tables if one.full_name in targets or any(column.refers for column in one.columns)]
    if not tables:
        return ""
    lines = ["erDiagram", "    direction LR"]
    elsewhere = sorted(targets - {one.full_name for one in tables})
    lines += [f'    {_entity(name, in_schema)}["{name}"]' for name in elsewhere]
    for one in tables:
        lines.append(f"    {one.name} {{")
        for column in one.columns:
            marks = [mark for mark, is_so in (("PK", column.key), ("FK", column.refers and not column.soft)) if is_so]
            if marks or column.refers:
                shown = [column.type.replace(" with time zone", "tz").replace(" ", "_"), column.name, ", ".join(marks)]
                lines.append(f"        {' '.join(filter(None, shown))}")
        lines.append("    }")
    for one in tables:
        for column in one.columns:
            if column.refers:
                line = ".." if column.soft else "--"
                end = "||" if column.required and not column.soft else "|o"
                lines.append(f"    {_entity(column.refers, in_schema)} {end}{line}o{{ {one.name} : {column.name}")
    return "\n".join(["```mermaid", *lines, "```"])


def _entity(full_name: str, in_schema: str) -> str:
    home, _, name = full_name.partition(".")
    return name if home == in_schema else f"{home}_{name}"


def page(connection: Connection) -> str:
    """Return the content of `docs/dictionary.md`."""
    relations = read(connection)
    parts = []
    for name, said in SCHEMAS.items():
        own = [one for one in relations if one.schema == name]
        links = ", ".join(f"[{one.name}](#{_anchor(one.full_name)})" for one in own)
        parts += [f"## Schema {name}\n\n{said}\n\n{links}\n", f"{diagram(relations, name)}\n"]
        parts += [_entry(one, own) for one in own]
        functions = connection.execute(_SQL["functions"], [name]).fetchall()
        if functions:
            rows = "\n".join(f"| `{_signature(name, *row[:3])}` | {_cell(row[3])} |" for row in functions)
            parts.append(f"### Functions of {name}\n\n| function | meaning |\n| --- | --- |\n{rows}\n")
    return _HEAD + "\n".join(parts)


def _anchor(full_name: str) -> str:
    return full_name.replace(".", "")


def _entry(one: Relation, others: Iterable[Relation]) -> str:
    """Return a relation as Markdown, in one line if it only defines a materialised view."""
    head = f"### {one.full_name}\n\n{one.kind.capitalize()}. {one.said}\n"
    copy = one.name.removeprefix(_LIVE)
    if one.name.startswith(_LIVE) and any(other.name == copy for other in others):
        return f"{head}\nIts columns are those of [{copy}](#{_anchor(f'{one.schema}.{copy}')}).\n"
    rows = [f"| `{column.name}` | {_type(column)} | {_cell(column.said)}{_leads(column)} |" for column in one.columns]
    return "\n".join([head, "| column | type | meaning |", "| --- | --- | --- |", *rows, ""])


def _type(column: ColumnEntry) -> str:
    short = column.type.replace("timestamp with time zone", "timestamptz")
    if column.key:
        return f"{short}, key"
    return f"{short}, never null" if column.required else short


def _leads(column: ColumnEntry) -> str:
    if column.refers is None or column.soft:
        return ""
    return f" Foreign key to [{column.refers}](#{_anchor(column.refers)})."


def _signature(in_schema: str, name: str, arguments: str, result: str) -> str:
    returned = result.replace("timestamp with time zone", "timestamptz")
    if returned.startswith("TABLE(") and in_schema == "history":
        returned = "rows"  # of the table that it is named after
    asked = arguments.replace("timestamp with time zone", "timestamptz")
    return f"{in_schema}.{name}({asked}) -> {returned}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Print the page, from a database made for it."""
    with tempfile.TemporaryDirectory(prefix="harvester-dictionary-") as folder:
        home = Path(folder)
        url = embedded.up(home)
        try:
            schema.migrate(url)
            with open_connection(url) as connection:
                sys.stdout.write(page(connection))
        finally:
            embedded.down(home)


if __name__ == "__main__":
    main()
