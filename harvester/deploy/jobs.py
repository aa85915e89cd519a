"""Scheduled commands of an installation with their times, for systemd, cron, containers and Airflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, slots=True)
class Job:
    """One or more commands of `harvester` that are run by a schedule, one after the other.

    Attributes:
        schedule: five fields of cron, each a number or `*`; only minute, hour and day of the week are used.
        most_minutes: time after which it is ended.
    """

    name: str
    summary: str
    schedule: str
    commands: tuple[tuple[str, ...], ...]
    most_minutes: int

    @property
    def calendar(self) -> str:
        """Return the schedule as systemd reads it, in UTC."""
        minute, hour, _, _, day = self.schedule.split()
        time = ":".join(part if part == "*" else f"{int(part):02}" for part in (hour, minute))
        return ("" if day == "*" else f"{_DAYS[int(day)]} ") + f"*-*-* {time}:00 UTC"

    @property
    def seconds(self) -> int:
        """Return the seconds from one time to the next."""
        _, hour, _, _, day = self.schedule.split()
        return 3_600 if hour == "*" else 86_400 if day == "*" else 7 * 86_400


CRAWL = Job("crawl", "Visit what is new, due or pays", "0 * * * *", (("crawl", "--max-minutes", "50"),), 70)
AUDIT = Job(
    "audit",
    "Read lists in full, which dates what vanished",
    "10 2 * * *",
    (("crawl", "--share", "audit", "--max-minutes", "120"),),
    150,
)
ANALYTICS = Job(
    "analytics",
    "Fit the schedule and refresh the figures for analysts",
    "30 4 * * *",  # after the audit
    (("fit",), ("analytics", "refresh")),
    360,
)
MAINTENANCE = Job(
    "maintenance",
    "Delete old quarantined responses and records of runs, and vacuum",
    "30 5 * * 0",
    (("db", "maintain"),),
    360,
)

JOBS = (CRAWL, AUDIT, ANALYTICS, MAINTENANCE)
KEPT_BACKUPS = 7


def backup_job(folder: Path) -> Job:
    """Return the job that writes backups into a folder, in which the newest ones stay."""
    return Job(
        "backup",
        "Back up the warehouse with its key, and delete the oldest backups",
        "50 0 * * *",  # before the audit
        (("backup", "create", str(folder), "--keep", str(KEPT_BACKUPS)),),
        360,
    )


METRICS_PORT = 9187
