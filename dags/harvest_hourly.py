"""Every hour: visit what is new, what is due and what pays, by several workers that share one budget.

Each mapped task is a worker, so that under the Celery or Kubernetes executor they run on as many machines.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, dag, task
from harvester_command import DEFAULTS, harvester, option, tell

from harvester.deploy.jobs import CRAWL

HARVESTED = Asset("scratch_harvested")


@dag(
    schedule=CRAWL.schedule,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # one that takes longer than an hour delays the next
    default_args=DEFAULTS,
    tags=["harvester"],
    doc_md=__doc__,
)
def harvest_hourly() -> None:
    @task(execution_timeout=timedelta(minutes=1))
    def workers() -> list[int]:
        return list(range(1, option("workers") + 1))

    @task(execution_timeout=timedelta(hours=1), outlets=[HARVESTED], map_index_template="worker {{ worker }}")
    def crawl(worker: int) -> Any:  # noqa: ARG001  (its name on the page)
        return harvester("crawl", "--max-minutes", str(option("minutes")))

    # A task of its own, so that it is seen and alerts nobody twice: the crawl itself is done.
    @task(retries=0, trigger_rule="none_failed")
    def findings(crawls: list[dict[str, Any]]) -> None:
        tell(crawls)

    findings(crawl.expand(worker=workers()))  # type: ignore[arg-type]


harvest_hourly()
