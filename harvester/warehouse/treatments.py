"""Treatment of a column in the datasets of each profile, as the columns of `tables.py` state it.

In `open` nothing leads from a thing (a project, a studio, a comment) to a person. With the public site at hand, one can
recognise an exact graph by its degrees alone, and a person by the days on which their things were made, so every
resource stands alone there, and its rows are made alike in groups of k (see `harvester.dataset.anonymity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

DEGREES = "exact edges tell who a person is, by their number"
TEXT = "free text"
SAME = "the same for all that is visible, or nearly"
PLACE = "the number of comments by place tells which place it is"
AUTHOR = "the days on which somebody did things tell who it is"


@dataclass(frozen=True, slots=True)
class Left:
    """Not exported, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Keep:
    """As it is."""


@dataclass(frozen=True, slots=True)
class OwnId:
    """The id of the thing itself: a pseudonym, or the id in `internal`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The id of another thing, likewise. What is outside the release leaves null, or no row at all if `needed`."""

    kind: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Username:
    """A username: the pseudonym of whose it is, null where that is not known."""


@dataclass(frozen=True, slots=True)
class FreeText:
    """Text that a user wrote; the text mode decides how much of it is exported."""


@dataclass(frozen=True, slots=True)
class Generalized:
    """Made coarse together with the rest of the row, until k rows are alike; what comes of it has names of its own."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """When and why it went: there where tombstones are."""


Treatment = Left | Keep | OwnId | Reference | Username | FreeText | Generalized | Deletion


@dataclass(frozen=True, slots=True)
class Treatments:
    """The treatments of one column, by profile."""

    open: Treatment
    restricted: Treatment
    internal: Treatment


def keep(why: str) -> Treatments:
    """Keep it as it is, but in `open` leave it out for a reason."""
    return Treatments(Left(why), Keep(), Keep())


def free_text() -> Treatments:
    """Export text that a user wrote, as the text mode says; none in `open`."""
    return Treatments(Left(TEXT), FreeText(), FreeText())


def own_id(kind: str) -> Treatments:
    """Name the thing itself."""
    return Treatments(OwnId(kind), OwnId(kind), OwnId(kind))


def reference(kind: str, why: str, *, needed: bool = False) -> Treatments:
    """Refer to another thing, but in `open` leave that out for a reason."""
    refers = Reference(kind, needed)
    return Treatments(Left(why), refers, refers)


def everywhere(kind: str) -> Treatments:
    """Refer to another thing in each profile."""
    return Treatments(Reference(kind), Reference(kind), Reference(kind))


def generalize() -> Treatments:
    """Make it coarse in `open`, and keep it elsewhere."""
    return Treatments(Generalized(), Keep(), Keep())


def internal_only(why: str) -> Treatments:
    """Leave it out for a reason, but in `internal`."""
    return Treatments(Left(why), Left(why), Keep())


RAW_TEXT = Treatments(Left(TEXT), Left("the same text twice"), FreeText())
USERNAME = Treatments(Left("names a person"), Username(), Keep())


class Life(NamedTuple):
    """Treatments of the columns that every row of `scratch` ends with."""

    first_seen_at: Treatments
    gone_at: Treatments
    last_seen_at: Treatments
    gone_reason: Treatments
    extra: Treatments


_GONE = Treatments(Left("an exact time, or a reason that few share"), Deletion(), Deletion())
ENTITY = Life(
    first_seen_at=keep("when the harvester met it says nothing of the community"),
    gone_at=Treatments(Generalized(), Deletion(), Deletion()),
    last_seen_at=_GONE,
    gone_reason=_GONE,
    extra=internal_only("whatever else was served: addresses of images, names"),
)
EDGE = ENTITY._replace(first_seen_at=keep(DEGREES), gone_at=Treatments(Left(DEGREES), Deletion(), Deletion()))
ANNOUNCEMENT = Life(*[internal_only("of the site's own announcements")] * len(Life._fields))
