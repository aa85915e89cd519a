"""Decode archives in processes of their own, while the process that started them stores what they hold.

Each process reads the archives, which takes a fifth of the time, and decodes its share of the transactions. They come
back in order. A process waits with its share until that is taken, so that memory stays flat. Processes are started
before the archives are surveyed, since their start takes as long.
"""

from __future__ import annotations

import copyreg
import multiprocessing
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Rows, Visit
from harvester.api.stream import Stream
from harvester.crawl.archive import Archived, Part
from harvester.crawl.replay_steps import ReplayStep, read_steps
from harvester.errors import HarvesterError
from harvester.processes import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from harvester.crawl.replay_steps import Key

_AT_ONCE = 32
"""Number of transactions that a process decodes in turn: some 400 pages of a crawl without a limit."""


def _stream(name: str) -> Stream:
    return STREAMS[name]


def _pickle_by_fields(kind: Any) -> None:
    """Let instances of a frozen dataclass be made again by its constructor: its own way takes four times as long."""
    values = attrgetter(*(one.name for one in fields(kind)))
    copyreg.pickle(kind, lambda instance: (kind, values(instance)))


copyreg.pickle(Stream, lambda stream: (_stream, (stream.name,)))
for _kind in (Archived, Part, Rows, Visit):
    _pickle_by_fields(_kind)


@contextmanager
def decoders(paths: Sequence[Path], *, workers: int) -> Iterator[Callable[..., Iterator[ReplayStep]]]:
    """Start the processes that decode, of `workers` all but this one; yield `read_steps` without its first argument.

    Raises:
        UsageError: see `read_steps`. HarvesterError: one of the processes ended.
    """
    if workers == 1:
        yield partial(read_steps, paths)
        return
    context = multiprocessing.get_context("spawn")  # not forked: a copy of the database's connection would be shared
    ends: list[Connection] = []
    processes = []
    try:
        for number in range(workers - 1):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_decode, args=(theirs, paths, (number, workers - 1)), name=f"decoder {number}", daemon=True
            )
            process.start()
            theirs.close()
            ends.append(ours)
            processes.append(process)
        yield partial(_received, ends)
    finally:
        for process in processes:
            process.kill()  # it leaves other signals to its parent
            process.join()
        for end in ends:
            end.close()


def _received(
    ends: Sequence[Connection], uncertain: Mapping[int, bool], *, after: int, under_way: frozenset[Key]
) -> Iterator[ReplayStep]:
    """Tell the processes what to decode, and yield what they send, in order."""
    for end in ends:
        with suppress(OSError):  # it has ended, which shows below
            end.send((uncertain, after, under_way))
    turn = after // _AT_ONCE
    while True:
        try:
            steps = ends[turn % len(ends)].recv()
        except (EOFError, OSError):
            raise HarvesterError("a process that decodes the archives has ended: run the same command again") from None
        if isinstance(steps, HarvesterError):
            raise steps
        if steps is None:
            return
        yield from steps
        turn += 1


def _decode(end: Connection, paths: Sequence[Path], share: tuple[int, int]) -> None:
    end_with_parent()
    with suppress(EOFError, ConnectionError):  # the parent is gone
        _send_steps(end, paths, share, *end.recv())


def _send_steps(
    end: Connection,
    paths: Sequence[Path],
    share: tuple[int, int],
    uncertain: Mapping[int, bool],
    after: int,
    under_way: frozenset[Key],
) -> None:
    """Send the steps of one process's share, a list for each turn, and None at the end."""
    mine, of = share
    waiting: list[ReplayStep] = []
    sent: Any = None

    def is_mine(number: int) -> bool:
        return (number - 1) // _AT_ONCE % of == mine

    try:
        for step in read_steps(paths, uncertain, after=after, under_way=under_way, is_mine=is_mine):
            if waiting and (waiting[0].number - 1) // _AT_ONCE != (step.number - 1) // _AT_ONCE:
                end.send(waiting)
                waiting = []
            waiting.append(step)
        if waiting:
            end.send(waiting)
    except HarvesterError as error:
        sent = error
    end.send(sent)
