"""Compare each published column of `open` with the warehouse: how far recoding and suppression moved it.

The released side is computed from the published rows and their weights, and is exact. The warehouse's side has the
noise of `privacy`, for it counts suppressed rows too. One person's rows of a table are protected; values of a row, such
as its followers, are taken as they are, and so is the number of rows, which a release states. Each column has two
statistics:

- its **sum** over the rows of each person, clipped to what one person may add, from which the mean follows, and how
  many people have more than that;
- its **distribution** over classes that are fixed in advance, of at most `MOST_ROWS` rows of a person: those that come
  first in the order of their pseudonyms.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

from harvester.dataset.privacy import SHARE_OF_BIAS, Statistic
from harvester.dataset.recoding import DESIGN, MIDDLE_YEAR
from harvester.dataset.release import Field, Resource, Type
from harvester.warehouse.statements import statements
from harvester.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harvester.dataset.anonymity import RecodedTable, RecodedTables
    from harvester.dataset.privacy import NoisyStatistic
    from harvester.dataset.recoding import Column, ColumnStep, Measure
    from harvester.dataset.release import FileFormat
    from harvester.dataset.snapshot import Snapshot

_SQL = statements(__package__, "bias")
"""Filled in by `str.format` with names of tables and columns of the release."""

MOST_ROWS = 5
"""Rows of a person that count in the distributions of a table; in that of users a person has one."""
FIRST_YEAR = 2007
"""The year in which the site opened."""
_NONE, _OTHER = "", "other"
"""Classes of null, and of values that are not known in advance."""
_FORMATS = ("scratch1", "scratch2", "scratch3")
OF_CLASSES, OF_SUM, OF_CLIPPED = Fraction(10, 20), Fraction(9, 20), Fraction(1, 20)
"""Parts of a column's budget."""
TABLES = 7
"""Tables that share the budget, whether a release has all of them or not."""

FIELDS = (
    Field("table", Type.STRING, "The table.", required=True),
    Field("column", Type.STRING, "Its column.", required=True),
    Field(
        "released_mean",
        Type.NUMBER,
        "The weighted mean of the published values: of a bin the value that stands for it, of a time the year, of a"
        " boolean the share of true; null for other columns, and a null value counts as 0.",
        "Exact.",
    ),
    Field(
        "warehouse_mean",
        Type.NUMBER,
        "The mean in the warehouse, suppressed rows included; what one person adds to the sum is clipped.",
        "With noise.",
    ),
    Field(
        "error_95",
        Type.NUMBER,
        "Half the width of a 95% interval of the noise in `warehouse_mean`.",
    ),
    Field("most_of_a_person", Type.INTEGER, "The most that one person adds to the sum behind `warehouse_mean`."),
    Field(
        "clipped_people",
        Type.INTEGER,
        "How many people have more than that, of which the rest is missing in `warehouse_mean`.",
        "With noise; below 0 where noise makes it so.",
    ),
    Field("clipped_error_95", Type.INTEGER, "Half the width of a 95% interval of the noise in `clipped_people`."),
    Field(
        "total_variation",
        Type.NUMBER,
        "The total variation between the weighted published distribution and that of the warehouse, times by year: half"
        " the sum of the differences between shares; null where the noise alone is expected to make 1 or more.",
        "With noise.",
    ),
    Field(
        "noise_variation",
        Type.NUMBER,
        "The total variation that the noise alone is expected to make.",
        required=True,
    ),
)
"""Columns of the resource `bias`."""
COMMENT = "A published column, and how far its weighted values are from those of the warehouse."


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """A column with what is compared: exact figures, which are not to be published without noise.

    `released` are sums of weights by published value, `counts` rows of the warehouse by class; `total` is the sum, from
    which something of `clipped` people is missing.
    """

    table: str
    column: Column
    step: ColumnStep
    rows: int
    released: dict[str, float]
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    total: int
    clipped: int
    share: Fraction

    @property
    def name(self) -> str:
        """Return the name of its statistics."""
        return f"bias {self.table}.{self.column.name}"

    def statistics(self) -> list[Statistic]:
        """Return the exact figures with their sensitivity."""
        most_rows = 1 if self.table == "users" else MOST_ROWS
        in_classes = f"{counted(most_rows, 'record')} in one cell"
        found = [Statistic(f"{self.name} classes", self.counts, most_rows**2, self.share * OF_CLASSES, in_classes)]
        if self.column.measure is not None:
            most = self.column.measure.most
            found += [
                Statistic(f"{self.name} sum", (self.total,), most**2, self.share * OF_SUM, f"the sum by {most}"),
                Statistic(f"{self.name} clipped", (self.clipped,), 1, self.share * OF_CLIPPED, "the count by 1"),
            ]
        return found

    def row(self, noisy: Mapping[str, NoisyStatistic]) -> dict[str, Any]:
        """Return the row of the resource."""
        classes, measure = noisy[f"{self.name} classes"], self.column.measure
        rows = max(sum(classes.values), 1)
        noise = len(classes.values) * classes.scale * sqrt(2 / pi) / (2 * rows)
        told: dict[str, Any] = {"table": self.table, "column": self.column.name, "noise_variation": noise}
        if noise < 1:
            told["total_variation"] = self._variation([count / rows for count in classes.values])
        if measure is not None:
            found, clipped = noisy[f"{self.name} sum"], noisy[f"{self.name} clipped"]
            told |= {
                "released_mean": sum(weight * self._value(name, measure) for name, weight in self.released.items())
                / sum(self.released.values()),
                "warehouse_mean": measure.center + found.values[0] / self.rows,
                "error_95": found.error_95 / self.rows,
                "most_of_a_person": measure.most,
                "clipped_people": clipped.values[0],
                "clipped_error_95": clipped.error_95,
            }
        return told

    def _variation(self, shares: Sequence[float]) -> float:
        whole = sum(self.released.values())
        return (
            sum(
                abs(self.released.get(name, 0.0) / whole - share)
                for name, share in zip(self.classes, shares, strict=True)
            )
            / 2
        )

    def _value(self, published: str, measure: Measure) -> float:
        """Return the number that stands for a published value."""
        if published == _NONE:
            return measure.center
        if self.column.type is Type.BOOLEAN:
            return float(published == "true")
        return min(self.step.value(published, measure.most), measure.most) if self.step.starts else int(published)


def compare(snapshot: Snapshot, recoded: RecodedTables, last_year: int) -> list[ComparedColumn]:
    """Compare all published columns but those of a sample, which the warehouse has for some rows only.

    Args:
        snapshot: The snapshot of the release, after `anonymity.recode`.
        recoded: The tables of the release.
        last_year: The year of the release's state.
    """
    found = []
    for table in recoded.tables.values():
        columns = [one for one in table.columns if one not in DESIGN]
        rows = sum(one.rows for one in table.strata)
        if not rows or not any(one.shown for one in table.strata):
            continue
        snapshot.run(_SQL["make_bounded"].format(name=table.table, most=MOST_ROWS))
        share = SHARE_OF_BIAS / TABLES / max(len(columns), 1)
        found += [_compare(snapshot, table, one, rows, share, last_year) for one in columns]
    return found


def _compare(
    snapshot: Snapshot, table: RecodedTable, column: Column, rows: int, share: Fraction, last_year: int
) -> ComparedColumn:
    names = {"name": table.table, "column": column.name}
    step, classes = table.recoding[column.name], _classes(column, table.recoding[column.name], last_year)
    is_year = column.measure is not None and column.measure.center == MIDDLE_YEAR
    # Times are compared by year, whatever their step.
    names["value"] = f'left("{column.name}", 4)' if is_year else f'"{column.name}"::text'
    counts = dict.fromkeys(classes, 0)
    for one in snapshot.rows(_SQL["counts"].format(**names)):
        counts[one["value"] if one["value"] in counts else _OTHER] += one["rows"]
    released = {one["value"]: one["weight"] for one in snapshot.rows(_SQL["released"].format(**names))}
    total = clipped = 0
    if column.measure is not None:
        value = column.measure.sql.format(column.fact)
        (sums,) = snapshot.rows(_SQL["total"].format(**names, fact=value, most=column.measure.most))
        total, clipped = int(sums["total"]), int(sums["clipped"])
    values = tuple(counts.values())
    return ComparedColumn(table.table, column, step, rows, released, classes, values, total, clipped, share)


def _classes(column: Column, step: ColumnStep, last_year: int) -> tuple[str, ...]:
    """Return the classes of a column, which do not depend on the rows."""
    if step.starts:
        found = [name for name, _, _ in step.bins()]
    elif column.type is Type.BOOLEAN:
        found = ["true", "false"]
    elif column.measure is not None:
        found = [str(year) for year in range(FIRST_YEAR, last_year + 1)]
    elif column.name == "format":
        found = list(_FORMATS)
    else:
        text = (files("harvester.dataset") / "regions.csv").read_text(encoding="utf-8")
        found = sorted({row[column.name] for row in csv.DictReader(text.splitlines())})
    return (*found, _NONE, _OTHER)


def statistics(compared: Iterable[ComparedColumn]) -> list[Statistic]:
    """Return the statistics behind the resource, to which noise is to be added."""
    return [one for column in compared for one in column.statistics()]


def make_rows(compared: Iterable[ComparedColumn], noisy: Mapping[str, NoisyStatistic]) -> list[dict[str, Any]]:
    """Return the rows of the resource `bias`, in the order of its key.

    Args:
        compared: The columns.
        noisy: Their statistics with noise, by name.
    """
    return sorted((one.row(noisy) for one in compared), key=lambda row: (row["table"], row["column"]))


def write(
    folder: Path, formats: Sequence[FileFormat], compared: Sequence[ComparedColumn], noisy: Mapping[str, NoisyStatistic]
) -> Resource:
    """Write the comparison of the published columns with the warehouse."""
    import pyarrow as pa  # noqa: PLC0415

    from harvester.dataset.files import Writing  # noqa: PLC0415

    with Writing(folder, "data/bias", FIELDS, formats) as writing:
        writing.write(pa.RecordBatch.from_pylist(make_rows(compared, noisy), schema=writing.schema))
    return Resource("bias", COMMENT, FIELDS, ("table", "column"), (), writing.rows, writing.files())
