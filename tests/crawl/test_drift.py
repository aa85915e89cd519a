"""A crawl of a community that changes several times per request misses no item that was present throughout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def test_items_that_last_throughout_are_stored(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any], keys_of: Callable[..., set[Any]]
) -> None:
    sandbox = start_sandbox(users=50, seed=7)
    harvester = make_harvester(sandbox)
    harvester.seed_all(sandbox)
    before = {table: keys_of(table, sandbox.truth(table)) for table in sandbox.tables}
    sandbox.json("/sandbox/settings?churn_per_request=3", "POST")
    crawl = harvester("crawl", "--json", ok=False)
    sandbox.json("/sandbox/settings?churn_per_request=0", "POST")
    summary = json.loads(crawl.stdout)
    # Where so much goes, what is asked for as evidence may be gone too: then an absence is not believed before later.
    unlikely = [one for one in summary["findings"] if "were not believed, and are asked for again" not in one]
    assert (crawl.returncode, unlikely) == (3 if summary["findings"] else 0, []), crawl.stderr
    removed = {(table, *key) for table, *key in sandbox.lines("/sandbox/removed")}
    assert len(removed) > 150, "nothing much happened"
    for table in sandbox.tables:
        after = keys_of(table, sandbox.truth(table))
        stable = {key for key in before[table] & after if (table, *key) not in removed}
        columns = sandbox.key_columns(table)
        kept = keys_of(table, harvester.rows(table, list(columns)))
        assert len(stable) > 5 or table == "news"
        missed = stable - kept
        assert not missed, f"{table}: {len(missed)} of {len(stable)} missed, as {sorted(missed)[:3]}"
