-- name: without_author
SELECT v.id FROM unnest(%s::bigint[]) AS v (id)
WHERE NOT EXISTS (SELECT FROM scratch.projects p WHERE p.author_id IS NOT NULL AND p.id = v.id)
