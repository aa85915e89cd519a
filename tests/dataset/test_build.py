"""What a build promises: the same bytes, the tables as they are, references that hold, and nobody who was erased."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.config import load
from harvester.dataset import files, ledger
from harvester.dataset.columns import ENTITIES
from harvester.dataset.pseudonyms import derive, key_of
from harvester.dataset.read import batches
from harvester.dataset.release import Field, FileFormat, KeyScope, Profile, Resource, Text, Tombstones, Type
from harvester.erasure.erase import erase
from harvester.errors import UsageError
from harvester.secret import secret_key
from harvester.warehouse.tables import KEY_COLUMNS, SCRATCH_TABLES

if TYPE_CHECKING:
    from pathlib import Path

OPEN, RESTRICTED, INTERNAL = Profile.OPEN, Profile.RESTRICTED, Profile.INTERNAL


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def execute(builder: Any, *statements: str) -> None:
    with psycopg.connect(builder.database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def ids(builder: Any, name: str, table: str) -> set[Any]:
    return {row["id"] for row in builder.rows(name, table)}


def pseudonyms(builder: Any, name: str, kind: str, values: Any) -> set[str]:
    release = builder.releases[name]
    key = key_of(secret_key(builder.home), release)
    return {key.one(kind, value).hex() for value in values}


# the same bytes ------------------------------------------------------------------------------------------------------


def test_two_builds_are_the_same_bytes(builder_with_sources: Any) -> None:
    builder = builder_with_sources
    for profile in Profile:
        builder(f"first-{profile}", profile)
    spent = ledger.read(builder.settings)
    assert spent[-1].release == builder.releases["first-open"].name
    # The same rows in another physical order, with other statistics.
    execute(
        builder,
        "UPDATE scratch.users SET bio = bio WHERE id % 3 = 0",
        "UPDATE scratch.projects SET title = title WHERE id % 2 = 0",
        "UPDATE scratch.project_comments SET content = content WHERE id % 5 < 2",
        "UPDATE source.versions SET editor = editor WHERE project_id % 2 = 0",
        "UPDATE source.assets SET count = count WHERE file < '8'",
        "ANALYZE",
    )
    for profile in Profile:
        builder(f"second-{profile}", profile)
        first, second = (hashes(builder.folder / f"{name}-{profile}") for name in ("first", "second"))
        assert first == second
        assert len(first) > 20
    assert ledger.read(builder.settings) == spent, "the second one spent nothing"


def test_a_file_tells_neither_when_nor_where_it_was_written(built: Any) -> None:
    for path in built.folder.rglob("*.gz"):
        header = path.read_bytes()[:10]
        assert header[3] == 0, "a name, a comment or an extra field"
        assert header[4:8] == bytes(4), "a time"


def test_rows_that_come_in_other_batches_are_the_same_bytes(tmp_path: Path) -> None:
    fields = [Field("id", Type.INTEGER, "", required=True), Field("word", Type.STRING, "")]
    rows = pa.record_batch({"id": range(300_000), "word": [f"w{i % 7}" for i in range(300_000)]})
    rows = rows.cast(files.schema_of(fields))
    for name, size in (("a", 1000), ("b", 299_999)):
        with files.Writing(tmp_path, f"{name}/x", fields, list(FileFormat)) as writing:
            for start in range(0, len(rows), size):
                writing.write(rows.slice(start, size))
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


# read back -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", SCRATCH_TABLES, ids=lambda table: table.name)
def test_internal_read_back_equals_the_table(built: Any, table: Any) -> None:
    columns = [column.name for column in table.columns]
    order = ", ".join(f'{name} COLLATE "C"' if name == "headline" else name for name in KEY_COLUMNS[table.name])
    with psycopg.connect(built.database, options="-c timezone=UTC") as connection:
        # An array is told as words.
        values = [f"nullif(array_to_string({name}, ' '), '')" if name == "from_index" else name for name in columns]
        true = connection.execute(f"SELECT {', '.join(values)} FROM {table.fullname} ORDER BY {order}").fetchall()
    key = [columns.index(name) for name in KEY_COLUMNS[table.name]]

    def in_order(rows: Any) -> list[tuple[Any, ...]]:
        return sorted(rows, key=lambda row: [row[place] for place in key])

    read = [tuple(row[name] for name in columns) for row in built.rows("internal", table.name)]
    extra = columns.index("extra")
    decode_text = [(*row[:extra], json.loads(row[extra]), *row[extra + 1 :]) for row in read]
    assert in_order(decode_text) == in_order(true)
    assert true or table.name == "news"


def test_all_formats_hold_the_same_rows(built: Any) -> None:
    for profile in map(str, Profile):
        for resource in built.releases[profile].resources:
            if len(resource.files) < 3:
                continue
            names = [one.name for one in resource.fields]
            texts = [one.name for one in resource.fields if one.type in (Type.STRING, Type.JSON)]
            stem = built.folder / profile / f"data/{resource.name}"
            lines = gzip.decompress(stem.with_suffix(".jsonl.gz").read_bytes()).splitlines()
            as_json = [json.loads(line) for line in lines]
            as_csv = pa_csv.read_csv(
                stem.with_suffix(".csv.gz"),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=files.schema_of(resource.fields),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ).to_pylist()
            rows = built.rows(profile, resource.name)
            assert len(rows) == len(as_json) == len(as_csv) == resource.rows
            for row, from_json, from_csv in zip(rows, as_json, as_csv, strict=True):
                assert list(from_json) == list(from_csv) == names
                for name, value in row.items():
                    plain = f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value
                    assert from_json[name] == plain, (resource.name, name)
                    safe = f"'{value}" if name in texts and value and value[0] in "=+-@\t\r" else value
                    assert from_csv[name] == safe, (resource.name, name)


PROMISED: dict[Type, tuple[set[str], str, set[Any]]] = {
    Type.STRING: ({"VARCHAR"}, "OS", {pl.String}),
    Type.INTEGER: ({"BIGINT"}, "iuf", {pl.Int64}),
    Type.NUMBER: ({"DOUBLE"}, "f", {pl.Float64}),
    Type.BOOLEAN: ({"BOOLEAN"}, "bO", {pl.Boolean}),
    Type.TIME: ({"TIMESTAMP WITH TIME ZONE"}, "M", {pl.Datetime("us", "UTC")}),
    Type.JSON: ({"VARCHAR"}, "OS", {pl.String}),
    Type.MONTH: ({"VARCHAR"}, "OS", {pl.String}),
}
"""As DuckDB, pandas (the kind of the dtype: a column without values has an object or float) and Polars call them."""


def test_every_file_opens_with_the_promised_types(built: Any) -> None:
    """Parquet carries the types; CSV and JSONL are read with those that the release states."""
    opened: Counter[str] = Counter()
    for profile in map(str, Profile):
        for resource in built.releases[profile].resources:
            promised = {one.name: one.type for one in resource.fields}
            ducks = {name: min(PROMISED[kind][0]) for name, kind in promised.items()}
            for file in resource.files:
                path = built.folder / profile / file.path
                opened[file.format] += 1
                if file.format == "parquet":
                    duck = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
                    panda, polar = pd.read_parquet(path), pl.read_parquet(path)
                elif file.format == "csv.gz":
                    duck = duckdb.read_csv(str(path), header=True, dtype=ducks, escapechar='"', quotechar='"')
                    panda = pd.read_csv(path, keep_default_na=False, na_values=[""])
                    schema = {name: next(iter(PROMISED[kind][2])) for name, kind in promised.items()}
                    as_text = {
                        name: pl.String if kind == pl.Datetime("us", "UTC") else kind for name, kind in schema.items()
                    }
                    polar = pl.read_csv(path, schema=as_text).with_columns(
                        pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
                        for name, kind in promised.items()
                        if kind is Type.TIME
                    )
                else:
                    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in ducks.items())
                    duck = duckdb.sql(f"SELECT * FROM read_json('{path}', columns={{{columns}}}, format='nd')")
                    panda = pd.read_json(path, lines=True, dtype=False) if resource.rows else None
                    polar = None  # reads no compressed lines
                assert len(duck) == resource.rows, file.path
                assert dict(zip(duck.columns, map(str, duck.types), strict=True)) == ducks, file.path
                if panda is not None:
                    assert len(panda) == resource.rows, file.path
                    assert list(panda.columns) == list(promised), file.path
                if polar is not None:
                    assert polar.height == resource.rows, file.path
                    for name, kind in promised.items():
                        assert polar.schema[name] in PROMISED[kind][2], (file.path, name)
                if file.format == "parquet":
                    for name, kind in promised.items():
                        if panda[name].notna().any():
                            assert panda[name].dtype.kind in PROMISED[kind][1], (file.path, name)
    assert min(opened[one] for one in ("parquet", "csv.gz", "jsonl.gz")) >= 20


def test_keys_are_unique_and_references_hold(built: Any) -> None:
    for profile in map(str, Profile):
        release = built.releases[profile]
        keys = {}
        for resource in release.resources:
            if resource.name.startswith("teaser"):
                continue
            found = [tuple(row[one] for one in resource.primary_key) for row in built.rows(profile, resource.name)]
            assert len(set(found)) == len(found)
            assert found == sorted(found), resource.name
            keys[resource.name] = set(found)
        checked = 0
        for resource in release.resources:
            for foreign in resource.foreign_keys:
                for row in built.rows(profile, resource.name):
                    if row[foreign.fields[0]] is not None:
                        assert (row[foreign.fields[0]],) in keys[foreign.resource], (profile, resource.name, foreign)
                        checked += 1
        assert checked > 10 or profile == "open"


def test_restricted_is_the_truth_under_pseudonyms(built: Any, truth: Any) -> None:
    """All users, follows and comments of the truth, by pseudonyms that the key gives; exact times and counts."""
    key = key_of(secret_key(built.home), built.releases["restricted"])

    def user(value: Any) -> str:
        return key.one("user", value).hex()

    assert ids(built, "restricted", "users") == {user(row["id"]) for row in truth("users")}
    live = {row["id"] for row in truth("users")}
    follows = {
        (user(row["follower_id"]), user(row["followee_id"]))
        for row in truth("follows")
        if {row["follower_id"], row["followee_id"]} <= live
    }
    assert {(row["follower_id"], row["followee_id"]) for row in built.rows("restricted", "follows")} == follows
    by_id = {row["id"]: row for row in built.rows("restricted", "project_comments")}
    true = [row for row in truth("project_comments") if row["author_id"] in live]
    authors = {row["id"]: row["author_id"] for row in truth("projects")}
    true = [row for row in true if authors[row["project_id"]] in live]
    assert len(by_id) == len(true) > 50
    for row in true:
        found = by_id[key.one("project_comment", row["id"]).hex()]
        assert found["author_id"] == user(row["author_id"])
        assert found["project_id"] == key.one("project", row["project_id"]).hex()
        assert f"{found['created_at']:%Y-%m-%dT%H:%M:%S}" == row["created_at"][:19]


# who is in -----------------------------------------------------------------------------------------------------------


def test_erased_people_are_in_no_dataset_built_later(builder: Any, truth: Any) -> None:
    authors = Counter(row["author_id"] for row in truth("projects"))
    writers = Counter(row["author_id"] for row in truth("project_comments"))
    person = max(authors, key=lambda one: min(authors[one], writers[one]))
    assert writers[person]
    name = next(row["username"] for row in truth("users") if row["id"] == person)
    with psycopg.connect(builder.database) as other:
        copy = other.info.dbname
    execute_elsewhere(builder, f"CREATE DATABASE {copy}_older TEMPLATE {copy}")
    older = builder.database.replace(f"/{copy}?", f"/{copy}_older?")
    with psycopg.connect(builder.database, autocommit=True) as connection:
        erase(connection, builder.home, name)
    projects = {row["id"] for row in truth("projects") if row["author_id"] == person}
    try:
        # The warehouse that forgot, and an older copy of it that did not: the rule stands beside the key.
        for which, database in (("new", builder.database), ("older", older)):
            builder.database = database
            for profile in Profile:
                built = f"{which}-{profile}"
                builder(built, profile)
                text = "\n".join(
                    gzip.decompress(path.read_bytes()).decode()
                    for path in (builder.folder / built / "data").glob("*.csv.gz")
                )
                assert len(text) > 10_000
                people, things = {str(person)}, set(map(str, projects))
                if profile is not INTERNAL:
                    people = pseudonyms(builder, built, "user", [person])
                    things = pseudonyms(builder, built, "project", projects)
                cells = set(text.replace("\n", ",").split(","))
                assert not (people | things) & cells, built
                if profile is INTERNAL:
                    assert f",{name}," not in text
                    assert f"@{name} " not in text
                    assert not {row["author_id"] for row in builder.rows(built, "project_comments")} & {person}
            assert len(ids(builder, f"{which}-internal", "users")) > 40
    finally:
        execute_elsewhere(builder, f"DROP DATABASE {copy}_older WITH (FORCE)")


def execute_elsewhere(builder: Any, statement: str) -> None:
    with psycopg.connect(builder.database) as connection:
        name = connection.info.dbname
    with psycopg.connect(builder.database.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(statement)


def test_only_what_was_confirmed_within_the_bound_is_in(builder: Any, truth: Any) -> None:
    """Met long ago and not shown since: left out; shown by a visit since, or met since: in."""
    visited, met, old = sorted(row["id"] for row in truth("users"))[:3]
    execute(
        builder,
        f"UPDATE scratch.users SET first_seen_at = now() - interval '500 days' WHERE id IN ({visited}, {old})",
        f"UPDATE crawl.frontier SET visited_at = now() - interval '450 days' WHERE entity_id = {old}",
    )
    builder("within", RESTRICTED)
    found = ids(builder, "within", "users")
    assert pseudonyms(builder, "within", "user", [visited, met]) <= found
    assert not pseudonyms(builder, "within", "user", [old]) & found
    builder("wider", RESTRICTED, seen_within=600)
    assert pseudonyms(builder, "wider", "user", [visited, met, old]) <= ids(builder, "wider", "users")


def test_a_list_that_was_read_as_a_whole_confirms_what_it_holds(builder: Any, truth: Any) -> None:
    one, two, three = truth("favorites")[:3]
    long_ago = "now() - interval '500 days'"
    for edge in (one, two, three):
        execute(
            builder,
            f"UPDATE scratch.favorites SET first_seen_at = {long_ago}"
            f" WHERE user_id = {edge['user_id']} AND project_id = {edge['project_id']}",
        )
    execute(
        builder,
        f"UPDATE crawl.frontier SET last_full_read_at = {long_ago} WHERE stream = 'user_favorites'"
        f" AND entity_id = {two['user_id']} AND entity_id <> {one['user_id']}",
        "INSERT INTO crawl.missing_items (stream, entity_id, item_id, last_seen_at, missed_at) VALUES"
        f" ('user_favorites', {three['user_id']}, {three['project_id']}, now(), now())",
    )
    builder("lists", INTERNAL, seen_within=400)
    found = {(row["user_id"], row["project_id"]) for row in builder.rows("lists", "favorites")}
    assert (one["user_id"], one["project_id"]) in found
    assert two["user_id"] == one["user_id"] or (two["user_id"], two["project_id"]) not in found
    assert (three["user_id"], three["project_id"]) not in found, "a full read did not show it"


@pytest.mark.parametrize("profile", [RESTRICTED, INTERNAL])
def test_tombstones(builder: Any, profile: Profile) -> None:
    with psycopg.connect(builder.database) as connection:
        gone = {one for (one,) in connection.execute("SELECT id FROM scratch.projects WHERE gone_at IS NOT NULL")}
    assert gone
    for mode in Tombstones:
        builder(f"{mode}", profile, tombstones=mode)
        known = {row["id"]: row for row in builder.rows(str(mode), "projects")}
        keys = gone if profile is INTERNAL else pseudonyms(builder, str(mode), "project", gone)
        if mode is Tombstones.DROP:
            assert not keys & known.keys()
            assert "gone_at" not in next(iter(known.values()))
            continue
        shown = [known[key] for key in keys & known.keys()]
        assert shown
        assert all(row["gone_at"] is not None for row in shown)
        if mode is Tombstones.ID_ONLY:
            assert {row[name] for row in shown for name in ("title", "views", "created_at", "author_id")} == {None}
        else:
            assert any(row["created_at"] is not None for row in shown)
            has_words = any(row["title"] for row in shown)
            assert has_words == (profile is INTERNAL)


def test_the_state_at_a_time(builder: Any) -> None:
    """`internal` as of then is what history says; what is gone by now is in nothing for others."""
    with psycopg.connect(builder.database, options="-c timezone=UTC") as connection:
        (then,) = connection.execute(
            "SELECT ended_at FROM crawl.runs ORDER BY ended_at DESC OFFSET 1 LIMIT 1"
        ).fetchone()
        # What is made by somebody who was gone by then is not in a release.
        true = connection.execute(
            "SELECT p.id, title, views FROM history.projects_at(%s) p"
            " WHERE author_id IS NULL OR author_id IN (SELECT id FROM history.users_at(%s)) ORDER BY p.id",
            [then, then],
        ).fetchall()
        now = connection.execute("SELECT id, title, views FROM scratch.projects ORDER BY id").fetchall()
        gone = {row[0] for row in connection.execute("SELECT id FROM scratch.projects WHERE gone_at > %s", [then])}
    assert true != now
    assert gone & {row[0] for row in true}
    builder("then", INTERNAL, as_of=then)
    assert [(row["id"], row["title"], row["views"]) for row in builder.rows("then", "projects")] == true
    assert builder.releases["then"].as_of == then
    builder("then-restricted", RESTRICTED, as_of=then)
    shown = ids(builder, "then-restricted", "projects")
    assert shown <= pseudonyms(builder, "then-restricted", "project", [row[0] for row in true])
    assert not shown & pseudonyms(builder, "then-restricted", "project", gone)
    for profile in (OPEN, INTERNAL):
        builder(f"again-{profile}", profile, as_of=then)


def test_a_release_is_one_moment(builder: Any) -> None:
    """What is stored while it is built, is in none of its tables."""
    done: list[str] = []

    def meanwhile(what: str) -> None:
        if not done:
            execute(
                builder,
                "INSERT INTO scratch.users (id, username) VALUES (1, 'latecomer')",
                "INSERT INTO scratch.projects (id, author_id, title) VALUES (1, 1, 'late')",
                "DELETE FROM scratch.news",
            )
        done.append(what)

    builder("moment", INTERNAL, on_progress=meanwhile)
    assert len(done) > 5
    assert 1 not in ids(builder, "moment", "users") | ids(builder, "moment", "projects")
    assert builder.rows("moment", "news")


# pseudonyms and what becomes of them ---------------------------------------------------------------------------------


def test_releases_cannot_be_joined_unless_asked_for(builder: Any) -> None:
    for number in (0, 1):
        for scope in KeyScope:
            builder(f"{scope}-{number}", RESTRICTED, scope=scope, name=f"2026.01.{number}")
    users = {name: ids(builder, name, "users") for name in builder.releases}
    assert not users["release-0"] & users["release-1"]
    assert users["project-0"] == users["project-1"]
    assert len({one.parameters["key_id"] for one in builder.releases.values()}) == 3
    builder("open", OPEN, name="2026.01.0")
    assert not ids(builder, "open", "users") & (users["project-0"] | users["release-0"])
    # Nor by giving the same name to another state, or to the same state made coarser.
    builder("coarser", OPEN, name="2026.01.0", k=11)
    execute(builder, "UPDATE crawl.runs SET ended_at = now() WHERE ended_at IS NOT NULL")
    builder("later", OPEN, name="2026.01.0")
    released = [ids(builder, name, "users") for name in ("open", "coarser", "later")]
    assert sum(map(len, released)) == len(set().union(*released)) > 0
    with pytest.raises(UsageError, match="does not go with open"):
        builder("followed", OPEN, scope=KeyScope.PROJECT)


def test_what_is_withdrawn_is_listed_under_its_old_name(builder: Any) -> None:
    old = builder("old", RESTRICTED, name="2026.01.0")
    # A warehouse without sources has releases without.
    assert not {one.name for one in old.resources} & {"sources", "scripts", "source_assets"}
    assert "sources" not in old.coverage | old.anonymity
    with psycopg.connect(builder.database) as connection:
        before = {one for (one,) in connection.execute("SELECT id FROM scratch.projects")}
    kept = {one for one in before if pseudonyms(builder, "old", "project", [one]) & ids(builder, "old", "projects")}
    going = sorted(kept)[:2]
    execute(
        builder,
        "UPDATE scratch.projects SET gone_at = now(), gone_reason = 'unshared or deleted'"
        f" WHERE id IN ({going[0]}, {going[1]})",
        "INSERT INTO scratch.users (id, username) VALUES (7, 'newcomer')",
    )
    release = builder("new", RESTRICTED, name="2026.02.0", previous=builder.folder / "old")
    assert release.previous == "2026.01.0"
    text = gzip.decompress((builder.folder / "new/withdrawn.csv.gz").read_bytes()).decode()
    listed = dict.fromkeys(line.replace('"', "") for line in text.splitlines()[1:])
    projects = {line.partition(",")[2] for line in listed if line.startswith("projects,")}
    assert projects == pseudonyms(builder, "old", "project", going)
    assert release.changes["projects"] == {"added": 0, "withdrawn": 2}
    assert release.changes["users"] == {"added": 1, "withdrawn": 0}
    # What stood on them went with them.
    held = {row["id"]: row for row in builder.rows("old", "project_comments")}
    assert {line.partition(",")[2] for line in listed if line.startswith("project_comments,")} == {
        key for key, row in held.items() if row["project_id"] in projects
    }
    with pytest.raises(UsageError, match="give another one"):
        builder("again", RESTRICTED, name="2026.01.0", previous=builder.folder / "old")
    with pytest.raises(UsageError, match="the profiles must agree"):
        builder("open", OPEN, previous=builder.folder / "old")


def test_the_licence_is_that_of_the_newest_part(builder: Any, truth: Any) -> None:
    builder("licence", RESTRICTED)
    seen = set()
    for row in builder.rows("licence", "projects"):
        newest = max(row[name] for name in ("created_at", "modified_at", "shared_at") if row[name] is not None)
        assert row["licence"] == ("CC-BY-SA-2.0" if newest < datetime(2026, 1, 22, tzinfo=UTC) else None)
        seen.add(row["licence"])
    for row in builder.rows("licence", "project_comments"):
        assert row["licence"] == ("CC-BY-SA-2.0" if row["created_at"] < datetime(2026, 1, 22, tzinfo=UTC) else None)
        seen.add(row["licence"])
    assert seen == {"CC-BY-SA-2.0", None}


def test_what_a_design_drew_has_its_weight(builder_with_sources: Any, truth: Any) -> None:
    builder = builder_with_sources
    drawn = list({row["author_id"]: row["id"] for row in truth("projects")}.values())[:3]
    live = {row["id"] for row in truth("users")}
    shown = [row["id"] for row in truth("projects") if row["id"] in drawn and row["author_id"] in live]
    values = ", ".join(f"(1, {number}, {one}, 'recent', 0.25, 4, {one}, 'hit')" for number, one in enumerate(drawn))
    execute(
        builder,
        "INSERT INTO crawl.designs (name, parameters) VALUES ('stratified', '{\"frame\": 100}')",
        "INSERT INTO crawl.draws"
        " (design_id, position, entity_id, stratum, inclusion_probability, weight, cluster_id, outcome) VALUES"
        f" {values}, (1, 9, 999, 'recent', 0.25, NULL, 999, 'not found'), (1, 10, 998, 'recent', 0.25, 4, 998, NULL)",
        "INSERT INTO crawl.strata (design_id, stratum, frame_size) VALUES (1, 'recent', 20)",
    )
    release = builder("design", RESTRICTED)
    weighted = {row["id"]: row for row in builder.rows("design", "projects") if row["design_id"] is not None}
    assert set(weighted) == pseudonyms(builder, "design", "project", shown)
    for row in weighted.values():
        assert (row["stratum"], row["inclusion_probability"], row["weight"]) == ("recent", 0.25, 4.0)
        assert row["cluster_id"] == row["id"]
    told = release.design["designs"][0]
    assert (told["drawn"], told["hits"], told["misses"]) == (5, 3, 1)
    assert "parameters" not in told
    strata = [{"design_id": 1, "stratum": "recent", "frame_size": 20, "drawn": 5, "visited": 4}]
    assert release.design["strata"] == strata
    assert "strata" not in builder("design-open", OPEN, k=2).design
    for table in ("projects", "sources"):
        sampled = [row for row in builder.rows("design-open", table) if row["design_weight"] is not None]
        assert {row["design_stratum"] for row in sampled} == {"1"}, "numbered"
        assert sum(row["design_weight"] for row in sampled) == pytest.approx(4 * len(shown))
    builder("design-internal", INTERNAL)
    by_id = {row["id"]: row for row in builder.rows("design-internal", "projects")}
    assert {by_id[one]["cluster_id"] for one in drawn} == set(map(str, drawn))


def test_the_teaser_is_the_same_part_of_each_table(builder: Any) -> None:
    """One in a hundred pseudonyms, by their value: enough users that some are in it."""
    execute(builder, "INSERT INTO scratch.users (id, username) SELECT g, 'crowd' || g FROM generate_series(1, 3000) g")
    builder("teaser", RESTRICTED, formats=(FileFormat.PARQUET, FileFormat.CSV))
    whole = ids(builder, "teaser", "users")
    teaser = pd.read_csv(builder.folder / "teaser/teaser/users.csv.gz")
    assert set(teaser["id"]) == {one for one in whole if int(one, 16) < 2**128 // 100}
    assert 10 < len(teaser) < 60
    builder("teaser-internal", INTERNAL, formats=(FileFormat.CSV,))
    assert 10 < len(pd.read_csv(builder.folder / "teaser-internal/teaser/users.csv.gz")) < 60


def test_texts_become_what_was_asked_for(builder: Any) -> None:
    from harvester.dataset.redact import features

    builder("none", INTERNAL, text=Text.NONE)
    assert not {"content", "content_length"} & set(builder.rows("none", "project_comments")[0])
    builder("features", INTERNAL, text=Text.FEATURES)
    builder("full", INTERNAL)
    words = {row["id"]: row["content"] for row in builder.rows("full", "project_comments")}
    for row in builder.rows("features", "project_comments"):
        true = features(words[row["id"]]) if words[row["id"]] is not None else None
        for name in ("length", "words", "question", "emoji_count"):
            assert row[f"content_{name}"] == (None if true is None else true[name])
        assert "content" not in row


# files and usage -----------------------------------------------------------------------------------------------------


def test_cells_that_a_spreadsheet_would_run_are_defused(tmp_path: Path) -> None:
    fields = [Field("id", Type.INTEGER, "", required=True), Field("said", Type.STRING, "")]
    said = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain", "", None, 'quo"te, and\nline']
    rows = pa.record_batch({"id": range(len(said)), "said": said}).cast(files.schema_of(fields))
    with files.Writing(tmp_path, "x", fields, list(FileFormat)) as writing:
        writing.write(rows)
    text = gzip.decompress((tmp_path / "x.csv.gz").read_bytes()).decode()
    for one in said[:6]:
        assert f'"\'{one}"' in text
    assert ',"plain"' in text
    lines = gzip.decompress((tmp_path / "x.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["said"] for line in lines] == said


UNSEEN = (
    " \t\n\r\v\f\0\x1f\x85\xa0\xad\u1680\u180e\u2003\u200b\u200d\u200f\u2028\u202e\u2060\u2066\u2800\u3000\u3164"
    "\ufeff\ufe0f"
)


@settings(max_examples=60, deadline=None)
@given(
    said=st.lists(
        st.builds(
            "".join,
            st.tuples(
                st.text("'", max_size=2),
                st.text(UNSEEN, max_size=3),
                st.sampled_from("=+-@\uff1d\uff0b\uff0d\uff20'a1"),
                st.text(st.characters(codec="utf-8"), max_size=5),
            ),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_csv_texts_begin_no_formula_and_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, said: list[str]
) -> None:
    """Whatever a program strips or folds before it looks at a cell: blanks, what has no width, full width."""
    folder = tmp_path_factory.mktemp("csv")
    fields = (Field("id", Type.INTEGER, "", required=True), Field("said", Type.STRING, ""))
    rows = pa.record_batch({"id": [-1 - n for n in range(len(said))], "said": said}).cast(files.schema_of(fields))
    with files.Writing(folder, "x", fields, [FileFormat.CSV]) as writing:
        writing.write(rows)
    resource = Resource("x", "", fields, ("id",), (), len(said), writing.files())
    read_back = [row for batch in batches(folder, resource, resource.files[0]) for row in batch.to_pylist()]
    assert read_back == rows.to_pylist()
    text = gzip.decompress((folder / "x.csv.gz").read_bytes()).decode()
    for number, cell in csv.reader(io.StringIO(text, newline=""), strict=True):
        seen = "".join(one for one in unicodedata.normalize("NFKC", cell) if one.isprintable()).strip()
        assert number == "id" or int(number) < 0, "numbers stay numbers"
        assert not seen.startswith(("=", "+", "-", "@")), ascii(cell)


def test_the_command_builds_and_says_what_it_built(harvest: Any, tmp_path: Path) -> None:
    harvest.harvester.environment["HARVESTER_HOME"] = str(tmp_path / "home")
    (tmp_path / "release.toml").write_text('title = "Made-up conversations"\n')
    options = ("--k", "5", "--about", str(tmp_path / "release.toml"), "--json")
    told = json.loads(harvest.harvester("dataset", "build", str(tmp_path / "out"), *options).stdout)
    assert told["profile"] == "open"
    title = f"# Synthetic data: Made-up conversations {told['release']} (open)"
    assert title in (tmp_path / "out/README.md").read_text().splitlines()
    assert told["anonymity"]["k"] == 5
    assert told["rows"]["users"] > 40
    assert (tmp_path / "out/data/users.parquet").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]
    key = (tmp_path / "home/secret.key").read_text().strip()
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()
    (tmp_path / "file").touch()
    refused = {
        ("dataset", "build", "out"): "not empty",
        ("dataset", "build", "new", "--profile", "internal"): "--i-am-allowed",
        ("dataset", "build", "new", "--profile", "secret"): "'open', 'restricted', 'internal'",
        ("dataset", "build", "new", "--text", "full"): "does not go with open",
        ("dataset", "build", "new", "--k", "1"): "--k",
        ("dataset", "build", "new", "--tombstones", "flags"): "does not go with open",
        ("dataset", "build", "new", "--as-of", "yesterday"): "must be a time",
        ("dataset", "build", "new", "--as-of", "2999-01-01"): "future",
        ("dataset", "build", "new", "--release", "first"): "--release",
        ("dataset", "build", "new", "--format", "xls"): "--format",
        ("dataset", "build", "new", "--epsilon", "much"): "--epsilon': must be a valid number. See",
        ("dataset", "build", "new", "--previous", "nowhere"): "nowhere",
        ("dataset", "build", "new", "--about", "nowhere.toml"): "nowhere.toml cannot be read",
        ("dataset", "build", "file/new"): "cannot be",
    }
    # One process for all: each start of the program costs most of a second.
    code = (
        "import sys, json\nfrom typer.testing import CliRunner\nfrom harvester.cli.main import app\n"
        "for line in sys.stdin:\n"
        "    found = CliRunner().invoke(app, json.loads(line))\n"
        "    print(json.dumps([found.exit_code, found.output]))\n"
    )
    lines = "\n".join(json.dumps(list(arguments)) for arguments in refused)
    answered = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        input=lines,
        env=harvest.harvester.env(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert answered.returncode == 0, answered.stderr
    for line, (arguments, words) in zip(answered.stdout.splitlines(), refused.items(), strict=True):
        status, output = json.loads(line)
        assert status == 2, (arguments, output)
        assert words in output, (arguments, output)
        assert output.count("\n") == 1, output
    assert not (tmp_path / "new").exists()


def test_nothing_is_left_of_a_build_that_fails(builder: Any) -> None:
    """It fails at its last step, since somebody else has written into the folder; before that it is recorded."""

    def write(what: str) -> None:
        if what == "projects":
            (builder.folder / "broken").mkdir()
            (builder.folder / "broken/file").touch()

    with pytest.raises(UsageError, match="broken cannot be written: Directory not empty"):
        builder("broken", RESTRICTED, on_progress=write, history=False, text=Text.NONE)
    assert [path.name for path in (builder.folder / "broken").iterdir()] == ["file"]
    assert {path.name for path in builder.folder.iterdir()} <= {"home", "broken"}
    with psycopg.connect(builder.database) as connection:
        assert connection.execute("SELECT count(*) FROM crawl.releases").fetchone() == (0,)


def test_without_the_extra_it_says_so(builder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"scratch-harvester\[dataset\]"):
        builder("none")


def test_a_key_shows_nothing_of_itself() -> None:
    key = derive(b"secret", OPEN, KeyScope.RELEASE, "2026.01.0")
    assert repr(key) == str(key) == "Key(...)"
    assert len(key.one("user", 1)) * 8 >= 128
    assert {key.one("user", 1), key.one("project", 1)} == set(key.many("user", [1]) + key.many("project", [1]))
    assert len({key.one(kind, 1) for kind in ENTITIES}) == len(ENTITIES)


def test_the_defaults_of_a_request_follow_the_profile(tmp_path: Path) -> None:
    from harvester.dataset.build import Request

    settled = Request(tmp_path / "x").settled()
    assert (settled.text, settled.tombstones, settled.seen_within, settled.k) == (Text.NONE, Tombstones.DROP, 400, 10)
    settled = Request(tmp_path / "x", INTERNAL, is_allowed=True).settled()
    assert (settled.text, settled.tombstones, settled.seen_within, settled.k) == (
        Text.FULL,
        Tombstones.FLAGS,
        None,
        None,
    )
    with pytest.raises(UsageError, match="future"):
        Request(tmp_path / "x", as_of=datetime.now(UTC) + timedelta(days=1)).settled()
    assert load(home=tmp_path).home == tmp_path
