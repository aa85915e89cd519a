"""Comment texts, as served and as read."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.text import decode_text, without_token_fields, without_tokens


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
def test_text_is_decoded_as_a_reader_sees_it(served: str, read: str) -> None:
    assert decode_text(served) == read


@given(st.text(st.characters(exclude_categories=("C",))))
def test_text_encoded_once_is_decoded_once(typed: str) -> None:
    assert decode_text(html.escape(typed)) == typed


_PIECES = (
    "&amp;",
    "&lt;",
    "&gt;",
    "&quot;",
    "&apos;",
    "&#39;",
    "&amp",
    "&",
    ";",
    "#39;",
    "lt;",
    "amp;",
    "a",
    "<",
    "&star;",
    "&notit;",
)


@given(st.lists(st.sampled_from(_PIECES)).map("".join))
def test_any_mixture_of_entities_is_decoded_as_html_says(served: str) -> None:
    assert decode_text(served) == html.unescape(served)


def test_project_tokens_are_removed_even_from_a_cut_response() -> None:
    served = b'{"id":1,"project_token" : "17_ab","title":"project_token"}'
    assert without_tokens(served) == b'{"id":1,"project_token" : "","title":"project_token"}'
    assert without_tokens(b'{"project_token":"17_a') == b'{"project_token":"'
    assert (
        without_tokens(rb'{"a":"{\"project_token\":\"17_a\",\"b\":1}"}') == rb'{"a":"{\"project_token\":\"\",\"b\":1}"}'
    )
    assert without_tokens(b'{"project_token": 17, "b": 1}') == b'{"project_token": , "b": 1}'


def test_token_shaped_values_are_removed_under_any_name() -> None:
    token = f"1700000000_{'0123456789abcdef' * 8}"
    assert without_tokens(f'{{"key":"{token}","id":1700000000}}'.encode()) == b'{"key":"","id":1700000000}'
    served = {"a": [{"project_token": {"x": 1}, "b": f"?t={token}"}], "project_token": None}
    assert without_token_fields(served) == {"a": [{"b": "?t="}]}


@pytest.mark.parametrize(
    ("served", "read"),
    [
        (f"&#{'9' * 5000};", "\N{REPLACEMENT CHARACTER}"),
        (f"&#x{'f' * 5000};x", "\N{REPLACEMENT CHARACTER}x"),
        (f"&#{'0' * 5000}65;", "A"),
        (f"&#X{'0' * 5000}41", "A"),
        ("&#000000065;&#000000000;&#123456789abc", "A\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}abc"),
    ],
)
def test_a_reference_may_have_any_number_of_digits(served: str, read: str) -> None:
    """Python makes no number of more than 4,300 digits."""
    assert decode_text(served) == read
