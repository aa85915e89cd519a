"""Responses of the whole community without one person: nothing names them, and each is read as before."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.erasure.rule import REMOVED, STAND_IN, Rule
from harvester.erasure.served import ServedTexts
from harvester.sandbox.community import Community
from harvester.secret import keyed_hash
from harvester.warehouse.annotations import NAME, PROJECT, STUDIO, USER
from tests.sandbox.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = b"k" * 32
FORMS = {
    "user": "/users/{user}", "user_projects": "/users/{user}/projects?limit=40",
    "user_favorites": "/users/{user}/favorites?limit=40", "user_followers": "/users/{user}/followers?limit=40",
    "user_studios": "/users/{user}/studios/curate?limit=40", "user_featured": "/site-api/users/all/{user}/",
    "user_activity": "/messages/ajax/user-activity/?user={user}&max=50",
    "profile_comments": "/site-api/comments/user/{user}/?page=1", "project": "/projects/{project}",
    "project_remixes": "/projects/{project}/remixes?limit=40", "studio": "/studios/{studio}",
    "studio_projects": "/studios/{studio}/projects?limit=40", "studio_managers": "/studios/{studio}/managers?limit=40",
    "studio_curators": "/studios/{studio}/curators?limit=40", "studio_activity": "/studios/{studio}/activity?limit=40",
    "studio_comments": "/studios/{studio}/comments?limit=40", "front_page": "/proxy/featured",
    "explore_projects": "/explore/projects?mode=trending&q=*&language=en&limit=40",
}  # fmt: skip


@pytest.fixture(scope="module")
def community() -> Community:
    made = Community(15, seed=3)
    made.churn(200)
    return made


def responses(community: Community) -> Iterator[tuple[str, bytes]]:
    """Yield what is served of everything in a community, each with its stream."""
    client = Client(community)
    ids = {"user": community.users.name, "project": community.projects.id, "studio": community.studios.id}
    for stream, path in FORMS.items():
        kind = next((kind for kind in ids if f"{{{kind}}}" in path), None)
        for each in [""] if kind is None else ids[kind]:
            answer = client.get(path.format(**({} if kind is None else {kind: each})))
            if answer.status == 200:
                yield stream, answer.body


def rule_of(community: Community, row: int) -> Rule:
    users, projects, studios = community.users, community.projects, community.studios
    names = [users.name[row], *(name for _, name in users.earlier.get(row, ()))]
    known = [(USER, users.id[row]), *((NAME, name.lower()) for name in names)]
    known += [(PROJECT, each) for each, by in zip(projects.id, projects.author, strict=True) if by == row]
    known += [(STUDIO, each) for each, by in zip(studios.id, studios.host, strict=True) if by == row]
    return Rule(KEY, {keyed_hash(KEY, kind, value) for kind, value in known})


def test_nothing_names_the_person_and_all_is_read_as_before(community: Community) -> None:
    users = community.users
    everything = list(responses(community))
    changed, emptied, streams = 0, 0, set()
    originals = [community.projects.author[row] for row in community.projects.parent if row >= 0]
    for row in {*community.studios.host[:2], *originals[:2]} - {-1}:
        rule = rule_of(community, row)
        texts = ServedTexts(rule)
        name, number = users.name[row].lower(), users.id[row]
        trace = re.compile(rf"(?<![0-9.]){number}(?![0-9.])")
        for stream, body in everything:
            kept = texts.clean(STREAMS[stream], body)
            assert kept is not None
            assert name not in kept.decode().lower(), (stream, name)
            assert not trace.search(kept.decode()), (stream, number)
            if kept is not body:
                changed += 1
                streams.add(stream)
                assert texts.clean(STREAMS[stream], kept) is kept, stream
                records, before = decode(STREAMS[stream], kept), decode(STREAMS[stream], body)
                assert len(records) == len(before), stream
                if stream == "profile_comments":
                    theirs = [one for one in records if one.author.username == REMOVED]  # type: ignore[attr-defined]
                    assert not any(one.content for one in theirs)  # type: ignore[attr-defined]
                    for one, was in zip(records, before, strict=True):
                        assert one in theirs or one.content == rule.said(was.content)  # type: ignore[attr-defined]
                    emptied += len(theirs)
    assert changed > 50
    assert emptied > 5
    assert streams == FORMS.keys()


def test_an_item_stays_in_its_place_without_its_person() -> None:
    rule = Rule(KEY, {keyed_hash(KEY, *one) for one in ((USER, 5), (NAME, "someone5"), (PROJECT, 55))})
    texts, at = ServedTexts(rule), "2026-01-01T00:00:00.000Z"
    author = {"id": 5, "username": "someone5", "scratchteam": False, "image": "//x/user/5_60x60.png"}
    theirs = {"id": 9, "parent_id": 5, "commentee_id": None, "content": "hello", "datetime_created": at,
              "visibility": "visible", "author": author, "reply_count": 5}  # fmt: skip
    other = theirs | {"content": "@someone5 hi", "author": author | {"id": 7, "username": "other"}, "commentee_id": 5}
    kept = texts.clean(STREAMS["project_comments"], json.dumps([theirs, other]).encode())
    assert kept is not None
    first, second = json.loads(kept)
    stands = rule.stand_in(USER, 5)
    assert STAND_IN <= stands < 2**63
    others = [rule.stand_in(PROJECT, 5), rule.stand_in(USER, 6), Rule(b"another key", ()).stand_in(USER, 5)]
    assert len({stands, *others}) == 4, "who has no key cannot tell the id"
    assert (rule.stand_in(USER, 5), rule.stand_in(USER, stands)) == (stands, stands)
    assert rule.names(USER, stands)
    assert rule.names(NAME, REMOVED)
    assert not Rule(b"", ()).names(USER, stands)
    assert first == theirs | {"content": "", "author": author | {"id": stands, "username": REMOVED, "image": ""}}
    assert second["content"] == f"@{REMOVED} hi"
    assert second["commentee_id"] == stands
    assert (second["parent_id"], second["reply_count"]) == (5, 5)  # a comment and a number that look like the id
    # A project by its id, although the list shows no author's name.
    listed = {"id": 55, "title": "mine", "author": {"id": 6}, "remix": {"parent": None, "root": 55}}
    remix = {"id": 5, "title": "of other", "author": {"id": 6}, "remix": {"parent": 55, "root": 5}}
    kept = texts.clean(STREAMS["user_favorites"], json.dumps([listed, remix]).encode())
    assert kept is not None
    first, second = json.loads(kept)
    stands = rule.stand_in(PROJECT, 55)
    assert (first["id"], first["title"], first["remix"]["root"]) == (stands, "", stands)
    assert second == remix | {"remix": {"parent": stands, "root": 5}}


@pytest.mark.parametrize(
    ("body", "is_kept"),
    [(b'{"code": "NotFound"}', True), (b'[{"id": 5, "us', False), (b"\xff someone5", False), (b"\xff", True)],
)
def test_a_body_that_cannot_be_read_goes_where_it_may_name(body: bytes, *, is_kept: bool) -> None:
    rule = Rule(KEY, {keyed_hash(KEY, *one) for one in ((USER, 5), (NAME, "someone5"))})
    kept = ServedTexts(rule).clean(STREAMS["user_followers"], body)
    assert kept is (body if is_kept else None)


@pytest.mark.parametrize("theirs", [7, STAND_IN + 7])
def test_a_certificate_keeps_no_key_of_an_erased_project(theirs: int) -> None:
    """Nor a stand-in, which is larger than the ids of all remixes that come later."""
    rule, remixes = Rule(KEY, {keyed_hash(KEY, PROJECT, 7)}), STREAMS["project_remixes"]
    kept = {"end": 2, "key": theirs, "tail_key": theirs, "anchors": [5, theirs], "tail": [theirs], "digest": "d"}
    assert rule.is_in_state(remixes, kept)
    cleaned = json.loads(rule.clean_state(remixes, json.dumps(kept)) or "")
    assert cleaned == {"end": 2, "key": None, "tail_key": None, "anchors": [5], "tail": [], "digest": ""}
    others = kept | {"key": 5, "tail_key": 5, "anchors": [5], "tail": [5]}
    assert json.loads(rule.clean_state(remixes, json.dumps(others)) or "") == others
