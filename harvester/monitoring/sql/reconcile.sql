-- name: compare
-- Each entity with a full read: what the site counts and what the warehouse holds, of `{held}` rows `h` of entity `t`.
WITH compared AS (
    SELECT t.id, t.{counted} AS counted, count(h.first_seen_at) AS held
    FROM crawl.frontier w {sample} JOIN scratch.{thing} t ON t.id = w.entity_id AND t.gone_at IS NULL
    LEFT JOIN scratch.{held} AND h.gone_at IS NULL
    WHERE w.stream = %(stream)s AND w.visits > 0 AND w.certificate ->> 'complete' = 'true'
        AND t.{counted} < coalesce(%(below)s::bigint, 9223372036854775807)
    GROUP BY t.id
)
SELECT c.compared, c.differ, d.id, d.counted, d.held
FROM (SELECT count(*) AS compared, count(*) FILTER (WHERE counted <> held) AS differ FROM compared) c
LEFT JOIN (
    SELECT * FROM compared WHERE counted <> held ORDER BY abs(counted - held) DESC, id LIMIT %(worst)s
) d ON true
ORDER BY abs(d.counted - d.held) DESC, d.id

-- name: projects
SELECT count FROM history.site_counts WHERE name = 'projects' ORDER BY seen_at DESC LIMIT 1
