"""When absences are too many to be chance, and which answers show the state of the site."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.api.stream import Kind
from harvester.crawl import absences, control
from harvester.crawl.control import Control, UnderWay, leaps
from harvester.frontier.model import NOT_BELIEVED
from harvester.warehouse.connect import open_connection


@given(asked=st.integers(1, 200), share=st.sampled_from([0.05, 0.2, 0.6, 0.9]), seed=st.integers(0, 200))
def test_an_improbable_share_of_misses_is_a_leap(asked: int, share: float, seed: int) -> None:
    """What is called a leap has a probability of less than one in a million, by the binomial distribution itself."""
    missing = seed % (asked + 1)
    if leaps(missing, asked, share):
        tail = sum(math.comb(asked, n) * share**n * (1 - share) ** (asked - n) for n in range(missing, asked + 1))
        assert tail < 1e-6


@pytest.mark.parametrize(
    ("missing", "asked", "leap"),
    [(0, 0, False), (5, 5, False), (9, 9, True), (60, 60, True), (20, 100, False), (50, 100, True), (3, 10, False)],
)
def test_of_few_things_all_may_be_missing(missing: int, asked: int, leap: bool) -> None:
    assert leaps(missing, asked, 0.2) == leap


def test_a_usual_share_of_misses_is_no_leap() -> None:
    usual, new = Control({"project": 0.3}), Control()
    for _ in range(10):
        usual.found("project", 0.0)
        new.found("project", 0.0)
    assert [usual.miss("project") for _ in range(30)] == [False] * 30
    assert any(new.miss("project") for _ in range(30))
    assert not new.miss("user_page")


def test_one_page_for_every_address_is_no_evidence() -> None:
    site = Control()
    for entity, kind in [(1, Kind.USER), (1, Kind.USER), (7, Kind.PROJECT)]:
        site.identify(kind, entity, 5.0)
    assert not site.has_identified_since(0.0), "one user and one project may be all that is ever served"
    site.identify(Kind.USER, 2, 3.0)
    assert (site.has_identified_since(2.0), site.has_identified_since(3.0)) == (True, False)
    site.identify(Kind.USER, 3, 4.0)
    assert (site.has_identified_since(3.0), site.has_identified_since(4.0)) == (True, False)


def test_evidence_is_what_was_asked_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(control.time, "monotonic", lambda: now)
    site = Control()
    assert not site.has_found_since(0.0)
    site.doubt("project")
    site.found("user", now)
    assert site.has_found_since(now - 1)
    assert site.has_found_since(now - 1, "user")
    assert not site.has_found_since(now)
    assert not site.has_found_since(now, "user")
    assert not site.has_found_since(0.0, "project")
    assert (site.is_doubted("user"), site.is_doubted("project")) == (False, True)
    now += control.FRESH_SECONDS
    assert not site.is_doubted("project")
    site.doubt("project")
    site.found("project", now)
    assert not site.is_doubted("project")


def test_the_usual_share_is_that_of_the_last_runs(database: str) -> None:
    """Of runs that ended well and were no workers, ten at most; answers that were not believed count for nothing."""
    runs: list[tuple[str, int | None, dict[str, dict[str, int]]]] = [
        ("done", None, {"project": {"404": 1_000}}),  # too long ago
        *[("done", None, {"project": {"200": 8, "404": 1, "410": 1}, "studio": {"200": 1}})] * 9,
        ("bounded", None, {"project": {"200": 10, NOT_BELIEVED: 500, "-": 9, "503": 9}, "user": {"503": 2}}),
        ("degraded", None, {"project": {"404": 500}}),
        ("done", 1, {"project": {"404": 500}}),
        ("failed", None, {"project": {"404": 500}}),
    ]
    with open_connection(database, autocommit=True) as connection:
        for outcome, parent, responses in runs:
            connection.execute(
                "INSERT INTO crawl.runs (command, version, api_url, outcome, parent_run_id, responses)"
                " VALUES ('crawl', '0', 'x', %s, %s, %s)",
                [outcome, parent, Jsonb(responses)],
            )
        assert absences.usual_shares(connection, len(runs)) == {"project": 0.18, "studio": 0.0}
        assert absences.usual_shares(connection, 1) == {}


def test_what_is_known_to_be_there_was_there_at_its_last_visit(database: str) -> None:
    """Only entities of the same stream, whose lists were not empty, with the name that their address needs."""
    with open_connection(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.users (id, username) SELECT n, 'u' || n FROM generate_series(1, 8) n")
        connection.execute("INSERT INTO scratch.users (id) VALUES (9)")
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, failures, gone_at, item_count)"
            " SELECT 'user_followers', n, now(), (n <> 2)::int, (n = 3)::int, CASE n WHEN 4 THEN now() END,"
            " (n <> 5)::int FROM generate_series(1, 9) n"
        )
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits) VALUES ('user', 7, now(), 1)"
        )
        visit = Visit(STREAMS["user_followers"], 8)
        for count in (1, 3, 20):
            for _ in range(5):
                found = {
                    (one.stream.name, one.entity_id, one.username)
                    for one in absences.known_present(connection, visit, count)
                }
                assert found <= {("user_followers", n, f"u{n}") for n in (1, 6, 7)}
        assert len(found) == 3
        assert [one.entity_id for one in absences.known_present(connection, Visit(STREAMS["user"], 8), 3)] == [7]


def test_right_ids_wake_those_that_waited_before_them() -> None:
    """Two requests of one kind that began later show the right ids of two entities, or one shows another's."""

    async def waited(*begins: float, mistaken: bool = False) -> bool:
        evidence, at = Control(), time.monotonic()
        waiting = asyncio.create_task(evidence.wait_identified(at))
        await asyncio.sleep(0)
        for entity, after in enumerate(begins):
            evidence.identify(Kind.PROJECT, entity, at + after)
        if mistaken:
            evidence.mistake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        is_woken = waiting.done()
        waiting.cancel()
        return is_woken

    assert [asyncio.run(waited(*begins)) for begins in ((1, 2), (2, 1), (-1, 2, 1))] == [True] * 3
    assert [asyncio.run(waited(*begins)) for begins in ((), (1,), (-1, 2), (0, 1))] == [False] * 4
    assert asyncio.run(waited(mistaken=True))


def test_visits_that_all_wait_for_each_other_are_woken() -> None:
    async def wake(visits: int, *, ends: bool = False) -> bool:
        evidence = Control()
        under_way = UnderWay(evidence)
        for _ in range(visits):
            under_way.begin()

        async def wait() -> None:
            with under_way.wait():
                await evidence.wait_identified(time.monotonic())

        first = asyncio.create_task(wait())
        await asyncio.sleep(0)
        second = asyncio.create_task(wait())
        await asyncio.sleep(0)
        if ends:
            under_way.end()
        for _ in range(3):
            await asyncio.sleep(0)
        is_woken = first.done()
        for task in (first, second):
            task.cancel()
        return is_woken

    assert asyncio.run(wake(2))
    assert not asyncio.run(wake(3)), "the third may bring what the others wait for"
    assert asyncio.run(wake(3, ends=True))


def test_an_absence_waits_for_what_is_found_later() -> None:
    async def ends_by(stream: str | None, found: str, began: float) -> bool:
        site = Control()
        waiting = asyncio.create_task(site.wait_found(10.0, stream, math.inf))
        await asyncio.sleep(0)
        site.found(found, began)
        await asyncio.sleep(0)
        is_over = waiting.done()
        waiting.cancel()
        return is_over

    assert asyncio.run(ends_by(None, "news", 11.0))
    assert asyncio.run(ends_by("user", "user", 11.0))
    assert not asyncio.run(ends_by("user", "news", 11.0))
    assert not asyncio.run(ends_by(None, "news", 10.0)), "it was asked for before the absence was known"


def test_waits_end_once_all_visits_wait() -> None:
    """Of three visits one waits for an answer, one holds a lock and waits too, and one waits for that lock."""

    async def scenario() -> int:
        lock = asyncio.Lock()
        visits = UnderWay(Control())

        async def wait() -> None:
            await visits.wait_found(0.0, None, math.inf)
            visits.end()

        async def hold_and_wait() -> None:
            async with visits.hold(lock):
                await wait()

        for _ in range(3):
            visits.begin()
        await asyncio.wait_for(asyncio.gather(hold_and_wait(), wait(), hold_and_wait()), 60)
        return visits.waiting

    assert asyncio.run(scenario()) == 0
