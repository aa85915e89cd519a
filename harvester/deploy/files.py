"""`harvester deploy`: files that schedule an installation and watch it, made for the machine that it is installed on.

They have absolute paths of programs and folders, since cron and systemd have another `PATH` than a shell. Settings are
in `.env`, which is made once, with mode 0600, and belongs to the operator afterwards; no secret is written.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import stat
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from pydantic import SecretStr

import harvester
from harvester import __version__
from harvester.choices import DeploymentKind
from harvester.deploy.jobs import JOBS, METRICS_PORT, Job, backup_job
from harvester.deploy.quoting import cron_word, setting_value, unit_path, unit_word
from harvester.errors import UsageError
from harvester.warehouse.embedded import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.config import Settings

SETTINGS_FILE = ".env"
SYSTEM_HOME = Path("/var/lib") / ACCOUNT
"""HARVESTER_HOME of root's units where none is set: root's own folders are closed to the account that they run as."""
_PASSWORDS = {"POSTGRES_PASSWORD": "of the role harvester", "GRAFANA_PASSWORD": "of Grafana's user admin"}
_OF_CONTAINERS = {"home", "database_url", "archive", "sources_dir"}
"""Settings that the compose file makes, or that name a folder of another machine."""
_WITH_JOBS = (DeploymentKind.SYSTEMD, DeploymentKind.CRON, DeploymentKind.COMPOSE)
BACKUPS_IN_CONTAINER = Path("/backups")
_WITHOUT_SETTINGS = (DeploymentKind.AIRFLOW, DeploymentKind.MONITORING)
_CACHES_OF_UV = ("archive-v", "environments-v")
_MONITORING = ("prometheus.yml", "alerts.yml", "dashboard.json")


@dataclass(frozen=True, slots=True)
class Place:
    """The folders, the program and the user of an installation.

    Attributes:
        folder: where the files go, and stay.
        home: HARVESTER_HOME of the scheduled commands.
        program: the command `harvester`.
        account: the user that systemd runs it as.
        backups: where a job puts backups; None: there is no such job.
    """

    folder: Path
    home: Path
    program: Path
    account: str
    backups: Path | None = None

    def __post_init__(self) -> None:
        for path in (self.folder, self.home, self.program, self.backups):
            if path is not None and not str(path).isprintable():
                raise UsageError(f"no file can name the path {str(path)!r}: it holds characters that are not printable")

    @classmethod
    def here(cls, kind: DeploymentKind, folder: Path, settings: Settings, backups: Path | None = None) -> Place:
        """Return the place of this installation, for the user who runs this command; root's units have an account."""
        is_system = os.geteuid() == 0 and kind is DeploymentKind.SYSTEMD
        home = SYSTEM_HOME if is_system and "home" not in settings.model_fields_set else settings.home
        account = ACCOUNT if is_system else _user()
        if backups is not None:
            backups = backups.expanduser().absolute()
        return cls(folder.expanduser().absolute(), home, installed_program(), account, backups)

    def jobs(self, *, in_container: bool = False) -> tuple[Job, ...]:
        """Return the scheduled jobs; a container has the backups at a path of its own."""
        if self.backups is None:
            return JOBS
        return (*JOBS, backup_job(BACKUPS_IN_CONTAINER if in_container else self.backups))


@dataclass(frozen=True, slots=True)
class Deployed:
    """The files of a deployment with their outcomes, and the steps that are left to do by hand."""

    files: dict[Path, str]
    """By path: `written`, `unchanged` or `kept`."""
    steps: list[str]
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        files = [{"file": str(path), "outcome": outcome} for path, outcome in self.files.items()]
        return {"files": files, "steps": self.steps, "warnings": self.warnings}


def installed_program() -> Path:
    """Return the absolute path of the command `harvester` that was installed with this package.

    Raises:
        UsageError: the package was not installed with its commands.
    """
    recorded = [file.locate() for file in metadata.distribution("scratch-harvester").files or ()]
    for file in (*recorded, Path(sysconfig.get_path("scripts"), "harvester")):
        path = Path(os.path.normpath(file))
        if path.name == "harvester" and path.is_file() and os.access(path, os.X_OK):
            return path
    raise UsageError("the command `harvester` is not installed: see `pip install scratch-harvester`")


def deploy(kind: DeploymentKind, place: Place, settings: Settings, *, force: bool = False) -> Deployed:
    """Write the files of a kind of deployment into the folder of a place, which is made.

    Raises:
        UsageError: files that differ are there already, and `force` is false, or backups are asked of a kind that
            schedules none: nothing is written then.
    """
    if place.backups is not None and kind not in _WITH_JOBS:
        raise UsageError(f"--backups is for {', '.join(_WITH_JOBS)}: {kind} schedules no backups")
    made = render(kind, place, settings)
    path = place.folder / SETTINGS_FILE
    needs_settings = kind not in _WITHOUT_SETTINGS
    try:
        outcomes = {place.folder / name: _outcome(place.folder / name, text) for name, text in made.items()}
        if differing := [file.name for file, outcome in outcomes.items() if outcome == "differs"]:
            if not force:
                raise UsageError(
                    f"{place.folder} holds other files already: {', '.join(differing)};"
                    " --force replaces them, another folder keeps them"
                )
            outcomes |= {file: "written" for file, outcome in outcomes.items() if outcome == "differs"}
        place.folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            if outcomes[place.folder / name] == "written":
                _write(place.folder / name, text)
        if needs_settings:
            outcomes[path] = _write_settings(path, settings_file(kind, place, settings))
    except OSError as error:
        raise UsageError(f"{error.filename or place.folder} cannot be written: {error.strerror}") from None
    return Deployed(outcomes, _steps(kind, place, path), _warnings(kind, place, settings, path))


def render(kind: DeploymentKind, place: Place, settings: Settings) -> dict[str, str]:
    """Return the files of a kind of deployment by name, without `.env`."""
    embedded = settings.database_url is None
    # The socket of the embedded server is in /tmp if the path of its home is long.
    writable = [
        place.home,
        *filter(None, [settings.archive, settings.sources_dir, place.backups]),
        *([Path("/tmp")] if embedded else []),  # noqa: S108
    ]
    jobs = place.jobs(in_container=kind is DeploymentKind.COMPOSE)
    values = {
        "folder": place.folder,
        "home": place.home,
        "program": place.program,
        "account": place.account,
        "writable": [str(path) for path in writable],
        "embedded": embedded,
        "jobs": jobs,
        "backups": place.backups,
        "backups_in_container": BACKUPS_IN_CONTAINER,
        "metrics_port": METRICS_PORT,
        "version": __version__,
    }

    def made(template: str, **more: Any) -> str:
        return _templates().get_template(template).render(**values, **more)

    def monitoring(exporter: str) -> dict[str, str]:
        return {
            name: _monitoring_file(name) or made(f"monitoring/{name}.jinja", exporter=exporter) for name in _MONITORING
        }

    match kind:
        case DeploymentKind.SYSTEMD:
            units = {f"{ACCOUNT}-db.service": made("systemd/db.jinja")} if embedded else {}
            units[f"{ACCOUNT}-metrics.service"] = made("systemd/metrics.jinja")
            for job in jobs:
                units[f"{ACCOUNT}-{job.name}.service"] = made("systemd/service.jinja", job=job)
                units[f"{ACCOUNT}-{job.name}.timer"] = made("systemd/timer.jinja", job=job)
            return units
        case DeploymentKind.CRON:
            return {"crontab": made("cron/crontab.jinja")}
        case DeploymentKind.AIRFLOW:
            return {file.name: file.read_text("utf-8") for file in sorted(dags_folder().glob("*.py"))}
        case DeploymentKind.SCRAPYD:
            return {name: made(f"scrapyd/{name}.jinja") for name in ("scrapy.cfg", "setup.py")}
        case DeploymentKind.COMPOSE:
            names = ("Containerfile", "compose.yaml", "every", "grafana-datasources.yml", "grafana-dashboards.yml")
            files = {name: made(f"compose/{name}.jinja") for name in names}
            return files | monitoring(f"exporter:{METRICS_PORT}")
        case DeploymentKind.MONITORING:
            return monitoring(f"127.0.0.1:{METRICS_PORT}")


def dags_folder() -> Path:
    """Return the folder of the DAGs: packaged, else beside the package in a checkout."""
    package = Path(harvester.__file__).parent
    packaged = package / "_dags"
    return packaged if packaged.is_dir() else package.parent / "dags"


def settings_file(kind: DeploymentKind, place: Place, settings: Settings) -> str:
    """Return the text of `.env`: all settings with their meaning, and the values that are set now but for secrets."""
    in_container = kind is DeploymentKind.COMPOSE
    lines = ["# Settings of the scheduled commands. This file may hold passwords: keep its mode at 0600."]
    if in_container:
        lines += [part for name, whose in _PASSWORDS.items() for part in (f"# password {whose}", f"{name}=")]
    for name, field in type(settings).model_fields.items():
        if in_container and name in _OF_CONTAINERS:
            continue
        value = place.home if name == "home" else getattr(settings, name)
        is_set = name == "home" or (name in settings.model_fields_set and value is not None)
        text = None if isinstance(value, SecretStr) or not is_set else setting_value(_as_text(value))
        variable = f"HARVESTER_{name.upper()}"
        lines += [f"# {field.description}", f"#{variable}=" if text is None else f"{variable}={text}"]
    return "\n".join(lines) + "\n"


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _outcome(path: Path, text: str) -> str:
    try:
        return "unchanged" if path.read_bytes() == text.encode() else "differs"
    except FileNotFoundError:
        return "written"


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with new.open("x", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _write_settings(path: Path, text: str) -> str:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return "kept"
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return "written"


def _steps(kind: DeploymentKind, place: Place, path: Path) -> list[str]:
    """Return the steps that are left to do, as commands or sentences."""
    folder = shlex.quote(str(place.folder))
    match kind:
        case DeploymentKind.SYSTEMD:
            steps = []
            if not _has_account(place.account):
                steps.append(f"useradd --system --home-dir {shlex.quote(str(place.home))} {place.account}")
            if not place.home.exists():
                steps.append(f"install -d -m 700 -o {place.account} {shlex.quote(str(place.home))}")
            steps += _folder_of_backups(place, place.account)
            timers = " ".join(f"{ACCOUNT}-{job.name}.timer" for job in place.jobs())
            links = f"systemctl link {folder}/{ACCOUNT}-*"
            return [*steps, links, f"systemctl enable --now {ACCOUNT}-metrics.service {timers}"]
        case DeploymentKind.CRON:
            return [*_folder_of_backups(place), f"crontab {folder}/crontab"]
        case DeploymentKind.AIRFLOW:
            return [f"export AIRFLOW__CORE__DAGS_FOLDER={folder}"]
        case DeploymentKind.SCRAPYD:
            return [f"cd {folder} && scrapyd &", f"cd {folder} && scrapyd-deploy"]
        case DeploymentKind.COMPOSE:
            return [
                f"fill in {path}",
                *_folder_of_backups(place, "1000"),
                f"cd {folder} && docker compose up --build --detach",
            ]
        case DeploymentKind.MONITORING:
            return [
                f"prometheus --config.file={folder}/prometheus.yml",
                f"import {place.folder}/dashboard.json into Grafana",
            ]


def _folder_of_backups(place: Place, owner: str | None = None) -> list[str]:
    """Return the step that makes the folder of backups, for the account that writes them."""
    if place.backups is None or place.backups.exists():
        return []
    whose = f" -o {owner}" if owner else ""
    return [f"install -d -m 700{whose} {shlex.quote(str(place.backups))}"]


def _warnings(kind: DeploymentKind, place: Place, settings: Settings, path: Path) -> list[str]:
    found = []
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found.append(f"{path} can be read by others: chmod 600 it before it holds a password")
    if kind in _WITH_JOBS and place.backups is None:
        found.append("no job makes backups: name a folder on another disk, --backups DIR")
    if kind in _WITHOUT_SETTINGS:
        return found
    names = settings.model_fields_set - (_OF_CONTAINERS if kind is DeploymentKind.COMPOSE else set())
    found += [
        f"HARVESTER_{name.upper()} is secret and was not copied: write it into {path}"
        for name in sorted(names)
        if isinstance(getattr(settings, name), SecretStr)
    ]
    if kind is DeploymentKind.COMPOSE:
        return found
    if any(part.startswith(_CACHES_OF_UV) for part in place.program.parts):
        found.append(f"{place.program} is in a cache that uv may clear: `uv tool install scratch-harvester` stays")
    is_other = kind is DeploymentKind.SYSTEMD and place.account != _user()
    if is_other and (closed := _closed((place.program, Path(sys.executable)))):
        found.append(
            f"{place.account} cannot pass {closed}: install the harvester where every account can run it, as in /opt"
        )
    return found


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a user without a name, as containers have
        return str(os.geteuid())


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _closed(programs: Iterable[Path]) -> Path | None:
    """Return the first folder above programs that others may not pass."""
    above = (folder for program in programs for path in (program, program.resolve()) for folder in path.parents)
    return next((folder for folder in above if not folder.stat().st_mode & stat.S_IXOTH), None)


# Templates -----------------------------------------------------------------------------------------------------------


def _folder() -> Path:
    return Path(__file__).parent / "templates"


def _monitoring_file(name: str) -> str | None:
    path = _folder() / "monitoring" / name
    return path.read_text("utf-8") if path.exists() else None


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701  (no HTML: unit files, YAML and lines for a shell)
        loader=jinja2.FileSystemLoader(_folder()),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"unit_word": unit_word, "unit_path": unit_path, "cron_word": cron_word}
    return environment
