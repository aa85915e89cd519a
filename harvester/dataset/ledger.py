"""Keep account of the differential privacy that the releases of a warehouse have spent, in `crawl.privacy_budget`.

Epsilons and deltas of releases add up (basic composition), which is more than they can reveal together. An equal
release, as its fingerprint says, is the same bytes and spends nothing again.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harvester.errors import UsageError
from harvester.warehouse.access import database_url
from harvester.warehouse.connect import open_connection
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "ledger")
_ROUNDING = 1e-9
"""Part of a budget by which a sum of decimal fractions may miss it."""


@dataclass(frozen=True, slots=True)
class Spending:
    """The budget of a release. `published_at` is None until the release is published."""

    fingerprint: str
    release: str
    epsilon: float
    delta: float
    published_at: datetime | None = None


def published(connection: Connection) -> list[Spending]:
    """Return what published releases have spent, the oldest first."""
    return [Spending(*row) for row in connection.execute(_SQL["published"]).fetchall()]


def epsilon_of(spendings: Sequence[Spending]) -> float:
    """Return the epsilon that releases have spent together, without the errors of a sum of decimal fractions."""
    return round(sum(one.epsilon for one in spendings), 9)


def check(connection: Connection, limit: float, spending: Spending) -> bool:
    """Return whether a release is one that was published before.

    Raises:
        UsageError: it is not, and would spend more than is left.
    """
    before = published(connection)
    if any(one.fingerprint == spending.fingerprint for one in before):
        return True
    spent = epsilon_of(before)
    if spent + spending.epsilon > limit * (1 + _ROUNDING):
        raise UsageError(
            f"this release would spend epsilon {spending.epsilon:g}: {spent:g} of {limit:g} is spent,"
            f" {max(0, limit - spent):g} is left; see `harvester dataset budget`"
        )
    return False


@contextmanager
def publication(settings: Settings, spending: Spending | None) -> Iterator[None]:
    """Record what a release spends, for the step that publishes it; take it back if that step fails.

    The record is committed first: what ends in between has spent without publishing, and an equal build spends nothing
    more. The other order could publish what nobody recorded.

    Args:
        settings: Where the warehouse is, and what may be spent.
        spending: What it spends; None: the release has no such figures.

    Raises:
        UsageError: another release has spent what was left meanwhile.
    """
    if spending is None:
        yield
        return
    values = {
        "fingerprint": spending.fingerprint,
        "release": spending.release,
        "epsilon": spending.epsilon,
        "delta": spending.delta,
    }
    with open_connection(database_url(settings), autocommit=True) as connection:
        with connection.transaction():
            # Two builds that finish at the same time spend one after the other.
            connection.execute("LOCK TABLE crawl.privacy_budget IN SHARE ROW EXCLUSIVE MODE")
            is_known = check(connection, settings.privacy_budget, spending)
            if not is_known:
                connection.execute(_SQL["publish"], values)
        try:
            yield
        except BaseException:
            if not is_known:
                connection.execute(_SQL["take_back"], values)
            raise


def read(settings: Settings) -> list[Spending]:
    """Return what the releases of the warehouse have spent.

    Raises:
        WarehouseError: the database cannot be used.
    """
    with open_connection(database_url(settings)) as connection:
        check_schema(connection)
        return published(connection)
