-- name: living_runs
SELECT r.id FROM crawl.runs r
JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
    AND l.classid = %(alive)s AND l.objid = r.id
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
WHERE r.ended_at IS NULL ORDER BY 1

-- name: runs_with_requests
-- Of a command with workers of its own, these send the requests.
SELECT r.id, r.requests > 0 AND NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)
FROM crawl.runs r

-- name: without_limits
-- Of the transaction: the last of them is new in PostgreSQL 17.
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
