"""Made-up comments as the API serves them; authors, lengths and replies are distributed as recorded from the site.

Lists are kept as encoded items, so that a page costs a join and no benchmark measures its own encoder.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from harvester.sandbox.text import comment_json, username

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AUTHORS = 100_000
REPLIED = 0.25
"""Share of comments that have replies."""
LENGTH = 190
"""Comments of a list: five pages of 40 that overlap by one, the last of them short."""
ROWS_A_PAGE = LENGTH / 5
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class List:
    """The comments of one project, newest first."""

    project: int
    items: list[bytes]

    def page(self, query: str) -> bytes:
        """Return the body of the response to a query such as `?limit=40&offset=39`."""
        asked = parse_qs(query.removeprefix("?"))
        first, most = int(asked["offset"][0]), int(asked["limit"][0])
        return b"[%b]" % b",".join(self.items[first : first + most])


def lists(projects: Iterable[int], first_id: int = 1, length: int = LENGTH, authors: int = AUTHORS) -> Iterator[List]:
    """Return a list for each project, the same at each call; ids ascend from `first_id` with the time."""
    for number, project in enumerate(projects):
        chance = random.Random(project)
        newest = BEGAN + timedelta(minutes=project % 500_000)
        last = first_id + (number + 1) * length - 1
        yield List(
            project,
            [_item(last - place, newest - timedelta(minutes=17 * place), chance, authors) for place in range(length)],
        )


def _item(number: int, at: datetime, chance: random.Random, authors: int) -> bytes:
    # A few authors write most comments: the inverse of a power law.
    author = 1 + int(authors * chance.random() ** 3)
    replies = int(1 / chance.random() ** 0.5) if chance.random() < REPLIED else 0
    time = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    return (
        b'{"id":%d,"parent_id":null,"commentee_id":null,"content":"%b","datetime_created":"%b",'
        b'"datetime_modified":"%b","visibility":"visible","author":{"id":%d,"username":%b,"scratchteam":false,'
        b'"image":"https://cdn2.scratch.mit.edu/get_image/user/%d_60x60.png"},"reply_count":%d}'
    ) % (
        number,
        comment_json(chance.getrandbits(64), int(at.timestamp())),
        time.encode(),
        time.encode(),
        author,
        msgspec.json.encode(username(author * 7_919)),
        author,
        min(replies, 25),
    )
