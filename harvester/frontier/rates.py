"""Arrival rates in SQL: the findings of a visit become a rate, and the rate a class.

New items of a list come as a Poisson process whose rate has a gamma prior: after n items in t days its mean is
(shape + n) / (shape / mean + t). Both n and t fade, so that what was long ago counts less: with an e-fold in the time
in which the list is expected to get `MEMORY_ITEMS`, `FORGET_DAYS` at least. A quiet list forgets nearly nothing: that
it got nothing for two years says far more than that it got nothing for three months. The prior is that of the list's
stratum (`crawl.priors`), else of its stream, else the rate of the catalogue.
The first visit shows a past: where items are dated, those of each day count like what later visits find; of other lists
it is known how many items they hold and how old their owner is, which counts as `UNDATED_ITEMS` at most, since most
grow fastest at first.

A visit that comes t days after the last one saves item_weight * rate * t^2 / 2 item-days of delay, and costs so many
requests. Lists whose item_weight * rate / cost lies within a factor of two are one class, visited first in, first out;
that loses at most 1.5% against exact order (a class is a factor of the square root of two in the interval).
Sources: Cho and Garcia-Molina 2003 for the problem, Sia, Cho and Cho 2007 for delay as its measure.
"""

from enum import IntEnum

from harvester.api.catalogue import STREAMS

NOW = "coalesce(%(now)s::timestamptz, now())"
"""SQL: the time, which a simulation may set."""
FORGET_DAYS = 90.0
"""Days in which what was observed of a busy list loses all but 1/e of its weight."""
MEMORY_ITEMS = 20
"""Items in whose time what was observed of any other list does so. After two years of 40,000 lists with constant gamma
distributed rates (shape 0.25), the mean belief is within 4% of the mean rate in every class of beliefs; with 10 items
within 6%; with 90 days for all lists it was 2.9 times the mean rate in the quietest class."""
_OLDEST_DAYS = 36_500
"""Days before which nothing was written, whatever its date says."""
UNDATED_ITEMS = 10
"""Items that the past of a list without dates counts for, at most."""
SHAPE = 0.25
"""Of the prior, until one was fitted: most lists get next to nothing, a few get most."""
CLASSES = 32
FIRST_CLASS = -8
"""Exponent of the first class: 0 holds priorities from 2^8 item weights a day on.

Each further class holds those of half as much, the last all below 2^-23.
"""


class SpiderNumber(IntEnum):
    """Number the spiders whose visits are scheduled.

    The numbers are stored in `crawl.frontier.queue`: one that is taken is never changed or given to another spider.
    """

    USERS = 0
    PROJECTS = 1
    STUDIOS = 2
    COMMENTS = 3


QUEUE_NUMBERS: dict[str, int] = {number.name.lower(): number.value for number in SpiderNumber}
"""The number of each spider by its name: a queue is a spider and a class."""
SECOND_LOOK_DAYS = 1.5
"""A young thing is visited again after so many days, whatever is known of its kind."""
YOUNG_DAYS = 7.0
YOUNGEST_DAYS = 0.05
"""Age that a thing has at least, should its clock be ahead of ours. A day would make what was met sooner look quiet."""
AGES = (1, 7, 30, 180, 730)
"""Days of age at which a stratum ends."""
ACTIVITIES = (1, 10, 100, 1000)
"""Views of a project and followers of a studio at which a stratum ends. Never what the list itself holds: that is data,
and a stratum that is chosen by the data counts them twice."""


def priority_of(class_: int) -> float:
    """Worth a day and request of the lists in a class: the middle of its range, in geometric terms."""
    return float(2.0 ** -(class_ + FIRST_CLASS + 0.5))


def queues(spiders: set[str]) -> list[int]:
    """Return the queues of some spiders."""
    return [
        QUEUE_NUMBERS[spider] * CLASSES + class_
        for spider in sorted(spiders & QUEUE_NUMBERS.keys())
        for class_ in range(CLASSES)
    ]


def mean(news: str, exposure: str, shape: str, rate: str) -> str:
    """Return SQL of the mean of the rate, in items a day."""
    return f"crawl.arrival_rate({news}, {exposure}, {shape}, {rate})"


def memory(rate: str) -> str:
    """Return SQL of the days in which what was observed of a list fades to 1/e, from its rate in items a day."""
    return f"greatest({FORGET_DAYS}, {MEMORY_ITEMS} / {rate})"


def class_of(value: str) -> str:
    """Return SQL of the class of a priority (item weight per day and request)."""
    return f"least({CLASSES - 1}, greatest(0, floor(-log(2, greatest({value}, 1e-9)::numeric)) - ({FIRST_CLASS})))"


def stratum(age: str, activity: str) -> str:
    """Return SQL of the stratum of a list from the age of its owner in days, and how much goes on there."""
    steps = ", ".join(map(str, ACTIVITIES))
    return f"({_age_class(age)} + width_bucket(coalesce({activity}, 0)::float8, ARRAY[{steps}]::float8[]))"


def _age_class(age: str) -> str:
    ages = ", ".join(map(str, AGES))
    return f"width_bucket(coalesce({age}, 1e9), ARRAY[{ages}]::float8[]) * 8"


def aged(stratum: str, age: str) -> str:
    """Return SQL of a stratum at another age."""
    return f"({_age_class(age)} + mod({stratum}, 8))"


OLDEST_STRATUM = 8 * len(AGES)
"""The first stratum of the oldest age, which nothing leaves by growing older."""


def age_of(birth: str) -> str:
    """Return SQL of the age in days of what came to be then."""
    return f"greatest(extract(epoch FROM {NOW} - {birth})::float8 / 86400, {YOUNGEST_DAYS})"


def birth(entity: str) -> str:
    """Return SQL of when an entity of `v.kind` came to be."""
    return f"""CASE v.kind
        WHEN 'user' THEN (SELECT t.joined_at FROM scratch.users t WHERE t.id = {entity})
        WHEN 'project' THEN (SELECT coalesce(t.shared_at, t.created_at) FROM scratch.projects t WHERE t.id = {entity})
        WHEN 'studio' THEN (SELECT t.created_at FROM scratch.studios t WHERE t.id = {entity})
    END"""


ACTIVITY = """CASE v.kind
    WHEN 'project' THEN (SELECT x.views FROM scratch.projects x WHERE x.id = o.entity_id)
    WHEN 'studio' THEN (SELECT x.follower_count FROM scratch.studios x WHERE x.id = o.entity_id)
END"""
"""SQL: how much goes on at the entity of frontier entry `o`."""

REST = """coalesce(CASE v.kind
    WHEN 'project' THEN (SELECT x.gone_at IS NOT NULL FROM scratch.projects x WHERE x.id = o.entity_id)
    WHEN 'studio' THEN (SELECT x.gone_at IS NOT NULL FROM scratch.studios x WHERE x.id = o.entity_id)
END, false)"""
"""SQL: whether the entity of frontier entry `o` is gone, so that its lists rest until it is back.

Not by EXISTS: for that a planner may look up all that is gone, once for all entries."""


def _past() -> str:
    """Return SQL of what a first visit shows of the time before it: the dated items of list `k`, faded in `m.days`.

    None counts more for being dated in the future, and none is older than the site: PostgreSQL has errors for an
    exponential that overflows or underflows.
    """
    branches = [
        f"""WHEN '{stream.name}' THEN (
            SELECT coalesce(sum(exp(least(0,
                -extract(epoch FROM {NOW} - t.{stream.members.dated})::float8 / 86400 / m.days))), 0)
            FROM scratch.{stream.members.table} t WHERE t.{stream.members.owner} = k.entity_id AND {stream.members.only}
                AND t.gone_at IS NULL AND t.{stream.members.dated} > {NOW} - make_interval(days => {_OLDEST_DAYS}))"""
        for stream in STREAMS.values()
        if stream.members is not None and stream.members.dated is not None and stream.item_weight
    ]
    return "CASE k.stream " + "\n        ".join(branches) + " END"


_BELIEVED = mean("v.new_items_decayed_now", "v.exposure_now", "v.shape", "v.prior_rate")
FINISH_VISITS = f"""
WITH found AS MATERIALIZED (
    SELECT v.*, o.started_at, o.visited_at,
        extract(epoch FROM o.started_at - o.visited_at)::float8 / 86400 AS gap,
        coalesce(v.found, coalesce(o.item_count, 0) + v.fresh) AS item_count_now,
        {birth("o.entity_id")} AS birth, {ACTIVITY} AS activity, v.gone OR {REST} AS rests,
        o.visits = 0 AND v.listed AND v.found IS NOT NULL AS shows_past
    FROM jsonb_to_recordset(%(pages)s) AS v (
        stream text, entity_id bigint, kind text, certificate text, whole bool, again bool, gone bool,
        proven bool, listed bool, fresh int, found int, cost float8, revisit float8, item_weight float8, rate
        float8, lane int
    )
    JOIN crawl.frontier o ON o.stream = v.stream AND o.entity_id = v.entity_id
), placed AS MATERIALIZED (
    SELECT f.*, {stratum("a.age", "f.activity")} AS stratum, a.age
    FROM found f, LATERAL (SELECT {age_of("f.birth")} AS age) a
), known AS (
    SELECT f.*, coalesce(p.shape, s.shape, {SHAPE}) AS shape, coalesce(p.rate, s.rate, f.rate) AS prior_rate
    FROM placed f
    LEFT JOIN crawl.priors p ON p.stream = f.stream AND p.stratum = f.stratum
    LEFT JOIN crawl.priors s ON s.stream = f.stream AND s.stratum = -1
), observed AS MATERIALIZED (
    SELECT k.*,
        CASE
            WHEN k.rests THEN w.new_items_decayed
            WHEN k.gap IS NOT NULL THEN w.new_items_decayed * exp(-k.gap / m.days) + k.fresh
            WHEN NOT k.shows_past OR k.age IS NULL THEN 0
            ELSE coalesce(p.past, least(k.found, {UNDATED_ITEMS})) END AS new_items_decayed_now,
        -- What is gone was there for an unknown part of the gap, which says nothing of its rate.
        CASE
            WHEN k.rests THEN w.exposure
            WHEN k.gap IS NOT NULL THEN w.exposure * exp(-k.gap / m.days) + k.gap
            WHEN NOT k.shows_past OR k.age IS NULL THEN 0
            WHEN p.past IS NOT NULL THEN m.days * (1 - exp(-k.age / m.days))
            ELSE k.age * least(1, {UNDATED_ITEMS} / greatest(k.found, 1)::float8) END AS exposure_now
    FROM known k JOIN crawl.frontier w ON w.stream = k.stream AND w.entity_id = k.entity_id
    -- The rate as it is believed before this visit, or as the whole past of the list shows it; what is not scheduled
    -- has none, and fades like what is busy.
    CROSS JOIN LATERAL (
        SELECT {memory(mean("b.news", "b.exposure", "k.shape", "nullif(k.prior_rate, 0)"))} AS days
        FROM (SELECT CASE WHEN k.gap IS NULL THEN coalesce(k.found, 0) ELSE w.new_items_decayed END AS news,
            CASE WHEN k.gap IS NULL THEN coalesce(k.age, 0) ELSE w.exposure END AS exposure) b
    ) m
    CROSS JOIN LATERAL (SELECT CASE WHEN k.gap IS NULL AND k.shows_past THEN {_past()} END AS past) p
)
UPDATE crawl.frontier AS w SET
    lease_token = NULL,
    lease_run = NULL,
    lease_until = NULL,
    state = NULL,
    certificate = coalesce(v.certificate::jsonb, w.certificate),
    certified_from = CASE WHEN v.certificate IS NULL THEN w.certified_from ELSE w.started_at END,
    certified_at = CASE WHEN v.certificate IS NULL THEN w.certified_at ELSE {NOW} END,
    propagated_depth = CASE WHEN w.visits = 0 THEN w.started_depth ELSE w.propagated_depth END,
    incremental = (w.incremental OR v.whole) AND NOT v.again,
    visits = w.visits + 1,
    failures = 0,
    last_error = NULL,
    gone_at = CASE WHEN v.rests THEN coalesce(w.gone_at, {NOW}) END,
    visited_at = w.started_at,
    proven_at = CASE WHEN v.proven THEN {NOW} ELSE w.proven_at END,
    last_full_read_at = CASE WHEN v.whole THEN w.started_at ELSE w.last_full_read_at END,
    item_count = v.item_count_now,
    new_items_decayed = v.new_items_decayed_now,
    exposure = v.exposure_now,
    stratum = v.stratum,
    cost = CASE WHEN w.visits > 0 THEN coalesce(v.cost, w.cost) END,
    queue = CASE WHEN v.item_weight > 0 AND NOT v.rests THEN v.lane * {CLASSES}
        + {class_of(f"v.item_weight * {_BELIEVED} / coalesce(v.cost, w.cost, 1)")} END,
    due_at = CASE
        WHEN v.again THEN {NOW}
        -- asked for again since this visit began: it is no answer to that
        WHEN w.due_at <= {NOW} AND w.started_at < w.due_at THEN w.due_at
        WHEN w.visits = 0 AND v.item_weight > 0 AND v.birth > {NOW} - make_interval(secs => {YOUNG_DAYS * 86_400})
            THEN {NOW} + make_interval(secs => {SECOND_LOOK_DAYS * 86_400})
        ELSE greatest(
            coalesce(CASE WHEN v.whole THEN w.started_at ELSE w.last_full_read_at END, {NOW})
                + make_interval(secs => v.revisit),
            {NOW} + make_interval(secs => least(v.revisit, 86400)))
    END
FROM observed v
WHERE w.stream = v.stream AND w.entity_id = v.entity_id
"""
"""The end of visits: what they found becomes a rate, and the next visit is placed."""
