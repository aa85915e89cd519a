"""Temporary databases are dropped, however their command ends."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from harvester.errors import WarehouseError
from harvester.warehouse.connect import open_connection
from harvester.warehouse.temporary import TemporaryUse, drop_left, temporary_database

PURPOSE = TemporaryUse("trial", 0x5C7A0, "harvester try", "another trial is under way", "it is tried in one")


def databases(url: str) -> list[str]:
    """The databases whose names begin with that of a warehouse."""
    with open_connection(url) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE current_database() || '\\_%'")
        return [name for (name,) in found.fetchall()]


def test_a_database_that_a_killed_command_left_is_dropped(blank_database: str) -> None:
    """And one of somebody's own is not; one that is in use is refused; an interrupt leaves none."""
    with temporary_database(blank_database, PURPOSE) as url, open_connection(url) as connection:
        made = connection.info.dbname
        assert databases(blank_database) == [made]
        assert made.endswith("_trial")
        busy = temporary_database(blank_database, PURPOSE)
        with pytest.raises(WarehouseError, match="another trial"):
            busy.__enter__()
    name = sql.Identifier(made)
    assert not databases(blank_database)
    with psycopg.connect(blank_database, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
        with pytest.raises(WarehouseError, match="not ours: rename it"):
            temporary_database(blank_database, PURPOSE).__enter__()
        server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(PURPOSE.comment)))

    def interrupted() -> None:
        with temporary_database(blank_database, PURPOSE) as url, open_connection(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not databases(blank_database)


def test_a_database_is_used_again_for_the_same(blank_database: str) -> None:
    """Where it is kept: until success; for something else an empty one is made; `drop_left` drops it."""
    purpose = replace(PURPOSE, kept_for="one")

    def tables(kept_for: str, *, stopped: bool) -> int:
        with temporary_database(blank_database, replace(purpose, kept_for=kept_for)) as url:
            with open_connection(url, autocommit=True) as connection:
                number = len(connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").fetchall())
                connection.execute(f"CREATE TABLE public.t{number} ()")
            if stopped:
                raise KeyboardInterrupt
        return number

    for kept_for in ("one", "one", "another"):
        with pytest.raises(KeyboardInterrupt):
            tables(kept_for, stopped=True)
    assert tables("another", stopped=False) == 1
    assert not databases(blank_database)
    with pytest.raises(KeyboardInterrupt):
        tables("one", stopped=True)
    assert databases(blank_database)
    with open_connection(blank_database, autocommit=True) as connection:
        drop_left(connection)
    assert not databases(blank_database)
