"""Commands that another process starts, and the signals that end a command.

The starter holds the write end of a pipe that is the standard input of its child. The kernel closes that end with the
starter, however it went (SIGKILL too), on every Unix. The child takes the end of its input for a SIGHUP, which is also
what a closed terminal sends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_WATCHED = "HARVESTER_STOP_WITH_STDIN"
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start_command(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start `harvester` with these arguments as a process that stops when this one is gone.

    `options` go to `subprocess.Popen`; `stdin` is taken. Closing `stdin` of the result stops the command too.
    """
    given = os.environ if environment is None else environment
    return subprocess.Popen(
        [sys.executable, "-m", "harvester", *arguments],
        env={**given, _WATCHED: "1"},
        stdin=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        **options,
    )


def stop_with_starter() -> None:
    """Send SIGHUP to this process when its standard input ends, if `start_command` started it."""
    if os.environ.pop(_WATCHED, None) is None:
        return
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # The starter is under nohup. Here SIGHUP stands for its end alone.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=_await_end_of_input, name="starter", daemon=True).start()


def _await_end_of_input() -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGHUP)


@contextmanager
def handle_end(handler: Callable[[int], object]) -> Iterator[None]:
    """Call `handler` with the number of each SIGINT, SIGTERM and SIGHUP; the last only unless it is ignored (nohup)."""
    caught = [each for each in _ENDS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, _: handler(number)) for each in caught}
    try:
        yield
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)


def say(text: str) -> None:
    """Write one line to standard error from a signal handler; nothing if it is closed."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())
