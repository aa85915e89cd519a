-- name: sizes
-- Bodies are named by their hash: the first ones are drawn at random.
SELECT count(*), avg(size)::float8, avg(length(packed))::float8,
    ((SELECT count(*) FROM source.bodies) / nullif((SELECT count(*) FROM source.versions), 0)::float8)
FROM (SELECT size, packed FROM source.bodies ORDER BY sha256 LIMIT 10000) drawn

-- name: unread
-- Projects in scope whose source was not asked for yet, and whether anything is in scope.
SELECT count(*), EXISTS (SELECT FROM crawl.frontier) FROM crawl.frontier w
WHERE w.stream = 'project' AND w.gone_at IS NULL
    AND NOT EXISTS (SELECT FROM source.projects s WHERE s.project_id = w.entity_id)
