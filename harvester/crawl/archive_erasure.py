"""Rewrite archives without the people who were erased, so that no byte of them is left and a replay gives the same.

The records of their own pages go; in others their items stay in their places without names, ids and texts (see
`harvester.erasure.served`). A page that cannot be decoded any more goes too: a replay then leaves it out. A file takes
the place of the former one when it is complete and on the disk; its index, which holds ids, is deleted before. Killed
at any moment, the work is done again by the same command.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from harvester.crawl.archive import VISIT, Archived, Kept, Transaction, changed_member, open_archive, read_members
from harvester.crawl.archive_index import archives_in, index_path
from harvester.crawl.archived_body import clean_body
from harvester.durable import sync_folder
from harvester.erasure.remembered import load_rule
from harvester.erasure.served import ServedTexts
from harvester.errors import HarvesterError
from harvester.warehouse.annotations import NAME, USER
from harvester.warehouse.schema import hold_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harvester.erasure.rule import Rule
    from harvester.warehouse.connection import Connection


@dataclass(slots=True)
class ErasedArchives:
    """Counts of archives: files looked through and rewritten, records changed and removed."""

    files: int = 0
    rewritten: int = 0
    changed: int = 0
    removed: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the counts for `--json`."""
        return asdict(self)


def erase_from_archives(
    connection: Connection, home: Path, places: Sequence[Path], on_progress: Callable[[str], None] = lambda _: None
) -> ErasedArchives:
    """Rewrite archives without the people whom the rule of the warehouse recognises.

    Args:
        connection: To the warehouse, in autocommit mode.
        home: The folder with the secret key.
        places: The archives, or folders of them.
        on_progress: Is given the name of each file before it is read.

    Raises:
        UsageError: a folder holds no archive, or a file cannot be read as one of this project.
        WarehouseError: a crawl is at work, which may be writing to one of them.
        HarvesterError: a file cannot be written.
    """
    done = ErasedArchives()
    with hold_alone(connection):
        rule = load_rule(connection, home)
        for path in archives_in(places):
            done.files += 1
            if rule:
                on_progress(str(path))
                _rewrite(path, rule, done)
    return done


def _rewrite(path: Path, rule: Rule, done: ErasedArchives) -> None:
    """Rewrite one archive, if it holds anything of an erased person."""
    new = path.with_name(f".{path.name}.new")
    changed, removed = done.changed, done.removed
    with open_archive(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # nobody makes an index of it meanwhile
        try:
            new.unlink(missing_ok=True)  # what a killed process left
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as written:
                end = _copy(path, file, written, ServedTexts(rule), rule, done)
                written.flush()
                os.fsync(written.fileno())
            is_same = (changed, removed) == (done.changed, done.removed)
            if is_same and end == os.fstat(file.fileno()).st_size:
                return
            _delete_index(path)
            new.replace(path)
            sync_folder(path.parent)
            _delete_index(path)  # one that was made of the former file in between
            done.rewritten += 1
        except OSError as error:
            raise HarvesterError(f"{path} cannot be rewritten: {error.strerror}") from None
        finally:
            new.unlink(missing_ok=True)


def _delete_index(path: Path) -> None:
    index = index_path(path)
    for name in (index, index.with_name(f".{index.name}.new")):
        name.unlink(missing_ok=True)


def _copy(path: Path, file: BinaryIO, written: BinaryIO, texts: ServedTexts, rule: Rule, done: ErasedArchives) -> int:
    """Copy the records of an archive without erased people; return the byte at which the last complete one ends.

    A record that a killed run left incomplete is not copied.
    """
    end = 0
    for start, end, member, one in read_members(path, file):
        kept: bytes | None = os.pread(file.fileno(), end - start, start)
        if isinstance(one, Archived):
            changed = _response(member, one, texts, rule)
            if changed is None:
                done.removed += 1
            elif changed:
                done.changed += 1
            kept = kept if changed == b"" else changed
        elif isinstance(one, Transaction) and (said := _transaction(one, rule)) is not None:
            done.changed += 1
            kept = changed_member(member, {}, block=said)
        if kept is not None:
            written.write(kept)
    return end


def _transaction(one: Transaction, rule: Rule) -> bytes | None:
    """Return a transaction whose reasons, by which the database refused items, name nobody; None if they do not."""
    pages = [(id_, {place: rule.said(reason) for place, reason in refused.items()}) for id_, refused in one.pages]
    return None if pages == one.pages else msgspec.json.encode(msgspec.structs.replace(one, pages=pages))


def _response(member: bytes, one: Archived, texts: ServedTexts, rule: Rule) -> bytes | None:
    """Return the packed record of a response without erased people: empty if it is the same, None if it has to go."""
    visit = one.visit
    if rule.hides(visit.stream.kind.value, visit.entity_id, visit.owner_id, visit.username):
        return None
    words = [one.query] if visit.query is None else [one.query, visit.query.query]
    if any(rule.names(NAME, word.strip()) or rule.said(word) != word for word in words):
        return None
    body = clean_body(texts, visit.stream, one.status, one.body)
    if body is None:
        return None
    host = visit.host_id
    if host is not None and rule.names(USER, host):
        host = rule.stand_in(USER, host)
    if body is one.body and host == visit.host_id:
        return b""
    if one.part is None:
        return None
    kept = _kept(member)
    kept.host_id, kept.has_stand_ins = host, True
    return changed_member(member, {VISIT: msgspec.json.encode(kept).decode()}, body=body)


def _kept(member: bytes) -> Kept:
    """Return the description of the visit of a record."""
    begin = member.lower().index(f"\r\n{VISIT.lower()}:".encode()) + len(VISIT) + 3
    return msgspec.json.decode(member[begin : member.index(b"\r\n", begin)], type=Kept)
