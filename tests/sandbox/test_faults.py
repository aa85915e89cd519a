from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.httpcompression import ACCEPTED_ENCODINGS
from scrapy.http import Response
from scrapy.utils.test import get_crawler

from harvester.crawl.downloadhandlers import BadlyPackedError
from harvester.crawl.middlewares import UnpackingMiddleware
from harvester.sandbox import faults
from harvester.sandbox.community import Community
from harvester.sandbox.faults import NAMES, Faults, parse

URL = "http://127.0.0.1/"


@pytest.mark.parametrize(
    "spec", ["500", "500=", "500=x", "nope=0.1", "500=1.1", "500=-0.1", "500=nan", "=0.5", "500=0.6,429=0.6", "500:0.1"]
)
def test_a_bad_spec_is_refused_with_the_known_names(spec):
    with pytest.raises(ValueError, match="429-html") as caught:
        parse(spec)
    assert all(name in str(caught.value) for name in NAMES)


def test_a_spec_is_read():
    assert parse("") == {}
    assert parse(" 500=0.05, 429 = 0.02,") == {"500": 0.05, "429": 0.02}
    assert Faults("500=0.05,null=1e-3").spec == "500=0.05,null=0.001"


def test_draws_are_seeded_and_frequent_as_said():
    draws = [Faults("500=0.1,slow=0.2", seed).draw for seed in (1, 1, 2)]
    runs = [[draw() for _ in range(5_000)] for draw in draws]
    assert runs[0] == runs[1] != runs[2]
    counts = Counter(runs[0])
    assert counts["500"] == pytest.approx(500, rel=0.2)
    assert counts["slow"] == pytest.approx(1_000, rel=0.2)


def test_the_first_answers_at_each_address_have_their_faults(tiny):
    with pytest.raises(ValueError, match="429-html"):
        faults.parse_first("500,nope")
    tiny.request("/sandbox/settings?first_faults=500,none,null", "POST")
    for path in ("/health", "/news?limit=3", "/news?limit=4"):
        answers = [tiny.get(path) for _ in range(4)]
        assert [(answer.status, answer.body == b"null") for answer in answers] == [
            (500, False),
            (200, False),
            (200, True),
            (200, False),
        ]


EXPECTED = {
    "429": (429, {"response": "Too many requests"}),
    "429-html": (429, None),
    "429-retry": (429, {"response": "Too many requests"}),
    "500": (500, {"code": "InternalError", "message": ""}),
    "502": (502, None),
    "503-maintenance": (503, {"status": "unavailable; maintenance"}),
    "503-varnish": (503, None),
    "504": (504, None),
    "html": (200, None),
    "redirect": (302, None),
    "null": (200, "null"),
}


@pytest.fixture
def tiny(new_client):
    return new_client(Community(5, seed=1))


@pytest.mark.parametrize("name", EXPECTED)
def test_an_answer_in_place_of_the_true_one(tiny, name):
    tiny.request(f"/sandbox/settings?faults={name}=1", "POST")
    answer = tiny.get("/")
    status, body = EXPECTED[name]
    assert answer.status == status
    if body is None:
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        assert answer.headers["content-type"].startswith("text/html")
    else:
        assert answer.json() == (None if body == "null" else body)
    assert ("retry-after" in answer.headers) == (name == "429-retry")
    assert ("location" in answer.headers) == (name == "redirect")
    assert tiny.get("/sandbox/requests").json()["by_status"] == {str(status): 1}


def test_bodies_that_are_cut_or_wrong(tiny):
    path = f"/users/{tiny.community.users.name[0]}"
    whole = tiny.get(path)
    tiny.app.faults.configure("truncate=1")
    cut = tiny.get(path)
    assert cut.status == 200
    assert whole.body.startswith(cut.body)
    assert int(cut.headers["content-length"]) == len(cut.body) < len(whole.body)
    tiny.app.faults.configure("garbage=1")
    assert set(tiny.get(path).json()) == {"unexpected", "limit"}


def sent(fault, body=b"0123456789" * 10):
    """The messages of a fault, and how often it dropped the connection."""
    messages, drops = [], []

    async def send(message):
        messages.append(message)

    asyncio.run(faults.send_fault(send, fault, 200, [], body, lambda: drops.append(1)))
    return messages, len(drops)


def test_no_encoding_unpacks_a_badly_packed_body():
    """Of all encodings that Scrapy asks for."""
    unpacking = UnpackingMiddleware.from_crawler(get_crawler())
    stated = set()
    for length in range(4):
        (start, content), _ = sent("packing", b"x" * length)
        headers = dict(start["headers"])
        stated.add(headers[b"content-encoding"])
        with pytest.raises(BadlyPackedError):
            unpacking.process_response(Request(URL), Response(URL, headers=headers, body=content["body"]))
    assert stated == set(ACCEPTED_ENCODINGS)


def test_reset_stops_in_the_middle():
    messages, _ = sent("reset")
    assert (b"content-length", b"100") in messages[0]["headers"]
    assert len(messages[1]["body"]) == 50
    assert messages[1]["more_body"]
    assert len(messages) == 2


def test_stall_ends_without_an_answer(monkeypatch):
    monkeypatch.setattr(faults, "STALL_SECONDS", 0.0)
    assert sent("stall") == ([], 1)


@pytest.mark.parametrize("body", [b"", b"[]", b"0123456789" * 10])
def test_slow_sends_it_all_in_the_end(monkeypatch, body):
    monkeypatch.setattr(faults, "SLOW_SECONDS", 0.0)
    messages, drops = sent("slow", body)
    assert b"".join(message["body"] for message in messages[1:]) == body
    assert not messages[-1].get("more_body")
    assert drops == 0
