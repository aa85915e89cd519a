"""Noise has the distribution that the theory states, spends what it says, and is the same for the same input alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from fractions import Fraction

import pytest

from harvester.dataset.privacy import (
    DiscreteGaussian,
    PrivacyBudget,
    Statistic,
    add_noise,
    error_95,
    fingerprint,
    gaussian,
    scale_for,
)

SECRET = b"k" * 32
BUDGET = PrivacyBudget()
SCALES = (1, 4, 40)


def probabilities(scale: int) -> dict[int, float]:
    """The discrete Gaussian: proportional to exp(-x^2 / (2 scale^2)) at each integer."""
    weights = {x: math.exp(-x * x / (2 * scale * scale)) for x in range(-12 * scale, 12 * scale + 1)}
    total = math.fsum(weights.values())
    return {x: weight / total for x, weight in weights.items()}


def draws(scale: int, number: int, key: bytes = b"seed") -> list[int]:
    drawn = DiscreteGaussian(key, scale)
    return [drawn.draw() for _ in range(number)]


def statistics(*values: int) -> list[Statistic]:
    return [Statistic("one", values, 1, Fraction(1, 2)), Statistic("other", values, 4, Fraction(1, 2))]


def noise_of(found: list[Statistic], secret: bytes = SECRET, salt: str = "salt") -> list[int]:
    """The noise alone, of all figures in turn."""
    mark = fingerprint(secret, salt, BUDGET, found)
    noisy = add_noise(secret, mark, BUDGET, found)
    return [value - exact for one in found for value, exact in zip(noisy[one.name].values, one.values, strict=True)]


@pytest.mark.parametrize("scale", SCALES)
def test_noise_is_the_discrete_gaussian(scale: int) -> None:
    """Chi-square over cells that expect at least 20 draws each; p above 0.001, from a fixed key."""
    number = 6_000
    true, found = probabilities(scale), Counter(draws(scale, number))
    width = max(1, scale // 4)
    expected: Counter[int] = Counter()
    seen: Counter[int] = Counter()
    for x, probability in true.items():
        cell = max(-3 * scale, min(3 * scale, x)) // width
        expected[cell] += probability * number
        seen[cell] += found[x]
    assert sum(seen.values()) == number
    cells = [cell for cell in expected if expected[cell] >= 20]
    square = sum((seen[cell] - expected[cell]) ** 2 / expected[cell] for cell in cells)
    freedom = len(cells) - 1
    # Wilson and Hilferty: the cube root of a chi-square is nearly normal.
    z = ((square / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    assert freedom >= 4
    assert abs(z) < 3.1, (square, freedom)


def test_noise_is_distributed_as_that_of_opendp() -> None:
    """Kolmogorov and Smirnov, of two samples; OpenDP's cannot be seeded: p above 1e-9."""
    number = 10_000
    ours = sorted(draws(7, number))
    theirs = sorted(gaussian(7.0)([0] * number))
    gap = max(abs(bisect_right(ours, x) - bisect_right(theirs, x)) for x in {*ours, *theirs}) / number
    assert gap < math.sqrt(-math.log(1e-9 / 2) / number)
    wider = sorted(draws(9, number))
    assert max(abs(bisect_right(wider, x) - bisect_right(theirs, x)) for x in {*wider, *theirs}) / number > gap


@pytest.mark.parametrize("scale", SCALES)
def test_half_width_is_the_smallest_that_holds_95(scale: int) -> None:
    true, half = probabilities(scale), error_95(scale)
    within = sum(probability for x, probability in true.items() if abs(x) <= half)
    assert within >= 0.95 > within - 2 * true[half]


def test_all_statistics_together_spend_the_budget() -> None:
    """OpenDP composes them, and states the epsilon of the whole."""
    import opendp.prelude as dp

    shares = [Fraction(1, 8), Fraction(1, 8), Fraction(1, 4), Fraction(1, 2)]
    rho = 0.0
    for sensitivity, share in zip((1, 5, 400, 10_000), shares, strict=True):
        scale = scale_for(sensitivity, BUDGET, share)
        rho += gaussian(float(scale)).map(math.sqrt(sensitivity))
        # One less would spend more than the share.
        assert gaussian(scale - 1.0).map(math.sqrt(sensitivity)) > BUDGET.rho * share
    curve = dp.c.make_zCDP_to_approxDP(gaussian(1.0)).map(math.sqrt(2 * rho))
    assert 0.97 < curve.epsilon(BUDGET.delta) <= BUDGET.epsilon


def test_epsilon_of_opendp_is_that_of_the_budget() -> None:
    import opendp.prelude as dp

    for epsilon in (0.01, 1.0, 20.0):
        rho = PrivacyBudget(epsilon).rho
        curve = dp.c.make_zCDP_to_approxDP(gaussian(1.0)).map(math.sqrt(2 * rho))
        assert 0.999 * epsilon < curve.epsilon(BUDGET.delta) <= epsilon


def test_equal_inputs_have_equal_noise() -> None:
    assert noise_of(statistics(1, 2, 3)) == noise_of(statistics(1, 2, 3))


def test_other_inputs_have_unrelated_noise() -> None:
    """A figure that did not change gets other noise too: else a difference of two releases would be exact."""
    zeros = [0] * 200
    first = noise_of(statistics(*zeros))
    one_changed = [Statistic("one", zeros, 1, Fraction(1, 2)), Statistic("other", [1, *zeros[1:]], 4, Fraction(1, 2))]
    others = [
        noise_of(one_changed),
        noise_of(statistics(*zeros), secret=b"l" * 32),
        noise_of(statistics(*zeros), salt="other salt"),
    ]
    for other in others:
        assert len(other) == len(first)
        assert sum(a == b for a, b in zip(first, other, strict=True)) < 40


def test_two_statistics_of_a_release_share_no_noise() -> None:
    alike = noise_of([Statistic(name, [0] * 200, 1, Fraction(1, 2)) for name in ("one", "other")])
    assert sum(a == b for a, b in zip(alike[:200], alike[200:], strict=True)) < 40


def test_shares_above_the_whole_are_refused() -> None:
    over = [Statistic("one", [0], 1, Fraction(2, 3)), Statistic("other", [0], 1, Fraction(2, 3))]
    with pytest.raises(ValueError, match="more than the whole"):
        add_noise(SECRET, "", BUDGET, over)
    with pytest.raises(ValueError, match="same name"):
        add_noise(SECRET, "", BUDGET, [over[0], over[0]])
