"""Each subject of `analytics` over a community small enough to be worked out by hand, beside the test."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.analytics.refresh import refresh
from harvester.api.catalogue import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True, options="-c timezone=UTC") as connected:
        yield connected


def fill(connection: Connection, table: str, columns: str, *rows: tuple[Any, ...]) -> None:
    marks = ", ".join(["%s"] * len(rows[0]))
    connection.cursor().executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def people(connection: Connection, *ids: int) -> None:
    fill(connection, "scratch.users", "id", *[(one,) for one in ids])


def comments(connection: Connection, kind: str, place: str, *rows: tuple[Any, ...]) -> None:
    """Rows of id, place, parent, author, created, gone."""
    fill(connection, f"scratch.{kind}_comments", f"id, {place}, parent_id, author_id, created_at, gone_at", *rows)


GONE = "2026-06-01"
WHOLE = '{"proven_by": "key", "complete": true}'


@pytest.mark.every_postgres
def test_activity_and_cohorts(connection: Connection) -> None:
    fill(
        connection, "scratch.users", "id, joined_at, country, gone_at",
        (1, "2026-01-05 10:00Z", "Chile", None),
        (2, "2026-01-31 23:59:59Z", "Chile", GONE),
        (3, "2026-02-01 00:00:00Z", None, None),
        (4, None, "Japan", None),
    )  # fmt: skip
    fill(
        connection, "scratch.projects", "id, author_id, shared_at, gone_at",
        (11, 1, "2026-01-06 00:30Z", None),
        (12, 1, "2026-01-06 23:30Z", GONE),
        (13, 2, "2026-03-02 12:00Z", None),
        (14, 3, None, None),
    )  # fmt: skip
    fill(connection, "scratch.studios", "id, host_id, created_at", (21, 1, "2026-01-06 01:00Z"))
    comments(
        connection, "project", "project_id",
        (31, 11, None, 1, "2026-01-06 02:00Z", None),
        (32, 11, 31, 2, "2026-01-06 03:00Z", None),
        (33, 11, 31, 1, "2026-01-06 04:00Z", GONE),
        (34, 11, None, 4, "2026-03-05 04:00Z", None),
    )  # fmt: skip
    # The same id in another kind, and a comment that was removed, of which only its place is left.
    comments(connection, "studio", "studio_id", (31, 21, None, 3, "2026-03-05 05:00Z", None))
    comments(connection, "profile", "user_id", (31, 1, None, None, None, None))
    fill(
        connection, "scratch.studio_activity", "studio_id, id, actor_id, created_at",
        (21, "addproject-1", 1, "2026-01-06 05:00Z"),
        (21, "addproject-2", 1, "2026-01-06 06:00Z"),
    )  # fmt: skip
    fill(
        connection, "crawl.frontier", "stream, entity_id, due_at, visits, certified_from, certificate",
        ("user_projects", 1, "2026-01-01", 2, "2026-03-15 00:00Z", WHOLE),
        ("user_projects", 2, "2026-01-01", 0, None, None),
        ("user_projects", 3, "2026-01-01", 1, "2026-04-01 00:00Z", WHOLE),
    )  # fmt: skip
    refresh(connection)

    days = connection.execute(
        "SELECT stream, day, items, actors, replies, gone FROM analytics.daily_activity"
    ).fetchall()
    january_6 = date(2026, 1, 6)
    assert sorted(days) == [
        ("project_comments", january_6, 3, 2, 2, 1),
        ("project_comments", date(2026, 3, 5), 1, 1, 0, 0),
        ("projects", january_6, 2, 1, 0, 1),
        ("projects", date(2026, 3, 2), 1, 1, 0, 0),
        ("studio_activity", january_6, 2, 1, 0, 0),
        ("studio_comments", date(2026, 3, 5), 1, 1, 0, 0),
        ("studios", january_6, 1, 1, 0, 0),
        ("users", date(2026, 1, 5), 1, 1, 0, 0),
        ("users", date(2026, 1, 31), 1, 1, 0, 1),
        ("users", date(2026, 2, 1), 1, 1, 0, 0),
    ]
    months = connection.execute(
        "SELECT month, items, replies, gone, days, most_actors_in_a_day FROM analytics.monthly_activity"
        " WHERE stream = 'users' ORDER BY 1"
    ).fetchall()
    assert months == [(date(2026, 1, 1), 2, 0, 1, 2, 1), (date(2026, 2, 1), 1, 0, 0, 1, 1)]

    by_user = connection.execute("SELECT user_id, month, projects, comments FROM analytics.user_months").fetchall()
    january, february, march = (date(2026, month, 1) for month in (1, 2, 3))
    assert sorted(by_user) == [
        (1, january, 2, 2), (2, january, 0, 1), (2, march, 1, 0), (3, march, 0, 1), (4, march, 0, 1),
    ]  # fmt: skip
    cohorts = connection.execute("SELECT cohort, users, gone_users, read_users FROM analytics.cohorts ORDER BY 1")
    assert cohorts.fetchall() == [(january, 2, 1, 1), (february, 1, 0, 1)]
    retention = connection.execute(
        "SELECT cohort, month_number, users, observable, active, sharing, commenting, share_active::float8, is_complete"
        " FROM analytics.cohort_retention ORDER BY 1, 2"
    ).fetchall()
    # What user 2 did is not counted: whether others of whom as little was read did anything is not known.
    assert retention == [
        (january, 0, 2, 1, 1, 1, 1, 1.0, False),
        (january, 1, 2, 1, 0, 0, 0, 0.0, False),
        (february, 0, 1, 1, 0, 0, 0, 0.0, True),
        (february, 1, 1, 1, 1, 0, 1, 1.0, True),
    ]
    countries = connection.execute("SELECT * FROM analytics.countries ORDER BY country").fetchall()
    assert [(*row[:2], float(row[2]), *row[3:]) for row in countries] == [
        ("Chile", 2, 0.5, 1, 2, 2, 3, 3, 1),
        ("Japan", 1, 0.25, 0, 0, 1, 0, 1, 2),
        ("unknown", 1, 0.25, 0, 0, 1, 0, 1, 3),
    ]


@pytest.mark.every_postgres
def test_remix_trees_keep_deleted_and_unseen_projects(connection: Connection) -> None:
    people(connection, 1)
    fill(
        connection, "scratch.projects", "id, author_id, parent_id, root_id, shared_at, gone_at",
        # A tree with a gone node in its middle: 1 - (2, 3), 2 - (4, 5), 5 - 6
        (1, 1, None, None, "2026-01-01", None), (2, 1, 1, 1, "2026-01-02", GONE), (3, 1, 1, 1, "2026-01-03", None),
        (4, 1, 2, 1, "2026-01-04", None), (5, 1, 2, 1, None, None), (6, 1, 5, 1, "2026-01-06", None),
        # 7 is in no tree; the root 100 was never seen.
        (7, 1, None, None, "2026-01-07", None), (8, 1, 100, 100, "2026-01-08", None),
        # 201 was never seen: its remixes say that it stands somewhere under 200. The first of them is believed.
        (9, 1, 201, 200, None, None), (10, 1, 201, 7777, None, None),
        # 12 knows its root alone, and 13 its parent alone.
        (11, 1, None, None, None, None), (12, 1, None, 11, None, None), (13, 1, 12, None, None, None),
        # A circle, and one that comes from itself: nothing hangs from nothing.
        (14, 1, 15, None, None, None), (15, 1, 14, None, None, None), (16, 1, 16, 16, None, None),
    )  # fmt: skip
    refresh(connection)
    nodes = connection.execute(
        "SELECT project_id, parent_id, root_id, depth, is_assumed FROM analytics.remix_nodes ORDER BY root_id, depth, 1"
    ).fetchall()
    assert nodes == [
        (1, None, 1, 0, False), (2, 1, 1, 1, False), (3, 1, 1, 1, False),
        (4, 2, 1, 2, False), (5, 2, 1, 2, False), (6, 5, 1, 3, False),
        (11, None, 11, 0, False), (12, 11, 11, 1, True), (13, 12, 11, 2, False),
        (100, None, 100, 0, False), (8, 100, 100, 1, False),
        (200, None, 200, 0, False), (201, 200, 200, 1, True), (9, 201, 200, 2, False), (10, 201, 200, 2, False),
    ]  # fmt: skip
    trees = connection.execute(
        "SELECT root_id, nodes, depth, breadth, direct_remixes, gone, never_seen, assumed,"
        " first_shared_at::date::text, last_shared_at::date::text FROM analytics.remix_trees ORDER BY 1"
    ).fetchall()
    assert trees == [
        (1, 6, 3, 2, 2, 1, 0, 0, "2026-01-01", "2026-01-06"),
        (11, 3, 2, 1, 1, 0, 0, 1, None, None),
        (100, 2, 1, 1, 1, 0, 1, 0, "2026-01-08", "2026-01-08"),
        (200, 4, 2, 2, 1, 0, 2, 1, None, None),
    ]
    roots = connection.execute("SELECT analytics.remix_roots('{6, 4, 8, 7, 14}')").fetchall()
    assert sorted(roots) == [(1,), (7,), (100,)]
    # From within a circle it ends as well.
    assert len(connection.execute("SELECT * FROM analytics.remix_tree('{14}')").fetchall()) == 2


@pytest.mark.every_postgres
def test_threads_and_how_long_an_answer_takes(connection: Connection) -> None:
    people(connection, 1, 2, 3)
    fill(connection, "scratch.projects", "id, author_id", (11, 1))
    comments(
        connection, "project", "project_id",
        # The author comes first, somebody else after an hour, then again, and that is gone.
        (1, 11, None, 1, "2026-01-01 00:00Z", None),
        (2, 11, 1, 1, "2026-01-01 00:10Z", None),
        (3, 11, 1, 2, "2026-01-01 01:00Z", None),
        (4, 11, 1, 3, "2026-01-02 00:00Z", GONE),
        # After three hours.
        (5, 11, None, 2, "2026-01-31 22:00Z", None),
        (6, 11, 5, 1, "2026-02-01 01:00Z", None),
        # Only by the author; and none at all.
        (7, 11, None, 3, "2026-01-10 00:00Z", None),
        (8, 11, 7, 3, "2026-01-10 00:00:05Z", None),
        (9, 11, None, 3, "2026-01-11 00:00Z", None),
        (10, 11, None, 3, "2026-02-11 00:00Z", None),
    )  # fmt: skip
    # The id 1 again: a removed comment on a profile, which keeps its replies.
    comments(connection, "profile", "user_id", (1, 2, None, None, None, GONE), (2, 2, 1, 3, "2026-01-05 00:00Z", None))
    refresh(connection)
    threads = connection.execute(
        "SELECT kind, thread_id, place_id, author_id, is_gone, replies, own_replies, gone_replies, repliers,"
        " first_reply_at - started_at, first_answer_at - started_at, last_reply_at - started_at"
        " FROM analytics.threads ORDER BY 1, 2"
    ).fetchall()
    hour = timedelta(hours=1)
    assert threads == [
        ("profile", 1, 2, None, True, 1, 0, 0, 1, None, None, None),
        ("project", 1, 11, 1, False, 3, 1, 1, 3, hour / 6, hour, 24 * hour),
        ("project", 5, 11, 2, False, 1, 0, 0, 1, 3 * hour, 3 * hour, 3 * hour),
        ("project", 7, 11, 3, False, 1, 1, 0, 1, timedelta(seconds=5), None, timedelta(seconds=5)),
    ]
    latency = connection.execute(
        "SELECT kind, month::text, comments, observable, answered, answered_in_an_hour::float8,"
        " answered_in_a_week::float8, median_wait, ninth_decile_wait FROM analytics.reply_latency ORDER BY 1, 2"
    ).fetchall()
    assert latency == [
        ("any", None, 5, 5, 2, 0.2, 0.4, hour, 3 * hour),
        ("project", "2026-01-01", 4, 4, 2, 0.25, 0.5, hour, 3 * hour),
        ("project", "2026-02-01", 1, 1, 0, 0.0, 0.0, None, None),
        ("project", None, 5, 5, 2, 0.2, 0.4, hour, 3 * hour),
    ]
    # First read half an hour after it was written, and with its whole list two hours after: no answer by then.
    connection.execute("UPDATE scratch.project_comments SET first_seen_at = created_at + interval '30 minutes'")
    fill(
        connection, "crawl.frontier", "stream, entity_id, due_at, last_full_read_at, certificate",
        ("project_comments", 11, "2027-01-01", "2026-02-01 00:00Z", WHOLE),
    )  # fmt: skip
    waits = "SELECT thread_id, waited, is_answered FROM analytics.reply_waits ORDER BY 1"
    assert connection.execute(waits).fetchall()[:2] == [(1, hour, True), (5, 2 * hour, False)]
    # What has replies of which none was read tells nothing.
    connection.execute("UPDATE scratch.project_comments SET reply_count = 1 WHERE id = 9")
    assert (9, None, None) in connection.execute(waits).fetchall()


@pytest.mark.every_postgres
def test_the_network_of_followers(connection: Connection) -> None:
    people(connection, 1, 2, 3, 4, 5)
    fill(
        connection, "scratch.follows", "follower_id, followee_id, gone_at",
        (1, 2, None), (2, 1, None), (3, 1, None), (1, 3, GONE), (4, 1, None), (3, 4, None),
    )  # fmt: skip
    refresh(connection)
    degrees = connection.execute(
        "SELECT user_id, followers, following, mutual FROM analytics.follow_degrees ORDER BY 1"
    ).fetchall()
    assert degrees == [(1, 3, 1, 1), (2, 1, 1, 1), (3, 0, 2, 0), (4, 1, 1, 0)]
    fill(
        connection, "crawl.frontier", "stream, entity_id, due_at, certificate",
        ("user_followers", 1, "2027-01-01", WHOLE), ("user_followers", 3, "2027-01-01", WHOLE),
        ("user_followers", 2, "2027-01-01", None), ("user_following", 5, "2027-01-01", WHOLE),
    )  # fmt: skip
    network = connection.execute("SELECT * FROM analytics.follow_network").fetchone()
    assert network is not None
    # Of the three edges from users 1 and 3 it is known whether they are returned.
    assert (*network[:4], float(network[4]), *network[5:]) == (4, 5, 3, 1, 0.3333, 3, 4, 3, 2)
    distribution = connection.execute("SELECT direction, degree, users FROM analytics.degree_distribution").fetchall()
    assert sorted(distribution) == [("followers", 0, 1), ("followers", 3, 1), ("following", 0, 1)]


@pytest.mark.every_postgres
def test_studios_and_what_they_have_in_common(connection: Connection) -> None:
    people(connection, 1, 2, 3, 4)
    fill(connection, "scratch.projects", "id", (11,), (12,), (13,))
    fill(connection, "scratch.studios", "id", (21,), (22,), (23,))
    fill(
        connection, "scratch.studio_members", "studio_id, user_id, role, gone_at",
        (21, 1, "host", None), (21, 2, "manager", None), (21, 3, "curator", None), (21, 4, "curator", GONE),
        (22, 1, "curator", None), (22, 3, None, None), (22, 4, "host", None), (23, 4, "host", None),
    )  # fmt: skip
    fill(
        connection, "scratch.studio_projects", "studio_id, project_id, added_by_id, gone_at",
        (21, 11, 1, None), (21, 12, 1, None), (21, 13, 2, GONE), (22, 12, None, None), (22, 13, 4, None),
    )  # fmt: skip
    comments(
        connection, "studio", "studio_id",
        (31, 21, None, 1, "2026-01-01", None), (32, 21, 31, 1, "2026-01-02", None),
        (33, 21, None, 2, "2026-01-03", GONE),
    )  # fmt: skip
    refresh(connection)
    figures = connection.execute(
        "SELECT studio_id, projects, adders, members, managers, curators, comments, commenters,"
        " first_comment_at::date::text, last_comment_at::date::text FROM analytics.studio_figures ORDER BY 1"
    ).fetchall()
    assert figures == [
        (21, 2, 1, 3, 1, 1, 2, 1, "2026-01-01", "2026-01-02"),
        (22, 2, 1, 3, 0, 1, 0, 0, None, None),
        (23, 0, 0, 1, 0, 0, 0, 0, None, None),
    ]
    memberships = connection.execute("SELECT * FROM analytics.studio_memberships ORDER BY user_id").fetchall()
    assert memberships == [(1, 2, 1, 0, 1), (2, 1, 0, 1, 0), (3, 2, 0, 0, 1), (4, 2, 2, 0, 0)]
    overlap = connection.execute("SELECT * FROM analytics.studio_overlap(21)").fetchall()
    # Members 1, 2, 3 and 1, 3, 4: two of four in common.
    assert [(*row[:3], float(row[3])) for row in overlap] == [(22, 2, 1, 0.5)]
    assert connection.execute("SELECT other_id FROM analytics.studio_overlap(23)").fetchall() == [(22,)]


@pytest.mark.every_postgres
def test_the_life_of_projects(connection: Connection) -> None:
    fill(
        connection, "scratch.projects", "id, created_at, shared_at, first_seen_at, views, loves, favorites, remixes",
        (1, "2026-01-01", "2026-01-02", "2026-01-03 12:00Z", 40, 4, 3, None),
        (2, "2026-01-01", None, "2026-01-05 00:00Z", 7, 1, 0, None),
        (3, None, None, "2026-01-05", None, None, None, None),
    )  # fmt: skip
    fill(
        connection, "history.project_stats", "project_id, valid_from, last_seen_at, valid_to, views, loves, favorites",
        (1, "2026-01-03 12:00Z", "2026-01-03 12:00Z", "2026-01-05 00:00Z", 10, 1, 1),
        (1, "2026-01-05 00:00Z", "2026-01-05 00:00Z", "2026-01-12 00:00Z", 20, 2, 1),
    )  # fmt: skip
    life = connection.execute(
        "SELECT project_id, seen_from::text, seen_until IS NULL, age_days, views, is_current"
        " FROM analytics.project_life ORDER BY 1, 2"
    ).fetchall()
    assert life == [
        (1, "2026-01-03 12:00:00+00", False, 1.5, 10, False),
        (1, "2026-01-05 00:00:00+00", False, 3.0, 20, False),
        (1, "2026-01-12 00:00:00+00", True, 10.0, 40, True),
        (2, "2026-01-05 00:00:00+00", True, 4.0, 7, True),
    ]
    refresh(connection)
    curves = connection.execute("SELECT * FROM analytics.life_curves ORDER BY 1").fetchall()
    assert [tuple(map(float, row)) for row in curves] == [
        (1, 2, 1, 10.0, 1.0, 1.0, 1.0),
        (2, 4, 1, 10.0, 1.0, 1.0, 1.0),
        (4, 8, 2, 13.5, 1.5, 0.5, 0.5),
        (8, 16, 1, 20.0, 2.0, 1.0, 1.0),
    ]
    # A visit that found the same confirms it; one that found nothing does not.
    fill(
        connection, "crawl.frontier", "stream, entity_id, due_at, visited_at",
        ("project", 1, "2027-01-01", "2026-01-12 00:00Z"), ("project", 2, "2027-01-01", "2026-01-10 00:00Z"),
    )  # fmt: skip
    refresh(connection)
    classes = "SELECT older_than_days, projects, mean_views::float8 FROM analytics.life_curves ORDER BY 1"
    assert connection.execute(classes).fetchall() == [(1, 1, 10.0), (2, 1, 10.0), (4, 2, 13.5), (8, 2, 13.5)]
    connection.execute("UPDATE scratch.projects SET gone_at = '2026-01-10', last_seen_at = '2026-01-06' WHERE id = 2")
    refresh(connection)
    assert connection.execute(classes).fetchall() == [(1, 1, 10.0), (2, 1, 10.0), (4, 2, 13.5), (8, 1, 20.0)]


def test_change_over_time_has_bounds_between_two_reads(connection: Connection) -> None:
    """A follow that was gone and came back, one that left; a comment that was deleted; a studio that was closed."""
    fill(
        connection, "scratch.users", "id, joined_at, first_seen_at",
        (1, "2020-01-01", "2026-01-01"), (2, "2021-01-01", "2026-01-01"), (3, None, "2026-01-01"),
    )  # fmt: skip
    fill(
        connection, "scratch.follows", "follower_id, followee_id, first_seen_at, last_seen_at, gone_at, gone_reason",
        (2, 1, "2026-01-01", None, None, None),
        (3, 1, "2026-01-02", "2026-01-07", "2026-01-09", "no longer listed"),
    )  # fmt: skip
    fill(
        connection, "history.absences", "kind, thing_id, other_id, last_seen_at, gone_at, returned_at",
        ("follows", 2, 1, "2026-01-03", "2026-01-04", "2026-01-05"),
        ("favorites", 2, 1, "2026-01-03", "2026-01-04", "2026-01-05"),
    )  # fmt: skip
    found = connection.execute(
        "SELECT at::date::text, at_least, at_most FROM analytics.followers_over_time WHERE user_id = 1 ORDER BY at"
    ).fetchall()
    assert found == [
        ("2020-01-01", 0, 1),  # by then user 1 had an account, and of user 3 it is not known
        ("2021-01-01", 0, 2),
        ("2026-01-01", 1, 2),
        ("2026-01-02", 2, 2),
        ("2026-01-03", 1, 2),  # not seen since, and absent on the 4th
        ("2026-01-05", 2, 2),
        ("2026-01-07", 1, 2),
        ("2026-01-09", 1, 1),
    ]
    fill(
        connection, "scratch.studios", "id, created_at, first_seen_at, last_seen_at, gone_at, gone_reason",
        (1, "2025-01-01", "2026-01-01", "2026-01-05", "2026-01-08", "closed or deleted"),
        (2, "2025-01-01", "2026-01-01", None, None, None),
    )  # fmt: skip
    fill(connection, "scratch.studio_activity", "studio_id, id, created_at", (1, "a-1", "2025-01-11"))
    lives = connection.execute(
        "SELECT studio_id, lived_at_least_days, lived_at_most_days, active_at_least_days"
        " FROM analytics.studio_lifetimes ORDER BY 1"
    ).fetchall()
    assert lives == [(1, 369.0, 372.0, 10.0), (2, 365.0, None, None)]
    fill(
        connection, "scratch.studio_comments",
        "id, studio_id, author_id, created_at, first_seen_at, last_seen_at, gone_at, gone_reason",
        (1, 2, 1, "2025-06-01", "2026-01-01", "2026-01-04", "2026-01-06", "deleted"),
        (2, 2, 1, "2025-07-01", "2026-01-01", None, None, None),
    )  # fmt: skip
    said = connection.execute(
        "SELECT at::date::text, at_least, at_most FROM analytics.comments_over_time WHERE kind = 'studio' ORDER BY at"
    ).fetchall()
    assert said == [("2025-06-01", 1, 1), ("2025-07-01", 2, 2), ("2026-01-04", 1, 2), ("2026-01-06", 1, 1)]


def test_life_curves_equal_a_count_by_hand_over_random_visits(connection: Connection) -> None:
    """For each project and class: the value at the beginning of the class if visits before and after know it.

    Else that of the first visit within the class. Most projects never change, and are visited at random ages.
    """
    random = Random(7)
    born = datetime(2026, 1, 1, tzinfo=UTC)
    known: dict[int, list[int]] = defaultdict(list)
    for project in range(1, 151):
        growth = random.choice((0, 0, 0, 3, 50))
        ages = sorted(random.uniform(0.2, 90) for _ in range(random.randint(1, 6)))
        visits = [(born + timedelta(days=age), int(5 + growth * age**0.5)) for age in ages]
        for older_than in (2**n for n in range(14)):
            begin, end = (born + timedelta(days=days) for days in (older_than, 2 * older_than))
            before = [views for at, views in visits if at <= begin]
            within = [views for at, views in visits if begin <= at < end]
            if before and visits[-1][0] >= begin:
                known[older_than].append(before[-1])
            elif within:
                known[older_than].append(within[0])
        versions = [visits[0], *(visit for last, visit in pairwise(visits) if visit[1] != last[1])]
        fill(
            connection, "scratch.projects", "id, shared_at, first_seen_at, views",
            (project, born, visits[0][0], visits[-1][1]),
        )  # fmt: skip
        for (since, views), (until, _) in pairwise(versions):
            fill(
                connection, "history.project_stats", "project_id, valid_from, last_seen_at, valid_to, views",
                (project, since, since, until, views),
            )  # fmt: skip
        fill(
            connection, "crawl.frontier", "stream, entity_id, due_at, visited_at",
            ("project", project, "2027-01-01", visits[-1][0]),
        )  # fmt: skip
    found = connection.execute(
        "SELECT older_than_days, projects, mean_views::float8, share_viewed_ten_times::float8"
        " FROM analytics.live_life_curves ORDER BY 1"
    ).fetchall()
    assert found == [
        (
            older_than,
            len(views),
            pytest.approx(fmean(views), abs=0.01),
            pytest.approx(fmean(v >= 10 for v in views), abs=1e-4),
        )
        for older_than, views in sorted(known.items())
    ]
    assert len(found) > 6


@pytest.mark.every_postgres
def test_rankings_over_time_and_where_they_come_from(connection: Connection) -> None:
    fill(connection, "scratch.users", "id, country", (1, "Chile"), (2, None), (3, "Japan"))
    fill(connection, "scratch.projects", "id, author_id", (11, 1), (12, 1), (13, 2))
    fill(connection, "scratch.studios", "id, host_id", (11, 3))
    explore, front = "explore/projects?q=*&mode=trending&language=ja", "front-page/newest"
    fill(
        connection, "history.rankings", "ranking, seen_at, position, kind, thing_id",
        (explore, "2026-01-01", 0, "project", 11), (explore, "2026-01-01", 1, "project", 12),
        (explore, "2026-01-02", 0, "project", 12), (explore, "2026-01-02", 1, "project", 13),
        (explore, "2026-01-03", 3, "project", 12),
        (front, "2026-01-01", 0, "studio", 11), (front, "2026-01-01", 1, "project", 11),
        (front, "2026-01-01", 2, "project", 99),
    )  # fmt: skip
    refresh(connection)
    moves = connection.execute(
        "SELECT seen_at::date::text, position, thing_id, previous_seen_at::date::text, previous_position, rise"
        " FROM analytics.ranking_moves WHERE ranking = %s AND previous_position IS NOT NULL ORDER BY 1",
        [explore],
    ).fetchall()
    assert moves == [("2026-01-02", 0, 12, "2026-01-01", 1, 1), ("2026-01-03", 3, 12, "2026-01-02", 0, -3)]
    stays = connection.execute(
        "SELECT kind, thing_id, first_seen_at::date::text, last_seen_at::date::text, entries,"
        " best_position, mean_position::float8, absent_before IS NULL, absent_after::date::text"
        " FROM analytics.ranking_stays WHERE ranking = %s ORDER BY 2",
        [explore],
    ).fetchall()
    assert stays == [
        ("project", 11, "2026-01-01", "2026-01-01", 1, 0, 0.0, True, "2026-01-02"),
        ("project", 12, "2026-01-01", "2026-01-03", 3, 0, 1.33, True, None),
        ("project", 13, "2026-01-02", "2026-01-02", 1, 1, 1.0, False, "2026-01-03"),
    ]
    readings = connection.execute(
        "SELECT language, readings, first_read_at::date::text, last_read_at::date::text, places"
        " FROM analytics.ranking_readings ORDER BY ranking"
    ).fetchall()
    assert readings == [("ja", 3, "2026-01-01", "2026-01-03", 5), ("any", 1, "2026-01-01", "2026-01-01", 3)]
    countries = connection.execute("SELECT * FROM analytics.ranking_countries ORDER BY 1, 3, 4").fetchall()
    assert countries == [
        (explore, "ja", "project", "Chile", 2, 1, 4, 0, 1),
        (explore, "ja", "project", "unknown", 1, 1, 1, 1, 2),
        (front, "any", "project", "Chile", 1, 1, 1, 1, 1),
        (front, "any", "project", "unknown", 1, 0, 1, 2, 2),
        (front, "any", "studio", "Japan", 1, 1, 1, 0, 1),
    ]


@pytest.mark.every_postgres
def test_the_index_beside_the_page(connection: Connection) -> None:
    """The last value that explore showed, and the least time for which the page has shown a newer one."""
    fill(
        connection, "scratch.projects", "id, views, loves, favorites, from_index",
        (11, 9, 2, 1, []), (12, 5, 1, 1, []), (13, 7, 0, 0, []), (14, 3, 0, 0, ["views"]), (15, 1, 0, 0, []),
    )  # fmt: skip
    fill(
        connection, "history.project_stats",
        "project_id, valid_from, last_seen_at, valid_to, views, loves, favorites, remixes",
        (11, "2026-01-01", "2026-01-01", "2026-02-01", 4, 1, 1, 0),
        (11, "2026-02-01", "2026-02-01", "2026-03-01", 6, 1, 1, 0),
    )  # fmt: skip
    explore, front = "explore/projects?q=*&mode=popular&language=en", "front-page/newest"
    fill(
        connection, "history.rankings", "ranking, seen_at, position, kind, thing_id, views, loves, favorites",
        (explore, "2026-03-05", 0, "project", 11, 1, 0, 0), (explore, "2026-03-11", 0, "project", 11, 5, 1, 1),
        (explore, "2026-03-11", 1, "project", 12, 5, 1, 1), (explore, "2026-03-11", 2, "project", 13, 6, 0, 0),
        (explore, "2026-03-11", 3, "project", 14, 3, 0, 0), (front, "2026-03-12", 0, "project", 15, None, 0, None),
    )  # fmt: skip
    lag = connection.execute(
        "SELECT project_id, seen_at::date::text, index_views, views, days_behind::float8"
        " FROM analytics.index_lag ORDER BY 1"
    ).fetchall()
    assert lag == [
        (11, "2026-03-11", 5, 9, 38.0),  # it says no more than was superseded on the first of February
        (12, "2026-03-11", 5, 5, 0.0),
        (13, "2026-03-11", 6, 7, None),
    ]


@pytest.mark.every_postgres
def test_how_fresh_a_figure_is_stands_beside_it(connection: Connection) -> None:
    certificate = '{"proven_by": "key", "complete": true}'
    fill(
        connection, "crawl.frontier", "stream, entity_id, due_at, visits, visited_at, certificate, failures",
        ("user_followers", 1, "2026-01-01", 3, "2026-01-05", certificate, 0),
        ("user_followers", 2, "2026-01-01", 1, "2026-01-02", None, 2),
        ("user_followers", 3, "2026-01-01", 0, None, None, 0),
        ("user_following", 1, "2026-01-01", 1, "2026-01-09", certificate, 0),
    )  # fmt: skip
    ask = (
        "SELECT in_scope, read, share_read::float8, certified, oldest_read_at::date::text, newest_read_at::date::text,"
        " is_live, refreshed_at FROM analytics.freshness WHERE relation = %s"
    )
    before = connection.execute(ask, ["follow_degrees"]).fetchone()
    assert before == (4, 3, 0.75, 2, "2026-01-02", "2026-01-09", False, None)
    refresh(connection)
    after = connection.execute(ask, ["follow_network"]).fetchone()
    assert after is not None
    assert after[:7] == before[:7]
    assert after[7] is not None
    live = connection.execute(ask, ["ranking_moves"]).fetchone()
    assert live == (0, 0, None, 0, None, None, True, None)
    by_stream = connection.execute(
        "SELECT in_scope, read, share_read::float8, certified, gone, failing, median_read_at::date::text"
        " FROM analytics.stream_freshness WHERE stream = 'user_followers'"
    ).fetchall()
    assert by_stream == [(3, 2, 0.666667, 1, 0, 1, "2026-01-02")]


RELATIONS = """
SELECT relname::text FROM pg_class WHERE relnamespace = 'analytics'::regnamespace AND relkind IN ('r', 'v', 'm')
UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'analytics'::regnamespace
"""
# Of coverage itself.
SAMPLES = {
    "samples", "sample_strata", "sample_units", "sample_visits", "sample_waves", "sample_response", "nonresponse",
    "sample_numbers", "weighed_units", "change",
    "estimate", "estimate_from_draws", "estimate_from_walks", "t95",
    "difference", "estimate_by", "ratio", "variance_of_steps", "variances_of_draws",
    "interval95", "replicate_weights",
}  # fmt: skip
"""Samples state their own design."""
NO_FIGURES = {"coverage", "explain_gap", "id_gaps", "freshness", "stream_freshness", "refreshes"}


def test_every_relation_has_freshness_and_known_streams(connection: Connection) -> None:
    told = dict(connection.execute("SELECT relation, streams FROM analytics.freshness").fetchall())
    there = {name for (name,) in connection.execute(RELATIONS).fetchall()}
    assert told.keys() <= there
    assert there - told.keys() >= NO_FIGURES
    assert there - told.keys() - NO_FIGURES == SAMPLES
    for name, streams in told.items():
        assert set(streams) <= STREAMS.keys(), name


@pytest.mark.every_postgres
def test_the_reader_may_read_all_of_it_and_change_nothing(connection: Connection) -> None:
    kinds = dict(
        connection.execute(
            "SELECT relname::text, relkind::text FROM pg_class"
            " WHERE relnamespace = 'analytics'::regnamespace AND relkind IN ('r', 'v', 'm')"
        ).fetchall()
    )
    connection.execute("SET ROLE harvester_reader")
    for name in kinds:
        connection.execute(f"SELECT * FROM analytics.{name} LIMIT 1")
    connection.execute("SELECT * FROM analytics.studio_overlap(1)")
    connection.execute("SELECT * FROM analytics.remix_tree('{1}')")
    for name in (name for name, kind in kinds.items() if kind != "v"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"DELETE FROM analytics.{name}")
