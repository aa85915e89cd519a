"""Routes for discovery: explore, search, the front page, news, the number of projects."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from harvester.sandbox import chance, text
from harvester.sandbox.clock import DAY, iso
from harvester.sandbox.render import listed
from harvester.sandbox.routes import Api, BadRequest, Page, route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.sandbox.community import Community
    from harvester.sandbox.tables import ProjectEntry

DEPTH = 10_000  # every offset from here on answers an empty list (scratch-rest-api issue 13)
MODES = ("popular", "trending")
FIRST_COUNT = 2**31 - 100  # 1.19 billion in 2025, and growing past what an integer of 32 bits holds
_ROW = 20
EVERYTHING = "*"


def ranked_projects(api: Api, query: str, mode: str) -> list[int]:
    """Return shared projects whose title holds the query, in the order of a mode, all as the index has them."""
    community = api.community
    projects, entries = community.projects, community.index.projects
    word = query.lower()
    found = [
        row
        for row, entry in entries.items()
        if projects.is_shared[row] and (word == EVERYTHING or word in _title(community, row, entry).lower())
    ]
    if mode == "popular":
        return sorted(found, key=lambda row: (-entries[row].views, projects.id[row]))
    now = community.now
    return sorted(
        found,
        key=lambda row: (-(1 + entries[row].loves) / (2 + (now - entries[row].shared_at) / DAY), projects.id[row]),
    )


def _title(community: Community, row: int, entry: ProjectEntry) -> str:
    return text.PROJECT_TITLE.text(community.projects.title(row, entry.version))


def ranked_studios(api: Api, query: str, mode: str) -> list[int]:
    """Open studios whose title holds the query, in the order of a mode, all as the index has them."""
    studios, entries = api.community.studios, api.community.index.studios
    word = query.lower()
    found = [
        row
        for row, entry in entries.items()
        if studios.is_open[row]
        and (word == EVERYTHING or word in text.STUDIO_TITLE.text(studios.title(row, entry.version)).lower())
    ]
    if mode == "popular":
        return sorted(found, key=lambda row: (-entries[row].followers, studios.id[row]))
    return sorted(found, key=lambda row: (-entries[row].modified, studios.id[row]))


def _asked(query: str) -> tuple[Page, str, str]:
    words = dict(parse_qsl(query))
    mode = words.get("mode", "popular")
    if mode not in MODES:
        raise BadRequest
    return Page.parse(query), words.get("q", ""), mode


def _projects(api: Api, query: str, *, all_of_none: bool) -> bytes:
    page, word, mode = _asked(query)
    word = word or (EVERYTHING if all_of_none else "")
    if page.offset >= DEPTH or not word:
        return b"[]"
    return listed(map(api.render.ranked_project, page.of(api.kept(ranked_projects, word, mode))))


def _studios(api: Api, query: str, *, all_of_none: bool) -> bytes:
    page, word, mode = _asked(query)
    word = word or (EVERYTHING if all_of_none else "")
    if page.offset >= DEPTH or not word:
        return b"[]"
    return listed(map(api.render.ranked_studio, page.of(api.kept(ranked_studios, word, mode))))


@route("/explore/projects", takes="query")
def explore_projects(api: Api, query: str) -> bytes:
    return _projects(api, query, all_of_none=True)


@route("/explore/studios", takes="query")
def explore_studios(api: Api, query: str) -> bytes:
    return _studios(api, query, all_of_none=True)


@route("/search/projects", takes="query")
def search_projects(api: Api, query: str) -> bytes:
    return _projects(api, query, all_of_none=False)


@route("/search/studios", takes="query")
def search_studios(api: Api, query: str) -> bytes:
    return _studios(api, query, all_of_none=False)


def front_page(api: Api) -> dict[str, list[dict[str, object]]]:
    """Serve the rows of the front page. Two of them have been empty since 2025; some communities still fill one."""
    community = api.community
    popular = api.kept(ranked_projects, EVERYTHING, "popular")
    trending = api.kept(ranked_projects, EVERYTHING, "trending")
    studios = api.kept(ranked_studios, EVERYTHING, "popular")
    salt = chance.salt(community.seed, "front page")
    picked = sorted(popular[:200], key=lambda row: chance.share(community.projects.id[row], salt))
    remixed = sorted(popular, key=lambda row: (-community.remix_count(row), row))
    users, known = community.users.name, community.index.projects
    design = studios[0] if studios else -1
    inside = [row for row in community.visible_projects(community.studio_projects.get(design, ())) if row in known][
        :_ROW
    ]
    gallery = {}
    if design >= 0:
        title = text.STUDIO_TITLE.text(community.studios.title(design, community.index.studios[design].version))
        gallery = {"gallery_id": community.studios.id[design], "gallery_title": title}
    return {
        "community_newest_projects": [],
        "community_most_remixed_projects": [
            _entry(community, row, remixers_count=community.remix_count(row)) for row in remixed[:_ROW]
        ],
        "scratch_design_studio": [_entry(community, row, remixers_count=0, **gallery) for row in inside],
        "curator_top_projects": [
            _entry(community, row, curator_name=users[row % len(users)]) for row in picked[5 : 5 + _ROW]
        ],
        "community_featured_studios": list(_studio_entries(community, studios[:2] if community.seed % 2 else [])),
        "community_most_loved_projects": [_entry(community, row) for row in trending[:_ROW]],
        "community_featured_projects": [_entry(community, row) for row in picked[:5]],
    }


def _entry(community: Community, row: int, **more: object) -> dict[str, object]:
    projects, entry = community.projects, community.index.projects[row]
    return {
        "thumbnail_url": f"//cdn.scratch.mit.edu/static/site/projects/thumbnails/{projects.id[row]}.png",
        "title": _title(community, row, entry),
        "creator": community.users.name[projects.author[row]],
        "type": "project",
        "id": projects.id[row],
        "love_count": entry.loves,
        **more,
    }


def _studio_entries(community: Community, rows: list[int]) -> Iterator[dict[str, object]]:
    for row in rows:
        studio_id = community.studios.id[row]
        yield {
            "thumbnail_url": f"//cdn.scratch.mit.edu/static/site/galleries/thumbnails/{studio_id}.png",
            "type": "gallery",
            "id": studio_id,
            "title": text.STUDIO_TITLE.text(community.studios.title(row, community.index.studios[row].version)),
        }


# The wrong content type is the site's: judge by the body.
@route("/proxy/featured", content_type=b"application/xml")
def featured(api: Api) -> bytes:
    return msgspec.json.encode(api.kept(front_page))


@route("/news", is_list=True)
def news(api: Api, page: Page) -> bytes:
    items = api.community.news.items[::-1][page.offset : page.offset + page.limit]
    return msgspec.json.encode([item._asdict() | {"stamp": iso(item.stamp).decode()} for item in items])


def project_count(community: Community) -> int:
    """Return the number of projects ever made, as the site counts them."""
    return FIRST_COUNT + len(community.projects)


@route("/projects/count/all")
def count(api: Api) -> bytes:
    return b'{"count":%d}' % project_count(api.community)
