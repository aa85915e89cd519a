"""After each nightly audit: bring the materialised figures of schema `analytics` up to date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, dag, task
from harvester_command import DEFAULTS, harvester


@dag(
    schedule=[Asset("scratch_audited")],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["harvester"],
    doc_md=__doc__,
)
def analytics_nightly() -> None:
    @task(execution_timeout=timedelta(hours=6), outlets=[Asset("scratch_analytics")])
    def refresh() -> Any:
        return harvester("analytics", "refresh")

    refresh()


analytics_nightly()
