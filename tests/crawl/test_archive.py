"""Writing and reading of archives, without a crawl."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import re
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scrapy.http import Response

from harvester.api.catalogue import STREAMS
from harvester.api.rows import Query, Visit
from harvester.config import Settings
from harvester.crawl.archive import LARGEST_RECORD, Archive, Archived, Part, read_archives
from harvester.crawl.fetch import Fetched
from harvester.crawl.session import Session
from harvester.crawl.spiders.users import UsersSpider
from harvester.errors import HarvesterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

clock = partial(datetime.now, UTC)

VISIT = Visit(STREAMS["project"], 142)
QUERY = Visit(
    STREAMS["search_projects"], 3, 5, "someone", 9, datetime(2026, 1, 2, tzinfo=UTC), Query("cats", "popular", "en", 2)
)


def response(body: bytes = b"{}", status: int = 200) -> Response:
    headers = {"Content-Type": "application/json", "Set-Cookie": "a=b"}
    return Response("https://example.org/projects/142", status=status, headers=headers, body=body)


def written(folder: Path, *bodies: bytes, run: int = 1) -> list[Path]:
    archive = Archive(folder, run, clock)
    for body in bodies:
        archive.keep(response(body), VISIT, "", Part(first=True, position=3))
    archive.close()
    return sorted(folder.glob("*.warc.gz"))


def test_what_was_kept_is_read_as_it_was(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "new", 7, clock)
    part = Part(first=True, full=True, down_to=12, position=4)
    archive.keep(response(b'{"project_token":"1_secret"}'), VISIT, "?limit=40", part)
    archive.keep(response(b"\0\xff", 503), QUERY, "?offset=40", None)
    archive.keep(response(), QUERY, "", Part(alone=True))
    source = b'{"a":"{\\"project_token\\":\\"1_%b\\"}"}' % (b"a" * 64)
    told = {"Content-Type": b"text/html; of=1700000000_%b" % (b"b" * 64)}
    archive.keep(response(source).replace(headers=told), Visit(STREAMS["project_source"], 142), "", Part())
    archive.close()
    (path,) = (tmp_path / "new").iterdir()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    one, two, three, four = read_archives([path])
    assert (one.status, one.visit, one.query, one.part) == (200, VISIT, "?limit=40", part)
    assert b"secret" not in one.body
    assert (two.status, two.body, two.visit, two.part) == (503, b"\0\xff", QUERY, None)
    assert three.part == Part(alone=True)
    assert four.body == source, "its version would be another one in a replay"
    assert one.at <= two.at <= three.at <= datetime.now(UTC)
    assert b"bbbb" not in gzip.decompress(path.read_bytes())
    assert b"a=b" not in gzip.decompress(path.read_bytes()), "no header but the type"


def test_a_file_that_is_large_enough_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.crawl.archive.LARGEST_FILE", 2_000)
    files = written(tmp_path, *(bytes([n]) * 9 for n in range(20)))
    assert len(files) > 2
    assert [one.body[0] for one in read_archives(files)] == list(range(20))
    assert max(path.stat().st_size for path in files) < 3_000


def test_several_files_are_read_in_the_order_of_responses(tmp_path: Path) -> None:
    one, other = Archive(tmp_path, 1, clock), Archive(tmp_path, 2, clock)
    for number in range(6):
        (one, other)[number % 2].keep(response(bytes([number])), VISIT, "", None)
    one.close()
    other.close()
    files = sorted(tmp_path.iterdir(), reverse=True)
    assert [archived.body[0] for archived in read_archives(files)] == list(range(6))


def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """At whatever byte it was cut: complete records are read, and no incomplete response is used."""
    bodies = [bytes(random.Random(n).choices(b"abcdefgh", k=99)) for n in range(2)]
    (path,) = written(tmp_path, *bodies)
    whole = path.read_bytes()
    found = []
    begins = whole.index(b"\x1f\x8b", 3)  # of the first response, after the record that tells whose the archive is
    for length in (0, *range(begins, len(whole) + 1)):
        path.write_bytes(whole[:length])
        read = [one.body for one in read_archives([path])]
        assert read == bodies[: len(read)], length
        found.append(len(read))
    assert found == sorted(found)
    assert set(found) == {0, 1, 2}
    path.write_bytes(whole[: begins + 40] + b"\0" + whole[begins + 41 :])
    with pytest.raises(UsageError, match="cannot be read as an archive"):
        list(read_archives([path]))


def packed(records: list[bytes]) -> bytes:
    """An archive of these records, each with the length that it says it has."""
    return b"".join(gzip.compress(record) for record in records)


def records_of(path: Path) -> list[bytes]:
    """The records of an archive, unpacked."""
    data, found = path.read_bytes(), []
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        found.append(unpacker.decompress(data))
        data = unpacker.unused_data
    return found


def block(record: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A record with another block, of the length that it says."""
    head, _, rest = record.partition(b"\r\n\r\n")
    body = change(rest[:-4])
    head = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head)
    return head + b"\r\n\r\n" + body + b"\r\n\r\n"


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another stream": (lambda r: r.replace(b'"stream":"project"', b'"stream":"nothing"'), "is of no stream"),
    "an id that is none": (lambda r: r.replace(b'"entity_id":142', b'"entity_id":"x"'), "ValidationError"),
    "an id of 70 bits": (lambda r: r.replace(b'"entity_id":142', b'"entity_id":%d' % 2**70), "ValidationError"),
    "a place of 70 bits": (lambda r: r.replace(b'"position":3', b'"position":%d' % 2**70), "ValidationError"),
    "a query with a NUL": (lambda r: r.replace(b'"query":""', b'"query":"a\\u0000"'), "ValidationError"),
    "no address": (lambda r: re.sub(rb"WARC-Target-URI: [^\r]*\r\n", b"", r), "has no address"),
    "no date": (lambda r: re.sub(rb"WARC-Date: [^\r]*\r\n", b"", r), "ValueError"),
    "a date that is none": (lambda r: re.sub(rb"(WARC-Date: )[^\r]*", rb"\1soon", r), "ValueError"),
    "a date of no zone": (lambda r: re.sub(rb"(WARC-Date: [^Z]*)Z", rb"\1", r), "without a time zone"),
    "no length": (lambda r: re.sub(rb"Content-Length: [^\r]*\r\n", b"", r), "has another length"),
    "two lengths": (lambda r: r.replace(b"WARC-Date", b"Content-Length: 1\r\nWARC-Date"), "has another length"),
    "a date of no year": (lambda r: re.sub(rb"(WARC-Date: )\d{4}", rb"\g<1>0001", r), "ValueError"),
    "too long a length": (lambda r: re.sub(rb"(Content-Length: )", rb"\g<1>1", r), "has another length"),
    "too short a length": (lambda r: re.sub(rb"(Content-Length: \d)\d+", rb"\1", r), "has another length"),
    "no end": (lambda r: r[:-4], "has another length"),
    "two records in one": (lambda r: r + r, "has another length"),
    "headers without end": (lambda r: r.replace(b"WARC-Date", b"X: y\r\n" * 20_000 + b"WARC-Date"), "of headers"),
    "a status that is none": (lambda r: block(r, lambda b: b.replace(b" 200 ", b" two ")), "with a status"),
    "no HTTP": (lambda r: block(r, lambda _: b""), "as an archive"),
    "a body that is packed": (
        lambda r: block(r, lambda b: b.replace(b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type")),
        "has a content or transfer encoding",
    ),
    "a record that is packed twice": (gzip.compress, "is no WARC record"),
    "no record": (lambda _: b"not an archive at all", "is no WARC record"),
    "a record that unpacks without end": (
        lambda r: block(r, lambda b: b + bytes(LARGEST_RECORD)),
        "unpacks to more than 17,825,792 bytes",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_record_that_is_not_ours_is_refused_with_its_place(tmp_path: Path, what: str) -> None:
    """In one line, and the one before it is read."""
    (path,) = written(tmp_path, b'{"id":1}', b'{"id":2}')
    change, words = DAMAGE[what]
    about, one, two = records_of(path)
    assert change(two) != two
    path.write_bytes(packed([about, one, change(two)]))
    read = []
    with pytest.raises(UsageError) as refused:
        read.extend(one.body for one in read_archives([path]))
    assert words in str(refused.value), refused.value
    assert f"byte {len(packed([about, one])):,}" in str(refused.value)
    assert "\n" not in str(refused.value)


HOSTILE_TRANSACTIONS = {
    "cut": lambda b: b[:-9],
    "no JSON": lambda _: b"\0\xff",
    "nothing": lambda _: b"",
    "a list": lambda b: b"[" + b + b"]",
    "nested without end": lambda _: b'{"pages":' + b"[" * 500_000,
    "pages that are a number": lambda b: re.sub(rb'"pages":.*\]\]', b'"pages":7', b),
    "an id that is a number": lambda b: re.sub(rb'"<[^"]*"', b"142", b),
    "an id of a megabyte": lambda b: re.sub(rb'"<[^"]*"', b'"' + b"x" * 2**20 + b'"', b),
    "an id with a NUL": lambda b: re.sub(rb'"<[^"]*"', rb'"a\\u0000"', b),
    "half a letter": lambda b: re.sub(rb'"<[^"]*"', rb'"\\ud800"', b),
    "a place below 0": lambda b: b.replace(b'"3"', b'"-3"'),
    "a place of 70 bits": lambda b: b.replace(b'"3"', b'"%d"' % 2**70),
    "a place that is a word": lambda b: b.replace(b'"3"', b'"three"'),
    "a reason that is none": lambda b: b.replace(b'"too long"', b"null"),
    "no end": lambda b: b.replace(b'"ended_at"', b'"ended"'),
    "an end without a zone": lambda b: re.sub(rb'("ended_at":"[^"]*?)Z"', rb'\1"', b),
    "an end of another zone": lambda b: re.sub(rb'("ended_at":"[^"]*?)Z"', rb'\1+23:59"', b),
    "an end in the year 1": lambda b: re.sub(rb'("ended_at":")\d{4}', rb"\g<1>0001", b),
    "a beginning in the year 9999": lambda b: re.sub(rb'("began_at":")\d{4}', rb"\g<1>9999", b),
}


@pytest.mark.parametrize("what", HOSTILE_TRANSACTIONS)
def test_a_transaction_that_is_not_ours_is_refused(tmp_path: Path, what: str) -> None:
    """In one line, before anything of it is used."""
    archive = Archive(tmp_path, 1, clock)
    page = archive.keep(response(), VISIT, "", Part(first=True, position=3))
    archive.note([(page, {3: "too long"})], clock())
    archive.close()
    (path,) = tmp_path.glob("*.warc.gz")
    *before, noted = records_of(path)
    assert len(list(read_archives([path]))) == 2
    changed = block(noted, HOSTILE_TRANSACTIONS[what])
    assert changed != noted
    path.write_bytes(packed([*before, changed]))
    with pytest.raises(UsageError) as refused:
        list(read_archives([path]))
    assert f"byte {len(packed(before)):,}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(path))


def test_what_is_no_archive_of_ours_is_refused(tmp_path: Path) -> None:
    from io import BytesIO

    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    with (tmp_path / "theirs.warc.gz").open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        about = writer.create_warcinfo_record("theirs", {"software": "another"})
        writer.write_record(about)
        about.raw_stream.close()
        headers = StatusAndHeaders("200 OK", [], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record("http://x/", "response", BytesIO(b"{}"), 2, http_headers=headers))
    (path,) = written(tmp_path / "ours", b"{}")
    with pytest.raises(UsageError, match="is no archive of this project"):
        list(read_archives([tmp_path / "theirs.warc.gz"]))
    about, response = records_of(path)
    other = tmp_path / "other.warc.gz"
    other.write_bytes(
        packed([block(about, lambda body: body.replace(b"scratch-harvester", b"something-else")), response])
    )
    with pytest.raises(UsageError, match="is no archive of this project"):
        next(read_archives([other]))
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_archives([tmp_path / "nowhere"]))
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo")
    for name, why in (("link", "symbolic link"), ("fifo", "not a regular file"), ("ours", "not a regular file")):
        with pytest.raises(UsageError, match=f"{name} cannot be read: .*{why}"):
            list(read_archives([path, tmp_path / name]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_a_record_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    for old in tmp_path.glob("*.gz"):
        old.unlink()
    (path,) = written(tmp_path, b'{"id":1}')
    about, one = records_of(path)
    record = bytearray(one)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(record) - 1))
        what = data.draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"\0", b"\xff", b"9", b":", b"{", b"W"]))
        record[place : place + data.draw(st.integers(0, 30))] = what
    path.write_bytes(packed([about, bytes(record)]))
    with suppress(UsageError):
        assert len(list(read_archives([path]))) <= 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(HarvesterError, match="cannot be written"):
        written(tmp_path / "taken", b"{}")


def test_a_visit_without_lease_drops_no_page_of_another(tmp_path: Path) -> None:
    """Both of the same list, under way at once: each hands over or drops its own page."""
    spider = UsersSpider(Session(Settings(), "test"))
    spider.session.archive = Archive(tmp_path, 1, clock)

    async def visit(body: bytes, ends: asyncio.Event, *, keeps: bool) -> None:
        with Fetched(response(body), VISIT, "", Part(first=True), spider.fetcher._archive) as page:
            await ends.wait()
            if keeps:
                assert page.use() is not None

    async def both() -> None:
        lost, next_one = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(visit(b"lost", lost, keeps=False)).add_done_callback(lambda _: next_one.set())
            tasks.create_task(visit(b"next", next_one, keeps=True))
            await asyncio.sleep(0)
            lost.set()

    asyncio.run(both())
    spider.session.archive.close()
    kept = [(one.body, one.part) for one in read_archives(list(tmp_path.iterdir())) if isinstance(one, Archived)]
    assert kept == [(b"lost", None), (b"next", Part(first=True))]
