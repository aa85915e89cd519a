-- name: responses
-- By the workers where a run had some: what the run itself holds is their sum.
SELECT stream, status, sum(count::bigint) FROM (
    SELECT stream, status, count FROM crawl.runs,
        jsonb_each(responses) AS s (stream, statuses), jsonb_each_text(statuses) AS a (status, count)
    WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = runs.id)
    UNION ALL SELECT name, detail, count::text FROM crawl.deleted_runs WHERE kind = 'response'
) f
GROUP BY 1, 2 ORDER BY 1, 2

-- name: rows
SELECT name, fate, sum(count::bigint) FROM (
    SELECT name, fate, count FROM crawl.runs,
        jsonb_each(counts) AS t (name, outcomes), jsonb_each_text(outcomes) AS o (fate, count)
    WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = runs.id)
    UNION ALL SELECT name, detail, count::text FROM crawl.deleted_runs WHERE kind = 'row'
) f
GROUP BY 1, 2 ORDER BY 1, 2

-- name: runs
SELECT outcome, sum(count) FROM (
    SELECT outcome, count(*) FROM crawl.runs WHERE parent_run_id IS NULL AND outcome IS NOT NULL GROUP BY 1
    UNION ALL SELECT name, count FROM crawl.deleted_runs WHERE kind = 'run'
) f
GROUP BY 1 ORDER BY 1

-- name: budget
SELECT taken, breaker_trips, greatest(0, extract(epoch FROM closed_until - now()))::float8,
    greatest(0, extract(epoch FROM next_at - now()))::float8
FROM crawl.rate_limit

-- name: crawls
-- A crawl that lives holds its lock; one that does not, and has no outcome, was killed.
WITH crawls AS (
    SELECT r.id, r.started_at, r.ended_at, coalesce(r.outcome, 'killed') AS outcome,
        r.ended_at IS NULL AND EXISTS (
            SELECT FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.classid = %(alive)s::oid AND l.objid = r.id::oid AND l.objsubid = 2
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ) AS is_alive,
        r.started_at - lag(r.started_at) OVER (ORDER BY r.id) AS gap
    FROM crawl.runs r WHERE r.parent_run_id IS NULL AND r.command LIKE 'crawl%%'
    ORDER BY r.id DESC LIMIT %(crawls)s
)
SELECT extract(epoch FROM max(CASE WHEN is_alive THEN now() ELSE coalesce(ended_at, started_at) END))::float8,
    CASE WHEN count(gap) >= 3 THEN extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY gap))::float8 END,
    (array_agg(outcome ORDER BY id DESC) FILTER (WHERE NOT is_alive))[1]
FROM crawls
