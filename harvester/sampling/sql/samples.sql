-- name: known_authors
-- Both were visited since the draw. Projects are those that the frame holds, by the stratum of their ids.
WITH sure AS MATERIALIZED (
    SELECT coalesce(array_agg(entity_id), '{}') AS ids FROM crawl.draws
    WHERE design_id = %(parent)s AND stratum = %(certain)s
)
SELECT d.position, u.id IS NOT NULL AND v.gone_at IS NULL, b.weight, (
    SELECT jsonb_object_agg(x.stratum, x.n) FROM (
        SELECT CASE WHEN p.id = ANY(sure.ids) THEN %(certain)s ELSE s.stratum END AS stratum, count(*) AS n
        FROM scratch.projects p
        LEFT JOIN crawl.strata s ON s.design_id = %(parent)s AND p.id BETWEEN s.first_id AND s.last_id
        WHERE p.author_id = d.entity_id AND p.gone_at IS NULL AND p.public IS NOT FALSE AND s.stratum IS NOT NULL
        GROUP BY 1
    ) x)
FROM crawl.draws d
JOIN crawl.draws b ON b.design_id = %(parent)s AND b.position = d.position
JOIN crawl.frontier v ON v.stream = 'user' AND v.entity_id = d.entity_id AND v.visited_at >= d.drawn_at
JOIN crawl.frontier l ON l.stream = 'user_projects' AND l.entity_id = d.entity_id AND l.visited_at >= d.drawn_at
LEFT JOIN scratch.users u ON u.id = d.entity_id
CROSS JOIN sure
WHERE d.design_id = %(design)s AND d.outcome IS NULL

-- name: known_neighbours
SELECT u.id, (
    SELECT array_agg(x.other ORDER BY x.other) FROM (
        SELECT f.followee_id AS other FROM scratch.follows f WHERE f.follower_id = u.id AND f.gone_at IS NULL
        UNION SELECT f.follower_id FROM scratch.follows f WHERE f.followee_id = u.id AND f.gone_at IS NULL
    ) x JOIN scratch.users o ON o.id = x.other AND o.username IS NOT NULL WHERE x.other <> u.id),
    (SELECT count(*) FROM scratch.projects p
     WHERE p.author_id = u.id AND p.gone_at IS NULL AND p.public IS NOT FALSE)
FROM unnest(%s::bigint[]) AS u (id)
WHERE (SELECT count(*) FROM crawl.frontier w WHERE w.entity_id = u.id AND w.stream = ANY(%s) AND w.visits > 0) = %s
