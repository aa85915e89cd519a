"""Fit the schedule to the warehouse: the arrival rates of lists by stratum, and the decay of replies with age."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import ANNOUNCED_BY, PAGE_LIMIT, STREAMS
from harvester.frontier import activity, announcements, rates, revisit
from harvester.frontier.revisit import PRIOR_DECAY, Decay, deepest_look
from harvester.frontier.visit_ends import ANNOUNCED, birth
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
        "announced_by": ANNOUNCED_BY.get(stream.name),
        "announces": stream.name in ANNOUNCED_BY.values(),
        "siblings": activity.siblings(stream),
    }
    for stream in STREAMS.values()
    if stream.item_weight
]

_CLASS_BY_AGE = sql.SQL(_SQL["class_by_age"]).format(birth=birth("x"))
_CLASS_BY_PRIOR = sql.SQL(_SQL["class_by_prior"])
_BATCH = 5_000
"""Number of entries of a transaction, which takes a third of a second at most."""
_BEFORE_ALL = "", -(2**63)
"""What stands before the first entry in the order of the frontier's key."""
_ENTRIES_FOR_RATES = 500_000
"""Number of entries from which rates are fitted, where the frontier has more."""
_LISTS_FOR_DECAY = 1_000_000
"""Number of entries of whose comments the decay is fitted, where the frontier has more."""


def begin_fit(connection: Connection, *, is_due: bool = False) -> Fit | None:
    """Begin to fit rates and decay once a day, or in any case if it `is_due`; None: nothing to do, or another does it.

    One of several workers fits, until it ends its session or the fit; the others use the present estimates.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM crawl.reply_decay WHERE fitted_at > crawl.clock() - %s::interval)", [_EVERY]
        ).fetchone()
        if row is not None and row[0] and not is_due:
            return None
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [FITTING]).fetchone()
    return Fit() if row is not None and row[0] else None


def read_decay(connection: Connection) -> Decay:
    """Return the decay of replies as it was fitted last."""
    rows = connection.execute("SELECT age_days, hazard FROM crawl.reply_decay ORDER BY 1").fetchall()
    return Decay(tuple(age for age, _ in rows), tuple(hazard for _, hazard in rows)) if rows else PRIOR_DECAY


class Fit:
    """A fit of priors and decay, after which the lists are classed again whose stratum has another rate.

    It is done in short transactions, between which a crawl may go on or end: the next fit then begins again, and finds
    again what is left to do.
    """

    def __init__(self) -> None:
        self._query: sql.SQL | sql.Composed | None = _CLASS_BY_AGE
        self._after = _BEFORE_ALL
        self._moved: dict[str, list[Any]] | None = None

    def step(self, connection: Connection) -> bool:
        """Do one transaction; return whether more is to be done. One that fails may be done again."""
        before = self._query, self._after, self._moved
        try:
            with connection.transaction():
                plan_freely(connection)
                return self._step(connection)
        except BaseException:
            self._query, self._after, self._moved = before
            raise

    def _step(self, connection: Connection) -> bool:
        if self._query is not None:
            self._class_batch(connection, self._query)
        elif self._moved is None:
            self._moved = self._fit_priors(connection)
            self._query, self._after = _CLASS_BY_PRIOR, _BEFORE_ALL
        else:
            connection.execute(_SQL["note_classed"], self._moved)
            announcements.note_classed(connection, self._moved["moved"])
            _fit_decay(connection)
            connection.execute("SELECT pg_advisory_unlock(%s)", [FITTING])
            return False
        return True

    def _class_batch(self, connection: Connection, query: sql.SQL | sql.Composed) -> None:
        scale = rates.SCALE | {
            "streams": Jsonb(PARAMETERS),
            "oldest": rates.OLDEST_STRATUM,
            "announced": Jsonb(ANNOUNCED),
            **activity.VALUES,
        }
        stream, entity = self._after
        batch = {"stream": stream, "entity": entity, "batch": _BATCH}
        last = connection.execute(query, scale | batch | (self._moved or {})).fetchone()
        if last is None:
            self._query = None
        else:
            self._after = last[0], last[1]

    def _fit_priors(self, connection: Connection) -> dict[str, list[Any]]:
        values = _fitted(connection) | {"streams": Jsonb(PARAMETERS), "factor": _MOVED}
        moved = connection.execute(_SQL["store_priors"], values).fetchall()
        moved += [
            (stream, -1)
            for stream in announcements.fit_announcements(connection, _sample(connection, _ENTRIES_FOR_RATES))
        ]
        return {name: [row[place] for row in moved] for place, name in enumerate(("moved", "strata"))}


def fit(connection: Connection) -> Decay:
    """Fit priors and decay at once, and return the decay of replies."""
    one = Fit()
    while one.step(connection):
        pass
    return read_decay(connection)


def _fit_decay(connection: Connection) -> None:
    connection.execute(
        _SQL["fit_decay"].format(sample=_sample(connection, _LISTS_FOR_DECAY)),
        {"ages": list(PRIOR_DECAY.ages), "hazards": list(PRIOR_DECAY.hazards), "pseudo": float(_PSEUDO_REPLIES)},
    )


def _sample(connection: Connection, entries: int) -> str:
    """Return SQL that reads about as many entries of the frontier, in blocks, where it has more."""
    row = connection.execute("SELECT reltuples FROM pg_class WHERE oid = 'crawl.frontier'::regclass").fetchone()
    held = row[0] if row is not None else 0
    return f"TABLESAMPLE SYSTEM ({100 * entries / held})" if held > entries else ""


def _fitted(connection: Connection) -> dict[str, list[Any]]:
    """Fit the rates of each stream (stratum -1) and each stratum with enough lists; return values of `store_priors`."""
    around = {name: (rates.SHAPE, stream.rate) for name, stream in STREAMS.items() if stream.item_weight}
    cells_query = _SQL["cells"].format(sample=_sample(connection, _ENTRIES_FOR_RATES))
    cells: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    for stream, stratum, *cell in connection.execute(cells_query, {"streams": list(around)}).fetchall():
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
