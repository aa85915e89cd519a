"""List what users did lately, as the site's profiles do: favorites, follows, shared projects, and places in studios.

Words and markup as community clients read them (scratchattach, itchy and others). It begins empty, and grows by churn.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from harvester.sandbox import text
from harvester.sandbox.tables import UserEvent

if TYPE_CHECKING:
    from harvester.sandbox.community_state import CommunityState

LOVED, FAVORITED, FOLLOWING = "loved", "favorited", "is now following"
SHARED, REMIXED = "shared the project", "remixed"
CURATOR, MANAGER, FOLLOWING_STUDIO = "became a curator of", "was promoted to manager of", "is now following the studio"
ADDED = "added"
_YEAR = 365 * 86_400
_UNITS = (("year", _YEAR), ("month", 30 * 86_400), ("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))
_ICONS = {LOVED: "love", FAVORITED: "favorite", SHARED: "project", REMIXED: "project", ADDED: "studio"}
_EVENT = """<li>
    <span class="icon-xs black {icon}"></span>
    <div>
        <span class="actor">{actor}</span>
        {words}
        {links}
        <span class="time">{ago} ago</span>
    </div>
</li>
"""


def record(community: CommunityState, user: int, words: str, target: int, other: int = -1) -> None:
    """Append an event that happens now, unless it is lost (`CommunityState.lost_events`)."""
    if community.lost_events and community.random.random() < community.lost_events:
        return
    community.user_activity.setdefault(user, []).append(UserEvent(community.now, words, target, other))


def somebody(community: CommunityState) -> int:
    """Return a user for an event that needs one for this page alone, without a draw."""
    return community.now % len(community.users)


def page(community: CommunityState, user: int, most: int) -> bytes:
    """Return up to `most` events of the last year as a fragment of HTML, newest first."""
    name = community.users.name[user]
    recent = [one for one in community.user_activity.get(user, ()) if one.created > community.now - _YEAR]
    return "".join(
        [
            '<ul class="activity-stream">\n',
            *(
                _EVENT.format(
                    icon=_ICONS.get(one.words, "follow"),
                    actor=f'<a href="/users/{name}/">{name}</a>' if one.words == ADDED else name,
                    words=one.words,
                    links=_links(community, one),
                    ago=_ago(community.now - one.created),
                )
                for one in recent[::-1][:most]
            ),
            "</ul>\n",
        ]
    ).encode()


def _links(community: CommunityState, event: UserEvent) -> str:
    if event.words == FOLLOWING:
        name = community.users.name[event.target]
        return f'<a href="/users/{name}/">{name}</a>'
    if event.words in (CURATOR, MANAGER, FOLLOWING_STUDIO):
        return _studio(community, event.target)
    project = _project(community, event.target)
    if event.words == REMIXED:
        return f"{project}\n        as\n        {_project(community, event.other)}"
    if event.words == ADDED:
        return f"{project}\n        to the studio\n        {_studio(community, event.other)}"
    return project


def _project(community: CommunityState, row: int) -> str:
    projects = community.projects
    return f'<a href="/projects/{projects.id[row]}/">{escape(text.PROJECT_TITLE.text(projects.title(row)))}</a>'


def _studio(community: CommunityState, row: int) -> str:
    studios = community.studios
    return f'<a href="/studios/{studios.id[row]}/">{escape(text.STUDIO_TITLE.text(studios.title(row)))}</a>'


def _ago(seconds: int) -> str:
    """Return a time in its largest unit and the next smaller one, with no-break spaces."""
    for place, (unit, length) in enumerate(_UNITS):
        if seconds >= length:
            parts = [(seconds // length, unit)]
            if place + 1 < len(_UNITS):
                smaller, rest = _UNITS[place + 1]
                parts.append((seconds % length // rest, smaller))
            return ", ".join(f"{count}\xa0{unit}{'s' * (count > 1)}" for count, unit in parts if count)
    return "0\xa0minutes"
