"""Log in to the operator's own account with the session of the settings, and sign the requests for its data.

The session cookie is sent to the site's `/session/` only; the token in the answer is kept in memory, sent to the API
only and never logged.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

import msgspec
from scrapy.http import Response

from harvester.api.rows import Visit
from harvester.crawl.retry import ATTEMPTS, backoff
from harvester.crawl.session import Session
from harvester.errors import HarvesterError, TransientHTTP, UsageError
from harvester.frontier import scope

_PATH = "/session/"


class Get(Protocol):
    """Send one request of a stream; raise `TransientHTTP` where the server gives no answer to it."""

    async def __call__(self, name: str, url: str, headers: dict[str, str]) -> Response: ...


class _User(msgspec.Struct):
    id: int
    username: str
    token: str


class _Session(msgspec.Struct):
    user: _User | None = None


class Account:
    """The operator's own account at the site, and its token."""

    def __init__(self, session: Session, get: Get) -> None:
        self._session = session
        self._get = get
        self._user: _User | None = None
        self._is_refused = False
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Log in with the session, and put the account's own lists in scope.

        Raises:
            UsageError: the site does not know the session, or no longer does.
            HarvesterError: the session page does not answer, or its answer is not the session page's.
        """
        user = await self._known()
        await self._session.call(scope.open_account, user.id)

    def visit(self, visit: Visit) -> Visit:
        """Return a visit in the name of the account."""
        assert self._user is not None
        return replace(visit, owner_id=self._user.id, username=self._user.username)

    async def headers(self) -> dict[str, str]:
        """Return the headers of a request for the account's own data."""
        return {"X-Token": (await self._known()).token}

    def forget_token(self) -> None:
        """Forget a refused token, so that the next request asks for another one."""
        self._is_refused = True

    async def _known(self) -> _User:
        async with self._turn:
            if self._user is None or self._is_refused:
                self._user = await self._log_in()
                self._is_refused = False
            return self._user

    async def _answer(self, url: str, headers: dict[str, str]) -> Response:
        """Request the session page, up to `ATTEMPTS` times."""
        for attempt in range(ATTEMPTS):
            try:
                return await self._get("session", url, headers)
            except TransientHTTP as error:
                problem = error
                await asyncio.sleep(backoff(attempt))
        raise HarvesterError(f"the site's session page does not answer ({problem}): nothing was crawled")

    async def _log_in(self) -> _User:
        settings = self._session.settings
        assert settings.session is not None
        headers = {
            "Cookie": f'scratchsessionsid="{settings.session.get_secret_value()}"',
            "X-Requested-With": "XMLHttpRequest",  # without it the site answers with a page
        }
        response = await self._answer(settings.site_url + _PATH, headers)
        try:
            user = msgspec.json.decode(response.body, type=_Session).user
        except msgspec.DecodeError:
            raise HarvesterError(
                f"{settings.site_url}{_PATH} does not answer as the site's session page does (HTTP {response.status});"
                " perhaps it is a login page, a ban or another service: nothing was crawled"
            ) from None
        if user is None or response.status != 200:
            raise UsageError(
                "HARVESTER_SESSION: the site does not know this session (any more); log in and copy it again"
            )
        return user
