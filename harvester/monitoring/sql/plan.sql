-- name: classes
SELECT w.stream, mod(w.queue, %(classes)s::int) AS class, count(*),
    avg(crawl.arrival_rate(w.new_items_decayed, w.exposure, k.shape, k.rate)),
    -- By the lists of the stratum, else of the stream.
    coalesce(avg(w.cost)::float8, max(c.cost), 1), avg(greatest(1, ceil(w.item_count / %(page)s::numeric)))::float8
FROM crawl.frontier w
JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, rate float8) USING (stream)
LEFT JOIN (SELECT stream, avg(cost)::float8 AS cost FROM crawl.frontier GROUP BY 1) c USING (stream)
LEFT JOIN crawl.priors p ON p.stream = w.stream AND p.stratum = w.stratum
LEFT JOIN crawl.priors s ON s.stream = w.stream AND s.stratum = -1
CROSS JOIN LATERAL (
    SELECT coalesce(p.shape, s.shape, %(shape)s::float8) AS shape, coalesce(p.rate, s.rate, v.rate) AS rate
) k
WHERE w.queue IS NOT NULL
GROUP BY 1, 2

-- name: born
-- Entries in scope of entities that were made lately.
SELECT w.stream, count(*)
FROM (SELECT crawl.clock() AS now) t, crawl.frontier w
LEFT JOIN scratch.users u ON w.stream = ANY(%(user)s) AND u.id = w.entity_id
LEFT JOIN scratch.projects p ON w.stream = ANY(%(project)s) AND p.id = w.entity_id
LEFT JOIN scratch.studios s ON w.stream = ANY(%(studio)s) AND s.id = w.entity_id
WHERE coalesce(u.joined_at, p.shared_at, p.created_at, s.created_at)
    BETWEEN t.now - make_interval(days => %(days)s) AND t.now
GROUP BY 1

-- name: counted
SELECT stream, count(*) FILTER (WHERE gone_at IS NULL),
    count(*) FILTER (WHERE gone_at IS NULL AND visits = 0),
    sum(greatest(visits, 1))::float8, coalesce(sum(item_count), 0)::float8
FROM crawl.frontier GROUP BY 1
