"""Schema versions, over two migrations made up for the test."""

import pytest
from alembic.script import ScriptDirectory

from harvester.errors import WarehouseError
from harvester.warehouse import schema
from harvester.warehouse.connect import open_connection

ENV = """
import sqlalchemy as sa
from alembic import context
connection = context.config.attributes["connection"]
connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS crawl"))
connection.commit()
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
def upgrade(): op.execute("CREATE TABLE {0} (id int)")
def downgrade(): op.execute("DROP TABLE {0}")
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions/first.py").write_text(MIGRATION.format("first", None))
    (tmp_path / "versions/second.py").write_text(MIGRATION.format("second", "first"))
    monkeypatch.setattr(schema, "script_folder", lambda: tmp_path)
    return tmp_path


def test_the_names_of_the_files_tell_the_revisions_that_alembic_knows():
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
        connection.execute("DROP TABLE first, second")
    assert schema.drift(blank_database) is None
