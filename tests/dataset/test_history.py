"""Change over time in a release: read back, it is what the warehouse knew at each time."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import psycopg
import pytest

from harvester.api.gone_reason import GoneReason
from harvester.dataset import history
from harvester.dataset.columns import COLUMNS, KINDS
from harvester.dataset.pseudonyms import key_of
from harvester.dataset.release import COUNTERS, HISTORY, FileFormat, Profile, Text, Tombstones
from harvester.dataset.verify import verify
from harvester.erasure.remembered import THIS_KEY
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.annotations import NAME, USER
from harvester.warehouse.tables import CONTAINERS, KEY_COLUMNS, SCRATCH_TABLES, TRACKED
from harvester.warehouse.treatments import FreeText, OwnId, Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from harvester.dataset.release import Release

RESTRICTED, INTERNAL = Profile.RESTRICTED, Profile.INTERNAL
TABLES = [str(table.name) for table in SCRATCH_TABLES if table.name not in ("news", "studio_activity")]
IN = {str(table.name): name for name, table in history.INTERVALS.items()}
PARQUET = (FileFormat.PARQUET,)
TIMES = {
    "changed_after",
    "valid_from",
    "valid_to",
    "started_after",
    "first_seen_at",
    "gone_at",
    "returned_at",
    "seen_at",
}
"""Columns with times at which something was known."""


def times(connection: Any, count: int = 20) -> list[datetime]:
    """Times at which something changed, and times between two changes, spread over all that is known."""
    parts = [f"SELECT valid_to FROM history.{log.name}" for logs in TRACKED.values() for log in logs]
    parts += ["SELECT unnest(ARRAY[gone_at, returned_at]) FROM history.absences"]
    for table in TABLES:
        parts.append(f"SELECT unnest(ARRAY[first_seen_at, gone_at]) FROM scratch.{table}")
    query = f"SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) x WHERE valid_to IS NOT NULL ORDER BY 1"
    known = [at for (at,) in connection.execute(query)]
    spread = [known[number * (len(known) - 1) // (count // 2)] for number in range(count // 2 + 1)]
    return sorted([*spread[1:], *(one + (other - one) / 2 for one, other in pairwise(spread))])


class Files:
    """The tables of a release, read back by DuckDB: the rows that were there at some times, by the files alone."""

    def __init__(self, folder: Path, release: Release, at: Sequence[datetime]) -> None:
        self.held = {one.name: {field.name for field in one.fields} for one in release.resources}
        self.duckdb = duckdb.connect(config={"threads": 1})
        self.duckdb.execute("SET TimeZone = 'UTC'")
        for name in {*TABLES, *HISTORY}:
            self.duckdb.execute(f"CREATE TABLE {name} AS FROM '{folder}/data/{name}.parquet'")
        self.duckdb.execute("CREATE TABLE x AS SELECT unnest($at::timestamptz[]) AS at", {"at": list(at)})

    def rows(self, table: str, columns: Sequence[str]) -> set[tuple[Any, ...]]:
        """Return the rows of a table at each time, the time first."""
        joins, told = "", {}
        for log in map(str, (log.name for log in TRACKED.get(table, ()))):
            own = {key: key if key in self.held[log] else f"{log.split('_')[0]}_id" for key in KEY_COLUMNS[table]}
            same = [f"t.{key} = {log}.{name}" for key, name in own.items()]
            if "kind" in self.held[log]:
                same.append(f"{log}.kind = '{table.removesuffix('_comments')}'")
            joins += f" ASOF LEFT JOIN {log} ON {' AND '.join(same)} AND x.at >= {log}.valid_from"
            told |= dict.fromkeys(self.held[log] & self.held[table] - own.keys(), log)
        values = [
            f"CASE WHEN {told[one]}.valid_from IS NULL THEN t.{one} ELSE {told[one]}.{one} END"
            if one in told
            else f"t.{one}"
            for one in columns
        ]
        there = [self._is_there("t", table)]
        for container, own in CONTAINERS.get(table, ()):
            is_shown = self._is_there("c", container)
            there.append(f"EXISTS (SELECT 1 FROM {container} c WHERE c.id = t.{own} AND {is_shown})")
        query = f"SELECT x.at, {', '.join(values)} FROM {table} t CROSS JOIN x{joins} WHERE {' AND '.join(there)}"
        return set(self.duckdb.execute(query).fetchall())

    def _is_there(self, row: str, table: str) -> str:
        if table in IN:
            same = " AND ".join(f"i.{key} = {row}.{key}" for key in KEY_COLUMNS[table])
            return (
                f"EXISTS (SELECT 1 FROM {IN[table]} i WHERE {same} AND i.first_seen_at <= x.at"
                " AND (i.gone_at IS NULL OR i.gone_at > x.at))"
            )
        gone = f" AND ({row}.gone_at IS NULL OR {row}.gone_at > x.at)" if "gone_at" in self.held[table] else ""
        return (
            f"{row}.first_seen_at <= x.at{gone} AND NOT EXISTS (SELECT 1 FROM absences a"
            f" WHERE a.kind = '{table}' AND a.id = {row}.id AND a.gone_at <= x.at AND a.returned_at > x.at)"
        )


class Truth:
    """What the warehouse knew at a time, by its own functions, under the names of a release."""

    def __init__(self, builder: Any, release: Any, connection: Any) -> None:
        self.connection = connection
        self.is_hashed = release.profile is not INTERNAL
        self.is_plain = not self.is_hashed and release.parameters["tombstones"] == Tombstones.FLAGS
        self.key = key_of(secret_key(builder.home), release) if self.is_hashed else None
        self.fields = {one.name: {field.name for field in one.fields} for one in release.resources}
        name = next(name for name, other in builder.releases.items() if other is release)
        self.held = {
            kind: {row["id"] for row in builder.rows(name, table)}
            for table, kind in KINDS.items()
            if table in self.fields
        }

    def columns(self, table: str) -> list[str]:
        """The columns that the warehouse and the release have, without texts where these are redacted."""
        kept = [name for name in COLUMNS[table] if name in self.fields[table]]
        left = {"gone_at", "last_seen_at", "gone_reason", "from_index", "extra"}
        return [
            name
            for name in kept
            if name not in left and not (self.is_hashed and isinstance(COLUMNS[table][name].restricted, FreeText))
        ]

    def rows(self, table: str, columns: Sequence[str], at: Sequence[datetime]) -> set[tuple[Any, ...]]:
        """Return the rows of a table at each time, the time first."""
        query = (
            f"SELECT x.at, {', '.join(f'f.{one}' for one in columns)}"
            f" FROM unnest(%s::timestamptz[]) x (at), history.{table}_at(x.at) f"
        )
        found = self.connection.execute(query, [list(at)]).fetchall()
        return {
            (then, *(self.named(table, name, value) for name, value in zip(columns, row, strict=True)))
            for then, *row in found
        }

    def named(self, table: str, name: str, value: Any) -> Any:
        """Return a value as the release names it: what refers to something outside it is null."""
        treated = COLUMNS[table][name].restricted
        if value is None or self.is_plain or not isinstance(treated, OwnId | Reference):
            return value
        found = value if self.key is None else self.key.one(treated.kind, value).hex()
        return found if found in self.held[treated.kind] else None


def rows_with_history(builder: Any, name: str, table: str) -> list[dict[str, Any]]:
    """Return the rows of a release: without tombstones that have an id alone, of which no earlier state is told."""
    rows, release = builder.rows(name, table), builder.releases[name]
    if release.parameters["tombstones"] != Tombstones.ID_ONLY:
        return rows
    if release.profile is not INTERNAL:
        return [row for row in rows if not row["gone"]]
    of_drop = builder.rows(name.replace(Tombstones.ID_ONLY, Tombstones.DROP), table)
    shown = {tuple(row[key] for key in KEY_COLUMNS[table]) for row in of_drop}
    return [row for row in rows if tuple(row[key] for key in KEY_COLUMNS[table]) in shown]


def assert_read_back(builder: Any, name: str) -> int:
    """Compare a release with the warehouse table by table at twenty times; return how many rows were not as today."""
    release = builder.releases[name]
    changed = 0
    with psycopg.connect(builder.database, options="-c timezone=UTC") as connection:
        truth = Truth(builder, release, connection)
        known = times(connection)
        assert len(known) >= 20
        files = Files(builder.folder / name, release, known)
        nobody = {row["id"] for row in builder.rows(name, "users") if row.get("gone_reason") == "erased under the GDPR"}
        for table in TABLES:
            columns = truth.columns(table)
            keys = [1 + columns.index(key) for key in KEY_COLUMNS[table]]
            today = rows_with_history(builder, name, table)
            held = {tuple(row[key] for key in KEY_COLUMNS[table]) for row in today}
            true = {row for row in truth.rows(table, columns, known) if tuple(row[place] for place in keys) in held}
            found = files.rows(table, columns)
            if release.parameters["tombstones"] == Tombstones.ID_ONLY:
                found = {row for row in found if tuple(row[place] for place in keys) in held}
            if truth.is_hashed and table == "users":
                true, found = ({row for row in rows if row[1] not in nobody} for rows in (true, found))
            apart = "".join(f"\n{row in true}: {row}" for row in sorted(found ^ true, key=str)[:6])
            assert found == true, f"{name}, {table}, {columns}; whether the warehouse has the row:{apart}"
            as_today = {tuple(row[one] for one in columns) for row in today}
            changed += len({row[1:] for row in found} - as_today)
    return changed


@pytest.mark.parametrize("profile", ["restricted", "internal"])
def test_read_back_it_is_what_was_known_at_20_times(built: Any, profile: str) -> None:
    assert assert_read_back(built, profile) > 100


@pytest.mark.soak
def test_read_back_after_six_crawls_under_churn(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], builder: Any
) -> None:
    """All tombstone modes and text modes, with what came and went more than once."""
    sandbox = start_sandbox(users=40, seed=5)
    harvester = make_harvester(sandbox)
    for number in range(6):
        if number:
            sandbox.json("/sandbox/churn?events=250", "POST")
            for kind in ("unfollow", "follow", "unfavorite", "favorite", "leave_studio", "join_studio"):
                sandbox.json(f"/sandbox/churn?events=15&type={kind}", "POST")
            kind = "unshare_project" if number % 2 else "share_again"
            sandbox.json(f"/sandbox/churn?events=8&type={kind}", "POST")
        for kind, ids in sandbox.seeds().items():
            harvester("seed", kind, *map(str, ids))
        harvester.crawl("--audit")
    builder.database = harvester.database
    for mode in Tombstones:
        for profile, text in ((RESTRICTED, Text.REDACTED), (RESTRICTED, Text.NONE), (INTERNAL, Text.FULL)):
            name = f"{mode}-{profile}-{text}"
            builder(name, profile, tombstones=mode, text=text, formats=PARQUET)
            assert verify(builder.folder / name) == []
            assert assert_read_back(builder, name) > 100
    assert len(builder.rows("flags-internal-full", "absences")) > 3
    assert any(row["started_after"] for row in builder.rows("flags-internal-full", "follow_intervals"))


def test_as_of_a_time_nothing_later_is_told(builder: Any) -> None:
    with psycopg.connect(builder.database) as connection:
        at = times(connection)[12]
        log = "history.project_stats WHERE valid_to {} %s"
        later, earlier = (
            connection.execute(f"SELECT count(*) FROM {log.format(sign)}", [at]).fetchone() for sign in "><"
        )
        assert min(*later, *earlier) > 0
    builder("then", INTERNAL, as_of=at, formats=PARQUET)
    assert verify(builder.folder / "then") == []
    for table in HISTORY:
        for row in builder.rows("then", table):
            known = [value for name, value in row.items() if name in TIMES and value is not None]
            assert max(known) <= at, (table, row)
    stats = builder.rows("then", "project_stats")
    assert len(stats) > len({row["project_id"] for row in stats})
    in_force = {row["project_id"]: row["views"] for row in stats if row["valid_to"] is None}
    assert in_force == {row["id"]: row["views"] for row in builder.rows("then", "projects")}


def test_a_change_is_after_the_last_sight_of_before(built: Any) -> None:
    for table, key in (
        ("project_stats", "project_id"),
        ("studio_revisions", "studio_id"),
        ("user_revisions", "user_id"),
    ):
        with psycopg.connect(built.database) as connection:
            query = f"SELECT {key}, valid_to, last_seen_at, valid_from FROM history.{table}"
            versions = {(thing, until): (seen, since) for thing, until, seen, since in connection.execute(query)}
        changes = [row for row in built.rows("internal", table) if row["changed_after"] is not None]
        told = [(versions[row[key], row["valid_from"]][0], row["changed_after"]) for row in changes]
        assert changes
        assert all(seen == after for seen, after in told), table
    assert any(seen != since for seen, since in versions.values())


def test_each_interval_follows_the_one_before(builder: Any) -> None:
    """An edge that came back twice has three intervals, whose ends are those of its absences."""
    with psycopg.connect(builder.database, autocommit=True) as connection:
        one, other, first = connection.execute(
            "SELECT follower_id, followee_id, first_seen_at FROM scratch.follows WHERE gone_at IS NULL LIMIT 1"
        ).fetchone()
        days = [first + timedelta(days=number) for number in range(1, 7)]
        insert = (
            "INSERT INTO history.absences (kind, thing_id, other_id, last_seen_at, gone_at, returned_at, gone_reason)"
            " VALUES ('follows', %s, %s, %s, %s, %s, 'no longer listed')"
        )
        for three in (days[:3], days[3:]):
            connection.execute(insert, [one, other, *three])
    builder("intervals", INTERNAL, formats=PARQUET)
    rows = builder.rows("intervals", "follow_intervals")
    found = [row for row in rows if (row["follower_id"], row["followee_id"]) == (one, other)]
    told = [(row["started_after"], row["first_seen_at"], row["last_seen_at"], row["gone_at"]) for row in found]
    assert told == [
        (None, first, days[0], days[1]),
        (days[1], days[2], days[3], days[4]),
        (days[4], days[5], None, None),
    ]


# privacy -------------------------------------------------------------------------------------------------------------


def test_words_taken_back_are_in_internal_alone(builder: Any) -> None:
    """Nor are a host's who was erased, a name, and a word that was searched for."""
    with psycopg.connect(builder.database, autocommit=True) as connection:
        shown = "SELECT id FROM scratch.{} WHERE gone_at IS NULL ORDER BY id"
        (project,), (studio,) = (connection.execute(shown.format(one)).fetchone() for one in ("projects", "studios"))
        users = connection.execute(
            "SELECT id, username FROM scratch.users WHERE gone_at IS NULL ORDER BY id"
        ).fetchall()
        (user, _), (host, name) = users[:2]
        times = "now() - interval '2 days', now() - interval '2 days', now() - interval '1 day'"
        insert = "INSERT INTO history.{} VALUES (%s, {}, %s)"
        columns = "valid_from, last_seen_at, valid_to"
        for log, of, word, value in (
            ("project_revisions", project, "title", "quaggaword"),
            ("studio_revisions", studio, "description", "quaggaword"),
        ):
            connection.execute(insert.format(f"{log} ({log.split('_')[0]}_id, {columns}, {word})", times), [of, value])
        same = "scratch_team, country, status, bio, featured_project_id, featured_label"
        connection.execute("DELETE FROM history.user_revisions WHERE user_id = %s", [user])
        connection.execute(
            f"INSERT INTO history.user_revisions (user_id, {columns}, username, {same})"
            f" SELECT id, {times}, 'Quaggaword', {same} FROM scratch.users WHERE id = %s",
            [user],
        )
        connection.execute(
            "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id) VALUES"
            " ('search/projects?q=quaggaword&x=1&mode=popular&language=en', now(), 0, 'project', %s)",
            [project],
        )
        connection.execute(
            f"INSERT INTO history.studio_revisions (studio_id, {columns}, host_id, title) VALUES"
            " (%s, now() - interval '9 days', now() - interval '9 days', now() - interval '8 days', %s, 'of the host')",
            [studio, host],
        )
    for text in (Text.REDACTED, Text.FEATURES, Text.NONE):
        builder(f"{text}", RESTRICTED, text=text, formats=(FileFormat.JSONL,))
        assert not occurrences(builder, text, "quaggaword")
        assert not occurrences(builder, text, "of the host")
    rows = read_lines(builder, "redacted", "project_revisions")
    key = pseudonym(builder, "redacted", "project", project)
    earlier, present = [row for row in rows if row["project_id"] == key][-2:]
    assert (earlier["title_length"], earlier["title_words"]) == (10, 1)
    assert "title" in present["changed"].split()
    names = {row["ranking"] for row in read_lines(builder, "redacted", "rankings")}
    assert any(re.fullmatch(r"search/projects\?q=\d+&mode=popular&language=en", one) for one in names)
    assert not {"username", "title", "title_length"} & read_lines(builder, "none", "user_revisions")[0].keys()
    users = read_lines(builder, "redacted", "user_revisions")
    assert not [row for row in users if row["user_id"] == pseudonym(builder, "redacted", "user", user)], (
        "a new name alone"
    )

    builder("internal", INTERNAL, formats=(FileFormat.JSONL,))
    assert occurrences(builder, "internal", "quaggaword") == {"project_revisions", "studio_revisions", "rankings"}
    assert occurrences(builder, "internal", "Quaggaword") == {"user_revisions"}
    assert occurrences(builder, "internal", "of the host") == {"studio_revisions"}
    # A rule alone, over rows that are there still, as in an older copy.
    with psycopg.connect(builder.database) as connection:
        secret = secret_key(builder.home)
        for kind, value in ((THIS_KEY, ""), (USER, host), (NAME, name.lower())):
            insert = "INSERT INTO crawl.erasures (hash, kind) VALUES (%s, %s)"
            connection.execute(insert, [keyed_hash(secret, kind, value), kind])
    builder("older", INTERNAL, formats=(FileFormat.JSONL,))
    assert not occurrences(builder, "older", "of the host")
    assert not [row for row in read_lines(builder, "older", "follow_intervals") if host in row.values()]


def test_accounts_erased_at_the_site_have_no_history(builder: Any) -> None:
    with psycopg.connect(builder.database, autocommit=True) as connection:
        (user,) = connection.execute("SELECT user_id FROM history.user_revisions ORDER BY 1 LIMIT 1").fetchone()
        connection.execute(
            "UPDATE scratch.users SET gone_at = now(), gone_reason = %s WHERE id = %s", [GoneReason.ERASED, user]
        )
        connection.execute(
            "INSERT INTO history.absences (kind, thing_id, gone_at, returned_at) VALUES"
            " ('users', %s, now() - interval '2 days', now() - interval '1 day')",
            [user],
        )
    builder("flags", RESTRICTED, tombstones=Tombstones.FLAGS, formats=PARQUET)
    key = pseudonym(builder, "flags", "user", user)
    assert key in {row["id"] for row in builder.rows("flags", "users")}
    assert not [row for row in builder.rows("flags", "user_revisions") if row["user_id"] == key]
    assert not [row for row in builder.rows("flags", "absences") if row["id"] == key]


def test_counters_over_time_tell_projects_apart(built: Any) -> None:
    """An attacker with the exact counters of all projects at some times; the release says how far that leads."""
    counters = ("views", "loves", "favorites", "remixes")
    release = built.releases["restricted"]
    with psycopg.connect(built.database, options="-c timezone=UTC") as connection:
        known = times(connection)
        truth = Truth(built, release, connection).rows("projects", ["id", *counters], known)
        released = Files(built.folder / "restricted", release, known).rows("projects", ["id", *counters])

    def trajectories(rows: set[tuple[Any, ...]], at: Sequence[datetime]) -> dict[str, tuple[Any, ...]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for then, key, *values in sorted(rows, key=itemgetter(0)):
            if then in at:
                found[key].append((then, *values))
        return {key: tuple(values) for key, values in found.items()}

    shares = []
    for at in (known[-1:], known):
        by_path = defaultdict(list)
        for key, path in trajectories(truth, at).items():
            by_path[path].append(key)
        hidden = trajectories(released, at)
        recognised = {key: by_path[path][0] for key, path in hidden.items() if len(by_path[path]) == 1}
        assert all(key == true for key, true in recognised.items()), "who is recognised is so rightly"
        shares.append(len(recognised) / len(hidden))
    assert 0.1 < shares[0] < shares[1]

    stated = release.anonymity[COUNTERS]
    paths: dict[str, list[Any]] = defaultdict(list)
    for row in built.rows("restricted", "project_stats"):  # in the order of valid_from
        paths[row["project_id"]].append(tuple(row[one] for one in counters))
    alone = [
        sum(n == 1 for n in Counter(values).values())
        for values in ([path[-1] for path in paths.values()], list(map(tuple, paths.values())))
    ]
    assert [stated["told_apart_by_present_counters"], stated["told_apart_by_counters_over_time"]] == alone
    assert stated["share"] == round(alone[1] / len(paths), 4)
    sheet = (built.folder / "restricted/DATASHEET.md").read_text()
    assert f"told apart by counters over time: {alone[1]}" in sheet


# files and usage -----------------------------------------------------------------------------------------------------


def test_references_without_a_key_hold(built: Any) -> None:
    for profile in ("restricted", "internal"):
        for row in built.rows(profile, "comment_revisions"):
            ids = {one["id"] for one in built.rows(profile, f"{row['kind']}_comments")}
            assert row["comment_id"] in ids
        for row in built.rows(profile, "absences"):
            assert row["id"] in {one["id"] for one in built.rows(profile, row["kind"])}


def test_history_is_left_out_on_request(builder: Any) -> None:
    release = builder("without", RESTRICTED, history=False, formats=PARQUET)
    assert not {one.name for one in release.resources} & set(HISTORY)
    assert release.anonymity == {}
    assert "rows are as they were at one moment" in (builder.folder / "without/DATASHEET.md").read_text()


def test_the_documented_joins_give_what_was_known(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/datasets.md").read_text()
    page = page[page.index("## Change over time") : page.index("## Keys")]
    by_duckdb, by_pandas = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(built.folder / "internal")
    with psycopg.connect(built.database, options="-c timezone=UTC") as connection:
        for at in times(connection)[::6]:
            names: dict[str, Any] = {"at": at}
            exec(by_duckdb, names)
            true = connection.execute(
                "SELECT id, views, comments_allowed FROM history.projects_at(%s)", [at]
            ).fetchall()
            found = {row[0]: row[1:] for row in names["then"].itertuples(index=False)}
            for key, *values in true:
                assert [None if pd.isna(value) else value for value in found[key]] == values
        names = {}
        exec(by_pandas, names)
    assert len(names["then"]) > 50
    assert set(names["then"].columns) == {"id", "project_id", "created_at", "valid_from", "views"}


def test_the_tables_of_history_are_those_that_it_names(built: Any) -> None:
    from harvester.dataset.columns import tables

    held = [one.name for one in built.releases["internal"].resources if not one.name.startswith("teaser_")]
    usual = {str(table.name) for table in tables(INTERNAL)} | {
        "sources",
        "scripts",
        "source_assets",
        "remix_differences",
    }
    assert tuple(name for name in held if name not in usual) == HISTORY


# -----


def read_lines(builder: Any, name: str, table: str) -> list[dict[str, Any]]:
    path = builder.folder / name / f"data/{table}.jsonl.gz"
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def occurrences(builder: Any, name: str, word: str) -> set[str]:
    """Return the tables of a release in which a word stands."""
    folder = builder.folder / name / "data"
    return {
        path.name.partition(".")[0]
        for path in folder.glob("*.jsonl.gz")
        if word.encode() in gzip.decompress(path.read_bytes())
    }


def pseudonym(builder: Any, name: str, kind: str, value: Any) -> str:
    return key_of(secret_key(builder.home), builder.releases[name]).one(kind, value).hex()
