"""What may leave this process, and when: only GET, only the two configured hosts, never faster than the budget.

The budget is one row in Postgres that all workers of a warehouse share (generic cell rate algorithm): a worker takes
the next free places of an even row of requests. When the site asks for a pause, the row is closed for everybody.
"""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest

from harvester.crawl.session import Session
from harvester.warehouse.commit import Connection

if TYPE_CHECKING:
    from harvester.crawl.spider import WalkSpider


class Interrupted(Exception):  # noqa: N818
    """The run is being stopped: what has not left does not leave."""


ATTEMPTS = 5
"""Times a request is sent before its visit is put off."""
LONGEST_RETRY_AFTER = 3600.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_BLOCK_SECONDS = 0.2
"""How much of the budget a worker takes at once."""


class PoliteMiddleware:
    """Downloader middleware: every request of the process passes here, whoever made it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.pacer = Pacer(session)
        settings = session.settings
        self.hosts = {urlsplit(url).netloc for url in (settings.api_url, settings.site_url)}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way to build a component."""
        spider: WalkSpider = crawler.spider  # type: ignore[assignment]
        return cls(spider.session)

    async def process_request(self, request: Request) -> None:
        """Refuse what may not leave, and wait for a place in the budget."""
        if request.method != "GET":
            raise IgnoreRequest(f"only GET may leave: {request.method}")
        if urlsplit(request.url).netloc not in self.hosts:
            raise IgnoreRequest("only the two configured hosts are asked")
        await self.pacer.wait()
        self.session.requests += 1


class Pacer:
    """Hands out the places of the shared budget, and keeps the pauses that the site asks for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rate = session.settings.rate
        self._turn = asyncio.Lock()
        self._places: list[float] = []
        self._closed_until = 0.0

    async def wait(self) -> None:
        """Return when the next request may be sent.

        Who held a place when a pause began takes another one after it: those who waited must not leave together.
        """
        loop = asyncio.get_running_loop()
        while True:
            if self._rate:
                await self._until(await self._place())
            if loop.time() >= self._closed_until:
                break
            await self._until(self._closed_until)
        if self._session.stopping.is_set():
            raise Interrupted

    async def _place(self) -> float:
        """The next place of this worker, a time of the loop."""
        async with self._turn:
            if not self._places:
                self._places = await self._take()
            return self._places.pop(0)

    async def _take(self) -> list[float]:
        loop = asyncio.get_running_loop()
        count = max(1, int(self._rate * _BLOCK_SECONDS))
        first = await self._session.call(take_places, count, 1 / self._rate)
        now = loop.time()
        return [now + first + place / self._rate for place in range(count)]

    async def _until(self, at: float) -> None:
        """Sleep until a time of the loop, or until the run is being stopped, which raises `Interrupted`."""
        delay = at - asyncio.get_running_loop().time()
        if delay > 0:
            try:
                async with asyncio.timeout(delay):
                    await self._session.stopping.wait()
            except TimeoutError:
                return
            raise Interrupted

    async def pause(self, seconds: float, reason: str) -> None:
        """Send nothing for a while, neither this worker nor another."""
        loop = asyncio.get_running_loop()
        self._closed_until = max(self._closed_until, loop.time() + seconds)
        self._places.clear()
        await self._session.call(close_budget, seconds, reason)


def take_places(connection: Connection, count: int, interval: float) -> float:
    """Take the next `count` places, `interval` s apart; return the seconds from now to the first of them."""
    row = connection.execute(
        "INSERT INTO crawl.budget AS b (id, next_at) VALUES (1, now() + make_interval(secs => %(block)s))"
        " ON CONFLICT (id) DO UPDATE SET next_at ="
        " greatest(b.next_at, clock_timestamp(), b.closed_until) + make_interval(secs => %(block)s)"
        " RETURNING extract(epoch FROM b.next_at - clock_timestamp())::float8 - %(block)s",
        {"block": count * interval},
    ).fetchone()
    assert row is not None
    return max(0.0, float(row[0]))


def close_budget(connection: Connection, seconds: float, reason: str) -> None:
    """Close the budget for everybody."""
    connection.execute(
        "INSERT INTO crawl.budget AS b (id, closed_until, closed_reason)"
        " VALUES (1, now() + make_interval(secs => %(seconds)s), %(reason)s) ON CONFLICT (id) DO UPDATE SET"
        " closed_until = greatest(b.closed_until, excluded.closed_until), closed_reason = excluded.closed_reason",
        {"seconds": seconds, "reason": reason},
    )


def backoff(attempt: int) -> float:
    """Seconds to wait after the failure number `attempt` (from 0): doubling, with jitter, up to a minute."""
    ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
    return random.uniform(ceiling / 2, ceiling)


def retry_after(value: str | None) -> float | None:
    """Seconds of a `Retry-After` header, given in seconds or as a date (RFC 9110, 10.2.3); None if there is none."""
    if not value:
        return None
    text = value.strip()
    if text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), LONGEST_RETRY_AFTER)
