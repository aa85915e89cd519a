-- name: users_of_name
WITH now AS (SELECT id FROM scratch.users WHERE lower(username) = %(name)s) SELECT id FROM now
UNION SELECT user_id FROM history.user_revisions
WHERE lower(username) = %(name)s AND NOT EXISTS (SELECT FROM now) ORDER BY 1

-- name: names_of_users
SELECT name
FROM (
    SELECT lower(username) FROM scratch.users WHERE id = ANY(%(users)s)
    UNION SELECT lower(username) FROM history.user_revisions WHERE user_id = ANY(%(users)s)
) n (name)
WHERE name <> ''
    AND NOT EXISTS (SELECT FROM scratch.users o WHERE lower(o.username) = name AND NOT o.id = ANY(%(users)s))

-- name: states_with_numbers
SELECT stream, entity_id, state, certificate FROM crawl.frontier
WHERE stream = ANY(%s) AND EXISTS (
    SELECT FROM unnest(%s::text[]) n (number)
    WHERE strpos(certificate::text, number) > 0 OR strpos(state::text, number) > 0
)

-- name: insert_repeated
-- Each erasure has a time of its own, by which its hashes belong together.
INSERT INTO crawl.erasures (hash, kind, erased_at) VALUES (%s, %s, now() + %s * interval '1 microsecond')
ON CONFLICT DO NOTHING
