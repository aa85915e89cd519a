"""The rows of `open`: made coarse in steps, each no further than it takes until k people's rows are alike.

The attacker holds the whole public site, exact times, counts and edges, and knows how a release is made. Against them
a pseudonym alone is no protection: somebody is known by the day on which they joined, by how many they follow, by the
shape of a tree of remixes. So

- nothing leads from one resource to another: no author of a project or comment, no place of a comment, no edges;
- a row takes the first step of its **ladder** at which its values are shared by the rows of at least k different
  people (of what is not placed yet, so that placing some never leaves others alone); what no step suits is left out;
- a tree of remixes, or a thread, keeps its edges where trees, or threads, look alike, node by node, and each node of
  theirs is of at least k people among them (somebody who answers everybody is known by the answers); otherwise the
  edges are cut.

What fits a row of a release then fits at least k people. Trees are compared by the multiset of their edges, each with
what stands at its two ends, which tells apart all that can be told apart by counting; `tests/dataset` attacks the
result with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harvester.dataset.facts import coarse
from harvester.dataset.release import Field, ForeignKey, Tombstones, Type
from harvester.dataset.rows import (
    CONTENT_TIMES,
    DESIGN_FIELDS,
    LICENCE_FIELD,
    Made,
    ResourceQuery,
    Selection,
    alias_of,
    drawn,
    licence,
    source,
)
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import COMMENTS, SCRATCH_TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.dataset.snapshot import Snapshot

_SQL = statements(__package__, "anonymity")
"""Filled in by `str.format`: with the names of tables of the release, and with expressions that this module states."""

Step = dict[str, str]
"""The published columns of a step, as SQL over the facts of a row; a column that is not named is null."""

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
    """Return a count up to 9 as it is; above in two bins a decade: 10-31, 32-99, 100-315, 316-999."""
    return _bins(column, exact=10, starts=[bound for power in range(1, 10) for bound in (10**power, _half(power))])


def rough(column: str) -> str:
    """Return a count by decades: 0, 1-9, 10-99, 100-999."""
    return _bins(column, exact=1, starts=[10**power for power in range(10)])


def _half(power: int) -> int:
    return int(10 ** (power + 0.5)) + 1  # 10 ** 1.5 is 31.6


def _bins(column: str, exact: int, starts: Sequence[int]) -> str:
    whens = [f"WHEN {column} < {exact} THEN {column}::text"]
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        name = f"{start}-{end - 1}" if end else f"{start}-"
        whens.append(f"WHEN {column} < {end} THEN '{name}'" if end else f"WHEN {column} >= {start} THEN '{name}'")
    return f"CASE {' '.join(whens)} END"


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps by which the rows of a table are generalized.

    `facts` is the query of what is looked at: `id`, `person` (whose row it is; k of them have to share a step), and
    what the steps are made of.
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
        """By table: rows placed at each step, exact as the release shows them; and, coarse, those there were."""
        return {"k": self.k} | {
            table: {name: coarse(told, self.k) if isinstance(told, int) else told for name, told in numbers.items()}
            for table, numbers in self.tables.items()
        }


def regions(snapshot: Snapshot) -> None:
    """Make the temporary table of the region of each country as people declare it."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    snapshot.run("CREATE TEMP TABLE regions (country text PRIMARY KEY, region text) ON COMMIT DROP")
    with (files("harvester.dataset") / "regions.csv").open("rb") as file:
        snapshot.put("regions", csv.read_csv(pa.PythonFile(file)))


_JOINED = "When the account was registered: a month, a quarter or a year."
_COARSE = "Coarsened until at least k people share the row's values; null where no coarser value suits."
_GONE = Field("gone", Type.BOOLEAN, "Whether it is gone: itself, what it stands on, or whoever made it.", "Derived.")


def _field(name: str, comment: str, kind: Type = Type.STRING, treatment: str = _COARSE) -> Field:
    return Field(name, kind, comment, treatment)


def _gone(selection: Selection) -> tuple[Field, ...]:
    return () if selection.tombstones is Tombstones.DROP else (_GONE,)


_FIRST = {"country": 0, "region": 1, None: 2}


def users(selection: Selection) -> Ladder:
    """Country and join month, with how much somebody does as far as that is shared."""
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
    """When a project was made and how it fared; whether it is a remix."""
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
    """When a studio was made and how large it is."""
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
    """When a comment was written, and whether it is a reply: for comments whose thread is cut."""
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


def _values(ladder: Ladder, step: Step) -> str:
    return ", ".join(step.get(one.name, "NULL") for one in ladder.fields)


def _label(ladder: Ladder, step: Step) -> str:
    """Return the SQL of the text that rows at a step must share."""
    return f"ROW({_values(ladder, step)}, 0)::text"


def place(
    snapshot: Snapshot, name: str, relation: str, labels: Sequence[str], k: int, parts: Sequence[str] = ()
) -> list[int]:
    """Place things at the first step whose label k people share, and count them by step.

    Args:
        snapshot: Where.
        name: What to call the temporary table `placed_<name>` (id, step).
        relation: The things: a table with `id` and `person`; a row for each part of a thing that has parts.
        labels: What things must share, as SQL, step by step.
        k: How many people.
        parts: What a part looks like, as SQL, step by step: the parts that look alike in things that look alike must be
            of k people too.
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
    """Make `cells_<table>`, the published values of all rows of `open`; rows left out go from `kept_<table>`."""
    account = Suppressions(k)
    regions(snapshot)
    for ladder in (users(selection), projects(selection), studios(selection)):
        _place_rows(snapshot, ladder, k, account)
    _cut_trees(snapshot, k, account)
    for table in COMMENTS:
        _place_threads(snapshot, comments(table, selection), k, account)
    return account


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
    """Make the cells of a table: each published column as the step of the row says."""
    table, columns = ladder.table, []
    for one in ladder.fields:
        whens = " ".join(
            f"WHEN {number} THEN {step[one.name]}" for number, (_, step) in enumerate(ladder.steps) if one.name in step
        )
        columns.append(f'CASE step {whens} END AS "{one.name}"')
    snapshot.run(_SQL["make_cells"].format(name=table, edges=edges, columns=", ".join(columns), placed=placed))
    _index(snapshot, f"cells_{table}")


def _tell(snapshot: Snapshot, ladder: Ladder, counts: list[int], account: Suppressions) -> None:
    """Take what found no place out of the release, and account for it."""
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
    """Remix trees keep their edges where those of k people look alike; the others lose `parent_id` and `root_id`."""
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
    """Threads of k people that look alike stay whole; comments of the others are placed one by one, without parent."""
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
    """Make `withdrawn_<table>`: what holders of the release before should drop.

    Everybody can see who left the site between two releases. A list of what is gone, and nothing else, would say which
    rows were theirs, and whose are those beside them in a thread. So what looks alike there goes together: with a tree
    or a thread all that look like it, with a row by itself those of k other people.
    """
    snapshot.run(_SQL["make_nodes"].format(name=table))
    snapshot.run(_SQL["make_before_trees"].format(name=table))
    snapshot.run(_SQL["make_withdrawn"].format(name=table, k=k))


def query(ladder: Ladder) -> ResourceQuery:
    """Build the query of a table of `open`."""
    table = next(one for one in SCRATCH_TABLES if one.name == ladder.table)
    pseudonym = "Pseudonym: HMAC-SHA256, 128 bits."
    made = [Made(Field("id", Type.STRING, str(table.c.id.comment), pseudonym, required=True), "encode(own.p, 'hex')")]
    joins, keys = "", []
    references = [name for name in ("parent_id", "root_id") if name in table.c]
    for name in references:
        comment = f"{str(table.c[name].comment).split('.')[0]}."
        treatment = f"{pseudonym} Null where fewer than k people's trees or threads look alike."
        made.append(Made(Field(name, Type.STRING, comment, treatment), f"encode({alias_of(name)}.p, 'hex')"))
        joins += f" LEFT JOIN known_{table.name} {alias_of(name)} ON {alias_of(name)}.id = c.{name}"
        keys.append(ForeignKey((name,), str(table.name), ("id",)))
    made += [Made(one, f'c."{one.name}"') for one in ladder.fields]
    if table.name == "projects":
        cluster = next(one for one in DESIGN_FIELDS if one.name == "cluster_id")
        made.append(Made(cluster, "CASE WHEN c.design_id IS NOT NULL THEN encode(own.p, 'hex') END"))
    columns = ", ".join(one.selected() for one in made)
    sql = (
        f"SELECT {columns} FROM cells_{table.name} c JOIN known_{table.name} own ON own.id = c.id{joins} ORDER BY own.p"
    )
    return ResourceQuery(str(table.name), str(table.comment), sql, tuple(made), ("id",), tuple(keys))


def queries(selection: Selection) -> list[ResourceQuery]:
    """Build the queries of all tables of `open`, once the cells are made."""
    ladders = [users(selection), projects(selection), studios(selection)]
    return [query(one) for one in (*ladders, *(comments(table, selection) for table in COMMENTS))]
