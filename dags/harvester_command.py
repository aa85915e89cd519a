"""Commands of `harvester` for all DAGs here: each is a process of its own, with its settings from Airflow.

The settings are the Airflow connection `harvester_warehouse` (the database) and the Airflow variable `harvester`, a
JSON object. They reach the process by its environment: no secret is an argument, a parameter or a template, and none
is in what is logged here. See docs/scheduling.md.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow.sdk import Connection, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

from harvester.config import Settings
from harvester.processes import start_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONNECTION = "harvester_warehouse"
VARIABLE = "harvester"

DEFAULTS: dict[str, Any] = {
    "owner": "harvester",
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
}
"""Arguments of all tasks: a task whose failure may be temporary is tried again after 1, 2 and 4 minutes."""

OPTIONS: dict[str, Any] = {"workers": 2, "minutes": 50, "audit_minutes": 120, "keep_days": 90, "datasets": None}
"""Options of the DAGs that the variable may hold, with their defaults; its other keys are settings of the harvester."""
SECRET = ("database_url", "session")
"""Settings that may stand in no variable: Airflow shows those to everybody who may see its pages."""

USAGE, DEGRADED, INTERRUPTED = 2, 3, 130
"""Exit statuses of `harvester`."""
GRACE_SECONDS = 60
"""Seconds that a command has after SIGTERM to finish its requests in flight."""

log = logging.getLogger("airflow.task")


def harvester(*arguments: str) -> Any:
    """Run a command with `--json` under the settings from Airflow, and return what it prints.

    A degraded crawl counts as done: what it read is stored, and reading it again would not mend it. Its findings are
    logged as warnings and are in the result.

    Raises:
        AirflowFailException: the arguments or the settings are wrong: no retry helps.
        AirflowException: it failed otherwise, or was stopped.
    """
    return run([*arguments, "--json"], environment())


def tell(crawls: Iterable[dict[str, Any]]) -> None:
    """Fail if a crawl was degraded, so that Airflow alerts somebody.

    Raises:
        AirflowFailException: with the findings.
    """
    if found := sorted({finding for crawl in crawls for finding in crawl["findings"]}):
        raise AirflowFailException(f"degraded, nothing is lost: {'; '.join(found)}")


def folder_of(release: str) -> tuple[Path, list[Path]]:
    """Return the folder of a release, and the folders of earlier ones beside it.

    Raises:
        AirflowFailException: the variable has no `datasets`.
    """
    if not (datasets := option("datasets")):
        raise AirflowFailException(f"say where datasets go: `datasets` in the Airflow variable {VARIABLE!r}")
    folder = Path(datasets) / release
    return folder, sorted(other for other in folder.parent.glob("????.??.*") if other.name < release)


def option(name: str) -> Any:
    """Return one of `OPTIONS`: from the variable, else its default."""
    return _variable().get(name, OPTIONS[name])


def environment() -> dict[str, str]:
    """Return the environment of a command: that of the worker without Airflow's own, and the settings from Airflow.

    Raises:
        AirflowFailException: the variable names an unknown setting, or no database is configured.
    """
    own = ("AIRFLOW_", "_AIRFLOW_", "__AIRFLOW_")
    found = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    found |= settings(_variable())
    try:
        found["HARVESTER_DATABASE_URL"] = database_url(Connection.get(CONNECTION))
    except AirflowNotFoundException:
        # An embedded database that nobody chose would be another one on each machine.
        if not (found.get("HARVESTER_DATABASE_URL") or found.get("HARVESTER_HOME")):
            raise AirflowFailException(
                f"no warehouse is named: make the Airflow connection {CONNECTION!r}, or set HARVESTER_HOME for an"
                " embedded database on this machine"
            ) from None
    return found


def _variable() -> dict[str, Any]:
    found: dict[str, Any] = Variable.get(VARIABLE, default={}, deserialize_json=True)
    return found


def settings(variable: dict[str, Any]) -> dict[str, str]:
    """Return the settings of the variable as environment variables.

    Raises:
        AirflowFailException: it names what is no setting, or one that is secret.
    """
    known = set(Settings.model_fields) - set(SECRET)
    if wrong := sorted(variable.keys() - known - OPTIONS.keys()):
        may = ", ".join(sorted(known | OPTIONS.keys()))
        raise AirflowFailException(f"the Airflow variable {VARIABLE!r} may not say {wrong[0]!r}: it may say {may}")
    return {
        f"HARVESTER_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in variable.items()
        if name in known
    }


def database_url(connection: Any) -> str:
    """Return the libpq URL of an Airflow connection; its extras are parameters of libpq, such as sslmode."""
    login = quote(connection.login or "", safe="")
    if connection.password:
        login += ":" + quote(connection.password, safe="")
    place = quote(connection.host or "", safe="[]:,") + (f":{connection.port}" if connection.port else "")
    extras = {name: str(value) for name, value in connection.extra_dejson.items()}
    url = f"postgresql://{login}{'@' if login else ''}{place}/{quote(connection.schema or '', safe='')}"
    return url + (f"?{urlencode(extras, quote_via=quote)}" if extras else "")


def run(arguments: list[str], variables: dict[str, str]) -> Any:
    """Run `harvester` with these arguments in an environment, and return the JSON that it prints.

    Whatever ends this process in order (a signal, a timeout) ends the command in order too: it finishes what is in
    flight. So does the death of this process. The command is in a session of its own, so that one signal reaches it
    once.

    Raises:
        AirflowException: it failed, or was stopped.
    """
    log.info("harvester %s", " ".join(arguments))
    process = start_command(
        arguments, variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    said: deque[str] = deque(maxlen=1)
    reader = threading.Thread(target=_follow, args=(process, said), daemon=True)
    reader.start()
    try:
        with _passed_on(process):
            output = process.stdout.read() if process.stdout else ""
            status = process.wait()
    except BaseException:  # a timeout of the task, say
        _stop(process)
        raise
    finally:
        reader.join(GRACE_SECONDS)
        if process.stdin:
            process.stdin.close()
    return judge(status, output, said)


def judge(status: int, output: str, said: deque[str]) -> Any:
    """Return what a command printed, if its exit status is a good one.

    Raises:
        AirflowException: it is not; with the last line that the command said.
    """
    if status not in (0, DEGRADED):
        why = said[-1] if said else "it said nothing"
        stopped = status < 0 or status == INTERRUPTED
        what = f"was stopped ({status}): nothing is lost" if stopped else f"failed ({status}): {why}"
        raise (AirflowFailException if status == USAGE else AirflowException)(f"harvester {what}")
    facts = json.loads(output)
    for finding in facts.get("findings", []) if isinstance(facts, dict) else []:
        log.warning("degraded: %s", finding)
    log.info("%s", json.dumps(facts))
    return facts


def _follow(process: subprocess.Popen[str], said: deque[str]) -> None:
    for line in process.stderr or ():
        if text := line.strip():
            said.append(text)
            log.info("%s", text)


@contextmanager
def _passed_on(process: subprocess.Popen[str]) -> Iterator[None]:
    """Forward SIGTERM to the command while it runs; the command decides how to end."""
    before = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
