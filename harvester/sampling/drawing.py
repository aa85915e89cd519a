"""Draw numbers; pure, with the same result for the same seed on every machine.

A number is drawn by a hash of the seed and its position, so that nothing depends on the random generator of a library,
and a longer draw begins with the shorter one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from math import expm1, log1p, sqrt

SMALLEST = 2
"""Least number of draws of a stratum: a single one has no variance."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """An interval of ids, both ends included."""

    name: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """Return the number of its ids."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Pilot:
    """Draws and hits of an earlier sample in a stratum."""

    drawn: int = 0
    hits: int = 0


def chance(*label: object) -> float:
    """Return a number in [0, 1) that belongs to a label."""
    return _number(*label) / 2**64


def _number(*label: object) -> int:
    return int.from_bytes(blake2b("/".join(map(str, label)).encode(), digest_size=8).digest())


def draw(seed: int, stratum: Stratum, count: int, skip: Collection[int] = ()) -> list[int]:
    """Draw `count` ids of a stratum without replacement and with equal chances, without those of `skip`.

    These are the first steps of a shuffle (Fisher and Yates), of which only the touched positions are in memory.

    Raises:
        ValueError: the stratum has fewer ids.
    """
    if count > stratum.size - sum(stratum.first <= each <= stratum.last for each in skip):
        raise ValueError(f"stratum {stratum.name} has no {count:,} ids to draw")
    moved: dict[int, int] = {}
    found: list[int] = []
    place = 0
    while len(found) < count:
        other = place + _number(seed, stratum.name, place) % (stratum.size - place)
        taken = moved.get(other, other)
        moved[other] = moved.get(place, place)
        place += 1
        if stratum.first + taken not in skip:
            found.append(stratum.first + taken)
    return found


def cut(first: int, last: int, parts: int) -> list[Stratum]:
    """Return a range of ids in parts of equal width."""
    edges = [first + (last - first + 1) * part // parts for part in range(parts + 1)]
    return [Stratum(str(n + 1), begin, end - 1) for n, (begin, end) in enumerate(pairwise(edges))]


def allocate(
    strata: Sequence[Stratum], count: int, way: str, pilot: Mapping[str, Pilot], cost_of_hit: float
) -> list[int]:
    """Divide `count` draws among the strata: at least two for each, at most all of its ids.

    Shares are `equal`, `proportional` to the size, or (`neyman`) proportional to the size times the standard deviation
    of a hit over the root of the cost of a draw, by the results of an earlier draw; a stratum without results counts as
    one hit in two draws.
    """
    weights = [1.0] * len(strata) if way == "equal" else [float(stratum.size) for stratum in strata]
    if way == "neyman":
        for n, stratum in enumerate(strata):
            known = pilot.get(stratum.name, Pilot())
            rate = (known.hits + 1) / (known.drawn + 2)
            weights[n] *= sqrt(rate * (1 - rate) / (1 + cost_of_hit * rate))
    shares = [min(SMALLEST, stratum.size) for stratum in strata]
    # By largest remainders; repeated while a stratum is full, whose share goes to the others.
    while (left := count - sum(shares)) > 0:
        open_ = [n for n, stratum in enumerate(strata) if shares[n] < stratum.size]
        if not open_:
            break
        total = sum(weights[n] for n in open_)
        wanted = {n: max(0.0, count * weights[n] / total - shares[n]) for n in open_}
        whole = sum(wanted.values()) or 1.0
        exact = {n: left * wanted[n] / whole for n in open_}
        given = {n: min(int(exact[n]), strata[n].size - shares[n]) for n in open_}
        if not any(given.values()):
            for n in sorted(open_, key=lambda n: (-exact[n], n))[:left]:
                given[n] = 1
        for n, more in given.items():
            shares[n] += more
    return shares


def inclusion(parts: Sequence[tuple[int, int, int]]) -> float:
    """Return the probability that an id of a unit is drawn; parts are (ids drawn, ids in all, ids of the unit)."""
    missed = 0.0
    for drawn, size, own in parts:
        if own > size - drawn:
            return 1.0
        missed += sum(log1p(-drawn / (size - place)) for place in range(own))
    return -expm1(missed)
