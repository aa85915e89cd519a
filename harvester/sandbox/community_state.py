"""The tables, lists and counters of a synthetic community, and the questions that they answer."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from harvester.sandbox import chance
from harvester.sandbox.clock import NOW
from harvester.sandbox.details import Countries
from harvester.sandbox.news import News
from harvester.sandbox.tables import Comments, Index, Lists, Projects, Studios, Users

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.sandbox.tables import Event, UserEvent


class CommunityState:
    """The state that a community is filled into and that churn changes; empty at first.

    Args:
        seed: Seed of every random draw, from 0.
        odd: Share of items that are odd (see `odd`), from 0 to 1.
    """

    def __init__(self, seed: int, odd: float) -> None:
        self.seed = seed
        self.odd = odd  # the share of items that are odd, see `odd`
        self.now = NOW
        self.token_series = 0  # tokens of an earlier one are refused
        self.stale_tokens = 0  # so many answers about projects still hold a token that has expired
        self.lost_events = 0.0  # the share of events that no activity, of a studio or a user, shows
        self.huge_project = 0  # the project whose source is too large
        self.quiet_edits: Counter[int] = Counter()  # project -> edits of its source that nothing else shows
        self.changes = 0  # events so far: what was computed before is stale after one
        self.countries = Countries.load()
        self.users = Users(seed)
        self.projects = Projects(seed)
        self.studios = Studios(seed)
        self.project_comments: Comments = Comments(seed, "project")
        self.studio_comments: Comments = Comments(seed, "studio")
        self.profile_comments: Comments = Comments(seed, "profile")
        self.activity: dict[int, list[Event]] = {}  # studio -> events, oldest first
        self.user_activity: dict[int, list[UserEvent]] = {}  # user -> events, oldest first
        self.event_numbers: Counter[str] = Counter()  # type -> the last number that was given out
        # Newest entries last; served from the end.
        self.shared: Lists = {}  # user -> shared projects, by shared date
        self.favorites: Lists = {}  # user -> projects, unshared ones too
        self.favoriters: Lists = {}  # project -> users
        self.followers: Lists = {}
        self.following: Lists = {}
        self.studio_projects: Lists = {}  # studio -> projects, unshared ones too
        self.studio_adders: Lists = {}  # studio -> who added each of them
        self.project_studios: Lists = {}  # project -> studios, closed ones too
        self.managers: Lists = {}  # studio -> managers but the host
        self.curators: Lists = {}
        # Oldest entries first; served from the start.
        self.member_studios: Lists = {}  # user -> studios hosted, managed or curated, closed ones too
        self.remixes: Lists = {}  # project -> direct remixes by id, unshared ones too
        self.removed: list[tuple[str | int, ...]] = []  # (table, key...) of every row of the truth that went
        self.random = Random(f"{seed} churn")
        self._none_is_missing = chance.salt(seed, "none is 404")
        self._deleted_is_null = chance.salt(seed, "deleted is null")
        self.news = News(seed)
        self.index = Index()

    def comments(self, kind: str) -> Comments:
        """Return the comments of kind `project`, `studio` or `profile`."""
        return {"project": self.project_comments, "studio": self.studio_comments}.get(kind, self.profile_comments)

    def owner_is_public(self, kind: str, owner: int) -> bool:
        """Return whether the project, studio or profile that comments stand on is public."""
        if kind == "profile":
            return owner not in self.users.gone
        return bool(self.projects.is_shared[owner] if kind == "project" else self.studios.is_open[owner])

    def visible_projects(self, rows: Sequence[int]) -> list[int]:
        """Return those of the projects that are shared, in the same order."""
        is_shared = self.projects.is_shared
        return [row for row in rows if is_shared[row]]

    def visible_studios(self, rows: Sequence[int]) -> list[int]:
        """Return those of the studios that are open, in the same order."""
        is_open = self.studios.is_open
        return [row for row in rows if is_open[row]]

    def remix_count(self, project: int) -> int:
        """Return the true number of visible direct remixes."""
        is_shared = self.projects.is_shared
        return sum([is_shared[row] for row in self.remixes.get(project, ())])

    def none_is_missing(self, entity_id: int) -> bool:
        """Return whether an empty list of this entity is answered with 404, where the API does either: 1 in 3 is."""
        return chance.share(entity_id, self._none_is_missing) < 1 / 3

    def deleted_is_null(self, comment_id: int) -> bool:
        """Return whether this comment, once deleted, is served as `null` rather than 404 (both are known)."""
        return chance.share(comment_id, self._deleted_is_null) < 0.5
