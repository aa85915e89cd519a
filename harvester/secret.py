"""The secret key of an installation, by which keyed hashes can be compared here and nowhere else.

It stands in `secret.key` under HARVESTER_HOME, readable by its owner alone. Machines that share a warehouse need the
same one.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from harvester.errors import UsageError
from harvester.untrusted import open_regular, read_bounded

if TYPE_CHECKING:
    from pathlib import Path

NAME = "secret.key"
_BYTES = 32
LARGEST = 1_000
"""Bytes that the file of a key may have at most."""


def secret_key(home: Path) -> bytes:
    """Return the key, which the first call makes.

    Raises:
        UsageError: the file cannot be read or written, is somebody else's or no regular file, others may read or
            replace it, or it holds no key.
    """
    path = home / NAME
    try:
        with suppress(FileExistsError):
            put_key(home, secrets.token_bytes(_BYTES))
        if home.stat().st_mode & stat.S_IWOTH:
            raise UsageError(f"{home} can be written by others, who could replace the key in it: chmod o-w it")
        file = open_regular(path)
        found = os.fstat(file.fileno())
        text = read_bounded(file, LARGEST)
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise UsageError(f"{path} can be read by others: chmod 600 it")
        if os.geteuid() not in (0, found.st_uid):
            raise UsageError(f"{path} belongs to somebody else, who knows the key: see HARVESTER_HOME")
    except OSError as error:
        raise UsageError(f"the secret key in {path} cannot be used: {error.strerror}") from None
    key = key_in(text)
    if key is None:
        raise UsageError(f"{path} holds no key: {2 * _BYTES} hexadecimal digits")
    return key


def key_in(text: bytes) -> bytes | None:
    """Return the key in a file; None if the file holds no key."""
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        return None
    return key if len(key) == _BYTES else None


def has_key(home: Path) -> bool:
    """Return whether a home has a key, or anything in its place."""
    return os.path.lexists(home / NAME)


def put_key(home: Path, key: bytes) -> None:
    """Write a key into a home that has none.

    Raises:
        OSError: it has one, or cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(home / NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as new:
        new.write(key.hex() + "\n")


def keyed_hash(key: bytes, kind: str, value: object) -> str:
    """Return the keyed hash of a value of a kind: HMAC-SHA256 in hexadecimal."""
    return hmac.digest(key, f"{kind} {value}".encode(), "sha256").hex()
