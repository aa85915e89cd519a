"""A population that is known whole: the truth of a made-up community of 2,000 users, as rows of a warehouse.

Ids are moved together: as many numbers as the site has for each project that one can see, so that a draw of some
thousand ids has hits. Order and everything else stay as they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from harvester.crawl.drawing import chance
from harvester.crawl.sampling import Graph
from harvester.sandbox.community import Community
from harvester.sandbox.truth import truth
from harvester.warehouse.outcomes import note_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDS_PER_PROJECT = 6.4
USERS = 2000


@dataclass
class Population:
    """The warehouse that holds it, and what is true of it."""

    connection: psycopg.Connection[Any]
    last_id: int
    projects: list[int]
    comments: Counter[int]
    """By project."""
    loved: set[int]
    """Projects that somebody loves."""
    unseen: set[int]
    """Projects that are not shared."""
    authors: Counter[int]
    """Projects by author."""
    american: set[int]
    """Users who say that they live there."""
    within_reach: set[int]
    """Users that a walk on follows can come to."""
    graph: Graph
    """What walks remember from one draw to the next: it never changes."""

    def visit(self, design: int, part: float = 1.0, failing: Callable[[int], float] = lambda _: 0.0) -> None:
        """Record what a crawl would find of the ids that are drawn, as a crawl records it.

        Args:
            design: The design.
            part: The share of the draws that are visited, in the order in which they are due.
            failing: How likely the visit of an id is to fail again and again.
        """
        held = set(self.projects)
        drawn = self.connection.execute(
            "SELECT d.entity_id FROM crawl.draws d"
            " JOIN crawl.walks w ON w.stream = 'project' AND w.entity_id = d.entity_id"
            " WHERE d.design_id = %s AND d.outcome IS NULL AND d.replaced_at IS NULL ORDER BY w.due_at",
            [design],
        ).fetchall()
        visited = [entity for (entity,) in drawn[: int(part * len(drawn))]]
        failed = [entity for entity in visited if chance("fails", design, entity) < failing(entity)]
        self.connection.execute(
            "UPDATE crawl.walks SET failures = 3 WHERE stream = 'project' AND entity_id = ANY(%s)", [failed]
        )
        lost = set(failed)
        note_outcomes(
            self.connection, [("project", entity, entity not in held) for entity in visited if entity not in lost]
        )

    def estimates(self, design: int, values: dict[int, Any]) -> dict[str, Any]:
        """By figure: estimate, error, low and high."""
        rows = self.connection.execute(
            "SELECT figure, estimate, standard_error, low, high FROM analytics.estimate(%s, %s, %s)",
            [design, list(values), [float(value) for value in values.values()]],
        ).fetchall()
        return {figure: numbers for figure, *numbers in rows}


@pytest.fixture(scope="session")
def community() -> Community:
    return Community(USERS, 1)


@pytest.fixture(scope="session")
def population(embedded_server: Any, community: Community) -> Iterator[Population]:
    url = embedded_server.create(embedded_server.template())
    with psycopg.connect(url, autocommit=True) as connection:
        yield load(connection, community)
    embedded_server.drop(url)


def load(connection: psycopg.Connection[Any], community: Community) -> Population:
    shared = {row["id"]: row for row in truth(community, "projects")}
    last = int(IDS_PER_PROJECT * len(shared))
    every = sorted(community.projects.id)
    new_id = dict(zip(every, sorted(Random(1).sample(range(1, last + 1), len(every))), strict=True))
    countries = {row["id"]: row["country"] for row in truth(community, "users")}
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy("COPY scratch.users (id, username, country) FROM STDIN") as copy:
            for user, name in zip(community.users.id, community.users.name, strict=True):
                copy.write_row((user, name, countries.get(user)))
        columns = "id, author_id, title, public, visibility, comments_allowed, views, loves"
        with cursor.copy(f"COPY scratch.projects ({columns}) FROM STDIN") as copy:
            for row in shared.values():
                copy.write_row((new_id[row["id"]], *(row[name] for name in columns.split(", ")[1:])))
        with cursor.copy("COPY scratch.project_comments (id, project_id, author_id) FROM STDIN") as copy:
            comments = list(truth(community, "project_comments"))
            for row in comments:
                copy.write_row((row["id"], new_id[row["project_id"]], row["author_id"]))
        neighbours: dict[int, set[int]] = defaultdict(set)
        with cursor.copy("COPY scratch.follows (follower_id, followee_id) FROM STDIN") as copy:
            for row in truth(community, "follows"):
                copy.write_row((row["follower_id"], row["followee_id"]))
                neighbours[row["follower_id"]].add(row["followee_id"])
                neighbours[row["followee_id"]].add(row["follower_id"])
        cursor.execute(
            "INSERT INTO crawl.walks (stream, entity_id, due_at, visits, visited_at)"
            " SELECT s, id, now() + interval '1 day', 1, now() FROM scratch.users,"
            " unnest(ARRAY['user', 'user_followers', 'user_following', 'user_projects']) s"
        )
    connection.execute("ANALYZE")
    authors = Counter(row["author_id"] for row in shared.values())
    return Population(
        connection,
        last,
        [new_id[project] for project in shared],
        Counter(new_id[row["project_id"]] for row in comments),
        {new_id[row["id"]] for row in shared.values() if row["loves"]},
        {new_id[project] for project in every if project not in shared},
        authors,
        {user for user, country in countries.items() if country == "United States"},
        reach(neighbours, set(authors)),
        Graph(),
    )


def reach(neighbours: dict[int, set[int]], starts: set[int]) -> set[int]:
    """Everybody whom a walk along follows can come to from these."""
    found, due = set(starts), list(starts)
    while due:
        new = neighbours[due.pop()] - found
        found |= new
        due += new
    return found
