"""Treatment of a column in the datasets of each profile, as the columns of `tables.py` state it.

In `open` nothing links a project, a studio or a comment to a person, or two of them to each other. With the public site
an exact graph can be recognised by its degrees, a tree or thread by its shape, and a person by the days on which their
projects were made. So rows are not linked there, and columns are recoded until k people share each row (see
`harvester.dataset.anonymity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

DEGREES = "exact edges tell who a person is, by their number"
TEXT = "free text"
SAME = "the same for all that is visible, or nearly"
PLACE = "the number of comments by place tells which place it is"
TREE = "the shape of a tree or thread tells whose it is"
AUTHOR = "the days on which somebody did things tell who it is"
FINGERPRINT = "counts of what a source holds tell whose it is: the source is public"
ELSEWHERE = "the same stands in source.versions"


@dataclass(frozen=True, slots=True)
class Left:
    """Not exported, with the reason."""

    why: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Exported as it is."""


@dataclass(frozen=True, slots=True)
class OwnId:
    """The id of the entity itself: a pseudonym, or the id in `internal`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The id of another entity, likewise. Outside the release it is null, or there is no row if it is `needed`."""

    kind: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Username:
    """A username: the pseudonym of its user, null if that is not known."""


@dataclass(frozen=True, slots=True)
class FreeText:
    """Text that a user wrote; the text mode decides how much of it is exported."""


@dataclass(frozen=True, slots=True)
class Generalized:
    """Recoded in the whole table, until k people share each row; the published columns have their own names."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Time and reason of a deletion, exported with tombstones."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a source or the name of an asset: a pseudonym of it, or the value itself in `internal`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Structure:
    """A source, of which the release has the scripts: opcodes and places of blocks, in `internal` their words too."""


Treatment = Left | Keep | OwnId | Reference | Username | FreeText | Generalized | Deletion | Digest | Structure


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
    """Name the entity itself."""
    return Treatments(OwnId(kind), OwnId(kind), OwnId(kind))


def reference(kind: str, why: str, *, needed: bool = False) -> Treatments:
    """Refer to another entity, but in `open` leave that out for a reason."""
    refers = Reference(kind, needed)
    return Treatments(Left(why), refers, refers)


def generalize() -> Treatments:
    """Recode it in `open`, and keep it elsewhere."""
    return Treatments(Generalized(), Keep(), Keep())


def digest(kind: str) -> Treatments:
    """Name a source or an asset by its digest, but in `open` leave that out."""
    return Treatments(Left("it leads to the public source or file"), Digest(kind), Digest(kind))


def nowhere(why: str) -> Treatments:
    """Leave it out of each profile, for a reason."""
    return Treatments(Left(why), Left(why), Left(why))


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
    gone_at=Treatments(Left("what is gone has no row"), Deletion(), Deletion()),
    last_seen_at=_GONE,
    gone_reason=_GONE,
    extra=internal_only("whatever else was served: addresses of images, names"),
)
EDGE = ENTITY._replace(first_seen_at=keep(DEGREES), gone_at=Treatments(Left(DEGREES), Deletion(), Deletion()))
ANNOUNCEMENT = Life(*[internal_only("of the site's own announcements")] * len(Life._fields))
