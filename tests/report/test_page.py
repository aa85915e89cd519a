"""The page equals the warehouse and the truth of the sandbox, and names nobody."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from sentences import one_of_many, percent_of_few

from harvester.monitoring import status
from harvester.report.answers import BINS, FEWEST
from harvester.report.page import MAIN_TABLES, cell
from harvester.report.panels import COMMUNITY, HEALTH, SOURCES, Panel
from harvester.warehouse.tables import COMMENTS, CONTAINERS, WRITTEN

PANELS: tuple[Panel, ...] = (*HEALTH, *COMMUNITY)
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _bin(number: int) -> int:
    return max(low for low in BINS if low <= number)


def _binned(numbers: Any) -> dict[int, int]:
    return dict(Counter(map(_bin, numbers)))


def _gone(harvest: Any, table: str, *columns: str) -> list[dict[str, Any]]:
    """What is in a table and no more on the site: gone itself, or with the page on which it stood."""
    gone = "t.gone_at IS NOT NULL"
    if table in (*COMMENTS, "studio_activity"):
        ((place, column),) = CONTAINERS[table]
        gone += f" OR EXISTS (SELECT FROM scratch.{place} p WHERE p.id = t.{column} AND p.gone_at IS NOT NULL)"
    found = harvest.harvester.query(f"SELECT {', '.join(columns)} FROM scratch.{table} t WHERE {gone}")
    return [dict(zip(columns, row, strict=True)) for row in found]


def _met(harvest: Any) -> set[int]:
    """Users of whom more than an id is known: who came after the seeds is in scope of no visit, and met by chance."""
    return {row[0] for row in harvest.harvester.query("SELECT id FROM scratch.users WHERE joined_at IS NOT NULL")}


def _read(harvest: Any) -> set[int]:
    """Users whose own lists were read."""
    return {
        row[0]
        for row in harvest.harvester.query("SELECT entity_id FROM crawl.frontier WHERE stream = 'user' AND visits > 0")
    }


def _all(harvest: Any, table: str, *columns: str) -> list[dict[str, Any]]:
    """What is on the site by its own truth, and the tombstones of what was."""
    there = [{name: row[name] for name in columns} for row in harvest.sandbox.truth(table)]
    for row in there:
        row |= {name: _time(row[name]) for name in columns if name.endswith("_at") and row[name]}
    return there + _gone(harvest, table, *columns)


def _months(before: datetime, after: datetime) -> int:
    return 12 * (after.year - before.year) + after.month - before.month


def _tree(projects: list[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    """Of each project in a tree of remixes its root and the steps to it; a parent not held hangs from the root."""
    above: dict[int, int] = {}
    for row in sorted(projects, key=lambda row: row["id"]):
        if parent := row["parent_id"] or row["root_id"]:
            above[row["id"]] = parent
    for row in sorted(projects, key=lambda row: row["id"]):
        if row["parent_id"] and row["root_id"] not in (None, row["parent_id"]):
            above.setdefault(row["parent_id"], row["root_id"])

    def climb(project: int) -> tuple[int, int]:
        if project not in above:
            return project, 0
        root, depth = climb(above[project])
        return root, depth + 1

    return {project: climb(project) for project in above.keys() | set(above.values())}


def test_present_counts_equal_the_truth(harvest, look_at):
    page = look_at(harvest.harvester.database)
    truth = {table: harvest.sandbox.truth(table) for table in ("users", "follows", "studios", "studio_projects")}
    met, read = _met(harvest), _read(harvest)
    truth["users"] = [row for row in truth["users"] if row["id"] in met]
    counted = page.facts["rows"]
    assert 70 < len(truth["users"]) <= counted["users"]
    for table in ("projects", "studios", "follows", "favorites", *COMMENTS):
        assert counted[table] == len(harvest.sandbox.truth(table)), table

    countries = Counter(row["country"] for row in truth["users"] if row["country"])
    shown = {row["country"]: row["users"] for row in page.rows("countries")}
    assert shown.pop("all others") == sum(countries[name] for name in countries if name not in shown)
    assert shown == {name: number for name, number in countries.items() if number >= FEWEST}
    assert page.rows("countries")[-1]["country"] == "all others"

    follows = {(row["follower_id"], row["followee_id"]) for row in truth["follows"]}
    (mutual,) = page.rows("reciprocity")
    assert mutual == {"follows": len(follows), "mutual": sum((b, a) in follows for a, b in follows)}
    for place, column in ((1, "users_followed_by_so_many"), (0, "users_following_so_many")):
        degrees = Counter(pair[place] for pair in follows)
        expected = _binned(degrees[user] for user in read)  # the lists of who is gone are served still
        assert {row["number_from"]: row[column] for row in page.rows("degrees") if row[column]} == expected, column

    held = Counter(row["studio_id"] for row in truth["studio_projects"])
    expected = _binned(held[row["id"]] for row in truth["studios"])
    assert {row["projects_from"]: row["studios"] for row in page.rows("studio_sizes")} == expected


def test_counts_with_deleted_rows_equal_the_truth(harvest, look_at):
    page = look_at(harvest.harvester.database)
    comments = {table: _all(harvest, table, "id", "parent_id", "author_id", "created_at") for table in COMMENTS}
    projects = _all(harvest, "projects", "id", "author_id", "parent_id", "root_id", "shared_at")
    met, read = _met(harvest), _read(harvest)
    users = [row for row in _all(harvest, "users", "id", "joined_at") if row["id"] in met]
    events = _all(harvest, "studio_activity", "studio_id", "type", "actor_id", "created_at")
    written = [row for rows in comments.values() for row in rows]

    quarters: dict[str, Counter[str]] = defaultdict(Counter)
    for name, rows, column in (
        ("users_joined", users, "joined_at"),
        ("projects_shared", projects, "shared_at"),
        ("studios_begun", _all(harvest, "studios", "created_at"), "created_at"),
        ("comments_written", written, "created_at"),
    ):
        for row in rows:
            if at := row[column]:
                quarters[f"{at.year}-{(at.month - 1) // 3 * 3 + 1:02}-01"][name] += 1
    growth = {row.pop("quarter"): row for row in page.rows("growth")}
    last_days = [row.pop("last_day") for row in growth.values()]
    assert {
        quarter: {name: n for name, n in row.items() if n} for quarter, row in growth.items() if any(row.values())
    } == {quarter: dict(names) for quarter, names in quarters.items()}
    assert list(growth) == sorted(growth)

    acts = [row["created_at"] for row in (*written, *events)] + [row["shared_at"] for row in projects]
    days = Counter(at.date() for at in acts if at)
    calendar = {datetime.fromisoformat(row["day"]).date(): row["acts"] for row in page.rows("calendar")}
    assert max(calendar) == max(days)
    assert last_days[-1] == max(calendar).isoformat()
    assert min(calendar).weekday() == 0
    assert calendar == {day: days[day] for day in calendar}
    assert 52 * 7 < len(calendar) <= 53 * 7

    hours = Counter((row["created_at"].isoweekday(), row["created_at"].hour) for row in written if row["created_at"])
    assert {(row["weekday"], row["hour"]): row["comments"] for row in page.rows("hours") if row["comments"]} == hours

    tree = _tree(projects)
    sizes = Counter(root for root, _ in tree.values())
    assert len(sizes) > 3
    trees = {row["projects_from"]: row["trees"] for row in page.rows("remix_sizes")}
    assert trees == _binned(sizes.values())
    depths = Counter(depth for _, depth in tree.values() if depth)
    assert {row["depth"]: row["remixes"] for row in page.rows("remix_depths")} == depths

    types = Counter(row["type"] for row in events)
    assert {row["type"]: row["events"] for row in page.rows("studio_events")} == types

    read_at = dict(
        harvest.harvester.query(
            "SELECT entity_id, certified_from FROM crawl.frontier JOIN scratch.studios s ON s.id = entity_id"
            " WHERE stream = 'studio_activity' AND (certificate ->> 'complete')::boolean AND s.gone_at IS NULL"
        )
    )
    last: dict[int, datetime] = {}
    for row in events:
        last[row["studio_id"]] = max(row["created_at"], last.get(row["studio_id"], row["created_at"]))
    quiet = Counter(
        next(
            index for index, most in enumerate((7, 30, 90, 365, 40_000), 1) if read_at[one] - at <= timedelta(days=most)
        )
        for one, at in last.items()
        if one in read_at
    )
    assert {row["class"]: row["studios"] for row in page.rows("studio_life") if row["studios"]} == quiet

    # All was read weeks after it was written but for what was gone, so shares of those that are there are plain ones.
    waits: Counter[int] = Counter()
    limits = (60, 600, 3600, 86_400, 604_800, float("inf"))
    tops = 0
    for table in COMMENTS:
        there = harvest.sandbox.truth(table)
        by_id = {row["id"]: row for row in there if row["parent_id"] is None}
        tops += len(by_id)
        first: dict[int, float] = {}
        for row in there:
            asked = by_id.get(row["parent_id"])
            if asked and row["author_id"] != asked["author_id"]:
                wait = (_time(row["created_at"]) - _time(asked["created_at"])).total_seconds()
                first[asked["id"]] = min(wait, first.get(asked["id"], wait))
        waits.update(next(index for index, most in enumerate(limits, 1) if wait <= most) for wait in first.values())
    assert sum(waits.values()) > 20
    answered = page.rows("answered")
    assert answered[0]["observable"] >= tops
    for row in answered[:5]:
        assert row["share"] == pytest.approx(waits[row["class"]] / tops, abs=0.03), row
    assert sum(row["share"] for row in answered) == pytest.approx(1)

    harvest_read = dict(
        harvest.harvester.query("SELECT entity_id, certified_from FROM crawl.frontier WHERE stream = 'user_projects'")
    )
    joined = {row["id"]: row["joined_at"] for row in users if row["joined_at"] and row["id"] in read}
    cohorts = Counter(at.year for at in joined.values())
    active: dict[tuple[int, int], set[int]] = defaultdict(set)
    done = [(row["author_id"], row["created_at"]) for row in written]
    done += [(row["author_id"], row["shared_at"]) for row in projects]
    for user, at in done:
        if at and user in joined and (months := _months(joined[user], at)) >= 0:
            active[joined[user].year, months // 12].add(user)
    expected = {}
    for cohort, users_in in cohorts.items():
        for year in range(10):
            observable = {
                user
                for user, at in joined.items()
                if at.year == cohort and _months(at, harvest_read[user]) >= 12 * (year + 1)
            }
            if users_in >= FEWEST and len(observable) >= FEWEST:
                expected[cohort, year] = (users_in, len(observable), len(active[cohort, year] & observable))
    assert {
        (row["cohort"], row["year"]): (row["users"], row["observable"], row["active"]) for row in page.rows("retention")
    } == expected


def test_rankings_keep_what_stood_there_before(harvest, look_at):
    readings: dict[str, dict[datetime, set[tuple[str, int]]]] = defaultdict(lambda: defaultdict(set))
    for ranking, seen_at, kind, thing in harvest.harvester.query(
        "SELECT ranking, seen_at, kind, thing_id FROM history.rankings"
    ):
        readings[ranking][seen_at].add((kind, thing))
    again = kept = 0
    for one in readings.values():
        times = sorted(one)
        for before, after in pairwise(times):
            again += len(one[after])
            kept += len(one[after] & one[before])
    rows = look_at(harvest.harvester.database).rows("rankings")
    assert again
    assert sum(row["places_read_again"] for row in rows) == again
    assert sum(row["kept"] for row in rows) == kept
    assert not any("q=" in row["place"] for row in rows)


def test_coverage_and_backlog_hold_every_list(harvest, look_at):
    page = look_at(harvest.harvester.database)
    lists = dict(harvest.harvester.query("SELECT stream, count(*) FROM crawl.frontier GROUP BY 1"))
    for row in page.rows("coverage"):
        parts = [number for name, number in row.items() if name not in ("stream", "in_scope")]
        assert sum(parts) == row["in_scope"] == lists[row["stream"]], row
    assert {row["stream"] for row in page.rows("coverage")} == lists.keys()
    status = harvest.harvester("status", "--json").stdout
    assert f'"in_scope": {lists["user_projects"]}' in status
    assert {row["stream"]: row["in_scope"] for row in page.rows("backlog")} == lists
    # Half a year on everything is late, and nothing is fresh.
    later = look_at(harvest.harvester.database, at=datetime.now(UTC) + timedelta(days=200))
    assert not any(row["within_a_day"] or row["within_half_a_year"] for row in later.rows("coverage"))
    assert any("wait for a visit" in one["text"] for one in later.facts["notices"])
    assert not any("wait for a visit" in one["text"] for one in page.facts["notices"])
    assert later.facts["notices"][-1] == {
        "tone": "plain",
        "text": "The last run ended 200 days ago: the page shows the site as it was then.",
    }


def test_status_counts_what_is_present_and_what_is_gone(harvest, monkeypatch):
    told = json.loads(harvest.harvester("status", "--json").stdout)
    held = {name: harvest.harvester.query(f"SELECT count(*) FROM scratch.{name}")[0][0] for name in MAIN_TABLES}
    assert {name: told["rows"][name] + told["gone"][name] for name in held} == held
    truth = {name: len(harvest.sandbox.truth(name)) for name in ("projects", "follows", "studio_comments")}
    assert {name: told["rows"][name] for name in truth} == truth
    assert sum(told["gone"].values()) > 20
    # Where there are many rows, the planner knows how many, and which share of them is gone.
    monkeypatch.setattr(status, "EXACT_BELOW", -2)
    with psycopg.connect(harvest.harvester.database, autocommit=True) as connection:
        connection.execute("ANALYZE")
        for name in ("projects", "news", "site_counts"):
            query = status.count_query(connection, WRITTEN[name])
            present, gone = connection.execute(query).fetchone()
            assert present == pytest.approx(told["rows"][name], abs=1)
            assert gone == (None if name == "site_counts" else pytest.approx(told["gone"][name], abs=1))


def test_each_source_query_run_as_shown_gives_the_figures_shown(harvest, look_at):
    page = look_at(harvest.harvester.database)
    shown = []
    for panel in PANELS:
        sql = page.tree.css(f"#{panel.name}-source code::text").get()
        with psycopg.connect(harvest.harvester.database) as connection:
            # As an analyst's psql would have it, who knows nothing of our settings.
            connection.execute("SET timezone = 'Pacific/Auckland'")
            cursor = connection.execute(sql.encode())
            names = [column.name for column in cursor.description or ()]
            rows = {tuple(cell(_utc(value)) for value in row) for row in cursor.fetchall()}
        head = [name.replace(" ", "_") for name in page.tree.css(f"#{panel.name}-figures th::text").getall()]
        table = {
            tuple(" ".join(one.css("::text").getall()) for one in row.css("td"))
            for row in page.tree.css(f"#{panel.name}-figures tbody tr")
        }
        if not page.text(f"#{panel.name} .nothing"):
            assert head == names, panel.name
            assert table == rows, panel.name
            shown.append(panel.name)
    assert shown == [panel.name for panel in PANELS]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def test_the_same_warehouse_at_the_same_moment_is_the_same_page(harvest, look_at):
    pages = {look_at(harvest.harvester.database, at=MOMENT).html for _ in range(2)}
    assert len(pages) == 1
    assert look_at(harvest.harvester.database, at=MOMENT + timedelta(days=1)).html not in pages


def test_the_page_names_nobody(harvest, look_at):
    page = look_at(harvest.harvester.database)
    said = page.text("body")
    words = set(re.findall(r"[\w-]+", said))
    names = {row["username"] for row in harvest.sandbox.truth("users")}
    assert len(names) > 50
    assert not names & words
    texts = {
        row[column]
        for table, column in (
            ("projects", "title"), ("projects", "description"), ("projects", "instructions"), ("studios", "title"),
            ("studios", "description"), ("users", "bio"), ("users", "status"),
            *((table, "content") for table in COMMENTS),
        )
        for row in harvest.sandbox.truth(table)
        if row[column] and len(row[column]) > 6
    }  # fmt: skip
    assert len(texts) > 100
    assert not {text for text in texts if text in said}
    numbers = set(re.findall(r"\d+", page.html.replace(",", "")))
    ids = {
        str(row["id"]) for table in ("users", "projects", "studios", *COMMENTS) for row in harvest.sandbox.truth(table)
    }
    assert not {number for number in numbers & ids if len(number) > 5}


def test_a_group_of_few_is_not_shown_apart(database, look_at):
    with psycopg.connect(database) as connection:
        countries = ["Iceland"] * FEWEST + ["Malta"] * (FEWEST - 1)
        for number, country in enumerate(countries):
            year = 2010 if country == "Iceland" else 2011
            connection.execute(
                "INSERT INTO scratch.users (id, country, joined_at)"
                " VALUES (%s, %s, make_timestamptz(%s, 5, 1, 0, 0, 0))",
                [number, country, year],
            )
            connection.execute(
                "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, certified_from, certificate)"
                " VALUES ('user_projects', %s, now(), 1, now(), '{\"complete\": true}')",
                [number],
            )
        connection.execute("INSERT INTO scratch.projects (id, author_id, shared_at) VALUES (1, 0, '2026-01-01')")
    page = look_at(database)
    assert "Iceland" in page.html
    assert "Malta" not in page.html
    assert page.rows("countries")[-1] == {"country": "all others", "users": FEWEST - 1, "countries": 1}
    assert {row["cohort"] for row in page.rows("retention")} == {2010}


def test_a_large_warehouse_is_shown_as_of_its_last_refresh(harvest, look_at, monkeypatch):
    database = harvest.harvester.database
    live = look_at(database)
    assert live.report.answers["growth"].as_of is None
    assert "analytics.live_daily_activity" in live.report.answers["growth"].sql
    harvest.harvester("analytics", "refresh")
    (refreshed_at,) = harvest.harvester.query("SELECT min(refreshed_at) FROM analytics.refreshes")[0]
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, '2000-01-01'), (2, '2000-01-01')")
        connection.execute("INSERT INTO scratch.follows (follower_id, followee_id) VALUES (1, 2)")
        connection.commit()
        connection.execute("ANALYZE")
    assert look_at(database).rows("growth")[0]["quarter"] == "2000-01-01"
    monkeypatch.setattr("harvester.report.answers.EXACT_BELOW", 10)
    page = look_at(database)
    for name in (
        "growth",
        "calendar",
        "retention",
        "remix_sizes",
        "remix_depths",
        "degrees",
        "studio_sizes",
        "answered",
    ):
        assert page.rows(name) == live.rows(name), name
        assert page.report.answers[name].as_of == refreshed_at
        assert f"as of {refreshed_at:%Y-%m-%d %H:%M:%S} UTC" in page.text(f"#{name} .sample")
        assert "live_" not in page.report.answers[name].sql
    assert page.report.answers["hours"].as_of is None

    # Of very many people one in so many is asked about.
    assert "one user in" not in page.text("#retention .sample")
    ((users,),) = harvest.harvester.query("SELECT count(*) FROM scratch.users")
    monkeypatch.setattr("harvester.report.answers.PEOPLE", users // 2)
    page = look_at(database)
    assert "one user in 2 by id" in page.text("#retention .sample")
    half = dict(
        harvest.harvester.query(
            "SELECT extract(year FROM joined_at AT TIME ZONE 'UTC')::int, count(*) FROM scratch.users u"
            " JOIN crawl.frontier w ON w.stream = 'user_projects' AND w.entity_id = u.id AND w.visits > 0"
            " WHERE u.id % 2 = 0 GROUP BY 1"
        )
    )
    shown = {row["cohort"]: row["users"] for row in page.rows("retention")}
    assert shown
    assert shown == {cohort: half[cohort] for cohort in shown}


@pytest.mark.every_postgres
def test_an_empty_warehouse_has_a_page(database, look_at):
    page = look_at(database)
    for panel in PANELS:
        assert page.text(f"#{panel.name} .nothing") == panel.nothing.replace("`", "")
    assert not page.tree.css(".mark")
    assert page.text("#quarantine .nothing") == "Empty: nothing was read yet."
    assert page.text("#drift .nothing") == "None: nothing was read yet."
    assert "Nothing has been crawled yet" in page.text("#notices")
    assert all(answer["trouble"] is None for answer in page.facts["answers"].values())
    # What projects are made of is shown where sources are read.
    assert not any(page.tree.css(f"#{panel.name}") for panel in SOURCES)
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO crawl.frontier (stream, entity_id, due_at) VALUES ('project_source', 1, now())")
    page = look_at(database)
    for panel in SOURCES:
        assert page.text(f"#{panel.name} .nothing") == panel.nothing.replace("`", "")


_READ = "2026-06-01 12:00Z"


def _fill(connection: Any, first: int, last: int) -> None:
    """Put things of each kind with these numbers into a warehouse, as read whole on 1 June 2026; the newest of May."""
    for table, columns, values in (
        ("scratch.users", "id, joined_at, country", "n, timestamptz '2025-01-01Z', 'Country ' || n"),
        ("scratch.projects", "id, author_id, shared_at", "n, n, timestamptz '2026-05-04 10:00Z'"),
        ("scratch.projects", "id, author_id, parent_id, root_id", "n + 1000, n, n, n"),
        ("scratch.studios", "id, created_at", "n, timestamptz '2026-05-05Z'"),
        ("scratch.follows", "follower_id, followee_id", "n, n"),
        ("scratch.studio_projects", "studio_id, project_id", "n, n"),
        ("scratch.favorites", "user_id, project_id, gone_at", f"n, n, timestamptz '{_READ}'"),
        ("scratch.project_comments", "project_id, id, author_id, created_at", "n, n, n, '2026-05-06Z'::timestamptz"),
        ("scratch.studio_activity", "studio_id, id, type, created_at", "n, n, 'userjoin', '2026-05-30Z'::timestamptz"),
        ("crawl.drift", "stream, field, change", "'user', 'field_' || n, 'new field'"),
        ("crawl.quarantine", "stream, entity_id, path, status, reason", "'user', n, '/p', 200, 'no JSON'"),
        *(
            (
                "crawl.frontier",
                "stream, entity_id, due_at, visits, failures, visited_at, certified_from, certificate",
                f"""'{stream}', n, timestamptz '{_READ}' + interval '1 year', 1, 1, '{_READ}', '{_READ}',
                '{{"complete": true}}'""",
            )
            for stream in (
                "user", "user_projects", "user_followers", "user_following", "project_comments", "studio_projects",
                "studio_activity",
            )
        ),
    ):  # fmt: skip
        connection.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series({first}, {last}) n")
    connection.execute(
        "INSERT INTO crawl.runs (command, version, api_url, started_at, ended_at, requests, outcome, counts, responses,"
        " requests_by_purpose) VALUES ('crawl', '1', 'https://x', %s, %s, %s, 'done', %s, %s, %s)",
        [
            "2026-06-01 11:59:50Z", _READ, last, Jsonb({"users": {"inserted": last, "updated": 0, "unchanged": 0}}),
            Jsonb({"user": {"200": last}}), Jsonb({"new": last}),
        ],
    )  # fmt: skip


def test_an_odd_warehouse_has_no_sentence_that_it_does_not_carry(database, look_at):
    """With one thing of each kind and with seven, at the last read and half a year after it."""
    read = _time("2026-06-01T12:00:05+00:00")
    for first, last in ((1, 1), (2, 7)):
        with psycopg.connect(database) as connection:
            _fill(connection, first, last)
        for at in (read, read + timedelta(days=180)):
            page = look_at(database, at=at)
            assert all(answer["trouble"] is None for answer in page.facts["answers"].values())
            labels = page.tree.css("[aria-label]::attr(aria-label), [title]::attr(title), title::text").getall()
            numbers = [
                f"{one.css('dd::text').get()} {one.css('dt::text').get()}" for one in page.tree.css(".numbers div")
            ]
            assert "1 user" in numbers if last == 1 else "7 users" in numbers
            sentences = [" ".join(one.css("::text").getall()) for one in page.tree.css("p, li, span, figcaption, h3")]
            for text in (*labels, *numbers, *sentences):
                assert one_of_many(text) == [], text
                assert percent_of_few(text) == [], text
            said = " ".join(sentences)
            assert "%" not in page.text("#community .says") + page.text("#community .number")
            assert "all others" not in page.text("#countries .says")
            assert ("The last quarter is not over." in said) is (at == read)
            if at > read:
                assert "The last run ended 180 days ago: the page shows the site as it was then." in said
                assert "All is well" not in said
            shown = {panel.name for panel in PANELS if page.text(f"#{panel.name} .says")}
            left_out = {"rankings"} | ({"retention"} if last < FEWEST else set())
            if at > read:
                left_out |= {"requests", "written", "answers", "purposes"}
            assert shown == {panel.name for panel in PANELS} - left_out


def test_slow_panels_are_left_out_and_reported(harvest, look_at):
    database = harvest.harvester.database
    with psycopg.connect(database) as lock:
        lock.execute("LOCK TABLE scratch.follows IN ACCESS EXCLUSIVE MODE")
        page = look_at(database, patience=0.5)
    told = "took longer than 0.5 s, and was left out; after `harvester analytics refresh` it is quick"
    assert {name for name, one in page.facts["answers"].items() if one["trouble"]} == {"degrees", "reciprocity", "gone"}
    assert page.facts["answers"]["degrees"]["trouble"] == told
    assert page.facts["answers"]["gone"]["trouble"] == told.partition(";")[0]
    assert page.text("#degrees .nothing") == f"This {told}.".replace("`", "")
    assert page.tree.css("#degrees-source code")
    assert page.facts["rows"]["follows"] is None
    assert page.tree.css("#countries .mark")
    assert "degrees, follows, gone, reciprocity" in page.text("#notices")


def test_stored_text_is_never_markup(database, look_at):
    hostile = "<script>alert(1)</script>\"'&<b onload=x>"
    with psycopg.connect(database) as connection:
        for number in range(FEWEST):
            connection.execute("INSERT INTO scratch.users (id, country) VALUES (%s, %s)", [number, hostile])
        connection.execute(
            "INSERT INTO crawl.runs"
            " (command, version, api_url, outcome, ended_at, findings, responses, requests_by_purpose, requests)"
            " VALUES (%(x)s, '1', 'https://x', 'degraded', now(), %(f)s, %(a)s, %(s)s, 5)",
            {
                "x": hostile,
                "f": Jsonb([hostile]),
                "a": Jsonb({hostile: {hostile: 3}}),
                "s": Jsonb({hostile: 5}),
            },
        )
        connection.execute(
            "INSERT INTO crawl.drift (stream, field, change) VALUES (%(x)s, %(x)s, %(x)s)", {"x": hostile}
        )
        connection.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, reason) VALUES (%(x)s, 1, %(x)s, %(x)s)",
            {"x": hostile},
        )
        connection.execute(
            "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id)"
            " SELECT %s, now() - make_interval(secs => n), 0, 'project', 1 FROM generate_series(1, 2) n",
            [hostile],
        )
        connection.execute("INSERT INTO scratch.studios (id) VALUES (1)")
        connection.execute("INSERT INTO scratch.studio_activity (studio_id, id, type) VALUES (1, '1', %s)", [hostile])
        connection.execute("INSERT INTO crawl.frontier (stream, entity_id, due_at) VALUES (%s, 1, now())", [hostile])
    page = look_at(database)
    assert not page.tree.css("script")
    assert not page.tree.css("b, [onload]")
    assert hostile in page.tree.css("#countries .name::text").getall()
    assert page.html.count("&lt;script&gt;") >= 10
    assert hostile.replace("'", "'") in " ".join(page.tree.css("#countries-figures td::text").getall())


def _run(connection: Any, began: str, ended: str | None, requests: int, rows: int, **more: Any) -> int:
    row = connection.execute(
        "INSERT INTO crawl.runs (command, version, api_url, started_at, ended_at, requests, counts, outcome,"
        " parent_run_id)"
        " VALUES ('crawl', '1', %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        [
            more.get("api_url", "https://api.example.org"), began, ended, requests,
            Jsonb({"users": {"inserted": rows, "updated": 0, "unchanged": 9}}), more.get("outcome"),
            more.get("parent_run_id"),
        ],
    ).fetchone()  # fmt: skip
    return int(row[0])


def test_the_pace_adds_up_to_what_the_runs_sent_and_wrote(database, look_at):
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    with psycopg.connect(database) as connection:
        parent = _run(connection, "2026-06-01 08:00Z", "2026-06-01 09:30Z", 9_000, 900, outcome="done")
        for _ in range(2):
            _run(connection, "2026-06-01 08:00Z", "2026-06-01 09:30Z", 4_500, 450, outcome="done", parent_run_id=parent)
        _run(connection, "2026-06-01 11:00Z", None, 1_800, 180)
        _run(connection, "2026-04-01 11:00Z", "2026-04-01 11:10Z", 777, 77, outcome="done")
    page = look_at(database, at=at, rate=2.0)
    steps = page.rows("requests")
    step = page.report.moment.step
    assert step == 300
    sent = sum(row["requests_per_second"] * step for row in steps)
    assert abs(sent - 10_800) <= 0.005 * step * len(steps)
    assert abs(sum(row["rows_per_hour"] * step / 3600 for row in steps) - 1_080) <= len(steps)
    at_nine = next(row for row in steps if row["since"].startswith("2026-06-01T09:00"))
    assert at_nine == {"since": at_nine["since"], "requests_per_second": 1.67, "rows_per_hour": 600}
    (budget,) = page.rows("budget")
    assert budget["requests_of_the_last_day"] == 10_800
    assert budget["budget_of_a_day"] == 172_800
    assert "6% of the budget" in page.text("#health-numbers")
    assert page.tree.css("#requests .rule")
    assert "budget 2" in page.text("#requests .ruled")
    # While a crawl is at work, what changes is shown in full.
    assert page.tree.css("#requests.live, #written.live").getall() == page.tree.css("#requests, #written").getall()
    assert look_at(database, at=at, rate=1.0).tree.css("#requests.bad")
    assert page.facts["notices"][0] == {"tone": "live", "text": "A crawl is at work: 1,800 requests so far."}
    assert page.report.source is None


def test_problems_stand_at_the_head_of_the_page(database, look_at):
    with psycopg.connect(database) as connection:
        _run(connection, "2026-06-01 08:00Z", "2026-06-01 09:00Z", 10, 1, outcome="done")
    page = look_at(database, at=datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert page.facts["notices"] == [{"tone": "good", "text": "All is well. The last run ended 3 hours ago, done."}]
    with psycopg.connect(database) as connection:
        _run(connection, "2026-06-01 10:00Z", "2026-06-01 11:00Z", 10, 1, outcome="degraded")
        connection.execute(
            """UPDATE crawl.runs SET findings = '["no row of users, 9 usually"]' WHERE outcome = 'degraded'"""
        )
        connection.execute(
            "UPDATE crawl.runs SET responses = %s WHERE outcome = 'degraded'", [Jsonb({"user": {"200": 90, "500": 10}})]
        )
        connection.execute(
            "INSERT INTO crawl.rate_limit (id, rate, closed_until, breaker_trips) VALUES (1, 5, '2026-06-01 12:30Z', 3)"
        )
        connection.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, reason) VALUES ('user', 7, '/users/x', 'no JSON')"
        )
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, failures, visits, visited_at)"
            " VALUES ('user', 7, '2026-07-01', 2, 1, '2026-06-01')"
        )
    page = look_at(database, at=datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert [one["text"] for one in page.facts["notices"]] == [
        "The last run ended degraded: no row of users, 9 usually.",
        "The site asked for a pause: no request is sent before 12:30:00 UTC.",
        "The site does not answer: pause 3 in a row.",
        "1 response could not be used and waits in quarantine.",
        "The last visit to 1 list or object failed; it is asked again.",
    ]
    assert {one["tone"] for one in page.facts["notices"]} == {"bad"}
    # What is wrong is shown in full, what is well as a line.
    kinds = {one.attrib["id"]: one.attrib["class"] for one in page.tree.css("#health .panel")}
    assert {name for name, kind in kinds.items() if "bad" in kind} == {"answers", "runs", "quarantine"}
    assert {kind for kind in kinds.values() if "bad" not in kind} == {"panel brief"}
    assert "no row of users, 9 usually" in page.text("#runs")
    assert "user" in page.text("#quarantine td")
    assert "/users/x" not in page.html


def test_an_open_transaction_is_not_in_the_way(harvest, look_at):
    """All figures are of one snapshot: what is written while they are read does not show in some of them."""
    database = harvest.harvester.database
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            number = -1
            while not stop.wait(0.005):
                connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (%s, now())", [number])
                number -= 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            page = look_at(database)
            gone = sum(row["gone"] for row in page.rows("gone") if row["what"] == "users")
            undated = harvest.harvester.query("SELECT count(*) FROM scratch.users WHERE joined_at IS NULL")[0][0]
            joined = sum(row["users_joined"] for row in page.rows("growth"))
            assert page.facts["rows"]["users"] == joined + undated - gone
    finally:
        stop.set()
        writer.join()
