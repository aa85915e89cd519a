"""Sources are read with the token of their project's own response: versions equal the truth, and no token is kept."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from harvester.analytics.source_facts import analyse
from harvester.config import load
from harvester.crawl.answers import source_of, take_source
from harvester.crawl.run import CrawlOptions, crawl
from harvester.crawl.session import Session
from harvester.crawl.source_store import store_sources
from harvester.crawl.sources import NO_PROJECT
from harvester.crawl.spiders.account import AccountSpider
from harvester.crawl.spiders.sources import SourcesSpider
from harvester.erasure.erase import erase
from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError
from harvester.frontier import leases
from harvester.frontier.model import Counts
from harvester.monitoring.sources import structure_of
from harvester.warehouse.bodies import BodyReader, UnusedFiles, delete_unused, open_store
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harvester.crawl.spider import FrontierSpider

TOKEN = re.compile(rb"[0-9]{9,}_[0-9a-f]{64,}")
COUNTERS = {"views", "loves", "favorites", "remixes", "extra"}


def asked(sandbox: Any) -> Counter[int]:
    """By project, the requests for its source since the log was reset."""
    paths = [path[1:].partition("?")[0] for _, _, path, _ in sandbox.lines("/sandbox/requests/log")]
    return Counter(int(path) for path in paths if path.isdigit())


def visits(harvester: Any) -> Counter[int]:
    """By project, how often it was visited. (Where nothing else tells whose list it was, it is asked for besides.)"""
    return Counter(dict(harvester.query("SELECT entity_id, visits FROM crawl.frontier WHERE stream = 'project'")))


def shown(sandbox: Any) -> dict[int, dict[str, Any]]:
    """What the page of each project shows, but for counters."""
    rows = sandbox.truth("projects")
    return {row["id"]: {name: value for name, value in row.items() if name not in COUNTERS} for row in rows}


def assert_sources(harvester: Any, sandbox: Any) -> dict[int, dict[str, Any]]:
    """The present version of each project is what the sandbox states; return that by project."""
    truth = {row["project_id"]: row for row in sandbox.truth("sources")}
    there = "JOIN scratch.present_projects p ON p.id = s.project_id"
    outcomes = dict(harvester.query(f"SELECT s.project_id, s.outcome FROM source.projects s {there}"))
    assert outcomes == {project: row["outcome"] for project, row in truth.items()}
    present = harvester.query(
        "SELECT DISTINCT ON (s.project_id) s.project_id, encode(s.body_sha256, 'hex'), b.size, s.format, s.blocks"
        f" FROM source.versions s JOIN source.bodies b ON b.sha256 = s.body_sha256 {there}"
        " ORDER BY s.project_id, s.last_seen_at DESC, s.first_seen_at DESC"
    )
    kept = {project: values for project, *values in present}
    for project, row in truth.items():
        if row["outcome"] == "read":
            blocks = None if row["format"] == "scratch1" else row["blocks"]
            assert kept[project] == [row["sha256"], row["bytes"], row["format"], blocks], project
    return truth


def assert_facts(harvester: Any, sandbox: Any, truth: dict[int, dict[str, Any]]) -> None:
    """Facts and differences, worked out by two processes, are what the sandbox states, and are worked out once."""
    done = json.loads(harvester("source", "analyse", "--workers", "2", "--json").stdout)
    names = ("scripts", "blocks", "opcodes", "sprites", "costumes", "sounds", "variables", "lists", "comments")
    columns = ", ".join(f"f.{name}" for name in names)
    facts = {
        project: dict(zip(names, values, strict=True))
        for project, *values in harvester.query(
            f"SELECT p.project_id, {columns} FROM source.present_versions p JOIN source.facts f USING (body_sha256)"
        )
    }
    whole = {one: row for one, row in truth.items() if row["outcome"] == "read" and row["format"] != "scratch1"}
    assert {project: facts[project] for project in whole} == {
        project: {name: row[name] for name in names} for project, row in whole.items()
    }
    assert done["bodies"] == harvester.query("SELECT count(*) FROM source.facts")[0][0] >= len(whole) / 2
    files = (
        "SELECT project_id, sum(count)::int FROM source.present_versions v"
        " JOIN source.assets USING (body_sha256) GROUP BY 1"
    )
    assets = dict(harvester.query(files))
    assert {project: assets[project] for project in whole} == {
        project: row["costumes"] + row["sounds"] for project, row in whole.items()
    }
    found = harvester.query(
        "SELECT project_id, other_id, scripts_kept, scripts_added, scripts_removed, untouched, assets_added"
        " FROM source.differences WHERE relation = 'parent'"
    )
    differences = {(project, parent): values for project, parent, *values in found}
    stated = {
        (row["project_id"], row["parent_id"]): [row["kept"], row["added"], row["removed"]]
        for row in sandbox.truth("source_differences")
        if {row["project_id"], row["parent_id"]} <= whole.keys()
    }
    edited = sum(added + removed > 0 for _, added, removed in stated.values())
    assert 8 <= edited < len(stated)
    assert {pair: differences[pair][:3] for pair in stated} == stated
    for project, parent in stated:
        untouched = truth[project]["sha256"] == truth[parent]["sha256"]
        assert differences[project, parent][3] == untouched
    for project in [next(iter(whole)), next(one for one, row in truth.items() if row["format"] == "scratch1")]:
        ended = harvester("source", "show", str(project), "--structure", ok=project in whole)
        if project in whole:
            scripts = [script for target in json.loads(ended.stdout)["targets"] for script in target["scripts"]]
            assert sum(map(len, scripts)) == truth[project]["blocks"]
        else:
            assert ended.stderr.startswith("harvester: the source is of Scratch 1")
    assert harvester("source", "analyse").stdout == "facts of 0 sources, 0 comparisons of remixes\n"


def assert_no_token(harvester: Any, log: list[Any], *others: bytes) -> None:
    """Assert that no token is in a table or in other bytes, although some were used by a log of requests."""
    assert len({path.partition("token=")[2] for _, _, path, _ in log if "token=" in path}) > 10
    stored = [
        harvester.query(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table.fullname} t")[0][0].encode()
        for table in metadata.sorted_tables
    ]
    for text in (*stored, *others):
        assert not TOKEN.search(text)
        assert b"token=" not in text


def test_versions_are_the_truth_at_one_request_each(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    sandbox = start_sandbox(users=30, seed=2)
    archive = tmp_path / "archive"
    harvester = make_harvester(
        sandbox, HARVESTER_SOURCES="1", HARVESTER_PROJECTS_URL=sandbox.url, HARVESTER_ARCHIVE=str(archive)
    )
    said: list[bytes] = []

    def crawl(*arguments: str) -> None:
        ended = harvester("crawl", *arguments)
        said.append((ended.stdout + ended.stderr).encode())

    # All are new: one request for each, with the token of the one response of its project.
    harvester("seed", "projects", *map(str, sandbox.seeds()["projects"]))
    planned = json.loads(harvester("plan", "--json", "--sample", "1000").stdout)
    crawl()
    truth = assert_sources(harvester, sandbox)
    assert planned["sources"]["first"]["requests"] == asked(sandbox).total() == len(truth)
    assert planned["sources"]["sample"]["requests"] == 1000
    assert "project_source" in {one["stream"] for one in json.loads(harvester("plan", "--json").stdout)["streams"]}
    assert Counter(row["outcome"] for row in truth.values()).keys() == {"read", "damaged"}
    assert {row["format"] for row in truth.values()} == {"scratch1", "scratch2", "scratch3"}
    assert asked(sandbox) == dict.fromkeys(truth, 1)
    assert set(visits(harvester).values()) == {1}
    versions = dict(harvester.query("SELECT encode(sha256, 'hex'), packed FROM source.bodies"))
    assert len(versions) < sum(row["outcome"] == "read" for row in truth.values())  # remixes that nobody edited
    assert all(hashlib.sha256(gzip.decompress(packed)).hexdigest() == digest for digest, packed in versions.items())

    # They are read back byte for byte.
    one = {row["outcome"]: project for project, row in truth.items() if row["format"] != "scratch1"}
    read = harvester("source", "show", str(one["read"])).stdout
    assert hashlib.sha256(read.encode()).hexdigest() == truth[one["read"]]["sha256"]
    (facts,) = json.loads(harvester("source", "show", str(one["read"]), "--json").stdout)
    assert (facts["format"], facts["size"]) == (truth[one["read"]]["format"], len(read))
    assert harvester("source", "show", str(one["read"]), "--version", facts["sha256"][:6]).stdout == read
    refused = {
        (str(one["damaged"]),): "was never read: damaged",
        ("1",): "HARVESTER_SOURCES=1",
        (str(one["read"]), "--version", "zz"): "4 or more digits",
        (str(one["read"]), "--version", "", "--json"): "4 or more digits",
        (str(one["read"]), "--version", facts["sha256"][::-1]): "no versions",
    }
    for arguments, why in refused.items():
        ended = harvester("source", "show", *arguments, ok=False)
        assert ended.returncode == 2
        assert why in ended.stderr
    # A folder that cannot be used is refused before a run begins.
    begun = harvester.query("SELECT count(*) FROM crawl.runs")
    harvester.environment["HARVESTER_SOURCES_DIR"] = str(archive / "none" / "\n")
    assert "printable characters" in harvester("crawl", ok=False).stderr
    assert harvester.query("SELECT count(*) FROM crawl.runs") == begun

    # From here on bodies are held in files; those in the database stay there.
    folder = tmp_path / "sources"
    harvester.environment["HARVESTER_SOURCES_DIR"] = str(folder)

    # Visits that show nothing changed ask for nothing. One source is due by its own rate, and is taken along; another
    # project was visited while sources were not read, and is visited once more.
    in_turn, not_read = sorted(project for project, row in truth.items() if row["outcome"] == "read")[:2]
    make_due = "UPDATE crawl.frontier SET due_at = now() WHERE stream = '{}' AND {} RETURNING 1"
    harvester.query(make_due.format("project", f"entity_id <> {not_read}"))
    harvester.query(make_due.format("project_source", f"entity_id = {in_turn}"))
    harvester.query(
        f"DELETE FROM crawl.frontier WHERE stream = 'project_source' AND entity_id = {not_read} RETURNING 1"
    )
    sandbox.json("/sandbox/churn?events=20&type=views", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    crawl()
    assert asked(sandbox) == {not_read: 1, in_turn: 1}
    assert set(visits(harvester).values()) == {2}

    # By its own rate alone, the project is visited first. With a second token that has expired it is refused.
    harvester.query(make_due.format("project_source", f"entity_id = {in_turn}"))
    sandbox.json("/sandbox/settings?stale_tokens=2", "POST")
    crawl()
    assert asked(sandbox) == {not_read: 1, in_turn: 3}
    refused = "SELECT project_id, reason FROM source.projects WHERE outcome = 'refused'"
    assert harvester.query(refused) == [(in_turn, "HTTP 403")]
    assert {project: times for project, times in visits(harvester).items() if times != 2} == {in_turn: 3}

    # New and changed projects take one request, also one that is too large once it is unpacked; a token that has
    # expired is fetched anew, once.
    before, first = shown(sandbox), truth
    for kind, events in (("edit_project", 12), ("touch_project", 4), ("edit_quietly", 6), ("remix_project", 24)):
        sandbox.json(f"/sandbox/churn?events={events}&type={kind}", "POST")
    bomb = next(one for one, shows in shown(sandbox).items() if one in before and shows != before[one])
    sandbox.json(f"/sandbox/settings?huge_project={bomb}&packed=1", "POST")
    harvester("seed", "projects", *map(str, sandbox.seeds()["projects"]))
    harvester.query(make_due.format("project", "true"))
    sandbox.json("/sandbox/requests/reset", "POST")
    sandbox.json("/sandbox/settings?stale_tokens=3", "POST")
    crawl()
    sandbox.json("/sandbox/settings?huge_project=0&packed=0", "POST")
    unpacked = "SELECT outcome, reason FROM source.projects WHERE project_id = %s"
    assert harvester.query(unpacked, bomb) == [("too large", "larger than any source may be")]
    now = shown(sandbox)
    changed = {project for project in now if now[project] != before.get(project)}
    refused = Counter(status for _, _, path, status in sandbox.lines("/sandbox/requests/log") if "token=" in path)[403]
    assert 0 < refused <= 3
    assert asked(sandbox).total() == len(changed) + refused
    assert asked(sandbox).keys() == changed

    # A refresh reads each once, also what no page shows to be changed; what a project was before is kept.
    related = {each for row in sandbox.truth("source_differences") for each in row.values()}
    alone = {row["project_id"]: row for row in sandbox.truth("sources") if row["project_id"] not in related}
    huge = next(project for project, row in alone.items() if (row["format"], row["outcome"]) == ("scratch3", "read"))
    sandbox.json(f"/sandbox/settings?huge_project={huge}", "POST")
    sandbox.json("/sandbox/requests/reset", "POST")
    visited = visits(harvester)
    sandbox.json("/sandbox/churn?type=unshare_project", "POST")
    crawl("--refresh")
    truth = assert_sources(harvester, sandbox)
    assert truth[huge]["outcome"] == "too large"
    assert harvester.query("SELECT reason FROM source.projects WHERE outcome = 'not found'") == [(NO_PROJECT,)]
    assert asked(sandbox) == dict.fromkeys(truth, 1)
    # The one that is gone may be asked for once more for each of its lists, as evidence.
    assert {one: visits - visited[one] for one, visits in visits(harvester).items() if one in truth} == dict.fromkeys(
        truth, 1
    )
    ever = set(harvester.query("SELECT project_id, encode(body_sha256, 'hex') FROM source.versions"))
    former = {(project, row["sha256"]) for project, row in first.items() if row["outcome"] == "read"}
    assert former <= ever
    assert len(former - {(project, row["sha256"]) for project, row in truth.items()}) > 5

    assert_facts(harvester, sandbox, truth)

    # Each body is read where it is held, and no file is left over.
    with open_connection(harvester.database, autocommit=True) as connection:
        held = connection.execute("SELECT sha256, packed FROM source.bodies").fetchall()
        assert versions.items() == {(digest.hex(), packed) for digest, packed in held if packed is not None}
        files = list(folder.glob("*/*.gz"))
        assert len(files) == len(held) - len(versions) > 20
        for digest, packed in held:
            assert hashlib.sha256(BodyReader(connection).body(digest, packed)).digest() == digest
        assert delete_unused(connection) == UnusedFiles()

    # Switched off again, nothing of it is asked for, and nothing waits for it.
    log = sandbox.lines("/sandbox/requests/log")
    harvester.query("UPDATE crawl.frontier SET due_at = now() WHERE stream LIKE 'project%' RETURNING 1")
    sandbox.json("/sandbox/requests/reset", "POST")
    harvester.environment["HARVESTER_SOURCES"] = "0"
    last = harvester.query("SELECT max(seen_at) FROM source.projects")
    assert harvester.crawl()["backlog"] == 0
    assert asked(sandbox) == Counter()
    assert harvester.query("SELECT max(seen_at) FROM source.projects") == last

    # The tokens are nowhere: not in the archive, in a log, or in the database.
    archived = [gzip.decompress(path.read_bytes()) for path in archive.glob("*.warc.gz")]
    assert any(f"{sandbox.url}/{huge}\r\n".encode() in file for file in archived)
    written = (gzip.decompress(path.read_bytes()) for path in files)
    assert_no_token(harvester, log, *archived, *written, *map(gzip.decompress, versions.values()), *said)


@pytest.mark.soak
def test_faults_and_kills_leave_the_true_versions(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    sandbox = start_sandbox(users=30, seed=2)
    harvester = make_harvester(
        sandbox,
        HARVESTER_SOURCES="1",
        HARVESTER_PROJECTS_URL=sandbox.url,
        HARVESTER_SOURCES_DIR=str(tmp_path / "sources"),
    )
    harvester("seed", "projects", *map(str, sandbox.seeds()["projects"]))
    sandbox.json("/sandbox/settings?faults=500=0.05,html=0.05,truncate=0.03,reset=0.03", "POST")
    for least in (1, 10, 20):
        running = harvester.start("crawl")
        while len(list(tmp_path.glob("sources/*/*.gz"))) < least:
            time.sleep(0.001)
        running.kill()
        running.communicate()
        assert_held_in_files(harvester)
    ended = harvester("crawl", "--workers", "2", ok=False)  # 3: more faults than usual
    assert_no_token(harvester, sandbox.lines("/sandbox/requests/log"), ended.stdout.encode(), ended.stderr.encode())
    sandbox.json("/sandbox/settings?faults=", "POST")

    # Without faults, each is visited once and asked for once, whichever worker visits what.
    sandbox.json("/sandbox/churn?events=150", "POST")
    harvester("seed", "projects", *map(str, sandbox.seeds()["projects"]))
    harvester.query("UPDATE crawl.frontier SET due_at = now() WHERE failures > 0 RETURNING 1")
    sandbox.json("/sandbox/requests/reset", "POST")
    visited = visits(harvester)
    harvester.crawl("--refresh", "--workers", "2")
    truth = assert_sources(harvester, sandbox)
    assert asked(sandbox) == dict.fromkeys(truth, 1)
    now = visits(harvester)
    assert {project: now[project] - visited[project] for project in truth} == dict.fromkeys(truth, 1)
    assert_held_in_files(harvester)
    with open_connection(harvester.database, autocommit=True) as connection:
        delete_unused(connection)
        (rows,) = connection.execute("SELECT count(*) FROM source.bodies").fetchone()
    assert len(list(tmp_path.glob("sources/*/*"))) == rows
    assert_held_in_files(harvester)


def assert_held_in_files(harvester: Any) -> None:
    """Each row of a body has its file, whole."""
    with open_connection(harvester.database) as connection:
        reader = BodyReader(connection)
        for digest, packed in connection.execute("SELECT sha256, packed FROM source.bodies").fetchall():
            assert packed is None
            assert hashlib.sha256(reader.body(digest, None)).digest() == digest


@pytest.mark.parametrize(
    ("spider", "setting"), [(SourcesSpider, "HARVESTER_SOURCES=1"), (AccountSpider, "HARVESTER_SESSION")]
)
def test_a_spider_names_the_setting_that_it_needs(spider: type[FrontierSpider], setting: str) -> None:
    """Both by Scrapy's command line, which prepares the spider, and by our own."""
    settings = load(sources=False, session=None)
    for begin in (
        spider(session=Session(settings, "crawl")).prepare,
        lambda: crawl(settings, CrawlOptions(spiders=(spider.name,))),
    ):
        with pytest.raises(UsageError, match=f"^the spider {spider.name} works only with {setting}: "):
            begin()


def test_a_body_that_is_damaged_by_now_has_no_structure() -> None:
    with pytest.raises(UsageError, match="no source of a project: not json"):
        structure_of(b"{")


def test_what_is_not_read_is_an_outcome_with_a_reason() -> None:
    found = [source_of(status, b"{}") for status in (404, 410, 403, 401, 400, 200)]
    assert [one.outcome.value for one in found] == ["not found"] * 2 + ["refused"] * 3 + ["damaged"]
    assert [one.reason for one in found[:-1]] == [f"HTTP {status}" for status in (404, 410, 403, 401, 400)]
    assert found[-1].reason == "the body is no source of a project: not a project"
    assert not any(one.version for one in found)


def test_an_erasure_reaches_the_sources_that_nobody_else_has(database: str, tmp_path: Path) -> None:
    def sources(connection: Any) -> tuple[set[int], set[int], int]:
        found = [connection.execute(f"SELECT project_id FROM source.{name}") for name in ("versions", "projects")]
        (bodies,) = connection.execute("SELECT count(*) FROM source.bodies").fetchone()
        return {each for (each,) in found[0]}, {each for (each,) in found[1]}, bodies

    def store(connection: Any, project: int, served: bytes) -> None:
        lease = leases.lease_this(connection, 1, "project_source", project)
        page = take_source(lease, source_of(200, served))
        store_sources(connection, [page], load_rule(connection, tmp_path), Counts(), held)

    costume = b'{"costumeName": "a", "baseLayerID": 1, "baseLayerMD5": "%032x.png"}'
    stage = b'{"objName": "Stage", "children": [], "tempoBPM": %d, "costumes": [%b]}'
    own, shared = (stage % (tempo, costume % tempo) for tempo in (60, 70))
    with open_connection(database, autocommit=True) as connection:
        held = open_store(connection, tmp_path / "sources")
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (1, 'someone'), (2, 'another')")
        connection.execute("INSERT INTO scratch.projects (id, author_id) VALUES (10, 1), (11, 1), (20, 2)")
        connection.execute("UPDATE scratch.projects SET parent_id = 10 WHERE id > 10")
        for project, served in ((10, own), (11, shared), (20, shared), (30, own)):
            store(connection, project, served)
        assert sources(connection) == ({10, 11, 20}, {10, 11, 20}, 2)  # 30 is not in the warehouse
        assert analyse(connection).as_json() == {"bodies": 2, "comparisons": 2}
        names = ("versions", "bodies", "facts", "assets", "differences", "projects")
        erased = erase(connection, tmp_path, user=1)
        # Each is counted: the tables that are counted are rewritten, so that no file has what was deleted.
        assert [erased.deleted[f"source.{name}"] for name in names] == [2, 1, 1, 1, 2, 2]
        assert sources(connection) == ({20}, {20}, 1)
        assert erased.files.as_json() == {"deleted": 1, "problems": []}
        (file,) = tmp_path.glob("sources/*/*")
        assert gzip.decompress(file.read_bytes()) == shared
        left = [connection.execute(f"SELECT count(*) FROM source.{name}").fetchone() for name in names]
        assert left == [(1,), (1,), (1,), (1,), (0,), (1,)]
        connection.execute("INSERT INTO scratch.projects (id) VALUES (10)")
        store(connection, 10, own)
        assert sources(connection) == ({20}, {20}, 1)


def test_a_source_that_is_due_waits_for_its_project(database: str) -> None:
    """Two workers would visit the project twice: one for itself, and one for its source."""
    streams = ["project", "project_source"]
    with open_connection(database, autocommit=True) as connection:
        for stream in streams:
            connection.execute(
                "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits) VALUES (%s, 5, now(), 1)", [stream]
            )
        (project,) = leases.lease(connection, 1, streams, 10)
        assert project.visit.stream.name == "project"
        assert leases.lease(connection, 2, streams, 10) == []
        # The project's visit ends, and the source is kept for the worker that made it.
        connection.execute("UPDATE crawl.frontier SET due_at = now() + interval '1 day' WHERE stream = 'project'")
        leases.hold(connection, 1, [("project_source", 5)])
        assert leases.lease(connection, 2, streams, 10) == []
        assert leases.lease_following(connection, 2, "project_source", 5, always=False) is None
        held = leases.lease_following(connection, 1, "project_source", 5, always=False)
        assert held is not None
        leases.release(connection, [held])
        # By itself it is leased like any other; a crawl that visits no projects has nothing to wait for.
        assert [one.visit.stream.name for one in leases.lease(connection, 2, streams, 10)] == ["project_source"]
        connection.execute("UPDATE crawl.frontier SET due_at = now(), lease_token = NULL")
        assert len(leases.lease(connection, 2, ["project_source"], 10)) == 1
