-- name: classes
SELECT w.stream, mod(w.queue, %(classes)s::int) AS class, count(*),
    avg(crawl.arrival_rate(w.new_items_decayed, w.exposure, k.shape, k.rate)),
    -- By the lists of the stratum, else of the stream.
    coalesce(avg(w.cost)::float8, max(c.cost), 1), avg(greatest(1, ceil(w.item_count / %(page)s::numeric)))::float8,
    avg(CASE WHEN a.stream IS NULL THEN 0 ELSE coalesce(f.share, 0) END)
FROM crawl.frontier w
JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, rate float8) USING (stream)
LEFT JOIN (SELECT stream, avg(cost)::float8 AS cost FROM crawl.frontier GROUP BY 1) c USING (stream)
LEFT JOIN crawl.priors p ON p.stream = w.stream AND p.stratum = w.stratum
LEFT JOIN crawl.priors s ON s.stream = w.stream AND s.stratum = -1
CROSS JOIN LATERAL (
    SELECT coalesce(p.shape, s.shape, %(shape)s::float8) AS shape, coalesce(p.rate, s.rate, v.rate) AS rate
) k
LEFT JOIN crawl.announcements f ON f.stream = w.stream
LEFT JOIN crawl.frontier a
    ON a.stream = f.announced_by AND a.entity_id = w.entity_id AND a.gone_at IS NULL AND a.failures = 0
WHERE w.queue IS NOT NULL
GROUP BY 1, 2

-- name: told
-- Items a day that the entries of a class announce, by list.
SELECT a.stream, mod(a.queue, %(classes)s::int) AS class, w.stream,
    sum(f.share * crawl.arrival_rate(w.new_items_decayed, w.exposure, k.shape, k.rate))
FROM crawl.announcements f
JOIN crawl.frontier w ON w.stream = f.stream AND w.queue IS NOT NULL
JOIN jsonb_to_recordset(%(streams)s) AS v (stream text, rate float8) ON v.stream = w.stream
JOIN crawl.frontier a ON a.stream = f.announced_by AND a.entity_id = w.entity_id
LEFT JOIN crawl.priors p ON p.stream = w.stream AND p.stratum = w.stratum
LEFT JOIN crawl.priors s ON s.stream = w.stream AND s.stratum = -1
CROSS JOIN LATERAL (
    SELECT coalesce(p.shape, s.shape, %(shape)s::float8) AS shape, coalesce(p.rate, s.rate, v.rate) AS rate
) k
WHERE f.share > 0 AND a.queue IS NOT NULL AND a.gone_at IS NULL AND a.failures = 0
GROUP BY 1, 2, 3 ORDER BY 3

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
