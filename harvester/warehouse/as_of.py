"""The community as it was known at a time: one SQL function for each table, made from the schema.

They are a part of the views that `harvester db migrate` applies. A row was present at a time if it had been seen by
then and was not known to be gone. A column whose versions the history keeps has the value that was known then, others
have today's. A comment is present while its project, studio or profile is, and a link of a project or studio while
these are: afterwards the site shows them to nobody, and no list can show whether they are gone. A user who is gone
stays in the lists of others.
"""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from harvester.warehouse.statements import statements
from harvester.warehouse.tables import CONTAINERS, KEY_COLUMNS, SCRATCH_TABLES, TRACKED, WRITTEN

_SQL = statements(__package__, "as_of")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_LIFE = ("gone_at", "last_seen_at", "gone_reason")


def functions() -> str:
    """Return the SQL of all functions."""
    return "\n\n".join(_function(table) for table in SCRATCH_TABLES if table.name not in ("news", "studio_activity"))


def _function(table: Table) -> str:
    versions: dict[str, str] = {}
    key = KEY_COLUMNS[table.name]
    joins = []
    for number, log in enumerate(TRACKED.get(table.name, ())):
        version = f"v{number}"
        for column in log.c:
            if column.name in table.c and column.name not in key:
                versions[column.name] = version
        same = [f"h.{_thing(log, one)} = t.{one}" for one in key]
        if "kind" in log.c:
            same.append(f"h.kind = '{table.name.removesuffix('_comments')}'")
        joins.append(_SQL["version"].format(log=log.name, same=" AND ".join(same), version=version))
    kept = [name for name in (column.name for column in table.c) if name not in _LIFE]
    columns = [
        f"CASE WHEN {versions[name]}.valid_to IS NULL THEN t.{name} ELSE {versions[name]}.{name} END"
        if name in versions
        else f"t.{name}"
        for name in kept
    ]
    types = ", ".join(f"{one} {table.c[one].type.compile(dialect=_DIALECT).lower()}" for one in kept)
    conditions = ["t.first_seen_at <= $1", _there("t", table.name)]
    for container, own in CONTAINERS.get(table.name, ()):
        shown = f"p.id = t.{own} AND {_there('p', container)}"
        conditions.append(_SQL["is_shown"].format(container=container, conditions=shown))
    return _SQL["function"].format(
        table=table.name,
        types=types,
        columns=", ".join(columns),
        joins="\n".join(joins),
        conditions="\n    AND ".join(conditions),
    )


def _there(row: str, table: str) -> str:
    """Return the condition under which a row was not known to be gone at the time."""
    key = KEY_COLUMNS[table]
    assert len(key) <= 2
    assert "gone_at" in WRITTEN[table].c
    second = f"{row}.{key[1]}" if len(key) > 1 else "0"
    return _SQL["is_there"].format(row=row, table=table, first=key[0], second=second)


def _thing(log: Table, name: str) -> str:
    """Return the column of a history table that holds a key column of its table."""
    return name if name in log.c else next(c.name for c in log.c if c.name.endswith("_id"))
