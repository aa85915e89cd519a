"""500 made-up pages of comments are read back as they were written; other pages are refused."""

# ruff: noqa: E501  (markup and text as they are)

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.profile_html import decode_page
from harvester.errors import DecodeError

if TYPE_CHECKING:
    from harvester.api.odd_item import OddItem

WORDS = [
    "hi", "cool!", "I love it", "r & d", "1 < 2 > 0", "\"quoted\"", "it's", "&amp; typed", "&lt;b&gt;", "<b>bold</b>",
    "<script>alert('x')</script>", "</div></li>", "<li class=\"reply\">", "привет", "你好", "مرحبا بالعالم", "שלום \u202eabc\u202c",
    "e\u0301", "zero\u200bwidth", "🐱‍🚀", "☆彡", "\n", "\n\n", "  two  spaces  ", "\t", "@not-a-link", "%s {}", "\\", "ﬁne",
    "&#39;", "]]>", "<!-- no -->", "a" * 300,
]  # fmt: skip
EMOJI = ["meow", "aww-cat", "10mil", "pizza"]
NAMES = ["a", "Cat_1", "-x-", "griffon", "the-scratcher-of-old-with-30-ch", "___", "Z9", "null", "comment", "replies"]


def escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(character, entity)
    return text


@dataclass
class Made:
    """A comment as it was written, and as a reader should find it."""

    id: int
    author: str
    author_id: int
    team: bool
    badge: bool
    when: datetime
    removed: bool
    mention: str | None
    parts: list[tuple[str, str]]
    replies: list[Made] = field(default_factory=list)

    @property
    def seen(self) -> str:
        text = "".join(f":{value}:" if kind == "emoji" else value for kind, value in self.parts).strip()
        return f"@{self.mention} {text}".rstrip() if self.mention else text

    def inside(self) -> str:
        if self.removed:
            return "[deleted]"
        html = ""
        for kind, value in self.parts:
            if kind == "emoji":
                source = f"//cdn.scratch.mit.edu/scratchr2/static/__{'0a' * 16}__/images/easter_eggs/{value}.png"
                html += f'<img src="{source}" class="easter-egg">'
            elif kind == "link":
                html += f'<a href="https://scratch.mit.edu/projects/1/">{escaped(value)}</a>'
            elif kind == "user":
                html += f'<a href="/users/{value[1:]}">{value}</a>'
            else:
                html += escaped(value)
        return f'<a href="/users/{self.mention}">@{self.mention}</a>\n{" " * 20}{html}' if self.mention else html

    def markup(self, thread: int, style: int) -> str:
        badge = '<img src="//x/membership-badge.svg" class="membership-badge" alt="">' if self.badge else ""
        classes = "comment removed" if self.removed and style % 2 else "comment "
        div = "DIV" if style == 3 else "div"
        return f"""
    <{div} id="comments-{self.id}" class="{classes}" data-comment-id="{self.id}">
        <div class="actions-wrap">
        </div>
        <a href="/users/{self.author}" id="comment-user" data-comment-user="{self.author}"><img class="avatar" src="//cdn2.scratch.mit.edu/get_image/user/{self.author_id}_60x60.png" width="45" height="45"/></a>
        <div class="info">
            <div class="name">
            {badge}<a href="/users/{self.author}">{self.author}{"*" if self.team else ""}</a>
        </div>
        <div class="content">
            {self.inside()}
        </div>
        <div>
            <span class="time" title="{self.when:%Y-%m-%dT%H:%M:%S}Z">January 1, 2022</span>
            <a class="reply" style="display: none;" data-comment-id="{self.id}" data-parent-thread="{thread}" {"" if style == 2 else f'data-commentee-id="{self.author_id}"'} data-control="modal-login">
                <span>Reply</span>
            </a>
        </div>
        <div data-content="reply-form"></div>
    </div>
</{div}>{"</div>" if style == 1 else ""}"""

    def expected(self, parent: int | None = None) -> list[dict[str, Any]]:
        mine = {
            "id": self.id,
            "parent_id": parent,
            "commentee": self.mention if parent is not None and not self.removed else None,
            "content": None if self.removed else self.seen,
            "created": self.when,
            "visibility": "removed" if self.removed else "visible",
            "author": (self.author_id, self.author, self.team),
            "image": f"https://cdn2.scratch.mit.edu/get_image/user/{self.author_id}_60x60.png",
            "reply_count": sum(not reply.removed for reply in self.replies),
        }
        return [mine, *(row for reply in self.replies for row in reply.expected(self.id))]


def page(threads: list[Made], style: int) -> str:
    """Styles: 0 as documented, 1 with stray ends, 2 without commentee ids, 3 in capitals, 4 without ends of items."""
    end = "" if style == 4 else "</li>"
    html = ""
    for thread in threads:
        li = "top-level-reply  removed" if thread.removed else "top-level-reply"
        quoted = li if " " in li or style != 3 else None
        html += f'<li class="{li}">' if quoted else f"<LI CLASS={li}>"
        html += thread.markup(thread.id, style) + '\n<ul class="replies">'
        for reply in thread.replies:
            html += f'<li class="reply {"removed" if reply.removed else ""}">{reply.markup(thread.id, style)}{end}'
        html += f"</ul>{end}\n"
    return html


def found(body: str) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "parent_id": one.parent_id,
            "commentee": one.commentee,
            "content": one.content,
            "created": one.datetime_created,
            "visibility": one.visibility,
            "author": (one.author.id, one.author.username, one.author.scratchteam),
            "image": one.author.image,
            "reply_count": one.reply_count,
        }
        for one in decode_page(body.encode())
    ]


def made(random_: random.Random, *, reply: bool = False) -> Made:
    kinds = ["text"] * 6 + ["emoji", "link", "user"]
    parts = []
    for _ in range(random_.choice((1, 1, 2, 3, 6))):
        kind = random_.choice(kinds)
        value = {"emoji": EMOJI, "user": [f"@{name}" for name in NAMES]}.get(kind, WORDS)
        parts.append((kind, random_.choice(value)))
    if parts[0][0] == "user" or not parts[0][1].strip():
        parts.insert(0, ("text", "see"))  # a link that the text begins with is whom it addresses
    return Made(
        id=random_.randrange(1, 2**40),
        author=random_.choice(NAMES),
        author_id=random_.randrange(1, 2**31),
        team=random_.random() < 0.1,
        badge=random_.random() < 0.1,
        when=datetime(2012, 1, 1, tzinfo=UTC) + timedelta(seconds=random_.randrange(4 * 10**8)),
        removed=random_.random() < 0.1,
        mention=random_.choice(NAMES) if reply and random_.random() < 0.8 else None,
        parts=parts,
    )


def a_page(number: int) -> tuple[list[Made], int]:
    random_ = random.Random(number)
    threads = [made(random_) for _ in range(random_.choice((0, 1, 2, 5, 15)))]
    for thread in threads:
        thread.replies = [made(random_, reply=True) for _ in range(random_.choice((0, 0, 0, 1, 2, 25)))]
    return threads, number % 5


def test_a_corpus_of_500_pages_is_read_as_it_was_written() -> None:
    seen = 0
    for number in range(500):
        threads, style = a_page(number)
        expected = [row for thread in threads for row in thread.expected()]
        assert found(page(threads, style)) == expected, f"page {number}"
        seen += len(expected)
    assert seen > 5_000


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\ufeff")))
def test_any_text_is_read_back(text: str) -> None:
    one = made(random.Random(1))
    one.parts, one.removed, one.mention = [("text", text)], False, None
    assert found(page([one], 0))[0]["content"] == text.strip()


def test_the_documented_fragment() -> None:
    body = (Path(__file__).parent / "profile_comment.html").read_bytes()
    (comment,) = decode_page(body)
    assert (comment.id, comment.author.id, comment.author.username) == (1, 1, "username")
    assert comment.content == "Some characters are HTML entity encoded like this & this. This is an apostrophe. '"
    assert comment.datetime_created == datetime(2000, 1, 1, 1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"  \n\t ", b"<ul></ul>", b"<!-- nothing -->\n"])
def test_a_page_without_comments(body: bytes) -> None:
    assert decode_page(body) == []


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><head><title>Whoops</title></head><body><h1>Trouble</h1></body></html>",
        b'{"response": "Too many requests"}',
        b"too many requests",
        b"<div>something</div>",
        b"\xff\xfe",
        b'<li class="top-level-reply"></li>',
        b'<li class="top-level-reply"><div class="comment" data-comment-id="1"></div></li>',
    ],
)
def test_a_page_without_comment_markup_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_page(body)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('data-comment-id="', 'data-comment-id="x'),
        ('class="time" title="', 'class="time" title="never '),
        ('class="content"', 'class="nothing"'),
        ('class="top-level-reply', 'class="other'),
    ],
)
def test_one_broken_comment_is_set_aside_with_its_replies(old: str, new: str) -> None:
    """All others are read as they were written, wherever the broken one stands; without a place for it, none is."""
    threads, _ = a_page(9)
    for thread in threads:
        thread.removed = False
    whole = page(threads, 0)
    rows = [row for thread in threads for row in thread.expected()]
    for number in range(len(threads)):
        parts = whole.split(old)
        at = whole.count(old, 0, whole.index(f'id="comments-{threads[number].id}"'))
        at -= old.startswith('class="top')  # the list element stands before its comment
        body = (old.join(parts[: at + 1]) + new + old.join(parts[at + 1 :])).encode()
        with pytest.raises(DecodeError):
            decode_page(body)
        aside: list[OddItem] = []
        read = [comment.id for comment in decode_page(body, aside)]
        lost = {threads[number].id, *(reply.id for reply in threads[number].replies)}
        assert read == [row["id"] for row in rows if row["id"] not in lost]
        assert [one.position for one in aside] == [place for place, row in enumerate(rows) if row["id"] in lost]
        assert all(one.held in lost or one.reason == "no id" for one in aside)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("data-comment-user=", "data-nobody="),
        ('<a class="reply" style="display: none;" data-comment-id=', "<a data-nothing="),
        ("data-commentee-id=", "data-nobody="),
    ],
)
def test_a_comment_without_a_link_is_read_by_the_others(old: str, new: str) -> None:
    threads, _ = a_page(9)
    assert found(page(threads, 0).replace(old, new)) == [row for thread in threads for row in thread.expected()]


def test_a_picture_that_has_not_loaded_is_no_picture() -> None:
    threads, _ = a_page(9)
    loading = re.sub(r'(class="avatar" src=")[^"]*', r"\1/images/loading.gif", page(threads, 0))
    expected = [row | {"image": None} for thread in threads for row in thread.expected()]
    assert found(loading) == expected


def test_a_page_that_was_cut_never_gives_a_wrong_comment() -> None:
    """Either it is refused, or what is found is a beginning of what there was (replies not counted yet)."""
    threads, _ = a_page(9)
    whole = page(threads, 0)
    kept = ("id", "parent_id", "content", "created", "author", "visibility")
    expected = [tuple(row[name] for name in kept) for thread in threads for row in thread.expected()]
    refused = 0
    for end in range(0, len(whole), 37):
        try:
            part = [tuple(row[name] for name in kept) for row in found(whole[:end])]
        except DecodeError:
            refused += 1
            continue
        assert part == expected[: len(part)]
    assert refused > 10


ONE = (Path(__file__).parent / "profile_comment.html").read_text()


@pytest.mark.parametrize("tag", ["b", "div", "ul", "table"])
def test_markup_may_be_nested_deeply(tag: str) -> None:
    """What the parser cuts off, at some 2,000 elements, makes it another page; nothing fails in between."""
    for depth in (300, 900, 1500, 50_000):
        page = ONE.replace('<div class="content">', f'<div class="content">{f"<{tag}>" * depth}x{f"</{tag}>" * depth}')
        if depth > 2000:
            with pytest.raises(DecodeError):
                decode_page(page.encode())
        else:
            assert decode_page(page.encode())[0].content.startswith("x")


def test_a_tag_longer_than_any_of_the_site_makes_it_another_page() -> None:
    """The parser compares each attribute of a tag with all others."""
    page = ONE.replace('<div class="content">', f'<div class="content"><a {" ".join(f"x{n}=1" for n in range(5000))}>')
    with pytest.raises(DecodeError, match="a tag has more than 10,000 characters"):
        decode_page(page.encode())
