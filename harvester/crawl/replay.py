"""Replay of archives into a warehouse: the same visits, the same commits, no request.

Pages are taken in the order in which they came, and those left out that were read and not stored: by a run that was
killed, that had lost its lease, or that the database refused. Such a page was read again at its position.
Time stands where it stood then: the functions of the schema `crawl`
that are named like the clock's come before them in this session, and tell the time of the page.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.api.decode import decode
from harvester.api.rows import normalise
from harvester.api.stream import Paging
from harvester.config import Settings
from harvester.crawl.archive import Archived, read_archives
from harvester.crawl.commit import Writer
from harvester.crawl.spider import is_absent
from harvester.crawl.visits import Paginator, paginator_of, take_object, take_page
from harvester.erasure.erase import load_rule
from harvester.errors import DecodeError, UsageError
from harvester.frontier import leases
from harvester.frontier.model import Committed, Counts, Lease
from harvester.warehouse.connect import NO_SCHEMAS, Connection, connect
from harvester.warehouse.schema import use_schema

if TYPE_CHECKING:
    from harvester.api.odd_item import OddItem

_AS_IT_WAS = "SET search_path = crawl, pg_catalog"
"""Names of the clock's functions are looked up in `crawl` first: see the migration that makes them."""


@dataclass(slots=True)
class Replayed:
    """Counts of a replay: responses by their use."""

    pages: int = 0
    unused: int = 0
    out_of_step: int = 0
    counts: Counts = field(default_factory=Counts)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        numbers = {name: getattr(self, name) for name in ("pages", "unused", "out_of_step")}
        return numbers | {"counts": self.counts.as_json()}


def replay(settings: Settings, paths: Sequence[Path], *, tell: Callable[[Replayed], None] = lambda _: None) -> Replayed:
    """Fill an empty warehouse from archives; `tell` is called now and then.

    Raises:
        UsageError: a file is no archive, or the warehouse is not empty.
        WarehouseError: the database cannot be used.
    """
    with connect(settings, autocommit=True) as connection:
        use_schema(connection)
        held = connection.execute("SELECT EXISTS (SELECT FROM scratch.users) OR EXISTS (SELECT FROM crawl.frontier)")
        if (held.fetchone() or (True,))[0]:
            raise UsageError("the warehouse is not empty: replay into a new database (HARVESTER_DATABASE_URL)")
        run = leases.begin_run(connection, settings, f"replay ({len(paths)} files)")
        work = _Replay(connection, run, Writer(connection, load_rule(connection, settings.home)))
        outcome = "failed"
        try:
            unstored = _unstored(connection, paths)
            connection.execute(_AS_IT_WAS)
            for number, response in enumerate(read_archives(paths), 1):
                if number in unstored:
                    work.done.unused += 1
                else:
                    work.take(response)
                if number % 500 == 0:
                    tell(work.done)
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            connection.execute("SELECT set_config('search_path', %s, false)", [NO_SCHEMAS])
            totals = leases.Totals(0, work.done.counts, Counter())
            leases.end_run(connection, run, outcome, totals)
    return work.done


def _unstored(connection: Connection, paths: Sequence[Path]) -> set[int]:
    """Return the numbers, from 1, of responses that repeat a position of their visit and were not stored."""
    with connection.transaction():
        connection.execute(
            "CREATE TEMP TABLE pages (number bigint, stream text, entity_id bigint, position int) ON COMMIT DROP"
        )
        with connection.cursor() as cursor:
            with cursor.copy("COPY pg_temp.pages FROM STDIN") as copy:
                for number, one in enumerate(read_archives(paths), 1):
                    if one.part is not None and one.part.position is not None:
                        copy.write_row([number, one.visit.stream.name, one.visit.entity_id, one.part.position])
            found = cursor.execute(
                "SELECT number FROM (SELECT number, position, lead(position) OVER walk AS after FROM pg_temp.pages"
                " WINDOW walk AS (PARTITION BY stream, entity_id ORDER BY number)) read WHERE after = position"
            )
            return {number for (number,) in found.fetchall()}


@dataclass(slots=True)
class _Replay:
    connection: Connection
    run: int
    writer: Writer
    done: Replayed = field(default_factory=Replayed)
    _open: dict[tuple[str, int], tuple[Lease, Paginator | None]] = field(default_factory=dict)

    def take(self, response: Archived) -> None:
        """Store what a response was used for."""
        part, visit = response.part, response.visit
        if part is None or self._is_erased(response):
            self.done.unused += 1
            return
        self.connection.execute("SELECT set_config('harvester.moment', %s, false)", [response.at.isoformat()])
        stream = visit.stream
        aside: list[OddItem] = []
        try:
            absent = is_absent(stream, response.status, response.body)
            records = None if absent else decode(stream, response.body, None, None if part.alone else aside)
        except DecodeError:
            self.done.out_of_step += 1
            return
        if part.alone:
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
        page = take_object(lease, records) if paginator is None else take_page(lease, paginator, records, aside)[0]
        if page.visit_result is not None:
            page = replace(page, visit_result=replace(page.visit_result, proven=part.proven))
        outcome = self.writer.commit([page])
        self.done.counts.merge(outcome.counts)
        if outcome.results == [Committed()]:
            self.done.pages += 1
        else:
            self.done.out_of_step += 1
        if paginator is None or paginator.finished:
            del self._open[key]
        else:
            self._open[key] = (replace(lease, position=lease.position + 1), paginator)

    def _is_erased(self, response: Archived) -> bool:
        visit = response.visit
        return self.writer.rule.hides(visit.stream.kind.value, visit.entity_id, visit.owner_id, visit.username)

    def _lease(self, response: Archived) -> None:
        """Take up the paginator of a response as its visit did, from where it is now."""
        part, visit = response.part, response.visit
        assert part is not None
        key = (visit.stream.name, visit.entity_id)
        lease = leases.lease_this(self.connection, self.run, *key, owner=visit.owner_id, full=part.full)
        lease = replace(lease, visit=visit)
        paginator: Paginator | None = None
        if visit.stream.paging is not Paging.SINGLE:
            paginator = paginator_of(lease, part.down_to, part.served)
            if visit.stream.paging is Paging.RANKING and visit.seen_at is not None:
                paginator.state.seen_at = visit.seen_at
        self._open[key] = (lease, paginator)
