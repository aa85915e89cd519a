"""The pages of the site, beside the API: comments as HTML, profiles, and what `/site-api/` serves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from harvester.sandbox import chance, odd, text, user_activity
from harvester.sandbox.clock import iso
from harvester.sandbox.routes import HTML, Api, Refused, route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.sandbox.community import Community
    from harvester.sandbox.tables import Comments

THREADS = 15  # threads a page; the site does not say how many
PAGES = 67  # page 68 of anybody is a 404 (scratch-www issue 4525)
BLANK = 0.03
_BLANK_UP_TO = 60  # pages of content, up to which blank pages move no old content beyond the last page
_LABELS = ("Featured Tutorial", "Work In Progress", "Remix This!", "My Favorite Things", "Why I Scratch")
_NO_LABEL = "Featured Project"
_COMMENT = """
    <div id="comments-{id}" class="comment " data-comment-id="{id}">
        <div class="actions-wrap">
        </div>
        <a href="/users/{name}" id="comment-user" data-comment-user="{name}"><img class="avatar" src="{avatar}" width="45" height="45"/></a>
        <div class="info">
            <div class="name">
            {badge}<a href="/users/{name}">{name}{star}</a>
        </div>
        <div class="content">
            {content}
        </div>
        <div>
            <span class="time" title="{time}">January 1, 2022</span>
            <a class="reply" style="display: none;" data-comment-id="{id}" data-parent-thread="{thread}" data-commentee-id="{author}" data-control="modal-login">
                <span>Reply</span>
            </a>
        </div>
        <div data-content="reply-form"></div>
    </div>
</div>"""  # noqa: E501


def _number(query: str) -> int:
    """Return the number of the requested page; 0 for a value that is no number."""
    for word in query.split("&"):
        name, _, value = word.partition("=")
        if name == "page":
            return int(value) if value.isascii() and value.isdigit() and len(value) < 8 else 0
    return 1


def _one(community: Community, comments: Comments, row: int, thread: int) -> str:
    users = community.users
    author, commentee = comments.author[row], comments.commentee[row]
    content = "[deleted]" if comments.is_deleted[row] else text.page_text(comments.content(row))[1]
    if commentee >= 0 and not comments.is_deleted[row]:
        name = users.name_at(commentee, comments.created[row])
        content = f'<a href="/users/{name}">@{name}</a>\n{" " * 20}{content}'
    served = _COMMENT.format(
        id=comments.id[row],
        name=users.name[author],
        avatar=f"//cdn2.scratch.mit.edu/get_image/user/{users.id[author]}_60x60.png",
        badge='<img class="membership" src="/images/membership-badge.svg" alt="">' if author in users.badges else "",
        star="*" if author in users.team else "",
        content=content,
        time=iso(comments.created[row]).decode().replace(".000Z", "Z"),
        thread=comments.id[thread],
        author=users.id[author],
    )
    return odd.on_profile(community, comments, row, served)


def _page(community: Community, comments: Comments, threads: Iterable[int]) -> bytes:
    parts = []
    for thread in threads:
        removed = " removed" if comments.is_deleted[thread] else ""
        parts.append(f'<li class="top-level-reply{removed}">{_one(community, comments, thread, thread)}')
        parts.append('<ul class="replies">')
        for reply in comments.replies.get(thread, ()):
            removed = " removed" if comments.is_deleted[reply] else ""
            parts.append(f'<li class="reply{removed}">{_one(community, comments, reply, thread)}</li>')
        parts.append("</ul></li>\n")
    return "".join(parts).encode()


def content_page(community: Community, user: int, number: int, pages: int) -> int | None:
    """Return the page of content that a page number shows, from 0; -1 for a blank page, None past the end.

    Blank pages stand between pages that have content (scratchattach issue 582), never two in a row.
    """
    if number == 1:
        return 0 if pages else -1
    blanks, before = 0, False
    for each in range(2, number + 1):
        left = each - 1 - blanks < pages
        before = not before and left and pages <= _BLANK_UP_TO and _is_blank(community, user, each)
        blanks += before
    shown = number - 1 - blanks
    return -1 if before else shown if shown < pages else None


def _is_blank(community: Community, user: int, number: int) -> bool:
    salt = chance.salt(community.seed, "blank page")
    return chance.share(community.users.id[user] * 100 + number, salt) < BLANK


@route("/site-api/comments/user/{user}/", takes="query", content_type=HTML)
def profile_comments(api: Api, query: str, name: str) -> bytes | None:
    row, number = api.user(name), _number(query)
    if row is None or not 1 <= number <= PAGES:
        return None
    community = api.community
    if row in community.users.gone:
        raise Refused(403)
    threads = community.profile_comments.threads.get(row, [])[::-1]
    shown = content_page(community, row, number, -(-len(threads) // THREADS))
    if shown is None:
        return None
    if shown < 0:
        return b"\n\n"
    return _page(community, community.profile_comments, threads[shown * THREADS : (shown + 1) * THREADS])


def _plain_page(api: Api, query: str, comments: Comments, owner: int | None) -> bytes | None:
    number = _number(query)
    if owner is None or not 1 <= number <= PAGES:
        return None
    threads = comments.threads.get(owner, [])[::-1]
    window = threads[(number - 1) * THREADS : number * THREADS]
    if not window:
        return b"\n\n" if number == 1 else None
    return _page(api.community, comments, window)


@route("/site-api/comments/project/{project}/", takes="query", content_type=HTML)
def project_comments(api: Api, query: str, project_id: str) -> bytes | None:
    return _plain_page(api, query, api.community.project_comments, api.project(project_id))


@route("/site-api/comments/gallery/{studio}/", takes="query", content_type=HTML)
def studio_comments(api: Api, query: str, studio_id: str) -> bytes | None:
    return _plain_page(api, query, api.community.studio_comments, api.studio(studio_id))


@route("/users/{user}/", content_type=HTML)
def profile(api: Api, name: str) -> bytes | None:
    """Serve the site's own page of a user, the only response that shows whether an account is gone."""
    row = api.user(name)
    if row is None or not api.community.users.has_page(row):
        return None
    shown = api.community.users.name[row]
    group = "Scratch Team" if row in api.community.users.team else "Scratcher"
    return (
        f"<!DOCTYPE html>\n<html><head><title>{shown} on Scratch</title></head><body>"
        f'<div id="profile-data" class="box"><div class="header-text"><h2>{shown}</h2><p class="profile-details">'
        f'<span class="group">\n    {group}\n</span></p></div></div>'
        '<div id="comments"><form id="comment-form"></form><div id="comment-form"></div></div></body></html>\n'
    ).encode()


@route("/messages/ajax/user-activity/", takes="query", content_type=HTML)
def activity_of_user(api: Api, query: str) -> bytes | None:
    """Serve what a user did lately."""
    words = parse_qs(query)
    most = words.get("max", ["6"])[0]
    row = api.user(words.get("user", [""])[0])
    if row is None or not api.community.users.has_page(row) or not (most.isascii() and most.isdigit()):
        return None
    return user_activity.page(api.community, row, int(most[:7]))


def featured_fields(community: Community, row: int) -> dict[str, object]:
    """Return the featured project of a profile, as served."""
    users, projects = community.users, community.projects
    project, label = users.featured.get(row, (-1, -1))
    data = None
    if project >= 0 and projects.is_shared[project]:
        data = {
            "creator": users.name[projects.author[project]],
            "thumbnail_url": f"//uploads.scratch.mit.edu/projects/thumbnails/{projects.id[project]}.png",
            "id": projects.id[project],
            "datetime_modified": iso(projects.modified[project]).decode().removesuffix(".000Z"),
            "title": text.PROJECT_TITLE.text(projects.title(project)),
        }
    return {
        "featured_project_label_name": _LABELS[label] if label >= 0 else _NO_LABEL,
        "featured_project_data": data,
        "featured_project": data and data["id"],
        "thumbnail_url": f"//uploads.scratch.mit.edu/users/avatars/{users.id[row]}.png",
        "user": {"username": users.name[row] + "*" * (row in users.team), "pk": users.id[row]},
        "featured_project_label_id": label if label >= 0 else None,
        "id": users.profile_id(row),
    }


@route("/site-api/users/all/{user}/")
def users_all(api: Api, name: str) -> bytes | None:
    row = api.user(name)
    if row is None or row in api.community.users.gone:
        return None
    return msgspec.json.encode(featured_fields(api.community, row))
