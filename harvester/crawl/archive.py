"""The raw archive: every response as it came, in WARC files, with what is needed to make the same rows of it again.

Only the body, its type, the status and the address are kept: no header of ours, no cookie, no token, and nothing that
was read with the operator's own session. A record of a page that was used says what it was used for; others (faults,
garbage) are kept and not replayed. No index is kept: `warcio index` makes one, so that there is none to erase a person
from.
"""

from __future__ import annotations

import heapq
import os
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from harvester import __version__
from harvester.api.catalogue import STREAMS
from harvester.api.text import without_tokens
from harvester.errors import HarvesterError, UsageError
from harvester.warehouse.normalise import Query, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from scrapy.http import Response

LARGEST_FILE = 512 * 2**20
"""Bytes after which another file is begun."""
_VISIT = "Harvester-Visit"


@dataclass(frozen=True, slots=True)
class Part:
    """What a response is to its visit.

    `first`: the first one under its lease; `full`: the list is read in full; `down_to`: see `visits.course`; `alone`:
    it belongs to no walk, its rows are stored as they are; `position`: how many pages of its walk were stored before.
    """

    first: bool = False
    full: bool = False
    down_to: int | None = None
    alone: bool = False
    position: int | None = None


class Kept(msgspec.Struct, omit_defaults=True):
    """What the archive says of a response besides itself."""

    stream: str
    entity_id: int
    query: str
    owner_id: int | None = None
    username: str | None = None
    host_id: int | None = None
    seen_at: datetime | None = None
    asked: tuple[str, str, str, int] | None = None
    part: tuple[bool, bool, int | None, bool] | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """A response out of an archive; `part` is None for one that was not used."""

    at: datetime
    status: int
    body: bytes
    visit: Visit
    query: str
    part: Part | None


class Archive:
    """Writes the responses of one run, file after file."""

    def __init__(self, folder: Path, run: int) -> None:
        self._folder = folder
        self._run = run
        self._file: BinaryIO | None = None
        self._writer: Any = None
        self._number = 0

    def keep(self, response: Response, visit: Visit, query: str, part: Part | None) -> None:
        """Write a response down, before anything is made of it.

        Raises:
            HarvesterError: the folder cannot be written.
        """
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
        )
        try:
            writer = self._open()
            body = without_tokens(response.body)
            kind = (response.headers.get("Content-Type") or b"").decode("latin-1")
            record = writer.create_warc_record(
                response.url,
                "response",
                payload=BytesIO(body),
                length=len(body),  # or it is copied first, a large one into a file of everybody's folder for such
                http_headers=StatusAndHeaders(f"{response.status} -", [("Content-Type", kind)], protocol="HTTP/1.1"),
                warc_headers_dict={
                    "WARC-Date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
                    _VISIT: msgspec.json.encode(kept).decode(),
                },
            )
            writer.write_record(record)
        except OSError as error:
            raise HarvesterError(f"the archive in {self._folder} cannot be written: {error.strerror}") from None

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
            self._writer.write_record(record)
            record.raw_stream.close()
        return self._writer

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_archives(paths: Sequence[Path]) -> Iterator[Archived]:
    """The responses of archives, all files together in the order in which they came.

    A file that ends in the middle of a record, as a killed run leaves it, is read as far as it goes.

    Raises:
        UsageError: a file that cannot be read, or is no archive of this project.
    """
    with ExitStack() as stack:
        try:
            files = [(path, stack.enter_context(path.open("rb"))) for path in paths]
        except OSError as error:
            raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from None
        yield from heapq.merge(*(_read(path, file) for path, file in files), key=lambda one: one.at)


def _read(path: Path, file: BinaryIO) -> Iterator[Archived]:
    ours = not path.stat().st_size  # a run that was killed at once leaves an empty file
    try:
        for member in _members(file):
            for record in ArchiveIterator(BytesIO(member)):
                if record.rec_type == "warcinfo":
                    ours = b"scratch-harvester" in record.content_stream().read()
                described = record.rec_headers.get_header(_VISIT)
                if ours and record.rec_type == "response" and described is not None:
                    yield _archived(record, described)
    except (ArchiveLoadFailed, msgspec.DecodeError, zlib.error, OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as an archive ({type(error).__name__})") from None
    if not ours:
        raise UsageError(f"{path} is no archive of this project")


def _members(file: BinaryIO) -> Iterator[bytes]:
    """What is packed in a file, record by record; one that has no end is left out: a part of it would look whole.

    Raises:
        zlib.error: it is not packed, or damaged.
    """
    unpacker, parts = zlib.decompressobj(wbits=31), []
    while chunk := file.read(2**16):
        while chunk:
            parts.append(unpacker.decompress(chunk))
            chunk = unpacker.unused_data
            if unpacker.eof:
                yield b"".join(parts)
                unpacker, parts = zlib.decompressobj(wbits=31), []


def _archived(record: Any, described: str) -> Archived:
    kept = msgspec.json.decode(described.encode(), type=Kept)
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
        at=datetime.fromisoformat(record.rec_headers.get_header("WARC-Date")),
        status=int(record.http_headers.get_statuscode()),
        body=record.content_stream().read(),
        visit=visit,
        query=kept.query,
        part=None if kept.part is None else Part(*kept.part, position=kept.position),
    )
