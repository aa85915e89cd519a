-- name: present_entities
-- From a random id on, and from the lowest id where too few follow.
WITH place AS (
    SELECT low + floor(%(share)s * (high - low))::bigint AS id FROM (
        SELECT min(entity_id) AS low, max(entity_id) AS high FROM crawl.frontier WHERE stream = %(stream)s
    ) ends
)
SELECT w.entity_id, w.owner_id, u.username
FROM (
    (SELECT w.* FROM crawl.frontier w, place WHERE w.stream = %(stream)s AND w.entity_id >= place.id
        AND w.entity_id <> %(entity)s AND w.visits > 0 AND w.failures = 0 AND w.gone_at IS NULL
        AND (w.item_count > 0 OR NOT %(listed)s) ORDER BY w.entity_id LIMIT %(count)s)
    UNION ALL
    (SELECT w.* FROM crawl.frontier w, place WHERE w.stream = %(stream)s AND w.entity_id < place.id
        AND w.entity_id <> %(entity)s AND w.visits > 0 AND w.failures = 0 AND w.gone_at IS NULL
        AND (w.item_count > 0 OR NOT %(listed)s) ORDER BY w.entity_id LIMIT %(count)s)
) w
LEFT JOIN scratch.projects p ON %(of_projects)s AND p.id = coalesce(w.owner_id, w.entity_id)
LEFT JOIN scratch.users u ON u.id = CASE WHEN %(of_users)s THEN w.entity_id ELSE p.author_id END
LIMIT %(count)s

-- name: present_comments
-- The newest comments that are present, of projects or studios that are.
SELECT c.id, {page}, u.username
FROM (
    SELECT * FROM {comments}
    WHERE id <> %(entity)s AND gone_at IS NULL AND parent_id IS NULL ORDER BY id DESC LIMIT 20 * %(count)s
) c
JOIN {pages} p ON p.id = {page} AND p.gone_at IS NULL
LEFT JOIN scratch.users u ON u.id = {owner}
LIMIT %(count)s

-- name: note_missing
INSERT INTO crawl.missing_items (stream, entity_id, item_id, last_seen_at, missed_at)
SELECT stream, entity_id, %(itself)s, coalesce(visited_at, crawl.clock()), clock_timestamp()
FROM crawl.frontier
WHERE stream = %(stream)s AND entity_id = %(entity)s ON CONFLICT DO NOTHING

-- name: was_missed_before
SELECT s.missed_at < r.started_at FROM crawl.missing_items s, crawl.runs r
WHERE s.stream = %(stream)s AND s.entity_id = %(entity)s AND s.item_id = %(itself)s
    AND r.id = (SELECT coalesce(parent_run_id, id) FROM crawl.runs WHERE id = %(run)s)

-- name: usual_shares
SELECT a.stream, sum(n.count::int) FILTER (WHERE n.status IN ('403', '404', '410'))::float8 / sum(n.count::int)
FROM (
    SELECT responses FROM crawl.runs
    WHERE id < %s AND parent_run_id IS NULL AND outcome IN ('done', 'bounded')
    ORDER BY id DESC LIMIT %s
) r, jsonb_each(r.responses) AS a (stream, statuses), jsonb_each_text(a.statuses) AS n (status, count)
WHERE n.status IN ('200', '403', '404', '410') GROUP BY 1 HAVING sum(n.count::int) > 0
