"""List the responses and items in the quarantine, and visit their entries again."""

from typing import Any

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.errors import DecodeError, UsageError
from harvester.warehouse.connection import Connection, fetch_dicts
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "quarantine")

_AT_A_TIME = 8
"""Number of responses that are in memory at a time."""


def cases(connection: Connection, stream: str | None = None, most: int = 50) -> list[dict[str, Any]]:
    """Return the newest cases, without their bodies.

    Raises:
        UsageError: there is no such stream.
    """
    if stream is not None and stream not in STREAMS:
        raise UsageError(f"no stream is called {stream!r}: see `harvester streams`")
    return fetch_dicts(connection, _SQL["cases"], {"stream": stream, "most": most})


def body(connection: Connection, case: int) -> bytes:
    """Return the response of a case, or the one item, as it came.

    Raises:
        UsageError: there is no such case.
    """
    row = connection.execute("SELECT body FROM crawl.quarantine WHERE id = %s", [case]).fetchone()
    if row is None:
        raise UsageError(f"no case has the number {case}: see `harvester quarantine list`")
    return bytes(row[0] or b"")


def retry(connection: Connection) -> dict[str, int]:
    """Visit failed entries again, and drop the solved cases; return the number of each.

    A case is deleted if its response can be read now, or if its list or object was visited since. Entries that failed
    for other reasons are due again too. A list with an item in quarantine is read in full again; the item stays a case
    until that read shows it to be usable or gone. The next crawl makes the visits.
    """
    with connection.transaction():
        with connection.cursor("cases") as cases_:  # on the server: a response has up to 16 MiB
            cases_.itersize = _AT_A_TIME
            cases_.execute("SELECT id, stream, body FROM crawl.quarantine WHERE item_id IS NULL ORDER BY id")
            readable = [
                case for case, stream, kept in cases_ if stream in STREAMS and _is_readable(stream, bytes(kept or b""))
            ]
        again = connection.execute(_SQL["make_due"]).rowcount
        overtaken = connection.execute(_SQL["close_visited"], [readable]).rowcount
        connection.execute("DELETE FROM crawl.quarantine WHERE id = ANY(%s)", [readable])
        left = connection.execute("SELECT count(*) FROM crawl.quarantine").fetchone()
    return {
        "due_again": again,
        "readable_now": len(readable),
        "visited_since": overtaken,
        "left": int(left[0]) if left else 0,
    }


def _is_readable(stream: str, response: bytes) -> bool:
    try:
        decode(STREAMS[stream], response, None, [])
    except DecodeError:
        return False
    return True
