"""Accounts whose name changes or goes to another one: their lists hold what is theirs, and wait for their name."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from unguarded import without

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.crawl.fetch import about_it
from harvester.crawl.names import connects
from harvester.crawl.visits import page_in_doubt
from harvester.errors import DecodeError
from harvester.frontier.model import Lease

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.soak
@pytest.mark.parametrize("users", [40, 400])
def test_the_guard_costs_hardly_a_request(
    users: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    postgres_server: Any,
    record_property: Callable[[str, object], None],
) -> None:
    sandbox = start_sandbox(users=users, seed=21)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl()
    items = sum(len(sandbox.truth(table)) for table in sandbox.tables)
    sandbox.json(f"/sandbox/churn?events={items // 100}", "POST")
    copy = postgres_server.create(conninfo_to_dict(harvester.database)["dbname"])
    unguarded = without("names", make_harvester(sandbox, HARVESTER_DATABASE_URL=copy))
    try:
        requests = [one.crawl("--refresh")["requests"] for one in (harvester, unguarded)]
    finally:
        postgres_server.drop(copy)
    record_property("requests of a refresh with and without the guard", requests)
    print(requests)
    assert requests[0] <= 1.02 * requests[1]


TABLES = (
    "users",
    "projects",
    "follows",
    "favorites",
    "studio_members",
    "studio_projects",
    "profile_comments",
    "project_comments",
    "studio_comments",
)


def false_facts(harvester: Any, sandbox: Any) -> dict[str, int]:
    """What is kept against the truth: rows that never were, and rows of what is there that are gone."""
    removed = {(table, *key) for table, *key in sandbox.lines("/sandbox/removed")}
    found: Counter[str] = Counter()
    for table in TABLES:
        key = sandbox.key_columns(table)
        true = {(table, *(row[name] for name in key)) for row in sandbox.truth(table)}
        rows = harvester.query(f"SELECT {', '.join(key)}, gone_reason FROM scratch.{table}")
        kept = {(table, *row[:-1]): row[-1] for row in rows}
        found[f"{table} that never were"] += sum(
            one not in true | removed and reason != "removed" for one, reason in kept.items()
        )
        found[f"{table} wrongly gone"] += sum(
            reason is not None and one in true and one not in removed for one, reason in kept.items()
        )
    return dict(+found)


def test_lists_by_name_belong_to_the_account_asked_for(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    postgres_server: Any,
    assert_truth: Callable[..., Any],
) -> None:
    """A name goes to a newcomer. Nothing of it is the account's, which waits until its present name is met."""
    sandbox = start_sandbox(users=15, seed=23)
    harvester = make_harvester(sandbox)
    followed = Counter(row["followee_id"] for row in sandbox.truth("follows"))
    authors = {row["author_id"] for row in sandbox.truth("projects")}
    person = next(user for user, _ in followed.most_common() if user in authors)
    name = name_of(sandbox, person)
    harvester("seed", "users", name)
    harvester.crawl("--spider", "users", "--spider", "comments")
    sandbox.json("/sandbox/churn?events=3&type=swap_names", "POST")
    while name_of(sandbox, person) == name or name not in sandbox.seeds()["users"]:
        sandbox.json("/sandbox/churn?type=rename_and_reuse", "POST")
    for type_, events in (("rename", 2), ("favorite", 100), ("follow", 25)):
        sandbox.json(f"/sandbox/churn?events={events}&type={type_}", "POST")
    copy = postgres_server.create(conninfo_to_dict(harvester.database)["dbname"])
    unguarded = without("ids", make_harvester(sandbox, HARVESTER_DATABASE_URL=copy))
    try:
        for mode in ("--refresh", "--audit"):
            unguarded.crawl(mode, "--spider", "users")
        wrong = false_facts(unguarded, sandbox)
        assert {fact.partition(" ")[2] for fact in wrong} == {"that never were", "wrongly gone"}
    finally:
        postgres_server.drop(copy)
    for mode in ("--refresh", "--audit"):
        harvester.crawl(mode, "--spider", "users")
        assert false_facts(harvester, sandbox) == {}
        assert json.loads(harvester("status", "--json").stdout)["names"]["waiting"] == 1
        assert "1 wait since" in harvester("status").stdout
    assert harvester.query("SELECT username FROM scratch.users WHERE id = %s", person) == [(None,)]
    versions = harvester.query("SELECT username FROM history.user_revisions WHERE user_id = %s", person)
    assert (name,) in versions

    harvester.crawl("--refresh")  # a project of the account shows its name
    assert harvester.query("SELECT username FROM scratch.users WHERE id = %s", person) == [(name_of(sandbox, person),)]
    assert json.loads(harvester("status", "--json").stdout)["names"]["waiting"] == 0
    harvester.seed_all(sandbox)
    harvester.crawl("--audit")
    assert false_facts(harvester, sandbox) == {}
    assert_truth(harvester, sandbox, grown=True)


def test_an_account_whose_name_is_free_waits(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], postgres_server: Any
) -> None:
    sandbox = start_sandbox(users=15, seed=23)
    harvester = make_harvester(sandbox)
    links = [tuple(row.values()) for row in sandbox.truth("follows")]
    author, project = next(
        (row["author_id"], row["id"])
        for row in sandbox.truth("projects")
        if sum(row["author_id"] in link for link in links) < 4
    )
    # Nobody whom a list of the others would show under the new name.
    near = {user for link in links if author in link for user in link}
    seeds = [row["username"] for row in sandbox.truth("users") if row["id"] not in near][:3]
    name = name_of(sandbox, author)
    harvester("seed", "users", name, *seeds)
    harvester.crawl("--spider", "users")
    while name_of(sandbox, author) == name:
        sandbox.json("/sandbox/churn?type=rename", "POST")
    copy = postgres_server.create(conninfo_to_dict(harvester.database)["dbname"])
    unguarded = without("free names", make_harvester(sandbox, HARVESTER_DATABASE_URL=copy))
    try:
        unguarded("crawl", "--refresh", "--spider", "users", ok=False)
        assert false_facts(unguarded, sandbox)["users wrongly gone"]
    finally:
        postgres_server.drop(copy)
    for mode in ("--refresh", "--audit"):
        harvester.crawl(mode, "--spider", "users")
        assert false_facts(harvester, sandbox) == {}
        assert harvester.query("SELECT username, gone_at FROM scratch.users WHERE id = %s", author) == [(None, None)]
        (waiting,) = harvester.query(
            "SELECT count(*) FROM crawl.name_changes c JOIN scratch.users u ON u.id = c.user_id AND u.username IS NULL"
        )
        assert json.loads(harvester("status", "--json").stdout)["names"]["waiting"] == waiting[0] > 0
    harvester("seed", "projects", str(project))
    harvester.crawl("--spider", "projects")
    assert harvester.query("SELECT username FROM scratch.users WHERE id = %s", author) == [(name_of(sandbox, author),)]


def _stale_answers() -> None:
    """After the first answer about each project an older one is stored, with the former name of its author."""
    from harvester.crawl.commit import Writer

    commit, former, read = Writer.commit, {}, set()

    def commit_and_restore(writer: Writer, pages: Any) -> Any:
        if not former:
            former.update(writer.connection.execute("SELECT id, username FROM scratch.users").fetchall())
        result = commit(writer, pages)
        new = {page.lease.visit.entity_id for page in pages if page.lease.visit.stream.name == "project"} - read
        if new:
            read.update(new)
            writer.connection.execute(
                "UPDATE scratch.users SET username = %s::jsonb ->> id::text WHERE id IN ("
                " SELECT author_id FROM scratch.projects WHERE id = ANY(%s))",
                (json.dumps(former), list(new)),
            )
        return result

    Writer.commit = commit_and_restore  # type: ignore[method-assign]


def test_a_name_counts_as_the_answer_shows_it(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], assert_truth: Callable[..., Any]
) -> None:
    """The stored name may be of an older answer, which was stored later: then no list of the project is empty."""
    sandbox = start_sandbox(users=10, seed=23)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl("--spider", "users", "--spider", "projects")
    sandbox.json("/sandbox/churn?events=30&type=rename", "POST")
    replace(harvester, first=_stale_answers).crawl("--spider", "comments")
    kept = {row["id"] for row in harvester.rows("project_comments", ["id"])}
    true = {row["id"] for row in sandbox.truth("project_comments") if row["parent_id"] is None}
    assert true
    assert true <= kept


def _rename_after_a_page(url: str, project: int, name: str) -> None:
    """After the first page of comments on a project of a sandbox, its author `name` gets another name."""
    from harvester.crawl.commit import Writer

    commit = Writer.commit

    def commit_and_rename(writer: Writer, pages: Any) -> Any:
        result = commit(writer, pages)
        if any(
            (page.lease.visit.stream.name, page.lease.visit.entity_id, page.first)
            == ("project_comments", project, True)
            for page in pages
        ):
            renaming = urllib.request.Request(f"{url}/sandbox/churn?type=rename&events=10", method="POST")
            with suppress(urllib.error.HTTPError):  # then nobody has the name
                while urllib.request.urlopen(f"{url}/users/{name}").read():
                    urllib.request.urlopen(renaming).read()
        return result

    Writer.commit = commit_and_rename  # type: ignore[method-assign]


def test_a_name_that_is_lost_between_two_pages_ends_no_list(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=23)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    harvester.crawl("--spider", "users", "--spider", "projects")
    sandbox.json("/sandbox/settings?page_max=10", "POST")
    threads = [row for row in sandbox.truth("project_comments") if row["parent_id"] is None]
    ((project, count),) = Counter(row["project_id"] for row in threads).most_common(1)
    assert count > 10
    author = next(row["author_id"] for row in sandbox.truth("projects") if row["id"] == project)
    name = name_of(sandbox, author)
    replace(harvester, first=partial(_rename_after_a_page, sandbox.url, project, name)).crawl("--spider", "comments")
    assert name_of(sandbox, author) != name
    kept = {row["id"] for row in harvester.rows("project_comments", ["id"])}
    assert {row["id"] for row in threads} <= kept


def name_of(sandbox: Any, person: int) -> str:
    return next(row["username"] for row in sandbox.truth("users") if row["id"] == person)


BY_ID = [name for name, stream in STREAMS.items() if stream.answers_for is not None and not stream.is_by_name]


@pytest.mark.parametrize("name", BY_ID)
def test_an_answer_about_another_thing_is_set_aside(name: str) -> None:
    record = SimpleNamespace(id=142)
    assert about_it(Visit(STREAMS[name], 142), [record]) == [record]
    with pytest.raises(DecodeError, match="about another"):
        about_it(Visit(STREAMS[name], 143), [record])


@pytest.mark.parametrize("name", ["user", "user_activity"])
@pytest.mark.parametrize("shown", ["alice", "ALICE", "alicia", None])
def test_an_answer_that_shows_another_name_is_set_aside(shown: str | None, name: str) -> None:
    record = SimpleNamespace(id=142, username=shown, actor=shown)
    visit = Visit(STREAMS[name], 142, username="Alice")
    if shown == "alicia":
        with pytest.raises(DecodeError, match="another name"):
            about_it(visit, [record])
    else:
        assert about_it(visit, [record]) == [record]


@pytest.mark.parametrize(
    ("anchors", "page", "is_doubtful"),
    [([1, 2, 3], [7, 8, 9], True), ([1, 2, 3], [7, 8, 3], False), ([1, 2], [7, 8], False), ([], [7], False)],
)
def test_a_list_by_id_unlike_its_certificate_is_in_doubt(
    anchors: list[int], page: list[int], is_doubtful: bool
) -> None:
    lease = Lease(Visit(STREAMS["studio_curators"], 5), uuid4(), 1, anchors=anchors)
    records = [SimpleNamespace(id=number) for number in page]
    assert page_in_doubt(lease, records, begins=True, at_head=True) == is_doubtful
    assert not page_in_doubt(lease, records, begins=False, at_head=False)


@pytest.mark.parametrize(
    ("name", "page", "is_doubtful"),
    [
        ("project_comments", "first", True),
        ("project_comments", "second", True),
        ("project_comments", "first again", True),
        ("project_studios", "first", False),
        ("project_studios", "first, resumed", True),
        ("project_studios", "second", False),
        ("project_studios", "first again", True),
        ("profile_comments", "first", True),
        ("profile_comments", "second", False),
        ("studio_comments", "second", False),
    ],
)
def test_a_list_by_name_that_is_not_found_is_in_doubt(name: str, page: str, is_doubtful: bool) -> None:
    """Its name may have been lost between two pages. Some lists are not found where they are empty, or end."""
    lease = Lease(Visit(STREAMS[name], 5), uuid4(), 3, state={} if page == "first, resumed" else None)
    begins = page in ("first", "first, resumed")
    assert page_in_doubt(lease, None, begins=begins, at_head=page != "second") == is_doubtful


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=6, max_size=40), st.integers(0, 20), st.data())
def test_a_list_connects_with_what_was_certified_of_it(items: list[int], new: int, data: st.DataObject) -> None:
    """New items at its head and up to half of the old ones gone: it is the same list."""
    gone = data.draw(st.lists(st.sampled_from(items), max_size=3))
    left = [item for item in items if item not in gone]
    page = [*range(-new, 0), *left]
    assert connects(items, page, exclusive=False)
    assert connects(items, page, exclusive=True)


@given(st.lists(st.integers(0, 50), unique=True, min_size=1), st.lists(st.integers(51, 99), unique=True, min_size=1))
def test_a_list_that_shares_few_items_does_not_connect(theirs: list[int], others: list[int]) -> None:
    """Two accounts that like the same two things, and other ones before, between and after."""
    assert not connects(theirs, [*others, *theirs[:2]], exclusive=False)
    assert not connects(theirs, [one for pair in zip(theirs, others, strict=False) for one in pair], exclusive=False)
    assert connects(theirs, [*others, *theirs[:1]], exclusive=True)
    assert not connects(theirs, others, exclusive=True)
