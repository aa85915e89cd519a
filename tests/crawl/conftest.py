"""A replay makes the same warehouse as the crawl: `test_replay.py` tests that, with `--replayed` all tests here do.

With `--replayed` whatever a test crawls is archived, per warehouse. When the test has passed, the archive is replayed
into an empty database, and each table of `scratch` and `history` compared, with the versions of sources. `UNLIKE` names
the tests for which that cannot hold, and why; it may not name one for which it does.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from databases import OWN_ENVIRONMENT

from harvester.api.catalogue import STREAMS
from harvester.config import MOST_AT_ONCE
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

UNLIKE: dict[str, str] = {
    "test_erasure.py::test_nothing_of_a_person_is_left_and_nothing_comes_back": (
        "somebody is erased after the first crawls: of what they wrote, the place stays where others had replied by"
        " then, and is dated again where it was met again; a replay leaves them out from the beginning"
    ),
    "test_erasure.py::test_an_account_never_met_is_left_out_too": (
        "somebody is left out of the first crawl by a rule that is revoked before the second: a replay, without the"
        " rule, stores them from the beginning"
    ),
    "test_feeds.py::test_a_feed_holds_nothing_of_who_was_erased": (
        "somebody is erased between two crawls: a thread of theirs whose replies were not read yet is removed, and is"
        " met again as a place without author, dated by the second; a replay stores that place from the beginning"
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
SOURCES = ("source.bodies", "source.versions")
"""Of the sources of projects, what an archive holds: not those that were too large."""
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
        with connected(database) as connection:
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

    def is_exact(self, number: int) -> bool:
        """Tell whether the archive has the time of each transaction of a run.

        It has none of what a process stored just before it was killed.
        """
        return number > 0 and not self.killed[number - 1]


def connected(database: str) -> psycopg.Connection[Any]:
    """Connect with the settings that the comparison relies on, whatever those of the database."""
    return psycopg.connect(database, options=OWN_ENVIRONMENT["PGOPTIONS"])


def rows(database: str, table: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of a table in order: what was served, and when we say that it was seen."""
    with connected(database) as connection:
        cursor = connection.execute(f"SELECT * FROM {table.fullname}")
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    split = [
        ({n: v for n, v in row.items() if n not in TIMES}, {n: row[n] for n in row if n in TIMES}) for row in found
    ]
    return sorted(split, key=lambda pair: (_text(pair[0]), str(pair[1])))


def _text(served: dict[str, Any]) -> str:
    return json.dumps(served, default=str, sort_keys=True)


def positions(database: str) -> dict[tuple[str, int], int]:
    """Return the number of stored pages of each list or object that an archive keeps."""
    with connected(database) as connection:
        found = connection.execute("SELECT stream, entity_id, position FROM crawl.frontier WHERE position > 0")
        return {(stream, entity): pages for stream, entity, pages in found if not STREAMS[stream].is_own}


def compare_warehouses(first: str, second: str) -> int:
    """Assert that two warehouses are equal in what was served and in its dates; return the number of rows.

    The archive has no time for some dates (see `Runs.is_exact`), nor for the statement that replaced a version: these
    must be of the same run. A table of observations may have one row more, if a run was killed after it read the last.
    """
    runs = Runs.of(first)
    if not any(runs.killed):
        stored, again = positions(first), positions(second)
        assert stored == again, _apart([f"{k}" for k in stored.items()], [f"{k}" for k in again.items()])
    compared = 0
    for table in metadata.sorted_tables:
        if table.schema not in ("scratch", "history") and table.fullname not in SOURCES:
            continue
        mine, theirs = rows(first, table), rows(second, table)
        if table.name in OBSERVED:
            theirs = without_unstored(mine, theirs, runs)
        lost, more = _apart([_text(served) for served, _ in mine], [_text(served) for served, _ in theirs])
        assert not lost, f"{table.fullname}: replayed without {len(lost)}, as {lost[:3]} (and with {more[:3]})"
        assert not more, f"{table.fullname}: replayed with {len(more)} more, as {more[:3]}"
        compared += len(mine)
        for (served, seen), (_, again) in zip(mine, theirs, strict=True):
            for name, at in seen.items():
                assert (at is None) == (again[name] is None), (table.fullname, served, name)
                if at is None:
                    continue
                number = runs.number(at)
                is_same = at == again[name] if _is_exact(name, number, runs) else number == runs.number(again[name])
                assert is_same, f"{table.fullname}: {name} was {at} and is replayed as {again[name]}: {served}"
    return compared


def _is_exact(name: str, number: int, runs: Runs) -> bool:
    return name not in ("valid_from", "valid_to") and runs.is_exact(number)


def _apart(mine: list[str], theirs: list[str]) -> tuple[list[str], list[str]]:
    """Return the items of the first list alone, and those of the second alone."""
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
    """After a test that passed, make its warehouses again from their archives."""
    result = yield
    archives = item.stash.get(_ARCHIVES, None)
    kept = [] if archives is None else [one for one in archives.by_place.values() if one.files]
    name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
    if not kept:
        assert archives is None or name not in UNLIKE, f"{name} crawls nothing: take it off the list"
        return result
    assert archives is not None
    kept = [one for one in kept if not _was_dropped(one.harvester.database)]
    assert kept, f"{name} dropped all its warehouses"
    if name in UNLIKE:
        with pytest.raises((AssertionError, psycopg.Error)):  # or it is to be taken off the list
            assert_replayed(kept, archives.server)
    else:
        assert_replayed(kept, archives.server)
    how = "unlike their replay, as listed" if name in UNLIKE else "the same from replay"
    item.user_properties.append(("replayed", how))
    return result


def _was_dropped(database: str) -> bool:
    """Tell whether a test dropped a database itself, as it does with a copy that it made of another one."""
    try:
        connected(database).close()
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        return True
    return False


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
