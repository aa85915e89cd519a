"""What grows without bound and is nobody's data: dropped once it is old; and tables kept quick to read.

Nothing of `scratch` and `history` is deleted here, nor a walk, a seed, a design or an erasure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg import sql

from harvester.errors import WarehouseError
from harvester.warehouse.locks import MAINTAINING
from harvester.warehouse.schema import use_schema
from harvester.warehouse.tables import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

KEEP_DAYS = 90
KEPT_RUNS = 50
"""The newest runs stay whatever their age: a run compares itself with those before it."""

_OLD: dict[str, str] = {
    # An item that was set aside stays for as long as its list has a hole there.
    "crawl.quarantine": """
        DELETE FROM crawl.quarantine WHERE item_id IS NULL AND seen_at < now() - make_interval(days => %(days)s)""",
    # What entitled a crawl stays on record: the first and the last run under each statement.
    "crawl.runs": """
        WITH told AS (
            SELECT id, row_number() OVER (same ORDER BY id) AS nth,
                row_number() OVER (same ORDER BY id DESC) AS nth_last,
                row_number() OVER (ORDER BY id DESC) AS newest
            FROM crawl.runs WHERE crew IS NULL WINDOW same AS (PARTITION BY version, api_url, contact, permission)
        )
        DELETE FROM crawl.runs r WHERE r.ended_at < now() - make_interval(days => %(days)s)
            AND NOT EXISTS (SELECT FROM told WHERE told.id IN (r.id, r.crew)
                AND (least(nth, nth_last) = 1 OR newest <= %(kept)s))""",
}
"""How what is old is deleted, by table."""

_CHANGED = """
SELECT s.schemaname, s.relname, pg_has_role(c.relowner, 'USAGE')
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE s.schemaname = ANY(%s) AND (s.n_dead_tup > 0 OR s.n_mod_since_analyze > 0 OR s.n_ins_since_vacuum > 0)
ORDER BY 1, 2
"""


@dataclass(slots=True)
class Maintenance:
    """What was done, or would be."""

    deleted: dict[str, int] = field(default_factory=dict)
    vacuumed: list[str] = field(default_factory=list)
    not_ours: list[str] = field(default_factory=list)
    """Changed tables of another owner, who alone may vacuum them."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def maintain(
    connection: psycopg.Connection[Any],
    *,
    keep_days: int = KEEP_DAYS,
    rehearse: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Maintenance:
    """Delete what is older than `keep_days` from the operator's tables, then vacuum and analyse whatever changed.

    Safe during a crawl and safe to repeat. `connection` must be in autocommit mode.

    Args:
        connection: to the warehouse.
        keep_days: age in days up to which runs and quarantined responses stay.
        rehearse: count, and change nothing.
        tell: is given the name of each table before it is vacuumed, which may take long.

    Raises:
        WarehouseError: the schema is another one, or somebody else maintains.
    """
    use_schema(connection)
    free = connection.execute("SELECT pg_try_advisory_lock(%s)", [MAINTAINING]).fetchone()
    if not (free and free[0]):
        raise WarehouseError("maintenance is under way already")
    done = Maintenance()
    values = {"days": keep_days, "kept": KEPT_RUNS}
    for table, statement in _OLD.items():
        with connection.transaction(force_rollback=rehearse):
            done.deleted[table] = connection.execute(statement, values).rowcount
    connection.execute("SELECT pg_stat_force_next_flush()")
    for schema, name, ours in connection.execute(_CHANGED, [list(SCHEMAS)]).fetchall():
        table = f"{schema}.{name}"
        if not ours:
            done.not_ours.append(table)
            continue
        done.vacuumed.append(table)
        if not rehearse:
            tell(table)
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, name)))
    return done
