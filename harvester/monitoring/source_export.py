"""Write the sources of projects to a folder, in the layout that the tools of the field read."""

from __future__ import annotations

import csv
import os
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from harvester.errors import UsageError
from harvester.source.model import SourceFormat
from harvester.warehouse.bodies import BodyReader
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "source_export")
INDEX = "projects.csv"
_ENDINGS = {SourceFormat.SCRATCH_3: ".sb3", SourceFormat.SCRATCH_2: ".sb2", SourceFormat.SCRATCH_1: ".sb"}
_BODY = ("body_sha256", "packed")
_ROWS = 100
"""Rows that the server sends at once, some 40 kB each when unpacked."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Numbers of the projects in the index, and of those among them that have a source."""

    projects: int
    files: int

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return asdict(self)


def export(
    connection: Connection,
    folder: Path,
    *,
    held_in: Path | None = None,
    design: int | None = None,
    archives: bool = False,
) -> Exported:
    """Write the present source of each project that is there, and an index `projects.csv`.

    The files are for their owner's eyes: texts of children stand in them.

    Args:
        connection: any; one statement reads all, as of one moment.
        folder: a new or empty one.
        held_in: where files of bodies are looked for first.
        design: the projects that this design hit, with their weights; those without a source stand in the index alone.
        archives: as `.sb3` and `.sb2`, which hold no costume and no sound, instead of `.json`.

    Raises:
        UsageError: the folder holds something, or there is no such design of projects.
        LostBody: the file of a source is missing or was altered.
        OSError: the folder cannot be written.
    """
    if design is not None:
        found = connection.execute(_SQL["of_design"], [design]).fetchone()
        if found is None or found[0] != "project":
            what = "there is no design" if found is None else f"{found[0]}s, not projects, were drawn by design"
            raise UsageError(f"{what} {design}: see `harvester seed sample list`")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: name a new folder")
    projects = files = 0
    bodies = BodyReader(connection, held_in)
    with (
        os.fdopen(_create(folder / INDEX), "w", newline="", encoding="utf-8") as file,
        connection.transaction(),
        connection.cursor("sources", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = _ROWS
        index = csv.writer(file)
        cursor.execute(_SQL["export"], {"design": design})
        index.writerow(["file", *(column.name for column in cursor.description or () if column.name not in _BODY)])
        for row in cursor:
            digest, packed = (row.pop(name) for name in _BODY)
            body = None if digest is None else bodies.body(digest, packed, row["project_id"])
            name = None if body is None else _write(folder, row, body, archives=archives)
            index.writerow([name, *(one.isoformat() if hasattr(one, "isoformat") else one for one in row.values())])
            projects += 1
            files += name is not None
    return Exported(projects, files)


def _write(folder: Path, row: dict[str, Any], body: bytes, *, archives: bool) -> str:
    made = SourceFormat(row["format"])
    is_archive = archives and made is not SourceFormat.SCRATCH_1
    ending = _ENDINGS[made] if archives or made is SourceFormat.SCRATCH_1 else ".json"
    path = folder / f"{row['project_id']}{ending}"
    with os.fdopen(_create(path), "wb") as file:
        if is_archive:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo("project.json"), body, zipfile.ZIP_DEFLATED)
        else:
            file.write(body)
    return path.name


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
