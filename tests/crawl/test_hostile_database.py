"""A database, a role and an environment with other defaults: `--hostile` runs all crawl tests so, this test some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from databases import HOSTILE_ENVIRONMENT, OWN_ENVIRONMENT, make_hostile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_hostile_database_changes_nothing(
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    database: str,
    pooled: Callable[[str], str] | None,
    tmp_path: Path,
) -> None:
    make_hostile(database)
    if pooled is not None:  # behind a pooler a dataset cannot be read with it: it is refused in a line
        with psycopg.connect(database, autocommit=True, options=OWN_ENVIRONMENT["PGOPTIONS"]) as connection:
            connection.execute(f'ALTER DATABASE "{connection.info.dbname}" RESET quote_all_identifiers')
    refused = set() if pooled is None else {"PGOPTIONS"}  # a pooler takes no options
    sandbox = start_sandbox(users=8, seed=3)
    environment = {name: value for name, value in HOSTILE_ENVIRONMENT.items() if name not in refused}
    harvester = make_harvester(sandbox, **environment)
    harvester.seed_all(sandbox)
    harvester.crawl()
    sandbox.json("/sandbox/churn?events=60", "POST")
    harvester.seed_all(sandbox)
    harvester.crawl("--audit")
    assert_truth(harvester, sandbox, grown=True)
    harvester("analytics", "refresh")
    shown = harvester("db", "psql", "-XAt", "-c", "SELECT '2024-02-03 04:05:06+00'::timestamptz, '😀'").stdout
    assert shown == "2024-02-03 04:05:06+00|😀\n"
    harvester("dataset", "build", str(tmp_path / "release"), "--profile", "internal", "--i-am-allowed")
    assert (tmp_path / "release" / "manifest.json").exists()
