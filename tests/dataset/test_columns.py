"""Each column of the community's tables has a treatment under each profile, and a reason where it is left out."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import LargeBinary

from harvester.dataset.columns import COLUMNS, tables, treatment
from harvester.dataset.release import Profile
from harvester.dataset.rows import SHOWN_BY
from harvester.warehouse.annotations import Person, about
from harvester.warehouse.tables import MENTIONED, OWNED, SCRATCH_TABLES, metadata
from harvester.warehouse.treatments import (
    ELSEWHERE,
    Digest,
    FreeText,
    Generalized,
    Keep,
    Left,
    OwnId,
    Reference,
    Structure,
)


@pytest.mark.parametrize("table", [table.name for table in SCRATCH_TABLES])
def test_every_column_is_exported_or_left_out_for_a_reason(table: str) -> None:
    assert table in COLUMNS, f"{table} is in no profile: say `release` at its columns in tables.py"
    columns = {column.name for column in next(one for one in SCRATCH_TABLES if one.name == table).columns}
    assert columns == set(COLUMNS[table]), f"{table}: say `release` at {columns ^ set(COLUMNS[table])} in tables.py"
    for name, column in COLUMNS[table].items():
        for profile in Profile:
            treated = treatment(column, profile)
            assert not isinstance(treated, Left) or treated.why, f"{table}.{name} is left out of {profile}: why?"


def test_no_table_is_known_that_is_not_there() -> None:
    assert set(COLUMNS) == {table.name for table in SCRATCH_TABLES}


def test_open_takes_nothing_as_it_is() -> None:
    for table in tables(Profile.OPEN):
        for name, column in COLUMNS[table.name].items():
            treated = treatment(column, Profile.OPEN)
            assert not isinstance(treated, Keep | FreeText), f"{table.name}.{name}"
            assert isinstance(treated, Left | OwnId | Generalized), f"{table.name}.{name}: no reference leads anywhere"


def test_internal_takes_all() -> None:
    for table, columns in COLUMNS.items():
        for name, column in columns.items():
            assert not isinstance(treatment(column, Profile.INTERNAL), Left), f"{table}.{name}"


@pytest.mark.parametrize("table", [table for table in metadata.sorted_tables if table.schema == "source"], ids=str)
def test_every_column_of_sources_is_treated_by_what_it_holds(table: Any) -> None:
    for column in table.columns:
        said = about(column).release
        assert said is not None, f"{column}: say `release` in tables.py"
        by_profile = {profile: treatment(said, profile) for profile in Profile}
        assert all(one.why for one in by_profile.values() if isinstance(one, Left)), column
        assert isinstance(by_profile[Profile.OPEN], Left | OwnId | Generalized), column
        restricted = by_profile[Profile.RESTRICTED]
        assert restricted == by_profile[Profile.INTERNAL] or isinstance(restricted, Left), column
        # A project is a pseudonym, a digest is too, and of a text the structure is left.
        if about(column).person is Person.OWNER:
            assert isinstance(restricted, Reference | Left), column
        elif about(column).person is Person.TEXT:
            assert isinstance(restricted, Structure), column
        elif isinstance(column.type, LargeBinary) or column.name == "file":
            assert isinstance(restricted, Digest | Left), column
        # What `internal` has not is in another column, or is no row of a source.
        left = by_profile[Profile.INTERNAL]
        assert not isinstance(left, Left) or left.why == ELSEWHERE or table.name in ("projects", "folders"), column


def test_whatever_names_a_person_is_known_as_such() -> None:
    """What erasure takes for a person's id or a project's is an id here, of the same kind."""
    for table, named in [*OWNED.items(), *MENTIONED.items()]:
        for name, kind in named.items():
            if table not in COLUMNS or kind == "name":
                continue
            treated = COLUMNS[table][name].restricted
            assert isinstance(treated, OwnId | Reference), f"{table}.{name}"
            assert treated.kind == kind, f"{table}.{name}"


def test_a_release_takes_what_confirms_a_row_from_the_streams() -> None:
    confirming = {table: {one.stream for one in streams} for table, streams in SHOWN_BY.items()}
    assert confirming["users"] == {"user", "user_page"}
    assert confirming["projects"] == {"project", "user_projects"}, "the list of remixes proves no project"
    assert confirming["studios"] == {"studio"}
    assert {table for table, streams in confirming.items() if not streams} == {"studio_activity", "news"}
    assert {one.stream for one in SHOWN_BY["studio_comments"] if not one.is_list} == {"studio_replies"}
