-- name: set_host_roles
WITH wrong AS (
    SELECT m.studio_id, m.user_id, m.first_seen_at, m.role,
        coalesce(v.at + interval '1 ms', crawl.statement_clock()) AS now
    FROM unnest(%(studios)s::bigint[], %(at)s::timestamptz[]) AS v (studio_id, at)
    JOIN scratch.studio_members m ON m.studio_id = v.studio_id JOIN scratch.studios s ON s.id = m.studio_id
    WHERE (m.role = 'host' AND m.user_id IS DISTINCT FROM s.host_id)
        OR (m.user_id = s.host_id AND m.role IS DISTINCT FROM 'host' AND m.gone_at IS NULL
            AND 'host_id' <> ALL(s.from_index))
    ORDER BY m.studio_id, m.user_id FOR UPDATE OF m
), kept AS (
    -- A list of managers that is read later than the studio's own page may not know a new host: that page dates both roles.
    INSERT INTO history.member_revisions (studio_id, user_id, valid_from, last_seen_at, valid_to, role)
    SELECT e.studio_id, e.user_id, coalesce(max(h.valid_to), e.first_seen_at), coalesce((
        SELECT max(r.last_seen_at) FROM history.studio_revisions r
        WHERE r.studio_id = e.studio_id AND (r.host_id IS NOT DISTINCT FROM e.user_id) = (e.role IS NOT DISTINCT FROM 'host')
    ), max(h.valid_to) FILTER (WHERE h.role IS DISTINCT FROM e.role), e.first_seen_at), e.now, e.role
    FROM wrong e LEFT JOIN history.member_revisions h USING (studio_id, user_id)
    GROUP BY e.studio_id, e.user_id, e.first_seen_at, e.now, e.role
)
UPDATE scratch.studio_members m SET role = CASE WHEN e.role = 'host' THEN 'manager' ELSE 'host' END FROM wrong e
WHERE m.studio_id = e.studio_id AND m.user_id = e.user_id

-- name: read_hosts
SELECT id, host_id FROM scratch.studios WHERE id = ANY(%(studios)s)
