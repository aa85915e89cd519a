"""Distributions read from the data files: countries, replies per thread, how late a comment is touched."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DATA = resources.files("harvester.sandbox").joinpath("data")


@dataclass(frozen=True, slots=True)
class Countries:
    """The countries that users choose from, and how many registered accounts chose each by the end of 2020.

    Self-declared: the first entries of the drop-down (Afghanistan, Albania...) are far too frequent, as on the site.
    """

    names: list[str]
    accounts: NDArray[np.float64]

    @classmethod
    @cache
    def load(cls) -> Countries:
        """Return the table in `data/countries.csv`."""
        rows = list(csv.reader(_DATA.joinpath("countries.csv").read_text(encoding="utf-8").splitlines()))[1:]
        return cls([name for name, _ in rows], np.array([float(accounts) for _, accounts in rows]))


class Statistics(msgspec.Struct):
    """Histograms over 8,711 comments of one studio, March 2026."""

    note: str
    reply_counts: dict[int, int]
    modified_after_seconds: dict[int, int]


@cache
def statistics() -> Statistics:
    """Return the histograms in `data/comment_statistics.json`."""
    return msgspec.json.decode(_DATA.joinpath("comment_statistics.json").read_bytes(), type=Statistics)


@cache
def _delays() -> list[int]:
    histogram = statistics().modified_after_seconds
    return [delay for delay, count in histogram.items() for _ in range(count)]


def modified_delay(chance: int) -> int:
    """Return the seconds from a comment's creation to its modification: 0 for 76%, mostly 1 for the others."""
    delays = _delays()
    return delays[chance % len(delays)]
