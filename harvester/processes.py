"""Commands that another process starts, and that end with it.

The starter holds the write end of a pipe that is the standard input of its child. The kernel closes that end with the
starter, however it went (SIGKILL too), on every Unix. The child takes the end of its input for a SIGHUP, which is also
what a closed terminal sends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from harvester.signals import hold_back, raise_interrupt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND: tuple[str, ...] = (sys.executable, "-m", "harvester")
"""The program and its first arguments by which `start_command` starts `harvester`."""
_WATCHED = "HARVESTER_STOP_WITH_STDIN"


def start_command(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start `harvester` with these arguments as a process that stops when this one is gone.

    `options` go to `subprocess.Popen`; `stdin` is taken. Closing `stdin` of the result stops the command too.
    """
    given = os.environ if environment is None else environment
    with hold_back():  # the interpreter of the command has no handler for signals before it runs our code
        return subprocess.Popen(
            [*COMMAND, *arguments],
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
        raise_interrupt()
    threading.Thread(target=_await_end_of_input, name="starter", daemon=True).start()


def _await_end_of_input() -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGHUP)


def end_with_parent() -> None:
    """Leave signals to the parent of this process, which `multiprocessing` started, and end with it."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
