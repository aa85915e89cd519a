"""Estimate the dates of ids, which the site assigns in the order of time.

Each pair is an object whose id and date are both public; between two of them ids are taken to grow evenly. The sandbox
has its own table, since it shares no code with the harvester.
"""

from datetime import UTC, datetime
from itertools import pairwise

PROJECTS: tuple[tuple[int, str], ...] = (
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
)
STUDIOS: tuple[tuple[int, str], ...] = (
    (5_342, "2008-05-03"),
    (30_862_185, "2022-01-03"),
    (51_080_000, "2025-12-01"),
    (51_471_940, "2026-03-24"),
    (51_700_000, "2026-06-01"),
)


def first_id_of(year: int, known: tuple[tuple[int, str], ...]) -> int | None:
    """Return about the first id of a year; None if the year began before or after the known dates."""
    at = datetime(year, 1, 1, tzinfo=UTC)
    for (id_before, before), (id_after, after) in pairwise(known):
        begin, end = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (before, after))
        if begin <= at < end:
            return id_before + round((id_after - id_before) * ((at - begin) / (end - begin)))
    return None


def years(known: tuple[tuple[int, str], ...]) -> range:
    """Return the years with known dates."""
    return range(int(known[0][1][:4]), int(known[-1][1][:4]) + 1)
