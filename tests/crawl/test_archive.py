"""What stands in an archive, and what is read out of one: no crawl is needed to try."""

from __future__ import annotations

import gzip
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from scrapy.http import Response

from harvester.api.catalogue import STREAMS
from harvester.crawl.archive import Archive, Part, read_archives
from harvester.errors import HarvesterError, UsageError
from harvester.warehouse.normalise import Query, Visit

if TYPE_CHECKING:
    from pathlib import Path

VISIT = Visit(STREAMS["project"], 142)
QUERY = Visit(
    STREAMS["search_projects"], 3, 5, "someone", 9, datetime(2026, 1, 2, tzinfo=UTC), Query("cats", "popular", "en", 2)
)


def response(body: bytes = b"{}", status: int = 200) -> Response:
    headers = {"Content-Type": "application/json", "Set-Cookie": "a=b"}
    return Response("https://example.org/projects/142", status=status, headers=headers, body=body)


def written(folder: Path, *bodies: bytes, run: int = 1) -> list[Path]:
    archive = Archive(folder, run)
    for body in bodies:
        archive.keep(response(body), VISIT, "", Part(first=True, position=3))
    archive.close()
    return sorted(folder.glob("*.warc.gz"))


def test_what_was_kept_is_read_as_it_was(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "new", 7)
    part = Part(first=True, full=True, down_to=12, position=4)
    archive.keep(response(b'{"project_token":"1_secret"}'), VISIT, "?limit=40", part)
    archive.keep(response(b"\0\xff", 503), QUERY, "?offset=40", None)
    archive.keep(response(), QUERY, "", Part(alone=True))
    archive.close()
    (path,) = (tmp_path / "new").iterdir()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    one, two, three = read_archives([path])
    assert (one.status, one.visit, one.query, one.part) == (200, VISIT, "?limit=40", part)
    assert b"secret" not in one.body
    assert (two.status, two.body, two.visit, two.part) == (503, b"\0\xff", QUERY, None)
    assert three.part == Part(alone=True)
    assert one.at <= two.at <= three.at <= datetime.now(UTC)
    assert b"a=b" not in gzip.decompress(path.read_bytes()), "no header but the type"


def test_a_file_that_is_large_enough_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.crawl.archive.LARGEST_FILE", 2_000)
    files = written(tmp_path, *(bytes([n]) * 9 for n in range(20)))
    assert len(files) > 2
    assert [one.body[0] for one in read_archives(files)] == list(range(20))
    assert max(path.stat().st_size for path in files) < 3_000


def test_several_files_are_read_in_the_order_in_which_responses_came(tmp_path: Path) -> None:
    one, other = Archive(tmp_path, 1), Archive(tmp_path, 2)
    for number in range(6):
        (one, other)[number % 2].keep(response(bytes([number])), VISIT, "", None)
    one.close()
    other.close()
    files = sorted(tmp_path.iterdir(), reverse=True)
    assert [archived.body[0] for archived in read_archives(files)] == list(range(6))


def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Wherever a killed run left it: what is whole is read, and no part of a response is taken for one."""
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
    damaged = tmp_path / "damaged.warc.gz"
    text = gzip.decompress(path.read_bytes())
    for kind in (b'"stream":"project"', b'"entity_id":142'):
        damaged.write_bytes(
            gzip.compress(text.replace(kind, kind.replace(b"project", b"nothing").replace(b"142", b"{}")))
        )
        with pytest.raises(UsageError, match="damaged"):
            list(read_archives([path, damaged]))
    with pytest.raises(UsageError, match="is no archive of this project"):
        list(read_archives([tmp_path / "theirs.warc.gz"]))
    damaged.write_bytes(gzip.compress(text.replace(b"scratch-harvester", b"something-else")))
    with pytest.raises(UsageError, match="is no archive of this project"):
        next(read_archives([damaged]))
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_archives([tmp_path / "nowhere"]))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(HarvesterError, match="cannot be written"):
        written(tmp_path / "taken", b"{}")
