-- name: free
-- The frontier entry is free. A lease of a run that ended longer ago than a lease lasts has run out by itself.
(w.lease_token IS NULL OR w.lease_until < crawl.clock() OR w.lease_run IN (
    SELECT id FROM crawl.runs WHERE ended_at > crawl.clock() - make_interval(secs => %(seconds)s)
))

-- name: choose_due
SELECT w.stream, w.entity_id FROM crawl.frontier w
WHERE w.due_at BETWEEN %(since)s AND crawl.clock() AND w.stream = ANY(%(streams)s) AND w.visits {visits}
    AND {free}
    AND (%(only)s::bigint[] IS NULL OR coalesce(w.owner_id, w.entity_id) = ANY(%(only)s))
    -- What needs the response of another visit that is due waits to be taken along by it.
    AND NOT (w.stream = ANY(%(following)s) AND EXISTS (
        SELECT FROM crawl.frontier p
        WHERE p.stream = ANY(%(followed)s) AND p.entity_id = w.entity_id AND p.due_at <= crawl.clock()
            AND p.stream = ANY(%(streams)s)
    ))
ORDER BY w.due_at LIMIT %(count)s FOR UPDATE SKIP LOCKED

-- name: choose_recheck
-- Blocks of the table are drawn with the same chance, then entries among all of theirs: each entry has the same chance.
-- A table with no more blocks than are drawn is read whole.
SELECT w.stream, w.entity_id
FROM crawl.frontier w TABLESAMPLE SYSTEM (least(100, 100.0 * %(blocks)s::int
    * current_setting('block_size')::int / greatest(pg_relation_size('crawl.frontier'), 1)))
WHERE w.queue IS NOT NULL AND w.stream = ANY(%(streams)s) AND w.failures = 0
    AND w.visited_at < crawl.clock() - make_interval(secs => %(rested)s) AND {free}
ORDER BY random() LIMIT %(count)s FOR UPDATE SKIP LOCKED

-- name: choose_audit
SELECT w.stream, w.entity_id FROM crawl.frontier w
WHERE w.due_at > crawl.clock() AND w.visits > 0 AND w.stream = ANY(%(streams)s) AND w.stream = ANY(%(in_full)s)
    AND w.due_at < crawl.clock() + make_interval(secs => %(ahead)s)
    -- Not what was read in full just now and is due soon for another reason, such as the second look at a young entity,
    -- nor what could not be read in full just now.
    AND w.visited_at < crawl.clock() - make_interval(secs => %(rested)s)
    AND (w.last_full_read_at IS NULL
        OR w.last_full_read_at <= crawl.clock() - make_interval(secs => (%(revisits)s::jsonb ->> w.stream)::float8 / 2))
    AND w.state IS NULL AND w.failures = 0 AND {free}
ORDER BY w.due_at LIMIT %(count)s FOR UPDATE SKIP LOCKED

-- name: choose_picked
-- Entries that were visited after they were picked are left out.
SELECT w.stream, w.entity_id FROM unnest(%(names)s::text[], %(entities)s::bigint[], %(visited)s::timestamptz[])
    AS p (stream, entity_id, visited_at)
JOIN crawl.frontier w USING (stream, entity_id)
WHERE w.visited_at = p.visited_at AND {free} FOR UPDATE OF w SKIP LOCKED

-- name: choose_this
SELECT %(name)s::text AS stream, %(entity)s::bigint AS entity_id

-- name: choose_following
SELECT w.stream, w.entity_id FROM crawl.frontier w
WHERE w.stream = %(name)s AND w.entity_id = %(entity)s
    AND (%(always)s OR (w.due_at <= crawl.clock() AND (w.lease_run = %(run)s OR {free})))
FOR UPDATE

-- name: hold
-- The visit whose response these need has just ended: another worker would have to make it once more.
UPDATE crawl.frontier w SET lease_token = gen_random_uuid(), lease_run = %(run)s,
    lease_until = crawl.clock() + make_interval(secs => %(seconds)s)
FROM unnest(%(streams)s::text[], %(entities)s::bigint[]) AS v (stream, entity_id)
WHERE w.stream = v.stream AND w.entity_id = v.entity_id AND w.due_at <= crawl.clock() AND {free}

-- name: heads
SELECT h.stream, h.entity_id, h.visited_at, q.queue
FROM unnest(%(queues)s::smallint[], %(roots)s::float8[], %(ripe)s::float8[], %(reach)s::int[])
    AS q (queue, root, ripe, reach)
CROSS JOIN LATERAL (
    SELECT w.stream, w.entity_id, w.visited_at, extract(epoch FROM crawl.clock() - w.visited_at) * q.root AS score
    FROM crawl.frontier w
    WHERE w.queue = q.queue AND w.visited_at <= crawl.clock() - make_interval(secs => 86400 * q.ripe)
        AND {free} AND w.failures = 0
    ORDER BY w.visited_at LIMIT q.reach
) h
ORDER BY h.score DESC

-- name: lease
WITH due AS ({chosen}), taken AS (
    UPDATE crawl.frontier w SET
        lease_token = gen_random_uuid(),
        lease_run = %(run)s,
        lease_until = crawl.clock() + make_interval(secs => %(seconds)s),
        -- A list that was not read in full for longer than its stream allows is read in full now.
        incremental = w.incremental AND NOT %(full)s AND NOT coalesce(w.state IS NULL AND w.last_full_read_at
            <= crawl.clock() - make_interval(secs => (%(revisits)s::jsonb ->> w.stream)::float8), false),
        started_at = CASE WHEN w.state IS NULL THEN crawl.clock() ELSE w.started_at END,
        started_depth = CASE WHEN w.state IS NULL THEN w.depth ELSE w.started_depth END
    FROM due WHERE w.stream = due.stream AND w.entity_id = due.entity_id
    RETURNING w.*
)
SELECT t.stream, t.entity_id, t.owner_id, u.username, s.host_id,
    CASE WHEN q.id IS NOT NULL THEN jsonb_build_array(q.query, q.mode, q.language, q.pages) END,
    t.lease_token, t.position, t.signal, t.state,
    t.certificate, t.due_at,
    t.visits > 0 AND NOT t.incremental,
    EXISTS (SELECT FROM crawl.missing_items x WHERE x.stream = t.stream AND x.entity_id = t.entity_id),
    coalesce(t.item_count, 0),
    ARRAY(SELECT x.item_id FROM crawl.quarantine x
        WHERE x.stream = t.stream AND x.entity_id = t.entity_id AND x.item_id IS NOT NULL),
    t.certificate -> 'anchors',
    {proven_seconds},
    u.gone_at IS NOT NULL,
    CASE WHEN t.state IS NULL THEN t.started_at END
FROM taken t
LEFT JOIN crawl.frontier n ON t.stream = ANY(%(by_name)s) AND n.stream = 'user' AND n.entity_id = t.entity_id
LEFT JOIN scratch.projects p
    ON t.stream = ANY(%(of_projects)s) AND p.id = coalesce(t.owner_id, t.entity_id)
LEFT JOIN scratch.users u
    ON u.id = CASE WHEN t.stream = ANY(%(of_users)s) THEN t.entity_id ELSE p.author_id END
LEFT JOIN scratch.studios s ON t.stream = ANY(%(of_studios)s) AND s.id = t.entity_id
LEFT JOIN crawl.queries q ON t.stream = ANY(%(of_queries)s) AND q.id = t.entity_id
ORDER BY t.due_at, t.stream, t.entity_id

-- name: release
UPDATE crawl.frontier w SET lease_token = NULL, lease_run = NULL, lease_until = NULL
FROM unnest(%(streams)s::text[], %(entities)s::bigint[], %(tokens)s::uuid[]) AS v (stream, entity_id, token)
WHERE w.stream = v.stream AND w.entity_id = v.entity_id AND w.lease_token = v.token

-- name: is_held
SELECT EXISTS (
    SELECT FROM crawl.frontier w
    JOIN unnest(%(streams)s::text[], %(entities)s::bigint[], %(tokens)s::uuid[]) AS v (stream, entity_id, token)
        ON w.stream = v.stream AND w.entity_id = v.entity_id AND w.lease_token = v.token
)

-- name: postpone
UPDATE crawl.frontier w SET lease_token = NULL, lease_run = NULL, lease_until = NULL,
    failures = w.failures + 1, last_error = %(reason)s,
    due_at = crawl.clock() + make_interval(secs => least(%(longest)s, 60 * 2 ^ least(w.failures, 20)))
FROM unnest(%(streams)s::text[], %(entities)s::bigint[], %(tokens)s::uuid[]) AS v (stream, entity_id, token)
WHERE w.stream = v.stream AND w.entity_id = v.entity_id AND w.lease_token = v.token

-- name: backlog
SELECT sum(n) FILTER (WHERE is_free)::int, sum(n) FILTER (WHERE NOT is_free)::int,
    (SELECT count(*) FROM crawl.frontier WHERE failures > 0 AND stream = ANY(%(streams)s))
FROM (
    SELECT is_free, count(*) AS n FROM (
        SELECT lease_token IS NULL AS is_free FROM crawl.frontier
        WHERE visits = 0 AND due_at <= crawl.clock() AND stream = ANY(%(streams)s) LIMIT %(most)s
    ) new GROUP BY 1
    UNION ALL
    SELECT is_free, count(*) FROM (
        SELECT lease_token IS NULL AS is_free FROM crawl.frontier
        WHERE visits > 0 AND due_at <= crawl.clock() AND stream = ANY(%(streams)s) LIMIT %(most)s
    ) due GROUP BY 1
    UNION ALL
    SELECT is_free, count(*) FROM (
        SELECT w.lease_token IS NULL AS is_free
        FROM unnest(%(queues)s::smallint[], %(ripe)s::float8[]) AS q (queue, ripe)
        JOIN crawl.frontier w ON w.queue = q.queue
            AND w.visited_at <= crawl.clock() - make_interval(secs => 86400 * q.ripe)
        WHERE w.failures = 0 AND w.due_at > crawl.clock() LIMIT %(most)s
    ) pays GROUP BY 1
    UNION ALL VALUES (true, 0), (false, 0)
) counted

-- name: put_in_scope
INSERT INTO crawl.frontier (stream, entity_id, due_at)
VALUES (%s, %s, crawl.clock() + make_interval(secs => %s))
ON CONFLICT (stream, entity_id) DO UPDATE SET lease_token = NULL, incremental = true

-- name: seen_drift
SELECT d.last_seen_at >= r.started_at FROM crawl.drift d, crawl.runs r
WHERE (d.stream, d.field, d.change) = (%s, %s, %s)
    AND r.id = (SELECT coalesce(parent_run_id, id) FROM crawl.runs WHERE id = %s) FOR UPDATE OF d

-- name: report_drift
INSERT INTO crawl.drift AS d (stream, field, change, example, count) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (stream, field, change)
DO UPDATE SET count = d.count + excluded.count, last_seen_at = clock_timestamp()
RETURNING xmax = 0

-- name: quarantine
INSERT INTO crawl.quarantine AS q (stream, entity_id, path, status, reason, body)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (stream, entity_id, hashtextextended(path, 0)) WHERE item_id IS NULL DO UPDATE SET
    seen_at = crawl.clock(), status = excluded.status, reason = excluded.reason, body = excluded.body,
    count = q.count + 1
