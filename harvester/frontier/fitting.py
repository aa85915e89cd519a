"""Fit the schedule to the warehouse: the arrival rates of lists by stratum, and the decay of replies with age."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import PAGE_LIMIT, STREAMS
from harvester.frontier import rates, revisit
from harvester.frontier.revisit import PRIOR_DECAY, Decay, deepest_look
from harvester.frontier.visit_ends import birth
from harvester.warehouse.locks import FITTING
from harvester.warehouse.planner import plan_freely
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from harvester.frontier.model import Lease
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "fitting")

_EVERY = "1 day"
_LEAST_LISTS = 30
"""Number of lists that a stratum must have to get a prior of its own."""
_PSEUDO_ITEMS = 1
"""Weight of the earlier estimate, in items."""
_LEAST_ITEMS = 20
"""Number of items of all lists together from which the shape of their rates is fitted."""
_PSEUDO_REPLIES = 10
_MOVED = 2**0.5
"""Factor by which the rate of a stratum must change before its lists are classed again."""

PARAMETERS = [
    {
        "stream": stream.name,
        "kind": stream.kind.value,
        "item_weight": stream.item_weight,
        "rate": stream.rate,
        "spider": rates.QUEUE_NUMBERS[stream.spider],
    }
    for stream in STREAMS.values()
    if stream.item_weight
]

_CLASS_BY_AGE = sql.SQL(_SQL["class_by_age"]).format(birth=birth("x"))


def fit_schedule(connection: Connection, *, full: bool = False) -> Decay:
    """Fit rates and decay once a day, or in any case with `full`; return the decay of replies."""
    with connection.transaction():
        # One of several workers fits; the others use the present estimates.
        mine = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [FITTING]).fetchone()
        fitted = connection.execute(
            "SELECT EXISTS (SELECT FROM crawl.reply_decay WHERE fitted_at > crawl.clock() - %s::interval)", [_EVERY]
        ).fetchone()
        if mine and mine[0] and (full or not (fitted and fitted[0])):
            fit(connection)
        rows = connection.execute("SELECT age_days, hazard FROM crawl.reply_decay ORDER BY 1").fetchall()
    return Decay(tuple(age for age, _ in rows), tuple(hazard for _, hazard in rows)) if rows else PRIOR_DECAY


def fit(connection: Connection) -> None:
    """Fit priors and decay, and class the lists again whose stratum has another rate."""
    plan_freely(connection)
    streams = Jsonb(PARAMETERS)
    scale = rates.SCALE | {"streams": streams}
    connection.execute(_CLASS_BY_AGE, scale | {"oldest": rates.OLDEST_STRATUM})
    values = _fitted(connection) | {"streams": streams, "factor": _MOVED}
    moved = connection.execute(_SQL["store_priors"], values).fetchall()
    if moved:
        names, strata = ([row[place] for row in moved] for place in (0, 1))
        connection.execute(_SQL["class_by_prior"], scale | {"moved": names, "strata": strata})
    connection.execute(
        _SQL["fit_decay"],
        {"ages": list(PRIOR_DECAY.ages), "hazards": list(PRIOR_DECAY.hazards), "pseudo": float(_PSEUDO_REPLIES)},
    )


def _fitted(connection: Connection) -> dict[str, list[Any]]:
    """Fit the rates of each stream (stratum -1) and each stratum with enough lists; return values of `store_priors`."""
    around = {name: (rates.SHAPE, stream.rate) for name, stream in STREAMS.items() if stream.item_weight}
    cells: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    for stream, stratum, *cell in connection.execute(_SQL["cells"], {"streams": list(around)}).fetchall():
        cells[stream, stratum].append(tuple(cell))
    columns: dict[str, list[Any]] = {name: [] for name in ("names", "strata", "shapes", "rates", "lists")}
    for (stream, stratum), found in sorted(cells.items()):
        lists = sum(number for *_, number in found)
        if lists < _LEAST_LISTS:
            continue
        shape, rate = _fit_cells(found, *around[stream])
        if stratum < 0:
            # The first row of a stream is the stream itself, the prior of its strata.
            around[stream] = shape, rate
        for column, value in zip(columns.values(), (stream, stratum, shape, rate, lists), strict=True):
            column.append(value)
    return columns


def _fit_cells(cells: list[tuple[float, float, int]], shape: float, before: float) -> tuple[float, float]:
    """Return shape and mean of the rates of cells (items and days of a list, number of lists).

    With few items the shape stays as given and the mean stays near `before`.
    """
    import numpy as np  # noqa: PLC0415  (not loaded by a crawl that fits nothing)

    from harvester.frontier.gamma_prior import fit_gamma  # noqa: PLC0415

    counts, days, lists = np.array(cells, dtype=float).T
    items = float(counts @ lists)
    if items < _LEAST_ITEMS:
        return shape, (items + _PSEUDO_ITEMS) / (float(days @ lists) + _PSEUDO_ITEMS / before)
    return fit_gamma(counts, days, lists)


def deepest(connection: Connection, lease: Lease, decay: Decay, min_gain: float) -> int | None:
    """Return the key down to which a visit of a list of comments pays, by the replies that are expected there."""
    holds = lease.visit.stream.members
    assert holds is not None
    assert lease.certificate is not None
    assert lease.visit.seen_at is not None
    with connection.transaction():
        rows: list[tuple[Any, ...]] = connection.execute(
            sql.SQL(_SQL["newest_comments"]).format(
                table=sql.Identifier("scratch", holds.table), owner=sql.Identifier(holds.owner)
            ),
            [lease.visit.entity_id, PAGE_LIMIT, PAGE_LIMIT * revisit.DEEPEST_PAGES],
        ).fetchall()
    keys = [key for (key,) in rows if key is not None]
    pages = [keys[first : first + PAGE_LIMIT] for first in range(0, len(keys), PAGE_LIMIT)]
    looked = [(key, at) for key, at in lease.certificate.get("looked", ())]
    return deepest_look(pages, looked, lease.visit.seen_at.timestamp(), decay, min_gain)
