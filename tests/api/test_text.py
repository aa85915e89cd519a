"""Comment texts, as served and as read."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.text import as_read


@pytest.mark.parametrize(
    ("served", "read"),
    [
        ("plain", "plain"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&hellip;&star;&Tab;&NegativeMediumSpace;", "\u2026\u2606\t\u200b"),
        ('hi <img src="/images/emoji/cat.png" class="emoji" alt="cat emoji"> &apos;', "hi :cat: '"),
        ("&amp;lt;", "&lt;"),  # typed as &lt;
        ("&amp;#39;", "&#39;"),  # stored encoded twice before 2019: decoded once
        ("&lt;img src=&quot;/images/emoji/cat.png&quot;&gt;", '<img src="/images/emoji/cat.png">'),
    ],
)
def test_as_a_reader_sees_it(served: str, read: str) -> None:
    assert as_read(served) == read


@given(st.text(st.characters(exclude_categories=("C",))))
def test_what_is_encoded_once_is_decoded_once(typed: str) -> None:
    assert as_read(html.escape(typed)) == typed
