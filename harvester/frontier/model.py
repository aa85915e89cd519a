"""Types of a visit: the lease of a frontier entry, the page to commit, and the result."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from harvester.api.catalogue import STREAMS
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.rows import Rows, Visit
from harvester.warehouse.tables import KEY_COLUMNS

LEASE_SECONDS = 120
"""Seconds of silence after which another worker takes over a frontier entry; each page renews the lease."""
ANSWERS = (200, 400, 401, 403, 404, 410)
"""Statuses whose body is looked at; all others (429, 5xx, redirects, unheard-of ones) are no answer."""
NOT_BELIEVED = "not believed"
"""The key under which `crawl.runs.responses` counts such a response, in place of its status."""


def _lists_of_links() -> dict[str, list[tuple[str, str, str]]]:
    """By table of links, the lists that show them: stream, and the columns of the list's entity and of the item."""
    shown: dict[str, list[tuple[str, str, str]]] = {}
    for stream in STREAMS.values():
        holds = stream.members
        if holds is not None and len(KEY_COLUMNS[holds.table]) == 2:
            shown.setdefault(holds.table, []).append((stream.name, holds.owner, holds.item))
    return {table: lists for table, lists in shown.items() if len(lists) > 1}


LISTS_OF_LINKS = _lists_of_links()
"""By table of links, the lists that show them: see `_lists_of_links`."""


@dataclass(slots=True)
class Counts:
    """Rows by table: inserted, updated, unchanged."""

    tables: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))

    def add(self, table: str, inserted: int, updated: int, unchanged: int) -> None:
        """Count the outcome of one upsert."""
        row = self.tables[table]
        row[0] += inserted
        row[1] += updated
        row[2] += unchanged

    def merge(self, other: "Counts") -> None:
        """Add the counts of another transaction."""
        for table, numbers in other.tables.items():
            self.add(table, *numbers)

    def as_json(self) -> dict[str, dict[str, int]]:
        """For reports and `crawl.runs`."""
        return {
            table: dict(zip(("inserted", "updated", "unchanged"), numbers, strict=True))
            for table, numbers in sorted(self.tables.items())
        }


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit pages of one visit, and where the visit stands."""

    visit: Visit
    token: UUID
    position: int
    signal: int | None = None
    state: dict[str, Any] | None = None
    certificate: dict[str, Any] | None = None
    due_at: datetime | None = None
    full: bool = False
    """True to read a list in full that was visited before."""
    has_missing_items: bool = False
    """True if the last full read of the list missed some of its items."""
    item_count: int = 0
    """Items that the list is known to hold."""
    aside: Sequence[int] = ()
    """Items of the list that were set aside (`OddItem.number`)."""
    anchors: list[int] | None = None
    """The items that the certificate of a list names, also where it is read in full; None without one."""
    proven_seconds: float | None = None
    """Seconds since the name of a visit by name was proven; None if it never was, or must be proven again."""
    known_gone: bool = False
    """Of a visit by name: whether the account is known to be gone."""
    began_at: datetime | None = None
    """When the visit began; None if it goes on from where another lease of it ended."""


@dataclass(frozen=True, slots=True)
class VisitResult:
    """Result of a visit: a certificate (JSON), or the entity `gone`.

    `lost`: the name that was asked for is another account's now, or nobody's. `proven`: what the list stored rests on a
    name that was shown to be the account's. `whole`: it is known what the list held throughout, `twice`: two reads of
    it agreed.
    `seen` are its items where they are few, else they are in `crawl.seen_items`. `found` counts them, where all were
    read; `fresh` those that are new since the last visit; `pages` are the requests it took. `absent`: the source has no
    such list.
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


@dataclass(frozen=True, slots=True)
class PageCommit:
    """All that one page changes; `state` is the paginator's state after it, as JSON, while the visit goes on.

    `seen` are the items on the page, for a visit that must tell in the end what it did not show; `first` says that the
    visit begins with this page. `records` are what the rows were made of, of a list's page at `path`; `aside` are its
    items that could not be used; `refused` are those of them that the database refused, by their place, with the
    reason. `archived` is the id of the page's record in the archive.
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
