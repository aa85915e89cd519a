-- name: birth
CASE v.kind
    WHEN 'user' THEN (SELECT t.joined_at FROM scratch.users t WHERE t.id = {entity})
    WHEN 'project' THEN (SELECT coalesce(t.shared_at, t.created_at) FROM scratch.projects t WHERE t.id = {entity})
    WHEN 'studio' THEN (SELECT t.created_at FROM scratch.studios t WHERE t.id = {entity})
END

-- name: past_of_stream
WHEN {stream} THEN (
    SELECT coalesce(sum(exp(least(0, -extract(epoch FROM k.now - t.{dated})::float8 / 86400 / m.days))), 0)
    FROM {table} t WHERE t.{owner} = k.entity_id AND {only}
        AND t.gone_at IS NULL AND t.{dated} > k.now - make_interval(days => {oldest})
)

-- name: finish_visits
WITH found AS MATERIALIZED (
    SELECT v.*, o.started_at, o.visited_at, coalesce(v.at, t.now) AS now,
        extract(epoch FROM o.started_at - o.visited_at)::float8 / 86400 AS gap,
        coalesce(v.found, coalesce(o.item_count, 0) + v.fresh) AS item_count_now,
        -- A full read does not tell new items from others: the list has grown by at least as many.
        greatest(v.fresh, CASE WHEN v.listed AND o.visits > 0 THEN v.found - o.item_count END) AS news,
        {birth} AS birth,
        CASE v.kind
            WHEN 'project' THEN (SELECT x.views FROM scratch.projects x WHERE x.id = o.entity_id)
            WHEN 'studio' THEN (SELECT x.follower_count FROM scratch.studios x WHERE x.id = o.entity_id)
        END AS activity,
        -- The lists of a gone entity rest until it is back. Not by EXISTS, for which the planner may look up all gone
        -- entities once for all entries.
        v.gone OR coalesce(CASE v.kind
            WHEN 'project' THEN (SELECT x.gone_at IS NOT NULL FROM scratch.projects x WHERE x.id = o.entity_id)
            WHEN 'studio' THEN (SELECT x.gone_at IS NOT NULL FROM scratch.studios x WHERE x.id = o.entity_id)
        END, false) AS rests,
        o.visits = 0 AND v.listed AND v.found IS NOT NULL AS shows_past,
        -- For a visit that nothing announced, the part of the time since the last one that was over when what announces
        -- the list was read.
        CASE WHEN a.visited_at IS NOT NULL AND o.started_at > o.visited_at AND o.announced_at IS NULL THEN greatest(0, least(1,
            extract(epoch FROM a.visited_at - o.visited_at)::float8
                / extract(epoch FROM o.started_at - o.visited_at)::float8)) END AS told
    FROM (SELECT crawl.clock() AS now) t, jsonb_to_recordset(%(pages)s) AS v (
        stream text, entity_id bigint, kind text, certificate text, whole bool, complete bool, again bool, gone bool,
        proven bool, listed bool, fresh int, found int, cost float8, revisit float8, item_weight float8, rate
        float8, spider int, announced_by text, announces bool, siblings text[], at timestamptz
    )
    JOIN crawl.frontier o ON o.stream = v.stream AND o.entity_id = v.entity_id
    LEFT JOIN crawl.frontier a ON a.stream = v.announced_by AND a.entity_id = v.entity_id
), placed AS MATERIALIZED (
    SELECT f.*, a.age,
        width_bucket(coalesce(a.age, 1e9), %(ages)s::float8[]) * 8
            + width_bucket(coalesce(f.activity, 0)::float8, %(activities)s::float8[]) AS stratum
    FROM found f, LATERAL (
        -- A list whose age is not known counts as one of the oldest.
        SELECT CASE WHEN f.birth IS NOT NULL
            THEN greatest(extract(epoch FROM f.now - f.birth)::float8 / 86400, %(youngest_days)s::float8) END AS age
    ) a
), known AS (
    SELECT f.*, coalesce(p.shape, s.shape, %(shape)s::float8) AS shape, coalesce(p.rate, s.rate, f.rate) AS prior_rate
    FROM placed f
    LEFT JOIN crawl.priors p ON p.stream = f.stream AND p.stratum = f.stratum
    LEFT JOIN crawl.priors s ON s.stream = f.stream AND s.stratum = -1
), observed AS MATERIALIZED (
    SELECT k.*, m.rate AS rate_before, exp(-k.gap / m.days) AS fading,
        exp(-least(greatest(k.gap, 1e-3), %(most_days)s::float8) / %(memory_days)s::float8) AS kept,
        CASE
            WHEN k.rests THEN w.new_items_decayed
            WHEN k.gap IS NOT NULL THEN w.new_items_decayed * exp(-k.gap / m.days) + k.news
            WHEN NOT k.shows_past OR k.age IS NULL THEN 0
            ELSE coalesce(p.past, least(k.found, %(undated_items)s::int)) END AS new_items_decayed_now,
        -- A gone entity was present for an unknown part of the interval, which says nothing about its rate.
        CASE
            WHEN k.rests THEN w.exposure
            WHEN k.gap IS NOT NULL THEN w.exposure * exp(-k.gap / m.days) + k.gap
            WHEN NOT k.shows_past OR k.age IS NULL THEN 0
            WHEN p.past IS NOT NULL THEN m.days * (1 - exp(-k.age / m.days))
            ELSE k.age * least(1, %(undated_items)s::int / greatest(k.found, 1)::float8) END AS exposure_now
    FROM known k JOIN crawl.frontier w ON w.stream = k.stream AND w.entity_id = k.entity_id
    -- The days in which observations lose all but 1/e of their weight, by the rate as estimated before this visit or,
    -- at the first one, by the whole past of the list; an entry without a rate forgets as fast as a busy one.
    CROSS JOIN LATERAL (
        SELECT r.rate, greatest(%(forget_days)s::float8, %(memory_items)s::float8 / r.rate) AS days
        FROM (SELECT CASE WHEN k.gap IS NULL THEN coalesce(k.found, 0) ELSE w.new_items_decayed END AS items,
            CASE WHEN k.gap IS NULL THEN coalesce(k.age, 0) ELSE w.exposure END AS exposure) b
        CROSS JOIN LATERAL (
            SELECT crawl.arrival_rate(b.items, b.exposure, k.shape, nullif(k.prior_rate, 0)) AS rate
        ) r
    ) m
    CROSS JOIN LATERAL (SELECT CASE WHEN k.gap IS NULL AND k.shows_past THEN {past} END AS past) p
)
UPDATE crawl.frontier AS w SET
    lease_token = NULL,
    lease_run = NULL,
    lease_until = NULL,
    state = NULL,
    certificate = coalesce(v.certificate::jsonb, w.certificate),
    certified_from = CASE WHEN v.certificate IS NULL THEN w.certified_from ELSE w.started_at END,
    certified_at = CASE WHEN v.certificate IS NULL THEN w.certified_at ELSE v.now END,
    propagated_depth = CASE WHEN w.visits = 0 THEN w.started_depth ELSE w.propagated_depth END,
    incremental = (w.incremental OR v.whole) AND NOT v.again,
    visits = w.visits + 1,
    failures = 0,
    last_error = NULL,
    gone_at = CASE WHEN v.rests THEN coalesce(w.gone_at, v.now) END,
    visited_at = w.started_at,
    proven_at = CASE WHEN v.proven THEN v.now ELSE w.proven_at END,
    last_full_read_at = CASE WHEN v.complete THEN w.started_at ELSE w.last_full_read_at END,
    item_count = v.item_count_now,
    new_items_decayed = v.new_items_decayed_now,
    exposure = v.exposure_now,
    stratum = v.stratum,
    announced_at = CASE WHEN w.announced_at > w.started_at THEN w.announced_at END,
    missed_items = CASE WHEN v.told IS NULL THEN w.missed_items
        ELSE coalesce(w.missed_items * v.fading, 0) + v.news - v.rate_before * v.gap * (1 - v.told) END,
    expected_items = CASE WHEN v.told IS NULL THEN w.expected_items
        ELSE coalesce(w.expected_items * v.fading, 0) + v.rate_before * v.gap * v.told END,
    -- The items of a gap came at any time in it, so that its last days count most.
    recent_items = CASE WHEN v.gap IS NULL OR v.rests THEN w.recent_items
        ELSE coalesce(w.recent_items * v.kept, 0)
            + v.news * (1 - v.kept) * %(memory_days)s::float8 / greatest(v.gap, 1e-3) END,
    recent_expected = CASE WHEN v.gap IS NULL OR v.rests THEN w.recent_expected
        ELSE coalesce(w.recent_expected * v.kept, 0) + v.rate_before * (1 - v.kept) * %(memory_days)s::float8 END,
    cost = CASE WHEN w.visits > 0 THEN coalesce(v.cost, w.cost) END,
    queue = CASE WHEN v.item_weight > 0 AND NOT v.rests THEN v.spider * %(classes)s::int + crawl.rate_class(
        crawl.scheduled_items(
            v.item_weight * crawl.arrival_rate(v.new_items_decayed_now, v.exposure_now, v.shape, v.prior_rate)
                -- At its first visit nothing is known of its entity; the daily fit weighs what its lists show since.
                * CASE WHEN v.gap IS NULL THEN 1 ELSE crawl.activity_factor(
                    w.stream, w.entity_id, v.siblings, v.now, %(memory_days)s, %(most_days)s) END,
            w.stream, w.entity_id, v.announced_by, v.announces AND v.gap IS NOT NULL, %(lists)s
        ) / coalesce(v.cost, w.cost, 1), %(classes)s::int, %(first_class)s::int) END,
    due_at = CASE
        WHEN v.again THEN v.now
        -- Made due again since this visit began, whose result may be older than that.
        WHEN w.due_at <= v.now AND w.started_at < w.due_at THEN w.due_at
        WHEN w.visits = 0 AND v.item_weight > 0
            AND v.birth > v.now - make_interval(secs => 86400 * %(young_days)s::float8)
            THEN v.now + make_interval(secs => 86400 * %(second_look_days)s::float8)
        ELSE greatest(
            coalesce(CASE WHEN v.whole THEN w.started_at ELSE w.last_full_read_at END, v.now)
                + make_interval(secs => v.revisit),
            v.now + make_interval(secs => least(v.revisit, 86400)))
    END
FROM observed v
WHERE w.stream = v.stream AND w.entity_id = v.entity_id
