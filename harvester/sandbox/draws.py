"""Sizes, weights and pairs for a new community, drawn as arrays, and what arrays become in its state."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from harvester.sandbox.tables import Lists

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

LARGEST_LIST = 5_000


def ranked(count: int, exponent: float) -> Floats:
    """Return weights of `count` ranks that fall as a power of the rank, with sum 1."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def draw_sizes(rng: Generator, count: int, total: float, exponent: float, largest: int = LARGEST_LIST) -> Ints:
    """Draw sizes of `count` lists with about this total, falling as a power of the rank, none above `largest`."""
    if count < 1 or total < 1:
        return np.zeros(max(count, 0), dtype=np.int64)
    weights = ranked(count, exponent)
    sizes = weights * total
    for _ in range(20):  # what is cut from the largest goes to the others
        cut = np.minimum(sizes, largest)
        rest = total - cut.sum()
        if rest < 1 or (cut >= largest).all():
            break
        sizes = np.where(cut < largest, cut * (1 + rest / cut[cut < largest].sum()), largest)
    sizes = np.minimum(sizes, largest)
    whole = np.floor(sizes)
    return np.asarray(whole + (rng.random(count) < sizes - whole), dtype=np.int64)


def draw_rows(rng: Generator, weights: Floats, count: int) -> Ints:
    """Draw row numbers by weight, with repetition."""
    cumulated = np.cumsum(weights)
    drawn = np.searchsorted(cumulated, rng.random(count) * cumulated[-1])
    return np.asarray(np.minimum(drawn, len(weights) - 1), dtype=np.int64)


def distinct_pairs(left: Ints, right: Ints) -> Ints:
    """Return the positions of the first occurrence of each pair, in the order given."""
    key = left * (np.int64(right.max()) + 1 if len(right) else 1) + right
    _, first = np.unique(key, return_index=True)
    first.sort()
    return np.asarray(first, dtype=np.int64)


def draw_edges(rng: Generator, owners: Ints, sizes: Ints, weights: Floats) -> tuple[Ints, Ints]:
    """Draw pairs (owner, target): each owner gets about so many distinct targets, the popular ones more often."""
    wanted = np.minimum(sizes, int(len(weights) * 0.8))
    # Popular targets are drawn again and again: more draws than wanted, then the first distinct ones.
    draws = wanted + np.where(wanted > 1, wanted, 0)
    left = np.repeat(owners, draws)
    right = draw_rows(rng, weights, len(left))
    kept = distinct_pairs(left, right)
    left, right = left[kept], right[kept]
    order = np.argsort(left, kind="stable")
    left, right = left[order], right[order]
    rank = np.arange(len(left)) - np.searchsorted(left, left)
    limit = np.zeros(int(owners.max()) + 1 if len(owners) else 1, dtype=np.int64)
    limit[owners] = wanted
    within = rank < limit[left]
    left, right = left[within], right[within]
    order = rng.permutation(len(left))  # the order in which it happened
    return left[order], right[order]


def draw_popularity(rng: Generator, count: int, exponent: float) -> Floats:
    """Draw weights for targets: mostly by rank, some evenly, in random order."""
    return np.asarray(rng.permutation(0.7 * ranked(count, exponent) + 0.3 / max(count, 1)), dtype=np.float64)


def grouped(keys: Ints, values: Ints) -> Lists:
    """Return the values of each key in the order given."""
    if not len(keys):
        return {}
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    found, starts = np.unique(keys, return_index=True)
    ends = [*starts[1:].tolist(), len(keys)]
    flat: list[int] = values[order].tolist()
    return {key: flat[a:b] for key, a, b in zip(found.tolist(), starts.tolist(), ends, strict=True)}


def column(values: Ints) -> array[int]:
    """Return the numbers as a column of the state, which can grow."""
    made = array("q")
    made.frombytes(np.ascontiguousarray(values, dtype=np.int64).tobytes())
    return made


def numbers(made: array[int]) -> Ints:
    """Return a copy of a column as an array: a view would keep the column from growing."""
    return np.frombuffer(made, dtype=np.int64).copy() if len(made) else np.zeros(0, dtype=np.int64)


def rows_by_id(ids: array[int]) -> dict[int, int]:
    """Return the row of each id."""
    return dict(zip(ids, range(len(ids)), strict=True))
