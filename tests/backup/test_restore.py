"""A backup is restored into a home without rows or another key; who was erased after it was made stays erased."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from psycopg.conninfo import conninfo_to_dict

from harvester.backup.create import create
from harvester.backup.file import RULES, read, write
from harvester.backup.restore import compare_rows, restore, verify
from harvester.config import load
from harvester.erasure.erase import erase, repeat
from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError, WarehouseError
from harvester.secret import NAME, secret_key
from harvester.warehouse import schema
from harvester.warehouse.connect import open_connection
from harvester.warehouse.tables import metadata

PG15 = Path("/usr/lib/postgresql/15/bin")


def rows(url: str) -> dict[str, list[str]]:
    """All rows of all tables as JSON, but for the rules of erasures."""
    with open_connection(url) as connection:
        return {
            table.fullname: [
                row for (row,) in connection.execute(f"SELECT to_jsonb(t)::text FROM {table.fullname} t ORDER BY 1")
            ]
            for table in metadata.sorted_tables
            if table.name not in ("erasures", "refreshes")
        }


@pytest.mark.every_postgres
def test_a_backup_of_any_server_is_restored_there(
    database: str, second_database: str, postgres_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs on PATH record their arguments: no password is among them."""
    said = tmp_path / "arguments"
    for name in ("pg_dump", "pg_restore"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> {said}\nexec {PG15 / name} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    home = tmp_path / "home"
    here = load(home=home, database_url=database)
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) VALUES (1, 'jörg'), (2, NULL)")
        connection.execute("CREATE SCHEMA mine CREATE VIEW names AS SELECT username FROM scratch.users")
        before = rows(database)
        version = connection.info.server_version // 10_000
    with pytest.raises(UsageError, match=r"no secret\.key in"):
        create(here, tmp_path / "a.tar")
    key = secret_key(home)
    made = create(here, tmp_path / "a.tar")
    assert made.manifest.pg_dump == version
    verify(here, made.path)

    there = load(home=tmp_path / "other", database_url=second_database)
    restore(there, made.path)
    assert rows(second_database) == before
    assert secret_key(tmp_path / "other") == key
    with open_connection(second_database) as connection:
        assert schema.check_schema(connection)
        assert connection.execute("SELECT count(*) FROM mine.names").fetchone() == (2,)
        granted = "SELECT has_table_privilege('harvester_reader', 'scratch.users', 'SELECT')"
        assert connection.execute(granted).fetchone() == (True,)
    assert schema.drift(second_database) is None
    # One that is not finished, here before the erasures are repeated, leaves a database that no command uses.
    third = postgres_server.create()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    unfinished = load(home=tmp_path / "unfinished", database_url=third)
    with monkeypatch.context() as patch:
        patch.setattr("harvester.backup.restore.repeat", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(unfinished, made.path)
    with open_connection(third) as connection, pytest.raises(WarehouseError, match="was not finished"):
        schema.check_schema(connection)
    for again in (lambda: schema.migrate(third), lambda: restore(unfinished, made.path)):
        with pytest.raises(WarehouseError, match="was not finished"):
            again()
    postgres_server.drop(third)

    if version == 15:
        told = said.read_text()
        assert {f"{tmp_path}/pg_dump", f"{tmp_path}/pg_restore"} <= set(told.split())
        assert "correct" not in told
        # Without a client of its time there is a line, before anything is dumped.
        for name in ("pg_dump", "pg_restore"):
            (tmp_path / name).unlink()
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(WarehouseError, match=r"needs a pg_dump of version 15 to 16; found: 18"):
            create(here, tmp_path / "b.tar")
        assert not (tmp_path / "b.tar").exists()

    # Nothing is restored over rows, nor into a home of another key; and nothing changes there.
    with pytest.raises(WarehouseError, match=r"has rows already, as in scratch\.users: restore into an empty database"):
        restore(here, made.path)
    other = tmp_path / "third"
    secret_key(other)
    with pytest.raises(UsageError, match="HARVESTER_HOME=/another/folder"):
        restore(load(home=other, database_url=second_database), made.path)
    with pytest.raises(WarehouseError, match="rows already"):
        restore(load(home=tmp_path / "fourth", database_url=second_database), made.path)
    assert not (tmp_path / "fourth" / NAME).exists()


def altered(path: Path, to: Path, **changes: Any) -> Path:
    """Copy a backup with another manifest."""
    with read(path) as backup, write(to) as copy:
        for name in backup.manifest.files:
            with (to.with_name("part")).open("w+b") as part:
                part.writelines(backup.parts(name))
                part.seek(0)
                copy.copy(name, part)
        copy.end(msgspec.structs.replace(backup.manifest, **changes))
    return to


def test_a_backup_that_gives_other_rows_is_refused(database: str, tmp_path: Path) -> None:
    settings = load(home=tmp_path / "home", database_url=database)
    secret_key(settings.home)
    path = create(settings, tmp_path / "a.tar").path
    name = f"{conninfo_to_dict(database)['dbname']}_verify"
    with read(path) as backup:
        manifest = backup.manifest
    tables = manifest.tables
    for changed, words in (
        (tables | {"scratch.users": 1}, r"tables differ .*: 1, as scratch\.users: 0 rows, and 1 were counted"),
        (tables | {"scratch.more": 0}, r"scratch\.more: missing rows, and 0 were counted"),
        ({key: value for key, value in tables.items() if key != "scratch.users"}, "0 rows, and none were counted"),
    ):
        with open_connection(database) as connection, pytest.raises(WarehouseError, match=words):
            compare_rows(connection, msgspec.structs.replace(manifest, tables=changed))
    with pytest.raises(WarehouseError, match="tables differ"):
        verify(settings, altered(path, tmp_path / "b.tar", tables=tables | {"scratch.users": 1}))
    (tmp_path / "b.tar").unlink()
    with pytest.raises(WarehouseError, match=r"made by harvester 9\.9, whose schema is not known here"):
        restore(settings, altered(path, tmp_path / "b.tar", schema="r999", harvester="9.9"))
    with open_connection(database, autocommit=True) as connection:
        there = f"SELECT count(*) FROM pg_database WHERE datname = '{name}'"
        assert connection.execute(there).fetchone() == (0,)


def test_who_was_erased_later_does_not_come_back(harvest: Any, second_database: str, tmp_path: Path) -> None:
    """A restored warehouse equals, row by row, the one from which the person was erased; hashes suffice for it."""
    database = harvest.harvester.database
    home, new_home = tmp_path / "home", tmp_path / "new"
    settings = load(home=home, database_url=database)
    secret_key(home)
    with open_connection(database, autocommit=True) as connection:
        found = connection.execute(
            "SELECT u.id, u.username FROM scratch.users u WHERE username IS NOT NULL AND gone_at IS NULL"
            " ORDER BY (SELECT count(*) FROM scratch.project_comments c WHERE c.author_id = u.id) DESC LIMIT 3"
        ).fetchall()
        connection.execute("UPDATE scratch.users SET bio = 'ask @who-was-99' WHERE id % 7 = 0")
        erase(connection, home, found[0][1])
        path = create(settings, tmp_path / "a.tar").path
        erase(connection, home, found[1][1])
        erase(connection, home, user=found[2][0])
        erase(connection, home, "who-was-99")  # without an account here: only texts name them
        rules = load_rule(connection, home).fingerprint
    after = rows(database)

    new_home.mkdir()
    shutil.copy(home / RULES, new_home / RULES)
    there = load(home=new_home, database_url=second_database)
    done = restore(there, path)
    assert done.erasure.users == sorted(user for user, _ in found[1:])
    assert {"scratch.users", "scratch.project_comments"} <= set(done.erasure.touched)
    now = rows(second_database)
    assert now.keys() == after.keys()
    assert [(table, len(now[table]), len(after[table])) for table in after if now[table] != after[table]] == []
    with open_connection(second_database, autocommit=True) as connection:
        assert load_rule(connection, new_home).fingerprint == rules
        rule = "SELECT count(*), count(DISTINCT erased_at) FROM crawl.erasures WHERE kind = 'user'"
        assert connection.execute(rule).fetchone() == (3, 3)
        assert repeat(connection, new_home).touched == []  # a second time changes nothing
    # Rules of another key would recognise nobody.
    (new_home / NAME).unlink()
    with pytest.raises(WarehouseError, match="rows already"):
        restore(there, path)
    assert [file.name for file in new_home.iterdir()] == [RULES]
