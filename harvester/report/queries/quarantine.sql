-- Responses that were set aside, the newest first.
SELECT id AS "case", stream, status, count AS times, seen_at AS last_seen_at, count(*) OVER () AS cases
FROM crawl.quarantine
WHERE item_id IS NULL
ORDER BY seen_at DESC, id DESC
LIMIT 10
