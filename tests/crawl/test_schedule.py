"""What is leased when, on a real PostgreSQL: the statements against plain arithmetic."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harvester.api.catalogue import STREAMS
from harvester.config import load
from harvester.crawl import frontier, learning
from harvester.crawl.frontier import Picker, Purpose
from harvester.warehouse import rates
from harvester.warehouse.commit import Connection, Lease, Writer, settle
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STREAM = STREAMS["project_comments"]
LANE = rates.LANES[STREAM.spider]
NAMES = [STREAM.name]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        Writer(opened)
        yield opened


@pytest.fixture
def run(connection: Connection) -> int:
    return frontier.begin_run(connection, load(home="/dev/null"), "test")


def fill(connection: Connection, rows: list[tuple[int, int, float]], due: timedelta = timedelta(days=99)) -> None:
    """Walks as (entity, class, days since the last visit)."""
    for entity, class_, ago in rows:
        visited = START - timedelta(days=ago)
        connection.execute(
            "INSERT INTO crawl.walks (stream, entity_id, due_at, visits, visited_at, enumerated_at, queue)"
            " VALUES (%s, %s, %s, 1, %s, %s, %s)",
            [STREAM.name, entity, START + due, visited, visited, LANE * rates.CLASSES + class_],
        )


def ended(lease: Lease, **found: Any) -> dict[str, Any]:
    """The end of a visit."""
    stream = lease.visit.stream
    return {
        "stream": stream.name, "entity_id": lease.visit.entity_id, "kind": "simulated", "certificate": None,
        "whole": True, "again": False, "gone": False, "listed": True, "fresh": 0, "found": None, "cost": 1.0,
        "revisit": stream.revisit, "worth": stream.worth, "rate": stream.rate, "lane": LANE,
    } | found  # fmt: skip


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return row[0] if len(row) == 1 else row


@pytest.mark.parametrize("seed", range(6))
def test_the_pick_is_the_exact_best_whatever_was_picked_before(seed: int, connection: Connection, run: int) -> None:
    """Random lists in random classes: each lease takes those whose visits save most, to the last one."""
    rng = np.random.default_rng(seed)
    rows = [
        (n, int(rng.integers(0, rates.CLASSES)), float(rng.uniform(0, 90) ** rng.choice([0.3, 1.0])))
        for n in range(300)
    ]
    fill(connection, rows)
    worth = {n: ago**2 * rates.value_of(class_) / 2 for n, class_, ago in rows}
    picker = Picker()
    left = dict(worth)
    for count in (7, 40, 3, 100, 60):
        leases = frontier.lease(
            connection, run, NAMES, count, purpose=Purpose.SCHEDULED, price=1e-3, picker=picker, now=START
        )
        taken = sorted((left.pop(lease.visit.entity_id) for lease in leases), reverse=True)
        pays = sorted((value for value in (*taken, *left.values()) if value >= 1e-3), reverse=True)
        assert taken == pytest.approx(pays[:count])


def test_nothing_is_visited_that_does_not_save_the_price(connection: Connection, run: int) -> None:
    fill(connection, [(n, 12, days) for n, days in enumerate((1.0, 3.0, 4.0, 5.0, 9.0))])
    price = 4.5**2 * rates.value_of(12) / 2
    leases = frontier.lease(connection, run, NAMES, 10, purpose=Purpose.SCHEDULED, price=price, now=START)
    assert {lease.visit.entity_id for lease in leases} == {3, 4}
    assert not frontier.lease(connection, run, NAMES, 10, purpose=Purpose.SCHEDULED, price=price, now=START)


def test_what_moved_between_the_pick_and_the_lease_is_picked_again(connection: Connection, run: int) -> None:
    class Disturbed(Picker):
        """All walks move after the first pick, as they do when lists are classed anew."""

        moved = False

        def pick(self, *arguments: Any, **options: Any) -> list[tuple[str, int, str]]:
            found = super().pick(*arguments, **options)
            if not self.moved:
                connection.execute("UPDATE crawl.walks SET held = held")
                self.moved = True
            return found

    fill(connection, [(n, 12, 10.0 + n) for n in range(20)])
    leases = frontier.lease(
        connection, run, NAMES, 20, purpose=Purpose.SCHEDULED, price=1e-6, now=START, picker=Disturbed()
    )
    assert sorted(lease.visit.entity_id for lease in leases) == list(range(20))


def test_two_workers_pick_different_visits(connection: Connection, run: int, database: str) -> None:
    fill(connection, [(n, 12, 10.0 + n) for n in range(50)])
    with open_connection(database, autocommit=True) as other:
        second = frontier.begin_run(other, load(home="/dev/null"), "test")
        mine = frontier.lease(connection, run, NAMES, 20, purpose=Purpose.SCHEDULED, price=1e-6, now=START)
        theirs = frontier.lease(other, second, NAMES, 40, purpose=Purpose.SCHEDULED, price=1e-6, now=START)
    assert sorted(lease.visit.entity_id for lease in (*mine, *theirs)) == list(range(50))


def test_a_visit_teaches_the_rate_and_the_rate_makes_the_class(connection: Connection, run: int) -> None:
    """The posterior of the statement is that of the formula, visit after visit."""
    rng = np.random.default_rng(1)
    fill(connection, [(1, 12, 0.0)])
    connection.execute("UPDATE crawl.walks SET due_at = %s", [START])
    n = t = 0.0
    now, last = START, START
    for _ in range(12):
        now += timedelta(days=float(rng.uniform(0.5, 30)))
        connection.execute("UPDATE crawl.walks SET due_at = %s", [now])
        (lease,) = frontier.lease(connection, run, NAMES, 1, purpose=Purpose.DUE, now=now)
        fresh = int(rng.poisson(2))
        settle(connection, [ended(lease, fresh=fresh)], now)
        gap = (now - last) / timedelta(days=1)
        n, t, last = n * math.exp(-gap / 90) + fresh, t * math.exp(-gap / 90) + gap, now
        assert one(connection, "SELECT news, exposure FROM crawl.walks") == pytest.approx((n, t), rel=1e-5)
        mean = (0.25 + n) / (0.25 / STREAM.rate + t)
        expected = min(31, max(0, math.floor(-math.log2(STREAM.worth * mean)) + 8))
        assert one(connection, "SELECT queue FROM crawl.walks") == LANE * rates.CLASSES + expected


def test_the_first_visit_teaches_what_the_list_shows_of_its_past(connection: Connection, run: int) -> None:
    connection.execute("INSERT INTO scratch.projects (id, shared_at) VALUES (1, %s)", [START - timedelta(days=400)])
    ages = [1, 5, 40, 200, 399]
    for number, age in enumerate(ages):
        connection.execute(
            "INSERT INTO scratch.project_comments (id, project_id, created_at) VALUES (%s, 1, %s)",
            [number, START - timedelta(days=age)],
        )
    connection.execute("INSERT INTO crawl.walks (stream, entity_id, due_at) VALUES (%s, 1, %s)", [STREAM.name, START])
    (lease,) = frontier.lease(connection, run, NAMES, 1, purpose=Purpose.NEW, now=START)
    settle(connection, [ended(lease, kind="project", found=5)], START)
    news = sum(math.exp(-age / 90) for age in ages)
    lived = 90 * (1 - math.exp(-400 / 90))
    assert one(connection, "SELECT news, exposure FROM crawl.walks") == pytest.approx((news, lived), rel=1e-5)


def test_the_prior_is_fitted_to_what_visits_found(connection: Connection) -> None:
    """Rates drawn from a gamma distribution, counts from them: its mean and shape come back."""
    rng = np.random.default_rng(2)
    true = rng.gamma(0.5, 0.2, 4000)
    exposure = rng.uniform(10, 120, 4000)
    news = rng.poisson(true * exposure)
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY crawl.walks (stream, entity_id, due_at, visits, news, exposure, stratum, queue) FROM STDIN"
        ) as copy,
    ):
        for number in range(4000):
            copy.write_row(
                (STREAM.name, number, START, 2, float(news[number]), float(exposure[number]), 8, LANE * 32 + 12)
            )
    before = one(connection, "SELECT count(DISTINCT queue) FROM crawl.walks")
    learning.learn(connection, anew=True)
    for stratum in (8, -1):
        shape, rate = one(connection, f"SELECT shape, rate FROM crawl.priors WHERE stratum = {stratum}")
        assert rate == pytest.approx(0.1, rel=0.1)
        assert shape == pytest.approx(0.5, rel=0.2)
    assert before == 1 < one(connection, "SELECT count(DISTINCT queue) FROM crawl.walks"), "classed anew"
    assert one(connection, "SELECT count(*) FROM crawl.reply_decay") > 5


def test_the_decay_of_replies_is_fitted_to_what_is_held(connection: Connection) -> None:
    connection.execute("INSERT INTO scratch.projects (id) VALUES (1)")
    connection.execute(
        "INSERT INTO scratch.project_comments (id, project_id, created_at)"
        " SELECT n, 1, now() - interval '50 days' FROM generate_series(1, 4000) n"
    )
    connection.execute(
        "INSERT INTO scratch.project_comments (id, project_id, parent_id, created_at)"
        " SELECT 10000 + n, 1, n, now() - interval '50 days' + interval '2 days' FROM generate_series(1, 2000) n"
    )
    decay = learning.learn(connection, anew=True)
    assert decay.at(2.0) == pytest.approx(2000 / (4000 * 2.0), rel=0.05)  # the class from one day to three
    assert decay.at(20.0) < 0.01
    assert decay.at(200.0) == pytest.approx(0.108 / (1 + 200), rel=0.5), "nobody was observed at that age: the prior"


def test_every_walk_is_as_likely_to_be_drawn_for_a_recheck(connection: Connection, run: int) -> None:
    """Whatever its class: 60 walks, drawn some 3,000 times, tested against even chances."""
    fill(connection, [(n, n % 30, 5.0 + n) for n in range(60)])
    drawn: Counter[int] = Counter()
    for turn in range(800):
        if turn % 20 == 0:
            connection.execute("VACUUM crawl.walks")
        leases = frontier.lease(connection, run, NAMES, 4, purpose=Purpose.RECHECK, now=START)
        drawn.update(lease.visit.entity_id for lease in leases)
        frontier.release(connection, leases)
    expected = drawn.total() / 60
    assert expected > 5
    chi_square = sum((drawn[n] - expected) ** 2 / expected for n in range(60))
    # Leases of several take no walk twice, which makes counts a little more even than chance; 99.9% is at 99.6.
    assert chi_square < 100, drawn
    fill(connection, [(n, 3, 0.1) for n in range(100, 140)])
    again = frontier.lease(connection, run, NAMES, 50, purpose=Purpose.RECHECK, now=START)
    assert all(lease.visit.entity_id < 60 for lease in again), "what was just visited is left alone"


def test_audits_take_what_waits_longest_and_read_it_in_full(connection: Connection, run: int) -> None:
    fill(connection, [(n, 12, 5.0) for n in range(10)])
    connection.execute("UPDATE crawl.walks SET due_at = %s + make_interval(days => entity_id::int * 20 + 5)", [START])
    leases = frontier.lease(connection, run, NAMES, 3, purpose=Purpose.AUDIT, now=START)
    assert [lease.visit.entity_id for lease in leases] == [0, 1, 2]
    assert all(lease.full and lease.certificate is None for lease in leases)
    frontier.release(connection, leases)
    rest = frontier.lease(connection, run, NAMES, 10, purpose=Purpose.AUDIT, now=START)
    assert len(rest) == 5, "no more than half the time ahead"


def test_what_was_not_read_in_full_for_too_long_is(connection: Connection, run: int) -> None:
    fill(connection, [(1, 12, 181.0), (2, 12, 100.0)], due=timedelta(0))
    leases = {one.visit.entity_id: one for one in frontier.lease(connection, run, NAMES, 5, now=START)}
    assert leases[1].full
    assert not leases[2].full
    settle(connection, [ended(lease) for lease in leases.values()], START)
    assert one(connection, "SELECT min(due_at) FROM crawl.walks") == START + timedelta(seconds=STREAM.revisit)


def test_a_young_thing_is_looked_at_again_soon(connection: Connection, run: int) -> None:
    for number, age in ((1, 2.0), (2, 30.0)):
        shared = START - timedelta(days=age)
        connection.execute("INSERT INTO scratch.projects (id, shared_at) VALUES (%s, %s)", [number, shared])
        connection.execute(
            "INSERT INTO crawl.walks (stream, entity_id, due_at) VALUES (%s, %s, %s)", [STREAM.name, number, START]
        )
    for _ in range(2):
        connection.execute("UPDATE crawl.walks SET due_at = %s WHERE entity_id = 1 OR visits = 0", [START])
        leases = frontier.lease(connection, run, NAMES, 5, purpose=Purpose.NEW, now=START)
        leases += frontier.lease(connection, run, NAMES, 5, purpose=Purpose.DUE, now=START)
        settle(connection, [ended(lease, kind="project") for lease in leases], START)
        due = dict(connection.execute("SELECT entity_id, due_at FROM crawl.walks").fetchall())
        again = timedelta(days=1.5) if one(connection, "SELECT max(visits) FROM crawl.walks") == 1 else None
        assert due[1] == START + (again or timedelta(seconds=STREAM.revisit))
        assert due[2] == START + timedelta(seconds=STREAM.revisit)


def test_a_visit_that_began_before_it_was_asked_for_is_no_answer(connection: Connection, run: int) -> None:
    fill(connection, [(1, 12, 5.0)], due=timedelta(0))
    (lease,) = frontier.lease(connection, run, NAMES, 1, now=START)
    asked = START + timedelta(hours=1)
    connection.execute("UPDATE crawl.walks SET due_at = %s", [asked])
    settle(connection, [ended(lease)], START + timedelta(hours=2))
    assert one(connection, "SELECT due_at FROM crawl.walks") == asked


def test_a_lease_reads_the_index_and_not_the_table(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO crawl.walks (stream, entity_id, due_at, visits, visited_at, queue)"
        " SELECT %s, n, %s, 1, %s - make_interval(mins => n), %s + n %% 20 FROM generate_series(1, 20000) n",
        [STREAM.name, START, START, LANE * rates.CLASSES],
    )
    connection.execute("ANALYZE crawl.walks")
    plan = "\n".join(Picker().explain(connection, NAMES, 0.5))
    assert "walks_queue_idx" in plan
    assert "Seq Scan" not in plan


def test_a_plan_before_the_first_crawl_and_after_it(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    site = json.loads(harvester("plan", "--rate", "10", "--json").stdout)
    assert "whole site" in site["source"]
    assert sum(one["lists"] for one in site["streams"] if one["stream"] == "user") == 135_078_559
    assert site["price"] is None, "ten requests a second are not enough for the whole site"
    harvester("seed", "users", *small_sandbox.seeds()["users"][:8])
    before = json.loads(harvester("plan", "--json").stdout)
    assert before["new"]["walks"] == 8
    harvester.crawl()
    facts = json.loads(harvester("plan", "--rate", "0.002", "--json").stdout)
    assert {one["stream"] for one in facts["streams"]} >= {"user_projects", "profile_comments", "user_page"}
    delays = [one["delay_days"] for one in facts["plot"]]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] > delays[-1]
    walks = harvester.query("SELECT count(*) FROM crawl.walks WHERE queue IS NOT NULL")[0][0]
    assert facts["total"]["lists"] == walks
    assert facts["fresh_within_a_day"]["rate"] * 86_400 >= walks
    shown = harvester("plan").stdout
    assert "mean delay of a new item by rate" in shown
    for wrong in ("0", "-1", "nan"):
        refused = harvester("plan", "--rate", wrong, ok=False)
        assert refused.returncode == 2
        assert "--rate" in refused.stderr


def test_status_tells_how_fresh_things_are(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    harvester("seed", "users", small_sandbox.seeds()["users"][0])
    harvester.crawl()

    def fresh() -> dict[str, Any]:
        rows = json.loads(harvester("status", "--json").stdout)["streams"]
        found: dict[str, Any] = next(row for row in rows if row["stream"] == "profile_comments")
        return found

    now = fresh()
    assert now["on_time"] == 1
    assert now["expected_unseen"] == pytest.approx(0, abs=0.01)
    harvester.query(
        "UPDATE crawl.walks SET visited_at = visited_at - interval '60 days', news = 40, exposure = 40, queue = 104"
        " WHERE stream = 'profile_comments' RETURNING 1"
    )
    later = fresh()
    assert later["on_time"] == 0
    assert later["pays"] == 1
    assert later["expected_unseen"] > 5


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HARVESTER_SHARES", '{"discovery": 1, "guessing": 2}', "no share is called 'guessing'"),
        ("HARVESTER_SHARES", '{"discovery": 0, "scheduled": 1}', "above 0"),
        ("HARVESTER_SHARES", '{"discovery": 1, "scheduled": -1}', "0 or more"),
        ("HARVESTER_SHARES", "half", "HARVESTER_SHARES"),
        ("HARVESTER_PRICE", "0", "above 0"),
    ],
)
def test_shares_and_prices_that_are_none(
    variable: str, value: str, message: str, small_sandbox: Any, make_harvester: Callable[..., Any]
) -> None:
    refused = make_harvester(small_sandbox, **{variable: value})("status", ok=False)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_share_alone_reads_ahead_of_time_and_nothing_else(harvest: Any, workers: str) -> None:
    harvester = harvest.harvester
    soon = harvester.query(
        "UPDATE crawl.walks SET due_at = now() + interval '30 days' WHERE stream = 'profile_comments' AND visits > 0"
        " RETURNING entity_id"
    )
    harvester.query("UPDATE crawl.walks SET due_at = now() WHERE stream = 'user' RETURNING 1")
    began = harvester.query("SELECT now()")[0][0]
    summary = harvester.crawl("--share", "audit", "--workers", workers)
    assert summary["outcome"] == "done"
    ((spent,),) = harvester.query("SELECT spent FROM crawl.runs WHERE crew IS NULL ORDER BY id DESC LIMIT 1")
    assert set(spent) == {"audit"}
    visited = dict(harvester.query("SELECT stream, count(*) FROM crawl.walks WHERE visited_at >= %s GROUP BY 1", began))
    # The pages of users prove whose their lists are.
    assert visited.pop("user", 0) <= len(soon)
    assert visited == {"profile_comments": len(soon)}


@pytest.mark.parametrize("options", [("--share", "audits"), ("--share", "audit", "--refresh")])
def test_a_share_that_makes_no_sense_is_refused(
    options: tuple[str, ...], small_sandbox: Any, make_harvester: Callable[..., Any]
) -> None:
    refused = make_harvester(small_sandbox)("crawl", *options, ok=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_priors_are_fitted_when_asked(harvest: Any) -> None:
    harvester = harvest.harvester
    harvester.query("UPDATE crawl.priors SET fitted_at = now() - interval '1 hour' RETURNING 1")
    facts = json.loads(harvester("learn", "--json").stdout)
    count, lists, oldest = harvester.query(
        "SELECT count(*), sum(lists)::bigint, min(fitted_at) > now() - interval '5 minutes' FROM crawl.priors"
    )[0]
    assert facts == {"priors": count, "lists": lists}
    assert (count > 0, oldest) == (True, True)
