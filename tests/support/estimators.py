"""Estimates from simulated samples by the formulas of docs/sampling.md, in numpy: what the warehouse has to equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from samples import ABSENT, FAILED, HIT, MISS, WAITS
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from samples import Floats, Ints, Sample

    Figure = tuple[float, float, float, float]
    """An estimate, its standard error, and the lower and upper bound; NaN where there is none."""

UNREAD = 5
"""A hit of which the author or the list could not be read."""
ROUNDING = 1e-6
"""The relative error that is none."""
NOTHING = (np.nan,) * 4
FIGURES = ("size", "total", "mean")


@dataclass
class Units:
    """Units that an estimate rests on: those of each stratum before the first that waits."""

    frame: Floats
    """Ids, by stratum."""
    stratum: Ints
    position: Ints
    status: Ints
    entity: Ints
    d: Floats
    z: Floats
    value: Floats
    """Of what is no hit, NaN."""
    class_: Ints

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each unit was visited and, if it is a hit, also read."""
        return (self.status == HIT) | (self.status == MISS)


def units_of(sample: Sample, wave: str = "last", *, by_lists: bool = False) -> Units | None:
    """Take the units that a sample rests on, with their classes; None where nothing of a stratum was reached."""
    state = sample.state if wave == "last" else sample.earlier
    ids, y = (sample.ids, sample.y) if wave == "last" else (sample.ids_earlier, sample.y_earlier)
    assert state is not None
    assert ids is not None
    assert y is not None
    status, entity, factor = state, sample.entity, np.ones(len(state))
    if sample.author is not None:
        assert sample.measure is not None
        entity, factor = sample.author, 1 / sample.measure
    second = sample.lists if by_lists else sample.of_author
    if second is not None and (by_lists or sample.author is not None):
        status = np.where(state == HIT, np.where(second == FAILED, UNREAD, second), state)
    position = np.arange(len(state))
    turns = np.full(len(sample.strata), len(state))
    waiting = status == WAITS
    np.minimum.at(turns, sample.stratum[waiting], position[waiting])
    reached = (status != ABSENT) & (position < turns[sample.stratum])
    stratum, status, factor = sample.stratum[reached], status[reached], factor[reached]
    if (np.bincount(stratum, minlength=len(turns)) == 0).any():
        return None
    entity = entity[reached]
    values = np.full(1 + max(entity.max(), ids.max(initial=0)), np.nan)
    values[ids] = y
    value = np.where(status == HIT, values[entity], np.nan)
    d = np.where(np.isnan(value), 0, factor)
    z = np.where(np.isnan(value), 0, factor * value)
    frame = np.array(list(sample.strata.values()), float)
    classes = _classes(stratum, sample.entity[reached], status)
    return Units(frame, stratum, position[reached], status, entity, d, z, value, classes)


def _classes(stratum: Ints, drawn: Ints, status: Ints) -> Ints:
    """Up to ten classes by id of twenty draws or more; one where an answer or a hit in a class are too few."""
    found = np.zeros(len(stratum), np.int64)
    if not ((status == FAILED) | (status == UNREAD)).any():
        return found
    for each in np.unique(stratum):
        inside = np.flatnonzero(stratum == each)
        n = len(inside)
        fine = np.empty(n, np.int64)
        fine[np.argsort(drawn[inside])] = np.arange(n) * min(10, max(1, n // 20)) // n
        of = status[inside]
        answered, hits, unread = (np.bincount(fine, chosen) for chosen in (of != FAILED, of == HIT, of == UNREAD))
        if (answered >= 5).all() and ((unread == 0) | (hits >= 5)).all():
            found[inside] = 1 + fine
    return found


@dataclass
class Weights:
    """Units with their weights, and the counts of the class and the stratum of each."""

    cell: Ints
    stratum: Ints
    """The stratum of each cell."""
    n: Floats
    r: Floats
    h: Floats
    k: Floats
    a: Floats
    b: Floats
    n_of: Floats
    """Units by stratum."""
    w: Floats


def weigh(units: Units) -> Weights:
    """Count by class (a cell is a class of a stratum) and weigh what could be visited and read."""
    label = units.stratum * 11 + units.class_
    there = np.flatnonzero(np.bincount(label))
    number = np.zeros(there[-1] + 1, np.int64)
    number[there] = np.arange(len(there))
    cell, stratum = number[label], there // 11
    by_status = np.bincount(cell * 6 + units.status, minlength=6 * len(there)).reshape(-1, 6).astype(float)
    n, k = by_status.sum(axis=1), by_status[:, HIT]
    r, h = n - by_status[:, FAILED], k + by_status[:, UNREAD]
    n_of = np.bincount(units.stratum).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = np.where(r > 0, n / r, np.nan), np.where(h == 0, 1, np.where(k > 0, h / k, np.nan))
    return Weights(cell, stratum, n, r, h, k, a, b, n_of, (units.frame / n_of)[stratum] * a * b)


def estimate(
    sample: Sample, wave: str = "last", *, by_lists: bool = False, are_shares: bool = False
) -> dict[str, Figure]:
    """Estimate size, total and mean; `are_shares` if the values are differences of shares."""
    units = units_of(sample, wave, by_lists=by_lists)
    if units is None:
        return dict.fromkeys(FIGURES, NOTHING)
    return _estimate(units, of_authors=sample.author is not None, are_shares=are_shares)


def _estimate(units: Units, *, of_authors: bool, are_shares: bool = False) -> dict[str, Figure]:
    weights = weigh(units)
    if np.isnan(weights.w).any():
        return dict.fromkeys(FIGURES, NOTHING)
    frame, n_of = units.frame, weights.n_of
    w = weights.w[weights.cell]
    chance = (n_of < frame)[units.stratum]
    counted = ~np.isnan(units.value)
    size, total = float(w @ units.d), float(w @ units.z)
    mean = total / size if size else np.nan
    values = units.value[counted]
    is_share, is_positive = (len(values) > 0 and bool(found.all()) for found in (np.isin(values, (0, 1)), values >= 0))
    of_chance = chance & (units.z != 0)
    squares = units.z[of_chance] ** 2
    is_heavy = len(squares) > 0 and squares.sum() ** 2 / (squares @ squares) < len(squares) / 7
    left = float(frame[n_of < frame].sum())
    seen_all = {"size": counted, "total": units.z != 0, "mean": units.z != 0}
    rests = chance | ((weights.r < weights.n) | (weights.k < weights.h))[weights.cell]
    base = (frame / n_of)[weights.stratum] * weights.a
    drawn = (n_of < frame)[weights.stratum]
    found: dict[str, Figure] = {}
    for figure, e in (("size", units.d), ("total", units.z), ("mean", units.z - mean * units.d)):
        estimate = {"size": size, "total": total, "mean": mean}[figure]
        if np.isnan(estimate):
            found[figure] = NOTHING
            continue
        seen = seen_all[figure]
        squared = units.d[counted] ** 2 if figure == "size" else units.z[units.z != 0] ** 2
        expected = (
            n_of * float(w[seen & chance].sum()) / left if left else n_of * 0,
            squared.mean() if len(squared) else np.nan,
        )
        error, freedom = _error(units, weights, e, seen, expected)
        if figure == "mean":
            error /= size
        sure = {"size": float(w[~chance] @ units.d[~chance]), "total": float(w[~chance] @ units.z[~chance]), "mean": 0}
        if error <= ROUNDING * abs(estimate - sure[figure]):
            error = 0.0
        if figure == "size":
            scale = "positive" if of_authors else "count"
        elif is_share and (figure == "mean" or not of_authors):
            scale = "share" if figure == "mean" else "count"
        else:
            scale = "positive" if is_positive else "any"
        hits = w[counted]
        effective = (
            (base * weights.r)[drawn].sum() ** 2 / (base**2 * weights.r)[drawn].sum() if drawn.any() else np.nan,
            hits.sum() ** 2 / (hits**2).sum() if len(hits) else np.nan,
        )
        heavy = figure != "size" and not (is_share or are_shares) and is_heavy and freedom < 40
        whole = not left and bool((weights.r == weights.n).all() and (weights.k == weights.h).all())
        low, high = _bounds(
            estimate, error, freedom, scale, sure[figure], left, effective,
            is_mean=figure == "mean", hits=int((counted & rests).sum()), heavy=heavy, whole=whole,
        )  # fmt: skip
        found[figure] = (estimate, error, low, np.nan if heavy else high)
    return found


def _error(
    units: Units, weights: Weights, e: Floats, seen: NDArray[np.bool_], expected: tuple[Floats, float]
) -> tuple[float, float]:
    """Return the standard error of a sum of e, and its degrees of freedom (Satterthwaite)."""
    strata = len(units.frame)
    adds = np.flatnonzero(units.d != 0)
    e, cell, stratum = e[adds], weights.cell[adds], units.stratum[adds]
    s, ss = (np.bincount(cell, power, len(weights.n)) for power in (e, e * e))
    ab = weights.a * weights.b
    s_of, ss_of = (np.bincount(weights.stratum, ab * sums, strata) for sums in (s, ss))
    known = np.bincount(weights.stratum, weights.r - weights.h + weights.k, strata)
    seen_of = np.bincount(units.stratum[seen], minlength=strata)
    parts: list[tuple[float, float]] = []
    for each, (m, n) in enumerate(zip(units.frame.tolist(), weights.n_of.tolist(), strict=True)):
        if n >= m:
            variance = 0.0
        elif n < 2:
            variance = np.nan
        else:
            variance = m**2 * (1 - n / m) / n * max(0.0, ss_of[each] - s_of[each] ** 2 / n) / (n - 1)
        for c in np.flatnonzero((weights.stratum == each) & (weights.r < weights.n)).tolist():
            n_c, r, b = weights.n[c], weights.r[c], weights.b[c]
            again = max(0.0, b * ss[c] - (b * s[c]) ** 2 / r) / (r - 1) if r > 1 else np.nan
            variance += (m / n) ** 2 * n_c**2 * (1 - r / n_c) / r * again
        if not seen_of[each]:
            if 2 <= n < m and not np.isnan(expected[1]) and not np.isnan(variance):
                rate = expected[0][each]
                variance = max(variance, (m / n) ** 2 * (1 - n / m) * expected[1] * rate / (1 + rate))
            freedom = 2.0
        else:
            inside = stratum == each
            freedom = _freedom((ab[cell] * e)[inside], float(known[each]), s_of[each] / n)
        parts.append((float(variance), freedom))
    read, hits = (np.bincount(weights.stratum, counts, strata) for counts in (weights.k, weights.h))
    if (read < hits).any():
        # An author is read with all of their projects, or with none.
        of_hits = np.flatnonzero((units.status == HIT) & (read < hits)[units.stratum])
        full = np.zeros(len(units.d))
        full[adds] = e
        c = weights.cell[of_hits]
        share = (read / np.maximum(1, hits))[units.stratum[of_hits]]
        by = weights.w[c] * np.sqrt(1 - share) * (full[of_hits] - s[c] / weights.k[c])
        entities = units.entity[of_hits]
        g = np.bincount(entities, by)[np.bincount(entities) > 0]
        squares = g @ g
        fourths = (g * g) @ (g * g)
        varies = squares * len(g) / (len(g) - 1) if len(g) > 1 else np.nan
        parts.append((varies, squares**2 / fourths if fourths else 1.0))
    variances, freedoms = np.array(parts).T
    whole = variances.sum()
    squares = (variances**2 / np.maximum(1, freedoms)).sum()
    return float(np.sqrt(whole)), max(1.0, float(whole**2 / squares)) if squares else 1.0


def _freedom(values: Floats, known: float, mean: float) -> float:
    """Return as many degrees of freedom as the fourth powers tell, of so many known units whose others are 0."""
    g = (values - mean) ** 2
    others = known - len(values)
    squares, fourths = g.sum() + others * mean**2, g @ g + others * mean**4
    spread = fourths / squares**2 - 1 / known if squares else 0.0
    return min(known - 1, 2 / spread) if spread > 1e-12 else known - 1


def _bounds(
    estimate: float, error: float, freedom: float, scale: str, sure: float, left: float, effective: tuple[float, float],
    *, is_mean: bool, hits: int, heavy: bool, whole: bool,
) -> tuple[float, float]:  # fmt: skip
    """Return the 95% interval of a figure."""
    if np.isnan(error):
        return np.nan, np.nan
    if whole:
        return estimate, estimate
    by_chance = estimate - sure
    if scale == "count" and left:
        if by_chance <= 1e-9 * left:
            return sure, sure + left * (1 - 0.025 ** (1 / effective[0]))
        if by_chance >= (1 - 1e-9) * left:
            return sure + left * 0.025 ** (1 / effective[0]), sure + left
        low, high = interval(by_chance / left, error / left, freedom, "share")
        return sure + left * low, sure + left * high
    if scale == "share" and estimate in (0, 1):
        bound = 0.025 ** (1 / effective[1])
        return (0, 1 - bound) if estimate == 0 else (bound, 1)
    if scale == "positive" and not is_mean and by_chance <= 0:
        return sure, np.nan
    if error == 0 or hits < 2 or (heavy and scale != "positive"):
        return np.nan, np.nan
    if is_mean:
        return interval(estimate, error, freedom, scale)
    low, high = interval(by_chance, error, freedom, scale)
    return sure + low, sure + high


def interval(estimate: float, error: float, freedom: float, scale: str) -> tuple[float, float]:
    """Return a 95% interval: on the logit scale for shares, on the log scale for what is positive."""
    reach = error * stdtrit(np.floor(freedom + 1e-9) if freedom < 4 else freedom, 0.975)
    if error == 0:
        return estimate, estimate
    if scale == "share" and 0 < estimate < 1:
        middle, width = np.log(estimate / (1 - estimate)), min(500, reach / (estimate * (1 - estimate)))
        return 1 / (1 + np.exp(width - middle)), 1 / (1 + np.exp(-width - middle))
    if scale == "positive" and estimate > 0:
        factor = np.exp(min(500, reach / estimate))
        return estimate / factor, estimate * factor
    return estimate - reach, estimate + reach


def change(sample: Sample) -> dict[str, Figure]:
    """Estimate by how much size, total and mean changed between the two waves of a panel."""
    one, other = units_of(sample, "first"), units_of(sample, "last")
    if one is None or other is None:
        return dict.fromkeys(FIGURES, NOTHING)
    waves = [(units, weigh(units), _estimate(units, of_authors=False)) for units in (one, other)]
    m, places = float(one.frame[0]), len(sample.entity)
    values = np.concatenate([one.value, other.value])
    is_share = bool(np.isin(values[~np.isnan(values)], (0, 1)).all())
    share = len(np.intersect1d(one.position, other.position, assume_unique=True)) / (len(one.d) * len(other.d)) - 1 / m
    found = {}
    for figure in FIGURES:
        (was, before, *_), (becomes, after, *_) = (told[figure] for _, _, told in waves)
        if np.isnan(becomes - was):
            found[figure] = NOTHING
            continue
        residuals, spreads, moved, moves = np.full((2, places), np.nan), [], np.zeros(places), np.zeros(places)
        for wave, (units, weights, told) in enumerate(waves):
            e = {"size": units.d, "total": units.z, "mean": units.z - told["mean"][0] * units.d}[figure]
            e = e / told["size"][0] if figure == "mean" else e
            known, n = units.known, len(e)
            response = (weights.a * weights.b)[weights.cell] * known
            s, ss = response @ e, response @ (e * e)
            spreads.append(max(0, (ss - s**2 / n) / (n - 1)) if n > 1 else np.nan)
            at = units.position[known]
            residuals[wave, at] = e[known]
            w = (-1, 1)[wave] * weights.w[weights.cell]
            moved[at] += (w * e)[known]
            moves[at] += (w * (e - s / n))[known]
        pairs = residuals[:, ~np.isnan(residuals).any(axis=0)]
        varied = pairs.shape[1] > 1 and (np.ptp(pairs, axis=1) > 0).all()
        correlation = np.corrcoef(pairs)[0, 1] if varied else 0.0
        covariance = m**2 * share * correlation * np.sqrt(spreads[0] * spreads[1])
        error = float(np.sqrt(np.maximum(0, before**2 + after**2 - 2 * covariance)))
        if error <= ROUNDING * max(abs(was), abs(becomes)):
            error = 0.0
        g = moves[~np.isnan(residuals).all(axis=0)] ** 2
        squares, fourths, moved = g.sum(), g @ g, moved[np.abs(moved) > 1e-9 * np.abs(moved).max()] ** 2
        spread = fourths / squares**2 - 1 / len(g) if squares else 0.0
        freedom = max(1.0, min(len(g) - 1, 2 / spread) if spread > 1e-12 else len(g) - 1)
        none = len(moved) < 2 or not error
        is_uneven = not none and moved.sum() ** 2 / (moved @ moved) < len(moved) / 5
        heavy = figure != "size" and not is_share and freedom < 40 and is_uneven
        bounds = (np.nan, np.nan) if none or heavy else interval(becomes - was, error, freedom, "any")
        found[figure] = (becomes - was, error, *bounds)
    return found


def estimate_walks(walks: tuple[Ints, Ints, Floats], values: Floats) -> dict[str, Figure]:
    """Estimate a mean over users from random walks."""
    walk, user, weight = walks
    y = values[user]
    mean = float(weight @ y / weight.sum())
    sums = np.bincount(walk, weight * (y - mean))
    error = float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / weight.sum())
    scale = "share" if np.isin(y, (0, 1)).all() else "positive" if (y >= 0).all() else "any"
    if error > ROUNDING * abs(mean):
        return {"mean": (mean, error, *interval(mean, error, len(sums) - 1, scale))}
    bound = 0.025 ** (1 / len(sums))
    bounds = ((0, 1 - bound) if mean == 0 else (bound, 1)) if scale == "share" else (np.nan, np.nan)
    return {"mean": (mean, 0.0, *bounds)}


def assert_alike(told: Floats, computed: Figure, where: str) -> None:
    """Compare; the quantiles of the warehouse are right to 0.1%."""
    found = np.array(computed, float)
    assert (np.isnan(told) == np.isnan(found)).all(), (where, told, found)
    np.testing.assert_allclose(told[:2], found[:2], rtol=1e-9, atol=1e-6, err_msg=where)
    np.testing.assert_allclose(
        told[2:], found[2:], rtol=5e-3, atol=0.003 * float(np.nan_to_num(found[1])), err_msg=where
    )
