"""Items that vanished from a list: when they count as missing, when they are dated as gone, and when not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Rows
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import leases, runs, scope
from harvester.frontier.leases import Purpose
from harvester.frontier.model import Committed, Lease, PageCommit, VisitResult
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harvester.warehouse.connection import Connection

HELD = (1, 2, 3)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        yield opened


class House:
    """A studio whose lists were all read in full an hour ago, and before."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.writer = Writer(connection)
        self.run = runs.begin_run(connection, load(home="/dev/null"), "test")
        connection.execute("INSERT INTO scratch.studios (id) VALUES (5)")
        connection.execute("INSERT INTO scratch.users (id) SELECT generate_series(1, 9)")
        connection.execute("INSERT INTO scratch.projects (id) SELECT generate_series(1, 9)")
        hour, before = "now() - interval '1 hour'", "now() - interval '2 hours'"
        connection.execute(
            "INSERT INTO scratch.studio_projects (studio_id, project_id, first_seen_at)"
            f" SELECT 5, unnest(%s::int[]), {before}",
            [list(HELD)],
        )
        connection.execute(
            "INSERT INTO scratch.studio_comments (id, studio_id, content, first_seen_at)"
            f" SELECT n, 5, 'text', {before} FROM unnest(%s::int[]) n",
            [list(HELD)],
        )
        connection.execute(
            "INSERT INTO scratch.studio_members (studio_id, user_id, role, first_seen_at)"
            f" SELECT 5, n, CASE n WHEN 1 THEN 'host' ELSE 'curator' END, {before} FROM unnest(%s::int[]) n",
            [list(HELD)],
        )
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, last_full_read_at, visited_at, certificate)"
            f" SELECT s, 5, now() + interval '9 days', 1, {hour}, {hour}, '{{}}' FROM unnest(%s::text[]) s",
            [["studio_projects", "studio_comments", "studio_managers", "studio_curators"]],
        )

    def audit(self, stream: str) -> None:
        scope.refresh(self.connection, [stream], full=True)

    def lease(self, stream: str) -> Lease:
        (one,) = leases.lease(self.connection, self.run, [stream], 1)
        return one

    def visit(self, stream: str, seen: Sequence[int], *, rows: list[Rows] | None = None, **visit_result: Any) -> None:
        """One visit through a list, in one page that shows `seen`."""
        lease = self.lease(stream)
        told = {"whole": True, "found": len(seen), "seen": list(seen), "pages": 1} | visit_result
        end = PageCommit(lease, rows or [], len(seen), visit_result=VisitResult("{}", **told))
        assert self.writer.commit([end]).results == [Committed()]

    def one(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()  # type: ignore[call-overload]
        return row and (row[0] if len(row) == 1 else row)

    def gone(self, table: str, item: str) -> dict[int, str]:
        query = f"SELECT {item}, gone_reason FROM scratch.{table} WHERE gone_at IS NOT NULL"
        return dict(self.connection.execute(query).fetchall())

    def is_due(self, stream: str) -> bool:
        return bool(self.one(f"SELECT due_at <= now() FROM crawl.frontier WHERE stream = '{stream}'"))


@pytest.fixture
def house(connection: Connection) -> House:
    return House(connection)


@pytest.mark.every_postgres
def test_two_agreeing_reads_date_a_deletion(house: House) -> None:
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    assert house.gone("studio_projects", "project_id") == {}, "never from one absence"
    first = house.one("SELECT missed_at FROM crawl.missing_items")
    assert house.is_due("studio_projects"), "it is read once more, at once"
    lease = house.lease("studio_projects")
    assert lease.full
    assert lease.has_missing_items
    leases.release(house.connection, [lease])
    house.visit("studio_projects", [1, 3])
    assert house.gone("studio_projects", "project_id") == {2: "no longer listed"}
    dated = house.one(
        "SELECT gone_at, last_seen_at, now() - last_seen_at FROM scratch.studio_projects WHERE gone_at IS NOT NULL"
    )
    assert dated[0] == first
    assert 3500 < dated[2].total_seconds() < 3700, "it was last known from the visit before"
    assert not house.is_due("studio_projects")
    assert house.one("SELECT count(*) FROM crawl.missing_items") == 0


def test_items_of_the_second_read_are_not_deleted(house: House) -> None:
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    house.visit("studio_projects", [1, 2, 3])
    assert house.gone("studio_projects", "project_id") == {}
    assert house.one("SELECT count(*) FROM crawl.missing_items") == 0
    # The next absence starts from nothing: a visit that missed it long ago confirms nothing.
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    assert house.gone("studio_projects", "project_id") == {}


def test_an_unfinished_audit_does_not_end_the_next_one_early(house: House) -> None:
    """Under change an audit leaves missing items. The next one dates them, and reads again what it missed."""
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    house.visit("studio_projects", [1])
    assert house.gone("studio_projects", "project_id") == {2: "no longer listed"}
    assert not house.is_due("studio_projects"), "what vanished since the first visit waits, or this would never end"
    house.run = runs.begin_run(house.connection, load(home="/dev/null"), "the next audit")
    house.audit("studio_projects")
    house.visit("studio_projects", [])
    assert house.gone("studio_projects", "project_id").keys() == {2, 3}
    assert house.is_due("studio_projects")
    house.visit("studio_projects", [])
    assert house.gone("studio_projects", "project_id").keys() == {1, 2, 3}
    assert house.one("SELECT count(*) FROM crawl.missing_items") == 0


def test_a_visit_that_stopped_early_dates_nothing(house: House) -> None:
    for _ in range(2):
        house.audit("studio_projects")
        house.visit("studio_projects", [1], whole=False)
    assert house.gone("studio_projects", "project_id") == {}
    assert house.one("SELECT count(*) FROM crawl.missing_items") == 0


def test_two_agreeing_reads_in_one_visit_are_enough(house: House) -> None:
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3], twice=True)
    assert house.gone("studio_projects", "project_id") == {2: "no longer listed"}


def test_an_earlier_miss_keeps_when_the_item_was_seen(house: House) -> None:
    """An earlier read that missed the item did not see it, though it was the last one of the whole list."""
    seen = house.one("SELECT last_full_read_at FROM crawl.frontier WHERE stream = 'studio_projects'")
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3], twice=True)
    gone, last_seen, read = house.one(
        "SELECT t.gone_at, t.last_seen_at, w.last_full_read_at FROM scratch.studio_projects t, crawl.frontier w"
        " WHERE t.gone_at IS NOT NULL AND w.stream = 'studio_projects'"
    )
    assert last_seen == seen < read <= gone


def test_rows_stored_during_the_read_are_left_alone(house: House) -> None:
    for _ in range(2):
        house.audit("studio_projects")
        lease = house.lease("studio_projects")
        house.connection.execute(
            "INSERT INTO scratch.studio_projects (studio_id, project_id) VALUES (5, 4) ON CONFLICT DO NOTHING"
        )
        house.connection.execute("UPDATE scratch.studio_projects SET first_seen_at = now() WHERE project_id = 4")
        visit_result = VisitResult("{}", whole=True, found=3, seen=[1, 2, 3])
        house.writer.commit([PageCommit(lease, [], 3, visit_result=visit_result)])
    assert house.gone("studio_projects", "project_id") == {}


def test_a_visit_of_many_pages_keeps_the_items_of_each(house: House) -> None:
    for _ in range(2):
        house.audit("studio_projects")
        lease = house.lease("studio_projects")
        # The visit is cut after a page and starts again: what the cut visit showed no longer counts.
        house.writer.commit([PageCommit(lease, [], 2, state="{}", seen=[1, 2], first=True)])
        leases.release(house.connection, [lease])
        house.audit("studio_projects")
        lease = house.lease("studio_projects")
        house.writer.commit([PageCommit(lease, [], 1, state="{}", seen=[1], first=True)])
        leases.release(house.connection, [lease])
        # Cut again, and gone on with: what it showed counts.
        lease = house.lease("studio_projects")
        assert lease.full
        end = VisitResult("{}", whole=True, found=2, pages=2)
        house.writer.commit([PageCommit(lease, [], 1, seen=[3], visit_result=end)])
        assert house.one("SELECT count(*) FROM crawl.seen_items") == 0
    assert house.gone("studio_projects", "project_id") == {2: "no longer listed"}


def test_few_comments_are_asked_for_one_by_one(house: House) -> None:
    house.connection.execute("INSERT INTO scratch.studio_comments (id, studio_id, parent_id) VALUES (20, 5, 2)")
    house.audit("studio_comments")
    house.visit("studio_comments", [], pages=4)
    assert house.gone("studio_comments", "id") == {}
    asked = (
        "SELECT array_agg(entity_id ORDER BY 1) FROM crawl.frontier WHERE stream = 'studio_comment' AND owner_id = 5"
    )
    assert house.one(asked) == [1, 2, 3]
    assert not house.is_due("studio_comments")
    missed = house.one("SELECT min(missed_at) FROM crawl.missing_items")
    answers = {1: True, 2: False, 3: True}
    for lease in leases.lease(house.connection, house.run, ["studio_comment"], 5, purpose=Purpose.NEW):
        there = answers[lease.visit.entity_id]
        house.writer.commit([PageCommit(lease, [], 0, visit_result=VisitResult(None, whole=there, gone=not there))])
    assert house.gone("studio_comments", "id") == {2: "deleted", 20: "deleted"}, "with its replies"
    assert house.one("SELECT gone_at FROM scratch.studio_comments WHERE id = 2") == missed
    assert house.one("SELECT count(*) FROM crawl.missing_items") == 0, "a present item is not missing"


def test_a_comment_is_not_gone_because_its_page_is(house: House) -> None:
    house.audit("studio_comments")
    house.visit("studio_comments", [1, 3], pages=4)
    (lease,) = leases.lease(house.connection, house.run, ["studio_comment"], 1, purpose=Purpose.NEW)
    house.connection.execute("UPDATE scratch.studios SET gone_at = now()")
    house.writer.commit([PageCommit(lease, [], 0, visit_result=VisitResult(None, gone=True))])
    assert house.gone("studio_comments", "id") == {}


def test_many_comments_are_dated_by_a_second_full_read(house: House) -> None:
    house.connection.execute("INSERT INTO scratch.studio_comments (id, studio_id, parent_id) VALUES (20, 5, 2)")
    house.audit("studio_comments")
    house.visit("studio_comments", [1, 3])
    house.visit("studio_comments", [1, 3])
    assert house.gone("studio_comments", "id") == {2: "deleted", 20: "deleted"}


@pytest.mark.parametrize("asked", [False, True])
def test_a_reply_was_there_when_it_was_met(house: House, asked: bool) -> None:
    """Its comment was last known an hour ago, and missed before the reply came: between the two it was not gone."""
    house.audit("studio_comments")
    house.visit("studio_comments", [1, 3], pages=4 if asked else 1)
    house.connection.execute("INSERT INTO scratch.studio_comments (id, studio_id, parent_id) VALUES (20, 5, 2)")
    if asked:
        (lease,) = leases.lease(house.connection, house.run, ["studio_comment"], 1, purpose=Purpose.NEW)
        house.writer.commit([PageCommit(lease, [], 0, visit_result=VisitResult(None, gone=True))])
    else:
        house.visit("studio_comments", [1, 3])
    assert house.gone("studio_comments", "id") == {2: "deleted", 20: "deleted"}
    assert house.one(
        "SELECT bool_and(first_seen_at <= last_seen_at AND last_seen_at < gone_at) FROM scratch.studio_comments"
        " WHERE gone_at IS NOT NULL"
    )


@pytest.mark.parametrize("asked", [False, True])
def test_a_reply_missed_before_its_comment_was_not_seen_since(house: House, asked: bool) -> None:
    """Its comment was seen an hour ago; the list of replies last showed it three hours ago."""
    house.connection.execute(
        "INSERT INTO scratch.studio_comments (id, studio_id, parent_id, first_seen_at)"
        " VALUES (20, 5, 2, now() - interval '4 hours')"
    )
    house.connection.execute(
        "INSERT INTO crawl.missing_items (stream, entity_id, item_id, last_seen_at, missed_at)"
        " VALUES ('studio_replies', 2, 20, now() - interval '3 hours', now() - interval '2 hours')"
    )
    house.audit("studio_comments")
    house.visit("studio_comments", [1, 3], pages=4 if asked else 1)
    if asked:
        (lease,) = leases.lease(house.connection, house.run, ["studio_comment"], 1, purpose=Purpose.NEW)
        house.writer.commit([PageCommit(lease, [], 0, visit_result=VisitResult(None, gone=True))])
    else:
        house.visit("studio_comments", [1, 3])
    hours = "SELECT id, round(extract(epoch FROM now() - last_seen_at) / 3600)::int FROM scratch.studio_comments"
    assert dict(house.connection.execute(f"{hours} WHERE gone_at IS NOT NULL").fetchall()) == {2: 1, 20: 3}


def test_a_curator_who_was_promoted_is_not_gone(house: House) -> None:
    """Both lists are read before a member is dated as gone, whichever comes first."""
    house.audit("studio_curators")
    house.visit("studio_curators", [3])
    house.visit("studio_curators", [3])
    assert house.gone("studio_members", "user_id") == {}
    assert house.is_due("studio_managers"), "where the missing one may have gone is read first"
    promoted = Rows("studio_members", ("studio_id", "user_id", "role"), [(5, 1, "host"), (5, 2, "manager")])
    house.visit("studio_managers", [1, 2], rows=[promoted])
    house.visit("studio_curators", [3])
    assert house.gone("studio_members", "user_id") == {}
    assert house.one("SELECT role FROM history.member_revisions WHERE user_id = 2") == "curator"
    assert house.one("SELECT count(*) FROM history.absences") == 0


def test_a_curator_who_left_is_gone_once_both_lists_were_read(house: House) -> None:
    house.audit("studio_curators")
    house.visit("studio_curators", [3])
    house.visit("studio_curators", [3])
    house.visit("studio_managers", [1])
    house.visit("studio_curators", [3])
    assert house.gone("studio_members", "user_id") == {2: "no longer listed"}


LINKS = [
    ("studio_projects", "project_id", "project_studios"),
    ("user_followers", "follower_id", "user_following"),
    ("studio_curators", "user_id", "user_studios"),
]


@pytest.mark.parametrize(("stream", "item", "sibling"), LINKS)
def test_items_that_the_other_list_shows_are_not_missing(house: House, stream: str, item: str, sibling: str) -> None:
    """Shown by one list after the other missed it: two reads have to miss it again, and it is dated by these."""
    table = STREAMS[stream].members.table  # type: ignore[union-attr]
    other = {"project_id": "studio_id", "follower_id": "followee_id", "user_id": "studio_id"}[item]
    house.connection.execute("INSERT INTO scratch.follows (follower_id, followee_id) VALUES (1, 5), (2, 5), (3, 5)")
    house.connection.execute("UPDATE scratch.follows SET first_seen_at = now() - interval '2 hours'")
    house.connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, last_full_read_at)"
        " SELECT s, e, now() + interval '9 days', 1, now() - interval '1 hour' FROM (VALUES ('user_followers', 5),"
        " ('user_following', 2), ('project_studios', 2), ('user_studios', 2)) v (s, e)"
    )
    rest = [one for one in HELD if one != 2]
    house.audit(stream)
    house.visit(stream, rest)
    assert house.one("SELECT array_agg(item_id) FROM crawl.missing_items") == [2]
    missed = house.one("SELECT now()")
    house.audit(sibling)
    house.visit(sibling, [5], rows=[Rows(table, (other, item), [(5, 2)])])
    assert house.one("SELECT count(*) FROM crawl.missing_items") == 0
    house.audit("studio_managers")
    house.visit("studio_managers", [1])
    house.visit(stream, rest)
    assert house.gone(table, item) == {}
    house.audit("studio_managers")
    house.visit("studio_managers", [1])
    house.visit(stream, rest)
    assert house.gone(table, item) == {2: "no longer listed"}
    assert house.one(f"SELECT gone_at FROM scratch.{table} WHERE gone_at IS NOT NULL") > missed
    # And it is back as soon as any list shows it.
    house.audit(sibling)
    house.visit(sibling, [5], rows=[Rows(table, (other, item), [(5, 2)])])
    assert house.gone(table, item) == {}


def test_items_shown_again_cause_no_third_read(house: House) -> None:
    """A list has no say in its own missing items before it ends: what vanished between visits waits for the next."""
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    shown = Rows("studio_projects", ("studio_id", "project_id"), [(5, 2), (5, 3)])
    house.visit("studio_projects", [2, 3], rows=[shown])
    assert house.one("SELECT array_agg(item_id) FROM crawl.missing_items") == [1]
    assert not house.is_due("studio_projects")
    assert house.gone("studio_projects", "project_id") == {}


def test_a_project_is_asked_for_and_never_dated_by_a_list(house: House) -> None:
    connection = house.connection
    connection.execute("UPDATE scratch.projects SET author_id = 1, first_seen_at = now() - interval '1 hour'")
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, last_full_read_at)"
        " SELECT s, e, now() + interval '9 days', 1, now() - interval '1 hour'"
        " FROM (VALUES ('user_projects', 1), ('project', 7), ('project', 8)) v (s, e)"
    )
    for _ in range(2):
        house.audit("user_projects")
        house.visit("user_projects", [1, 2, 3, 4, 5, 6, 8, 9])
    assert house.gone("projects", "id") == {}
    due = connection.execute(
        "SELECT entity_id FROM crawl.frontier WHERE stream = 'project' AND due_at <= now()"
    ).fetchall()
    assert due == [(7,)]
    lease = house.lease("project")
    house.writer.commit([PageCommit(lease, [], 0, visit_result=VisitResult(None, gone=True))])
    assert house.gone("projects", "id") == {7: STREAMS["project"].gone}
    after = house.one("SELECT now() - last_seen_at FROM scratch.projects WHERE id = 7")
    assert 3500 < after.total_seconds() < 3700


def test_owned_items_are_requested_though_no_list_showed_them(house: House) -> None:
    """A favorite of another that was unshared before its author's projects were read; a remix is nobody's own."""
    house.connection.execute(
        "UPDATE scratch.projects SET author_id = 1, parent_id = nullif(4, id), first_seen_at = now() - interval '1 h'"
    )
    house.connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, depth, due_at, visits)"
        " VALUES ('user_projects', 1, 2, now(), 1), ('project_remixes', 4, 2, now(), 1)"
    )
    asked = "SELECT array_agg((entity_id, depth)::text ORDER BY entity_id) FROM crawl.frontier WHERE stream = 'project'"
    house.audit("project_remixes")
    house.visit("project_remixes", [1, 2])
    assert house.one(asked) is None
    house.audit("user_projects")
    house.visit("user_projects", [1, 2, 3, 4, 5, 6, 8])
    assert house.one(asked) == ["(7,2)", "(9,2)"]
    assert house.is_due("project")


def test_returned_items_are_reopened_and_absences_kept(house: House) -> None:
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 3])
    house.visit("studio_projects", [1, 3])
    gone = house.one("SELECT gone_at, last_seen_at FROM scratch.studio_projects WHERE gone_at IS NOT NULL")
    back = Rows("studio_projects", ("studio_id", "project_id"), [(5, 2)])
    house.audit("studio_projects")
    house.visit("studio_projects", [1, 2, 3], rows=[back])
    assert house.gone("studio_projects", "project_id") == {}
    kept = "SELECT gone_at, last_seen_at FROM history.absences WHERE kind = 'studio_projects' AND other_id = 2"
    assert house.one(kept) == gone


def test_a_large_loss_is_dated_by_reads_hours_apart(house: House) -> None:
    """A site that serves its lists short for an hour answers each full read of that hour alike."""
    house.connection.execute("INSERT INTO scratch.projects (id) SELECT generate_series(10, 199)")
    house.connection.execute(
        "INSERT INTO scratch.studio_projects (studio_id, project_id, first_seen_at)"
        " SELECT 5, n, now() - interval '2 hours' FROM generate_series(10, 199) n"
    )
    head = list(range(150, 200))
    house.audit("studio_projects")
    house.visit("studio_projects", head)
    assert not house.is_due("studio_projects"), "another read at once could tell no more"
    house.audit("studio_projects")
    house.visit("studio_projects", head)
    house.audit("studio_projects")
    house.visit("studio_projects", head, twice=True)
    assert house.gone("studio_projects", "project_id") == {}
    # Half of it back an hour later: that half is there, and the rest is missing still.
    house.audit("studio_projects")
    house.visit("studio_projects", list(range(60, 200)))
    assert house.gone("studio_projects", "project_id").keys() == {*HELD, *range(10, 60)}


def test_most_of_a_list_is_gone_once_it_is_missing_for_hours(house: House) -> None:
    house.connection.execute("INSERT INTO scratch.projects (id) SELECT generate_series(10, 99)")
    house.connection.execute(
        "INSERT INTO scratch.studio_projects (studio_id, project_id, first_seen_at)"
        " SELECT 5, n, now() - interval '9 hours' FROM generate_series(10, 99) n"
    )
    house.audit("studio_projects")
    house.visit("studio_projects", [])
    house.connection.execute("UPDATE crawl.missing_items SET missed_at = missed_at - interval '7 hours'")
    house.audit("studio_projects")
    house.visit("studio_projects", [])
    assert len(house.gone("studio_projects", "project_id")) == 93
