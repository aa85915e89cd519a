"""Annotations of schemas and columns, beside type and comment, and what is derived from them.

Each column has an `About` in its `info`. Erasure, history, the functions for the past, the data dictionary and the
datasets read these, so that references and persons are stated in `tables.py` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Column, Table

    from harvester.warehouse.treatments import Treatments

SCHEMAS = {
    "scratch": "The public community as it is now.",
    "history": "What was superseded: earlier texts, settings and counters, each with the time it held.",
    "analytics": "For analysts: views, materialised as of the last refresh where they are heavy to work out.",
    "crawl": "The operator's tables: the frontier with its checkpoints, runs, the budget, the quarantine.",
    "account": "What the operator's own account is shown, if its session was given: in no view, report or dataset.",
    "source": "What projects are made of: their sources, each version once. Empty unless sources are read.",
}
"""The schemas, and what each holds."""
USER, NAME, PROJECT, STUDIO = "user", "name", "project", "studio"
"""Kinds of values that an erasure recognises: ids of users, projects and studios, and usernames."""
_KIND_OF = {"scratch.users": USER, "scratch.projects": PROJECT, "scratch.studios": STUDIO}


class Person(Enum):
    """Relation of the value of a column to a person, which decides what erasing the person does to its row."""

    OWNER = "the row is the person's: it is deleted"
    AUTHOR = "the person made what is in the row: the row may stay, emptied of it"
    MENTION = "it names the person in the row of somebody else: it is emptied"
    TEXT = "free text, in which anybody may be named"
    NOBODY = "it neither names a person nor is free text"


class History(Enum):
    """Place where earlier values of a column are kept."""

    REVISIONS = "revisions"
    STATS = "stats"
    NONE = "not kept"


@dataclass(frozen=True, slots=True)
class About:
    """The annotation of a column; None where the column states nothing.

    Attributes:
        refers: The full name of the table that it refers to without a foreign key.
        names: The kind of entity that it names, where no reference and no key shows that.
        container: The row is present only while the row that this column refers to is.
        choices: The values that it may hold, if these are closed; an empty text is not listed in its comment.
        release: The treatment in datasets, by profile.
    """

    refers: str | None = None
    person: Person | None = None
    names: str | None = None
    history: History | None = None
    container: bool = False
    choices: tuple[str, ...] = ()
    release: Treatments | None = None


def about(column: Column[Any]) -> About:
    """Return the annotation of a column."""
    found = column.info.get("about", About())
    assert isinstance(found, About)
    return found


def kind_of(column: Column[Any]) -> str:
    """Return the kind of entity that a column names: as stated, or by the table that it refers to or is the key of."""
    said = about(column)
    if said.names is not None:
        return said.names
    return _KIND_OF[said.refers or _foreign(column) or column.table.fullname]


def named_by(tables: Mapping[str, Table], person: Person) -> dict[str, dict[str, str]]:
    """Return by table the columns with one relation to a person, each with the kind of entity that it names."""
    found = {
        name: {column.name: kind_of(column) for column in table.c if about(column).person is person}
        for name, table in tables.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def soft_references(tables: Iterable[Table]) -> dict[str, str]:
    """Return the tables that columns refer to without a foreign key, by the full names of the columns."""
    return {
        f"{table.fullname}.{column.name}": target
        for table in tables
        for column in table.c
        if (target := about(column).refers) is not None
    }


def containers(tables: Iterable[Table]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return by table the containers of a row: the table of each, and the column that refers to it."""
    found = {
        table.name: tuple(
            ((_foreign(column) or "").partition(".")[2], column.name) for column in table.c if about(column).container
        )
        for table in tables
    }
    return {name: columns for name, columns in found.items() if columns}


def kept(table: Table, where: History) -> tuple[str, ...]:
    """Return the names of the columns whose earlier values are kept in one place."""
    return tuple(column.name for column in table.c if about(column).history is where)


def _foreign(column: Column[Any]) -> str | None:
    """Return the full name of the table that a foreign key refers to."""
    return next((key.target_fullname.rpartition(".")[0] for key in column.foreign_keys), None)
