"""Figures of `open`: how far a person can change them, and what of them a release says."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet as pq
import pytest

from harvester.config import load
from harvester.dataset.aggregates import count, make_counted, make_records, statistics, table_parts
from harvester.dataset.build import Build, Request, build
from harvester.dataset.privacy import SHARE_OF_AGGREGATES, PrivacyBudget, Statistic, add_noise, fingerprint
from harvester.dataset.release import SOURCES, FileFormat, Profile, Text, Tombstones
from harvester.dataset.rows import Selection
from harvester.dataset.snapshot import open_snapshot
from harvester.warehouse.tables import COMMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harvester.config import Settings
    from harvester.dataset.snapshot import Snapshot

AT = datetime(2026, 6, 1, tzinfo=UTC)
PARTS = table_parts(AT, has_sources=True)
RECORDS = ("people", "projects", "studios", "comments", "follows", "entries", SOURCES)
# Person 1 has more of everything than is counted of one person, and all of it is where it changes most: in one cell of
# each histogram, and in groups that are in one cell with them and in another one without them. Persons above 1000 have
# one record each that is in a group with one of theirs.
WORST = """
INSERT INTO records_people SELECT g, '2010-01-01', 'Chile', 'hello' FROM generate_series(1, 1) g;
INSERT INTO records_people SELECT g, '2011-01-01', 'Chad', NULL FROM generate_series(1001, 1300) g;
INSERT INTO records_projects SELECT 1, g, '2015-05-05', 'title', g FROM generate_series(1, 120) g;
INSERT INTO records_projects SELECT 1000 + g, 1000 + g, '2016-05-05', 'title', g FROM generate_series(1, 120) g;
INSERT INTO records_studios SELECT 1, g, '2015-05-05', 'title' FROM generate_series(1, 40) g;
INSERT INTO records_studios SELECT 1000 + g, 1000 + g, '2016-05-05', 'title' FROM generate_series(1, 120) g;
INSERT INTO records_entries SELECT 1, (1000 + g) || '/' || g, 1000 + g FROM generate_series(1, 120) g;
INSERT INTO records_entries SELECT 1000 + g, g || '/' || 1000 + g, g FROM generate_series(1, 40) g;
INSERT INTO records_comments
SELECT 1, 'project_comments', g, '2015-05-05', 'text', 1000 + g, '5 minutes' FROM generate_series(1, 230) g;
INSERT INTO records_comments
SELECT 1000 + g, 'project_comments', 1000 + g, '2016-05-05', 'text', 1000 + g, NULL FROM generate_series(1, 230) g;
INSERT INTO records_follows SELECT 1, 1000 + g FROM generate_series(1, 230) g;
INSERT INTO records_follows SELECT 1300, 1;
INSERT INTO records_sources SELECT 1, g, 7 FROM generate_series(1, 120) g
"""
ACTIVE = """
INSERT INTO records_people SELECT g, '2010-01-01', 'Chile', 'hello' FROM generate_series(1, 3) g;
INSERT INTO records_projects
SELECT 1, g, '2010-02-01'::timestamptz + g * interval '1 year', 'title', g FROM generate_series(0, 15) g
"""
# Few people, of whom the first have most; groups and times that many share.
RANDOM = """
INSERT INTO records_people
SELECT g, CASE WHEN g % 5 > 0 THEN '2007-01-01'::timestamptz + random() * interval '18 years' END,
    (ARRAY['Chile', 'Nowhere', NULL])[1 + g % 3], (ARRAY['hello', 'Привет', '。', NULL])[1 + g % 4]
FROM generate_series(1, 12) g;
INSERT INTO records_projects
SELECT {who}, g, '2007-01-01'::timestamptz + random() * interval '19 years', 'x', g % 40 FROM generate_series(1, 150) g;
INSERT INTO records_studios
SELECT {who}, g, '2007-01-01'::timestamptz + random() * interval '19 years', 'x' FROM generate_series(1, 30) g;
INSERT INTO records_entries SELECT {who}, g % 30 || '/' || g, g % 30 FROM generate_series(1, 90) g;
INSERT INTO records_comments
SELECT {who}, (ARRAY['project_comments', 'studio_comments', 'profile_comments'])[1 + g % 3], g,
    '2012-01-01'::timestamptz + random() * interval '14 years', 'x', g % 50, random() * interval '9 days'
FROM generate_series(1, 300) g;
INSERT INTO records_follows SELECT DISTINCT {who}, 1 + floor(12 * random())::bigint FROM generate_series(1, 60) g;
INSERT INTO records_sources SELECT {who}, g, floor(22 * random())::int FROM generate_series(1, 60) g
"""


@pytest.fixture
def records(database: str, tmp_path: Path) -> Iterator[Snapshot]:
    """A snapshot with empty tables `records_*`, as a build makes them."""
    with open_snapshot(load(database_url=database, home=tmp_path)) as snapshot:
        for table in ("users", "projects", "studios", SOURCES, *COMMENTS):
            snapshot.run(f"CREATE TEMP TABLE kept_{table} (id bigint, gone boolean)")
        make_records(snapshot, Selection(Profile.OPEN, Tombstones.DROP, Text.NONE, sources="some"))
        yield snapshot


@contextmanager
def undone(snapshot: Snapshot) -> Iterator[None]:
    """What is done within is undone."""
    snapshot.run("SAVEPOINT before")
    yield
    snapshot.run("ROLLBACK TO SAVEPOINT before")
    snapshot.run("RELEASE SAVEPOINT before")


def fill(snapshot: Snapshot, statements: str) -> None:
    for statement in statements.split(";\n"):
        snapshot.run(statement)


def figures(snapshot: Snapshot, without: int | None = None) -> dict[str, list[int]]:
    """The exact figures of each part of a table, of all records or of those of all people but one."""
    with undone(snapshot):
        if without is not None:
            for kind in RECORDS:
                snapshot.run(f"DELETE FROM records_{kind} WHERE person = {without}")
        make_counted(snapshot, "key", AT, has_sources=True)
        found = count(snapshot, AT, has_sources=True)
    return {one.name: [found[one.table][cell] for cell in one.cells] for one in PARTS}


def distances(snapshot: Snapshot, person: int, whole: dict[str, list[int]] | None = None) -> dict[str, int]:
    """The squared distance of each part's figures with a person and without."""
    one, other = whole or figures(snapshot), figures(snapshot, person)
    return {name: sum((a - b) ** 2 for a, b in zip(one[name], other[name], strict=True)) for name in one}


def test_a_person_can_change_as_much_as_is_stated(records: Snapshot) -> None:
    """The stated sensitivity is reached, so that it cannot be less."""
    with undone(records):
        fill(records, WORST)
        worst = distances(records, 1)
    with undone(records):
        fill(records, ACTIVE)
        worst["retention"] = distances(records, 1)["retention"]
    assert worst == {one.name: one.sensitivity for one in PARTS}


@pytest.mark.parametrize("seed", [0.1, 0.2])
def test_nobody_changes_more_than_is_stated(records: Snapshot, seed: float) -> None:
    records.run(f"SELECT setseed({seed})")
    fill(records, RANDOM.format(who="1 + floor(12 * random()^3)::bigint"))
    whole = figures(records)
    for person in (1, 2, 12):
        found = distances(records, person, whole)
        beyond = {one.name: found[one.name] for one in PARTS if found[one.name] > one.sensitivity}
        assert not beyond
        assert sum(found.values()) > 0


def test_no_figure_has_a_cell_that_depends_on_a_record(records: Snapshot) -> None:
    """Whatever is counted has a cell that is there without it: nothing falls beside the tables."""
    records.run("SELECT setseed(0.3)")
    fill(records, RANDOM.format(who="1 + floor(12 * random())::bigint"))
    make_counted(records, "key", AT, has_sources=True)
    found = count(records, AT, has_sources=True)
    cells = {(one.table, cell) for one in PARTS for cell in one.cells}
    beside = {(table, cell) for table, numbers in found.items() for cell in numbers} - cells
    # Who made something more than so many years after joining, or before, is in no cell of `retention`.
    assert {table for table, _ in beside} <= {"retention"}
    assert len({cell for table, cell in cells if table == "counts_by_month"}) == 6 * (19 * 12 + 6)
    totals: dict[str, Any] = {
        table: sum(n for (counted, _), n in found[table].items() if counted == "people")
        for table in ("counts_by_country", "counts_by_account_age", "counts_by_script", "counts_by_activity")
    }
    assert set(totals.values()) == {12}


def exact_figures(settings: Settings, folder: Path) -> list[Statistic]:
    """The statistics of a release of `open`, before noise."""
    with open_snapshot(settings) as snapshot:
        steps = Build(settings, snapshot, Request(folder).settled(), folder, lambda _: None)
        steps._settle()
        return statistics(snapshot, steps.selection, "key", steps.as_of)


def test_figures_are_counts_of_the_rows(built: Any, tmp_path: Path) -> None:
    """Counted again from `restricted`, which selects the same rows and has them exact."""
    at = built.releases["restricted"].as_of
    found: Counter[Any] = Counter()
    by_name = {one.name: one for one in exact_figures(built.settings, tmp_path)}
    for one in table_parts(at, has_sources=True):
        found.update(dict(zip(((one.table, *cell) for cell in one.cells), by_name[one.name].values, strict=True)))
    rows = {table: built.rows("restricted", table) for table in ("users", "projects", "follows", "studios", *COMMENTS)}
    expected: Counter[Any] = Counter()
    for user in rows["users"]:
        expected["counts_by_month", "people", f"{user['joined_at']:%Y-%m}"] += 1
        expected["counts_by_country", "people", user["country"] or "unknown"] += 1
    following = Counter(row["follower_id"] for row in rows["follows"])
    shared = Counter(row["author_id"] for row in rows["projects"])
    edges = [1, 2, 3, 5, 9, 17, 33, 65, 129]
    names = ["0", "1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-128"]
    years = set()
    joined = {user["id"]: user["joined_at"] for user in rows["users"]}
    for person in joined:
        expected["sizes", "following", names[bisect_right(edges, following[person])]] += 1
        expected["sizes", "projects", names[bisect_right(edges, shared[person])]] += 1
    for table in ("projects", *COMMENTS):
        for row in rows[table]:
            since = row["created_at"] - joined[row["author_id"]]
            years.add((row["author_id"], int(since.total_seconds() // (365.25 * 86400))))
    for person, year in years:
        if 0 <= year < 10:
            expected["retention", joined[person].year, year] += 1
    whole = {key: number for key, number in found.items() if number and key[:2] in {one[:2] for one in expected}}
    assert whole == dict(expected)
    # Of other records some are left out: those counted and those left out are all there are.
    for kind, tables in (("projects", ["projects"]), ("studios", ["studios"]), ("comments", COMMENTS)):
        all_rows = [row for table in tables for row in rows[table] if row.get("author_id") or row.get("host_id")]
        for table in ("counts_by_month", "counts_by_account_age", "counts_by_script"):
            counted = sum(n for key, n in found.items() if key[:2] in {(table, name) for name in tables})
            assert counted + found["left_out", kind] == len(all_rows), (table, kind)
    assert found["left_out", "comments"] > 0
    assert sum(n for key, n in found.items() if key[0] == "reply_latency") > 0
    assert sum(n for key, n in found.items() if key[0] == "scores") > 0


def within_error(exact: list[Statistic], seeds: int) -> dict[str, float]:
    """By table the share of figures whose exact value is within `error_95`, over some keys."""
    hits, all_figures = Counter[str](), Counter[str]()
    for seed in range(seeds):
        secret = seed.to_bytes(32, "big")
        noisy = add_noise(secret, fingerprint(secret, "", PrivacyBudget(), exact), PrivacyBudget(), exact)
        for one in exact:
            table, told = one.name.split()[0], noisy[one.name]
            all_figures[table] += len(one.values)
            hits[table] += sum(abs(a - b) <= told.error_95 for a, b in zip(told.values, one.values, strict=True))
    return {table: hits[table] / all_figures[table] for table in all_figures}


def test_the_exact_figure_is_within_its_error() -> None:
    """In 93 to 97 of 100 cases, for each table."""
    few = [
        Statistic(one.name, [17] * min(len(one.cells), 12), one.sensitivity, SHARE_OF_AGGREGATES / len(PARTS))
        for one in PARTS
    ]
    shares = within_error(few, 100)
    assert len(shares) == 10
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


FILL = """
SELECT setseed(0.5);
INSERT INTO scratch.users (id, username, joined_at, country, bio)
SELECT g, 'user' || g, '2008-01-01'::timestamptz + random() * interval '6500 days',
    (ARRAY['Chile', 'Japan', 'Nowhere', NULL])[1 + g % 4], (ARRAY['hello', 'Привет', NULL])[1 + g % 3]
FROM generate_series(1, {users}) g;
INSERT INTO scratch.projects (id, author_id, title, created_at, root_id)
SELECT g, 1 + floor({users} * random()^3), 'a project', '2010-01-01'::timestamptz + random() * interval '5500 days',
    CASE WHEN g % 4 = 3 THEN g - g % 40 END
FROM generate_series(1, {users} * 2) g;
INSERT INTO scratch.studios (id, host_id, title, created_at)
SELECT g, 1 + floor({users} * random()^2), 'a studio', '2012-01-01'::timestamptz + random() * interval '5000 days'
FROM generate_series(1, {users} / 5) g;
INSERT INTO scratch.studio_projects (studio_id, project_id)
SELECT DISTINCT 1 + floor({users} / 5 * random()^2)::bigint, 1 + floor({users} * 2 * random())::bigint
FROM generate_series(1, {users}) g;
INSERT INTO scratch.follows (follower_id, followee_id)
SELECT DISTINCT 1 + floor({users} * random()^2)::bigint, 1 + floor({users} * random()^3)::bigint
FROM generate_series(1, {users} * 5) g;
INSERT INTO scratch.project_comments (id, project_id, author_id, parent_id, content, created_at)
SELECT g, 1 + floor({users} * 2 * random()), 1 + floor({users} * random()^3),
    CASE WHEN g % 10 > 6 THEN g - g % 10 END, 'nice one', '2013-01-01'::timestamptz + g * interval '9 minutes'
FROM generate_series(10, {users} * 10) g
"""


@pytest.mark.soak
@pytest.mark.parametrize("users", [500, 5_000, 50_000])
def test_published_figures_hold_the_truth(database: str, tmp_path: Path, users: int) -> None:
    """Communities of three sizes: the noise of a hundred keys, and the files of one release."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(FILL.format(users=users))
        connection.execute("ANALYZE")
    settings = load(database_url=database, home=tmp_path)
    exact = exact_figures(settings, tmp_path)
    shares = within_error(exact, 100)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares
    released = build(settings, Request(tmp_path / "release", formats=(FileFormat.PARQUET,)))
    assert max(next(one.values for one in exact if one.name == "counts_by_country people")) > users / 5
    truth = {one.name: one for one in exact}
    hits = figures_read = 0
    for table in dict.fromkeys(one.table for one in PARTS if one.table != "scores"):
        parts = [one for one in table_parts(released.as_of, has_sources=False) if one.table == table]
        known = {cell: value for one in parts for cell, value in zip(one.cells, truth[one.name].values, strict=True)}
        rows = pq.read_table(tmp_path / f"release/data/{table}.parquet").to_pylist()
        assert len(rows) == len(known)
        for row in rows:
            *cell, figure, scale, error = row.values()
            assert scale <= error
            hits += abs(known[tuple(cell)] - figure) <= error
            figures_read += 1
    assert 0.93 <= hits / figures_read <= 0.97
