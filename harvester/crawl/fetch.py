"""Send requests within the rate limit, repeat those that fail, decode and archive the responses."""

import asyncio
import errno
import os
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from aiohttp import ClientHttpProxyError
from scrapy import Request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response

from harvester.api.decode import SchemaDeviation, decode
from harvester.api.odd_item import OddItem
from harvester.api.records import Record
from harvester.api.rows import Visit
from harvester.api.stream import Host, Paging, Stream
from harvester.crawl.account import Account
from harvester.crawl.answers import is_absent
from harvester.crawl.archive import Part
from harvester.crawl.control import Control
from harvester.crawl.deviations import CONFIRM_ATTEMPTS, DeviationReporter
from harvester.crawl.downloadhandlers import IN_QUERY, BadlyPackedError, without
from harvester.crawl.retry import ATTEMPTS, backoff, retry_after
from harvester.crawl.session import Session
from harvester.crawl.visits import address
from harvester.errors import DecodeError, MachineError, SetAside, TransientHTTP
from harvester.frontier.model import ANSWERS, NOT_BELIEVED
from harvester.warehouse.source import SANDBOX_HEADER, Source, prove_source, sandbox_of

_BROKEN_BECAUSE = {
    CannotResolveHostError: "the name of the host is not found",
    DownloadConnectionRefusedError: "no connection",
    DownloadTimeoutError: "no response in time",
    BadlyPackedError: "the response is badly packed",
    ResponseDataLossError: "the response was cut",
    DownloadCancelledError: "the request was cancelled",
    DownloadFailedError: "the connection broke",
    OSError: "the connection broke",
}
BROKEN = tuple(_BROKEN_BECAUSE)
_OF_THIS_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Errors of a connection that say nothing about the site."""
_UNCONFIRMED = "unlike the declared schema, or with an item twice, and no earlier answer to the request was like it"
FORBIDDEN = "robots.txt forbids to ask"
AS_WRITTEN = {"verbatim_url": True}
"""Addresses are already quoted; Scrapy need not quote them again."""


def no_response(error: BaseException) -> TransientHTTP:
    """Return the error for a request that got no response, by what broke it; texts of libraries hold addresses.

    Raises:
        MachineError: it never left this machine.
    """
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for one in causes:
        if isinstance(one, ssl.SSLError):
            return TransientHTTP(None, why="no secure connection: the certificate of the host is not accepted")
        if isinstance(one, ClientHttpProxyError):
            return TransientHTTP(None, why=f"the proxy answers HTTP {one.status}")
        number = getattr(one, "errno", None)
        if number in _OF_THIS_MACHINE:
            raise MachineError(f"no request can be sent from this machine: {os.strerror(number)} (see `ulimit -a`)")
        if number == errno.ECONNREFUSED:
            return TransientHTTP(None, why="the connection was refused")
    return TransientHTTP(None, why=next(why for kind, why in _BROKEN_BECAUSE.items() if isinstance(error, kind)))


class TooLarge(TransientHTTP):
    """An answer whose download was broken off, since it was larger than any may be."""


class NotBelieved(Exception):  # noqa: N818
    """An answer that an entity is not there, from a site that may answer so for everything."""


class AboutAnotherError(DecodeError):
    """A response about another entity than the requested one."""


class Unusable(SetAside):
    """A response that cannot be used, and came each time the request was repeated."""

    def __init__(self, path: str, status: int | None, body: bytes, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.status = status
        self.body = body


@dataclass(slots=True)
class _Earlier:
    """Doubts about the earlier responses to one request.

    Attributes:
        odd: Numbers of the items that could not be used.
        takes_odd_items: False where an item that cannot be used is an error.
        confirm: Number of responses with a new deviation after which the next one counts.
        deviated: By deviation from the declared schema, the number of responses that had it.
        repeated: The items of the pages that showed one twice.
        left: Number of attempts after the present one.
    """

    odd: set[int]
    takes_odd_items: bool
    confirm: int
    deviated: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: list[list[int]] = field(default_factory=list)
    left: int = 0


@dataclass(slots=True)
class Fetched:
    """A response that was read; leaving its context archives it as unused, unless `use` was called.

    Attributes:
        part: Its part in the visit, as the archive keeps it; None: it is kept and never replayed.
        records: None where the source answers that the entity is not there.
        odd_items: The items that cannot be used.
    """

    response: Response
    visit: Visit
    query: str
    part: Part | None
    archive: Callable[[Response, Visit, str, Part | None], str | None]
    records: list[Record] | None = None
    odd_items: list[OddItem] = field(default_factory=list)
    _is_archived: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def use(self, *, proven: bool = False) -> str | None:
        """Archive the response as used, and return the id of its record, if there is an archive.

        `proven`: the requested name was shown to be the account's.
        """
        part = self.part
        return self._archive(part if part is None or part.proven == proven else replace(part, proven=proven))

    def discard(self) -> None:
        """Archive the response as unused, unless it is archived already."""
        self._archive(None)

    def refused(self, reason: str) -> Unusable:
        """Return the error for records that the decoder accepts and the database refuses."""
        if self.visit.stream.is_own:
            return Unusable("", 200, b"", reason)
        return Unusable(address(self.visit, self.query), self.response.status, self.response.body, reason)

    def _archive(self, part: Part | None) -> str | None:
        if self._is_archived:
            return None
        self._is_archived = True
        return self.archive(self.response, self.visit, self.query, part)


class Fetcher:
    """Reader of records from the API; `download` sends one request through Scrapy's downloader."""

    def __init__(
        self,
        session: Session,
        control: Control,
        deviations: DeviationReporter,
        download: Callable[[Request], Awaitable[Response]],
    ) -> None:
        self.account = Account(session, self.get)
        self.retries = 0
        self._session = session
        settings = session.settings
        self._bases = {Host.API: settings.api_url, Host.SITE: settings.site_url, Host.PROJECTS: settings.projects_url}
        self._is_source_proven = False
        self._control = control
        self._deviations = deviations
        self._download = download

    async def get(self, name: str, url: str, headers: dict[str, str], *, token: str | None = None) -> Response:
        """Send one request of the stream `name`; `token` goes into its query, where nothing but the handler sees it.

        Raises:
            TransientHTTP: the server gives no answer.
            TooLarge: the answer was larger than any may be.
        """
        session = self._session
        meta: dict[str, object] = AS_WRITTEN | ({} if token is None else {IN_QUERY: token})
        try:
            response = await self._download(Request(url, headers=headers, dont_filter=True, meta=meta))
        except BROKEN as broken:
            error = no_response(broken)
            session.responses[name]["-"] += 1
            if isinstance(broken, DownloadCancelledError):
                error = TooLarge(None, why=str(error))
        else:
            session.responses[name][str(response.status)] += 1
            if token is not None:  # an error page may repeat the address
                body = without(response.body.decode("latin-1"), token).encode("latin-1")
                response = response if body == response.body else response.replace(body=body)
            if session.source is not None:
                await self._prove_source(response)
            if response.status in ANSWERS:
                await session.rate_limiter.answered(None)
                return response
            wait, date = (
                header.decode("latin-1") if (header := response.headers.get(name)) else None
                for name in ("Retry-After", "Date")
            )
            error = TransientHTTP(response.status, retry_after(wait, date, session.now()))
        await session.rate_limiter.answered(str(error))
        raise error

    async def read(
        self,
        visit: Visit,
        query: str,
        attempts: int = ATTEMPTS,
        part: Part | None = None,
        *,
        odd: set[int] | None = None,
        doubt: Callable[[], Awaitable[str | None]] | None = None,
    ) -> Fetched:
        """Read the records at an address of the visited entity; repeat a request that fails or is garbled.

        `part`: for the archive, the part of the response in its visit. `odd`: the numbers of the items that could not
        be used before. An item that cannot be used is in `odd_items` of the result once it came twice, and its number
        is added to `odd`; without `odd` it is an error.

        Raises:
            TransientHTTP: no answer after several attempts.
            NotBelieved: the source answers that the entity is not there, and `doubt` returns a reason to doubt that.
            Unusable: a response that the endpoint does not serve, at each attempt; or one in doubt, at the last one.
        """
        problem: Exception = TransientHTTP(None)
        confirm = min(CONFIRM_ATTEMPTS, attempts - 1)
        earlier = _Earlier(set() if odd is None else odd, takes_odd_items=odd is not None, confirm=confirm)
        for attempt in range(attempts):
            self.retries += attempt > 0
            earlier.left = attempts - 1 - attempt
            began = time.monotonic()
            try:
                response = await self._request(visit, query)
            except TransientHTTP as error:
                problem = error
                await self.slow_down(error, attempt)
                continue
            except Unusable as error:
                problem = error
                await asyncio.sleep(backoff(attempt))
                continue
            answer = Fetched(response, visit, query, part, self._archive)
            if is_absent(visit.stream, response.status, response.body):
                return await self._believed(answer, doubt)
            was_mistaken = self._control.mistakes()
            try:
                if await self._decode(answer, earlier, began):
                    return answer
            except DecodeError as error:
                answer.discard()
                # The response may have been garbled on the way: only one that comes each time is set aside.
                problem = Unusable(address(visit, query), response.status, response.body, str(error))
                if was_mistaken and isinstance(error, AboutAnotherError):
                    break
                if earlier.left:
                    await asyncio.sleep(backoff(attempt))
            else:
                answer.discard()
                problem = Unusable(address(visit, query), response.status, response.body, _UNCONFIRMED)
                await asyncio.sleep(backoff(0))
        raise problem

    async def _request(self, visit: Visit, query: str) -> Response:
        """Send one request for a visit. Raises `TransientHTTP`, or `Unusable` where Scrapy refuses it."""
        stream, path = visit.stream, address(visit, query)
        try:
            headers = await self.account.headers() if stream.is_own else {}
            return await self.get(stream.name, self.base_url(stream) + path, headers)
        except IgnoreRequest as error:
            # Scrapy's message has the address, which may hold a name.
            reason = FORBIDDEN if is_forbidden(error) else "larger than any page may be"
            raise Unusable(path, None, b"", reason) from None

    async def _believed(self, answer: Fetched, doubt: Callable[[], Awaitable[str | None]] | None) -> Fetched:
        """Return an answer "not there". Raises `NotBelieved` where `doubt` returns a reason."""
        if doubt is not None and (reason := await doubt()) is not None:
            counts = self._session.responses[answer.visit.stream.name]
            counts[str(answer.response.status)] -= 1
            counts[NOT_BELIEVED] += 1
            answer.discard()
            raise NotBelieved(reason)
        return answer

    async def _decode(self, answer: Fetched, earlier: _Earlier, began: float) -> bool:
        """Decode the records of a response; return whether it counts, else it must be requested again.

        A response that is in doubt counts once `earlier` ones to the same request were like it.

        Raises:
            DecodeError: the endpoint does not serve such a response.
        """
        visit, response = answer.visit, answer.response
        stream = visit.stream
        if response.status != 200:
            if stream.is_own and response.status == 401:
                self.account.forget_token()
            raise DecodeError(f"HTTP {response.status} without the API's error document")
        deviations: list[SchemaDeviation] = []
        found = decode(stream, response.body, deviations, answer.odd_items if earlier.takes_odd_items else None)
        try:
            records = about_it(visit, found)
        except AboutAnotherError:
            self._control.mistake()
            raise
        await self._prove_source(response)
        came = {item.number for item in answer.odd_items}
        is_odd = not came <= earlier.odd
        earlier.odd |= came
        if self._deviations.is_doubtful(stream, deviations, earlier.deviated, earlier.confirm) or is_odd:
            return False
        for deviation in deviations:
            await self._deviations.report(stream, deviation)
        if not (stream.name == "health" or stream.is_own or stream.answers_for_another(visit.entity_id, records)):
            self._control.found(stream.name, began)
        if stream.answers_for_it(visit.entity_id, records):
            self._control.identify(stream.kind, visit.entity_id, began)
        if (repeated := _repeated(stream, records)) and (earlier.left or repeated not in earlier.repeated):
            # Another item may be missing instead: the page is accepted only if the last answer is like an earlier one.
            earlier.repeated.append(repeated)
            await self._deviations.report(stream, SchemaDeviation("-", "an item twice on one page", ""))
            return False
        answer.records = records
        return True

    def _archive(self, response: Response, visit: Visit, query: str, part: Part | None) -> str | None:
        if self._session.archive is None or visit.stream.is_own:
            return None
        return self._session.archive.keep(response, visit, query, part)

    async def _prove_source(self, response: Response) -> None:
        """Check that a response comes from the source of the warehouse; record the source of the first one.

        The first response of a run must name the same source as the first of the warehouse. A later one may name none,
        as a proxy may have sent it.

        Raises:
            UsageError: it comes from another source.
        """
        session = self._session
        sandbox = sandbox_of(response.headers.get(SANDBOX_HEADER))
        if self._is_source_proven and (sandbox is None or (session.source and sandbox == session.source.sandbox)):
            return
        session.source = await session.call(prove_source, Source.of(session.settings, sandbox))
        self._is_source_proven = True

    def base_url(self, stream: Stream) -> str:
        """Return the base of the addresses of a stream."""
        return self._bases[stream.host]

    def fetched(self, response: Response, visit: Visit, part: Part | None) -> Fetched:
        """Return a response that is not decoded to records, for the archive."""
        return Fetched(response, visit, "", part, self._archive)

    async def slow_down(self, error: TransientHTTP, attempt: int) -> None:
        """Wait before the next attempt: all workers where the site asks for it, else this visit alone."""
        seconds = error.retry_after if error.retry_after is not None else backoff(attempt)
        if error.status in (429, 503) or error.retry_after is not None:
            await self._session.rate_limiter.pause(seconds, str(error))
        else:
            await asyncio.sleep(seconds)


def is_forbidden(error: IgnoreRequest) -> bool:
    """Return whether robots.txt forbade a request; else its answer was too large once it was unpacked."""
    return "robots.txt" in str(error)


def about_it(visit: Visit, records: list[Record]) -> list[Record]:
    """Return the records if they are about the requested entity, else raise `AboutAnotherError`."""
    stream = visit.stream
    if stream.answers_by_another_name(visit.username, records):
        raise AboutAnotherError("about a user with another name than the requested one")
    if not stream.is_by_name and stream.answers_for_another(visit.entity_id, records):
        raise AboutAnotherError(f"about another {stream.kind.value} than the requested one")
    return records


def _repeated(stream: Stream, records: list[Record]) -> list[int]:
    """Return the items of a page by offset if it shows one twice, else nothing."""
    if stream.paging is not Paging.OFFSET:
        return []
    items = [stream.identity(record) for record in records]
    return items if len(set(items)) < len(items) else []
