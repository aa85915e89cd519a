-- The latest runs, and what was wrong with those that were degraded.
SELECT id AS run, started_at, ended_at, command, coalesce(outcome, 'running') AS outcome,
    coalesce((SELECT sum(requests) FROM crawl.runs w WHERE w.parent_run_id = r.id), requests)::bigint AS requests,
    (SELECT coalesce(sum((value ->> 'inserted')::bigint), 0) FROM jsonb_each(counts))::bigint AS rows_new,
    (SELECT coalesce(sum((value ->> 'updated')::bigint), 0) FROM jsonb_each(counts))::bigint AS rows_changed,
    (SELECT coalesce(sum((value ->> 'gone')::bigint), 0) FROM jsonb_each(counts))::bigint AS rows_gone,
    coalesce(findings, '[]') AS findings
FROM crawl.runs r
WHERE parent_run_id IS NULL AND started_at <= %(at)s
ORDER BY id DESC
LIMIT 10
