"""Make a backup from one snapshot, whose rows are dumped and counted while crawls may go on."""

from __future__ import annotations

import subprocess
import tempfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg import sql

from harvester import __version__, secret
from harvester.backup.file import DUMP, RULES, BackupManifest, delete_older, path_of, write
from harvester.erasure.remembered import load_rule, read_remembered
from harvester.errors import UsageError, WarehouseError
from harvester.warehouse.access import database_url
from harvester.warehouse.clients import complaint, connection_of, find_program
from harvester.warehouse.connect import open_connection
from harvester.warehouse.schema import VERSION_SCHEMA, VERSION_TABLE, revision, using_schema
from harvester.warehouse.source import read_source
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.backup.file import BackupWriter
    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "create")
_NO_LIMITS = "SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0"


class Created(NamedTuple):
    """A new backup."""

    path: Path
    manifest: BackupManifest
    size: int
    deleted: list[Path]
    """Older backups that were deleted."""

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        deleted = [str(path) for path in self.deleted]
        return {
            "path": str(self.path),
            "size": self.size,
            "tables": self.manifest.tables,
            "sources_outside": self.manifest.sources_outside,
            "deleted": deleted,
        }


def create(settings: Settings, target: Path, keep: int | None = None) -> Created:
    """Write a backup of the warehouse, the key and the rules of erasures; crawls go on meanwhile.

    Erasures, migrations and rewriting are refused until it is done.

    Args:
        settings: The settings of the warehouse and of the home.
        target: The file; or a folder, in which the file is named by the time.
        keep: The number of backups of this warehouse that stay in the folder; None: all.

    Raises:
        UsageError: there is no key, the target exists, or it is no folder although `keep` is given.
        WarehouseError: the database or the disk refuses, or there is no pg_dump for the server.
    """
    if keep is not None and not target.is_dir():
        raise UsageError(
            f"{target} is no folder: --keep deletes older backups of the folder in which the time names them"
        )
    path = path_of(target)
    if not secret.has_key(settings.home):
        raise UsageError(
            f"there is no {secret.NAME} in {settings.home}, and without it the erased could come back after a restore:"
            " copy it from the machine on which it was made, or set HARVESTER_HOME"
        )
    url = database_url(settings)
    with (
        open_connection(url) as connection,
        open_connection(url, autocommit=True) as guard,
        using_schema(guard),  # keeps erasures out, whose rules are in a file
    ):
        load_rule(guard, settings.home)  # refuses another key than that of the erasures
        with write(path) as backup:
            manifest = _fill(backup, settings, url, connection)
    deleted = [] if keep is None else delete_older(path, keep)
    return Created(path, manifest, path.stat().st_size, deleted)


def _fill(backup: BackupWriter, settings: Settings, url: str, connection: Connection) -> BackupManifest:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        for setting in _NO_LIMITS:
            connection.execute(setting)
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        revision_found = revision(connection)
        assert revision_found is not None
        tables = count_rows(connection)
        outside = connection.execute("SELECT count(*) FROM source.bodies WHERE packed IS NULL").fetchone()
        source = read_source(connection)
        server = connection.info.server_version // 10_000
        program = find_program("pg_dump", server, is_embedded=settings.database_url is None)
        _dump(backup, url, program.path, row[0])
    backup.add(secret.NAME, secret.secret_key(settings.home).hex().encode() + b"\n")
    if rules := read_remembered(settings.home):
        backup.add(RULES, rules)
    manifest = BackupManifest(
        made_at=datetime.now(UTC),
        harvester=__version__,
        schema=revision_found,
        server=server,
        pg_dump=program.major,
        source=None if source is None else str(source)[:1_000],
        tables=tables,
        sources_outside=0 if outside is None else outside[0],
        files=backup.files.copy(),
    )
    backup.end(manifest)
    return manifest


def _dump(backup: BackupWriter, url: str, program: str, snapshot: str) -> None:
    environment, conninfo = connection_of(url)
    with tempfile.TemporaryFile() as said:
        # The revision stands in the manifest: the end of a restore writes it.
        without = f"--exclude-table-data={VERSION_SCHEMA}.{VERSION_TABLE}"
        arguments = ["--format=custom", f"--snapshot={snapshot}", without, "--no-password", "-d", conninfo]
        with subprocess.Popen(
            [program, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as process:
            assert process.stdout is not None
            try:
                backup.copy(DUMP, process.stdout)  # type: ignore[arg-type]
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            raise WarehouseError(
                f"the database cannot be dumped, {complaint(program, said.read().decode(errors='replace'))};"
                " back it up as the owner of its tables"
            )


def count_rows(connection: Connection) -> dict[str, int]:
    """Return the number of rows of each table in a dump, by full name."""
    tables = connection.execute(_SQL["tables"]).fetchall()
    return {
        f"{schema}.{name}": _count(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name)))
        for schema, name in tables
    }


def _count(connection: Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
