"""The page "connect.md": each client that comes from a registry runs the page's own lines.

Python's clients run in the suite, over the socket. The soak starts a server as the page says, and runs all of them over
TCP, SQLAlchemy 2.0, R and PostgreSQL's JDBC driver (that of DBeaver and Metabase) too.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from tools import uv

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "connect.md").read_text()
PYTHON = ("psycopg", "SQLAlchemy", "pandas", "Polars", "DuckDB")
OLDER = "sqlalchemy>=2.0,<2.1"
JAR = Path("/usr/share/java/postgresql.jar")
R_CLIENT = Path("/usr/lib/R/site-library/RPostgreSQL")
JAVA = """
class Connect {
    public static void main(String[] arguments) throws Exception {
        try (var warehouse = java.sql.DriverManager.getConnection(arguments[0], null, arguments[1]);
             var rows = warehouse.createStatement().executeQuery("SELECT count(*) FROM scratch.users")) {
            rows.next();
            System.out.println(rows.getInt(1));
        }
    }
}
"""


def snippet(title: str, language: str) -> str:
    """The lines below a heading of the page."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{title}\n"))
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(found)


def test_clients_of_python_read_over_the_socket(
    harvest: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAREHOUSE", harvest.harvester.database)
    said = {}
    for client in PYTHON:
        exec(compile(snippet(client, "python"), client, "exec"), {})
        said[client] = capsys.readouterr().out.splitlines()
        assert len(said[client]) > 3, client
    projects = harvest.harvester.query("SELECT id, title FROM scratch.present_projects WHERE views >= 10")
    assert sorted(said["psycopg"]) == sorted(f"{project} {title}" for project, title in projects)
    countries = harvest.harvester.query("SELECT country, count(*) FROM scratch.present_users GROUP BY 1")
    assert sorted(said["SQLAlchemy"]) == sorted(f"{country} {users}" for country, users in countries)


def test_every_client_is_run_or_has_no_lines() -> None:
    assert len(re.findall(r"^```python", PAGE, re.MULTILINE)) == len(PYTHON)
    assert set(re.findall(r"^```(\w+)", PAGE, re.MULTILINE)) == {"sh", "python", "r", "yaml"}


@pytest.fixture
def listening(own_home: Path) -> dict[str, str]:
    """The environment of clients of a server that listens, started by the page's own lines; 3 users are in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    (lines, *_) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
    environment = clean | {"HARVESTER_HOME": str(own_home), "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}"}
    said = output(["bash", "-ec", lines.replace("5433", port)], environment).splitlines()
    (url,) = re.findall(r"postgresql://reader@\S+", said[-2])
    with psycopg.connect(output(["harvester", "db", "url"], environment).strip()) as connection:
        connection.execute(
            "INSERT INTO scratch.users (id, username, country, joined_at) SELECT n, 'user' || n, 'Chile', now()"
            " FROM generate_series(1, 3) n"
        )
    return environment | {"WAREHOUSE": url, "READER_PASSWORD": said[-1], "READER_PORT": port}


def output(command: list[str], environment: dict[str, str]) -> str:
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.mark.soak
def test_every_client_reads_over_tcp(listening: dict[str, str], tmp_path: Path) -> None:
    for client in PYTHON:
        output([sys.executable, "-W", "error", "-c", snippet(client, "python")], listening)

    # SQLAlchemy 2.0 from the registry, before the installed one.
    subprocess.run([uv(), "pip", "install", "--quiet", "--target", tmp_path, OLDER], check=True)
    older = listening | {"PYTHONPATH": str(tmp_path)}
    version = "import sqlalchemy; assert sqlalchemy.__version__.startswith('2.0.')\n"
    for client in ("SQLAlchemy", "pandas"):
        output([sys.executable, "-c", version + snippet(client, "python")], older)

    grafana = yaml.safe_load(snippet("Grafana", "yaml").replace("5433", listening["READER_PORT"]))["datasources"][0]
    assert grafana["secureJsonData"] == {"password": "$READER_PASSWORD"}
    host, port = grafana["url"].split(":")
    given = {
        "user": grafana["user"],
        "dbname": grafana["jsonData"]["database"],
        "password": listening["READER_PASSWORD"],
    }
    psycopg.connect(host=host, port=port, sslmode=grafana["jsonData"]["sslmode"], **given).close()


@pytest.mark.soak
@pytest.mark.skipif(not (R_CLIENT.exists() and shutil.which("Rscript")), reason="no client of R: r-cran-rpostgresql")
def test_r_reads_over_tcp(listening: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "connect.R").write_text(snippet("R", "r"))
    assert re.search(r"Chile\s+3$", output(["Rscript", str(tmp_path / "connect.R")], listening), re.MULTILINE)


@pytest.mark.soak
@pytest.mark.skipif(not (JAR.exists() and shutil.which("java")), reason="no JDBC driver here: libpostgresql-jdbc-java")
def test_the_jdbc_driver_reads_over_tcp(listening: dict[str, str], tmp_path: Path) -> None:
    """DBeaver and Metabase connect by it, with the fields of the page's table."""
    (url,) = re.findall(r"`(jdbc:postgresql:\S+)`", PAGE)
    (tmp_path / "Connect.java").write_text(JAVA)
    url = url.replace("5433", listening["READER_PORT"])
    command = ["java", "-cp", str(JAR), str(tmp_path / "Connect.java"), url, listening["READER_PASSWORD"]]
    assert output(command, listening).strip() == "3"


@pytest.mark.soak
def test_dbt_tests_the_sources(listening: dict[str, str], tmp_path: Path) -> None:
    """Parse, freshness and tests pass, and what breaks a promise is found."""
    install, *lines = snippet("dbt", "sh").splitlines()
    subprocess.run([uv(), "venv", "--quiet", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([uv(), *shlex.split(install), "--quiet", "--python", python], check=True)
    section = PAGE.partition("\n## dbt\n")[2]
    files = re.findall(r"^```yaml\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    for name, text in zip(("dbt_project.yml", "profiles.yml"), files, strict=True):
        (tmp_path / name).write_text(text.replace("5433", listening["READER_PORT"]))
    environment = listening | {
        "PATH": f"{tmp_path / 'venv' / 'bin'}:{listening['PATH']}",
        "DBT_PROFILES_DIR": str(tmp_path),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_WARN_ERROR": "true",
    }
    said = output(["bash", "-ec", "\n".join([f"cd {tmp_path}", *lines])], environment)
    assert re.search(r"Done. PASS=1\d\d WARN=0 ERROR=0 SKIP=0", said)
    assert "ERROR STALE" not in said
    with psycopg.connect(output(["harvester", "db", "url"], environment).strip()) as connection:
        connection.execute("ALTER TABLE scratch.users DROP CONSTRAINT users_gone_reason_check")
        connection.execute("UPDATE scratch.users SET gone_reason = 'bored' WHERE id = 1")
    result = subprocess.run(["dbt", "test"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "FAIL 1 source_accepted_values_scratch_users_gone_reason" in re.sub("\x1b[^m]*m", "", result.stdout)
