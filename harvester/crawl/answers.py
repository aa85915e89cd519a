"""Read what responses say by their status and body, for a crawl and for a replay, which needs no downloader."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

from harvester.api.decode import without_mark
from harvester.api.gone_reason import GoneReason
from harvester.api.stream import Host, Paging, Stream
from harvester.frontier.model import PageCommit, SourceOutcome, SourceRead, SourceVersion, VisitResult
from harvester.source.decode import decode
from harvester.source.model import DamagedSource

if TYPE_CHECKING:
    from harvester.frontier.model import Lease

_ABSENT = (404, 410)
_PACKING = 6
"""Level of compression: gzip's own default takes longer for next to nothing."""


def is_absent(stream: Stream, status: int, body: bytes) -> bool:
    """Return whether a response is the API's own "not found"; a 404 page of a proxy is not.

    Some lists that may not be seen answer 403; an object with that answer is not gone.
    """
    body = without_mark(body)
    if stream.host is Host.SITE:
        # The site's own pages have no error code that tells the reasons apart.
        return status == 404 or (status == 403 and stream.paging is not Paging.SINGLE)
    if status == 404:
        return b'"NotFound' in body
    if status == 403:
        return stream.paging is not Paging.SINGLE and body.startswith(b"{")
    # A deleted comment, requested by its id.
    return status == 200 and stream.gone is GoneReason.DELETED and body.strip() == b"null"


def source_of(status: int, body: bytes) -> SourceRead:
    """Return what a response to a request for a source says."""
    if status != 200:
        outcome = SourceOutcome.NOT_FOUND if status in _ABSENT else SourceOutcome.REFUSED
        return SourceRead(outcome, f"HTTP {status}")
    try:
        source = decode(body)
    except DamagedSource as error:
        return SourceRead(SourceOutcome.DAMAGED, str(error))
    version = SourceVersion(
        sha256=source.sha256,
        body_sha256=hashlib.sha256(body).digest(),
        format=source.format.value,
        blocks=source.blocks,
        editor=source.editor,
        size=len(body),
        packed=gzip.compress(body, _PACKING, mtime=0),  # without a time, equal bodies are packed alike
    )
    return SourceRead(SourceOutcome.READ, version=version)


def take_source(lease: Lease, read: SourceRead, *, gone: bool = False) -> PageCommit:
    """Return the commit of a visit of a source; `gone`: the project's own page was not found."""
    is_read = read.outcome is SourceOutcome.READ
    # Two requests, for the schedule: a visit by the source's own rate visits the project first.
    visit_result = VisitResult(None, gone=gone, whole=is_read, pages=2)
    return PageCommit(lease, [], 1, visit_result=visit_result, source=read)
