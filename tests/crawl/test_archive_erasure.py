"""An archive without the people who were erased holds no byte of them, and replays as the one before."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from harvester.crawl.archive_index import open_index
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
        if path.name.endswith(".sqlite"):
            with sqlite3.connect(path) as database:
                texts += [str(row) for row in database.execute("SELECT * FROM records")]
    return "\n".join(texts)


@pytest.fixture
def archived(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path) -> Any:
    """A community that was crawled into an archive and a warehouse, and the person in it with the most rows."""
    sandbox = start_sandbox(users=10, seed=3)
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
    phrase = json.loads(harvester("erase", "request", "open", person["username"], "--json").stdout)["phrase"]
    write(sandbox, person, status=phrase)
    harvester("erase", "request", "verify", "1")
    done = json.loads(harvester("erase", "request", "carry-out", "1", "--yes", "--json").stdout)["removed"]["archives"]
    assert done["rewritten"] >= 1
    assert done["removed"] > 5
    assert done["changed"] > 5
    for text in (contents(folder), contents(tmp_path / "home"), dump(harvester.database)):
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
    away = {"HARVESTER_API_URL": "http://127.0.0.1:9"}
    other = type(harvester)(second_database, harvester.environment | away)
    other("replay", str(folder))
    assert found(dump(second_database), person) == []
    third_database = postgres_server.create(postgres_server.template())
    try:
        type(harvester)(third_database, other.environment)("replay", str(tmp_path / "whole"))
        assert assert_same_warehouse(third_database, second_database, map(str, folder.glob("*.gz"))) > 200
    finally:
        postgres_server.drop(third_database)
