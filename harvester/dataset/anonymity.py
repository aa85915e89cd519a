"""Recode the tables of `open` as a whole, so that at least k people share the values of each row.

The attacker has the whole public site, with exact times, counts and edges, and knows how a release is made. A pseudonym
alone does not protect against them: a person can be identified by the day on which they joined, by the number of users
that they follow, or by the shape of a tree of remixes. Therefore

- nothing links two rows: no author of a project or comment, no page or parent of a comment, no parent of a remix;
- each column has the same step in every row (global recoding), and no value is missing because of what it is;
- a row whose values fewer than k people share is suppressed as a whole.

The recoding is the finest of its table (see `recoding`) at which at most `MOST_SUPPRESSED` of the rows are suppressed,
and at most `MOST_OF_A_PART` of what is rare.
Suppressed rows are counted by stratum, and the rows of the stratum that are shown have a weight that makes up for them.
A stratum states no suppressed rows of 1 to k - 1 people. `tests/dataset` attacks the result with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harvester.dataset.recoding import AS_IS, DESIGN, all_recodings, step_of
from harvester.dataset.release import SOURCES, Field, Type
from harvester.dataset.rows import PSEUDONYM, Made, ResourceQuery
from harvester.dataset.strata import RowStratum, merge
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import SCRATCH_TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.dataset.recoding import Column, Recoding, Recodings
    from harvester.dataset.rows import Selection
    from harvester.dataset.snapshot import Snapshot

_SQL = statements(__package__, "anonymity")
"""Filled in by `str.format` with names of tables of the release, and with expressions of `recoding`."""

MOST_SUPPRESSED = 0.05
"""The largest share of a table's rows that may be suppressed for a finer recoding."""
MOST_OF_A_PART = 0.25
"""The same of a part of the table by its first stratification, such as the projects that were remixed."""
WEIGHT = Field(
    "weight",
    Type.NUMBER,
    "How many rows of the warehouse the row stands for: itself, and its share of the suppressed rows of its stratum.",
    "Derived: rows of the stratum, divided by its rows that are shown.",
    required=True,
)


@dataclass(frozen=True, slots=True)
class RecodedTable:
    """A table of `open` as it was recoded: the columns that it has, their steps, and its strata.

    `is_stated` is false where the number of rows is not to be published: all are suppressed, of fewer than k people.
    """

    table: str
    columns: tuple[Column, ...]
    recoding: Recoding
    dropped: tuple[str, ...]
    strata: tuple[RowStratum, ...]
    is_stated: bool

    def as_json(self) -> dict[str, Any]:
        """Return what the manifest states: steps, columns that were dropped, and rows by stratum."""
        told: dict[str, Any] = {
            "steps": {one.name: self.recoding[one.name].name for one in self.columns},
            "dropped": list(self.dropped),
        }
        rows, shown = (sum(getattr(one, name) for one in self.strata) for name in ("rows", "shown"))
        numbers = {"rows": rows, "shown": shown, "suppressed": rows - shown}
        told |= numbers if self.is_stated else dict.fromkeys(numbers)
        return told | {"strata": [one.as_json() for one in self.strata]}


@dataclass(slots=True)
class RecodedTables:
    """All tables of a release of `open`, for its queries and its description."""

    k: int
    tables: dict[str, RecodedTable] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what the manifest states, by table."""
        told = {name: one.as_json() for name, one in self.tables.items()}
        return {"k": self.k, "most_suppressed": MOST_SUPPRESSED, "most_of_a_part": MOST_OF_A_PART} | told


def recode(snapshot: Snapshot, selection: Selection, k: int) -> RecodedTables:
    """Make `cells_<table>`, the published values of each row of `open`, from `kept_<table>` and `known_<table>`."""
    _make_regions(snapshot)
    found = RecodedTables(k)
    for recodings in all_recodings(selection):
        snapshot.run(_SQL["make_facts"].format(name=recodings.table, facts=recodings.facts))
        snapshot.run(f"ANALYZE facts_{recodings.table}")
        found.tables[recodings.table] = _Recoder(snapshot, recodings, k).recode()
    return found


def _make_regions(snapshot: Snapshot) -> None:
    """Make the temporary table with the region of each country."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    snapshot.run("CREATE TEMP TABLE regions (country text PRIMARY KEY, region text) ON COMMIT DROP")
    with (files("harvester.dataset") / "regions.csv").open("rb") as file:
        snapshot.put("regions", csv.read_csv(pa.PythonFile(file)))


class _Recoder:
    """The recoding of one table."""

    def __init__(self, snapshot: Snapshot, recodings: Recodings, k: int) -> None:
        self._snapshot = snapshot
        self._of = recodings
        self._k = k
        self._names = {"name": recodings.table, "k": str(k)}

    def recode(self) -> RecodedTable:
        """Choose the recoding, suppress rows, and make the cells."""
        recoding = self._choose()
        columns = tuple(one for one in self._of.columns if one.name in recoding)
        self._run(_SQL["make_coded"], **self._shape(recoding), columns=_listed(columns, recoding))
        self._run(_SQL["make_suppressed"])
        strata = self._merge(recoding)
        self._make_cells(columns, strata)
        dropped = tuple(one.name for one in self._of.columns if one.name not in recoding and self._is_held(one))
        stated = tuple(one for found in strata.values() for one in found)
        is_stated = bool(stated) or not self._one(_SQL["count_rows"])
        return RecodedTable(self._of.table, columns, recoding, dropped, stated, is_stated)

    def _is_held(self, column: Column) -> bool:
        """Return whether a column could be in the table: those of a sample only where there is one."""
        return any(column.name in one for one in self._of.choices)

    def _choose(self) -> Recoding:
        """Return the finest recoding at which few rows are suppressed, or else the last."""
        for recoding in self._of.choices:
            statement = _SQL["suppressed_shares"].format(**self._names, **self._shape(recoding))
            (shares,) = self._snapshot.rows(statement)
            if (shares["whole"] or 0) <= MOST_SUPPRESSED and (shares["part"] or 0) <= MOST_OF_A_PART:
                return recoding
        return self._of.choices[-1]

    def _shape(self, recoding: Recoding) -> dict[str, str]:
        """Return SQL of what rows share at a recoding: all values, the stratum, and whether the sample drew them."""
        values = [value for one in self._of.columns if (value := step_of(recoding, one)) is not None]
        facts = {one.name: one.fact for one in self._of.columns}
        parts = [one.sql.format(facts[one.column]) for one in self._of.strata if one.column in recoding]
        return {
            "label": f"ROW({', '.join([*values, '0'])})::text",
            "stratum": f"concat_ws(', ', {', '.join(parts)})" if parts else "'all'",
            "part": parts[0] if parts and self._of.strata[0].column in recoding else "'all'",
            "drawn": "design_weight IS NOT NULL" if "design_weight" in recoding else "false",
        }

    def _merge(self, recoding: Recoding) -> dict[bool, list[RowStratum]]:
        """Return the strata, in two parts where a sample drew some rows; suppress more rows where it takes that."""
        weight = "design_weight" if "design_weight" in recoding else "1"
        found = {}
        for is_drawn in (True, False):
            names = {"is_drawn": str(is_drawn).lower(), "weight": weight}
            people = self._one(_SQL["count_suppressed_people"], **names)
            if 0 < people < self._k:
                self._suppress_more(self._k - people, names)
                people = self._one(_SQL["count_suppressed_people"], **names)
            strata = [
                RowStratum((str(row.pop("stratum")),), **row)
                for row in self._snapshot.rows(_SQL["strata"].format(**self._names, **names))
            ]
            if strata and (people == 0 or people >= self._k):
                found[is_drawn] = merge(strata, self._k)
        return found

    def _suppress_more(self, people: int, names: dict[str, str]) -> None:
        """Suppress rows of so many more people: of the largest class if k stay in it, else the smallest class."""
        classes = self._snapshot.rows(_SQL["people_of_classes"].format(**self._names, **names))
        if not classes:
            return
        if classes[0]["people"] >= self._k + people:
            self._run(_SQL["suppress_people"], **names, label=classes[0]["class"], people=str(people))
        else:
            self._run(_SQL["suppress_people"], **names, label=classes[-1]["class"], people="ALL")

    def _make_cells(self, columns: Sequence[Column], strata: dict[bool, list[RowStratum]]) -> None:
        import pyarrow as pa  # noqa: PLC0415

        rows = [
            {"is_drawn": is_drawn, "stratum": name, "weight": one.weight, "factor": one.factor}
            for is_drawn, found in strata.items()
            for one in found
            if one.shown
            for name in one.names
        ]
        self._run(_SQL["make_weights"])
        if rows:
            self._snapshot.put(f"weights_{self._of.table}", pa.Table.from_pylist(rows))
        published = [
            f'c."{one.name}" * w.factor AS "{one.name}"' if one.name == "design_weight" else f'c."{one.name}"'
            for one in columns
        ]
        self._run(_SQL["make_cells"], columns="".join(f", {one}" for one in published))
        self._snapshot.run(f"CREATE UNIQUE INDEX ON cells_{self._of.table} (id)")
        self._snapshot.run(f"ANALYZE cells_{self._of.table}")

    def _run(self, statement: str, **names: str) -> None:
        self._snapshot.run(statement.format(**self._names, **names))

    def _one(self, statement: str, **names: str) -> Any:
        return self._snapshot.one(statement.format(**self._names, **names))


def _listed(columns: Sequence[Column], recoding: Recoding) -> str:
    return "".join(f', {step_of(recoding, one)} AS "{one.name}"' for one in columns)


def withdraw(snapshot: Snapshot, table: str, k: int) -> None:
    """Make `withdrawn_<table>`, the rows that holders of the previous release should delete.

    Anybody can see who left the site between two releases. A list of the missing rows only would show which ones were
    theirs. So with a row that is missing rows of k other people that look the same are withdrawn.
    """
    snapshot.run(_SQL["make_looks"].format(name=table))
    snapshot.run(_SQL["make_withdrawn"].format(name=table, k=k))


def queries(recoded: RecodedTables) -> list[ResourceQuery]:
    """Build the queries of all tables of `open`, once the cells are made."""
    return [_query(one) for one in recoded.tables.values()]


def _query(recoded: RecodedTable) -> ResourceQuery:
    table = next((one for one in SCRATCH_TABLES if one.name == recoded.table), None)
    if table is None:
        assert recoded.table == SOURCES
        comment, own = "Sources of projects. None of them can be joined with its project.", "The source."
    else:
        comment, own = str(table.comment), str(table.c.id.comment)
    made = [Made(Field("id", Type.STRING, own, PSEUDONYM, required=True), "encode(c.p, 'hex')")]
    made += [Made(_field(one, recoded.recoding), f'c."{one.name}"') for one in recoded.columns]
    made.append(Made(WEIGHT, f"c.{WEIGHT.name}"))
    rows = f"SELECT {', '.join(one.selected() for one in made)} FROM cells_{recoded.table} c"
    return ResourceQuery(recoded.table, comment, rows, "c.p", tuple(made), ("id",), ())


def _field(column: Column, recoding: Recoding) -> Field:
    step = recoding[column.name]
    if column in DESIGN or step is AS_IS:
        return Field(column.name, column.type, column.comment)
    return Field(column.name, column.type, column.comment, f"In steps, the same in every row: {step.words}.")
