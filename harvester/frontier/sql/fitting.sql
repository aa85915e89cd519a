-- name: class_by_age
-- Classes lists again that have grown older since their last visit. Those without new items are visited late: if they
-- stayed in a young stratum, its rate would be fitted too low.
WITH batch AS MATERIALIZED (
    SELECT stream, entity_id, stratum, queue, new_items_decayed, exposure, cost FROM crawl.frontier
    WHERE (stream, entity_id) > (%(stream)s, %(entity)s) ORDER BY stream, entity_id LIMIT %(batch)s
), found AS (
    SELECT x.stream, x.entity_id, a.stratum, v.spider * %(classes)s::int + crawl.rate_class(
        crawl.scheduled_items(
            v.item_weight * crawl.arrival_rate(x.new_items_decayed, x.exposure, p.shape, p.rate)
                * crawl.activity_factor(x.stream, x.entity_id, v.siblings, crawl.clock(), %(memory_days)s, %(most_days)s),
            x.stream, x.entity_id, v.announced_by, v.announces, %(announced)s
        ) / coalesce(x.cost, 1), %(classes)s::int, %(first_class)s::int) AS queue
    FROM batch x
    JOIN jsonb_to_recordset(%(streams)s) AS v (
        stream text, kind text, item_weight float8, rate float8, spider int, announced_by text, announces bool,
        siblings text[]
    ) USING (stream)
    CROSS JOIN LATERAL (SELECT {birth} AS birth) b
    CROSS JOIN LATERAL (
        SELECT width_bucket(greatest(
            extract(epoch FROM crawl.clock() - b.birth)::float8 / 86400,
            %(youngest_days)s::float8
        ), %(ages)s::float8[]) * 8 + mod(x.stratum, 8) AS stratum
    ) a
    LEFT JOIN crawl.priors o ON o.stream = x.stream AND o.stratum = a.stratum
    LEFT JOIN crawl.priors s ON s.stream = x.stream AND s.stratum = -1
    CROSS JOIN LATERAL (
        SELECT coalesce(o.shape, s.shape, %(shape)s::float8) AS shape, coalesce(o.rate, s.rate, v.rate) AS rate
    ) p
    WHERE x.stratum < %(oldest)s AND b.birth IS NOT NULL AND a.stratum <> x.stratum
), classed AS (
    UPDATE crawl.frontier w SET stratum = f.stratum, queue = CASE WHEN w.queue IS NOT NULL THEN f.queue END
    FROM found f WHERE w.stream = f.stream AND w.entity_id = f.entity_id
)
SELECT stream, entity_id FROM batch ORDER BY 1 DESC, 2 DESC LIMIT 1

-- name: class_by_prior
-- Classes lists again whose stratum has another rate (-1 stands for all strata of a stream), and those of entities of
-- which something was found or expected lately: else the factor is 1.
WITH batch AS MATERIALIZED (
    SELECT stream, entity_id, stratum, queue, new_items_decayed, exposure, cost FROM crawl.frontier
    WHERE (stream, entity_id) > (%(stream)s, %(entity)s) ORDER BY stream, entity_id LIMIT %(batch)s
), found AS (
    SELECT x.stream, x.entity_id, v.spider * %(classes)s::int + crawl.rate_class(
        crawl.scheduled_items(
            v.item_weight * crawl.arrival_rate(x.new_items_decayed, x.exposure, p.shape, p.rate) * a.factor,
            x.stream, x.entity_id, v.announced_by, v.announces, %(announced)s
        ) / coalesce(x.cost, 1), %(classes)s::int, %(first_class)s::int) AS queue
    FROM batch x
    JOIN jsonb_to_recordset(%(streams)s) AS v (
        stream text, item_weight float8, rate float8, spider int, announced_by text, announces bool, siblings text[]
    ) USING (stream)
    CROSS JOIN LATERAL (
        SELECT crawl.activity_factor(
            x.stream, x.entity_id, v.siblings, crawl.clock(), %(memory_days)s, %(most_days)s) AS factor
    ) a
    LEFT JOIN crawl.priors o ON o.stream = x.stream AND o.stratum = x.stratum
    LEFT JOIN crawl.priors s ON s.stream = x.stream AND s.stratum = -1
    CROSS JOIN LATERAL (
        SELECT coalesce(o.shape, s.shape, %(shape)s::float8) AS shape, coalesce(o.rate, s.rate, v.rate) AS rate
    ) p
    WHERE x.queue IS NOT NULL AND (a.factor <> 1 OR EXISTS (
        SELECT FROM unnest(%(moved)s::text[], %(strata)s::smallint[]) AS m (stream, stratum)
        WHERE m.stream = x.stream AND m.stratum IN (x.stratum, -1)
    ))
), classed AS (
    UPDATE crawl.frontier w SET queue = f.queue
    FROM found f WHERE w.stream = f.stream AND w.entity_id = f.entity_id AND w.queue <> f.queue
)
SELECT stream, entity_id FROM batch ORDER BY 1 DESC, 2 DESC LIMIT 1

-- name: note_classed
UPDATE crawl.priors p SET classed_rate = p.rate
FROM unnest(%(moved)s::text[], %(strata)s::smallint[]) AS m (stream, stratum)
WHERE p.stream = m.stream AND p.stratum = m.stratum

-- name: cells
-- A cell has the lists of a stratum, and of a stream, with the same items and days within 4%.
SELECT stream, coalesce(stratum, -1), avg(new_items_decayed), avg(exposure), count(*)
FROM (
    SELECT w.stream, w.stratum, w.new_items_decayed::float8, w.exposure::float8,
        round(25 * ln(1 + w.new_items_decayed::float8)) AS counted, round(25 * ln(w.exposure::float8)) AS observed
    FROM crawl.frontier w {sample} WHERE w.exposure > 0 AND w.stratum IS NOT NULL AND w.stream = ANY(%(streams)s)
) w
GROUP BY GROUPING SETS ((stream, stratum, counted, observed), (stream, counted, observed))

-- name: store_priors
WITH fitted AS (
    SELECT f.*, v.rate AS before
    FROM unnest(%(names)s::text[], %(strata)s::smallint[], %(shapes)s::float8[], %(rates)s::float8[],
        %(lists)s::bigint[]) AS f (stream, stratum, shape, rate, lists)
    JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, rate float8) USING (stream)
), compared AS (
    SELECT f.*, abs(ln(f.rate / coalesce(p.classed_rate, f.before))) > ln(%(factor)s::float8) AS moved
    FROM fitted f LEFT JOIN crawl.priors p USING (stream, stratum)
), stored AS (
    INSERT INTO crawl.priors AS p (stream, stratum, shape, rate, classed_rate, lists)
    SELECT stream, stratum, shape, rate, before, lists FROM compared
    ON CONFLICT (stream, stratum) DO UPDATE SET
        shape = excluded.shape, rate = excluded.rate, lists = excluded.lists, fitted_at = crawl.clock()
)
SELECT stream, stratum FROM compared WHERE stratum >= 0 AND moved

-- name: fit_decay
-- A comment is observed from when it was written until its replies were last read, or until it was gone.
WITH bins AS (
    SELECT place, age AS low, coalesce(lead(age) OVER (ORDER BY age), 1e6) AS high, hazard
    FROM unnest(%(ages)s::float8[], %(hazards)s::float8[]) WITH ORDINALITY AS b (age, hazard, place)
), looked AS MATERIALIZED (
    -- A certificate has, from the shallowest depth down, the times at which the items above a key were last read.
    SELECT w.stream, w.entity_id, (l.pair ->> 0)::bigint AS lowest, to_timestamp((l.pair ->> 1)::float8) AS at,
        lag((l.pair ->> 0)::bigint) OVER (PARTITION BY w.stream, w.entity_id ORDER BY l.place) AS above
    FROM crawl.frontier w {sample}
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
    replies = excluded.replies, exposure = excluded.exposure, hazard = excluded.hazard, fitted_at = crawl.clock()

-- name: newest_comments
SELECT extract(epoch FROM created_at)::bigint FROM {table}
WHERE {owner} = %s AND parent_id IS NULL AND gone_at IS NULL ORDER BY created_at DESC OFFSET %s LIMIT %s
