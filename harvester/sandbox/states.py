"""States of the whole server, which last until they are changed: short pages, refused offsets, nothing found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.sandbox.community import Community
    from harvester.sandbox.routes import Page

NOT_FOUND = 404
FORBIDDEN = 403
SOMEBODY_ELSE = 1
EVERYTHING = (0, SOMEBODY_ELSE, FORBIDDEN, NOT_FOUND)
_LIMIT = re.compile(r"\blimit=(\d+)")
_USER = re.compile(r"^((?:/site-api/users/all|/site-api/comments/user|/users|/accounts/checkusername)/)[^/]+")
_ID = re.compile(r"^(.*/(?:projects|studios)/)\d+")


class States:
    """States of the server that apply to every response; 0 turns a state off.

    Attributes:
        page_max: Upper bound of the items on a page of a list, whatever the limit of the request. offset_max: The first
        offset at which every list answers an empty page. list_max: Number of items from the head of each list that are
        served. everything: 404 or 403: each path answers that, with the API's error document; 1: each path answers with
        the page
            of another user or project.
        everything_after: Number of requests that are still answered before `everything` applies.
        packed: 1: bodies are sent packed by gzip.
    """

    def __init__(self) -> None:
        self.page_max = 0
        self.offset_max = 0
        self.list_max = 0
        self.everything = 0
        self.everything_after = 0
        self.packed = 0

    def begin(self) -> int:
        """Count a request, and return the status of `everything` for it; 0 if it is answered."""
        if not self.everything or not self.everything_after:
            return self.everything
        self.everything_after -= 1
        return 0

    def window(self, page: Page) -> Page | None:
        """Return the window on a list that is served for a requested one; None for an empty page."""
        limit, offset = page
        if self.offset_max and offset >= self.offset_max:
            return None
        if self.page_max:
            limit = min(limit, self.page_max)
        if self.list_max:
            limit = min(limit, self.list_max - offset)
        return page._replace(limit=limit) if limit > 0 else None

    def query(self, query: str) -> str:
        """Return a query with the limit that applies."""
        if not self.page_max:
            return query
        return _LIMIT.sub(lambda found: f"limit={min(int(found[1]), self.page_max)}", query)

    @staticmethod
    def path(community: Community, path: str) -> str:
        """Return the path that is answered instead: that of the first user, project or studio."""
        users, projects, studios = community.users, community.projects, community.studios
        first = users.name[projects.author[projects.is_shared.index(True)]]
        path = _USER.sub(rf"\g<1>{first}", path)
        kind = "studios" if "/studios/" in path else "projects"
        thing = studios.id[0] if kind == "studios" else projects.id[projects.is_shared.index(True)]
        return _ID.sub(rf"\g<1>{thing}", path)
