"""The cost of a page does not grow unnoticed: it is counted, not timed (`benchmarks/page_cost.py` says how)."""

from __future__ import annotations

import json

from benchmarks import page_cost
from harvester.warehouse.connect import open_connection


def test_a_page_costs_what_is_written_down(database: str) -> None:
    written = json.loads(page_cost.RECORDED.read_text())["figures"]
    with open_connection(database, autocommit=True) as connection:
        found = page_cost.measure(connection)
    assert found.keys() == written.keys()
    dearer = {
        name: f"{number:,.0f} instead of {written[name]:,.0f}"
        for name, number in found.items()
        if number > page_cost.MOST * written[name]
    }
    assert not dearer, f"if this is what it is worth: make bench BENCH_ARGS='cost --record'; {dearer}"
