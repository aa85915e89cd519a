"""What the warehouse teaches the schedule: rates of lists by stratum, and how replies thin out with age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import PAGE_LIMIT, STREAMS
from harvester.crawl import revisit
from harvester.crawl.revisit import PRIOR_DECAY, Decay, deepest_look
from harvester.warehouse import rates
from harvester.warehouse.commit import plan_freely
from harvester.warehouse.locks import FITTING

if TYPE_CHECKING:
    from harvester.warehouse.commit import Connection, Lease

_EVERY = "1 day"
_LEAST_LISTS = 30
"""Lists that a stratum must have to get a prior of its own."""
_PSEUDO_ITEMS = 1
"""The weight of what was believed before, in items."""
_LEAST_ITEMS = 20
"""Items that it takes to tell how rates are spread."""
_PSEUDO_REPLIES = 10
_MOVED = 2**0.5
"""The factor by which the rate of a stratum must move, since its lists were last classed, for them to be so anew."""

PARAMETERS = [
    {"stream": stream.name, "worth": stream.worth, "rate": stream.rate, "lane": rates.LANES[stream.spider]}
    for stream in STREAMS.values()
    if stream.worth
]

_FIT = f"""
WITH totals AS (
    SELECT w.stream, coalesce(w.stratum, -1) AS stratum, count(*) AS lists, v.rate AS before,
        sum(w.news::float8) AS n, sum(w.exposure::float8) AS t, sum(w.news::float8 ^ 2) AS nn,
        sum(w.exposure::float8 ^ 2) AS tt, sum(w.news::float8 * w.exposure) AS nt
    FROM crawl.walks w JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, rate float8) USING (stream)
    WHERE w.exposure > 0 AND w.stratum IS NOT NULL
    GROUP BY GROUPING SETS ((w.stream, v.rate, w.stratum), (w.stream, v.rate))
    HAVING count(*) >= {_LEAST_LISTS}
), fitted AS (
    SELECT stream, stratum, lists, before, (n + {_PSEUDO_ITEMS}) / (t + {_PSEUDO_ITEMS} / before) AS rate,
        CASE WHEN n < {_LEAST_ITEMS} THEN {rates.SHAPE}
            -- moments of the gamma-Poisson mixture: what the counts vary beyond Poisson is the variance of the rates
            ELSE least(10, greatest(0.05, (n / t) ^ 2 * tt
                / greatest(nn - 2 * (n / t) * nt + (n / t) ^ 2 * tt - n, 1e-9))) END AS shape
    FROM totals
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

_CLASS_ANEW = f"""
UPDATE crawl.walks w SET queue = found.queue
FROM (
    SELECT x.stream, x.entity_id, v.lane * {rates.CLASSES}
        + {rates.class_of("v.worth * " + rates.mean("x.news", "x.exposure", "p.shape", "p.rate"))} AS queue
    FROM crawl.walks x
    JOIN unnest(%(moved)s::text[], %(strata)s::smallint[]) AS m (stream, stratum) USING (stream, stratum)
    JOIN crawl.priors p USING (stream, stratum)
    JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, worth float8, lane int) USING (stream)
    WHERE x.queue IS NOT NULL
) found
WHERE w.stream = found.stream AND w.entity_id = found.entity_id AND w.queue <> found.queue
"""

_FIT_DECAY = """
WITH bins AS (
    SELECT ages.age AS low, coalesce(lead(ages.age) OVER (ORDER BY ages.age), 1e6) AS high, ages.hazard
    FROM unnest(%(ages)s::float8[], %(hazards)s::float8[]) AS ages (age, hazard)
), comments AS (
    SELECT id, parent_id, created_at FROM scratch.project_comments
    UNION ALL SELECT id, parent_id, created_at FROM scratch.studio_comments
), tops AS (
    -- Comments of about the same age are observed alike: they are counted by the day.
    SELECT date_trunc('day', created_at) AS day, count(*) AS comments FROM comments
    WHERE parent_id IS NULL GROUP BY 1
), observed AS (
    SELECT b.low, sum(t.comments * greatest(0, least(b.high, a.age) - b.low)) AS exposure
    FROM bins b, tops t, LATERAL (SELECT extract(epoch FROM now() - t.day)::float8 / 86400 - 0.5 AS age) a GROUP BY 1
), answered AS (
    SELECT b.low, count(*) AS replies
    FROM (SELECT extract(epoch FROM r.created_at - p.created_at)::float8 / 86400 AS age
        FROM scratch.project_comments r JOIN scratch.project_comments p ON p.id = r.parent_id
        UNION ALL SELECT extract(epoch FROM r.created_at - p.created_at)::float8 / 86400
        FROM scratch.studio_comments r JOIN scratch.studio_comments p ON p.id = r.parent_id) x
    JOIN bins b ON greatest(x.age, 0) >= b.low AND greatest(x.age, 0) < b.high GROUP BY 1
)
INSERT INTO crawl.reply_decay AS d (age_days, replies, exposure, hazard)
SELECT b.low, coalesce(a.replies, 0), coalesce(o.exposure, 0),
    (coalesce(a.replies, 0) + %(pseudo)s) / (coalesce(o.exposure, 0) + %(pseudo)s / b.hazard)
FROM bins b LEFT JOIN observed o USING (low) LEFT JOIN answered a USING (low)
ON CONFLICT (age_days) DO UPDATE SET
    replies = excluded.replies, exposure = excluded.exposure, hazard = excluded.hazard, fitted_at = now()
"""


def learn(connection: Connection, *, anew: bool = False) -> Decay:
    """Fit what is to be expected to what was found, once a day, and return how replies decay. `anew`: fit now."""
    with connection.transaction():
        # One of several workers fits, the others go on with what there is.
        mine = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [FITTING]).fetchone()
        fitted = connection.execute(
            "SELECT EXISTS (SELECT FROM crawl.reply_decay WHERE fitted_at > now() - %s::interval)", [_EVERY]
        ).fetchone()
        if mine and mine[0] and (anew or not (fitted and fitted[0])):
            fit(connection)
        rows = connection.execute("SELECT age_days, hazard FROM crawl.reply_decay ORDER BY 1").fetchall()
    return Decay(tuple(age for age, _ in rows), tuple(hazard for _, hazard in rows)) if rows else PRIOR_DECAY


def fit(connection: Connection) -> None:
    """Fit priors and decay, and class the lists anew whose stratum moved."""
    plan_freely(connection)
    streams = Jsonb(PARAMETERS)
    moved = connection.execute(_FIT, {"streams": streams}).fetchall()
    if moved:
        names, strata = ([row[place] for row in moved] for place in (0, 1))
        connection.execute(_CLASS_ANEW, {"moved": names, "strata": strata, "streams": streams})
    connection.execute(
        _FIT_DECAY,
        {"ages": list(PRIOR_DECAY.ages), "hazards": list(PRIOR_DECAY.hazards), "pseudo": float(_PSEUDO_REPLIES)},
    )


def deepest(connection: Connection, lease: Lease, decay: Decay, price: float) -> int | None:
    """The key down to which a visit to a list of comments pays, for the replies that are to be expected there."""
    holds = lease.visit.stream.holds
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
    return deepest_look(pages, looked, lease.visit.seen_at.timestamp(), decay, price)
