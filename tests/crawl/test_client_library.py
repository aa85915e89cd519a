"""A client that somebody else wrote reads the sandbox as it reads the site: what it finds is the truth.

scratchattach is pointed at the sandbox by rewriting the host of its requests, and at nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import scratchattach
from scratchattach.utils.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable

SITE = re.compile(r"https://(api\.)?scratch\.mit\.edu")


@pytest.fixture
def sandbox(small_sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    whole: Callable[..., Any] = Requests.request

    def request(self: Requests, method: str, url: str, **options: Any) -> Any:
        local, found = SITE.subn(small_sandbox.url, url, count=1)
        assert found, f"a request for another host: {url}"
        return whole(self, method, local, **options)

    monkeypatch.setattr(Requests, "request", request)
    return small_sandbox


def most(rows: list[dict[str, Any]], column: str) -> int:
    return Counter(row[column] for row in rows if row[column] is not None).most_common(1)[0][0]


def named(sandbox: Any) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in sandbox.truth("users")}


def test_users_and_their_lists(sandbox: Any) -> None:
    users = named(sandbox)
    followed = most([row for row in sandbox.truth("follows") if row["followee_id"] in users], "followee_id")
    row = users[followed]
    user = scratchattach.get_user(row["username"])
    assert (user.id, user.country, user.about_me, user.wiwo) == (
        row["id"], row["country"], row["bio"], row["status"],
    )  # fmt: skip
    followers = {follow["follower_id"] for follow in sandbox.truth("follows") if follow["followee_id"] == followed}
    assert {follower.id for follower in user.followers(limit=400)} == followers
    author = most([row for row in sandbox.truth("projects") if row["author_id"] in users], "author_id")
    projects = {row["id"]: row for row in sandbox.truth("projects") if row["author_id"] == author}
    shared = scratchattach.get_user(users[author]["username"]).projects(limit=400)
    assert {project.id: project.title for project in shared} == {key: row["title"] for key, row in projects.items()}
    counts = {row["user_id"]: row["count"] for row in sandbox.truth("message_counts")}
    assert user.message_count() == counts[followed]


def test_a_project_and_its_comments(sandbox: Any) -> None:
    comments = [row for row in sandbox.truth("project_comments") if row["parent_id"] is None]
    place = most(comments, "project_id")
    (row,) = [row for row in sandbox.truth("projects") if row["id"] == place]
    project = scratchattach.get_project(place)
    assert (project.title, project.loves, project.views, project.remix_count) == (
        row["title"], row["loves"], row["views"], row["remixes"],
    )  # fmt: skip
    found = {comment.id: comment.content for comment in project.comments(limit=400)}
    expected = {row["id"]: row["content_raw"] or row["content"] for row in comments if row["project_id"] == place}
    assert found == expected


def test_comments_of_a_profile(sandbox: Any) -> None:
    """It leaves emoji out: texts are compared where there can be none."""
    comments = sandbox.truth("profile_comments")
    users = named(sandbox)
    owner = most([row for row in comments if row["parent_id"] is None], "user_id")
    user = scratchattach.get_user(users[owner]["username"])
    found: dict[int, Any] = {}
    for page in range(1, 67):
        found |= {int(comment.id): comment for comment in user.comments(page=page) or ()}  # None: a blank page, or none
    threads = {row["id"]: row for row in comments if row["user_id"] == owner and row["parent_id"] is None}
    assert threads.keys() <= found.keys()
    names = {name.lower(): key for name, key in ((row["username"], row["id"]) for row in users.values())}
    for key, row in threads.items():
        author = names.get(found[key].author_name.rstrip("*").lower())
        assert author in (row["author_id"], None)
        assert found[key].content == row["content"] or ":" in row["content"]
        replies = {reply["id"] for reply in comments if reply["parent_id"] == key}
        assert replies <= {int(reply.id) for reply in found[key].cached_replies}


def test_a_studio(sandbox: Any) -> None:
    activity = sandbox.truth("studio_activity")
    place = most(activity, "studio_id")
    (row,) = [row for row in sandbox.truth("studios") if row["id"] == place]
    studio = scratchattach.get_studio(place)
    assert (studio.title, studio.follower_count, studio.host_id) == (
        row["title"], row["follower_count"], row["host_id"],
    )  # fmt: skip
    members = {row["user_id"]: row["role"] for row in sandbox.truth("studio_members") if row["studio_id"] == place}
    curators = {key for key, role in members.items() if role == "curator"}
    assert {user.id for user in studio.curators(limit=400)} == curators
    inside = {row["project_id"] for row in sandbox.truth("studio_projects") if row["studio_id"] == place}
    assert {project.id for project in studio.projects(limit=400)} == inside
    comments = {
        row["id"] for row in sandbox.truth("studio_comments") if row["studio_id"] == place and not row["parent_id"]
    }
    assert {comment.id for comment in studio.comments(limit=400)} == comments
    events = [row for row in activity if row["studio_id"] == place]
    found = studio.activity(limit=40)
    assert len(found) == min(40, len(events))
    newest = max(row["created_at"] for row in events)
    assert {event.datetime_created for event in found if event.datetime_created == newest} == {newest}


def test_discovery(sandbox: Any) -> None:
    rankings = sandbox.truth("rankings")
    popular = "explore/projects?q=*&mode=popular&language=en"
    expected = [row["thing_id"] for row in rankings if row["ranking"] == popular][:40]
    assert [one.id for one in scratchattach.explore_projects(query="*", mode="popular", limit=40)] == expected
    assert scratchattach.total_site_stats is not None
    news = {row["headline"] for row in sandbox.truth("news")}
    assert {item["headline"] for item in scratchattach.get_news(limit=40)} <= news
    front = {row["thing_id"] for row in rankings if row["ranking"] == "front-page/community_most_loved_projects"}
    assert {item["id"] for item in scratchattach.top_loved()} == front
