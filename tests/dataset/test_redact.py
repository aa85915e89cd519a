"""Redaction removes names and places at the stated recall, and keeps the features of a text."""

import re
import string
from itertools import pairwise
from pathlib import Path
from re import _constants as sre
from re import _parser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.dataset import corpus
from harvester.dataset.recall import measure, percentages, stated, table
from harvester.dataset.redact import _PROPER_TAIL, Names, features, find, redact
from harvester.dataset.redact_rules import LEARN_NAME, PLAIN_NAME, RULES, bounded

NAMES = Names(["CoolCat_123", "luna", "griffpatch", "Max"], lambda name: f"<{name}>")


# recall --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [corpus.HELD_OUT, corpus.FRESH])
def test_stated_recall_is_the_measured_recall(part):
    """Of each kind and language, on templates that the rules were not tuned with.

    Run `python -m harvester.dataset.recall --write` when rules or templates change.
    """
    measured = measure(part)
    assert percentages(measured) == stated(part)
    assert set(stated(part)) == {*corpus.KINDS, "all"}
    for kind, row in stated(part).items():
        assert set(row) == {*corpus.LANGUAGES, "all", "precision"}
        assert all(measured[kind, language].values > 0 for language in (*corpus.LANGUAGES, "all"))


def test_the_documentation_states_the_same():
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    assert table(stated()) in text
    assert table(stated(corpus.HELD_OUT)) in text


def test_a_rule_is_only_passed_over_where_it_cannot_match(monkeypatch):
    told = [(comment.text, find(comment.text, NAMES)) for comment in corpus.comments(corpus.TUNED, each=6, harmless=6)]
    monkeypatch.setattr("harvester.dataset.redact.NEEDED", ())
    assert [find(text, NAMES) for text, _ in told] == [spans for _, spans in told]


def test_the_parts_share_no_template_and_no_filler():
    for language in corpus.LANGUAGES:
        told = corpus._templates()[language]
        for kind, parts in told.items():
            for one in parts.values() if kind == "fill" else [parts]:
                if isinstance(one, dict):
                    assert set(one) == set(corpus.PARTS)
                    assert all(one.values())
                    assert len(set().union(*one.values())) == sum(map(len, one.values())), (language, kind)


def test_labels_of_the_corpus_match_their_text():
    for part in corpus.PARTS:
        for comment in corpus.comments(part, each=5, harmless=5):
            assert bool(comment.labels) == (comment.kind != corpus.HARMLESS)
            for label in comment.labels:
                assert comment.text[label.start : label.end].strip(), comment
            assert comment.kind in {*(label.kind for label in comment.labels), corpus.HARMLESS}, comment


def test_there_are_several_thousand_in_each_language():
    counts = dict.fromkeys(corpus.LANGUAGES, 0)
    for part in corpus.PARTS:
        for comment in corpus.comments(part):
            counts[comment.language] += 1
    assert min(counts.values()) > 3000


# cost ----------------------------------------------------------------------------------------------------------------


def _repeats(tree):
    """Each repetition in a parsed pattern: its kind, its upper bound, and whether it is the last part of it."""
    for part, (operation, argument) in enumerate(tree):
        is_last = part == len(tree) - 1
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            yield operation, argument[1], is_last
            yield from ((kind, most, last and is_last) for kind, most, last in _repeats(argument[2]))
        inner = {sre.SUBPATTERN: lambda a: [a[3]], sre.ATOMIC_GROUP: lambda a: [a], sre.BRANCH: lambda a: a[1],
                 sre.ASSERT: lambda a: [a[1]], sre.ASSERT_NOT: lambda a: [a[1]]}  # fmt: skip
        for branch in inner.get(operation, lambda _: ())(argument):
            yield from ((kind, most, last and is_last) for kind, most, last in _repeats(branch))


@pytest.mark.parametrize("rule", [*RULES, LEARN_NAME, PLAIN_NAME, _PROPER_TAIL], ids=lambda rule: str(rule)[:30])
def test_each_rule_takes_linear_time(rule):
    """What is tried from one place of a text has a bound, but for what a match ends with, which is never given back."""
    pattern = getattr(rule, "pattern", rule)
    source = pattern if isinstance(pattern, str) else pattern.pattern
    for kind, most, is_last in _repeats(_parser.parse(source)):
        assert most <= 80 or (kind is sre.POSSESSIVE_REPEAT and is_last), source


def test_a_pattern_is_bounded_wherever_it_repeats():
    assert bounded(r"a*b+?c++[a*+]+(?:x|y)*(z){2,}\+\*[^]+]*[^\]+]+(?:a{2})+d{1,3}") == (
        r"a{0,64}b{1,64}?c++[a*+]{1,64}(?:x|y){0,8}(z){2,10}\+\*[^]+]{0,64}[^\]+]{1,64}(?:a{2}){1,8}d{1,3}"
    )


def test_a_hostile_text_is_redacted():
    """Each of these took minutes or longer, in rules whose repetitions had no bound."""
    for part in ("-", "a-", "_-", "a.", "1 ", "@a", "a@a", "im ", "la ", "A la ", "\u200b", "(", "~"):
        text = part * (20_000 // len(part))
        assert find(f"{text} www.x.com", NAMES)[-1].kind == "link"


# what is written instead ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("@CoolCat_123 hi", "@<coolcat_123> hi"),
        ("thanks @coolcat_123!", "thanks @<coolcat_123>!"),
        ("made by coolcat_123", "made by @<coolcat_123>"),
        ("@nobody_here hi", "@[user] hi"),
        ("\uff43\uff4f\uff4f\uff4ccat_123 次cool\u200bcat_123次", "@<coolcat_123> 次@<coolcat_123>次"),
        ("%63oolcat_123 _coolcat_123_ coolcat_123s", "@[user] _@<coolcat_123>_ @<coolcat_123>s"),
        ("by griffpatch", "by @<griffpatch>"),
        ("the luna eclipse", "the luna eclipse"),  # an ordinary word is no name by itself
        ("credit to luna", "credit to @<luna>"),
        ("im 10", "im [age]"),
        ("im 1 0 lol", "im [age] lol"),
        ("im 1\ufe0f\u20e30\ufe0f\u20e3 :meow:", "im [age] :meow:"),
        ("im eleven, u?", "im [age], u?"),
        ("I got to level 10", "I got to level 10"),
        ("my email is a.b@c.com ok", "my email is [email] ok"),
        ("see https://x.org/?a=1 now", "see [link] now"),
        ("my disc0rd is jake_2011", "my disc0rd is [handle]"),
        ("call 555-123-4567", "call [phone]"),
        ("1,000,000 views", "1,000,000 views"),
        ("私は１０歳です", "私は[age]歳です"),
        ("", ""),
    ],
)
def test_replacements_of_redacted_parts(text, left):
    assert redact(text, NAMES) == left


def test_a_name_in_lists_may_be_a_word():
    assert redact("I will win", NAMES) == "I will win"
    assert redact("this is Emily", NAMES) == "this is [name]"


@given(st.text(alphabet=string.printable + "éßİıŞ歳さくら１０😀\u200b\ufe0f\u20e3@", max_size=80))
def test_any_text_can_be_redacted(text):
    spans = find(text, NAMES)
    assert all(0 <= one.start < one.end <= len(text) for one in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    features(text)
    redact(text, NAMES)


PIECES = ["im 10", "@CoolCat_123", "a@b.com", "www.x.com", "lol", "ok", "my name is Emily"]


@given(st.lists(st.sampled_from(PIECES), max_size=6))
def test_a_match_is_redacted_beside_any_text(pieces):
    left = redact(" ".join(pieces), Names(["CoolCat_123"], lambda _: "somebody"))
    assert not re.search(r"10|CoolCat_123|a@b|x\.com|Emily", left, re.IGNORECASE)


# known names ---------------------------------------------------------------------------------------------------------


def test_names_are_known_whatever_their_capitals():
    assert "COOLCAT_123" in NAMES
    assert "coolcat_124" not in NAMES
    assert "anybody" not in Names([], str)


def test_a_name_takes_eight_bytes():
    names = Names((f"user{n}" for n in range(10_000)), str)
    assert names._hashes.nbytes == 80_000
    assert all(f"USER{n}" in names for n in range(0, 10_000, 97))


# features ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hi :meow: 😀?", (12, 1, 2, "Latn", True, 0, 0)),
        ("@a_b see www.x.com and @c_d", (27, 7, 0, "Latn", False, 1, 2)),
        ("привет", (6, 1, 0, "Cyrl", False, 0, 0)),
        ("東京のさくら", (6, 1, 0, "Jpan", False, 0, 0)),
        ("你好", (2, 1, 0, "Hani", False, 0, 0)),
        ("123 !!", (6, 1, 0, "Zyyy", False, 0, 0)),
        ("", (0, 0, 0, "Zyyy", False, 0, 0)),
        ("¿qué?", (5, 1, 0, "Latn", True, 0, 0)),
    ],
)
def test_features(text, told):
    found = features(text)
    assert tuple(found.values()) == told
    assert list(found) == [
        "length",
        "words",
        "emoji_count",
        "language_script",
        "question",
        "link_count",
        "mention_count",
    ]
