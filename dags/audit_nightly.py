"""Every night: read in full the lists that are due for it first, date what vanished, and fit the schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, dag, task
from harvester_command import DEFAULTS, harvester, option, tell

from harvester.deploy.jobs import AUDIT

AUDITED = Asset("scratch_audited")


@dag(
    schedule=AUDIT.schedule,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["harvester"],
    doc_md=__doc__,
)
def audit_nightly() -> None:
    @task(execution_timeout=timedelta(hours=6))
    def audit() -> Any:
        return harvester("crawl", "--share", "audit", "--max-minutes", str(option("audit_minutes")))

    @task(execution_timeout=timedelta(hours=1), outlets=[AUDITED])
    def learn() -> Any:
        return harvester("fit")

    @task(retries=0, trigger_rule="none_failed")
    def findings(crawl: dict[str, Any]) -> None:
        tell([crawl])

    audited = audit()
    audited >> learn()
    findings(audited)  # type: ignore[arg-type]


audit_nightly()
