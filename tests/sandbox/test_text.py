from __future__ import annotations

import html
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harvester.sandbox import text, words
from harvester.sandbox.clock import NOW, seconds
from harvester.sandbox.text import encode_entities, entity_table

TYPED = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\0"))


def test_the_table_is_the_recorded_one():
    table = entity_table()
    assert len(table) == 1287
    samples = {
        "&": "&amp;",
        "'": "&apos;",
        "…": "&hellip;",
        "☆": "&star;",
        "Д": "&Dcy;",
        "é": "&eacute;",
        "\t": "&Tab;",
    }
    assert {character: table[ord(character)] for character in samples} == samples
    assert ord("\n") not in table
    for code, entity in table.items():
        assert html.unescape(entity) == chr(code)


@given(TYPED | st.text("&;#<>ltamp\"'39x", max_size=30))
def test_encoding_round_trips(typed):
    served = encode_entities(typed)
    assert html.unescape(served) == typed
    assert encode_entities(html.unescape(served)) == served
    assert not re.search(r"[<>\"']|&(?![A-Za-z0-9]+;)", served)


def test_the_emoji_image_is_exact():
    assert text.emoji_image("cat") == '<img src="/images/emoji/cat.png" class="emoji" alt="cat emoji">'


@given(st.integers(0, 2**64 - 1), st.sampled_from([seconds("2012-05-01"), NOW]))
def test_a_comment_decodes_once_to_what_a_reader_sees(chance, created):
    seen, served = text.comment_text_and_served(chance, created)
    assert served == msgspec.json.decode(b'"' + text.comment_json(chance, created) + b'"')
    image = re.compile(r'<img src="/images/emoji/([a-z0-9-]+)\.png" class="emoji" alt="\1 emoji">')
    assert html.unescape(image.sub(r":\1:", served)) == seen
    assert image.sub("", served) == encode_entities(html.unescape(image.sub("", served)))
    assert 0 < len(seen) <= 1_000
    assert max(map(ord, seen)) <= 0xFFFF
    assert "\0" not in seen


def test_old_comments_are_escaped_twice_and_new_ones_are_not(community):
    twice = {False: 0, True: 0}
    for comments in (community.project_comments, community.studio_comments):
        for row in range(len(comments)):
            created = comments.created[row]
            _, served = text.comment_text_and_served(comments.content(row), created)
            old = created < text.DOUBLE_ESCAPED_BEFORE
            twice[old] += "&amp;#39;" in served and "&#39;quoted" not in html.unescape(served)
    assert twice[True] > 0
    assert twice[False] == 0


def test_every_vocabulary_is_served(community):
    """Scripts, markup, controls, typed entities and emoji all occur at 500 users."""
    comments = community.project_comments
    texts = "".join(
        text.comment_text_and_served(comments.content(row), comments.created[row])[0] for row in range(len(comments))
    )
    projects = community.projects
    titles = "".join(text.PROJECT_TITLE.text(projects.title(row)) for row in range(len(projects)))
    for script in (
        "[\u0430-\u044f]",
        "[\u0600-\u06ff]",
        "[\u0590-\u05ff]",
        "[\u4e00-\u9fff]",
        "[\u3040-\u30ff]",
        "[\uac00-\ud7af]",
    ):
        assert re.search(script, texts)
        assert re.search(script, titles)
    assert re.search("&[a-z]+;", texts)
    assert re.search(r":[a-z-]+-cat:|:cat:", texts)
    assert re.search("[\U00010000-\U0010ffff]", titles)
    assert re.search("[\x01-\x08\x0e-\x1f\x7f-\x9f]", titles)
    assert "\0" not in titles + texts


def test_names_are_valid_and_unique(community):
    names = community.users.name
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{3,30}", name) for name in names)
    assert any(len(name) > 20 for name in (text.username(chance) for chance in range(1_000)))


def test_the_words_for_comments_are_in_the_basic_plane():
    for vocabulary in (words.SHORT_COMMENTS, words.OPENERS, words.SENTENCES, words.ENDINGS, words.ODD_COMMENTS):
        assert max(map(ord, "".join(vocabulary))) <= 0xFFFF
