"""Write responses to WARC files as they came, and read them back for a replay that makes the same rows.

A record holds the body, its type, the status and the address: no request header, no cookie, no token, and no response
that was read with the operator's own session. The record of a page that was used describes its visit; other responses
(faults, garbage) are kept and not replayed. After the pages that a transaction stored, a metadata record holds its
times and the ids of these pages. `harvester.crawl.archive_index` finds records without reading a whole file.
"""

from __future__ import annotations

import heapq
import os
import re
import zlib
from base64 import b32encode
from collections import defaultdict, deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from io import BytesIO
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import msgspec
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from harvester import __version__
from harvester.api.catalogue import PAGE_LIMIT, STREAMS
from harvester.api.rows import Query, Visit
from harvester.api.stream import Format
from harvester.api.text import without_tokens
from harvester.crawl.archived_body import clean_body
from harvester.errors import HarvesterError, UsageError
from harvester.untrusted import open_regular
from harvester.warehouse.source import SANDBOX_HEADER, sandbox_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from scrapy.http import Response

    from harvester.erasure.served import ServedTexts

LARGEST_FILE = 512 * 2**20
"""Bytes after which the next file is begun."""
LARGEST_RECORD = 17 * 2**20
"""Bytes of a record, unpacked, above which an archive is refused: a response has 16 MiB at most."""
_LARGEST_HEADERS = 2**16
_END = b"\r\n\r\n"
"""End of the headers of a record, and of the record itself."""
VISIT = "Harvester-Visit"
_SANDBOX = SANDBOX_HEADER.lower().encode()
_NAME = re.compile(r"(harvest-(\d+)-\d+)-\d+\.warc\.gz")
"""Name of a file: the process that wrote it, with its run, and a number."""
LARGEST_WAIT = 2**28
"""Upper bound of the bytes of responses that wait for the record of the transaction that stored them."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part that a response has in its visit.

    Attributes:
        first: It is the first one under its lease.
        full: The list is read in full.
        down_to: See `visits.paginator_of`.
        alone: It belongs to no visit; its rows are stored as they are.
        position: Number of pages of its visit that were stored before it.
        served: See `visits.paginator_of`.
        proven: The requested name was shown to be the account's.
        began_at: Begin of the visit, where the visit began with the lease of this page.
        has_missing_items: See `Lease`.
        uncertified: The list had no certificate, though it was visited before.
    """

    first: bool = False
    full: bool = False
    down_to: int | None = None
    alone: bool = False
    position: int | None = None
    served: int = PAGE_LIMIT
    proven: bool = False
    began_at: datetime | None = None
    has_missing_items: bool = False
    uncertified: bool = False


Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Integer within the range of the database's bigint."""
Place = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Words = Annotated[str, msgspec.Meta(pattern=r"\A[^\0]*\Z", max_length=10_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Kept(msgspec.Struct, omit_defaults=True):
    """Metadata of a response in the archive."""

    stream: str
    entity_id: Number
    query: Words
    owner_id: Number | None = None
    username: Words | None = None
    host_id: Number | None = None
    seen_at: Moment | None = None
    asked: tuple[Words, Words, Words, Place] | None = None
    part: tuple[bool, bool, Number | None, bool] | None = None
    position: Place | None = None
    served: Place = PAGE_LIMIT
    proven: bool = False
    began_at: Moment | None = None
    has_missing_items: bool = False
    uncertified: bool = False
    has_stand_ins: bool = False

    def __post_init__(self) -> None:
        """Check the times, which their type does not restrict."""
        _check_moments(self.seen_at, self.began_at)


class Transaction(msgspec.Struct, omit_defaults=True, frozen=True):
    """A transaction that stored pages, from its first statement (`began_at`) to its last (`ended_at`).

    `pages` has the record ids of their responses, each with the items that the database refused (their position on the
    page, and the reason). Where `began_at` is missing none of the pages was stored: the database refused them, or their
    lease had been lost.
    """

    pages: list[tuple[Words, dict[Place, Words]]]
    ended_at: Moment
    began_at: Moment | None = None

    def __post_init__(self) -> None:
        """Check the times, which their type does not restrict."""
        _check_moments(self.ended_at, self.began_at)


def _check_moments(*moments: datetime | None) -> None:
    """Refuse a time that is not in UTC or in no plausible year: PostgreSQL refuses large offsets and the year 10000."""
    for at in moments:
        if at is not None and (at.utcoffset() or not 2000 <= at.year < 3000):
            raise ValueError("has a time that no crawl can have")


@dataclass(frozen=True, slots=True)
class Archived:
    """A response of an archive.

    Attributes:
        sandbox: See `Source`.
        part: None where the response was not used.
        has_stand_ins: Numbers and words stand for erased people in it, see `harvester.erasure.served`.
    """

    id: str
    at: datetime
    sandbox: str | None
    status: int
    body: bytes
    visit: Visit
    query: str
    part: Part | None
    has_stand_ins: bool = False


class Archive:
    """Writer of the responses of one run, file after file; `now` returns the time of the database's clock.

    `texts`: without whom they are written, where people were erased.
    """

    def __init__(self, folder: Path, run: int, now: Callable[[], datetime]) -> None:
        self.texts: ServedTexts | None = None
        self._folder = folder
        self._run = run
        self._now = now
        self._file: BinaryIO | None = None
        self._writer: Any = None
        self._number = 0

    def keep(self, response: Response, visit: Visit, query: str, part: Part | None) -> str:
        """Write a response before it is decoded, and return the id of its record.

        Raises:
            HarvesterError: the folder cannot be written.
        """
        body, has_stand_ins = self._body(response, visit)
        part = None if body is None else part
        asked = visit.query
        kept = Kept(
            stream=visit.stream.name,
            entity_id=visit.entity_id,
            query=query,
            owner_id=visit.owner_id,
            username=visit.username,
            host_id=visit.host_id,
            seen_at=visit.seen_at,
            asked=None if asked is None else (asked.query, asked.mode, asked.language, asked.pages),
            part=None if part is None else (part.first, part.full, part.down_to, part.alone),
            position=None if part is None else part.position,
            served=PAGE_LIMIT if part is None else part.served,
            proven=part is not None and part.proven,
            began_at=None if part is None else part.began_at,
            has_missing_items=part is not None and part.has_missing_items,
            uncertified=part is not None and part.uncertified,
            has_stand_ins=has_stand_ins,
        )
        try:
            writer = self._open()
            body = body or b""
            names = ("Content-Type", SANDBOX_HEADER)
            served = ((name, response.headers.get(name)) for name in names)
            headers = [(name, without_tokens(value).decode("latin-1")) for name, value in served if value]
            record = writer.create_warc_record(
                response.url,
                "response",
                payload=BytesIO(body),
                length=len(body),  # without it warcio copies the body first, a large one to a file in /tmp
                http_headers=StatusAndHeaders(f"{response.status} -", headers, protocol="HTTP/1.1"),
                warc_headers_dict={
                    "WARC-Date": self._date(),
                    VISIT: msgspec.json.encode(kept).decode(),
                },
            )
            writer.write_record(record)
        except OSError as error:
            raise self._unwritable(error) from None
        return str(record.rec_headers.get_header("WARC-Record-ID"))

    def _body(self, response: Response, visit: Visit) -> tuple[bytes | None, bool]:
        """Return the body to be kept, and whether it names erased people by stand-ins.

        The body is None where it cannot be told that it is without them.
        """
        # A source is kept as it was served, as its version is; the token of its request was cut before.
        is_source = visit.stream.format is Format.SOURCE
        body = response.body if is_source else without_tokens(response.body)
        if self.texts is None:
            return body, False
        kept = clean_body(self.texts, visit.stream, response.status, body)
        return kept, kept is not None and kept is not body

    def note(
        self,
        pages: Sequence[tuple[str, Mapping[int, str]]],
        began_at: datetime | None = None,
        ended_at: datetime | None = None,
    ) -> None:
        """Record that a transaction stored pages, or, without its times, that none did: see `Transaction`.

        Raises:
            HarvesterError: the folder cannot be written.
        """
        noted = Transaction([(id_, dict(refused)) for id_, refused in pages], ended_at or self._now(), began_at)
        try:
            writer = self._open()
            text = msgspec.json.encode(noted)
            record = writer.create_warc_record(
                "",
                "metadata",
                payload=BytesIO(text),
                length=len(text),
                warc_content_type="application/json",
                warc_headers_dict={"WARC-Date": self._date()},
            )
            writer.write_record(record)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> HarvesterError:
        return HarvesterError(f"the archive in {self._folder} cannot be written: {error.strerror}")

    def _open(self) -> Any:
        if self._file is not None and self._file.tell() > LARGEST_FILE:
            self.close()
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._number += 1
            path = self._folder / f"harvest-{self._run:08}-{os.getpid()}-{self._number:04}.warc.gz"
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            self._writer = WARCWriter(self._file, gzip=True, warc_version="1.1")
            info = {"software": f"scratch-harvester/{__version__}", "format": "WARC File Format 1.1"}
            record = self._writer.create_warcinfo_record(path.name, info)
            record.rec_headers.replace_header("WARC-Date", self._date())
            self._writer.write_record(record)
            record.raw_stream.close()
        return self._writer

    def _date(self) -> str:
        return f"{self._now().astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

    def close(self) -> None:
        """Close the file. Each record was flushed when it was written, and an error was raised then."""
        if self._file is not None:
            with suppress(OSError):  # a full disk again
                self._file.close()
            self._file = None


def read_archives(paths: Sequence[Path]) -> Iterator[Archived | Transaction]:
    """Yield the responses and transactions of archives, in the order of time; those of a process as it wrote them.

    The time of a page is the end of its transaction by the database's clock: of two transactions that wrote the same
    row, the first one ended first. A file that ends in the middle of a record, as a killed run leaves it, is read up to
    there. For each process the responses between two transactions are held in memory, at most `LARGEST_WAIT` bytes.

    Raises:
        UsageError: a file that cannot be read, is no regular file, or is no archive of this project; the message says
            at which byte.
    """
    with ExitStack() as stack:
        processes: defaultdict[tuple[Path, str], list[tuple[Path, BinaryIO]]] = defaultdict(list)
        for path in sorted(paths):
            name = _NAME.fullmatch(path.name)
            processes[path.parent, name[1] if name else path.name].append(
                (path, stack.enter_context(open_archive(path)))
            )
        each = [_timed(one for path, file in files for one in _read(path, file)) for files in processes.values()]
        for _, one in heapq.merge(*each, key=itemgetter(0)):
            yield one


def run_of(path: Path) -> int | None:
    """Return the run that wrote an archive, by the name of the file; None where it has another name."""
    name = _NAME.fullmatch(path.name)
    return None if name is None else int(name[2])


def open_archive(path: Path) -> BinaryIO:
    """Open an archive for reading.

    Raises:
        UsageError: it cannot be read, or is no regular file.
    """
    try:
        return open_regular(path)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from None


def _timed(entries: Iterable[Archived | Transaction]) -> Iterator[tuple[datetime, Archived | Transaction]]:
    """Yield the records of a process with their times; the time of a page is that of the next transaction."""
    waiting: deque[Archived] = deque()
    size = 0
    for one in entries:
        if isinstance(one, Transaction):
            while waiting:
                yield one.ended_at, waiting.popleft()
            size = 0
            yield one.ended_at, one
        elif not waiting and (one.part is None or one.part.alone):
            yield one.at, one
        else:
            waiting.append(one)
            size += len(one.body)
            while size > LARGEST_WAIT:
                size -= len(waiting[0].body)
                yield waiting[0].at, waiting.popleft()
    for last in waiting:
        yield last.at, last


class _DamagedError(Exception):
    """A record differs from those that this project writes."""


_TROUBLE = (
    msgspec.DecodeError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""Exceptions of the readers of files, of WARC and of JSON."""


def _read(path: Path, file: BinaryIO) -> Iterator[Archived | Transaction]:
    return (one for _, _, one in read_records(path, file) if one is not None)


def read_records(
    path: Path, file: BinaryIO, start: int = 0
) -> Iterator[tuple[int, int, Archived | Transaction | None]]:
    """Yield the records of an archive from a byte on: the bytes at which each begins and ends, and what it holds.

    That is None for a record that is neither a response nor a transaction of this project. `start` is 0, or the end of
    a record of an archive that is known to be one of this project.

    Raises:
        UsageError: the file cannot be read as an archive, or is none of this project.
    """
    return ((begin, end, one) for begin, end, _, one in read_members(path, file, start))


def read_members(
    path: Path, file: BinaryIO, start: int = 0
) -> Iterator[tuple[int, int, bytes, Archived | Transaction | None]]:
    """Yield the records of an archive as `read_records` does, each with its bytes, unpacked, before what it holds.

    Raises:
        UsageError: as there.
    """
    # A run that was killed at once leaves an empty file.
    ours = start > 0 or not os.fstat(file.fileno()).st_size
    last = start
    try:
        for last, end, member in _members(file, start):
            ours, one = _parsed(member, ours=ours)
            yield last, end, member, one
    except _DamagedError as error:
        raise UsageError(f"{path} cannot be read as an archive: the record at byte {last:,} {error}") from None
    except _TROUBLE as error:
        why = f"{type(error).__name__} at or after byte {last:,}"
        raise UsageError(f"{path} cannot be read as an archive ({why})") from None
    if not ours:
        raise UsageError(f"{path} is no archive of this project")


def _parsed(member: bytes, *, ours: bool) -> tuple[bool, Archived | Transaction | None]:
    """Parse the record of a member: whether the archive is known to be of this project by then, and what it holds.

    Not by warcio: its reader takes three times as long, most of it for streams and for records of other programs.
    """
    headers, block = _split_record(member)
    kind, described = headers.get(b"warc-type"), headers.get(VISIT.lower().encode())
    if kind == b"warcinfo":
        ours = b"scratch-harvester" in block
    if ours and kind == b"response" and described is not None:
        return ours, _archived(headers, described, block)
    if ours and kind == b"metadata":
        return ours, msgspec.json.decode(block, type=Transaction)
    return ours, None


def _members(file: BinaryIO, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the unpacked records of a file from a byte on, each with the bytes at which it begins and ends.

    A record without an end is left out, since a part of it would look complete.

    Raises:
        zlib.error: the file is not compressed, or damaged.
        _DamagedError: a record unpacks to more than `LARGEST_RECORD`.
    """
    file.seek(start)
    unpacker, parts, size = zlib.decompressobj(wbits=31), [], 0
    while chunk := file.read(2**16):
        while chunk:
            parts.append(unpacker.decompress(chunk, LARGEST_RECORD + 1 - size))
            size += len(parts[-1])
            if size > LARGEST_RECORD:
                raise _DamagedError(f"unpacks to more than {LARGEST_RECORD:,} bytes (from byte {start:,} on)")
            chunk = unpacker.unused_data
            if unpacker.eof:
                end = file.tell() - len(chunk)
                yield start, end, b"".join(parts)
                start = end
                unpacker, parts, size = zlib.decompressobj(wbits=31), [], 0


def _split_record(member: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return the headers of a member, by their names in lower case, and its block.

    Raises:
        _DamagedError: the member is no single record with short headers that state its real length.
    """
    head, end, block = member.partition(_END)
    if not member.startswith(b"WARC/") or not end:
        raise _DamagedError("is no WARC record")
    if len(head) > _LARGEST_HEADERS:
        raise _DamagedError(f"has more than {_LARGEST_HEADERS:,} bytes of headers")
    lines = [(name.lower(), value.strip()) for name, _, value in (one.partition(b":") for one in head.splitlines())]
    headers = dict(lines)
    if headers.get(b"warc-type") == b"response" and b"warc-target-uri" not in headers:
        raise _DamagedError("has no address")
    lengths = [value for name, value in lines if name == b"content-length"]
    if lengths != [b"%d" % (len(block) - len(_END))] or not block.endswith(_END):
        raise _DamagedError("has another length than its headers state")
    return headers, block[: -len(_END)]


def changed_member(
    member: bytes, headers: Mapping[str, str], *, body: bytes | None = None, block: bytes | None = None
) -> bytes:
    """Return a member with other values of some of its headers, and with another body or block; packed.

    Its length and digests are those of the new block.
    """
    head, _, before = member.partition(_END)
    values = dict(headers)
    if body is not None:
        block = before.partition(_END)[0] + _END + body
        values["WARC-Payload-Digest"] = _digest_of(body)
    block = before[: -len(_END)] if block is None else block
    values |= {"WARC-Block-Digest": _digest_of(block), "Content-Length": str(len(block))}
    by_name = {name.lower(): value for name, value in values.items()}
    lines = []
    for line in head.decode().split("\r\n"):
        name, colon, _ = line.partition(":")
        lines.append(f"{name}: {by_name[name.lower()]}" if colon and name.lower() in by_name else line)
    packer = zlib.compressobj(wbits=31)
    return packer.compress("\r\n".join(lines).encode() + _END + block + _END) + packer.flush()


def _digest_of(block: bytes) -> str:
    return f"sha1:{b32encode(sha1(block, usedforsecurity=False).digest()).decode()}"


def _archived(headers: dict[bytes, bytes], described: bytes, block: bytes) -> Archived:
    """Make a response of the headers and the block of a record."""
    kept = msgspec.json.decode(described, type=Kept)
    if kept.stream not in STREAMS:
        raise _DamagedError("is of no stream of this version")
    at = datetime.fromisoformat(headers.get(b"warc-date", b"").decode())
    if at.tzinfo is None:
        raise _DamagedError("has a date without a time zone")
    _check_moments(at)
    head, end, body = block.partition(_END)
    first, *lines = head.split(b"\r\n")
    protocol, _, status = first.partition(b" ")
    status = status.partition(b" ")[0]
    if not end or not protocol.startswith(b"HTTP/") or not status.isdigit():
        raise _DamagedError("is no HTTP response with a status")
    http = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if b"content-encoding" in http or b"transfer-encoding" in http:
        raise _DamagedError("has a content or transfer encoding")
    visit = Visit(
        STREAMS[kept.stream],
        kept.entity_id,
        kept.owner_id,
        kept.username,
        kept.host_id,
        kept.seen_at,
        None if kept.asked is None else Query(*kept.asked),
    )
    return Archived(
        id=headers.get(b"warc-record-id", b"").decode(),
        at=at,
        sandbox=sandbox_of(http.get(_SANDBOX)),
        status=int(status[:9]),
        body=body,
        visit=visit,
        query=kept.query,
        part=None
        if kept.part is None
        else Part(
            *kept.part,
            position=kept.position,
            served=kept.served,
            proven=kept.proven,
            began_at=kept.began_at,
            has_missing_items=kept.has_missing_items,
            uncertified=kept.uncertified,
        ),
        has_stand_ins=kept.has_stand_ins,
    )
