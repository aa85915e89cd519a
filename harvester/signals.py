"""The signals that end a command: SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal or the starter is gone).

While the modules of a command are imported, nothing has begun, and a signal ends it at once (`end_at_once`). While it
works, a signal raises `KeyboardInterrupt` (`raise_interrupt`), so that all that is open is closed; a crawl, the demo
and the servers handle signals themselves for as long as they run (`handle_end`). The status is always `INTERRUPTED`.
A SIGHUP that is ignored (nohup) stays so.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
_raised: list[int] = []


def end_at_once() -> None:
    """Let the next signal end this process without a word. Signals that its starter held back arrive now."""
    for each in _heeded():
        signal.signal(each, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def keep_status() -> None:
    """Let no signal change the exit status while this interpreter ends. Call it before anything registers an exit."""
    atexit.register(_keep_status)


def raise_interrupt() -> None:
    """Let the next signal raise `KeyboardInterrupt` in the main thread, and the second one end the process at once."""
    for each in _heeded():
        signal.signal(each, _raise)
    sys.unraisablehook = _end_where_it_cannot_rise


@contextmanager
def handle_end(handler: Callable[[int], object]) -> Iterator[None]:
    """Call `handler` with the number of each SIGINT, SIGTERM and SIGHUP; the last only unless it is ignored (nohup)."""
    before = {each: signal.signal(each, lambda number, _: handler(number)) for each in _heeded()}
    try:
        yield
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)


@contextmanager
def hold_back() -> Iterator[None]:
    """Hold the signals of this thread back; a process that is started meanwhile begins with them held back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_interrupt(error: BaseException | None) -> bool:
    """Return whether an error is an interrupt, or was made of one: Python 3.11 wraps what `__set_name__` raises."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def say(text: str) -> None:
    """Write one line to standard error from a signal handler; nothing if it is closed."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())


def _heeded() -> list[signal.Signals]:
    return [each for each in ENDS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN]


def _keep_status() -> None:
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)  # Python restores the default now, which would end it by the signal
    if _raised:
        # Python ends itself by SIGINT if an interrupt ever passed through `exec` of a text, as dataclasses call it.
        os._exit(INTERRUPTED)


def _end(*_: object) -> NoReturn:
    os._exit(INTERRUPTED)


def _raise(number: int, _: object) -> NoReturn:
    end_at_once()
    _raised.append(number)
    raise KeyboardInterrupt


def _end_where_it_cannot_rise(failure: sys.UnraisableHookArgs) -> None:
    """End the process if Python had to swallow the interrupt: in a destructor, or in a callback of a weak reference.

    Once an interrupt was raised, what a destructor fails over is silent: it may find what it needs half made.
    """
    if issubclass(failure.exc_type, KeyboardInterrupt):
        os._exit(INTERRUPTED)
    if not _raised:
        sys.__unraisablehook__(failure)
