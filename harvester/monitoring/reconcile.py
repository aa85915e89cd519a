"""Comparison of the warehouse with the site's own counts, for lists that were read in full.

A difference is no error by itself: the site counts what it hides, and some of its counters are known to be off. It is
where to look first.
"""

from typing import Any

from harvester.warehouse.connect import Connection

_WORST = 3
"""Examples that are named of each comparison."""


def _query(stream: str, thing: str, counted: str, held: str, below: int | None = None) -> str:
    """Return SQL of counted and held for each entity with a full read; `held` joins rows `h` to the entity `t`."""
    capped = "" if below is None else f"AND t.{counted} < {below}"
    return f"""
        SELECT t.id, t.{counted} AS counted, count(h.first_seen_at) AS held
        FROM crawl.frontier w JOIN scratch.{thing} t ON t.id = w.entity_id AND t.gone_at IS NULL
        LEFT JOIN scratch.{held} AND h.gone_at IS NULL
        WHERE w.stream = '{stream}' AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
            AND t.{counted} IS NOT NULL {capped}
        GROUP BY t.id
    """


_CAP = 100
_COMPARISONS: dict[str, str] = {
    "replies of a project comment (reply_count)": _query(
        "project_replies", "project_comments", "reply_count", "project_comments h ON h.parent_id = t.id"
    ),
    "replies of a studio comment (reply_count)": _query(
        "studio_replies", "studio_comments", "reply_count", "studio_comments h ON h.parent_id = t.id"
    ),
    "comments of a studio (stats.comments, below 100)": _query(
        "studio_comments", "studios", "comment_count", "studio_comments h ON h.studio_id = t.id", _CAP
    ),
    "projects of a studio (stats.projects, below 100; unshared ones may count)": _query(
        "studio_projects", "studios", "project_count", "studio_projects h ON h.studio_id = t.id", _CAP
    ),
    "managers of a studio (stats.managers)": _query(
        "studio_managers",
        "studios",
        "manager_count",
        "studio_members h ON h.studio_id = t.id AND h.role IN ('host', 'manager')",
    ),
    "remixes of a project (stats.remixes)": _query(
        "project_remixes", "projects", "remixes", "projects h ON h.parent_id = t.id"
    ),
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
    """Return the share of the site's count of projects that the warehouse holds."""
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
