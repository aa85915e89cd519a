"""Index of an archive: what stands where, in a file of its own beside the WARC, so that a part of it can be read.

The index of `harvest-...warc.gz` is `harvest-...warc.gz.sqlite`, readable by its owner alone. It is SQLite rather than
Parquet: Python reads it without a further library, and finds the responses of one entity without reading the others.
It holds streams, ids, times and places, and no body, name, query or token; a crawl does not write it.

    with open_index(path) as index:                      # made, extended or made again if need be
        for entry in index.find(Choice(streams=frozenset({"user"}), entities=frozenset({142}))):
            response = index.read(entry)                 # checked against the entry

An index is believed if the checksum of its bytes (in `user_version`) is right, and the digests of the first bytes and
of the last record of the archive that it covers; otherwise it is made again. It takes the place of the former one when
it is complete and on the disk. One of a file that has grown is extended. Where the folder cannot be written, it is made
for the one use.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from harvester.crawl.archive import Archived, Transaction, open_archive, read_records
from harvester.errors import HarvesterError, UsageError
from harvester.untrusted import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_VERSION = 1
"""Of the tables below: an index of another version is made again."""
_APPLICATION = 0x53484149
"""`application_id` of an index in the header of SQLite's format: `SHAI`."""
_STAMP = slice(60, 64)
"""Bytes of the header with `user_version`, which hold the checksum of all other bytes."""
_RECORDS = {
    "offset": "INTEGER PRIMARY KEY",
    "length": "INTEGER NOT NULL",
    "type": "TEXT NOT NULL",
    "at": "TEXT NOT NULL",
    "stream": "TEXT",
    "entity_id": "INTEGER",
    "status": "INTEGER",
    "use": "TEXT NOT NULL",
    "transaction_offset": "INTEGER",
}
"""Columns of the table of records: see `IndexEntry`."""
_COLUMNS = ", ".join(_RECORDS)
_TABLES = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    f"CREATE TABLE records ({', '.join(f'{name} {type_}' for name, type_ in _RECORDS.items())})",
    "CREATE INDEX records_entity ON records (entity_id, stream) WHERE type = 'response'",
    # Pages that no transaction of the file names, and pages of other files that a transaction of this one names.
    "CREATE TABLE unnamed (id TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE elsewhere (id TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID",
)
RESPONSE, TRANSACTION = "response", "transaction"


class IndexEntry(NamedTuple):
    """Place and nature of a record.

    Attributes:
        offset: The byte of the archive at which it begins.
        length: Its bytes in the archive, packed.
        type: `response` or `transaction`.
        at: When it came, or ended; UTC, as `2026-05-01T12:00:00.000000Z`.
        use: Of a response: `page` of a visit, `alone` (of no visit) or `unused`; of a transaction: whether its pages
            are `stored` or `refused`.
        transaction_offset: The offset of the transaction that names a page; None where none of this file does.
    """

    offset: int
    length: int
    type: str
    at: str
    stream: str | None
    entity_id: int | None
    status: int | None
    use: str
    transaction_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Responses that are wanted; an empty set or None restricts nothing. `until` is not included."""

    streams: frozenset[str] = frozenset()
    entities: frozenset[int] = frozenset()
    since: datetime | None = None
    until: datetime | None = None


class ArchiveIndex:
    """The index of an open archive; see `open_index`."""

    def __init__(self, path: Path, file: BinaryIO, database: sqlite3.Connection) -> None:
        self._path = path
        self._file = file
        self._database = database

    def find(self, choice: Choice) -> Iterator[IndexEntry]:
        """Yield the entries of the responses of a choice, in the order of the file."""
        where, values = _where(choice)
        found = self._database.execute(f"SELECT {_COLUMNS} FROM records WHERE {where} ORDER BY offset", values)
        yield from map(IndexEntry._make, found)

    def read(self, entry: IndexEntry) -> Archived | Transaction:
        """Read the record of an entry.

        Raises:
            UsageError: another record stands there: the archive was changed.
        """
        start, end, one = next(read_records(self._path, self._file, entry.offset), (0, 0, None))
        if one is None or _entry(start, end, one) != entry._replace(transaction_offset=None):
            raise UsageError(
                f"{self._path} was changed: the record at byte {entry.offset:,} is not the one that its index names."
                f" Delete {index_path(self._path).name}, and it is made again"
            )
        return one

    def summary(self) -> dict[str, object]:
        """Return the number of responses and transactions, and the first and last time of a response, if it has one."""
        found = self._database.execute("SELECT type, count(*), min(at), max(at) FROM records GROUP BY type")
        by_type = {type_: (count, first, last) for type_, count, first, last in found}
        responses, *times = by_type.get(RESPONSE, (0, None, None))
        first, last = (None if at is None else datetime.fromisoformat(at) for at in times)
        transactions = by_type.get(TRANSACTION, (0,))[0]
        return {"responses": responses, "transactions": transactions, "first_at": first, "last_at": last}

    def unnamed(self) -> dict[str, tuple[str, int]]:
        """Return stream and entity of the pages of visits that no transaction of the file names, by record id."""
        query = "SELECT u.id, r.stream, r.entity_id FROM unnamed u JOIN records r USING (offset) WHERE r.use = 'page'"
        return {id_: (stream, entity) for id_, stream, entity in self._database.execute(query)}

    def named_elsewhere(self) -> dict[str, str]:
        """Return the ids of the pages of other files that transactions of this one name, and whether as stored."""
        return dict(self._database.execute("SELECT e.id, r.use FROM elsewhere e JOIN records r USING (offset)"))

    def outcome(self, entry: IndexEntry) -> str | None:
        """Return the use of the transaction that names a page; None where none of this file does."""
        query = "SELECT use FROM records WHERE offset = ?"
        row = self._database.execute(query, [entry.transaction_offset]).fetchone()
        return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True)
class Found:
    """A response of an archive.

    Attributes:
        outcome: `unused`, `alone` (it was stored without a visit), `stored`, `refused` (no transaction stored it), or
            `unknown` (its process ended before it could note that).
    """

    file: Path
    entry: IndexEntry
    response: Archived
    outcome: str

    def as_json(self) -> dict[str, object]:
        """Return the facts for `--json`."""
        return {
            "file": str(self.file),
            "offset": self.entry.offset,
            "stream": self.entry.stream,
            "entity_id": self.entry.entity_id,
            "at": self.response.at,
            "status": self.entry.status,
            "query": self.response.query,
            "size": len(self.response.body),
            "outcome": self.outcome,
        }


def find_responses(paths: Sequence[Path], choice: Choice) -> Iterator[Found]:
    """Yield the responses of a choice, file by file.

    Raises:
        UsageError: an archive cannot be read.
    """
    elsewhere: dict[str, str] = {}
    for path in paths:
        with open_index(path) as index:
            elsewhere |= index.named_elsewhere()
    for path in paths:
        with open_index(path) as index:
            for entry in index.find(choice):
                response = index.read(entry)
                assert isinstance(response, Archived)
                noted = index.outcome(entry) or elsewhere.get(response.id)
                yield Found(path, entry, response, noted or ("unknown" if entry.use == "page" else entry.use))


def uncertain_pages(paths: Iterable[Path]) -> set[tuple[str, int]]:
    """Return the lists and objects with a page of a visit that no transaction names: it may have been stored or not.

    Raises:
        UsageError: an archive cannot be read.
    """
    pages: dict[str, tuple[str, int]] = {}
    named: set[str] = set()
    for path in paths:
        with open_index(path) as index:
            pages |= index.unnamed()
            named |= index.named_elsewhere().keys()
    return {entity for id_, entity in pages.items() if id_ not in named}


def describe(path: Path) -> dict[str, object]:
    """Return the facts of an archive: its bytes, its numbers of records and its first and last time.

    Raises:
        UsageError: it cannot be read, or is no archive of this project.
    """
    with open_index(path) as index:
        return {"file": str(path), "bytes": path.stat().st_size} | index.summary()


def archives_in(places: Iterable[Path]) -> list[Path]:
    """Return the archives that are named, and those of the folders that are.

    Raises:
        UsageError: a folder holds none.
    """
    found: list[Path] = []
    for place in places:
        files = sorted(place.glob("*.warc.gz")) if place.is_dir() else [place]
        if not files:
            raise UsageError(f"{place} holds no archive (*.warc.gz)")
        found += files
    return found


def index_path(path: Path) -> Path:
    """Return the place of the index of an archive."""
    return path.with_name(f"{path.name}.sqlite")


@contextmanager
def open_index(path: Path) -> Iterator[ArchiveIndex]:
    """Open an archive with its index, which is made, extended or made again if need be.

    Raises:
        UsageError: the archive cannot be read, or is none of this project; see `read_archives`.
    """
    with open_archive(path) as file, closing(_sound_database(path, file)) as database:
        yield ArchiveIndex(path, file, database)


def _where(choice: Choice) -> tuple[str, dict[str, object]]:
    parts, values = ["type = 'response'"], dict[str, object]()
    for column, wanted in (("stream", choice.streams), ("entity_id", choice.entities)):
        if wanted:
            parts.append(f"{column} IN (SELECT value FROM json_each(:{column}))")
            values[column] = json.dumps(sorted(wanted))
    for sign, name, at in ((">=", "since", choice.since), ("<", "until", choice.until)):
        if at is not None:
            parts.append(f"at {sign} :{name}")
            values[name] = _written(at)
    return " AND ".join(parts), values


# Making it -----------------------------------------------------------------------------------------------------------


def _sound_database(path: Path, file: BinaryIO) -> sqlite3.Connection:
    """Return the database of the index, once it covers all complete records of the archive."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # one process makes it, and others wait for that
        covered = _covered(path, file)
        records = read_records(path, file, covered or 0)
        first = next(records, None)
        if covered is None or first is not None:
            whole = records if first is None else chain([first], records)
            try:
                _make(path, file, whole, covered)
            except (OSError, sqlite3.OperationalError):
                return _make_temporary(path, file)
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
    return _opened(index_path(path))


def _make_temporary(path: Path, file: BinaryIO) -> sqlite3.Connection:
    database = sqlite3.connect("")  # in a temporary file, which SQLite removes
    try:
        _append(database, file, read_records(path, file))
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise HarvesterError(f"no index of {path} can be made: {error}") from None
        raise
    return database


def _opened(name: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{name.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _covered(path: Path, file: BinaryIO) -> int | None:
    """Return the bytes of the archive that its index covers; None where there is no sound index of this archive."""
    name = index_path(path)
    try:
        if not _is_stamped(name):
            return None
        with closing(_opened(name)) as database:
            about = dict(database.execute("SELECT name, value FROM about").fetchall())
    except (OSError, sqlite3.Error):
        return None
    if about.get("version") != _VERSION or about != _about(file, about["last"], about["size"]):
        return None
    return int(about["size"])


def _about(file: BinaryIO, last: int, size: int) -> dict[str, object]:
    """Return what shows to which file an index belongs: `last` is where the last record that it covers begins."""
    about: dict[str, object] = {"version": _VERSION, "size": size, "last": last}
    for name, start, length in (("head", 0, min(size, 2**12)), ("tail", last, size - last)):
        file.seek(start)
        about[name] = hashlib.sha256(file.read(length)).hexdigest()
    return about


def _is_stamped(name: Path) -> bool:
    with open_regular(name) as file:
        head = file.read(_STAMP.stop)
        return len(head) == _STAMP.stop and head[_STAMP] == _checksum(head, file)


def _checksum(head: bytes, rest: BinaryIO) -> bytes:
    value = zlib.crc32(head[: _STAMP.start] + bytes(4))
    while chunk := rest.read(2**20):
        value = zlib.crc32(chunk, value)
    return value.to_bytes(4, "big")


def _make(
    path: Path, file: BinaryIO, records: Iterable[tuple[int, int, Archived | Transaction | None]], covered: int | None
) -> None:
    """Make the index of an archive, or extend the one that covers it as far as `covered`.

    Raises:
        OSError: it cannot be written.
    """
    name = index_path(path)
    new = name.with_name(f".{name.name}.new")
    new.unlink(missing_ok=True)  # what a killed process left
    try:
        with os.fdopen(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "r+b") as written:
            if covered is not None:
                with open_regular(name) as former:
                    while chunk := former.read(2**20):
                        written.write(chunk)
                written.flush()
            with closing(sqlite3.connect(new)) as database:
                _append(database, file, records)
            written.seek(0)
            head = written.read(_STAMP.stop)
            checksum = _checksum(head, written)
            written.seek(_STAMP.start)
            written.write(checksum)
            written.flush()
            os.fsync(written.fileno())
        new.replace(name)
    finally:
        new.unlink(missing_ok=True)


def _append(
    database: sqlite3.Connection,
    file: BinaryIO,
    records: Iterable[tuple[int, int, Archived | Transaction | None]],
) -> None:
    """Add records of an archive, which follow those that the index covers; make the tables of an empty database."""
    # The file is not used before it is complete.
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    if database.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        for table in _TABLES:
            database.execute(table)
    about = dict(database.execute("SELECT name, value FROM about").fetchall())
    last, size = about.get("last", 0), about.get("size", 0)
    unnamed = dict(database.execute("SELECT id, offset FROM unnamed").fetchall())
    marks = ", ".join("?" * len(IndexEntry._fields))
    insert = f"INSERT INTO records ({_COLUMNS}) VALUES ({marks})"
    for start, size, one in records:
        last = start
        if one is None:
            continue
        database.execute(insert, _entry(start, size, one))
        if isinstance(one, Archived):
            if one.part is not None:
                unnamed[one.id] = start
            continue
        for id_, _ in one.pages:
            page = unnamed.pop(id_, None)
            if page is None:
                database.execute("INSERT OR IGNORE INTO elsewhere (id, offset) VALUES (?, ?)", (id_, start))
            else:
                database.execute("UPDATE records SET transaction_offset = ? WHERE offset = ?", (start, page))
    database.execute("DELETE FROM unnamed")
    database.executemany("INSERT INTO unnamed (id, offset) VALUES (?, ?)", unnamed.items())
    database.executemany("INSERT OR REPLACE INTO about (name, value) VALUES (?, ?)", _about(file, last, size).items())
    database.commit()


def _entry(start: int, end: int, one: Archived | Transaction) -> IndexEntry:
    if isinstance(one, Transaction):
        use = "refused" if one.began_at is None else "stored"
        return IndexEntry(start, end - start, TRANSACTION, _written(one.ended_at), None, None, None, use)
    use = "unused" if one.part is None else "alone" if one.part.alone else "page"
    visit = one.visit
    return IndexEntry(
        start, end - start, RESPONSE, _written(one.at), visit.stream.name, visit.entity_id, one.status, use
    )


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
