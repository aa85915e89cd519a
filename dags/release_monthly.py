"""On the second of each month: an open dataset of the community as it stands, described and verified.

It lands in a folder of its month in the folder that the variable `harvester` names as `datasets`. Nothing is
published: that is for a person to do, once they have read its datasheet.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, dag, get_current_context, task
from harvester_command import DEFAULTS, folder_of, harvester


@dag(
    schedule="30 4 2 * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["harvester"],
    doc_md=__doc__,
)
def release_monthly() -> None:
    @task(execution_timeout=timedelta(hours=12))
    def build() -> str:
        name = f"{get_current_context()['dag_run'].run_after:%Y.%m}.0"
        folder, earlier = folder_of(name)
        # The build moves a finished dataset to its place: what is there is whole, and a second try has nothing to do.
        if not folder.exists():
            previous = ["--previous", str(earlier[-1])] if earlier else []
            harvester("dataset", "build", str(folder), "--profile", "open", "--release", name, *previous)
        return str(folder)

    @task(execution_timeout=timedelta(hours=6), outlets=[Asset("scratch_dataset")])
    def verify(folder: str) -> Any:
        return harvester("dataset", "verify", str(Path(folder)))

    verify(build())  # type: ignore[arg-type]


release_monthly()
