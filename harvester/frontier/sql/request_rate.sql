-- name: changes
SELECT changed_at, rate, previous_rate, changed_by, database_role FROM crawl.rate_changes
ORDER BY id DESC
