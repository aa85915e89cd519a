"""Commands that end with the process that started them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

STARTER = """
import signal, subprocess, sys, time
from harvester.processes import start_command

if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
sandbox = start_command(["sandbox", "--users", "20"], stdout=subprocess.PIPE, start_new_session=True)
assert sandbox.stdout.readline().startswith("ready")
print(sandbox.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("way", ["plain", "nohup"])
def test_a_command_ends_when_its_starter_is_killed(way: str, wait_for_end: Callable[..., None]) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, way], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        sandbox = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
        starter.wait()
    try:
        wait_for_end(sandbox)
    finally:
        if sandbox.is_running():
            sandbox.kill()


FAILING_DESTRUCTOR = """
import os, signal, sys
from harvester.signals import raise_interrupt

class Failing:
    def __del__(self):
        raise TypeError("half made")

raise_interrupt()
try:
    if sys.argv[1] == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
Failing()
"""


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(("how", "is_told"), [("interrupted", False), ("undisturbed", True)])
def test_a_destructor_that_fails_after_an_interrupt_is_silent(how: str, is_told: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING_DESTRUCTOR, how], capture_output=True, text=True, check=True, timeout=60
    )
    assert ("TypeError: half made" in done.stderr) == is_told
