-- name: runs
SELECT r.started_at,
    (SELECT count(*) FROM crawl.runs w
     WHERE (w.id = r.id OR w.parent_run_id = r.id) AND (w.outcome IN ('killed', 'failed') OR w.ended_at IS NULL))
FROM crawl.runs r WHERE r.parent_run_id IS NULL ORDER BY 1

-- name: sources_without_body
SELECT project_id FROM source.projects WHERE outcome = ANY(%s)
