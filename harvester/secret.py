"""The secret key of an installation: what makes keyed hashes mean something here and nothing elsewhere.

It stands in `secret.key` under HARVESTER_HOME, readable by its owner alone. Machines that share a warehouse need the
same one.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from typing import TYPE_CHECKING

from harvester.errors import UsageError
from harvester.untrusted import open_regular, read_bounded

if TYPE_CHECKING:
    from pathlib import Path

NAME = "secret.key"
_BYTES = 32
_LARGEST = 1_000


def secret_key(home: Path) -> bytes:
    """Return the key, which the first call makes.

    Raises:
        UsageError: the file cannot be read or written, is somebody else's or no regular file, others may read or
            replace it, or it holds no key.
    """
    path = home / NAME
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as new:
                new.write(secrets.token_hex(_BYTES) + "\n")
        if home.stat().st_mode & stat.S_IWOTH:
            raise UsageError(f"{home} can be written by others, who could replace the key in it: chmod o-w it")
        file = open_regular(path)
        found = os.fstat(file.fileno())
        text = read_bounded(file, _LARGEST)
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise UsageError(f"{path} can be read by others: chmod 600 it")
        if os.geteuid() not in (0, found.st_uid):
            raise UsageError(f"{path} belongs to somebody else, who knows the key: see HARVESTER_HOME")
        key = bytes.fromhex(text.decode("ascii").strip())
    except OSError as error:
        raise UsageError(f"the secret key in {path} cannot be used: {error.strerror}") from None
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise UsageError(f"{path} holds no key: {2 * _BYTES} hexadecimal digits")
    return key


def keyed_hash(key: bytes, kind: str, value: object) -> str:
    """Return the keyed hash of a value of a kind: HMAC-SHA256 in hexadecimal."""
    return hmac.digest(key, f"{kind} {value}".encode(), "sha256").hex()
