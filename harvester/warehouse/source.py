"""The source of a warehouse: the addresses that its first run read, and the sandbox that answers there, if one does.

Rows of two sources cannot be told apart afterwards: the ids of one name other things in the other, and what only one
of them has would be dated gone. The first response of the first run records the source; a run with another one is
refused before it stores anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from harvester.errors import UsageError
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "source")
SANDBOX_HEADER = "X-Sandbox"
"""Header of each response of the sandbox: its community. The site sends none."""


@dataclass(frozen=True, slots=True)
class Source:
    """Source of the rows of a warehouse.

    Attributes:
        sandbox: The community of the sandbox; None for any other source.
        projects_url: The base of the sources of projects; None where none were read.
    """

    api_url: str
    site_url: str
    sandbox: str | None = None
    projects_url: str | None = None

    @classmethod
    def of(cls, settings: Settings, sandbox: str | None = None) -> Source:
        """Return the source that settings name."""
        return cls(settings.api_url, settings.site_url, sandbox, settings.projects_url if settings.sources else None)

    @property
    def is_synthetic(self) -> bool:
        """Return whether no person made what the source serves."""
        return self.sandbox is not None

    def __str__(self) -> str:
        others = [url for url in (self.site_url, self.projects_url) if url not in (None, self.api_url)]
        site = "".join(f" and {url}" for url in dict.fromkeys(others))
        sandbox = "" if self.sandbox is None else f" (synthetic: the sandbox with {self.sandbox})"
        return f"{self.api_url}{site}{sandbox}"

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return {
            "api_url": self.api_url,
            "site_url": self.site_url,
            "projects_url": self.projects_url,
            "sandbox": self.sandbox,
            "synthetic": self.is_synthetic,
        }


@lru_cache(maxsize=8)
def sandbox_of(header: bytes | None) -> str | None:
    """Return the community that a response names in `SANDBOX_HEADER`, cut to 100 printable characters."""
    return None if not header else "".join(filter(str.isprintable, header.decode("latin-1")))[:100]


def read_source(connection: Connection) -> Source | None:
    """Return the source of the warehouse; None before its first response."""
    with connection.cursor(row_factory=class_row(Source)) as cursor:
        return cursor.execute(
            "SELECT api_url, site_url, sandbox, projects_url FROM crawl.source WHERE id = 1"
        ).fetchone()


def check_source(connection: Connection, settings: Settings) -> Source | None:
    """Return the source of the warehouse, which the settings must name.

    A sandbox may answer at any address: its first response shows whether it is the recorded one.

    Raises:
        UsageError: the settings name another source.
    """
    source = read_source(connection)
    if source is not None and not source.is_synthetic:
        _check_same(source, Source.of(settings))
    return source


def prove_source(connection: Connection, answering: Source) -> Source:
    """Return the source of the warehouse after a response of `answering`, and record it if it is the first.

    Raises:
        UsageError: the warehouse has another source.
    """
    with connection.transaction():
        connection.execute(_SQL["record"], asdict(answering))
        source = read_source(connection)
        assert source is not None
        _check_same(source, answering)
        if source != answering:  # the same sandbox at another address, or sources that were not read before
            move_source(connection, answering)
    return answering


def move_source(connection: Connection, answering: Source) -> None:
    """Record that the source of the warehouse answers at other addresses now."""
    connection.execute(_SQL["move"], asdict(answering))


def _check_same(source: Source, answering: Source) -> None:
    if None in (source.projects_url, answering.projects_url):  # sources are not read, or were not so far
        source, answering = replace(source, projects_url=None), replace(answering, projects_url=None)
    same = source == answering or (source.is_synthetic and source.sandbox == answering.sandbox)
    if not same:
        raise UsageError(
            f"this warehouse holds {source}, and the settings name {answering}: use another home (HARVESTER_HOME) or"
            " database (HARVESTER_DATABASE_URL) for it. If it is the same source at a new address, run"
            " `harvester db source --moved`"
        )
