"""What a crawl leaves is what its archive makes again: asked by `test_replay.py`, with `--replayed` by all tests here.

With `--replayed` whatever a test crawls is archived, per warehouse. When the test has passed, the archive is replayed
into an empty database, and each table of `scratch` and `history` compared. `UNLIKE` names the tests for which that
cannot hold, and why; it may not name one for which it does.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.config import MOST_AT_ONCE
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

UNLIKE: dict[str, str] = {
    "test_erasure.py::test_nothing_of_a_person_is_left_and_nothing_comes_back": (
        "somebody is erased after the first crawls: of what they wrote, the place stays where others had replied by"
        " then, and is dated anew where it was met again; a replay leaves them out from the beginning"
    ),
    "test_warehouse_faults.py::test_the_schema_is_not_changed_under_a_crawl": (
        "it ends with the schema taken back to an earlier one, which an archive is not replayed into"
    ),
    "test_seeding.py::test_a_user_with_an_odd_name_is_seeded_by_id": (
        "the user is put into the warehouse by hand, and no page of an archive shows it"
    ),
}
"""By `file::test`: why the replay of a test's archive cannot give its tables."""

TIMES = {"first_seen_at", "gone_at", "last_seen_at", "valid_from", "valid_to", "seen_at", "returned_at"}
OBSERVED = {"rankings", "site_counts", "site_health", "message_counts"}
"""What is kept once for each time that it was read."""


# The comparison ------------------------------------------------------------------------------------------------------


@dataclass
class Runs:
    """When each run began that was not a worker of another, and how many of its processes left work undone."""

    begun: list[Any]
    killed: list[int]

    @classmethod
    def of(cls, database: str) -> Runs:
        with psycopg.connect(database) as connection:
            found = connection.execute(
                "SELECT r.started_at, (SELECT count(*) FROM crawl.runs w"
                " WHERE (w.id = r.id OR w.parent_run_id = r.id) AND w.outcome IN ('killed', 'failed'))"
                " FROM crawl.runs r WHERE r.parent_run_id IS NULL ORDER BY 1"
            ).fetchall()
        return cls([at for at, _ in found], [count for _, count in found])

    def number(self, at: Any) -> int:
        return bisect(self.begun, at)

    def was_killed(self, number: int) -> bool:
        return number > 0 and self.killed[number - 1] > 0


def rows(database: str, table: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of a table in order: what was served, and when we say that it was seen."""
    with psycopg.connect(database, options="-c timezone=UTC") as connection:
        cursor = connection.execute(f"SELECT * FROM {table.fullname}")
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    split = [
        ({n: v for n, v in row.items() if n not in TIMES}, {n: row[n] for n in row if n in TIMES}) for row in found
    ]
    return sorted(split, key=lambda pair: (_text(pair[0]), str(pair[1])))


def _text(served: dict[str, Any]) -> str:
    return json.dumps(served, default=str, sort_keys=True)


def compare_warehouses(first: str, second: str) -> int:
    """Equal in all that was served; returns how many rows that are. A row is dated when its page is committed, and a
    replayed one when its page came: how far that is apart depends on the machine, but it is one and the same run. Of
    what is observed anew each time, and was read last of all by a run that was killed, there may be a row more."""
    runs = Runs.of(first)
    renamed = accounts_with_another_name(first) | accounts_with_another_name(second)
    compared = 0
    for table in metadata.sorted_tables:
        if table.schema not in ("scratch", "history"):
            continue
        mine, theirs = rows(first, table), rows(second, table)
        if table.name in OBSERVED:
            theirs = without_unstored(mine, theirs, runs)
        if table.name == "message_counts":
            mine, theirs = (
                without_retracted(mine, theirs, renamed, runs),
                without_retracted(theirs, mine, renamed, runs),
            )
        lost, more = _apart([_text(served) for served, _ in mine], [_text(served) for served, _ in theirs])
        assert not lost, f"{table.fullname}: replayed without {len(lost)}, as {lost[:3]} (and with {more[:3]})"
        assert not more, f"{table.fullname}: replayed with {len(more)} more, as {more[:3]}"
        compared += len(mine)
        for (served, seen), (_, again) in zip(mine, theirs, strict=True):
            for name, at in seen.items():
                assert (at is None) == (again[name] is None), (table.fullname, served, name)
                if at is not None and renamed.keys().isdisjoint(map(served.get, _OWNERS)):
                    assert runs.number(at) == runs.number(again[name]), (table.fullname, served, name, at, again[name])
    return compared


def _apart(mine: list[str], theirs: list[str]) -> tuple[list[str], list[str]]:
    """What stands in the first list alone, and in the second alone."""
    one, other = Counter(mine), Counter(theirs)
    return list((one - other).elements()), list((other - one).elements())


def without_unstored(mine: list[Any], theirs: list[Any], runs: Runs) -> list[Any]:
    """The replayed rows but for those that a killed run had read and not stored: at most one for each of its visits."""

    def run_of(pair: Any) -> int:
        return runs.number(pair[1]["seen_at"])

    stored = Counter((_text(served), run_of((served, seen))) for served, seen in mine)
    kept, more = [], 0
    for served, seen in theirs:
        place = (_text(served), run_of((served, seen)))
        if stored[place]:
            stored[place] -= 1
            kept.append((served, seen))
        else:
            assert runs.was_killed(place[1]), (served, seen, "of a run that was not killed")
            more += 1
    assert more <= MOST_AT_ONCE * sum(runs.killed)
    return kept


_OWNERS = ("user_id", "follower_id", "followee_id", "thing_id", "other_id")
"""Columns with the account by whose name a list was read, where what it showed is retracted once the name is lost."""


def accounts_with_another_name(database: str) -> Counter[int]:
    """The accounts whose name was lost or changed, and how often.

    What their lists showed since the last proof of the name is retracted, and dated anew when it is shown again. A
    proof is dated when it is committed, and a replayed one when it came: what came between the two, or with it in one
    transaction, rests on the proof in the one warehouse and is retracted in the other.
    """
    with psycopg.connect(database) as connection:
        return Counter(user for (user,) in connection.execute("SELECT user_id FROM crawl.name_changes"))


def without_retracted(mine: list[Any], theirs: list[Any], renamed: Counter[int], runs: Runs) -> list[Any]:
    """The counts of messages but for those that the other warehouse retracted: at most one for each change of a name.

    Links and comments come back, observations do not.
    """
    changes = renamed.copy()
    there = Counter((_text(served), runs.number(seen["seen_at"])) for served, seen in theirs)
    kept = []
    for served, seen in mine:
        place = (_text(served), runs.number(seen["seen_at"]))
        if there[place]:
            there[place] -= 1
        elif changes[served["user_id"]]:
            changes[served["user_id"]] -= 1
            continue
        kept.append((served, seen))
    return kept


@pytest.fixture(scope="session")
def assert_same_warehouse() -> Callable[[str, str], int]:
    return compare_warehouses


# Every test once more ------------------------------------------------------------------------------------------------


@dataclass
class Archived:
    """A warehouse of a test: the first command line that was bound to it, and the folders of what was read for it."""

    harvester: Any
    folders: list[Path] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        return sorted(str(path) for folder in self.folders for path in folder.glob("*.warc.gz"))


@dataclass
class Archives:
    """The warehouses of a test, and a server for what is made again."""

    server: Any
    by_place: dict[str, Archived] = field(default_factory=dict)


@pytest.fixture(scope="session")
def unlike() -> dict[str, str]:
    return UNLIKE


_ARCHIVES = pytest.StashKey[Archives]()


@pytest.fixture
def archives(request: pytest.FixtureRequest) -> Archives | None:
    """None without `--replayed`."""
    if not request.config.getoption("replayed"):
        return None
    return request.node.stash.setdefault(_ARCHIVES, Archives(request.getfixturevalue("embedded_server")))


@pytest.fixture
def make_harvester(
    make_harvester: Callable[..., Any], archives: Archives | None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """As everywhere; with `--replayed`, what is read into a warehouse goes into one archive, whoever reads it."""
    if archives is None:
        return make_harvester

    def make(sandbox: Any, **environment: str) -> Any:
        harvester = make_harvester(sandbox, **environment)
        place = harvester.database.rpartition("@")[2]  # whoever logs in
        if place not in archives.by_place:
            archives.by_place[place] = Archived(harvester, [tmp_path_factory.mktemp("archive")])
        harvester.environment.setdefault("HARVESTER_ARCHIVE", str(archives.by_place[place].folders[0]))
        return harvester

    return make


@pytest.fixture
def harvest(
    harvest: Any, archives: Archives | None, harvest_archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """As everywhere; with `--replayed`, what was read for it is a part of the test's archive."""
    if archives is not None:
        folder = tmp_path_factory.mktemp("archive")
        harvest.harvester.environment["HARVESTER_ARCHIVE"] = str(folder)
        archives.by_place[harvest.harvester.database] = Archived(harvest.harvester, [harvest_archive, folder])
    return harvest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """After a test that passed, its warehouses once more out of their archives."""
    result = yield
    archives = item.stash.get(_ARCHIVES, None)
    kept = [] if archives is None else [one for one in archives.by_place.values() if one.files]
    name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
    if not kept:
        assert archives is None or name not in UNLIKE, f"{name} crawls nothing: take it off the list"
        return result
    assert archives is not None
    if name in UNLIKE:
        with pytest.raises((AssertionError, psycopg.Error)):  # or it is to be taken off the list
            assert_replayed(kept, archives.server)
    else:
        assert_replayed(kept, archives.server)
    how = "unlike their replay, as listed" if name in UNLIKE else "the same from replay"
    item.user_properties.append(("replayed", how))
    return result


def assert_replayed(kept: list[Archived], server: Any) -> None:
    """Each archive makes the same tables, without a request."""
    for one in kept:
        database = server.create(server.template())
        try:
            again = replace(one.harvester, database=database)
            again.environment = again.environment | {"HARVESTER_API_URL": "http://127.0.0.1:9"}
            again("replay", *one.files)
            compare_warehouses(one.harvester.database, database)
        finally:
            server.drop(database)
