"""Commands as processes that are forked from one which has imported the product: an import costs 1.1 s of CPU each."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection

_LOADED = (
    "harvester.cli.main",
    "harvester.monitoring.quarantine",
    "harvester.analytics.refresh",
    "harvester.crawl.run",
    "harvester.crawl.seeding",
    "harvester.crawl.downloadhandlers",
    "harvester.crawl.extensions",
    "harvester.crawl.log_formatter",
    "harvester.crawl.middlewares",
    "harvester.crawl.pipelines",
    "harvester.crawl.spiders.comments",
    "harvester.crawl.spiders.discovery",
    "harvester.crawl.spiders.projects",
    "harvester.crawl.spiders.replies",
    "harvester.crawl.spiders.studios",
    "harvester.crawl.spiders.users",
    "harvester.monitoring.status",
    "harvester.report.page",
    "harvester.sandbox.server",
    "harvester.erasure.erase",
    "encodings.idna",
    "numpy.ma",
    "numpy.random",
    "rich.progress",
    "scrapy.core.downloader",
    "scrapy.core.downloader.handlers.datauri",
    "scrapy.core.downloader.handlers.file",
    "scrapy.core.scraper",
    "scrapy.downloadermiddlewares.downloadtimeout",
    "scrapy.downloadermiddlewares.httpcompression",
    "scrapy.downloadermiddlewares.robotstxt",
    "scrapy.dupefilters",
    "scrapy.extensions.logstats",
    "scrapy.pqueues",
    "scrapy.spidermiddlewares.httperror",
    "scrapy.squeues",
    "scrapy.statscollectors",
    "typer._click.decorators",
    "uvloop",
)
"""The modules that commands import, without those that read the settings of their process when they are imported."""
_AT_START = ("PYTHON", "LC_", "LANG")
"""Names of variables that Python reads when it starts begin so: with other values, a command is a fresh process."""

_PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys

if {at_start} != {{name: value for name, value in os.environ.items() if name.startswith({names})}}:
    os.execv({interpreter!r}, [{interpreter!r}, "-m", "harvester", *sys.argv[1:]])
ends = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
signal.pthread_sigmask(signal.SIG_BLOCK, ends)
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
command = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(command).to_bytes(4)], [0, 1, 2])
server.sendall(command)
answers = server.makefile()
process = int(answers.readline())

def pass_on(number, _):
    try:
        os.kill(process, number)
    except ProcessLookupError:  # it has ended
        pass

for each in ends:
    signal.signal(each, pass_on)
signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
code = int(answers.readline() or -signal.SIGKILL)  # nothing: the tests are gone, and it with them
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
"""A program that does what `harvester` does, in a forked process: it passes on its streams, its signals and its end."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(_LOADED))


def can_run(environment: Mapping[str, str]) -> bool:
    """Tell whether a forked process can have this environment."""
    return _at_start(environment) == _at_start(os.environ)


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


@cache
def program() -> Path:
    """Return a program that is `harvester` to shells and to commands that start others, until this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="harvester-test-")
    address = f"{folder.name}/socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    file = Path(folder.name, "harvester")
    server = _context.Process(target=_serve, args=(listener, file))
    server.start()
    listener.close()

    def end() -> None:
        server.kill()
        server.join()
        folder.cleanup()

    Finalize(None, end, exitpriority=10)
    text = _PROGRAM.format(
        python=os.path.realpath(sys.executable),
        interpreter=sys.executable,
        at_start=_at_start(os.environ),
        names=_AT_START,
        address=address,
    )
    file.write_text(text)
    file.chmod(0o700)
    return file


def _serve(listener: socket.socket, itself: Path) -> None:
    """Fork a command for each client, and kill it if the client goes before it; end with the tests."""
    from harvester.signals import hold_back

    fork = multiprocessing.get_context("fork")
    tests = multiprocessing.parent_process()
    assert tests is not None
    commands: dict[socket.socket, multiprocessing.context.ForkProcess] = {}
    while True:
        ready = wait([tests.sentinel, listener, *commands, *(process.sentinel for process in commands.values())])
        if tests.sentinel in ready:
            for process in commands.values():
                process.kill()
            shutil.rmtree(itself.parent, ignore_errors=True)
            return
        for client, process in list(commands.items()):
            if process.sentinel in ready:
                process.join()
                with suppress(OSError):  # killed at the same time
                    client.sendall(b"%d\n" % process.exitcode)
            elif client in ready:
                process.kill()
                process.join()
            else:
                continue
            client.close()
            process.close()
            del commands[client]
        if listener in ready:
            client, _ = listener.accept()
            length, streams, _, _ = socket.recv_fds(client, 4, 3)
            with client.makefile("rb") as read:
                command = read.read(int.from_bytes(length))
            if command.endswith(b"]"):  # else it was killed before it had said all
                arguments, environment, folder = json.loads(command)
                process = fork.Process(target=_become, args=(arguments, environment, Path(folder), streams, itself))
                with hold_back():  # as a program that starts: signals arrive once it has handlers
                    process.start()
                with suppress(OSError):
                    client.sendall(b"%d\n" % process.pid)
                commands[client] = process
            for each in streams:
                os.close(each)


def run(
    arguments: Sequence[str], environment: Mapping[str, str], timeout: float, first: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `harvester` with these arguments to its end; in its process, call `first` before.

    Raises:
        subprocess.TimeoutExpired: if it takes longer; it is killed then.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = [Path(folder, name) for name in ("stdout", "stderr")]
        values = (list(arguments), dict(environment), Path.cwd(), written, program())
        process = _context.Process(target=_become, args=values, kwargs={"first": first})
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["harvester", *arguments], timeout)
        code = process.exitcode
        process.close()
        output, errors = (path.read_text(encoding="utf-8") for path in written)
    return subprocess.CompletedProcess(["harvester", *arguments], code, output, errors)


def scrapy() -> NoReturn:
    """Be the command `scrapy` instead, with the same arguments: given as `first`."""
    from scrapy.cmdline import execute

    execute()
    raise SystemExit


class Running:
    """A command under way in a session of its own, with what the tests use of `subprocess.Popen`."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], first: Callable[[], None] | None = None
    ) -> None:
        self.args = ["harvester", *arguments]
        pipes = [_context.Pipe(duplex=False) for _ in range(2)]
        values = (list(arguments), dict(environment), Path.cwd(), [written for _, written in pipes], program())
        self._process = _context.Process(target=_become, args=values, kwargs={"alone": True, "first": first})
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.stdout, self.stderr = (os.fdopen(os.dup(read.fileno()), encoding="utf-8") for read, _ in pipes)
        for pipe in pipes:
            for end in pipe:
                end.close()

    @property
    def returncode(self) -> int | None:
        """None while it runs; the negative number of the signal that ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: if it takes longer.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what it writes until it ends, and all that have its streams.

        Raises:
            subprocess.TimeoutExpired: if it takes longer.
        """
        if self.stdout.closed:
            return "", ""
        deadline = None if timeout is None else time.monotonic() + timeout
        texts = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            texts[number] = stream.read()

        threads = [Thread(target=read, args=pair, daemon=True) for pair in enumerate((self.stdout, self.stderr))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.stdout.close()
        self.stderr.close()
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Started:
    """A command that runs until it is told to end, in a session of its own."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._written = [Path(self._folder.name, name) for name in ("stdout", "stderr")]
        values = (list(arguments), dict(os.environ), Path.cwd(), self._written, program())
        self._process = _context.Process(target=_become, args=values, kwargs={"alone": True, "first": _end_with_tests})
        self._process.start()

    def first_line(self, timeout: float) -> str:
        """Wait for the first line of its output.

        Raises:
            RuntimeError: if it ended, or said nothing in that time; with what stands on its standard error.
        """
        deadline = time.monotonic() + timeout
        while True:
            line, end, _ = self._text(0).partition("\n")
            if end:
                return line
            if self._process.exitcode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nothing was said: {self._text(1)}")
            time.sleep(0.01)

    def end(self, timeout: float) -> None:
        """Send SIGTERM, and wait."""
        self._process.terminate()
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it did not end"
        self._process.close()
        self._folder.cleanup()

    def _text(self, number: int) -> str:
        path = self._written[number]
        return path.read_text(encoding="utf-8") if path.exists() else ""


def _end_with_tests() -> None:
    """End this process when the tests end before it, as a session does that was killed."""
    tests = multiprocessing.parent_process()
    assert tests is not None

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    Thread(target=watch, args=(tests.sentinel,), daemon=True).start()


def _become(
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    streams: list[Path] | list[Connection] | list[int],
    program: Path,
    *,
    alone: bool = False,
    first: Callable[[], None] | None = None,
) -> None:
    """Run the command in the forked process, with its output and errors, or its input before them, as `streams`.

    `program` starts others; `alone`: in a session of its own; `first` is called before.
    """
    gc.freeze()  # what was loaded lives until the end: to go through it would also copy it
    from harvester import processes

    processes.COMMAND = (str(program),)
    if alone:
        os.setsid()
    for number, to in enumerate(streams, 3 - len(streams)):
        file = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if isinstance(to, Path) else to
        os.dup2(file if isinstance(file, int) else file.fileno(), number)
        if isinstance(file, int):
            os.close(file)
        else:
            file.close()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["harvester", *arguments]
    if first is not None:
        first()
    from harvester.__main__ import main

    main()
