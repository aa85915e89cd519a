"""Read archives as the transactions that stored their pages, each page decoded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from harvester.api.decode import decode
from harvester.api.rows import normalise
from harvester.api.stream import Format, Paging
from harvester.crawl.answers import is_absent, source_of
from harvester.crawl.archive import LARGEST_WAIT, Archived, Transaction, read_archives
from harvester.errors import DecodeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from harvester.api.odd_item import OddItem
    from harvester.api.records import Record
    from harvester.api.rows import Rows
    from harvester.frontier.model import SourceRead


_WITHOUT_TRANSACTIONS = "the archives cannot be replayed: their pages are not followed by their transactions"
Key: TypeAlias = tuple[str, int]
"""Stream and entity of a frontier entry."""


@dataclass(slots=True)
class Decoded:
    """A response of an archive, decoded.

    Attributes:
        response: The response, without its body.
        refused: The items that the database refused: the reason by their position on the page.
        records: None where the source answers that the entity is not there.
        aside: The items that cannot be used.
        rows: None for a ranking, whose paginator numbers the records first.
        is_usable: False where the endpoint does not serve such a response.
    """

    response: Archived
    refused: Mapping[int, str]
    records: list[Record] | None = None
    aside: list[OddItem] = field(default_factory=list)
    rows: list[Rows] | None = None
    source: SourceRead | None = None
    is_usable: bool = True


@dataclass(slots=True)
class ReplayStep:
    """A transaction of a crawl: its number from 1, time and pages; and what was read of the archive since the last one.

    Attributes:
        unused: The number of responses that were not used.
        read: The number of responses of the archives up to here.
        sandboxes: The sources of all responses, see `Source`.
        begun: Of the visits that are under way when a replay goes on, the response with which each began.
    """

    number: int
    at: datetime
    pages: list[Decoded]
    unused: int
    read: int
    sandboxes: set[str | None]
    begun: dict[Key, Archived] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about archives that are to be known before they are replayed.

    Attributes:
        uncertain: The pages that no transaction names, by their number among all records from 1, and whether to store
            them.
        responses: The number of responses.
        has_stand_ins: Some name erased people by stand-ins.
    """

    uncertain: dict[int, bool]
    responses: int
    has_stand_ins: bool


def read_steps(
    paths: Sequence[Path],
    uncertain: Mapping[int, bool],
    *,
    after: int = 0,
    under_way: Collection[Key] = (),
    is_mine: Callable[[int], bool] = lambda _: True,
) -> Iterator[ReplayStep]:
    """Yield the transactions of archives in the order of time; the last step may be without pages.

    Args:
        paths: The archives.
        uncertain: See `Survey`; a page that is to be stored is a transaction of its own, at the time of its arrival.
        after: The number of transactions that are passed over.
        under_way: The lists whose visits are under way then.
        is_mine: Whether to decode and yield a step, by its number.

    Raises:
        UsageError: see `read_archives`; or more pages wait than a crawl reads between two transactions.
    """
    waiting: dict[str, Archived] = {}
    begun: dict[Key, Archived] = {}
    size, unused, read, at, step = 0, 0, 0, None, 1
    sandboxes: set[str | None] = set()
    for number, entry in enumerate(read_archives(paths), 1):
        pages: list[tuple[Archived, Mapping[int, str]]] = []
        if isinstance(entry, Transaction):
            named = [(waiting.pop(id_, None), refused) for id_, refused in entry.pages]
            size -= sum(len(page.body) for page, _ in named if page is not None)
            at = entry.began_at
            if at is None:
                unused += sum(page is not None for page, _ in named)
                continue
            pages = [(page, refused) for page, refused in named if page is not None]
        else:
            read += 1
            sandboxes.add(entry.sandbox)
            at = entry.at
            if entry.part is None or uncertain.get(number) is False:
                unused += 1
            elif number in uncertain:
                pages = [(entry, {})]
            else:
                waiting[entry.id] = entry
                size += len(entry.body)
                if size > LARGEST_WAIT:
                    raise UsageError(_WITHOUT_TRANSACTIONS)
        if not pages:
            continue
        if step <= after:
            firsts = (page for page, _ in pages if page.part is not None and page.part.first)
            begun |= {_key(page): replace(page, body=b"") for page in firsts if _key(page) in under_way}
        elif is_mine(step):
            decoded = [_decoded(page, refused) for page, refused in pages]
            yield ReplayStep(step, at, decoded, unused, read, sandboxes, begun)
            begun = {}
        unused, sandboxes = 0, set()
        step += 1
    if at is not None and (unused or sandboxes) and step > after and is_mine(step):
        yield ReplayStep(step, at, [], unused, read, sandboxes)


def survey(paths: Sequence[Path]) -> Survey:
    """Read archives once, and twice where a killed process left pages.

    A page of a visit that no transaction names is not stored at whose position in the visit another page was stored
    before or read later.
    """
    unnamed: dict[str, tuple[int, Key, int | None]] = {}
    responses, has_stand_ins = 0, False
    for number, one in enumerate(read_archives(paths), 1):
        if isinstance(one, Archived):
            responses += 1
            has_stand_ins |= one.has_stand_ins
            if one.part is not None:
                unnamed[one.id] = number, _key(one), one.part.position
        else:
            for id_, _ in one.pages:
                unnamed.pop(id_, None)
    found = {number: True for number, _, position in unnamed.values() if position is None}
    visits = {key for _, key, position in unnamed.values() if position is not None}
    if not visits:
        return Survey(found, responses, has_stand_ins)
    pages: dict[Key, list[tuple[int, str, int | None]]] = defaultdict(list)
    stored: dict[str, bool] = {}
    for number, one in enumerate(read_archives(paths), 1):
        if isinstance(one, Transaction):
            stored |= {id_: one.began_at is not None for id_, _ in one.pages if id_ in stored}
        elif one.part is not None and _key(one) in visits:
            pages[_key(one)].append((number, one.id, one.part.position))
            stored[one.id] = False
    for read in pages.values():
        for before, (number, id_, position), after in zip([None, *read], read, [*read[1:], None], strict=False):
            if id_ in unnamed and position is not None:
                was_stored_before = before is not None and before[2] == position and stored[before[1]]
                found[number] = not was_stored_before and not (after is not None and after[2] == position)
    return Survey(found, responses, has_stand_ins)


def _key(one: Archived) -> Key:
    return one.visit.stream.name, one.visit.entity_id


def _decoded(response: Archived, refused: Mapping[int, str]) -> Decoded:
    """Decode a response, and make its rows."""
    part, visit = response.part, response.visit
    assert part is not None
    stream = visit.stream
    made = Decoded(replace(response, body=b""), refused)
    if stream.format is Format.SOURCE:
        made.source, made.rows = source_of(response.status, response.body), []
        return made
    try:
        if not is_absent(stream, response.status, response.body):
            made.records = decode(stream, response.body, None, None if part.alone else made.aside)
    except DecodeError:
        made.is_usable = False
        return made
    if stream.paging is not Paging.RANKING:
        made.rows = normalise(visit, made.records) if made.records else []
    return made
