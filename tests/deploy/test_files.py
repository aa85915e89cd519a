"""Systemd, cron and containers accept the files of `harvester deploy`, which name existing commands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
from configparser import ConfigParser
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import check_jsonschema
import dockerfile
import hypothesis
import jsonschema
import pytest
import yaml
from backups import make as make_backup
from croniter import croniter
from crontab import CronTab
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

from harvester.backup.file import DUMP, path_of
from harvester.choices import DeploymentKind
from harvester.cli.main import app
from harvester.config import load
from harvester.deploy.files import Place, deploy, installed_program, render
from harvester.deploy.jobs import JOBS, backup_job
from harvester.deploy.quoting import setting_value
from harvester.errors import UsageError
from harvester.secret import NAME, secret_key

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "correct horse"
URL = "postgresql://me:correct%20horse@db.example.org/scratch"
ODD = "a földer of 100%n"
"""A name that systemd, cron and a shell each read otherwise unless it is written for them."""
COMPOSE_SCHEMA = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "compose-spec.json"


def place(folder: Path, program: Path | None = None, backups: Path | None = None) -> Place:
    return Place(folder, folder / "home", program or installed_program(), "daemon", backups)


def make(kind: DeploymentKind, folder: Path, backups: Path | None = None, **settings: Any) -> dict[str, str]:
    """Deploy as the operator does, and return what stands in the folder by name."""
    deploy(kind, place(folder, backups=backups), load(**settings))
    return {file.name: file.read_text() for file in folder.iterdir()}


def assert_command(words: Sequence[str]) -> None:
    """Assert that there is such a command with such options."""
    command: Any = get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(" ".join(words), rest)  # raises where an option is none


def unit(text: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


# systemd -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", [None, URL])
def test_units_name_commands_settings_and_their_server(database_url: str | None, tmp_path: Path) -> None:
    backups = tmp_path.parent / "a disk" if database_url else None
    sources = tmp_path.parent / "sources"
    made = make(DeploymentKind.SYSTEMD, tmp_path, backups, database_url=database_url, sources_dir=sources)
    timers = {name.removesuffix(".timer") for name in made if name.endswith(".timer")}
    jobs = place(tmp_path, backups=backups).jobs()
    assert timers == {f"scratch-harvester-{job.name}" for job in jobs}
    assert [job.name for job in jobs[len(JOBS) :]] == (["backup"] if backups else [])
    services = {name: text for name, text in made.items() if name.endswith(".service")}
    assert {f"{timer}.service" for timer in timers} < services.keys()
    assert ("scratch-harvester-db.service" in services) == (database_url is None)
    for name, text in services.items():
        service = unit(text)["Service"]
        assert service["EnvironmentFile"] == str(tmp_path / ".env")
        writable = shlex.split(service["ReadWritePaths"])
        assert (str(backups) in writable) is bool(backups)
        assert str(sources) in writable
        assert ("Requires=scratch-harvester-db.service" in text) == (database_url is None and "-db." not in name)
        for line in re.findall(r"^Exec\w+=(.*)", text, re.MULTILINE):
            program, *words = shlex.split(line)
            assert program == str(installed_program())
            assert_command(words)


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    program = folder / "bin" / "harvester"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for database_url in (None, URL):
        units = tmp_path / str(database_url is None)
        units.mkdir()
        backups = folder / "backups"
        made = render(DeploymentKind.SYSTEMD, place(folder, program, backups), load(database_url=database_url))
        for name, text in made.items():
            (units / name).write_text(text)
        command = ["systemd-analyze", "verify", *map(str, units.iterdir())]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
def test_systemd_and_cron_mean_the_same_times() -> None:
    base = datetime(2026, 11, 28, 23, 30, tzinfo=UTC)
    for job in (*JOBS, backup_job(Path("/backups"))):
        times = [croniter(job.schedule, base).get_next(datetime)]
        times.append(croniter(job.schedule, times[0]).get_next(datetime))
        command = ["systemd-analyze", "calendar", f"--base-time={base:%F %T} UTC", "--iterations=2", job.calendar]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"})
        said = re.findall(r"(?:Next elapse|Iter\. #2): \w+ (\S+ \S+) UTC", result.stdout)
        assert said == [f"{time:%F %T}" for time in times], job
        assert (times[1] - times[0]).total_seconds() == job.seconds


# cron ----------------------------------------------------------------------------------------------------------------


def cron_commands(folder: Path) -> dict[str, str]:
    """Return the commands of a crontab by the log that they write, as cron gives them to its shell."""
    jobs = list(CronTab(tabfile=str(folder / "crontab")))
    assert all(job.is_valid() for job in jobs)
    commands = [job.command.replace("\\%", "%") for job in jobs]
    assert [job.slices.clean_render() for job in jobs] == [job.schedule for job in place(folder, backups=folder).jobs()]
    return {command.rpartition(">")[0].rpartition(">")[2].split(".")[0]: command for command in commands}


def run_as_cron(command: str, folder: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "SHELL": "/bin/sh"}
    result = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), command


def test_a_line_of_the_crontab_runs_under_the_path_of_cron(database: str, tmp_path: Path) -> None:
    folder = tmp_path / ODD
    backups = folder / "backups"
    with_backups = place(folder, backups=backups)
    made = deploy(DeploymentKind.CRON, with_backups, load())
    assert made.steps[0] == shlex.join(["install", "-d", "-m", "700", str(backups)])
    subprocess.run(made.steps[0], shell=True, check=True)
    key = {DUMP: b"", NAME: secret_key(folder / "home").hex().encode()}
    older = [make_backup(path_of(backups, datetime(2026, 1, day, tzinfo=UTC)), key) for day in range(1, 9)]
    with (folder / ".env").open("a") as settings:
        settings.write(f"HARVESTER_DATABASE_URL='{database}'\n")
    commands = cron_commands(folder)
    assert list(commands) == [job.name for job in with_backups.jobs()]
    for job in with_backups.jobs():
        for words in job.commands:
            assert f"{shlex.quote(str(installed_program()))} {shlex.join(words)};" in commands[job.name]
            assert_command(words)
    run_as_cron(commands["backup"], folder)
    *left, new = sorted(backups.iterdir())
    assert left == older[2:], "seven stay, with the new one"
    said = (folder / "backup.log").read_text()
    assert all(f"{path}: " in said for path in (new, *older[:2]))


@pytest.mark.soak
def test_each_line_of_the_crontab_runs(harvest: Any, tmp_path: Path) -> None:
    url = harvest.harvester.environment["HARVESTER_API_URL"]
    make(DeploymentKind.CRON, tmp_path, tmp_path / "backups", api_url=url, site_url=url, rate=0)
    (tmp_path / "backups").mkdir()
    secret_key(tmp_path / "home")
    with (tmp_path / ".env").open("a") as settings:
        settings.write(f"HARVESTER_DATABASE_URL='{harvest.harvester.database}'\n")
    for command in cron_commands(tmp_path).values():
        run_as_cron(command, tmp_path)
    commands = harvest.harvester.query("SELECT command FROM crawl.runs ORDER BY id DESC LIMIT 2")
    assert commands == [("crawl --share audit",), ("crawl",)]


# Containers ----------------------------------------------------------------------------------------------------------


def test_the_compose_file_names_what_is_there(tmp_path: Path) -> None:
    backups = tmp_path / "$a: 'disk'"
    made = make(DeploymentKind.COMPOSE, tmp_path, backups)
    compose = yaml.safe_load(made["compose.yaml"])
    jsonschema.validate(compose, json.loads(COMPOSE_SCHEMA.read_text()))
    services = compose["services"]
    jobs = place(tmp_path, backups=backups).jobs()
    assert {"db", "exporter", "prometheus", "grafana"} | {job.name for job in jobs} < services.keys()
    mounted = services["backup"]["volumes"].pop()
    assert (mounted["source"].replace("$$", "$"), mounted["target"]) == (str(backups), services["backup"]["command"][3])
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source.removeprefix("./") in (made if source.startswith("./") else compose["volumes"])
    # What must be given is named in .env, and has no value there.
    needed = set(re.findall(r"\$\{(\w+):\?", made["compose.yaml"]))
    values = dotenv_values(tmp_path / ".env")
    assert needed == {name for name in values if not name.startswith("HARVESTER_")}
    assert not any(values.values())
    for name, service in services.items():
        if service.get("build"):
            words = service["command"]
            every = service.get("entrypoint", ["every"])
            commands = " ".join(words[2:]).split("; ") if words[0] == "sh" else [shlex.join(words)]
            for command in commands:
                assert_command(shlex.split(command.removeprefix("harvester ")))
            assert every[0] == "every"
            assert name in {job.name for job in jobs if str(job.seconds) == every[-1]} | {"migrate", "exporter"}
    (target,) = yaml.safe_load(made["prometheus.yml"])["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"exporter:{services['exporter']['command'][2]}"
    assert services["exporter"]["command"][-2:] == ["--allow-host", "exporter"]


def test_the_image_is_built_of_what_is_there(tmp_path: Path) -> None:
    made = make(DeploymentKind.COMPOSE, tmp_path)
    commands = dockerfile.parse_file(str(tmp_path / "Containerfile"))
    copied = [source for one in commands if one.cmd == "COPY" for source in one.value[:-1]]
    assert [source for source in copied if source not in made] == ["*.whl"]  # none is needed
    assert [one.value for one in commands if one.cmd == "USER"] == [("harvester",)]
    (entry,) = (one for one in commands if one.cmd == "ENTRYPOINT")
    assert entry.json  # without a shell, which would keep signals to itself
    assert {one.cmd for one in commands} <= {"FROM", "COPY", "RUN", "USER", "WORKDIR", "ENV", "ENTRYPOINT"}


@pytest.mark.usefixtures("processes")
def test_a_command_is_run_again_and_ended_in_order(tmp_path: Path) -> None:
    """The loop of the containers: a failure is told and does not end it; SIGTERM reaches the command."""
    every = tmp_path / "every"
    every.write_text(make(DeploymentKind.COMPOSE, tmp_path)["every"])
    script = tmp_path / "command"
    script.write_text(
        "echo begun\n[ -e seen ] || { : >seen; exit 4; }\ntrap 'echo ended; exit 130' TERM\nsleep 60 & wait\n"
    )
    command = ["/bin/sh", str(every), "0", "/bin/sh", str(script)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n", "begun\n"]
        child = wait_for_sleep(process.pid)  # by then the trap is set
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(20) == 0
        child.kill()
        assert process.stderr.read() == f"every: `/bin/sh {script}` ended with 4\n"


def wait_for_sleep(pid: int) -> Any:
    import time

    import psutil

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [one for one in psutil.Process(pid).children(recursive=True) if one.name() == "sleep"]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError("the command does not wait")


# Settings and what is there already ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(DeploymentKind))
def test_no_secret_is_written_and_what_differs_stays(kind: DeploymentKind, tmp_path: Path) -> None:
    settings = load(database_url=URL, session=SECRET.replace(" ", "."), contact="me@example.org", permission="a letter")
    first = deploy(kind, place(tmp_path), settings)
    assert set(first.files.values()) == {"written"}
    for file in first.files:
        text = file.read_text()
        assert not re.search(r"correct(%20|\.)horse", text)
        assert file.name != ".env" or (file.stat().st_mode & 0o777, "me@example.org" in text) == (0o600, True)
    has_settings = (tmp_path / ".env").exists()
    assert not {"HARVESTER_DATABASE_URL", "HARVESTER_SESSION"} & dotenv_values(tmp_path / ".env").keys()
    told = [warning.split()[0] for warning in first.warnings if "not copied" in warning]
    secrets = ["HARVESTER_DATABASE_URL", "HARVESTER_SESSION"]
    assert told == (secrets[kind is DeploymentKind.COMPOSE :] if has_settings else [])  # containers have a database
    assert set(deploy(kind, place(tmp_path), settings).files.values()) <= {"unchanged", "kept"}

    mine, *others = sorted(path for path in first.files if path.name != ".env")
    mine.write_text("mine")
    for other in others:
        other.unlink()
    with pytest.raises(UsageError, match=re.escape(mine.name)):
        deploy(kind, place(tmp_path), settings)
    assert not any(other.exists() for other in others), "nothing is written"
    if has_settings:
        (tmp_path / ".env").write_text("HARVESTER_DATABASE_URL=postgresql:///mine\n")
    forced = deploy(kind, place(tmp_path), settings, force=True)
    assert mine.read_text() != "mine"
    assert forced.files.get(tmp_path / ".env") == ("kept" if has_settings else None)
    assert not has_settings or "mine" in (tmp_path / ".env").read_text()


def test_a_settings_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    make(DeploymentKind.CRON, tmp_path, backups)
    (tmp_path / ".env").chmod(0o644)
    (warning,) = deploy(DeploymentKind.CRON, place(tmp_path, backups=backups), load()).warnings
    assert "can be read by others" in warning


def test_a_program_that_will_not_stay_is_told(tmp_path: Path) -> None:
    """`uvx scratch-harvester deploy` runs from a cache."""
    cached = tmp_path / "uv" / "archive-v0" / "x" / "bin" / "harvester"
    assert any(
        "uv tool install" in warning
        for warning in deploy(DeploymentKind.CRON, place(tmp_path, cached), load()).warnings
    )
    assert not deploy(DeploymentKind.CRON, place(tmp_path, backups=tmp_path), load(), force=True).warnings


@pytest.mark.parametrize("kind", list(DeploymentKind))
def test_backups_are_scheduled_or_said_to_be_missing(kind: DeploymentKind, tmp_path: Path) -> None:
    with_jobs = kind in (DeploymentKind.SYSTEMD, DeploymentKind.CRON, DeploymentKind.COMPOSE)
    warnings = deploy(kind, place(tmp_path), load()).warnings
    assert any("no job makes backups" in warning for warning in warnings) is with_jobs
    if with_jobs:
        made = deploy(kind, place(tmp_path, backups=tmp_path / "new"), load(), force=True)
        assert not any("backups" in warning for warning in made.warnings)
        assert sum(f" {tmp_path}/new" in step and "install -d -m 700" in step for step in made.steps) == 1
    else:
        with pytest.raises(UsageError, match="schedules no backups"):
            deploy(kind, place(tmp_path, backups=tmp_path), load())


@hypothesis.settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8")) | st.text("ab '\"$\\#= {}%\n"))
def test_a_value_is_read_as_it_was_set(value: str) -> None:
    from io import StringIO

    text = setting_value(value)
    if text is None:
        assert not value.isprintable() or re.search(r"['\\$]", value)
    else:
        assert dotenv_values(stream=StringIO(f"A={text}\nB=1\n")) == {"A": value, "B": "1"}
        assert shlex.split(f"A={text}") == [f"A={value}"]


def test_a_path_that_no_file_can_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not printable"):
        place(tmp_path / "a\nb")


def test_the_command_tells_what_is_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["deploy", "cron", "here"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"  crontab {tmp_path}/here/crontab"
    made = json.loads(CliRunner().invoke(app, ["deploy", "cron", "here", "--json"]).stdout)
    assert {one["outcome"] for one in made["files"]} == {"unchanged", "kept"}
