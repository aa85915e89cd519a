"""An erasure touches what a person's own names and ids touch, and nothing else, whatever the names are."""

# ruff: noqa: RUF001  (letters that look like others are what is looked for)

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.erasure.erase import erase, revoke
from harvester.erasure.remembered import load_rule, read_rules
from harvester.erasure.rule import REMOVED
from harvester.errors import UsageError
from harvester.warehouse import embedded, maintenance, schema
from harvester.warehouse.annotations import NAME, USER
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import IN_USE
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERSON = 5
"""The person's id; strangers have projects, studios, comments, follows of projects and figures with the same number."""
OWN_PROJECT = 6

WORDS = (
    "the", "project", "true", "null", "id", "visible", "anna", "project_comments", "user_followers", "front-page",
    "thumbnail_url", "new field", "search", "popular", "author",
)  # fmt: skip
ODD = (
    "q|y", ".+", ".*", "(", "[a-z", "\\", "a\\", "%", "_", "__", "-", "--------", "", "a", "1", "5", "2011", "x2",
    *WORDS, "x" * 2000, "ж", "次", "次郎", "Jörg", "İ", "ß", "\u200b", "\u200bname", " ", "luna1", "luna12", "una1",
    "$1", r"\1", "&", "&amp;", "'", '"', "{}", "{0}", "%s", "@", "@anna", "/users/", REMOVED, "ｌｕｎａ１", "p.u.f.f",
)  # fmt: skip
NAMES = st.sampled_from(ODD) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30
)

HELD = {"valid_from": "2020-01-01", "last_seen_at": "2020-01-01", "valid_to": "2021-01-01"}
SAID = (
    "the project is true, q and y, I have 5 of 2011 and a x2 at 100%",
    "hi @anna, @luna1, @luna12 and @luna1s: luna1 luna12 luna1s _luna1_ una1",
    "see /users/anna/ and /users/p.u.f.f/ or https://x.org/?q=the%20anna&amp;x=%6Cuna1",
    "次郎 ж Jörg ß İ name \u200bname $1 \\1 {} {0} %s '\" [a-z ( .+ .* -------- __ _ -",
    "project_comments user_followers front-page thumbnail_url new field p.u.f.f search popular author null id",
    "xxxx a\\ & &amp; [erased] ｌｕｎａ１",
)
TEXTS = {"title", "description", "content", "content_raw", "bio", "status", "project_title", "query", "username"}
EXTRA = {
    "thumbnail_url": "//cdn/get_image/user/7_90x90.png", "count": 5, "project_id": 5, "paid": 5, "title": "id",
    "parent": {"id": 5, "title": "5"}, "more": ["5 of them", 5, 5.50, 12345678901234567890123], "ratio": 1e300,
}  # fmt: skip


@pytest.fixture
def strangers(database: str) -> Iterator[Any]:
    """A connection to a warehouse of people who are not to be touched."""
    with open_connection(database, autocommit=True) as connection:

        def put(table: str, **row: Any) -> None:
            columns = ", ".join(row)
            values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
            connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(row))})", values)

        others = ("anna", "the", "luna12", "luna1s", "_luna1_", "q", "y", "author", "visible", "name", "x2x2")
        for number, name in enumerate(others, 100):
            put("scratch.users", id=number, username=name, bio=SAID[number % len(SAID)], status="5", extra=EXTRA)
        put("history.user_revisions", user_id=101, username="were-they", **HELD)
        for number, said in enumerate(SAID, PERSON):
            put("scratch.projects", id=50 + number, author_id=100)
            if number != OWN_PROJECT:
                put("scratch.projects", id=number, author_id=100, title=said, description=said, extra=EXTRA)
            put("scratch.studios", id=number, host_id=101, title=said, description=said)
            put("scratch.project_comments", id=number, project_id=5, author_id=102, content=said, extra=EXTRA)
            put("scratch.studio_comments", id=number, studio_id=5, author_id=102, content=said, content_raw=said)
            put("scratch.profile_comments", id=number, user_id=103, author_id=102, content=said)
            put("history.comment_revisions", kind="project", comment_id=number, content=said,
                **HELD)  # fmt: skip
            put("history.studio_revisions", studio_id=number, title=said, **HELD)
            for kind, ranking in (("studio", "front-page/the"), ("project", "search/projects?q=anna&mode=popular")):
                if (kind, number) != ("project", OWN_PROJECT):
                    put("history.rankings", ranking=ranking, seen_at="2021-01-01", position=number, kind=kind,
                        thing_id=number, extra={"title": said, "creator": "anna"})  # fmt: skip
            put("history.absences", kind="studios", thing_id=number, gone_at="2020-01-01", returned_at="2021-01-01")
            put("scratch.follows", follower_id=100, followee_id=100 + number)
            put("scratch.favorites", user_id=100, project_id=50 + number)
            put("scratch.studio_projects", studio_id=5, project_id=50 + number)
            put("scratch.studio_activity", studio_id=5, id=f"becomecurator-{number}", type="x", actor_id=100,
                actor_username="anna", project_id=5, project_title=said)  # fmt: skip
            put("crawl.drift", stream="user", field=f"thumbnail_url{number}", change="new field", example="[]")
            for stream in ("project_comments", "user_favorites", "user_followers"):
                put("crawl.missing_items", stream=stream, entity_id=100, item_id=40 + number,
                    last_seen_at="2020-01-01", missed_at="2021-01-01")  # fmt: skip
            put("crawl.missing_items", stream="project_comments", entity_id=50, item_id=number,
                last_seen_at="2020-01-01", missed_at="2021-01-01")  # fmt: skip
            put("crawl.seen_items", stream="project_comments", entity_id=50, item_id=number)
        state = {"offset": 5, "count": 5, "anchors": [5, 6], "head": [5]}
        put(
            "crawl.frontier",
            due_at="2021-01-01",
            stream="project_comments",
            entity_id=5,
            state=state,
            certificate=state | {"key": 5},
        )
        put(
            "crawl.frontier",
            due_at="2021-01-01",
            stream="user_followers",
            entity_id=100,
            certificate=state | {"anchors": [50], "head": []},
        )
        put(
            "crawl.frontier",
            due_at="2021-01-01",
            stream="project_remixes",
            entity_id=7,
            certificate={"key": 50, "count": 6},
        )
        put("crawl.quarantine", stream="studio_activity", entity_id=5, path="/studios/88", status=200,
            reason="not as declared",
            body=b'{"count": 5, "more": [5.5], "title": "5 the"}')  # fmt: skip
        # An item that was set aside is known by its number in its list, which is a comment here, or that of its bytes.
        for number in (PERSON, -PERSON):
            put("crawl.quarantine", stream="project_comments", entity_id=50, path="/projects/50/comments", status=200,
                reason="not as declared", body=b'{"content": "a text"}', item_id=number, position=0)  # fmt: skip
        put("crawl.runs", command="crawl", version="1", api_url="x", requests=5, counts={"project_comments": {"n": 5}},
            requests_by_purpose={}, responses={"user_followers": {"200": 5}})  # fmt: skip
        put("crawl.queries", stream="search_projects", query="the project", mode="popular", language="en", depth=0)
        yield connection


def rows(connection: Any) -> dict[str, list[str]]:
    """All rows of all tables, but what an erasure is to write, as JSON."""
    return {
        table.fullname: [
            row
            for (row,) in connection.execute(f"SELECT to_jsonb(t)::text FROM {table.fullname} t ORDER BY 1").fetchall()
        ]
        for table in metadata.sorted_tables
        if table.fullname not in {"crawl.erasures", "analytics.refreshes"}
    }


def without_texts(table: list[str]) -> list[str]:
    """What no name may change: all but texts, JSON and names of searches."""
    return sorted(
        repr({
            column: value for column, value in row.items()
            if column not in TEXTS and not isinstance(value, dict) and not (column == "ranking" and "?q=" in value)
        })
        for row in map(json.loads, table)
    )  # fmt: skip


def plain(text: str) -> str:
    """A text as somebody might read it, by other means than the code."""
    text = re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).replace("\u200b", "").casefold())


def may_name(row: str, names: list[str]) -> bool:
    """Whether a row names one of `names` as a whole, for all that a reader could say."""
    read = plain(row)
    for name in filter(None, map(plain, names)):
        at = [found.start() for found in re.finditer(re.escape(name), read)]
        called = any(read[:place].endswith(("@", "/users/", "?q=")) for place in at) or f'"{name}"' in read
        if at and (called or (len(name) > 3 and re.search("[^a-z]", name)) or len(name) > 9):
            return True
    return False


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES, former=NAMES)
def test_an_erasure_touches_nobody_else(strangers: Any, tmp_path_factory: Any, name: str, former: str) -> None:
    """Every row of every table is compared, byte for byte, before and after."""
    home = tmp_path_factory.mktemp("home")
    with strangers.transaction(force_rollback=True):
        taken = strangers.execute("SELECT lower(username) FROM scratch.users").fetchall()
        now = f"{name}'now" if (name.lower(),) in taken else name
        before = rows(strangers)
        strangers.execute(
            "INSERT INTO scratch.users (id, username, bio) VALUES (%s, %s, 'of the person')", [PERSON, now]
        )
        strangers.execute(
            "INSERT INTO scratch.projects (id, author_id, title) VALUES (%s, %s, 'theirs')", [OWN_PROJECT, PERSON]
        )
        strangers.execute(
            "INSERT INTO history.user_revisions (user_id, username, valid_from, last_seen_at, valid_to)"
            " VALUES (%s, %s, now(), now(), now() + interval '1 day')",
            [PERSON, former],
        )
        strangers.execute(
            "INSERT INTO scratch.profile_comments (id, user_id, author_id, content) VALUES (900, 100, 5, 'x')"
        )
        strangers.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, status, reason, body, item_id, position)"
            " VALUES ('user_followers', 100, '/users/-/followers', 200, 'not as declared', '{}', 5, 0)"
        )
        erase(strangers, home, user=PERSON)
        after = rows(strangers)
    names = [now, former]
    for table, were in before.items():
        assert without_texts(after[table]) == without_texts(were), table
        for row in set(were) - set(after[table]):
            assert may_name(row, names), (table, row, names)
        # What is left of a text where somebody was named is the rest of it.
        assert all(REMOVED in row for row in set(after[table]) - set(were)), table


def test_a_rule_of_another_warehouse_is_listed_and_revoked(strangers: Any, tmp_path: Path) -> None:
    for name in ("anna", "luna12"):
        erase(strangers, tmp_path, name)
    both = load_rule(strangers, tmp_path)
    assert both.names(NAME, "anna")
    assert both.names(USER, 100)
    # As in a new warehouse beside the same key.
    strangers.execute("DELETE FROM crawl.erasures")
    rules = read_rules(strangers, tmp_path)
    assert [rule.erased_at for rule in rules] == [None, None]
    assert revoke(strangers, tmp_path, "Anna") == rules[0].hashes > 1
    left = load_rule(strangers, tmp_path)
    assert not left.names(NAME, "anna")
    assert not left.names(USER, 100), "the id goes with the name"
    assert left.names(NAME, "luna12")
    assert left.names(USER, 102)
    with pytest.raises(UsageError, match="no rule was made"):
        revoke(strangers, tmp_path, "anna")
    assert len(read_rules(strangers, tmp_path)) == 1
    revoke(strangers, tmp_path, user=102)
    assert not load_rule(strangers, tmp_path)


def test_redacted_texts_keep_all_other_words(strangers: Any, tmp_path: Path) -> None:
    """Names of others stay, though a reader could take them for the plural or an ornament of the erased name."""
    strangers.execute("INSERT INTO scratch.users (id, username) VALUES (%s, 'Luna1')", [PERSON])
    erase(strangers, tmp_path, user=PERSON)
    said = [text for (text,) in strangers.execute("SELECT content FROM scratch.studio_comments ORDER BY id")]
    kept = list(SAID)
    kept[1] = f"hi @anna, @{REMOVED}, @luna12 and @luna1s: {REMOVED} luna12 luna1s _luna1_ una1"
    kept[2] = f"see /users/anna/ and /users/p.u.f.f/ or https://x.org/?q=the%20anna&amp;x={REMOVED}"
    kept[5] = f"xxxx a\\ & &amp; [erased] {REMOVED}"
    assert said == kept
    # And the same of what is stored later.
    assert list(map(load_rule(strangers, tmp_path).said, SAID)) == kept


def test_an_ambiguous_name_needs_an_id(strangers: Any, tmp_path: Path) -> None:
    for user, name in ((20, "now20"), (21, "now21")):
        strangers.execute("INSERT INTO scratch.users (id, username) VALUES (%s, %s)", [user, name])
        strangers.execute(
            "INSERT INTO history.user_revisions (user_id, username, valid_from, last_seen_at, valid_to)"
            " VALUES (%s, 'twice20', %s, %s, %s)",
            [user, f"20{user}-01-01", f"20{user}-01-01", f"20{user}-02-01"],
        )
    with pytest.raises(UsageError, match="--id, one of 20, 21"):
        erase(strangers, tmp_path, "twice20")
    for wrong in ({}, {"name": "anna", "user": 5}, {"user": 0}, {"user": 2**63}, {"name": "q|y"}):
        with pytest.raises(UsageError):
            erase(strangers, tmp_path, **wrong)
    assert erase(strangers, tmp_path, user=999).known is False
    assert erase(strangers, tmp_path, user=20).known is True
    rule = load_rule(strangers, tmp_path)
    assert [user for user in (20, 21, 999) if rule.names(USER, user)] == [20, 999]
    # What both were called is the person's name too; of the other's earlier names it is no longer told.
    assert [name for name in ("now20", "now21", "twice20") if rule.names(NAME, name)] == ["now20", "twice20"]
    assert strangers.execute("SELECT user_id, username FROM history.user_revisions ORDER BY 1").fetchall() == [
        (21, None), (101, "were-they"),
    ]  # fmt: skip


def test_a_name_that_passed_to_another_account_stays(strangers: Any, tmp_path: Path) -> None:
    strangers.execute("INSERT INTO scratch.users (id, username) VALUES (%s, 'renamed5')", [PERSON])
    strangers.execute(
        "INSERT INTO history.user_revisions (user_id, username, valid_from, last_seen_at, valid_to)"
        " VALUES (%s, 'Luna12', now(), now(), now() + interval '1 day')",
        [PERSON],
    )
    before = strangers.execute("SELECT content FROM scratch.project_comments ORDER BY id").fetchall()
    erase(strangers, tmp_path, "renamed5")
    rule = load_rule(strangers, tmp_path)
    assert [name for name in ("renamed5", "luna12") if rule.names(NAME, name)] == ["renamed5"]
    assert strangers.execute("SELECT content FROM scratch.project_comments ORDER BY id").fetchall() == before
    assert strangers.execute("SELECT count(*) FROM scratch.users WHERE username = 'luna12'").fetchone() == (1,)


def test_no_byte_of_the_person_is_left_in_the_files(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tables, of indexes and of what the planner knows of columns; what WAL and backups keep is documented."""
    monkeypatch.setenv("HARVESTER_HOME", str(own_home))
    url = embedded.up(own_home)
    schema.migrate(url)
    told = [b"Somebody_373", b"somebody_373", b"a bio of theirs", b"a title of theirs"]
    with open_connection(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO scratch.users (id, username, bio) VALUES (5, 'Somebody_373', 'a bio of theirs')"
        )
        connection.execute("UPDATE scratch.users SET bio = 'another bio'")
        connection.execute(
            "INSERT INTO scratch.users (id, username) SELECT n, 'other' || n FROM generate_series(6, 50) n"
        )
        connection.execute("INSERT INTO scratch.projects (id, author_id, title) VALUES (1, 5, 'a title of theirs')")
        connection.execute(
            "INSERT INTO scratch.profile_comments (id, user_id, author_id, content)"
            " SELECT n, 6, 7, 'hi @somebody_373 ' || repeat(md5(n::text), 300) FROM generate_series(1, 30) n"
        )
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")
        assert left_in_files(own_home, told) == told
        reader = psycopg.connect(url)
        reader.execute("SELECT FROM scratch.users")  # in a transaction
        monkeypatch.setattr(maintenance, "_LOCK_TIMEOUT", "100ms")
        erased = CliRunner().invoke(app, ["erase", "user", "somebody_373", "--yes"])
        assert erased.exit_code == 0, erased.output
        assert "scratch.users: being read" in erased.output
        assert "harvester db maintain --rewrite" in erased.output
        assert "rewriting scratch.profile_comments" in erased.output
        assert left_in_files(own_home, told) != []
        connection.execute("SELECT pg_advisory_lock_shared(%s)", [IN_USE])  # as a crawl has it
        refused = CliRunner().invoke(app, ["db", "maintain", "--rewrite"])
        assert (refused.exit_code, "while crawls" in refused.output) == (1, True)
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", [IN_USE])
        reader.close()
        done = CliRunner().invoke(app, ["db", "maintain", "--rewrite", "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["busy"] == []
        assert left_in_files(own_home, told) == []
        kept = "SELECT count(*), count(*) FILTER (WHERE content LIKE 'hi @[erased] %') FROM scratch.profile_comments"
        assert connection.execute(kept).fetchone() == (30, 30)


def left_in_files(home: Path, told: list[bytes]) -> list[bytes]:
    """What stands in the files of tables and indexes of the embedded server of a home."""
    (base,) = home.rglob("base")
    held = b"".join(file.read_bytes() for file in base.rglob("*") if file.is_file())
    return [text for text in told if text in held]
