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
from harvester.warehouse.tables import COMMENTS, SCRATCH_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harvester.dataset.snapshot import Snapshot

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


def _count(table: str, column: str, of: str) -> str:
    return f"(SELECT {column} AS id, count(*)::int AS {of} FROM scratch.{table} WHERE gone_at IS NULL GROUP BY 1)"


_JOINED = "When the account was registered: a month, a quarter or a year."
_COARSE = "Coarsened until at least k people share the row's values; null where no coarser value suits."
_GONE = Field("gone", Type.BOOLEAN, "Whether it is gone: itself, what it stands on, or whoever made it.", "Derived.")


def _field(name: str, comment: str, kind: Type = Type.STRING, treatment: str = _COARSE) -> Field:
    return Field(name, kind, comment, treatment)


def _gone(selection: Selection) -> tuple[Field, ...]:
    return () if selection.tombstones is Tombstones.DROP else (_GONE,)


def _of_the_living(facts: Mapping[str, str]) -> str:
    """Facts of a row, which a tombstone does not have."""
    return ", ".join(f"CASE WHEN NOT k.gone THEN {sql} END AS {name}" for name, sql in facts.items())


_FIRST = {"country": 0, "region": 1, None: 2}


def users(selection: Selection) -> Ladder:
    """Country and join month, with how much somebody does as far as that is shared."""
    counts = {
        "followers": ("follows", "followee_id", "Followers"),
        "following": ("follows", "follower_id", "Users that are followed"),
        "projects": ("projects", "author_id", "Projects shared"),
    }
    facts = {"country": "t.country", "region": "r.region", "joined_at": "t.joined_at"}
    facts |= {f"{name}_count": f"coalesce({name}.{name}, 0)" for name in counts}
    joins = " ".join(
        f"LEFT JOIN {_count(table, column, name)} {name} ON {name}.id = t.id"
        for name, (table, column, _) in counts.items()
    )
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
                for name, (_, _, words) in counts.items()
            ),
            *_gone(selection),
        ),
        f"SELECT k.id, k.id AS person, k.gone, {_of_the_living(facts)} FROM kept_users k"
        f" JOIN {source('users', selection)} t ON t.id = k.id {joins} LEFT JOIN regions r ON r.country = t.country",
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
    facts = {name: f"t.{name}" for name in (*counts, "created_at")}
    facts |= {"is_remix": "t.parent_id IS NOT NULL", "licence": licence(*CONTENT_TIMES["projects"])}
    facts |= {one.name: f"draw.{one.name}" for one in design}
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
        f"SELECT k.id, coalesce(t.author_id, -t.id) AS person, k.gone, t.parent_id, t.root_id, {_of_the_living(facts)}"
        f" FROM kept_projects k JOIN {source('projects', selection)} t ON t.id = k.id"
        f" LEFT JOIN {drawn('projects', selection, numbered=True)} draw ON draw.entity_id = t.id",
        _work_steps(counts, plain, {"is_remix": "is_remix"}),
    )


def studios(selection: Selection) -> Ladder:
    """When a studio was made and how large it is."""
    counts = ("project_count", "follower_count", "comment_count")
    facts = {name: f"t.{name}" for name in (*counts, "created_at", "open_to_all")}
    facts["licence"] = licence(*CONTENT_TIMES["studios"])
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
        f"SELECT k.id, coalesce(t.host_id, -t.id) AS person, k.gone, {_of_the_living(facts)} FROM kept_studios k"
        f" JOIN {source('studios', selection)} t ON t.id = k.id",
        _work_steps(counts, {"gone": "gone", "licence": "licence"}, {"open_to_all": "open_to_all"}),
    )


def comments(table: str, selection: Selection) -> Ladder:
    """When a comment was written, and whether it is a reply: for comments whose thread is cut."""
    facts = {"created_at": "t.created_at", "licence": licence("t.created_at")}
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
        "SELECT k.id, coalesce(t.author_id, -t.id) AS person, k.gone, parent.id AS parent_id,"
        f" t.parent_id IS NOT NULL AS is_reply, {_of_the_living(facts)}"
        f" FROM kept_{table} k JOIN {source(table, selection)} t ON t.id = k.id"
        f" LEFT JOIN kept_{table} parent ON parent.id = t.parent_id",
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
    snapshot.run(f"CREATE TEMP TABLE placed_{name} (id bigint PRIMARY KEY, step int) ON COMMIT DROP")
    counts = []
    for step, label in enumerate(labels):
        part = parts[step] if parts else "''"
        snapshot.run(
            f"CREATE TEMP TABLE step_now ON COMMIT DROP AS SELECT t.id, t.person, {label} AS label, {part} AS part"
            f" FROM {relation} t WHERE NOT EXISTS (SELECT FROM placed_{name} p WHERE p.id = t.id)"
        )
        snapshot.run(
            f"INSERT INTO placed_{name} SELECT {'DISTINCT ' if parts else ''}n.id, {step} FROM step_now n JOIN ("
            "SELECT label FROM (SELECT label, count(DISTINCT person) AS people FROM step_now GROUP BY label, part)"
            f" alike GROUP BY 1 HAVING min(people) >= {k}) shared USING (label)"
        )
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
    snapshot.run(f"CREATE TEMP TABLE facts_{ladder.table} ON COMMIT DROP AS {ladder.facts}")
    snapshot.run(f"CREATE UNIQUE INDEX ON facts_{ladder.table} (id)")
    snapshot.run(f"ANALYZE facts_{ladder.table}")


def _place_rows(snapshot: Snapshot, ladder: Ladder, k: int, account: Suppressions) -> None:
    table = ladder.table
    _facts(snapshot, ladder)
    counts = place(snapshot, table, f"facts_{table}", [_label(ladder, step) for _, step in ladder.steps], k)
    also = ", parent_id, root_id" if table == "projects" else ""
    _publish(snapshot, ladder, f"facts_{table} f JOIN placed_{table} p USING (id)", also)
    _tell(snapshot, ladder, counts, account)


def _publish(snapshot: Snapshot, ladder: Ladder, relation: str, also: str) -> None:
    """Make the cells of a table: each published column as the step of the row says."""
    table, columns = ladder.table, []
    for one in ladder.fields:
        whens = " ".join(
            f"WHEN {number} THEN {step[one.name]}" for number, (_, step) in enumerate(ladder.steps) if one.name in step
        )
        columns.append(f'CASE step {whens} END AS "{one.name}"')
    snapshot.run(
        f"CREATE TEMP TABLE cells_{table} ON COMMIT DROP AS"
        f" SELECT id, person{also}, {', '.join(columns)} FROM {relation}"
    )
    snapshot.run(f"CREATE UNIQUE INDEX ON cells_{table} (id)")
    snapshot.run(f"ANALYZE cells_{table}")


def _tell(snapshot: Snapshot, ladder: Ladder, counts: list[int], account: Suppressions) -> None:
    """Take what found no place out of the release, and account for it."""
    table = ladder.table
    rows = int(snapshot.one(f"SELECT count(*) FROM kept_{table}"))
    snapshot.run(f"DELETE FROM kept_{table} k WHERE NOT EXISTS (SELECT FROM cells_{table} c WHERE c.id = k.id)")
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
    row = "(to_jsonb({0}) - '{{id,person,parent_id,root_id}}'::text[])::text"
    snapshot.run(
        "CREATE TEMP TABLE trees ON COMMIT DROP AS"
        " SELECT coalesce(c.root_id, c.parent_id, c.id) AS id, c.id AS node, c.person,"
        f" md5({row.format('c')} || coalesce({row.format('p')}, '') || coalesce({row.format('r')}, '')"
        "   || coalesce(c.parent_id = c.root_id, false)) AS looks"
        " FROM cells_projects c LEFT JOIN cells_projects p ON p.id = c.parent_id"
        " LEFT JOIN cells_projects r ON r.id = c.root_id"
    )
    snapshot.run(
        "CREATE TEMP TABLE shapes ON COMMIT DROP AS"
        " SELECT id, md5(string_agg(looks, ',' ORDER BY looks COLLATE \"C\")) AS looks, count(*) AS nodes"
        " FROM trees GROUP BY 1"
    )
    snapshot.run("ANALYZE trees")
    snapshot.run("ANALYZE shapes")
    nodes = "(SELECT n.id, n.person, n.looks AS part, s.looks FROM trees n JOIN shapes s USING (id))"
    kept_whole = place(snapshot, "shapes", nodes, ["t.looks"], k, ["t.part"])[0]
    snapshot.run(
        "UPDATE cells_projects c SET parent_id = NULL, root_id = NULL FROM trees t"
        " WHERE t.node = c.id AND NOT EXISTS (SELECT FROM placed_shapes p WHERE p.id = t.id)"
    )
    several = "SELECT count(*) FROM shapes WHERE nodes > 1"
    account.tables["remix_trees"] = {
        "trees_of_several_projects": int(snapshot.one(several)),
        "kept_their_edges": int(snapshot.one(f"{several} AND id IN (SELECT id FROM placed_shapes)")),
        "alike": kept_whole,
    }


def _place_threads(snapshot: Snapshot, ladder: Ladder, k: int, account: Suppressions) -> None:
    """Threads of k people that look alike stay whole; comments of the others are placed one by one, without parent."""
    table = ladder.table
    _facts(snapshot, ladder)
    looks = ", ".join(
        f"md5(string_agg(({_label(ladder, step)} || (parent_id IS NULL)), ','"
        f' ORDER BY parent_id IS NOT NULL, {_label(ladder, step)} COLLATE "C")) AS looks_{number}'
        for number, (_, step) in enumerate(ladder.steps)
    )
    snapshot.run(
        f"CREATE TEMP TABLE threads_{table} ON COMMIT DROP AS SELECT coalesce(parent_id, id) AS id, {looks}"
        f" FROM facts_{table} GROUP BY 1"
    )
    snapshot.run(f"ANALYZE threads_{table}")
    steps = [step for _, step in ladder.steps]
    labels = [f"t.looks_{number}" for number in range(len(steps))]
    columns = ", ".join(
        f"s.looks_{number}, {_label(ladder, step)} AS part_{number}" for number, step in enumerate(steps)
    )
    comments = (
        f"(SELECT s.id, f.person, f.parent_id IS NULL AS is_top, {columns} FROM facts_{table} f"
        f" JOIN threads_{table} s ON s.id = coalesce(f.parent_id, f.id))"
    )
    parts = [f"t.part_{number} || t.is_top" for number in range(len(steps))]
    whole = place(snapshot, f"threads_{table}", comments, labels, k, parts)
    snapshot.run(
        f"CREATE TEMP TABLE cut_{table} ON COMMIT DROP AS SELECT f.* FROM facts_{table} f"
        f" WHERE NOT EXISTS (SELECT FROM placed_threads_{table} p WHERE p.id = coalesce(f.parent_id, f.id))"
    )
    cut = place(snapshot, table, f"cut_{table}", [_label(ladder, step) for _, step in ladder.steps], k)
    _publish(
        snapshot,
        ladder,
        f"(SELECT f.*, coalesce(p.step, c.step) AS step, p.step IS NOT NULL AS is_whole FROM facts_{table} f"
        f" LEFT JOIN placed_threads_{table} p ON p.id = coalesce(f.parent_id, f.id)"
        f" LEFT JOIN placed_{table} c ON c.id = f.id WHERE coalesce(p.step, c.step) IS NOT NULL) f",
        ", CASE WHEN is_whole THEN parent_id END AS parent_id",
    )
    in_whole = snapshot.rows(
        f"SELECT p.step, count(*)::bigint AS n FROM facts_{table} f"
        f" JOIN placed_threads_{table} p ON p.id = coalesce(f.parent_id, f.id) GROUP BY 1"
    )
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
    snapshot.run(
        f"CREATE TEMP TABLE nodes_{table} ON COMMIT DROP AS"
        " SELECT coalesce(b.root_id, b.parent_id, b.id) AS tree, b.id, n.id IS NOT NULL AS is_there, n.person,"
        " md5(b.looks || coalesce(p.looks, '-') || coalesce(r.looks, '-')"
        "   || coalesce((b.parent_id = b.root_id)::text, '-')) AS looks"
        f" FROM before_{table} b LEFT JOIN before_{table} p ON p.id = b.parent_id"
        f" LEFT JOIN before_{table} r ON r.id = b.root_id LEFT JOIN now_{table} n ON n.id = b.id"
    )
    snapshot.run(
        f"CREATE TEMP TABLE before_trees_{table} ON COMMIT DROP AS SELECT tree, bool_and(is_there) AS is_there,"
        " coalesce(min(person) FILTER (WHERE id = tree), min(person)) AS person,"
        " md5(string_agg(looks, ',' ORDER BY looks COLLATE \"C\")) AS looks, count(*) AS nodes"
        f" FROM nodes_{table} GROUP BY 1"
    )
    snapshot.run(
        f"CREATE TEMP TABLE withdrawn_{table} ON COMMIT DROP AS"
        " WITH others AS (SELECT tree, looks, nodes, min(tree) OVER (PARTITION BY looks, person) AS first"
        f"  FROM before_trees_{table} WHERE is_there"
        f"  AND looks IN (SELECT looks FROM before_trees_{table} WHERE NOT is_there)),"
        ' chosen AS (SELECT tree, nodes, dense_rank() OVER (PARTITION BY looks ORDER BY first COLLATE "C") AS place'
        "  FROM others)"
        f" SELECT id FROM nodes_{table} WHERE tree IN (SELECT tree FROM before_trees_{table} WHERE NOT is_there"
        f"  UNION ALL SELECT tree FROM chosen WHERE place <= {k} OR nodes > 1)"
    )


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
