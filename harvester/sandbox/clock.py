"""Time in the sandbox: its fixed now, ISO text, and which id was given out when.

Ids and dates of the site run together. The anchors are objects whose id and date are both public; between
them ids are taken to grow evenly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(day: str) -> int:
    """Return the seconds since 1970 of an ISO day or instant, taken as UTC."""
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
    "project": [
        (142, "2007-03-07"),
        (60_917_032, "2015-05-07"),
        (113_321_949, "2016-06-10"),
        (408_410_919, "2020-06-29"),
        (484_078_902, "2021-02-05"),
        (612_229_554, "2021-12-06"),
        (788_908_450, "2023-01-16"),
        (948_573_479, "2024-01-09"),
        (1_182_391_014, "2025-05-29"),
        (1_250_617_478, "2025-12-01"),
        (1_315_253_799, "2026-04-10"),
        (1_330_000_000, "2026-06-01"),
    ],
    "studio": [
        (5_342, "2008-05-03"),
        (30_862_185, "2022-01-03"),
        (51_080_000, "2025-12-01"),
        (51_471_940, "2026-03-24"),
        (51_700_000, "2026-06-01"),
    ],
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
    """Return the first and the last id of a kind that the clock knows."""
    ids, _ = _anchors(kind)
    return ids[0], ids[-1]


def times_of_ids(kind: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when these ids were given out, in seconds since 1970."""
    known, times = _anchors(kind)
    return np.asarray(np.interp(ids, known, times), dtype=np.int64)


def ids_of_times(kind: str, times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return ids for these ascending times; strictly ascending, so that equal times do not share one."""
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
