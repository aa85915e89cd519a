"""Estimates by formulas that are written out here once more, on small numbers."""

from __future__ import annotations

from math import exp, log, sqrt
from statistics import variance
from typing import Any

import numpy as np
import psycopg
import pytest

from harvester.errors import UsageError
from harvester.sampling.authors import draw_authors
from harvester.sampling.ids import IdPlan, draw_ids
from harvester.sampling.outcomes import record_outcomes
from harvester.sampling.panels import start_wave
from harvester.sampling.random_walks import WalkPlan, draw_walks
from harvester.sampling.samples import advance

T_QUANTILES = {
    1: 12.7062,
    1.99: 12.7062,
    2 - 1e-12: 4.3027,
    2: 4.3027,
    3: 3.1824,
    4: 2.7764,
    5: 2.5706,
    9: 2.2622,
    19: 2.0930,
    30: 2.0423,
    10**6: 1.9600,
}


def rows(connection: psycopg.Connection[Any], *arguments: Any) -> dict[str, tuple[float, ...]]:
    marks = ", ".join(["%s"] * len(arguments))
    columns = "figure, estimate, standard_error, low, high, units, reached, drawn, nonresponse, note"
    found = connection.execute(f"SELECT {columns} FROM analytics.estimate({marks})", list(arguments)).fetchall()
    return {figure: numbers for figure, *numbers in found}


def store(connection: psycopg.Connection[Any], design: int, hits: dict[int, int]) -> None:
    """Projects with so many views; whatever else was drawn is a miss."""
    connection.execute("INSERT INTO scratch.users (id, username) VALUES (1, 'somebody') ON CONFLICT DO NOTHING")
    for project, views in hits.items():
        connection.execute(
            "INSERT INTO scratch.projects (id, author_id, views, loves, public) VALUES (%s, 1, %s, %s, %s)",
            [project, views, views // 2, views % 2 == 0],
        )
    drawn = connection.execute("SELECT entity_id FROM crawl.draws WHERE design_id = %s", [design]).fetchall()
    record_outcomes(connection, [("project", entity, entity not in hits) for (entity,) in drawn])


@pytest.mark.every_postgres
def test_a_stratified_estimate_is_that_of_the_books(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=40, seed=1, up_to=300, strata="101,201"))
        drawn: dict[str, list[int]] = {}
        for stratum, entity in connection.execute("SELECT stratum, entity_id FROM crawl.draws ORDER BY position"):
            drawn.setdefault(stratum, []).append(entity)
        assert {name: len(ids) for name, ids in drawn.items()} == {"1-100": 14, "101-200": 13, "201-300": 13}
        hits = {
            entity: 2 * (place + 3 * part)
            for part, ids in enumerate(drawn.values())
            for place, entity in enumerate(ids[: 4 + part])
        }
        store(connection, design, hits)
        found = rows(connection, design, "views")
        values = list(hits.items())
        assert rows(connection, design, [one for one, _ in values], [float(y) for _, y in values]) == found

        frame = 100
        size = sum(frame * sum(entity in hits for entity in ids) / len(ids) for ids in drawn.values())
        total = sum(frame * sum(hits.get(entity, 0) for entity in ids) / len(ids) for ids in drawn.values())
        mean = total / size

        def error(value: Any) -> float:
            parts = (
                frame**2 * (1 - len(ids) / frame) * variance([value(entity) for entity in ids]) / len(ids)
                for ids in drawn.values()
            )
            return sqrt(sum(parts))

        size_error = error(lambda entity: float(entity in hits))
        total_error = error(lambda entity: float(hits.get(entity, 0)))
        mean_error = error(lambda entity: hits[entity] - mean if entity in hits else 0.0) / size
        assert found["size"][:2] == pytest.approx((size, size_error))
        assert found["total"][:2] == pytest.approx((total, total_error))
        assert found["mean"][:2] == pytest.approx((mean, mean_error))
        assert {numbers[4] for numbers in found.values()} == {len(hits)}

        # On the log scale for what is positive, on the logit scale for a share; degrees of freedom by Satterthwaite,
        # of each stratum by the fourth powers: those of a normal distribution give its number of draws.
        def quantile(value: Any) -> float:
            parts = []
            for ids in drawn.values():
                g = np.array([value(entity) for entity in ids])
                g -= g.mean()
                known = 2 / ((g**4).sum() / (g**2).sum() ** 2 - 1 / len(ids))
                part = frame**2 * (1 - len(ids) / frame) * (g**2).sum() / (len(ids) - 1) / len(ids)
                parts.append((part, min(len(ids) - 1, known)))
            freedom = sum(part for part, _ in parts) ** 2 / sum(part**2 / known for part, known in parts)
            (found,) = connection.execute("SELECT analytics.t95(%s)", [freedom]).fetchone() or (None,)
            return float(found)

        reach = quantile(lambda entity: hits[entity] - mean if entity in hits else 0.0)
        reach = exp(reach * mean_error / mean)
        assert found["mean"][2:4] == pytest.approx((mean / reach, mean * reach), rel=1e-6)
        share, share_error = size / 300, size_error / 300
        reach = quantile(lambda entity: float(entity in hits)) * share_error / (share * (1 - share))
        bounds = [300 / (1 + exp(-log(share / (1 - share)) + sign * reach)) for sign in (1, -1)]
        assert found["size"][2:4] == pytest.approx(bounds, rel=1e-6)
        assert {tuple(numbers[5:]) for numbers in found.values()} == {(40, 40, 0, None)}

        # What has no value is outside of the population that is meant.
        some = [project for project, views in hits.items() if views > 6]
        part = rows(connection, design, some, [1.0] * len(some))
        assert part["size"][:2] == part["total"][:2]
        assert part["size"][0] < size
        assert part["mean"][0] == 1
        # The column says the same for those who do not care how: a share, of which the mean is one.
        assert rows(connection, design, "public")["mean"][0] == 1.0
        reader = "SET ROLE harvester_reader"
        connection.execute(reader)
        assert rows(connection, design, "views") == found


def test_a_census_has_no_error_and_nothing_seen_is_no_proof(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        whole = draw_ids(connection, IdPlan(count=30, seed=1, up_to=30))
        store(connection, whole, {3: 4, 7: 0, 30: 2})
        found = rows(connection, whole, "views")
        assert found["size"][:5] == [3, 0, 3, 3, 3]
        assert found["total"][:5] == [6, 0, 6, 6, 3]
        assert found["mean"][:5] == [2, 0, 2, 2, 3]
        nothing = draw_ids(connection, IdPlan(count=50, seed=1, first=1000, up_to=1999))
        store(connection, nothing, {})
        found = rows(connection, nothing, "views")
        assert found["size"][:3] == [0, 0, 0]
        assert found["size"][3] == pytest.approx(1000 * (1 - 0.025 ** (1 / 50)))
        assert found["mean"][:4] == [None] * 4


def test_an_unfinished_draw_is_estimated_in_its_order_alone(database: str) -> None:
    """Half visited in the order of the draw is a smaller sample; visited in another order it is none."""
    with psycopg.connect(database, autocommit=True) as connection:
        half = draw_ids(connection, IdPlan(count=40, seed=1, first=2000, up_to=2999))
        drawn = [
            entity
            for (entity,) in connection.execute(
                "SELECT entity_id FROM crawl.draws WHERE design_id = %s ORDER BY position", [half]
            )
        ]
        due = connection.execute(
            "SELECT entity_id FROM crawl.frontier WHERE stream = 'project' AND due_at <= now() ORDER BY due_at"
        ).fetchall()
        assert [entity for (entity,) in due] == drawn, "visits come in the order of the draw"
        nothing = rows(connection, half, "views")["size"]
        assert nothing[0] is None
        assert nothing[8] == "no estimate: nothing of stratum all is visited in its turn"
        for project in (drawn[0], drawn[30]):
            connection.execute("INSERT INTO scratch.projects (id, views) VALUES (%s, 8)", [project])
        record_outcomes(connection, [("project", entity, n > 0) for n, entity in enumerate(drawn[:20])])
        # A unit that was visited out of its turn counts once its turn has come.
        record_outcomes(connection, [("project", drawn[30], False)])
        found = rows(connection, half, "views")["size"]
        assert found[0] == 1000 / 20
        assert (found[5], found[6], found[7]) == (20, 40, 0)
        assert found[8] == "the first 20 of 40 draws, in their random order"


def test_strata_are_visited_side_by_side(database: str) -> None:
    """Whenever the crawl stops, as large a part of each was visited, in the order of its draw."""
    with psycopg.connect(database, autocommit=True) as connection:
        draw_ids(connection, IdPlan(count=60, seed=1, up_to=4000, strata="1001,2001"))
        drawn: dict[str, list[int]] = {}
        of: dict[int, str] = {}
        for stratum, entity in connection.execute("SELECT stratum, entity_id FROM crawl.draws ORDER BY position"):
            drawn.setdefault(stratum, []).append(entity)
            of[entity] = stratum
        due = [entity for (entity,) in connection.execute("SELECT entity_id FROM crawl.frontier ORDER BY due_at")]
        for stratum, entities in drawn.items():
            assert [entity for entity in due if of[entity] == stratum] == entities
            for n in (15, 30, 45):
                assert sum(of[entity] == stratum for entity in due[:n]) == pytest.approx(n * len(entities) / 60, abs=1)


def test_studios_are_estimated_as_projects_are(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=20, kind="studio", seed=1, up_to=20))
        connection.execute(
            "INSERT INTO scratch.studios (id, follower_count) SELECT n, n FROM generate_series(1, 15) n;"
            "INSERT INTO scratch.studio_comments (id, studio_id) SELECT n, 1 + n % 3 FROM generate_series(1, 9) n;"
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, certificate)"
            " SELECT 'studio_comments', n, now(), '{\"complete\": true}' FROM generate_series(1, 15) n"
        )
        record_outcomes(connection, [("studio", each, each > 15) for each in range(1, 21)])
        followers, comments = (rows(connection, design, number) for number in ("follower_count", "comments"))
        assert [followers[figure][0] for figure in ("size", "total", "mean")] == [15, 120, 8]
        assert [comments[figure][0] for figure in ("size", "total", "mean")] == [15, 9, 0.6]


def test_an_unsupported_interval_is_null_and_says_why(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        one = draw_ids(connection, IdPlan(count=50, seed=1, up_to=1000))
        first = connection.execute("SELECT min(entity_id) FROM crawl.draws").fetchone()
        assert first is not None
        store(connection, one, {first[0]: 18})
        found = rows(connection, one, "views")
        assert found["mean"][:4] == [18, 0, None, None]
        assert found["mean"][8] == "no interval: fewer than two hits, or no two that differ"
        assert found["size"][2] < 20 < found["size"][3]
        alike = draw_ids(connection, IdPlan(count=50, seed=1, first=1001, up_to=2000))
        drawn = connection.execute("SELECT entity_id FROM crawl.draws WHERE design_id = %s", [alike]).fetchall()
        store(connection, alike, {entity: 0 for (entity,) in drawn[:10]})
        found = rows(connection, alike, "views")
        assert found["total"][:4] == [0, 0, 0, None], "that ten have no views is no proof that nobody has"
        assert found["total"][8] == "no upper bound: nothing but 0 among what was drawn by chance"
        assert found["mean"][:4] == [0, 0, None, None]
        # A share of none of ten is another matter: the rule of three.
        shares = rows(connection, alike, [entity for (entity,) in drawn[:10]], [0.0] * 10)
        assert shares["mean"][2:4] == pytest.approx([0, 1 - 0.025 ** (1 / 10)])
        # All alike but for rounding is alike, with weights and values that no float holds.
        parts = draw_ids(connection, IdPlan(count=60, seed=1, first=7001, up_to=10_100, strata="8002,9003"))
        drawn = connection.execute("SELECT entity_id FROM crawl.draws WHERE design_id = %s", [parts]).fetchall()
        store(connection, parts, {entity: 2 for (entity,) in drawn[::2]})
        found = rows(connection, parts, [entity for (entity,) in drawn[::2]], [0.7] * 30)
        assert found["mean"][:4] == [pytest.approx(0.7), 0, None, None]
        assert found["mean"][8] == "no interval: fewer than two hits, or no two that differ"
        # Where the weights differ, so many draws know as much as fewer of equal weight (Kish).
        unequal = draw_ids(
            connection, IdPlan(count=60, seed=1, first=3001, up_to=7000, strata="3101,5001", allocation="equal")
        )
        store(connection, unequal, {})
        effective = 4000**2 / sum(size**2 / 20 for size in (100, 1900, 2000))
        assert rows(connection, unequal, "views")["size"][3] == pytest.approx(4000 * (1 - 0.025 ** (1 / effective)))


def test_failed_visits_are_weighted_within_their_class(database: str) -> None:
    """By hand: 200 draws of 2,000 ids; of the older half one in four fails, and the older half has twice the hits."""
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=200, seed=1, up_to=2000))
        drawn = sorted(
            entity
            for (entity,) in connection.execute("SELECT entity_id FROM crawl.draws WHERE design_id = %s", [design])
        )
        classes = [drawn[20 * n : 20 * (n + 1)] for n in range(10)]
        failed = {entity for ids in classes[:5] for entity in ids[::4]}
        hits = {entity: n for k, ids in enumerate(classes) for n, entity in enumerate(ids[1 :: 4 if k < 5 else 8], 1)}
        store_some(connection, design, {one: views for one, views in hits.items() if one not in failed}, failed)
        connection.execute(
            "UPDATE crawl.frontier SET failures = 3 WHERE stream = 'project' AND entity_id = ANY(%s)", [list(failed)]
        )
        found = rows(connection, design, "views")
        expected = total = first = second = 0.0
        whole = [0.0, 0.0]
        for ids in classes:
            answered = [entity for entity in ids if entity not in failed]
            weight = len(ids) / len(answered)
            y = [float(entity in hits) for entity in answered]
            expected += 2000 / 200 * weight * sum(y)
            total += 2000 / 200 * weight * sum(hits.get(entity, 0) for entity in answered)
            whole = [whole[0] + weight * sum(y), whole[1] + weight * sum(one * one for one in y)]
            second += 10**2 * 20**2 * (1 - len(answered) / 20) * variance(y) / len(answered)
        first = 2000**2 * (1 - 0.1) / 200 * (whole[1] - whole[0] ** 2 / 200) / 199
        assert found["size"][:2] == pytest.approx((expected, sqrt(first + second)))
        assert found["total"][0] == pytest.approx(total)
        assert found["size"][7] == len(failed)
        assert "could not be visited or read" in found["size"][8]
        table = connection.execute("SELECT * FROM analytics.nonresponse(%s)", [design]).fetchall()
        assert [(row[1], row[4], row[5]) for row in table] == [(n + 1, 20, 5 if n < 5 else 0) for n in range(10)]
        assert [row[8] for row in table] == pytest.approx([20 / 15] * 5 + [1.0] * 5)


def store_some(connection: psycopg.Connection[Any], design: int, hits: dict[int, int], failed: set[int]) -> None:
    """As `store`, without an outcome for what could not be visited."""
    for project, views in hits.items():
        connection.execute("INSERT INTO scratch.projects (id, views, public) VALUES (%s, %s, true)", [project, views])
    drawn = connection.execute("SELECT entity_id FROM crawl.draws WHERE design_id = %s", [design]).fetchall()
    record_outcomes(
        connection, [("project", entity, entity not in hits) for (entity,) in drawn if entity not in failed]
    )


def test_lists_that_were_not_read_are_not_empty(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=40, seed=1, up_to=400))
        drawn = [entity for (entity,) in connection.execute("SELECT entity_id FROM crawl.draws ORDER BY position")]
        hits = drawn[:20:2]
        store(connection, design, dict.fromkeys(hits, 4))
        found = rows(connection, design, "comments")
        assert found["total"][0] is None, "no list of a hit was read"
        assert "nothing of stratum all" in found["total"][8]
        for project in hits:
            connection.execute(
                "INSERT INTO scratch.project_comments (id, project_id, reply_count) VALUES (%s, %s, 1)",
                [project, project],
            )
            connection.execute(
                "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, certificate)"
                " VALUES ('project_comments', %s, now(), 1, '{\"complete\": true}')",
                [project],
            )
        assert rows(connection, design, "comments")["total"][:2] == pytest.approx((100, 28.8), abs=3)
        # A thread that is due holds more.
        waiting = (
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits) VALUES ('project_replies', %s, now(), 0)"
        )
        connection.execute(waiting, [hits[5]])
        assert rows(connection, design, "comments")["total"][5] == 10
        # One that cannot be read leaves its project out, and another counts for it.
        connection.execute("UPDATE crawl.frontier SET failures = 2 WHERE stream = 'project_replies'")
        found = rows(connection, design, "comments")
        assert found["total"][:1] == [100]
        assert (found["total"][4], found["total"][7]) == (9, 1)


def test_the_outcome_of_the_first_visit_stays(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO scratch.projects (id, public) VALUES (1, true), (2, false), (3, true)")
        design = draw_ids(connection, IdPlan(count=5, seed=1, up_to=5))
        visits = [("project", 1, False), ("project", 2, False), ("project", 3, True), ("project", 4, True)]
        record_outcomes(connection, [*visits, ("studio", 5, False), ("project_comments", 5, False)])
        read = "SELECT entity_id, outcome FROM crawl.draws WHERE design_id = %s ORDER BY 1"
        was = [(1, "hit"), (2, "not public"), (3, "gone"), (4, "not found"), (5, None)]
        assert connection.execute(read, [design]).fetchall() == was
        record_outcomes(connection, [("project", 1, True), ("project", 4, False)])
        assert connection.execute(read, [design]).fetchall() == was


def test_random_walks_vary_as_expected(database: str) -> None:
    """Each step weighed by the inverse of its measure; the error from what whole walks sum up to."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO scratch.users (id, username, scratch_team) SELECT i, 'u' || i, i % 3 = 0"
            " FROM generate_series(1, 30) i"
        )
        connection.execute("INSERT INTO scratch.projects (id, author_id) SELECT i, i FROM generate_series(1, 30) i")
        connection.execute(
            "INSERT INTO scratch.follows (follower_id, followee_id)"
            " SELECT i, j FROM generate_series(1, 30) i, generate_series(1, 30) j"
            " WHERE i <> j AND (i * j) % 7 < 2"
        )
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits) SELECT s, i, now(), 1"
            " FROM generate_series(1, 30) i, unnest(ARRAY['user', 'user_followers', 'user_following']) s"
        )
        parent = draw_ids(connection, IdPlan(count=30, seed=1, up_to=30))
        record_outcomes(connection, [("project", each, False) for each in range(1, 31)])
        design = draw_walks(connection, WalkPlan(parent=parent, steps=15, walks=6, burn_in=3, seed=4))
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not at their end"):
            rows(connection, design, "scratch_team")
        assert advance(connection) == 6 * 18
        assert advance(connection) == 0
        steps = connection.execute(
            "SELECT cluster_id, entity_id, weight, measure FROM crawl.draws WHERE outcome = 'hit' AND design_id = %s",
            [design],
        ).fetchall()
        assert len(steps) == 90
        degrees = dict(
            connection.execute(
                "SELECT id, (SELECT count(DISTINCT CASE WHEN follower_id = id THEN followee_id ELSE follower_id END)"
                " FROM scratch.follows WHERE id IN (follower_id, followee_id)) FROM scratch.users"
            ).fetchall()
        )
        assert all(measure == degrees[user] and weight == 1 / measure for _, user, weight, measure in steps)
        whole = sum(weight for _, _, weight, _ in steps)
        mean = sum(weight * (user % 3 == 0) for _, user, weight, _ in steps) / whole
        sums = [
            sum(weight * ((user % 3 == 0) - mean) for walk, user, weight, _ in steps if walk == each)
            for each in range(6)
        ]
        error = sqrt(6 / 5 * sum(one * one for one in sums)) / whole
        found = rows(connection, design, "scratch_team")
        assert found["mean"][:2] == pytest.approx((mean, error))
        assert found["mean"][4] == 90
        # Jackknife's brother: walks drawn again.
        spread = replicated(connection, design, lambda user: float(user % 3 == 0))
        assert spread == pytest.approx(error, rel=0.35)
        # Who was met by a single random walk has a mean, and nothing tells how it varies.
        user = steps[0][1]
        connection.execute(
            "UPDATE crawl.draws SET outcome = 'burn-in' WHERE design_id = %s AND cluster_id > %s AND entity_id = %s",
            [design, steps[0][0], user],
        )
        once = rows(connection, design, [user], [1.0])["mean"]
        assert once[:4] == [1, None, None, None]
        assert once[8] == "no interval: one random walk has no variance"
        # None of those who were met: no more than lets six random walks miss them once in forty times.
        users = sorted({user for _, user, _, _ in steps})
        none, each, alike = (rows(connection, design, users, [y] * len(users))["mean"] for y in (0.0, 1.0, 0.7))
        assert none[:4] == pytest.approx([0, 0, 0, 1 - 0.025 ** (1 / 6)])
        assert each[:4] == pytest.approx([1, 0, 0.025 ** (1 / 6), 1])
        assert alike[:4] == [pytest.approx(0.7), 0, None, None]
        assert alike[8] == "no interval: no two users who were met differ"


def test_random_walks_meet_users_as_often_as_their_measure_says(database: str) -> None:
    """Thirty users of whom some have three projects: a step is at each in proportion to degree plus projects."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO scratch.users (id, username) SELECT i, 'u' || i FROM generate_series(1, 30) i;"
            "INSERT INTO scratch.projects (id, author_id) SELECT i, 1 + i % 10 FROM generate_series(1, 30) i;"
            "INSERT INTO scratch.follows (follower_id, followee_id) SELECT i, j FROM generate_series(1, 30) i,"
            " generate_series(1, 30) j WHERE i <> j AND (i * j) % 7 < 2;"
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits) SELECT s, i, now(), 1"
            " FROM generate_series(1, 30) i,"
            " unnest(ARRAY['user', 'user_followers', 'user_following', 'user_projects']) s"
        )
        parent = draw_ids(connection, IdPlan(count=30, seed=1, up_to=30))
        record_outcomes(connection, [("project", each, False) for each in range(1, 31)])
        design = draw_walks(connection, WalkPlan(parent=parent, steps=300, walks=40, burn_in=10, restart=2.0, seed=3))
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not at their end"):
            rows(connection, design, "scratch_team")
        advance(connection)
        met = connection.execute(
            "SELECT cluster_id, entity_id, measure FROM crawl.draws WHERE design_id = %s AND outcome = 'hit'", [design]
        ).fetchall()
        assert len(met) == 40 * 300
        measures = {user: measure for _, user, measure in met}
        for user, measure in measures.items():
            times = np.bincount([walk for walk, each, _ in met if each == user], minlength=40)
            expected = 300 * measure / sum(measures.values())
            assert abs(times.mean() - expected) < 4 * times.std() / sqrt(40), (user, times.mean(), expected)
        assert list(rows(connection, design, "scratch_team")) == ["mean"], "nobody knows how many users there are"


def test_hits_of_which_nobody_could_be_read_are_refused(database: str) -> None:
    """Authors and lists that failed, every one: nothing stands for them."""
    with psycopg.connect(database, autocommit=True) as connection:
        parent = draw_ids(connection, IdPlan(count=40, seed=1, up_to=400))
        drawn = [entity for (entity,) in connection.execute("SELECT entity_id FROM crawl.draws ORDER BY position")]
        store(connection, parent, dict.fromkeys(drawn[:20], 2))
        authors = draw_authors(connection, parent)
        advance(connection)
        assert "nothing of stratum all" in rows(connection, authors, "projects")["size"][8], "no author was visited yet"
        connection.execute("UPDATE crawl.frontier SET failures = 2 WHERE stream = 'user'")
        connection.execute(
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, failures)"
            " SELECT 'project_comments', entity_id, now(), 2 FROM crawl.draws WHERE design_id = %s",
            [parent],
        )
        for design, number in ((authors, "projects"), (parent, "comments")):
            for figure, (estimate, error, low, high, *_, note) in rows(connection, design, number).items():
                assert [estimate, error, low, high] == [None] * 4, figure
                assert note == "no estimate: a stratum has hits, and none of them could be read"


def test_one_answer_of_a_stratum_has_no_variance(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=8, seed=1, up_to=400, strata="2"))
        drawn = connection.execute("SELECT entity_id, stratum FROM crawl.draws ORDER BY position").fetchall()
        store(connection, design, {drawn[0][0]: 2})
        connection.execute("UPDATE crawl.draws SET outcome = NULL WHERE stratum = '2' AND position > 4")
        estimate, error, low, high, *_, note = rows(connection, design, "views")["size"]
        assert (estimate, error, low, high) == (50, None, None, None)
        assert note.endswith("no interval: stratum 2 has fewer than two draws or answers")


def test_an_estimate_from_few_units_has_no_upper_bound(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=400, seed=1, up_to=4000))
        drawn = [entity for (entity,) in connection.execute("SELECT entity_id FROM crawl.draws ORDER BY position")]
        even = {entity: 2 * (n % 7 + 1) for n, entity in enumerate(drawn[:60])}
        store(connection, design, even)
        values = list(even.values())
        narrow = rows(connection, design, list(even), [float(value) for value in values])
        assert narrow["total"][2] < narrow["total"][0] < narrow["total"][3]
        heavy = rows(connection, design, list(even), [10_000.0, *map(float, values[1:])])
        for figure in ("total", "mean"):
            assert heavy[figure][2] < heavy[figure][0]
            assert heavy[figure][3] is None
            assert heavy[figure][8].startswith("no upper bound: a few have most of it")
        assert heavy["size"] == narrow["size"]
        signed = rows(connection, design, list(even), [-10_000.0, *map(float, values[1:])])
        assert signed["total"][2:4] == [None, None]
        assert signed["total"][8].startswith("no interval: a few have most of it")


def test_a_stratum_without_any_is_no_proof_that_it_has_none(database: str) -> None:
    """Two of 40 in a small stratum, none in two large ones: these may have as many as that lets expect."""
    with psycopg.connect(database, autocommit=True) as connection:
        plan = IdPlan(count=120, seed=1, up_to=10_000, strata="501,5001", allocation="equal")
        design = draw_ids(connection, plan)
        drawn = connection.execute("SELECT entity_id FROM crawl.draws WHERE stratum LIKE '1-%' LIMIT 2").fetchall()
        store(connection, design, {entity: 2 for (entity,) in drawn})
        size = rows(connection, design, "views")["size"]
        total = 500 * 2 / 40
        squares = 500**2 * (1 - 40 / 500) * variance([1.0] * 2 + [0.0] * 38) / 40
        expected = 40 * total / 10_000
        for frame in (4500, 5000):
            squares += (frame / 40) ** 2 * (1 - 40 / frame) * expected / (1 + expected)
        assert size[:2] == pytest.approx((total, sqrt(squares)))
        assert size[3] > 5000 / 40, "as many as one hit more would mean"


def replicated(connection: psycopg.Connection[Any], design: int, value: Any, times: int = 200) -> float:
    """The error of a mean as replicate weights tell it."""
    units = connection.execute(
        "SELECT r.replicate, u.entity_id, r.weight FROM analytics.replicate_weights(%s, %s) r"
        " JOIN analytics.sample_units u ON u.design_id = %s AND u.position = r.position",
        [design, times, design],
    ).fetchall()
    sums = {n: [0.0, 0.0] for n in range(1, times + 1)}
    for replicate, entity, weight in units:
        assert weight >= 0
        sums[replicate][0] += weight * value(entity)
        sums[replicate][1] += weight
    means = [total / size for total, size in sums.values()]
    return sqrt(variance(means))


def test_replicate_weights_tell_the_same_error(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=200, seed=1, up_to=800, strata="2"))
        drawn = connection.execute("SELECT entity_id FROM crawl.draws ORDER BY position").fetchall()
        hits = {entity: 2 * (entity * 7 % 20) for n, (entity,) in enumerate(drawn) if n % 3 == 0}
        store(connection, design, hits)
        mean_error = rows(connection, design, "views")["mean"][1]
        assert replicated(connection, design, hits.__getitem__) == pytest.approx(mean_error, rel=0.15)
        weights = "SELECT * FROM analytics.replicate_weights(%s, 3) ORDER BY 1, 2"
        once = connection.execute(weights, [design]).fetchall()
        assert connection.execute(weights, [design]).fetchall() == once
        assert len(once) == 3 * len(hits)
        # Drawn again among eight hits, all stand for the whole each time.
        few = draw_ids(connection, IdPlan(count=8, seed=1, first=1000, up_to=1799))
        found = connection.execute("SELECT entity_id FROM crawl.draws WHERE design_id = %s", [few]).fetchall()
        store(connection, few, {entity: 2 for (entity,) in found})
        sums = connection.execute(
            "SELECT sum(weight) FROM analytics.replicate_weights(%s, 20) GROUP BY replicate", [few]
        ).fetchall()
        assert [each for (each,) in sums] == pytest.approx([800.0] * 20)
        # On average they are the weights themselves.
        means = connection.execute(
            "SELECT avg(r.weight), min(u.weight) FROM analytics.replicate_weights(%s, 400) r"
            " JOIN analytics.sample_units u ON u.design_id = %s AND u.position = r.position",
            [design, design],
        ).fetchone()
        assert means is not None
        assert means[0] == pytest.approx(means[1], rel=0.02)


@pytest.mark.every_postgres
def test_quantiles_and_intervals(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for freedom, quantile in T_QUANTILES.items():
            found = connection.execute("SELECT analytics.t95(%s)", [freedom]).fetchone()
            assert found is not None
            assert found[0] == pytest.approx(quantile, rel=1e-3), freedom
        ask = "SELECT analytics.interval95(%s, %s, %s, %s)"
        assert connection.execute(ask, [0.999, 0.2, 3, "share"]).fetchone()[0][1] <= 1  # type: ignore[index]
        assert connection.execute(ask, [0.01, 9, 3, "positive"]).fetchone()[0][0] >= 0  # type: ignore[index]
        assert connection.execute(ask, [5, 1, 1e6, "any"]).fetchone()[0] == pytest.approx([3.04, 6.96], abs=0.001)  # type: ignore[index]


@pytest.mark.parametrize(
    "y",
    ["nothing", "title", "id", "author_id", "views) FROM scratch.users; --", "xmin", "ctid", 'views"', "projects"],
)
def test_an_unknown_column_cannot_be_estimated(database: str, y: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=5, seed=1, up_to=50))
        with pytest.raises(psycopg.errors.UndefinedColumn):
            rows(connection, design, y)
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            rows(connection, design + 1, "views")
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="each id once"):
            rows(connection, design, [1, 1], [2.0, 3.0])
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="of a project no list called loves"):
            rows(connection, design, [1], [2.0], "loves")
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="of a user no list called comments"):
            connection.execute(
                "SELECT * FROM analytics.nonresponse(%s, 'comments')", [draw_authors(connection, design)]
            )


def visit_wave(connection: psycopg.Connection[Any], design: int, views: dict[int, int], failed: Any = ()) -> None:
    """Record what a crawl finds in a wave: the projects that there are then, with so many views."""
    drawn = connection.execute(
        "SELECT entity_id FROM crawl.draws WHERE design_id = %s AND replaced_at IS NULL AND outcome IS NULL", [design]
    ).fetchall()
    for (project,) in drawn:
        if project in views and project not in failed:
            connection.execute(
                "WITH old AS (SELECT id, views FROM scratch.projects WHERE id = %(id)s), kept AS ("
                " INSERT INTO history.project_stats (project_id, valid_from, last_seen_at, valid_to, views)"
                " SELECT id, now() - interval '1 day', now() - interval '1 day', now(), views FROM old)"
                " INSERT INTO scratch.projects (id, views, public) VALUES (%(id)s, %(views)s, true)"
                " ON CONFLICT (id) DO UPDATE SET views = excluded.views",
                {"id": project, "views": views[project]},
            )
    connection.execute(
        "UPDATE crawl.frontier SET failures = 2 WHERE stream = 'project' AND entity_id = ANY(%s)", [list(failed)]
    )
    record_outcomes(
        connection, [("project", entity, entity not in views) for (entity,) in drawn if entity not in failed]
    )


def test_each_wave_has_its_own_outcomes_and_estimates(database: str) -> None:
    """Against the definition, in numpy: expansion in each wave, and the variance of a change under rotation.

    Two samples of n1 and n2 units, n12 of them in both, have the covariance M² (n12 / (n1 n2) - 1 / M) S12.
    """
    with psycopg.connect(database, autocommit=True) as connection:
        frame = 900
        design = draw_ids(connection, IdPlan(count=240, seed=1, up_to=frame, panel=True, groups=4))
        first = {project: project % 50 for project in range(1, frame + 1) if project % 3}
        # A third of the projects are deleted in between, some are new, and the others are seen more.
        second = {project: 2 * views + 1 for project, views in first.items() if project % 7 > 1}
        second |= {project: 1 for project in range(1, frame + 1) if project % 30 == 0}
        visit_wave(connection, design, first)
        start_wave(connection, design)
        before = rows(connection, design, "views", 0)
        assert [row[0] for row in rows(connection, design, "views").values()] == [None] * 3, "nothing is visited yet"
        visit_wave(connection, design, second)
        assert rows(connection, design, "views", 0) == before, "what happened since says nothing of the first wave"
        assert rows(connection, design, "views", 1) == rows(connection, design, "views")

        position: dict[int, dict[int, int]] = {0: {}, 1: {}}
        for wave, place, entity in connection.execute(
            "SELECT wave, position, entity_id FROM analytics.sample_visits WHERE design_id = %s", [design]
        ):
            position[wave][place] = entity
        assert [len(units) for units in position.values()] == [240, 240]
        both = sorted(position[0].keys() & position[1].keys())
        assert len(both) == 180
        values = {
            wave: {place: (float(entity in views), float(views.get(entity, 0))) for place, entity in units.items()}
            for (wave, units), views in zip(position.items(), (first, second), strict=True)
        }
        found = {wave: rows(connection, design, "views", wave) for wave in (0, 1)}
        change = {
            name: numbers
            for name, *numbers in connection.execute("SELECT * FROM analytics.change(%s, 'views')", [design])
        }
        size = {wave: frame * np.mean([d for d, _ in units.values()]) for wave, units in values.items()}
        ratio = {
            wave: sum(z for _, z in units.values()) / sum(d for d, _ in units.values())
            for wave, units in values.items()
        }

        def residual(figure: str, wave: int, d: float, z: float) -> float:
            if figure == "mean":
                return (z - ratio[wave] * d) / float(size[wave])
            return d if figure == "size" else z

        for figure in ("size", "total", "mean"):
            e = {
                wave: {place: residual(figure, wave, *one) for place, one in units.items()}
                for wave, units in values.items()
            }
            spread = {wave: float(np.var(list(units.values()), ddof=1)) for wave, units in e.items()}
            truth = {
                wave: ratio[wave] if figure == "mean" else frame * np.mean(list(e[wave].values())) for wave in (0, 1)
            }
            for wave in (0, 1):
                error = frame * sqrt((1 - 240 / frame) * spread[wave] / 240)
                assert found[wave][figure][:2] == pytest.approx((truth[wave], error))
            correlation = np.corrcoef([e[0][place] for place in both], [e[1][place] for place in both])[0, 1]
            shared = frame**2 * (180 / 240**2 - 1 / frame) * correlation * sqrt(spread[0] * spread[1])
            error = sqrt(found[0][figure][1] ** 2 + found[1][figure][1] ** 2 - 2 * shared)
            assert change[figure][:4] == pytest.approx((truth[0], truth[1], truth[1] - truth[0], error))
            assert change[figure][4] < change[figure][2] < change[figure][5]
            assert change[figure][6:] == [180, None]
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="has no wave 2"):
            rows(connection, design, "views", 2)
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="does not come before"):
            connection.execute("SELECT * FROM analytics.change(%s, 'views', 1, 1)", [design])
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is not kept"):
            rows(connection, design, "comments", 0)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is not kept"):
            connection.execute("SELECT * FROM analytics.change(%s, 'comments')", [design])
        connection.execute("SET ROLE harvester_reader")
        assert rows(connection, design, "views", 0) == before
        assert connection.execute("SELECT count(*) FROM analytics.change(%s, 'views')", [design]).fetchone() == (3,)


def test_a_change_without_two_units_that_differ_has_no_interval(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=30, seed=1, up_to=300, panel=True))
        store(connection, design, {})
        start_wave(connection, design)
        store(connection, design, {})
        found = connection.execute(
            "SELECT figure, low, high, note FROM analytics.change(%s, 'views')", [design]
        ).fetchall()
        assert [each[:3] for each in found] == [(figure, None, None) for figure in ("size", "total", "mean")]
        assert all("fewer than two units differ" in note for *_, note in found)


def test_a_change_that_rests_on_a_few_has_no_interval(database: str) -> None:
    """Of 60 units three in four come to have a view more, and one ten thousand."""
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=60, seed=1, up_to=600, panel=True))
        drawn = [entity for (entity,) in connection.execute("SELECT entity_id FROM crawl.draws ORDER BY position")]
        first = {entity: n % 5 for n, entity in enumerate(drawn)}
        ask = "SELECT low, high, note FROM analytics.change(%s, 0, 1, %s, %s, %s, %s) WHERE figure IN ('total', 'mean')"
        visit_wave(connection, design, first)
        start_wave(connection, design)
        visit_wave(connection, design, first)
        was = [float(views) for views in first.values()]
        even = [views + (n % 4 > 0) for n, views in enumerate(was)]
        for low, high, note in connection.execute(ask, [design, drawn, was, drawn, even]):
            assert low < high
            assert note is None
        for low, high, note in connection.execute(ask, [design, drawn, was, drawn, [10_000.0, *even[1:]]]):
            assert (low, high) == (None, None)
            assert note.endswith(
                "no interval: a few make most of the change, and others like them may not have been drawn"
            )


def test_a_panel_is_for_waves_and_nothing_else_is(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        uniform = draw_ids(connection, IdPlan(count=5, seed=1, up_to=50))
        panel = draw_ids(connection, IdPlan(count=5, seed=1, up_to=50, panel=True))
        with pytest.raises(UsageError, match="is no panel"):
            start_wave(connection, uniform)
        with pytest.raises(UsageError, match="is a panel"):
            draw_authors(connection, panel)
        with pytest.raises(UsageError, match="is a panel"):
            draw_walks(connection, WalkPlan(parent=panel, steps=5, walks=2, burn_in=0, seed=1))
        with pytest.raises(UsageError, match="whole frame"):
            draw_ids(connection, IdPlan(count=5, seed=1, up_to=50, panel=True, strata="5"))


def test_a_failed_or_waiting_wave_is_not_the_wave_before(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=60, seed=1, up_to=600, panel=True))
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has one wave"):
            connection.execute("SELECT * FROM analytics.change(%s, 'views')", [design])
        there = {project: 1 for project in range(1, 601) if project % 2}
        drawn = [
            entity for (entity,) in connection.execute("SELECT entity_id FROM crawl.draws ORDER BY position").fetchall()
        ]
        visit_wave(connection, design, there, failed=set(drawn[5:10]))
        start_wave(connection, design)
        waves = "SELECT wave, visit, count(*) FROM analytics.sample_visits GROUP BY 1, 2 ORDER BY 1, 2"
        assert connection.execute(waves).fetchall() == [(0, "failed", 5), (0, "visited", 55), (1, "waiting", 60)]
        assert rows(connection, design, "views", 0)["size"][7] == 5
        due = connection.execute(
            "SELECT entity_id FROM crawl.frontier WHERE stream = 'project' AND due_at <= now() ORDER BY due_at"
        ).fetchall()
        assert [entity for (entity,) in due] == drawn, "a panel that does not rotate keeps its units and their order"
        record_outcomes(connection, [("project", entity, entity not in there) for entity in drawn[:20]])
        assert rows(connection, design, "views", 1)["size"][5:7] == [20, 60]
        ((change, overlap, note),) = connection.execute(
            "SELECT change, overlap, note FROM analytics.change(%s, 'views') WHERE figure = 'size'", [design]
        ).fetchall()
        one, other = (rows(connection, design, "views", wave)["size"] for wave in (0, 1))
        assert (change, overlap) == (pytest.approx(other[0] - one[0]), 20)
        assert "wave 1: the first 20 of 60 draws" in note
        with pytest.raises(UsageError, match="is a panel"):
            draw_authors(connection, design)


def test_lists_of_a_wave_are_read_in_it(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        design = draw_ids(connection, IdPlan(count=40, seed=1, up_to=400, panel=True, depth=0))
        there = dict.fromkeys(range(1, 401), 1)
        visit_wave(connection, design, there)
        read = (
            "INSERT INTO crawl.frontier (stream, entity_id, due_at, visits, visited_at, certificate)"
            " SELECT 'project_comments', entity_id, now() + interval '1 day', 1, now(), '{\"complete\": true}'"
            " FROM crawl.draws ON CONFLICT (stream, entity_id) DO UPDATE SET visited_at = now()"
        )
        connection.execute(read)
        assert rows(connection, design, "comments")["size"][0] == 400
        start_wave(connection, design)
        visit_wave(connection, design, there)
        lists = "SELECT count(*) FROM crawl.frontier WHERE stream = 'project_comments' AND due_at <= now()"
        assert connection.execute(lists).fetchone() == (40,)
        assert rows(connection, design, "comments")["size"][0] is None, "what was read a wave ago"
        connection.execute(read)
        assert rows(connection, design, "comments")["size"][0] == 400
