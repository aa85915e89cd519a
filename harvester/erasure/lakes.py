"""The folders of lakes that were written from this home: in `lakes.txt` beside the secret key, a path a line.

A lake is a copy of the warehouse with people's names and texts. An erasure says which lakes must be updated.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harvester.errors import UsageError
from harvester.untrusted import open_regular

if TYPE_CHECKING:
    from pathlib import Path

FILE = "lakes.txt"


def known_lakes(home: Path) -> list[str]:
    """Return the folders of all lakes, in the order in which they were first written.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with open_regular(home / FILE) as file:
            return file.read().decode(errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(f"{home / FILE}, which lists the lakes, cannot be read: {error.strerror}") from None


def remember_lake(home: Path, folder: Path) -> None:
    """Add a folder to the list, if it is not there.

    Raises:
        UsageError: the list cannot be read or written, or the path has a line break.
    """
    path = str(folder)
    if len(path.splitlines()) != 1:
        raise UsageError("the path of a lake must not have a line break")
    if path in known_lakes(home):
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{path}\n".encode(errors="surrogateescape"))
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise UsageError(f"{home / FILE}, which lists the lakes, cannot be written: {error.strerror}") from None
