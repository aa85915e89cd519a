"""`harvester db` as a user types it, each command a process of its own."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import forked
import psycopg
import pytest

from harvester.warehouse import embedded

pytestmark = pytest.mark.usefixtures("processes")


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="harvester-test-"))
    yield folder
    embedded.down(folder)
    shutil.rmtree(folder)


@pytest.fixture
def db(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **environment):
        return forked.run(
            ["db", *arguments], os.environ | {name: str(value) for name, value in environment.items()}, 400
        )

    return run


def test_the_life_of_an_embedded_server(db, home):
    facts = json.loads(db("up", "--json", HARVESTER_HOME=home).stdout)
    assert facts["running"] is True
    assert (home / "secret.key").stat().st_mode & 0o777 == 0o600
    assert facts["pid"] == embedded.status(home).pid
    assert db("url", HARVESTER_HOME=home).stdout.strip() == facts["url"]
    answer = db(
        "psql",
        "-XAtc",
        "SELECT current_database(), current_setting('timezone')",
        HARVESTER_HOME=home,
        PGTZ="Asia/Tokyo",
    )
    assert answer.stdout.strip() == "harvester|UTC"
    assert db("down", HARVESTER_HOME=home).stdout.strip() == "stopped"
    again = db("down", HARVESTER_HOME=home)
    # A key that was lost is not replaced by another one unnoticed.
    (home / "secret.key").unlink()
    db("up", HARVESTER_HOME=home)
    assert not (home / "secret.key").exists()
    assert (again.returncode, again.stdout.strip()) == (0, f"was not running in {home}/postgres")


def test_psql_keeps_its_status_and_gets_no_password_argument(db, pg15_server):
    url = pg15_server.database_url("postgres")
    shown = db("psql", "-XAtc", r"\! tr '\0' ' ' < /proc/$PPID/cmdline", HARVESTER_DATABASE_URL=url)
    assert shown.stdout.startswith("psql -XAtc")
    assert "horse" not in shown.stdout
    assert db("psql", "-Xc", "nonsense", HARVESTER_DATABASE_URL=url).returncode == 1


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_server_that_is_not_ours_is_left_alone(db, command):
    refused = db(command, HARVESTER_DATABASE_URL="postgresql://me:hunter2@db/name")
    assert refused.returncode == 2
    assert "not ours" in refused.stderr
    assert "hunter2" not in refused.stderr


def test_an_error_is_one_line(db, tmp_path):
    failed = db("check", HARVESTER_DATABASE_URL=f"postgresql://me:hunter2@/name?host={tmp_path}")
    assert failed.returncode == 1
    assert failed.stderr == f"harvester: the PostgreSQL at {tmp_path} cannot be reached: no server listens there\n"


@pytest.mark.every_postgres
def test_migrate_and_check(db, blank_database, tmp_path):
    before = db("check", HARVESTER_DATABASE_URL=blank_database)
    assert (before.returncode, "harvester db migrate" in before.stderr) == (1, True)
    # A new warehouse gets its key now; one that is there already gets none, for its own may be elsewhere.
    home = tmp_path / "home"
    migrated = db("migrate", HARVESTER_DATABASE_URL=blank_database, HARVESTER_HOME=home)
    assert (migrated.returncode, migrated.stderr) == (0, "")
    after = db("check", "--json", HARVESTER_DATABASE_URL=blank_database)
    assert after.returncode == 0, after.stderr
    facts = json.loads(after.stdout)
    assert facts["tables"] == "as declared"
    with psycopg.connect(blank_database) as connection:
        assert connection.execute("SELECT version_num FROM crawl.alembic_version").fetchone() == (
            facts["schema_version"],
        )
    (home / "secret.key").unlink()
    db("migrate", HARVESTER_DATABASE_URL=blank_database, HARVESTER_HOME=home)
    assert list(home.iterdir()) == []


def test_downgrade_needs_a_revision(db):
    assert db("migrate", "--down").returncode == 2


def test_an_owner_who_may_not_create_roles_migrates(db, own_home):
    """Roles are the server's: `db roles` makes them or gives those that an administrator made their rights."""
    admin_url = embedded.up(own_home)
    owner_url = admin_url.replace("harvester@", "plain@").replace(f"/{embedded.DATABASE}?", "/theirs?")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE plain LOGIN NOSUPERUSER NOCREATEROLE")
        admin.execute("CREATE DATABASE theirs OWNER plain")
        migrated = db("migrate", HARVESTER_DATABASE_URL=owner_url, HARVESTER_HOME=own_home)
        assert (migrated.returncode, migrated.stderr) == (0, "")
        assert admin.execute("SELECT FROM pg_roles WHERE rolname LIKE 'harvester\\_%'").fetchall() == []
        refused = db("roles", HARVESTER_DATABASE_URL=owner_url)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "CREATE ROLE harvester_crawler; CREATE ROLE harvester_reader;" in refused.stderr
        admin.execute("CREATE ROLE harvester_crawler")
        admin.execute("CREATE ROLE harvester_reader")
        granted = db("roles", HARVESTER_DATABASE_URL=owner_url)
        assert (granted.returncode, granted.stderr) == (0, "")
    with psycopg.connect(owner_url.replace("plain@", "harvester@")) as admin:
        admin.execute("SET ROLE harvester_reader")
        assert admin.execute("SELECT count(*) FROM scratch.users").fetchone() == (0,)
        admin.execute("SET ROLE harvester_crawler")
        admin.execute("DELETE FROM crawl.frontier")
        # The schema's owner is somebody else than who may create roles.
        admin.execute("RESET ROLE")
        admin.execute("CREATE ROLE maker LOGIN CREATEROLE IN ROLE harvester_crawler")
        admin.commit()
    refused = db("roles", HARVESTER_DATABASE_URL=owner_url.replace("plain@", "maker@"))
    assert "only the owner of the tables" in refused.stderr
