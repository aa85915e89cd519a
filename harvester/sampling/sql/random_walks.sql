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

-- name: not_in_scope
SELECT array_agg(u) FROM unnest(%s::bigint[]) u WHERE (SELECT count(*) FROM crawl.frontier w
WHERE w.entity_id = u AND w.stream = ANY(%s)) < %s

-- name: positions
SELECT DISTINCT ON (cluster_id) cluster_id, position, entity_id, outcome FROM crawl.draws
WHERE design_id = %s ORDER BY cluster_id, position DESC
