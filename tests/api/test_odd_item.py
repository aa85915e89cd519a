"""One unusable item of a page is set aside; what can be repaired without doubt is repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.catalogue import STREAMS
from harvester.api.decode import MARKED, NOT_UTF_8, SchemaDeviation, decode
from harvester.crawl.sources import token_of
from harvester.errors import DecodeError

if TYPE_CHECKING:
    from harvester.api.odd_item import OddItem

COMMENTS = STREAMS["studio_comments"]
PROJECT = Path(__file__).parents[1] / "api_examples/projects.project_id.json"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def comment(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "parent_id": None,
        "commentee_id": None,
        "content": f"text {number}",
        "datetime_created": "2022-06-02T00:38:43.000Z",
        "datetime_modified": "2022-06-02T00:38:43.000Z",
        "visibility": "visible",
        "author": {"id": 9, "username": "u9", "scratchteam": False, "image": "x"},
        "reply_count": 0,
    } | changes


def taken_apart(items: list[Any]) -> tuple[list[int], list[OddItem]]:
    aside: list[OddItem] = []
    return [record.id for record in decode(COMMENTS, json.dumps(items).encode(), [], aside)], aside


ODD: list[tuple[Any, int | None, str]] = [
    (comment(3, id=None), None, "id: type changed to null"),
    (comment(3, id="3"), None, "id: type changed to string"),
    (comment(3, id=2**64), None, "id: type changed to number"),
    (comment(3, datetime_created="0000-00-00T00:00:00.000Z"), 3, "datetime_created: type changed to string"),
    (comment(3, datetime_created=None), 3, "datetime_created: type changed to null"),
    ({"id": 3}, 3, "datetime_created: missing field"),
    (None, None, "an object is due"),
    ([], None, "an object is due"),
    (17, None, "an object is due"),
]


@pytest.mark.parametrize(("odd", "identity", "reason"), ODD, ids=[f"{reason} {odd}"[:40] for odd, _, reason in ODD])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_an_unusable_item_is_set_aside_alone(odd: Any, identity: int | None, reason: str, place: int) -> None:
    items: list[Any] = [comment(number) for number in (10, 11, 12, 13)]
    items.insert(place, odd)
    ids, (one,) = taken_apart(items)
    assert ids == [10, 11, 12, 13]
    assert (one.position, one.identity, one.held, one.reason) == (place, identity, identity, reason)
    assert json.loads(one.body) == odd
    assert one.number == identity if identity is not None else one.number < 0
    assert taken_apart(items[::-1])[1][0].number == one.number  # wherever it stands
    with pytest.raises(DecodeError):
        decode(COMMENTS, json.dumps(items).encode())


@pytest.mark.parametrize(("usable", "odd", "refused"), [(0, 1, False), (0, 2, False), (0, 3, True), (3, 3, False),
    (2, 3, True), (20, 20, False), (19, 21, True)])  # fmt: skip
def test_a_page_that_is_mostly_unusable_is_refused_whole(usable: int, odd: int, refused: bool) -> None:
    items = [comment(number + 1) for number in range(usable)] + [comment(0, id=None) for _ in range(odd)]
    if refused:
        with pytest.raises(DecodeError):
            taken_apart(items)
    else:
        assert len(taken_apart(items)[1]) == odd


def test_an_object_is_used_or_refused() -> None:
    with pytest.raises(DecodeError):
        decode(STREAMS["studio_comment"], json.dumps(comment(1, id=None)).encode(), [], [])


@given(st.text(st.characters(exclude_categories=[])), st.booleans())
def test_lone_surrogates_and_nul_are_replaced_and_noted(text: str, upper: bool) -> None:
    """Of any text, escaped as JSON may be: pairs of surrogates stay, backslashes that are typed too."""
    body = json.dumps([comment(1), comment(2, content=text)])
    (_, record) = decode(COMMENTS, (body.replace("\\ud", "\\uD") if upper else body).encode(), [], [])
    true = json.loads(json.dumps(text)).replace("\0", REPLACEMENT)
    repaired = "".join(REPLACEMENT if 0xD800 <= ord(letter) < 0xE000 else letter for letter in true)
    assert record.content == repaired  # type: ignore[attr-defined]
    assert record.extra_fields == ({"replaced_in": ["content"]} if repaired != json.loads(json.dumps(text)) else {})


@given(st.text(), st.text(), st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xe2\x82", b"\x80\x80"]))
def test_bytes_that_are_not_utf_8_are_replaced_counted_and_noted(before: str, after: str, bad: bytes) -> None:
    """One run of such bytes in a text is one U+FFFD; all else is as it was."""
    body = json.dumps([comment(1), comment(2, content=f"{before}@here@{after}")], ensure_ascii=False).encode()
    deviations: list[SchemaDeviation] = []
    usual, record = decode(COMMENTS, body.replace(b"@here@", bad), deviations, [])
    assert record.content == f"{before}{REPLACEMENT}{after}".replace("\0", REPLACEMENT)  # type: ignore[attr-defined]
    assert (usual.extra_fields, record.extra_fields) == ({}, {"replaced_in": ["content"]})
    assert deviations == [SchemaDeviation("-", NOT_UTF_8, "1 replaced")]


@pytest.mark.parametrize("body", [b'["\xed\xa0\x80"{"id": 1}]', b'[{"id": 1\xff}]', b'[{"content": "\\\xff"}]'])
def test_a_body_that_is_no_json_but_for_such_bytes_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="not JSON"):
        decode(COMMENTS, body, [], [])


def test_nul_in_the_name_of_a_field_is_replaced_and_noted() -> None:
    (record,) = decode(COMMENTS, json.dumps([comment(1, **{"a\0b": "x\0y"})]).encode(), [], [])
    name = f"a{REPLACEMENT}b"
    assert record.extra_fields == {name: f"x{REPLACEMENT}y", "replaced_in": [name]}


def test_a_byte_order_mark_is_cut_and_told() -> None:
    body = json.dumps([comment(1)]).encode()
    deviations: list[SchemaDeviation] = []
    assert decode(COMMENTS, b"\xef\xbb\xbf" + body, deviations) == decode(COMMENTS, body)
    assert [one.change for one in deviations] == [MARKED]
    assert decode(STREAMS["profile_comments"], b"\xef\xbb\xbf\n\n", []) == []


def test_a_secret_in_an_item_is_not_kept() -> None:
    project = {"id": None, "project_token": "1700000000_abcdef"}
    aside: list[OddItem] = []
    decode(STREAMS["project_remixes"], json.dumps([project]).encode(), [], aside)
    assert b"abcdef" not in aside[0].body


@pytest.mark.parametrize("odd", [{"brand_new": 1}, {"title": "a\0b"}, {"title": 5}])
def test_an_undeclared_field_costs_no_token(odd: dict[str, Any]) -> None:
    """Without it no source would be read once the API adds a field."""
    served = json.loads(PROJECT.read_bytes())["response"]
    deviations: list[SchemaDeviation] = []
    for token in ("1700000000_abcdef", {"new": "1700000000_abcdef"}):
        (record,) = decode(STREAMS["project"], json.dumps(served | odd | {"project_token": token}).encode(), deviations)
        assert token_of([record]) == (token if isinstance(token, str) else None)
        assert "abcdef" not in f"{record.extra_fields} {deviations}"
