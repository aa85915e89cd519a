"""A replay makes the same warehouse as the crawl: `test_replay.py` tests that, with `--replayed` all tests here do.

With `--replayed` whatever a test crawls is archived, per warehouse. When the test has passed, the archive is replayed
into an empty database, and compared as `harvester replay --check` does. `UNLIKE` names the tests for which that cannot
hold, and why; it may not name one for which it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.crawl.archive_index import uncertain_pages
from harvester.crawl.comparison import Comparison
from harvester.errors import WarehouseError
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

UNLIKE: dict[str, str] = {
    "test_erasure.py::test_nothing_of_a_person_is_left_and_nothing_comes_back": (
        "somebody is erased after the first crawls: of what they wrote, the place stays where others had replied by"
        " then, and is dated again where it was met again; a replay leaves them out from the beginning"
    ),
    "test_erasure_requests.py::test_a_request_that_no_profile_proves": (
        "the ids of users are changed in the warehouse by hand, and no page of an archive shows it"
    ),
    "test_recrawl.py::test_a_list_is_read_in_full_when_its_time_has_come": (
        "it sets back by hand when lists were read in full, and no page of an archive shows it"
    ),
    "test_warehouse_faults.py::test_the_schema_is_not_changed_under_a_crawl": (
        "it ends with the schema taken back to an earlier one, which an archive is not replayed into"
    ),
    "test_names.py::test_a_name_counts_as_the_answer_shows_it": (
        "former names are put back into the warehouse by hand, and no page of an archive shows it"
    ),
    "test_seeding.py::test_a_user_with_an_odd_name_is_seeded_by_id": (
        "the user is put into the warehouse by hand, and no page of an archive shows it"
    ),
}
"""By `file::test`: why the replay of a test's archive cannot give its tables."""


def compare_warehouses(first: str, second: str, archives: Iterable[str]) -> int:
    """Assert that a warehouse equals the replay of its archives, as `replay --check` compares them; return its rows."""
    with open_connection(first) as warehouse, open_connection(second) as replayed:
        comparison = Comparison(warehouse, replayed, uncertain_pages(map(Path, archives)))
        found = [one for one in comparison.differences() if not one.is_explained]
    assert not found, "\n".join([f"{len(found)} differences", *map(str, found[:20])])
    return sum(comparison.rows.values())


@pytest.fixture(scope="session")
def assert_same_warehouse() -> Callable[[str, str, Iterable[str]], int]:
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
        open_connection(database).close()
    except WarehouseError as error:
        if "no database" not in str(error):
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
            compare_warehouses(one.harvester.database, database, one.files)
        finally:
            server.drop(database)
