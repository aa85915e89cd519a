"""What the warehouse holds against what the site itself counts, wherever a list was read whole.

A difference is no error by itself: the site counts what it hides, and some of its counters are known to be off. It is
where to look first.
"""

from typing import Any

from harvester.warehouse.commit import Connection

_WORST = 3
"""Examples that are named of each comparison."""

_COMPARISONS: dict[str, str] = {
    "replies of a project comment (reply_count)": """
        SELECT c.id, c.reply_count AS counted, count(r.id) AS held
        FROM crawl.walks w JOIN scratch.project_comments c ON c.id = w.entity_id AND c.gone_at IS NULL
        LEFT JOIN scratch.project_comments r ON r.parent_id = c.id AND r.gone_at IS NULL
        WHERE w.stream = 'project_replies' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
        GROUP BY c.id
    """,
    "replies of a studio comment (reply_count)": """
        SELECT c.id, c.reply_count AS counted, count(r.id) AS held
        FROM crawl.walks w JOIN scratch.studio_comments c ON c.id = w.entity_id AND c.gone_at IS NULL
        LEFT JOIN scratch.studio_comments r ON r.parent_id = c.id AND r.gone_at IS NULL
        WHERE w.stream = 'studio_replies' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
        GROUP BY c.id
    """,
    "comments of a studio (stats.comments, below 100)": """
        SELECT s.id, s.comment_count AS counted, count(c.id) AS held
        FROM crawl.walks w JOIN scratch.studios s ON s.id = w.entity_id AND s.gone_at IS NULL
        LEFT JOIN scratch.studio_comments c ON c.studio_id = s.id AND c.gone_at IS NULL
        WHERE w.stream = 'studio_comments' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
            AND s.comment_count < 100
        GROUP BY s.id
    """,
    "projects of a studio (stats.projects, below 100; unshared ones may count)": """
        SELECT s.id, s.project_count AS counted, count(p.project_id) AS held
        FROM crawl.walks w JOIN scratch.studios s ON s.id = w.entity_id AND s.gone_at IS NULL
        LEFT JOIN scratch.studio_projects p ON p.studio_id = s.id AND p.gone_at IS NULL
        WHERE w.stream = 'studio_projects' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
            AND s.project_count < 100
        GROUP BY s.id
    """,
    "managers of a studio (stats.managers)": """
        SELECT s.id, s.manager_count AS counted, count(m.user_id) AS held
        FROM crawl.walks w JOIN scratch.studios s ON s.id = w.entity_id AND s.gone_at IS NULL
        LEFT JOIN scratch.studio_members m
            ON m.studio_id = s.id AND m.gone_at IS NULL AND m.role IN ('host', 'manager')
        WHERE w.stream = 'studio_managers' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
        GROUP BY s.id
    """,
    "remixes of a project (stats.remixes)": """
        SELECT p.id, p.remixes AS counted, count(r.id) AS held
        FROM crawl.walks w JOIN scratch.projects p ON p.id = w.entity_id AND p.gone_at IS NULL
        LEFT JOIN scratch.projects r ON r.parent_id = p.id AND r.gone_at IS NULL
        WHERE w.stream = 'project_remixes' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
            AND p.remixes IS NOT NULL
        GROUP BY p.id
    """,
}


def reconcile(connection: Connection) -> list[dict[str, Any]]:
    """Each comparison: things compared, how many differ, and those that differ most."""
    return [_compare(connection, name, query) for name, query in _COMPARISONS.items()] + _coverage(connection)


def _compare(connection: Connection, name: str, query: str) -> dict[str, Any]:
    rows = connection.execute(
        f"WITH compared AS ({query}) SELECT (SELECT count(*) FROM compared), count(*) OVER (), id, counted, held"
        " FROM compared WHERE counted <> held ORDER BY abs(counted - held) DESC, id LIMIT %s",
        [_WORST],
    ).fetchall()
    if not rows:
        row = connection.execute(f"SELECT count(*) FROM ({query}) AS compared").fetchone()
        rows_compared, differ = (row[0] if row else 0), 0
    else:
        rows_compared, differ = rows[0][0], rows[0][1]
    worst = [{"id": row[2], "counted": row[3], "held": row[4]} for row in rows]
    return {"what": name, "compared": rows_compared, "differ": differ, "worst": worst}


def _coverage(connection: Connection) -> list[dict[str, Any]]:
    """How many of all projects that the site counts are held."""
    row = connection.execute(
        "SELECT (SELECT count FROM history.site_counts WHERE name = 'projects' ORDER BY seen_at DESC LIMIT 1),"
        " (SELECT count(*) FROM scratch.projects)"
    ).fetchone()
    if row is None or row[0] is None:
        return []
    what = "projects of the whole site (projects/count/all, unshared ones included)"
    differs = int(row[0] != row[1])
    worst = [{"id": None, "counted": row[0], "held": row[1]}] * differs
    return [{"what": what, "compared": 1, "differ": differs, "worst": worst}]
