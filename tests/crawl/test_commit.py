"""Commits of pages to a real database: what is stored, refused, counted, superseded and made due."""

import json
import random
import string
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from msgspec import UNSET
from sqlalchemy import Boolean, Column, DateTime, Double, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from harvester.analytics.refresh import refresh
from harvester.api.catalogue import STREAMS, Kind
from harvester.api.decode import decode
from harvester.api.records import UserActivity
from harvester.api.rows import Query, Rows, Visit, normalise
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.crawl.visits import take_object, with_rows
from harvester.erasure.erase import erase
from harvester.erasure.remembered import load_rule
from harvester.frontier import leases as frontier
from harvester.frontier import runs, scope
from harvester.frontier.leases import Purpose
from harvester.frontier.model import Committed, Lease, PageCommit, Rejected, Stale, VisitResult
from harvester.frontier.scope import Seed
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection
from harvester.warehouse.staging import TransactionMoment
from harvester.warehouse.tables import WRITTEN

pytestmark = pytest.mark.every_postgres
ALL = list(STREAMS)


@pytest.fixture
def connection(database: str) -> Any:
    with open_connection(database, autocommit=True) as opened:
        yield opened


@pytest.fixture
def writer(connection: Connection) -> Writer:
    return Writer(connection)


@pytest.fixture
def run(connection: Connection) -> int:
    return runs.begin_run(connection, load(home="/dev/null"), "test")


def project(number: int = 142, **changes: Any) -> dict[str, Any]:
    author = {
        "id": 167,
        "username": "mres",
        "scratchteam": False,
        "history": {"joined": "1900-01-01T00:00:00.000Z"},
        "profile": {"id": None, "images": {"90x90": "u"}},
    }
    return {
        "id": number,
        "title": "t",
        "description": "d",
        "instructions": "i",
        "visibility": "visible",
        "public": True,
        "comments_allowed": True,
        "is_published": True,
        "author": author,
        "image": "p",
        "images": {},
        "history": {
            "created": "2007-03-07T14:48:22.000Z",
            "modified": "2017-04-13T19:02:58.000Z",
            "shared": "2007-03-07T14:48:22.000Z",
        },
        "stats": {"views": 10, "loves": 2, "favorites": 1, "remixes": 3},
        "remix": {"parent": None, "root": None},
    } | changes


def comment(number: int, *, replies: int = 0, parent: int | None = None, author: int = 9) -> dict[str, Any]:
    return {
        "id": number,
        "parent_id": parent,
        "commentee_id": None,
        "content": "a &amp; b",
        "datetime_created": "2022-06-02T00:38:43.000Z",
        "datetime_modified": "2022-06-02T00:38:43.000Z",
        "visibility": "visible",
        "author": {"id": author, "username": f"u{author}", "scratchteam": False, "image": "x"},
        "reply_count": replies,
    }


def rows(lease: Lease, served: Any) -> list[Rows]:
    return normalise(lease.visit, decode(lease.visit.stream, json.dumps(served).encode()))


def visited(lease: Lease, served: Any) -> PageCommit:
    """The last page of a visit."""
    return PageCommit(lease, rows(lease, served), 1, visit_result=VisitResult("{}"))


def take(connection: Connection, run: int, stream: str) -> Lease:
    (one,) = leased(connection, run, [stream], 1)
    return one


def leased(connection: Connection, run: int, streams: list[str], count: int) -> list[Lease]:
    """What is new, else what is due."""
    new = frontier.lease(connection, run, streams, count, purpose=Purpose.NEW)
    return new or frontier.lease(connection, run, streams, count, purpose=Purpose.DUE)


def due(connection: Connection) -> dict[tuple[str, int], tuple[int, int | None]]:
    found = connection.execute(
        "SELECT stream, entity_id, depth, signal FROM crawl.frontier WHERE due_at <= now() AND lease_token IS NULL"
    ).fetchall()
    return {(stream, entity): (depth, signal) for stream, entity, depth, signal in found}


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return row and (row[0] if len(row) == 1 else row)


def visited_project(connection: Connection, writer: Writer, run: int, depth: int = 0) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, 142, depth)])
    outcome = writer.commit([visited(take(connection, run, "project"), project())])
    assert outcome.results == [Committed()]


def test_a_page_stores_rows_and_makes_due_what_the_entity_owns(
    connection: Connection, writer: Writer, run: int
) -> None:
    visited_project(connection, writer, run)
    assert one(connection, "SELECT title, views, remixes, author_id FROM scratch.projects") == (
        "t",
        10,
        3,
        167,
    )
    assert one(connection, "SELECT username, joined_at, profile_id FROM scratch.users") == (
        "mres",
        None,
        None,
    )
    assert due(connection) == {
        ("project_comments", 142): (0, None),
        ("project_remixes", 142): (0, 3),
        ("project_studios", 142): (0, None),
    }


def test_users_met_within_the_depth_are_visited(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run, depth=2)
    assert due(connection)["user", 167] == (1, None)


def test_no_table_is_scanned_while_it_is_almost_empty(connection: Connection, writer: Writer, run: int) -> None:
    def visit(first: int) -> None:
        """Projects and their comments, together as a crawl without a limit stores them."""
        numbers = range(first, first + 20)
        scope.seed(connection, [Seed(Kind.PROJECT, number) for number in numbers])
        for stream, what in (("project", project), ("project_comments", lambda number: [comment(number, replies=1)])):
            pages = []
            for lease in leased(connection, run, [stream], len(numbers)):
                number = lease.visit.entity_id
                whole = VisitResult("{}", whole=True, found=1, seen=[number])
                pages.append(PageCommit(lease, rows(lease, what(number)), 1, visit_result=whole))
            before = read_through(connection)
            assert writer.commit(pages).results == [Committed()] * len(numbers)
            read.update(read_through(connection) - before)

    read: Counter[str] = Counter()
    # The more visits there are, the better a look through a table of a few rows seems: for each of many lists.
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at)"
        " SELECT 'user', n, now() + interval '1 day' FROM generate_series(1, 20000) n"
    )
    for first in range(1, 400, 20):
        visit(first)
    assert not read


def read_through(connection: Connection) -> Counter[str]:
    """How often each table was read from end to end."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    return Counter(
        dict(
            connection.execute(
                "SELECT schemaname || '.' || relname, seq_scan FROM pg_stat_user_tables"
                " WHERE schemaname IN ('scratch', 'crawl', 'history')"
            ).fetchall()
        )
    )


def test_counts_tell_new_changed_and_unchanged_apart(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run)
    before = connection.execute("SELECT xmin, ctid, * FROM scratch.projects").fetchall()
    for served, expected in (
        (project(), [0, 0, 1, 0]),
        (project(title="new"), [0, 1, 0, 0]),
    ):
        scope.refresh(connection, ["project"])
        outcome = writer.commit([visited(take(connection, run, "project"), served)])
        assert outcome.counts.tables["projects"] == expected
        assert outcome.counts.tables["users"] == [0, 0, 1, 0]
        if expected[2]:
            assert connection.execute("SELECT xmin, ctid, * FROM scratch.projects").fetchall() == before


def test_a_late_or_doubled_page_is_refused_whole(connection: Connection, writer: Writer, run: int) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    lease = take(connection, run, "project")
    stolen = replace(lease, token=uuid4())
    ahead = replace(lease, position=lease.position + 1)
    for wrong in (stolen, ahead):
        assert writer.commit([visited(wrong, project())]).results == [Stale()]
    assert one(connection, "SELECT count(*) FROM scratch.projects") == 0
    page = visited(lease, project())
    assert writer.commit([page]).results == [Committed()]
    assert writer.commit([page]).results == [Stale()]
    assert one(connection, "SELECT position, visits FROM crawl.frontier WHERE stream = 'project'") == (1, 1)


def test_the_checkpoint_moves_with_the_rows_or_not_at_all(
    connection: Connection, writer: Writer, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure after the checkpoint moved rolls back the checkpoint and the rows."""
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    lease = take(connection, run, "project")

    def fail(*_: Any) -> None:
        raise psycopg.errors.QueryCanceled

    monkeypatch.setattr("harvester.crawl.commit._made_due", fail)
    with pytest.raises(psycopg.errors.QueryCanceled):
        writer.commit([visited(lease, project())])
    assert one(connection, "SELECT count(*) FROM scratch.projects") == 0
    assert one(connection, "SELECT position, visits FROM crawl.frontier") == (0, 0)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(2**40, "NumericValueOutOfRange: refused"), (2**70, "DataError: refused"), (1.5, "DataError: refused")],
)
def test_one_page_that_cannot_be_stored_spoils_no_other(
    connection: Connection, writer: Writer, run: int, number: float, reason: str
) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, 142), Seed(Kind.PROJECT, 143)])
    good, bad = leased(connection, run, ["project"], 2)
    page = visited(bad, project(143))
    (rows,) = [rows for rows in page.rows if rows.table == "projects"]
    views = rows.columns.index("views")
    rows.values[0] = (*rows.values[0][:views], number, *rows.values[0][views + 1 :])
    outcome = writer.commit([page, visited(good, project(142))])
    assert outcome.results == [Rejected(reason), Committed()]
    assert one(connection, "SELECT array_agg(id) FROM scratch.projects") == [142]


SECRET = "my name is nobody else's business"
REFUSALS = [
    ("CHECK (title::int > 0)", "InvalidTextRepresentation: refused"),
    ("CHECK (title = '')", "CheckViolation: projects.refusing"),
]


@pytest.mark.parametrize(("constraint", "reason"), REFUSALS)
def test_a_refusal_tells_the_place_and_never_the_value(
    connection: Connection, writer: Writer, run: int, constraint: str, reason: str
) -> None:
    connection.execute(f"ALTER TABLE scratch.projects ADD CONSTRAINT refusing {constraint}")
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    page = visited(take(connection, run, "project"), project(title=SECRET))
    assert writer.commit([page]).results == [Rejected(reason)]


def test_a_column_that_may_not_be_empty_is_named(connection: Connection, writer: Writer, run: int) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    connection.execute("ALTER TABLE scratch.projects ALTER gone_reason SET NOT NULL")
    page = visited(take(connection, run, "project"), project(title=SECRET))
    assert writer.commit([page]).results == [Rejected("NotNullViolation: projects.gone_reason")]


@pytest.mark.parametrize("levels", [300, 900, 20_000])
def test_endless_nesting_spoils_no_other_page(connection: Connection, run: int, tmp_path: Path, levels: int) -> None:
    """JSON too deep to be stored or searched for erased names is set aside; other pages are stored."""
    erase(connection, tmp_path, "somebody")
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    scope.seed(connection, [Seed(Kind.PROJECT, 142), Seed(Kind.PROJECT, 143)])
    good, bad = leased(connection, run, ["project"], 2)
    page = visited(bad, project(143))
    (rows,) = [rows for rows in page.rows if rows.table == "projects"]
    extra = rows.columns.index("extra")
    rows.values[0] = (*rows.values[0][:extra], {"deep": deep}, *rows.values[0][extra + 1 :])
    outcome = Writer(connection, load_rule(connection, tmp_path)).commit([page, visited(good, project(142))])
    assert outcome.results == [Committed() if levels < 500 else Rejected("nested too deeply"), Committed()]


def test_a_list_does_not_overwrite_what_a_better_response_said(
    connection: Connection, writer: Writer, run: int
) -> None:
    visited_project(connection, writer, run)
    scope.seed(connection, [Seed(Kind.USER, 167)])
    user = {
        "id": 167,
        "username": "mres",
        "scratchteam": True,
        "history": {"joined": "2007-03-07T03:50:14.000Z"},
        "profile": {"id": 29, "images": {}, "status": "s", "bio": "b", "country": "c"},
    }
    writer.commit([visited(take(connection, run, "user"), user)])
    assert one(connection, "SELECT extra FROM scratch.users") == {"images": {}}
    connection.execute('UPDATE scratch.users SET extra = extra || \'{"group": "by another response"}\'')
    listed = project(title="by the list", stats={"views": 11, "loves": 2, "favorites": 1, "remixes": 0})
    writer.commit([visited(take(connection, run, "user_projects"), [listed])])
    assert one(connection, "SELECT title, views, remixes FROM scratch.projects") == ("by the list", 11, 3)
    known = one(connection, "SELECT username, scratch_team, joined_at::date::text, profile_id FROM scratch.users")
    assert known == ("mres", True, "2007-03-07", 29)
    extra = one(connection, "SELECT extra FROM scratch.users")
    assert extra.items() >= {"images": {"90x90": "u"}, "group": "by another response"}.items()


def test_superseded_versions_are_kept_with_their_time(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run)
    for title, views in (("second", 10), ("second", 20), ("third", 30)):
        scope.refresh(connection, ["project"])
        stats = {"views": views, "loves": 2, "favorites": 1, "remixes": 3}
        writer.commit([visited(take(connection, run, "project"), project(title=title, stats=stats))])
    texts = connection.execute(
        "SELECT title, valid_from, valid_to FROM history.project_revisions ORDER BY valid_to"
    ).fetchall()
    assert [title for title, *_ in texts] == ["t", "second"]
    assert texts[0][1] == one(connection, "SELECT first_seen_at FROM scratch.projects")
    assert texts[0][2] == texts[1][1]
    views = connection.execute("SELECT views FROM history.project_stats ORDER BY valid_to").fetchall()
    assert views == [(10,), (20,)]


def test_two_versions_that_come_in_one_transaction_are_two(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run)
    scope.refresh(connection, ["project"])
    page = visited(take(connection, run, "project"), project(title="second"))
    again = normalise(page.lease.visit, decode(page.lease.visit.stream, json.dumps(project(title="third")).encode()))
    writer.commit([replace(page, rows=[*page.rows, *page.rows, *again])])
    texts = connection.execute("SELECT title FROM history.project_revisions ORDER BY valid_to").fetchall()
    assert texts == [("t",), ("second",)]
    assert one(connection, "SELECT title FROM scratch.projects") == "third"


def test_history_is_the_same_however_pages_share_a_commit(connection: Connection, writer: Writer) -> None:
    """Several streams tell different columns of a project, in whatever order they come."""
    rng = random.Random(3)
    connection.execute("INSERT INTO scratch.studios (id) VALUES (1)")

    def page(stream: str, number: int, version: str) -> list[Rows]:
        served = project(number, title=f"title {version}", description=f"text {version}", instructions=version)
        if stream == "studio_projects":
            served = {"id": number, "title": served["title"], "image": "p", "creator_id": 167, "username": "mres"}
            served |= {"avatar": {}, "actor_id": 167}
        visit = Visit(STREAMS[stream], {"project": number, "studio_projects": 1}.get(stream, 167), username="mres")
        return normalise(visit, decode(visit.stream, json.dumps(served if stream == "project" else [served]).encode()))

    def versions(number: int) -> list[tuple[Any, ...]]:
        columns = "title, description, instructions"
        return connection.execute(
            f"SELECT {columns} FROM (SELECT {columns}, valid_to FROM history.project_revisions WHERE project_id = %s"
            f" UNION ALL SELECT {columns}, 'infinity' FROM scratch.projects WHERE id = %s) v ORDER BY valid_to",
            [number, number],
        ).fetchall()

    lengths = set()
    for case in range(1_000, 1_030):
        told = [(rng.choice(["project", "user_projects", "studio_projects"]), rng.choice("ab")) for _ in range(4)]
        for number in (case, -case):
            writer.store(page("project", number, "0"))
        for stream, version in told:
            writer.store(page(stream, case, version))
        writer.store([rows for stream, version in told for rows in page(stream, -case, version)])
        assert versions(-case) == versions(case), told
        lengths.add(len(versions(case)))
    assert max(lengths) > 4


FIRST_DAY = datetime(2030, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return FIRST_DAY + timedelta(days=number)


def by_author(served: dict[str, Any]) -> list[Rows]:
    """The rows of a project in the list of its author's."""
    visit = Visit(STREAMS["user_projects"], 167, username="mres")
    return normalise(visit, decode(visit.stream, json.dumps([served]).encode()))


def test_a_version_tells_when_its_values_were_last_seen(connection: Connection, writer: Writer, run: int) -> None:
    """By the last answer of the project's own page that held them: a list may show other values alone."""

    def visit(number: int, served: dict[str, Any] | None, lacking: str | None = None) -> None:
        """Begin a visit at the begin of a day, and store it at noon."""
        set_clock(connection, day(number))
        scope.refresh(connection, ["project"])
        lease = take(connection, run, "project")
        records = None if served is None else decode(lease.visit.stream, json.dumps(served).encode())
        if records is not None and lacking is not None:
            setattr(records[0], lacking, UNSET)
        set_clock(connection, day(number + 0.5))
        writer.commit([with_rows(take_object(lease, records), records)])

    stats = {"views": 11, "loves": 2, "favorites": 1, "remixes": 3}
    remixed = stats | {"remixes": 4}
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    visit(0, project())
    visit(1, project())
    set_clock(connection, day(2))
    writer.store(by_author(project(stats=stats)))
    visit(3, project(title="second", stats=remixed))
    visit(4, None)
    visit(5, project(title="third", stats=remixed))
    visit(6, project(stats=remixed), "title")
    visit(7, project(title="fourth", stats=remixed | {"remixes": 5}))
    told = connection.execute(
        "SELECT title, date_trunc('hour', last_seen_at) FROM history.project_revisions ORDER BY valid_to"
    )
    assert told.fetchall() == [("t", day(1)), ("second", day(3.5)), ("third", day(5.5))]
    told = connection.execute("SELECT views, remixes, last_seen_at FROM history.project_stats ORDER BY valid_to")
    assert told.fetchall() == [(10, 3, day(1)), (11, 3, day(1)), (11, 4, day(5))]


def test_a_visit_tells_the_next_transaction_what_it_saw(connection: Connection, writer: Writer, run: int) -> None:
    """Also where a replay stores both in one."""
    for number in (142, 143):
        set_clock(connection, day(0))
        scope.seed(connection, [Seed(Kind.PROJECT, number)])
        lease = take(connection, run, "project")
        records = decode(lease.visit.stream, json.dumps(project(number)).encode())
        writer.commit([with_rows(take_object(lease, records), records)])
        set_clock(connection, day(1))
        scope.refresh(connection, ["project"], only=[number])
        again = with_rows(take_object(take(connection, run, "project"), records), records)
        scope.refresh(connection, ["project_comments"], only=[number])
        late = by_author(project(number, title="second"))
        later = PageCommit(take(connection, run, "project_comments"), late, 1, visit_result=VisitResult("{}"))
        moments = [TransactionMoment(1, day(2)), TransactionMoment(2, day(3))]
        if number == 142:
            for page, moment in zip((again, later), moments, strict=True):
                set_clock(connection, moment.at)
                writer.commit([page])
        else:
            writer.commit([replace(page, moment=at) for page, at in zip((again, later), moments, strict=True)])
    told = connection.execute(
        "SELECT project_id, last_seen_at, valid_to::date FROM history.project_revisions ORDER BY 1"
    )
    assert told.fetchall() == [(number, day(1), day(3).date()) for number in (142, 143)]


def test_only_a_replay_makes_the_table_of_ended_visits(connection: Connection, writer: Writer, run: int) -> None:
    """A crawl does not have it: the server would empty it and its index at the end of each transaction."""
    visited_project(connection, writer, run)
    assert one(connection, "SELECT to_regclass('pg_temp.ended')") is None
    scope.refresh(connection, ["project_comments"], only=[142])
    late = by_author(project(142, title="second"))
    unfinished = PageCommit(take(connection, run, "project_comments"), late, 1)
    result = writer.commit([replace(unfinished, moment=TransactionMoment(1, day(3)))])
    assert result.results == [Committed()]
    assert one(connection, "SELECT title FROM scratch.projects WHERE id = 142") == "second"
    assert one(connection, "SELECT to_regclass('pg_temp.ended')") is not None


def test_an_unknown_value_is_no_earlier_version(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run)
    scope.seed(connection, [Seed(Kind.USER, 167)])
    user = {
        "id": 167,
        "username": "mres",
        "history": {"joined": "2007-03-07T03:50:14.000Z"},
        "profile": {"id": 29, "images": {}, "status": "s", "bio": "b", "country": "c"},
    }
    writer.commit([visited(take(connection, run, "user"), user)])
    assert one(connection, "SELECT count(*) FROM history.user_revisions") == 0


def test_an_account_erased_under_the_gdpr_is_gone_for_good(connection: Connection, writer: Writer, run: int) -> None:
    """Its made-up date replaces no date, its former values stay in the history, and no page of the site revives it."""
    scope.seed(connection, [Seed(Kind.USER, 5), Seed(Kind.USER, 6)])

    def served(name: str, joined: str, number: int = 5, **profile: Any) -> dict[str, Any]:
        profile = {"id": 29, "images": {}, "status": "", "bio": "", "country": None} | profile
        return {"id": number, "username": name, "history": {"joined": joined}, "profile": profile}

    placeholder = "2000-01-01T00:00:00.000Z"
    before = served("kid", "2013-05-06T07:08:09.000Z", country="Poland", bio="my bio")
    # A name like it is anybody's to choose.
    alike = served("gdpr7", "2013-05-06T07:08:09.000Z", 6)
    for _ in range(2):
        visits = {lease.visit.entity_id: lease for lease in leased(connection, run, ["user"], 2)}
        writer.commit([visited(visits[5], before), visited(visits[6], alike)])
        scope.refresh(connection, ["user"])
    account = (
        "SELECT username, country, bio, extract(year FROM joined_at)::int, gone_reason FROM scratch.users WHERE id = 5"
    )
    assert one(connection, account) == ("kid", "Poland", "my bio", 2013, None)
    visits = {lease.visit.entity_id: lease for lease in leased(connection, run, ["user"], 2)}
    erased = served("gdpr0000001", placeholder)
    writer.commit([visited(visits[5], erased)])
    gone = ("gdpr0000001", None, "", 2013, "erased under the GDPR")
    assert one(connection, account) == gone
    assert one(connection, "SELECT last_seen_at < gone_at FROM scratch.users WHERE id = 5")
    assert one(connection, "SELECT last_seen_at > first_seen_at FROM scratch.users WHERE id = 5")
    assert one(connection, "SELECT gone_at FROM scratch.users WHERE id = 6") is None
    assert one(connection, "SELECT username, country, bio FROM history.user_revisions") == ("kid", "Poland", "my bio")

    # What the site's pages say of the name afterwards, and the account where it was never known before.
    page, check = (
        replace(visits[5].visit, stream=STREAMS["user_page"]),
        replace(visits[5].visit, stream=STREAMS["username_check"]),
    )
    writer.store(
        normalise(
            page, decode(page.stream, b"<html><div id='profile-data'><span class='group'>Scratcher</span></div></html>")
        )
    )
    writer.store(normalise(check, decode(check.stream, b'{"username": "gdpr0000001", "msg": "valid username"}')))
    writer.store(
        normalise(visits[6].visit, decode(STREAMS["user"], json.dumps(served("gdpr2", placeholder, 8)).encode()))
    )
    assert one(connection, account) == gone
    assert one(connection, "SELECT count(*) FROM history.absences") == 0
    assert one(connection, "SELECT joined_at, gone_reason FROM scratch.users WHERE id = 8") == (None, gone[-1])


def test_the_index_fills_only_what_no_better_response_told(connection: Connection, writer: Writer, run: int) -> None:
    """Explore lags: what it says is kept with the ranking, fills gaps, is marked, and never overwrites or revives."""

    def said(stream: str, *served: dict[str, Any], entity: int = 0, days: int = 0) -> list[Rows]:
        seen = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(days=days)
        visit = Visit(STREAMS[stream], entity, seen_at=seen, query=Query("cats", "popular", "en", 1))
        return normalise(visit, decode(STREAMS[stream], json.dumps(served[0] if entity == 142 else served).encode()))

    def indexed(views: int, **more: Any) -> dict[str, Any]:
        return project(stats={"views": views, "loves": 0, "favorites": 0, "remixes": 0}, remix={"root": None}) | more

    def kept(columns: str) -> Any:
        return one(connection, f"SELECT {columns} FROM scratch.projects WHERE id = 142")

    # Known from the index alone: its newest value counts.
    writer.store(said("explore_projects", indexed(3, title="old")))
    writer.store(said("search_projects", indexed(4, title="older"), days=1))
    assert kept("title, views, 'views' = ANY (from_index), gone_at, public") == ("older", 4, True, None, None)
    assert one(connection, "SELECT username, from_index FROM scratch.users WHERE id = 167") == ("mres", ["username"])

    # A list tells some of it better: that is left alone from then on, the rest is still the index's.
    entry = {
        "id": 142,
        "title": "new",
        "image": "p",
        "creator_id": 167,
        "username": "named",
        "avatar": {},
        "actor_id": 167,
    }
    connection.execute("INSERT INTO scratch.studios (id) VALUES (1)")
    writer.store(said("studio_projects", entry, entity=1))
    writer.store(said("explore_projects", indexed(5, title="old"), days=2))
    assert kept("title, views, 'title' = ANY (from_index), 'views' = ANY (from_index)") == ("new", 5, False, True)
    assert one(connection, "SELECT username, from_index FROM scratch.users WHERE id = 167") == ("named", [])

    # A list says that a text is none now: the index does not know that yet.
    writer.store(said("user_favorites", project(description="d"), entity=167))
    writer.store(said("user_favorites", project(description=None), entity=167))
    writer.store(said("explore_projects", indexed(5, description="d"), days=3))
    assert kept("description, from_index") == (None, [])

    # In one transaction too the page has the last word, and what the index said is no version of the project.
    page = project(instructions=None, title="page")
    writer.store([*said("project", page, entity=142), *said("explore_projects", indexed(6), days=4)])
    assert kept("title, views, instructions, from_index") == ("page", 10, None, [])
    titles = connection.execute("SELECT title FROM history.project_revisions ORDER BY valid_to").fetchall()
    assert titles == [("new",), ("t",), ("t",)]
    assert one(connection, "SELECT count(*) FROM history.project_stats") == 0
    views = connection.execute("SELECT views, extra ->> 'title' FROM history.rankings ORDER BY seen_at").fetchall()
    assert views == [(3, "old"), (4, "older"), (5, "old"), (5, "t"), (6, "t")]

    # Once its page was read the index writes nothing, whatever the page left empty, and what is gone stays so.
    scope.seed(connection, [Seed(Kind.PROJECT, 143)])
    lease = take(connection, run, "project")
    page = project(143, instructions=None)
    stale = said("explore_projects", indexed(99, id=143, instructions="old", new_field="new"), days=5)
    writer.commit([PageCommit(lease, [*rows(lease, page), *stale], 1, visit_result=VisitResult("{}"))])
    connection.execute("UPDATE scratch.projects SET gone_at = now() WHERE id = 143")
    connection.execute("UPDATE scratch.projects SET extra = extra - 'new_field' WHERE id = 143")
    whole = "SELECT to_jsonb(p) FROM scratch.projects p WHERE id = 143"
    before = one(connection, whole)
    assert (before["instructions"], before["views"], before["from_index"]) == (None, 10, [])
    writer.store(stale)
    assert one(connection, whole) == before


def test_replies_are_due_when_their_count_changes_and_only_then(
    connection: Connection, writer: Writer, run: int
) -> None:
    visited_project(connection, writer, run)
    page = [comment(1, replies=2), comment(2)]
    writer.commit([visited(take(connection, run, "project_comments"), page)])
    assert {key: value for key, value in due(connection).items() if "replies" in key[0]} == {
        ("project_replies", 1): (0, 2)
    }
    thread = take(connection, run, "project_replies")
    assert (thread.visit.owner_id, thread.visit.username) == (142, "mres")
    writer.commit([visited(thread, [comment(3, parent=1)])])
    for replies, expected in ((2, False), (3, True)):
        scope.refresh(connection, ["project_comments"])
        page = [comment(1, replies=replies), comment(2)]
        writer.commit([visited(take(connection, run, "project_comments"), page)])
        assert (("project_replies", 1) in due(connection)) is expected


def test_a_reply_that_comes_while_the_thread_is_read_is_not_lost(
    connection: Connection, writer: Writer, run: int
) -> None:
    visited_project(connection, writer, run)
    writer.commit([visited(take(connection, run, "project_comments"), [comment(1, replies=1)])])
    thread = take(connection, run, "project_replies")
    scope.refresh(connection, ["project_comments"])
    writer.commit([visited(take(connection, run, "project_comments"), [comment(1, replies=2)])])
    writer.commit([visited(thread, [comment(3, parent=1)])])
    assert due(connection)["project_replies", 1] == (0, 2)


def test_the_studio_page_tells_who_is_host_at_once(connection: Connection, writer: Writer, run: int) -> None:
    """A former host is a manager then, and a member the host; a list that was leased before changes neither."""
    role = "SELECT role FROM scratch.studio_members WHERE studio_id = 5"
    served = {"id": 5, "title": "s", "host": 9, "history": {"created": "2020-01-01T00:00:00.000Z"}}

    def show(host: int | None) -> None:
        connection.execute("UPDATE crawl.frontier SET due_at = now() WHERE stream = 'studio'")
        writer.commit([visited(take(connection, run, "studio"), served | {"host": host})])

    scope.seed(connection, [Seed(Kind.STUDIO, 5)])
    show(9)
    managers = [{"id": 9, "username": "who"}]
    writer.commit([visited(take(connection, run, "studio_managers"), managers)])
    assert one(connection, role) == "host"
    show(None)
    assert one(connection, role) == "manager"
    assert one(connection, "SELECT string_agg(role, ' ') FROM history.member_revisions") == "host"

    show(9)
    assert one(connection, role) == "host"
    assert (
        one(connection, "SELECT string_agg(role, ' ' ORDER BY valid_to) FROM history.member_revisions")
        == "host manager"
    )
    connection.execute("UPDATE crawl.frontier SET due_at = now() WHERE stream = 'studio_managers'")
    late = take(connection, run, "studio_managers")
    assert late.visit.host_id == 9
    show(8)
    writer.commit([visited(late, managers)])
    assert one(connection, role) == "manager"
    assert one(connection, "SELECT string_agg(role, ' ' ORDER BY valid_to) FROM history.member_revisions") == (
        "host manager host"
    )


def test_an_object_that_answers_404_is_gone_and_comes_back(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run)
    scope.refresh(connection, ["project"])
    lease = take(connection, run, "project")
    writer.commit([PageCommit(lease, [], 0, visit_result=VisitResult(None, gone=True))])
    gone = one(connection, "SELECT gone_at FROM scratch.projects")
    assert gone is not None
    assert one(connection, "SELECT gone_at FROM crawl.frontier WHERE stream = 'project'") == gone
    scope.refresh(connection, ["project"])
    writer.commit([visited(take(connection, run, "project"), project())])
    assert one(connection, "SELECT gone_at FROM scratch.projects") is None
    assert one(connection, "SELECT gone_at FROM crawl.frontier WHERE stream = 'project'") is None


def test_a_raised_depth_reaches_what_was_met_before(connection: Connection, writer: Writer, run: int) -> None:
    """Seeded again deeper: what the visits met already is put in scope out of the warehouse, without a request."""
    visited_project(connection, writer, run)
    writer.commit([visited(take(connection, run, "project_comments"), [comment(1, author=9)])])
    assert not any(stream == "user" for stream, _ in due(connection))
    scope.seed(connection, [Seed(Kind.PROJECT, 142, 1)])
    assert scope.propagate(connection) > 0
    assert {entity for stream, entity in due(connection) if stream == "user"} == {9, 167}
    assert scope.propagate(connection) == 0


def test_the_leases_of_a_dead_run_are_free_at_once(connection: Connection, database: str, run: int) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    other = open_connection(database, autocommit=True)
    dead = runs.begin_run(other, load(home="/dev/null"), "test")
    assert leased(other, dead, ALL, 5)
    assert not leased(connection, run, ALL, 5)
    assert runs.recover(connection, run) == 0
    other.close()
    while runs.recover(connection, run) == 0:
        pass  # until the server has noticed that the connection is gone
    assert len(leased(connection, run, ALL, 5)) == 1


def test_two_workers_never_lease_the_same_entry(connection: Connection, database: str, run: int) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, number) for number in range(1, 101)])
    with open_connection(database, autocommit=True) as other:
        second = runs.begin_run(other, load(home="/dev/null"), "test")
        mine = leased(connection, run, ALL, 60)
        theirs = leased(other, second, ALL, 60)
    entities = [one.visit.entity_id for one in (*mine, *theirs)]
    assert sorted(entities) == list(range(1, 101))


def test_a_failing_visit_is_postponed_longer_each_time(connection: Connection, run: int) -> None:
    scope.seed(connection, [Seed(Kind.PROJECT, 142)])
    pauses = []
    for _ in range(3):
        connection.execute("UPDATE crawl.frontier SET due_at = now()")
        frontier.postpone(connection, take(connection, run, "project"), "HTTP 500")
        pauses.append(one(connection, "SELECT extract(epoch FROM due_at - now()) FROM crawl.frontier"))
    assert pauses[0] < pauses[1] < pauses[2]
    assert one(connection, "SELECT failures, last_error FROM crawl.frontier") == (3, "HTTP 500")


def test_the_reader_sees_the_community_and_nothing_else(connection: Connection) -> None:
    connection.execute("SET ROLE harvester_reader")
    connection.execute("SELECT count(*) FROM scratch.comments, history.project_stats")
    for table in ("crawl.frontier", "crawl.quarantine", "crawl.erasures"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT * FROM {table}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM scratch.users")


def test_an_audit_restarts_unfinished_visits(connection: Connection, writer: Writer, run: int) -> None:
    visited_project(connection, writer, run)
    lease = take(connection, run, "project_comments")
    writer.commit([PageCommit(lease, rows(lease, [comment(1)]), 1, state='{"offset": 39}')])
    frontier.release(connection, [lease])
    scope.refresh(connection, ALL)
    kept = take(connection, run, "project_comments")
    assert (kept.state, kept.position) == ({"offset": 39}, 1)
    frontier.release(connection, [kept])
    scope.refresh(connection, ALL, full=True)
    again = take(connection, run, "project_comments")
    assert (again.state, again.certificate, again.position) == (None, None, 1)


def test_entries_that_became_due_earlier_are_leased(connection: Connection, run: int) -> None:
    """The key where the last lease ended speeds up the search and leaves out no entry."""
    scope.seed(connection, [Seed(Kind.PROJECT, 1)])
    connection.execute("UPDATE crawl.frontier SET due_at = now() - interval '1 day'")
    scope.seed(connection, [Seed(Kind.PROJECT, 2)])
    latest = one(connection, "SELECT max(due_at) FROM crawl.frontier")
    (second,) = frontier.lease(connection, run, ALL, 5, since=latest, purpose=Purpose.NEW)
    assert second.visit.entity_id == 2
    (first,) = frontier.lease(connection, run, ALL, 5, since=second.due_at, purpose=Purpose.NEW)
    assert first.visit.entity_id == 1


# Texts of any length --------------------------------------------------------------------------------------------------

WORDS = {"role": "host", "kind": "project", "list": "own_loves", "stream": "own_loves", "name": "projects"}


def written_columns(table: Table) -> list[Column[Any]]:
    own = ("from_index", "first_seen_at", "gone_at", "last_seen_at", "gone_reason")
    return [one for one in table.columns if one.name not in own]


def a_row(table: Table, text: str) -> tuple[Any, ...]:
    """Make a row with the text in each column of text, but for ids and words, which are bounded."""
    values = {
        Text: text, Boolean: True, JSONB: {"more": text}, DateTime: datetime(2024, 1, 1, tzinfo=UTC), Double: 1.0,
    }  # fmt: skip
    return tuple(
        WORDS.get(one.name) or ("1" if one.constraints else values.get(type(one.type), 1))
        for one in written_columns(table)
    )


def test_texts_of_any_length_are_stored_superseded_and_found(connection: Connection, writer: Writer) -> None:
    """Random letters, since text that repeats itself would be compressed and fit an index."""
    texts = ["".join(random.Random(seed).choices(string.ascii_letters, k=100_000)) for seed in (1, 2, 2)]
    for text in texts:
        names = {table: tuple(column.name for column in written_columns(one)) for table, one in WRITTEN.items()}
        writer.store([Rows(table, names[table], [a_row(one, text)]) for table, one in WRITTEN.items()])
    for table, declared in WRITTEN.items():
        found = connection.execute(f"SELECT {', '.join(names[table])} FROM {declared.fullname}").fetchall()  # type: ignore[call-overload]
        expected = [a_row(declared, texts[-1])]
        # The headline is part of the key: another one is another item.
        assert found == ([a_row(declared, texts[0])] if table == "news" else []) + expected, table
    assert one(connection, "SELECT username FROM history.user_revisions") == texts[0]
    for name in (texts[1], texts[1].swapcase()):
        row = connection.execute("SELECT id FROM scratch.users WHERE lower(username) = lower(%s)", [name]).fetchone()
        assert row == (1,)
    refresh(connection)
    assert one(connection, "SELECT country FROM analytics.countries") == texts[-1]


def page_of(lease: Lease, served: list[dict[str, Any]]) -> PageCommit:
    """The last page of a list, as a visit makes it."""
    records = decode(lease.visit.stream, json.dumps(served).encode())
    made = normalise(lease.visit, records)
    return PageCommit(
        lease, made, len(records), visit_result=VisitResult("{}"), path="/comments?offset=0", records=records
    )


def test_what_the_database_refuses_of_a_page_is_set_aside_alone(
    writer: Writer, connection: Connection, run: int
) -> None:
    """The rest is stored, whatever the order: a reply that stands before its comment is none of the refused."""
    scope.seed(connection, [scope.Seed(Kind.PROJECT, 142)])
    writer.commit([visited(take(connection, run, "project"), project())])
    served = [comment(number, parent=30 if number == 2 else None) for number in range(1, 31)]
    served[6] = comment(7, parent=10**9)
    connection.execute("ALTER TABLE scratch.project_comments ADD CONSTRAINT refusing CHECK (id <> 20)")
    lease = take(connection, run, "project_comments")
    outcome = writer.commit([page_of(lease, served)])
    assert outcome.results == [Committed()]
    assert outcome.counts.as_json()["project_comments"]["inserted"] == 28
    kept = connection.execute(
        "SELECT item_id, position, path, body, reason FROM crawl.quarantine ORDER BY item_id"
    ).fetchall()
    assert [row[:3] for row in kept] == [(7, 6, "/comments?offset=0"), (20, 19, "/comments?offset=0")]
    assert json.loads(kept[0][3]) == served[6]
    assert "parent_id" in kept[0][4]

    # What came right is stored the next time, and is no case any more.
    connection.execute("ALTER TABLE scratch.project_comments DROP CONSTRAINT refusing")
    connection.execute("UPDATE crawl.frontier SET due_at = now()")
    lease = take(connection, run, "project_comments")
    assert sorted(lease.aside) == [7, 20]
    absent = PageCommit(lease, [], 0, visit_result=VisitResult("{}", absent=True))
    with connection.transaction(force_rollback=True):
        assert Writer(connection).commit([absent]).results == [Committed()]
        left = connection.execute("SELECT count(*) FROM crawl.quarantine").fetchone()
        assert left == (0,), "a list that is not there has no holes"
    served[6] = comment(7)
    assert writer.commit([page_of(lease, served)]).results == [Committed()]
    assert connection.execute("SELECT count(*) FROM crawl.quarantine").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM scratch.project_comments").fetchone() == (30,)


def test_a_page_without_its_entity_is_refused_whole(writer: Writer, connection: Connection, run: int) -> None:
    scope.seed(connection, [scope.Seed(Kind.PROJECT, 142)])
    writer.commit([visited(take(connection, run, "project"), project())])
    lease = take(connection, run, "project_comments")
    for table in ("history.project_stats", "scratch.projects"):
        connection.execute(f"DELETE FROM {table}")
    for served in ([comment(1)], [comment(number) for number in range(1, 9)]):
        (rejected,) = writer.commit([page_of(lease, served)]).results
        assert isinstance(rejected, Rejected)
        assert "ForeignKeyViolation" in rejected.reason
    assert connection.execute("SELECT count(*) FROM crawl.quarantine").fetchone() == (0,)


def test_an_operational_error_of_the_data_costs_its_page_alone(
    connection: Connection, writer: Writer, run: int
) -> None:
    connection.execute("CREATE INDEX of_an_operator ON scratch.projects (title)")
    scope.seed(connection, [Seed(Kind.PROJECT, number) for number in (1, 2, 3)])
    titles = {1: "a", 2: "".join(random.Random(1).choices(string.ascii_letters, k=6_000)), 3: "c"}
    leases = leased(connection, run, ["project"], 3)
    pages = [visited(lease, project(lease.visit.entity_id, title=titles[lease.visit.entity_id])) for lease in leases]
    results = dict(zip([lease.visit.entity_id for lease in leases], writer.commit(pages).results, strict=True))
    rejected = results.pop(2)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith("ProgramLimitExceeded")
    assert results == {1: Committed(), 3: Committed()}
    assert one(connection, "SELECT array_agg(title ORDER BY id) FROM scratch.projects") == ["a", "c"]


def user(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "username": f"u{number}",
        "scratchteam": False,
        "history": {"joined": "2015-03-07T14:48:22.000Z"},
        "profile": {"id": number, "images": {}, "status": "", "bio": "", "country": ""},
    }


def test_what_needs_a_setting_is_in_scope_with_it_alone(connection: Connection, writer: Writer, run: int) -> None:
    """It is put there by the visits of entities whose lists are read, and for those that were visited before."""
    with_it = Writer(connection, without=())
    for number, depth, made_by in ((5, 0, writer), (6, -1, writer), (7, 0, with_it), (8, -1, with_it), (9, -1, writer)):
        scope.seed(connection, [Seed(Kind.USER, number)])
        connection.execute("UPDATE crawl.frontier SET depth = %s WHERE entity_id = %s", [depth, number])
        made_by.commit([visited(take(connection, run, "user"), user(number))])
    in_scope = "SELECT array_agg(entity_id ORDER BY 1) FROM crawl.frontier WHERE stream = 'user_activity'"
    assert one(connection, in_scope) == [7]
    scope.seed(connection, [Seed(Kind.USER, 6, 0)])
    scope.propagate(connection)
    assert one(connection, in_scope) == [7]
    scope.seed(connection, [Seed(Kind.USER, 8, 0)])
    scope.propagate(connection, without=())
    assert one(connection, in_scope) == [7, 8]
    assert scope.open_allowed(connection, [STREAMS["user"], STREAMS["user_activity"]]) == 2
    assert one(connection, in_scope) == [5, 6, 7, 8]


def test_a_field_that_is_not_stored_announces_lists(connection: Connection, run: int) -> None:
    """The first number makes only those due that were visited before the entry was made, a later one if it differs."""
    writer = Writer(connection, without=())
    scope.seed(connection, [Seed(Kind.USER, 5)])
    writer.commit([visited(take(connection, run, "user"), user(5))])
    lists = ["user_following", "user_favorites", "user_projects", "user_studios"]
    for name in lists:
        writer.commit([visited(take(connection, run, name), [])])
    connection.execute(
        "UPDATE crawl.frontier SET started_at = now() - interval '1 day' WHERE stream = 'user_favorites'"
    )

    def announced(**numbers: int) -> set[str]:
        record = UserActivity(actor="u5", **numbers)
        lease = take(connection, run, "user_activity")
        writer.commit([with_rows(take_object(lease, [record]), [record])])
        found = {stream for stream, _ in due(connection) if stream in lists}
        later = "UPDATE crawl.frontier SET due_at = now() + interval '1 day' WHERE stream = ANY(%s)"
        connection.execute(later, [lists])
        scope.refresh(connection, ["user_activity"])
        return found

    first = {"followed": 1, "favorited": 2, "shared": 0, "curated": 4}
    assert announced(**first) == {"user_favorites"}
    assert announced(**first) == set()
    assert announced(**first | {"followed": 9, "shared": 3}) == {"user_following", "user_projects"}
    assert announced(**first | {"shared": 3}) == {"user_following"}
    told = "SELECT array_agg(stream ORDER BY 1) FROM crawl.frontier WHERE announced_at IS NOT NULL"
    assert one(connection, told) == ["user_favorites", "user_following", "user_projects"]
