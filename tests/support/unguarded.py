"""The command line with one of its guards taken off.

Whoever compares what it leaves with the truth must find it wrong: see `test_guards.py` and `test_names.py`.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _names() -> None:
    """No list and no absence by name waits for a proof of the name, nor for answers about others."""
    from harvester.crawl import visitor

    _first_reads()
    visitor.page_in_doubt = lambda *_, **__: False
    visitor.object_in_doubt = visitor.would_date = lambda *_: False


def _ids() -> None:
    """Nor is what an answer shows of whose it is looked at."""
    from harvester.api.stream import Stream

    _names()
    Stream.answers_for_another = lambda *_: False  # type: ignore[method-assign]


def _free_names() -> None:
    """That the site says that a name is free is not looked at."""
    from harvester.api.stream import Stream

    Stream.finds_name_free = lambda *_: False  # type: ignore[method-assign]


def _nulls() -> None:
    """Null is held to be missing."""
    from msgspec import UNSET

    from harvester.api import rows

    plans = rows._plan

    def without_nulls(plan: rows._Plan) -> rows._Plan:
        if plan.table not in ("users", "projects", "studios"):
            return plan
        return plan._replace(served=lambda one: tuple([UNSET if v is None else v for v in plan.served(one)]))

    rows._plan = lambda stream: tuple(map(without_nulls, plans(stream)))  # type: ignore[assignment]


def _items() -> None:
    """An item that cannot be used costs its whole response."""
    from harvester.crawl import fetch

    decode = fetch.decode
    fetch.decode = lambda stream, body, deviations, _: decode(stream, body, deviations, None)  # type: ignore[assignment]


def _index() -> None:
    """Explore and search are believed as any other list."""
    from harvester.api.catalogue import STREAMS

    for stream in STREAMS.values():
        object.__setattr__(stream, "weak", ())


def _absences() -> None:
    """That something is not there is believed at once."""
    from harvester.crawl.visitor import Visitor

    async def believed(*_: Any, **__: Any) -> None:
        return None

    Visitor._doubt = believed  # type: ignore[assignment]


def _first_reads() -> None:
    """A list that is read for the first time is believed to be of whom it was asked for."""
    from harvester.crawl.visitor import Visitor

    async def believed(*_: Any) -> bool:
        return True

    Visitor._is_identified = believed  # type: ignore[method-assign]


def _erasures() -> None:
    """An account that was erased under the GDPR is one like others, with another name and date."""
    from harvester.api import records

    records.User.is_erased = property(lambda _: False)  # type: ignore[assignment]
    records.PLACEHOLDER_DATES = ()  # type: ignore[assignment]


def _sources() -> None:
    """What an answer shows of whose it is is not looked at, nor is anything asked because of it."""
    from harvester.crawl import fetch

    _ids()
    fetch.about_it = lambda _, records: list(records)  # type: ignore[assignment]


def _places() -> None:
    """A page counts though nothing ties it to the page before; an empty one ends its list."""
    from harvester.pagination import offset

    offset._certified = lambda *_: True


def _clamps() -> None:
    """A page that is shorter than the limit is the last one of its list."""
    from harvester.pagination import offset

    offset._size = lambda listing, _: listing.limit


def _ends() -> None:
    """The end of a list is believed where it was seen once."""
    from harvester.crawl import visits

    last = visits._last

    def believed(lease: Any) -> Any:
        certificate = last(lease)
        if certificate is not None:
            certificate.confirmed = True
        return certificate

    visits._last = believed


def _second_reads() -> None:
    """A response that departs from what is known, or shows an item twice, is taken at once."""
    from harvester.crawl import fetch

    fetch.CONFIRM_ATTEMPTS = 0
    fetch._repeated = lambda *_: []


def _checkpoints() -> None:
    """A checkpoint is committed before the rows of its page; the process is killed between the two, once.

    That is within a list, so that the next run goes on behind the page.
    """
    from harvester.crawl.commit import Writer

    advance = Writer._advance

    def advance_and_die(writer: Writer, pages: Any) -> Any:
        depths = advance(writer, pages)
        if any(page.visit_result is None and page.items for page in pages):
            writer.connection.execute("COMMIT")
            os.kill(os.getpid(), signal.SIGKILL)
        return depths

    Writer._advance = advance_and_die  # type: ignore[method-assign]


def _order() -> None:
    """Archives are replayed one after the other, not in the order in which their responses came."""

    from harvester.crawl import archive, replay_steps

    def read(paths: Any) -> Any:
        for path in paths:
            yield from archive.read_archives([Path(path)])

    replay_steps.read_archives = read


GUARDS: dict[str, Callable[[], None]] = {
    "names": _names,
    "ids": _ids,
    "free names": _free_names,
    "nulls": _nulls,
    "items": _items,
    "index": _index,
    "absences": _absences,
    "first reads": _first_reads,
    "erasures": _erasures,
    "sources": _sources,
    "places": _places,
    "clamps": _clamps,
    "ends": _ends,
    "second reads": _second_reads,
    "checkpoints": _checkpoints,
    "order": _order,
}


def without(guard: str, harvester: Any) -> Any:
    """The same command line with a guard taken off."""
    return replace(harvester, first=GUARDS[guard])
