"""The index behind explore and search, which answers with an earlier state of a project or studio.

It holds counters, dates and the version of the texts. Projects that are no longer shared and studios that are no longer
open are left out; authors and parents are the present ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.sandbox import chance
from harvester.sandbox.tables import ProjectEntry, StudioEntry

if TYPE_CHECKING:
    from harvester.sandbox.community_state import CommunityState

UNKNOWN = 0.03
"""Share of projects and studios that it does not know yet."""
UP_TO_DATE = 0.6
"""Share from which on the index is up to date."""


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
