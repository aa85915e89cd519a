-- name: record_seen_items
INSERT INTO crawl.seen_items (stream, entity_id, item_id)
SELECT v.stream, v.entity_id, unnest(v.items) FROM jsonb_to_recordset(%s)
    AS v (stream text, entity_id bigint, items bigint[]) ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING

-- name: clear_missing
-- Not of lists with an item that has no id: it must stay known since when they miss another one.
DELETE FROM crawl.missing_items s
USING jsonb_to_recordset(%s) AS v (stream text, entity_id bigint, item_id bigint)
WHERE s.stream = v.stream AND s.entity_id = v.entity_id AND s.item_id = v.item_id AND NOT EXISTS (
    SELECT FROM crawl.quarantine q
    WHERE q.stream = s.stream AND q.entity_id = s.entity_id AND q.item_id < 0
)

-- name: read_sibling
UPDATE crawl.frontier SET due_at = crawl.clock(), incremental = false
WHERE stream = %(sibling)s AND entity_id = %(entity_id)s AND NOT coalesce(last_full_read_at >= (
    SELECT max(missed_at) FROM crawl.missing_items WHERE stream = %(stream)s AND entity_id = %(entity_id)s
), false)

-- name: missed_before
SELECT s.item_id, s.missed_at, s.last_seen_at FROM crawl.missing_items s
JOIN crawl.frontier w USING (stream, entity_id)
WHERE s.stream = %(stream)s AND s.entity_id = %(entity_id)s
    AND s.missed_at <= w.started_at - make_interval(secs => %(apart)s) AND s.item_id = ANY(%(missing)s)

-- name: record_missing
INSERT INTO crawl.missing_items (stream, entity_id, item_id, last_seen_at, missed_at)
SELECT %(stream)s, %(entity_id)s, v.item, v.after, crawl.clock()
FROM unnest(%(items)s::bigint[], %(after)s::timestamptz[]) AS v (item, after) ON CONFLICT DO NOTHING

-- name: ask
INSERT INTO crawl.frontier AS w (stream, entity_id, owner_id, due_at)
SELECT %(ask)s, item, %(entity_id)s, crawl.clock() FROM unnest(%(items)s::bigint[]) AS item ORDER BY item
ON CONFLICT (stream, entity_id) DO UPDATE SET due_at = crawl.clock()

-- name: put_in_scope
INSERT INTO crawl.frontier (stream, entity_id, depth, due_at) SELECT %(ask)s, item, w.depth, crawl.clock()
FROM unnest(%(items)s::bigint[]) AS item JOIN crawl.frontier w
    ON w.stream = %(stream)s AND w.entity_id = %(entity_id)s ORDER BY item ON CONFLICT DO NOTHING

-- name: missed_in_this_run
SELECT max(s.missed_at) >= greatest(max(r.started_at), max(w.started_at) - interval '1 day')
FROM crawl.missing_items s JOIN crawl.frontier w USING (stream, entity_id)
LEFT JOIN crawl.runs r ON r.id = w.lease_run
WHERE s.stream = %(stream)s AND s.entity_id = %(entity_id)s

-- name: delete_found
DELETE FROM crawl.missing_items WHERE stream = %(stream)s AND entity_id = %(entity_id)s
    AND item_id <> ALL(%(rest)s)

-- name: date
UPDATE {table} t SET
    -- A reply may have been met after its comment was last seen, or after it was missed.
    gone_at = CASE WHEN v.missed > t.first_seen_at THEN v.missed ELSE crawl.clock() END,
    last_seen_at = greatest(coalesce({missed_reply}, v.after), t.first_seen_at), gone_reason = %(reason)s
FROM unnest(%(items)s::bigint[], %(missed)s::timestamptz[], %(after)s::timestamptz[]) AS v (item, missed, after)
WHERE {match} AND t.gone_at IS NULL

-- name: missed_reply
-- A reply that is gone with its comment may have been missing before.
(
    SELECT m.last_seen_at FROM crawl.missing_items m
    WHERE m.stream = {replies} AND m.entity_id = t.parent_id AND m.item_id = t.id
)

-- name: make_due
UPDATE crawl.frontier SET due_at = crawl.clock() WHERE stream = %(ask)s AND entity_id = ANY(%(items)s)
    AND due_at > crawl.clock()

-- name: delete_itself
DELETE FROM crawl.missing_items s USING jsonb_to_recordset(%s) AS v (stream text, entity_id bigint)
WHERE s.stream = v.stream AND s.entity_id = v.entity_id AND s.item_id = %s

-- name: unseen
t.{owner} = l.entity_id AND {only} AND t.gone_at IS NULL AND t.first_seen_at < w.started_at
    AND CASE WHEN l.seen IS NULL THEN NOT EXISTS (
        SELECT FROM crawl.seen_items s
        WHERE s.stream = %(stream)s AND s.entity_id = l.entity_id AND s.item_id = t.{item} OFFSET 0
    ) ELSE t.{item} <> ALL(l.seen) END

-- name: lists_with_missing
-- LIMIT and OFFSET 0 make the planner go list by list and item by item, never through whole tables.
SELECT l.entity_id FROM jsonb_to_recordset(%(lists)s) AS l (entity_id bigint, seen bigint[])
CROSS JOIN LATERAL (
    SELECT started_at FROM crawl.frontier WHERE stream = %(stream)s AND entity_id = l.entity_id LIMIT 1
) w
CROSS JOIN LATERAL (SELECT 1 FROM {table} t WHERE {unseen} LIMIT 1) one

-- name: missing_of_list
-- The last full read may have missed it already: then it was present before that read.
SELECT t.{item}, greatest(t.first_seen_at, coalesce((
    SELECT m.last_seen_at FROM crawl.missing_items m
    WHERE m.stream = %(stream)s AND m.entity_id = l.entity_id AND m.item_id = t.{item}
), w.last_full_read_at))
FROM (SELECT %(entity_id)s::bigint AS entity_id, %(seen)s::bigint[] AS seen) l
JOIN crawl.frontier w ON w.stream = %(stream)s AND w.entity_id = l.entity_id, {table} t
WHERE {unseen}
