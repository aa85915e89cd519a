"""Objects as the API serves them: JSON bytes, keys in the documented order.

Bytes are filled into templates, not encoded from objects: a page of 40 projects takes a tenth of the time.
Shapes are those of the documented examples (tests/api_examples); what recordings add to them is said where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harvester.sandbox import activity, text
from harvester.sandbox.clock import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.sandbox.community import Community
    from harvester.sandbox.tables import Comments, Event, StudioEntry, Users

_CDN = b"https://cdn2.scratch.mit.edu/get_image/"
# `@` is the id, `~` the version: both stand nowhere else in the templates.
_USER_IMAGES = b"{%b}" % b",".join(
    b'"%dx%d":"%buser/@_%dx%d.png?v="' % (size, size, _CDN, size, size) for size in (90, 60, 55, 50, 32)
)
_PROJECT_IMAGES = b"{%b}" % b",".join(
    b'"%dx%d":"%bproject/@_%dx%d.png?v=~"' % (width, height, _CDN, width, height)
    for width, height in ((282, 218), (216, 163), (200, 200), (144, 108), (135, 102), (100, 80))
)
_BADGES = b',"membership_label":%d,"membership_avatar_badge":%d'
_CREATOR_BADGES = b',"creator_membership_label":%d,"creator_membership_avatar_badge":%d'
_FLAGS = (b"false", b"true")

_USER = (
    b'{"id":%d,"username":"%b","scratchteam":%b,"history":{"joined":"%b"},'
    b'"profile":{"id":%d,"images":%b,"status":%b,"bio":%b,"country":%b%b}}'
)
_AUTHOR = (
    b'{"id":%d,%b"scratchteam":false,"history":{"joined":"1900-01-01T00:00:00.000Z"},'
    b'"profile":{"id":null,"images":%b%b}}'
)
_PROJECT = (
    b'{"id":%d,"title":"%b","description":%b,"instructions":%b,"visibility":"visible","public":true,'
    b'"comments_allowed":%b,"is_published":true,"author":%b,'
    b'"image":"' + _CDN + b'project/%d_480x360.png","images":%b,'
    b'"history":{"created":"%b","modified":"%b","shared":"%b"},'
    b'"stats":{"views":%d,"loves":%d,"favorites":%d,"remixes":%d},"remix":{"parent":%b,"root":%b}%b}'
)
_STUDIO = (
    b'{"id":%d,"title":"%b","host":%b,"description":%b,"visibility":"visible","public":true,'
    b'"open_to_all":%b,"comments_allowed":%b,"image":"' + _CDN + b'gallery/%d_170x100.png",'
    b'"history":{"created":"%b","modified":"%b"},"stats":%b}'
)
_STUDIO_STATS = b'{"comments":%d,"followers":%d,"managers":%d,"projects":%d}'
_STUDIO_PROJECT = (
    b'{"id":%d,"title":"%b","image":"' + _CDN + b'project/%d_480x360.png",'
    b'"creator_id":%d,"username":"%b","avatar":%b,"actor_id":%d%b}'
)
_RANKED_PROJECT = (
    b'{"id":%d,"title":"%b","description":%b,"instructions":%b,"visibility":"notvisible","public":false,'
    b'"comments_allowed":false,"is_published":false,"author":%b,'
    b'"image":"' + _CDN + b'project/%d_480x360.png","images":%b,'
    b'"history":{"created":"%b","modified":"%b","shared":"%b"},'
    b'"stats":{"views":%d,"loves":%d,"favorites":%d,"remixes":0},"remix":{"root":%b}}'
)
_COMMENT = (
    b'{"id":%d,"parent_id":%b,"commentee_id":%b,"content":"%b","datetime_created":"%b","datetime_modified":"%b",'
    b'"visibility":"visible","author":%b,"reply_count":%d}'
)
_COMMENTER = b'{"id":%d,"username":"%b","scratchteam":%b,"image":"' + _CDN + b'user/%d_60x60.png"%b}'
ERASED_JOINED = b"2000-01-01T00:00:00.000Z"
STATS_MAX = 100  # where the counts of comments and projects of a studio stop


def listed(items: Iterable[bytes]) -> bytes:
    """Return a JSON array of rendered items."""
    return b"[" + b",".join(items) + b"]"


def _own_text(users: Users, row: int, name: str) -> bytes | None:
    """Return a text that a control request put into a profile, as JSON; None for a made-up one."""
    written = users.written.get((row, name))
    return None if written is None else b'"%b"' % text.json_inside(written)


class Renderer:
    """Renders the objects of one community by their row numbers."""

    def __init__(self, community: Community) -> None:
        self._community = community
        self._countries = [b'"%b"' % text.json_inside(name) for name in community.countries.names]

    def user(self, row: int) -> bytes:
        """Return a user as `/users/<name>` and the lists of users serve it."""
        users = self._community.users
        user_id = users.id[row]
        badges, country = users.badges.get(row), users.country_index(row)
        return _USER % (
            user_id,
            users.name[row].encode(),
            _FLAGS[row in users.team],
            ERASED_JOINED if row in users.erased else iso(users.joined[row]),
            users.profile_id(row),
            _USER_IMAGES.replace(b"@", b"%d" % user_id),
            _own_text(users, row, "status") or text.STATUS.served(users.status(row)),
            _own_text(users, row, "bio") or text.BIO.served(users.bio(row)),
            b"null" if country is None else self._countries[country],
            _BADGES % badges if badges else b"",
        )

    def _author(self, row: int, *, named: bool) -> bytes:
        users = self._community.users
        user_id = users.id[row]
        badges = users.badges.get(row)
        return _AUTHOR % (
            user_id,
            b'"username":"%b",' % users.name[row].encode() if named else b"",
            _USER_IMAGES.replace(b"@", b"%d" % user_id),
            _BADGES % badges if badges else b"",
        )

    def project(self, row: int, *, named: bool = False, whole: bool = False) -> bytes:
        """Return a project. `named`: with its author's name; `whole`: with the number of remixes and a token."""
        community = self._community
        projects = community.projects
        project_id = projects.id[row]
        modified = projects.modified[row]
        id_text = b"%d" % project_id
        parent, root = projects.parent[row], projects.root[row]
        return _PROJECT % (
            project_id,
            text.PROJECT_TITLE.json(projects.title(row)),
            text.DESCRIPTION.served(projects.description(row)),
            text.INSTRUCTIONS.served(projects.instructions(row)),
            _FLAGS[projects.comments_allowed(row)],
            self._author(projects.author[row], named=named),
            project_id,
            _PROJECT_IMAGES.replace(b"@", id_text).replace(b"~", b"%d" % modified),
            iso(projects.created[row]),
            iso(modified),
            iso(projects.shared_at[row]),
            projects.views[row],
            projects.loves[row],
            len(community.favoriters.get(row, ())),
            community.remix_count(row) if whole else 0,
            b"%d" % projects.id[parent] if parent >= 0 else b"null",
            b"%d" % projects.id[root] if root >= 0 else b"null",
            self._token(project_id) if whole else b"",
        )

    def _token(self, project_id: int) -> bytes:
        return b',"project_token":"%b"' % self._community.sources.token(project_id).encode()

    def studio(self, row: int, *, whole: bool = False, entry: StudioEntry | None = None) -> bytes:
        """Return a studio; its stats are empty but in `/studios/<id>` (`whole`). `entry`: as the index has it."""
        studios = self._community.studios
        studio_id, host = studios.id[row], studios.shown_host(row)
        version, modified = (None, studios.modified[row]) if entry is None else (entry.version, entry.modified)
        return _STUDIO % (
            studio_id,
            text.STUDIO_TITLE.json(studios.title(row, version)),
            b"null" if host is None else b"%d" % self._community.users.id[host],
            text.STUDIO_DESCRIPTION.served(studios.description(row, version)),
            _FLAGS[studios.open_to_all(row)],
            _FLAGS[studios.comments_allowed(row)],
            studio_id,
            iso(studios.created[row]),
            iso(modified),
            _STUDIO_STATS % studio_stats(self._community, row) if whole else b"{}",
        )

    def ranked_project(self, row: int) -> bytes:
        """Return a project in explore and search: as the index has it, flags that lie, no parent."""
        community = self._community
        projects, entry = community.projects, community.index.projects[row]
        project_id, modified = projects.id[row], entry.modified
        root = projects.root[row]
        return _RANKED_PROJECT % (
            project_id,
            text.PROJECT_TITLE.json(projects.title(row, entry.version)),
            text.DESCRIPTION.served(projects.description(row, entry.version)),
            text.INSTRUCTIONS.served(projects.instructions(row, entry.version)),
            self._author(projects.author[row], named=True),
            project_id,
            _PROJECT_IMAGES.replace(b"@", b"%d" % project_id).replace(b"~", b"%d" % modified),
            iso(projects.created[row]),
            iso(modified),
            iso(entry.shared_at),
            entry.views,
            entry.loves,
            entry.favorites,
            b"%d" % projects.id[root] if root >= 0 else b"null",
        )

    def ranked_studio(self, row: int) -> bytes:
        """Return a studio in explore and search: as the index has it, flags that lie."""
        studios = self._community.studios
        commenting = b'"comments_allowed":%b' % _FLAGS[studios.comments_allowed(row)]
        return (
            self.studio(row, entry=self._community.index.studios[row])
            .replace(b'"visibility":"visible","public":true', b'"visibility":"notvisible","public":false', 1)
            .replace(commenting, b'"comments_allowed":false', 1)
        )

    def event(self, event: Event) -> bytes:
        """Return an entry of a studio's activity; the keys follow from its type."""
        return msgspec.json.encode(event_fields(self._community, event))

    def studio_project(self, project: int, adder: int) -> bytes:
        """Return an entry of a studio's list of projects, a flat type of its own."""
        users, projects = self._community.users, self._community.projects
        project_id, author = projects.id[project], projects.author[project]
        badges = users.badges.get(author)
        return _STUDIO_PROJECT % (
            project_id,
            text.PROJECT_TITLE.json(projects.title(project)),
            project_id,
            users.id[author],
            users.name[author].encode(),
            _USER_IMAGES.replace(b"@", b"%d" % users.id[author]),
            users.id[adder],
            _CREATOR_BADGES % badges if badges else b"",
        )

    def comment(self, comments: Comments, row: int) -> bytes:
        """Return a comment or a reply."""
        users = self._community.users
        author, parent, commentee = comments.author[row], comments.parent[row], comments.commentee[row]
        created = comments.created[row]
        badges = users.badges.get(author)
        author_id = users.id[author]
        return _COMMENT % (
            comments.id[row],
            b"%d" % comments.id[parent] if parent >= 0 else b"null",
            b"%d" % users.id[commentee] if commentee >= 0 else b"null",
            text.comment_json(comments.content(row), created),
            iso(created),
            iso(comments.modified(row)),
            _COMMENTER
            % (
                author_id,
                users.name[author].encode(),
                _FLAGS[author in users.team],
                author_id,
                _BADGES % badges if badges else b"",
            ),
            comments.reply_count(row),
        )


def event_fields(community: Community, event: Event) -> dict[str, object]:
    """Return the fields of an event in a studio, in the documented order."""
    users = community.users
    fields: dict[str, object] = {
        "datetime_created": iso(event.created).decode(),
        "id": f"{event.type}-{event.number}",
        "actor_id": users.id[event.actor],
    }
    other = users.name_at(event.other, event.created) if event.other >= 0 else None
    if event.project >= 0:
        fields["project_id"] = community.projects.id[event.project]
        title = event.title
        if title is None:
            title = text.PROJECT_TITLE.text(community.projects.title(event.project))
        fields["project_title"] = title
    elif event.type in (activity.CURATOR, activity.EXPELLED):
        fields["username"] = other
    elif event.type in (activity.MANAGER, activity.HOST):
        fields["recipient_username"] = other
    if event.type == activity.HOST:
        fields |= {"former_host_username": None, "admin_actor": bool(event.flag)}
    if event.type == activity.UNKNOWN:
        fields["sparkle_level"] = event.flag
    fields |= {"type": event.type, "actor_username": users.name_at(event.actor, event.created)}
    if event.actor in users.badges:
        fields["actor_membership_label"] = users.badges[event.actor][0]
    if "recipient_username" in fields and event.other in users.badges:
        fields["recipient_membership_label"] = users.badges[event.other][0]
    return fields


def studio_stats(community: Community, row: int) -> tuple[int, int, int, int]:
    """Return comments, followers, managers and projects as served: comments and projects stop at 100.

    Unshared projects are counted too (scratch-www issue 5699).
    """
    return (
        min(community.studio_comments.total[row], STATS_MAX),
        community.studios.followers[row],
        1 + len(community.managers.get(row, ())),
        min(len(community.studio_projects.get(row, ())), STATS_MAX),
    )
