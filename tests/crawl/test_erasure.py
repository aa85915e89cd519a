"""A person who was erased is in no table afterwards, and later crawls do not store them again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.api.rows import Rows
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.crawl.session import Session
from harvester.erasure.erase import erase
from harvester.erasure.remembered import load_rule
from harvester.frontier import leases, runs
from harvester.frontier.model import Committed, PageCommit
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def everything(database: str) -> dict[str, str]:
    """Each table as text, every value of every row."""
    with psycopg.connect(database) as connection:
        return {
            table.fullname: "\n".join(
                row for (row,) in connection.execute(f"SELECT t::text FROM {table.fullname} t").fetchall()
            )
            for table in metadata.sorted_tables
        }


def traces(database: str, person: dict[str, Any], texts: list[str]) -> list[tuple[str, str]]:
    """Where a name, an id or a text of a person is found, byte by byte."""
    number = re.compile(rf"(?<![0-9.]){person['id']}(?![0-9.])")
    found = []
    for table, text in everything(database).items():
        if person["username"].lower() in text.lower():
            found.append((table, "name"))
        if number.search(text):
            found.append((table, "id"))
        found += [(table, said) for said in texts if said in text]
    return found


@pytest.fixture
def crawled(start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path) -> tuple[Any, Any]:
    sandbox = start_sandbox(users=9, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester("seed", "explore")
    harvester.crawl()
    sandbox.json("/sandbox/churn?events=200", "POST")
    harvester.crawl("--refresh")
    harvester("analytics", "refresh")
    return sandbox, harvester


def somebody(harvester: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the user with the most rows, and texts that only this user wrote."""
    rows = harvester.query(
        "SELECT u.id, u.username, u.bio, u.status FROM scratch.users u WHERE u.gone_at IS NULL"
        " ORDER BY (SELECT count(*) FROM scratch.project_comments c WHERE c.author_id = u.id)"
        " * (1 + (SELECT count(*) FROM scratch.projects p WHERE p.author_id = u.id))"
        " * (1 + (SELECT count(*) FROM scratch.studios s WHERE s.host_id = u.id)) DESC LIMIT 1"
    )
    ((user, name, bio, status),) = rows
    texts = [bio, status]
    for table, column in (("projects", "title"), ("projects", "description"), ("project_comments", "content")):
        texts += [
            said
            for (said,) in harvester.query(
                f"SELECT {column} FROM scratch.{table} GROUP BY 1 HAVING count(*) = 1 AND min(author_id) = %s", user
            )
        ]
    whole = "\n".join(everything(harvester.database).values())
    # Made-up people say the same things now and then, or what is a part of another's words.
    return {"id": user, "username": name}, [
        said for said in texts if said and len(said) > 15 and whole.count(said) == 1
    ]


def test_nothing_of_a_person_is_left_and_nothing_comes_back(crawled: tuple[Any, Any], tmp_path: Path) -> None:
    _, harvester = crawled
    person, texts = somebody(harvester)
    assert len(texts) > 3
    assert {what for _, what in traces(harvester.database, person, texts)} >= {"name", "id", *texts[:2]}
    harvester.query(
        "INSERT INTO crawl.drift (stream, field, change, example) VALUES ('user_followers', '-', 'not in order', %s)"
        " RETURNING 1",
        f"user {person['id']}",
    )
    before = everything(harvester.database)
    others = {user for (user,) in harvester.query("SELECT id FROM scratch.users")} - {person["id"]}

    counted = json.loads(harvester("erase", "user", person["username"], "--dry-run", "--json").stdout)
    assert everything(harvester.database) == before
    done = json.loads(harvester("erase", "user", person["username"].upper(), "--yes", "--json").stdout)
    assert {"scratch.users", "scratch.projects", "scratch.project_comments"} <= set(done["rewritten"])
    assert done == counted | {"rewritten": done["rewritten"], "dry_run": False}
    assert done["deleted"]["scratch.users"] == 1
    assert done["deleted"]["scratch.projects"] >= 1
    assert {"analytics.user_months", "analytics.threads"} <= set(done["refreshed"])
    assert traces(harvester.database, person, texts) == []
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600

    for mode in ("--refresh", "--audit"):
        harvester.crawl(mode)
        assert traces(harvester.database, person, texts) == [], mode
    harvester("analytics", "refresh")
    assert traces(harvester.database, person, texts) == []
    refused = harvester("seed", "users", person["username"], ok=False)
    assert refused.returncode == 2
    assert person["username"] not in refused.stderr.replace(f"harvester seed users {person['username']}", "")
    # The others are all there.
    now = {user for (user,) in harvester.query("SELECT id FROM scratch.users")}
    assert now >= others


def test_another_key_would_let_the_erased_back_in(
    small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_HOME=str(tmp_path))
    harvester("erase", "user", "-x-", "--yes", "--even-if-unknown")
    key = tmp_path / "secret.key"
    kept = key.read_text()
    key.unlink()
    refused = harvester("crawl", ok=False)
    assert refused.returncode == 1
    assert "secret.key" in refused.stderr
    key.write_text(kept)
    key.chmod(0o644)
    assert "chmod 600" in harvester("crawl", ok=False).stderr
    key.chmod(0o600)
    harvester.crawl()


def test_an_account_never_met_is_left_out_too(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    sandbox = start_sandbox(users=9, seed=3)
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(tmp_path))
    rows = sandbox.truth("users")
    person = rows[0]
    refused = harvester("erase", "user", person["username"], "--yes", ok=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--even-if-unknown" in refused.stderr
    assert harvester.query("SELECT count(*) FROM crawl.erasures") == [(0,)]
    left_out = harvester("erase", "user", person["username"], "--yes", "--even-if-unknown", "--json").stdout
    assert json.loads(left_out)["known"] is False
    harvester("seed", "users", *[row["username"] for row in rows[1:]])
    harvester.crawl()
    assert [what for what in traces(harvester.database, person, []) if what[1] == "name"] == []
    assert harvester("erase", "user", "no name at all", ok=False).returncode == 2
    # A rule that was made by mistake is revoked by its name.
    (rule,) = json.loads(harvester("erase", "list", "--json").stdout)
    assert rule["hashes"] >= 1
    assert harvester("erase", "revoke", "somebody_else", ok=False).returncode == 2
    harvester("erase", "revoke", person["username"].upper())
    assert json.loads(harvester("erase", "list", "--json").stdout) == []
    assert "nobody was erased" in harvester("erase", "list").stdout
    harvester("seed", "users", person["username"])
    harvester.crawl()
    assert harvester.query("SELECT count(*) FROM scratch.users WHERE id = %s", person["id"]) == [(1,)]


@pytest.fixture
def erased(database: str, tmp_path: Path) -> Iterator[Any]:
    """A connection to a warehouse from which user 5, with project 55 and studio 555, was erased by an earlier name."""
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (5, 'renamed5'), (7, 'other')")
        connection.execute(
            "INSERT INTO history.user_revisions (user_id, username, valid_from, last_seen_at, valid_to)"
            " VALUES (5, 'someone5', now() - interval '1 day', now() - interval '1 day', now())"
        )
        connection.execute("INSERT INTO scratch.projects (id, author_id, title) VALUES (55, 5, 'mine')")
        connection.execute("INSERT INTO scratch.studios (id, host_id, title) VALUES (555, 5, 'ours')")
        connection.execute(
            "UPDATE scratch.users SET featured_project_id = 55, extra = %s WHERE id = 7",
            ['{"featured_project_data": {"id": 55, "title": "mine"}, "thumbnail_url": "7_90x90.png"}'],
        )
        connection.execute(
            "INSERT INTO account.activity (account_id, type, id, actor_id, extra) VALUES (1, 'love', 2, 7, %s)",
            ['{"project_id": 55, "title": "mine"}'],
        )
        connection.execute(
            "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id, extra)"
            " VALUES ('front-page/x', now(), 0, 'studio', 555, '{\"title\": \"ours\"}')"
        )
        connection.execute("INSERT INTO scratch.projects (id, author_id, title) VALUES (77, 7, 'of other')")
        connection.execute(
            "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id, extra)"
            " VALUES ('front-page/x', now(), 1, 'project', 56, '{\"creator\": \"Someone5\"}')"
        )
        connection.execute("INSERT INTO scratch.projects (id, title) VALUES (56, 'mine on the front page')")
        connection.execute(
            "INSERT INTO scratch.studio_activity (studio_id, id, project_id, project_title)"
            " VALUES (555, 'a', 77, 'of other'), (555, 'b', 58, 'mine that was never met'), (555, 'c', 56, 'mine')"
        )
        connection.execute(
            "INSERT INTO account.activity (account_id, type, id, actor_id, extra) VALUES"
            """ (1, 'love', 3, 7, '{"project_id": 58, "title": "mine"}'),"""
            """ (1, 'love', 4, 7, '{"project_id": "x", "title": "of who knows whom"}')"""
        )
        assert erase(connection, tmp_path, "Someone5").users == [5]
        yield connection


def test_a_renamed_user_is_found_by_the_earlier_name(erased: Any, database: str) -> None:
    left = "\n".join(everything(database).values())
    assert not [said for said in ("someone5", "renamed5", "mine", "ours") if said in left]
    assert erased.execute("SELECT extra FROM scratch.users").fetchall() == [({"thumbnail_url": "7_90x90.png"},)]


def test_rows_that_mention_the_erased_lose_the_mention(erased: Any, tmp_path: Path) -> None:
    rule = load_rule(erased, tmp_path)

    def kept(table: str, **row: Any) -> dict[str, Any] | None:
        (rows,) = rule.apply([Rows(table, tuple(row), [tuple(row.values())])])
        return dict(zip(rows.columns, rows.values[0], strict=True)) if rows.values else None

    featured = {"featured_project_data": {"id": 55, "title": "mine"}, "thumbnail_url": "7_90x90.png"}
    assert kept("users", id=7, featured_project_id=55, extra=featured) == {
        "id": 7, "featured_project_id": None, "extra": {"thumbnail_url": "7_90x90.png"},
    }  # fmt: skip
    assert kept("account.activity", id=2, actor_id=7, extra={"project_id": 55, "title": "mine"}) is None
    assert kept("account.activity", id=2, actor_id=7, extra={"followed_user_id": 5, "count": 5}) == {
        "id": 2, "actor_id": 7, "extra": {"followed_user_id": 0, "count": 5},
    }  # fmt: skip
    # The front page does not tell who hosts a studio. Who it says hosts it now counts, where it is told.
    assert kept("studios", id=555, title="ours") == {"id": 555, "title": None}
    assert kept("studios", id=555, host_id=7, title="theirs") == {"id": 555, "host_id": 7, "title": "theirs"}
    ranked = {"ranking": "x", "kind": "studio", "thing_id": 555, "extra": {"title": "ours"}}
    assert kept("rankings", **ranked) == ranked | {"extra": {}}


def test_a_title_is_kept_only_with_who_made_the_project(erased: Any, tmp_path: Path) -> None:
    """The activity of a studio shows the title of a project, and not its author."""
    kept = "SELECT id, project_title FROM scratch.studio_activity ORDER BY 1"
    assert erased.execute(kept).fetchall() == [("a", "of other"), ("b", None)]
    writer = Writer(erased, load_rule(erased, tmp_path))
    columns = ("studio_id", "id", "project_id", "project_title")
    titled = [(555, "d", 77, "of other"), (555, "e", 59, "mine"), (555, "f", None, None)]
    events = [
        (1, "love", 5, {"project_id": 59, "title": "mine", "n": 1}),
        (1, "follow", 6, {"title": "a word"}),
        (1, "love", 7, {"project_id": 2**64, "title": "no id"}),
    ]
    for _ in range(2):
        writer.store([Rows("studio_activity", columns, titled)])
        writer.store([Rows("account.activity", ("account_id", "type", "id", "extra"), events)])
    assert erased.execute(kept).fetchall() == [
        ("a", "of other"), ("b", None), ("d", "of other"), ("e", None), ("f", None),
    ]  # fmt: skip
    left = erased.execute("SELECT id, extra FROM account.activity WHERE id BETWEEN 3 AND 7 ORDER BY 1").fetchall()
    assert [extra for _, extra in left] == [
        {"project_id": 58}, {"project_id": "x"}, {"project_id": 59, "n": 1}, {"title": "a word"},
        {"project_id": 2**64, "title": "no id"},
    ]  # fmt: skip
    # Once it is told who made it, and that it is nobody who was erased, its title is kept.
    writer.store([Rows("projects", ("id", "author_id"), [(59, 7)])])
    writer.store([Rows("studio_activity", columns, [(555, "e", 59, "of other too")])])
    assert erased.execute("SELECT project_title FROM scratch.studio_activity WHERE id = 'e'").fetchone() == (
        "of other too",
    )


def test_the_author_of_a_title_is_known_from_its_list(erased: Any, tmp_path: Path) -> None:
    """The front page and whoever features a project name its author, whom nothing else tells."""
    rule = load_rule(erased, tmp_path)
    ranked = ("ranking", "kind", "thing_id", "extra")
    pages = [
        Rows("rankings", ranked, [("x", "project", 60, {"creator": "SOMEONE5"}), ("x", "studio", 61, {})]),
        Rows("projects", ("id", "title"), [(60, "mine"), (62, "of other")]),
    ]
    assert [rows.values for rows in rule.apply(pages)] == [[("x", "studio", 61, {})], [(62, "of other")]]
    featured = {"featured_project_data": {"id": 63, "title": "mine", "creator": "someone5"}, "thumbnail_url": "t"}
    (rows,) = rule.apply([Rows("users", ("id", "featured_project_id", "extra"), [(7, 63, featured)])])
    assert rows.values == [(7, None, {"thumbnail_url": "t"})]


def test_an_ordinary_word_is_erased_where_it_is_a_name(database: str, tmp_path: Path) -> None:
    """`Anna` in a text may be anybody; as a whole value, in a mention, a link or a search it is the person."""
    body = b'[{"id":"becomecurator-1","actor_id":7,"username":"anna"}]'
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (12, 'Anna'), (7, 'other')")
        connection.execute(
            "INSERT INTO scratch.profile_comments (id, user_id, author_id, content, extra)"
            " VALUES (1, 7, 7, 'anna is a name, @anna',"
            """ '{"commentee_username": "anna", "anna": 1, "more": ["Anna", "anna b"]}')"""
        )
        connection.execute(
            "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id)"
            " VALUES ('search/projects?q=anna&mode=popular&language=en', now(), 0, 'project', 9)"
        )
        connection.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, status, reason, body)"
            " VALUES ('studio_activity', 4, '/studios/4', 200, 'x', %s), ('project', 4, '/x', 200, 'x', 'anna'),"
            """ ('project', 6, '/x', 200, 'x', '{"anna": 1}')""",
            [body],
        )
        connection.execute(
            "INSERT INTO crawl.drift (stream, field, change, example) VALUES ('user', 'x', 'new field', 'anna'),"
            " ('user', 'y', 'new field', 'annals')"
        )
        connection.execute(
            "INSERT INTO crawl.runs (command, version, api_url, requests, counts, requests_by_purpose, responses)"
            """ VALUES ('crawl', '1', 'x', 12, '{"users": {"inserted": 12}}', '{}', '{"user": {"200": 12}}')"""
        )
        erase(connection, tmp_path, "anna")
        texts = connection.execute("SELECT content, extra FROM scratch.profile_comments").fetchall()
        assert texts == [
            (
                "anna is a name, @[erased]",
                {"commentee_username": "[erased]", "anna": 1, "more": ["[erased]", "anna b"]},
            )
        ]
        assert connection.execute("SELECT ranking FROM history.rankings").fetchall() == [
            ("search/projects?q=[erased]&mode=popular&language=en",)
        ]
        assert connection.execute("SELECT entity_id FROM crawl.quarantine").fetchall() == [(6,)]
        assert connection.execute("SELECT example FROM crawl.drift ORDER BY field").fetchall() == [("",), ("annals",)]
        # Figures that are the same number as an id stay what they are.
        assert connection.execute("SELECT requests, counts, responses FROM crawl.runs").fetchall() == [
            (12, {"users": {"inserted": 12}}, {"user": {"200": 12}})
        ]
        # And what comes later.
        (rows,) = load_rule(connection, tmp_path).apply(
            [Rows("profile_comments", ("id", "content", "extra"), [
                (2, "anna and @Anna", {"commentee_username": "ANNA", "list": ["anna", "annals"]})
            ])]
        )  # fmt: skip
        assert rows.values == [
            (2, "anna and @[erased]", {"commentee_username": "[erased]", "list": ["[erased]", "annals"]})
        ]


def test_a_search_for_who_was_erased_is_refused(
    small_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    harvester = make_harvester(small_sandbox, HARVESTER_HOME=str(tmp_path))
    harvester("erase", "user", "anna", "--yes", "--even-if-unknown")
    refused = harvester("seed", "search", "--query", "Anna", ok=False)
    assert refused.returncode == 2
    assert "left out" in refused.stderr
    assert harvester.query("SELECT count(*) FROM crawl.queries") == [(0,)]


def test_an_unfinished_visit_keeps_no_erased_item(erased: Any, tmp_path: Path) -> None:
    run = runs.begin_run(erased, load(home=tmp_path), "test")
    lease = leases.lease_this(erased, run, "user_followers", 7)
    state = {"anchors": [8, 5], "base": {"anchors": [5]}, "agreement": {"head": [5, 8], "count": 2}}
    page = PageCommit(lease, [], 2, state=json.dumps(state), seen=[5, 8], first=True)
    assert Writer(erased, load_rule(erased, tmp_path)).commit([page]).results == [Committed()]
    assert erased.execute("SELECT item_id FROM crawl.seen_items").fetchall() == [(8,)]
    (kept,) = erased.execute("SELECT state FROM crawl.frontier").fetchone()
    assert kept == {"anchors": [8], "base": {"anchors": []}, "agreement": {"head": [8], "count": 2}}


@pytest.mark.parametrize(
    ("served", "is_theirs"),
    [
        (b'{"username": "SOMEONE5"}', True),
        (b'{"author": {"id": 5}}', True),
        (b'[{"id": 55, "title": "x"}]', True),
        (b'<a href="/users/someone5/">', True),
        (b"cut off: {id: 55, ti", True),
        ("%73omeone5", True),
        (b'{"count": 5, "someone5": 1, "id": 7}', False),
        ("it was user 5.", True),
        ("someone55, 5x5 and 5.5", False),
        (b"\xff\xfe", False),
        ("", False),
    ],
)
def test_responses_set_aside_hold_nothing_of_the_erased(
    erased: Any, tmp_path: Path, served: str | bytes, *, is_theirs: bool
) -> None:
    """Of a response that cannot be used, and of an example of drift, nothing is kept that names them."""
    session = Session(load(home=tmp_path), "test")
    session._use(erased)
    assert session.without_erased(served) == (served[:0] if is_theirs else served)
