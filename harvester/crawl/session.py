"""Access to the warehouse from coroutines, over one connection that is used in one thread.

Pages that arrive while a transaction runs, and in the 10 ms before the next one, share that one (a group commit), so
that all of them wait for one flush to a slow disk.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, AnyStr, Concatenate, ParamSpec, TypeVar

import psycopg

from harvester.api.catalogue import left_out
from harvester.api.rows import Rows
from harvester.config import Settings
from harvester.crawl.archive import Archive
from harvester.crawl.commit import BatchResult, Writer
from harvester.crawl.futures import set_error, set_result
from harvester.crawl.rate_limit import RateLimiter
from harvester.erasure.remembered import load_rule
from harvester.erasure.served import ServedTexts
from harvester.errors import WarehouseError
from harvester.frontier import runs
from harvester.frontier.model import CommitResult, Counts, PageCommit, Rejected, Stale
from harvester.frontier.request_rate import adopt_rate
from harvester.warehouse.access import connect
from harvester.warehouse.bodies import BodyStore, open_store
from harvester.warehouse.connect import refusal
from harvester.warehouse.connection import Connection
from harvester.warehouse.contention import retry_contention
from harvester.warehouse.locks import LONGEST_SILENCE
from harvester.warehouse.outage import outlast_outage, wait_for_database
from harvester.warehouse.schema import use_schema
from harvester.warehouse.source import Source, check_source
from harvester.warehouse.sqlstates import PASSING, Cause, cause_of

P = ParamSpec("P")
T = TypeVar("T")
_LARGEST_BATCH = 64
_GATHER_SECONDS = 0.01
"""Seconds that a transaction waits for more pages (as `commit_delay` of PostgreSQL does): a crawl at an unlimited rate
takes a tenth less CPU than without, since it has fewer transactions."""
_ATTEMPTS = 6
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_OF_A_SESSION = {
    "idle_in_transaction_session_timeout": f"{LONGEST_SILENCE}s",
    "idle_session_timeout": f"{LONGEST_SILENCE}s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "9",
    "tcp_user_timeout": f"{LONGEST_SILENCE}s",
}
"""Settings of a crawl's session, by which the server notices that its client is gone."""
_HOPELESS = frozenset({Cause.STORAGE, Cause.READ_ONLY, Cause.RIGHTS, Cause.CONTENTION})
"""Causes of errors that end a run; contention, where `retry_contention` has given up."""

logger = logging.getLogger(__name__)


def _elapsed() -> float:
    """Return seconds since a fixed moment, including the time that the machine slept, which `monotonic` leaves out."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Session:
    """A run's access to the warehouse; `failure` is the error that made it unusable, if any."""

    def __init__(self, settings: Settings, command: str, parent_run: int | None = None) -> None:
        self.settings = settings
        self.command = command
        self.parent_run = parent_run
        self.counts = Counts()
        self.requests = 0
        self.requests_by_purpose: Counter[Any] = Counter()
        """Number of visits and further pages, by purpose."""
        self.responses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Number of responses by stream and status; `-` for requests without a response."""
        self.run = 0
        self.failure: Exception | None = None
        self._began: tuple[datetime, float] | None = None
        """The database's clock and `_elapsed` at the begin of the run."""
        self.source: Source | None = None
        """The source of the warehouse; None before its first response."""
        self._connection: Connection | None = None
        self._repeated = 0
        """Number of transactions that were repeated: see `_outlast_outage`."""
        self._writer: Writer | None = None
        self._bodies: BodyStore | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="warehouse")
        self._waiting: list[tuple[PageCommit, asyncio.Future[CommitResult]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.interrupted = False
        """True once a signal has asked for the end of the run."""
        self.stopping = asyncio.Event()
        """Set when no further visit begins: the run was interrupted, or has reached a bound."""
        self.archive: Archive | None = None
        self.rate_limiter = RateLimiter(settings, self.call, self.stopping)

    def stop(self) -> None:
        """Begin no further visit, and wake the requests that wait for a slot. Safe in a signal handler."""
        self.interrupted = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.stopping.set)

    @property
    def is_open(self) -> bool:
        """Return whether a run is under way."""
        return self._connection is not None

    async def open(self) -> None:
        """Connect, check the schema, take the warehouse's rate and begin a run.

        Raises:
            WarehouseError: the database is unusable.
            UsageError: the settings name another rate or another source than the warehouse's, or a folder for sources
                that cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        if self.interrupted:
            self.stopping.set()
        await self._in_thread(partial(outlast_outage, self._connect, self.stopping.is_set, is_first=True))

    def _connect(self) -> None:
        """Connect and begin the run, and start the embedded server if need be; a run that has begun is resumed."""
        connection = connect(self.settings, start=not self.run, autocommit=True)
        try:
            _bound(connection)
            use_schema(connection)
            if self.run:
                runs.resume_run(connection, self.run)
            else:
                self.settings = adopt_rate(connection, self.settings, is_compared=self.parent_run is None)
                self.source = check_source(connection, self.settings)
                if self.settings.sources:
                    self._bodies = open_store(connection, self.settings.sources_dir)
                self.run = runs.begin_run(connection, self.settings, self.command, self.parent_run)
            self._use(connection)
        except BaseException:
            connection.close()
            raise

    def now(self) -> datetime:
        """Return the time by the database's clock: that at the begin of the run, plus the time since.

        No row is dated by the clock of this machine, which may be days off or be set during the run.
        """
        assert self._began is not None, "the session is not open"
        at, elapsed = self._began
        return at + timedelta(seconds=_elapsed() - elapsed)

    def _use(self, connection: Connection) -> None:
        if self._began is None:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            self._began = row[0], _elapsed()
        self._writer = Writer(
            connection,
            load_rule(connection, self.settings.home),
            follow=self.run,
            bodies=self._bodies,
            without=left_out(self.settings),
        )
        self._connection = connection
        if self.archive is None and self.settings.archive is not None:
            self.archive = Archive(self.settings.archive, self.run, self.now)
        if self.archive is not None:
            self.archive.texts = ServedTexts(self._writer.rule) if self._writer.rule else None

    def _reopen(self) -> None:
        """Connect again and go on with the run, once the database is back.

        Raises:
            WarehouseError: it is not back within `RECOVERY_SECONDS`, or has another schema now.
        """
        if self._connection is not None:
            self._connection.close()
        wait_for_database(self._connect, self.stopping.is_set)

    def without_erased(self, served: AnyStr) -> AnyStr:
        """Return a served text, or an empty one if it holds a name or an id of an erased person."""
        assert self._writer is not None
        return served[:0] if self._writer.rule.is_named_in(served) else served

    @property
    def totals(self) -> runs.Totals:
        """Return the figures of the run so far."""
        return runs.Totals(self.requests, self.counts, self.requests_by_purpose, self.responses)

    async def close(self, outcome: str, findings: Sequence[str] = ()) -> None:
        """End the run and the archive: give leases back, record the outcome, disconnect."""
        if self._committing is not None:
            await asyncio.gather(self._committing, return_exceptions=True)
        try:
            if self._connection is not None:
                await self.call(runs.end_run, self.run, outcome, self.totals, findings)
                self._connection.close()
                self._connection = None
        finally:
            if self.archive is not None:
                self.archive.close()
            self._thread.shutdown(wait=False)

    async def call(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of the frontier or the warehouse with the connection, in its thread."""

        def work() -> T:
            assert self._connection is not None, "the session is not open"
            return function(self._connection, *args, **kwargs)

        return await self._in_thread(lambda: self._outlast_outage(lambda: retry_contention(work)))

    def _outlast_outage(self, work: Callable[[], T]) -> T:
        """Repeat a transaction if the database was busy or lost, over a new connection where the old one is closed.

        A transaction that was committed although no answer came is not applied twice: a page is guarded by its
        position, and entries that are leased twice are free again after the time of a lease.
        """
        for attempt in count():
            try:
                return work()
            except psycopg.Error as error:
                cause = cause_of(error)
                if cause in _HOPELESS:
                    raise WarehouseError(refusal(error)) from None
                self._repeated += 1
                # A pooler keeps its connection open when the server behind it is lost.
                if self._connection is None or self._connection.closed or cause is Cause.CONNECTION:
                    self._reopen()
                elif cause not in PASSING:
                    raise
                elif attempt < _ATTEMPTS:
                    # The text of a query may hold what users wrote: only the class of the error is logged.
                    logger.warning("the database refused a transaction (%s): it is repeated", _named(error))
                    time.sleep(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE))
                else:
                    raise WarehouseError(f"the database keeps refusing a transaction ({_named(error)})") from None
        raise AssertionError

    async def _in_thread(self, function: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        except WarehouseError as error:
            self.failure = error
            raise

    async def commit(self, page: PageCommit) -> CommitResult:
        """Commit one page, together with those that arrive soon after or while another transaction runs."""
        done: asyncio.Future[CommitResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((page, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting())
        return await done

    async def store(self, rows: list[Rows]) -> None:
        """Store rows that belong to no visit."""
        self.counts.merge(await self._write(lambda writer: writer.store(rows)))

    async def _write(self, work: Callable[[Writer], T]) -> T:
        def write() -> T:
            assert self._writer is not None
            return work(self._writer)

        return await self._in_thread(lambda: self._outlast_outage(write))

    async def _commit_waiting(self) -> None:
        while self._waiting:
            if len(self._waiting) < _LARGEST_BATCH:
                await asyncio.sleep(_GATHER_SECONDS)
            batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            pages = [page for page, _ in batch]
            repeated = self._repeated
            try:
                batch_result = await self._write(partial(Writer.commit, pages=pages))
                self._note(pages, batch_result, was_repeated=repeated != self._repeated)
            except Exception as error:  # noqa: BLE001  (raised where the page is awaited)
                for _, done in batch:
                    set_error(done, error)
                continue
            self.counts.merge(batch_result.counts)
            for (_, done), result in zip(batch, batch_result.results, strict=True):
                set_result(done, result)

    def _note(self, pages: Sequence[PageCommit], batch: BatchResult, *, was_repeated: bool) -> None:
        """Record in the archive which pages were stored, and when.

        `was_repeated`: the transaction was repeated. A stale page may then have been stored at the first attempt.
        """
        if self.archive is None:
            return
        for one in batch.stored:
            stored = [(page.archived, page.refused) for page in one.pages if page.archived is not None]
            self.archive.note(stored, one.began_at, one.ended_at)
        self.note_unstored(
            *(
                page
                for page, result in zip(pages, batch.results, strict=True)
                if isinstance(result, Rejected) or (isinstance(result, Stale) and not was_repeated)
            )
        )

    def note_unstored(self, *pages: PageCommit) -> None:
        """Record in the archive that some pages were not stored.

        Raises:
            HarvesterError: the archive cannot be written.
        """
        archived = [page.archived for page in pages if page.archived is not None]
        if archived and self.archive is not None:
            self.archive.note([(id_, {}) for id_ in archived])


def _bound(connection: Connection) -> None:
    """Let the server end a session that hangs or whose machine vanishes: it would keep rows and locks from others."""
    for setting, value in _OF_A_SESSION.items():
        connection.execute("SELECT set_config(%s, %s, false)", [setting, value])


def _named(error: psycopg.Error) -> str:
    return type(error).__name__
