"""Forecast the cost of reading sources: requests, time, bytes and room, by the sources read so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "source_cost")
LEAST = 100
"""Number of sources from which their own means count, no longer those of the community's documentation."""
_ANALYSED = 425
"""Projects a second of CPU whose facts are worked out and which are compared (`python -m benchmarks sources`)."""


@dataclass(frozen=True, slots=True)
class SourceSizes:
    """Means over sources, by which costs are forecast.

    Attributes:
        size: Bytes of a source.
        packed: Bytes of a source as it is transferred and stored, packed by gzip.
        distinct: Bodies for each version: several projects may have the same.
        measured: Number of sources that were measured; 0: the community's documentation, 144 blocks a project.
    """

    size: float = 40_000
    packed: float = 10_000
    distinct: float = 1.0
    measured: int = 0


@dataclass(frozen=True, slots=True)
class SourceCost:
    """Cost of reading the sources of some projects once, besides the visits of the projects themselves.

    Attributes:
        seconds: At the rate of requests that all streams share.
        transferred, unpacked, stored: Bytes.
        cpu_seconds: Of `harvester source analyse`, shared by its processes.
    """

    projects: int
    requests: int
    seconds: float
    transferred: float
    unpacked: float
    stored: float
    cpu_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the facts for `--json`."""
        return asdict(self)


def cost_of(projects: int, rate: float, sizes: SourceSizes) -> SourceCost:
    """Return the cost of some projects; `rate`: requests a second."""
    packed = projects * sizes.packed
    return SourceCost(
        projects=projects,
        requests=projects,
        seconds=projects / rate,
        transferred=packed,
        unpacked=projects * sizes.size,
        stored=packed * sizes.distinct,
        cpu_seconds=projects / _ANALYSED,
    )


def read_sizes(connection: Connection) -> SourceSizes:
    """Return the means over the sources in the warehouse, or those of the documentation if it has too few."""
    row = connection.execute(_SQL["sizes"]).fetchone()
    measured, size, packed, distinct = row or (0, None, None, None)
    if measured < LEAST:
        return SourceSizes()
    usual = SourceSizes()
    # Of bodies that are all in files the size alone is known here.
    return SourceSizes(size, size * usual.packed / usual.size if packed is None else packed, distinct, measured)


def read_source_costs(
    connection: Connection, rate: float, *, whole_site: int, is_read: bool, sample: int | None
) -> dict[str, Any]:
    """Return what sources cost, as the plan prints it: `first` for projects in scope, `sample` for a number of them.

    Each is None where it was not asked for.

    Args:
        connection: to the warehouse.
        rate: requests a second.
        whole_site: the number of projects that stands for an empty scope.
        is_read: the settings ask for sources.
        sample: a number of projects.
    """
    sizes = read_sizes(connection)
    unread, is_scoped = connection.execute(_SQL["unread"]).fetchone() or (0, False)
    first = cost_of(unread if is_scoped else whole_site, rate, sizes)
    return {
        "measured": sizes.measured,
        "bytes": sizes.size,
        "first": first.as_json() if is_read else None,
        "sample": None if sample is None else cost_of(sample, rate, sizes).as_json(),
    }
