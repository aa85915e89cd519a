"""The hourly harvest under the CeleryExecutor: Redis, two workers, one of them killed in mid-task with all it runs."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAGS = Path(__file__).parent.parent.parent / "dags"
REDIS = shutil.which("redis-server")
PATIENCE = 600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until(what: str, ready: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return found


@dataclass
class Cluster:
    """Airflow's processes and Redis, each with a log of its own."""

    home: Path
    database: str
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> None:
        with (self.home / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                start_new_session=True,
            )

    def airflow(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()

    def crawls(self) -> list[tuple[str, str, int]]:
        """State, host and number of tries of each mapped crawl of the first run."""
        return self.rows(
            "SELECT coalesce(t.state, ''), t.hostname, t.try_number FROM task_instance t"
            " JOIN (SELECT run_id FROM dag_run WHERE dag_id = 'harvest_hourly' ORDER BY id LIMIT 1) r USING (run_id)"
            " WHERE t.dag_id = 'harvest_hourly' AND t.task_id = 'crawl' AND t.map_index >= 0 ORDER BY t.map_index"
        )

    def outcome(self) -> str:
        """How the first run ended; empty while it has not."""
        rows = self.rows("SELECT state FROM dag_run WHERE dag_id = 'harvest_hourly' ORDER BY id LIMIT 1")
        return str(rows[0][0]) if rows and rows[0][0] in ("success", "failed") else ""

    def kill(self, name: str) -> None:
        """As if its machine had gone: with all that it runs, at once."""
        kill_tree(self.running.pop(name))

    def tail(self) -> str:
        logs = sorted(self.home.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def kill_tree(top: subprocess.Popen[bytes]) -> None:
    family = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(top.pid).children(recursive=True)
    top.kill()
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    top.wait(timeout=30)
    psutil.wait_procs(family, timeout=30)


@pytest.fixture
def cluster(postgres_server: Any, tmp_path: Path) -> Iterator[Cluster]:
    if REDIS is None:
        pytest.fail("this test needs redis-server")
    url = postgres_server.create()
    sqlalchemy = url.replace("postgresql://", "postgresql+psycopg://", 1)
    redis, api = free_port(), free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "AIRFLOW_"))}
    settings = {
        "CORE__DAGS_FOLDER": str(DAGS),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": sqlalchemy,
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": sqlalchemy,
        "CELERY__BROKER_URL": f"redis://127.0.0.1:{redis}/0",
        "CELERY__RESULT_BACKEND": f"redis://127.0.0.1:{redis}/1",
        "CELERY__WORKER_CONCURRENCY": "1",
        "CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "API__SECRET_KEY": secrets.token_hex(32),
        "API__PORT": str(api),
        "LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",  # default 300 s
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    }
    environment = clean | {"AIRFLOW_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {f"AIRFLOW__{name}": value for name, value in settings.items()}
    one = Cluster(tmp_path, url, environment)
    try:
        one.start("redis", REDIS, "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        one.airflow("db", "migrate")
        one.start(
            "api",
            sys.executable,
            "-m",
            "airflow",
            "api-server",
            "--host",
            "127.0.0.1",
            "--port",
            str(api),
            "--workers",
            "1",
        )
        yield one
    finally:
        for process in one.running.values():
            kill_tree(process)
        postgres_server.drop(url)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.soak
def test_a_worker_that_is_killed_in_mid_task_loses_nothing(
    cluster: Cluster,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
) -> None:
    sandbox = start_sandbox(users=60, seed=5)
    harvester = make_harvester(sandbox, HARVESTER_RATE="25")
    harvester.seed_all(sandbox)
    given = conninfo_to_dict(harvester.database)
    connection = {
        "harvester_warehouse": {
            "conn_type": "generic", "login": given["user"], "schema": given["dbname"], "extra": {"host": given["host"]},
        }
    }  # fmt: skip
    variable = {"api_url": sandbox.url, "site_url": sandbox.url, "rate": 25, "workers": 2, "home": str(cluster.home)}
    # In Airflow's own database, as an operator would have them; by files, so that no secret is an argument.
    for kind, content in (("connections", connection), ("variables", {"harvester": variable})):
        file = cluster.home / f"{kind}.json"
        file.write_text(json.dumps(content))
        cluster.airflow(kind, "import", str(file))
    until(
        "the API server answers",
        lambda: answers(cluster.environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] + "health"),
    )
    python = (sys.executable, "-m", "airflow")
    cluster.start("dag-processor", *python, "dag-processor")
    cluster.start("scheduler", *python, "scheduler")
    for name in ("one", "two"):
        cluster.start(
            f"worker-{name}", *python, "celery", "worker", "--celery-hostname", f"{name}@%h", "--skip-serve-logs"
        )
    try:
        until("the DAG is known", lambda: cluster.rows("SELECT FROM dag WHERE dag_id = 'harvest_hourly'"))
        cluster.airflow("dags", "unpause", "harvest_hourly")
        until("both crawls run", lambda: [state for state, *_ in cluster.crawls()] == ["running"] * 2)
        working = "SELECT id FROM crawl.runs WHERE command = 'crawl' AND ended_at IS NULL AND requests > 50"
        until("both have done a part", lambda: len(harvester.query(working)) == 2)
        cluster.kill("worker-one")
        until("the run ends", cluster.outcome)
    except AssertionError as error:
        pytest.fail(f"{error}: {cluster.crawls()}\n{cluster.tail()}")
    assert cluster.outcome() == "success", cluster.tail()
    tries = Counter(number for _, _, number in cluster.crawls())
    assert tries == {1: 1, 2: 1}  # the one that was killed was tried again, the other was not
    outcomes = Counter(row[0] for row in harvester.query("SELECT outcome FROM crawl.runs WHERE command = 'crawl'"))
    assert outcomes["killed"] == 1
    assert outcomes["done"] >= 2
    assert assert_truth(harvester, sandbox)["projects"] > 50
