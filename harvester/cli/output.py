r"""Output of all commands: tables, JSON, progress, errors and exit statuses; and the standard streams below them.

Standard streams may be closed, full, or of a charset that lacks letters:

- One that is closed is `/dev/null`: without that, the next file or socket that is opened would take its number.
- Standard output that takes no more (a full disk) raises `OutputError`; a reader that has gone, `ReaderGoneError`.
- What is written to a standard error that takes no more is lost; the command goes on.
- A character that the charset lacks is written as its escape: `\xe9`.
"""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

from harvester.errors import HarvesterError, OutputError, UsageError
from harvester.signals import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

_STDOUT, _STDERR = 1, 2
_BROKEN_PIPE_STATUS = 141
_WHOLE = 10_000
"""Columns of a standard output that is no terminal: more than any line has."""


class ExitStatus(IntEnum):
    """Exit statuses of `harvester`."""

    DONE = 0
    FAILED = HarvesterError.exit_code
    USAGE = UsageError.exit_code
    DEGRADED = 3
    """The crawl finished but looks anomalous."""
    DIFFERENT = 4
    """The warehouse differs from the replay of its archives."""
    INTERRUPTED = INTERRUPTED


class ReaderGoneError(OutputError):
    """The reader of a pipe has closed it, as `head` does when it has seen enough."""


class _Stdout(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise ReaderGoneError("the reader of standard output is gone") from None
            raise OutputError(f"standard output takes no more ({error.strerror}): the rest of it is lost") from None


class _Stderr(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Make the standard streams of this process usable. Streams that somebody replaced, such as a test, are left."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Stdout(_STDOUT, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stderr(_STDERR, "w", closefd=False), sys.stderr, line_buffering=True)


def _text(raw: io.FileIO, before: Any, *, line_buffering: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8" if before is None else before.encoding,
        errors="backslashreplace",
        line_buffering=line_buffering or raw.isatty(),
    )


def flush() -> None:
    """Write what is still held back.

    Raises:
        OutputError: standard output does not take it.
    """
    sys.stdout.flush()


def complain(text: str, *, as_it_is: bool = False) -> None:
    """Say on standard error what is wrong, in one line unless `as_it_is`."""
    sys.stderr.write(f"{text}\n" if as_it_is else f"harvester: {printable(text)}\n")
    sys.stderr.flush()


def confirm(question: str) -> None:
    """Ask on standard error before something that cannot be undone.

    Raises:
        UsageError: standard input is closed or at its end, or cannot be read.
        typer.Abort: the answer is no.
    """
    refusal = UsageError("the command asks before it goes on, and nobody can answer: add --yes")
    try:
        if sys.stdin is None or not (sys.stdin.isatty() or sys.stdin.buffer.peek(1)):  # type: ignore[union-attr]
            raise refusal
        typer.confirm(question, abort=True, err=True)
    except OSError:
        raise refusal from None


def give_up() -> None:
    """Write what can be written and discard the rest, so that the interpreter does not fail over it when it exits."""
    try:
        flush()
    except (OutputError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)


def end_by_broken_pipe() -> None:
    """End as a program does that writes to a reader that has gone: by SIGPIPE, status 141 in a shell."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(_BROKEN_PIPE_STATUS)  # the first process of a container gets no such signal


def console() -> Console:
    """Return a console on standard output that prints numbers and texts as they are, without colours of its own.

    A reader that is no terminal, such as a pipe, gets each line whole, unless COLUMNS is set.
    """
    from rich.console import Console  # not loaded by commands that print JSON

    made = Console(highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WHOLE
    return made


def table(*columns: str, numbers: Collection[str] = ()) -> Table:
    """Return an empty table; columns in `numbers` are aligned right.

    In a terminal that is too narrow, texts and titles are folded and numbers stay whole; where that does not suffice,
    each row becomes a list of its values.
    """
    from harvester.cli.tables import FoldingTable  # not loaded by commands that print JSON

    made = FoldingTable(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made


def table_of_counts(counts: Mapping[str, Sequence[int]]) -> Table:
    """Return a table of the counts of rows in each table of the warehouse."""
    from harvester.frontier.model import ROW_COUNTS  # not loaded by commands that show none

    made = table("table", *ROW_COUNTS, numbers=ROW_COUNTS)
    for name, row in counts.items():
        made.add_row(name, *(f"{number:,}" for number in row))
    return made


def print_json(facts: Any) -> None:
    """Print facts, or an object with a method `as_json`, as one line of JSON; times as RFC 3339 has them."""
    facts = facts.as_json() if hasattr(facts, "as_json") else facts
    sys.stdout.write(f"{json.dumps(facts, default=_as_json)}\n")


def _as_json(value: Any) -> str:
    """Return what JSON has no type for as text: a time in UTC, another value as it prints itself."""
    if isinstance(value, datetime):
        assert value.tzinfo is not None, "a time without a zone"
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def emit(facts: Any, show: Callable[[Any], None], *, as_json: bool) -> None:
    """Print facts as JSON, or for a person by `show`."""
    if as_json:
        print_json(facts)
    else:
        show(facts)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on standard error while the block runs, if that is a terminal.

    Yields a function that takes what is done now, and how many of how many steps are done.
    """
    from rich.console import Console  # not loaded by commands that show none
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    errors = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def advance(description: str, done: int, total: int) -> None:
            # A single step has no parts to count.
            bar.update(task, description=description, completed=done, total=total if total > 1 else None)

        yield advance


def printable(text: str) -> str:
    """Return a text as one line for a terminal: codes that move its cursor or change colours are escaped."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in " ".join(text.split()))


def shown(facts: Any) -> Any:
    """Return facts with each text in them printable, and without markup of `rich`."""
    from rich.markup import escape  # not loaded where nothing of it is shown

    match facts:
        case str():
            return escape(printable(facts))
        case dict():
            return {shown(name): shown(value) for name, value in facts.items()}
        case list() | tuple():
            return [shown(one) for one in facts]
    return facts
