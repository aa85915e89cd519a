"""Prometheus itself loads the alert rules, scrapes the exporter, and answers each query of the dashboard."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harvester.choices import DeploymentKind
from harvester.config import load
from harvester.deploy.files import Place, deploy
from harvester.monitoring.metrics import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
JOB = 'job="scratch-harvester", instance="here"'
RATE = (f"harvester_budget_rate{{{JOB}}}", "5x3000")
DAY = 1440
"""Minutes."""

CASES: dict[str, list[tuple[str, list[tuple[str, str]], dict[int, bool]]]] = {
    "HarvesterAway": [
        ("no exporter", [(f"up{{{JOB}}}", "0x60")], {9: False, 11: True}),
        ("no warehouse", [(f"up{{{JOB}}}", "1x60"), (f"harvester_up{{{JOB}}}", "1x20 0x40")], {20: False, 32: True}),
        ("both there", [(f"up{{{JOB}}}", "1x60"), (f"harvester_up{{{JOB}}}", "1x60")], {50: False}),
    ],
    "HarvesterNoRun": [
        (
            "hourly, and the last was at 00:00",
            [
                (f"harvester_last_crawl_timestamp_seconds{{{JOB}}}", "0x300"),
                (f"harvester_crawl_interval_seconds{{{JOB}}}", "3600x300"),
            ],
            {119: False, 132: True},
        ),
        (
            "at work",
            [
                (f"harvester_last_crawl_timestamp_seconds{{{JOB}}}", "0+60x300"),
                (f"harvester_crawl_interval_seconds{{{JOB}}}", "3600x300"),
            ],
            {300: False},
        ),
        ("no interval yet", [(f"harvester_last_crawl_timestamp_seconds{{{JOB}}}", "0x300")], {300: False}),
    ],
    "HarvesterDegraded": [
        *(
            (outcome, [(f'harvester_last_crawl_outcome{{{JOB}, outcome="{outcome}"}}', "0x5 1x5")], {4: False, 8: bad})
            for outcome in OUTCOMES
            for bad in [outcome in ("degraded", "failed", "killed")]
        )
    ],
    "HarvesterQuarantineGrows": [
        (
            "more than a day ago",
            [
                (f'harvester_quarantine{{{JOB}, stream="user"}}', f"3x{DAY + 60} 5x60"),
                (f'harvester_quarantine{{{JOB}, stream="project"}}', f"1x{DAY + 120}"),
            ],
            {DAY + 30: False, DAY + 90: True},
        ),
        ("fewer", [(f'harvester_quarantine{{{JOB}, stream="user"}}', f"3x{DAY} 2x60")], {DAY + 30: False}),
        ("known for an hour", [(f'harvester_quarantine{{{JOB}, stream="user"}}', "3x30 5x60")], {60: False}),
    ],
    "HarvesterBudgetIdle": [
        (name, [RATE, (f"harvester_up{{{JOB}}}", "1x3000"), *series], {300: False, 420: fires})
        for name, series, fires in (
            (
                "due, and a tenth used",
                [
                    (f'harvester_frontier_due{{{JOB}, stream="user"}}', "3x500"),
                    (f"harvester_budget_slots_total{{{JOB}}}", "0+30x500"),
                ],
                True,
            ),
            (
                "due, and most used",
                [
                    (f'harvester_frontier_due{{{JOB}, stream="user"}}', "3x500"),
                    (f"harvester_budget_slots_total{{{JOB}}}", "0+200x500"),
                ],
                False,
            ),
            (
                "all was done once",
                [
                    (f'harvester_frontier_due{{{JOB}, stream="user"}}', "3x200 0x1 3x500"),
                    (f"harvester_budget_slots_total{{{JOB}}}", "0+30x500"),
                ],
                False,
            ),
        )
    ]
    + [
        (
            "no limit",
            [
                (f"harvester_budget_rate{{{JOB}}}", "0x500"),
                (f"harvester_up{{{JOB}}}", "1x500"),
                (f'harvester_frontier_due{{{JOB}, stream="user"}}', "3x500"),
                (f"harvester_budget_slots_total{{{JOB}}}", "0+30x500"),
            ],
            {420: False},
        )
    ],
    "HarvesterBudgetExceeded": [
        (
            "a third more",
            [RATE, (f"harvester_budget_slots_total{{{JOB}}}", "0+300x60 18400+400x60")],
            {50: False, 90: True},
        ),
        (
            "the rate was lowered",
            [
                (f"harvester_budget_rate{{{JOB}}}", "5x60 1x60"),
                (f"harvester_budget_slots_total{{{JOB}}}", "0+300x60 18060+60x60"),
            ],
            {62: False, 90: False},
        ),
        (
            "no limit",
            [
                (f"harvester_budget_rate{{{JOB}}}", "0x100"),
                (f"harvester_budget_slots_total{{{JOB}}}", "0+400x100"),
            ],
            {90: False},
        ),
    ],
    "HarvesterErasureDue": [
        (
            "nine days ahead",
            [(f"harvester_erasure_due_timestamp_seconds{{{JOB}}}", f"{9 * 86_400}x{3 * DAY}")],
            {2 * DAY - 60: False, 2 * DAY + 60: True},
        ),
        ("no request", [], {DAY: False}),
    ],
    "HarvesterDiskFull": [
        (name, [(disk("size"), "100x3000"), (disk("free"), values)], wanted)
        for disk in [lambda figure: f'harvester_disk_{figure}_bytes{{{JOB}, place="home"}}']
        for name, values, wanted in (
            ("nearly full", "50x60 9x120", {59: False, 80: False, 120: True}),
            ("seen for three hours", "100-0.4x200", {180: False}),
            ("half full", "50x2000", {2000: False}),
            ("full in two days", "100-0.02x1500", {600: False, 1200: True}),
            ("full in two weeks", "100-0.004x3000", {2000: False}),
        )
    ],
}
"""By alert: what is seen minute by minute, and whether it fires after so many."""


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/bin")
    if found is None:
        if os.environ.get("HARVESTER_TEST_PROMETHEUS") == "required":
            pytest.fail(f"{name} is required, and not here")
        pytest.skip(f"{name} is not here")
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of `harvester deploy monitoring`."""
    deploy(DeploymentKind.MONITORING, Place.here(DeploymentKind.MONITORING, tmp_path, load()), load())
    return tmp_path


@pytest.mark.usefixtures("processes")
def test_each_alert_fires_when_it_must_and_not_otherwise(files: Path) -> None:
    rules = yaml.safe_load((files / "alerts.yml").read_text())["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == list(CASES)
    assert all(any(fires for _, _, wanted in cases for fires in wanted.values()) for cases in CASES.values())
    for rule in rules:  # each alone: all seven on each case take six times the CPU
        alert = rule["alert"]
        (files / f"{alert}.yml").write_text(yaml.dump({"groups": [{"name": "one", "rules": [rule]}]}))
        tests = [alert_test(alert, *case) for case in CASES[alert]]
        test = {"rule_files": [f"{alert}.yml"], "evaluation_interval": "1m", "tests": tests}
        (files / f"{alert}.test.yml").write_text(json.dumps(test))
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", *(f"{alert}.test.yml" for alert in CASES)]):
        result = subprocess.run([program("promtool"), *command], cwd=files, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def alert_test(alert: str, name: str, seen: list[tuple[str, str]], wanted: dict[int, bool]) -> dict[str, Any]:
    """Return a case as promtool takes it."""
    return {
        "name": f"{alert}: {name}",
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in seen],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})',
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for minutes, fires in wanted.items()
        ],
    }


def test_the_dashboard_is_current(files: Path) -> None:
    made = runpy.run_path(str(TOP / "deploy" / "dashboard.py"))["build"]()
    assert (files / "dashboard.json").read_text() == made, "run `make docs`"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def prometheus(files: Path, exporter: int) -> Iterator[str]:
    """Run Prometheus with the files of a deployment, but for the port of the exporter and a shorter interval."""
    config = (files / "prometheus.yml").read_text()
    for before, after in (("_interval: 1m", "_interval: 1s"), ("127.0.0.1:9187", f"127.0.0.1:{exporter}")):
        assert before in config
        config = config.replace(before, after)
    (files / "prometheus.yml").write_text(config)
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={files}/prometheus.yml",
        f"--storage.tsdb.path={files}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (files / "log").open("w") as log, subprocess.Popen(command, cwd=files, stdout=log, stderr=log) as process:
        try:
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.terminate()


def ask(api: str, path: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{api}/{path}?{urllib.parse.urlencode(parameters)}", timeout=20) as answer:
        return json.load(answer)["data"]


def wait_until_scraped(api: str, files: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = ask(api, "query", query="count_over_time(harvester_up[1m]) >= 3")["result"]
            rules = ask(api, "rules")["groups"]
            if found and all(rule["health"] == "ok" for group in rules for rule in group["rules"]) and rules:
                return
        except urllib.error.URLError:
            pass
        time.sleep(0.2)
    raise AssertionError((files / "log").read_text()[-3000:])


def test_prometheus_answers_each_query_of_the_dashboard(harvest: Any, files: Path) -> None:
    program("prometheus")
    harvester, port = harvest.harvester, free_port()
    harvester.environment["HARVESTER_HOME"] = str(files)
    request = "INSERT INTO crawl.erasure_requests (received_at, due_at, hash) VALUES (now(), now(), 'x') RETURNING 1"
    harvester.query(request)
    exporter = harvester.start("metrics", "--serve", str(port))
    try:
        assert "ready" in exporter.stdout.readline()
        with prometheus(files, port) as api:
            wait_until_scraped(api, files)
            panels = json.loads((files / "dashboard.json").read_text())["panels"]
            queries = {query["expr"] for panel in panels for query in panel["targets"]}
            assert len(queries) > len(panels)
            empty = [
                query
                for query in queries
                if not ask(api, "query", query=query.replace("$__rate_interval", "1m"))["result"]
            ]
            assert empty == []
            names = ask(api, "label/__name__/values")
            alerts = yaml.safe_load((files / "alerts.yml").read_text())["groups"][0]["rules"]
            named = {name for rule in alerts for name in re.findall(r"\bharvester_\w+", rule["expr"])}
            assert named - {"harvester_crawl_interval_seconds"} <= set(names)  # that takes four crawls
            (last,) = ask(api, "query", query="harvester_last_crawl_outcome == 1")["result"]
            expected = "SELECT outcome FROM crawl.runs WHERE command LIKE 'crawl%' ORDER BY id DESC LIMIT 1"
            assert [(last["metric"]["outcome"],)] == harvester.query(expected)
    finally:
        exporter.kill()
        exporter.communicate()
