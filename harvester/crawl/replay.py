"""Replay archives into an empty warehouse: the same visits and commits, without a request.

Each transaction is made again as the archive records it: with the same pages, without the items that the database
refused, at its time (see `harvester.warehouse.clock`). A page that no transaction names, such as the last ones that a
killed run read, may have been stored or not. Where a page at the same position of its visit was read later it was not;
else it is stored by itself.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from harvester.api.catalogue import ONCE, left_out
from harvester.api.stream import Paging
from harvester.crawl.answers import take_source
from harvester.crawl.archive import open_archive
from harvester.crawl.commit import ReplayPosition, Writer
from harvester.crawl.replay_decoding import decoders
from harvester.crawl.replay_groups import Groups
from harvester.crawl.replay_steps import survey
from harvester.crawl.set_aside import without_refused_at
from harvester.crawl.visits import Paginator, paginator_of, take_object, take_page, with_rows
from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError
from harvester.frontier import runs
from harvester.frontier.model import LEASE_SECONDS, Committed, Counts, Lease, PageCommit
from harvester.warehouse.access import connect
from harvester.warehouse.bodies import open_store
from harvester.warehouse.clock import set_clock
from harvester.warehouse.schema import use_schema
from harvester.warehouse.source import Source, prove_source
from harvester.warehouse.staging import TransactionMoment
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from harvester.api.rows import Visit
    from harvester.config import Settings
    from harvester.crawl.archive import Archived
    from harvester.crawl.replay_steps import Decoded, ReplayStep
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "replay")


@dataclass(slots=True)
class Replayed:
    """Counts of the responses of a replay, by their use."""

    pages: int = 0
    unused: int = 0
    out_of_step: int = 0
    counts: Counts = field(default_factory=Counts)
    responses: int = 0
    """Number of responses of the archives."""
    read: int = 0
    """Number of those that were read so far."""
    passed: int = 0
    """Number of transactions that an earlier replay had stored."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        numbers = {name: getattr(self, name) for name in ("pages", "unused", "out_of_step", "passed")}
        return numbers | {"counts": self.counts.as_json()}


def replay(
    settings: Settings,
    paths: Sequence[Path],
    *,
    workers: int = 1,
    on_progress: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """Fill an empty warehouse from archives, or go on where an earlier replay of them was stopped.

    Args:
        settings: The settings.
        paths: The archives.
        workers: Number of processes; all but this one decode.
        on_progress: Is called at the beginning and after each transaction.

    Raises:
        UsageError: a file is no archive, or one that no crawl writes; the warehouse is not empty; or the folder for
            sources cannot be used.
        WarehouseError: the database cannot be used.
    """
    with connect(settings, autocommit=True) as connection:
        use_schema(connection)
        archives = digest_of(paths)
        after = _begin(connection, archives)
        # What a crash of the server loses of the last moments is replayed again: the position is lost with it.
        connection.execute("SET synchronous_commit = off")
        with decoders(paths, workers=workers) as decode:
            surveyed = survey(paths)
            bodies = open_store(connection, settings.sources_dir)
            run = runs.begin_run(connection, settings, f"replay ({len(paths)} files)")
            rule = load_rule(connection, settings.home, knows_stand_ins=surveyed.has_stand_ins)
            writer = Writer(connection, rule, bodies=bodies, without=left_out(settings))
            work = _Replay(connection, run, writer, archives)
            work.done.responses, work.done.passed = surveyed.responses, after
            on_progress(work.done)
            outcome = "failed"
            try:
                under_way = frozenset(connection.execute(_SQL["under_way"]).fetchall()) if after else frozenset()
                work.store(settings, decode(surveyed.uncertain, after=after, under_way=under_way), on_progress)
                connection.execute("SET synchronous_commit = on")  # the next transaction waits for all before it
                connection.execute("UPDATE crawl.replays SET ended_at = clock_timestamp() WHERE hash = %s", [archives])
                outcome = "done"
            except KeyboardInterrupt:
                outcome = "interrupted"
                raise
            finally:
                set_clock(connection, None)
                totals = runs.Totals(0, work.done.counts, Counter())
                runs.end_run(connection, run, outcome, totals)
    return work.done


def digest_of(paths: Sequence[Path]) -> str:
    """Return a text that is equal for equal names and sizes of files.

    Raises:
        UsageError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        with open_archive(path) as file:
            digest.update(f"{path.name} {os.fstat(file.fileno()).st_size}\n".encode())
    return digest.hexdigest()


def _begin(connection: Connection, archives: str) -> int:
    """Return how many transactions of the archives the warehouse holds, which holds nothing else.

    Raises:
        UsageError: it holds something else, or all of them.
    """
    row = connection.execute(_SQL["begun"], [archives]).fetchone()
    if row is not None:
        transactions, is_complete, is_crawled = row
        if is_complete:
            raise UsageError("the warehouse is not empty: it was filled from these archives already")
        if not is_crawled:
            return int(transactions)
    held = connection.execute("SELECT EXISTS (SELECT FROM scratch.users) OR EXISTS (SELECT FROM crawl.frontier)")
    if (held.fetchone() or (True,))[0]:
        raise UsageError("the warehouse is not empty: replay into a new database (HARVESTER_DATABASE_URL)")
    with connection.transaction():
        connection.execute("DELETE FROM crawl.replays")
        connection.execute("INSERT INTO crawl.replays (hash) VALUES (%s)", [archives])
    return 0


@dataclass(slots=True)
class _Replay:
    connection: Connection
    run: int
    writer: Writer
    archives: str
    done: Replayed = field(default_factory=Replayed)
    _source: Source | None = None
    _open: dict[tuple[str, int], tuple[Lease, Paginator | None]] = field(default_factory=dict)
    """The visits under way, by stream and entity."""

    def store(self, settings: Settings, steps: Iterable[ReplayStep], on_progress: Callable[[Replayed], None]) -> None:
        """Store transactions, as many together as give the same rows."""
        # Of erased people more depends on what was stored before, such as whose a project is.
        groups = ([step] for step in steps) if self.writer.rule else Groups(self.connection).divide(steps)
        for group in groups:
            self.check_source(settings, {one for step in group for one in step.sandboxes})
            self.commit(group)
            self.done.read = group[-1].read
            on_progress(self.done)

    def check_source(self, settings: Settings, sandboxes: Iterable[str | None]) -> None:
        """Record the source of the archives; refuse archives of two sources."""
        for sandbox in sandboxes:
            if self._source is None or sandbox not in (None, self._source.sandbox):
                self._source = prove_source(self.connection, Source.of(settings, sandbox))

    def commit(self, group: Sequence[ReplayStep]) -> None:
        """Store the pages of a group of transactions as the transactions did."""
        set_clock(self.connection, group[-1].at)
        self.writer.position = ReplayPosition(self.archives, group[-1].number)
        taken: list[tuple[TransactionMoment, Decoded]] = []
        for step in group:
            self.done.unused += step.unused
            if step.begun:
                self._lease(step.begun.values(), goes_on=True)
            moment = TransactionMoment(step.number, step.at)
            taken += [(moment, page) for page in self._usable(step)]
        self._lease([page.response for _, page in taken if page.response.part is not None and page.response.part.first])
        pages = [
            page if len(group) == 1 else replace(page, moment=moment)
            for moment, read in taken
            if (page := self._take(read)) is not None
        ]
        if pages:
            outcome = self.writer.commit(pages)
            self.done.counts.merge(outcome.counts)
            stored = outcome.results.count(Committed())
            self.done.pages += stored
            self.done.out_of_step += len(pages) - stored

    def _usable(self, step: ReplayStep) -> list[Decoded]:
        """Return the pages of visits of a transaction; store the rows that belong to no visit."""
        alone, visited = [], []
        for page in step.pages:
            if self._is_erased(page.response.visit):
                self.done.unused += 1
            elif not page.is_usable:
                self.done.out_of_step += 1
            elif page.response.part is not None and page.response.part.alone:
                alone.append(page)
            else:
                visited.append(page)
        if alone:
            self.done.counts.merge(self.writer.store([rows for page in alone for rows in page.rows or ()]))
            self.done.pages += len(alone)
        return visited

    def _is_erased(self, visit: Visit) -> bool:
        return self.writer.rule.hides(visit.stream.kind.value, visit.entity_id, visit.owner_id, visit.username)

    def _take(self, read: Decoded) -> PageCommit | None:
        """Make the page of a response; None where it fits no visit."""
        response = read.response
        part, stream = response.part, response.visit.stream
        assert part is not None
        key = (stream.name, response.visit.entity_id)
        lease, paginator = self._open.get(key, (None, None))
        if lease is None or (paginator is not None and paginator.next_request() != response.query):
            self.done.out_of_step += 1
            return None
        if read.source is not None:
            page = take_source(lease, read.source)
        elif paginator is None:
            page = take_object(lease, read.records)
        else:
            page = take_page(lease, paginator, read.records, read.aside)[0]
        if read.rows is None:
            with_rows(page, read.records)
        else:
            page.rows = read.rows
        if page.visit_result is not None:
            page.visit_result.proven = part.proven
        if paginator is None or paginator.finished:
            del self._open[key]
        else:
            self._open[key] = (replace(lease, position=lease.position + 1), paginator)
        return without_refused_at(page, read.refused) if read.refused else page

    def _lease(self, begin: Iterable[Archived], *, goes_on: bool = False) -> None:
        """Lease the visits again that begin with some responses, from their present state.

        `goes_on`: these responses are stored already, and the visits are under way.
        """
        visits = {(response.visit.stream.name, response.visit.entity_id): response for response in begin}
        if timeless := [key for key, response in visits.items() if response.visit.seen_at is None]:
            stream, entity = timeless[0]
            raise UsageError(f"the archives cannot be replayed: the visit of {stream} {entity} has no time")
        entries = Jsonb([_entry(response, goes_on=goes_on) for response in visits.values()])
        if not visits:
            return
        with self.connection.transaction(), self.connection.pipeline():
            self.connection.execute(_SQL["put_in_scope"], [entries])
            leased = self.connection.execute(
                _SQL["lease"], {"visits": entries, "run": self.run, "seconds": LEASE_SECONDS}
            )
        for stream, entity, token, position, state, certificate, due_at, full, aside in leased:
            response = visits[stream, entity]
            part, visit = response.part, response.visit
            assert part is not None
            lease = Lease(
                visit,
                token,
                position,
                state=state,
                certificate=None if part.uncertified else certificate,  # an erasure took it away
                due_at=due_at,
                full=full,
                aside=aside,
                has_missing_items=part.has_missing_items,
            )
            paginator: Paginator | None = None
            if visit.stream.paging is not Paging.SINGLE:
                paginator = paginator_of(lease, part.down_to, part.served)
                if visit.stream.paging is Paging.RANKING and visit.seen_at is not None:
                    paginator.state.seen_at = visit.seen_at
            self._open[stream, entity] = (lease, paginator)


def _entry(response: Archived, *, goes_on: bool) -> dict[str, Any]:
    """Return the values with which the frontier entry of a response is leased."""
    part, visit = response.part, response.visit
    assert part is not None
    return {
        "stream": visit.stream.name,
        "entity_id": visit.entity_id,
        "owner_id": visit.owner_id,
        "rest": ONCE if visit.stream.revisit >= ONCE else 0,
        "is_full": part.full,
        "begins": part.began_at is not None and not goes_on,
        "at": (part.began_at or response.at).isoformat(),
    }
