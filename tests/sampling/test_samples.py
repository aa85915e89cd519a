"""Samples drawn, crawled and recorded: by the command line, against the sandbox."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harvester.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def sampled_sandbox(start_sandbox: Callable[..., Any]) -> Any:
    """A community of 60 users that no test may change."""
    return start_sandbox(users=60, seed=1)


def command(harvester: Any, *arguments: str) -> Any:
    """A command that needs no process of its own, and its exit status, output and errors."""
    return CliRunner(env=harvester.env()).invoke(app, list(arguments))


def facts_of(harvester: Any, *arguments: str) -> Any:
    result = command(harvester, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def samples(harvester: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = facts_of(harvester, "seed", "sample", "list")
    return found


def drawn(harvester: Any, *options: str) -> dict[str, Any]:
    facts: dict[str, Any] = facts_of(harvester, "seed", "sample", *options)
    return facts


def narrow(sandbox: Any, projects: int) -> tuple[list[int], list[str]]:
    """Some projects that everybody can see, and a frame of which they are a part: three ids around each, and between.

    Ids are thinly spread in a small community; drawn from the whole frame hardly one in a million would be a hit.
    """
    ids = sorted(row["id"] for row in sandbox.truth("projects"))[:projects]
    edges = [edge for each in ids for edge in (each - 1, each + 2)]
    strata = ",".join(map(str, edges))
    return ids, ["--from", str(ids[0] - 50), "--up-to", str(ids[-1] + 50), "--strata", strata]


def outcomes(harvester: Any, design: int) -> dict[int, str]:
    return dict(
        harvester.query("SELECT entity_id, outcome FROM crawl.draws WHERE design_id = %s ORDER BY position", design)
    )


def test_a_sample_ends_with_the_outcomes_of_the_truth(sampled_sandbox: Any, make_harvester: Callable[..., Any]) -> None:
    harvester = make_harvester(sampled_sandbox)
    ids, frame = narrow(sampled_sandbox, 12)
    before = sampled_sandbox.requests()["total"]
    facts = drawn(harvester, "projects", "100", "--seed", "5", *frame, "--allocation", "equal")
    assert sampled_sandbox.requests()["total"] == before, "a draw sends no request"
    assert (facts["name"], facts["drawn"], facts["visited"], facts["is_complete"]) == ("stratified", 100, 0, False)
    summary = harvester.crawl()
    shared = {row["id"] for row in sampled_sandbox.truth("projects")}
    found = outcomes(harvester, facts["design_id"])
    assert {entity for entity, outcome in found.items() if outcome == "hit"} == found.keys() & shared >= set(ids)
    assert {outcome for entity, outcome in found.items() if entity not in shared} == {"not found"}
    (listed,) = samples(harvester)
    hits = len(found.keys() & shared)
    assert (listed["visited"], listed["hits"], listed["misses"]) == (100, hits, 100 - hits)
    assert listed["is_complete"]
    # One request for each id, the hits' lists are left alone; and what the site says of itself.
    site = harvester.query("SELECT count(*) FROM crawl.frontier WHERE stream IN ('news', 'project_count')")[0][0]
    of_site = 3 * site  # news has several pages at most
    assert 100 < summary["requests"] <= 100 + of_site
    assert harvester.query("SELECT DISTINCT stream FROM crawl.frontier WHERE entity_id > 0") == [("project",)]
    assert facts_of(harvester, "status")["samples"][0]["hits"] == hits

    # The narrow parts were drawn whole, and the estimate weighs each with its part of the frame.
    rows = harvester.query(
        "SELECT stratum, frame_size, drawn, hits, misses, min(weight), min(inclusion_probability)"
        " FROM analytics.sample_units WHERE design_id = %s GROUP BY 1, 2, 3, 4, 5",
        facts["design_id"],
    )
    assert len(rows) == 25
    assert all(weight == pytest.approx(size / n) and chance == n / size for _, size, n, _, _, weight, chance in rows)
    assert sum(hit for _, _, _, hit, _, _, _ in rows) == hits
    ((figure, size, error),) = harvester.query(
        "SELECT figure, estimate, standard_error FROM analytics.estimate(%s, 'views') WHERE figure = 'size'",
        facts["design_id"],
    )
    assert (figure, size, error) == ("size", hits, 0), "every hit stands in a part that was drawn whole"

    # Deeper later: the lists of the same hits, and the misses once more.
    again = drawn(harvester, "projects", "100", "--seed", "5", *frame, "--allocation", "equal", "--clusters")
    harvester.crawl()
    assert outcomes(harvester, again["design_id"]) == found
    comments = [row for row in sampled_sandbox.truth("project_comments") if row["project_id"] in found]
    assert {row["id"] for row in comments} == {
        comment for (comment,) in harvester.query("SELECT id FROM scratch.project_comments WHERE gone_at IS NULL")
    }
    ((total, error),) = harvester.query(
        "SELECT estimate, standard_error FROM analytics.estimate(%s, 'comments') WHERE figure = 'total'",
        again["design_id"],
    )
    assert (total, error) == (len(comments), 0)


def test_authors_and_random_walks_go_on_with_the_crawl(
    sampled_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Any
) -> None:
    harvester = make_harvester(sampled_sandbox, HARVESTER_HOME=str(tmp_path / "home"))
    _, frame = narrow(sampled_sandbox, 12)
    parent = drawn(harvester, "projects", "75", "--seed", "5", *frame, "--allocation", "equal")["design_id"]
    authors = drawn(harvester, "authors", str(parent))["design_id"]
    walk = drawn(
        harvester, "random-walk", str(parent), "--steps", "6", "--walks", "4", "--burn-in", "2", "--restart", "0.5",
        "--seed", "3",
    )["design_id"]  # fmt: skip
    assert [one["is_complete"] for one in samples(harvester)] == [False, False, False]
    harvester.crawl("--max-requests", "90")
    harvester.crawl()
    assert [one["is_complete"] for one in samples(harvester)] == [True, True, True]

    projects = {row["id"]: row["author_id"] for row in sampled_sandbox.truth("projects")}
    sampled = {each: projects[each] for each, outcome in outcomes(harvester, parent).items() if outcome == "hit"}
    frame_end = max(sampled) + 50
    rows = harvester.query(
        "SELECT cluster_id, entity_id, measure, weight FROM crawl.draws WHERE design_id = %s", authors
    )
    assert {project: author for project, author, _, _ in rows} == sampled
    in_frame = Counter(of for each, of in projects.items() if min(sampled) - 50 <= each <= frame_end)
    for _, author, own, weight in rows:
        true = in_frame[author]
        assert own == true
        assert weight == pytest.approx(1 / true), "each hit stands for itself"

    neighbours: dict[int, set[int]] = {}
    for row in sampled_sandbox.truth("follows"):
        neighbours.setdefault(row["follower_id"], set()).add(row["followee_id"])
        neighbours.setdefault(row["followee_id"], set()).add(row["follower_id"])
    steps = harvester.query(
        "SELECT cluster_id, entity_id, outcome, measure, weight FROM crawl.draws"
        " WHERE design_id = %s ORDER BY position",
        walk,
    )
    assert len(steps) == 4 * 8
    assert [outcome for _, _, outcome, _, _ in steps[:8]] == ["burn-in"] * 2 + ["hit"] * 6
    for (number, user, outcome, measure, weight), after in zip(steps, [*steps[1:], None], strict=True):
        own = sum(author == user for author in projects.values())
        assert measure == len(neighbours.get(user, ())) + 0.5 * own
        assert weight == (1 / measure if outcome == "hit" else None)
        if after is not None and after[0] == number:
            assert after[1] in neighbours.get(user, set()) | set(sampled.values())
    assert harvester.query("SELECT count(*) FROM analytics.estimate(%s, 'scratch_team')", walk) == [(1,)]

    # A dataset says of each row how it was drawn, of one sample alone.
    rows_of = {}
    for name, options in {"newest": (), "authors": ("--design", str(authors))}.items():
        folder = tmp_path / name
        done = command(
            harvester, "dataset", "build", str(folder), "--profile", "internal", "--i-am-allowed",
            "--format", "parquet", *options,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        for table in ("users", "projects"):
            rows_of[name, table] = [
                row for row in pq.read_table(folder / f"data/{table}.parquet").to_pylist() if row["design_id"]
            ]
    for name in ("newest", "authors"):
        assert {row["id"]: row["design_id"] for row in rows_of[name, "projects"]} == dict.fromkeys(sampled, parent)
        ((size,),) = harvester.query(
            "SELECT estimate FROM analytics.estimate(%s, 'views') WHERE figure = 'size'", parent
        )
        assert sum(row["weight"] for row in rows_of[name, "projects"]) == pytest.approx(size)
    times = Counter(sampled.values())
    assert {row["id"]: row["weight"] for row in rows_of["authors", "users"]} == {
        author: pytest.approx(n / in_frame[author]) for author, n in times.items()
    }
    met_by_steps = {user for _, user, outcome, _, _ in steps if outcome == "hit"}
    assert {row["id"] for row in rows_of["newest", "users"]} == met_by_steps
    assert {row["design_id"] for row in rows_of["newest", "users"]} == {walk}
    refused = command(harvester, "dataset", "build", str(tmp_path / "no"), "--design", "99")
    assert (refused.exit_code, "no such design" in refused.stderr) == (2, True)
    # Nothing beyond: those who were met by the way are not walked.
    met = {user for _, user, _, _, _ in steps} | set(sampled.values())
    walked = harvester.query("SELECT DISTINCT entity_id FROM crawl.frontier WHERE stream = 'user'")
    assert {user for (user,) in walked} == met


def test_a_panel_rotates(database: str, make_harvester: Callable[..., Any], sampled_sandbox: Any) -> None:
    harvester = make_harvester(sampled_sandbox)
    panel = str(drawn(harvester, "panel", "120", "--rotate", "1/12", "--up-to", "5000", "--seed", "2")["design_id"])
    first = outcomes(harvester, int(panel))
    for wave in range(1, 13):
        facts = facts_of(harvester, "seed", "sample", "wave", panel)
        assert (facts["drawn"], facts["replaced"]) == (120, 10 * wave)
    kept = harvester.query("SELECT entity_id FROM crawl.draws WHERE replaced_at IS NULL")
    assert not {entity for (entity,) in kept} & first.keys()
    assert len(harvester.query("SELECT DISTINCT entity_id FROM crawl.draws")) == 240
    # Newer ids are drawn as densely as the first ones, once the frame is that of what is known.
    harvester.query("INSERT INTO scratch.projects (id) VALUES (1000) RETURNING id")
    panel = str(drawn(harvester, "panel", "100", "--rotate", "1/2")["design_id"])
    harvester.query("INSERT INTO scratch.projects (id) VALUES (1500) RETURNING id")
    facts_of(harvester, "seed", "sample", "wave", panel)
    assert harvester.query(
        "SELECT stratum, first_id, last_id, drawn FROM analytics.sample_strata WHERE design_id = %s ORDER BY 2",
        int(panel),
    ) == [("all", 1, 1000, 100), ("wave 1", 1001, 1500, 50)]


def test_a_wave_is_estimated_at_its_own_time(
    start_sandbox: Callable[..., Any], make_harvester: Callable[..., Any]
) -> None:
    """Panels of ten ids around a project each: after deaths the first wave tells of then, the second of now."""
    sandbox, twin = start_sandbox(users=60, seed=3), start_sandbox(users=60, seed=3)
    harvester = make_harvester(sandbox)
    known = sorted(row["id"] for row in sandbox.truth("projects"))
    twin.json("/sandbox/churn?events=1500", "POST")
    left = {row["id"] for row in twin.truth("projects")}
    ids = [each for each in known if each not in left][:2] + [each for each in known if each in left][:2]
    panels = {}
    for each in ids:
        frame = ("--from", str(each - 4), "--up-to", str(each + 5), "--seed", "1")
        panels[drawn(harvester, "panel", "10", *frame)["design_id"]] = range(each - 4, each + 6)

    def sizes(wave: int) -> dict[int, float]:
        return {
            panel: harvester.query(
                "SELECT estimate FROM analytics.estimate(%s, 'views', %s) WHERE figure = 'size'", panel, wave
            )[0][0]
            for panel in panels
        }

    def true() -> dict[int, float]:
        shared = [row["id"] for row in sandbox.truth("projects")]
        return {panel: sum(project in frame for project in shared) for panel, frame in panels.items()}

    harvester.crawl()
    before = true()
    assert sizes(0) == before
    sandbox.json("/sandbox/churn?events=1500", "POST")
    after = true()
    assert any(after[panel] < before[panel] for panel in panels), "some die"
    for panel in panels:
        facts = facts_of(harvester, "seed", "sample", "wave", str(panel))
        assert (facts["wave"], facts["drawn"], facts["visited"]) == (1, 10, 0)
    harvester.crawl()
    assert (sizes(0), sizes(1)) == (before, after)
    assert harvester.query(
        "SELECT sum(change) FROM unnest(%s::bigint[]) p, LATERAL analytics.change(p, 'views') WHERE figure = 'size'",
        list(panels),
    ) == [(sum(after.values()) - sum(before.values()),)]


def test_the_same_seed_draws_the_same(make_harvester: Callable[..., Any], sampled_sandbox: Any) -> None:
    harvester = make_harvester(sampled_sandbox)
    refused = command(harvester, "seed", "sample", "projects", "10")
    assert refused.exit_code == 2
    assert "--up-to" in refused.stderr
    one, two, longer, other = (
        list(outcomes(harvester, drawn(harvester, *options, "--up-to", "1330000000")["design_id"]))
        for options in (
            ("projects", "50", "--seed", "7"),
            ("projects", "50", "--seed", "7"),
            ("projects", "80", "--seed", "7"),
            ("projects", "50", "--seed", "8"),
        )
    )
    assert one == two == longer[:50] != other
    assert len(set(one)) == 50
    # For all time: whoever has the seed finds the sample again.
    assert one[:3] == FIRST_OF_SEED_7
    years = drawn(harvester, "projects", "100", "--strata", "by-year", "--up-to", "1330000000", "--seed", "1")
    strata = harvester.query(
        "SELECT stratum, first_id, last_id FROM crawl.strata WHERE design_id = %s ORDER BY 1", years["design_id"]
    )
    assert [name for name, _, _ in strata] == [str(year) for year in range(2007, 2027)]
    assert strata[0][1] == 1
    assert strata[-1][2] == 1_330_000_000
    assert all(one[2] + 1 == other[1] for one, other in pairwise(strata))
    studios = drawn(harvester, "studios", "20", "--up-to", "51700000")
    assert (studios["kind"], studios["drawn"]) == ("studio", 20)


FIRST_OF_SEED_7 = [1_237_038_594, 771_084_643, 433_266_344]

WRONG = [
    (("projects", "0"), "between 1 and"),
    (("projects",), "Missing argument"),
    (("projects", "5", "--up-to", "3"), "5 draws from 3 ids"),
    (("projects", "5", "--from", "9", "--up-to", "3"), "before it begins"),
    (("projects", "50", "--up-to", "900", "--strata", "x,y"), "by-year"),
    (("projects", "50", "--up-to", "900", "--strata", "500,400"), "ascending"),
    (("projects", "50", "--up-to", "900", "--strata", "26"), "at least 2 each"),
    (("projects", "50", "--up-to", "900", "--strata", "5", "--allocation", "optimal"), "'equal'"),
    (("projects", "50", "--up-to", "900", "--strata", "5", "--allocation", "neyman"), "--pilot"),
    (("projects", "50", "--up-to", "900", "--strata", "5", "--allocation", "neyman", "--pilot", "9"), "no design 9"),
    (("authors", "9"), "no design 9"),
    (("random-walk", "9"), "--steps"),
    (("random-walk", "9", "--steps", "5"), "no design 9"),
    (("panel", "50", "--up-to", "900", "--rotate", "2/3"), "1/12"),
    (("projects", "50", "--up-to", "900", "--rotate", "1/3"), "No such option"),
]


def test_an_impossible_draw_is_refused(make_harvester: Callable[..., Any], sampled_sandbox: Any) -> None:
    harvester = make_harvester(sampled_sandbox)
    for options, said in WRONG:
        result = command(harvester, "seed", "sample", *options)
        assert result.exit_code == 2, (options, result.output)
        assert said in result.stderr, (options, result.stderr)
        assert len(result.stderr.splitlines()) == 1
    assert command(harvester, "seed", "sample", "wave", "1").exit_code == 2
    assert harvester.query("SELECT count(*) FROM crawl.designs") == [(0,)]


def test_an_erased_account_counts_as_a_miss(
    sampled_sandbox: Any, make_harvester: Callable[..., Any], tmp_path: Any
) -> None:
    harvester = make_harvester(sampled_sandbox, HARVESTER_HOME=str(tmp_path))
    ids, frame = narrow(sampled_sandbox, 4)
    options = ("projects", "36", "--seed", "5", *frame, "--allocation", "equal")
    design = drawn(harvester, *options)["design_id"]
    authors = drawn(harvester, "authors", str(design))["design_id"]
    around = ("--from", str(ids[0] - 2), "--up-to", str(ids[0] + 3), "--seed", "1")
    panel = drawn(harvester, "panel", "6", *around)["design_id"]
    harvester.crawl()
    facts_of(harvester, "seed", "sample", "wave", str(panel))
    ((project, user, name),) = harvester.query(
        "SELECT p.id, u.id, u.username FROM scratch.projects p JOIN scratch.users u ON u.id = p.author_id"
        " WHERE p.id = %s",
        ids[0],
    )
    assert outcomes(harvester, design)[project] == "hit"
    assert user in outcomes(harvester, authors)
    assert command(harvester, "erase", "user", name, "--yes").exit_code == 0
    assert outcomes(harvester, design)[project] == "not found"
    assert user not in outcomes(harvester, authors)
    assert len(outcomes(harvester, design)) == 36, "a gap would tell who is missing"
    waves = "SELECT DISTINCT outcome FROM analytics.sample_visits WHERE design_id = %s AND entity_id = %s"
    assert harvester.query(waves, panel, project) == [("not found",)]
    facts_of(harvester, "seed", "sample", "wave", str(panel))
    assert harvester.query(waves, panel, project) == [("not found",)]
    # Drawn again it is a miss from the start, and nobody asks for it.
    again = drawn(harvester, *options)["design_id"]
    assert outcomes(harvester, again)[project] == "not found"
    assert harvester.query("SELECT count(*) FROM crawl.frontier WHERE entity_id = %s", project) == [(0,)]
