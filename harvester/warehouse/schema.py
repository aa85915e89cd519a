"""Version of a database's schema, and its migration to the version of this code.

The migrations stand in `migrations/` of a checkout and in `harvester/_migrations` of an installed package;
their `env.py` finds an open connection in `config.attributes["connection"]` when it is called from here. The name of
a migration's file begins with its revision, so that who only looks need not load Alembic (0.1 s of each command).
"""

from __future__ import annotations

import io
import logging
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

import harvester
from harvester.errors import WarehouseError
from harvester.warehouse import roles, sql_parts
from harvester.warehouse.connect import open_connection
from harvester.warehouse.locks import IN_USE, MIGRATING, take_alone, users_of_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

    from harvester.warehouse.connection import Connection

_LOCK_TIMEOUT = "10s"
VERSION_SCHEMA = "crawl"
VERSION_TABLE = "alembic_version"

_NEWER = "the schema is newer than this harvester ({} is not known here): upgrade scratch-harvester"
_UNRELEASED = re.compile(r"000[1-7]")
_NOT_RELEASED = (
    "the database was made by a harvester that was never released, and cannot be migrated: crawl into an empty one, or"
    " `harvester replay` your archive into it"
)
_AT_WORK = (
    "a crawl, a refresh of analytics or a backup is at work in this database: try again when it has ended, or stop it"
)


def script_folder() -> Path:
    """Return the folder of the migrations: packaged, else beside the package in a checkout."""
    package = Path(harvester.__file__).parent
    packaged = package / "_migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def revisions() -> list[str]:
    """Return the revisions that this code knows, oldest first."""
    return sorted(file.stem.partition("_")[0] for file in (script_folder() / "versions").glob("*.py"))


def head() -> str:
    """Return the revision that this code knows as the newest."""
    return revisions()[-1]


def revision(connection: Connection) -> str | None:
    """Return the revision of a database, None when it was never migrated."""
    found = connection.execute("SELECT to_regclass(%s)", [f"{VERSION_SCHEMA}.{VERSION_TABLE}"]).fetchone()
    if found is None or found[0] is None:
        return None
    table = sql.Identifier(VERSION_SCHEMA, VERSION_TABLE)
    row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(table)).fetchone()
    return None if row is None else str(row[0])


def check_schema(connection: Connection) -> str:
    """Make sure that a database has the schema that this code was written for, and return its revision.

    Raises:
        WarehouseError: it has none, an older or a newer one; the message says what to do.
    """
    newest, found = head(), revision(connection)
    if found is None:
        check_finished(connection)
        raise WarehouseError("the database has no schema yet: run `harvester db migrate`")
    if found == newest:
        if changed := sql_parts.stale(connection):
            raise WarehouseError(
                f"the views are not those of this harvester ({changed[0]}): run `harvester db migrate`"
            )
        return found
    if found in revisions():
        raise WarehouseError(
            f"the schema is behind ({found}, this harvester knows {newest}): run `harvester db migrate`"
        )
    raise WarehouseError(_unknown(found))


def check_finished(connection: Connection) -> None:
    """Refuse a database without a revision that has tables: the end of a restore writes the revision.

    Raises:
        WarehouseError: its restore was not finished.
    """
    row = connection.execute("SELECT to_regclass('scratch.users') IS NOT NULL").fetchone()
    if row and row[0]:
        raise WarehouseError(
            "a restore into this database was not finished, so that people who were erased may be in it: drop it, and"
            " restore into an empty database or a new home"
        )


def write_revision(connection: Connection, revision: str) -> None:
    """Record the revision of a database that was restored."""
    table = sql.Identifier(VERSION_SCHEMA, VERSION_TABLE)
    connection.execute(sql.SQL("INSERT INTO {} (version_num) VALUES (%s)").format(table), [revision])


def _unknown(found: str) -> str:
    return _NOT_RELEASED if _UNRELEASED.fullmatch(found) else _NEWER.format(found)


def use_schema(connection: Connection) -> None:
    """Check the schema as `check_schema` does, and keep it from changing while the connection lives.

    Raises:
        WarehouseError: as there, or the schema is being changed.
    """
    free = connection.execute("SELECT pg_try_advisory_lock_shared(%s)", [IN_USE]).fetchone()
    if not (free and free[0]):
        raise WarehouseError("the schema is being migrated, or tables are rewritten: try again when that is done")
    check_schema(connection)


@contextmanager
def using_schema(connection: Connection) -> Iterator[None]:
    """As `use_schema`, for a block: what is refused meanwhile is allowed as soon as it ends.

    With the connection alone it would be allowed a moment later, when the server has noticed its end.
    """
    use_schema(connection)
    yield
    connection.execute("SELECT pg_advisory_unlock_shared(%s)", [IN_USE])


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, at first from nothing, with the views and functions of this code.

    Tables, views, functions and the rights of those roles that exist change in one transaction. Changes nothing when
    all is there.

    Raises:
        WarehouseError: unreachable, not allowed, newer than this code, or in use by a crawl; or somebody's own view
            uses one that has to be made again.
    """
    from alembic import command

    with _bound(url) as config:
        connection = _driver_connection(config)
        is_there = _revision_of(config) in (revision, head())
        if is_there and not sql_parts.stale(connection):
            return
        _keep_crawls_out(config)
        with _patiently(config, url):
            if not is_there:
                if _revision_of(config) is None:
                    check_finished(connection)
                sql_parts.drop(connection)  # a column that a view shows cannot be altered
                command.upgrade(config, revision)
            if _revision_of(config) == head():
                sql_parts.apply(connection)
                roles.grant_rights(connection)


def downgrade(url: str, revision: str) -> None:
    """Bring a database back to an older revision; `base` removes everything.

    Raises:
        WarehouseError: unreachable, not allowed, newer than this code, or in use by a crawl.
    """
    from alembic import command

    with _bound(url) as config:
        _keep_crawls_out(config)
        with _patiently(config, url):
            sql_parts.drop(_driver_connection(config))
            command.downgrade(config, revision)


@contextmanager
def _patiently(config: Config, url: str) -> Iterator[None]:
    """Hold the one transaction of a migration, whose locks are waited for `_LOCK_TIMEOUT` at most.

    While it waits, everybody who wants the same table waits behind it.

    Raises:
        WarehouseError: somebody else held a table or a view for longer; who it is.
    """
    import sqlalchemy as sa

    bound = config.attributes["connection"]
    try:
        with bound.begin():
            bound.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            yield
    except (psycopg.errors.LockNotAvailable, sa.exc.OperationalError) as error:
        if not isinstance(getattr(error, "orig", error), psycopg.errors.LockNotAvailable):
            raise
        with open_connection(url) as other:
            who = users_of_tables(other)
        raise WarehouseError(
            f"the schema cannot be changed while others use its tables: {who}; try again when they have ended"
        ) from None


def drift(url: str) -> str | None:
    """Describe the difference of the tables from their declaration, in one line; None without one."""
    from alembic import command
    from alembic.util.exc import AutogenerateDiffsDetected

    with _bound(url) as config:
        try:
            command.check(config)
        except AutogenerateDiffsDetected as error:
            return " ".join(str(error).split())
    return None


@contextmanager
def _bound(url: str) -> Iterator[Config]:
    """Yield an Alembic configuration bound to an open connection, under the lock for migrations."""
    import sqlalchemy as sa
    from alembic.config import Config
    from alembic.util.exc import CommandError

    with open_connection(url) as connection:
        found = revision(connection)
        if found is not None and found not in revisions():
            raise WarehouseError(_unknown(found))
    logging.getLogger("alembic").setLevel(logging.WARNING)  # default: a line per step at INFO
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(script_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: open_connection(url), poolclass=sa.NullPool)
    try:
        with engine.connect() as bound:
            bound.execute(sa.select(sa.func.pg_advisory_lock(MIGRATING)))
            bound.commit()
            config.attributes["connection"] = bound
            try:
                yield config
            finally:
                # The server frees the locks of a closed connection a moment later: too late for the next statement of
                # the command that had the schema made.
                with suppress(sa.exc.SQLAlchemyError):
                    bound.rollback()
                    bound.exec_driver_sql("SELECT pg_advisory_unlock_all()")
                    bound.commit()
    except CommandError as error:
        raise WarehouseError(f"the schema cannot be migrated: {' '.join(str(error).split())}") from None
    except sa.exc.DBAPIError as error:
        raise WarehouseError(f"the schema cannot be migrated: {str(error.orig).splitlines()[0]}") from error
    finally:
        engine.dispose()


def _driver_connection(config: Config) -> Connection:
    """Return the connection below SQLAlchemy's: both share its transaction."""
    connection: Connection = config.attributes["connection"].connection.dbapi_connection
    return connection


def _revision_of(config: Config) -> str | None:
    return revision(_driver_connection(config))


def keep_crawls_out(connection: Connection) -> None:
    """Let no crawl begin before the transaction ends.

    Raises:
        WarehouseError: one is at work.
    """
    if not take_alone(connection, "pg_try_advisory_xact_lock"):
        raise WarehouseError(_AT_WORK)


@contextmanager
def hold_alone(connection: Connection) -> Iterator[None]:
    """Let no crawl begin for a block; `connection` must be in autocommit mode.

    Raises:
        WarehouseError: one is at work.
    """
    if not take_alone(connection, "pg_try_advisory_lock"):
        raise WarehouseError(_AT_WORK)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [IN_USE])


def _keep_crawls_out(config: Config) -> None:
    alone = take_alone(_driver_connection(config), "pg_try_advisory_lock")
    config.attributes["connection"].commit()
    if not alone:
        raise WarehouseError(_AT_WORK)
