"""Rankings as entries, the site's health, and deviations of the source: kept, reported once, and survived."""

from __future__ import annotations

import socket
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STOCK = [
    ("explore", ("--query", "*", "--mode", "popular")),
    ("explore", ("--query", "*", "--mode", "trending")),
    ("search", ("--query", "cat", "--mode", "popular")),
    ("search", ("--query", "cat", "--mode", "trending")),
]


def test_every_ranking_entry_is_kept_with_its_position(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=80, seed=1)
    harvester = make_harvester(sandbox)
    harvester("seed", "front-page")
    for way, arguments in STOCK:
        harvester("seed", way, *arguments, "--pages", "250")
    harvester.crawl("--spider", "discovery")
    columns = ["ranking", "position", "kind", "thing_id", "views", "loves", "favorites"]
    dates = ["created_at", "modified_at", "shared_at"]
    truth = {
        (*(row[name] for name in columns), *(row[name] and datetime.fromisoformat(row[name]) for name in dates))
        for row in sandbox.truth("rankings")
    }
    assert len(truth) > 300
    entries = f"SELECT {', '.join([*columns, *dates])} FROM history.rankings"
    assert set(harvester.query(entries)) == truth
    assert harvester.query(
        "SELECT max(n) FROM (SELECT count(DISTINCT seen_at) n FROM history.rankings GROUP BY ranking) s"
    )

    # What was found is in scope, and whatever lies in these answers was not believed.
    found = {(kind, thing) for _, _, kind, thing, *_ in truth}
    due = harvester.query("SELECT stream, entity_id FROM crawl.frontier WHERE stream IN ('project', 'studio')")
    assert set(due) == found
    flags = "SELECT count(*) FROM scratch.{} WHERE visibility IS NOT NULL OR public IS NOT NULL"
    assert harvester.query(flags.format("projects")) == harvester.query(flags.format("studios")) == [(0,)]
    marks = "SELECT count(*) FILTER (WHERE from_index = '{{}}'), count(*) FROM scratch.{}"
    assert harvester.query(marks.format("projects"))[0][0] == 0
    harvester.crawl("--max-requests", "60")
    ((read, all_known),) = harvester.query(marks.format("projects"))
    assert 0 < read < all_known
    assert harvester.query("SELECT count(*) FROM scratch.projects WHERE visibility = 'visible'") == [(read,)]

    # A second reading has an entry for everything again.
    harvester.crawl("--spider", "discovery", "--refresh")
    assert len(harvester.query(entries)) == 2 * len(truth)

    # What was read itself is as its page says, whatever the index says; the view tells both apart.
    true = {row["id"]: (row["title"], row["views"]) for row in sandbox.truth("projects")}
    projects = harvester.query("SELECT id, title, views FROM scratch.projects WHERE from_index = '{}'")
    assert len(projects) == read
    assert all((title, views) == true[number] for number, title, views in projects)
    lag = harvester.query("SELECT project_id, index_views, views FROM analytics.index_lag")
    assert {number for number, *_ in lag} <= {number for number, *_ in projects}
    assert any(indexed < views for _, indexed, views in lag)
    assert all(indexed <= views == true[number][1] for number, indexed, views in lag)


def test_pages_bound_a_ranking_and_a_second_seed_deepens_it(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=80, seed=1)
    harvester = make_harvester(sandbox)
    arguments = ("seed", "explore", "--kind", "projects", "--mode", "popular", "--pages")
    assert "1 added to the scope at depth 0, 0 in it before" in harvester(*arguments, "1").stdout
    harvester.crawl("--spider", "discovery")
    assert harvester.query("SELECT count(*), max(position) FROM history.rankings") == [(40, 39)]
    assert "0 added to the scope at depth 1, 1 in it before" in harvester(*arguments, "2", "--depth", "1").stdout
    harvester.crawl("--spider", "discovery")
    assert harvester.query("SELECT max(position) FROM history.rankings") == [(79,)]
    assert harvester.query("SELECT DISTINCT depth FROM crawl.frontier WHERE stream = 'project'") == [(1,)]


def test_a_crawl_waits_while_the_site_reports_trouble(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    sandbox = start_sandbox(users=20, seed=3)
    harvester = make_harvester(sandbox)
    harvester("seed", "studios", str(sandbox.seeds()["studios"][0]))
    sandbox.json("/sandbox/settings?trouble=1", "POST")
    process = harvester.start("crawl")
    while not harvester.query("SELECT count(*) FROM history.site_health")[0][0]:
        assert process.poll() is None
        time.sleep(0.05)
    assert set(sandbox.requests()["by_route"]) == {"/health"}
    sandbox.json("/sandbox/settings?trouble=0", "POST")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "the site reports trouble (the cache is not connected; the cache is not ready)" in said
    assert harvester.query("SELECT trouble IS NULL FROM history.site_health ORDER BY seen_at") == [(False,), (True,)]
    assert harvester.query("SELECT count(*) FROM scratch.studios WHERE title IS NOT NULL") == [(1,)]


def test_a_site_that_is_not_reached_reports_no_trouble(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        harvester = make_harvester(small_sandbox, HARVESTER_API_URL=nobody, HARVESTER_SITE_URL=nobody)
        harvester("seed", "projects", "5")
        said = harvester("crawl", "--max-minutes", "0.05").stderr
    assert "the site cannot be reached (the connection was refused): asking again in " in said
    assert "trouble" not in said


def test_nothing_is_asked_where_nothing_is_due(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    small_sandbox.json("/sandbox/requests/reset", "POST")
    harvester = make_harvester(small_sandbox)
    assert harvester.crawl()["requests"] == 0
    assert harvester("crawl").stdout.startswith("nothing is in scope: ")
    assert small_sandbox.requests()["total"] == 0


def test_a_new_field_is_told_once_a_run_and_kept(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    sparkling = [row for row in small_sandbox.truth("studio_activity") if "sparkle_level" in row["extra"]]
    studios = sorted({str(row["studio_id"]) for row in sparkling})
    harvester("seed", "studios", *studios)
    said = harvester("crawl").stderr
    assert said.count("studio_activity: sparkle_level: new field") == 1
    report = "SELECT stream, field, change, count, example FROM crawl.drift"
    ((stream, field, change, count, example),) = harvester.query(report)
    assert (stream, field, change) == ("studio_activity", "sparkle_level", "new field")
    assert count >= len(sparkling)  # a page that overlaps tells it again
    assert example == str(sparkling[0]["extra"]["sparkle_level"]) or len(sparkling) > 1
    kept = harvester.query("SELECT count(*) FROM scratch.studio_activity WHERE extra ? 'sparkle_level'")
    assert kept == [(len(sparkling),)]
    again = harvester("crawl", "--refresh", "--workers", "2").stderr
    assert again.count("studio_activity: sparkle_level: new field") == 1, "once a run, whoever meets it"
    assert harvester.query(report)[0][3] > count
    assert "sparkle_level" in harvester("status").stdout
