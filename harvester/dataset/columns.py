"""Columns of schema `scratch` in each profile: `build` exports those whose annotation says how, and nothing else.

`harvester.dataset.sources` does the same for schema `source`.
A test fails, by name, for a column without that annotation. A table is closed to a profile by the treatment of all its
columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.dataset.release import Profile
from harvester.warehouse.annotations import about
from harvester.warehouse.tables import COMMENTS, SCRATCH_TABLES, metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from harvester.warehouse.treatments import Treatment, Treatments

ENTITIES: dict[str, str] = {
    "user": "users",
    "project": "projects",
    "studio": "studios",
    "project_comment": "project_comments",
    "studio_comment": "studio_comments",
    "profile_comment": "profile_comments",
    "event": "studio_activity",
}
"""Tables whose ids get pseudonyms, by the kind in the pseudonym, in the order of their references."""
KINDS = {table: kind for kind, table in ENTITIES.items()}
COLUMNS: dict[str, dict[str, Treatments]] = {
    str(table.name): {str(column.name): said for column in table.c if (said := about(column).release) is not None}
    for table in metadata.tables.values()
    if table.schema == "scratch"
}

OPEN_TABLES = ("users", "projects", "studios", *COMMENTS)
"""Tables of `open`: entities with pseudonyms, and no edges between them and people."""


def tables(profile: Profile) -> Sequence[Table]:
    """Return the tables of a profile, in the order of their references."""
    if profile is Profile.OPEN:
        names: Sequence[str] = OPEN_TABLES
    elif profile is Profile.RESTRICTED:
        names = [name for name in COLUMNS if name != "news"]
    else:
        names = list(COLUMNS)
    by_name = {table.name: table for table in SCRATCH_TABLES}
    return [by_name[name] for name in names]


def kind_of_sources(profile: Profile) -> str:
    """Return the kind in the pseudonym of a source's key."""
    return "source" if profile is Profile.OPEN else "project"


def treatment(column: Treatments, profile: Profile) -> Treatment:
    """Return the treatment of a column under a profile."""
    by_profile = {Profile.OPEN: column.open, Profile.RESTRICTED: column.restricted, Profile.INTERNAL: column.internal}
    return by_profile[profile]
