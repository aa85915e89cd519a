-- name: keep
INSERT INTO crawl.quarantine AS q
    (stream, entity_id, path, status, reason, body, item_id, position, first_seen_at, seen_at)
SELECT v.stream, v.entity_id, v.path, 200, v.reason, decode(v.body, 'base64'), v.item_id, v.position,
    coalesce(w.started_at, crawl.clock()), crawl.clock()
FROM jsonb_to_recordset(%s)
    AS v (stream text, entity_id bigint, path text, reason text, body text, item_id bigint, position int)
JOIN crawl.frontier w ON w.stream = v.stream AND w.entity_id = v.entity_id
ORDER BY v.stream, v.entity_id, v.item_id
ON CONFLICT (stream, entity_id, item_id) WHERE item_id IS NOT NULL DO UPDATE SET
    seen_at = crawl.clock(), path = excluded.path, status = excluded.status, reason = excluded.reason,
    body = excluded.body, position = excluded.position, count = q.count + 1

-- name: drop
DELETE FROM crawl.quarantine q
USING jsonb_to_recordset(%s) AS v (stream text, entity_id bigint, usable bigint[], whole bool), crawl.frontier w
WHERE w.stream = v.stream AND w.entity_id = v.entity_id AND q.stream = v.stream AND q.entity_id = v.entity_id
    AND (q.item_id = ANY(v.usable) OR (q.item_id IS NOT NULL AND v.whole AND q.seen_at < w.started_at))

-- name: possibly_hidden
SELECT v.item FROM unnest(%(items)s::bigint[], %(after)s::timestamptz[]) AS v (item, after)
LEFT JOIN crawl.missing_items s ON s.stream = %(stream)s AND s.entity_id = %(entity_id)s AND s.item_id = v.item
WHERE EXISTS (
    SELECT FROM crawl.quarantine q WHERE q.stream = %(stream)s AND q.entity_id = %(entity_id)s AND q.item_id < 0
        AND (
            q.first_seen_at > coalesce(s.last_seen_at, v.after)
            OR (
                EXISTS (SELECT FROM crawl.frontier o WHERE o.stream = ANY(%(others)s) AND o.entity_id = v.item
                    AND o.visits > 0)
                AND NOT EXISTS (SELECT FROM crawl.missing_items o WHERE o.stream = ANY(%(others)s) AND o.entity_id =
                v.item
                    AND o.item_id = %(entity_id)s)
            )
        )
)
