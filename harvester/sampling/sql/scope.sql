-- name: scope
SELECT kind, id, name, depth, since, by FROM (
    SELECT s.kind, s.entity_id AS id, coalesce(u.username, p.title, t.title) AS name, s.depth, s.seeded_at AS since,
        'seed ' || s.kind || 's' AS by
    FROM crawl.seeds s
    LEFT JOIN scratch.users u ON s.kind = 'user' AND u.id = s.entity_id
    LEFT JOIN scratch.projects p ON s.kind = 'project' AND p.id = s.entity_id
    LEFT JOIN scratch.studios t ON s.kind = 'studio' AND t.id = s.entity_id
    UNION ALL
    SELECT 'ranking', q.id, concat_ws(' ', q.stream, nullif('q=' || q.query, 'q='), nullif(q.mode, ''),
        nullif(q.language, ''), q.pages || CASE q.pages WHEN 1 THEN ' page' ELSE ' pages' END), q.depth, q.seeded_at,
        'seed ' || CASE WHEN q.stream = 'front_page' THEN 'front-page' ELSE split_part(q.stream, '_', 1) END
    FROM crawl.queries q
    UNION ALL
    SELECT 'design', g.id, concat_ws(' ', g.name, 'of', (
        SELECT count(*) FROM crawl.draws d WHERE d.design_id = g.id AND d.replaced_at IS NULL
    ), g.kind || 's'), g.depth, g.drawn_at, 'seed sample ' || CASE g.name
        WHEN 'panel' THEN 'panel' WHEN 'authors' THEN 'authors' WHEN 'walk' THEN 'random-walk' ELSE g.kind || 's' END
    FROM crawl.designs g WHERE g.cancelled_at IS NULL
) x
ORDER BY since, kind, id

-- name: known_seeds
SELECT entity_id FROM crawl.seeds WHERE kind = %(kind)s AND entity_id = ANY(%(ids)s)

-- name: known_rankings
SELECT id FROM crawl.queries WHERE id = ANY(%(ids)s)

-- name: delete_seeds
DELETE FROM crawl.seeds WHERE kind = %(kind)s AND entity_id = ANY(%(ids)s)

-- name: delete_rankings
DELETE FROM crawl.queries WHERE id = ANY(%(ids)s)

-- name: design
SELECT g.cancelled_at, (
    SELECT min(c.id) FROM crawl.designs c
    WHERE c.parent_id = g.id AND c.completed_at IS NULL AND c.cancelled_at IS NULL
)
FROM crawl.designs g WHERE g.id = %s
