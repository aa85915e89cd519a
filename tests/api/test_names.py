"""A name is found as a reader sees it, and no other word is."""

# ruff: noqa: RUF001  (letters that look like others are what is looked for)

from __future__ import annotations

import string
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harvester.api.names import fold, is_distinctive, mentions, replaced

NAMES = frozenset(map(fold, ("CoolCat_1", "anna", "q|y", ".+", "José99", "_luna1_", "p.u.f.f", "sunshinegirl", "次郎")))
OTHERS = frozenset({"coolcat_1s", "_coolcat_1"})


def left(text: str) -> str:
    return replaced(text, "X", NAMES.__contains__, OTHERS.__contains__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # As a word, whatever stands beside it
        ("hi CoolCat_1!", "hi X!"),
        ("coolcat_1's cat, coolcat_1_ and coolcat_1es", "X's cat, X_ and Xes"),
        ("-coolcat_1-, __luna1__", "-X-, _X_"),
        ("次coolcat_1次 имяcoolcat_1", "次X次 имяX"),
        ("sunshinegirls", "Xs"),
        # Hidden
        ("%63oolcat_1 %2Fcoolcat%5F1%20", "X %2FX%20"),
        ("%E6%AC%A1coolcat_1", "%E6%AC%A1X"),
        ("&#99;oolcat_1 &#x63;oolcat_1 &amp;#99;oolcat_1", "X X X"),
        ("\\u0063oolcat_1", "X"),
        ("ｃｏｏｌcat＿1 𝐜𝐨𝐨𝐥cat_1", "X X"),
        ("cool\u200bcat\u2060_1 co\xadolcat_1\ufe0f", "X X\ufe0f"),
        ("JOSE\u030199 josé99", "X X"),
        # Called
        ("@anna /users/anna/ ?q=anna&x @次郎", "@X /users/X/ ?q=X&x @X"),
        ("%40anna &#64;anna ＠anna @\u200banna", "%40X &#64;X ＠X @\u200bX"),
        ("@q|y, @.+. and @p.u.f.f.", "@X, @X. and @X."),
    ],
)
def test_a_name_is_found_as_a_reader_sees_it(text: str, expected: str) -> None:
    assert left(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "anna Anna annas _anna_",  # an ordinary word
        "q|y .+ p.u.f.f 次郎 abc",  # short, or without a digit
        "coolcat_12 xcoolcat_1 coolcat_1-fan coolcat_1x",
        "coolcat_1s _coolcat_1",  # names of others
        "@coolcat_1s @_coolcat_1_ @coolcat_1es /users/coolcat_12",
        "luna1 _luna1",
        "cafe\u0301 100% &copy &coolcat; %zz %c3(",
        "",
    ],
)
def test_no_part_of_another_word_is_a_name(text: str) -> None:
    assert left(text) == text


def test_numbers_and_short_names_are_not_distinctive() -> None:
    assert [
        name for name in ("1080p", "10th", "2011", "x2", "----------", "anna", "12-30") if is_distinctive(name)
    ] == []
    assert all(map(is_distinctive, ("luna1", "a_b_", "griffpatch", "mp3s")))


@given(
    before=st.text(max_size=8),
    after=st.text(max_size=8),
    written=st.sampled_from(("coolcat_1", "COOLCAT_1", "\u200b".join("coolcat_1"), "ｃｏｏｌｃａｔ_1", "_coolcat_1_")),
    layers=st.lists(st.sampled_from("%&"), max_size=2),
)
def test_a_hidden_name_is_found_between_any_other_text(
    before: str, after: str, written: str, layers: list[str]
) -> None:
    for layer in layers:
        written = "".join(
            "".join(f"%{byte:02x}" for byte in letter.encode()) if layer == "%" else f"&#{ord(letter)};"
            for letter in written
        )
    text = f"{before} {written} {after}"
    middle = len(before) + 1 + len(written) // 2
    assert any(start <= middle < end for start, end in mentions(text, NAMES.__contains__))


@example("@*")
@given(st.text(alphabet=string.printable + "éßİ歳１＿\u200b\u0301\ufe0f&%#;", max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    places = mentions(text, lambda name: len(name) % 2 == 0)
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(one.end <= other.start for one, other in pairwise(places))
