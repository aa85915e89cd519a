"""Read the source of a project with the token of the project's own response, and store it as a version.

The token is a secret of some minutes. It is held in memory for the one request, beside the address and never in it, so
that no log, error, archive or table can show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from harvester.crawl.answers import source_of
from harvester.crawl.fetch import FORBIDDEN, Fetched, Fetcher, TooLarge, is_forbidden
from harvester.crawl.retry import ATTEMPTS
from harvester.crawl.visits import address
from harvester.errors import TransientHTTP
from harvester.frontier.model import SourceOutcome, SourceRead

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from harvester.api.rows import Visit
    from harvester.crawl.archive import Part

_REFUSED = (400, 401, 403)
_TOO_LARGE = SourceRead(SourceOutcome.TOO_LARGE, "larger than any source may be")
NO_PROJECT = "the project is not found"


def token_of(records: Sequence[object] | None) -> str | None:
    """Return the token in the response about a project; None without one."""
    for record in records or ():
        token = getattr(record, "project_token", UNSET)
        if isinstance(token, str) and token:
            return token
    return None


def without_response(visit: Visit) -> Fetched:
    """Return what stands for a response where none came that could be kept."""
    return Fetched(Response("source:"), visit, "", None, lambda *_: None)


class SourceReader:
    """Reader of sources, one request for each but for those that fail."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def read(
        self, visit: Visit, token: str | None, renew: Callable[[], Awaitable[str | None]], part: Part
    ) -> tuple[Fetched, SourceRead]:
        """Read the source of the visited project; a token that is missing or refused is renewed once.

        A source that came whole and is damaged, or is too large, is not downloaded again in this visit.

        Raises:
            TransientHTTP: no answer after several attempts; a transfer that is cut is none.
        """
        url = self._fetcher.base_url(visit.stream) + address(visit, "")
        problem = TransientHTTP(None)
        is_renewed = False
        for attempt in range(ATTEMPTS):
            if token is None and not is_renewed:
                token, is_renewed = await renew(), True
            if token is None:
                return without_response(visit), SourceRead(SourceOutcome.REFUSED, "the project's page has no token")
            try:
                response = await self._fetcher.get(visit.stream.name, url, {}, token=token)
            except TooLarge:
                return without_response(visit), _TOO_LARGE
            except IgnoreRequest as error:
                read = SourceRead(SourceOutcome.REFUSED, FORBIDDEN) if is_forbidden(error) else _TOO_LARGE
                return without_response(visit), read
            except TransientHTTP as error:
                problem = error
                await self._fetcher.slow_down(error, attempt)
                continue
            read = source_of(response.status, response.body)
            answer = self._fetcher.fetched(response, visit, part)
            if read.outcome is SourceOutcome.REFUSED and not is_renewed:
                answer.discard()
                token = None
                continue
            return answer, read
        raise problem
