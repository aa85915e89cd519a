"""A refresh where something changed leaves what one of everything would: tables equal the views that define them."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.analytics.refresh import COPIES, SUMS, refresh
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable

Connection = psycopg.Connection[tuple[Any, ...]]


def assert_up_to_date(connection: Connection) -> dict[str, int]:
    """Row by row; returns the number of rows by table."""
    counts = {}
    for name in COPIES:
        for one, other in ((name, f"live_{name}"), (f"live_{name}", name)):
            surplus = connection.execute(
                f"SELECT t::text FROM analytics.{one} t EXCEPT SELECT t::text FROM analytics.{other} t LIMIT 3"
            ).fetchall()
            assert surplus == [], f"in {one} and not in {other}"
        row = connection.execute(
            f"SELECT count(*), (SELECT row_count FROM analytics.refreshes WHERE relation = '{name}')"
            f" FROM analytics.{name}"
        ).fetchone()
        assert row is not None
        assert row[0] == row[1]
        counts[name] = row[0]
    return counts


def how(connection: Connection) -> dict[str, tuple[bool, int]]:
    """Whether each table was made anew the last time, and how many rows that wrote."""
    rows = connection.execute("SELECT relation, whole, written FROM analytics.refreshes").fetchall()
    return {name: (whole, written) for name, whole, written in rows}


def beside_a_crawl(harvester: Any, mode: str) -> None:
    """A crawl with refreshes at the same time, one of everything among them."""
    processes = [
        harvester.start("crawl", mode, "--json"),
        *(harvester.start("analytics", "refresh", *options) for options in ((), ("--full",))),
    ]
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said[-2000:]


def test_after_changes_an_audit_and_an_erasure(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], tmp_path: Any
) -> None:
    sandbox = start_sandbox(users=25, seed=5)
    harvester = make_harvester(sandbox, HARVESTER_HOME=str(tmp_path))
    harvester.seed_all(sandbox)
    harvester("seed", "explore", "--pages", "1")
    harvester.crawl()
    with psycopg.connect(harvester.database, autocommit=True) as connection:
        first = {one["relation"]: one for one in json.loads(harvester("analytics", "refresh", "--json").stdout)}
        assert {name: one["row_count"] for name, one in first.items()} == assert_up_to_date(connection)
        assert all(one["whole"] and one["row_count"] for one in first.values())
        assert {one["row_count"] for one in first.values()} == {one["written"] for one in first.values()}

        sandbox.json("/sandbox/churn?events=150", "POST")
        beside_a_crawl(harvester, "--audit")
        again = {one["relation"]: one for one in json.loads(harvester("analytics", "refresh", "--json").stdout)}
        assert not any(one["whole"] for name, one in again.items() if name not in SUMS)
        assert_up_to_date(connection)

        row = connection.execute(
            "SELECT username FROM scratch.users u ORDER BY (SELECT count(*) FROM scratch.project_comments c"
            " WHERE c.author_id = u.id) * (SELECT count(*) FROM scratch.projects p WHERE p.author_id = u.id) DESC"
        ).fetchone()
        assert row is not None
        harvester("erase", "user", row[0], "--yes")
        harvester("analytics", "refresh")
        assert all(whole for whole, _ in how(connection).values())
        assert_up_to_date(connection)
        harvester("analytics", "refresh")
        assert {one for name, one in how(connection).items() if SUMS.get(name) != ()} == {(False, 0)}


@pytest.mark.every_postgres
def test_trees_that_grow_join_split_and_close_to_circles(database: str) -> None:
    chance = random.Random(7)
    with psycopg.connect(database, autocommit=True) as other, open_connection(database, autocommit=True) as connection:
        refresh(connection)
        for _ in range(25):
            for _ in range(chance.randrange(1, 6)):
                project, parent, root = (chance.randrange(1, 25) for _ in range(3))
                parent = parent if chance.random() < 0.6 else None
                root = root if chance.random() < 0.6 else None
                other.execute(
                    "INSERT INTO scratch.projects (id, parent_id, root_id) VALUES (%s, %s, %s)"
                    " ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, root_id = excluded.root_id",
                    [project, parent, root],
                )
            refresh(connection)
            assert not how(connection)["remix_nodes"][0]
            assert_up_to_date(connection)
        rows = connection.execute("SELECT max(depth), bool_or(is_assumed) FROM analytics.remix_nodes").fetchone()
        assert rows is not None
        assert rows[0] > 2
        assert rows[1]


@pytest.mark.every_postgres
def test_what_another_day_a_share_and_a_reply_leave_behind(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as other, open_connection(database, autocommit=True) as connection:
        other.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, NULL), (2, '2026-01-01')")
        other.execute("INSERT INTO scratch.projects (id, author_id, shared_at) VALUES (11, 1, '2026-01-01')")
        other.execute(
            "INSERT INTO scratch.project_comments (id, project_id, author_id, created_at)"
            " VALUES (1, 11, 1, '2026-01-01'), (2, 11, 1, '2026-01-02')"
        )
        refresh(connection)
        # Shared again: the crawl keeps the version before.
        other.execute("UPDATE scratch.projects SET shared_at = '2026-03-03' WHERE id = 11")
        other.execute(
            "INSERT INTO history.project_revisions (project_id, valid_from, valid_to, shared_at)"
            " VALUES (11, '2026-01-01', '2026-03-03', '2026-01-01')"
        )
        other.execute("UPDATE scratch.users SET joined_at = '2026-01-01' WHERE id = 1")
        other.execute("UPDATE scratch.project_comments SET gone_at = now() WHERE id = 2")
        other.execute(
            "INSERT INTO scratch.project_comments (id, project_id, author_id, created_at, parent_id)"
            " VALUES (3, 11, 2, '2026-01-02', 1)"
        )
        refresh(connection)
        assert {name for name, (whole, _) in how(connection).items() if whole} == SUMS.keys()
        assert_up_to_date(connection)
        days = connection.execute(
            "SELECT day::text, items FROM analytics.daily_activity WHERE stream = 'projects'"
        ).fetchall()
        assert days == [("2026-03-03", 1)]


@pytest.mark.every_postgres
def test_deleted_owners_and_later_readings_update_figures(database: str) -> None:
    """A row changes, and the figures of others with it: what stands on a page, and what a ranking shows no more."""
    with psycopg.connect(database, autocommit=True) as other, open_connection(database, autocommit=True) as connection:
        other.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, '2026-01-01'), (2, '2026-01-01')")
        other.execute("INSERT INTO scratch.projects (id, author_id) VALUES (11, 1), (12, 1)")
        other.execute("INSERT INTO scratch.studios (id, host_id) VALUES (11, 1), (12, 1)")
        other.execute("INSERT INTO scratch.studio_projects (studio_id, project_id) VALUES (11, 11), (12, 12)")
        other.execute("INSERT INTO scratch.studio_activity (studio_id, id, created_at) VALUES (11, 'x', '2026-01-01')")
        for kind, column, place in (
            ("project", "project_id", 11),
            ("studio", "studio_id", 11),
            ("profile", "user_id", 2),
        ):
            other.execute(
                f"INSERT INTO scratch.{kind}_comments (id, {column}, author_id, parent_id, created_at)"
                " VALUES (1, %(place)s, 1, NULL, '2026-01-01'), (2, %(place)s, 2, 1, '2026-01-02')",
                {"place": place},
            )

        def read_ranking(day: str, *things: int) -> None:
            for position, thing in enumerate(things):
                other.execute(
                    "INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id)"
                    " VALUES ('x', %s, %s, 'project', %s)",
                    [day, position, thing],
                )

        def stays() -> list[tuple[Any, ...]]:
            assert_up_to_date(connection)
            return connection.execute(
                "SELECT thing_id, extract(day FROM first_seen_at)::int, extract(day FROM absent_after)::int"
                " FROM analytics.ranking_stays ORDER BY 1, 2"
            ).fetchall()

        read_ranking("2026-01-01", 11, 12)
        refresh(connection)
        for table, key, change in (
            ("projects", 11, "gone_at = now()"), ("studios", 11, "gone_at = now()"), ("users", 2, "gone_at = now()"),
            ("projects", 11, "gone_at = NULL"), ("studios", 11, "gone_at = NULL"), ("users", 2, "gone_at = NULL"),
        ):  # fmt: skip
            other.execute(f"UPDATE scratch.{table} SET {change} WHERE id = {key}")
            if "NULL" in change:
                # As the crawl does, when it finds again what was gone.
                other.execute(
                    "INSERT INTO history.absences (kind, thing_id, gone_at, returned_at)"
                    " VALUES (%s, %s, now() - interval '1 second', now())",
                    [table, key],
                )
            refresh(connection)
            assert_up_to_date(connection)
        read_ranking("2026-01-03", 11)
        refresh(connection)
        assert stays() == [(11, 1, None), (12, 1, 3)]
        # A reading of an archive comes late: it cuts a stay in two.
        read_ranking("2026-01-02", 12)
        refresh(connection)
        assert stays() == [(11, 1, 2), (11, 3, None), (12, 1, 3)]
        assert not any(whole for name, (whole, _) in how(connection).items() if name not in SUMS)


@pytest.mark.every_postgres
def test_what_was_not_committed_yet_is_found_the_next_time(database: str) -> None:
    follow = "INSERT INTO scratch.follows (follower_id, followee_id) VALUES (%s, %s)"
    with psycopg.connect(database) as slow, open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id) SELECT generate_series(1, 9)")
        refresh(connection)
        slow.execute(follow, [1, 2])
        with slow.transaction():  # as a part of its own, with a number of its own
            slow.execute(follow, [2, 3])
        # Later ones are seen in the meantime, and must not hide the earlier one.
        for follower in (4, 5):
            connection.execute(follow, [follower, 1])
            refresh(connection)
            assert_up_to_date(connection)
        slow.commit()
        refresh(connection)
        assert how(connection)["follow_degrees"][0] is False
        assert assert_up_to_date(connection)["follow_degrees"] == 5


def test_marks_of_another_server_mean_nothing(database: str) -> None:
    with open_connection(database, autocommit=True) as connection:
        refresh(connection)
        refresh(connection)
        assert not any(whole for name, (whole, _) in how(connection).items() if SUMS.get(name) != ())
        # As a dump that was read back: the same values, written by another transaction.
        connection.execute("CREATE TEMPORARY TABLE dump AS TABLE analytics.refreshes")
        connection.execute("DELETE FROM analytics.refreshes")
        connection.execute("INSERT INTO analytics.refreshes TABLE dump")
        refresh(connection)
        assert all(whole for whole, _ in how(connection).values())
        # A mark from the future, or from too long ago, is of no use either.
        for mark in (2**40, -(2**31)):
            with connection.transaction():
                connection.execute(
                    "UPDATE analytics.refreshes SET mark = %s, written_by = pg_current_xact_id()::text::bigint", [mark]
                )
            refresh(connection)
            assert all(whole for whole, _ in how(connection).values())


def test_one_that_breaks_off_leaves_all_as_it_was(database: str) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop(what: str, *_: int) -> None:
        if what == "threads":
            raise Stop

    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, joined_at) VALUES (1, now()), (2, now())")
        with pytest.raises(Stop):
            refresh(connection, tell=stop)
        assert how(connection) == {}
        assert connection.execute("SELECT count(*) FROM analytics.daily_activity").fetchone() == (0,)
        refresh(connection)
        assert assert_up_to_date(connection)["daily_activity"] == 1


def test_nobody_is_erased_while_a_refresh_could_write_them_back(
    database: str, make_harvester: Callable[..., Any], tmp_path: Any
) -> None:
    refused = None

    def forget(what: str, *_: int) -> None:
        nonlocal refused
        if what == "threads":
            refused = harvester("erase", "user", "somebody", "--yes", ok=False)

    harvester = make_harvester(Nowhere(), HARVESTER_HOME=str(tmp_path))
    with open_connection(database, autocommit=True) as connection:
        refresh(connection, tell=forget)
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
    assert {"table", "view", "function"} == {one["kind"] for one in after.values()}
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
