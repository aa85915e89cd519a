"""An index finds what a full read finds, or is made again."""

from __future__ import annotations

import os
import random
import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import Response

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Query, Visit
from harvester.crawl import archive_index
from harvester.crawl.archive import Archive, Archived, Part, Transaction, read_archives
from harvester.crawl.archive_index import (
    Choice,
    archives_in,
    describe,
    find_responses,
    index_path,
    open_index,
)
from harvester.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STREAM_NAMES = ("user", "user_followers", "project", "search_projects")
PARTS = (None, Part(alone=True), Part(first=True, position=0), Part(position=1))


def filled(folder: Path, records: int = 60, *, seed: int = 1, processes: int = 2) -> list[Path]:
    """Archives of processes that write in turns: pages that are stored, refused or neither, and other responses."""
    choose, times = random.Random(seed), iter(range(10**6))

    def now() -> datetime:
        return BEGIN + timedelta(seconds=next(times))

    writers = [Archive(folder, number, now) for number in range(processes)]
    waiting: list[list[str]] = [[] for _ in writers]
    for _ in range(records):
        number = choose.randrange(processes)
        if waiting[number] and choose.random() < 0.3:
            some = [waiting[number].pop() for _ in range(choose.randint(1, len(waiting[number])))]
            began_at = now() if choose.random() < 0.8 else None
            writers[number].note([(id_, {}) for id_ in some], began_at, now())
            continue
        stream = STREAMS[choose.choice(STREAM_NAMES)]
        asked = Query("a secret word", "popular", "en", 2)
        visit = Visit(stream, choose.randrange(4), 5, "somebody", 9, None, asked)
        part, body = choose.choice(PARTS), choose.randbytes(choose.randrange(99))
        id_ = writers[number].keep(Response("http://x/", body=body), visit, "?limit=4321", part)
        if part is not None and not part.alone:
            waiting[number].append(id_)
    for writer in writers:
        writer.close()
    return sorted(folder.glob("*.warc.gz"))


def chosen_of(responses: Sequence[Archived], choice: Choice) -> list[Archived]:
    """A choice of responses, by looking at all."""
    return [
        one
        for one in responses
        if (not choice.streams or one.visit.stream.name in choice.streams)
        and (not choice.entities or one.visit.entity_id in choice.entities)
        and (choice.since is None or one.at >= choice.since)
        and (choice.until is None or one.at < choice.until)
    ]


def entries(path: Path) -> list[Any]:
    with open_index(path) as index:
        found = list(index.find(Choice()))
        assert [index.read(entry) for entry in found] == [
            one for one in read_archives([path]) if isinstance(one, Archived)
        ]
        return [*found, index.unnamed(), index.named_elsewhere(), index.summary()]


@pytest.mark.parametrize("largest", [10**9, 3_000])
def test_a_part_is_what_a_full_read_gives_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    """With what became of each response, also where a transaction names pages of another file."""
    monkeypatch.setattr("harvester.crawl.archive.LARGEST_FILE", largest)
    files = filled(tmp_path, 60)
    everything = [one for path in files for one in read_archives([path])]
    outcomes = {id_: one.began_at for one in everything if isinstance(one, Transaction) for id_, _ in one.pages}
    responses = [one for one in everything if isinstance(one, Archived)]
    since, until = BEGIN + timedelta(seconds=20), BEGIN + timedelta(seconds=60)
    sizes = set()
    for streams, entities in product(((), ("user", "project")), ((), (1, 3))):
        for times in ((None, None), (since, None), (since, until)):
            choice = Choice(frozenset(streams), frozenset(entities), *times)
            found = list(find_responses(files, choice))
            expected = chosen_of(responses, choice)
            assert sorted((one.file, one.entry.offset) for one in found) == [
                (one.file, one.entry.offset) for one in found
            ]
            assert {one.response.id: one.response for one in found} == {one.id: one for one in expected}
            assert len(found) == len(expected)
            assert [one.outcome for one in found] == [outcome(one.response, outcomes) for one in found]
            sizes.add(len(expected))
    assert len(sizes) > 6
    assert archives_in([tmp_path, files[0]]) == [*files, files[0]]
    assert sum(int(str(describe(path)["responses"])) for path in files) == len(responses)


def outcome(response: Archived, outcomes: dict[str, datetime | None]) -> str:
    if response.part is None or response.part.alone:
        return "unused" if response.part is None else "alone"
    if response.id not in outcomes:
        return "unknown"
    return "refused" if outcomes[response.id] is None else "stored"


def test_an_index_grows_with_its_archive(tmp_path: Path) -> None:
    """At whatever byte the archive ends, the index that was extended is the one that is made at once."""
    (path,) = filled(tmp_path, 12, processes=1)
    whole = path.read_bytes()
    other = tmp_path / "other" / path.name
    other.parent.mkdir()
    begins = whole.index(b"\x1f\x8b", 3)
    for length in (0, *range(begins, len(whole), 431), len(whole)):
        path.write_bytes(whole[:length])
        other.write_bytes(whole[:length])
        index_path(other).unlink(missing_ok=True)
        assert entries(path) == entries(other), length
    inode = index_path(path).stat().st_ino
    entries(path)
    assert index_path(path).stat().st_ino == inode, "it is sound, and was made again"


def test_a_wrong_index_is_made_again(tmp_path: Path) -> None:
    """Damaged at any byte, cut, of another archive or version, or no index at all."""
    path, another = filled(tmp_path, 24)
    right = entries(path)
    sound, theirs = index_path(path).read_bytes(), entries(another) and index_path(another).read_bytes()
    damaged = []
    for place in (*range(0, len(sound), 1303), len(sound) - 1):
        data = bytearray(sound)
        data[place] ^= 1 << place % 8
        damaged.append(bytes(data))
    cut = [sound[:length] for length in (0, 1, 63, 64, len(sound) // 2, len(sound) - 1)]
    for wrong in (*damaged, *cut, theirs, sound + b"\0", b"no index at all" * 99):
        index_path(path).write_bytes(wrong)
        assert entries(path) == right
        assert index_path(path).read_bytes() == sound
    path.write_bytes(path.read_bytes()[: right[-4].offset])
    index_path(path).write_bytes(sound)
    assert len(entries(path)) == len(right) - 1


def test_an_index_of_an_earlier_version_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = filled(tmp_path, 9, processes=1)
    monkeypatch.setattr(archive_index, "_VERSION", 0)
    entries(path)
    monkeypatch.undo()
    former = index_path(path).read_bytes()
    entries(path)
    assert index_path(path).read_bytes() != former


@pytest.mark.parametrize("covered", [False, True])
def test_an_interrupt_leaves_the_former_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, covered: bool
) -> None:
    """The next one is complete, whatever a killed process left beside it."""
    (path,) = filled(tmp_path, 40, processes=1)
    right = entries(path)
    whole = path.read_bytes()
    index_path(path).unlink()
    if covered:
        path.write_bytes(whole[: right[9].offset])
        entries(path)
        path.write_bytes(whole)
    former = index_path(path).read_bytes() if covered else None
    made = archive_index._entry

    def interrupted(start: int, end: int, one: Any) -> Any:
        if start >= right[20].offset:
            raise KeyboardInterrupt
        return made(start, end, one)

    monkeypatch.setattr(archive_index, "_entry", interrupted)
    with pytest.raises(KeyboardInterrupt):
        entries(path)
    monkeypatch.undo()
    assert (index_path(path).read_bytes() if index_path(path).exists() else None) == former
    assert len(list(tmp_path.iterdir())) == 1 + covered
    (tmp_path / f".{path.name}.sqlite.new").write_bytes(b"what a killed process left")
    assert entries(path) == right
    assert len(list(tmp_path.iterdir())) == 2


def test_a_record_is_checked_against_its_entry(tmp_path: Path) -> None:
    """Two records that change places leave begin, end and size of the archive as they were."""
    (path,) = filled(tmp_path, 40, processes=1)
    data = path.read_bytes()
    with open_index(path) as index:
        found = list(index.find(Choice()))
        one, other = next(two for two in pairwise(found) if two[0].offset > 2**12 and sum(two[0][:2]) == two[1].offset)
        ends = other.offset + other.length
        path.write_bytes(data[: one.offset] + data[other.offset : ends] + data[one.offset : other.offset] + data[ends:])
        with pytest.raises(UsageError, match=f"byte {one.offset:,} is not the one that its index names"):
            index.read(one)
        with pytest.raises(UsageError):
            index.read(other)
    with pytest.raises(UsageError, match="the one that its index names"):
        list(find_responses([path], Choice()))


def test_an_index_holds_no_more_than_places(tmp_path: Path) -> None:
    """No body, name, query or address; and who may not read the archive may not read its index."""
    (path,) = filled(tmp_path, 30, processes=1)
    entries(path)
    index = index_path(path)
    assert index.stat().st_mode & 0o777 == 0o600
    bodies = [one.body for one in read_archives([path]) if isinstance(one, Archived) and len(one.body) > 8]
    data = index.read_bytes()
    assert bodies
    assert not [one for one in (*bodies, b"somebody", b"secret", b"4321", b"http") if one in data]
    with sqlite3.connect(index) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_where_no_index_can_be_kept_one_is_made_for_the_use(tmp_path: Path) -> None:
    (path,) = filled(tmp_path, 30, processes=1)
    index_path(path).mkdir()
    found = entries(path)
    index_path(path).rmdir()
    assert entries(path) == found
    index_path(path).unlink()
    index_path(path).symlink_to(tmp_path / "elsewhere")
    assert entries(path) == found
    assert not os.path.lexists(tmp_path / "elsewhere")
    assert not index_path(path).is_symlink()
    with pytest.raises(UsageError, match="holds no archive"):
        archives_in([index_path(path).parent / ".."])
