"""The bias table of `open`: its exact side against an independent count, and its noise over many keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.dataset import bias
from harvester.dataset.build import Build, Request
from harvester.dataset.columns import KINDS
from harvester.dataset.privacy import NoisyStatistic, PrivacyBudget, add_noise
from harvester.dataset.pseudonyms import key_of
from harvester.dataset.recoding import CLASSES, DECADES, FINE, LEVELS
from harvester.dataset.snapshot import open_snapshot
from harvester.secret import secret_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harvester.dataset.bias import ComparedColumn

    Rows = Callable[[str], list[dict[str, Any]]]

FEW_KEYS, MANY_KEYS = 100, 2_000
"""Keys of noise. Of 100 a column's share within the error has a standard deviation of 2.2 points, of 2,000 of 0.5."""
OWNERS = {"users": "id", "projects": "author_id", "studios": "host_id", "sources": "author_id"} | dict.fromkeys(
    ("project_comments", "studio_comments", "profile_comments"), "author_id"
)


def compared_of(builder: Any, folder: Path) -> list[ComparedColumn]:
    """What a release of the warehouse compares, before any noise."""
    with open_snapshot(builder.settings) as snapshot:
        work = Build(builder.settings, snapshot, Request(folder).settled(), folder, lambda _: None)
        work.prepare()
        return work.compared


def true_mean(one: ComparedColumn, rows: list[dict[str, Any]]) -> tuple[float, int]:
    """The mean over all rows, what each person adds to the sum clipped, and who has more; counted in Python."""
    measure = one.column.measure
    assert measure is not None
    people: dict[Any, int] = defaultdict(int)
    for row in rows:
        value = row[one.column.fact]
        number = measure.center if value is None else value.year if hasattr(value, "year") else int(value)
        owner = row[OWNERS[one.table]]
        people[row["id"] if owner is None else owner] += number - measure.center
    total = sum(max(-measure.most, min(measure.most, n)) for n in people.values())
    return measure.center + total / len(rows), sum(abs(n) > measure.most for n in people.values())


def check(compared: list[ComparedColumn], rows: Rows, keys: int = FEW_KEYS) -> dict[str, float]:
    """Compare the exact side with the rows; return how often the mean of a column is within its error."""
    inside: Counter[str] = Counter()
    true = {one.name: true_mean(one, rows(one.table)) for one in compared if one.column.measure is not None}
    means = {name: mean for name, (mean, _) in true.items()}
    for one in compared:
        assert one.rows == len(rows(one.table)), one.name
        assert sum(one.counts) <= one.rows == pytest.approx(sum(one.released.values()))
        assert set(one.released) <= set(one.classes), one.name
        if one.name in means:
            assert one.column.measure.center + one.total / one.rows == pytest.approx(means[one.name]), one.name
            assert one.clipped == true[one.name][1], one.name
    # Noise depends on the key and the name of a statistic alone: without that of the classes, the means are the same.
    sums = [one for one in bias.statistics(compared) if one.name.endswith(" sum")]
    exact = {name: found for one in compared for name, found in without_noise(one).items()}
    for key in range(keys):
        noisy = add_noise(b"key %d" % key, "", PrivacyBudget(), sums)
        for row in bias.make_rows(compared, exact | noisy):
            name = f"bias {row['table']}.{row['column']}"
            if name in means:
                inside[name] += abs(row["warehouse_mean"] - means[name]) <= row["error_95"]
    assert set(inside) == set(means)
    shares = {name: found / keys for name, found in inside.items()}
    assert 0.93 <= sum(shares.values()) / len(shares) <= 0.97, shares
    return shares


def without_noise(one: ComparedColumn) -> dict[str, NoisyStatistic]:
    return {found.name: NoisyStatistic(tuple(found.values), 1, 1) for found in one.statistics()}


def test_the_bias_of_a_harvest_is_within_its_error(built: Any, truth: Rows, tmp_path: Path) -> None:
    compared = compared_of(built, tmp_path)
    key = key_of(secret_key(built.home), built.releases["restricted"])
    with_parents = {
        key.one(KINDS[table], row["id"]).hex()
        for table in OWNERS
        for row in (truth(table) if table != "sources" else ())
        if row.get("parent_id") is not None
    }
    follows = built.rows("restricted", "follows")
    followers, following = (Counter(row[side] for row in follows) for side in ("followee_id", "follower_id"))
    projects = Counter(row["author_id"] for row in built.rows("restricted", "projects"))

    def rows(table: str) -> list[dict[str, Any]]:
        counts = {"followers_count": followers, "following_count": following, "projects_count": projects}
        return [
            row
            | dict.fromkeys(("is_reply", "is_remix"), row["id"] in with_parents)
            | {name: found[row["id"]] for name, found in counts.items() if table == "users"}
            for row in built.rows("restricted", table)
        ]

    check([one for one in compared if one.table != "sources"], rows)
    stated = {(row["table"], row["column"]): row for row in built.rows("open", "bias")}
    assert set(stated) == {(one.table, one.column.name) for one in compared}
    for one in compared:
        assert stated[one.table, one.column.name]["released_mean"] == one.row(without_noise(one))["released_mean"]


@pytest.mark.parametrize(("step", "published", "most", "value"), [
    (DECADES, "0", 50, 0), (DECADES, "1-9", 50, 1.837), (DECADES, "10-99", 50, 24.69), (FINE, "7", 50, 7),
    (CLASSES, "10+", 100, 24.77), (CLASSES, "10+", 5, 10), (LEVELS, "8-14", 100, 11), (DECADES, "1000-9999", 50, 2558),
])  # fmt: skip
def test_a_bin_is_stood_for_by_its_mean(step: Any, published: str, most: int, value: float) -> None:
    assert step.value(published, most) == pytest.approx(value, rel=1e-3)


# A person in ten writes much: 1, 1, 2, 4 and so on up to 64 of each, remixes and views as unevenly.
FILL = """
INSERT INTO scratch.users (id, username, joined_at, country)
SELECT g, 'user' || g, '2008-06-01'::timestamptz + (g * 7919 % 6000) * interval '1 day',
    (ARRAY['United States', 'Japan', 'Chile', 'Germany'])[1 + g % 4]
FROM generate_series(1, {users}) g;

INSERT INTO scratch.follows (follower_id, followee_id)
SELECT DISTINCT g, 1 + g * n * 31 % {users} FROM generate_series(1, {users}) g, generate_series(1, 60) n
WHERE n <= 2 ^ (g % 7) / 2;

INSERT INTO scratch.projects (id, author_id, title, created_at, views, loves, favorites, remixes, parent_id)
SELECT g * 100 + n, g, 'a project', '2010-01-01'::timestamptz + (g * n * 13 % 5400) * interval '1 day',
    (2 ^ (g * n * 17 % 11))::int - 1, (2 ^ (g * n % 6))::int - 1, g * n % 2, CASE WHEN g * n % 29 = 0 THEN 3 ELSE 0 END,
    CASE WHEN n > 1 AND g % 4 = 0 THEN g * 100 + 1 END
FROM generate_series(1, {users}) g, generate_series(1, 64) n WHERE g % 3 = 0 AND n <= 2 ^ (g % 7);

INSERT INTO scratch.project_comments (id, project_id, author_id, parent_id, content, created_at)
SELECT g * 100 + n, 300 * (1 + g % ({users} / 3 - 1)) + 1, g, NULL, 'hi',
    '2012-01-01'::timestamptz + (g * n * 11 % 4800) * interval '1 day'
FROM generate_series(1, {users}) g, generate_series(1, 32) n WHERE n <= 2 ^ (g % 6);
"""


@pytest.mark.soak
@pytest.mark.parametrize("users", [500, 5_000, 50_000])
def test_means_are_within_their_error_at_any_size(
    database: str, builder_of: Callable[[str], Any], tmp_path: Path, users: int
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(FILL.format(users=users))
        connection.execute("VACUUM ANALYZE")
        connection.execute("SET timezone = 'UTC'")

        def rows(table: str) -> list[dict[str, Any]]:
            with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                return cursor.execute(TRUE_ROWS[table]).fetchall()

        held = {table: rows(table) for table in TRUE_ROWS}
        builder = builder_of(database)
        compared = compared_of(builder, tmp_path / "compared")
        assert {one.table for one in compared} == set(held)
        shares = check(compared, held.__getitem__, MANY_KEYS)
    print(f"{users:,} users, {MANY_KEYS:,} keys: {shares}")
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares
    release = builder("release")
    for table, true in held.items():
        told, found = release.anonymity[table], builder.rows("release", table)
        assert sum(row["weight"] for row in found) == pytest.approx(len(true))
        assert told["suppressed"] <= 0.05 * told["rows"] + 10
        key = key_of(secret_key(builder.home), release)
        of_whom = {key.one(KINDS[table], row["id"]).hex(): row[OWNERS[table]] for row in true}
        people: dict[Any, set[Any]] = defaultdict(set)
        for row in found:
            people[tuple(value for name, value in row.items() if name != "id")].add(of_whom[row["id"]])
        assert min(map(len, people.values())) >= 10
        assert len({of_whom[one] for one in of_whom.keys() - {row["id"] for row in found}}) not in range(1, 10)
        print(f"{users:,} users: {table} {told['steps']}, {told['suppressed']} of {told['rows']} suppressed")
    for row in builder.rows("release", "bias"):
        print(row)


TRUE_ROWS = {
    "users": "SELECT id, joined_at, (SELECT count(*) FROM scratch.follows WHERE followee_id = u.id) AS followers_count,"
    " (SELECT count(*) FROM scratch.follows WHERE follower_id = u.id) AS following_count,"
    " (SELECT count(*) FROM scratch.projects WHERE author_id = u.id) AS projects_count FROM scratch.users u",
    "projects": "SELECT id, author_id, created_at, views, loves, favorites, remixes, parent_id IS NOT NULL AS is_remix"
    " FROM scratch.projects",
    "project_comments": "SELECT id, author_id, created_at, parent_id IS NOT NULL AS is_reply"
    " FROM scratch.project_comments",
}
