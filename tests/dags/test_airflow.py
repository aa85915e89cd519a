"""The DAGs that `harvester deploy` writes: parsed by Airflow, and run by `airflow dags test` against a sandbox."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import forked
import pytest
from psycopg.conninfo import conninfo_to_dict

from harvester.choices import DeploymentKind
from harvester.config import load
from harvester.deploy.files import Place, deploy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("harvest_hourly", "audit_nightly", "analytics_nightly", "release_monthly", "maintain_weekly")
PASSWORD = "correct horse/battery"  # the embedded server does not ask for one: it is there to be looked for

PREPARE = """
import json, sys
from pathlib import Path
from airflow.__main__ import main
folder = sys.argv[1]
sys.argv = ["airflow", "db", "migrate"]
main()
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="dags-folder", safe_mode=False)
print(json.dumps({
    "errors": bag.import_errors,
    "tasks": {name: {
        task.task_id: {
            "timeout": bool(task.execution_timeout) or task.retries == 0, "retries": task.retries,
            "backoff": bool(task.retry_exponential_backoff),
        } for task in dag.tasks
    } for name, dag in bag.dags.items()},
    "assets": {
        name: sorted(asset.name for task in dag.tasks for asset in task.outlets) for name, dag in bag.dags.items()
    },
    "schedules": {
        name: dag.schedule if isinstance(dag.schedule, str) else [asset.name for asset in dag.schedule]
        for name, dag in bag.dags.items()
    },
}))
"""
RUN = """
import sys
from airflow.__main__ import main
from harvester import processes
processes.COMMAND = (sys.argv[1],)
for name in sys.argv[2:]:
    sys.argv = ["airflow", "dags", "test", name]
    try:
        main()
    except SystemExit as end:
        if end.code:
            print(f"{name} ended with {end.code}")
    print(f"== {name}")
"""


@dataclass
class Airflow:
    """An installation of Airflow of the test's own, and what it parsed of the DAGs."""

    home: Path
    environment: dict[str, str]
    parsed: dict[str, Any] = field(default_factory=dict)

    def python(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            cwd=self.home,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.home / "airflow.db") as connection:
            rows = connection.execute(query).fetchall()
        connection.close()
        return rows


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    deploy(DeploymentKind.AIRFLOW, Place.here(DeploymentKind.AIRFLOW, dags, load()), load())
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "AIRFLOW_"))}
    one = Airflow(
        home,
        clean
        | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        },
    )
    prepared = one.python(PREPARE, str(dags))
    assert prepared.returncode == 0, prepared.stderr[-2000:]
    one.parsed = json.loads(prepared.stdout.splitlines()[-1])
    return one


@pytest.mark.usefixtures("processes")
def test_parsed_without_errors(airflow: Airflow) -> None:
    found = airflow.parsed
    assert found["errors"] == {}
    assert set(found["tasks"]) == set(NAMES)
    for tasks in found["tasks"].values():
        for task in tasks.values():
            assert task["timeout"]
            assert task["retries"] in (0, 3)
            assert task["backoff"]
    assert found["assets"]["audit_nightly"] == ["scratch_audited"]
    assert found["schedules"]["analytics_nightly"] == found["assets"]["audit_nightly"]
    assert found["schedules"]["harvest_hourly"] == "0 * * * *"


@pytest.mark.parametrize("names", [NAMES[:1], pytest.param(NAMES, marks=pytest.mark.soak)], ids=["the crawl", "all"])
def test_each_dag_runs_against_a_sandbox(
    names: tuple[str, ...],
    airflow: Airflow,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    tmp_path: Path,
) -> None:
    sandbox = start_sandbox(users=9, seed=3)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    given = conninfo_to_dict(harvester.database)
    connection = {
        "conn_type": "generic",
        "login": given["user"],
        "password": PASSWORD,
        "schema": given["dbname"],
        "extra": {"host": given["host"]},
    }
    variable = {
        "api_url": sandbox.url,
        "site_url": sandbox.url,
        "rate": 0,
        "home": str(tmp_path),
        "workers": 2,
        "minutes": 5,
        "audit_minutes": 5,
        "datasets": str(tmp_path / "datasets"),
    }
    airflow.environment |= {
        "AIRFLOW_CONN_HARVESTER_WAREHOUSE": json.dumps(connection),
        "AIRFLOW_VAR_HARVESTER": json.dumps(variable),
    }
    result = airflow.python(RUN, str(forked.program()), *names)
    said = result.stdout + result.stderr
    rows = airflow.rows("SELECT dag_id, task_id, map_index, state FROM task_instance ORDER BY 1, 2, 3")
    states = [row for row in rows if row[0] in names]
    assert {state for *_, state in states} == {"success"}, (states, said[-4000:])
    assert {name for name, *_ in states} == set(names)
    assert {index for name, task, index, _ in states if (name, task) == ("harvest_hourly", "crawl")} == {0, 1}
    assert result.returncode == 0, said[-2000:]
    assert assert_truth(harvester, sandbox)["projects"] > 10
    runs = harvester.query("SELECT command, outcome FROM crawl.runs WHERE command LIKE 'crawl%' ORDER BY id")
    audit = [("crawl --share audit", "done")] if names == NAMES else []
    assert runs == [("crawl", "done"), ("crawl", "done"), *audit]
    if names == NAMES:
        # What the DAGs made is there: figures, and a release that is whole.
        assert harvester.query("SELECT count(*) > 0 FROM analytics.refreshes") == [(True,)]
        (release,) = (tmp_path / "datasets").iterdir()
        assert (release / "manifest.json").exists()
    # Neither what was printed, nor Airflow's database with its templates and results, nor a log holds the secret.
    kept = [path.read_bytes() for path in airflow.home.rglob("*") if path.is_file()]
    assert len(kept) > 1
    for secret in (PASSWORD, PASSWORD.replace("/", "%2F"), "correct%20horse"):
        assert secret not in said
        assert not any(secret.encode() in content for content in kept)
