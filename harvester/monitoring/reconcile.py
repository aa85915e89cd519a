"""Compare the warehouse with the site's own counts, for lists that were read in full.

A difference is no error by itself: the site also counts what it hides, and some of its counters are wrong. It shows
where to look first.
"""

from dataclasses import dataclass
from typing import Any

from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "reconcile")

_WORST = 3
"""Number of examples of each comparison."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Rows of the warehouse by entity, and the site's count of them, for the lists of a stream."""

    stream: str
    thing: str
    counted: str
    held: str
    """Joins the rows `h` to the thing `t`."""
    below: int | None = None


_CAP = 100
_COMPARISONS: dict[str, _Comparison] = {
    "replies of a project comment (reply_count)": _Comparison(
        "project_replies", "project_comments", "reply_count", "project_comments h ON h.parent_id = t.id"
    ),
    "replies of a studio comment (reply_count)": _Comparison(
        "studio_replies", "studio_comments", "reply_count", "studio_comments h ON h.parent_id = t.id"
    ),
    "comments of a studio (stats.comments, below 100)": _Comparison(
        "studio_comments", "studios", "comment_count", "studio_comments h ON h.studio_id = t.id", _CAP
    ),
    "projects of a studio (stats.projects, below 100; unshared ones may count)": _Comparison(
        "studio_projects", "studios", "project_count", "studio_projects h ON h.studio_id = t.id", _CAP
    ),
    "managers of a studio (stats.managers)": _Comparison(
        "studio_managers",
        "studios",
        "manager_count",
        "studio_members h ON h.studio_id = t.id AND h.role IN ('host', 'manager')",
    ),
    "remixes of a project (stats.remixes)": _Comparison(
        "project_remixes", "projects", "remixes", "projects h ON h.parent_id = t.id"
    ),
}


_SAMPLE = 20_000
"""Number of entries of the frontier of which the entities are compared, where it has more."""


def reconcile(connection: Connection, entries: int, projects: int) -> list[dict[str, Any]]:
    """Return for each comparison its subject, the number of entities, how many differ, and the largest differences.

    `entries`: the entries in the frontier; of many a sample is compared. `projects`: the projects that are held.
    """
    sample = f"TABLESAMPLE SYSTEM ({100 * _SAMPLE / entries})" if entries > _SAMPLE else ""
    compared = [_compare(connection, name, one, sample) for name, one in _COMPARISONS.items()]
    return compared + _coverage(connection, projects)


def _compare(connection: Connection, name: str, one: _Comparison, sample: str) -> dict[str, Any]:
    rows = connection.execute(
        _SQL["compare"].format(thing=one.thing, counted=one.counted, held=one.held, sample=sample),
        {"stream": one.stream, "below": one.below, "worst": _WORST},
    ).fetchall()
    compared, differ, *_ = rows[0]
    worst = [{"id": id_, "counted": counted, "held": held} for *_, id_, counted, held in rows[:differ]]
    facts = {"what": name, "of": one.thing, "is_sample": bool(sample)}
    return facts | {"compared": compared, "differ": differ, "worst": worst}


def _coverage(connection: Connection, projects: int) -> list[dict[str, Any]]:
    """Return the site's count of projects beside the number that the warehouse holds."""
    row = connection.execute(_SQL["projects"]).fetchone()
    if row is None:
        return []
    facts = {"of": "site", "is_sample": False, "compared": 1, "differ": int(row[0] != projects)}
    what = "projects of the whole site (projects/count/all, unshared ones included)"
    return [{"what": what, **facts, "worst": [{"id": None, "counted": row[0], "held": projects}]}]
