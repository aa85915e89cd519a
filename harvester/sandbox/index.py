"""The index behind explore and search: it answers with what it saw of a thing some time ago, and learns slowly.

It holds counters, dates and the version of the texts of a project or studio. What is not shared or open any more it
leaves out; who made a thing, and what a remix is made of, it knows as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.sandbox import chance
from harvester.sandbox.tables import ProjectEntry, StudioEntry

if TYPE_CHECKING:
    from harvester.sandbox.community_state import CommunityState

UNKNOWN = 0.03
"""Share of things that it does not know yet."""
UP_TO_DATE = 0.6
"""Share of things from which on it is right."""


def read_project(community: CommunityState, row: int, share: float = 1.0) -> None:
    """Take a project in as it is, or as it was when it had this share of what it has now."""
    projects = community.projects
    counters = (projects.views[row], projects.loves[row], len(community.favoriters.get(row, ())))
    modified = projects.modified[row] if share >= 1 else projects.shared_at[row]
    views, loves, favorites = (int(number * share) for number in counters)
    community.index.projects[row] = ProjectEntry(
        views, loves, favorites, projects.version[row], modified, projects.shared_at[row]
    )


def read_studio(community: CommunityState, row: int, share: float = 1.0) -> None:
    """Take a studio in as it is, or as it was when it had this share of its followers."""
    studios = community.studios
    modified = studios.modified[row] if share >= 1 else studios.created[row]
    community.index.studios[row] = StudioEntry(int(studios.followers[row] * share), studios.version[row], modified)


def fill(community: CommunityState) -> None:
    """Index the community as it begins: most of it lags, a little is unknown."""
    salt = chance.salt(community.seed, "index")
    for ids, read in ((community.projects.id, read_project), (community.studios.id, read_studio)):
        for row, number in enumerate(ids):
            share = chance.share(number, salt)
            if share >= UNKNOWN:
                read(community, row, 1.0 if share >= UP_TO_DATE else share)
