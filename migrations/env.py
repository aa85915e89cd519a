"""Alembic's entry: compares and migrates the three schemas of `harvester.warehouse.tables`."""

import sqlalchemy as sa
from alembic import context

from harvester.config import settings
from harvester.warehouse.access import server_url
from harvester.warehouse.annotations import SCHEMAS
from harvester.warehouse.connect import open_connection
from harvester.warehouse.schema import VERSION_SCHEMA, VERSION_TABLE
from harvester.warehouse.tables import metadata


def include_name(name, kind, _parents):
    """Look at our schemas alone; a database may hold others."""
    if kind == "schema":
        return name in SCHEMAS
    return not (kind == "table" and name == VERSION_TABLE)


def run(connection):
    is_within = connection.in_transaction()  # of `harvester db migrate`, which commits tables and views together
    connection.execute(sa.schema.CreateSchema(VERSION_SCHEMA, if_not_exists=True))
    if not is_within:
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_schemas=True,
        include_name=include_name,
        version_table=VERSION_TABLE,
        version_table_schema=VERSION_SCHEMA,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


bound = context.config.attributes.get("connection")
if bound is not None:
    run(bound)
else:
    # `alembic upgrade head` by hand: the same database as everything else.
    url = server_url(settings())
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: open_connection(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        run(connection)
