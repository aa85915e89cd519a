"""Read the profile of a person who asks to be erased: it holds the phrase of the request if the account is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Visit
from harvester.crawl.fetch import Unusable
from harvester.crawl.rate_limit import Interrupted
from harvester.crawl.run import run_spider
from harvester.crawl.session import Session
from harvester.crawl.spider import FrontierSpider
from harvester.erasure.requests import check_unverified, holds_phrase, phrase_of, read_request, record_verified
from harvester.errors import HarvesterError, TransientHTTP, UsageError
from harvester.warehouse.access import connect
from harvester.warehouse.schema import check_schema

if TYPE_CHECKING:
    from harvester.api.records import User
    from harvester.config import Settings
    from harvester.erasure.requests import ErasureRequest

_BY_HAND = "another proof is recorded with --by-hand"


def verify_by_profile(settings: Settings, number: int) -> ErasureRequest:
    """Look for the phrase of a request in the person's profile, by one request within the crawl's budget.

    What is read is stored nowhere, the archive included.

    Raises:
        UsageError: there is no such request, it cannot be verified any more, or no name of the account is known.
        HarvesterError: the profile is not there, is another account's, or does not hold the phrase.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        request = read_request(connection, number)
        check_unverified(request)
    if request.username is None:
        raise UsageError(
            f"request {number} names an id of which no name is known, and a profile is read by name: {_BY_HAND}"
        )
    settings.check_crawl_allowed()
    session = Session(settings.model_copy(update={"archive": None}), f"erase request verify {number}")
    spider = run_spider(ProfileSpider, session=session, username=request.username)
    if spider.outcome == "interrupted":
        raise KeyboardInterrupt
    user = _checked(request, spider.found, phrase_of(settings.home, request))
    with connect(settings, autocommit=True) as connection:
        return record_verified(connection, settings.home, number, user=user)


def _checked(request: ErasureRequest, found: User | None, phrase: str) -> int:
    """Return the id of the account whose profile holds the phrase."""
    name = request.username
    if found is None:
        raise HarvesterError(f"the site has no account {name}: it was deleted, or has another name now; {_BY_HAND}")
    if request.user_id is not None and found.id != request.user_id:
        raise HarvesterError(
            f"{name} is the name of another account now ({found.id}, and the request is about {request.user_id}):"
            f" {_BY_HAND}"
        )
    texts = (found.profile.bio, found.profile.status)
    if not any(holds_phrase(text or "", phrase) for text in texts):
        raise HarvesterError(
            f"the profile of {name} does not hold {phrase}: ask the person to write it into About me, and try again"
        )
    return found.id


class ProfileSpider(FrontierSpider):
    """Spider that reads one profile by name; `found` has it, or None where no account has the name."""

    name = "profile"
    username = ""
    found: User | None = None

    async def work(self) -> None:
        """Read the profile."""
        visit = Visit(STREAMS["user"], 0, username=self.username)
        api = self.session.settings.api_url
        try:
            with await self.fetcher.read(visit, "") as answer:
                records: Any = answer.records
        except Interrupted:
            return
        except TransientHTTP as error:
            raise HarvesterError(f"{api} does not answer ({error}): nothing was verified") from None
        except Unusable as error:
            raise HarvesterError(f"{api} does not answer as the API does ({error}): nothing was verified") from None
        self.found = records[0] if records else None
