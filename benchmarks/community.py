"""A community to crawl: the sandbox behind a server that has its answers in memory, and PostgreSQL with its defaults.

Programs run against it one at a time, and their use of the machine is measured.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
from psycopg import sql

from benchmarks.warehouse import new_warehouse
from harvester.warehouse import embedded

SEEDED = embedded.DATABASE
"""The database in which all users of the community are in scope and nothing was visited."""
EMPTY = "template0"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a program took.

    `start`: seconds until its first request; `crawl`: from there to its end; `cpu`, `database` and `server`: seconds of
    CPU; `memory`: bytes of its largest process; `said`: what it printed.
    """

    requests: int
    start: float
    crawl: float
    cpu: float
    database: float
    server: float
    memory: int
    said: str

    @property
    def figures(self) -> dict[str, float]:
        """Return all numbers."""
        return {name: value for name, value in asdict(self).items() if name != "said"}


class Community:
    """Made by `new_community`."""

    def __init__(self, folder: Path, home: Path, database: str, url: str, mirror: psutil.Process) -> None:
        self.url = url
        self.names = folder / "names"
        self._database = database
        self._mirror = mirror
        self._postmaster = psutil.Process(embedded.status(home).pid)

    def at(self, database: str) -> str:
        """The URL of a database."""
        return self._database.replace(f"/{SEEDED}?", f"/{database}?")

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection to a database."""
        return psycopg.connect(self.at(database), autocommit=True)

    def environment(self, database: str) -> dict[str, str]:
        """The settings with which a program crawls the community as fast as it can."""
        return os.environ | {
            "HARVESTER_DATABASE_URL": self.at(database), "HARVESTER_API_URL": self.url,
            "HARVESTER_SITE_URL": self.url, "HARVESTER_RATE": "0",
            "RUNTIME__LOG_LEVEL": "ERROR",  # dlt's: it warns of columns that were empty throughout
        }  # fmt: skip

    def seed(self) -> None:
        """Put all users in scope."""
        names = self.told("/sandbox/seeds")["users"]
        self.names.write_text("\n".join(names))
        command = [sys.executable, "-m", "harvester", "seed", "users", *names]
        subprocess.run(command, env=self.environment(SEEDED), check=True, stdout=subprocess.DEVNULL)

    def copy(self, template: str, name: str) -> None:
        """Copy a database, and let the server write all changes to disk."""
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
            connection.execute("CHECKPOINT")

    def run(self, module: str, *arguments: str, database: str) -> Run:
        """Run a program to its end, with the settings of a database."""
        self.told("/mirror/reset")
        used, served = cpu_of(self._postmaster), cpu_of(self._mirror)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=self.environment(database), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{module} ended with {process.returncode}"
        told = self.told("/mirror/told")
        return Run(
            requests=told["requests"],
            start=told["first"] - began,
            crawl=ended - told["first"],
            cpu=usage.ru_utime + usage.ru_stime,
            database=cpu_of(self._postmaster) - used,
            server=cpu_of(self._mirror) - served,
            memory=usage.ru_maxrss * 1024,
            said=said,
        )

    def told(self, path: str) -> Any:
        """Return the JSON that the server answers at a path."""
        with urllib.request.urlopen(self.url + path) as answer:
            return msgspec.json.decode(answer.read())

    @contextmanager
    def on_cores(self, cores: Sequence[int]) -> Iterator[None]:
        """Restrict the database, the server and all programs that are started now to some cores."""
        before = psutil.Process().cpu_affinity()
        assert before is not None
        self._bind(cores)
        try:
            yield
        finally:
            self._bind(before)

    def _bind(self, cores: Sequence[int]) -> None:
        for process in (psutil.Process(), self._mirror, self._postmaster, *self._postmaster.children()):
            with suppress(psutil.NoSuchProcess):  # a backend that ended meanwhile
                process.cpu_affinity(list(cores))


def cpu_of(process: psutil.Process) -> float:
    """Return the seconds of CPU of a process and of its children, ended ones included."""
    while True:
        try:
            living = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile, and is among the ended ones
        own = process.cpu_times()
        return own.children_user + own.children_system + sum(one.user + one.system for one in living)


@contextmanager
def _started(*command: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start a server that prints `ready URL`; yield the URL and its process."""
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def new_community(users: int) -> Iterator[Community]:
    """Start a sandbox with some users, its mirror, and a database in which all users are in scope."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harvester-bench-")))
        home, database = stack.enter_context(new_warehouse())
        sandbox, _ = stack.enter_context(_started("harvester", "sandbox", "--users", str(users), "--seed", "1"))
        url, mirror = stack.enter_context(_started("benchmarks.peers.mirror", sandbox))
        community = Community(folder, home, database, url, mirror)
        community.seed()
        yield community
