"""Merge strata until the suppressed rows of each are of nobody or of k people, and weigh the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class RowStratum:
    """A stratum of a table, or neighbouring strata that were merged.

    `people` counts people of whom rows are suppressed, each in one stratum alone: at least so many are behind the
    suppressed rows. `drawn_weight` is the sum of the sample's weights, `shown_weight` that of the rows that are shown.
    """

    names: tuple[str, ...]
    rows: int
    shown: int
    people: int
    drawn_weight: float = 0.0
    shown_weight: float = 0.0

    def __add__(self, other: RowStratum) -> RowStratum:
        """Return the stratum of both."""
        return RowStratum(
            self.names + other.names,
            self.rows + other.rows,
            self.shown + other.shown,
            self.people + other.people,
            self.drawn_weight + other.drawn_weight,
            self.shown_weight + other.shown_weight,
        )

    def may_be_stated(self, k: int) -> bool:
        """Return whether some rows are shown, and none or those of at least k people suppressed."""
        return self.shown > 0 and (self.rows == self.shown or self.people >= k)

    @property
    def weight(self) -> float:
        """Return how many rows each row that is shown stands for."""
        return self.rows / self.shown

    @property
    def factor(self) -> float:
        """Return the number by which weights of the sample are multiplied, so that their sum stays."""
        return self.drawn_weight / self.shown_weight if self.shown_weight else 1.0

    def as_json(self) -> dict[str, str | int]:
        """Return the stratum as the manifest states it."""
        name = self.names[0] if len(self.names) == 1 else f"{self.names[0]} to {self.names[-1]}"
        return {"stratum": name, "rows": self.rows, "shown": self.shown, "suppressed": self.rows - self.shown}


def merge(strata: Sequence[RowStratum], k: int) -> list[RowStratum]:
    """Merge neighbouring strata until each may be stated; as one, if there is no other way.

    In the order given, each that may not be stated yet is merged with the next; what is left at the end is merged with
    those before it.
    """
    merged: list[RowStratum] = []
    rest: RowStratum | None = None
    for one in strata:
        rest = one if rest is None else rest + one
        if rest.may_be_stated(k):
            merged.append(rest)
            rest = None
    while rest is not None and merged:
        rest = merged.pop() + rest
        if rest.may_be_stated(k):
            merged.append(rest)
            rest = None
    return merged if rest is None else [rest]
