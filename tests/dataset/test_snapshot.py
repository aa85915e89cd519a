"""The snapshot that a release is read from."""

from __future__ import annotations

import pytest

from harvester.config import load
from harvester.dataset.snapshot import open_snapshot
from harvester.errors import WarehouseError

FAILING = "SELECT ('of a child ' || i)::int FROM generate_series(1, 3) i"


@pytest.mark.every_postgres
@pytest.mark.parametrize("query", [FAILING, "SELECT pg_sleep(60)"])
def test_a_query_that_is_broken_off_is_one_line(database: str, query: str) -> None:
    """A query that fails and one that takes too long: the driver's own message would quote values."""
    with open_snapshot(load(database_url=database)) as snapshot:
        snapshot.run("SET LOCAL statement_timeout = '200ms'")
        with pytest.raises(WarehouseError) as caught:
            list(snapshot.batches(query))
    assert str(caught.value) == "the database did not send all rows of a query: try again"
    assert caught.value.__suppress_context__
