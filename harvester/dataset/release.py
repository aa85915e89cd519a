"""Model of a release: made by `build`, written into its descriptions, read again by `verify` and `diff`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from harvester.dataset.about import Statements

CC_BY_SA_BEFORE = date(2026, 1, 22)
"""Content of an earlier date is under CC BY-SA 2.0; the terms of that day grant others no licence to later content."""
SOURCES = "sources"
"""Table that a release of a warehouse with sources has. In `open` its key is a pseudonym of its own kind, so that
it cannot be joined with `projects`; elsewhere it is that of the project."""

HISTORY = (
    "project_stats",
    "studio_stats",
    "user_revisions",
    "project_revisions",
    "studio_revisions",
    "member_revisions",
    "comment_revisions",
    "follow_intervals",
    "favorite_intervals",
    "studio_project_intervals",
    "studio_member_intervals",
    "absences",
    "rankings",
)
"""Tables of change over time, which `restricted` and `internal` have."""
COUNTERS = "counters_over_time"
"""The entry of `anonymity` with the number of projects that their counters tell apart."""


class Profile(StrEnum):
    """Recipients of a dataset, which decide how much is left in it."""

    OPEN = "open"
    """Anybody: keyed pseudonyms, coarse times, binned counts, no text."""
    RESTRICTED = "restricted"
    """Researchers under an agreement: pseudonyms, exact times, redacted text."""
    INTERNAL = "internal"
    """The operator only: the tables as they are."""


class Tombstones(StrEnum):
    """Treatment of deleted rows."""

    DROP = "drop"
    """Drop deleted rows."""
    ID_ONLY = "id-only"
    """Keep the id, and the date and reason of the deletion."""
    FLAGS = "flags"
    """Keep the row without texts of users; in `internal` the row as it was last seen."""


class Text(StrEnum):
    """Treatment of texts that users wrote."""

    NONE = "none"
    FEATURES = "features"
    REDACTED = "redacted"
    FULL = "full"


class KeyScope(StrEnum):
    """Scope of a pseudonym's key."""

    RELEASE = "release"
    """Pseudonyms of two releases have nothing in common."""
    PROJECT = "project"
    """The same thing has the same pseudonym in all releases of a profile."""


class FileFormat(StrEnum):
    """The formats of a release."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"

    @property
    def suffix(self) -> str:
        """The end of a file's name, which is also what the release calls the format."""
        return self.value if self is FileFormat.PARQUET else f"{self.value}.gz"


class Type(StrEnum):
    """The types that columns of a dataset have, the same in every format."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    MONTH = "month"
    """Text, as 2026-06."""
    TIME = "datetime"
    """UTC, to the microsecond."""
    JSON = "json"
    """Text that holds JSON."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a dataset.

    `treatment` says what was done to the values of the warehouse, in words; None: nothing.
    """

    name: str
    type: Type
    comment: str
    treatment: str | None = None
    required: bool = False
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns that refer to another resource of the same release, which has all of their values."""

    fields: tuple[str, ...]
    resource: str
    referred: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a release; `path` is relative to its folder, with forward slashes."""

    path: str
    format: str
    """parquet, csv.gz or jsonl.gz"""
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A table of a release, in each of its formats."""

    name: str
    comment: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    rows: int
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A descriptive file as the manifest knows it."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """All facts of a release. Nothing in it depends on the time or machine of the build: same input, same bytes."""

    name: str
    """The date of its state and a number, as 2026.06.0."""
    profile: Profile
    as_of: datetime
    resources: tuple[Resource, ...]
    parameters: dict[str, Any]
    """Options of the build: bounds in days, tombstone mode, k, text mode."""
    design: dict[str, Any] = field(default_factory=dict)
    """Designs that drew the entities in scope, see `crawl.designs`; empty if all were seeded by hand."""
    coverage: dict[str, Any] = field(default_factory=dict)
    """Coverage: certified, censored and missing parts."""
    anonymity: dict[str, Any] = field(default_factory=dict)
    """Counts of values suppressed so that k people share each combination of quasi-identifiers."""
    privacy: dict[str, Any] = field(default_factory=dict)
    """The budget of differential privacy of its figures with noise, whole and by statistic; empty without such."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Runs behind it: how many, from when to when, which API, contact and permission, version of the
    harvester, and under `synthetic` the community of the sandbox, if it is one."""
    previous: str | None = None
    """The release before it, and what became of it."""
    changes: dict[str, Any] = field(default_factory=dict)
    """By resource: rows added, changed, withdrawn since the previous release."""
    about: Statements = field(default_factory=Statements)
    """Statements of the operator: creators, DOI, licence, funding, ethics."""

    @property
    def sandbox(self) -> str | None:
        """Return the community of the sandbox that the rows come from; None for data of the site."""
        return self.provenance.get("synthetic") or None

    @property
    def source_title(self) -> str:
        """Return the source of the rows in words."""
        return "The public Scratch API" if self.sandbox is None else f"The sandbox with {self.sandbox}: synthetic data"
