"""Count what a release of `open` says of all records together: fixed tables, whose figures get noise.

The cells of each table are fixed by what everybody knows (the list of countries, the month of the release), so that the
presence of a cell tells nothing. `records_*` are temporary tables with one row for each record of a person;
`counted_*` have at most `BOUNDS` of each person, those with the least keyed hash. A record's place among those of its
person depends on no other person. What one person can change is therefore bounded, as each `TablePart` states.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harvester.dataset.privacy import SHARE_OF_AGGREGATES, Statistic
from harvester.dataset.release import SOURCES, Field, Resource, Type
from harvester.dataset.rows import confirmed, moment, source
from harvester.dataset.scripts import SCRIPTS, script_of
from harvester.dataset.sources import versions
from harvester.source.rubric import Dimension
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS
from harvester.wording import counted as as_counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from harvester.dataset.privacy import NoisyStatistic
    from harvester.dataset.release import FileFormat
    from harvester.dataset.rows import Selection
    from harvester.dataset.snapshot import Snapshot

_SQL = statements(__package__, "aggregates")
"""Filled in by `str.format` with names and expressions of this module."""

BOUNDS = {"projects": 10, "studios": 3, "comments": 20, "follows": 20, "entries": 10, SOURCES: 10}
"""Records of a person that are counted at most, by kind; `entries` are projects in studios."""
MOST_LEFT_OUT = 10
"""Of each person the records above the bound are counted up to so many times the bound."""
COUNTED = {"people": ("people",), "projects": ("projects",), "studios": ("studios",), "comments": COMMENTS}
"""Values of the column `counted`, by kind of record."""
FIRST_YEAR = 2007
"""The year in which the site was opened. What is dated earlier counts for its first month."""
YEARS_AFTER = 10
"""Years after joining for which `retention` says who was active."""
_AGES = (1, 7, 30, 90, 365, 730, 1825)
_ACTS = (1, 2, 10, 100)
_SIZES = (1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025)
_LATENCIES = (60, 600, 3600, 86400, 604800, 2592000)
_UNKNOWN, _OTHER = "unknown", "other"
HIGHEST_SCORE = 3 * len(Dimension)


def _ranges(starts: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the bins that begin at 0 and at some numbers: 0, 1, 2-9, 10-."""
    bounds = [0, *starts]
    closed = [str(a) if b == a + 1 else f"{a}-{b - 1}" for a, b in pairwise(bounds)]
    return (*closed, f"{bounds[-1]}-")


def _bin(value: str, starts: Sequence[int]) -> str:
    """Return SQL of the number of the bin that a value is in; null for null."""
    return f"width_bucket({value}, ARRAY[{', '.join(map(str, starts))}]::float8[])"


@cache
def countries() -> tuple[str, ...]:
    """Return the countries that people can choose."""
    with (resources.files("harvester.dataset") / "regions.csv").open(encoding="utf-8") as file:
        return tuple(row["country"] for row in csv.DictReader(file))


def months(last: datetime) -> tuple[str, ...]:
    """Return the months from the site's first year to one, as 2026-06."""
    all_months = (f"{year}-{month:02}" for year in range(FIRST_YEAR, last.year + 1) for month in range(1, 13))
    return tuple(month for month in all_months if month <= f"{last:%Y-%m}")


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of the tables `counts_by_*`: its column, its cells, and how a value of the database finds its cell.

    `label` is SQL over a counted record; None: the cell is that of the script of its text.
    """

    field: Field
    cells: tuple[str, ...]
    label: str | None
    find: Callable[[Any], str | None]


def axes(at: datetime) -> dict[str, Axis]:
    """Return the dimensions by the name of their table."""
    of_time, of_country = months(at), frozenset(countries())
    ages, acts = _ranges(_AGES), _ranges(_ACTS)

    def month(value: str | None) -> str | None:
        return None if value is None else max(of_time[0], min(of_time[-1], value))

    def country(value: str | None) -> str:
        return _UNKNOWN if value is None else value if value in of_country else _OTHER

    return {
        "counts_by_month": Axis(
            _dimension("month", f"The month of creation, from {FIRST_YEAR} on; of people that of joining.", Type.MONTH),
            of_time,
            "to_char(created_at, 'YYYY-MM')",
            month,
        ),
        "counts_by_country": Axis(
            _dimension("country", f"The country that its person chose; `{_OTHER}`: none of the site's list."),
            (*countries(), _OTHER, _UNKNOWN),
            "country",
            country,
        ),
        "counts_by_account_age": Axis(
            _dimension("account_age", "Days from joining to the creation; of people to the date of the release."),
            (*ages, _UNKNOWN),
            _bin("extract(epoch FROM age) / 86400", _AGES),
            lambda value: _UNKNOWN if value is None else ages[value],
        ),
        "counts_by_script": Axis(
            _dimension("script", "The script of its text (ISO 15924): title, comment or profile; Zyyy: no letter."),
            SCRIPTS,
            None,
            lambda value: script_of(value or ""),
        ),
        "counts_by_activity": Axis(
            _dimension("activity", "Projects and comments of its person in this release."),
            (*acts, _UNKNOWN),
            _bin("acts", _ACTS),
            lambda value: _UNKNOWN if value is None else acts[value],
        ),
    }


def _dimension(name: str, comment: str, kind: Type = Type.STRING) -> Field:
    return Field(name, kind, comment, required=True)


@dataclass(frozen=True, slots=True)
class TablePart:
    """A part of a table that is counted, noised and accounted for as one statistic.

    `cells` are keys of the table's rows. `sensitivity` is the square of the greatest Euclidean distance that one person
    makes; `because` derives it.
    """

    table: str
    part: str
    cells: tuple[tuple[Any, ...], ...]
    sensitivity: int
    because: str

    @property
    def name(self) -> str:
        """Return the name of the statistic."""
        return f"{self.table} {self.part}".strip()


def table_parts(at: datetime, *, has_sources: bool) -> list[TablePart]:
    """Return all parts of the tables of a release, in the order of its tables. Pure: they depend on no record."""
    bounds = {kind: most for kind, most in BOUNDS.items() if kind != SOURCES or has_sources}
    found = []
    cells: tuple[tuple[Any, ...], ...]
    for table, axis in axes(at).items():
        for kind, names in COUNTED.items():
            cells = tuple((name, cell) for name in names for cell in axis.cells)
            found.append(_of_records(table, kind, cells, bounds.get(kind, 1)))
    found += _sizes()
    years = range(FIRST_YEAR, at.year + 1)
    cells = tuple((cohort, after) for cohort in years for after in range(YEARS_AFTER))
    found.append(TablePart("retention", "", cells, YEARS_AFTER, f"{YEARS_AFTER} cells by one"))
    cells = tuple((cell,) for cell in (*_ranges(_LATENCIES), _UNKNOWN))
    found.append(_of_records("reply_latency", "", cells, BOUNDS["comments"]))
    if has_sources:
        cells = tuple((score,) for score in range(HIGHEST_SCORE + 1))
        found.append(_of_records("scores", "", cells, BOUNDS[SOURCES]))
    for kind, most in bounds.items():
        because = f"a figure by {MOST_LEFT_OUT * most}"
        found.append(TablePart("left_out", kind, ((kind,),), (MOST_LEFT_OUT * most) ** 2, because))
    return found


def _of_records(table: str, part: str, cells: tuple[tuple[Any, ...], ...], most: int) -> TablePart:
    return TablePart(table, part, cells, most**2, f"{as_counted(most, 'record')} in one cell")


def _sizes() -> Iterator[TablePart]:
    """Yield the parts of `sizes`.

    A record that leaves a group moves the group from one cell to another: two cells change by one.
    """
    sizes, projects, comments = _ranges(_SIZES), BOUNDS["projects"], BOUNDS["comments"]
    follows, studios, entries = BOUNDS["follows"], BOUNDS["studios"], BOUNDS["entries"]
    own = "1 record in one cell"
    for part, first, sensitivity, because in (
        ("following", 0, 1, own),
        ("projects", 0, 1, own),
        ("followers", 0, (follows + 1) ** 2 + follows**2, f"{follows} people move to another cell, and 1 leaves"),
        (
            "studio",
            0,
            (studios + entries) ** 2 + entries**2,
            f"{entries} studios move to another cell, and {studios} leave",
        ),
        ("tree", 1, 2 * projects**2, f"{projects} trees move to another cell"),
        ("thread", 1, 2 * comments**2, f"{comments} threads move to another cell"),
    ):
        yield TablePart("sizes", part, tuple((part, size) for size in sizes[first:]), sensitivity, because)


# counting ------------------------------------------------------------------------------------------------------------


def statistics(snapshot: Snapshot, selection: Selection, key: str, at: datetime) -> list[Statistic]:
    """Count the records of a release, before its rows are made coarser.

    Args:
        snapshot: A snapshot with the tables `kept_*`.
        selection: The rows of the release.
        key: A text by which the records within a bound are picked: the same one in each release.
        at: The time of the state.
    """
    has_sources = selection.sources is not None
    make_records(snapshot, selection)
    make_counted(snapshot, key, at, has_sources=has_sources)
    found = count(snapshot, at, has_sources=has_sources)
    parts = table_parts(at, has_sources=has_sources)
    share = SHARE_OF_AGGREGATES / len(parts)
    return [
        Statistic(one.name, [found[one.table][cell] for cell in one.cells], one.sensitivity, share, one.because)
        for one in parts
    ]


def make_records(snapshot: Snapshot, selection: Selection) -> None:
    """Make the tables `records_*`: what is counted, each row with the one person whose record it is."""

    def make(statement: str, table: str | None = None, **parts: str) -> None:
        is_confirmed = "true" if table is None or selection.since is None else confirmed(table, selection.since)
        relation = "" if table is None else source(table, selection)
        snapshot.run(statement.format(relation=relation, conditions=is_confirmed, **parts))

    make(_SQL["make_people"], users=source("users", selection))
    make(_SQL["make_projects"], projects=source("projects", selection))
    make(_SQL["make_studios"], studios=source("studios", selection))
    make(_SQL["make_comments"])
    for table in COMMENTS:
        make(_SQL["add_comments"], name=table, comments=source(table, selection))
    make(_SQL["make_follows"], "follows")
    make(_SQL["make_entries"], "studio_projects")
    if selection.sources is not None:
        score = " + ".join(f"f.{one.value}" for one in Dimension)
        make(_SQL["make_sources"], versions=versions(selection), score=score)


def make_counted(snapshot: Snapshot, key: str, at: datetime, *, has_sources: bool) -> None:
    """Make the tables `counted_*` from the tables `records_*`: at most `BOUNDS` of each person."""
    snapshot.run(_SQL["make_persons"])
    snapshot.run(_SQL["count_people"].format(at=moment(at)))
    for kind, most in BOUNDS.items():
        if kind == SOURCES and not has_sources:
            continue
        has_time = kind in COUNTED
        columns = "r.created_at - o.created_at AS age" if has_time else "NULL AS age"
        if has_time and kind != "comments":
            columns += f", '{kind}' AS counted"
        name = "counted" if kind == "comments" else f"'{kind}'"
        snapshot.run(_SQL["bound"].format(kind=kind, columns=columns, key=key, name=name, k=most))


def count(snapshot: Snapshot, at: datetime, *, has_sources: bool) -> dict[str, Counter[tuple[Any, ...]]]:
    """Count the tables `counted_*` by the cells of each table of the release."""
    found: dict[str, Counter[tuple[Any, ...]]] = {}
    for table, axis in axes(at).items():
        found[table] = Counter()
        for kind in COUNTED:
            for counted, value, number in _counts(snapshot, kind, axis):
                cell = axis.find(value)
                if cell is not None:
                    found[table][counted, cell] += number
    found["sizes"] = _count_sizes(snapshot)
    found["retention"] = Counter()
    for row in snapshot.rows(_SQL["count_retention"]):
        if row["cohort"] is not None:
            cohort = max(FIRST_YEAR, min(at.year, row["cohort"]))
            found["retention"][cohort, row["years_after"]] += row["n"]
    latencies = _ranges(_LATENCIES)
    label = _bin("extract(epoch FROM latency)", _LATENCIES)
    replies = "(SELECT * FROM counted_comments WHERE thread <> id)"
    found["reply_latency"] = Counter(
        {(_UNKNOWN if cell is None else latencies[cell],): n for cell, n in _cells(snapshot, label, replies)}
    )
    if has_sources:
        found["scores"] = Counter({(cell,): n for cell, n in _cells(snapshot, "score", f"counted_{SOURCES}")})
    found["left_out"] = Counter()
    for kind, most in BOUNDS.items():
        if kind != SOURCES or has_sources:
            query = _SQL["count_left_out"].format(kind=kind, k=most, most=MOST_LEFT_OUT * most)
            found["left_out"][kind,] = int(snapshot.one(query))
    return found


def _counts(snapshot: Snapshot, kind: str, axis: Axis) -> Iterator[tuple[str, Any, int]]:
    """Yield numbers of counted records by a value of theirs; record by record where the value is a text."""
    if axis.label is None:
        for batch in snapshot.batches(f"SELECT counted, text FROM counted_{kind}"):
            for row in batch.to_pylist():
                yield row["counted"], row["text"], 1
        return
    for row in snapshot.rows(_SQL["count_by"].format(label=axis.label, kind=kind)):
        yield row["counted"], row["cell"], row["n"]


def _cells(snapshot: Snapshot, label: str, relation: str) -> Iterator[tuple[Any, int]]:
    for row in snapshot.rows(_SQL["count_cells"].format(label=label, relation=relation)):
        yield row["cell"], row["n"]


def _count_sizes(snapshot: Snapshot) -> Counter[tuple[Any, ...]]:
    names = _ranges(_SIZES)
    groups = {
        "following": ("following", "persons"),
        "projects": ("projects", "persons"),
        "followers": ("n", _SQL["followers"]),
        "studio": ("n", _SQL["studio_sizes"]),
        "tree": ("n", _SQL["tree_sizes"]),
        "thread": ("n", _SQL["thread_sizes"]),
    }
    found: Counter[tuple[Any, ...]] = Counter()
    for part, (size, relation) in groups.items():
        for cell, number in _cells(snapshot, _bin(size, _SIZES), relation):
            found[part, names[cell]] += number
    return found


# writing -------------------------------------------------------------------------------------------------------------

_SCALE = Field(
    "noise_scale", Type.INTEGER, "The standard deviation of the noise in the figure beside it.", required=True
)
_ERROR = Field(
    "error_95",
    Type.INTEGER,
    "The exact figure is at most this far from the published one, with a probability of 95%.",
    required=True,
)
_NOISY = "Discrete Gaussian noise was added; it may be negative. At most a stated number of each person is counted."


def _counted_field() -> Field:
    names = tuple(name for names in COUNTED.values() for name in names)
    return Field("counted", Type.STRING, "What is counted.", required=True, categories=names)


def _columns(at: datetime) -> dict[str, tuple[str, tuple[Field, ...], Field]]:
    """Return by table what it is, its dimensions, and its figure."""

    def figure(name: str, comment: str) -> Field:
        return Field(name, Type.INTEGER, comment, _NOISY, required=True)

    counted = figure("count", "How many there are.")
    found: dict[str, tuple[str, tuple[Field, ...], Field]] = {
        table: (
            f"People and what they made, by {axis.field.name.replace('_', ' ')}.",
            (_counted_field(), axis.field),
            counted,
        )
        for table, axis in axes(at).items()
    }
    of = Field(
        "of",
        Type.STRING,
        "What has the size: a person by followers, by whom they follow (following), or by projects; a studio by its"
        " projects; a tree of remixes by its projects; a thread by its comments.",
        required=True,
        categories=tuple(one.part for one in _sizes()),
    )
    found["sizes"] = (
        "People, studios, trees of remixes and threads by size.",
        (of, _dimension("size", "The size: a number or a range.")),
        counted,
    )
    found["retention"] = (
        "People who shared a project or wrote a comment, by years since they joined.",
        (
            Field("cohort", Type.INTEGER, "The year in which they joined.", required=True),
            Field("years_after", Type.INTEGER, "Whole years from joining to what they made.", required=True),
        ),
        figure("people", "People who made something in that year."),
    )
    found["reply_latency"] = (
        "Replies by the time since the comment at the top of their thread.",
        (_dimension("seconds", "The time in seconds: a range."),),
        figure("replies", "Replies."),
    )
    found["scores"] = (
        "Sources of projects by score.",
        (Field("score", Type.INTEGER, f"The sum of the seven scores, {HIGHEST_SCORE} at most.", required=True),),
        figure("sources", "Sources."),
    )
    found["left_out"] = (
        "Records that no table counts, since their person has more than are counted of each.",
        (_dimension("records", "The kind of record; entries: projects in studios."),),
        figure("count", f"How many; of a person at most {MOST_LEFT_OUT} times what is counted of each."),
    )
    return found


def write(
    folder: Path, formats: Sequence[FileFormat], at: datetime, noisy: Mapping[str, NoisyStatistic], *, has_sources: bool
) -> list[Resource]:
    """Write the tables with noise, in the order of their keys."""
    import pyarrow as pa  # noqa: PLC0415

    from harvester.dataset.files import Writing  # noqa: PLC0415

    rows: dict[str, list[tuple[Any, ...]]] = {}
    for one in table_parts(at, has_sources=has_sources):
        told = noisy[one.name]
        for cell, value in zip(one.cells, told.values, strict=True):
            rows.setdefault(one.table, []).append((*cell, value, told.scale, told.error_95))
    found = []
    for table, (comment, dimensions, figure) in _columns(at).items():
        if table not in rows:
            continue
        fields = (*dimensions, figure, _SCALE, _ERROR)
        columns = zip(*sorted(rows[table]), strict=True)
        with Writing(folder, f"data/{table}", fields, formats) as writing:
            arrays = [pa.array(column, one.type) for column, one in zip(columns, writing.schema, strict=True)]
            writing.write(pa.RecordBatch.from_arrays(arrays, schema=writing.schema))
        key = tuple(one.name for one in dimensions)
        found.append(Resource(table, comment, fields, key, (), writing.rows, writing.files()))
    return found
