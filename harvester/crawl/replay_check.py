"""Check a warehouse against its archives: replay them into a temporary database and name each difference.

The warehouse is read in one snapshot, which is taken at the begin, while no crawl is at work. Crawls may begin
afterwards: what they store is not in the snapshot, and their archives are left out. The snapshot is held until the end,
and keeps the server from removing the row versions that crawls replace meanwhile.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from pydantic import SecretStr

from harvester.crawl.archive import run_of
from harvester.crawl.archive_index import uncertain_pages
from harvester.crawl.comparison import Comparison, ReplayDifference
from harvester.crawl.replay import replay
from harvester.errors import UsageError
from harvester.warehouse import schema
from harvester.warehouse.access import connect, server_url
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import ALIVE, CHECKING
from harvester.warehouse.statements import statements
from harvester.warehouse.temporary import TemporaryUse, temporary_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harvester.config import Settings
    from harvester.crawl.replay import Replayed
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "replay_check")
LISTED = 1_000
"""Differences that are listed; more are counted."""
_PURPOSE = TemporaryUse(
    suffix="check",
    lock=CHECKING,
    command="harvester replay --check",
    busy="another replay is being checked on this server: try again when that is done",
    needed="a replay is checked in one",
)


@dataclass(slots=True)
class ReplayCheck:
    """Result of a check.

    Attributes:
        rows: The rows of the warehouse that were compared, by table.
        counts: The differences, by table, without those that erasures may explain.
        listed: The first of them, `LISTED` at most.
        explained: The differences that erasures may explain, by table; `listed_explained` has the first of them.
        runs_without_archive: Runs that sent requests and of which no archive was named.
    """

    replayed: Replayed
    rows: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    listed: list[ReplayDifference] = field(default_factory=list)
    explained: dict[str, int] = field(default_factory=dict)
    listed_explained: list[ReplayDifference] = field(default_factory=list)
    runs_without_archive: list[int] = field(default_factory=list)

    def add(self, one: ReplayDifference) -> None:
        """Count a difference, and list it if it is one of the first."""
        counts, listed = (self.explained, self.listed_explained) if one.is_explained else (self.counts, self.listed)
        counts[one.table] = counts.get(one.table, 0) + 1
        if len(listed) < LISTED:
            listed.append(one)

    @property
    def is_equal(self) -> bool:
        """Return whether there is no difference but those that erasures may explain."""
        return not self.counts

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return {
            "equal": self.is_equal,
            "rows": self.rows,
            "counts": self.counts,
            "differences": [one.as_json() for one in self.listed],
            "explained": self.explained,
            "explained_differences": [one.as_json() for one in self.listed_explained],
            "runs_without_archive": self.runs_without_archive,
            "replayed": self.replayed.as_json(),
        }


def check(
    settings: Settings,
    paths: Sequence[Path],
    *,
    workers: int = 1,
    on_progress: Callable[[Replayed], None] = lambda _: None,
) -> ReplayCheck:
    """Replay archives into a temporary database, compare the warehouse with it, and drop it.

    Raises:
        UsageError: a file is no archive, or a crawl is at work.
        WarehouseError: a database cannot be used, or the role may make none.
    """
    with connect(settings, autocommit=True) as connection, _snapshot(connection):
        archives, missing = archives_of(connection, paths)
        with temporary_database(server_url(settings), _PURPOSE) as url:
            schema.migrate(url)
            with closing(open_connection(url, autocommit=True)) as other:
                copy_erasures(connection, other)
            again = settings.model_copy(update={"database_url": SecretStr(url), "sources_dir": None})
            made = ReplayCheck(
                replay(again, archives, workers=workers, on_progress=on_progress), runs_without_archive=missing
            )
            with closing(open_connection(url)) as other:
                comparison = Comparison(connection, other, uncertain_pages(archives))
                for each in comparison.differences():
                    made.add(each)
            made.rows = dict(comparison.rows)
    return made


@contextmanager
def _snapshot(connection: Connection) -> Iterator[None]:
    """Hold one snapshot of the warehouse, of a moment at which no crawl is at work.

    Raises:
        UsageError: a crawl is at work.
    """
    schema.use_schema(connection)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        lift_limits(connection)
        refuse_at_work(connection)
        yield


def lift_limits(connection: Connection) -> None:
    """Let the statements of a transaction take any time."""
    connection.execute(_SQL["without_limits"])


def refuse_at_work(connection: Connection) -> None:
    """Refuse to use archives while a crawl writes one.

    Raises:
        UsageError: a crawl is at work.
    """
    living = connection.execute(_SQL["living_runs"], {"alive": ALIVE}).fetchall()
    if living:
        raise UsageError(
            f"a crawl is at work (run {living[0][0]}), and its archive grows: run this again when it has ended. Crawls"
            " that begin meanwhile do not disturb it"
        )


def archives_of(connection: Connection, paths: Sequence[Path]) -> tuple[list[Path], list[int]]:
    """Return the archives of the runs of a warehouse, and the runs with requests that have no archive there.

    A warehouse that a replay filled has other runs than its archives: all of them are returned, and no run.
    """
    if connection.execute("SELECT EXISTS (SELECT FROM crawl.replays)").fetchone() == (True,):
        return list(paths), []
    runs: dict[int, bool] = dict(connection.execute(_SQL["runs_with_requests"]).fetchall())
    newest = max(runs, default=0)
    archives = [path for path in paths if (run_of(path) or 0) <= newest]
    archived = {run_of(path) for path in archives}
    return archives, sorted(run for run, requested in runs.items() if requested and run not in archived)


def copy_erasures(connection: Connection, other: Connection) -> None:
    """Let the replay leave out whom the warehouse leaves out."""
    erasures = connection.execute("SELECT hash, kind FROM crawl.erasures").fetchall()
    with other.transaction():
        other.cursor().executemany("INSERT INTO crawl.erasures (hash, kind) VALUES (%s, %s)", erasures)
