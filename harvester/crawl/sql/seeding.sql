-- name: first_unknown
SELECT min(id) FROM unnest(%s::bigint[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM scratch.users u WHERE u.id = wanted.id AND u.username IS NOT NULL)
