"""The source of a warehouse: a crawl of another one is refused before anything is stored."""

import json
from dataclasses import replace

import pytest

from harvester.errors import UsageError
from harvester.warehouse.connect import open_connection
from harvester.warehouse.source import Source, prove_source, read_source

TABLES = ("users", "projects", "studios", "project_comments", "follows", "favorites")


@pytest.fixture(scope="module")
def other_sandbox(start_sandbox):
    return start_sandbox(users=60, seed=2)


@pytest.fixture
def filled(small_sandbox, make_harvester):
    """A warehouse with a user, a project and a studio of the small sandbox."""
    harvester = make_harvester(small_sandbox)
    for kind, things in small_sandbox.seeds().items():
        harvester("seed", kind, str(things[0]))
    harvester.crawl()
    return harvester


def _held(harvester):
    return [harvester.query(f"SELECT count(*), count(gone_at) FROM scratch.{name}") for name in TABLES]


def _use(harvester, url):
    harvester.environment |= {"HARVESTER_API_URL": url, "HARVESTER_SITE_URL": url}


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_crawl_of_another_source_is_refused(filled, other_sandbox, small_sandbox, workers):
    before = _held(filled)
    _use(filled, other_sandbox.url)
    name = other_sandbox.seeds()["users"][-1]
    commands = [("crawl", "--refresh", "--workers", workers), ("crawl", "--audit", "--workers", workers)]
    for command in (*commands, ("seed", "users", str(name))):
        refused = filled(*command, ok=False)
        assert refused.returncode == 2, refused
        (line,) = refused.stderr.splitlines()
        assert "seed 1 and 25 users" in line
        assert "seed 2 and 60 users" in line
        assert "HARVESTER_HOME" in line
    assert _held(filled) == before
    _use(filled, small_sandbox.url)
    filled.crawl("--refresh")


def test_a_source_without_a_name_is_known_by_its_addresses(filled, other_sandbox, tmp_path):
    """The site states no name, so its addresses identify it, before a request is sent."""
    filled.environment["HARVESTER_HOME"] = str(tmp_path)
    with_connection = "UPDATE crawl.source SET sandbox = NULL, api_url = 'https://api.example.org' RETURNING id"
    assert filled.query(with_connection) == [(1,)]
    sent = other_sandbox.json("/sandbox/requests")
    _use(filled, other_sandbox.url)
    refused = filled("crawl", "--refresh", ok=False)
    assert refused.returncode == 2
    assert "this warehouse holds https://api.example.org" in refused.stderr
    assert other_sandbox.json("/sandbox/requests") == sent
    assert other_sandbox.url in filled("db", "source", "--moved").stdout
    assert json.loads(filled("db", "source", "--json").stdout) == {
        "api_url": other_sandbox.url,
        "site_url": other_sandbox.url,
        "projects_url": None,
        "sandbox": None,
        "synthetic": False,
    }


def test_the_host_of_sources_is_that_of_the_first_that_was_read(database):
    """Until sources are read any host will do; then it is a part of the source."""
    without = Source("https://api.example.org", "https://example.org")
    first, other = (replace(without, projects_url=f"https://{name}.example.org") for name in ("one", "two"))
    with open_connection(database, autocommit=True) as connection:
        for answering in (without, first, without, first):
            prove_source(connection, answering)
        assert read_source(connection) == first
        with pytest.raises(UsageError, match=r"https://one\.example\.org.*https://two\.example\.org"):
            prove_source(connection, other)


def test_the_same_sandbox_may_move(filled, start_sandbox, small_sandbox):
    """The same community at another port is the same source."""
    moved = start_sandbox(users=25, seed=1)
    _use(filled, moved.url)
    filled.crawl("--refresh")
    ((url,),) = filled.query("SELECT api_url FROM crawl.source")
    assert url == moved.url


def test_synthetic_data_is_labelled(filled, tmp_path):
    """Status, report and each description of a release name the sandbox as their source."""
    community = "the sandbox with seed 1 and 25 users"
    assert "synthetic" in filled("status").stdout
    assert json.loads(filled("status", "--json").stdout)["source"]["synthetic"] is True
    assert community in filled("db", "source").stdout
    page = tmp_path / "report.html"
    filled("report", str(page))
    assert f"synthetic: {community}" in page.read_text()
    filled("dataset", "build", str(tmp_path / "release"), "--profile", "internal", "--i-am-allowed")
    release = tmp_path / "release"
    for name in ("README.md", "DATASHEET.md", "LICENCE.md", "datapackage.json", "croissant.json"):
        text = (release / name).read_text()
        assert "ynthetic" in text, name
        assert "CC BY-SA" not in text, name
        assert "CC-BY-SA" not in text, name
        assert "public Scratch API" not in text or name == "DATASHEET.md", name
