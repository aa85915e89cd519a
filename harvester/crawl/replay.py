"""Replay archives into an empty warehouse: the same visits and commits, without a request.

Each transaction is made again as the archive records it: with the same pages, without the items that the database
refused, at its time (see `harvester.warehouse.clock`). A page that no transaction names, such as the last ones that a
killed run read, may have been stored or not. Where a page at the same position of its visit was read later it was not;
else it is stored by itself.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harvester.api.decode import decode
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.rows import normalise
from harvester.api.stream import Format, Paging
from harvester.config import Settings
from harvester.crawl.archive import LARGEST_WAIT, Archived, Transaction, read_archives
from harvester.crawl.commit import Writer
from harvester.crawl.fetch import is_absent
from harvester.crawl.set_aside import without_refused_at
from harvester.crawl.sources import source_of, take_source
from harvester.crawl.visits import Paginator, paginator_of, take_object, take_page, with_rows
from harvester.erasure.remembered import load_rule
from harvester.errors import DecodeError, UsageError
from harvester.frontier import leases, runs
from harvester.frontier.model import Committed, Counts, Lease, PageCommit
from harvester.warehouse.access import connect
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connection import Connection
from harvester.warehouse.schema import use_schema
from harvester.warehouse.source import Source, prove_source
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "replay")


@dataclass(slots=True)
class Replayed:
    """Counts of the responses of a replay, by their use."""

    pages: int = 0
    unused: int = 0
    out_of_step: int = 0
    counts: Counts = field(default_factory=Counts)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        numbers = {name: getattr(self, name) for name in ("pages", "unused", "out_of_step")}
        return numbers | {"counts": self.counts.as_json()}


def replay(
    settings: Settings, paths: Sequence[Path], *, on_progress: Callable[[Replayed], None] = lambda _: None
) -> Replayed:
    """Fill an empty warehouse from archives; `on_progress` is called at intervals.

    Raises:
        UsageError: a file is no archive, or the warehouse is not empty.
        WarehouseError: the database cannot be used.
    """
    with connect(settings, autocommit=True) as connection:
        use_schema(connection)
        held = connection.execute("SELECT EXISTS (SELECT FROM scratch.users) OR EXISTS (SELECT FROM crawl.frontier)")
        if (held.fetchone() or (True,))[0]:
            raise UsageError("the warehouse is not empty: replay into a new database (HARVESTER_DATABASE_URL)")
        run = runs.begin_run(connection, settings, f"replay ({len(paths)} files)")
        work = _Replay(connection, run, Writer(connection, load_rule(connection, settings.home)))
        outcome = "failed"
        try:
            uncertain = _without_transaction(connection, paths)
            for number, entry in enumerate(read_archives(paths), 1):
                if isinstance(entry, Archived):
                    work.check_source(settings, entry)
                if isinstance(entry, Transaction):
                    work.commit(entry)
                elif number not in uncertain:
                    work.take(entry)
                elif uncertain[number]:
                    work.take(entry, waits=False)
                else:
                    work.done.unused += 1
                if number % 500 == 0:
                    on_progress(work.done)
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            set_clock(connection, None)
            totals = runs.Totals(0, work.done.counts, Counter())
            runs.end_run(connection, run, outcome, totals)
    return work.done


def _without_transaction(connection: Connection, paths: Sequence[Path]) -> dict[int, bool]:
    """Return the pages that no transaction names, by their number among all records from 1, and whether to store them.

    A page is not stored that was refused, or at whose position in the visit another page was stored or read later.
    """
    with connection.transaction():
        connection.execute(_SQL["create_pages"])
        with connection.cursor() as cursor:
            with cursor.copy("COPY pg_temp.pages FROM STDIN") as copy:
                for number, one in enumerate(read_archives(paths), 1):
                    if isinstance(one, Transaction):
                        for id_, _ in one.pages:
                            copy.write_row([None, id_, None, None, None, one.began_at is not None])
                    elif one.part is not None and not one.part.alone:
                        place = (one.visit.stream.name, one.visit.entity_id, one.part.position)
                        copy.write_row([number, one.id, *place, None])
            cursor.execute("ANALYZE pg_temp.pages")
            found = cursor.execute(_SQL["without_transaction"])
            return dict(found.fetchall())


@dataclass(slots=True)
class _Replay:
    connection: Connection
    run: int
    writer: Writer
    done: Replayed = field(default_factory=Replayed)
    _source: Source | None = None
    _open: dict[tuple[str, int], tuple[Lease, Paginator | None]] = field(default_factory=dict)
    _waiting: dict[str, tuple[PageCommit, int]] = field(default_factory=dict)
    """Pages that wait for their transaction, by the id of their record, each with the size of its response."""
    _size: int = 0

    def check_source(self, settings: Settings, response: Archived) -> None:
        """Record the source of the archives; refuse archives of two sources."""
        if self._source is None or response.sandbox not in (None, self._source.sandbox):
            self._source = prove_source(self.connection, Source.of(settings, response.sandbox))

    def commit(self, transaction: Transaction) -> None:
        """Store the pages of a transaction as the transaction did."""
        pages = []
        for id_, refused in transaction.pages:
            page, size = self._waiting.pop(id_, (None, 0))
            self._size -= size
            if page is not None:
                pages.append(without_refused_at(page, refused) if refused else page)
        if pages and transaction.began_at is not None:
            self._store(pages, transaction.began_at)

    def _store(self, pages: Sequence[PageCommit], at: datetime) -> None:
        set_clock(self.connection, at)
        outcome = self.writer.commit(pages)
        self.done.counts.merge(outcome.counts)
        stored = outcome.results.count(Committed())
        self.done.pages += stored
        self.done.out_of_step += len(pages) - stored

    def take(self, response: Archived, *, waits: bool = True) -> None:
        """Make the page of a response; store it at once if it belongs to no visit, or unless it `waits`.

        Raises:
            UsageError: more pages wait than a crawl reads between two transactions.
        """
        part, visit = response.part, response.visit
        if part is None or self._is_erased(response):
            self.done.unused += 1
            return
        stream = visit.stream
        aside: list[OddItem] = []
        try:
            records = _records(response, None if part.alone else aside)
        except DecodeError:
            self.done.out_of_step += 1
            return
        if part.alone:
            set_clock(self.connection, response.at)
            self.done.counts.merge(self.writer.store(normalise(visit, records or ())))
            self.done.pages += 1
            return
        key = (stream.name, visit.entity_id)
        if part.first:
            self._lease(response)
        lease, paginator = self._open.get(key, (None, None))
        if lease is None or (paginator is not None and paginator.next_request() != response.query):
            self.done.out_of_step += 1
            return
        if stream.format is Format.SOURCE:
            page = take_source(lease, source_of(response.status, response.body))
        else:
            page = take_object(lease, records) if paginator is None else take_page(lease, paginator, records, aside)[0]
        page = with_rows(page, records)
        if page.visit_result is not None:
            page = replace(page, visit_result=replace(page.visit_result, proven=part.proven))
        if paginator is None or paginator.finished:
            del self._open[key]
        else:
            self._open[key] = (replace(lease, position=lease.position + 1), paginator)
        if not waits:
            self._store([page], response.at)
            return
        self._waiting[response.id] = page, len(response.body)
        self._size += len(response.body)
        if self._size > LARGEST_WAIT:
            raise UsageError("the archives cannot be replayed: their pages are not followed by their transactions")

    def _is_erased(self, response: Archived) -> bool:
        visit = response.visit
        return self.writer.rule.hides(visit.stream.kind.value, visit.entity_id, visit.owner_id, visit.username)

    def _lease(self, response: Archived) -> None:
        """Lease the visit of a response again, from its present state."""
        part, visit = response.part, response.visit
        assert part is not None
        key = (visit.stream.name, visit.entity_id)
        restart = part.began_at is not None
        set_clock(self.connection, part.began_at or response.at)
        lease = leases.lease_this(
            self.connection, self.run, *key, owner=visit.owner_id, full=part.full, restart=restart
        )
        lease = replace(lease, visit=visit, has_missing_items=part.has_missing_items)
        paginator: Paginator | None = None
        if visit.stream.paging is not Paging.SINGLE:
            paginator = paginator_of(lease, part.down_to, part.served)
            if visit.stream.paging is Paging.RANKING and visit.seen_at is not None:
                paginator.state.seen_at = visit.seen_at
        self._open[key] = (lease, paginator)


def _records(response: Archived, aside: list[OddItem] | None) -> list[Record] | None:
    """Decode the records of a response; None where the source answers that the entity is not there.

    Raises:
        DecodeError: the endpoint does not serve such a response.
    """
    stream = response.visit.stream
    if stream.format is Format.SOURCE:
        return []
    if is_absent(stream, response.status, response.body):
        return None
    return decode(stream, response.body, None, aside)
