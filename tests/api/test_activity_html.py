"""The list of what a user did lately: of each kind a number that changes with its events, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.activity_html import decode_page
from harvester.errors import DecodeError
from harvester.sandbox.community import Community
from harvester.sandbox.user_activity import page

EXAMPLE = (Path(__file__).parent / "user_activity.html").read_text()
KINDS = ("followed", "favorited", "shared", "curated")
EVENTS = {
    "is now following": ("users", {"followed"}),
    "is now following the studio": ("studios", set()),
    "favorited": ("projects", {"favorited"}),
    "loved": ("projects", set()),
    "shared the project": ("projects", {"shared"}),
    "became a curator of": ("studios", {"curated"}),
    "was promoted to manager of": ("studios", {"curated"}),
    "joined Scratch": ("", set()),
    # Of words in another language, or new ones, a link tells what they may mean.
    "folgt jetzt": ("users", {"followed"}),
    "gefällt": ("projects", {"favorited", "shared"}),
    "wurde Kurator von": ("studios", {"curated"}),
    "ist beigetreten": ("", set()),
}


def numbers(body: str) -> dict[str, int]:
    (record,) = decode_page(body.encode())
    return {kind: getattr(record, kind) for kind in KINDS}


def event(words: str, link: str = "", actor: str = '<span class="actor">visited</span>') -> str:
    target = f'<a href="{link}">loved favorited shared</a>' if link else ""
    return f'<li><div>{actor} {words} {target} <span class="time">1\xa0hour ago</span></div></li>'


def listed(*events: str) -> str:
    return "<ul>" + "\n".join(events) + "</ul>"


def changed(before: str, after: str) -> set[str]:
    first, second = numbers(before), numbers(after)
    return {kind for kind in KINDS if first[kind] != second[kind]}


@pytest.mark.parametrize(("words", "meant"), EVENTS.items())
def test_an_event_changes_the_number_of_its_kind(words: str, meant: tuple[str, set[str]]) -> None:
    place, kinds = meant
    new = event(words, f"/{place}/99/" if place else "")
    assert changed(EXAMPLE, EXAMPLE.replace("<li>", f"{new}<li>", 1)) == kinds
    assert {kind for kind, number in numbers(listed(new)).items() if number} == kinds
    # The same with whole addresses, and without the element that tells whose it is, where another has one.
    whole = listed(new.replace('="/', '="https://site/'))
    assert {kind for kind, number in numbers(whole).items() if number} == kinds
    nameless = listed(event(words, f"/{place}/99/" if place else "", actor=""), event("joined Scratch"))
    assert {kind for kind, number in numbers(nameless).items() if number} == kinds


def test_an_event_of_two_parts_is_about_the_second() -> None:
    """A remix is a project of the user, its original is not; a project in a studio is in no list of the user."""
    assert changed(EXAMPLE, EXAMPLE.replace("/projects/12/", "/projects/99/")) == set()
    assert changed(EXAMPLE, EXAMPLE.replace("/projects/13/", "/projects/99/")) == {"shared"}
    assert changed(EXAMPLE, EXAMPLE.replace("/studios/31/", "/studios/99/")) == set()


def test_times_titles_and_old_events_are_no_news() -> None:
    assert changed(EXAMPLE, EXAMPLE.replace("3 hours", "4 hours").replace("Maze", "Amaze")) == set()
    six = [event("favorited", f"/projects/{number}/") for number in range(6)]
    assert changed(listed(*six), listed(*six[:5])) == set()
    assert changed(listed(*six), listed(*six[:4])) == {"favorited"}


def test_whose_it_is_is_read() -> None:
    (record,) = decode_page(EXAMPLE.encode())
    assert record.actor == "visited"
    (record,) = decode_page(listed(event("loved", "/projects/1/", '<span class="actor"> Team* </span>')).encode())
    assert record.actor == "Team"


@pytest.mark.parametrize("body", ["", " \n", "<ul></ul>", '<ul class="activity-stream">\n</ul>\n', "<p></p>"])
def test_nothing_happened(body: str) -> None:
    (record,) = decode_page(body.encode())
    assert record.actor is None
    assert set(numbers(body).values()) == {0}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<h1>Whoops! Our server is Scratch'ing its head</h1>", "no page of events"),
        ("busy", "no page of events"),
        ("<!DOCTYPE html><html><body></body></html>", "a page of its own"),
        (f"<html><body>{EXAMPLE}</body></html>", "a page of its own"),
        (listed('<li class="top-level-reply"><div>hello</div></li>'), "no event shows whose it is"),
        (EXAMPLE[:-200], "cut off"),
        (listed(event("loved"))[:-5], "cut off"),
        (f"<ul {'a ' * 10_000}></ul>", "a tag has more than"),
    ],
)
def test_another_page_is_refused(body: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode_page(body.encode())


@pytest.mark.parametrize("tag", ["li", "ul", "span", "b"])
def test_markup_may_be_nested_deeply(tag: str) -> None:
    deep = f"<{tag}>" * 100_000 + f"</{tag}>" * 100_000
    assert numbers(listed(event(f"loved {deep}", "/projects/1/")))["favorited"] == 0


@given(st.text(), st.text(), st.text(max_size=40))
def test_any_words_and_links_are_numbers_or_refused(words: str, link: str, actor: str) -> None:
    try:
        (record,) = decode_page(
            listed(event(words, link, f'<span class="actor">{actor}</span>')).encode("utf-8", "replace")
        )
    except DecodeError:
        return
    assert all(0 <= getattr(record, kind) < 2**31 for kind in KINDS)


def test_the_sandbox_serves_what_changed() -> None:
    """After each event of a community, the numbers of those users change whose lists did, but for what is undone."""
    community = Community(40, seed=1)
    owned = {"favorited": community.favorites, "followed": community.following, "shared": community.shared}

    def shown(user: int) -> dict[str, int]:
        return numbers(page(community, user, 50).decode())

    def held(user: int) -> dict[str, int]:
        return {kind: len(lists.get(user, ())) for kind, lists in owned.items()}

    users = range(40)
    for type_ in ("favorite", "love", "follow", "new_project", "remix_project", "follow_studio", "studio_add_project"):
        for _ in range(8):
            before = [(shown(user), held(user)) for user in users]
            community.churn(1, type_)
            for user, (numbers_before, lists_before) in zip(users, before, strict=True):
                now, lists = shown(user), held(user)
                assert {kind for kind in KINDS if now[kind] != numbers_before[kind]} == {
                    kind for kind in owned if lists[kind] != lists_before[kind]
                }
    community.churn(1, "join_studio")
    assert sum(shown(user)["curated"] > 0 for user in users) == 1
