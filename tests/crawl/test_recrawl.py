"""The second crawl and the hundredth: cheap, dated, and able to say what was known when."""

from __future__ import annotations

import os
import random
import signal
import time
from bisect import bisect_left
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from harvester.api.catalogue import STREAMS
from harvester.sandbox.odd import SHARE as ODD
from harvester.warehouse.tables import COMMENTS, CONTAINERS, KEY_COLUMNS, TRACKED
from harvester.warehouse.upsert import history_key

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 40
SIZES = [30, *(pytest.param(users, marks=pytest.mark.soak) for users in (45, 2000))]
DATED = [
    table
    for table in KEY_COLUMNS
    if "." not in table and table not in ("rankings", "site_counts", "site_health", "message_counts")
]
"""Tables whose rows can be gone."""
# What a list shows of a thing it holds, below the part of it that is read again.
EDITED_BELOW = {"studio_activity": {"project_title"}, **{table: {"reply_count"} for table in COMMENTS}}
"""Tables whose list-borne columns may be behind after a refresh."""


def removed(sandbox: Any) -> list[tuple[str, tuple[Any, ...]]]:
    return [(table, tuple(key)) for table, *key in sandbox.lines("/sandbox/removed")]


def scope(harvester: Any, sandbox: Any) -> None:
    """Everybody who is new is put in scope, as the others were."""
    harvester.seed_all(sandbox)


@pytest.mark.parametrize("users", SIZES)
def test_a_refresh_is_cheap_and_an_audit_finds_the_rest(
    users: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    compare: Callable[..., Any],
    assert_truth: Callable[..., Any],
    assert_kinds: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    sandbox = start_sandbox(users=users, seed=5, odd=ODD)
    harvester = make_harvester(sandbox)
    scope(harvester, sandbox)
    harvester("seed", "explore", "--pages", "1")
    harvester.crawl()
    items = sum(assert_truth(harvester, sandbox).values())
    before = {table: {row["id"] for row in sandbox.truth(table)} for table in (*COMMENTS, "projects")}

    sandbox.live(items // 100)
    scope(harvester, sandbox)
    began = harvester.query("SELECT now()")[0][0]
    sandbox.json("/sandbox/requests/reset", "POST")
    harvester.crawl("--refresh")
    requests = sandbox.requests()["total"]

    # One for each list or object, threads that changed included, and the pages that new items fill.
    visited = harvester.query("SELECT count(*) FROM crawl.frontier WHERE visited_at >= %s", began)[0][0]
    filled = sum(
        len(new) // PAGE for table in COMMENTS for new in [{row["id"] for row in sandbox.truth(table)} - before[table]]
    )
    record_property("requests to the least possible", requests / (visited + filled))
    assert requests <= 1.15 * (visited + filled)

    gone = set(removed(sandbox))
    left: Counter[str] = Counter()
    for table, one in compare(harvester, sandbox, grown=True).items():
        for key in one.extra:
            assert (table, key) in gone or is_reply_of_gone(table, key, harvester, gone), (table, key)
            left["deletions"] += 1
        for key, columns in one.differ.items():
            if table == "users" and columns.keys() == {"extra"} and shows_no_comment_yet(*columns["extra"]):
                left["authors of late replies"] += 1
                continue
            if table == "studio_projects" and columns == {"added_by_id": (columns["added_by_id"][0], None)}:
                # The project's own page names the studio; the studio's list, who added it, below its head.
                assert key[1] not in before["projects"]
                left["returned"] += 1
                continue
            assert columns.keys() <= EDITED_BELOW.get(table, set()), (table, key, columns)
            left["edits"] += 1
        for key in one.missing:
            # A reply to a comment below the head, or one whose comment lost another; or what is back below the head,
            # a project that is shared again in the lists of others.
            is_reply = table in COMMENTS and one.truth[key]["parent_id"] is not None
            is_back = (
                table in ("favorites", "studio_projects") and one.truth[key]["project_id"] not in before["projects"]
            )
            assert is_reply or is_back or (table, key) in gone, (table, key)
            left["late replies" if is_reply else "returned"] += 1
    record_property("left to the audit", dict(left))
    print(f"{users} users: {requests / (visited + filled):.3f} times the least requests; left: {dict(left)}")

    harvester.crawl("--audit")
    assert_truth(harvester, sandbox, grown=True)
    undated = [
        f"SELECT '{table}', count(*) FROM scratch.{table} WHERE gone_at <= last_seen_at OR gone_at < first_seen_at"
        for table in DATED
    ]
    assert all(count == 0 for _, count in harvester.query(" UNION ALL ".join(undated)))
    # An item that is missing from a list with a hole may be what is in the hole.
    missing = (
        "SELECT count(*) FROM crawl.missing_items m WHERE NOT EXISTS (SELECT FROM crawl.quarantine q"
        " WHERE (q.stream, q.entity_id) = (m.stream, m.entity_id) AND q.item_id IS NOT NULL)"
    )
    assert harvester.query(missing) == [(0,)]
    assert harvester.query("SELECT count(*) FROM crawl.seen_items") == [(0,)]
    assert_kinds(harvester, sandbox)


def keys(sandbox: Any, table: str) -> set[tuple[Any, ...]]:
    return {tuple(row[column] for column in KEY_COLUMNS[table]) for row in sandbox.truth(table)}


def assert_gone_is_counted(
    harvester: Any, sandbox: Any, known: dict[str, set[tuple[Any, ...]]], since: Any, counts: dict[str, dict[str, int]]
) -> None:
    """What a crawl counts as gone is what the site no longer has, and what was met and is gone again."""
    for table, keys_before in known.items():
        columns = ", ".join(KEY_COLUMNS[table])
        ended = harvester.query(f"SELECT {columns} FROM scratch.{table} WHERE gone_at >= %s", since)
        returned = harvester.query(
            "SELECT count(*)::int FROM history.absences WHERE kind = %s AND gone_at >= %s", table, since
        )[0][0]
        ended_before = {*ended} & keys_before
        vanished = keys_before - keys(sandbox, table)
        # What stands on a page is not gone because that is; a user may be named by nothing any more.
        assert ended_before <= vanished if table in (*CONTAINERS, "users") else ended_before == vanished, table
        assert counts.get(table, {"gone": 0})["gone"] == len(ended) + returned, table


def shows_no_comment_yet(true: dict[str, Any], kept: dict[str, Any]) -> bool:
    """Whether all that is missing of a user is the picture that comes with comments."""
    return {name for name in true if true[name] != kept.get(name)} == {"image"} and "image" not in kept


def is_reply_of_gone(table: str, key: tuple[Any, ...], harvester: Any, gone: set[tuple[str, tuple[Any, ...]]]) -> bool:
    if table not in COMMENTS:
        return False
    parent = harvester.query(f"SELECT parent_id FROM scratch.{table} WHERE id = %s", *key)[0][0]
    return (table, (parent,)) in gone


CYCLES = [pytest.param(15, 2, 2, id="2"), pytest.param(60, 30, 10, id="30", marks=pytest.mark.soak)]


@pytest.mark.parametrize(("users", "cycles", "audit_every"), CYCLES)
def test_cycles_of_churn_and_kills_end_in_the_truth(
    users: int,
    cycles: int,
    audit_every: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    assert_kinds: Callable[..., None],
) -> None:
    """Every absence is dated between the churn that brought it about, as seen by this clock, and the audit.

    Rankings are read too, of an index that lags.
    """
    rng = random.Random(7)
    sandbox = start_sandbox(users=users, seed=7, odd=ODD)
    harvester = make_harvester(sandbox)
    harvester("seed", "explore")
    scope(harvester, sandbox)
    harvester.crawl()
    times: dict[tuple[str, tuple[Any, ...]], list[tuple[Any, Any]]] = {}
    known = 0
    for cycle in range(1, cycles + 1):
        start = harvester.query("SELECT clock_timestamp()")[0][0]
        sandbox.live(120)
        end = harvester.query("SELECT clock_timestamp()")[0][0]
        log = removed(sandbox)
        for one in log[known:]:
            times.setdefault(one, []).append((start, end))
        known = len(log)
        scope(harvester, sandbox)
        sandbox.json("/sandbox/requests/reset", "POST")
        process = harvester.start("crawl", "--refresh", "--json")
        moment = rng.randrange(20, 600)
        while sandbox.requests()["total"] < moment and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        if cycle % audit_every:
            continue
        if harvester("crawl", "--audit", ok=False).returncode == 3:
            harvester.crawl("--audit")  # what was not believed at first is asked for again in a later run
        harvester.crawl("--refresh", "--spider", "discovery")  # the index has the last word, and no say
        assert_truth(harvester, sandbox, grown=True)
        assert_dates(harvester, times)
        assert_kinds(harvester, sandbox)


def assert_dates(harvester: Any, times: dict[tuple[str, tuple[Any, ...]], list[tuple[Any, Any]]]) -> None:
    """What the community says that it removed, and is gone, went after the last sight and before the first absence."""
    checked = 0
    for table in ("follows", "favorites", "studio_projects", "studio_members", "project_comments", "studio_comments"):
        columns = ", ".join(KEY_COLUMNS[table])
        rows = harvester.query(
            f"SELECT ARRAY[{columns}], last_seen_at, gone_at FROM scratch.{table} WHERE gone_at IS NOT NULL"
        )
        for key, after, at in rows:
            changes = times.get((table, tuple(key)))
            if changes:
                assert any(after <= end and start <= at for start, end in changes), (table, key, after, at, changes)
                checked += 1
    assert checked > 3


SNAPSHOTS = [pytest.param(2, id="2"), pytest.param(10, id="10", marks=pytest.mark.soak)]


@pytest.mark.parametrize("snapshots", SNAPSHOTS)
def test_the_community_as_known_at_a_time(
    snapshots: int,
    start_sandbox: Callable[..., Any],
    make_harvester: Callable[..., Any],
    assert_truth: Callable[..., Any],
    holes: Callable[..., Any],
) -> None:
    """Snapshots of the truth are found again later, whatever changed, went and came back in the meantime.

    Rows that were retracted with a lost name are an exception: one that is served again later has no past before. What
    an item that could not be read may have been at the time counts as present.
    """
    sandbox = start_sandbox(users=20, seed=9, odd=ODD)
    harvester = make_harvester(sandbox)
    scope(harvester, sandbox)
    began = harvester.query("SELECT now()")[0][0]
    counts = harvester.crawl()["counts"]
    assert counts["profile_comments"]["gone"] > 0  # some are served as removed
    assert_gone_is_counted(harvester, sandbox, {table: set() for table in DATED}, began, counts)
    taken: list[tuple[Any, dict[str, list[dict[str, Any]]]]] = []
    hidden: list[set[tuple[Any, ...]]] = []
    with_gone: set[str] = set()
    for number in range(snapshots):
        if number:
            known = {table: keys(sandbox, table) for table in DATED}
            sandbox.live(150)
            scope(harvester, sandbox)
            began = harvester.query("SELECT now()")[0][0]
            counts = harvester.crawl("--audit")["counts"]
            assert_gone_is_counted(harvester, sandbox, known, began, counts)
            with_gone |= {table for table, one in counts.items() if one["gone"]}
        assert_truth(harvester, sandbox, grown=True)
        tables = {table: sandbox.truth(table) for table in sandbox.tables if table not in ("news", "studio_activity")}
        taken.append((harvester.query("SELECT now()")[0][0], tables))
        hidden.append(holes(harvester))
    assert len(with_gone) > 4
    changed = 0
    for (at, tables), may_be_there in zip(taken, hidden, strict=True):
        retracted = harvester.query(
            "SELECT coalesce(sum(retracted), 0)::int FROM crawl.name_changes WHERE noticed_at > %s", at
        )[0][0]
        missing = []
        for table, truth in tables.items():
            columns = tracked(table, truth)
            then = set(harvester.query(f"SELECT {', '.join(columns)} FROM history.{table}_at(%s)", at))
            true = {tuple(row[name] for name in columns) for row in truth}
            extra = {row for row in then - true if row[: len(KEY_COLUMNS[table])] not in may_be_there}
            assert not extra, (table, at, sorted(map(str, extra))[:4])
            missing += [(table, row) for row in true - then]
            now = set(harvester.query(f"SELECT {', '.join(columns)} FROM scratch.{table}"))
            changed += now != true
        assert len(missing) <= retracted, (at, retracted, missing[:4])
    assert changed > snapshots
    assert assert_changes_dated(harvester, taken) > 20 * (snapshots - 2)


def assert_changes_dated(harvester: Any, taken: list[tuple[Any, dict[str, list[dict[str, Any]]]]]) -> int:
    """Each change was made after the crawl of `last_seen_at` and by that of `valid_to`.

    Return the number of versions that were seen again after they were first seen.
    """
    ends = [at for at, _ in taken]
    states = [{table: by_key(table, rows) for table, rows in tables.items()} for _, tables in taken]
    checked = narrowed = 0
    for table, logs in TRACKED.items():
        for log in logs:
            key = history_key(table, log.name)
            columns = [c for c in tracked(table, taken[0][1][table]) if c in log.c and c not in key]
            only = "kind = %s" if "kind" in log.c else "%s <> ''"
            versions = harvester.query(
                f"SELECT ARRAY[{', '.join(key)}], valid_from, last_seen_at, valid_to, {', '.join(columns)}"
                f" FROM history.{log.name} WHERE {only} ORDER BY 1, valid_to",
                table.removesuffix("_comments"),
            )
            present = harvester.query(
                f"SELECT ARRAY[{', '.join(KEY_COLUMNS[table])}], {', '.join(columns)} FROM scratch.{table}"
            )
            now = {tuple(row[0]): row[1:] for row in present}
            for version, following in pairwise([*versions, None]):
                thing, seen_from, seen, until, *before = version
                after = following[4:] if following is not None and following[0] == thing else now[tuple(thing)]
                then, later = (states[bisect_left(ends, at)][table].get(tuple(thing)) for at in (seen, until))
                for name, old, new in zip(columns, before, after, strict=True):
                    if old != new and old is not None and then is not None and later is not None:
                        assert then[name] == old, (log.name, thing, name, old, then[name], seen)
                        assert later[name] == new, (log.name, thing, name, new, later[name], until)
                        checked += 1
                narrowed += seen > seen_from
    assert checked > 20
    return narrowed


def by_key(table: str, rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[name] for name in KEY_COLUMNS[table]): row for row in rows}


def tracked(table: str, truth: list[dict[str, Any]]) -> list[str]:
    """The key of a table and the columns that the history keeps versions of."""
    versions = {column.name for log in TRACKED.get(table, ()) for column in log.c}
    served = truth[0].keys()
    kept = [name for name in versions if name in served and not name.endswith("_at")]
    return list(dict.fromkeys([*KEY_COLUMNS[table], *sorted(kept)]))


def test_a_list_is_read_in_full_when_its_time_has_come(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    """Nothing goes longer without a whole reading than the catalogue says, and nothing else is visited for it."""
    harvester = make_harvester(small_sandbox)
    harvester("seed", "users", small_sandbox.seeds()["users"][0])
    harvester.crawl()
    assert harvester.crawl()["requests"] <= 1
    days = STREAMS["user_followers"].revisit / 86_400
    harvester.query(
        "UPDATE crawl.frontier SET last_full_read_at = last_full_read_at - make_interval(days => %s) RETURNING 1",
        int(days),
    )
    harvester.query(
        "UPDATE crawl.frontier SET due_at = now(), visited_at = last_full_read_at WHERE stream = 'user_followers'"
        " RETURNING 1"
    )
    harvester.crawl()
    read = harvester.query(
        "SELECT now() - last_full_read_at < interval '1 h' FROM crawl.frontier WHERE stream = 'user_followers'"
    )
    assert read == [(True,)]
