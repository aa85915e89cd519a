-- name: make_due
UPDATE crawl.frontier w SET due_at = crawl.clock(), incremental = incremental AND NOT EXISTS (
    SELECT FROM crawl.quarantine q WHERE (q.stream, q.entity_id) = (w.stream, w.entity_id) AND q.item_id IS NOT NULL
)
WHERE failures > 0 OR EXISTS (
    SELECT FROM crawl.quarantine q WHERE (q.stream, q.entity_id) = (w.stream, w.entity_id)
        AND (q.item_id IS NOT NULL OR coalesce(w.visited_at, '-infinity') < q.seen_at)
)

-- name: close_visited
DELETE FROM crawl.quarantine q USING crawl.frontier w
WHERE (q.stream, q.entity_id) = (w.stream, w.entity_id)
    AND q.item_id IS NULL AND w.visited_at > q.seen_at AND q.id <> ALL(%s)

-- name: cases
SELECT id, seen_at, stream, entity_id, path, status, reason, count, length(body) AS bytes,
    item_id, position
FROM crawl.quarantine WHERE %(stream)s::text IS NULL OR stream = %(stream)s
ORDER BY seen_at DESC, id DESC LIMIT %(most)s
