"""Generalize the rows of profile `open` in steps, until at least k people share the values of each row.

The attacker has the whole public site, with exact times, counts and edges, and knows how a release is made. A pseudonym
alone does not protect against them: a person can be identified by the day on which they joined, by the number of users
that they follow, or by the shape of a tree of remixes. Therefore

- nothing links one resource to another: no author of a project or comment, no page of a comment, no edges;
- a row takes the first step of its **ladder** at which the rows of at least k different people share its values. Only
  rows that have no step yet count, so that a step never leaves others alone; rows without a fitting step are left out;
- a tree of remixes, or a thread, keeps its edges where others look the same node by node, and each of their nodes is by
  at least k people (a person who answers many threads could be identified by the answers); else the edges are removed.

Each row of a release then fits at least k people. Trees are compared by the multiset of their edges, each with the
values at its two ends; `tests/dataset` attacks the result with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harvester.dataset.facts import coarse
from harvester.dataset.release import SOURCES, Field, ForeignKey, Tombstones, Type
from harvester.dataset.rows import (
    CONTENT_TIMES,
    DESIGN_FIELDS,
    LICENCE_FIELD,
    PSEUDONYM,
    Made,
    ResourceQuery,
    Selection,
    alias_of,
    drawn,
    licence,
    source,
)
from harvester.dataset.sources import versions
from harvester.source.rubric import Dimension
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS, SCRATCH_TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.dataset.snapshot import Snapshot

_SQL = statements(__package__, "anonymity")
"""Filled in by `str.format` with the names of tables of the release, and with expressions of this module."""

Step = dict[str, str]
"""The published columns of a step, as SQL over the facts of a row; columns that are missing are null."""

_GRAINS = {
    "day": "to_char({0}, 'YYYY-MM-DD')",
    "month": "to_char({0}, 'YYYY-MM')",
    "quarter": "to_char({0}, 'YYYY-\"Q\"Q')",
    "year": "to_char({0}, 'YYYY')",
}


def period(column: str, grain: str) -> str:
    """Return the day, month, quarter or year of a time, as SQL: 2026-06-01, 2026-06, 2026-Q2 or 2026."""
    return _GRAINS[grain].format(column)


def fine(column: str) -> str:
    """Return SQL of a count: exact up to 9, above in two bins a decade: 10-31, 32-99, 100-315, 316-999."""
    return _bins(column, exact=10, starts=[bound for power in range(1, 10) for bound in (10**power, _half(power))])


def rough(column: str) -> str:
    """Return SQL of a count in decades: 0, 1-9, 10-99, 100-999."""
    return _bins(column, exact=1, starts=[10**power for power in range(10)])


def _half(power: int) -> int:
    return int(10 ** (power + 0.5)) + 1  # 10 ** 1.5 is 31.6


def _bins(column: str, exact: int, starts: Sequence[int], last: int | None = None) -> str:
    whens = [f"WHEN {column} < {exact} THEN {column}::text"]
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        name = f"{start}-{end - 1}" if end else f"{start}-{last or ''}"
        whens.append(f"WHEN {column} < {end} THEN '{name}'" if end else f"WHEN {column} >= {start} THEN '{name}'")
    return f"CASE {' '.join(whens)} END"


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps by which the rows of a table are generalized.

    `facts` is the query of the values that the steps use, with `id` and `person`: k different persons must share a
    step.
    """

    table: str
    fields: tuple[Field, ...]
    facts: str
    steps: tuple[tuple[str, Step], ...]


@dataclass(slots=True)
class Suppressions:
    """Counts of suppressed values, for the release's description."""

    k: int
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return by table the rows at each step, exact as in the release, and the rounded number of all rows."""
        return {"k": self.k} | {
            table: {name: coarse(told, self.k) if isinstance(told, int) else told for name, told in numbers.items()}
            for table, numbers in self.tables.items()
        }


def regions(snapshot: Snapshot) -> None:
    """Make the temporary table with the region of each country."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    snapshot.run("CREATE TEMP TABLE regions (country text PRIMARY KEY, region text) ON COMMIT DROP")
    with (files("harvester.dataset") / "regions.csv").open("rb") as file:
        snapshot.put("regions", csv.read_csv(pa.PythonFile(file)))


_JOINED = "When the account was registered: a month, a quarter or a year."
_COARSE = "Coarsened until at least k people share the row's values; null where no coarser value suits."
_GONE = Field("gone", Type.BOOLEAN, "Whether it is gone: itself, what it stands on, or its author.", "Derived.")


def _field(name: str, comment: str, kind: Type = Type.STRING, treatment: str = _COARSE) -> Field:
    return Field(name, kind, comment, treatment)


def _gone(selection: Selection) -> tuple[Field, ...]:
    return () if selection.tombstones is Tombstones.DROP else (_GONE,)


_FIRST = {"country": 0, "region": 1, None: 2}


def users(selection: Selection) -> Ladder:
    """Return the ladder of users: country and join month, with counts of activity as far as these are shared."""
    counts = {
        "followers": "Followers",
        "following": "Users that are followed",
        "projects": "Projects shared",
    }
    activity = {f"{name}_count": rough(f"{name}_count") for name in counts}
    steps: list[tuple[str, Step]] = []
    for place_of in ("country", "region", None):
        for grain in ("month", "quarter", "year", None):
            where = {name: name for name in ("country", "region")[_FIRST[place_of] :]}
            when = {} if grain is None else {"joined": period("joined_at", grain)}
            words = ", ".join(filter(None, (place_of, grain)))
            steps += [
                (f"{words}, activity".removeprefix(", "), {"gone": "gone"} | where | when | activity),
                (words or "nothing", {"gone": "gone"} | where | when),
            ]
    return Ladder(
        "users",
        (
            _field("country", "The country, as declared by the person."),
            _field("region", "The region of the world that it lies in."),
            _field("joined", _JOINED),
            *(
                _field(f"{name}_count", f"{words}, by decades, as far as the warehouse holds them.")
                for name, words in counts.items()
            ),
            *_gone(selection),
        ),
        _SQL["users"].format(users=source("users", selection)),
        tuple(steps),
    )


def _work_steps(counts: Sequence[str], plain: Step, scarce: Step) -> tuple[tuple[str, Step], ...]:
    """Return steps for items with a date and counts; `plain` is in all but the last, `scarce` in most."""
    exact, by_decade = {one: fine(one) for one in counts}, {one: rough(one) for one in counts}
    first = {counts[0]: rough(counts[0])}
    return tuple(
        (
            ", ".join(filter(None, (grain, words))),
            made | plain | ({"created": period("created_at", grain)} if grain else {}),
        )
        for grain, words, made in (
            ("day", "counts", exact | scarce),
            ("day", "counts by decades", by_decade | scarce),
            ("month", "counts by decades", by_decade | scarce),
            ("quarter", "counts by decades", by_decade | scarce),
            ("year", "counts by decades", by_decade | scarce),
            ("year", f"{counts[0]} by decades", first | scarce),
            (None, "counts by decades", by_decade | scarce),
            ("month", "", scarce),
            ("year", "", scarce),
            ("year", "alone", {}),
            (None, "nothing", {}),
        )
    )


def projects(selection: Selection) -> Ladder:
    """Return the ladder of projects: dates, counts, and whether it is a remix."""
    counts = ("views", "loves", "favorites", "remixes")
    design = [one for one in DESIGN_FIELDS if one.name != "cluster_id"]
    plain = {name: name for name in ("gone", "licence", *(one.name for one in design))}
    return Ladder(
        "projects",
        (
            _field("created", "When it was created: a day, a month, a quarter or a year."),
            _field("is_remix", "Whether it is a remix.", Type.BOOLEAN),
            *(_field(name, f"{name.capitalize()}: exact below 10, above in bins.") for name in counts),
            LICENCE_FIELD,
            *design,
            *_gone(selection),
        ),
        _SQL["projects"].format(
            projects=source("projects", selection),
            licence=licence(*CONTENT_TIMES["projects"]),
            drawn=drawn("projects", selection, numbered=True),
        ),
        _work_steps(counts, plain, {"is_remix": "is_remix"}),
    )


def studios(selection: Selection) -> Ladder:
    """Return the ladder of studios: dates and sizes."""
    counts = ("project_count", "follower_count", "comment_count")
    return Ladder(
        "studios",
        (
            _field("created", "When it was created: a day, a month, a quarter or a year."),
            _field("open_to_all", "Whether anyone may add projects.", Type.BOOLEAN),
            _field("project_count", "Projects, 100 meaning 100 or more: exact below 10, above in bins."),
            _field("follower_count", "Followers: exact below 10, above in bins."),
            _field("comment_count", "Comments, 100 meaning 100 or more: exact below 10, above in bins."),
            LICENCE_FIELD,
            *_gone(selection),
        ),
        _SQL["studios"].format(studios=source("studios", selection), licence=licence(*CONTENT_TIMES["studios"])),
        _work_steps(counts, {"gone": "gone", "licence": "licence"}, {"open_to_all": "open_to_all"}),
    )


def comments(table: str, selection: Selection) -> Ladder:
    """Return the ladder of comments: the date, and whether it is a reply, for comments without their thread."""
    plain = {name: name for name in ("gone", "licence", "is_reply")}
    grains = ("day", "month", "quarter", "year", None)
    return Ladder(
        table,
        (
            _field("created", "When it was written: a day, a month, a quarter or a year."),
            _field("is_reply", "Whether it replies to another comment.", Type.BOOLEAN, "Derived."),
            LICENCE_FIELD,
            *_gone(selection),
        ),
        _SQL["comments"].format(name=table, comments=source(table, selection), licence=licence(*CONTENT_TIMES[table])),
        tuple(
            (grain or "nothing", plain | ({"created": period("created_at", grain)} if grain else {}))
            for grain in grains
        ),
    )


SCORES = (0, 8, 15)
"""Sums of the seven scores, 21 at most, at which the levels begin: basic, developing and master."""


def sources(selection: Selection) -> Ladder:
    """Return the ladder of sources: sums of what was counted, by decades, and the level of the score."""
    design = [one for one in DESIGN_FIELDS if one.name != "cluster_id"]
    sums = {"blocks": "Blocks", "scripts": "Scripts", "sprites": "Sprites"}
    plain = {one.name: one.name for one in design}
    year, remix = {"created": period("created_at", "year")}, {"format": "format", "is_remix": "is_remix"}
    score = {"score": _bins("score", exact=0, starts=SCORES, last=21)}
    blocks = {"blocks": rough("blocks")}
    counts = {name: rough(name) for name in sums}
    return Ladder(
        SOURCES,
        (
            _field("created", "The year in which the project was created."),
            _field("format", "The format in which it is stored, by the version of Scratch."),
            _field("is_remix", "Whether the project is a remix.", Type.BOOLEAN),
            *(_field(name, f"{words} of the whole source, by decades.") for name, words in sums.items()),
            _field("score", "The sum of the seven scores, 21 at most, in three levels."),
            *design,
        ),
        _SQL["sources"].format(
            projects=source("projects", selection),
            versions=versions(selection),
            score=" + ".join(f"f.{one.value}" for one in Dimension),
            drawn=drawn("projects", selection, numbered=True),
        ),
        (
            ("year, sums and score", plain | year | remix | counts | score),
            ("sums and score", plain | remix | counts | score),
            ("year, blocks and score", plain | year | remix | blocks | score),
            ("blocks and score", plain | remix | blocks | score),
            ("blocks", plain | remix | blocks),
            ("format", plain | remix),
            ("nothing", plain),
            ("nothing, not even the draw", {}),
        ),
    )


def _values(ladder: Ladder, step: Step) -> str:
    return ", ".join(step.get(one.name, "NULL") for one in ladder.fields)


def _label(ladder: Ladder, step: Step) -> str:
    """Return the SQL of the text that rows at a step must share."""
    return f"ROW({_values(ladder, step)}, 0)::text"


def place(
    snapshot: Snapshot, name: str, relation: str, labels: Sequence[str], k: int, parts: Sequence[str] = ()
) -> list[int]:
    """Place items at the first step whose label k people share; return the number of items by step.

    Args:
        snapshot: The snapshot of the release.
        name: Suffix of the temporary table `placed_<name>` (id, step).
        relation: A table of items with `id` and `person`; for items with parts, one row for each part.
        labels: SQL of the text that items must share, by step.
        k: The number of people.
        parts: SQL of the look of a part, by step: parts that look the same in items that look the same must be of k
            people too.
    """
    snapshot.run(_SQL["make_placed"].format(name=name))
    counts = []
    for step, label in enumerate(labels):
        part = parts[step] if parts else "''"
        snapshot.run(_SQL["make_step"].format(name=name, label=label, part=part, relation=relation))
        snapshot.run(_SQL["place"].format(name=name, step=step, k=k))
        counts.append(int(snapshot.one(f"SELECT count(*) FROM placed_{name} WHERE step = {step}")))
        snapshot.run("DROP TABLE step_now")
    snapshot.run(f"ANALYZE placed_{name}")
    return counts


def make_cells(snapshot: Snapshot, selection: Selection, k: int) -> Suppressions:
    """Make `cells_<table>`, the published values of `open`; delete rows that are left out from `kept_<table>`."""
    account = Suppressions(k)
    regions(snapshot)
    for ladder in _ladders(selection):
        _place_rows(snapshot, ladder, k, account)
    _cut_trees(snapshot, k, account)
    for table in COMMENTS:
        _place_threads(snapshot, comments(table, selection), k, account)
    return account


def _ladders(selection: Selection) -> list[Ladder]:
    """Return the ladders of all rows that are placed one by one."""
    found = [users(selection), projects(selection), studios(selection)]
    return found if selection.sources is None else [*found, sources(selection)]


def _facts(snapshot: Snapshot, ladder: Ladder) -> None:
    snapshot.run(_SQL["make_facts"].format(name=ladder.table, facts=ladder.facts))
    _index(snapshot, f"facts_{ladder.table}")


def _index(snapshot: Snapshot, table: str) -> None:
    snapshot.run(f"CREATE UNIQUE INDEX ON {table} (id)")
    snapshot.run(f"ANALYZE {table}")


def _place_rows(snapshot: Snapshot, ladder: Ladder, k: int, account: Suppressions) -> None:
    table = ladder.table
    _facts(snapshot, ladder)
    counts = place(snapshot, table, f"facts_{table}", [_label(ladder, step) for _, step in ladder.steps], k)
    edges = ", parent_id, root_id" if table == "projects" else ""
    _publish(snapshot, ladder, _SQL["placed_rows"].format(name=table), edges)
    _tell(snapshot, ladder, counts, account)


def _publish(snapshot: Snapshot, ladder: Ladder, placed: str, edges: str) -> None:
    """Make the cells of a table: each published column by the step of the row."""
    table, columns = ladder.table, []
    for one in ladder.fields:
        whens = " ".join(
            f"WHEN {number} THEN {step[one.name]}" for number, (_, step) in enumerate(ladder.steps) if one.name in step
        )
        columns.append(f'CASE step {whens} END AS "{one.name}"')
    snapshot.run(_SQL["make_cells"].format(name=table, edges=edges, columns=", ".join(columns), placed=placed))
    _index(snapshot, f"cells_{table}")


def _tell(snapshot: Snapshot, ladder: Ladder, counts: list[int], account: Suppressions) -> None:
    """Delete the rows without a step from the release, and record their number."""
    table = ladder.table
    rows = int(snapshot.one(f"SELECT count(*) FROM kept_{table}"))
    snapshot.run(_SQL["delete_unplaced"].format(name=table))
    account.tables[table] = {
        "rows": rows,
        "left_out": rows - sum(counts),
        "kept_by_step": [
            {"kept": words, "rows": number, "share": round(number / sum(counts), 4)}
            for (words, _), number in zip(ladder.steps, counts, strict=True)
            if number
        ],
    }


def _cut_trees(snapshot: Snapshot, k: int, account: Suppressions) -> None:
    """Remove `parent_id` and `root_id` from remix trees, but for trees of k people that look the same."""
    snapshot.run(_SQL["make_trees"].format())
    snapshot.run(_SQL["make_shapes"])
    snapshot.run("ANALYZE trees")
    snapshot.run("ANALYZE shapes")
    kept_whole = place(snapshot, "shapes", _SQL["nodes"], ["t.looks"], k, ["t.part"])[0]
    snapshot.run(_SQL["cut_trees"])
    (counted,) = snapshot.rows(_SQL["count_trees"])
    account.tables["remix_trees"] = {
        "trees_of_several_projects": counted["trees"],
        "kept_their_edges": counted["placed"],
        "alike": kept_whole,
    }


def _place_threads(snapshot: Snapshot, ladder: Ladder, k: int, account: Suppressions) -> None:
    """Keep threads of k people that look the same whole; place the comments of others one by one, without parents."""
    table = ladder.table
    _facts(snapshot, ladder)
    looks = ", ".join(
        _SQL["thread_looks"].format(label=_label(ladder, step), step=number)
        for number, (_, step) in enumerate(ladder.steps)
    )
    snapshot.run(_SQL["make_threads"].format(name=table, looks=looks))
    snapshot.run(f"ANALYZE threads_{table}")
    steps = [step for _, step in ladder.steps]
    labels = [f"t.looks_{number}" for number in range(len(steps))]
    columns = ", ".join(
        f"s.looks_{number}, {_label(ladder, step)} AS part_{number}" for number, step in enumerate(steps)
    )
    comments = _SQL["comments_in_threads"].format(name=table, labels=columns)
    parts = [f"t.part_{number} || t.is_top" for number in range(len(steps))]
    whole = place(snapshot, f"threads_{table}", comments, labels, k, parts)
    snapshot.run(_SQL["make_cut"].format(name=table))
    cut = place(snapshot, table, f"cut_{table}", [_label(ladder, step) for _, step in ladder.steps], k)
    edges = ", CASE WHEN is_whole THEN parent_id END AS parent_id"
    _publish(snapshot, ladder, _SQL["placed_comments"].format(name=table), edges)
    in_whole = snapshot.rows(_SQL["comments_of_whole_threads"].format(name=table))
    counts = list(cut)
    for one in in_whole:
        counts[one["step"]] += one["n"]
    _tell(snapshot, ladder, counts, account)
    account.tables[table]["threads_kept_whole"] = sum(whole)
    account.tables[table]["comments_cut_from_threads"] = sum(cut)


def withdraw(snapshot: Snapshot, table: str, k: int) -> None:
    """Make `withdrawn_<table>`, the rows that holders of the previous release should delete.

    Anybody can see who left the site between two releases. A list of the missing rows only would show which ones were
    theirs, and whose the others in the same thread are. So rows that look the same are withdrawn together: with a tree
    or a thread all that look like it, with a single row those of k other people.
    """
    snapshot.run(_SQL["make_nodes"].format(name=table))
    snapshot.run(_SQL["make_before_trees"].format(name=table))
    snapshot.run(_SQL["make_withdrawn"].format(name=table, k=k))


def query(ladder: Ladder) -> ResourceQuery:
    """Build the query of a table of `open`."""
    name = ladder.table
    table = next((one for one in SCRATCH_TABLES if one.name == name), None)
    if table is None:
        comment = "Sources of projects. None of them can be joined with its project."
        own, references = "The source.", []
    else:
        comment, own = str(table.comment), str(table.c.id.comment)
        references = [one for one in ("parent_id", "root_id") if one in table.c]
    made = [Made(Field("id", Type.STRING, own, PSEUDONYM, required=True), "encode(own.p, 'hex')")]
    joins, keys = "", []
    for reference in references:
        assert table is not None
        meaning = f"{str(table.c[reference].comment).split('.')[0]}."
        treatment = f"{PSEUDONYM} Null where fewer than k people's trees or threads look alike."
        alias = alias_of(reference)
        made.append(Made(Field(reference, Type.STRING, meaning, treatment), f"encode({alias}.p, 'hex')"))
        joins += f" LEFT JOIN known_{name} {alias} ON {alias}.id = c.{reference}"
        keys.append(ForeignKey((reference,), name, ("id",)))
    made += [Made(one, f'c."{one.name}"') for one in ladder.fields]
    if name in ("projects", SOURCES):
        cluster = next(one for one in DESIGN_FIELDS if one.name == "cluster_id")
        made.append(Made(cluster, "CASE WHEN c.design_id IS NOT NULL THEN encode(own.p, 'hex') END"))
    columns = ", ".join(one.selected() for one in made)
    sql = f"SELECT {columns} FROM cells_{name} c JOIN known_{name} own ON own.id = c.id{joins} ORDER BY own.p"
    return ResourceQuery(name, comment, sql, tuple(made), ("id",), tuple(keys))


def queries(selection: Selection) -> list[ResourceQuery]:
    """Build the queries of all tables of `open`, once the cells are made."""
    by_rows = {ladder.table: query(ladder) for ladder in _ladders(selection)}
    of_sources = [by_rows.pop(SOURCES)] if SOURCES in by_rows else []
    return [*by_rows.values(), *(query(comments(table, selection)) for table in COMMENTS), *of_sources]
