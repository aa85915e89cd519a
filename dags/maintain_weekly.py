"""Every Sunday: delete old quarantined responses and records of old runs, and vacuum what changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from harvester_command import DEFAULTS, harvester, option

from harvester.deploy.jobs import MAINTENANCE


@dag(
    schedule=MAINTENANCE.schedule,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["harvester"],
    doc_md=__doc__,
)
def maintain_weekly() -> None:
    @task(execution_timeout=timedelta(hours=6))
    def maintain() -> Any:
        return harvester("db", "maintain", "--keep-days", str(option("keep_days")))

    maintain()


maintain_weekly()
