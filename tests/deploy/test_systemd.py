"""The units that ship are ones that systemd takes, and say what the documentation says."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.main import get_command

UNITS = Path(__file__).parent.parent.parent / "deploy" / "systemd"


def unit(name: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return parser


def test_the_command_is_one_that_there_is() -> None:
    from harvester.cli.main import app

    program, name, command, *arguments = shlex.split(unit("scratch-harvester.service")["Service"]["ExecStart"])
    assert (program, name) == ("/usr/bin/env", "harvester")
    found = get_command(app).commands[command]  # type: ignore[attr-defined]
    found.make_context(command, list(arguments))  # raises where an option is none


def test_the_timer_starts_the_service_and_no_secret_is_in_either() -> None:
    assert unit("scratch-harvester.timer")["Timer"]["OnCalendar"] == "hourly"
    assert {file.stem for file in UNITS.iterdir()} == {"scratch-harvester"}
    service = unit("scratch-harvester.service")["Service"]
    assert service["EnvironmentFile"].startswith("/etc/")


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
def test_systemd_takes_the_units() -> None:
    files = [str(file) for file in sorted(UNITS.iterdir())]
    result = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
