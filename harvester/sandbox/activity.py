"""Events in studios, as their activity lists them: each event with the names that its type serves.

Types and keys: scratchfoundation/scratch-www, `studio-activity.jsx` (2026).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.sandbox import text
from harvester.sandbox.clock import NOW
from harvester.sandbox.tables import Event

if TYPE_CHECKING:
    from numpy.random import Generator

    from harvester.sandbox.community_state import CommunityState

ADD, REMOVE, UPDATE = "addprojecttostudio", "removeprojectstudio", "updatestudio"
CURATOR, EXPELLED = "becomecurator", "removecuratorstudio"
MANAGER, HOST = "becomeownerstudio", "becomehoststudio"
UNKNOWN = "sparklestudio"
CROWD = 38  # events in one second at most: a cursor by date cannot pass a page of them
_FIRST_NUMBER = 1_000_000


def record(
    community: CommunityState, studio: int, type_: str, actor: int, *, project: int = -1, other: int = -1, flag: int = 0
) -> None:
    """Append an event that happens now, unless it is lost (`CommunityState.lost_events`)."""
    if community.lost_events and community.random.random() < community.lost_events:
        return
    events = community.activity.setdefault(studio, [])
    last = events[-1].created if events else 0
    crowd = sum(event.created == last for event in events[-CROWD:])
    created = max(community.now, last + (crowd >= CROWD))
    title = text.PROJECT_TITLE.text(community.projects.title(project)) if project >= 0 else None
    events.append(Event(created, _number(community, type_), type_, actor, project, other, title, flag))


def _number(community: CommunityState, type_: str) -> int:
    community.event_numbers[type_] += 1
    return _FIRST_NUMBER + community.event_numbers[type_]


def fill(community: CommunityState, rng: Generator) -> None:
    """Make the past of all studios: how they came to be as they are, with bursts that share a second."""
    studios = community.studios
    for studio in range(len(studios)):
        host = studios.host[studio]
        happened: list[tuple[str, int, int, int, int]] = []
        for project, adder in zip(
            community.studio_projects.get(studio, ()), community.studio_adders.get(studio, ()), strict=True
        ):
            happened.append((ADD, adder, project, -1, 0))
            if not project % 23:
                happened.append((REMOVE, host, project, -1, 0))
                happened.append((ADD, host, project, -1, 0))
        for user in (*community.curators.get(studio, ()), *community.managers.get(studio, ())):
            happened.append((CURATOR, user, -1, host, 0))
            if not user % 17:
                happened.append((EXPELLED, host, -1, user, 0))
                happened.append((CURATOR, user, -1, host, 0))
        happened += [(MANAGER, host, -1, user, 0) for user in community.managers.get(studio, ())]
        happened += [(UPDATE, host, -1, -1, 0)] * (studio % 3)
        if not studio % 40:
            happened.append((UNKNOWN, host, -1, -1, 1 + studio % 7))
        times = (
            studios.created[studio] + 60 + (rng.random(len(happened)) * (NOW - 7_200 - studios.created[studio])).clip(0)
        )
        events = [Event(studios.created[studio], 0, HOST, host, other=host, flag=int(studio % 50 == 0))]
        for second, (type_, actor, project, other, flag) in zip(
            _in_bursts(sorted(times.astype(int).tolist())), happened, strict=True
        ):
            events.append(Event(second, 0, type_, actor, project, other, None, flag))
        community.activity[studio] = [event._replace(number=_number(community, event.type)) for event in events]


def _in_bursts(times: list[int]) -> list[int]:
    """Put runs of events into one second: every third run of up to a dozen, and one of thirty across a page's end."""
    for start in range(0, len(times) - 80, 36):
        times[start : start + 12] = [times[start]] * 12
    if len(times) > 60:
        times[-55:-25] = [times[-55]] * 30
        times[-25:] = [max(time, times[-55] + 1) for time in times[-25:]]
    return times
