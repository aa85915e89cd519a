"""Count the situations in a community that can make a harvest wrong, which a comparison with the truth must cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.sandbox import odd
from harvester.sandbox.clock import NOW

if TYPE_CHECKING:
    from harvester.sandbox.community import Community


def kinds(community: Community) -> dict[str, int]:
    """Return counts of what is there now.

    `names_reused`: accounts a former name of which is somebody else's. `erased`: accounts erased under the GDPR since
    the community began. `nulls`: values of live users, shared projects and open studios that were cleared, of them
    `null_hosts` of studios. `odd`: comments and events that cannot be used or only once they are repaired.
    `index_lags`: shared projects of which the index has other counters or texts than their page.
    """
    users, projects, studios = community.users, community.projects, community.studios
    names = community.users.by_name
    nulls = [
        *(field for row, field in users.nulls if row not in users.gone),
        *(field for row, field in projects.nulls if projects.is_shared[row]),
        *(field for row, field in studios.nulls if studios.is_open[row]),
    ]
    return {
        "names_reused": sum(
            any(names.get(name.lower(), row) != row for _, name in earlier) for row, earlier in users.earlier.items()
        ),
        "erased": sum(at > NOW for at in users.erased.values()),
        "nulls": len(nulls),
        "null_hosts": nulls.count("host"),
        "odd": _odd(community),
        "index_lags": sum(
            entry[:4]
            != (projects.views[row], projects.loves[row], len(community.favoriters.get(row, ())), projects.version[row])
            for row, entry in community.index.projects.items()
            if projects.is_shared[row]
        ),
    }


def _odd(community: Community) -> int:
    found = 0
    for kind in ("project", "studio", "profile"):
        comments = community.comments(kind)
        found += sum(
            odd.of_comment(community, comments, row) is not None
            for row in range(len(comments))
            if not comments.is_deleted[row] and community.owner_is_public(kind, comments.owner[row])
        )
    return found + sum(
        odd.is_lost_event(community, event)
        for studio, events in community.activity.items()
        if community.studios.is_open[studio]
        for event in events
    )
