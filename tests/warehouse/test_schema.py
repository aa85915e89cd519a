"""Schema versions, over two migrations made up for the test."""

import psycopg
import pytest
from alembic.script import ScriptDirectory

from harvester.errors import WarehouseError
from harvester.warehouse import roles, schema, sql_parts
from harvester.warehouse.connect import open_connection

ENV = """
import sqlalchemy as sa
from alembic import context
connection = context.config.attributes["connection"]
connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS crawl"))
context.configure(
    connection=connection, target_metadata=sa.MetaData(), version_table_schema="crawl", include_schemas=True
)
with context.begin_transaction():
    context.run_migrations()
"""
MIGRATION = """
from alembic import op
revision = {0!r}
down_revision = {1!r}
def upgrade(): op.execute("CREATE TABLE public.{0} (id int)")
def downgrade(): op.execute("DROP TABLE public.{0}")
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions/first.py").write_text(MIGRATION.format("first", None))
    (tmp_path / "versions/second.py").write_text(MIGRATION.format("second", "first"))
    monkeypatch.setattr(schema, "script_folder", lambda: tmp_path)
    monkeypatch.setattr(sql_parts, "PARTS", ())
    monkeypatch.setattr(roles, "grant_rights", lambda _: None)
    return tmp_path


def test_file_names_are_the_revisions_of_alembic():
    known = ScriptDirectory(str(schema.script_folder())).walk_revisions()
    assert schema.revisions() == [script.revision for script in reversed(list(known))]


def check(url):
    with open_connection(url) as connection:
        return schema.check_schema(connection)


def test_a_database_that_was_never_migrated(scripts, blank_database):
    with pytest.raises(WarehouseError, match="no schema yet: run `harvester db migrate`"):
        check(blank_database)


@pytest.mark.every_postgres
def test_up_and_down(scripts, blank_database, capfd):
    schema.migrate(blank_database)
    schema.migrate(blank_database)
    assert check(blank_database) == "second" == schema.head()
    schema.downgrade(blank_database, "first")
    with pytest.raises(WarehouseError, match=r"behind .*run `harvester db migrate`"):
        check(blank_database)
    schema.downgrade(blank_database, "base")
    with pytest.raises(WarehouseError, match="no schema yet"):
        check(blank_database)
    assert capfd.readouterr() == ("", "")


def test_a_migration_leaves_no_lock_behind(scripts, blank_database):
    """A command that had the schema made uses it at once, while the server still ends the migration's session."""
    with psycopg.connect(blank_database, autocommit=True) as connection:
        for change in (schema.migrate, lambda url: schema.downgrade(url, "base")) * 5:
            change(blank_database)
            held = connection.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE l.locktype = 'advisory' AND d.datname = current_database()"
            ).fetchone()
            assert held == (0,)


def test_a_newer_schema_is_left_alone(scripts, blank_database):
    schema.migrate(blank_database)
    (scripts / "versions/second.py").unlink()
    for step in (check, schema.migrate, lambda url: schema.downgrade(url, "base")):
        with pytest.raises(WarehouseError, match=r"newer than this harvester .*upgrade"):
            step(blank_database)


def test_a_revision_that_does_not_exist(scripts, blank_database):
    with pytest.raises(WarehouseError, match="cannot be migrated"):
        schema.migrate(blank_database, "nowhere")


def test_drift(scripts, blank_database):
    schema.migrate(blank_database)
    assert "remove_table" in schema.drift(blank_database)
    with open_connection(blank_database) as connection:
        connection.execute("DROP TABLE public.first, public.second")
    assert schema.drift(blank_database) is None


def test_a_database_of_an_unreleased_harvester_is_refused(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE crawl.alembic_version SET version_num = '0007'")
    for step in (check, schema.migrate):
        with pytest.raises(WarehouseError, match=r"never released.*harvester replay"):
            step(database)


# Views and functions --------------------------------------------------------------------------------------------------


@pytest.fixture
def texts(monkeypatch):
    """Give the texts of the parts, which the test may change."""
    changed = sql_parts._texts()
    monkeypatch.setattr(sql_parts, "_texts", lambda: changed)
    return changed


def definition(url, view):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT pg_get_viewdef(%s::regclass)", [view]).fetchone()[0]


@pytest.mark.every_postgres
def test_changed_views_are_made_again_with_their_users(database, texts):
    assert check(database) == schema.head()
    before = definition(database, "analytics.live_remix_trees")
    texts["coverage"] = texts["coverage"].replace("'not read yet'", "'unread'")
    with pytest.raises(WarehouseError, match=r"views are not those of this harvester \(coverage\): run `harvester db"):
        check(database)
    schema.migrate(database)
    assert "unread" in definition(database, "analytics.coverage")
    assert definition(database, "analytics.live_remix_trees") == before
    assert check(database) == schema.head()
    # A view of one part may use that of another: both are made again.
    texts["analytics/remixes"] = texts["analytics/remixes"].replace(
        "CREATE VIEW analytics.remix_edges", "-- x\nCREATE VIEW analytics.remix_edges"
    )
    texts["sampling"] += "\nCREATE VIEW analytics.uses_edges AS SELECT count(*) AS edges FROM analytics.remix_edges;\n"
    schema.migrate(database)
    texts["analytics/remixes"] += "-- y\n"
    schema.migrate(database)
    assert "remix_edges" in definition(database, "analytics.uses_edges")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET ROLE harvester_reader")
        assert connection.execute("SELECT edges FROM analytics.uses_edges").fetchone() == (0,)


def test_a_part_that_the_code_no_longer_has_is_dropped(database, monkeypatch):
    monkeypatch.setattr(sql_parts, "PARTS", tuple(part for part in sql_parts.PARTS if part != "sampling"))
    schema.migrate(database)
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT to_regclass('analytics.samples'), to_regproc('analytics.t95')").fetchone()
    assert found == (None, None)


@pytest.mark.every_postgres
@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_an_analysts_own_view_is_never_dropped(database, texts, kind):
    before = definition(database, "analytics.coverage")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")
        connection.execute(f"CREATE {kind} mine.stale AS SELECT * FROM analytics.coverage WHERE due_at < now()")
    texts["coverage"] = texts["coverage"].replace("'not read yet'", "'unread'")
    with pytest.raises(WarehouseError, match=r"your view mine\.stale uses analytics\.coverage"):
        schema.migrate(database)
    assert definition(database, "analytics.coverage") == before
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"DROP {kind} mine.stale")
    schema.migrate(database)
    assert "unread" in definition(database, "analytics.coverage")


@pytest.mark.every_postgres
@pytest.mark.parametrize("down", [False, True])
def test_a_migration_names_who_holds_a_lock(database, texts, down, monkeypatch):
    monkeypatch.setattr(schema, "_LOCK_TIMEOUT", "200ms")
    before = definition(database, "analytics.coverage")
    texts["coverage"] = texts["coverage"].replace("'not read yet'", "'unread'")
    with psycopg.connect(database, application_name="notebook") as analyst:
        analyst.execute("SELECT count(*) FROM analytics.coverage").fetchone()
        with pytest.raises(WarehouseError, match=r"tables: \w+ by notebook \(process \d+, since \d\d:\d\d UTC\); try"):
            schema.downgrade(database, "base") if down else schema.migrate(database)
        assert definition(database, "analytics.coverage") == before
    schema.migrate(database)
    assert "unread" in definition(database, "analytics.coverage")
