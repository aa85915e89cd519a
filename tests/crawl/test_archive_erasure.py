"""An archive without the people who were erased holds no byte of them, and replays as the one before."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet
from scrapy.http import Response

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.config import load
from harvester.crawl import archive_erasure
from harvester.crawl.archive import Archive, Archived, Part, Transaction, read_archives
from harvester.crawl.archive_erasure import ErasedArchives
from harvester.crawl.archive_index import index_path, open_index
from harvester.crawl.replay import replay
from harvester.erasure.rule import REMOVED, STAND_IN, Rule
from harvester.erasure.served import ServedTexts
from harvester.secret import keyed_hash
from harvester.warehouse.annotations import NAME, USER
from harvester.warehouse.connect import open_connection
from tests.crawl.test_erasure_requests import dump, found, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def contents(folder: Path) -> str:
    """Everything in the files of a folder: bytes as they are, and unpacked; what indexes hold."""
    texts = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        packed = path.read_bytes()
        texts += [path.name, packed.decode("latin-1")]
        if path.name.endswith(".gz"):
            texts.append(gzip.decompress(packed).decode("latin-1"))
        if path.name.endswith(".parquet"):
            texts.append(str(parquet.read_table(path).to_pylist()))
        if path.name.endswith(".sqlite"):
            with sqlite3.connect(path) as database:
                texts += [str(row) for row in database.execute("SELECT * FROM records")]
    return "\n".join(texts)


@pytest.fixture
def archived(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path) -> Any:
    """A community that was crawled into an archive and a warehouse, and the person in it with the most rows."""
    sandbox = start_sandbox(users=6, seed=3)
    home, folder = tmp_path / "home", tmp_path / "archive"
    home.mkdir()
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(home), HARVESTER_ARCHIVE=str(folder))
    harvester.seed_all(sandbox)
    harvester.crawl()
    sandbox.json("/sandbox/churn?events=100", "POST")
    harvester.crawl("--refresh")
    ((user, name),) = harvester.query(
        "SELECT u.id, u.username FROM scratch.users u WHERE u.gone_at IS NULL"
        " ORDER BY (SELECT count(*) FROM scratch.project_comments c WHERE c.author_id = u.id)"
        " * (1 + (SELECT count(*) FROM scratch.profile_comments c WHERE c.author_id = u.id))"
        " * (1 + (SELECT count(*) FROM scratch.studios s WHERE s.host_id = u.id)) DESC LIMIT 1"
    )
    return sandbox, harvester, folder, {"id": user, "username": name}


def test_nobody_is_left_in_tables_archive_and_home(
    archived: Any, second_database: str, postgres_server: Any, assert_same_warehouse: Any, tmp_path: Path
) -> None:
    sandbox, harvester, folder, person = archived
    for path in folder.glob("*.gz"):
        with open_index(path):
            pass
    before = contents(folder)
    assert len(found(before, person)) > 20
    texts = [
        text
        for table, column, owner in (
            *(("users", column, "id") for column in ("bio", "status")),
            *(("projects", column, "author_id") for column in ("title", "description", "instructions")),
            *((f"{kind}_comments", "content", "author_id") for kind in ("project", "studio", "profile")),
        )
        for (text,) in harvester.query(f"SELECT {column} FROM scratch.{table} WHERE {owner} = %s", person["id"])
    ]
    shutil.copytree(folder, tmp_path / "whole")
    lake = tmp_path / "lake"
    harvester("dataset", "lake", str(lake), "--i-am-allowed")
    assert found(contents(lake), person)
    harvester("dataset", "lake", str(tmp_path / "moved"), "--i-am-allowed")
    (tmp_path / "moved").rename(tmp_path / "elsewhere")
    phrase = json.loads(harvester("erase", "request", "open", person["username"], "--json").stdout)["phrase"]
    write(sandbox, person, status=phrase)
    harvester("erase", "request", "verify", "1")
    carried = harvester("erase", "request", "carry-out", "1", "--yes", "--json")
    removed = json.loads(carried.stdout)["removed"]
    assert (removed["lakes_updated"], removed["lakes"]) == ([str(lake)], [str(tmp_path / "moved")])
    assert f"the lake in {tmp_path / 'moved'} holds the person still (it is not here)" in carried.stderr
    done = removed["archives"]
    assert done["rewritten"] >= 1
    assert done["removed"] > 5
    assert done["changed"] > 5
    for text in (contents(folder), contents(lake), contents(tmp_path / "home"), dump(harvester.database)):
        assert found(text, person) == []
        assert phrase not in text
    left = contents(folder)
    elsewhere = dump(harvester.database)
    unique = [text for text in texts if text and len(text) > 10 and text in before and text not in elsewhere]
    assert len(unique) > 3
    assert [text for text in unique if text in left] == []
    # Nothing is left to do, and no file of another name.
    again = json.loads(harvester("erase", "archives", "--json").stdout)
    assert again == {"files": done["files"], "rewritten": 0, "changed": 0, "removed": 0}
    assert {path.suffix for path in folder.iterdir()} <= {".gz", ".sqlite"}
    assert not any(path.name.startswith(".") for path in folder.iterdir())

    # Both archives give the same warehouse, without a request.
    away = harvester.environment | {"HARVESTER_API_URL": "http://127.0.0.1:9"}
    away.pop("HARVESTER_DATABASE_URL", None)
    other = type(harvester)(second_database, away)
    other("replay", str(folder))
    assert found(dump(second_database), person) == []
    third_database = postgres_server.create(postgres_server.template())
    try:
        third = type(harvester)(third_database, other.environment)
        third("replay", str(tmp_path / "whole"))
        third.query("INSERT INTO crawl.erasures (hash, kind) VALUES ('x', 'unknown') RETURNING 1")
        assert assert_same_warehouse(third_database, second_database, map(str, folder.glob("*.gz"))) > 200
    finally:
        postgres_server.drop(third_database)

    # Nor does a crawl archive the person again.
    archives = set(folder.glob("*.gz"))
    harvester.crawl("--audit")
    assert set(folder.glob("*.gz")) > archives
    assert found(contents(folder), person) == []


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def small_archive(folder: Path, texts: ServedTexts | None = None) -> Path:
    """An archive with a page of the erased person, a list with their item, an unused page and one of somebody else."""
    archive = Archive(folder, 1, lambda: NOW)
    archive.texts = texts
    users = [{"id": each, "username": f"someone{each}", "scratchteam": False, "history": {"joined": None},
              "profile": {"id": each, "images": None, "status": "hello", "bio": "", "country": None}}
             for each in (5555555, 7)]  # fmt: skip
    followers = Visit(STREAMS["user_followers"], 7, username="someone7", seen_at=NOW)
    first = Part(first=True, position=0)
    pages = [
        (Visit(STREAMS["user"], 5555555, username="someone5555555", seen_at=NOW), users[0], first),
        (followers, users, first),
        (followers, users[:1], None),
        (Visit(STREAMS["user"], 7, username="someone7", seen_at=NOW), users[1], first),
        (Visit(STREAMS["studio_comments"], 9, host_id=5555555, seen_at=NOW), [], first),
    ]
    ids = [
        archive.keep(Response("http://x/", body=json.dumps(served).encode()), visit, "?limit=40&offset=0", part)
        for visit, served, part in pages
    ]
    archive.note([(ids[1], {1: "someone5555555 is refused"}), (ids[3], {})], NOW, NOW)
    archive.close()
    (path,) = folder.glob("*.warc.gz")
    return path


RULE = Rule(b"k" * 32, {keyed_hash(b"k" * 32, *one) for one in ((USER, 5555555), (NAME, "someone5555555"))})


def rewrite(path: Path) -> ErasedArchives:
    done = ErasedArchives()
    archive_erasure._rewrite(path, RULE, done)
    return done


def test_each_record_goes_stays_or_loses_the_person(tmp_path: Path) -> None:
    path = small_archive(tmp_path)
    before = list(read_archives([path]))
    assert (rewrite(path).removed, rewrite(path)) == (2, ErasedArchives())
    assert path.stat().st_mode & 0o777 == 0o600
    pages, other, studio, noted = list(read_archives([path]))
    assert isinstance(pages, Archived)
    assert [user["username"] for user in json.loads(pages.body)] == [REMOVED, "someone7"]
    assert other == before[3]
    assert isinstance(studio, Archived)
    assert studio.visit.host_id == RULE.stand_in(USER, 5555555)
    assert isinstance(noted, Transaction)
    assert noted.pages[0] == (pages.id, {1: f"{REMOVED} is refused"})
    assert found(contents(tmp_path), {"id": 5555555, "username": "someone5555555"}) == []
    # A part of a record, as a killed run leaves it, is not kept: it may hold anybody.
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    assert rewrite(path).rewritten == 1
    assert path.read_bytes() == whole


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    "step", ["_transaction", "os.fsync", "_delete_index", "sync_folder", "Path.replace", "Path.unlink"]
)
def test_a_kill_leaves_the_former_or_the_new_file(tmp_path: Path, step: str) -> None:
    path = small_archive(tmp_path)
    with open_index(path):
        former = path.read_bytes()
    child = os.fork()
    if child == 0:
        of, _, name = step.rpartition(".")
        target = {"": archive_erasure, "os": os, "Path": type(path)}[of]
        setattr(target, name, lambda *_, **__: os._exit(9))
        rewrite(path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    was_former = path.read_bytes() == former
    assert was_former == (step != "sync_folder")
    if not was_former:
        assert not index_path(path).exists()
    rewrite(path)
    assert found(contents(tmp_path), {"id": 5555555, "username": "someone5555555"}) == []
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("is_erased_first", [False, True])
def test_a_replay_elsewhere_stores_no_stand_in(database: str, tmp_path: Path, *, is_erased_first: bool) -> None:
    """The archive says that it has stand-ins; the warehouse, from which nobody was erased, does not know of them."""
    path = small_archive(tmp_path / "archive", ServedTexts(RULE) if is_erased_first else None)
    if not is_erased_first:
        rewrite(path)
    assert any(one.has_stand_ins for one in read_archives([path]) if isinstance(one, Archived))
    replay(load(home=tmp_path, database_url=database), [path])
    with open_connection(database) as connection:
        assert connection.execute("SELECT id, username FROM scratch.users").fetchall() == [(7, "someone7")]
        assert connection.execute("SELECT id, host_id FROM scratch.studios").fetchall() in ([(9, None)], [])
        assert connection.execute("SELECT count(*) FROM scratch.follows").fetchone() == (0,)
    numbers = re.findall(r"(?<![0-9a-f])[0-9]{19}(?![0-9a-f])", dump(database))
    assert [number for number in numbers if int(number) >= STAND_IN] == []
