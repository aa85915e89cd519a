"""Read back the sources of projects: the versions that are kept of one, and the body of a version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from harvester.errors import UsageError
from harvester.source.decode import decode
from harvester.source.model import DamagedSource
from harvester.source.structure import structure
from harvester.warehouse.bodies import BodyReader
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "sources")
_DIGEST = re.compile("[0-9a-f]{4,64}")


def versions(connection: Connection, project: int) -> list[dict[str, Any]]:
    """Return the versions of a project's source, the present one first, without their bodies.

    Raises:
        UsageError: none was read; the message says why, as far as that is known.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_SQL["versions"], [project]).fetchall()
    if found:
        return found
    row = connection.execute("SELECT outcome, reason FROM source.projects WHERE project_id = %s", [project]).fetchone()
    if row is None:
        raise UsageError(f"no source of project {project} was asked for: crawl it with HARVESTER_SOURCES=1")
    raise UsageError(f"the source of project {project} was never read: {row[0]} ({row[1]})")


def version(connection: Connection, project: int, digest: str | None) -> dict[str, Any]:
    """Return the present version of a project's source, or the one whose SHA-256 begins with a text.

    Raises:
        UsageError: there is no such version, or several.
    """
    found = versions(connection, project)
    if digest is None:
        return found[0]
    if not _DIGEST.fullmatch(digest):
        raise UsageError("a version is named by its SHA-256, or by the first 4 or more digits of it")
    named = [one for one in found if one["sha256"].startswith(digest)]
    if len(named) != 1:
        raise UsageError(f"{len(named) or 'no'} versions of project {project} begin with {digest}: see --json")
    return named[0]


def structure_of(body: bytes) -> bytes:
    """Return the structure of a source, without a word that somebody wrote.

    Raises:
        UsageError: it is of Scratch 1, whose scripts are not read, or damaged by rules that came after it was read.
    """
    try:
        found = structure(decode(body))
    except DamagedSource as error:
        raise UsageError(f"by the rules of this version {error}: it has no structure to show") from None
    if found is None:
        raise UsageError("the source is of Scratch 1, whose scripts are not read: it has no structure to show")
    return found + b"\n"


def body(connection: Connection, found: dict[str, Any], folder: Path | None = None) -> bytes:
    """Return the body of a version as it was served; `folder`: where files of bodies are looked for first.

    Raises:
        LostBody: its file is missing or was altered.
    """
    digest = bytes.fromhex(found["body_sha256"])
    row = connection.execute("SELECT packed FROM source.bodies WHERE sha256 = %s", [digest]).fetchone()
    assert row is not None, "a version has a body"
    return BodyReader(connection, folder).body(digest, row[0], found["project_id"])
