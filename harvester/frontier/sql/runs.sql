-- name: begin_run
INSERT INTO crawl.runs
    (command, version, api_url, contact, permission, user_agent, rate, shares, parent_run_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id

-- name: end_dead_run
UPDATE crawl.runs SET ended_at = crawl.clock(), outcome = 'killed'
WHERE id = %s AND ended_at IS NULL
