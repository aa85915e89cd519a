"""Each column says what it refers to, whose it is and whether earlier values of it are kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from harvester.warehouse.annotations import History, Person, about, kept, kind_of
from harvester.warehouse.tables import COMMENTS, CONTAINERS, KEY_COLUMNS, TRACKED, WRITTEN, metadata

_LIFE = {"first_seen_at", "gone_at", "last_seen_at", "gone_reason", "extra", "from_index"}
_PEOPLE = {"scratch.users", "scratch.projects"}


def _unsaid(table: Table, column: Column) -> list[str]:
    """Return the annotations that a column needs and lacks."""
    said = about(column)
    refers = {said.refers, *(key.target_fullname.rpartition(".")[0] for key in column.foreign_keys)}
    written = WRITTEN.get(table.name) is table or WRITTEN.get(table.fullname) is table
    unsaid = []
    may_name = isinstance(column.type, BigInteger | Text)
    if said.person is None and ((written and may_name) or (table.schema == "analytics" and refers & _PEOPLE)):
        unsaid.append("person")
    if (
        table.schema == "scratch"
        and table.name in TRACKED
        and column.name not in KEY_COLUMNS[table.name]
        and said.history is None
    ):
        unsaid.append("history")
    return unsaid


def test_every_column_says_whose_it_is_and_whether_it_is_kept() -> None:
    unsaid = {
        f"{table.fullname}.{column.name}": fields
        for table in metadata.sorted_tables
        for column in table.c
        if column.name not in _LIFE and (fields := _unsaid(table, column))
    }
    assert not unsaid, f"state these at the columns in tables.py: {unsaid}"


def test_history_tables_have_the_columns_that_say_so() -> None:
    for name, logs in TRACKED.items():
        table = WRITTEN[name]
        said = {*kept(table, History.REVISIONS), *kept(table, History.STATS)}
        assert said == {column.name for log in logs for column in log.c if column.name in said}, name
        shared = {column.name for log in logs for column in log.c} & set(table.c.keys())
        assert shared - _LIFE - set(KEY_COLUMNS[name]) == said, name
    unkept = [table for table in metadata.sorted_tables if table.name not in TRACKED or table.schema != "scratch"]
    assert not [table.name for table in unkept if kept(table, History.REVISIONS) or kept(table, History.STATS)]


def test_columns_that_name_a_person_have_a_kind() -> None:
    for table in metadata.sorted_tables:
        for column in table.c:
            if about(column).person in (Person.OWNER, Person.AUTHOR, Person.MENTION):
                assert kind_of(column) in ("user", "name", "project")


def test_a_comment_stands_on_one_thing() -> None:
    assert all(len(CONTAINERS[table]) == 1 for table in COMMENTS)
    assert {table for table in CONTAINERS if table.endswith("_comments")} == set(COMMENTS)
