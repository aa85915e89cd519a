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

-- name: draw_authors
INSERT INTO crawl.draws (design_id, position, entity_id, stratum, cluster_id)
SELECT %s, d.position, p.author_id, d.stratum, d.entity_id FROM crawl.draws d
JOIN scratch.projects p ON p.id = d.entity_id AND p.author_id IS NOT NULL
WHERE d.design_id = %s AND d.outcome = 'hit' AND d.replaced_at IS NULL
ON CONFLICT DO NOTHING RETURNING entity_id

-- name: weigh_author
UPDATE crawl.draws SET outcome = %s, measure = %s, inclusion_probability = %s, weight = %s,
    visited_at = crawl.clock() WHERE design_id = %s AND position = %s

-- name: complete_authors
UPDATE crawl.designs SET completed_at = crawl.clock() WHERE id = %s
    AND NOT EXISTS (SELECT FROM crawl.draws WHERE design_id IN (%s, %s) AND outcome IS NULL)
