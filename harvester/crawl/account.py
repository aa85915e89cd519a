"""The operator's own account, if its session was given: its token is requested, kept in memory and never logged.

The session cookie goes to the site's `/session/` alone, and the token that it answers with to the API alone.
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
from harvester.frontier import leases

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
    """Operator's own account at the site, with its token."""

    def __init__(self, session: Session, get: Get) -> None:
        self._session = session
        self._get = get
        self._user: _User | None = None
        self._is_refused = False
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Log in with the session, and put the account's own lists in scope.

        Raises:
            UsageError: the site does not know the session (any more).
            HarvesterError: the session page does not answer, or something else does in its place.
        """
        user = await self._known()
        await self._session.call(leases.open_account, user.id)

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
                f"what answers at {settings.site_url}{_PATH} is not the site's session page, but a login page, a ban or"
                f" another service perhaps (HTTP {response.status}): nothing was crawled"
            ) from None
        if user is None or response.status != 200:
            raise UsageError(
                "HARVESTER_SESSION: the site does not know this session (any more); log in and copy it anew"
            )
        return user
