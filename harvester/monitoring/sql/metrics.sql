-- name: responses
-- By the workers where a run had some: what the run itself holds is their sum.
SELECT stream, status, sum(count::bigint) FROM crawl.runs,
    jsonb_each(responses) AS s (stream, statuses), jsonb_each_text(statuses) AS a (status, count)
WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = runs.id)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: rows
SELECT name, fate, sum(count::bigint) FROM crawl.runs,
    jsonb_each(counts) AS t (name, outcomes), jsonb_each_text(outcomes) AS o (fate, count)
WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = runs.id)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: budget
SELECT taken, breaker_trips, greatest(0, extract(epoch FROM closed_until - now()))::float8,
    greatest(0, extract(epoch FROM next_at - now()))::float8
FROM crawl.rate_limit
