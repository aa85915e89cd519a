"""Collect the statistics that a release of `open` discloses with noise, and account for all of them together."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from harvester.dataset import ledger
from harvester.dataset.privacy import PrivacyBudget, add_noise, fingerprint
from harvester.secret import secret_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.config import Settings
    from harvester.dataset.privacy import NoisyStatistic, Statistic
    from harvester.warehouse.connection import Connection

NEIGHBOURS = (
    "Two warehouses that differ by all records of one person: the account, and the projects, studios, comments, follows"
    " and sources that are theirs, and projects of theirs in studios. What others wrote below them is those others'."
)
"""The neighbouring relation, in words."""


class Disclosure:
    """The statistics of a release: collected, then noised once and together.

    Noise depends on all exact values, so that none can be drawn before all are known.
    """

    def __init__(self, secret: bytes, salt: str, budget: PrivacyBudget) -> None:
        self._secret, self._salt, self.budget = secret, salt, budget
        self._statistics: list[Statistic] = []
        self.noisy: dict[str, NoisyStatistic] = {}
        """By the name of the statistic, once `settle` was called."""

    def add(self, statistics: Iterable[Statistic]) -> None:
        """Take statistics that are to be disclosed."""
        assert not self.noisy, "noise has been drawn"
        self._statistics += statistics

    def settle(self, connection: Connection, release: str, limit: float) -> ledger.Spending:
        """Add noise to all statistics; return what that spends.

        Args:
            connection: A connection to the warehouse.
            release: The name of the release.
            limit: Epsilon that all releases may spend.

        Raises:
            UsageError: that is more than is left.
        """
        mark = fingerprint(self._secret, self._salt, self.budget, self._statistics)
        spending = ledger.Spending(mark, release, self.budget.epsilon, self.budget.delta)
        ledger.check(connection, limit, spending)
        self.noisy = add_noise(self._secret, mark, self.budget, self._statistics)
        return spending

    def as_json(self) -> dict[str, Any]:
        """Return the budget, whole and by statistic, for the release's description. It holds no figure of the data."""
        return {
            "epsilon": self.budget.epsilon,
            "delta": self.budget.delta,
            "neighbours": NEIGHBOURS,
            "noise": "discrete Gaussian, from a key that is not published",
            "statistics": [
                {
                    "statistic": one.name,
                    "a_person_changes": one.because,
                    "distance": round(sqrt(one.sensitivity), 2),
                    "share": round(float(one.share), 6),
                    "epsilon_alone": self.budget.epsilon_of(one.share),
                    "noise_scale": self.noisy[one.name].scale,
                    "error_95": self.noisy[one.name].error_95,
                }
                for one in self._statistics
            ],
        }


def disclosure_of(settings: Settings, salt: str | None, epsilon: float | None) -> Disclosure | None:
    """Return what collects the statistics of a release; None without an epsilon: its figures are exact."""
    if epsilon is None:
        return None
    return Disclosure(secret_key(settings.home), salt or "", PrivacyBudget(epsilon))
