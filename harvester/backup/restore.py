"""Restore a backup: into a temporary database to verify it, or into an empty warehouse."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from harvester import secret
from harvester.backup.create import count_rows
from harvester.backup.file import DUMP, BackupManifest, BackupReader, read
from harvester.erasure.erase import repeat
from harvester.erasure.remembered import add_remembered, check_key
from harvester.errors import UsageError, WarehouseError
from harvester.warehouse import roles, schema
from harvester.warehouse.access import server_url
from harvester.warehouse.clients import complaint, connection_of, find_program
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import IN_USE, MIGRATING, VERIFYING
from harvester.warehouse.tables import metadata
from harvester.warehouse.temporary import TemporaryUse, temporary_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harvester.config import Settings
    from harvester.erasure.removal import Erasure
    from harvester.warehouse.connection import Connection

_OWN_ROWS = ("crawl.sql_parts", "analytics.refreshes")
"""Tables that a migration fills."""
_VERIFICATION = TemporaryUse(
    suffix="verify",
    lock=VERIFYING,
    command="harvester backup verify",
    busy="another backup is being verified on this server: try again when that is done",
    needed="a backup is verified in one",
)
_OPTIONS = (
    "--single-transaction",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-password",
)
"""Without roles, rights and tablespaces, which belong to the server; rights of our roles are granted afterwards."""


class Checked(NamedTuple):
    """A verified backup."""

    manifest: BackupManifest

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        one = self.manifest
        return {
            "made_at": one.made_at,
            "harvester": one.harvester,
            "schema": one.schema,
            "source": one.source,
            "tables": one.tables,
            "sources_outside": one.sources_outside,
        }


class Restored(NamedTuple):
    """A restored backup, and the erasures that were repeated after it."""

    manifest: BackupManifest
    erasure: Erasure

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return Checked(self.manifest).as_json() | {"erased_again": self.erasure.as_json()}


def verify(settings: Settings, path: Path, on_progress: Callable[[str], None] = lambda _: None) -> Checked:
    """Restore a backup into a temporary database of the server, and compare the rows of each table.

    Raises:
        WarehouseError: it cannot be read, is incomplete, or has other rows; or the server refuses a database.
    """
    with read(path) as backup:
        on_progress("the file is whole; reading it back into a temporary database")
        url = server_url(settings)
        with temporary_database(url, _VERIFICATION) as temporary:
            _restore(backup, settings, temporary)
            with closing(open_connection(temporary)) as connection:
                compare_rows(connection, backup.manifest)
                check_key(connection, backup.key)
        return Checked(backup.manifest)


def restore(settings: Settings, path: Path, on_progress: Callable[[str], None] = lambda _: None) -> Restored:
    """Restore a backup into a home without another key and a warehouse without rows.

    Erasures that the home's `erased.txt` has and the backup does not are repeated.

    Raises:
        UsageError: the home has another key.
        WarehouseError: the warehouse has rows, or the backup cannot be read or restored.
    """
    with read(path) as backup, _key_of(settings.home, backup):
        if backup.manifest.schema not in schema.revisions():
            raise WarehouseError(
                f"{path} was made by harvester {backup.manifest.harvester}, whose schema is not known here: restore it"
                " with that version or a later one"
            )
        on_progress("the file is whole; restoring it")
        url = server_url(settings)
        with closing(open_connection(url, autocommit=True)) as connection:
            _make_room(connection, url, settings)
            for lock in (MIGRATING, IN_USE):
                connection.execute("SELECT pg_advisory_lock(%s)", [lock])
            if schema.revision(connection) is not None:
                raise WarehouseError("another command has migrated the database meanwhile: try again")
            add_remembered(settings.home, backup.rules())
            _restore(backup, settings, url)
            on_progress("comparing the rows of each table")
            compare_rows(connection, backup.manifest)
            roles.grant_rights(connection)
            erasure = repeat(connection, settings.home)
            schema.write_revision(connection, backup.manifest.schema)  # without it no command uses the database
            for lock in (IN_USE, MIGRATING):  # now, not when the server has noticed the end of the session
                connection.execute("SELECT pg_advisory_unlock(%s)", [lock])
    return Restored(backup.manifest, erasure)


@contextmanager
def _key_of(home: Path, backup: BackupReader) -> Iterator[None]:
    """Write the key of a backup into a home; remove it again if the restore fails.

    Raises:
        UsageError: the home has another key.
    """
    if secret.has_key(home):
        if secret.secret_key(home) != backup.key:
            raise UsageError(
                f"{home} has another {secret.NAME} than the backup, and a home has one: restore into a new home,"
                f" HARVESTER_HOME=/another/folder, or move {home / secret.NAME} away if nothing was made with it"
            )
        yield
        return
    try:
        secret.put_key(home, backup.key)
    except OSError as error:
        raise UsageError(f"{secret.NAME} cannot be written into {home}: {error.strerror}") from None
    try:
        yield
    except BaseException:
        (home / secret.NAME).unlink(missing_ok=True)
        raise


def _make_room(connection: Connection, url: str, settings: Settings) -> None:
    """Drop a schema without rows.

    Raises:
        WarehouseError: a table has rows.
    """
    is_migrated = schema.revision(connection) is not None
    if not is_migrated:
        schema.check_finished(connection)
    for table in metadata.sorted_tables if is_migrated else ():
        if table.fullname in _OWN_ROWS:
            continue
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table.schema or "", table.name))
        found = connection.execute(query).fetchone()
        if found and found[0]:
            other = (
                "another home, HARVESTER_HOME=/another/folder"
                if settings.database_url is None
                else "an empty database, HARVESTER_DATABASE_URL"
            )
            raise WarehouseError(f"the warehouse has rows already, as in {table.fullname}: restore into {other}")
    if is_migrated:
        schema.downgrade(url, "base")
    # A downgrade leaves this table.
    connection.execute(f"DROP TABLE IF EXISTS {schema.VERSION_SCHEMA}.{schema.VERSION_TABLE}")
    connection.execute(f"DROP SCHEMA IF EXISTS {schema.VERSION_SCHEMA}")


def _restore(backup: BackupReader, settings: Settings, url: str) -> None:
    with closing(open_connection(url)) as connection:
        server = connection.info.server_version // 10_000
    is_embedded = settings.database_url is None
    program = find_program("pg_restore", server, is_embedded=is_embedded, archive=backup.manifest.pg_dump)
    environment, conninfo = connection_of(url)
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            [program.path, *_OPTIONS, "-d", conninfo],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
        ) as process:
            assert process.stdin is not None
            try:
                with suppress(BrokenPipeError), process.stdin as into:
                    for part in backup.parts(DUMP):
                        into.write(part)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            raise WarehouseError(
                f"the dump cannot be restored, {complaint(program.path, said.read().decode(errors='replace'))}"
            )


def compare_rows(connection: Connection, manifest: BackupManifest) -> None:
    """Compare the rows of each table with those that were counted when the backup was made.

    Raises:
        WarehouseError: they differ.
    """
    found = count_rows(connection)
    differ = [name for name in sorted({*found, *manifest.tables}) if found.get(name) != manifest.tables.get(name)]
    if differ:
        name = differ[0]
        raise WarehouseError(
            f"tables differ from what was backed up: {len(differ):,}, as {name}: {found.get(name, 'missing')} rows,"
            f" and {manifest.tables.get(name, 'none')} were counted"
        )
