"""Differential privacy per person for the figures of a release: calibration, keyed noise, and errors.

**What is protected.** The input is a set of records, each of which belongs to one person (a project to its author, a
comment to who wrote it, a follow to who follows), with all that is known of it, such as the time of the comment that it
answers. Two inputs are neighbours if they differ by all records of one person. What others wrote below a person's work
are records of those others: they stay.

**How.** Each `Statistic` is a list of integers and the most that one person can change it (its sensitivity). Discrete
Gaussian noise is added to every integer, zeros included. The budget (epsilon, delta) of a release is turned into one of
zero-concentrated differential privacy (rho), which statistics split by their shares; OpenDP calibrates and accounts.
OpenDP's sampler cannot be seeded. Noise is therefore drawn here by the exact algorithms of Canonne, Kamath and Steinke
(*The Discrete Gaussian for Differential Privacy*, 2020), from bits that only the holder of `secret.key` can make.

**The same release twice.** Bits depend on all exact values of the release: an equal input gives equal noise, and any
other input gives noise that is unrelated. So a release can be built again without spending anything, and two releases
never share noise that their difference would remove.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

from harvester.secret import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DELTA = 1e-10
"""Delta of each release: far below one in the number of accounts of the site (some 1.3e8 in 2026)."""
EPSILON = 1.0
"""Epsilon of a release, unless given."""
LEAST_EPSILON, MOST_EPSILON = 0.01, 20.0
SHARE_OF_AGGREGATES = Fraction(80, 100)
"""Part of a release's rho that the aggregate tables spend together."""
SHARE_OF_BIAS = Fraction(20, 100)
"""Part of a release's rho that the comparison of the published rows with the warehouse spends."""
_LARGEST_RHO = 1000.0
_BLOCK = 512
"""Bits of a block of the keyed stream: one HMAC-SHA512."""


@dataclass(frozen=True, slots=True)
class PrivacyBudget:
    """A budget (epsilon, delta) of differential privacy."""

    epsilon: float = EPSILON
    delta: float = DELTA

    @property
    def rho(self) -> float:
        """Return the budget in zero-concentrated differential privacy that gives this (epsilon, delta)."""
        return _rho(self.epsilon, self.delta)

    def epsilon_of(self, share: Fraction) -> float:
        """Return the epsilon of a part of the budget by itself, to three digits, at the delta of the whole."""
        return _epsilon(self.rho * float(share), self.delta)


@dataclass(frozen=True, slots=True)
class Statistic:
    """Exact figures, and how far one person can change them.

    `sensitivity` is the square of the greatest Euclidean distance between the values of neighbouring inputs: an
    integer, so that nothing is lost to rounding; `because` derives it in words. `share` is the part of the release's
    rho that is spent on it.
    """

    name: str
    values: Sequence[int]
    sensitivity: int
    share: Fraction
    because: str = ""


@dataclass(frozen=True, slots=True)
class NoisyStatistic:
    """Figures with noise, to be published.

    `scale` is the parameter sigma of the discrete Gaussian, which is its standard deviation but for some 1e-9.
    The exact value lies within `error_95` of the published one with a probability of at least 95%.
    """

    values: tuple[int, ...]
    scale: int
    error_95: int


def fingerprint(secret: bytes, salt: str, budget: PrivacyBudget, statistics: Iterable[Statistic]) -> str:
    """Return a keyed hash of all that the published figures depend on: the inputs of a release and the exact values."""
    told = [(one.name, list(one.values), one.sensitivity, str(one.share)) for one in statistics]
    return keyed_hash(secret, "dataset figures", (salt, budget.epsilon, budget.delta, told))


def add_noise(
    secret: bytes, fingerprint_: str, budget: PrivacyBudget, statistics: Sequence[Statistic]
) -> dict[str, NoisyStatistic]:
    """Return the figures of a release with noise, by the name of their statistic.

    Args:
        secret: The key of the installation.
        fingerprint_: The `fingerprint` of these statistics.
        budget: What the statistics spend together.
        statistics: All statistics of the release.

    Raises:
        ValueError: two statistics have one name, or the shares are more than the whole.
    """
    if len({one.name for one in statistics}) < len(statistics):
        raise ValueError("two statistics have the same name")
    if sum(one.share for one in statistics) > 1:
        raise ValueError("the shares of the statistics are more than the whole budget")
    key = hmac.digest(secret, f"dataset noise {fingerprint_}".encode(), "sha256")
    found = {}
    for one in statistics:
        scale = scale_for(one.sensitivity, budget, one.share)
        noise = DiscreteGaussian(hmac.digest(key, one.name.encode(), "sha256"), scale)
        found[one.name] = NoisyStatistic(tuple(value + noise.draw() for value in one.values), scale, error_95(scale))
    return found


def scale_for(sensitivity: int, budget: PrivacyBudget, share: Fraction) -> int:
    """Return the smallest whole scale that keeps a statistic within its share of a budget, by OpenDP."""
    return _scale(sensitivity, budget.rho * float(share))


@cache
def error_95(scale: int) -> int:
    """Return the half width of a 95% interval of the discrete Gaussian: a whole number, both ends included."""
    from opendp.accuracy import discrete_gaussian_scale_to_accuracy  # noqa: PLC0415

    # OpenDP returns the smallest number that is reached or exceeded with a probability of at most 5%.
    return int(discrete_gaussian_scale_to_accuracy(float(scale), 0.05)) - 1


def gaussian(scale: float) -> Any:
    """Return OpenDP's measurement that adds discrete Gaussian noise to a list of integers."""
    import opendp.prelude as dp  # noqa: PLC0415

    dp.enable_features("contrib")
    return dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float), scale)


def _epsilon_of_rho(rho: float, delta: float) -> float:
    import opendp.prelude as dp  # noqa: PLC0415

    curve: Any = dp.c.make_zCDP_to_approxDP(gaussian(1.0))
    return float(curve.map(sqrt(2 * rho)).epsilon(delta))


@cache
def _epsilon(rho: float, delta: float) -> float:
    return float(f"{_epsilon_of_rho(rho, delta):.3g}")


@cache
def _rho(epsilon: float, delta: float) -> float:
    import opendp.prelude as dp  # noqa: PLC0415

    def is_within(rho: float) -> bool:
        return _epsilon_of_rho(rho, delta) <= epsilon

    rho = float(dp.binary_search(is_within, bounds=(0.0, _LARGEST_RHO)))
    return float(f"{rho * (1 - 1e-6):.8g}")  # a square root is rounded; the last digits may differ between machines


@cache
def _scale(sensitivity: int, rho: float) -> int:
    distance = sqrt(sensitivity) * (1 + 1e-15)  # a square root is rounded, perhaps down
    scale = max(1, ceil(distance / sqrt(2 * rho)) - 1)
    while _rho_of(scale, distance) > rho:
        scale += 1
    return scale


def _rho_of(scale: int, distance: float) -> float:
    """Return the rho that a scale spends on figures that one person changes by a distance, as OpenDP accounts it."""
    spent: float = gaussian(float(scale)).map(distance)
    return spent


class DiscreteGaussian:
    """Exact draws from the discrete Gaussian distribution with a key: the same key gives the same draws.

    All arithmetic is of integers. Random bits are HMAC-SHA512 of a counter.
    """

    def __init__(self, key: bytes, scale: int) -> None:
        self._key, self._scale = key, scale
        self._blocks = self._bits = self._held = 0

    def draw(self) -> int:
        """Return the next draw (Algorithm 3 of Canonne, Kamath and Steinke)."""
        square, width = self._scale * self._scale, self._scale + 1
        while True:
            found = self._laplace(width)
            if self._exp((abs(found) * width - square) ** 2, 2 * square * width * width):
                return found

    def _laplace(self, width: int) -> int:
        """Return a draw from the discrete Laplace distribution (Algorithm 2)."""
        while True:
            rest = self._below(width)
            if not self._exp(rest, width):
                continue
            whole = 0
            while self._exp(1, 1):
                whole += 1
            found, is_negative = rest + whole * width, self._take(1)
            if not is_negative:
                return found
            if found:
                return -found

    def _exp(self, numerator: int, denominator: int) -> bool:
        """Return whether an event of probability exp(-numerator / denominator) happens (Algorithm 1)."""
        while numerator > denominator:
            if not self._exp_of_fraction(1, 1):
                return False
            numerator -= denominator
        return self._exp_of_fraction(numerator, denominator)

    def _exp_of_fraction(self, numerator: int, denominator: int) -> bool:
        step = 1
        while self._below(step * denominator) < numerator:
            step += 1
        return step % 2 == 1

    def _below(self, bound: int) -> int:
        """Return a number from 0 to bound - 1, each with the same probability."""
        size = (bound - 1).bit_length()
        while (found := self._take(size)) >= bound:
            pass
        return found

    def _take(self, size: int) -> int:
        """Return a number of so many random bits."""
        while self._held < size:
            block = hmac.digest(self._key, self._blocks.to_bytes(8, "big"), "sha512")
            self._bits |= int.from_bytes(block, "big") << self._held
            self._blocks += 1
            self._held += _BLOCK
        found = self._bits & ((1 << size) - 1)
        self._bits >>= size
        self._held -= size
        return found
