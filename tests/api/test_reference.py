"""The endpoint reference says what the catalogue says."""

from __future__ import annotations

from pathlib import Path

from harvester.api.catalogue import LEFT, STREAMS
from harvester.api.reference import entry, facts, page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_document_is_the_catalogue() -> None:
    assert (DOCS / "endpoints.md").read_text() == page(), "run `make docs`"


def test_every_stream_and_everything_left_is_named() -> None:
    text = page()
    for name, stream in STREAMS.items():
        assert f"## {name}\n" in text
        assert stream.path in entry(name)
        for note in stream.notes:
            assert note in entry(name)
            assert note.endswith((").", "."))
    assert all(one.endpoint in text and one.reason in text for one in LEFT)
    assert [one["stream"] for one in facts()] == list(STREAMS)
