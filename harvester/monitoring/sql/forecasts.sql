-- name: last
SELECT made_at, made_at <= crawl.clock() - interval '7 days' AS is_over
FROM crawl.forecasts ORDER BY made_at DESC LIMIT 1

-- name: requests
-- Requests a day of the last seven days; null unless runs go back as far.
SELECT CASE WHEN (SELECT min(started_at) FROM crawl.runs) <= crawl.clock() - interval '7 days' THEN (
    SELECT coalesce(sum(requests), 0) / 7.0 FROM crawl.runs r
    WHERE started_at > crawl.clock() - interval '7 days'
        AND NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)
)::float8 END

-- name: observed
-- Items that appeared after their list was first met, and were found since a time.
SELECT count(*), coalesce(sum(greatest(0, extract(epoch FROM t.first_seen_at - t.{dated})::float8 / 86400)), 0)
FROM crawl.frontier w
JOIN {entities} o ON o.id = w.entity_id
JOIN {table} t ON t.{owner} = w.entity_id
WHERE w.stream = {stream} AND w.visits > 1 AND w.visited_at > %(since)s
    AND {only} AND t.first_seen_at > %(since)s AND t.{dated} > o.first_seen_at

-- name: end_week
UPDATE crawl.forecasts SET observed = %(observed)s WHERE made_at = %(made_at)s

-- name: insert
INSERT INTO crawl.forecasts (made_at, requests_a_day, predicted) VALUES (crawl.clock(), %s, %s)

-- name: read
SELECT made_at, requests_a_day, predicted, observed FROM crawl.forecasts
WHERE observed IS NOT NULL ORDER BY made_at DESC LIMIT 1
