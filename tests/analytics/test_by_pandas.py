"""Every relation of `analytics` and each of the questions equal pandas over raw tables.

They do so in three time zones and styles of dates.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import log, sqrt
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
import pytest
from by_pandas import KINDS, QUESTIONS, Frame, Raw, frame, retention_panel
from communities import NAMES, Community

from harvester.analytics.refresh import refresh
from harvester.config import load
from harvester.report import page
from harvester.report.answers import FEWEST
from harvester.warehouse.sql_parts import materialised

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = psycopg.Connection[Any]
PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
ZONES = {"UTC": "ISO, MDY", "Asia/Kathmandu": "German", "America/St_Johns": "SQL, DMY"}
"""Time zones, and with each a style of dates."""
PRESENT = {
    "users": ["id", "joined_at"],
    "projects": ["id", "shared_at"],
    "studios": ["id", "created_at"],
    "comments": ["kind", "id", "place_id", "created_at", "is_present"],
    "follows": ["follower_id", "followee_id"],
    "favorites": ["user_id", "project_id"],
    "studio_projects": ["studio_id", "project_id", "added_by_id"],
    "studio_members": ["studio_id", "user_id", "role"],
}
"""Columns that are compared of what is present."""
NOT_FROM_RAW = {"refreshes", "freshness"}
"""When tables were refreshed; and sums of stream_freshness, which have a test of their own."""
OF_SOURCES = {"project_sources", "source_scores", "remix_changes", "asset_reuse"}


@pytest.fixture(scope="module", params=NAMES)
def warehouse(request: pytest.FixtureRequest, embedded_server: Any) -> Iterator[tuple[str, Raw, list[Frame]]]:
    """One of the communities in a database, its raw tables, and the answers to the questions by pandas."""
    url = embedded_server.create(embedded_server.template())
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        Community(request.param, seed=1).write(connection)
        raw = Raw(connection)
    yield url, raw, [answer(raw) for answer in QUESTIONS]
    embedded_server.drop(url)


def plain(value: Any) -> Any:
    """Return a value as None, a number or a text: missing values become None, days become texts."""
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return None
    if isinstance(value, (datetime, pd.Timestamp)):
        return pd.Timestamp(value).tz_convert("UTC").isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (timedelta, pd.Timedelta)):
        return value.total_seconds()
    return value.item() if hasattr(value, "item") else value


def ordered(table: Frame) -> list[tuple[Any, ...]]:
    """Sort rows by the values that are no fractions, so that rounding does not change the order."""
    found = [tuple(plain(value) for value in row) for row in table.itertuples(index=False)]
    return sorted(found, key=lambda row: [repr(value) for value in row if not isinstance(value, (float, Decimal))])


def assert_equal(told: Frame, computed: Frame, what: str) -> None:
    """Compare all columns of all rows; a number that was rounded, with the decimals that it has."""
    assert set(told) == set(computed), what
    told_rows, computed_rows = ordered(told), ordered(computed[list(told)])
    assert len(told_rows) == len(computed_rows), what
    for one, other in zip(told_rows, computed_rows, strict=True):
        for name, value, expected in zip(told, one, other, strict=True):
            where = f"{what}, {name}: {one} {other}"
            if isinstance(value, Decimal) and expected is not None:
                half = 0.5001 * 10.0 ** value.as_tuple().exponent
                assert float(value) == pytest.approx(float(expected), rel=1e-9, abs=half), where
            elif isinstance(value, float) and expected is not None:
                assert value == pytest.approx(float(expected), rel=1e-9, abs=1e-9), where
            else:
                assert value == expected, where


def relations(connection: Connection) -> set[str]:
    found = connection.execute(
        "SELECT relname::text FROM pg_class"
        " WHERE relnamespace = 'analytics'::regnamespace AND relkind IN ('r', 'm', 'v')"
    ).fetchall()
    return {name for (name,) in found if not name.startswith("live_")} - NOT_FROM_RAW


def assert_all_equal(url: str, raw: Raw, answers: list[Frame], zone: str) -> None:
    """Refresh in a database of a time zone and its style of dates; compare all relations and questions with pandas."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET TimeZone = '{zone}'")
        connection.execute(f"ALTER DATABASE {name} SET DateStyle = '{ZONES[zone]}'")
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SHOW DateStyle").fetchone() != ("ISO, MDY",) or zone == "UTC"
        assert connection.execute("SHOW TimeZone").fetchone() == (zone,)
        refresh(connection)
        for relation in sorted(relations(connection)):
            told = frame(connection, f"SELECT * FROM analytics.{relation}")
            # A crawl alone has no designs, and reads no sources.
            of_sources = relation in OF_SOURCES and raw.facts.empty
            assert len(told) or relation.startswith("sample") or of_sources, relation
            assert_equal(told, getattr(raw, relation), relation)
        for relation in materialised():
            surplus = connection.execute(
                f"SELECT t::text FROM analytics.{relation} t EXCEPT SELECT t::text FROM analytics.live_{relation} t"
            ).fetchall()
            assert surplus == [], relation
        overlap = (
            "SELECT s.id AS studio_id, o.* FROM scratch.studios s CROSS JOIN LATERAL analytics.studio_overlap(s.id) o"
        )
        assert_equal(frame(connection, overlap), raw.studio_overlap, "studio_overlap")
        for table, columns in PRESENT.items():
            told = frame(connection, f"SELECT {', '.join(columns)} FROM scratch.present_{table}")
            assert_equal(told, getattr(raw, f"present_{table}")[columns], table)
        asked = re.findall(r"^## (\d+)\. .*?```sql\n(.*?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        assert [int(number) for number, _ in asked] == list(range(1, len(answers) + 1))
        for (number, query), answer in zip(asked, answers, strict=True):
            assert_equal(frame(connection, query), answer, f"question {number}")


@pytest.mark.parametrize("zone", ZONES)
def test_all_figures_equal_pandas_over_raw_tables(warehouse: tuple[str, Raw, list[Frame]], zone: str) -> None:
    assert_all_equal(*warehouse, zone)


def test_all_figures_of_a_crawled_community_equal_pandas(harvest: Any) -> None:
    """After changes, a refresh and an audit: a crawl writes rows that no made-up community has."""
    url = harvest.harvester.database
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        raw = Raw(connection)
    assert_all_equal(url, raw, [answer(raw) for answer in QUESTIONS], "America/St_Johns")


LATE = "'2100-01-01'"
COMMENTS = "stream LIKE '%\\_comments'"
SAME = {
    "comments that are there": (
        "SELECT count(*) FROM scratch.present_comments WHERE created_at IS NOT NULL",
        f"SELECT sum(items - gone) FROM analytics.daily_activity WHERE {COMMENTS}",
        f"SELECT sum(items - gone) FROM analytics.monthly_activity WHERE {COMMENTS}",
    ),
    "comments that are there, of any date": (
        "SELECT count(*) FROM scratch.present_comments",
        f"SELECT {' + '.join(f'(SELECT count(*) FROM history.{one}_comments_at(DATE {LATE}))' for one in KINDS)}",
    ),
    "comments in studios": (
        "SELECT count(*) FROM scratch.present_comments WHERE kind = 'studio'",
        "SELECT sum(comments) FROM analytics.studio_figures",
    ),
    "projects in studios": (
        "SELECT count(*) FROM scratch.present_studio_projects",
        "SELECT count(*) FROM history.studio_projects_at('2100-01-01')",
        "SELECT sum(projects) FROM analytics.studio_figures",
    ),
    "members of studios": (
        "SELECT count(*) FROM scratch.present_studio_members",
        "SELECT count(*) FROM history.studio_members_at('2100-01-01')",
        "SELECT sum(members) FROM analytics.studio_figures",
        "SELECT sum(studios) FROM analytics.studio_memberships",
    ),
    "favorites": (
        "SELECT count(*) FROM scratch.present_favorites",
        "SELECT count(*) FROM history.favorites_at('2100-01-01')",
    ),
    "edges": (
        "SELECT count(*) FROM scratch.present_follows",
        "SELECT count(*) FROM history.follows_at('2100-01-01')",
        "SELECT sum(followers) FROM analytics.follow_degrees",
        "SELECT edges FROM analytics.follow_network",
    ),
    "followers of users whose list was read": (
        "SELECT sum(degree * users) FROM analytics.degree_distribution WHERE direction = 'followers'",
        "SELECT sum(degree) FROM analytics.follow_lists WHERE direction = 'followers'",
    ),
    "users that are there": (
        "SELECT count(*) FROM scratch.present_users",
        "SELECT count(*) FROM history.users_at('2100-01-01')",
        "SELECT sum(users - gone_users) FROM analytics.countries",
    ),
    "users that joined": (
        "SELECT sum(users) FROM analytics.cohorts",
        "SELECT sum(items) FROM analytics.daily_activity WHERE stream = 'users'",
    ),
    "users that joined and are gone": (
        "SELECT sum(gone_users) FROM analytics.cohorts",
        "SELECT sum(gone) FROM analytics.monthly_activity WHERE stream = 'users'",
    ),
    "projects by somebody": (
        "SELECT sum(projects) FROM analytics.user_months",
        "SELECT sum(projects) FROM analytics.countries",
    ),
    "threads begun": (
        "SELECT comments FROM analytics.reply_latency WHERE kind = 'any'",
        "SELECT sum(comments) FROM analytics.reply_latency WHERE month IS NOT NULL",
        "SELECT sum(comments) FROM analytics.reply_latency WHERE month IS NULL AND kind <> 'any'",
        "SELECT count(*) FROM analytics.reply_waits",
        f"SELECT sum(items - replies) FROM analytics.monthly_activity WHERE {COMMENTS}",
    ),
    "replies that are there": (
        "SELECT count(parent_id) FROM scratch.present_comments",
        "SELECT sum(replies - gone_replies) FROM analytics.threads",
    ),
    "projects in trees": (
        "SELECT count(*) FROM analytics.remix_nodes",
        "SELECT sum(nodes) FROM analytics.remix_trees",
    ),
    "ranking entries": (
        "SELECT sum(entries) FROM analytics.ranking_stays",
        "SELECT sum(entries) FROM analytics.ranking_countries",
    ),
    "lists of projects that were read": (
        "SELECT read FROM analytics.stream_freshness WHERE stream = 'user_projects'",
        "SELECT count(*) FROM analytics.coverage WHERE stream = 'user_projects' AND state <> 'not read yet'",
    ),
}
"""The same quantity from several places."""


def test_no_figure_contradicts_another(warehouse: tuple[str, Raw, list[Frame]]) -> None:
    url, raw, _ = warehouse
    with psycopg.connect(url, autocommit=True) as connection:
        refresh(connection)
        for what, queries in SAME.items():
            told = [int(connection.execute(query).fetchone()[0]) for query in queries]
            assert told[0] > 0 or "gone" in what, what
            assert set(told) == {told[0]}, f"{what}: {told}"
        for relation, streams, *told in connection.execute(
            "SELECT relation, streams, in_scope, read FROM analytics.freshness"
        ).fetchall():
            sums = connection.execute(
                "SELECT coalesce(sum(in_scope), 0), coalesce(sum(read), 0) FROM analytics.stream_freshness"
                " WHERE stream = ANY(%s)",
                [streams],
            ).fetchone()
            assert tuple(told) == sums, relation
        days = dict(
            connection.execute("SELECT stream, sum(items)::int FROM analytics.daily_activity GROUP BY 1").fetchall()
        )
    answers = page.read(load(database_url=url, rate=5.0), at=datetime(2026, 8, 1, tzinfo=UTC), patience=30).answers
    said = sum(number for stream, number in days.items() if stream.endswith("_comments"))
    grown = {name: sum(row[name] for row in answers["growth"].rows) for name in answers["growth"].columns[1:-1]}
    assert grown == {
        "users_joined": days["users"], "projects_shared": days["projects"], "studios_begun": days["studios"],
        "comments_written": said,
    }  # fmt: skip
    assert sum(row["comments"] for row in answers["hours"].rows) == said
    network, depths = raw.follow_network.iloc[0], raw.remix_nodes[raw.remix_nodes.depth > 0]
    assert answers["reciprocity"].rows[0] == {"follows": network.observable_edges, "mutual": network.mutual_edges}
    told = answers["remix_depths"].rows
    assert sum(row["remixes"] for row in told) == len(depths)
    assert sum(row["assumed"] for row in told) == (~depths.is_depth_known.astype(bool)).sum()
    for column, direction in (("users_followed_by_so_many", "followers"), ("users_following_so_many", "following")):
        lists = raw.follow_lists[raw.follow_lists.direction == direction]
        assert sum(row[column] for row in answers["degrees"].rows) == len(lists)
    waits = raw.reply_latency.set_index("kind").loc["any"]
    week = [row["share"] for row in answers["answered"].rows][:5]
    assert answers["answered"].rows[0]["observable"] == waits.observable
    assert float(sum(week)) == pytest.approx(waits.answered_in_a_week, abs=1e-5)
    retention = answers["retention"]
    assert_equal(
        Frame(list(retention.rows), columns=list(retention.columns)), retention_panel(raw, FEWEST), "retention"
    )


def test_early_reads_are_not_counted_as_inactivity(database: str) -> None:
    """Half of all users share in each month, and a third of all comments is answered within a day, whenever read."""
    chance = Random(5)
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    whole = '{"proven_by": "key", "complete": true}'
    users, projects, read_lists, comments, waits = [], [], [], [], []
    for user in range(1, 601):
        read = begin + timedelta(days=chance.uniform(20, 365))
        users.append((user, begin))
        read_lists.append((user, read, read, whole))
        for month in range(12):
            shared = begin.replace(month=month + 1) + timedelta(days=chance.uniform(0, 28))
            if chance.random() < 0.5 and shared < read:
                projects.append((len(projects) + 1, user, shared))
    for number in range(1, 1501):
        written = begin + timedelta(days=chance.uniform(0, 20))
        read = written + timedelta(days=10 ** chance.uniform(-2, 1.5))
        wait = timedelta(days=chance.expovariate(log(1.5)))  # within a day: a third
        comments.append((2 * number, None, 1, written, read))
        if written + wait < read:
            waits.append(wait)
            comments.append((2 * number + 1, 2 * number, 2, written + wait, read))
    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.executemany("INSERT INTO scratch.users (id, joined_at) VALUES (%s, %s)", users)
        cursor.executemany("INSERT INTO scratch.projects (id, author_id, shared_at) VALUES (%s, %s, %s)", projects)
        cursor.executemany(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, certified_from, certificate)"
            " VALUES ('user_projects', %s, %s, 1, %s, %s)",
            read_lists,
        )
        cursor.executemany(
            "INSERT INTO scratch.project_comments (id, project_id, parent_id, author_id, created_at, first_seen_at)"
            " VALUES (%s, 1, %s, %s, %s, %s)",
            comments,
        )
        refresh(connection)
        retention = connection.execute(
            "SELECT month_number, users, observable, sharing FROM analytics.cohort_retention ORDER BY 1"
        ).fetchall()
        latency = connection.execute(
            "SELECT answered_in_a_day::float8, extract(epoch FROM median_wait)::float8 / 86400"
            " FROM analytics.reply_latency WHERE kind = 'project' AND month IS NULL"
        ).fetchone()
    for month, _, observable, sharing in retention:
        assert sharing / observable == pytest.approx(0.5, abs=4 * sqrt(0.25 / observable)), month
    assert len(retention) >= 10
    # Of all users that are known a tenth shared late in the year: that is what counting them says.
    assert next(sharing / known for month, known, _, sharing in retention if month == 9) < 0.15
    in_a_day, median = latency
    assert in_a_day == pytest.approx(1 / 3, abs=0.05)
    soon = sum(wait <= timedelta(days=1) for wait in waits)
    assert soon / 1500 < 0.28
    # Half of what is answered within a week: the median of an exponential distribution cut off there.
    assert median == pytest.approx(-log(1 - (1 - 1.5**-7) / 2) / log(1.5), abs=0.4)
