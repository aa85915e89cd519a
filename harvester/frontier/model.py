"""Types of a visit: the lease of a frontier entry, the page to commit, and the result."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from harvester.api.catalogue import STREAMS
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.rows import Rows, Visit
from harvester.warehouse.staging import TransactionMoment
from harvester.warehouse.tables import KEY_COLUMNS

LEASE_SECONDS = 120
"""Seconds after which another worker may take over a frontier entry; each page renews the lease."""
ANSWERS = (200, 400, 401, 403, 404, 410)
"""Statuses of answers; all others (429, 5xx, redirects, unknown ones) count as no answer."""
NOT_BELIEVED = "not believed"
"""Key under which `crawl.runs.responses` counts answers "not there" that were not believed, in place of a status."""


def _lists_of_links() -> dict[str, list[tuple[str, str, str]]]:
    """Return by table of links the lists that show them: stream, column of the list's entity, column of the item."""
    shown: dict[str, list[tuple[str, str, str]]] = {}
    for stream in STREAMS.values():
        holds = stream.members
        if holds is not None and len(KEY_COLUMNS[holds.table]) == 2:
            shown.setdefault(holds.table, []).append((stream.name, holds.owner, holds.item))
    return {table: lists for table, lists in shown.items() if len(lists) > 1}


LISTS_OF_LINKS = _lists_of_links()
"""By table of links, the lists that show them: see `_lists_of_links`."""


SERVED = ("inserted", "updated", "unchanged")
"""Names of the counts of rows that were served."""
ROW_COUNTS = (*SERVED, "gone")
"""Names of the counts of a table, in order. A row that was served as gone is in two: `gone`, and one of `SERVED`."""


@dataclass(slots=True)
class Counts:
    """Rows by table: see `ROW_COUNTS`."""

    tables: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * len(ROW_COUNTS)))

    def add(self, table: str, inserted: int = 0, updated: int = 0, unchanged: int = 0, gone: int = 0) -> None:
        """Add the counts of one statement."""
        row = self.tables[table]
        for place, number in enumerate((inserted, updated, unchanged, gone)):
            row[place] += number

    def served(self, table: str) -> int:
        """Return the number of rows of a table that were served."""
        return sum(self.tables[table][: len(SERVED)]) if table in self.tables else 0

    def merge(self, other: "Counts") -> None:
        """Add the counts of another transaction."""
        for table, numbers in other.tables.items():
            self.add(table, *numbers)

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return the counts as JSON, for reports and `crawl.runs`."""
        return {table: dict(zip(ROW_COUNTS, numbers, strict=True)) for table, numbers in sorted(self.tables.items())}


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit pages of one visit, and the state of the visit."""

    visit: Visit
    token: UUID
    position: int
    signal: int | None = None
    state: dict[str, Any] | None = None
    certificate: dict[str, Any] | None = None
    due_at: datetime | None = None
    full: bool = False
    """The list was visited before and is to be read in full again."""
    has_missing_items: bool = False
    """The last full read of the list missed some of its items."""
    item_count: int = 0
    """Number of items that the list is known to hold."""
    aside: Sequence[int] = ()
    """Items of the list that were set aside (`OddItem.number`)."""
    anchors: list[int] | None = None
    """Items that the certificate of the list names, also where the list is read in full; None without a certificate."""
    proven_seconds: float | None = None
    """Seconds since the name of a visit by name was proven; None if it never was, or must be proven again."""
    known_gone: bool = False
    """For a visit by name: the account is known to be gone."""
    began_at: datetime | None = None
    """Begin of the visit; None if it continues one that began under another lease."""


@dataclass(slots=True)
class VisitResult:
    """Result of a visit.

    Attributes:
        certificate: The certificate of the list, as JSON.
        gone: The visited entity is gone.
        lost: The requested name belongs to another account now, or to none.
        proven: The requested name was shown to be the account's.
        whole: All items that were in the list throughout the visit are known.
        twice: Two reads of the list agreed.
        seen: The ids of its items if they are few; else they are in `crawl.seen_items`.
        found: The number of its items, where all were read.
        fresh: The number of its items that are new since the last visit.
        pages: The number of requests of the visit.
        absent: The source has no such list.
    """

    certificate: str | None
    gone: bool = False
    whole: bool = False
    twice: bool = False
    fresh: int = 0
    found: int | None = None
    pages: int = 1
    seen: list[int] | None = None
    lost: bool = False
    proven: bool = False
    absent: bool = False


class SourceOutcome(StrEnum):
    """Outcome of a request for the source of a project."""

    READ = "read"
    REFUSED = "refused"
    NOT_FOUND = "not found"
    DAMAGED = "damaged"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """A source of a project as it was read: see `source.versions` and `source.bodies`."""

    sha256: bytes
    body_sha256: bytes
    format: str
    blocks: int | None
    editor: str | None
    size: int
    packed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SourceRead:
    """Result of a request for a source; `reason` says why it was not read."""

    outcome: SourceOutcome
    reason: str | None = None
    version: SourceVersion | None = None


@dataclass(slots=True)
class PageCommit:
    """All that one page changes in the warehouse. Its rows are added by `NormalizePipeline`.

    Attributes:
        state: The state of the paginator after the page, as JSON; None once the visit has ended.
        seen: The ids on the page, for a visit that detects missing items at its end.
        first: The visit begins with this page.
        records: The records of the rows, for a page of a list, or where they announce something.
        path: The address of that page.
        aside: The items of the page that cannot be used.
        refused: Those of them that the database refused: the reason by their position on the page.
        archived: The id of the page's record in the archive.
        source: What came of the request, for a visit of a source.
        moment: The transaction that stored the page, where a replay stores several together; else None.
    """

    lease: Lease
    rows: list[Rows]
    items: int
    state: str | None = None
    visit_result: VisitResult | None = None
    seen: list[int] | None = None
    first: bool = False
    path: str = ""
    records: Sequence[Record] = ()
    aside: Sequence[OddItem] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    archived: str | None = None
    source: SourceRead | None = None
    moment: TransactionMoment | None = None

    @property
    def at(self) -> datetime | None:
        """Return the time of the page's transaction; None: it is the session's."""
        return None if self.moment is None else self.moment.at


@dataclass(frozen=True, slots=True)
class Committed:
    """The page is in the warehouse, with its checkpoint."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Commit without effect: the lease was lost, or the page is not the next one of its visit."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Commit without effect: the database cannot hold the page."""

    reason: str


CommitResult = Committed | Stale | Rejected
