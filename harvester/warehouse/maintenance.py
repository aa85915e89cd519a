"""Maintenance of the warehouse: old operational rows are deleted, and tables vacuumed.

Nothing of `scratch` and `history` is deleted here, nor an entry, a seed, a design or an erasure.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from harvester.errors import WarehouseError
from harvester.warehouse.annotations import SCHEMAS
from harvester.warehouse.bodies import UnusedFiles, delete_unused
from harvester.warehouse.locks import IN_USE, MAINTAINING, take_alone
from harvester.warehouse.schema import use_schema
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "maintenance")

KEEP_DAYS = 90
KEPT_RUNS = 50
"""Number of the newest runs that stay whatever their age, since a run is compared with those before it."""

_OLD = {"crawl.quarantine": _SQL["delete_quarantined"], "crawl.runs": _SQL["delete_runs"]}
"""Statements that delete old rows, by table."""


_CLEARS_STATISTICS = 180_000
"""Version of the server from which owners may clear statistics."""
_LOCK_TIMEOUT = "30s"
"""Timeout for the lock of a table: a reader, such as a build of a dataset, may take hours."""


@dataclass(slots=True)
class Rewriting:
    """Tables whose files were rewritten, and those whose were not."""

    rewritten: list[str] = field(default_factory=list)
    not_ours: list[str] = field(default_factory=list)
    """Tables of another owner, who alone may rewrite them."""
    busy: list[str] = field(default_factory=list)
    """Tables that other sessions were reading for longer than the timeout."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(slots=True)
class Maintenance:
    """Result of a maintenance, or of its dry run."""

    deleted: dict[str, int] = field(default_factory=dict)
    vacuumed: list[str] = field(default_factory=list)
    not_ours: list[str] = field(default_factory=list)
    """Changed tables of another owner, who alone may vacuum them."""
    busy: list[str] = field(default_factory=list)
    """Tables that could not be rewritten, since other sessions were reading them."""
    files: UnusedFiles = field(default_factory=UnusedFiles)
    """Files of sources that have no row."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def maintain(
    connection: Connection,
    *,
    keep_days: int = KEEP_DAYS,
    dry_run: bool = False,
    whole: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Maintenance:
    """Delete rows older than `keep_days` from the operator's tables, then vacuum and analyse the tables that changed.

    Files of sources that have no row are deleted too.

    Safe during a crawl and safe to repeat, but for `whole`. `connection` must be in autocommit mode.

    Args:
        connection: to the warehouse.
        keep_days: age in days up to which runs and quarantined responses stay.
        dry_run: count, and change nothing.
        whole: rewrite each table's files as `rewrite` does, instead of vacuuming what changed.
        on_progress: is given the name of each table before it is vacuumed, which may take long.

    Raises:
        WarehouseError: the schema is another one, or another maintenance is at work.
    """
    use_schema(connection)
    free = connection.execute("SELECT pg_try_advisory_lock(%s)", [MAINTAINING]).fetchone()
    if not (free and free[0]):
        raise WarehouseError("maintenance is under way already")
    done = Maintenance()
    values = {"days": keep_days, "kept": KEPT_RUNS}
    for table, statement in _OLD.items():
        with connection.transaction(force_rollback=dry_run):
            done.deleted[table] = connection.execute(statement, values).rowcount
    done.files = delete_unused(connection, dry_run=dry_run)
    if whole:
        tables = [table.fullname for table in metadata.sorted_tables]
        tables += [f"analytics.{name}" for name in materialised()]
        written = Rewriting(rewritten=tables) if dry_run else rewrite(connection, tables, on_progress=on_progress)
        done.vacuumed, done.not_ours, done.busy = written.rewritten, written.not_ours, written.busy
        return done
    connection.execute("SELECT pg_stat_force_next_flush()")
    for schema, name, ours in connection.execute(_SQL["changed_tables"], [list(SCHEMAS)]).fetchall():
        table = f"{schema}.{name}"
        if not ours:
            done.not_ours.append(table)
            continue
        done.vacuumed.append(table)
        if not dry_run:
            on_progress(table)
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(schema, name)))
    return done


def rewrite(
    connection: Connection, tables: Iterable[str], *, on_progress: Callable[[str], None] = lambda _: None
) -> Rewriting:
    """Rewrite the files of tables and their indexes, so that nothing of deleted rows is left in them.

    Each table is locked while it is rewritten and needs as much free space as it takes. `connection` must be in
    autocommit mode.

    Args:
        connection: to the warehouse.
        tables: names with their schema.
        on_progress: is given the name of each table before it is rewritten, which may take long.

    Raises:
        WarehouseError: a crawl is at work.
    """
    if not take_alone(connection, "pg_try_advisory_lock"):
        raise WarehouseError("tables are not rewritten while crawls, or a refresh of analytics, are at work")
    done = Rewriting()
    try:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [_LOCK_TIMEOUT])
        for table in tables:
            ours = connection.execute(
                "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %s::regclass", [table]
            ).fetchone()
            if not (ours and ours[0]):
                done.not_ours.append(table)
                continue
            on_progress(table)
            try:
                _vacuum_full(connection, *table.split("."))
            except psycopg.errors.LockNotAvailable:
                done.busy.append(table)
            else:
                done.rewritten.append(table)
        # The planner's statistics, which contain the most common values of columns, and unused files.
        with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable):
            _vacuum_full(connection, "pg_catalog", "pg_statistic")
            connection.execute("CHECKPOINT")
    finally:
        connection.execute("RESET lock_timeout")
        connection.execute("SELECT pg_advisory_unlock(%s)", [IN_USE])
    return done


def _vacuum_full(connection: Connection, schema: str, table: str) -> None:
    analyse = "FULL" if schema == "pg_catalog" else "FULL, ANALYZE"
    connection.execute(sql.SQL("VACUUM ({}) {}").format(sql.SQL(analyse), sql.Identifier(schema, table)))


def forget_statistics(connection: Connection, relations: Iterable[str]) -> None:
    """Replace the planner's statistics of relations, which contain the most common values, by new ones.

    ANALYZE keeps the statistics of a relation without rows. Before PostgreSQL 18 only a superuser can remove these;
    steps that this role may not do are left out.

    Args:
        connection: to the warehouse.
        relations: names with their schema.
    """
    clear = _SQL["clear_statistics" if connection.info.server_version < _CLEARS_STATISTICS else "list_statistics"]
    for relation in relations:
        with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            found = connection.execute(clear, [relation])
            for values in found.fetchall() if found.description else ():
                connection.execute("SELECT pg_clear_attribute_stats(%s, %s, %s, %s)", values)
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*relation.split("."))))
