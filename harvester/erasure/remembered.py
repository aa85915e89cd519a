"""The hashes of erased people: in `crawl.erasures` of a warehouse, and in `erased.txt` beside the secret key.

The file makes a new warehouse, or one that was restored from an older backup, leave the same people out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from harvester.erasure.rule import Rule
from harvester.errors import UsageError, WarehouseError
from harvester.secret import NAME as KEY_FILE
from harvester.secret import keyed_hash, secret_key
from harvester.untrusted import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from harvester.warehouse.connection import Connection

_FILE = "erased.txt"
THIS_KEY = "key"
"""Kind of the hash that shows with which key the others were made."""


def load_rule(connection: Connection, home: Path | None, *, knows_stand_ins: bool = False) -> Rule:
    """Return the rule of a warehouse; the key in `home` is read only if somebody was erased.

    Args:
        connection: To the warehouse.
        home: The folder with the secret key and `erased.txt`.
        knows_stand_ins: Whether to recognise stand-ins of archives even if nobody was erased here.

    Raises:
        WarehouseError: somebody was erased with another key than this installation's.
        UsageError: the key cannot be read.
    """
    hashes = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
    remembered = set().union(*remembered_hashes(home))
    if not (hashes or remembered):
        return Rule(b"", (), knows_stand_ins=knows_stand_ins)
    key = b"" if home is None else secret_key(home)
    check_key(connection, key)
    return Rule(key, hashes | remembered)


def check_key(connection: Connection, key: bytes) -> None:
    """Refuse a key with which the hashes of the warehouse were not made.

    Raises:
        WarehouseError: somebody was erased with another key.
    """
    own = keyed_hash(key, THIS_KEY, "")
    row = connection.execute("SELECT bool_or(hash = %s) FROM crawl.erasures", [own]).fetchone()
    if row and row[0] is False:
        raise WarehouseError(
            "people were erased from this warehouse with another secret key: copy secret.key from the machine on which"
            " `harvester erase` ran into HARVESTER_HOME"
        )


def remembered_hashes(home: Path | None) -> list[set[str]]:
    """Return the hashes of each erasure in `erased.txt`, which has an empty line between two erasures.

    Raises:
        UsageError: the file cannot be read: without it erased people would be harvested again.
    """
    if home is None:
        return []
    try:
        return _groups_in(read_remembered(home))
    except UnicodeDecodeError:
        raise UsageError(f"{home / _FILE}, by which people are left out, holds no hashes") from None


def read_remembered(home: Path) -> bytes:
    """Return the bytes of `erased.txt`; empty if nobody was erased.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with open_regular(home / _FILE) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):  # without a folder nothing was written
        return b""
    except OSError as error:
        raise UsageError(f"{home / _FILE}, by which people are left out, cannot be read: {error.strerror}") from None


def pending_erasures(connection: Connection, home: Path | None) -> list[set[str]]:
    """Return the erasures in `erased.txt` that the warehouse does not have, since it is new or was restored.

    Raises:
        UsageError: the file cannot be read.
    """
    known = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
    return [group for group in remembered_hashes(home) if not group <= known]


def add_remembered(home: Path, written: bytes) -> None:
    """Add the erasures of another `erased.txt` of the same key to those beside the key.

    Raises:
        UsageError: either file holds no hashes, or those of another key.
    """
    key = secret_key(home)
    here = remembered_hashes(home)
    try:
        others = _groups_in(written)
    except UnicodeDecodeError:
        raise UsageError(f"the backup's {_FILE}, by which people are left out, holds no hashes") from None
    check_own(key, here + others)
    new = [erasure for erasure in others if not any(erasure <= known for known in here)]
    if new:
        replace_remembered(home, here + new)


def _groups_in(written: bytes) -> list[set[str]]:
    return [set(part.split()) for part in written.decode("ascii").split("\n\n") if part.strip()]


def check_own(key: bytes, erasures: Iterable[set[str]]) -> None:
    """Refuse hashes that were made with another key, which would recognise nobody."""
    own = keyed_hash(key, THIS_KEY, "")
    if any(own not in erasure for erasure in erasures):
        raise UsageError(f"{_FILE} was written with another {KEY_FILE} than the one beside it: copy both from one home")


def remember(home: Path, hashes: Iterable[str]) -> None:
    descriptor = os.open(home / _FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_group(hashes))


def _group(hashes: Iterable[str]) -> str:
    return "".join(f"{each}\n" for each in sorted(hashes)) + "\n"


def replace_remembered(home: Path, erasures: list[set[str]]) -> None:
    """Replace the content of `erased.txt`."""
    written = home / f"{_FILE}.new"
    written.unlink(missing_ok=True)
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(_group(hashes) for hashes in erasures if hashes)
    written.replace(home / _FILE)


@dataclass(frozen=True, slots=True)
class StoredRule:
    """Rule of one erasure: the number of its hashes, and when it was made; None: in another warehouse."""

    erased_at: datetime | None
    hashes: int


def read_rules(connection: Connection, home: Path) -> list[StoredRule]:
    """Return the rules of all erasures, the newest first, without anything that shows who was erased."""
    with connection.cursor(row_factory=class_row(StoredRule)) as cursor:
        rules = cursor.execute(
            "SELECT erased_at, count(*) AS hashes FROM crawl.erasures WHERE kind <> %s GROUP BY 1 ORDER BY 1 DESC",
            [THIS_KEY],
        ).fetchall()
    known = {each for (each,) in connection.execute("SELECT hash FROM crawl.erasures").fetchall()}
    return rules + [StoredRule(None, len(hashes)) for hashes in remembered_hashes(home) if not hashes <= known]
