"""What a change costs: a column and an endpoint are added to a copy of the tree by the steps of CONTRIBUTING."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parent.parent
PARTS = ("harvester", "migrations", "tests/api_examples")
CATALOGUE, RECORDS, ROUTES = "harvester/api/catalogue.py", "harvester/api/records.py", "harvester/sandbox/routes.py"
TABLES = "harvester/warehouse/tables.py"


@dataclass
class Tree:
    """A copy of the tree that is changed by hand."""

    path: Path

    def insert(self, file: str, before: str, text: str) -> None:
        """Write text into a file, before a text that stands there."""
        written = (self.path / file).read_text()
        assert before in written, f"{file} has no {before!r}: change this test with it"
        (self.path / file).write_text(written.replace(before, text + before, 1))

    def touched(self) -> list[str]:
        """List the files that are not as they were."""
        files = [file.relative_to(self.path) for part in PARTS for file in (self.path / part).rglob("*.*")]
        files = [file for file in files if (self.path / file).is_file() and file.suffix != ".pyc"]
        return sorted(
            str(file)
            for file in files
            if not (TOP / file).exists() or (TOP / file).read_bytes() != (self.path / file).read_bytes()
        )

    def environment(self, database: str, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
        own = {
            "PYTHONPATH": str(self.path),
            "HARVESTER_DATABASE_URL": database,
            "HARVESTER_HOME": str(self.path),
        }
        return clean | own | more

    def run(self, database: str, module: str, *arguments: str, **more: str) -> str:
        """Run a module of the copy."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.path,
            env=self.environment(database, **more),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
        return done.stdout

    def add_migration(self, database: str) -> None:
        self.run(database, "alembic", "revision", "--autogenerate", "--rev-id", "r002", "-m", "what changes")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for part in PARTS:
        shutil.copytree(TOP / part, tmp_path / part)  # compiled modules too: what is changed is compiled again
    shutil.copy(TOP / "alembic.ini", tmp_path)
    return Tree(tmp_path)


def rows(database: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


STORED = """
import json, pathlib
from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.api.rows import Visit, normalise
served = json.loads(pathlib.Path("tests/api_examples/projects.project_id.json").read_text())["response"]
served["license"] = "CC BY-SA"
stream = STREAMS["project"]
found = decode(stream, json.dumps(served).encode())
for rows in normalise(Visit(stream, served["id"]), found):
    if rows.table == "projects":
        print(dict(zip(rows.columns, rows.values[0]))["license"])
"""


def test_a_column_touches_four_files(tree: Tree, database: str, blank_database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO scratch.users (id) VALUES (1)")
        connection.execute("INSERT INTO scratch.projects (id, author_id, title) VALUES (2, 1, 'a cat')")
    tree.insert(RECORDS, "    image: Text\n    images: Images\n    history: ProjectHistory\n", "    license: Text\n")
    tree.insert(CATALOGUE, '"id", "author_id", "title", "description", "instructions", "visibility"', '"license", ')
    column = (
        '    _text("license", "The licence.", person=Person.NOBODY, history=History.REVISIONS,\n'
        '        release=treatments.keep("nearly always the same")),\n'
    )
    tree.insert(TABLES, '    _int("views", "Views."', column)
    tree.add_migration(database)

    for url in (database, blank_database):
        tree.run(url, "harvester", "db", "migrate")
        tree.run(url, "harvester", "db", "check")
        assert not rows(url, "SELECT license FROM history.project_revisions")
        assert rows(url, "SELECT count(license) FROM history.projects_at(now())") == [(0,)]
    assert rows(database, "SELECT title, license FROM scratch.projects") == [("a cat", None)]
    program = tree.path / "stored.py"
    program.write_text(STORED)
    assert tree.run(database, "stored") == "CC BY-SA\n"
    assert len(tree.touched()) <= 4, tree.touched()


@pytest.fixture
def changed_sandbox(tree: Tree) -> Iterator[str]:
    """The address of a sandbox that runs the copy as it is now."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harvester", "sandbox", "--users", "30", "--seed", "1"],
        cwd=tree.path,
        env=tree.environment(""),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    word, _, url = process.stdout.readline().strip().partition(" ")
    assert word == "ready"
    yield url
    process.terminate()
    process.wait(timeout=30)
    process.stdout.close()


STREAM = """    Stream(
        name="user_badges",
        documented="/users/<username>/badges",
        spider="users",
        kind=Kind.USER,
        path="/users/{username}/badges",
        order=Order.NEWEST_FIRST,
        record=r.Badge,
        writes={"badges": ("user_id", "id", "title", "awarded_at", "extra")},
        item_weight=0.1,
        rate=0.001,
        members=Holding("badges", "user_id", "id"),
    ),
"""
RECORD = """class Badge(Record, kw_only=True):
    \"\"\"A badge that a user was awarded.\"\"\"

    id: Id
    title: Text
    awarded_at: Date


"""
TABLE = """badges = _table(
    "scratch",
    "badges",
    "Badges of users.",
    _big("user_id", "Whose it is.", ForeignKey("scratch.users.id"), person=Person.OWNER,
        release=treatments.reference("user", treatments.DEGREES, needed=True)),
    _big("id", "The badge.", autoincrement=False, person=Person.NOBODY, release=treatments.keep(treatments.DEGREES)),
    _text("title", "What it is for.", person=Person.NOBODY, release=treatments.keep(treatments.DEGREES)),
    _time("awarded_at", "When it was awarded.", release=treatments.keep(treatments.DEGREES)),
    *_life(treatments.EDGE),
    PrimaryKeyConstraint("user_id", "id"),
)

"""
ROUTE = """@route("/users/{user}/badges", is_list=True)
def user_badges(api: Api, page: Page, name: str) -> bytes | None:
    row = api.user(name)
    if row is None:
        return None
    badges = [{"id": n, "title": f"Badge {n}", "awarded_at": "2026-01-01T00:00:00.000Z"} for n in range(50, 0, -1)]
    return msgspec.json.encode(badges[page.offset : page.offset + page.limit])


"""


@pytest.fixture
def with_badges(tree: Tree, database: str) -> None:
    tree.insert(RECORDS, "class NewsItem(Record", RECORD)
    tree.insert(CATALOGUE, '    Stream(\n        name="user_projects"', STREAM)
    tree.insert(CATALOGUE, '            "user_projects",\n            "user_favorites"', '            "user_badges",\n')
    tree.insert(TABLES, "favorites = _table(", TABLE)
    tree.insert(ROUTES, '@route("/users/{user}/projects", is_list=True)', ROUTE)
    example = {
        "endpoint": "GET /users/<username>/badges",
        "response": [{"id": 1, "title": "A badge", "awarded_at": "-"}],
    }
    (tree.path / "tests/api_examples/users.username.badges.json").write_text(json.dumps(example))
    tree.add_migration(database)


@pytest.mark.usefixtures("with_badges")
def test_an_endpoint_touches_six_files(tree: Tree, database: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("changed_sandbox")
    crawled = {"HARVESTER_API_URL": url, "HARVESTER_SITE_URL": url, "HARVESTER_RATE": "0"}
    tree.run(database, "harvester", "db", "migrate")
    tree.run(database, "harvester", "db", "check")
    name = json.loads(urlopen(f"{url}/sandbox/seeds").read())["users"][0]
    tree.run(database, "harvester", "seed", "users", name, "--depth", "0", **crawled)
    tree.run(database, "harvester", "crawl", "--spider", "users", **crawled)
    found = rows(database, "SELECT count(*), min(id), max(id), count(awarded_at) FROM scratch.badges")
    assert found == [(50, 1, 50, 50)]
    certificate = rows(database, "SELECT certificate ->> 'complete' FROM crawl.frontier WHERE stream = 'user_badges'")
    assert certificate == [("true",)]
    assert len(tree.touched()) <= 6, tree.touched()
