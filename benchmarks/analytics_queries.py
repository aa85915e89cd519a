"""Time each query of `analytics` over ten million rows, and list the indexes that it uses.

    python -m benchmarks analytics, or python -m benchmarks.analytics_queries ROWS [--home DIR] [--steps STEP...]

ROWS are comments; users, projects, follows, versions of counters, entries of rankings and frontier in proportion, so
that all tables together hold about four times as many. An embedded PostgreSQL with its default settings is filled by
`generate_series`, refreshed in full, changed a little and refreshed again. Then each view
is read as a whole and by a key, as an analyst would, and so are the twenty questions of docs/questions.md and the
queries of the report, all with a limit of ten seconds; a plan by key must read no table from end to end. The refresh
has no limit.

With `--home` the warehouse stays there, and `--steps` takes some of the steps only (tables by name, vacuum, refresh,
change, views, questions, report), since only the queries need a machine at rest.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from psycopg import ClientCursor

from harvester.analytics.refresh import refresh
from harvester.erasure.erase import erase
from harvester.report.answers import FigureSources, source
from harvester.report.page import moment_of
from harvester.warehouse import embedded, schema
from harvester.warehouse.connect import open_connection
from harvester.warehouse.connection import Connection

LIMIT = 10.0
CHANGED = 1000
QUESTIONS = Path(__file__).parents[1] / "docs" / "questions.md"

# A power law, by the inverse of its distribution: a few low ids get most rows.
SKEWED = "1 + floor(power(random(), 3) * {})::bigint"
FILL = {
    "users": """
        INSERT INTO scratch.users (id, username, joined_at, country)
        SELECT g, 'user' || g, now() - random() * interval '10 years', 'Country ' || (power(random(), 4) * 200)::int
        FROM generate_series(1, {users}) g""",
    "projects": """
        INSERT INTO scratch.projects (id, author_id, title, created_at, shared_at, views, loves, favorites, remixes,
            parent_id, root_id)
        SELECT g, {user}, 'Project ' || g, x.at, x.at, x.views, x.views / 20, x.views / 25, 0, x.parent,
            CASE WHEN x.parent < {projects} / 10 THEN x.parent END
        FROM generate_series(1, {projects}) g CROSS JOIN LATERAL (
            SELECT now() - random() * interval '8 years' AS at, (1 / (random() + 0.0001))::int AS views,
                CASE WHEN g > 10 AND random() < 0.15 THEN 1 + floor(power(random(), 2) * (g - 1))::bigint END AS parent
        ) x""",
    "studios": """
        INSERT INTO scratch.studios (id, host_id, title, created_at)
        SELECT g, {user}, 'Studio ' || g, now() - random() * interval '8 years' FROM generate_series(1, {studios}) g""",
    "follows": """
        INSERT INTO scratch.follows (follower_id, followee_id)
        SELECT 1 + floor(random() * {users})::bigint, {user} FROM generate_series(1, {follows}) g ON CONFLICT DO NOTHING
        """,
    "studio_projects": """
        INSERT INTO scratch.studio_projects (studio_id, project_id, added_by_id)
        SELECT {studio}, {project}, {user} FROM generate_series(1, {placements}) g ON CONFLICT DO NOTHING""",
    "studio_members": """
        INSERT INTO scratch.studio_members (studio_id, user_id, role)
        SELECT {studio}, {user}, 'curator' FROM generate_series(1, {placements} / 4) g ON CONFLICT DO NOTHING""",
    "studio_activity": """
        INSERT INTO scratch.studio_activity (studio_id, id, type, actor_id, created_at)
        SELECT {studio}, 'event-' || g,
            (ARRAY['addprojecttostudio', 'becomecurator', 'updatestudio'])[1 + (random() * 2)::int], {user},
            now() - random() * interval '6 years'
        FROM generate_series(1, {placements}) g ON CONFLICT DO NOTHING""",
    **{
        f"{kind}_comments": f"""
        INSERT INTO scratch.{kind}_comments (id, {place}_id, parent_id, author_id, content, created_at, visibility)
        SELECT g, {{{place}}}, CASE WHEN g % 10 > 6 THEN g - g % 10 END, {{user}}, repeat('hello ', 8),
            now() - interval '6 years' * (1 - g::float8 / {{{kind}_comments}}) + (g % 10) * interval '7 minutes',
            'visible'
        FROM generate_series(10, {{{kind}_comments}}) g"""
        for kind, place in (("project", "project"), ("studio", "studio"), ("profile", "user"))
    },
    "project_stats": """
        INSERT INTO history.project_stats (project_id, valid_from, last_seen_at, valid_to, views, loves, favorites)
        SELECT p, since, since, since + interval '30 days', v * 3, v, v
        FROM generate_series(1, {versions} / 10) p, generate_series(1, 10) v,
            LATERAL (SELECT now() - interval '1 year' + v * interval '30 days' AS since) x""",
    "rankings": """
        INSERT INTO history.rankings (ranking, seen_at, position, kind, thing_id)
        SELECT 'explore/projects?q=tag' || r || '&mode=trending&language=en', now() - d * interval '1 day', p,
            'project', 1 + (r * 7919 + d / 7 * 104729 + p * 31)::bigint % {projects}
        FROM generate_series(1, 20) r, generate_series(1, {entries} / 4000) d, generate_series(0, 199) p""",
    "frontier": """
        INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, visited_at, certificate)
        SELECT s, g, now() + interval '9 days', 1 + g % 3, now() - random() * interval '90 days',
            '{{"proven_by": "key", "complete": true, "key": 1700000000}}'
        FROM unnest('{{user_projects, user_followers, user_following, project, project_comments}}'::text[]) s,
            generate_series(1, {frontier} / 5) g""",
}

QUERIES = {
    "activity by month": "SELECT * FROM analytics.monthly_activity",
    "activity, one year of days": """SELECT day, sum(items) FROM analytics.daily_activity
        WHERE day > now() - interval '1 year' GROUP BY 1""",
    "cohorts": "SELECT * FROM analytics.cohorts",
    "cohort retention": "SELECT * FROM analytics.cohort_retention",
    "countries": "SELECT * FROM analytics.countries",
    "all trees of remixes": "SELECT * FROM analytics.remix_trees ORDER BY nodes DESC LIMIT 100",
    "one tree of remixes": "SELECT * FROM analytics.remix_trees WHERE root_id = {some}",
    "one tree, as it is now": "SELECT count(*) FROM analytics.remix_tree('{{{some}}}')",
    "reply latency": "SELECT * FROM analytics.reply_latency",
    "threads of one project": "SELECT * FROM analytics.threads WHERE kind = 'project' AND place_id = {some}",
    "one thread, as it is now": "SELECT * FROM analytics.live_threads WHERE kind = 'project' AND thread_id = 1000",
    "the network": "SELECT * FROM analytics.follow_network",
    "degrees": "SELECT * FROM analytics.degree_distribution",
    "one user, as it is now": "SELECT * FROM analytics.live_follow_degrees WHERE user_id = {some}",
    "months of one user, as it is now": "SELECT * FROM analytics.live_user_months WHERE user_id = {some}",
    "studios by their commenters": "SELECT * FROM analytics.studio_figures ORDER BY commenters DESC LIMIT 100",
    "one studio, as it is now": "SELECT * FROM analytics.live_studio_figures WHERE studio_id = {some}",
    "all memberships": "SELECT studios, count(*) FROM analytics.studio_memberships GROUP BY 1",
    "overlap of one studio": "SELECT * FROM analytics.studio_overlap({some})",
    "life of one project": "SELECT * FROM analytics.project_life WHERE project_id = 10",
    "life curves": "SELECT * FROM analytics.life_curves",
    # A twentieth of all entries: the planner may use the index or read the whole table.
    "moves in a ranking": """SELECT * FROM analytics.ranking_moves
        WHERE ranking = 'explore/projects?q=tag1&mode=trending&language=en'""",
    "stays of one project": "SELECT * FROM analytics.ranking_stays WHERE kind = 'project' AND thing_id = 1",
    "stays in all rankings": "SELECT ranking, avg(entries) FROM analytics.ranking_stays GROUP BY 1",
    "readings of all rankings": "SELECT * FROM analytics.ranking_readings",
    "countries in all rankings": "SELECT * FROM analytics.ranking_countries",
    "freshness": "SELECT * FROM analytics.freshness",
    "gaps in the ids": "SELECT * FROM analytics.id_gaps",
}
LARGE = re.compile(
    r"Seq Scan on (users|projects|studios|\w+_comments|follows|favorites|studio_\w+|project_stats|frontier|user_months"
    r"|remix_nodes|remix_trees|threads|follow_degrees|ranking_stays|rankings)\b"
)
BY_KEY = ("one ", "of one", "life of", "stays of")


def sizes(comments: int) -> dict[str, int]:
    return {
        "project_comments": comments * 4 // 10,
        "profile_comments": comments * 3 // 10,
        "studio_comments": comments * 3 // 10,
        "users": comments // 5,
        "projects": comments // 2,
        "studios": comments // 50,
        "follows": comments // 2,
        "placements": comments // 5,
        "versions": comments // 2,
        "entries": comments // 2,
        "frontier": comments // 2,
    }


def fill(connection: Connection, size: dict[str, int], names: list[str], statements: Mapping[str, str] = FILL) -> None:
    """Fill tables without their foreign keys being checked row by row."""
    values = size | {name: SKEWED.format(size[f"{name}s"]) for name in ("user", "project", "studio")}
    connection.execute("SET session_replication_role = replica")
    for name in names:
        began = time.perf_counter()
        made = connection.execute(statements[name].format(**values)).rowcount
        print(f"  {name:18} {made:12,} rows in {time.perf_counter() - began:6.1f} s", flush=True)
    connection.execute("SET session_replication_role = origin")


def change(connection: Connection, size: dict[str, int]) -> None:
    """Insert the rows of a short crawl."""
    connection.execute(
        "INSERT INTO scratch.project_comments (id, project_id, author_id, created_at)"
        " SELECT 10 * %(size)s + g, 1 + g, 1 + g, now() FROM generate_series(1, %(changed)s) g",
        {"size": size["project_comments"], "changed": CHANGED},
    )
    connection.execute(
        "INSERT INTO scratch.projects (id, author_id, shared_at, parent_id, root_id)"
        " SELECT 10 * %(size)s + g, 1 + g, now(), 1000 + g, 1000 + g FROM generate_series(1, %(changed)s / 10) g",
        {"size": size["projects"], "changed": CHANGED},
    )
    connection.execute("UPDATE scratch.follows SET gone_at = now() WHERE followee_id BETWEEN 50 AND 60")


def churn(connection: Connection, size: dict[str, int]) -> None:
    """Change one row in a hundred of each large table, as a night of crawling would."""
    for kind, place in (("project", "project"), ("studio", "studio"), ("profile", "user")):
        rows = size[f"{kind}_comments"]
        author, page = (SKEWED.format(size[f"{name}s"]) for name in ("user", place))
        connection.execute(
            f"INSERT INTO scratch.{kind}_comments (id, {place}_id, author_id, content, created_at, visibility)"
            f" SELECT {2 * rows} + g, {page}, {author}, 'hello', now(), 'visible'"
            f" FROM generate_series(1, {rows // 100}) g"
        )
    for table, column in (("users", "country"), ("projects", "views"), ("studios", "title")):
        connection.execute(f"UPDATE scratch.{table} SET {column} = {column} WHERE id % 100 = 7")
    connection.execute("UPDATE scratch.follows SET gone_at = now() WHERE follower_id % 100 = 7")
    connection.execute("UPDATE history.project_stats SET views = views + 1 WHERE project_id % 100 = 7")


def erase_one(connection: Connection, size: dict[str, int], home: Path) -> None:
    """Erase a user with more rows than most."""
    # In these rows a reply may be on another page than its comment, which foreign keys do not allow.
    connection.execute("SET session_replication_role = replica")
    worked = cpu(connection)
    began = time.perf_counter()
    erase(connection, home, f"user{size['users'] // 50}")
    connection.execute("SET session_replication_role = origin")
    print(f"erasure: {time.perf_counter() - began:.1f} s, CPU {cpu(connection) - worked:.1f} s", flush=True)


def cpu(connection: Connection) -> float:
    """Return the seconds of CPU of the server process of a connection."""
    fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed_refresh(connection: Connection, what: str) -> None:
    worked = cpu(connection)
    began = last = time.perf_counter()
    parts: dict[str, float] = {}
    before = ""

    def tell(name: str, *_: int) -> None:
        nonlocal last, before
        now = time.perf_counter()
        if before:
            parts[before] = parts.get(before, 0) + now - last
        last, before = now, name

    done = refresh(connection, on_progress=tell)
    tell("")
    rows = sum(one.row_count for one in done)
    print(f"{what}: {time.perf_counter() - began:.1f} s, CPU {cpu(connection) - worked:.1f} s, {rows:,} rows")
    print("  " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items()), flush=True)


def questions() -> dict[str, str]:
    """Return the SQL of docs/questions.md, by the heading of the question."""
    found = re.findall(r"^## (\d+\. [^\n]*)\n.*?```sql\n(.*?)```", QUESTIONS.read_text(), re.MULTILINE | re.DOTALL)
    return {what: statement.strip().rstrip(";") for what, statement in found}


def of_the_report(connection: Connection) -> dict[str, str]:
    """Return the queries of the report, with the values of a page that is made now."""
    figures = FigureSources.find(connection)
    moment = moment_of(datetime.now(UTC), None, 5.0)
    values = {"at": moment.at, "since": moment.since, "step": moment.step, "rate": moment.rate}
    names = sorted(path.name.removesuffix(".sql") for path in (files("harvester.report") / "queries").iterdir())
    cursor = ClientCursor(connection)
    return {f"report: {name}": cursor.mogrify(source(name, figures)[0], values) for name in names}


PARTS = ("views", "questions", "report")
STEPS = (*FILL, "vacuum", "refresh", "unchanged", "change", "churn", "erasure", *PARTS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analytics_queries")
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--home", type=Path, help="where the warehouse stays; else it is removed at the end")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    options = parser.parse_args()
    size = sizes(options.rows)
    wrong: list[str] = []
    with ExitStack() as stack:
        if options.home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harvester-bench-")))
            stack.callback(embedded.down, home)
        else:
            home = options.home
            home.mkdir(parents=True, exist_ok=True)
        url = embedded.up(home)
        schema.migrate(url)
        connection = stack.enter_context(open_connection(url, autocommit=True))
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.execute("SELECT setseed(0.5)")
        fill(connection, size, [name for name in FILL if name in options.steps])
        if "vacuum" in options.steps:
            connection.execute("VACUUM ANALYZE")
            print(f"{options.rows:,} comments, {_rows(connection):,} rows in all", flush=True)
        if "refresh" in options.steps:
            timed_refresh(connection, "refresh of everything")
        if "change" in options.steps:
            change(connection, size)
            timed_refresh(connection, f"refresh after {CHANGED:,} comments, {CHANGED // 10} remixes, 11 people")
        if "unchanged" in options.steps:
            timed_refresh(connection, "refresh with nothing changed")
        if "churn" in options.steps:
            churn(connection, size)
            timed_refresh(connection, "refresh after a change of one row in a hundred")
        if "erasure" in options.steps:
            erase_one(connection, size, home)
            timed_refresh(connection, "refresh after an erasure")
        asked: dict[str, str] = {}
        if "views" in options.steps:
            asked |= {what: query.format(some=size["studios"] // 2) for what, query in QUERIES.items()}
        if "questions" in options.steps:
            asked |= questions()
        if "report" in options.steps:
            asked |= of_the_report(connection)
        for what, statement in asked.items():
            plan, seconds = explain(connection, statement)
            indexes = sorted(set(re.findall(r"Index (?:Only )?Scan (?:Backward )?(?:using|on) (\w+)", plan)))
            print(f"{what:60} {seconds:7.3f} s  {', '.join(indexes) or 'one pass'}", flush=True)
            if seconds > LIMIT:
                wrong.append(f"{what} takes {seconds:.1f} s")
            if any(mark in what for mark in BY_KEY) and what in QUERIES and (scan := LARGE.search(plan)):
                wrong.append(f"{what} reads all of {scan[1]}")
    sys.exit("; ".join(wrong) or 0)


def _rows(connection: Connection) -> int:
    row = connection.execute(
        "SELECT sum(reltuples)::bigint FROM pg_class WHERE relkind = 'r' AND reltuples > 0"
        " AND relnamespace IN ('scratch'::regnamespace, 'history'::regnamespace, 'crawl'::regnamespace)"
    ).fetchone()
    assert row is not None
    return int(row[0] or 0)


def explain(connection: Connection, statement: str) -> tuple[str, float]:
    """Return the plan of a statement, and its time in seconds."""
    began = time.perf_counter()
    connection.execute(statement).fetchall()
    seconds = time.perf_counter() - began
    plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement}").fetchall())
    return plan, seconds


if __name__ == "__main__":
    main()
