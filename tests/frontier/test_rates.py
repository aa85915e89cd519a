"""The numbers of spiders that are stored in `crawl.frontier.queue` stay what they are."""

from __future__ import annotations

from harvester.api.catalogue import STREAMS
from harvester.frontier.rates import CLASSES, QUEUE_NUMBERS


def test_stored_numbers_of_spiders_never_move() -> None:
    assert QUEUE_NUMBERS == {"users": 0, "projects": 1, "studios": 2, "comments": 3, "sources": 4}
    assert CLASSES == 32


def test_every_scheduled_spider_has_a_number() -> None:
    assert {stream.spider for stream in STREAMS.values() if stream.item_weight} == set(QUEUE_NUMBERS)
