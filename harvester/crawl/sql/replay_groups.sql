-- name: read_names
SELECT u.id, lower(u.username), EXISTS (
    SELECT FROM crawl.frontier w WHERE w.stream = 'user' AND w.entity_id = u.id AND w.last_error = %(waits)s
)
FROM scratch.users u WHERE u.id = ANY(%(users)s)

-- name: open_visits
SELECT stream, entity_id FROM crawl.frontier WHERE state IS NOT NULL

-- name: read_hosts
SELECT m.studio_id, m.user_id FROM unnest(%(studios)s::bigint[], %(users)s::bigint[]) AS v (studio_id, user_id)
JOIN scratch.studio_members m USING (studio_id, user_id)
WHERE m.role IS DISTINCT FROM 'host'
