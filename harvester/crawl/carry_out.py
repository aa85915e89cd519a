"""Carry out a request for erasure: tables, their files, files of sources, archives, lakes.

The first step removes the person from the tables and forgets who asked. Those after it recognise the person by the
rule of erasures, so that a command that was killed is run again and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.crawl.archive_erasure import erase_from_archives
from harvester.erasure.lakes import known_lakes
from harvester.erasure.requests import erase_requested, record_carried_out
from harvester.errors import HarvesterError, UsageError, WarehouseError
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
        problems: What could not be done: folders of sources that cannot be read, lakes that cannot be updated.
    """

    request: ErasureRequest
    not_ours: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def carry_out(settings: Settings, number: int, on_progress: Callable[[str], None] = lambda _: None) -> CarriedOut:
    """Erase the person of a verified request from tables, their files, files of sources, HARVESTER_ARCHIVE and lakes.

    Args:
        settings: The settings.
        number: The number of the request.
        on_progress: Is given the name of each table, archive and lake that is rewritten, which may take long.

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
        removed["lakes_updated"], removed["lakes"] = _update_lakes(settings, done, on_progress)
        done.request = record_carried_out(connection, number, removed)
    return done


def _update_lakes(
    settings: Settings, done: CarriedOut, on_progress: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Bring the lakes of this home up to date; return those that were, and those that hold the person still."""
    from harvester.dataset.lake import LakeRequest, update  # noqa: PLC0415  (not needed where there is no lake)

    updated, left = [], []
    for folder in known_lakes(settings.home):
        on_progress(folder)
        try:
            if not Path(folder).is_dir():
                raise UsageError("it is not here")
            update(settings, LakeRequest(Path(folder), is_allowed=True))
        except HarvesterError as error:
            left.append(folder)
            command = f"harvester dataset lake {folder} --i-am-allowed"
            done.problems.append(f"the lake in {folder} holds the person still ({error}): run `{command}`")
        else:
            updated.append(folder)
    return updated, left


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
