"""Carry out a request for erasure: tables, their files, files of sources, archives.

The first step removes the person from the tables and forgets who asked. Those after it recognise the person by the
rule of erasures, so that a command that was killed is run again and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harvester.crawl.archive_erasure import erase_from_archives
from harvester.erasure.requests import erase_requested, record_carried_out
from harvester.errors import WarehouseError
from harvester.warehouse.access import connect
from harvester.warehouse.bodies import delete_unused
from harvester.warehouse.maintenance import rewrite
from harvester.warehouse.schema import check_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.config import Settings
    from harvester.erasure.requests import ErasureRequest
    from harvester.warehouse.connection import Connection

OWN = "crawl.erasure_requests"


@dataclass(slots=True)
class CarriedOut:
    """A request that was carried out, with what was left to others.

    Attributes:
        not_ours: Tables of another owner, whose files still hold what was removed.
        problems: Folders of sources that could not be looked into.
    """

    request: ErasureRequest
    not_ours: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def carry_out(settings: Settings, number: int, on_progress: Callable[[str], None] = lambda _: None) -> CarriedOut:
    """Erase the person of a verified request from tables, their files, files of sources and HARVESTER_ARCHIVE.

    Args:
        settings: The settings.
        number: The number of the request.
        on_progress: Is given the name of each table and archive that is rewritten, which may take long.

    Raises:
        UsageError: there is no such request, or it is not verified, or was carried out already.
        WarehouseError: a crawl is at work, or a table is being read: the same command goes on afterwards.
        HarvesterError: an archive cannot be read or written.
    """
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        request = erase_requested(connection, settings.home, number)
        removed = dict(request.removed or {})
        done = CarriedOut(request, not_ours=_rewrite(connection, request, on_progress))
        files = delete_unused(connection)
        done.problems = files.problems
        removed["files"] = files.as_json()
        folder = settings.archive
        removed["archives"] = None
        if folder is not None and any(folder.glob("*.warc.gz")):
            removed["archives"] = erase_from_archives(connection, settings.home, [folder], on_progress).as_json()
        done.request = record_carried_out(connection, number, removed)
    return done


def _rewrite(connection: Connection, request: ErasureRequest, on_progress: Callable[[str], None]) -> list[str]:
    """Rewrite the tables that an erasure changed; return those of another owner."""
    removed = request.removed or {}
    counted = (removed.get(part, {}) for part in ("deleted", "emptied", "redacted"))
    tables = sorted({OWN, *(table for part in counted for table in part), *removed.get("refreshed", ())})
    written = rewrite(connection, tables, on_progress=on_progress)
    if written.busy:
        raise WarehouseError(
            f"{', '.join(written.busy)}: being read, so that removed rows are still in the files; run"
            f" `harvester erase request carry-out {request.request_id}` again afterwards"
        )
    return written.not_ours
