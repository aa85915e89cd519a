"""Fit a gamma distribution of rates to counts, by the maximum likelihood of the negative binomial."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

SHAPES = (0.05, 10.0)
"""Bounds of the shape: below, a few lists get nearly all items; above, all lists get the same."""
_GRID = 13
_ROUNDS = 3
_HALVINGS = 45
_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


def fit_gamma(counts: Floats, days: Floats, weights: Floats) -> tuple[float, float]:
    """Return the shape and the mean (items a day) under which counts of lists are most likely.

    A list of rate r has a Poisson count of mean r * days, and rates are gamma distributed, so that counts are negative
    binomial. `weights` has the number of lists with each count and days; the three arrays have the same shape. Counts
    may be fractions, since old items weigh less.
    """
    low, high = np.log(SHAPES)
    for _ in range(_ROUNDS):
        shapes = np.linspace(low, high, _GRID)
        likelihoods, inverse_scales = _profile(np.exp(shapes), counts, days, weights)
        best = int(np.argmax(likelihoods))
        step = shapes[1] - shapes[0]
        low, high = max(shapes[best] - step, np.log(SHAPES[0])), min(shapes[best] + step, np.log(SHAPES[1]))
    shape = float(np.exp(shapes[best]))
    return shape, shape / float(inverse_scales[best])


def _profile(shapes: Floats, counts: Floats, days: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return for each shape the greatest log likelihood, and the inverse scale (days) at which it is reached."""
    a = shapes[:, None]
    low, high = np.full_like(a, -20.0), np.full_like(a, 25.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        b = np.exp(middle)
        # Derivative by the logarithm of b: positive while b is too small.
        slope = (weights * (a * days - counts * b) / (b + days)).sum(axis=1, keepdims=True)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    b = np.exp((low + high) / 2)
    terms = _log_gamma(a + counts) - _log_gamma(a) - a * np.log1p(days / b) - counts * np.log(b + days)
    return (weights * terms).sum(axis=1), b[:, 0]
