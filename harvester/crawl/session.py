"""The warehouse as the crawl sees it: one connection in one thread, asked from coroutines.

Pages that arrive while a transaction runs share the next one (a group commit), so that a slow disk slows nobody more
than once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg

from harvester.config import Settings
from harvester.crawl import frontier
from harvester.errors import WarehouseError
from harvester.warehouse.commit import Connection, Counts, PageCommit, Writer
from harvester.warehouse.connect import connect
from harvester.warehouse.normalise import Rows
from harvester.warehouse.schema import check_schema

P = ParamSpec("P")
T = TypeVar("T")
_LARGEST_BATCH = 32


class Session:
    """A run's access to the warehouse. `failure` is what made it unusable, if anything did."""

    def __init__(self, settings: Settings, command: str) -> None:
        self.settings = settings
        self.command = command
        self.counts = Counts()
        self.requests = 0
        self.spent: Counter[Any] = Counter()
        """Visits and further pages, by what they were for."""
        self.run = 0
        self.failure: Exception | None = None
        self._connection: Connection | None = None
        self._writer: Writer | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="warehouse")
        self._waiting: list[tuple[PageCommit, asyncio.Future[bool | str]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.stopping = asyncio.Event()

    def stop(self) -> None:
        """Wake whoever waits for a place in the budget, so that they give up. Safe in a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.stopping.set)

    @property
    def is_open(self) -> bool:
        """Whether a run is under way."""
        return self._connection is not None

    async def open(self) -> None:
        """Connect, check the schema and begin a run. Raises `WarehouseError`."""
        self._loop = asyncio.get_running_loop()
        await self._in_thread(self._open)

    def _open(self) -> None:
        connection = connect(self.settings, autocommit=True)
        try:
            check_schema(connection)
            self.run = frontier.begin_run(connection, self.settings, self.command)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._writer = Writer(connection)

    async def close(self, outcome: str) -> None:
        """End the run: give leases back, record the outcome, disconnect."""
        if self._committing is not None:
            await asyncio.gather(self._committing, return_exceptions=True)
        try:
            if self._connection is not None:
                await self._in_thread(self._close, outcome)
        finally:
            self._thread.shutdown(wait=False)

    def _close(self, outcome: str) -> None:
        assert self._connection is not None
        with self._connection:
            frontier.end_run(self._connection, self.run, outcome, self.requests, self.counts, self.spent)
        self._connection = None

    async def call(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of the frontier or the warehouse with the connection, in its thread."""
        assert self._connection is not None, "the session is not open"
        return await self._in_thread(function, self._connection, *args, **kwargs)

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))
        except psycopg.OperationalError as error:
            # A query's text may hold what people wrote: only the class of the failure is told.
            self.failure = WarehouseError(f"the database went away during the crawl ({type(error).__name__})")
            raise self.failure from None

    async def commit(self, page: PageCommit) -> bool | str:
        """Commit one page: True when taken, False when refused as late, else why it cannot be stored."""
        done: asyncio.Future[bool | str] = asyncio.get_running_loop().create_future()
        self._waiting.append((page, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting())
        return await done

    async def store(self, rows: list[Rows]) -> None:
        """Store rows that belong to no walk."""
        assert self._writer is not None
        self.counts.merge(await self._in_thread(self._writer.store, rows))

    async def _commit_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
            assert self._writer is not None
            try:
                outcome = await self._in_thread(self._writer.commit, [page for page, _ in batch])
            except Exception as error:  # noqa: BLE001  (handed to whoever waits for the page)
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            self.counts.merge(outcome.counts)
            for (_, done), taken in zip(batch, outcome.taken, strict=True):
                if not done.done():
                    done.set_result(taken)
