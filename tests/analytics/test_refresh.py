"""A refresh: figures equal their definitions, for all readers as of one moment, and without the erased at once."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.analytics.refresh import refresh
from harvester.erasure.erase import erase
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import REFRESHING
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.tables import FIGURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Connection = psycopg.Connection[tuple[Any, ...]]


def assert_up_to_date(connection: Connection) -> dict[str, int]:
    """Compare each view with its definition, row by row, and with its row in `refreshes`; return the rows by view."""
    counts = {}
    for name in materialised():
        row = connection.execute("SELECT pg_get_viewdef(%s::regclass)", [f"analytics.{name}"]).fetchone()
        assert row is not None
        definition = row[0].rstrip(";")
        for one, other in ((f"TABLE analytics.{name}", definition), (definition, f"TABLE analytics.{name}")):
            surplus = connection.execute(
                f"SELECT t::text FROM ({one}) t EXCEPT ALL SELECT t::text FROM ({other}) t LIMIT 3"
            ).fetchall()
            assert surplus == [], name
        row = connection.execute(
            f"SELECT count(*), (SELECT row_count FROM analytics.refreshes WHERE relation = '{name}')"
            f" FROM analytics.{name}"
        ).fetchone()
        assert row is not None
        assert row[0] == row[1]
        counts[name] = row[0]
    return counts


def test_figures_equal_their_definitions_after_churn_and_erasure(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Path
) -> None:
    sandbox = start_sandbox(users=25, seed=5)
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester("seed", "explore", "--pages", "1")
    harvester.crawl()
    with psycopg.connect(harvester.database, autocommit=True) as connection:
        first = {one["relation"]: one["row_count"] for one in json.loads(refreshed(harvester))}
        assert first == assert_up_to_date(connection)
        assert all(first.values())

        sandbox.json("/sandbox/churn?events=150", "POST")
        # A crawl with two refreshes beside it, of which one waits.
        processes = [
            harvester.start("crawl", "--audit", "--json"),
            *(harvester.start("analytics", "refresh") for _ in range(2)),
        ]
        for process in processes:
            _, message = process.communicate(timeout=300)
            assert process.returncode == 0, message[-2000:]
        refreshed(harvester)
        assert_up_to_date(connection)

        row = connection.execute(
            "SELECT username FROM scratch.users u ORDER BY (SELECT count(*) FROM scratch.project_comments c"
            " WHERE c.author_id = u.id) * (SELECT count(*) FROM scratch.projects p WHERE p.author_id = u.id) DESC"
        ).fetchone()
        assert row is not None
        harvester("erase", "user", row[0], "--yes")
        refreshed(harvester)
        assert_up_to_date(connection)


def refreshed(harvester: Any) -> str:
    return str(harvester("analytics", "refresh", "--json").stdout)


@pytest.mark.every_postgres
def test_readers_see_one_moment_and_wait_for_no_refresh(database: str) -> None:
    """A commit during a refresh is in none of its figures, and readers see the earlier figures until its end."""
    seen = []

    def look(name: str, *_: int) -> None:
        """Add a user and a follow as a crawl would, and read, both without waiting."""
        if name in ("threads", "ranking_countries"):
            with psycopg.connect(database, options="-c lock_timeout=1000") as other:
                other.execute("UPDATE scratch.users SET joined_at = '2026-01-01'")
                other.execute(
                    "INSERT INTO scratch.follows (follower_id, followee_id) VALUES (1, 2) ON CONFLICT DO NOTHING"
                )
                for view in materialised():
                    other.execute(f"TABLE analytics.{view}")
                seen.append(other.execute("SELECT sum(items) FROM analytics.daily_activity").fetchone())

    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, '2026-01-01'), (2, NULL)")
        refresh(connection)
        connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (3, '2026-01-02')")
        refresh(connection, on_progress=look)
        assert seen == [(1,), (1,)]
        assert connection.execute("SELECT sum(items) FROM analytics.daily_activity").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM analytics.follow_degrees").fetchone() == (0,)
        assert connection.execute("SELECT count(DISTINCT refreshed_at) FROM analytics.refreshes").fetchone() == (1,)
        refresh(connection)
        assert assert_up_to_date(connection)["follow_degrees"] == 2


@pytest.mark.every_postgres
def test_a_refresh_that_is_killed_has_changed_nothing(database: str) -> None:
    def kill(name: str, *_: int) -> None:
        if name == "threads":
            with psycopg.connect(database, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])

    with psycopg.connect(database, autocommit=True) as other:
        other.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, now()), (2, now())")
        with open_connection(database, autocommit=True) as connection, pytest.raises(psycopg.OperationalError):
            refresh(connection, on_progress=kill)
        assert other.execute("SELECT count(*) FROM analytics.refreshes").fetchone() == (0,)
        assert other.execute("SELECT count(*) FROM analytics.daily_activity").fetchone() == (0,)
        with open_connection(database, autocommit=True) as connection:
            refresh(connection)
        assert assert_up_to_date(other)["daily_activity"] == 1


def test_a_second_refresh_waits_for_the_first(database: str) -> None:
    with (
        open_connection(database, autocommit=True) as first,
        open_connection(database, autocommit=True) as second,
        psycopg.connect(database, autocommit=True) as other,
    ):
        thread = threading.Thread(target=refresh, args=[second])

        def start(name: str, done: int, _: int) -> None:
            if done == 0:
                thread.start()
                waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
                while thread.is_alive() and other.execute(waits, [REFRESHING]).fetchone() == (0,):
                    pass
                assert thread.is_alive()
            # The transaction of the second one has not begun.
            assert other.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = %s AND mode = 'ExclusiveLock' AND locktype = 'relation'",
                [second.info.backend_pid],
            ).fetchone() == (0,)

        refresh(first, on_progress=start)
        thread.join(60)
        assert not thread.is_alive()
        assert_up_to_date(other)


@pytest.mark.every_postgres
def test_the_erased_are_in_no_figure_at_once(database: str, tmp_path: Path) -> None:
    """Neither rows nor statistics of the planner hold them; an erasure with --dry-run refreshes nothing."""
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (77777, now()), (1, now()), (2, now())")
        connection.execute("INSERT INTO scratch.projects (id, author_id, shared_at) VALUES (88888, 77777, now())")
        connection.execute(
            "INSERT INTO scratch.projects (id, author_id, parent_id, root_id) VALUES (9, 1, 88888, 88888)"
        )
        connection.execute("INSERT INTO scratch.follows (follower_id, followee_id) VALUES (77777, 1), (1, 2)")
        # A table that the erasure empties, whose statistics PostgreSQL would keep.
        connection.execute("INSERT INTO scratch.favorites (user_id, project_id) VALUES (77777, 88888), (77777, 9)")
        connection.execute("INSERT INTO scratch.studios (id, host_id) VALUES (5, 1)")
        connection.execute("INSERT INTO scratch.studio_members (studio_id, user_id, role) VALUES (5, 77777, 'curator')")
        for kind, column, place in (
            ("project", "project_id", 88888),
            ("studio", "studio_id", 5),
            ("profile", "user_id", 1),
        ):
            connection.execute(
                f"INSERT INTO scratch.{kind}_comments (id, {column}, author_id, parent_id, created_at)"
                " VALUES (31, %(place)s, 77777, NULL, '2026-01-01'), (32, %(place)s, 1, 31, '2026-01-02')",
                {"place": place},
            )
        connection.execute(
            "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id)"
            " VALUES ('x', '2026-01-01', 0, 'project', 88888), ('x', '2026-01-01', 1, 'project', 9)"
        )
        refresh(connection)
        connection.execute("ANALYZE")

        def traces() -> set[str]:
            """Return the views that hold the person or the project in a row, and the columns whose statistics do."""
            found = set()
            for name in materialised():
                rows = connection.execute(f"SELECT t::text FROM analytics.{name} t").fetchall()
                if any(number in text for (text,) in rows for number in ("77777", "88888")):
                    found.add(name)
            # Not of the catalogue, whose statistics hold the numbers of tables.
            known = connection.execute(
                "SELECT tablename::text, s::text FROM pg_stats s WHERE schemaname NOT IN ('crawl', 'pg_catalog')"
            ).fetchall()
            return found | {name for name, text in known if "77777" in text or "88888" in text}

        before = traces()
        assert before > FIGURES - {"studio_figures"} | {"favorites"}
        erase(connection, tmp_path, user=77777, dry_run=True)
        assert traces() == before
        erase(connection, tmp_path, user=77777)
        assert traces() == set()
        assert connection.execute("SELECT members FROM analytics.studio_figures").fetchall() == [(0,)]


def test_nobody_is_erased_while_a_refresh_could_write_them_back(
    database: str, make_harvester: Callable[..., Any], tmp_path: Any
) -> None:
    refused = None

    def forget(what: str, *_: int) -> None:
        nonlocal refused
        if what == "threads":
            refused = harvester("erase", "user", "somebody", "--yes", "--even-if-unknown", ok=False)

    harvester = make_harvester(Nowhere(), HARVESTER_HOME=str(tmp_path))
    with open_connection(database, autocommit=True) as connection:
        refresh(connection, on_progress=forget)
    assert refused is not None
    assert refused.returncode == 1
    assert "a refresh of analytics" in refused.stderr


def test_the_list_says_what_there_is_and_how_fresh(database: str, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(Nowhere())
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, now())")
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits) VALUES ('profile_comments', 1, now(), 1)"
        )
        before = {one["relation"]: one for one in json.loads(harvester("analytics", "list", "--json").stdout)}
        assert before["daily_activity"]["refreshed_at"] is None
        assert before["daily_activity"]["row_count"] is None
        assert before["threads"]["read"] == before["threads"]["in_scope"] == 1
        refresh(connection)
    after = {one["relation"]: one for one in json.loads(harvester("analytics", "list", "--json").stdout)}
    assert after["daily_activity"]["refreshed_at"]
    assert after["daily_activity"]["row_count"] == 1
    assert {"table", "materialised view", "view", "function"} == {one["kind"] for one in after.values()}
    assert all(one["said"] for one in after.values())
    shown = harvester("analytics", "list").stdout
    assert all(name in shown for name in after)
    assert "100.0%" in shown


class Nowhere:
    """No command here asks the site for anything."""

    url = "http://127.0.0.1:9"


def test_without_a_schema_there_is_one_line(blank_database: str, make_harvester: Callable[..., Any]) -> None:
    for command in ("refresh", "list"):
        refused = make_harvester(Nowhere(), HARVESTER_DATABASE_URL=blank_database)("analytics", command, ok=False)
        assert refused.returncode == 1
        assert refused.stderr == "harvester: the database has no schema yet: run `harvester db migrate`\n"


PUSHED = {
    "live_user_months": "user_id = ANY('{1, 2}')",
    "live_threads": "kind = 'studio' AND thread_id = ANY('{1, 2}')",
    "live_follow_degrees": "user_id = ANY('{1, 2}')",
    "live_studio_figures": "studio_id = ANY('{1, 2}')",
    "project_life": "project_id = 1",
    "followers_over_time": "user_id = 1",
    "comments_over_time": "kind = 'project' AND place_id = 1",
    "studio_lifetimes": "studio_id = 1",
    "live_remix_trees": "root_id = 1",
    "studio_memberships": "user_id = 1",
    "ranking_moves": "ranking = 'x'",
    "live_ranking_stays": "kind = 'project' AND thing_id = 1",
    "coverage": "stream = 'user' AND entity_id = 1",
}


@pytest.mark.every_postgres
def test_a_few_keys_are_found_by_indexes(database: str) -> None:
    """With scans of whole tables made expensive, none is left: each condition reaches an index of each table."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        for view, which in PUSHED.items():
            plan = "\n".join(
                line for (line,) in connection.execute(f"EXPLAIN SELECT * FROM analytics.{view} WHERE {which}")
            )
            scans = [line for line in plan.splitlines() if "Seq Scan" in line]
            assert scans == [], f"{view}\n{plan}"
            assert "Index" in plan
        for function in ("remix_tree('{1}')", "remix_roots('{1}')", "studio_overlap(1)"):
            body = connection.execute(
                "SELECT prosrc FROM pg_proc WHERE pronamespace = 'analytics'::regnamespace AND proname = %s",
                [function.partition("(")[0]],
            ).fetchone()
            assert body is not None
            argument = function.partition("(")[2].rstrip(")")
            cast = "::bigint[]" if "{" in argument else "::bigint"
            plan = "\n".join(
                line for (line,) in connection.execute("EXPLAIN " + body[0].replace("$1", argument + cast))
            )
            assert "Seq Scan" not in plan, f"{function}\n{plan}"
