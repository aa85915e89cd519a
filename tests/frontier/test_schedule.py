"""What is leased when, on a real PostgreSQL: the statements against plain arithmetic."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from harvester.api.catalogue import STREAMS
from harvester.config import load
from harvester.crawl.commit import Writer
from harvester.frontier import fitting, rates, runs, visit_ends
from harvester.frontier import leases as frontier
from harvester.frontier.leases import Pick, Picker, Purpose
from harvester.frontier.revisit import PRIOR_DECAY, Group, outlook
from harvester.frontier.visit_ends import finish_visits
from harvester.monitoring.plan import read_scope
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harvester.frontier.model import Lease
    from harvester.warehouse.connection import Connection

STREAM = STREAMS["project_comments"]
SPIDER = rates.QUEUE_NUMBERS[STREAM.spider]
NAMES = [STREAM.name]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with open_connection(database, autocommit=True) as opened:
        Writer(opened)
        set_clock(opened, START)
        yield opened


@pytest.fixture
def run(connection: Connection) -> int:
    return runs.begin_run(connection, load(home="/dev/null"), "test")


def fill(connection: Connection, rows: list[tuple[int, int, float]], due: timedelta = timedelta(days=99)) -> None:
    """Entries as (entity, class, days since the last visit)."""
    for entity, class_, ago in rows:
        visited = START - timedelta(days=ago)
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, visited_at, last_full_read_at, queue)"
            " VALUES (%s, %s, %s, 1, %s, %s, %s)",
            [STREAM.name, entity, START + due, visited, visited, SPIDER * rates.CLASSES + class_],
        )


def ended(lease: Lease, **found: Any) -> dict[str, Any]:
    """The end of a visit."""
    return end_of(lease.visit.entity_id, **found)


def end_of(entity: int, **found: Any) -> dict[str, Any]:
    """The end of a visit to a list of the stream."""
    return {
        "stream": STREAM.name, "entity_id": entity, "kind": "simulated", "certificate": None,
        "whole": True, "again": False, "gone": False, "listed": True, "fresh": 0, "found": None, "cost": 1.0,
        "revisit": STREAM.revisit, "item_weight": STREAM.item_weight, "rate": STREAM.rate, "spider": SPIDER,
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
    saved = {n: ago**2 * rates.priority_of(class_) / 2 for n, class_, ago in rows}
    picker = Picker(min_gain=1e-3)
    left = dict(saved)
    for count in (7, 40, 3, 100, 60):
        leases = frontier.lease_scheduled(connection, run, NAMES, count, picker)
        taken = sorted((left.pop(lease.visit.entity_id) for lease in leases), reverse=True)
        pays = sorted((value for value in (*taken, *left.values()) if value >= 1e-3), reverse=True)
        assert taken == pytest.approx(pays[:count])


def test_visits_below_the_least_gain_are_not_leased(connection: Connection, run: int) -> None:
    fill(connection, [(n, 12, days) for n, days in enumerate((1.0, 3.0, 4.0, 5.0, 9.0))])
    min_gain = 4.5**2 * rates.priority_of(12) / 2
    leases = frontier.lease_scheduled(connection, run, NAMES, 10, Picker(min_gain))
    assert {lease.visit.entity_id for lease in leases} == {3, 4}
    assert not frontier.lease_scheduled(connection, run, NAMES, 10, Picker(min_gain))


def test_entries_visited_after_the_pick_are_not_leased(connection: Connection, run: int) -> None:
    class Disturbed(Picker):
        """Another worker visits some entries after the first pick, and lists are classified again."""

        visited = (3, 7)

        def pick(self, *arguments: Any, **options: Any) -> list[Pick]:
            picks = super().pick(*arguments, **options)
            connection.execute("UPDATE crawl.frontier SET item_count = item_count")
            connection.execute(
                "UPDATE crawl.frontier SET visited_at = %s WHERE entity_id = ANY(%s)", [START, list(self.visited)]
            )
            return picks

    fill(connection, [(n, 12, 10.0 + n) for n in range(20)])
    picker = Disturbed(min_gain=1e-6)
    leases = frontier.lease_scheduled(connection, run, NAMES, 20, picker)
    assert {lease.visit.entity_id for lease in leases} == set(range(20)) - set(picker.visited)
    frontier.release(connection, leases)
    picker.visited = tuple(range(20))
    assert not frontier.lease_scheduled(connection, run, NAMES, 20, picker)


def test_two_workers_pick_different_visits(connection: Connection, run: int, database: str) -> None:
    fill(connection, [(n, 12, 10.0 + n) for n in range(50)])
    with open_connection(database, autocommit=True) as other:
        set_clock(other, START)
        second = runs.begin_run(other, load(home="/dev/null"), "test")
        mine = frontier.lease_scheduled(connection, run, NAMES, 20, Picker(1e-6))
        theirs = frontier.lease_scheduled(other, second, NAMES, 40, Picker(1e-6))
    assert sorted(lease.visit.entity_id for lease in (*mine, *theirs)) == list(range(50))


def test_a_visit_updates_the_rate_and_the_class(connection: Connection, run: int) -> None:
    """The posterior of the statement is that of the formula, visit after visit."""
    rng = np.random.default_rng(1)
    fill(connection, [(1, 12, 0.0)])
    connection.execute("UPDATE crawl.frontier SET due_at = %s", [START])
    n, t, mean = 0.0, 0.0, STREAM.rate
    now, last = START, START
    for _ in range(12):
        now += timedelta(days=float(rng.uniform(0.5, 30)))
        connection.execute("UPDATE crawl.frontier SET due_at = %s", [now])
        set_clock(connection, now)
        (lease,) = frontier.lease(connection, run, NAMES, 1, purpose=Purpose.DUE)
        fresh = int(rng.poisson(2))
        finish_visits(connection, [ended(lease, fresh=fresh)])
        gap = (now - last) / timedelta(days=1)
        kept = math.exp(-gap / max(90, 20 / mean))
        n, t, last = n * kept + fresh, t * kept + gap, now
        assert one(connection, "SELECT new_items_decayed, exposure FROM crawl.frontier") == pytest.approx(
            (n, t), rel=1e-5
        )
        mean = (0.25 + n) / (0.25 / STREAM.rate + t)
        expected = min(31, max(0, math.floor(-math.log2(STREAM.item_weight * mean)) + 8))
        assert one(connection, "SELECT queue FROM crawl.frontier") == SPIDER * rates.CLASSES + expected


def test_the_first_visit_counts_the_dated_past(connection: Connection, run: int) -> None:
    connection.execute("INSERT INTO scratch.projects (id, shared_at) VALUES (1, %s)", [START - timedelta(days=400)])
    ages = [1, 5, 40, 200, 399]
    for number, age in enumerate(ages):
        connection.execute(
            "INSERT INTO scratch.project_comments (id, project_id, created_at) VALUES (%s, 1, %s)",
            [number, START - timedelta(days=age)],
        )
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at) VALUES (%s, 1, %s)", [STREAM.name, START]
    )
    (lease,) = frontier.lease(connection, run, NAMES, 1, purpose=Purpose.NEW)
    finish_visits(connection, [ended(lease, kind="project", found=5)])
    memory = 20 / ((0.25 + 5) / (0.25 / STREAM.rate + 400))
    news = sum(math.exp(-age / memory) for age in ages)
    lived = memory * (1 - math.exp(-400 / memory))
    assert one(connection, "SELECT new_items_decayed, exposure FROM crawl.frontier") == pytest.approx(
        (news, lived), rel=1e-5
    )


def put_observed(connection: Connection, news: Any, exposure: Any, stratum: int = 8) -> None:
    """Entries as visits left them: how many items came in how many days."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY crawl.frontier (stream, entity_id, due_at, visits, new_items_decayed, exposure, stratum, queue)"
            " FROM STDIN"
        ) as copy,
    ):
        for number, (count, days) in enumerate(zip(news.tolist(), exposure.tolist(), strict=True)):
            copy.write_row((STREAM.name, number, START, 2, float(count), float(days), stratum, SPIDER * 32 + 12))


PRIORS = [(0.5, 0.1), *(pytest.param(*one, marks=pytest.mark.soak) for one in ((0.25, 0.004), (2.0, 0.02)))]


@pytest.mark.parametrize(("shape", "rate"), PRIORS)
def test_the_prior_is_the_most_likely_one(shape: float, rate: float, connection: Connection) -> None:
    """Counts of gamma distributed rates: mean and shape are those that scipy finds most likely, at low rates too."""
    from scipy import optimize, stats  # they take 0.6 s to import, in every worker

    rng = np.random.default_rng(2)
    true = rng.gamma(shape, rate / shape, 4000)
    exposure = rng.uniform(10, 700, 4000) * rng.choice([0.1, 1.0], 4000)
    news = rng.poisson(true * exposure)
    put_observed(connection, news, exposure)

    def loss(logs: Any) -> float:
        a, m = np.exp(logs)
        return float(-stats.nbinom.logpmf(news, a, a / m / (a / m + exposure)).sum())

    best = np.exp(optimize.minimize(loss, np.log([1.0, 0.05]), method="Nelder-Mead").x)
    before = one(connection, "SELECT count(DISTINCT queue) FROM crawl.frontier")
    fitting.fit(connection)
    for stratum in (8, -1):
        fitted = one(connection, f"SELECT shape, rate FROM crawl.priors WHERE stratum = {stratum}")
        assert fitted == pytest.approx(tuple(best), rel=0.02)
        assert fitted == pytest.approx((shape, rate), rel=0.2)
    assert before == 1 < one(connection, "SELECT count(DISTINCT queue) FROM crawl.frontier"), "classed again"
    assert one(connection, "SELECT count(*) FROM crawl.reply_decay") > 5


def step_twice(fit: fitting.Fit, connection: Connection) -> bool:
    """Do a transaction that fails at its end, as where the connection breaks, and do it again."""
    step = fitting.Fit._step

    def break_at_the_end(self: fitting.Fit, connection: Connection) -> bool:
        step(self, connection)
        raise psycopg.OperationalError

    with pytest.MonkeyPatch.context() as patch, suppress(psycopg.OperationalError):
        patch.setattr(fitting.Fit, "_step", break_at_the_end)
        fit.step(connection)
    return fit.step(connection)


def test_a_fit_that_is_given_up_is_done_by_the_next(
    connection: Connection, second_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any number of its transactions: in the end lists and priors are those of a fit at once."""
    state = (
        "SELECT w.entity_id, w.stratum, w.queue, p.shape, p.rate, p.classed_rate FROM crawl.frontier w"
        " LEFT JOIN crawl.priors p USING (stream, stratum) ORDER BY 1"
    )
    rng = np.random.default_rng(6)
    exposure = rng.uniform(10, 700, 200)
    news = rng.poisson(rng.gamma(0.5, 2.0, 200) * exposure)
    with open_connection(second_database, autocommit=True) as other:
        set_clock(other, START)
        put_observed(other, news, exposure)
        fitting.fit(other)
        at_once = other.execute(state).fetchall()
    put_observed(connection, news, exposure)
    before = connection.execute(state).fetchall()
    monkeypatch.setattr(fitting, "_BATCH", 30)
    steps = 0
    while True:
        fit = fitting.begin_fit(connection, is_due=True)
        assert fit is not None
        if not all(step_twice(fit, connection) for _ in range(steps)):
            break
        steps += 1
    assert steps > 15, "batches of lists, twice"
    assert connection.execute(state).fetchall() == at_once != before


def test_fitted_rates_are_unbiased_for_all_lists(connection: Connection) -> None:
    """Of lists with known rates, those of about the same belief have that rate on average, whatever it is."""
    rng = np.random.default_rng(3)
    lists, days, gap = 2500, 720, 40
    true = rng.gamma(0.25, 0.2, lists)
    fill(connection, [(n, 12, 0.0) for n in range(lists)])
    connection.execute("UPDATE crawl.frontier SET started_at = visited_at")
    for day in range(gap, days + 1, gap):
        now = START + timedelta(days=day)
        connection.execute("UPDATE crawl.frontier SET started_at = %s", [now])
        found = rng.poisson(true * gap).tolist()
        set_clock(connection, now)
        finish_visits(connection, [end_of(number, fresh=found[number]) for number in range(lists)])
    connection.execute("UPDATE crawl.frontier SET stratum = 8")
    fitting.fit(connection)
    believed = connection.execute(
        "SELECT crawl.arrival_rate(w.new_items_decayed, w.exposure, p.shape, p.rate) FROM crawl.frontier w"
        " JOIN crawl.priors p ON p.stream = w.stream AND p.stratum = w.stratum ORDER BY w.entity_id"
    ).fetchall()
    mean = np.array([rate for (rate,) in believed])
    groups = np.array_split(np.argsort(mean), [lists // 4, lists // 2, 3 * lists // 4, 9 * lists // 10])
    assert mean[groups[0]].mean() < 0.001
    assert mean[groups[-1]].mean() > 0.1
    for group in groups:
        error = true[group].std() / len(group) ** 0.5
        assert abs(mean[group].mean() - true[group].mean()) < 3 * error + 0.05 * true[group].mean()


def test_expected_replies_use_the_time_of_observation(connection: Connection) -> None:
    """Hazards equal those of plain arithmetic over each comment until the last look at it, years ago."""
    rng = np.random.default_rng(4)
    ages, hazards = (np.array(values) for values in (PRIOR_DECAY.ages, PRIOR_DECAY.hazards))
    replies, exposure = np.zeros(len(ages)), np.zeros(len(ages))
    edges = [*ages, 1e6]
    began = datetime(2024, 1, 1, tzinfo=UTC)
    number = 0
    for project in range(20):
        connection.execute("INSERT INTO scratch.projects (id) VALUES (%s)", [project])
        written = np.sort(rng.integers(0, 300 * 86400, 60))[::-1]
        # The head was looked at last, what is below it some time before, and the rest when the list was read in full.
        looks = [(int(written[20]), 320), (int(written[40]), 310), (0, 301)]
        stamp = int(began.timestamp())
        looked = [[stamp + low if low else 0, stamp + day * 86400] for low, day in looks]
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, certificate) VALUES (%s, %s, now(), 1, %s)",
            [STREAM.name, project, json.dumps({"looked": looked})],
        )
        for place, second in enumerate(written.tolist()):
            day = second / 86400
            until = 320 if place <= 20 else 310 if place <= 40 else 301
            is_gone = place % 7 == 0
            gone = min(until, day + 3.0) if is_gone else None
            until = min(until, gone or until)
            ends = [min(high, until - day) - low for low, high in pairwise(edges)]
            exposure += np.maximum(0, ends)
            number += 1
            top = number
            rows = [(top, None, day, gone)]
            for after in rng.exponential(20, 3):
                number += 1
                rows.append((number, top, day + after, None))
                if day + after <= until:
                    replies[np.searchsorted(ages, after, side="right") - 1] += 1
            for key, parent, at, end in rows:
                connection.execute(
                    "INSERT INTO scratch.project_comments (id, project_id, parent_id, created_at, last_seen_at,"
                    " gone_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    [
                        key, project, parent, began + timedelta(days=at),
                        None if end is None else began + timedelta(days=end - 0.1),
                        None if end is None else began + timedelta(days=end),
                    ],
                )  # fmt: skip
    decay = fitting.fit(connection)
    assert decay.hazards == pytest.approx(tuple((replies + 10) / (exposure + 10 / hazards)), rel=1e-4)
    assert exposure[-1] == 0, "nobody was observed for so long, although it was years ago"


def test_each_entry_is_equally_likely_for_a_recheck(connection: Connection, run: int) -> None:
    """Whatever its class: 60 entries, drawn some 3,000 times, tested against even chances."""
    fill(connection, [(n, n % 30, 5.0 + n) for n in range(60)])
    drawn: Counter[int] = Counter()
    for turn in range(800):
        if turn % 20 == 0:
            connection.execute("VACUUM crawl.frontier")
        leases = frontier.lease(connection, run, NAMES, 4, purpose=Purpose.RECHECK)
        drawn.update(lease.visit.entity_id for lease in leases)
        frontier.release(connection, leases)
    expected = drawn.total() / 60
    assert expected > 5
    chi_square = sum((drawn[n] - expected) ** 2 / expected for n in range(60))
    # Leases of several take no entry twice, which makes counts a little more even than chance; 99.9% is at 99.6.
    assert chi_square < 100, drawn
    fill(connection, [(n, 3, 0.1) for n in range(100, 140)])
    again = frontier.lease(connection, run, NAMES, 50, purpose=Purpose.RECHECK)
    assert all(lease.visit.entity_id < 60 for lease in again), "what was just visited is left alone"


def test_rechecks_are_drawn_evenly_from_blocks_of_a_large_table(connection: Connection, run: int) -> None:
    """Blocks whose entries are few, because the others were visited just now, give their share and no more."""
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, visited_at, queue)"
        " SELECT %s, n, %s, 1, CASE WHEN n < 3000 AND n %% 4 > 0 THEN %s ELSE %s END, %s"
        " FROM generate_series(0, 14999) n",
        [STREAM.name, START + timedelta(days=99), START, START - timedelta(days=9), SPIDER * rates.CLASSES],
    )
    ((blocks,),) = connection.execute("SELECT pg_relation_size('crawl.frontier') / 8192").fetchall()
    assert blocks > 1.5 * frontier._SAMPLED_BLOCKS
    drawn: Counter[int] = Counter()
    for _ in range(60):
        leases = frontier.lease(connection, run, NAMES, 100, purpose=Purpose.RECHECK)
        assert len({lease.visit.entity_id for lease in leases}) == 100
        drawn.update(lease.visit.entity_id // 1000 for lease in leases)
        frontier.release(connection, leases)
    shares = {part: 250 if part < 3 else 1000 for part in range(15)}
    expected = {part: 6000 * share / sum(shares.values()) for part, share in shares.items()}
    chi_square = sum((drawn[part] - expected[part]) ** 2 / expected[part] for part in shares)
    # That entries of a block come together makes counts less even than chance, by half. 99.9% is at 36.1 without it.
    assert chi_square < 72, drawn


def test_audits_take_what_waits_longest_and_read_it_in_full(connection: Connection, run: int) -> None:
    fill(connection, [(n, 12, 5.0) for n in range(10)])
    connection.execute(
        "UPDATE crawl.frontier SET due_at = %s + make_interval(days => entity_id::int * 20 + 5),"
        " last_full_read_at = %s + make_interval(days => entity_id::int * 20 + 5 - 180)",
        [START, START],
    )
    # The second look at a young thing is due soon, although its list was read in full just now.
    fill(connection, [(99, 12, 0.1)], due=timedelta(days=1.4))
    leases = frontier.lease(connection, run, NAMES, 3, purpose=Purpose.AUDIT)
    assert [lease.visit.entity_id for lease in leases] == [0, 1, 2]
    assert all(lease.full and lease.certificate is None for lease in leases)
    frontier.release(connection, leases)
    rest = frontier.lease(connection, run, NAMES, 10, purpose=Purpose.AUDIT)
    assert len(rest) == 5, "no more than half the time ahead"


def test_lists_not_read_in_full_for_too_long_are_read(connection: Connection, run: int) -> None:
    fill(connection, [(1, 12, 181.0), (2, 12, 100.0)], due=timedelta(0))
    leases = {one.visit.entity_id: one for one in frontier.lease(connection, run, NAMES, 5)}
    assert leases[1].full
    assert not leases[2].full
    finish_visits(connection, [ended(lease) for lease in leases.values()])
    assert one(connection, "SELECT min(due_at) FROM crawl.frontier") == START + timedelta(seconds=STREAM.revisit)


def test_a_young_thing_is_looked_at_again_soon(connection: Connection, run: int) -> None:
    for number, age in ((1, 2.0), (2, 30.0)):
        shared = START - timedelta(days=age)
        connection.execute("INSERT INTO scratch.projects (id, shared_at) VALUES (%s, %s)", [number, shared])
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at) VALUES (%s, %s, %s)", [STREAM.name, number, START]
        )
    for _ in range(2):
        connection.execute("UPDATE crawl.frontier SET due_at = %s WHERE entity_id = 1 OR visits = 0", [START])
        leases = frontier.lease(connection, run, NAMES, 5, purpose=Purpose.NEW)
        leases += frontier.lease(connection, run, NAMES, 5, purpose=Purpose.DUE)
        finish_visits(connection, [ended(lease, kind="project") for lease in leases])
        due = dict(connection.execute("SELECT entity_id, due_at FROM crawl.frontier").fetchall())
        again = timedelta(days=1.5) if one(connection, "SELECT max(visits) FROM crawl.frontier") == 1 else None
        assert due[1] == START + (again or timedelta(seconds=STREAM.revisit))
        assert due[2] == START + timedelta(seconds=STREAM.revisit)


def test_visits_to_gone_entities_leave_rates_alone(connection: Connection, run: int) -> None:
    """Nobody knows since when a list had gone: the days until it was missed say nothing of its rate."""
    fill(connection, [(1, 12, 30.0), (2, 12, 30.0)], due=timedelta(0))
    connection.execute("UPDATE crawl.frontier SET new_items_decayed = 3, exposure = 20")
    leases = {each.visit.entity_id: each for each in frontier.lease(connection, run, NAMES, 5)}
    finish_visits(connection, [ended(leases[1], gone=True), ended(leases[2])])
    found = connection.execute("SELECT new_items_decayed, exposure, queue FROM crawl.frontier ORDER BY 1 DESC, 2")
    gone, there = found.fetchall()
    assert gone == (3, 20, None)
    assert there[1] > 40


def test_lists_grow_older_whether_they_are_visited_or_not(connection: Connection) -> None:
    """Age and class are those of today, by the prior that holds at that age; activity is that of the last visit."""
    ages = {1: 3.0, 2: 10.0, 3: 10.0, 4: 1000.0}
    for number, days in ages.items():
        shared = START - timedelta(days=days)
        connection.execute("INSERT INTO scratch.projects (id, shared_at) VALUES (%s, %s)", [number, shared])
    fill(connection, [(n, 12, 1.0) for n in ages])
    connection.execute(
        "UPDATE crawl.frontier SET stratum = 8 + 2, exposure = 1, cost = CASE entity_id WHEN 3 THEN 4 END"
    )
    connection.execute(
        "INSERT INTO crawl.priors (stream, stratum, shape, rate, classed_rate, lists) VALUES (%s, 18, 1, 0.5, 0.5, 99)",
        NAMES,
    )
    fitting.fit(connection)
    found = connection.execute("SELECT stratum, queue %% %s FROM crawl.frontier ORDER BY entity_id", [rates.CLASSES])
    (young, two, costly, old) = found.fetchall()
    assert young == (8 + 2, 12)
    assert (two[0], costly[0], old[0]) == (16 + 2, 16 + 2, 40 + 2)
    rate = 1 / (1 / 0.5 + 1)
    assert two[1] == math.floor(-math.log2(rate)) - rates.FIRST_CLASS
    assert costly[1] == two[1] + 2, "four pages a visit are two classes less"


def test_exposure_begins_with_the_age_of_an_entity(connection: Connection, run: int) -> None:
    connection.execute(
        "INSERT INTO scratch.projects (id, shared_at) VALUES (1, %s), (2, %s)",
        [START - timedelta(hours=6), START + timedelta(minutes=5)],
    )
    fill(connection, [(1, 12, 0.0), (2, 12, 0.0)], due=timedelta(0))
    connection.execute("UPDATE crawl.frontier SET visits = 0, visited_at = NULL")
    leases = frontier.lease(connection, run, NAMES, 5, purpose=Purpose.NEW)
    finish_visits(connection, [ended(lease, kind="project", found=0) for lease in leases])
    found = connection.execute("SELECT exposure FROM crawl.frontier ORDER BY entity_id").fetchall()
    assert [days for (days,) in found] == pytest.approx([0.25, rates.YOUNGEST_DAYS], rel=0.01)


def test_lists_of_unknown_birth_count_as_old(connection: Connection, run: int) -> None:
    """Of a project that is not stored, or has no date, nobody knows that it is young: the prior of the oldest holds."""
    connection.execute("INSERT INTO scratch.projects (id) VALUES (2)")
    connection.execute(
        "INSERT INTO crawl.priors (stream, stratum, shape, rate, classed_rate, lists)"
        " SELECT %s, stratum, 1, rate, rate, 99 FROM (VALUES (0, 8.0), (%s, 0.125)) AS v (stratum, rate)",
        [STREAM.name, rates.OLDEST_STRATUM],
    )
    fill(connection, [(n, 12, 0.0) for n in (1, 2)], due=timedelta(0))
    connection.execute("UPDATE crawl.frontier SET visits = 0, visited_at = NULL")
    leases = frontier.lease(connection, run, NAMES, 5, purpose=Purpose.NEW)
    finish_visits(connection, [ended(lease, kind="project", found=7) for lease in leases])
    found = connection.execute("SELECT stratum, queue %% %s, exposure FROM crawl.frontier", [rates.CLASSES]).fetchall()
    assert found == [(rates.OLDEST_STRATUM, 3 - rates.FIRST_CLASS, 0)] * 2
    assert {due for (due,) in connection.execute("SELECT due_at FROM crawl.frontier")} == {
        START + timedelta(seconds=STREAM.revisit)
    }, "no second look"


def test_classes_hold_the_priorities_that_they_are_said_to(connection: Connection) -> None:
    """The first holds what is above 2^7, the last what is 2^-23 or less; between them each spans a factor of two."""
    ask = "SELECT crawl.rate_class(%s, %s, %s)"

    def class_of(priority: float) -> Any:
        (found,) = connection.execute(ask, [priority, rates.CLASSES, rates.FIRST_CLASS]).fetchone() or (None,)
        return found

    for edge in range(rates.CLASSES - 1):
        priority = 2.0 ** (7 - edge)
        assert (class_of(priority * 1.001), class_of(priority * 0.999)) == (edge, edge + 1)
    assert [class_of(rates.priority_of(each)) for each in range(rates.CLASSES)] == list(range(rates.CLASSES))
    assert (class_of(1e9), class_of(2.0**7), class_of(1e-12)) == (0, 1, rates.CLASSES - 1)


def test_a_visit_begun_before_a_request_leaves_it_due(connection: Connection, run: int) -> None:
    fill(connection, [(1, 12, 5.0)], due=timedelta(0))
    (lease,) = frontier.lease(connection, run, NAMES, 1)
    asked = START + timedelta(hours=1)
    connection.execute("UPDATE crawl.frontier SET due_at = %s", [asked])
    set_clock(connection, START + timedelta(hours=2))
    finish_visits(connection, [ended(lease)])
    assert one(connection, "SELECT due_at FROM crawl.frontier") == asked


def test_a_lease_reads_the_index_and_not_the_table(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, visited_at, queue)"
        " SELECT %s, n, %s, 1, %s - make_interval(mins => n), %s + n %% 20 FROM generate_series(1, 20000) n",
        [STREAM.name, START, START, SPIDER * rates.CLASSES],
    )
    connection.execute("ANALYZE crawl.frontier")
    queues = rates.queues({STREAM.spider})
    values = Picker(min_gain=0.5)._head_values(queues, [4] * len(queues))
    explained = connection.execute(sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) ") + frontier._HEADS, values)
    plan = "\n".join(str(line) for (line,) in explained.fetchall())
    assert "frontier_queue_idx" in plan
    assert "Seq Scan" not in plan


def test_a_plan_before_the_first_crawl_and_after_it(small_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(small_sandbox)
    site = json.loads(harvester("plan", "--rate", "10", "--json").stdout)
    assert "whole site" in site["source"]
    assert sum(one["lists"] for one in site["streams"] if one["stream"] == "user") == 135_078_559
    assert site["sources"]["first"] is site["sources"]["sample"] is None
    assert "project_source" not in {one["stream"] for one in site["streams"]}
    assert site["min_gain"] is None, "ten requests a second are not enough for the whole site"
    harvester("seed", "users", *small_sandbox.seeds()["users"][:8])
    before = json.loads(harvester("plan", "--json").stdout)
    assert before["new"]["entries"] == 8
    harvester.crawl()
    facts = json.loads(harvester("plan", "--rate", "0.002", "--json").stdout)
    assert {one["stream"] for one in facts["streams"]} >= {"user_projects", "profile_comments", "user_page"}
    delays = [one["delay_days"] for one in facts["by_rate"]]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] > delays[-1]
    assert {one["rate"]: one["delay_days"] for one in facts["by_rate"]}[0.002] == facts["total"]["delay_days"]
    enough = json.loads(harvester("plan", "--rate", "50", "--json").stdout)
    of_gains = {one["min_gain"]: one["delay_days"] for one in enough["by_min_gain"]}
    assert enough["enough"]
    assert of_gains[enough["min_gain"]] == enough["total"]["delay_days"] == enough["by_rate"][-1]["delay_days"]
    assert [of_gains[gain] for gain in sorted(of_gains)] == sorted(of_gains.values())
    entries = harvester.query("SELECT count(*) FROM crawl.frontier WHERE queue IS NOT NULL")[0][0]
    assert facts["total"]["lists"] == entries
    assert facts["fresh_within_a_day"]["rate"] * 86_400 >= entries
    shown = harvester("plan").stdout
    assert "mean delay of a new item at other rates" in shown
    # Where what must be read takes more than half, and is not too much, the forecast says that it is rough.
    assert facts["is_rough"] == (facts["required"] > facts["share_scheduled"] * facts["rate"] * 86_400 / 2)
    told = harvester("plan", "--rate", str(0.65 * facts["rate_not_rough"])).stdout
    assert "a rough forecast" in told
    assert "a rough forecast" not in harvester("plan", "--rate", "5").stdout
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
        "UPDATE crawl.frontier SET visited_at = visited_at - interval '60 days', new_items_decayed = 40, exposure ="
        " 40, queue = 104"
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
        ("HARVESTER_MIN_GAIN", "0", "above 0"),
    ],
)
def test_invalid_shares_and_gains_are_refused(
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
        "UPDATE crawl.frontier SET due_at = now() + interval '30 days', visited_at = now() - interval '1 day',"
        " last_full_read_at = now() - interval '150 days'"
        " WHERE stream = 'profile_comments' AND visits > 0 RETURNING entity_id"
    )
    harvester.query("UPDATE crawl.frontier SET due_at = now() WHERE stream = 'user' RETURNING 1")
    began = harvester.query("SELECT now()")[0][0]
    summary = harvester.crawl("--share", "audit", "--workers", workers)
    assert summary["outcome"] == "done"
    ((spent,),) = harvester.query(
        "SELECT requests_by_purpose FROM crawl.runs WHERE parent_run_id IS NULL ORDER BY id DESC LIMIT 1"
    )
    assert set(spent) == {"audit"}
    visited = dict(
        harvester.query("SELECT stream, count(*) FROM crawl.frontier WHERE visited_at >= %s GROUP BY 1", began)
    )
    # Whose a list is counts only where it is another one than before, or lacks something: no user is asked for.
    assert visited == {"profile_comments": len(soon)}


@pytest.mark.parametrize("options", [("--share", "audits"), ("--share", "audit", "--refresh")])
def test_an_unknown_share_is_refused(
    options: tuple[str, ...], small_sandbox: Any, make_harvester: Callable[..., Any]
) -> None:
    refused = make_harvester(small_sandbox)("crawl", *options, ok=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_priors_are_fitted_when_asked(harvest: Any) -> None:
    harvester = harvest.harvester
    harvester.query("UPDATE crawl.priors SET fitted_at = now() - interval '1 hour' RETURNING 1")
    facts = json.loads(harvester("fit", "--json").stdout)
    count, lists, oldest = harvester.query(
        "SELECT count(*), sum(lists)::bigint, min(fitted_at) > now() - interval '5 minutes' FROM crawl.priors"
    )[0]
    assert facts == {"priors": count, "lists": lists}
    assert (count > 0, oldest) == (True, True)


def test_a_plan_counts_the_pages_that_visits_took(connection: Connection, run: int) -> None:
    """What was read below the head is measured, where it was; and lists of many pages are read in full at times."""
    fill(connection, [(n, 12, 20.0) for n in range(60)], due=timedelta(0))
    connection.execute("UPDATE crawl.frontier SET item_count = 400, visits = 1 WHERE entity_id < 30")
    first = frontier.lease(connection, run, NAMES, 60)
    costs = {lease.visit.entity_id: 1.0 + lease.visit.entity_id % 5 for lease in first}
    finish_visits(connection, [ended(lease, cost=costs[lease.visit.entity_id]) for lease in first])
    groups = read_scope(connection).groups
    assert sum(one.lists * one.cost for one in groups) == pytest.approx(sum(costs.values()))
    # A read in full tells nothing of what other visits cost.
    connection.execute("UPDATE crawl.frontier SET due_at = %s, incremental = false", [START])
    set_clock(connection, START + timedelta(days=9))
    again = frontier.lease(connection, run, NAMES, 60)
    assert all(lease.full for lease in again)
    finish_visits(connection, [ended(lease, cost=None) for lease in again])
    assert sum(one.lists * one.cost for one in read_scope(connection).groups) == pytest.approx(sum(costs.values()))
    assert sum(one.lists * one.full for one in groups) == pytest.approx(30 * 10 + 30)
    daily = Group("s", 10, 1.0, 1.0, 180.0, 3.0, 19.0)
    assert outlook([daily], 0.5).requests == pytest.approx(10 * (3.0 + 1 / 40 + 18 / 180))


@pytest.mark.every_postgres
def test_functions_of_rates_are_inlined(connection: Connection) -> None:
    """A function that is called for each row costs more than what it computes."""
    values = visit_ends.VALUES | {"pages": "[]"}
    plan = str(connection.execute("EXPLAIN (VERBOSE) " + visit_ends.FINISH_VISITS, values).fetchall())
    assert "jsonb_to_recordset" in plan
    assert "arrival_rate" not in plan
    assert "rate_class" not in plan
    assert "clock()" not in plan


def test_a_lease_that_was_taken_is_not_held(connection: Connection, run: int) -> None:
    """A visit out of turn takes an entry from under a lease of the same run."""
    first, second = (frontier.lease_this(connection, run, STREAM.name, 1) for _ in range(2))
    assert [frontier.is_held(connection, one) for one in (first, second)] == [False, True]
    frontier.release(connection, [second])
    assert not frontier.is_held(connection, second)
