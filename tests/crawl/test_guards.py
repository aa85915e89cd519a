"""A comparison with the truth finds what each guard is there for: without it the warehouse is wrong.

One community is harvested once and changes; each test goes on from a copy of the warehouse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from unguarded import without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Scene:
    """The community as it is now, and its warehouses by what was done to them."""

    sandbox: Any
    server: Any
    harvester_of: Callable[[str, Any], Any]
    stages: dict[str, Any] = field(default_factory=dict)

    def copy(self, stage: str | None = None) -> Any:
        """Return a command line with a copy of the warehouse of a stage, or with an empty one."""
        template = (
            conninfo_to_dict(self.stages[stage].database)["dbname"] if stage is not None else self.server.template()
        )
        return self.harvester_of(self.server.create(template), self.sandbox)


@pytest.fixture(scope="module")
def scene(
    start_sandbox: Callable[..., Any], embedded_server: Any, harvester_of: Callable[[str, Any], Any]
) -> Iterator[Scene]:
    """Stages: `before` the changes, `seeded` after them with who is new in scope, `right` when all was read again."""
    sandbox = start_sandbox(users=12, seed=6, odd=0.05)
    scene = Scene(sandbox, embedded_server, harvester_of)
    scene.stages["before"] = before = scene.copy()
    before.seed_all(sandbox)
    before("seed", "explore", "--pages", "1")
    before.crawl()
    sandbox.live(150)
    scene.stages["seeded"] = seeded = scene.copy("before")
    seeded.seed_all(sandbox)
    scene.stages["right"] = right = scene.copy("seeded")
    right.crawl("--audit")
    right.crawl("--refresh", "--spider", "discovery")  # the index has the last word, and no say
    yield scene
    for one in scene.stages.values():
        embedded_server.drop(one.database)


@pytest.fixture
def copy_of(scene: Scene) -> Iterator[Callable[[str], Any]]:
    made: list[Any] = []

    def copy(stage: str) -> Any:
        made.append(scene.copy(stage))
        return made[-1]

    yield copy
    for one in made:
        scene.server.drop(one.database)


def in_trouble(harvester: Any, sandbox: Any) -> str:
    """A crawl while the site finds nothing of what there is; returns its outcome."""
    sandbox.json("/sandbox/settings?everything=404", "POST")
    summary = json.loads(harvester("crawl", "--refresh", "--json", ok=False).stdout)
    sandbox.json("/sandbox/settings?everything=0", "POST")
    return str(summary["outcome"])


def test_with_its_guards_the_warehouse_is_right(
    scene: Scene,
    copy_of: Callable[[str], Any],
    assert_truth: Callable[..., Any],
    assert_kinds: Callable[..., None],
) -> None:
    harvester = copy_of("right")
    assert_truth(harvester, scene.sandbox, grown=True)
    assert_kinds(harvester, scene.sandbox)
    assert in_trouble(harvester, scene.sandbox) == "degraded"
    assert_truth(harvester, scene.sandbox, grown=True)


WRONG = {
    "nulls": ("seeded", ["--audit"], r"(users|projects|studios): \d+ differ"),
    "items": ("seeded", ["--audit"], r"(comments|activity|follows|favorites): \d+ of \d+ missing"),
    "index": ("right", ["--refresh", "--spider", "discovery"], r"(projects|studios): \d+ differ"),
}
"""By guard: what is crawled without it, from which stage on, and how the comparison fails."""


@pytest.mark.parametrize("guard", WRONG)
def test_without_a_guard_it_is_wrong(
    guard: str, scene: Scene, copy_of: Callable[[str], Any], assert_truth: Callable[..., Any]
) -> None:
    stage, crawl, wrong = WRONG[guard]
    unguarded = without(guard, copy_of(stage))
    unguarded("crawl", *crawl, ok=False)
    with pytest.raises(AssertionError, match=wrong):
        assert_truth(unguarded, scene.sandbox, grown=True)


def test_an_erased_account_is_told_from_others(
    scene: Scene, copy_of: Callable[[str], Any], compare: Callable[..., Any]
) -> None:
    """Without the guard it is there, with another name and date."""
    erased = {(row["id"],): row["username"] for row in scene.sandbox.truth("erased_users")}
    assert erased
    assert not compare(scene.stages["seeded"], scene.sandbox)["users"].extra & erased.keys()
    unguarded = without("erasures", copy_of("before"))
    unguarded("seed", "users", *erased.values())
    assert compare(unguarded, scene.sandbox)["users"].extra >= erased.keys()


def test_without_the_control_everybody_is_gone(
    scene: Scene, copy_of: Callable[[str], Any], assert_truth: Callable[..., Any]
) -> None:
    unguarded = without("absences", copy_of("right"))
    in_trouble(unguarded, scene.sandbox)
    with pytest.raises(AssertionError, match=r"\d+ of \d+ missing"):
        assert_truth(unguarded, scene.sandbox, grown=True)
