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

-- name: hits_by_stratum
SELECT s.name, count(d.outcome), count(*) FILTER (WHERE d.outcome = 'hit')
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS s (name, first, last)
JOIN crawl.draws d ON d.design_id = %s AND d.entity_id BETWEEN s.first AND s.last GROUP BY 1

-- name: put_in_scope
INSERT INTO crawl.frontier AS w (stream, entity_id, depth, due_at)
SELECT s, e.id, %s, crawl.clock() - (%s - e.place) * interval '1 microsecond' FROM unnest(%s::text[]) s,
    (SELECT id, min(place) AS place FROM unnest(%s::bigint[]) WITH ORDINALITY AS x (id, place) GROUP BY 1) e
ORDER BY 1, 2 ON CONFLICT (stream, entity_id) DO UPDATE
SET depth = greatest(w.depth, excluded.depth), due_at = least(w.due_at, excluded.due_at)

-- name: store_wave
INSERT INTO crawl.wave_outcomes (design_id, wave, position, visit, outcome, visited_at)
SELECT design_id, wave, position, visit, outcome, visited_at FROM analytics.sample_visits
WHERE design_id = %s AND wave = %s

-- name: record_known
UPDATE crawl.draws SET outcome = CASE WHEN entity_id = ANY(%(hidden)s) THEN 'not found' END,
    visited_at = CASE WHEN entity_id = ANY(%(hidden)s) THEN crawl.clock() END
WHERE design_id = %(design)s AND replaced_at IS NULL

-- name: draw_authors
INSERT INTO crawl.draws (design_id, position, entity_id, stratum, cluster_id)
SELECT %s, d.position, p.author_id, d.stratum, d.entity_id FROM crawl.draws d
JOIN scratch.projects p ON p.id = d.entity_id AND p.author_id IS NOT NULL
WHERE d.design_id = %s AND d.outcome = 'hit' AND d.replaced_at IS NULL
ON CONFLICT DO NOTHING RETURNING entity_id

-- name: authors_of_hits
SELECT p.author_id FROM crawl.draws d JOIN scratch.projects p ON p.id = d.entity_id
JOIN scratch.users u ON u.id = p.author_id AND u.username IS NOT NULL
WHERE d.design_id = %s AND d.outcome = 'hit' AND d.stratum <> 'certain' AND d.replaced_at IS NULL
ORDER BY d.position

-- name: store_steps
INSERT INTO crawl.draws (design_id, position, entity_id, cluster_id, outcome, measure, weight, visited_at)
SELECT v.design, v.position, v.entity, v.walk, v.outcome, v.measure, v.weight,
    CASE WHEN v.outcome IS NOT NULL THEN crawl.clock() END
FROM (SELECT %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::text, %s::float8, %s::float8)
    AS v (design, position, entity, walk, outcome, measure, weight)
ON CONFLICT (design_id, position) DO UPDATE SET outcome = excluded.outcome, measure = excluded.measure,
    weight = excluded.weight, visited_at = excluded.visited_at

-- name: add_design
INSERT INTO crawl.designs (name, kind, parameters, depth, parent_id, completed_at)
VALUES (%s, %s, %s, %s, %s, CASE WHEN %s THEN crawl.clock() END) RETURNING id

-- name: units
SELECT entity_id, stratum, inclusion_probability, panel_group, outcome FROM crawl.draws
WHERE design_id = %s AND replaced_at IS NULL ORDER BY position

-- name: replace_group
UPDATE crawl.draws SET replaced_at = crawl.clock()
WHERE design_id = %s AND panel_group = %s AND replaced_at IS NULL

-- name: weigh_author
UPDATE crawl.draws SET outcome = %s, measure = %s, inclusion_probability = %s, weight = %s,
    visited_at = crawl.clock() WHERE design_id = %s AND position = %s

-- name: complete_authors
UPDATE crawl.designs SET completed_at = crawl.clock() WHERE id = %s
    AND NOT EXISTS (SELECT FROM crawl.draws WHERE design_id IN (%s, %s) AND outcome IS NULL)

-- name: not_in_scope
SELECT array_agg(u) FROM unnest(%s::bigint[]) u WHERE (SELECT count(*) FROM crawl.frontier w
WHERE w.entity_id = u AND w.stream = ANY(%s)) < %s

-- name: places
SELECT DISTINCT ON (cluster_id) cluster_id, position, entity_id, outcome FROM crawl.draws
WHERE design_id = %s ORDER BY cluster_id, position DESC

-- name: incomplete_designs
SELECT id, name, parent_id, depth, parameters FROM crawl.designs WHERE completed_at IS NULL
ORDER BY id FOR UPDATE SKIP LOCKED

-- name: most_commented
SELECT t.id FROM {table} t JOIN {comments} c ON {owner} = t.id AND c.gone_at IS NULL
WHERE t.gone_at IS NULL AND t.id BETWEEN %s AND %s GROUP BY t.id ORDER BY count(*) DESC, t.id LIMIT %s
