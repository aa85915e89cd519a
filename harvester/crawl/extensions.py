"""Scrapy's feed exports (`scrapy crawl comments -O comments.jsonl`) with one line for each record.

The item of this project is a page. The exporter turns each record of a committed page into an item: the columns that
its stream may write, those of its own table by their name, those of other tables as `table.column`. A feed therefore
holds what the warehouse holds: no placeholder, no token, and nothing of erased people.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import IO, Any

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.exporters import JsonLinesItemExporter
from scrapy.extensions.feedexport import FeedExporter

from harvester.api.rows import Rows, normalise
from harvester.api.stream import Stream
from harvester.crawl.items import Page
from harvester.crawl.spider import FrontierSpider
from harvester.frontier.model import Committed, PageCommit

Line = dict[str, Any]


class RecordFeedExporter(FeedExporter):
    """Exporter of the records of committed pages, each once a visit although pages overlap."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._exported: defaultdict[tuple[str, int], set[int]] = defaultdict(set)

    def open_spider(self, spider: Spider) -> None:
        """Open the feeds; their columns are those of `FEED_EXPORT_FIELDS`, else all that the spider may write."""
        if isinstance(spider, FrontierSpider):
            for options in self.feeds.values():
                options["fields"] = options.get("fields") or _fields(spider.streams)
        super().open_spider(spider)

    def item_scraped(self, item: Any, spider: Spider) -> None:
        """Export each record of a page of the spider's own streams."""
        assert isinstance(spider, FrontierSpider)
        if item.commit.lease.visit.stream not in spider.streams or not _is_committed(item):
            return
        for line in self._lines(item.commit):
            if spider.session.without_erased(json.dumps(line, default=str)):
                super().item_scraped(line, spider)

    def _lines(self, page: PageCommit) -> Iterator[Line]:
        """Yield a line for each item of a page that no page before it had, with its columns in all tables."""
        visit = page.lease.visit
        if not page.records and page.rows:
            yield _line(visit.stream, page.rows)
        exported = self._exported[visit.stream.name, visit.entity_id]
        for record in page.records:
            number = visit.stream.held(record)
            if number not in exported:
                exported.add(number)
                yield _line(visit.stream, normalise(visit, [record]))
        if page.visit_result is not None:
            del self._exported[visit.stream.name, visit.entity_id]


class GzipJsonLinesExporter(JsonLinesItemExporter):
    """Exporter of compressed JSON lines, for files that end in `.jsonl.gz`."""

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        self._compressed = gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0)
        super().__init__(self._compressed, **options)  # type: ignore[arg-type]  # needs `write` alone

    def finish_exporting(self) -> None:
        """Write the end of the compressed stream; the file below it stays open."""
        self._compressed.close()
        super().finish_exporting()


def _is_committed(item: Page) -> bool:
    result = item.result
    return not result.cancelled() and result.exception() is None and result.result() == Committed()


def _line(stream: Stream, rows: Sequence[Rows]) -> Line:
    line: Line = {"stream": stream.name}
    for part in rows:
        names = _names(stream, part.table, part.columns)
        for values in part.values:
            line |= dict(zip(names, values, strict=True))
    return line


def _fields(streams: Sequence[Stream]) -> list[str]:
    """Return the names of all columns that streams may write, those of their own tables first."""
    own: dict[str, None] = {"stream": None}
    other: dict[str, None] = {}
    for stream in streams:
        for table, columns in stream.writes.items():
            names = _names(stream, table, columns)
            (own if table == stream.table else other).update(dict.fromkeys(names))
    return [*own, *other]


def _names(stream: Stream, table: str, columns: Sequence[str]) -> list[str]:
    return list(columns) if table == stream.table else [f"{table}.{column}" for column in columns]
