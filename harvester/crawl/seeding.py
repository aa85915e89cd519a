"""Put users, projects, studios and rankings in scope; nothing is stored before all of the input is checked."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from harvester.api.catalogue import PAGE_LIMIT, RANKING_DEPTH, STREAMS
from harvester.api.rows import Query, Rows, Visit, normalise
from harvester.api.stream import Kind
from harvester.choices import RankedKind
from harvester.config import Settings
from harvester.crawl.archive import Part
from harvester.crawl.commit import Writer, transaction_times
from harvester.crawl.fetch import Fetched, Unusable
from harvester.crawl.model import Display, no_display
from harvester.crawl.rate_limit import Interrupted
from harvester.crawl.run import run_spider
from harvester.crawl.session import Session
from harvester.crawl.spider import FrontierSpider
from harvester.erasure.remembered import load_rule
from harvester.errors import HarvesterError, Stop, TransientHTTP, UsageError
from harvester.frontier import scope
from harvester.frontier.scope import Seed
from harvester.warehouse.access import connect
from harvester.warehouse.annotations import NAME
from harvester.warehouse.connection import Connection
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import LONGEST_KEY

_SQL = statements(__package__, "seeding")
_USERNAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
"""Names are 3 to 20 characters today; older ones differ in length."""
_LARGEST_ID = 2**63 - 1
DEEPEST = 1000
_ERASED = "one of these is left out of this warehouse at the person's wish (harvester erase): nothing was seeded"


class NotFoundError(Stop):
    """A named entity does not exist at the site."""


def seed_users(settings: Settings, names: Sequence[str], depth: int, display: Display = no_display) -> tuple[int, int]:
    """Put users in scope by name; return how many are new and how many were known.

    Each name is looked up at the site (one request), since everything is kept by id.

    Raises:
        UsageError: a name that no account can have. NotFoundError: a name that no account has.
    """
    for name in names:
        if not _USERNAME.fullmatch(name):
            raise UsageError(f"{name!r} is no username: letters, digits, _ and - only; for an older name see --by-id")
    _check_depth(depth)
    settings.check_crawl_allowed()
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        rule = load_rule(connection, settings.home)
        if any(rule.names(NAME, name) for name in names):
            raise UsageError(_ERASED)
    session = Session(settings, f"seed users ({len(names)})")
    spider = run_spider(LookupSpider, session=session, display=display, names=list(dict.fromkeys(names)))
    if spider.outcome == "interrupted":
        raise KeyboardInterrupt
    missing = [name for name, rows in spider.found.items() if rows is None]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise NotFoundError(f"no user is called {missing[0]}{spider.why}{others}: nothing was seeded")
    found = [rows for rows in spider.found.values() if rows is not None]
    seeds = [Seed(Kind.USER, _id_in(rows), depth) for rows in found]
    try:
        added, times = _store(settings, seeds, found)
    except HarvesterError:
        _note(session, spider.archived)
        raise
    _note(session, spider.archived, *times)
    return added


def _note(
    session: Session, archived: Sequence[str], began_at: datetime | None = None, ended_at: datetime | None = None
) -> None:
    """Record in the archive when the responses of a lookup were stored; without times, that they were not."""
    if session.archive is not None and archived:
        session.archive.note([(id_, {}) for id_ in archived], began_at, ended_at)
        session.archive.close()


def seed_ids(settings: Settings, kind: Kind, ids: Sequence[str], depth: int) -> tuple[int, int]:
    """Put users, projects or studios in scope by id, without a request; return how many are new and known.

    A user's page is requested by name, so the warehouse must know the name already, from a list or a comment.

    Raises:
        UsageError: an id that is no whole number above 0. NotFoundError: a user whom the warehouse does not know.
    """
    numbers = []
    for text in ids:
        if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= _LARGEST_ID:
            raise UsageError(f"{text!r} is no {kind.value} id: a whole number above 0")
        numbers.append(int(text))
    _check_depth(depth)
    added, _ = _store(settings, [Seed(kind, number, depth) for number in dict.fromkeys(numbers)])
    return added


def seed_rankings(
    settings: Settings, source: str, kinds: Sequence[RankedKind], query: Query, depth: int
) -> tuple[list[str], int, int]:
    """Put rankings in scope; return their streams, how many are new and how many were known.

    `source` is `explore`, `search` or `front-page`.

    Raises:
        UsageError: a query, a language or a number of pages that the site does not have.
    """
    _check_depth(depth)
    if source == "search" and not query.query.strip():
        raise UsageError("--query: give the words to search for")
    if len(query.query) > LONGEST_KEY:
        raise UsageError(f"--query: {LONGEST_KEY} characters at most")
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}", query.language):
        raise UsageError(f"--language {query.language!r}: a language code such as en or pt-br")
    deepest = RANKING_DEPTH // PAGE_LIMIT
    if not 1 <= query.pages <= deepest:
        raise UsageError(f"--pages {query.pages}: between 1 and {deepest}, below which no ranking can be read")
    if source == "front-page":
        wanted = [("front_page", Query("", "", "", 1))]
    else:
        wanted = [(f"{source}_{kind}", query) for kind in kinds]
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        if load_rule(connection, settings.home).names(NAME, query.query.strip()):
            raise UsageError(_ERASED)
        new = sum(scope.seed_query(connection, stream, one, depth) for stream, one in wanted)
    return [stream for stream, _ in wanted], new, len(wanted) - new


def _check_depth(depth: int) -> None:
    if not 0 <= depth <= DEEPEST:
        raise UsageError(f"--depth {depth}: between 0 and {DEEPEST}")


def _store(
    settings: Settings, seeds: list[Seed], found: Sequence[list[Rows]] = ()
) -> tuple[tuple[int, int], tuple[datetime, datetime]]:
    """Store found users and put seeds in scope.

    Returns how many seeds are new and how many were known, and the begin and the end of the transaction.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        rule = load_rule(connection, settings.home)
        if any(rule.names(seed.kind.value, seed.entity_id) for seed in seeds):
            raise UsageError(_ERASED)
        with connection.transaction():
            Writer(connection, rule).store(rows for part in found for rows in part)
            _check_names_known(connection, [seed.entity_id for seed in seeds if seed.kind is Kind.USER])
            return scope.seed(connection, seeds), transaction_times(connection)


def _check_names_known(connection: Connection, users: list[int]) -> None:
    row = connection.execute(_SQL["first_unknown"], [users]).fetchone()
    if row is not None and row[0] is not None:
        raise NotFoundError(
            f"the warehouse knows no name of user {row[0]}, and a user's page is requested by name: nothing was seeded."
            " Seed a project or a studio that shows the user, run `harvester crawl`, and try again"
        )


def _id_in(rows: list[Rows]) -> int:
    return int(rows[0].values[0][rows[0].columns.index("id")])


class LookupSpider(FrontierSpider):
    """Spider that looks users up by name; `found` has their rows, or None for a name that no account has.

    `archived` has the ids of their records in the archive.
    The responses are archived at the end: where one name is not found nothing is stored, and nothing may be replayed.
    """

    name = "lookup"
    names: Sequence[str] = ()
    why = ""

    async def work(self) -> None:
        """Look all names up."""
        self.found: dict[str, list[Rows] | None] = {}
        self.archived: list[str] = []
        self._answers: list[Fetched] = []
        try:
            await self._look_up()
        finally:
            is_used = len(self.found) == len(self.names) and None not in self.found.values()
            for answer in self._answers:
                if is_used:
                    self.archived += filter(None, [answer.use()])
                else:
                    answer.discard()

    async def _look_up(self) -> None:
        at_once = asyncio.Semaphore(self.most_at_once)

        async def look_up(name: str) -> None:
            async with at_once:
                visit = Visit(STREAMS["user"], 0, username=name)
                try:
                    answer = await self.fetcher.read(visit, "", part=Part(alone=True))
                except TransientHTTP as error:
                    raise HarvesterError(
                        f"{self.session.settings.api_url} does not answer ({error}): nothing was seeded"
                    ) from None
                except Unusable as error:
                    raise self._not_the_api(str(error)) from None
                self._answers.append(answer)
                records = answer.records
                if records is None:
                    self.found[name] = None
                    return
                served: Any = records[0]
                if str(served.username).lower() != name.lower():
                    raise self._not_the_api(f"{name} was asked for, and somebody else was served")
                self.found[name] = normalise(visit, records)

        results = await asyncio.gather(*map(look_up, self.names), return_exceptions=True)
        for result in results:
            if isinstance(result, Interrupted):
                return
            if isinstance(result, BaseException):
                raise result
        self.found = {name: self.found[name] for name in self.names}
        await self._ask_why(next((name for name, rows in self.found.items() if rows is None), None))

    def _not_the_api(self, reason: str) -> HarvesterError:
        return HarvesterError(
            f"{self.session.settings.api_url} does not answer as the API does ({reason}); perhaps it is a login page,"
            " a ban or another service: nothing was seeded"
        )

    async def _ask_why(self, name: str | None) -> None:
        """Request the site's reason why the first of the names was not found."""
        if name is None:
            return
        with suppress(HarvesterError):
            with await self.fetcher.read(Visit(STREAMS["username_check"], 0, username=name), "") as answer:
                records: Any = answer.records
            meanings = {"username exists": " any more: the account was deleted or banned", "valid username": ""}
            self.why = meanings.get(records[0].msg, ", which can be no name") if records else ""
