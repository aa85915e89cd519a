"""From what an operator types to what is in scope. Nothing is stored before everything is known to be sound."""

import asyncio
import re
from collections.abc import Sequence

from harvester.api.catalogue import STREAMS, Kind
from harvester.config import Settings
from harvester.crawl import frontier
from harvester.crawl.frontier import Seed
from harvester.crawl.politeness import Interrupted
from harvester.crawl.run import run_spider
from harvester.crawl.session import Session
from harvester.crawl.spider import WalkSpider
from harvester.errors import HarvesterError, Stop, TransientHTTP, UsageError
from harvester.warehouse.commit import Writer
from harvester.warehouse.connect import connect
from harvester.warehouse.normalise import Rows, Visit, normalise
from harvester.warehouse.schema import check_schema

_USERNAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
"""Names are 3 to 20 characters today; older ones differ in length."""
_LARGEST_ID = 2**63 - 1
DEEPEST = 1000


class NotFoundError(Stop):
    """What was named does not exist at the site."""


def seed_users(settings: Settings, names: Sequence[str], depth: int) -> tuple[int, int]:
    """Put users in scope by name; return how many are new and how many were known.

    Each name is looked up at the site (one request), since everything is kept by id.

    Raises:
        UsageError: a name that cannot be one. NotFoundError: a name that nobody has.
    """
    for name in names:
        if not _USERNAME.fullmatch(name):
            raise UsageError(f"{name!r} is no username: letters, digits, _ and - only")
    _check_depth(depth)
    settings.check_crawl_allowed()
    session = Session(settings, f"seed users ({len(names)})")
    spider = run_spider(LookupSpider, session=session, progress=len(names) > 50, names=list(dict.fromkeys(names)))
    if spider.outcome == "interrupted":
        raise KeyboardInterrupt
    missing = [name for name, rows in spider.found.items() if rows is None]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise NotFoundError(f"no user is called {missing[0]}{others}: nothing was seeded")
    return _store(settings, [Seed(Kind.USER, _id_in(rows), depth) for rows in spider.found.values()], spider.found)


def seed_ids(settings: Settings, kind: Kind, ids: Sequence[str], depth: int) -> tuple[int, int]:
    """Put projects or studios in scope by id, without a request; return how many are new and how many were known."""
    numbers = []
    for text in ids:
        if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= _LARGEST_ID:
            raise UsageError(f"{text!r} is no {kind.value} id: a whole number above 0")
        numbers.append(int(text))
    _check_depth(depth)
    return _store(settings, [Seed(kind, number, depth) for number in dict.fromkeys(numbers)], {})


def _check_depth(depth: int) -> None:
    if not 0 <= depth <= DEEPEST:
        raise UsageError(f"--depth {depth}: between 0 and {DEEPEST}")


def _store(settings: Settings, seeds: list[Seed], found: dict[str, list[Rows] | None]) -> tuple[int, int]:
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        with connection.transaction():
            Writer(connection).store(rows for part in found.values() for rows in part or ())
            return frontier.seed(connection, seeds)


def _id_in(rows: list[Rows] | None) -> int:
    assert rows is not None
    return int(rows[0].values[0][rows[0].columns.index("id")])


class LookupSpider(WalkSpider):
    """Looks users up by name; `found` holds their rows, or None for a name that nobody has."""

    name = "lookup"
    names: Sequence[str] = ()

    async def _work(self) -> None:
        self.found: dict[str, list[Rows] | None] = {}
        at_once = asyncio.Semaphore(self.crawler.settings.getint("CONCURRENT_REQUESTS"))

        async def look_up(name: str) -> None:
            async with at_once:
                visit = Visit(STREAMS["user"], 0, username=name)
                try:
                    records = await self.read(visit, "")
                except TransientHTTP as error:
                    raise HarvesterError(
                        f"{self.session.settings.api_url} could not be asked ({error}): nothing was seeded"
                    ) from None
                self.found[name] = None if records is None else normalise(visit, records)

        results = await asyncio.gather(*map(look_up, self.names), return_exceptions=True)
        for result in results:
            if isinstance(result, Interrupted):
                return
            if isinstance(result, BaseException):
                raise result
        self.found = {name: self.found[name] for name in self.names}
