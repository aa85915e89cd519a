-- name: earlier_runs
SELECT responses, counts, requests FROM crawl.runs WHERE id < %s AND parent_run_id IS NULL
    AND outcome IN ('done', 'bounded') AND requests >= %s ORDER BY id DESC LIMIT %s

-- name: set_aside
SELECT count(*), min(q.stream) FROM crawl.quarantine q, crawl.runs r
WHERE r.id = %s AND q.seen_at >= r.started_at AND q.item_id IS NULL

-- name: unproved
SELECT count(*), count(*) FILTER (WHERE w.certificate ->> 'proven_by' = 'none') FROM crawl.frontier w
JOIN crawl.runs r ON r.id = %s AND w.visited_at >= r.started_at WHERE w.certificate IS NOT NULL
