"""Time in the sandbox: its fixed now, ISO text, and which id was given out when.

Ids and dates of the site run together. The anchors are objects whose id and date are both public; between
them ids are taken to grow evenly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from harvester.api import id_dates

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(day: str) -> int:
    """Seconds since 1970 of an ISO day or instant, taken as UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


# Where every community starts, so that a seed alone decides what is served.
NOW = seconds("2026-06-01")

_ANCHORS = {
    "user": [
        (100, "2007-03-01"),
        (128_878, "2008-06-20"),
        (2_755_634, "2013-09-21"),
        (25_494_506, "2017-09-08"),
        (36_125_817, "2018-10-04"),
        (60_763_959, "2020-05-21"),
        (65_862_725, "2020-10-25"),
        (74_326_749, "2021-03-25"),
        (141_638_754, "2025-01-10"),
        (170_142_263, "2026-03-30"),
        (173_000_000, "2026-06-01"),
    ],
    "project": list(id_dates.PROJECTS),
    "studio": list(id_dates.STUDIOS),
    "project_comment": [
        (1_000, "2009-01-01"),
        (272_303_677, "2022-06-02"),
        (447_648_029, "2025-01-21"),
        (494_900_000, "2025-09-15"),
        (544_000_000, "2026-05-01"),
        (551_000_000, "2026-06-01"),
    ],
    "profile_comment": [
        (1_000, "2009-01-01"),
        (210_000_000, "2020-06-01"),
        (387_100_000, "2025-08-15"),
        (400_000_000, "2026-06-01"),
    ],
    "studio_comment": [
        (1_000, "2009-01-01"),
        (121_123_167, "2021-01-11"),
        (164_453_087, "2021-10-22"),
        (225_900_000, "2023-06-15"),
        (302_100_000, "2025-08-15"),
        (319_193_029, "2026-03-24"),
        (324_700_000, "2026-06-01"),
    ],
}


def _anchors(kind: str) -> tuple[list[int], list[int]]:
    ids, days = zip(*_ANCHORS[kind], strict=True)
    return list(ids), [seconds(day) for day in days]


def id_range(kind: str) -> tuple[int, int]:
    """The first and the last id of a kind that the clock knows."""
    ids, _ = _anchors(kind)
    return ids[0], ids[-1]


def times_of_ids(kind: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """When these ids were given out, in seconds since 1970."""
    known, times = _anchors(kind)
    return np.asarray(np.interp(ids, known, times), dtype=np.int64)


def ids_of_times(kind: str, times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ids given out at these ascending times; strictly ascending, so that equal times do not share one."""
    known, instants = _anchors(kind)
    ids = np.asarray(np.interp(times, instants, known), dtype=np.int64)
    steps = np.arange(len(ids), dtype=np.int64)
    return np.asarray(np.maximum.accumulate(ids - steps) + steps, dtype=np.int64)


@cache
def _day(day: int) -> bytes:
    return (EPOCH.fromtimestamp(day * DAY, UTC)).strftime("%Y-%m-%d").encode()


# One entry per second of a day: rendering dates is a tenth of a page of comments without it, a third with strftime.
_TIMES = [b"T%02d:%02d:%02d.000Z" % (second // 3600, second // 60 % 60, second % 60) for second in range(DAY)]


def iso(second: int) -> bytes:
    """`2026-06-01T00:00:00.000Z`: as the API writes every instant; its milliseconds are always 000."""
    day, rest = divmod(second, DAY)
    return _day(day) + _TIMES[rest]
