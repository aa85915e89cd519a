"""The drill: a backup is made while a crawl runs, the home is lost, and a new one goes on from the backup."""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harvester.warehouse import embedded

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator


@pytest.fixture
def new_home() -> Iterator[Path]:
    """A home that a command is to make."""
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-"))
    yield folder / "home"
    embedded.down(folder / "home")
    shutil.rmtree(folder)


def test_a_lost_home_is_restored_and_crawled_on(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    own_home: Path,
    new_home: Path,
    assert_truth: Callable[..., Counter[str]],
) -> None:
    sandbox = start_sandbox(users=7, seed=4)

    def harvester_in(home: Path, *, is_new: bool) -> Any:
        harvester = make_harvester(sandbox, HARVESTER_HOME=str(home), HARVESTER_DATABASE_URL="")
        first = harvester("status", "--json")  # a reader's command, on a home that nothing was written to yet
        assert json.loads(first.stdout)["seeds"] == {} or not is_new
        assert first.stderr == (f"made the tables of a new warehouse in {home}\n" if is_new else "")
        harvester.database = embedded.url(home)
        harvester.environment["HARVESTER_DATABASE_URL"] = ""
        return harvester

    first = harvester_in(own_home, is_new=True)
    key = (own_home / "secret.key").read_text()
    first.environment["HARVESTER_RATE"] = "40"  # so slow that the crawl is still at work when the backup is made
    first.seed_all(sandbox)
    first.query("INSERT INTO source.bodies (sha256, size) VALUES ('a', 1), ('b', 1) RETURNING 1")  # held in files
    crawl = first.start("crawl", "--json")
    deadline = time.monotonic() + 60
    while first.query("SELECT count(*) FROM scratch.follows") == [(0,)]:
        assert crawl.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    folder = own_home.parent / f"{own_home.name}-backups"
    folder.mkdir()
    try:
        made = json.loads(first("backup", "create", str(folder), "--json").stdout)
        assert crawl.poll() is None
        first.environment["HARVESTER_RATE"] = ""
        first("rate", "0")
        crawl.communicate(timeout=120)
        held = {table: first.query(f"SELECT count(*) FROM {table}")[0][0] for table in made["tables"]}
        assert made["tables"]["scratch.follows"] > 0
        assert sum(made["tables"].values()) < sum(held.values())
        file = Path(made["path"])
        assert [file] == list(folder.iterdir())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "can be restored" in first("backup", "verify", str(file)).stdout
        assert first.query("SELECT datname FROM pg_database WHERE datname LIKE '%verify'") == []
        embedded.down(own_home)
        shutil.rmtree(own_home)

        again = make_harvester(sandbox, HARVESTER_HOME=str(new_home), HARVESTER_DATABASE_URL="")
        told = again("backup", "restore", str(file)).stdout
        assert made["sources_outside"] == 2
        assert "2 sources in files were not in the backup: set HARVESTER_SOURCES_DIR" in told
    finally:
        shutil.rmtree(folder)
        own_home.mkdir(exist_ok=True)
    assert (new_home / "secret.key").read_text() == key
    again = harvester_in(new_home, is_new=False)
    restored = {table: again.query(f"SELECT count(*) FROM {table}")[0][0] for table in made["tables"]}
    assert restored == made["tables"]
    again.environment["HARVESTER_RATE"] = ""  # it has the rate of the lost one
    again("rate", "0")
    again.crawl()
    assert_truth(again, sandbox)
