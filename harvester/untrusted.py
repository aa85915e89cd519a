"""Open files that others made, where they are regular files and nothing else.

A name in somebody else's folder may be a symbolic link out of it, a FIFO that never answers, or a device.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

_NO_LINK = "a symbolic link, which is not followed"
_NO_FILE = "not a regular file"
_OUTSIDE = "outside the folder"


def open_regular(path: Path | str, *, folder: int | None = None) -> BufferedReader:
    """Open a regular file for reading; never wait for one, and follow no symbolic link at its last part.

    Args:
        path: The file.
        folder: The descriptor of the folder that a relative path starts from.

    Raises:
        OSError: it cannot be opened, or is a link, a folder, a FIFO, a socket or a device; `strerror` says which.
    """
    # Looked at first, for opening a device may already do something, and again once open, for it may have changed.
    _check_regular(os.stat(path, dir_fd=folder, follow_symlinks=False), path)
    # A FIFO that took its place meanwhile is opened without waiting for somebody to write.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        _check_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_regular(found: os.stat_result, path: Path | str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, _NO_LINK, str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _NO_FILE, str(path))


def open_beneath(folder: Path, path: str) -> BufferedReader:
    """Open a regular file below a folder, safe against `..`, links and concurrent renames.

    Args:
        folder: The folder, which the caller names and trusts; it may itself be a symbolic link.
        path: Relative to it, with forward slashes.

    Raises:
        OSError: as `open_regular`; or a part of the path is a symbolic link, or the path leads outside.
    """
    if not is_beneath(path):
        raise OSError(errno.EINVAL, _OUTSIDE, path)
    *folders, name = PurePosixPath(path).parts
    with ExitStack() as stack:
        here = _folder(stack, folder, None)
        for part in folders:
            if stat.S_ISLNK(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, _NO_LINK, path)
            here = _folder(stack, part, here)
        return open_regular(name, folder=here)


def _folder(stack: ExitStack, path: Path | str, parent: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if parent is None else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=parent)
    stack.callback(os.close, descriptor)
    return descriptor


def is_beneath(path: str) -> bool:
    """Return whether a relative path stays below its folder; links are not resolved."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\0" not in path


def read_bounded(file: BinaryIO, most: int) -> bytes:
    """Read a whole file that has to be small, and close it.

    Raises:
        OSError: it has more than `most` bytes.
    """
    with file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes")
    return data
