"""Closed choices that an operator makes: the command line offers them, and the rooms that act on them take them.

Nothing else is imported here, since `--help` lists all of them.
"""

from enum import StrEnum


class SpiderName(StrEnum):
    """Spiders of the catalogue; `account` works only with HARVESTER_SESSION, `sources` with HARVESTER_SOURCES=1."""

    USERS = "users"
    PROJECTS = "projects"
    STUDIOS = "studios"
    COMMENTS = "comments"
    REPLIES = "replies"
    DISCOVERY = "discovery"
    ACCOUNT = "account"
    SOURCES = "sources"


class Share(StrEnum):
    """Shares of a crawl's requests, which HARVESTER_SHARES divides."""

    DISCOVERY = "discovery"
    """First visits."""
    SCHEDULED = "scheduled"
    """Visits that are due or pay."""
    RECHECK = "recheck"
    """Visits drawn at random."""
    AUDIT = "audit"
    """Lists read in full before they must be."""


class RankingMode(StrEnum):
    """Orders of the site's rankings."""

    POPULAR = "popular"
    TRENDING = "trending"


class RankedKind(StrEnum):
    """Kinds of items that a ranking lists."""

    PROJECTS = "projects"
    STUDIOS = "studios"


class SeedKind(StrEnum):
    """Kinds of what is seeded."""

    USERS = "users"
    PROJECTS = "projects"
    STUDIOS = "studios"
    RANKINGS = "rankings"


class Allocation(StrEnum):
    """Divisions of draws among strata."""

    PROPORTIONAL = "proportional"
    """By the number of ids of each stratum."""
    EQUAL = "equal"
    """The same number from each stratum."""
    NEYMAN = "neyman"
    """By the number of ids and the spread that a pilot's hit rates imply."""


class RequestChannel(StrEnum):
    """Ways in which a request for erasure arrives."""

    E_MAIL = "e-mail"
    LETTER = "letter"
    FORUM = "forum"
    MESSAGE = "message"
    """On the site itself."""
    OTHER = "other"


class RequestOutcome(StrEnum):
    """Outcomes with which a request for erasure is closed."""

    ERASED = "erased"
    WITHDRAWN = "withdrawn"
    """The person took it back."""
    UNPROVEN = "unproven"
    """Nothing showed that the account is the person's."""


class DeploymentKind(StrEnum):
    """Ways in which an installation is scheduled and watched, of which `harvester deploy` writes the files."""

    SYSTEMD = "systemd"
    CRON = "cron"
    AIRFLOW = "airflow"
    SCRAPYD = "scrapyd"
    COMPOSE = "compose"
    """Containers: PostgreSQL, harvester, exporter, Prometheus, Grafana."""
    MONITORING = "monitoring"
    """The alert rules and the dashboard alone."""
