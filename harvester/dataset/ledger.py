"""Keep account in `crawl.releases` of the releases of a warehouse, and of the differential privacy that they spend.

Epsilons and deltas of releases add up (basic composition), which is more than they can reveal together. An equal
release, as its fingerprint says, is the same bytes and spends nothing again.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harvester.errors import UsageError
from harvester.warehouse.access import connect, database_url
from harvester.warehouse.connect import open_connection
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from harvester.config import Settings
    from harvester.dataset.release import Profile
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "ledger")
_ROUNDING = 1e-9
"""Part of a budget by which a sum of decimal fractions may miss it."""


@dataclass(frozen=True, slots=True)
class Spending:
    """The budget of a release, and when the release was recorded, once it is."""

    fingerprint: str
    release: str
    epsilon: float
    delta: float
    built_at: datetime | None = None


def spendings(connection: Connection) -> list[Spending]:
    """Return what releases have spent, each once, the oldest first."""
    return [Spending(*row) for row in connection.execute(_SQL["spendings"]).fetchall()]


def epsilon_of(spendings: Sequence[Spending]) -> float:
    """Return the epsilon that releases have spent together, without the errors of a sum of decimal fractions."""
    return round(sum(one.epsilon for one in spendings), 9)


def check(connection: Connection, limit: float, spending: Spending) -> None:
    """Refuse a release that would spend more than is left; an equal one of an earlier release spends nothing.

    Raises:
        UsageError: it would spend more.
    """
    before = spendings(connection)
    if any(one.fingerprint == spending.fingerprint for one in before):
        return
    spent = epsilon_of(before)
    if spent + spending.epsilon > limit * (1 + _ROUNDING):
        raise UsageError(
            f"this release would spend epsilon {spending.epsilon:g}: {spent:g} of {limit:g} is spent,"
            f" {max(0, limit - spent):g} is left; see `harvester dataset budget`"
        )


@contextmanager
def publication(
    settings: Settings, name: str, profile: Profile, as_of: datetime, spending: Spending | None = None
) -> Iterator[None]:
    """Record a release for the step that gives it its folder; take the record back if that step fails.

    The record is committed first: a build that is killed in between is recorded and has spent, but has no folder, and
    an equal build spends nothing more. The other order could publish figures that no budget contains, and rows whose
    holders nobody would tell of an erasure.

    Args:
        settings: Where the warehouse is, and what may be spent.
        name: The name of the release.
        profile: Its profile.
        as_of: The time whose state it shows.
        spending: What it spends; None: the release has no figures with noise.

    Raises:
        UsageError: another release has spent what was left meanwhile; then nothing is recorded.
        WarehouseError: the database cannot be used.
    """
    values = {
        "name": name,
        "profile": profile,
        "as_of": as_of,
        "fingerprint": None if spending is None else spending.fingerprint,
        "epsilon": None if spending is None else spending.epsilon,
        "delta": None if spending is None else spending.delta,
    }
    with connect(settings, autocommit=True) as connection:
        with connection.transaction():
            if spending is not None:
                # Two builds that finish at the same time spend one after the other.
                connection.execute("LOCK TABLE crawl.releases IN SHARE ROW EXCLUSIVE MODE")
                check(connection, settings.privacy_budget, spending)
            recorded = connection.execute(_SQL["record"], values).fetchone()
        try:
            yield
        except BaseException:
            connection.execute(_SQL["take_back"], recorded)
            raise


def read(settings: Settings) -> list[Spending]:
    """Return what the releases of the warehouse have spent.

    Raises:
        WarehouseError: the database cannot be used.
    """
    with open_connection(database_url(settings)) as connection:
        check_schema(connection)
        return spendings(connection)
