-- name: incomplete_designs
SELECT id, name, parent_id, depth, parameters FROM crawl.designs WHERE completed_at IS NULL AND cancelled_at IS NULL
ORDER BY id FOR UPDATE SKIP LOCKED
