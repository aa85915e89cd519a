"""A snapshot of the warehouse over two connections that share it: facts by psycopg, rows as Arrow by ADBC.

Tables of one release only (kept ids, pseudonyms, cells) are temporary tables of the second connection.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harvester.errors import UsageError, WarehouseError
from harvester.warehouse.access import database_url
from harvester.warehouse.connect import APPLICATION_NAME, PREPARE, open_connection, refused
from harvester.warehouse.schema import check_schema
from harvester.warehouse.sqlstates import cause_of_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

MISSING = "datasets need PyArrow and ADBC: install scratch-harvester[dataset]"
PAGE = 250_000
"""Number of ids that are in memory at a time while pseudonyms are made."""


def need_libraries() -> None:
    """Check that the extra `dataset` is installed.

    Raises:
        UsageError: it is not.
    """
    try:
        import adbc_driver_postgresql.dbapi  # noqa: F401, PLC0415
        import pyarrow as pa  # noqa: F401, PLC0415
    except ImportError:
        raise UsageError(MISSING) from None


class Snapshot:
    """Statements over one snapshot of the warehouse; see `open_snapshot`."""

    def __init__(self, facts: Connection, arrow: Any) -> None:
        self.facts = facts
        self._arrow = arrow

    def run(self, statement: str) -> None:
        """Execute a statement that returns nothing."""
        with self._plain_words(), self._arrow.cursor() as cursor:
            cursor.execute(statement)

    def one(self, query: str) -> Any:
        """Return the one value that a query returns."""
        with self._plain_words(), self._arrow.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
        return None if row is None else row[0]

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return all rows of a query that returns few."""
        with self._plain_words(), self._arrow.cursor() as cursor:
            cursor.execute(query)
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
        return found

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query as the server sends them (binary COPY)."""
        with self._plain_words(), self._arrow.cursor() as cursor:
            cursor.execute(query)
            yield from cursor.fetch_record_batch()

    def put(self, table: str, rows: pa.Table) -> None:
        """Append rows to a temporary table (binary COPY)."""
        with self._plain_words(), self._arrow.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="append", temporary=True)

    def pages(self, table: str, columns: str, kind: str = "bigint") -> Iterator[pa.Table]:
        """Yield a table in pages, in the order of its indexed column `id`; other statements may run between them."""
        after: Any = None
        order = 'id COLLATE "C"' if kind == "text" else "id"
        while True:
            literal = "'" + str(after).replace("'", "''") + "'" if kind == "text" else after
            where = "" if after is None else f"WHERE {order} > {literal}"
            with self._plain_words(), self._arrow.cursor() as cursor:
                cursor.execute(f"SELECT id, {columns} FROM {table} {where} ORDER BY {order} LIMIT {PAGE}")
                page = cursor.fetch_arrow_table()
            if page.num_rows:
                after = page["id"][-1].as_py()
                yield page
            if page.num_rows < PAGE:
                return

    @contextmanager
    def _plain_words(self) -> Iterator[None]:
        import adbc_driver_manager as adbc  # noqa: PLC0415

        try:
            yield
        except adbc.Error as error:
            raise WarehouseError(refused(cause_of_state(error.sqlstate), error.sqlstate or "no SQLSTATE")) from error
        except OSError:
            # Of the rows that Arrow reads: without a SQLSTATE, and with a message that may quote what users wrote.
            raise WarehouseError("the database did not send all rows of a query: try again") from None


@contextmanager
def open_snapshot(settings: Settings) -> Iterator[Snapshot]:
    """Open a REPEATABLE READ snapshot, whose changes are rolled back.

    Raises:
        UsageError: the extra `dataset` is not installed.
        WarehouseError: the database cannot be used.
    """
    need_libraries()
    import adbc_driver_postgresql.dbapi as adbc  # noqa: PLC0415

    url = database_url(settings)
    with open_connection(url) as facts:
        check_schema(facts)
        facts.rollback()
        facts.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = facts.execute("SELECT pg_export_snapshot(), pg_backend_pid()").fetchone()
        assert row is not None
        is_direct = row[1] == facts.info.backend_pid
        if not is_direct:
            _refuse_quoted_names(facts)
        with adbc.connect(_with_plain_names(url) if is_direct else url) as arrow:
            snapshot = Snapshot(facts, arrow)
            snapshot.run(PREPARE)
            arrow.commit()  # a snapshot is imported before the first query of a transaction
            snapshot.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            snapshot.run(f"SET TRANSACTION SNAPSHOT '{row[0]}'")
            for setting in (f"application_name = '{APPLICATION_NAME}'", "work_mem = '64MB'"):
                snapshot.run(f"SET LOCAL {setting}")
            yield snapshot
            arrow.rollback()
        facts.rollback()


def _refuse_quoted_names(facts: Connection) -> None:
    """Refuse a database behind a pooler with a default of `quote_all_identifiers` by which ADBC cannot read types.

    Raises:
        WarehouseError: the default is set.
    """
    row = facts.execute("SELECT reset_val FROM pg_settings WHERE name = 'quote_all_identifiers'").fetchone()
    if row is not None and row[0] == "on":
        raise WarehouseError(
            "the database or role sets quote_all_identifiers, and a pooler lets no client undo that in time:"
            " ALTER DATABASE or ROLE ... RESET quote_all_identifiers, or connect to PostgreSQL directly"
        )


def _with_plain_names(url: str) -> str:
    """Add the one setting that ADBC needs before a statement can be sent: it looks up types by unquoted names.

    A pooler refuses `options`.
    """
    given = conninfo_to_dict(url)
    return make_conninfo(url, options=f"{given.get('options', '')} -c quote_all_identifiers=off".strip())
