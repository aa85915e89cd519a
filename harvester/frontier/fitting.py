"""Fit of the schedule to the warehouse: rates of lists by stratum, and the decay of replies with age."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import PAGE_LIMIT, STREAMS
from harvester.frontier import rates, revisit
from harvester.frontier.revisit import PRIOR_DECAY, Decay, deepest_look
from harvester.warehouse.locks import FITTING
from harvester.warehouse.planner import plan_freely

if TYPE_CHECKING:
    from harvester.frontier.model import Lease
    from harvester.warehouse.connect import Connection

_EVERY = "1 day"
_LEAST_LISTS = 30
"""Lists that a stratum must have to get a prior of its own."""
_PSEUDO_ITEMS = 1
"""The weight of what was believed before, in items."""
_LEAST_ITEMS = 20
"""Items of all lists together that it takes to tell how their rates are spread."""
_PSEUDO_REPLIES = 10
_MOVED = 2**0.5
"""The factor by which the rate of a stratum must change before its lists are classed again."""

PARAMETERS = [
    {
        "stream": stream.name,
        "item_weight": stream.item_weight,
        "rate": stream.rate,
        "lane": rates.QUEUE_NUMBERS[stream.spider],
    }
    for stream in STREAMS.values()
    if stream.item_weight
]

_CELLS = """
SELECT stream, coalesce(stratum, -1), avg(new_items_decayed), avg(exposure), count(*)
FROM (
    SELECT w.stream, w.stratum, w.new_items_decayed::float8, w.exposure::float8,
        round(25 * ln(1 + w.new_items_decayed::float8)) AS counted, round(25 * ln(w.exposure::float8)) AS observed
    FROM crawl.frontier w WHERE w.exposure > 0 AND w.stratum IS NOT NULL AND w.stream = ANY(%(streams)s)
) w
GROUP BY GROUPING SETS ((stream, stratum, counted, observed), (stream, counted, observed))
"""
"""Lists that got about as many items (to 4%) in about as many days are one cell, by stratum and by stream."""

_STORE = f"""
WITH fitted AS (
    SELECT f.*, v.rate AS before
    FROM unnest(%(names)s::text[], %(strata)s::smallint[], %(shapes)s::float8[], %(rates)s::float8[],
        %(lists)s::bigint[]) AS f (stream, stratum, shape, rate, lists)
    JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, rate float8) USING (stream)
), compared AS (
    SELECT f.*, abs(ln(f.rate / coalesce(p.classed_rate, f.before))) > ln({_MOVED}) AS moved
    FROM fitted f LEFT JOIN crawl.priors p USING (stream, stratum)
), stored AS (
    INSERT INTO crawl.priors AS p (stream, stratum, shape, rate, classed_rate, lists)
    SELECT stream, stratum, shape, rate, CASE WHEN moved THEN rate ELSE before END, lists FROM compared
    ON CONFLICT (stream, stratum) DO UPDATE SET
        shape = excluded.shape, rate = excluded.rate, lists = excluded.lists, fitted_at = now(),
        classed_rate = CASE WHEN excluded.classed_rate = excluded.rate THEN excluded.rate ELSE p.classed_rate END
)
SELECT stream, stratum FROM compared WHERE stratum >= 0 AND moved
"""

_CLASS = rates.class_of("v.item_weight * " + rates.mean("x.new_items_decayed", "x.exposure", "p.shape", "p.rate"))
_CLASS_ANEW = f"""
UPDATE crawl.frontier w SET queue = found.queue
FROM (
    SELECT x.stream, x.entity_id, v.lane * {rates.CLASSES} + {_CLASS} AS queue
    FROM crawl.frontier x
    JOIN unnest(%(moved)s::text[], %(strata)s::smallint[]) AS m (stream, stratum) USING (stream, stratum)
    JOIN crawl.priors p USING (stream, stratum)
    JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, item_weight float8, lane int) USING (stream)
    WHERE x.queue IS NOT NULL
) found
WHERE w.stream = found.stream AND w.entity_id = found.entity_id AND w.queue <> found.queue
"""

_FIT_DECAY = """
WITH bins AS (
    SELECT place, age AS low, coalesce(lead(age) OVER (ORDER BY age), 1e6) AS high, hazard
    FROM unnest(%(ages)s::float8[], %(hazards)s::float8[]) WITH ORDINALITY AS b (age, hazard, place)
), looked AS MATERIALIZED (
    -- A certificate tells, from the shallowest depth down, when what is above a key was last looked at.
    SELECT w.stream, w.entity_id, (l.pair ->> 0)::bigint AS lowest, to_timestamp((l.pair ->> 1)::float8) AS at,
        lag((l.pair ->> 0)::bigint) OVER (PARTITION BY w.stream, w.entity_id ORDER BY l.place) AS above
    FROM crawl.frontier w
    CROSS JOIN LATERAL jsonb_array_elements(w.certificate -> 'looked') WITH ORDINALITY AS l (pair, place)
    WHERE w.stream IN ('project_comments', 'studio_comments')
), comments AS (
    SELECT 'project_comments' AS stream, project_id AS entity_id, id, parent_id, created_at, gone_at
    FROM scratch.project_comments
    UNION ALL
    SELECT 'studio_comments', studio_id, id, parent_id, created_at, gone_at FROM scratch.studio_comments
), tops AS MATERIALIZED (
    SELECT c.stream, c.id, c.created_at, least(l.at, c.gone_at) AS until,
        extract(epoch FROM least(l.at, c.gone_at) - c.created_at)::float8 / 86400 AS days
    FROM comments c
    JOIN looked l ON l.stream = c.stream AND l.entity_id = c.entity_id
        AND floor(extract(epoch FROM c.created_at)) >= l.lowest
        AND (l.above IS NULL OR floor(extract(epoch FROM c.created_at)) < l.above)
    WHERE c.parent_id IS NULL AND least(l.at, c.gone_at) > c.created_at
), observed AS (
    SELECT width_bucket(days, %(ages)s::float8[]) AS place, count(*) AS comments, sum(days) AS days FROM tops GROUP BY 1
), exposed AS (
    SELECT b.place, sum(CASE WHEN o.place = b.place THEN o.days - o.comments * b.low
        ELSE o.comments * (b.high - b.low) END) AS exposure
    FROM bins b JOIN observed o ON o.place >= b.place GROUP BY 1
), answered AS (
    SELECT width_bucket(greatest(extract(epoch FROM r.created_at - t.created_at)::float8 / 86400, 0),
        %(ages)s::float8[]) AS place, count(*) AS replies
    FROM comments r JOIN tops t ON t.stream = r.stream AND t.id = r.parent_id
    WHERE r.created_at <= t.until GROUP BY 1
)
INSERT INTO crawl.reply_decay AS d (age_days, replies, exposure, hazard)
SELECT b.low, coalesce(a.replies, 0), coalesce(e.exposure, 0),
    (coalesce(a.replies, 0) + %(pseudo)s) / (coalesce(e.exposure, 0) + %(pseudo)s / b.hazard)
FROM bins b LEFT JOIN exposed e USING (place) LEFT JOIN answered a USING (place)
ON CONFLICT (age_days) DO UPDATE SET
    replies = excluded.replies, exposure = excluded.exposure, hazard = excluded.hazard, fitted_at = now()
"""
"""A comment is observed from when it was written until it was last looked at, or was gone, and no longer."""


def fit_schedule(connection: Connection, *, full: bool = False) -> Decay:
    """Fit what is to be expected to what was found, once a day; return how replies decay. `full`: fit in any case."""
    with connection.transaction():
        # One of several workers fits, the others go on with what there is.
        mine = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [FITTING]).fetchone()
        fitted = connection.execute(
            "SELECT EXISTS (SELECT FROM crawl.reply_decay WHERE fitted_at > now() - %s::interval)", [_EVERY]
        ).fetchone()
        if mine and mine[0] and (full or not (fitted and fitted[0])):
            fit(connection)
        rows = connection.execute("SELECT age_days, hazard FROM crawl.reply_decay ORDER BY 1").fetchall()
    return Decay(tuple(age for age, _ in rows), tuple(hazard for _, hazard in rows)) if rows else PRIOR_DECAY


def fit(connection: Connection) -> None:
    """Fit priors and decay, and classify the lists again whose stratum moved."""
    plan_freely(connection)
    streams = Jsonb(PARAMETERS)
    moved = connection.execute(_STORE, _fitted(connection) | {"streams": streams}).fetchall()
    if moved:
        names, strata = ([row[place] for row in moved] for place in (0, 1))
        connection.execute(_CLASS_ANEW, {"moved": names, "strata": strata, "streams": streams})
    connection.execute(
        _FIT_DECAY,
        {"ages": list(PRIOR_DECAY.ages), "hazards": list(PRIOR_DECAY.hazards), "pseudo": float(_PSEUDO_REPLIES)},
    )


def _fitted(connection: Connection) -> dict[str, list[Any]]:
    """Fit the rates of each stream (stratum -1) and stratum that has lists enough, as columns of `_STORE`."""
    before = {name: stream.rate for name, stream in STREAMS.items() if stream.item_weight}
    cells: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    for stream, stratum, *cell in connection.execute(_CELLS, {"streams": list(before)}).fetchall():
        cells[stream, stratum].append(tuple(cell))
    columns: dict[str, list[Any]] = {name: [] for name in ("names", "strata", "shapes", "rates", "lists")}
    for (stream, stratum), found in sorted(cells.items()):
        lists = sum(number for *_, number in found)
        if lists < _LEAST_LISTS:
            continue
        shape, rate = _fit_cells(found, before[stream])
        for column, value in zip(columns.values(), (stream, stratum, shape, rate, lists), strict=True):
            column.append(value)
    return columns


def _fit_cells(cells: list[tuple[float, float, int]], before: float) -> tuple[float, float]:
    """Return shape and mean of the rates behind cells (items and days of a list, number of lists)."""
    import numpy as np  # noqa: PLC0415  (not loaded by a crawl that fits nothing)

    from harvester.frontier.gamma_prior import fit_gamma  # noqa: PLC0415

    counts, days, lists = np.array(cells, dtype=float).T
    items = float(counts @ lists)
    if items < _LEAST_ITEMS:
        return rates.SHAPE, (items + _PSEUDO_ITEMS) / (float(days @ lists) + _PSEUDO_ITEMS / before)
    return fit_gamma(counts, days, lists)


def deepest(connection: Connection, lease: Lease, decay: Decay, min_gain: float) -> int | None:
    """Return the key down to which a visit to a list of comments pays, for the replies expected there."""
    holds = lease.visit.stream.members
    assert holds is not None
    assert lease.certificate is not None
    assert lease.visit.seen_at is not None
    with connection.transaction():
        rows: list[tuple[Any, ...]] = connection.execute(
            sql.SQL(
                "SELECT extract(epoch FROM created_at)::bigint FROM scratch.{} WHERE {} = %s AND parent_id IS NULL"
                " AND gone_at IS NULL ORDER BY created_at DESC OFFSET %s LIMIT %s"
            ).format(sql.Identifier(holds.table), sql.Identifier(holds.owner)),
            [lease.visit.entity_id, PAGE_LIMIT, PAGE_LIMIT * revisit.DEEPEST_PAGES],
        ).fetchall()
    keys = [key for (key,) in rows if key is not None]
    pages = [keys[first : first + PAGE_LIMIT] for first in range(0, len(keys), PAGE_LIMIT)]
    looked = [(key, at) for key, at in lease.certificate.get("looked", ())]
    return deepest_look(pages, looked, lease.visit.seen_at.timestamp(), decay, min_gain)
