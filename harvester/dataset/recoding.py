"""State which columns the tables of `open` have, and in which steps their values may be published.

A table has a short list of **recodings**, from fine to coarse. A recoding gives each published column one **step**,
such as months or decades, which holds for every row; a column that it does not name is not in the table. `anonymity`
takes the first recoding at which few rows have to be suppressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from harvester.dataset.release import SOURCES, Type
from harvester.dataset.rows import drawn, source
from harvester.dataset.sources import versions
from harvester.source.rubric import Dimension
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harvester.dataset.rows import Selection

_SQL = statements(__package__, "recoding")
"""Filled in by `str.format` with tables and expressions of the selection."""
_LARGE = 1000
"""Counts from which on the mean of a bin is an integral, not a sum."""
MIDDLE_YEAR = 2017
"""The year from which means of years are taken."""


@dataclass(frozen=True, slots=True)
class ColumnStep:
    """A step in which the values of a column are published.

    `words` describe a published value, `sql` makes it of a fact. Steps of counts have bins, each from one of `starts`
    to the next; the last ends with `last`, or is open.
    """

    name: str
    words: str
    sql: str
    starts: tuple[int, ...] = ()
    last: int | None = None
    is_even: bool = False
    """Whether the values in a bin are equally frequent; else their frequency falls with their square."""

    def bins(self) -> list[tuple[str, int, int | None]]:
        """Return the published value of each bin, its first count, and its last count; None for an open end."""
        return list(_bins(self.starts, self.last))

    def value(self, published: str, most: int) -> float:
        """Return the count that stands for a published value: the mean of its bin, up to `most` where the end is open.

        The counts of projects and people are very uneven: the frequency of a count is taken to fall with its square.
        """
        start, end = next(
            (start, most if end is None else end) for name, start, end in self.bins() if name == published
        )
        end = max(start, end)
        if self.is_even or start == 0:
            return (start + end) / 2
        if start >= _LARGE:
            low, high = start - 0.5, end + 0.5
            return log(high / low) / (1 / low - 1 / high)
        return sum(1 / one for one in range(start, end + 1)) / sum(1 / one**2 for one in range(start, end + 1))


def _bins(starts: Sequence[int], last: int | None) -> Iterable[tuple[str, int, int | None]]:
    for start, end in zip(starts, (*(one - 1 for one in starts[1:]), last), strict=True):
        yield (f"{start}+" if end is None else f"{start}" if end == start else f"{start}-{end}"), start, end


def binned(
    name: str, words: str, starts: Sequence[int], last: int | None = None, *, is_even: bool = False
) -> ColumnStep:
    """Return the step that puts counts into bins."""
    found = [
        f"WHEN {{0}} >= {start} THEN '{value}'" if end is None else f"WHEN {{0}} <= {end} THEN '{value}'"
        for value, start, end in _bins(starts, last)
    ]
    return ColumnStep(name, words, f"CASE {' '.join(found)} END", tuple(starts), last, is_even)


def _half(power: int) -> int:
    return int(10 ** (power + 0.5)) + 1  # 10 ** 1.5 is 31.6


AS_IS = ColumnStep("as it is", "as it is", "{0}")
DAY = ColumnStep("day", "a day, such as 2026-06-01", "to_char({0}, 'YYYY-MM-DD')")
MONTH = ColumnStep("month", "a month, such as 2026-06", "to_char({0}, 'YYYY-MM')")
QUARTER = ColumnStep("quarter", "a quarter, such as 2026-Q2", "to_char({0}, 'YYYY-\"Q\"Q')")
YEAR = ColumnStep("year", "a year, such as 2026", "to_char({0}, 'YYYY')")
FINE = binned(
    "fine bins",
    "exact below 10, above in two bins a decade: 10-31, 32-99, 100-316, 317-999",
    [*range(10), *(bound for power in range(1, 6) for bound in (10**power, _half(power))), 10**6],
)
DECADES = binned("decades", "0, 1-9, 10-99, 100-999 and so on", [0, *(10**power for power in range(7))])
CLASSES = binned("three classes", "0, 1-9 or 10+", [0, 1, 10])
ANY = binned("none or some", "0 or 1+", [0, 1])
LEVELS = binned("three levels", "0-7 (basic), 8-14 (developing) or 15-21 (master)", [0, 8, 15], last=21, is_even=True)

Recoding = dict[str, ColumnStep]
"""The published columns of a table, each with its step."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Take the mean of a column of counts, booleans or years, as differences from `center`.

    One person adds at most `most` to the sum of the differences. A null counts as `center`.
    """

    most: int
    sql: str = "{0}::bigint"
    center: int = 0


def _shares(most: int) -> Measure:
    return Measure(most, "{0}::int::bigint")


def _years(most: int) -> Measure:
    return Measure(most, f"extract(year FROM {{0}})::bigint - {MIDDLE_YEAR}", MIDDLE_YEAR)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a table of `open` may have, and the column of the facts that it is made of.

    `measure` is None for a column that has no mean.
    """

    name: str
    fact: str
    comment: str
    type: Type = Type.STRING
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Stratification:
    """Strata of suppressed rows by a published column: `sql` names the stratum of a row of the facts."""

    column: str
    sql: str


@dataclass(frozen=True, slots=True)
class Recodings:
    """The recodings of a table, from fine to coarse.

    `facts` is the query of the values that steps use, with `id` and `person`: k different persons must share a row.
    """

    table: str
    columns: tuple[Column, ...]
    facts: str
    choices: tuple[Recoding, ...]
    strata: tuple[Stratification, ...]


DESIGN = (
    Column("design_stratum", "design_stratum", "The number of the sample's stratum; null for what it did not draw."),
    Column(
        "design_weight",
        "design_weight",
        "How many rows of the sample's frame the row stands for, corrected for suppressed rows; null for what the"
        " sample did not draw.",
        Type.NUMBER,
    ),
)
"""Columns of a table from which the sample of the release was drawn."""
_BY_YEAR = "coalesce(to_char({0}, 'YYYY'), 'no year')"
_BY_REMIX = "CASE is_remix WHEN true THEN 'remixes' WHEN false THEN 'no remixes' ELSE 'not known' END"


def _choices(*stages: Recoding | Sequence[Recoding]) -> tuple[Recoding, ...]:
    return tuple(one for stage in stages for one in ([stage] if isinstance(stage, dict) else stage))


def _at(times: Sequence[ColumnStep], column: str, others: Recoding) -> list[Recoding]:
    """Return a recoding for each step of a time, the other columns as given."""
    return [{column: one} | others for one in times]


def _all(columns: Iterable[str], step: ColumnStep) -> Recoding:
    return dict.fromkeys(columns, step)


def _with_design(choices: tuple[Recoding, ...], selection: Selection) -> tuple[Recoding, ...]:
    """Put recodings with the columns of the sample before those without; only the coarsest does without them all."""
    if "project" not in dict(selection.designs):
        return choices
    return (*({**one, **_all([column.name for column in DESIGN], AS_IS)} for one in choices), *choices)


def users(selection: Selection) -> Recodings:
    """Return the recodings of users: activity first, then when they joined, then where they are from."""
    counts = ("projects_count", "followers_count", "following_count")
    activity = _all(counts, DECADES)
    classes = _all(counts, CLASSES)
    country, region = {"country": AS_IS, "region": AS_IS}, {"region": AS_IS}
    return Recodings(
        "users",
        (
            Column("country", "country", "The country, as declared by the person; null where none is."),
            Column("region", "region", "The region of the world with the country; null where none is declared."),
            Column("joined", "joined_at", "When the account was registered.", measure=_years(20)),
            Column("projects_count", "projects_count", "Shared projects in the warehouse.", measure=Measure(50)),
            Column("followers_count", "followers_count", "Followers in the warehouse.", measure=Measure(50)),
            Column("following_count", "following_count", "Followed users in the warehouse.", measure=Measure(50)),
        ),
        _SQL["users"].format(users=source("users", selection)),
        _choices(
            _at((MONTH, QUARTER, YEAR), "joined", country | activity),
            _at((MONTH, QUARTER, YEAR), "joined", region | activity),
            _at((QUARTER, YEAR), "joined", activity),
            _at((YEAR,), "joined", classes),
            region | classes,
            activity,
            classes,
            {"projects_count": CLASSES, "followers_count": CLASSES},
            {"projects_count": ANY, "followers_count": ANY},
            {"projects_count": ANY},
            {},
        ),
        (
            Stratification("projects_count", "CASE WHEN projects_count > 0 THEN 'with projects' ELSE 'without' END"),
            Stratification("joined", _BY_YEAR.format("joined_at")),
        ),
    )


def projects(selection: Selection) -> Recodings:
    """Return the recodings of projects: dates, counts, and whether they are remixes."""
    counts = ("views", "loves", "favorites", "remixes")
    remix = {"is_remix": AS_IS}
    return Recodings(
        "projects",
        (
            Column("created", "created_at", "When it was created.", measure=_years(50)),
            Column("is_remix", "is_remix", "Whether it is a remix.", Type.BOOLEAN, _shares(20)),
            Column("views", "views", "Views.", measure=Measure(1000)),
            Column("loves", "loves", "Loves.", measure=Measure(100)),
            Column("favorites", "favorites", "Favorites.", measure=Measure(100)),
            Column("remixes", "remixes", "Remixes.", measure=Measure(50)),
            *DESIGN,
        ),
        _SQL["projects"].format(
            projects=source("projects", selection), drawn=drawn("projects", selection, numbered=True)
        ),
        _with_design(
            _choices(
                _at((MONTH,), "created", remix | _all(counts, FINE)),
                _at((MONTH, QUARTER, YEAR), "created", remix | _all(counts, DECADES)),
                _at((YEAR,), "created", remix | _all(counts, CLASSES)),
                _at((YEAR,), "created", remix | _all(counts, ANY)),
                remix | _all(counts, CLASSES),
                remix | _all(counts, ANY),
                remix | {"views": CLASSES, "loves": ANY, "remixes": ANY},
                remix | {"views": ANY, "remixes": ANY},
                remix | {"remixes": ANY},
                remix,
                {},
            ),
            selection,
        ),
        (
            Stratification("remixes", "CASE WHEN remixes > 0 THEN 'remixed' ELSE 'never remixed' END"),
            Stratification("is_remix", _BY_REMIX),
            Stratification("created", _BY_YEAR.format("created_at")),
        ),
    )


def studios(selection: Selection) -> Recodings:
    """Return the recodings of studios: dates and sizes."""
    counts = ("project_count", "follower_count", "comment_count")
    is_open = {"open_to_all": AS_IS}
    return Recodings(
        "studios",
        (
            Column("created", "created_at", "When it was created.", measure=_years(50)),
            Column("open_to_all", "open_to_all", "Whether anyone may add projects.", Type.BOOLEAN, _shares(20)),
            Column("project_count", "project_count", "Projects; the site counts up to 100.", measure=Measure(100)),
            Column("follower_count", "follower_count", "Followers.", measure=Measure(100)),
            Column("comment_count", "comment_count", "Comments; the site counts up to 100.", measure=Measure(100)),
        ),
        _SQL["studios"].format(studios=source("studios", selection)),
        _choices(
            _at((MONTH,), "created", is_open | _all(counts, FINE)),
            _at((MONTH, QUARTER, YEAR), "created", is_open | _all(counts, DECADES)),
            _at((YEAR,), "created", is_open | _all(counts, CLASSES)),
            is_open | _all(counts, CLASSES),
            _all(counts, CLASSES),
            _all(counts, ANY),
            {"project_count": CLASSES},
            {"project_count": ANY},
            {},
        ),
        (
            Stratification("open_to_all", "CASE WHEN open_to_all THEN 'open to all' ELSE 'not open' END"),
            Stratification("created", _BY_YEAR.format("created_at")),
        ),
    )


def comments(table: str, selection: Selection) -> Recodings:
    """Return the recodings of comments: the date, and whether it is a reply."""
    reply = {"is_reply": AS_IS}
    return Recodings(
        table,
        (
            Column("created", "created_at", "When it was written.", measure=_years(100)),
            Column("is_reply", "is_reply", "Whether it replies to another comment.", Type.BOOLEAN, _shares(30)),
        ),
        _SQL["comments"].format(name=table, comments=source(table, selection)),
        _choices(_at((DAY, MONTH, QUARTER, YEAR), "created", reply), reply, {"created": YEAR}, {}),
        (
            Stratification("is_reply", "CASE WHEN is_reply THEN 'replies' ELSE 'no replies' END"),
            Stratification("created", _BY_YEAR.format("created_at")),
        ),
    )


def sources(selection: Selection) -> Recodings:
    """Return the recodings of sources: sums of what was counted, and the level of the score."""
    sums = ("blocks", "scripts", "sprites")
    plain = {"format": AS_IS, "is_remix": AS_IS}
    score = {"score": LEVELS}
    return Recodings(
        SOURCES,
        (
            Column("created", "created_at", "When the project was created.", measure=_years(50)),
            Column("format", "format", "The format in which it is stored, by the version of Scratch."),
            Column("is_remix", "is_remix", "Whether the project is a remix.", Type.BOOLEAN, _shares(20)),
            Column("blocks", "blocks", "Blocks of the whole source.", measure=Measure(2000)),
            Column(
                "scripts",
                "scripts",
                "Scripts; null where the source was not analysed.",
                measure=Measure(200),
            ),
            Column(
                "sprites",
                "sprites",
                "Sprites; null where the source was not analysed.",
                measure=Measure(100),
            ),
            Column(
                "score",
                "score",
                "The sum of the seven scores; null where it was not analysed.",
                measure=Measure(100),
            ),
            *DESIGN,
        ),
        _SQL["sources"].format(
            projects=source("projects", selection),
            versions=versions(selection),
            score=" + ".join(f"f.{one.value}" for one in Dimension),
            drawn=drawn("projects", selection, numbered=True),
        ),
        _with_design(
            _choices(
                {"created": YEAR} | plain | _all(sums, DECADES) | score,
                plain | _all(sums, DECADES) | score,
                plain | _all(sums, CLASSES) | score,
                {"is_remix": AS_IS, "blocks": CLASSES} | score,
                {"is_remix": AS_IS, "blocks": CLASSES},
                {"blocks": CLASSES},
                {"is_remix": AS_IS},
                {},
            ),
            selection,
        ),
        (Stratification("is_remix", _BY_REMIX), Stratification("created", _BY_YEAR.format("created_at"))),
    )


def all_recodings(selection: Selection) -> list[Recodings]:
    """Return the recodings of each table of `open`, in the order of the release."""
    found = [users(selection), projects(selection), studios(selection)]
    found += [comments(table, selection) for table in COMMENTS]
    return found if selection.sources is None else [*found, sources(selection)]


def step_of(choice: Mapping[str, ColumnStep], column: Column) -> str | None:
    """Return the SQL of a published value over the facts; None for a column that is not published."""
    step = choice.get(column.name)
    return None if step is None else step.sql.format(column.fact)
